"""Tables of imports: the file and what became of it, the fate of each row, mappings that an office keeps, and files of
which only a part has arrived."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, Table, json_list, json_object, moment

_NO_COUNT_BELOW_ZERO = (
    "least((counts->>'created')::int, (counts->>'updated')::int, (counts->>'unchanged')::int, "
    "(counts->>'parked')::int, (counts->>'rejected')::int, (counts->>'not_reached')::int) >= 0"
)


class Import(Record, RegionScoped, table=True):
    """One file of one caller (`created_by`), who alone sees it; its region is theirs.

    `counts` has every fate and `not_reached`, and adds up to `rows` at any moment. `reached` is the number of the last
    row that the work under way, or the last one, has judged, `place` where its next page begins (once an undo was
    begun, the row `before` which it goes on), and `is_written` says that the fates are of rows written and not only
    judged. The version moves with what its owner decides and how it ends, not with the progress. File and parts are
    sealed under the key in `key_cipher`; without it nothing of them can be read.
    """

    __tablename__ = "imports"
    __table_args__ = (
        sa.CheckConstraint(
            "(counts->>'created')::int + (counts->>'updated')::int + (counts->>'unchanged')::int "
            "+ (counts->>'parked')::int + (counts->>'rejected')::int + (counts->>'not_reached')::int = rows",
            name="counts",
        ),
        sa.CheckConstraint(_NO_COUNT_BELOW_ZERO, name="counts_positive"),
        sa.Index("ix_imports_created_by", "created_by", "created_at", "id"),
        sa.Index("ix_imports_file_sha256", "file_sha256"),
        sa.Index(
            "ix_imports_kept", "finished_at", postgresql_where=text("purged_at IS NULL AND finished_at IS NOT NULL")
        ),
    )

    kind: str = Field(sa_type=Text)
    mode: str = Field(sa_type=Text)
    atomic: str = Field(sa_type=Text)
    on_match: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    file_name: str = Field(sa_type=Text)
    file_bytes: int = Field(sa_type=sa.BigInteger)
    file_sha256: bytes = Field(sa_type=sa.LargeBinary)
    object_name: str = Field(sa_type=Text)
    key_cipher: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    same_as: UUID | None = Field(default=None, sa_type=PgUuid)
    options: dict[str, Any] = json_object()
    mapping: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    head: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    reading: str | None = Field(default=None, sa_type=Text)
    rows: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    counts: dict[str, int] = Field(sa_type=JSONB)
    place: dict[str, Any] = json_object()
    is_written: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    reached: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    undone: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    kept: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    error: str | None = Field(default=None, sa_type=Text)
    error_facts: dict[str, Any] = json_object()
    job_id: UUID | None = Field(default=None, sa_type=PgUuid)
    cancel_requested_at: datetime | None = moment()
    started_at: datetime | None = moment()
    finished_at: datetime | None = moment()
    purged_at: datetime | None = moment()


class ImportRow(Table, table=True):
    """What became of a row: never its values. `before_cipher` is what an update replaced, for an undo.

    `key` is the digest of what no two rows of a file may share, `together` of what this row founded and others of the
    file would join. The system writes these, their import's owner reads.
    """

    __tablename__ = "import_rows"
    __table_args__ = (
        sa.Index("ix_import_rows_key", "import_id", "key", postgresql_where=text("key IS NOT NULL")),
        sa.Index("ix_import_rows_together", "import_id", "together", postgresql_where=text("together IS NOT NULL")),
        sa.Index("ix_import_rows_record_id", "record_id", postgresql_where=text("record_id IS NOT NULL")),
        sa.Index(
            "ix_import_rows_failed",
            "import_id",
            "row_no",
            postgresql_where=text("fate IN ('rejected', 'parked') OR obstacle IS NOT NULL"),
        ),
    )

    import_id: UUID = Field(primary_key=True, sa_type=PgUuid, foreign_key="imports.id")
    row_no: int = Field(primary_key=True)
    fate: str = Field(sa_type=Text)
    record_id: UUID | None = Field(default=None, sa_type=PgUuid)
    version: int | None = None
    faults: list[Any] = json_list()
    notes: list[Any] = json_list()
    key: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    together: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    before_cipher: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    obstacle: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    undone_at: datetime | None = moment()


class ImportMapping(Record, RegionScoped, table=True):
    """Which column of an office's own tables is which of ours. An office is its region; all who work there share it."""

    __tablename__ = "import_mappings"
    __table_args__ = (sa.Index("uq_import_mappings_name", "region_code", "name", unique=True),)

    name: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    mapping: dict[str, Any] = json_object()
    options: dict[str, Any] = json_object()


class PartialUpload(Record, RegionScoped, table=True):
    """A file that comes in parts, until it is imported, given up, or nothing came of it for a day.

    `parts` are the names of what lies in the vault, in their order, each sealed under a subkey of its own; together
    they have `received_bytes` of the `file_bytes` that were announced, and counted, at the beginning.
    """

    __tablename__ = "import_uploads"

    file_name: str = Field(sa_type=Text)
    file_bytes: int = Field(sa_type=sa.BigInteger)
    file_sha256: bytes = Field(sa_type=sa.LargeBinary)
    received_bytes: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": text("0")})
    parts: list[str] = json_list()
    object_name: str = Field(sa_type=Text)
    key_cipher: bytes = Field(sa_type=sa.LargeBinary)
