"""What a social partner must satisfy, as pure functions: its codes, its unit, its legal form, its end."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.errors import invalid

LEGAL_FORM = "lks"  # an LKS may be a legal entity or not (DOMAIN §2.2)


def unit_of(kind: str, unit: str | None) -> str:
    """Whether the partner is a person, a family or an institution, which its type says (Permensos 8/2012).

    Raises invalid_request: unknown_code at /type, missing (a type that may be any) or unit_mismatch at /unit.
    """
    item = next((item for item in LISTS["psks_types"].items if item.code == kind), None)
    if item is None:
        raise invalid("/type", "unknown_code", list="psks_types")
    usual = str(item.attributes["unit"])
    if usual == "any":
        if unit is None:
            raise invalid("/unit", "missing")
        return unit
    if unit not in (None, usual):
        raise invalid("/unit", "unit_mismatch", unit=usual)
    return usual


def legal_entity_of(kind: str, legal_entity: str | None) -> str | None:
    """Known or unknown of an LKS, and of nobody else. Raises invalid_request (only_for_lks)."""
    if kind == LEGAL_FORM:
        return legal_entity or "unknown"
    if legal_entity is not None:
        raise invalid("/legal_entity", "only_for_lks")
    return None


def check_codes(values: Sequence[str], list_code: str, pointer: str) -> None:
    """Every code is in the list and stands once. Raises invalid_request (unknown_code, duplicate_entry)."""
    for index, value in enumerate(values):
        if value not in codes(list_code):
            raise invalid(f"{pointer}/{index}", "unknown_code", list=list_code)
        if value in values[:index]:
            raise invalid(f"{pointer}/{index}", "duplicate_entry")


def check_search(name: str | None, area: str | None, serving: str | None) -> None:
    """A name is looked for near a place: in a regency or below it, or among those who serve one.

    Raises invalid_request (search_needs_area).
    """
    if name is not None and serving is None and len(area or "") < len("18.71"):
        raise invalid("/region_code", "search_needs_area")


def check_end(row: Any, today: date) -> None:
    """A partner that ended says when and why, one that is active says neither. `today` is the day in its region.

    Raises invalid_request: missing, in_future, unknown_code, other_note_required, only_when_ended.
    """
    if row.is_active:
        for name in ("ended_on", "end_reason"):
            if getattr(row, name) is not None:
                raise invalid(f"/{name}", "only_when_ended")
        return
    for name in ("ended_on", "end_reason"):
        if getattr(row, name) is None:
            raise invalid(f"/{name}", "missing")
    if row.ended_on > today:
        raise invalid("/ended_on", "in_future")
    if row.end_reason not in codes("partner_end_reasons"):
        raise invalid("/end_reason", "unknown_code", list="partner_end_reasons")
    if row.end_reason == "other" and row.notes is None:
        raise invalid("/notes", "other_note_required")
