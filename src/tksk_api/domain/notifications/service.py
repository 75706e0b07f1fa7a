"""A user's inbox and settings: marking as read, and how they want to be told."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.notifications.models import NotificationSettings
from tksk_api.domain.notifications.notices import DEFAULT_CHANNELS
from tksk_api.domain.notifications.reads import INBOX, MOST_COUNTED, NOTIFICATIONS
from tksk_api.domain.notifications.schemas import (
    NotificationSettingsRead,
    NotificationSettingsUpdate,
    Outside,
    QuietHoursRead,
    Unread,
)
from tksk_api.errors import invalid

_SETTINGS = table_of(NotificationSettings)


async def unread(session: AsyncSession) -> Unread:
    """How many the caller has not read, counted no further than a badge shows."""
    own = select(INBOX.c.id).where(INBOX.c.user_id == _caller(session), INBOX.c.read_at.is_(None))
    counted = select(func.count()).select_from(own.limit(MOST_COUNTED + 1).subquery())
    found = (await (await session.connection()).execute(counted)).scalar_one()
    return Unread(unread=min(found, MOST_COUNTED), more=found > MOST_COUNTED)


async def mark_read(session: AsyncSession, key: UUID) -> Stored:
    """The caller has read it; the first time counts. Raises not_found."""
    await _mark(session, INBOX.c.id == key)
    return await NOTIFICATIONS.stored(session, key)


async def mark_all(session: AsyncSession, until: datetime) -> Unread:
    """The caller has read what came until then."""
    await _mark(session, INBOX.c.created_at <= until)
    return await unread(session)


async def _mark(session: AsyncSession, which: Any) -> None:
    own = update(INBOX).where(INBOX.c.user_id == _caller(session), INBOX.c.read_at.is_(None), which)
    await (await session.connection()).execute(own.values(read_at=func.now()))


async def settings(session: AsyncSession, available: Collection[Outside]) -> NotificationSettingsRead:
    """How the caller is told, with what holds where they said nothing."""
    own = select(_SETTINGS).where(_SETTINGS.c.user_id == _caller(session))
    row: Any = (await (await session.connection()).execute(own)).mappings().first() or {}
    quiet = None
    if row.get("quiet_from") is not None:
        quiet = QuietHoursRead(starts=f"{row['quiet_from']:%H:%M}", ends=f"{row['quiet_until']:%H:%M}")
    return NotificationSettingsRead(
        email=row.get("email"),
        phone=row.get("phone"),
        language=row.get("language", "id"),
        quiet_hours=quiet,
        channels={**{kind: list(known) for kind, known in DEFAULT_CHANNELS.items()}, **row.get("channels", {})},
        available=sorted(available),
    )


async def put_settings(
    session: AsyncSession, body: NotificationSettingsUpdate, available: Collection[Outside]
) -> NotificationSettingsRead:
    """Replace them. Raises invalid_request: quiet_hours_empty, duplicate_entry, missing (the address of a channel)."""
    quiet = body.quiet_hours
    if quiet is not None and quiet.starts == quiet.ends:
        raise invalid("/quiet_hours/ends", "quiet_hours_empty")
    for kind, channels in body.channels.items():
        if len(set(channels)) != len(channels):
            raise invalid(f"/channels/{kind}", "duplicate_entry")
        if "email" in channels and body.email is None:
            raise invalid("/email", "missing")
        if {"whatsapp", "sms"} & set(channels) and body.phone is None:
            raise invalid("/phone", "missing")
    values = {
        "email": body.email,
        "phone": body.phone,
        "language": body.language,
        "quiet_from": quiet.starts if quiet else None,
        "quiet_until": quiet.ends if quiet else None,
        "channels": dict(body.channels),
    }
    written = insert(_SETTINGS).values(user_id=_caller(session), **values)
    await (await session.connection()).execute(
        written.on_conflict_do_update(index_elements=[_SETTINGS.c.user_id], set_=values)
    )
    return await settings(session, available)


def _caller(session: AsyncSession) -> UUID:
    return principal_of(session).user_id
