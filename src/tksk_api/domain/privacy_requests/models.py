"""Tables of the requests people make about their own data, and of the erasures."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, Table, moment


class PrivacyRequest(Record, RegionScoped, table=True):
    """A request about one person's data, in the region where the person lived then."""

    __tablename__ = "privacy_requests"
    __table_args__ = (sa.Index("ix_privacy_requests_beneficiary_id", "beneficiary_id", "created_at"),)

    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    kind: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    requested_by: str = Field(sa_type=Text)
    received_on: date
    status: str = Field(sa_type=Text)
    decided_at: datetime | None = moment()
    decided_by: UUID | None = Field(default=None, sa_type=PgUuid)
    reason_code: str | None = Field(default=None, sa_type=Text)
    note: str | None = Field(default=None, sa_type=Text)


class Erasure(Table, table=True):
    """That a person was erased, and nothing else of them: after a restore from an older backup it is done again."""

    __tablename__ = "erasures"

    subject_id: UUID = Field(primary_key=True, sa_type=PgUuid)
    erased_at: datetime = moment(sa_column_kwargs={"nullable": False})
    request_id: UUID | None = Field(default=None, sa_type=PgUuid)
