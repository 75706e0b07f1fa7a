"""`tksk keys rotate-master` and `retire-master`: changing what all personal data is encrypted with, while serving."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter_system, session_factory
from tksk_api.domain.subject_keys import rotation
from tksk_api.security.crypto import KeyFileError, Keyring, load_key_file
from tksk_api.security.master_rotation import add_master, remove_master
from tksk_api.settings import Settings


@asynccontextmanager
async def _sessions(settings: Settings, keyring: Keyring) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = create_engine(settings)
    sessions = session_factory(engine)
    sessions.configure(info={"keyring": keyring})
    try:
        yield sessions
    finally:
        await engine.dispose()


def _keyring(settings: Settings) -> Keyring:
    try:
        return load_key_file(settings.key_file)
    except KeyFileError as error:
        stop(str(error))


async def _waiting(settings: Settings, keyring: Keyring) -> int:
    async with _sessions(settings, keyring) as sessions, enter_system(sessions, rotation.OPERATION) as session:
        return await rotation.waiting(session)


async def _needing(settings: Settings, keyring: Keyring, number: int) -> int:
    async with _sessions(settings, keyring) as sessions, enter_system(sessions, rotation.OPERATION) as session:
        return await rotation.needing(session, number)


async def _renew(settings: Settings, keyring: Keyring, report: Callable[[int], None]) -> None:
    async with _sessions(settings, keyring) as sessions:
        await rotation.renew(sessions, report)


def rotate(
    key_only: Annotated[
        bool, typer.Option("--key-only", help="Only add the key; for several hosts, copy the file before going on")
    ] = False,
) -> None:
    """Add a master key and bring everything under it. May be killed; run again, it goes on where it was.

    Running processes read the new key from the file by themselves.
    """
    settings = load_settings()
    keyring = _keyring(settings)
    numbers, left = keyring.masters.numbers(), asyncio.run(_waiting(settings, keyring))
    if len(numbers) > 1 and left:
        console.print(f"Going on under master key {numbers[-1]}: {left} rows are left.")
    else:
        console.print(f"Master key {add_master(settings.key_file)} added. Back up the key file now.")
        left = asyncio.run(_waiting(settings, keyring))
    if key_only:
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Encrypting anew", total=left)
        asyncio.run(_renew(settings, keyring, lambda count: progress.advance(task, count)))
    console.print(f"Everything is under master key {keyring.masters.newest()}.")


def retire(number: Annotated[int, typer.Argument(help="The number of the master key, see the key file")]) -> None:
    """Take a master key out of the key file, once nothing needs it. Backups from before need it still: keep a copy."""
    settings = load_settings()
    keyring = _keyring(settings)
    numbers = keyring.masters.numbers()
    if number not in numbers:
        stop(f"There is no master key {number}; there are {', '.join(map(str, numbers))}.", 2)
    if number == numbers[-1]:
        stop(f"Master key {number} is the one that encrypts; run `tksk keys rotate-master` first.")
    needed = asyncio.run(_needing(settings, keyring, number))
    if needed:
        stop(f"{needed} values need master key {number}; run `tksk keys rotate-master` first.")
    remove_master(settings.key_file, number)
    console.print(f"Master key {number} is retired.")
