"""Where and when a kind holds, as pure functions."""

from datetime import date
from typing import Any

from tksk_api.errors import invalid


def check_kind(kind: Any, pillar: str, region_code: str, day: date) -> None:
    """A kind holds in its region and below, within its days, in its pillar or, being general, in all four (DOMAIN §6).

    Raises invalid_request (unknown_code, kind_ended, kind_other_pillar) at /kind.
    """
    if kind is None or not _is_inside(region_code, kind.region_code):
        raise invalid("/kind", "unknown_code", list="activity_kinds")
    if (kind.valid_from and day < kind.valid_from) or (kind.valid_until and day > kind.valid_until):
        raise invalid("/kind", "kind_ended")
    if kind.pillar not in (None, pillar):
        raise invalid("/kind", "kind_other_pillar", pillar=kind.pillar)


def check_span(valid_from: date | None, valid_until: date | None) -> None:
    """Raises invalid_request (before_start) at /valid_until."""
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        raise invalid("/valid_until", "before_start")


def _is_inside(region_code: str, area: str | None) -> bool:
    return area is None or f"{region_code}.".startswith(f"{area}.")
