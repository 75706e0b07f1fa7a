"""Tables of machine clients."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, Table, moment, new_id, text_array


class Client(Record, RegionScoped, table=True):
    """A system of another office. `scopes` are permissions, `region_codes` where they hold; without either: nothing.

    Its tokens carry `session_id` as `sid`: a new one ends every token given so far.
    """

    __tablename__ = "clients"
    __table_args__ = (sa.Index("uq_clients_session_id", "session_id", unique=True),)

    name: str = Field(sa_type=Text)
    scopes: list[str] = text_array()
    region_codes: list[str] = text_array()
    agency_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="agencies.id")
    public_jwk: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    session_id: UUID = Field(default_factory=uuid4, sa_type=PgUuid)
    secret_rotated_at: datetime | None = moment()
    disabled_at: datetime | None = moment()


class ClientSecret(Table, table=True):
    """A secret of 256 random bits, kept as SHA-256; two live at a time, so that one can be replaced without a gap."""

    __tablename__ = "client_secrets"

    id: UUID = Field(default_factory=new_id, primary_key=True, sa_type=PgUuid)
    client_id: UUID = Field(sa_type=PgUuid, foreign_key="clients.id", index=True)
    digest: bytes
    created_at: datetime = moment(sa_column_kwargs={"server_default": func.now(), "nullable": False})
    expires_at: datetime | None = moment()
    revoked_at: datetime | None = moment()


class ClientAssertion(Table, table=True):
    """A signed assertion (RFC 7523) that was used: it opens nothing a second time."""

    __tablename__ = "client_assertions"

    client_id: UUID = Field(primary_key=True, sa_type=PgUuid)
    jti_digest: bytes = Field(primary_key=True)
    expires_at: datetime = moment(sa_column_kwargs={"nullable": False})
