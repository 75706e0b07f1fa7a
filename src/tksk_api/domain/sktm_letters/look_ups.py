"""How often a letter is looked up: counted beside the requests, so that scans of one letter wait for nobody."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tksk_api.telemetry import log

_SHARE_SECONDS = 1.0
_MOST_LETTERS = 20_000  # without the database for a while; a number nobody's scanning reaches within a second
_ADD = text("SELECT app.count_look_ups(CAST(:letters AS uuid[]), CAST(:counts AS integer[]), :at)")


class LookUps:
    """Counts in memory; once a second everything new goes to the database in one statement.

    A process that is killed forgets what it counted in its last second; the number is a hint for the officer, no
    evidence. Who looked is never known here.
    """

    def __init__(self) -> None:
        self._new: Counter[UUID] = Counter()

    def add(self, letter_id: UUID) -> None:
        """One look-up of this letter, now."""
        if letter_id in self._new or len(self._new) < _MOST_LETTERS:
            self._new[letter_id] += 1

    @asynccontextmanager
    async def shared(self, engine: AsyncEngine) -> AsyncIterator[None]:
        """Hand the counts over while the block runs, and once more when it ends."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._keep_sharing(engine, stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def _keep_sharing(self, engine: AsyncEngine, stop: asyncio.Event) -> None:
        is_shared = True
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _SHARE_SECONDS)
            try:
                await self.share(engine)
                is_shared = True
            except Exception as error:  # whatever it is: what was not counted now is counted the next time
                if is_shared:
                    log.warning("look_ups_not_counted", kind=type(error).__name__)
                is_shared = False

    async def share(self, engine: AsyncEngine) -> None:
        """Add what was counted since the last time to the database."""
        if not self._new:
            return
        sent, self._new = self._new, Counter()
        try:
            async with engine.begin() as connection:
                values = {"letters": list(sent), "counts": list(sent.values()), "at": datetime.now(UTC)}
                await connection.execute(_ADD, values)
        except BaseException:
            self._new.update(sent)
            raise
