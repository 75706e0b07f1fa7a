"""Is the database there, and is it the one this code was written for?"""

import asyncio

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

HEAD = "0034"  # the newest migration; tests/architecture holds it against migrations/versions


async def database_checks(engine: AsyncEngine) -> dict[str, bool]:
    """`database`: it answers within three seconds. `migrations`: it stands at `HEAD`."""
    try:
        async with asyncio.timeout(3), engine.connect() as connection:
            revision = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    except (SQLAlchemyError, asyncpg.PostgresError, OSError, TimeoutError):
        return {"database": False, "migrations": False}
    return {"database": True, "migrations": revision == HEAD}
