"""What a decision and an end must say."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
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


def consent_refusal(consent: str, consent_reason: str | None) -> str | None:
    """Only who overrides somebody's consent says why, and then must (UU 27/2022 Pasal 20: vital interest)."""
    if consent == "overridden":
        return "missing" if consent_reason is None else None
    return None if consent_reason is None else "only_when_overridden"


def deadline_refusal(last_day: date | None, decided_on: date, today: date) -> str | None:
    """A last day said with a decision has not passed, and does not lie before it."""
    if last_day is None:
        return None
    return "in_past" if last_day < today or last_day < decided_on else None


def last_day(said: date | None, decided_on: date, days: int | None) -> date | None:
    """The last day as the agency says, else as the programme's version does; None: it does not lapse."""
    return said or (decided_on + timedelta(days=days) if days is not None else None)


def activation_refusal(active_from: date, activate_by: date | None, today: date) -> str | None:
    """After the last day of activation it is too late (PIP: the account is activated in time, or it is cancelled;
    DOMAIN §4.2)."""
    return "deadline_passed" if activate_by is not None and max(active_from, today) > activate_by else None


def end_refusal(active_from: date | None, ended_on: date) -> str | None:
    """A benefit cannot end before it began. It may end on a coming day: agencies announce ends ahead."""
    return "before_start" if active_from is not None and ended_on < active_from else None


def still_requested(requested: Collection[dict[str, Any]], supplied: Collection[str]) -> list[dict[str, Any]]:
    """What the agency asked for and has not got; what is there may be enough for it to go on."""
    return [document for document in requested if document["kind"] not in supplied]


def appended(steps: Iterable[tuple[str, Sequence[Any]]]) -> int:
    """How many of a referral's last documents came after those it was submitted with.

    `steps`: oldest first, "supply-documents" with what was supplied, and "transfer" with what of that went along.
    """
    count = 0
    for action, documents in steps:
        count = len(documents) if action == "transfer" else count + len(documents)
    return count
