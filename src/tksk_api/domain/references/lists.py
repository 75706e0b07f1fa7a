"""The packaged code lists, read once from the TOML files beside this module.

Each file names the section of DOMAIN it comes from and each item its source. What DOMAIN marks as unconfirmed
stands here as a note or as an `assumed_*` attribute: data to show or to warn with, never a rule that refuses.
"""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One code with its labels; `attributes` differ by list, arrays among them are tuples."""

    code: str
    label_id: str
    label_en: str
    note_id: str | None
    note_en: str | None
    valid_from: date | None
    valid_until: date | None
    source: str | None
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CodeList:
    """A versioned list of codes in the order people expect to read them."""

    code: str
    title_id: str
    title_en: str
    version: str
    items: tuple[Item, ...]


def codes(list_code: str) -> frozenset[str]:
    """The codes of a list; KeyError when there is no such list."""
    return frozenset(_by_code(list_code))


def label(list_code: str, code: str, language: str) -> str:
    """The label in `en`, or in Indonesian for any other language; KeyError for an unknown list or code."""
    item = _by_code(list_code)[code]
    return item.label_en if language == "en" else item.label_id


@cache
def _by_code(list_code: str) -> Mapping[str, Item]:
    return {item.code: item for item in LISTS[list_code].items}


def parse(text: str) -> CodeList:
    """A code list from its TOML text; ValueError on a duplicate code or an unknown key."""
    document = tomllib.loads(text)
    source = document.pop("source", None)
    items = tuple(_item(record, source) for record in document.pop("items"))
    repeated = [code for code, count in Counter(item.code for item in items).items() if count > 1]
    if repeated:
        raise ValueError(f"{document['code']}: codes given twice: {', '.join(repeated)}")
    _refuse_unknown(document, CodeList)
    return CodeList(**document, items=items)


def _item(record: dict[str, Any], list_source: str | None) -> Item:
    """An item, with the source of its list unless it names its own."""
    _refuse_unknown(record, Item)
    attributes = {key: _frozen(value) for key, value in record.get("attributes", {}).items()}
    return Item(
        code=record["code"],
        label_id=record["label_id"],
        label_en=record["label_en"],
        note_id=record.get("note_id"),
        note_en=record.get("note_en"),
        valid_from=record.get("valid_from"),
        valid_until=record.get("valid_until"),
        source=record.get("source", list_source),
        attributes=MappingProxyType(attributes),
    )


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _refuse_unknown(record: Mapping[str, object], shape: type[Item | CodeList]) -> None:
    unknown = record.keys() - {field.name for field in fields(shape)}
    if unknown:
        raise ValueError(f"{record.get('code')}: unknown keys {', '.join(sorted(unknown))}")


def _load() -> Mapping[str, CodeList]:
    """Every packaged list by its code; ValueError when two files carry the same code."""
    packaged = sorted(files(__package__).joinpath("lists").iterdir(), key=lambda entry: entry.name)
    found: dict[str, CodeList] = {}
    for entry in packaged:
        parsed = parse(entry.read_text(encoding="utf-8"))
        if parsed.code in found or entry.name != f"{parsed.code}.toml":
            raise ValueError(f"{entry.name} carries the list code {parsed.code}")
        found[parsed.code] = parsed
    return MappingProxyType(found)


LISTS: Mapping[str, CodeList] = _load()
