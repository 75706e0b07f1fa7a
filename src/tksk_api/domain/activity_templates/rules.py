"""When recurring work is due, as pure functions."""

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from tksk_api.errors import invalid


def check_recurrence(recurrence: Any) -> None:
    """A week has a weekday and a month a day, and neither the other's.

    Raises invalid_request (missing, not_allowed, before_start).
    """
    if recurrence is None:
        return
    needed, other = ("weekday", "day") if recurrence.every == "week" else ("day", "weekday")
    if getattr(recurrence, needed) is None:
        raise invalid(f"/recurrence/{needed}", "missing")
    if getattr(recurrence, other) is not None:
        raise invalid(f"/recurrence/{other}", "not_allowed", expected="null")
    if recurrence.starts_on and recurrence.ends_on and recurrence.ends_on < recurrence.starts_on:
        raise invalid("/recurrence/ends_on", "before_start")


def last_due(recurrence: Any, on: date) -> date | None:
    """The last day on or before `on` on which the work was due; None before its first."""
    if recurrence.ends_on is not None and on > recurrence.ends_on:
        on = recurrence.ends_on
    if recurrence.every == "week":
        due = on - timedelta(days=(on.isoweekday() - (recurrence.weekday or 1)) % 7)
    else:
        due = _in_month(on, recurrence.day or 1)
        if due > on:
            due = _in_month(on.replace(day=1) - timedelta(days=1), recurrence.day or 1)
    return None if recurrence.starts_on is not None and due < recurrence.starts_on else due


def _in_month(month: date, day: int) -> date:
    return month.replace(day=min(day, monthrange(month.year, month.month)[1]))
