"""Keeping the figures: folding what transactions changed into the sums, counting anew, and comparing (0021)."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system

BATCH, BATCHES = 5_000, 10  # to a transaction, and to a round: other chores wait for this one
_FOLD = text("SELECT app.fold_figures(:most)")


@dataclass(frozen=True)
class Difference:
    """A sum that is kept otherwise than the rows say."""

    cube: str
    region_code: str
    month: date
    keys: tuple[str, ...]
    kept: int
    counted: int


async def fold(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Fold what has been committed, a batch to a transaction, unless another server is at it; returns how many. Of very
    many the next round does the rest: answers add up both."""
    folded = 0
    for _ in range(BATCHES):
        async with enter_system(sessions, "fold_figures") as session:
            count = await session.scalar(_FOLD, {"most": BATCH}) or 0
        folded += count
        if count < BATCH:
            break
    return folded


async def rebuild(owner: Any) -> int:
    """Count anew from the rows, in one snapshot that nobody waits for; `owner` is an asyncpg connection. Returns the
    number of sums.

    A fold holds the same lock to its end: the snapshot is taken when none is under way, and none begins meanwhile.
    """
    await owner.execute("SELECT pg_advisory_lock(hashtext('figures'))")
    try:
        async with owner.transaction(isolation="repeatable_read"):
            return int(await owner.fetchval("SELECT app.rebuild_figures()"))
    finally:
        await owner.execute("SELECT pg_advisory_unlock(hashtext('figures'))")


async def differences(owner: Any, region: str | None = None) -> list[Difference]:
    """Where the figures are not what the rows say, of a region and those inside it down to regencies, or of all."""
    rows = await owner.fetch("SELECT * FROM app.figure_differences($1)", region)
    return [Difference(**{**row, "keys": tuple(row["keys"])}) for row in rows]
