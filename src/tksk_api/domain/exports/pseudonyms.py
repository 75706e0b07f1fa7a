"""Rows for somebody who may study them and must not know whom they are about; pure.

What is left is named one by one, so that a field that is added to a list later does not leave by itself. Ids become
digests under a key that never leaves the house, made for one recipient: the same person is the same in all files of a
recipient, and two recipients who lay their files together cannot tell that theirs are one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tksk_api.domain.beneficiaries.categories import SENSITIVE
from tksk_api.domain.exports.columns import Column, ColumnType
from tksk_api.security.crypto import Keyring

_PURPOSE = "exports.pseudonym"
_DISTRICT = len("18.71.04")
Pseudonym = Callable[[Any], str]


@dataclass(frozen=True)
class Kept:
    """A field that stays: under which name, of which field, what becomes of it."""

    name: str
    source: str
    treat: Callable[[Pseudonym, Any], Any]
    type: ColumnType = "text"


def pseudonym_for(keyring: Keyring, recipient: str) -> Pseudonym:
    """Id -> what it is called for this recipient, however their name is spaced or capitalised."""
    whom = " ".join(recipient.casefold().split())

    def called(value: Any) -> str:
        return str(UUID(bytes=keyring.mac(_PURPOSE, f"{whom}\x00{value}".encode(), 16)))

    return called


def pseudonymised(row: Mapping[str, Any], kept: tuple[Kept, ...], called: Pseudonym) -> dict[str, Any]:
    return {
        field.name: None if row.get(field.source) is None else field.treat(called, row[field.source]) for field in kept
    }


def columns_for(kept: tuple[Kept, ...]) -> tuple[Column, ...]:
    return tuple(Column(field.name, (field.name,), field.type) for field in kept)


def _called(called: Pseudonym, value: Any) -> str:
    return called(value)


def _all_called(called: Pseudonym, values: Any) -> list[str]:
    return sorted(called(value) for value in values)


def _as_it_is(_called: Pseudonym, value: Any) -> Any:
    return value


def the_id(name: str = "id") -> Kept:
    return Kept(name, name, _called)


def the_ids(name: str) -> Kept:
    return Kept(name, name, _all_called, "texts")


def as_it_is(name: str, type: ColumnType = "text") -> Kept:
    return Kept(name, name, _as_it_is, type)


def the_year(name: str, source: str) -> Kept:
    return Kept(name, source, lambda _, value: int(value[:4]), "whole")


def the_month(name: str, source: str) -> Kept:
    """Days of one person laid side by side are nearly a name."""
    return Kept(name, source, lambda _, value: value[:7])


def the_district(source: str = "region_code") -> Kept:
    return Kept("district_code", source, lambda _, value: value[:_DISTRICT])


def ordinary(name: str) -> Kept:
    """Categories without the sensitive ones, which few share."""
    return Kept(name, name, lambda _, values: [code for code in values if code not in SENSITIVE], "texts")


def how_many(name: str, source: str) -> Kept:
    return Kept(name, source, lambda _, values: len(values), "whole")
