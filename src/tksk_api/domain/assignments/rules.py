"""What an assignment must satisfy, as pure functions: its level, its decree, its dates, its end."""

from datetime import date
from typing import Any
from uuid import UUID

from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.errors import invalid

_LEVELS = {"holder": ("district",), "acting": ("district",), "coordinator": ("regency", "province")}


def check_level(kind: str, level: str) -> None:
    """One TKSK works in one district; coordinators stand above (DOMAIN §1.2). Raises invalid_request (region_level)."""
    if level not in _LEVELS[kind]:
        raise invalid("/region_code", "region_level", level=" / ".join(_LEVELS[kind]))


def check_decree(kind: str, decree: dict[str, Any]) -> None:
    """Number, date and issuer, all three or none; none only for acting cover, as decrees take months (DOMAIN §1.4).

    Raises invalid_request: missing at the member, unknown_code at /decree_issuer.
    """
    if kind == "acting" and not any(decree.values()):
        return
    for name, value in decree.items():
        if value is None:
            raise invalid(f"/{name}", "missing")
    issuers = {item.code for item in LISTS["assignment_sources"].items if item.attributes.get("issues_decrees")}
    if decree["decree_issuer"] not in issuers:
        raise invalid("/decree_issuer", "unknown_code", list="assignment_sources")


def check_span(kind: str, starts_on: date, ends_on: date | None, longest_cover: int) -> None:
    """It ends after it began; acting cover ends by a known day, at most `longest_cover` days on.

    Raises invalid_request (missing, before_start, cover_too_long) at /ends_on.
    """
    if ends_on is None:
        if kind == "acting":
            raise invalid("/ends_on", "missing")
        return
    if ends_on < starts_on:
        raise invalid("/ends_on", "before_start")
    if kind == "acting" and (ends_on - starts_on).days >= longest_cover:
        raise invalid("/ends_on", "cover_too_long", max=longest_cover)


def check_cover(kind: str, user_id: UUID, acting_for: UUID | None) -> None:
    """Only acting cover stands in for somebody, who is somebody else. Raises invalid_request at /acting_for."""
    if acting_for is None:
        return
    if kind != "acting":
        raise invalid("/acting_for", "only_for_acting")
    if acting_for == user_id:
        raise invalid("/acting_for", "same_person")


def check_reason(end_reason: str, note: str | None) -> None:
    """Why it ended (DOMAIN §1.4). Raises invalid_request (unknown_code, other_note_required)."""
    if end_reason not in codes("assignment_end_reasons"):
        raise invalid("/end_reason", "unknown_code", list="assignment_end_reasons")
    if end_reason == "other" and note is None:
        raise invalid("/note", "other_note_required")


def last_day(wanted: date, starts_on: date, ends_on: date | None, today: date) -> tuple[date, bool]:
    """The last day of an assignment that is ended, and whether it is over at this moment.

    Today or later, never later than it would end anyway. One that would end before it begins never begins.
    Raises invalid_request (in_past, after_end) at /ends_on.
    """
    if wanted < today:
        raise invalid("/ends_on", "in_past")
    if ends_on is not None and wanted > ends_on:
        raise invalid("/ends_on", "after_end", end=ends_on.isoformat())
    return max(wanted, starts_on), wanted == today or wanted < starts_on
