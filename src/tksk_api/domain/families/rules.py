"""What a family must be, and what is odd about one, as pure functions (DOMAIN §5.2)."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from tksk_api.domain.references.lists import codes
from tksk_api.errors import DomainError, FieldError, invalid

HEAD = "head_of_family"
SPOUSES = ("husband", "wife")
DESCENDANTS = ("child", "grandchild")
ASCENDANTS = ("parent", "parent_in_law")
YOUNG_SPOUSE, YOUNG_HEAD = 16, 17  # years: below them a slip of the pen is likelier than a marriage, or a household


class Kin(NamedTuple):
    """What the warnings look at of one member."""

    relationship: str
    birth_date: date
    joined_on: date


def check_people(people: Sequence[UUID]) -> None:
    """Nobody is named twice. Raises invalid_request (duplicate_entry), e.g. at /members/3/beneficiary_id."""
    errors = [
        FieldError(f"/members/{index}/beneficiary_id", "duplicate_entry")
        for index, person in enumerate(people)
        if person in people[:index]
    ]
    if errors:
        raise DomainError("invalid_request", errors=errors)


def check_relationship(relationship: str, pointer: str) -> None:
    """Raises invalid_request (unknown_code)."""
    if relationship not in codes("relationships"):
        raise invalid(pointer, "unknown_code", list="relationships")


def check_one_head(relationships: Sequence[str]) -> None:
    """A family has one head (SHDK 1). Raises invalid_request: unknown_code, second_head, head_missing at /members."""
    heads = 0
    for index, relationship in enumerate(relationships):
        check_relationship(relationship, f"/members/{index}/relationship")
        heads += relationship == HEAD
        if heads > 1:
            raise invalid(f"/members/{index}/relationship", "second_head")
    if not heads:
        raise invalid("/members", "head_missing")


def check_reason(reason: str) -> None:
    """Raises invalid_request (unknown_code) at /reason."""
    if reason not in codes("family_change_reasons"):
        raise invalid("/reason", "unknown_code", list="family_change_reasons")


def check_leaving(joined_on: date, left_on: date, pointer: str) -> None:
    """Raises invalid_request (before_start)."""
    if left_on < joined_on:
        raise invalid(pointer, "before_start")


def warnings_of(members: Iterable[Kin], today: date) -> list[str]:
    """Codes of the list family_warnings. They hint at slips and refuse nothing: families are as they are."""
    kin = list(members)
    head = next((member for member in kin if member.relationship == HEAD), None)
    odd = {
        "descendant_older_than_head": head is not None
        and any(member.relationship in DESCENDANTS and member.birth_date <= head.birth_date for member in kin),
        "ascendant_younger_than_head": head is not None
        and any(member.relationship in ASCENDANTS and member.birth_date >= head.birth_date for member in kin),
        "spouse_very_young": any(
            member.relationship in SPOUSES and _is_younger(member.birth_date, YOUNG_SPOUSE, today) for member in kin
        ),
        "head_very_young": head is not None and _is_younger(head.birth_date, YOUNG_HEAD, today),
        "born_after_joining": any(member.birth_date > member.joined_on for member in kin),
    }
    return [code for code, holds in odd.items() if holds]


def _is_younger(birth_date: date, years: int, today: date) -> bool:
    return (today.year - years, today.month, today.day) < (birth_date.year, birth_date.month, birth_date.day)
