"""What an assessment must satisfy, as pure functions: whose it is, its days, why it ends."""

from datetime import date
from typing import Any

from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.errors import invalid

# The unit the list gives a category -> the units it may be assessed for: a group consists of persons.
_UNITS = {"person": ("person", "group"), "family": ("family",), "community": ("community",)}
_MEMBER = {"person": "/beneficiary_id", "family": "/family_id", "group": "/group_name", "community": "/group_name"}


def unit_of(body: Any) -> str:
    """Which of the four the body names; exactly one, and a village with a group's name alone.

    Raises invalid_request (missing, one_of_these, only_for_groups).
    """
    named = [name for name in ("beneficiary_id", "family_id", "group_name") if getattr(body, name) is not None]
    if len(named) != 1:
        raise invalid("/beneficiary_id", "missing" if not named else "one_of_these")
    if (named == ["group_name"]) != (body.village_code is not None):
        raise invalid("/village_code", "missing" if named == ["group_name"] else "only_for_groups")
    if named != ["group_name"]:
        return "person" if named == ["beneficiary_id"] else "family"
    return "community" if _unit(body.category) == "community" else "group"


def check_unit(category: str, unit: str) -> None:
    """Types 25 and 26 are no persons (DOMAIN §2.1). Raises invalid_request (category_unit)."""
    fitting = _UNITS[_unit(category)]
    if unit not in fitting:
        expected = " / ".join(_MEMBER[name].removeprefix("/") for name in fitting)
        raise invalid(_MEMBER[unit], "category_unit", unit=unit, expected=expected)


def check_days(since: date, assessed_on: date, today: date, born: date | None) -> None:
    """Assessed by today, of something that had begun by then, and of nobody before their birth.

    Raises invalid_request (in_future, before_birth).
    """
    if assessed_on > today:
        raise invalid("/assessed_on", "in_future")
    if since > assessed_on:
        raise invalid("/since", "in_future")
    if born is not None and since < born:
        raise invalid("/since", "before_birth")


def check_reason(reason_code: str, note: str | None) -> None:
    """Raises invalid_request (unknown_code, other_note_required)."""
    if reason_code not in codes("ppks_closing_reasons"):
        raise invalid("/reason_code", "unknown_code", list="ppks_closing_reasons")
    if reason_code == "other" and note is None:
        raise invalid("/note", "other_note_required")


def _unit(category: str) -> str:
    (unit,) = [item.attributes["unit"] for item in LISTS["ppks_categories"].items if item.code == category]
    return str(unit)
