"""`tksk privacy`: the list of erasures, erasing again after a restore, and legal holds."""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import track
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter_system, session_factory
from tksk_api.domain.privacy_requests import erasures
from tksk_api.domain.privacy_requests.erasures import Erased


@asynccontextmanager
async def _sessions() -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = create_engine(load_settings())
    try:
        yield session_factory(engine)
    finally:
        await engine.dispose()


async def _listed() -> Sequence[Erased]:
    async with _sessions() as sessions, enter_system(sessions, "list_erasures") as session:
        return await erasures.all_erased(session)


async def _reapplied(wanted: Sequence[Erased]) -> int:
    found = 0
    async with _sessions() as sessions:
        for erased in track(wanted, "Erasing again", console=console):
            async with enter_system(sessions, "reapply_erasure", erased.request_id) as session:
                found += await erasures.erase_again(session, erased)
    return found


async def _held(person: UUID, reason: str | None) -> bool:
    operation = "release_legal_hold" if reason is None else "place_legal_hold"
    async with _sessions() as sessions, enter_system(sessions, operation) as session:
        return await erasures.set_hold(session, person, reason)


def list_erasures() -> None:
    """Print who was erased, as CSV without personal data. Keep it apart from the backups: they lack later erasures."""
    writer = csv.writer(sys.stdout)
    writer.writerow(Erased._fields)
    for erased in asyncio.run(_listed()):
        writer.writerow([erased.subject_id, erased.erased_at.isoformat(), erased.request_id or ""])


def reapply(
    file: Annotated[Path, typer.Argument(help="What `tksk privacy list` printed", exists=True, dir_okay=False)],
) -> None:
    """Erase again whom a restore from an older backup brought back. Before the restored system serves anybody."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            wanted = [
                Erased(
                    UUID(row["subject_id"]),
                    datetime.fromisoformat(row["erased_at"]),
                    UUID(row["request_id"]) if row["request_id"] else None,
                )
                for row in csv.DictReader(lines)
            ]
    except (KeyError, ValueError, TypeError, UnicodeDecodeError):
        stop(f"{file} is not a list of `tksk privacy list`.", 2)
    found = asyncio.run(_reapplied(wanted))
    console.print(f"{len(wanted)} erasures applied; {found} of these people had come back.")


def hold(
    person: UUID, reason: Annotated[str, typer.Option(prompt=True, help="The case or letter it rests on")]
) -> None:
    """Forbid the erasure of a person, for example while a court needs the data."""
    if not asyncio.run(_held(person, reason)):
        stop(f"There is no person {person}.")
    console.print("Held: an erasure is refused until `tksk privacy release`.")


def release(person: UUID) -> None:
    """End the legal hold of a person."""
    if not asyncio.run(_held(person, None)):
        stop(f"There is no person {person}.")
    console.print("Released.")
