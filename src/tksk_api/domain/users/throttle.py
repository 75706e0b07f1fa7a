"""Guessing made slow: each attempt is counted as failed before it is looked at, in a transaction of its own.

Counted are the account, the address and the device (OWASP ASVS 5 V6.3.1, NIST SP 800-63B-4 §3.2.2). Who guesses from
outside must not shut out who is inside: a device that has signed in as this user before, and every open session, are
counted apart, each by itself. The rows are locked in the order of their keys, so that parallel guesses can neither slip
through nor wait for each other in a ring; a success gives the count back. A restart forgets nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.records import keyring_of
from tksk_api.domain.users.models import UserSession
from tksk_api.domain.users.rules import MOST_FAILURES, delay_after, network_of
from tksk_api.errors import DomainError
from tksk_api.security.crypto import Keyring

_DAY = timedelta(days=1)
_LOCK = text(
    "INSERT INTO sign_in_throttles (key, failures, last_failed_at, blocked_until) "
    "SELECT key, 0, clock_timestamp(), clock_timestamp() FROM unnest(CAST(:keys AS bytea[])) AS key ORDER BY key "
    "ON CONFLICT (key) DO UPDATE SET key = excluded.key "
    "RETURNING key, failures, blocked_until, forget_at, clock_timestamp() AS at"
)
_STORE = text(
    "UPDATE sign_in_throttles t SET failures = n.failures, last_failed_at = n.failed, blocked_until = n.blocked, "
    "forget_at = n.forget FROM unnest(CAST(:keys AS bytea[]), CAST(:failures AS integer[]), "
    "CAST(:failed AS timestamptz[]), CAST(:blocked AS timestamptz[]), CAST(:forget AS timestamptz[])) "
    "AS n (key, failures, failed, blocked, forget) WHERE t.key = n.key"
)
_GIVE_BACK = text(
    "UPDATE sign_in_throttles SET failures = CASE WHEN key = ANY (:cleared) THEN 0 ELSE greatest(failures - 1, 0) END, "
    "blocked_until = clock_timestamp() WHERE key = ANY (:keys)"
)
_FORGET = text(
    "DELETE FROM sign_in_throttles WHERE key IN "
    "(SELECT key FROM sign_in_throttles WHERE forget_at < now() LIMIT 20 FOR UPDATE SKIP LOCKED)"
)
_CLEAR = text("DELETE FROM sign_in_throttles WHERE key = ANY (:keys)")
_SESSIONS = table_of(UserSession)


@dataclass(frozen=True)
class Counter:
    """One thing that failures are counted for. `keeps`: how long without a new one; None: until a success."""

    key: bytes
    free: int
    keeps: timedelta | None
    most: int | None = None
    cleared_by_success: bool = True


@dataclass(frozen=True)
class Origin:
    """Where a sign-in comes from, as far as it can be known."""

    host: str | None
    user_agent: str = ""


def of_account(keyring: Keyring, username: str, *, known: bool = True) -> Counter:
    """A hundred failures in a row stay until an administrator's reset; names that nobody has are forgotten in time."""
    key = _key(keyring, "account", username.lower())
    return Counter(key, free=3, keeps=None if known else 30 * _DAY, most=MOST_FAILURES)


def of_known_device(keyring: Keyring, user_id: UUID, device_id: UUID) -> Counter:
    """Instead of the account's and the address's: strangers, who do not know this device's id, cannot raise it."""
    return Counter(_key(keyring, "known device", f"{user_id}|{device_id}"), free=3, keeps=None, most=MOST_FAILURES)


def of_session(keyring: Keyring, session_id: UUID) -> Counter:
    """Attempts inside an open session; cleared only by a proof with all that the user has set up, code included."""
    return Counter(_key(keyring, "session", str(session_id)), free=3, keeps=90 * _DAY, most=MOST_FAILURES)


def of_address(keyring: Keyring, host: str | None) -> Counter:
    return Counter(_key(keyring, "address", network_of(host)), free=50, keeps=_DAY, cleared_by_success=False)


def of_device(keyring: Keyring, device_id: UUID) -> Counter:
    return Counter(_key(keyring, "device", str(device_id)), free=5, keeps=_DAY)


def _key(keyring: Keyring, kind: str, who: str) -> bytes:
    return keyring.mac("sign_in_throttles", f"{kind}|{who}".encode())


async def claim(session: AsyncSession, counters: Sequence[Counter]) -> None:
    """Count an attempt as failed, before anybody knows whether it is. Raises sign_in_delayed while one has to wait.

    The caller commits before it looks at the password or code.
    """
    connection = await session.connection()
    rows = {bytes(row.key): row for row in await connection.execute(_LOCK, {"keys": [c.key for c in counters]})}
    waits = [_wait(counter, rows[counter.key]) for counter in counters]
    if max(waits) > timedelta(0):
        raise DomainError("sign_in_delayed", retry_after=math.ceil(max(waits).total_seconds()))
    stored: dict[str, list[Any]] = {"keys": [], "failures": [], "failed": [], "blocked": [], "forget": []}
    for counter in counters:
        row = rows[counter.key]
        failures = _counted(row) + 1
        values = (
            counter.key,
            failures,
            row.at,
            row.at + delay_after(failures, counter.free),
            row.at + counter.keeps if counter.keeps else None,
        )
        for column, value in zip(stored.values(), values, strict=True):
            column.append(value)
    await connection.execute(_STORE, stored)
    await connection.execute(_FORGET)


def _counted(row: Any) -> int:
    forgotten: datetime | None = row.forget_at
    return 0 if forgotten is not None and forgotten < row.at else int(row.failures)


def _wait(counter: Counter, row: Any) -> timedelta:
    failures = _counted(row)
    if counter.most is not None and failures >= counter.most:
        return _DAY
    left: timedelta = row.blocked_until - row.at
    return left if failures else timedelta(0)


async def succeeded(session: AsyncSession, counters: Sequence[Counter]) -> None:
    """The claimed attempt was the right one: account and device begin anew, the address gets this one back."""
    await _give_back(session, counters, [counter.key for counter in counters if counter.cleared_by_success])


async def not_counted(session: AsyncSession, counters: Sequence[Counter]) -> None:
    """The claimed attempt was neither a failure nor yet a success; what was counted before it stays."""
    await _give_back(session, counters, [])


async def _give_back(session: AsyncSession, counters: Sequence[Counter], cleared: Sequence[bytes]) -> None:
    keys = [counter.key for counter in counters]
    connection = await session.connection()
    await connection.execute(_LOCK, {"keys": keys})
    await connection.execute(_GIVE_BACK, {"keys": keys, "cleared": list(cleared)})


async def clear_account(session: AsyncSession, user_id: UUID, username: str) -> None:
    """An administrator's reset: the failures of the account and of its known devices are forgotten."""
    keyring, connection = keyring_of(session), await session.connection()
    known = select(_SESSIONS.c.device_id).where(_SESSIONS.c.user_id == user_id, _SESSIONS.c.device_id.is_not(None))
    devices = (await connection.execute(known.distinct())).scalars()
    keys = [of_account(keyring, username).key, *(of_known_device(keyring, user_id, device).key for device in devices)]
    await connection.execute(_CLEAR, {"keys": keys})
