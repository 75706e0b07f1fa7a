"""Sealing the access log: nobody waits for it, and no row can appear later among the sealed ones.

The reasoning, and what it rests on, is in docs/decisions/0007-sealed-access-log.md.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system
from tksk_api.database.tables import table_of
from tksk_api.domain.audit import merkle
from tksk_api.domain.audit.models import AccessSeal
from tksk_api.telemetry import log

Sessions = async_sessionmaker[AsyncSession]
SEALS = table_of(AccessSeal)
ROWS_PER_SEAL = 10_000  # the tree of so many rows takes 10 ms, during which this process answers nobody
ENTRY_BYTES = 40  # of `leaves`: id, digest
_ROWS_AT_ONCE = 500
_PATIENCE_SECONDS = 20.0
_ZONE = ZoneInfo("Asia/Jakarta")

_AS_AUDITOR = text("SELECT set_config('app.role', 'auditor', true)")
_LAST_ROW = text("SELECT max(id) FROM access_log")
# Whoever has taken an id keeps this lock until the end of the transaction, whatever role or client they are.
_WRITERS = text(
    "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' "
    "AND relation = pg_get_serial_sequence('public.access_log', 'id')::regclass "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_LAST_SEAL = select(SEALS.c.number, SEALS.c.last_id, SEALS.c.hash).order_by(SEALS.c.number.desc()).limit(1)
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('access_seals', 0)) AS mine, clock_timestamp() AS at")
# A row as it is sealed: a JSON array of a version and the columns in this order. A new column goes to the end, under a
# new version, and old rows keep theirs. The database writes it: for the server that would be work others wait for.
_ROWS = """
SELECT id, at, jsonb_build_array(1, id, (extract(epoch FROM at) * 1000000)::bigint, user_id, session_id, role,
       actor_region, request_id, operation, action, object_id, subject_ids, fields, purpose, reason, outcome)::text
  FROM access_log {where} ORDER BY id
