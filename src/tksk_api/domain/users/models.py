"""Tables of users."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, moment


class User(Record, RegionScoped, table=True):
    """A person who signs in. A user without a region is national; agency users see what is addressed to their agency."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_username", text("lower(username)"), unique=True),
        CheckConstraint("region_code IS NOT NULL OR role IN ('admin', 'ministry', 'auditor', 'agency')", name="region"),
        CheckConstraint("(role = 'agency') = (agency_id IS NOT NULL)", name="agency"),
    )

    username: str = Field(sa_type=Text)
    full_name: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    agency_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="agencies.id")
    position_title: str | None = Field(default=None, sa_type=Text)
    employee_number: str | None = Field(default=None, sa_type=Text)
    password_hash: str | None = Field(default=None, sa_type=Text)
    setup_expires_at: datetime | None = moment()
    must_change_password: bool = False
    disabled_at: datetime | None = moment()
