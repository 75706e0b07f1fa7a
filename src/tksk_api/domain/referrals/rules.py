"""What a decision and an end must say."""

from collections.abc import Collection
from datetime import date
from typing import Any


def reason_refusal(reason_code: str | None, allowed: Collection[str], note: str | None) -> tuple[str, str] | None:
    """Pointer and field code when the reason does not fit the action, or `other` stands without a note."""
    if reason_code is None:
        return None
    if reason_code not in allowed:
        return "/reason_code", "unknown_code"
    if reason_code == "other" and note is None:
        return "/note", "other_note_required"
    return None


def date_refusal(decided_on: date, today: date) -> str | None:
    """A decision is not in the future; `today` is the day in the region's own zone."""
    return "in_future" if decided_on > today else None


def end_refusal(active_from: date | None, ended_on: date) -> str | None:
    """A benefit cannot end before it began. It may end on a coming day: agencies announce ends ahead."""
    return "before_start" if active_from is not None and ended_on < active_from else None


def still_requested(requested: Collection[dict[str, Any]], supplied: Collection[str]) -> list[dict[str, Any]]:
    """What the agency asked for and has not got; what is there may be enough for it to go on."""
    return [document for document in requested if document["kind"] not in supplied]
