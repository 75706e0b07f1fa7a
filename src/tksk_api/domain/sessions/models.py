"""Tables of sessions and refresh tokens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, func
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Table, moment, new_id


class UserSession(Table, table=True):
    """One sign-in on one device: the family of its refresh tokens. Access tokens carry its id (`sid`)."""

    __tablename__ = "user_sessions"

    id: UUID = Field(default_factory=new_id, primary_key=True, sa_type=PgUuid)
    user_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id", index=True)
    device_name: str | None = Field(default=None, sa_type=Text)
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
