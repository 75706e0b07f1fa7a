"""Connections: one SQLAlchemy engine for writes, one bare asyncpg pool for compiled reads."""

import time
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tksk_api.settings import Settings

_FRESH_SECONDS = 1.0

# How a connection that died in the pool shows itself at its next use. asyncpg says InternalClientError when the
# backend's farewell arrives between its own messages ("cannot switch to state"; seen in tests/faults).
LOST = (
    asyncpg.AdminShutdownError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


def server_settings(settings: Settings) -> dict[str, str]:
    return {
        "application_name": "tksk-api",
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_milliseconds),
        "lock_timeout": str(settings.lock_timeout_milliseconds),
        "idle_in_transaction_session_timeout": "30000",
    }


def create_engine(settings: Settings) -> AsyncEngine:
    """The write engine. Parameters never reach a log (`hide_parameters`); exhaustion raises after the pool timeout."""
    engine = create_async_engine(
        settings.database_url.get_secret_value().replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_seconds,
        hide_parameters=True,
        connect_args={
            "server_settings": server_settings(settings),
            "prepared_statement_cache_size": settings.statement_cache_size,
            "timeout": settings.pool_timeout_seconds,
        },
    )
    event.listen(engine.sync_engine, "checkin", _remember_use)
    event.listen(engine.sync_engine, "checkout", _ping_after_rest)
    event.listen(engine.sync_engine, "handle_error", _know_a_farewell)
    return engine


def _know_a_farewell(context: Any) -> None:
    """SQLAlchemy looks only for a closed connection, whose end may arrive after the backend's last word."""
    if isinstance(context.original_exception.__cause__ or context.original_exception, LOST):
        context.is_disconnect = True


def _remember_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ping_after_rest(connection: Any, record: Any, _proxy: Any) -> None:
    """`pool_pre_ping` for connections that have rested; on one used a moment ago it is a wasted round trip."""
    if time.monotonic() - record.info.get("used", 0.0) < _FRESH_SECONDS:
        return
    try:
        connection.ping()
    except Exception as error:
        raise DisconnectionError from error


async def _keep(connection: Any) -> None:
    """Nothing to reset: every read is one statement whose settings end with it (proved in tests/faults)."""


async def create_read_pool(settings: Settings) -> "asyncpg.Pool[Any]":
    """The read pool. No `RESET` between users: it costs 15-30 % and a `SET LOCAL` scope does not need it."""
    url = (settings.read_database_url or settings.database_url).get_secret_value()
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=settings.read_pool_size,
        timeout=settings.pool_timeout_seconds,
        statement_cache_size=settings.statement_cache_size,
        server_settings=server_settings(settings),
        reset=_keep,
    )
