"""Doing jobs inside the service, step by step, and the chores that come round again.

A step is one transaction: it takes the job that has waited longest, locks it, does a part of the work, and notes where
the next one begins. Nothing is held between two steps, so any number of servers share the jobs, memory stays flat, a
server that dies leaves its step undone and the job to the others, and several jobs take turns.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.reads import TABLE
from tksk_api.domain.jobs.service import UNFINISHED
from tksk_api.errors import DomainError
from tksk_api.telemetry import log

MAX_ATTEMPTS = 3
_PAUSE_SECONDS = 0.005  # between two steps, so that requests come through
_NOW: ColumnElement[Any] = func.clock_timestamp(type_=DateTime(timezone=True))
Sessions = async_sessionmaker[AsyncSession]


@dataclass(frozen=True)
class Progress:
    """What a step leaves: where the next one begins, how much is done, and the result once all is.

    With an `error`, a problem code, the job has failed here, and the result says what was done until then. A job that
    waits for something to come back rests for so many seconds, and holds up nobody meanwhile.
    """

    checkpoint: Mapping[str, Any]
    done: int
    total: int | None
    result: Mapping[str, Any] | None = None
    error: str | None = None
    rest_seconds: float = 0


# Between tries of what may come back, such as a disk, a store or a lock: ten minutes in all, in which others go on.
RESTS = (1, 2, 4, 8, 15, *(30,) * 19)

# A step lasts well under a second; it works as the system, so it keeps to the job's region itself.
Handler = Callable[[AsyncSession, Job], Awaitable[Progress]]


@dataclass(frozen=True)
class Chore:
    """Something the system does every so often, whoever asks; several servers may do it at once."""

    name: str
    every_seconds: float
    do: Callable[[Sessions], Awaitable[int]]


@asynccontextmanager
async def working(
    sessions: Sessions, handlers: Mapping[str, Handler], chores: Sequence[Chore], seconds: float
) -> AsyncIterator[None]:
    """Work while the block runs, looking for jobs every so many seconds; 0 leaves it to other processes."""
    task = asyncio.create_task(_keep_working(sessions, handlers, chores, seconds)) if seconds else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()  # a step is one transaction: done, or not begun
            await asyncio.wait({task})


async def _keep_working(
    sessions: Sessions, handlers: Mapping[str, Handler], chores: Sequence[Chore], seconds: float
) -> None:
    due = dict.fromkeys(chores, 0.0)
    while True:
        did_something = False
        try:
            for chore in chores:
                if due[chore] <= monotonic():
                    due[chore] = monotonic() + chore.every_seconds
                    await chore.do(sessions)
            did_something = await take_step(sessions, handlers)
        except Exception as error:  # whatever it is: the next round tries again
            log.error("work_failed", kind=type(error).__name__)
        await asyncio.sleep(_PAUSE_SECONDS if did_something else seconds)


async def take_step(sessions: Sessions, handlers: Mapping[str, Handler]) -> bool:
    """One step of the job that has waited longest; False when there is none that nobody works on."""
    since = func.coalesce(TABLE.c.heartbeat_at, TABLE.c.created_at)
    waiting = (
        select(Job)
        .where(TABLE.c.state.in_(UNFINISHED), TABLE.c.kind.in_(handlers), since <= func.clock_timestamp())
        .order_by(since)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    job: Job | None = None
    try:
        async with enter_system(sessions, "work") as session:
            job = (await session.execute(waiting)).scalars().first()
            if job is None:
                return False
            await _note(session, job.id, _after(await handlers[job.kind](session, job)))
    except Exception as error:
        if job is None:
            raise
        await _fail(sessions, job.id, error)
    return True


def _after(progress: Progress) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": "running",
        "checkpoint": dict(progress.checkpoint),
        "done": progress.done,
        "total": progress.total,
        "attempts": 0,
    }
    if progress.rest_seconds:
        values["heartbeat_at"] = _NOW + timedelta(seconds=progress.rest_seconds)
    if progress.result is not None:
        ended = _ended("failed" if progress.error else "done")
        values |= {"checkpoint": {}, "result": dict(progress.result), "error": progress.error} | ended
    return values


def _ended(state: str) -> dict[str, Any]:
    return {"state": state, "finished_at": func.clock_timestamp(), "version": TABLE.c.version + 1}


async def _fail(sessions: Sessions, key: UUID, error: Exception) -> None:
    """The step was undone. It is tried again, but not for a refusal, and not for ever."""
    refused = error.code if isinstance(error, DomainError) else None
    log.error("job_step_failed", job=str(key), kind=refused or type(error).__name__)
    async with enter_system(sessions, "work") as session:
        found = select(Job).where(TABLE.c.id == key, TABLE.c.state.in_(UNFINISHED)).with_for_update()
        job = (await session.execute(found)).scalars().first()
        if job is None:
            return
        values: dict[str, Any] = {"attempts": job.attempts + 1}
        if refused or job.attempts + 1 >= MAX_ATTEMPTS:
            values |= {"error": refused or "internal_error"} | _ended("failed")
        await _note(session, key, values)


async def _note(session: AsyncSession, key: UUID, values: Mapping[str, Any]) -> None:
    beaten: dict[str, Any] = {"heartbeat_at": _NOW, "started_at": func.coalesce(TABLE.c.started_at, _NOW)}
    noted = update(TABLE).where(TABLE.c.id == literal(key, TABLE.c.id.type))
    await (await session.connection()).execute(noted.values(beaten | dict(values)))
