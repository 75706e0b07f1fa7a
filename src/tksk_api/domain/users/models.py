"""Tables of users, their sessions and refresh tokens."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Index, Text, func, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, Table, moment, new_id


class User(Record, RegionScoped, table=True):
    """A person who signs in. Without a region: national, or an agency's user, who sees what is addressed to it."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_username", text("lower(username)"), unique=True),
        Index("ix_users_role", "role", "region_code"),
        Index("ix_users_agency_id", "agency_id", postgresql_where=text("agency_id IS NOT NULL")),
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
    granted_until: datetime | None = moment()
    has_assignments: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    otp_cipher: bytes | None = None
    otp_pending_cipher: bytes | None = None
    otp_confirmed_at: datetime | None = moment()
    otp_last_step: int | None = Field(default=None, sa_type=sa.BigInteger)


class UserSession(Table, table=True):
    """One sign-in on one device: the family of its refresh tokens. Access tokens carry its id (`sid`).

    `strong_at`: when the caller last proved in this session who they are (sign-in or step-up).
    """

    __tablename__ = "user_sessions"

    id: UUID = Field(default_factory=new_id, primary_key=True, sa_type=PgUuid)
    user_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id", index=True)
    device_id: UUID | None = Field(default=None, sa_type=PgUuid)
    device_name: str = Field(default="-", sa_type=Text, sa_column_kwargs={"server_default": "-"})
    kind: str = Field(default="field", sa_type=Text, sa_column_kwargs={"server_default": "field"})
    idle_seconds: int = Field(default=1_209_600, sa_column_kwargs={"server_default": "1209600"})
    strong_at: datetime | None = moment()
    created_at: datetime = moment(sa_column_kwargs={"server_default": func.now(), "nullable": False})
    last_refreshed_at: datetime = moment(sa_column_kwargs={"server_default": func.now(), "nullable": False})
    expires_at: datetime = moment(sa_column_kwargs={"nullable": False})
    revoked_at: datetime | None = moment()
    revoked_reason: str | None = Field(default=None, sa_type=Text)


class RefreshToken(Table, table=True):
    """A refresh token, kept only as SHA-256 of 256 random bits."""

    __tablename__ = "refresh_tokens"

    digest: bytes = Field(primary_key=True)
    session_id: UUID = Field(sa_type=PgUuid, foreign_key="user_sessions.id", index=True)
    issued_at: datetime = moment(sa_column_kwargs={"server_default": func.now(), "nullable": False})
    expires_at: datetime = moment(sa_column_kwargs={"nullable": False})
    used_at: datetime | None = moment()
    replaced_by: bytes | None = None
    revoked_at: datetime | None = moment()


class RecoveryCode(Table, table=True):
    """A one-time code for the day the phone is lost, kept only as a keyed digest."""

    __tablename__ = "recovery_codes"

    user_id: UUID = Field(primary_key=True, sa_type=PgUuid, foreign_key="users.id")
    digest: bytes = Field(primary_key=True)
    used_at: datetime | None = moment()


class SignInThrottle(Table, table=True):
    """Failed sign-ins of one account, address or device (a keyed digest), and until when the next one must wait.

    `forget_at`: when the failures no longer count; NULL: they count until a success or an administrator's reset.
    """

    __tablename__ = "sign_in_throttles"

    key: bytes = Field(primary_key=True)
    failures: int
    last_failed_at: datetime = moment(sa_column_kwargs={"nullable": False})
    blocked_until: datetime = moment(sa_column_kwargs={"nullable": False})
    forget_at: datetime | None = moment(index=True)
