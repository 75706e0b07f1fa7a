"""Table of assignments. What may not overlap is refused by the database, which alone sees all of them at once."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import DATERANGE, ExcludeConstraint
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, moment


class Assignment(Record, RegionScoped, table=True):
    """A TKSK holds a district, stands in for its holder, or coordinates a regency or province (DOMAIN §1.2).

    `during` is kept by the database: both days count, but a day in which it was ended (`ended_at`) does not.
    """

    __tablename__ = "assignments"
    __table_args__ = (
        sa.CheckConstraint("ends_on >= starts_on", name="span"),
        sa.Index("ix_assignments_user_id", "user_id"),
        sa.Index("ix_assignments_region_code", "region_code", "kind"),
        ExcludeConstraint(
            ("region_code", "="), ("during", "&&"), where=text("kind = 'holder'"), name="ex_assignments_district_held"
        ),
        ExcludeConstraint(
            ("user_id", "="), ("during", "&&"), where=text("kind = 'holder'"), name="ex_assignments_officer_holds"
        ),
        ExcludeConstraint(
            ("user_id", "="),
            ("region_code", "="),
            ("kind", "="),
            ("during", "&&"),
            where=text("kind <> 'holder'"),
            name="ex_assignments_repeated",
        ),
    )

    user_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id")
    kind: str = Field(sa_type=Text)
    decree_number: str | None = Field(default=None, sa_type=Text)
    decree_date: date | None = None
    decree_issuer: str | None = Field(default=None, sa_type=Text)
    starts_on: date
    ends_on: date | None = None
    ended_at: datetime | None = moment()
    end_reason: str | None = Field(default=None, sa_type=Text)
    end_note: str | None = Field(default=None, sa_type=Text)
    acting_for: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="users.id")
    note: str | None = Field(default=None, sa_type=Text)
    during: Any = Field(default=None, sa_type=DATERANGE, sa_column_kwargs={"server_default": sa.FetchedValue()})
