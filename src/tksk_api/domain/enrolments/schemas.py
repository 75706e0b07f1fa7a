"""Shapes of enrolments."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from tksk_api.domain.records import Read


class EnrolmentRead(Read):
    """A benefit that came of a referral. It is active until its last day has passed; `end_reason` is a code of the
    list referral_reason_codes."""

    id: UUID
    beneficiary_id: UUID
    program: str
    program_version: int | None
    referral_id: UUID
    agency_id: UUID
    agency_name: str
    reference_number: str | None
    status: Literal["active", "ended"]
    started_on: date
    ended_on: date | None
    end_reason: str | None
    region_code: str
    version: int
    created_at: datetime
    updated_at: datetime
