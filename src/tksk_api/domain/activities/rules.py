"""What a piece of work must satisfy, as pure functions: its day and hours, its headcount."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tksk_api.domain.references.lists import codes
from tksk_api.errors import DomainError, FieldError, invalid

MAX_DAYS_AGO = 366  # the same day last year, leap years included
MAX_HOURS = 24


def check_day(occurred_on: date, today: date) -> None:
    """Work is logged after it was done, and within a year.

    `today` is the date in the region. Raises invalid_request (in_future, too_old) at /occurred_on.
    """
    if occurred_on > today:
        raise invalid("/occurred_on", "in_future")
    if occurred_on < today - timedelta(days=MAX_DAYS_AGO):
        raise invalid("/occurred_on", "too_old")


def check_hours(occurred_on: date, started_at: datetime | None, ended_at: datetime | None, timezone: str) -> None:
    """The work starts on its day by the region's own clock, ends later, and lasts at most 24 hours.

    Raises invalid_request: other_day or missing at /started_at, before_start or too_long_span at /ended_at.
    """
    if started_at is None:
        if ended_at is not None:
            raise invalid("/started_at", "missing")
        return
    if started_at.astimezone(ZoneInfo(timezone)).date() != occurred_on:
        raise invalid("/started_at", "other_day")
    if ended_at is not None and ended_at <= started_at:
        raise invalid("/ended_at", "before_start")
    if ended_at is not None and ended_at - started_at > timedelta(hours=MAX_HOURS):
        raise invalid("/ended_at", "too_long_span")


def check_source(assigned_by: str | None) -> None:
    """Who gave the task (Permensos 28/2018). Raises invalid_request (unknown_code) at /assigned_by."""
    if assigned_by is not None and assigned_by not in codes("assignment_sources"):
        raise invalid("/assigned_by", "unknown_code", list="assignment_sources")


def check_headcount(headcount: Mapping[str, int] | None, linked: int) -> None:
    """Whoever is linked by name was reached and is counted; children and disabled are counted among men and women.

    Raises invalid_request (headcount_below_linked, or headcount_above_total at the members that are).
    """
    if not headcount:
        return
    total = headcount["male"] + headcount["female"]
    if total < linked:
        raise invalid("/headcount", "headcount_below_linked")
    errors = [
        FieldError(f"/headcount/{part}", "headcount_above_total", {"max": total})
        for part in ("children", "disabled")
        if headcount[part] > total
    ]
    if errors:
        raise DomainError("invalid_request", errors=errors)
