"""Tables of proposals."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, moment


class Proposal(Record, RegionScoped, table=True):
    """One fact of a person: what the register said when the visit was written down, and what was seen; or, without a
    visit, what an imported file said.

    While it is open it follows the person's region, and `app.review_proposals` outdates it when the register changes.
    """

    __tablename__ = "proposals"
    __table_args__ = (
        sa.Index("ix_proposals_beneficiary_id", "beneficiary_id", "created_at"),
        sa.Index("ix_proposals_visit_id", "visit_id"),
        sa.Index(
            "uq_proposals_open",
            "beneficiary_id",
            "field",
            unique=True,
            postgresql_where=sa.text("status = 'open'"),
        ),
    )

    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    visit_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="visits.id")
    field: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    current_value: Any = Field(default=None, sa_type=JSONB(none_as_null=True), sa_column_kwargs={"nullable": True})
    proposed_value: Any = Field(default=None, sa_type=JSONB(none_as_null=True), sa_column_kwargs={"nullable": True})
    status: str = Field(sa_type=Text)
    decided_at: datetime | None = moment()
    decided_by: UUID | None = Field(default=None, sa_type=PgUuid)
    note: str | None = Field(default=None, sa_type=Text)
