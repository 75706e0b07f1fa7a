"""Tables of notifications: what is told to whom, each user's inbox, and what leaves the house."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Table, json_object, moment

_NOW = {"server_default": sa.func.now(), "nullable": False}


class NotificationTemplate(Table, table=True):
    """The packaged texts (templates.toml), as `tksk migrate` loaded them."""

    __tablename__ = "notification_templates"

    code: str = Field(primary_key=True, sa_type=Text)
    title_id: str = Field(sa_type=Text)
    title_en: str = Field(sa_type=Text)
    body_id: str = Field(sa_type=Text)
    body_en: str = Field(sa_type=Text)


class NotificationRule(Table, table=True):
    """The packaged rules (notices.py), as `tksk migrate` loaded them; `readers` are the roles that may see the row."""

    __tablename__ = "notification_rules"
    __table_args__ = (sa.Index("ix_notification_rules_entity", "entity", "action"),)

    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    entity: str = Field(sa_type=Text)
    action: str = Field(sa_type=Text)
    state: str | None = Field(default=None, sa_type=Text)
    recipients: list[str] = Field(sa_type=sa.ARRAY(Text))
    readers: list[str] = Field(sa_type=sa.ARRAY(Text))
    template: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    channels: list[str] = Field(sa_type=sa.ARRAY(Text))


class NotificationSettings(Table, table=True):
    """How a user wants to be told: their own addresses, which nobody else sees, and per kind the channels."""

    __tablename__ = "notification_settings"

    user_id: UUID = Field(primary_key=True, sa_type=PgUuid, foreign_key="users.id")
    email: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    language: str = Field(sa_type=Text)
    quiet_from: time | None = None
    quiet_until: time | None = None
    channels: dict[str, Any] = json_object()


class Notification(Table, table=True):
    """What one event is told as; `fields` are all that a text can say (`app.filled`)."""

    __tablename__ = "notifications"
    __table_args__ = (
        sa.Index("uq_notifications_event", "event_id", "template", unique=True),
        sa.Index("ix_notifications_beneficiary_id", "beneficiary_id"),
        sa.Index("ix_notifications_created_at", "created_at"),
    )

    id: UUID = Field(primary_key=True, sa_type=PgUuid)
    created_at: datetime = moment(sa_column_kwargs=_NOW)
    event_id: UUID = Field(sa_type=PgUuid)
    template: str = Field(sa_type=Text, foreign_key="notification_templates.code")
    kind: str = Field(sa_type=Text)
    entity: str = Field(sa_type=Text)
    entity_id: UUID | None = Field(default=None, sa_type=PgUuid)
    beneficiary_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="beneficiaries.id")
    fields: dict[str, Any] = json_object()


class InboxEntry(Table, table=True):
    """A notification in one user's inbox; of one event there is one."""

    __tablename__ = "inbox"
    __table_args__ = (
        sa.Index("uq_inbox_event", "event_id", "user_id", unique=True),
        sa.Index("ix_inbox_notification_id", "notification_id"),
        sa.Index("ix_inbox_user_id", "user_id", "created_at", "id"),
        sa.Index("ix_inbox_unread", "user_id", "created_at", "id", postgresql_where=text("read_at IS NULL")),
    )

    id: UUID = Field(primary_key=True, sa_type=PgUuid)
    created_at: datetime = moment(sa_column_kwargs=_NOW)
    event_id: UUID = Field(sa_type=PgUuid)
    notification_id: UUID = Field(sa_type=PgUuid, foreign_key="notifications.id", ondelete="CASCADE")
    user_id: UUID = Field(sa_type=PgUuid, foreign_key="users.id")
    read_at: datetime | None = moment()


class Message(Table, table=True):
    """What is to leave by a gateway, to a user or, without one, to the person the notification is about.

    The address is looked up when it is sent; `address` is one the user had before and is told at that it was changed,
    kept until that was sent. `due_at` is the next attempt, or while a server has it
    (`claimed_at`) the end of its lease.
    """

    __tablename__ = "messages"
    __table_args__ = (
        sa.CheckConstraint("state IN ('waiting', 'sent', 'dead', 'dropped')", name="state"),
        sa.Index(
            "uq_messages_event",
            "event_id",
            "user_id",
            "channel",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index("ix_messages_notification_id", "notification_id"),
        sa.Index("ix_messages_user_id", "user_id", "sent_at"),
        sa.Index("ix_messages_due_at", "due_at", postgresql_where=text("state = 'waiting'")),
        sa.Index("ix_messages_dead", "created_at", postgresql_where=text("state = 'dead'")),
    )

    id: UUID = Field(primary_key=True, sa_type=PgUuid)
    created_at: datetime = moment(sa_column_kwargs=_NOW)
    event_id: UUID = Field(sa_type=PgUuid)
    notification_id: UUID = Field(sa_type=PgUuid, foreign_key="notifications.id", ondelete="CASCADE")
    user_id: UUID | None = Field(default=None, sa_type=PgUuid, foreign_key="users.id")
    channel: str = Field(sa_type=Text)
    address: str | None = Field(default=None, sa_type=Text)
    state: str = Field(default="waiting", sa_type=Text, sa_column_kwargs={"server_default": text("'waiting'")})
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    due_at: datetime = moment(sa_column_kwargs=_NOW)
    claimed_at: datetime | None = moment()
    sent_at: datetime | None = moment()
    error: str | None = Field(default=None, sa_type=Text)
