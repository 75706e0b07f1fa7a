"""Tables of exports: what was asked and what came of it, and the pages gathered on the way."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, Table, json_object, moment, text_array

_ZERO = {"server_default": text("0")}


class Export(Record, RegionScoped, table=True):
    """One file for one caller (`created_by`), who alone sees it; its region is theirs.

    `regions` are what they saw when they asked: whoever sees less today does not get the file. `asked` are the filters
    with their types, which go with the file, as the ids in `filter` do; `place` is behind which row the next page
    begins, `file_name` where the finished file lies. File and pages are sealed under the key in `key_cipher`; without
    it nothing of them can be read. The version moves with what its owner decides and how it ends, not with the
    progress.
    """

    __tablename__ = "exports"
    __table_args__ = (
        sa.Index("ix_exports_created_by", "created_by", "created_at", "id"),
        sa.Index("ix_exports_kept", "expires_at", postgresql_where=text("key_cipher IS NOT NULL")),
    )

    kind: str = Field(sa_type=Text)
    format: str = Field(sa_type=Text)
    filter: dict[str, Any] = json_object()
    asked: dict[str, Any] = json_object()
    sort: str = Field(sa_type=Text)
    purpose: str = Field(sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    full_numbers: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    recipient: str | None = Field(default=None, sa_type=Text)
    status: str = Field(sa_type=Text)
    regions: list[str] = text_array()
    rows: int = Field(default=0, sa_column_kwargs=_ZERO)
    place: list[Any] | None = Field(default=None, sa_type=JSONB)
    is_gathered: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    object_name: str = Field(sa_type=Text)
    key_cipher: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    file_name: str | None = Field(default=None, sa_type=Text)
    file_bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    file_sha256: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    downloads: int = Field(default=0, sa_column_kwargs=_ZERO)
    error: str | None = Field(default=None, sa_type=Text)
    job_id: UUID | None = Field(default=None, sa_type=PgUuid)
    started_at: datetime | None = moment()
    finished_at: datetime | None = moment()
    expires_at: datetime | None = moment()


class ExportPart(Table, table=True):
    """A page that was gathered, until the file is made. The system alone reads and writes these."""

    __tablename__ = "export_parts"

    export_id: UUID = Field(primary_key=True, sa_type=PgUuid, foreign_key="exports.id")
    number: int = Field(primary_key=True)
    name: str = Field(sa_type=Text)
