"""Which agency serves which programme."""

from collections.abc import Collection


def refusal(
    kind: str, programs: Collection[str], program: str, program_kinds: Collection[str], *, is_active: bool
) -> str | None:
    """The field code that says why no referral for `program` may go there; None when it may.

    DOMAIN §4: each programme names the kinds of agency it leads to; a region may let another office serve it.
    """
    if not is_active:
        return "agency_inactive"
    return None if kind in program_kinds or program in programs else "agency_not_fitting"
