"""Append-only tables: the app role may insert and read, never change or delete."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, func
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Table, json_object, moment, new_id, uuid_array


def _transaction() -> Any:
    default = sa.text("pg_current_xact_id()::text::bigint")
    return Field(default=None, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": default})


class Change(Table, table=True):
    """A field-level change, written by the trigger `app.record_change` on every audited table.

    `reason`: what the transaction gave as one (domain/history/reasons.py). `transaction` tells what was written
    together; the id of a request is the client's own choice.
    """

    __tablename__ = "changes"
    __table_args__ = (
        sa.Index("ix_changes_entity_id", "entity_id", "id"),
        sa.Index("ix_changes_entity_at", "entity_id", "at", "id"),
        sa.Index(
            "ix_changes_former_village",
            sa.text("((fields -> 'region_code'::text) ->> 'from'::text)"),
            "at",
            postgresql_where=sa.text("entity = 'beneficiaries' AND fields -> 'region_code' ->> 'from' IS NOT NULL"),
        ),
    )

    id: int = Field(default=None, sa_type=sa.BigInteger, primary_key=True, sa_column_args=[sa.Identity(always=True)])
    at: datetime = moment(sa_column_kwargs={"server_default": func.now(), "nullable": False})
    entity: str = Field(sa_type=Text)
    entity_id: UUID = Field(sa_type=PgUuid)
    entity_version: int | None
    action: str = Field(sa_type=Text)
    fields: dict[str, Any] = json_object()
    actor_id: UUID | None = Field(default=None, sa_type=PgUuid)
    actor_role: str | None = Field(default=None, sa_type=Text)
    session_id: UUID | None = Field(default=None, sa_type=PgUuid)
    request_id: UUID | None = Field(default=None, sa_type=PgUuid)
    operation: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    transaction: int | None = _transaction()


class Transition(Table, table=True):
    """One step of a workflow: who took it, from where to where, and why."""

    __tablename__ = "transitions"
    __table_args__ = (sa.Index("ix_transitions_entity_id", "entity_id", "at", "id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True, sa_type=PgUuid)
    at: datetime = moment(sa_column_kwargs={"server_default": func.clock_timestamp(), "nullable": False})
    entity: str = Field(sa_type=Text)
    entity_id: UUID = Field(sa_type=PgUuid)
    action: str = Field(sa_type=Text)
    from_state: str | None = Field(default=None, sa_type=Text)
    to_state: str = Field(sa_type=Text)
    actor_id: UUID | None = Field(default=None, sa_type=PgUuid)
    actor_name: str | None = Field(default=None, sa_type=Text)
    actor_role: str | None = Field(default=None, sa_type=Text)
    reason_code: str | None = Field(default=None, sa_type=Text)
    note: str | None = Field(default=None, sa_type=Text)
    details: dict[str, Any] = json_object()
    request_id: UUID | None = Field(default=None, sa_type=PgUuid)
    transaction: int | None = _transaction()


class Access(Table, table=True):
    """Somebody read, wrote or was refused: who, in which role and area, which operation, whom, and for what purpose.

    Compiled reads write it themselves, the trigger `app.record_access` for every write, `app.enter` for refusals.
    """

    __tablename__ = "access_log"
    __table_args__ = (
        sa.Index("ix_access_log_subject_ids", "subject_ids", postgresql_using="gin"),
        sa.Index("ix_access_log_user_id", "user_id", "at", "id"),
        sa.Index("ix_access_log_at", "at", "id"),
    )

    id: int = Field(default=None, sa_type=sa.BigInteger, primary_key=True, sa_column_args=[sa.Identity(always=True)])
    at: datetime = moment(sa_column_kwargs={"server_default": func.clock_timestamp(), "nullable": False})
    user_id: UUID | None = Field(default=None, sa_type=PgUuid)
    session_id: UUID | None = Field(default=None, sa_type=PgUuid)
    role: str = Field(sa_type=Text)
    actor_region: str | None = Field(default=None, sa_type=Text)
    request_id: UUID | None = Field(default=None, sa_type=PgUuid)
    operation: str = Field(sa_type=Text)
    action: str = Field(default="read", sa_type=Text, sa_column_kwargs={"server_default": "read"})
    object_id: UUID | None = Field(default=None, sa_type=PgUuid)
    subject_ids: list[UUID] = uuid_array()
    fields: list[str] | None = Field(default=None, sa_type=sa.ARRAY(Text))
    purpose: str = Field(default="service", sa_type=Text, sa_column_kwargs={"server_default": "service"})
    reason: str | None = Field(default=None, sa_type=Text)
    outcome: str = Field(default="ok", sa_type=Text, sa_column_kwargs={"server_default": "ok"})


class IdempotencyKey(Table, table=True):
    """The first answer to a keyed POST, stored in the transaction of its effect, encrypted, kept 7 days.

    `subject_ids` are the people it shows, `fields` what it shows of them beyond the ordinary: giving it again is
    recorded like the first time.
    """

    __tablename__ = "idempotency_keys"

    user_id: UUID = Field(primary_key=True, sa_type=PgUuid)
    operation: str = Field(primary_key=True, sa_type=Text)
    key: str = Field(primary_key=True, sa_type=Text)
    fingerprint: bytes
    created_at: datetime = moment(sa_column_kwargs={"server_default": func.now(), "nullable": False, "index": True})
    status: int | None = None
    headers: dict[str, str] = json_object()
    body: bytes | None = None
    subject_ids: list[UUID] = uuid_array()
    fields: list[str] | None = Field(default=None, sa_type=sa.ARRAY(Text))
