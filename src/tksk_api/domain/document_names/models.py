"""Tables of names on papers."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, moment


class DocumentName(Record, RegionScoped, table=True):
    """How one paper spells the person's name. Moves with the person."""

    __tablename__ = "document_names"
    __table_args__ = (sa.Index("ix_document_names_beneficiary_id", "beneficiary_id"),)

    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    document: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    noted_on: date
    note: str | None = Field(default=None, sa_type=Text)
    withdrawn_at: datetime | None = moment()
