"""The forms of a home visit: what is looked at, kept as data by version."""
