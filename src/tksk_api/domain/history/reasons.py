"""Why something was done: kept with every change of the transaction, and erased with them."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


async def give_reason(session: AsyncSession, reason: str | None) -> None:
    """Say why, before the change itself: the history trigger writes it beside what changed."""
    said = select(func.set_config("app.reason", reason or "", True))
    await (await session.connection()).execute(said)
