"""When official evidence and an officer's finding disagree, as data."""

# The highest decile that aid is meant for: PBI-JK and ATENSI take 1-5 by Kepmensos 79/HUK/2025 (DOMAIN §2.3). A
# programme with a lower bound of its own says so in its rules; an officer's finding is about need as such.
HIGHEST_ELIGIBLE_DECILE = 5
EXCLUSION, INCLUSION = "exclusion", "inclusion"
