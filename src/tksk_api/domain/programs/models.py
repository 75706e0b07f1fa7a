"""Table of programmes: reference data, not scoped."""

from datetime import date

from sqlalchemy import Text
from sqlmodel import Field

from tksk_api.database.tables import Table, text_array


class Program(Table, table=True):
    """A programme with its legal base and the time it ran or runs."""

    __tablename__ = "programs"

    code: str = Field(primary_key=True, sa_type=Text)
    name_id: str = Field(sa_type=Text)
    name_en: str = Field(sa_type=Text)
    agency_kinds: list[str] = text_array()
    required_documents: list[str] = text_array()
    legal_base: str | None = Field(default=None, sa_type=Text)
    note_id: str | None = Field(default=None, sa_type=Text)
    note_en: str | None = Field(default=None, sa_type=Text)
    valid_from: date | None
    valid_until: date | None
    version: int = 1
