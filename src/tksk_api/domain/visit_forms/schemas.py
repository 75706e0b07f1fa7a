"""Shapes of the visit forms."""

from datetime import date
from typing import Any

from tksk_api.domain.records import Read
from tksk_api.domain.visit_forms.forms import FieldType


class FormChoice(Read):
    """A code that may be chosen, with its words."""

    code: str
    label_id: str
    label_en: str


class FormSectionRead(Read):
    code: str
    label_id: str
    label_en: str


class FormFieldRead(Read):
    """One thing to look at; its answer stands in the visit's `evidence` under `name`.

    `code` takes one of `choices`, `codes` at most `maximum` of them, each once.
    """

    name: str
    section: str
    type: FieldType
    label_id: str
    label_en: str
    list: str | None
    choices: tuple[FormChoice, ...]
    minimum: float | None
    maximum: float | None
    unit_id: str | None
    unit_en: str | None
    note_id: str | None
    note_en: str | None
    example: Any
    source: str | None


class VisitFormSummary(Read):
    """A version without its fields. It is in force from `valid_from` until the next one begins; an older one is still
    taken, until its own `valid_until` where it has one."""

    version: int
    title_id: str
    title_en: str
    valid_from: date
    valid_until: date | None
    source: str


class VisitFormRead(VisitFormSummary):
    """A version with everything a phone needs to draw it."""

    sections: tuple[FormSectionRead, ...]
    fields: tuple[FormFieldRead, ...]
