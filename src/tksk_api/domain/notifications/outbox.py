"""Sending what is due, in rounds: at least once, under one id, and never while a transaction waits for a gateway.

A round takes some messages in one transaction, sends them in none, and notes each result in another. A server that dies
in between leaves them to the others when its lease ends. Any number of servers share the work.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import TextClause, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.rounds import in_rounds
from tksk_api.database.session import enter_system
from tksk_api.database.tables import table_of
from tksk_api.domain.history.access import record_access
from tksk_api.domain.notifications.gateways import TIMEOUT_SECONDS, FileGateway, Gateway, GatewayError, Outgoing
from tksk_api.domain.notifications.models import Message
from tksk_api.domain.notifications.schemas import Outside
from tksk_api.telemetry import log

Sessions = async_sessionmaker[AsyncSession]
_TABLE = table_of(Message)
_AT_ONCE = 20
_LEASE = timedelta(seconds=6 * TIMEOUT_SECONDS)  # a round never lasts that long
_TOO_LATE = timedelta(days=3)  # what could not be said for so long is not said any more
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 30.0, 6 * 3600.0
MAX_ATTEMPTS = 10  # over some 20 hours
_CLAIM = text("SELECT * FROM app.claim_messages(CAST(:channels AS text[]), :most, :lease, :per_day, :too_late)")
_DEADLINES = text("SELECT * FROM app.notify_deadlines(:days, :after, :most)")
_REPORTS = text("SELECT * FROM app.remind_of_reports(:after, :most)")
_DEADLINE_DAYS, _EVENTS_AT_ONCE = 14, 50


@dataclass(frozen=True)
class Listed:
    """A message as its operator may see it: nobody's address, nobody's name."""

    id: UUID
    channel: str
    state: str
    attempts: int
    error: str | None
    created_at: datetime
    due_at: datetime


@asynccontextmanager
async def sending(
    sessions: Sessions, gateways: Mapping[Outside, Gateway], per_day: int, seconds: float, counted: Counter
) -> AsyncIterator[None]:
    """Send while the block runs, every so many seconds; 0, or no gateway at all, leaves it to other servers.

    A task of its own: jobs and chores never wait for a gateway.
    """

    async def work() -> None:
        while await send_round(sessions, gateways, per_day, counted) == _AT_ONCE:
            pass

    async def tidy() -> None:
        for gateway in set(gateways.values()):
            if isinstance(gateway, FileGateway):
                await gateway.tidy()

    if not seconds or not gateways:
        yield
        return
    async with in_rounds(work, seconds, "messages_not_sent"), in_rounds(tidy, 3600, "messages_not_tidied"):
        yield


async def send_round(
    sessions: Sessions, gateways: Mapping[Outside, Gateway], per_day: int, counted: Counter | None = None
) -> int:
    """Send some of what is due; returns how many were tried."""
    taken = await _claim(sessions, list(gateways), per_day)
    results = await asyncio.gather(*(_send(gateways[row.channel], row) for row in taken))
    for row, failure in zip(taken, results, strict=True):
        outcome = await _note(sessions, row, failure)
        if counted is not None:
            counted.labels(row.channel, outcome).inc()
    return len(taken)


async def _claim(sessions: Sessions, channels: Sequence[str], per_day: int) -> Sequence[Any]:
    wanted = {
        "channels": channels,
        "most": _AT_ONCE,
        "lease": _LEASE,
        "per_day": per_day,
        "too_late": _TOO_LATE,
    }
    async with enter_system(sessions, "send_messages") as session:
        return (await (await session.connection()).execute(_CLAIM, wanted)).all()


async def _send(gateway: Gateway, row: Any) -> GatewayError | None:
    try:
        async with asyncio.timeout(2 * TIMEOUT_SECONDS):
            await gateway.send(Outgoing(row.id, row.channel, row.address, row.title, row.body))
    except GatewayError as error:
        return error
    except Exception as error:  # one message that a gateway chokes on holds up no other
        return GatewayError(type(error).__name__)
    return None


async def _note(sessions: Sessions, row: Any, failure: GatewayError | None) -> str:
    """What became of an attempt: `sent`, `waiting` for the next one, or `dead`."""
    mine = update(_TABLE).where(_TABLE.c.id == literal(row.id, _TABLE.c.id.type), _TABLE.c.state == "waiting")
    async with enter_system(sessions, "send_messages") as session:
        connection = await session.connection()
        if failure is None:
            await connection.execute(mine.values(state="sent", sent_at=func.now(), error=None, address=None))
            if row.person_id is not None:
                await record_access(session, [row.person_id], purpose="service", action="send", object_id=row.id)
            return "sent"
        state = "dead" if failure.is_final or row.attempts >= MAX_ATTEMPTS else "waiting"
        later = func.now() + literal(pause_after(row.attempts))
        await connection.execute(mine.values(state=state, due_at=later, claimed_at=None, error=failure.code))
        log.warning("message_not_sent", message=str(row.id), channel=row.channel, code=failure.code, state=state)
        return state


def pause_after(attempts: int) -> timedelta:
    """Twice as long after every failure, up to six hours; by chance up to half of it less, so that what failed
    together does not come back together."""
    longest = min(_FIRST_PAUSE_SECONDS * 2 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=longest * random.uniform(0.5, 1))  # noqa: S311 - no secret


async def tell_deadlines(sessions: Sessions) -> int:
    """Notifications of what ends within 14 days and was not told of yet; returns how many events there were."""
    return await _tell(sessions, "tell_deadlines", _DEADLINES, days=_DEADLINE_DAYS)


async def remind_of_reports(sessions: Sessions) -> int:
    """Notifications of reports that are not handed in, on the days that calendars name; returns how many events."""
    return await _tell(sessions, "remind_of_reports", _REPORTS)


async def _tell(sessions: Sessions, purpose: str, statement: TextClause, **wanted: Any) -> int:
    """Some at a time, each time after the last: a transaction is short, what is told stays told when a later one
    fails, and what has nobody to be told to is passed by."""
    told, after = 0, ""
    while True:
        async with enter_system(sessions, purpose) as session:
            asked = {**wanted, "after": after, "most": _EVENTS_AT_ONCE}
            found = (await (await session.connection()).execute(statement, asked)).all()
        told += sum(1 for row in found if row.told)
        if len(found) < _EVENTS_AT_ONCE:
            return told
        after = found[-1].place


async def listed(session: AsyncSession, state: str, most: int) -> Sequence[Listed]:
    """Messages in a state, oldest first."""
    columns = [_TABLE.c[name] for name in Listed.__annotations__]
    rows = select(*columns).where(_TABLE.c.state == state).order_by(_TABLE.c.created_at).limit(most)
    return [Listed(**row) for row in (await (await session.connection()).execute(rows)).mappings()]


async def retry(session: AsyncSession, ids: Sequence[UUID] | None) -> int:
    """Give dead messages another chance, the named ones or all; returns how many. Their day begins anew."""
    dead = update(_TABLE).where(_TABLE.c.state == "dead")
    if ids is not None:
        dead = dead.where(_TABLE.c.id.in_(ids))
    values = {"state": "waiting", "attempts": 0, "due_at": func.now(), "created_at": func.now(), "error": None}
    revived = await (await session.connection()).execute(dead.values(**values).returning(_TABLE.c.id))
    return len(revived.all())
