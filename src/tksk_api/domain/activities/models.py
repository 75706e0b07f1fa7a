"""Table of activities."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, json_object, moment, text_array, uuid_array


class Activity(Record, RegionScoped, table=True):
    """One piece of work of an officer, in one of the four pillars (UU 11/2009 Pasal 1; PP 39/2012 Pasal 3)."""

    __tablename__ = "activities"
    __table_args__ = (
        sa.Index("ix_activities_officer_id", "officer_id", "occurred_on"),
        sa.Index("ix_activities_district_occurred", "district_code", "occurred_on", "id"),
        sa.Index("ix_activities_beneficiary_ids", "beneficiary_ids", postgresql_using="gin"),
    )

    officer_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id")
    occurred_on: date
    started_at: datetime | None = moment()
    ended_at: datetime | None = moment()
    pillar: str = Field(sa_type=Text)
    function: str = Field(sa_type=Text)
    roles: list[str] = text_array()
    kind: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    description: str | None = Field(default=None, sa_type=Text)
    latitude: Decimal | None = Field(default=None, sa_type=sa.Numeric(9, 6))
    longitude: Decimal | None = Field(default=None, sa_type=sa.Numeric(9, 6))
    beneficiary_ids: list[UUID] = uuid_array()
    partner_ids: list[UUID] = uuid_array()
    agency_ids: list[UUID] = uuid_array()
    attachment_ids: list[UUID] = uuid_array()
    headcount: dict[str, int] = json_object()
    assigned_by: str | None = Field(default=None, sa_type=Text)
    result: str | None = Field(default=None, sa_type=Text)
    obstacle: str | None = Field(default=None, sa_type=Text)
    follow_up: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    status: str = Field(sa_type=Text)
    deleted_at: datetime | None = moment()
