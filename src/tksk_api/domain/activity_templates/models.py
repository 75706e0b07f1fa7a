"""Table of templates. The row policy shows officers their own and those shared with their region."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionText, moment, text_array, uuid_array


class ActivityTemplate(Record, table=True):
    """Work that comes again: what an activity made of it begins with. It names no person.

    Without `officer_id` it is shared by an office with its region, and by the ministry with the nation.
    """

    __tablename__ = "activity_templates"
    __table_args__ = (sa.Index("ix_activity_templates_officer_id", "officer_id", "created_at", "id"),)

    officer_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="users.id")
    region_code: str | None = Field(default=None, sa_type=RegionText)
    title: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    pillar: str = Field(sa_type=Text)
    function: str = Field(sa_type=Text)
    roles: list[str] = text_array()
    description: str | None = Field(default=None, sa_type=Text)
    partner_ids: list[UUID] = uuid_array()
    agency_ids: list[UUID] = uuid_array()
    assigned_by: str | None = Field(default=None, sa_type=Text)
    recurrence: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    deleted_at: datetime | None = moment()
