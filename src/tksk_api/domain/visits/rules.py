"""What a visit must satisfy, as pure functions: its day, its finding, its answers on the form; and what is odd."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import cos, hypot, radians
from typing import Any

from tksk_api.domain.references.lists import codes
from tksk_api.domain.visit_forms.forms import Form, FormField
from tksk_api.errors import DomainError, FieldError, invalid

MAX_DAYS_AHEAD = 60
MAX_DAYS_AGO = 366  # the same day last year, leap years included
FAR_AWAY_KM = 50
_INDONESIA = ((-11.1, 6.3), (94.9, 141.1))  # its southernmost to northernmost, westernmost to easternmost degrees
_KM_PER_DEGREE = 111.2


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


def check_answers(form: Form, evidence: Mapping[str, Any], reasons: Sequence[str]) -> None:
    """Every answer is one that this version of the form asks for and takes; reasons are of their list, each once.

    Raises invalid_request (not_on_form, unknown_code, duplicate_entry, too_many, out_of_range), naming every wrong one.
    """
    errors = [error for name, value in evidence.items() for error in _wrong_answer(form, name, value)]
    errors += _wrong_entries("/reasons", "visit_reasons", reasons)
    if errors:
        raise DomainError("invalid_request", errors=errors)


def _wrong_answer(form: Form, name: str, value: Any) -> Iterator[FieldError]:
    entry, pointer = form.field(name), f"/evidence/{name}"
    if entry is None:
        yield FieldError(pointer, "not_on_form", {"version": form.version})
    elif isinstance(value, list):
        if len(value) > (entry.maximum or 0):
            yield FieldError(pointer, "too_many", {"max": entry.maximum})
        yield from _wrong_entries(pointer, entry.list or "", value)
    elif entry.list is not None:
        if value not in codes(entry.list):
            yield FieldError(pointer, "unknown_code", {"list": entry.list})
    elif not isinstance(value, bool) and not _is_within(entry, value):
        yield FieldError(pointer, "out_of_range", {"min": entry.minimum, "max": entry.maximum})


def _is_within(entry: FormField, value: float) -> bool:
    return (entry.minimum is None or value >= entry.minimum) and (entry.maximum is None or value <= entry.maximum)


def _wrong_entries(pointer: str, list_code: str, entries: Sequence[str]) -> Iterator[FieldError]:
    for index, code in enumerate(entries):
        if code not in codes(list_code):
            yield FieldError(f"{pointer}/{index}", "unknown_code", {"list": list_code})
        elif code in entries[:index]:
            yield FieldError(f"{pointer}/{index}", "duplicate_entry")


def finding_warnings(finding: str | None, reasons: Sequence[str]) -> Iterator[str]:
    """Codes of the list `visit_warnings`. Who is told no is owed a reason, but a phone is not stopped for one."""
    if finding in ("not_eligible", "needs_assessment") and not reasons:
        yield "reasons_missing"


def place_warnings(lat: float | None, lon: float | None, village: tuple[float, float] | None) -> Iterator[str]:
    """Codes of the list `visit_warnings`: a receiver that is wrong is a hint, never a refusal."""
    if lat is None or lon is None:
        return
    (south, north), (west, east) = _INDONESIA
    if not (south <= lat <= north and west <= lon <= east):
        yield "location_outside_indonesia"
    elif village is not None and _km_between((lat, lon), village) > FAR_AWAY_KM:
        yield "location_far_away"


def _km_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """On a plane: near the equator, and for a question of tens of kilometres, that is enough."""
    north = one[0] - other[0]
    east = (one[1] - other[1]) * cos(radians(one[0]))
    return hypot(north, east) * _KM_PER_DEGREE
