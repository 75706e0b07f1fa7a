"""Counting in the database: exactly for what enumerates people, once a second for everything else."""

import math
import time
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from tksk_api.database.reads import ReadPool
from tksk_api.database.session import principal_of
from tksk_api.domain.records import keyring_of
from tksk_api.errors import DomainError
from tksk_api.security.crypto import Keyring

_KEY_BYTES = 16
_CLOCKS_DIFFER_SECONDS = 60
_TAKE = (
    "INSERT INTO rate_limits (window_end, key, used) VALUES ($1, $2, 1) "
    "ON CONFLICT (window_end, key) DO UPDATE SET used = rate_limits.used + 1 WHERE rate_limits.used < $3 RETURNING 1"
)
_USED_UP = "SELECT 1 FROM rate_limits WHERE window_end = $1 AND key = $2 AND used >= $3"
_USED = "SELECT used FROM rate_limits WHERE window_end = $1 AND key = $2"
# In the order of the index, so that two processes that add the same keys wait for each other instead of deadlocking.
_ADD = text(
    "INSERT INTO rate_limits (window_end, key, used) SELECT * FROM unnest(CAST(:ends AS bigint[]), "
    "CAST(:keys AS bytea[]), CAST(:used AS integer[])) AS counted (window_end, key, used) ORDER BY window_end, key "
    "ON CONFLICT (window_end, key) DO UPDATE SET used = rate_limits.used + excluded.used RETURNING key, used"
)
_FORGET = text(
    "DELETE FROM rate_limits WHERE (window_end, key) IN (SELECT window_end, key FROM rate_limits "
    "WHERE window_end < :before ORDER BY window_end, key LIMIT 10000 FOR UPDATE SKIP LOCKED)"
)


def counter_key(keyring: Keyring, name: str, caller: str) -> bytes:
    """The digest a caller is counted under: without the key file nobody can tell whose address or id it is."""
    return keyring.mac("rate_limits", f"{name}\x00{caller}".encode(), _KEY_BYTES)


def window_end(key: bytes, window_seconds: int, now: float) -> int:
    """The second in which the running window of this key ends.

    Each key has its own beginning, so that callers who were refused do not all come back in the same second.
    """
    offset = int.from_bytes(key[:4], "big") % window_seconds
    return (math.floor(now - offset) // window_seconds + 1) * window_seconds + offset


def over_quota(name: str, seconds_left: int) -> DomainError:
    """The refusal. Its members name the policy (draft-ietf-httpapi-ratelimit-headers-11, quota-exceeded)."""
    return DomainError("too_many_requests", retry_after=seconds_left, violated_policies=[name])


def _counter(session: AsyncSession, name: str, window_seconds: int) -> tuple[bytes, int]:
    """Under which key the caller of this session is counted, and the second in which the running window ends."""
    key = counter_key(keyring_of(session), name, str(principal_of(session).user_id))
    return key, window_end(key, window_seconds, time.time())


async def take_strictly(session: AsyncSession, name: str, quota: int, window_seconds: int) -> None:
    """Count one use by the caller of this session, in its transaction. Raises too_many_requests over the quota.

    For what could be used to look through people. The counter's row stays locked until the effect is committed, so
    requests of one caller that come together queue up here, and none of them sees a count that is too low. A request
    that fails later takes its count back with everything else it did.
    """
    key, end = _counter(session, name, window_seconds)
    connection = await session.connection()
    taken = await connection.exec_driver_sql(_TAKE, (end, key, quota))
    if taken.first() is None:
        raise over_quota(name, math.ceil(end - time.time()))


async def take_apart(session: AsyncSession, pool: ReadPool, name: str, quota: int, window_seconds: int) -> None:
    """As `take_strictly`, but kept whatever becomes of the request: for guesses, which mostly fail.

    Counted over the other pool: a request that waited for a second connection of its own could wait for itself.
    """
    key, end = _counter(session, name, window_seconds)
    if await pool.fetchrow(_TAKE, [end, key, quota]) is None:
        raise over_quota(name, math.ceil(end - time.time()))


async def refuse_used_up(session: AsyncSession, name: str, quota: int, window_seconds: int) -> None:
    """Raise too_many_requests when the caller's quota is used up; counts nothing.

    For a request that is counted only when it tells something: without this, being refused would tell it too.
    """
    key, end = _counter(session, name, window_seconds)
    connection = await session.connection()
    if (await connection.exec_driver_sql(_USED_UP, (end, key, quota))).first() is not None:
        raise over_quota(name, math.ceil(end - time.time()))


async def uses_left(session: AsyncSession, name: str, quota: int, window_seconds: int) -> int:
    """How often the caller may still do this in the running window, for work that counts many uses at once."""
    key, end = _counter(session, name, window_seconds)
    used = (await (await session.connection()).exec_driver_sql(_USED, (end, key))).scalar()
    return max(quota - (used or 0), 0)


async def take_many(session: AsyncSession, name: str, uses: int, window_seconds: int) -> None:
    """Count so many uses by the caller of this session, in its transaction."""
    key, end = _counter(session, name, window_seconds)
    await add_counts(await session.connection(), [(end, key, uses)])


async def add_counts(connection: AsyncConnection, counts: Sequence[tuple[int, bytes, int]]) -> dict[bytes, int]:
    """Add (window_end, key, used) to what other processes have counted; the sum of each key."""
    ends, keys, used = zip(*counts, strict=True)
    rows = await connection.execute(_ADD, {"ends": list(ends), "keys": list(keys), "used": list(used)})
    return {bytes(row.key): row.used for row in rows}


async def forget_counts(connection: AsyncConnection, now: float) -> None:
    """Delete the counts of windows that are over, by the clock of any process."""
    await connection.execute(_FORGET, {"before": math.floor(now) - _CLOCKS_DIFFER_SECONDS})
