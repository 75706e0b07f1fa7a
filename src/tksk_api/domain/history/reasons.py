"""Why something was done: kept in the history beside what changed, and erased with it.

Words are about somebody, and one step changes rows of many: a death ends a membership in a family that an office reads
which does not see the dead. So words go to one row; a code of a list, which tells of nobody, goes to every row.
"""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


async def give_reason(session: AsyncSession, reason: str | None, *, about: UUID | None = None) -> None:
    """Say why in words, before the change itself: the history trigger writes it beside what changed in the row `about`.

    Without `about` it goes to people, pairs and merges alone, which nobody sees without seeing the person.
    """
    row = "" if about is None else str(about)
    said = select(func.set_config("app.reason", reason or "", True), func.set_config("app.reason_for", row, True))
    await (await session.connection()).execute(said)


async def give_code(session: AsyncSession, code: str) -> None:
    """Say why by a code of a list, before the changes: it stands beside each of them."""
    await (await session.connection()).execute(select(func.set_config("app.reason_code", code, True)))
