"""`tksk retention`: ending what has outlived its time, by the packaged schedule."""

import asyncio
from typing import Annotated

import asyncpg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from tksk_api.cli.console import console
from tksk_api.cli.database import owner_url
from tksk_api.domain.retention.service import Due, apply, due

_WORDS = {
    "delete": "delete",
    "erase_subject": "erase the person",
    "erase_papers": "blank the papers",
    "keep": "kept",
}


async def _due(url: str) -> list[Due]:
    connection = await asyncpg.connect(url)
    try:
        return await due(connection)
    finally:
        await connection.close()


async def _apply(url: str, found: list[Due], progress: Progress) -> int:
    connection, ended = await asyncpg.connect(url), 0
    try:
        for item in found:
            if item.retention.ends:
                task = progress.add_task(item.retention.name, total=item.rows)
                ended += await apply(connection, item.retention, lambda n, task=task: progress.advance(task, n))  # type: ignore[misc]
    finally:
        await connection.close()
    return ended


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is due; change nothing")] = False,
) -> None:
    """End what has outlived its time. May be killed and run again; meant to run every night.

    The access log is sealed and kept for five years: this command never deletes from it.
    """
    url = owner_url()
    found = asyncio.run(_due(url))
    if dry_run:
        _show(found)
        return
    with Progress(TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), console=console) as progress:
        ended = asyncio.run(_apply(url, found, progress))
    console.print(f"{ended} rows ended.")


def _show(found: list[Due]) -> None:
    table = Table("class", "kept", "rows due", "oldest", "what happens", "source")
    for item in found:
        oldest = f"{item.oldest:%Y-%m-%d}" if item.oldest else ""
        words = _WORDS[item.retention.action]
        table.add_row(item.retention.name, item.retention.keep, str(item.rows), oldest, words, item.retention.source)
    console.print(table)
