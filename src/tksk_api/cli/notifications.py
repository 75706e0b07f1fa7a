"""`tksk notifications`: messages that could not be sent, and trying again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter_system, session_factory
from tksk_api.domain.notifications import outbox
from tksk_api.domain.notifications.outbox import Listed


@asynccontextmanager
async def _session(operation: str) -> AsyncIterator[AsyncSession]:
    engine = create_engine(load_settings())
    try:
        async with enter_system(session_factory(engine), operation) as session:
            yield session
    finally:
        await engine.dispose()


async def _listed(state: str, most: int) -> Sequence[Listed]:
    async with _session("list_messages") as session:
        return await outbox.listed(session, state, most)


async def _retried(ids: Sequence[UUID] | None) -> int:
    async with _session("retry_messages") as session:
        return await outbox.retry(session, ids)


def list_messages(
    dead: Annotated[bool, typer.Option("--dead", help="Those that were given up, instead of those that wait")] = False,
    most: Annotated[int, typer.Option(help="Show at most so many")] = 100,
) -> None:
    """Print messages of the outbox, oldest first, without address, name or text; exit 1 when any was given up."""
    found = asyncio.run(_listed("dead" if dead else "waiting", most))
    table = Table("message", "channel", "attempts", "last error", "made", "next attempt")
    for row in found:
        due = "" if dead else f"{row.due_at:%Y-%m-%d %H:%M}"
        made = f"{row.created_at:%Y-%m-%d %H:%M}"
        table.add_row(str(row.id), row.channel, str(row.attempts), row.error or "", made, due)
    console.print(table)
    raise SystemExit(1 if dead and found else 0)


def retry(
    ids: Annotated[list[UUID] | None, typer.Argument(help="Messages that were given up")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them")] = False,
) -> None:
    """Send messages that were given up once more, under the same ids: after the gateway was repaired."""
    if bool(ids) == every:
        stop("name messages, or give --all", 2)
    console.print(f"{asyncio.run(_retried(ids or None))} messages will be sent again.")
