"""Tables of referrals."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import AddressedToAgency, Record, RegionScoped, case_number, json_list, moment, uuid_array


class Referral(Record, RegionScoped, AddressedToAgency, table=True):
    """A referral to an agency. Name and last digits are copied, for the agency sees nothing else of the person."""

    __tablename__ = "referrals"
    __table_args__ = (
        sa.Index("ix_referrals_beneficiary_id", "beneficiary_id", "created_at"),
        sa.Index("uq_referrals_case_number", "case_number", unique=True),
        sa.Index("ix_referrals_agency_id", "agency_id", "created_at", "id"),
        {"info": {"addressed_to_agency": True}},
    )

    case_number: str | None = case_number()
    agency_id: UUID = Field(sa_type=PgUuid, foreign_key="agencies.id")
    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    beneficiary_name: str = Field(sa_type=Text)
    beneficiary_nik_last4: str | None = Field(default=None, sa_type=Text)
    program: str = Field(sa_type=Text, foreign_key="programs.code")
    program_version: int | None = None
    sktm_application_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="sktm_applications.id")
    reason: str = Field(sa_type=Text)
    consent: str = Field(sa_type=Text)
    consent_reason: str | None = Field(default=None, sa_type=Text)
    documents: list[dict[str, Any]] = json_list()
    partner_ids: list[UUID] = uuid_array()
    status: str = Field(sa_type=Text)
    submitted_at: datetime | None = moment()
    requested_documents: list[dict[str, Any]] = json_list()
    reference_number: str | None = Field(default=None, sa_type=Text)
    decided_on: date | None = None
    expires_on: date | None = None
    activate_by: date | None = None
    reason_code: str | None = Field(default=None, sa_type=Text)
    active_from: date | None = None
    ended_on: date | None = None
