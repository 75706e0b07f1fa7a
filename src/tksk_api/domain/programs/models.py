"""Tables of programmes and their dated versions: reference data, not scoped."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import RegionText, Table, json_list, moment, text_array


class Program(Table, table=True):
    """A programme by name. `version` is the number of its last version; regions may write one when it `is_local`."""

    __tablename__ = "programs"

    code: str = Field(primary_key=True, sa_type=Text)
    name_id: str = Field(sa_type=Text)
    name_en: str = Field(sa_type=Text)
    note_id: str | None = Field(default=None, sa_type=Text)
    note_en: str | None = Field(default=None, sa_type=Text)
    is_local: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    version: int = 1


class ProgramVersion(Table, table=True):
    """What a programme asks for from a day on, in the nation or in one region. Never changed, only followed by another.

    An open end is null, and so is a beginning that nobody recorded.
    """

    __tablename__ = "program_versions"

    program_code: str = Field(primary_key=True, sa_type=Text, foreign_key="programs.code")
    number: int = Field(primary_key=True)
    region_code: str | None = Field(default=None, sa_type=RegionText)
    effective_from: date | None = None
    effective_until: date | None = None
    rules: list[dict[str, Any]] = json_list()
    documents: list[dict[str, Any]] = json_list()
    agency_kinds: list[str] = text_array()
    legal_base: str | None = Field(default=None, sa_type=Text)
    source: str = Field(sa_type=Text)
    service_days: int | None = None
    waitlist_days: int | None = None
    activation_days: int | None = None
    needs_activation: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    created_at: datetime = moment(sa_column_kwargs={"server_default": sa.func.now(), "nullable": False})
    created_by: UUID | None = Field(default=None, sa_type=PgUuid)
