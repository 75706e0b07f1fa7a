"""Table of presentations: a letter on an agency's desk."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import AddressedToAgency, Record, RegionScoped, moment


class Presentation(Record, RegionScoped, AddressedToAgency, table=True):
    """One agency, one letter, one day, one outcome for one programme.

    `region_code` is the letter's: its officers see the row. The agency sees its own rows by `submitted_at`, as it sees
    the referrals sent to it; here it is when it told us.
    """

    __tablename__ = "presentations"
    __table_args__ = (
        sa.Index(
            "uq_presentations_daily",
            *("letter_id", "agency_id", "presented_on", "outcome", "program"),
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index("ix_presentations_application_id", "application_id", "created_at", "id"),
        sa.Index("ix_presentations_beneficiary_id", "beneficiary_id"),
        sa.Index("ix_presentations_agency_id", "agency_id", "created_at", "id"),
        {"info": {"addressed_to_agency": True}},
    )

    agency_id: UUID = Field(sa_type=PgUuid, foreign_key="agencies.id")
    letter_id: UUID = Field(sa_type=PgUuid, foreign_key="sktm_letters.id")
    application_id: UUID = Field(sa_type=PgUuid, foreign_key="sktm_applications.id")
    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    letter_number: str = Field(sa_type=Text)  # copied: the agency has read it on the paper, but sees no letter's row
    submitted_at: datetime = moment(sa_column_kwargs={"server_default": sa.func.now(), "nullable": False})
    presented_on: date
    outcome: str = Field(sa_type=Text)
    program: str | None = Field(default=None, sa_type=Text, foreign_key="programs.code")
    note: str | None = Field(default=None, sa_type=Text)
    letter_status: str = Field(sa_type=Text)
    also_presented_elsewhere: bool
