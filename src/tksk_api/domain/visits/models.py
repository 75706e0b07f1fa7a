"""Tables of home visits."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, json_list, json_object, moment, text_array, uuid_array


class Visit(Record, RegionScoped, table=True):
    """A visit to one beneficiary, in the region where the person lived then.

    `form_version` is the form that `evidence` answers. `app.order_visits` keeps `superseded_by`.
    """

    __tablename__ = "visits"
    __table_args__ = (
        sa.Index("ix_visits_beneficiary_id", "beneficiary_id", "visited_on"),
        sa.Index("ix_visits_beneficiary_created", "beneficiary_id", "created_at"),
        sa.Index("ix_visits_visited", "region_code", "visited_on"),
    )

    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    officer_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id")
    visited_on: date
    status: str = Field(sa_type=Text)
    latitude: Decimal | None = Field(default=None, sa_type=sa.Numeric(9, 6))
    longitude: Decimal | None = Field(default=None, sa_type=sa.Numeric(9, 6))
    accuracy: Decimal | None = Field(default=None, sa_type=sa.Numeric(8, 1))
    notes: str | None = Field(default=None, sa_type=Text)
    outcome: str | None = Field(default=None, sa_type=Text)
    finding: str | None = Field(default=None, sa_type=Text)
    form_version: int = Field(sa_column_kwargs={"nullable": False, "server_default": sa.text("1")})
    evidence: dict[str, Any] = json_object()
    reasons: list[str] = text_array()
    completed_at: datetime | None = moment()
    completed_by: UUID | None = Field(default=None, sa_type=PgUuid)
    attachment_ids: list[UUID] = uuid_array()
    cancel_reason: str | None = Field(default=None, sa_type=Text)
    superseded_by: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="visits.id")
    warnings: list[dict[str, str]] = json_list()
