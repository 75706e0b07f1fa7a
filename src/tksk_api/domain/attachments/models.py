"""Tables of attachments."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, RegionText, Table, moment


class Attachment(Record, RegionScoped, table=True):
    """A file of one beneficiary, visit or activity, in the region where that was when it was attached.

    The bytes lie in the vault under `object_name`, sealed with a key of their own; `key_cipher` is that key, wrapped
    by the person's own, or by the master key where the file is about nobody. Wiping it makes every copy of the file
    unreadable, also one in a backup of the vault.
    """

    __tablename__ = "attachments"
    __table_args__ = (
        sa.CheckConstraint("num_nonnulls(beneficiary_id, visit_id, activity_id) >= 1", name="owner"),
        sa.Index("ix_attachments_beneficiary_id", "beneficiary_id", "created_at"),
        sa.Index("ix_attachments_visit_id", "visit_id"),
        sa.Index("ix_attachments_activity_id", "activity_id"),
        sa.Index("uq_attachments_object_name", "object_name", unique=True),
        sa.Index(
            "ix_attachments_deleted_at",
            "deleted_at",
            postgresql_where=text("deleted_at IS NOT NULL AND purged_at IS NULL"),
        ),
    )

    kind: str = Field(sa_type=Text)
    beneficiary_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="beneficiaries.id")
    visit_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="visits.id")
    activity_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="activities.id")
    name: str = Field(sa_type=Text)
    media_type: str = Field(sa_type=Text)
    size_bytes: int
    sha256: bytes
    width: int | None = None
    height: int | None = None
    pages: int | None = None
    latitude: Decimal | None = Field(default=None, sa_type=sa.Numeric(9, 6))
    longitude: Decimal | None = Field(default=None, sa_type=sa.Numeric(9, 6))
    taken_at: datetime | None = moment()
    thumbnail_bytes: int | None = None
    object_name: str = Field(sa_type=Text)
    key_cipher: bytes | None = None
    deleted_at: datetime | None = moment()
    purged_at: datetime | None = moment()


class AttachmentUsage(Table, table=True):
    """How many bytes a regency's files take; one row each, so that regencies never wait for one another."""

    __tablename__ = "attachment_usage"

    regency_code: str = Field(primary_key=True, sa_type=RegionText)
    bytes: int = Field(sa_type=sa.BigInteger)
