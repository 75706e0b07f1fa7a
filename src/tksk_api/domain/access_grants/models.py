"""Table of grants beyond one's own area."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, moment


class AccessGrant(Record, RegionScoped, table=True):
    """`user_id` may read one person outside their area. The region is the person's, so that their office sees it."""

    __tablename__ = "access_grants"
    __table_args__ = (
        sa.Index("ix_access_grants_user_id", "user_id", "expires_at"),
        sa.Index("ix_access_grants_beneficiary_id", "beneficiary_id"),
    )

    user_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id")
    beneficiary_id: UUID = Field(sa_type=PgUuid, foreign_key="beneficiaries.id")
    reason_code: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    expires_at: datetime = moment(sa_column_kwargs={"nullable": False})
    revoked_at: datetime | None = moment()
    revoked_by: UUID | None = Field(default=None, sa_type=PgUuid)
