"""Tables of reports and of their revisions."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, json_list, json_object, moment, text_array, uuid_array


class Report(Record, RegionScoped, table=True):
    """The report of one region for one period, as it stands now; the nation's has no region.

    `content` is what was compiled last, and once submitted the snapshot. `is_late` is decided by the first submission.
    `author_ids` wrote in it or submitted it. `activity_ids` are the work that a district's numbers count, `counted` the
    rows of other lists by list and key (see Numbers), `source_ids` the districts' revisions that a recap sums up,
    `district_codes` the districts in it.
    """

    __tablename__ = "reports"
    __table_args__ = (
        sa.Index(
            "uq_reports_period",
            "region_code",
            "period_type",
            "period_start",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index("ix_reports_officer_ids", "officer_ids", postgresql_using="gin"),
    )

    level: str = Field(sa_type=Text)
    period_type: str = Field(sa_type=Text)
    period_start: date
    period_end: date
    timezone: str = Field(sa_type=Text)
    due_on: date
    status: str = Field(sa_type=Text)
    revision: int
    accepted_revision: int | None = None
    is_late: bool | None = None
    summary: str | None = Field(default=None, sa_type=Text)
    obstacles: str | None = Field(default=None, sa_type=Text)
    plan: str | None = Field(default=None, sa_type=Text)
    revises: str | None = Field(default=None, sa_type=Text)
    remarks: list[dict[str, str]] = json_list()
    content: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"nullable": False})
    compiled_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    author_ids: list[UUID] = uuid_array()
    officer_ids: list[UUID] = uuid_array()
    activity_ids: list[UUID] = uuid_array()
    source_ids: list[UUID] = uuid_array()
    district_codes: list[str] = text_array()
    counted: dict[str, dict[str, list[str]]] = json_object()


class ReportRevision(Record, RegionScoped, table=True):
    """A report as it was submitted: the canonical text and its digest, kept by the database as they are.

    `place` names region and office as they were then. `submitted`, `acknowledged` and `decided` say who did it:
    `{full_name, title, employee_number}` of that moment. `redacted_at`: when a person was erased from the text, which
    the digest then no longer fits.
    """

    __tablename__ = "report_revisions"
    __table_args__ = (
        sa.CheckConstraint("redacted_at IS NOT NULL OR sha256 = sha256(convert_to(content, 'UTF8'))", name="digest"),
        sa.Index("uq_report_revisions_number", "report_id", "number", unique=True),
        sa.Index("uq_report_revisions_token", "token", unique=True),
    )

    report_id: UUID = Field(sa_type=PgUuid, foreign_key="reports.id")
    number: int
    place: str = Field(sa_type=Text)
    revises: str | None = Field(default=None, sa_type=Text)
    content: str = Field(sa_type=Text)
    sha256: bytes
    redacted_at: datetime | None = moment()
    is_late: bool
    submitted_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    submitted_by: UUID = Field(sa_type=PgUuid)
    submitted: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"nullable": False})
    status: str = Field(sa_type=Text)
    acknowledged_at: datetime | None = moment()
    acknowledged_by: UUID | None = Field(default=None, sa_type=PgUuid)
    acknowledged: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    decided_at: datetime | None = moment()
    decided_by: UUID | None = Field(default=None, sa_type=PgUuid)
    decided: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    token: str | None = Field(default=None, sa_type=Text)
    verification_url: str | None = Field(default=None, sa_type=Text)
    officer_ids: list[UUID] = uuid_array()
    activity_ids: list[UUID] = uuid_array()
    source_ids: list[UUID] = uuid_array()
    district_codes: list[str] = text_array()
    counted: dict[str, dict[str, list[str]]] = json_object()
