"""How often a letter is looked up: counted beside the requests, so that scans of one letter wait for nobody."""

from collections import Counter
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tksk_api.database.rounds import in_rounds

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

    def shared(self, engine: AsyncEngine) -> AbstractAsyncContextManager[None]:
        """Hand the counts over while the block runs, and once more when it ends."""
        return in_rounds(lambda: self.share(engine), _SHARE_SECONDS, "look_ups_not_counted", and_at_the_end=True)

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
