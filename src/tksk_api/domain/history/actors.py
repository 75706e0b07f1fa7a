"""The name under which the caller goes into the history."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of


async def actor_name(session: AsyncSession) -> str:
    """The caller's name: a user's, or a machine client's."""
    named = select(func.app.user_name(principal_of(session).user_id))
    return str((await session.execute(named)).scalar_one())
