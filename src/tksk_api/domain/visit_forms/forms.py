"""The packaged versions of the visit form, read once from the TOML files beside this module.

A version is never edited after its first day: visits keep theirs, and a phone or a paper that was without a network may
bring last month's. What changes takes a new file; no code knows the name of a field.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

from tksk_api.domain.references.lists import LISTS, Item

FieldType = Literal["code", "codes", "integer", "number", "boolean"]
_LISTED = ("code", "codes")
_MEASURED = ("integer", "number", "codes")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of the form."""

    code: str
    label_id: str
    label_en: str


@dataclass(frozen=True, slots=True)
class FormField:
    """One thing to look at. `code` and `codes` take those of `list`; `maximum` of `codes` is how many."""

    name: str
    section: str
    type: FieldType
    label_id: str
    label_en: str
    list: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit_id: str | None = None
    unit_en: str | None = None
    note_id: str | None = None
    note_en: str | None = None
    example: Any = None
    source: str | None = None

    @property
    def choices(self) -> tuple[Item, ...]:
        """What may be chosen; nothing for a field that is no choice."""
        return LISTS[self.list].items if self.list is not None else ()


@dataclass(frozen=True, slots=True)
class Form:
    """One version; in force from `valid_from` until the next one begins, and taken until `valid_until` when it says."""

    version: int
    title_id: str
    title_en: str
    valid_from: date
    valid_until: date | None
    source: str
    sections: tuple[Section, ...]
    fields: tuple[FormField, ...]

    def field(self, name: str) -> FormField | None:
        """The field of this name, if the version has it."""
        return next((entry for entry in self.fields if entry.name == name), None)


def parse(text: str) -> Form:
    """A form from its TOML text; ValueError when it contradicts itself or names a list that is not there."""
    document = tomllib.loads(text)
    sections = tuple(_made(Section, record) for record in document.pop("sections"))
    entries = tuple(_field(record, document["source"]) for record in document.pop("fields"))
    form: Form = _made(Form, {"valid_until": None, **document, "sections": sections, "fields": entries})
    repeated = [name for name, count in Counter(entry.name for entry in entries).items() if count > 1]
    if repeated:
        raise ValueError(f"form {form.version}: fields given twice: {', '.join(repeated)}")
    unknown = {entry.section for entry in entries} - {section.code for section in sections}
    if unknown:
        raise ValueError(f"form {form.version}: no such section as {', '.join(sorted(unknown))}")
    return form


def _field(record: Mapping[str, Any], source: str) -> FormField:
    entry: FormField = _made(FormField, {"source": source, **record})
    if (entry.type in _LISTED) != (entry.list is not None) or (entry.list is not None and entry.list not in LISTS):
        raise ValueError(f"{entry.name}: the type {entry.type} and the list {entry.list} do not fit")
    if entry.type in _MEASURED and entry.maximum is None:
        raise ValueError(f"{entry.name}: no maximum")
    return entry


def _made(shape: type[Any], record: Mapping[str, Any]) -> Any:
    known = {entry.name: entry.default is MISSING for entry in fields(shape)}
    unknown = sorted(record.keys() - known.keys())
    missing = sorted(name for name, is_required in known.items() if is_required and name not in record)
    if unknown or missing:
        raise ValueError(f"{record.get('name') or record.get('code') or 'form'}: {unknown=} {missing=}")
    return shape(**record)


def gathered(forms: Iterable[Form]) -> Mapping[int, Form]:
    """Forms by version, oldest first. ValueError when versions and days disagree, or a field changed its type.

    Answers of all versions are read alike, so what is asked otherwise takes another name.
    """
    found = {form.version: form for form in sorted(forms, key=lambda form: form.version)}
    days = [form.valid_from for form in found.values()]
    if days != sorted(set(days)):
        raise ValueError("a later version does not begin later")
    types: dict[str, tuple[str, str | None]] = {}
    for form in found.values():
        for entry in form.fields:
            if types.setdefault(entry.name, (entry.type, entry.list)) != (entry.type, entry.list):
                raise ValueError(f"form {form.version}: {entry.name} has another type than before")
    return MappingProxyType(found)


def _load() -> Mapping[int, Form]:
    packaged = [parse(entry.read_text(encoding="utf-8")) for entry in files(__package__).joinpath("forms").iterdir()]
    return gathered(packaged)


FORMS: Mapping[int, Form] = _load()


def form_on(day: date) -> Form:
    """The form in force on a day; before the first one's day, the first."""
    begun = [form for form in FORMS.values() if form.valid_from <= day]
    return begun[-1] if begun else next(iter(FORMS.values()))


def is_taken(version: int, day: date) -> bool:
    """Whether a visit of this day may be answered on that version: an older one still, one that has not begun never."""
    form = FORMS.get(version)
    if form is None:
        return False
    in_time = form.valid_until is None or day <= form.valid_until
    return in_time and (form.valid_from <= day or form is form_on(day))


@cache
def every_field() -> Mapping[str, FormField]:
    """Each field of any version by its name, as its newest version describes it; in the order of the first."""
    known: dict[str, FormField] = {}
    for form in FORMS.values():
        known.update({entry.name: entry for entry in form.fields})
    return MappingProxyType(known)


@cache
def widest(name: str) -> FormField:
    """The field with the widest limits any version set it: nothing that one of them takes is refused at the door."""
    versions = [entry for form in FORMS.values() if (entry := form.field(name)) is not None]
    least = [entry.minimum for entry in versions if entry.minimum is not None]
    most = [entry.maximum for entry in versions if entry.maximum is not None]
    return replace(versions[-1], minimum=min(least, default=None), maximum=max(most, default=None))


def said(name: str, value: Any) -> tuple[str, str]:
    """Label and answer in Indonesian, for what is printed; a code that is in no list any more stands for itself."""
    entry = every_field().get(name)
    if entry is None:
        return name, str(value)
    return entry.label_id, answer(entry, value)


def answer(entry: FormField, value: Any) -> str:
    """The answer in Indonesian words, with its unit."""
    if isinstance(value, bool):
        return "ya" if value else "tidak"
    if entry.list is not None:
        words = {item.code: item.label_id for item in entry.choices}
        chosen = value if isinstance(value, list) else [value]
        return ", ".join(words.get(str(code), str(code)) for code in chosen) or "tidak ada"
    number = f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"
    number = number.translate(str.maketrans(",.", ".,"))
    return f"{number} {entry.unit_id}" if entry.unit_id else number
