"""Tables of possible duplicates and of merges."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, RegionText, json_list, json_object, moment


def _people() -> Any:
    """Both people, kept by the database, as the access log and the timeline look for them."""
    kept = {"server_default": sa.FetchedValue(), "nullable": False}
    return Field(default=None, sa_type=ARRAY(PgUuid), sa_column_kwargs=kept)


def _above() -> Any:
    return Field(default=None, sa_type=RegionText, sa_column_kwargs={"server_default": sa.FetchedValue()})


class DuplicateCandidate(Record, RegionScoped, table=True):
    """Two people who may be one, the lower id first, each pair once. The regions are those of the first and, with
    `other_`, of the second: both offices see that there is a pair. `merge_id` is the merge that closed it, or gave it
    to the record that stands. One that is not `told` is there for who sees both people alone: whoever came upon it had
    asked about people elsewhere often enough."""

    __tablename__ = "duplicate_candidates"
    __table_args__ = (
        sa.CheckConstraint("low_id < high_id", name="order"),
        sa.Index("uq_duplicate_candidates_pair", "low_id", "high_id", unique=True),
        sa.Index("ix_duplicate_candidates_high_id", "high_id"),
        sa.Index("ix_duplicate_candidates_merge_id", "merge_id"),
        sa.Index("ix_duplicate_candidates_beneficiary_ids", "beneficiary_ids", postgresql_using="gin"),
        {"info": {"other_region": True}},
    )

    low_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    high_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    beneficiary_ids: list[UUID] = _people()
    other_region_code: str | None = Field(default=None, sa_type=RegionText)
    other_province_code: str | None = _above()
    other_regency_code: str | None = _above()
    other_district_code: str | None = _above()
    score: Decimal = Field(sa_type=sa.Numeric(4, 3))
    reasons: list[dict[str, Any]] = json_list()
    told: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    status: str = Field(sa_type=Text)
    decided_at: datetime | None = moment()
    decided_by: UUID | None = Field(default=None, sa_type=PgUuid)
    reason: str | None = Field(default=None, sa_type=Text)
    merge_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="merges.id")


class Merge(Record, RegionScoped, table=True):
    """That one record was merged into another, by whom and why, and what it moved, so that it can be taken back.

    `taken` are the fields the record that stands had only from the other, `from_region` is where that one lay.
    """

    __tablename__ = "merges"
    __table_args__ = (
        sa.Index("ix_merges_into_id", "into_id"),
        sa.Index("ix_merges_beneficiary_ids", "beneficiary_ids", postgresql_using="gin"),
        sa.Index("uq_merges_merged_id", "merged_id", unique=True, postgresql_where=text("undone_at IS NULL")),
    )

    merged_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    into_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    beneficiary_ids: list[UUID] = _people()
    from_region: str = Field(sa_type=RegionText)
    reason: str = Field(sa_type=Text)
    moved: list[dict[str, Any]] = json_list()
    taken: dict[str, Any] = json_object()
    undone_at: datetime | None = moment()
    undone_by: UUID | None = Field(default=None, sa_type=PgUuid)
    undo_reason: str | None = Field(default=None, sa_type=Text)
