"""Shapes of the reference lists."""

from datetime import date
from typing import Any

from tksk_api.domain.records import Read


class ReferenceItem(Read):
    """A code with its labels; old records keep their meaning through the validity dates."""

    code: str
    label_id: str
    label_en: str
    note_id: str | None
    note_en: str | None
    valid_from: date | None
    valid_until: date | None
    source: str | None
    attributes: dict[str, Any]


class ReferenceSummary(Read):
    """A list's name and version, without its items."""

    code: str
    title_id: str
    title_en: str
    version: str


class ReferenceList(ReferenceSummary):
    """A versioned code list."""

    items: list[ReferenceItem]
