"""Tables of PPKS assessments."""

from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, json_list

_ACTIVE = text("status = 'active'")


class PpksAssessment(Record, RegionScoped, table=True):
    """One category of one person, family, group or community. `sensitive` follows from the category and hides the row
    from whoever does not need it. A person's assessments move with the person."""

    __tablename__ = "ppks_assessments"
    __table_args__ = (
        sa.Index("ix_ppks_assessments_beneficiary_id", "beneficiary_id"),
        sa.Index("ix_ppks_assessments_family_id", "family_id"),
        sa.Index(
            "uq_ppks_assessments_person",
            "beneficiary_id",
            "category",
            unique=True,
            postgresql_where=text("status = 'active' AND beneficiary_id IS NOT NULL"),
        ),
        sa.Index(
            "uq_ppks_assessments_family",
            "family_id",
            "category",
            unique=True,
            postgresql_where=text("status = 'active' AND family_id IS NOT NULL"),
        ),
        sa.Index("ix_ppks_assessments_sensitive", "category", postgresql_where=text("sensitive AND status = 'active'")),
    )

    category: str = Field(sa_type=Text)
    unit: str = Field(sa_type=Text)
    beneficiary_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="beneficiaries.id")
    family_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="families.id")
    group_name: str | None = Field(default=None, sa_type=Text)
    since: date
    until: date | None = None
    assessed_on: date
    assessor_id: UUID | None = Field(default=None, sa_type=PgUuid)
    status: str = Field(sa_type=Text)
    reason_code: str | None = Field(default=None, sa_type=Text)
    note: str | None = Field(default=None, sa_type=Text)
    warnings: list[dict[str, str]] = json_list()
    sensitive: bool = Field(default=None, sa_column_kwargs={"server_default": sa.FetchedValue(), "nullable": False})
