"""What a visit must satisfy, as pure functions: its day, its finding, the codes of its evidence."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from tksk_api.domain.references.lists import codes
from tksk_api.errors import DomainError, FieldError, invalid

MAX_DAYS_AHEAD = 60
MAX_DAYS_AGO = 366  # the same day last year, leap years included
CODED_EVIDENCE = (
    "house_ownership",
    "floor_type",
    "wall_type",
    "roof_type",
    "water_source",
    "lighting",
    "electricity_power",
    "toilet",
    "cooking_fuel",
)


def check_day(visited_on: date, today: date) -> None:
    """A visit is planned at most 60 days ahead and written down within a year.

    `today` is the date in the person's village. Raises invalid_request (too_far_ahead, too_old) at /visited_on.
    """
    if visited_on > today + timedelta(days=MAX_DAYS_AHEAD):
        raise invalid("/visited_on", "too_far_ahead", max=MAX_DAYS_AHEAD)
    if visited_on < today - timedelta(days=MAX_DAYS_AGO):
        raise invalid("/visited_on", "too_old")


def check_finding(outcome: str, finding: str | None) -> None:
    """Only who met somebody concludes something: an SKTM rests on a visit, not on a closed door (DOMAIN §3.2, abuse).

    Raises invalid_request (missing, finding_without_meeting) at /finding.
    """
    if outcome == "met" and finding is None:
        raise invalid("/finding", "missing")
    if outcome != "met" and finding is not None:
        raise invalid("/finding", "finding_without_meeting")


def check_codes(evidence: Mapping[str, Any], reasons: Sequence[str]) -> None:
    """Every code is one of its reference list, and none appears twice (Regsosek 2022; DOMAIN §3.4, §3.6).

    Raises invalid_request (unknown_code, duplicate_entry), naming every wrong entry.
    """
    errors = [
        FieldError(f"/evidence/{name}", "unknown_code", {"list": name})
        for name in CODED_EVIDENCE
        if (code := evidence.get(name)) is not None and code not in codes(name)
    ]
    errors += _wrong_entries("/evidence/assets", "assets", evidence.get("assets", []))
    errors += _wrong_entries("/reasons", "visit_reasons", reasons)
    if errors:
        raise DomainError("invalid_request", errors=errors)


def _wrong_entries(pointer: str, list_code: str, entries: Sequence[str]) -> Iterator[FieldError]:
    for index, code in enumerate(entries):
        if code not in codes(list_code):
            yield FieldError(f"{pointer}/{index}", "unknown_code", {"list": list_code})
        elif code in entries[:index]:
            yield FieldError(f"{pointer}/{index}", "duplicate_entry")
