"""Table of decile snapshots: the app role may add to it and read it, nothing else."""

from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped


class DecileSnapshot(Record, RegionScoped, table=True):
    """A family's decile by one source on one day; null is "belum ditentukan". It lies where the family lives now.

    A correction is another snapshot with its own day; what was said before stays said.
    """

    __tablename__ = "decile_snapshots"
    __table_args__ = (
        sa.CheckConstraint("decile BETWEEN 1 AND 10", name="decile"),
        sa.Index("uq_decile_snapshots_family_id", "family_id", "source", "dated_on", unique=True),
        sa.Index("ix_decile_snapshots_family_id", "family_id", "dated_on", "created_at"),
        sa.Index("ix_decile_snapshots_batch", "batch", "created_at", "id"),
    )

    family_id: UUID = Field(sa_type=PgUuid, foreign_key="families.id")
    decile: int | None = Field(default=None, sa_type=sa.SmallInteger)
    source: str = Field(sa_type=Text)
    batch: str = Field(sa_type=Text)
    dated_on: date
