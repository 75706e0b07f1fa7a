"""Table of enrolments."""

from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped


class Enrolment(Record, RegionScoped, table=True):
    """A benefit that came of a referral. The database keeps it, by the referral's own steps `activate` and `end`."""

    __tablename__ = "enrolments"
    __table_args__ = (sa.Index("ix_enrolments_beneficiary_id", "beneficiary_id", "created_at"),)

    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    program: str = Field(sa_type=Text, foreign_key="programs.code")
    program_version: int | None = None
    referral_id: UUID = Field(sa_type=PgUuid, foreign_key="referrals.id", unique=True)
    agency_id: UUID = Field(sa_type=PgUuid, foreign_key="agencies.id")
    reference_number: str | None = Field(default=None, sa_type=Text)
    started_on: date
    ended_on: date | None = None
    end_reason: str | None = Field(default=None, sa_type=Text)