"""
_ROWS_TO_SEAL = text(_ROWS.format(where="WHERE id > :after AND id <= :until") + "LIMIT :limit")
ALL_ROWS = text(_ROWS.format(where=""))


@dataclass(frozen=True)
class Anchor:
    """What is printed and signed of a day: the last seal, and how many rows lie under it and the ones before."""

    number: int
    sealed_at: datetime
    rows: int
    hash: bytes


@asynccontextmanager
async def as_auditor(sessions: Sessions, operation: str) -> AsyncIterator[AsyncConnection]:
    """A transaction of the system that sees the access log as an auditor does, and can change as little."""
    async with enter_system(sessions, operation) as session:
        connection = await session.connection()
        await connection.execute(_AS_AUDITOR)
        yield connection


async def digests(connection: AsyncConnection, rows: Any, **values: int) -> AsyncIterator[tuple[int, datetime, bytes]]:
    """Id, time and digest of each row, a few rows in memory at a time."""
    result = await connection.stream(rows, values, execution_options={"yield_per": _ROWS_AT_ONCE})
    async for key, at, sealed in result:
        yield key, at, merkle.leaf(sealed.encode())


async def seal(sessions: Sessions, patience: float = _PATIENCE_SECONDS) -> int:
    """Seal every row that is there now, in as many seals as it takes; returns how many rows.

    0 also when another process is sealing, or when a transaction that writes to the log lasts longer than `patience`
    (seconds): the next time will do.
    """
    until = await settled(sessions, patience)
    sealed = 0
    while until and (count := await _seal_next(sessions, until)):
        sealed += count
    return sealed


@asynccontextmanager
async def sealing(sessions: Sessions, seconds: float) -> AsyncIterator[None]:
    """Seal every so many seconds while the block runs; 0 leaves it to other processes or to `tksk audit seal`."""
    task = asyncio.create_task(_keep_sealing(sessions, seconds)) if seconds else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()  # a seal is one transaction: made, or not begun
            await asyncio.wait({task})


async def _keep_sealing(sessions: Sessions, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await seal(sessions)
        except Exception as error:  # whatever it is: what was not sealed now is sealed the next time
            log.error("sealing_failed", kind=type(error).__name__)


async def settled(sessions: Sessions, patience: float) -> int | None:
    """An id up to which every row is there or never will be; None when there is none, or not soon enough.

    Ids are given before they are committed, so the highest one seen says nothing yet about those below it. But all of
    them were given before it was seen, to transactions that have ended or still hold their lock on the sequence: once
    those that held it a moment later have ended too, everything up to that id is decided.
    """
    async with as_auditor(sessions, "seal_access_log") as connection:
        highest: int | None = (await connection.execute(_LAST_ROW)).scalar()
        underway = set((await connection.execute(_WRITERS)).scalars())
    deadline = time.monotonic() + patience
    while underway:
        if time.monotonic() > deadline:
            log.warning("sealing_waits", transactions=len(underway))
            return None
        await asyncio.sleep(0.05)
        async with as_auditor(sessions, "seal_access_log") as connection:
            underway &= set((await connection.execute(_WRITERS)).scalars())
    return highest


async def _seal_next(sessions: Sessions, until: int) -> int:
    """One seal over the next rows, where no other process is making one; returns how many rows."""
    async with as_auditor(sessions, "seal_access_log") as connection:
        turn = (await connection.execute(_LOCK)).one()
        if not turn.mine:
            return 0
        last = (await connection.execute(_LAST_SEAL)).first()
        bounds = {"after": last.last_id if last else 0, "until": until, "limit": ROWS_PER_SEAL}
        rows = [(key, digest) async for key, _, digest in digests(connection, _ROWS_TO_SEAL, **bounds)]
        if rows:
            await connection.execute(insert(SEALS), _made(rows, turn.at, last))
        return len(rows)


def _made(rows: list[tuple[int, bytes]], at: datetime, last: Any) -> dict[str, Any]:
    facts = {
        "number": last.number + 1 if last else 1,
        "first_id": rows[0][0],
        "last_id": rows[-1][0],
        "row_count": len(rows),
        "sealed_at": at,
        "leaves": b"".join(key.to_bytes(8, "big", signed=True) + digest for key, digest in rows),
        "root": merkle.root([digest for _, digest in rows]),
        "previous": bytes(last.hash) if last else merkle.GENESIS,
    }
    return {**facts, "hash": seal_hash(facts)}


def seal_hash(facts: Any) -> bytes:
    """The hash that a seal with these columns must have."""
    numbers = (facts[name] for name in ("number", "first_id", "last_id", "row_count"))
    microseconds = facts["sealed_at"] - datetime.fromtimestamp(0, ZoneInfo("UTC"))
    return merkle.seal(facts["previous"], facts["root"], *numbers, microseconds // timedelta(microseconds=1))


def today() -> date:
    """The day in Jakarta, by whose calendar anchors are kept."""
    return datetime.now(_ZONE).date()


async def anchor_of(sessions: Sessions, day: date) -> Anchor | None:
    """The last seal made on a day in Jakarta; None when there was none."""
    start = datetime.combine(day, clock(), _ZONE)
    made_then = SEALS.c.sealed_at.between(start, start + timedelta(days=1) - timedelta(microseconds=1))
    made = select(SEALS.c.number, SEALS.c.sealed_at, SEALS.c.hash).where(made_then)
    async with as_auditor(sessions, "anchor_access_log") as connection:
        row = (await connection.execute(made.order_by(SEALS.c.number.desc()).limit(1))).first()
        if row is None:
            return None
        counted = select(func.sum(SEALS.c.row_count)).where(SEALS.c.number <= row.number)
        rows = (await connection.execute(counted)).scalar_one()
    return Anchor(row.number, row.sealed_at.astimezone(_ZONE), rows, bytes(row.hash))
