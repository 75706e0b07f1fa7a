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
    """One piece of work of an officer, in one of the four pillars (UU 11/2009 Pasal 1; PP 39/2012 Pasal 3).

    `frozen_by` is the report that said it; from then on only another row, which `revises_id` it, can correct it, and
    takes its place as `superseded_by` when it is submitted. The three `origin_` columns say which step of which record
    suggested it; a suggestion counts for nothing until its officer takes it up.
    """

    __tablename__ = "activities"
    __table_args__ = (
        sa.Index("ix_activities_officer_id", "officer_id", "occurred_on"),
        sa.Index("ix_activities_district_occurred", "district_code", "occurred_on", "id"),
        sa.Index(
            "ix_activities_counted",
            "regency_code",
            "occurred_on",
            postgresql_where=sa.text(
                "deleted_at IS NULL AND superseded_by IS NULL AND status IN ('submitted', 'accepted')"
            ),
            postgresql_include=["province_code", "district_code", "region_code", "pillar", "function", "kind"],
        ),
        sa.Index("ix_activities_beneficiary_ids", "beneficiary_ids", postgresql_using="gin"),
        sa.Index("uq_activities_revises_id", "revises_id", unique=True, postgresql_where=sa.text("deleted_at IS NULL")),
        sa.Index(
            "uq_activities_origin",
            "origin_id",
            "origin_kind",
            "origin_step",
            "officer_id",
            unique=True,
            postgresql_where=sa.text("origin_id IS NOT NULL"),
        ),
        sa.Index("ix_activities_frozen_by", "frozen_by", postgresql_where=sa.text("frozen_by IS NOT NULL")),
        sa.Index("ix_activities_follows_up_id", "follows_up_id", postgresql_where=sa.text("follows_up_id IS NOT NULL")),
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
    visit_ids: list[UUID] = uuid_array()
    sktm_application_ids: list[UUID] = uuid_array()
    referral_ids: list[UUID] = uuid_array()
    frozen_by: UUID | None = Field(default=None, sa_type=PgUuid)
    revises_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="activities.id")
    superseded_by: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="activities.id")
    origin_kind: str | None = Field(default=None, sa_type=Text)
    origin_id: UUID | None = Field(default=None, sa_type=PgUuid)
    origin_step: str | None = Field(default=None, sa_type=Text)
    is_suggested: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    template_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="activity_templates.id")
    follows_up_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="activities.id")
    deleted_at: datetime | None = moment()
