"""Tables of SKTM applications and their signatures."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import (
    Record,
    RegionScoped,
    Table,
    case_number,
    json_list,
    moment,
    text_array,
    uuid_array,
)


class SktmApplication(Record, RegionScoped, table=True):
    """An application; `region_code` is the issuing village, `policy` the rules in force when it was submitted."""

    __tablename__ = "sktm_applications"
    __table_args__ = (
        sa.CheckConstraint("NOT (beneficiary_id = ANY (dependants))", name="dependants"),
        sa.Index("ix_sktm_applications_beneficiary_id", "beneficiary_id", "created_at"),
        sa.Index("uq_sktm_applications_case_number", "case_number", unique=True),
        sa.Index("ix_sktm_applications_dependants", "dependants", postgresql_using="gin"),
        sa.Index(
            "uq_sktm_applications_running",
            "beneficiary_id",
            "purpose",
            text("md5(app.same_words(purpose_detail))"),  # an entry of the index holds 2.7 kB, the words may be longer
            unique=True,
            postgresql_where=text("status IN ('draft', 'returned', 'submitted', 'checked', 'verified', 'signing')"),
        ),
        sa.Index(
            "uq_sktm_applications_replaces_id",
            "replaces_id",
            unique=True,
            postgresql_where=text("status NOT IN ('rejected', 'cancelled', 'revoked')"),
        ),
    )

    case_number: str | None = case_number()
    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    purpose: str = Field(sa_type=Text)
    purpose_detail: str = Field(sa_type=Text)
    addressed_to: str = Field(sa_type=Text)
    dependants: list[UUID] = uuid_array()
    documents: list[dict[str, Any]] = json_list()
    circumstances: list[str] = text_array()
    status: str = Field(sa_type=Text)
    policy: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    visit_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="visits.id")
    recommendation: str | None = Field(default=None, sa_type=Text)
    submitted_at: datetime | None = moment()
    facts_digest: bytes | None = None
    checked_by: UUID | None = Field(default=None, sa_type=PgUuid)
    verified_by: UUID | None = Field(default=None, sa_type=PgUuid)
    replaces_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="sktm_applications.id")
    english: bool | None = None


class SktmSignature(Table, table=True):
    """One signature, with the signer's name and title as they were at that moment."""

    __tablename__ = "sktm_signatures"

    application_id: UUID = Field(primary_key=True, sa_type=PgUuid, foreign_key="sktm_applications.id")
    position: int = Field(primary_key=True)
    role: str = Field(sa_type=Text)
    user_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id")
    full_name: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    employee_number: str | None = Field(default=None, sa_type=Text)
    signed_at: datetime = moment(sa_column_kwargs={"server_default": sa.func.now(), "nullable": False})
