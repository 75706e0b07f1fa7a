"""Shapes of programmes."""

from datetime import date

from tksk_api.domain.records import Read


class ProgramRead(Read):
    """A programme with its legal base, its documents and the days it runs; an open end is null."""

    code: str
    name_id: str
    name_en: str
    agency_kinds: list[str]
    required_documents: list[str]
    legal_base: str | None
    note_id: str | None
    note_en: str | None
    valid_from: date | None
    valid_until: date | None
    version: int
