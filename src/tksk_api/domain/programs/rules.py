"""Whether a programme runs."""

from datetime import date


def not_running(valid_from: date | None, valid_until: date | None, day: date) -> str | None:
    """The field code that says why a programme does not run on `day`; None when it does. Both ends belong to it.

    Jampersal ran from 12 July to 31 December 2022 (Inpres 5/2022); programmes come and go (DOMAIN §4.4).
    """
    if valid_until is not None and day > valid_until:
        return "program_ended"
    if valid_from is not None and day < valid_from:
        return "program_not_started"
    return None
