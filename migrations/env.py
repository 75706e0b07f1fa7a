"""Runs migrations as the owner role: one at a time (advisory lock), each in its own transaction, never waiting long."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import ops
from tksk_api.database.tables import Table
from tksk_api.services import import_models

_LOCK = 7_285_001


def _database_url() -> str:
    url = context.config.attributes.get("url") or os.environ.get("TKSK_DATABASE_OWNER_URL")
    if not url:
        raise SystemExit("Set TKSK_DATABASE_OWNER_URL to the owner role's postgresql:// address.")
    return str(url).replace("postgresql://", "postgresql+asyncpg://", 1)


def _include(_object: object, name: str | None, kind: str, reflected: bool, compared_to: object) -> bool:
    # The list indexes come from ops.enable_region_scope, those of the worklist from 0024, not from the models.
    made_by_ops = str(name).startswith("ix_open_") or any(str(name).endswith(f"_{c}") for c in ops.SCOPE_INDEXES)
    made_by_ops = made_by_ops and compared_to is None and reflected
    # PostgreSQL prints an index expression its own way, so the comparison would always differ.
    return not (kind == "index" and (made_by_ops or name == "uq_sktm_applications_running"))


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        include_object=_include,
        transaction_per_migration=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    engine = create_async_engine(_database_url(), poolclass=NullPool, hide_parameters=True)
    async with engine.connect() as connection:
        await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        await connection.execute(text("SET lock_timeout = '5s'"))
        await connection.commit()
        try:
            await connection.run_sync(_run)
        finally:
            await connection.rollback()
            await connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK})"))
            await connection.commit()
    await engine.dispose()


import_models()
if context.is_offline_mode():
    context.configure(url="postgresql://", target_metadata=Table.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(_online())
