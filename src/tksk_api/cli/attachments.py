"""`tksk attachments`: the sealed files against their rows."""

import asyncio
from typing import Annotated

import typer

from tksk_api.cli.console import console, load_settings
from tksk_api.database.engine import create_engine
from tksk_api.database.session import session_factory
from tksk_api.domain.attachments.sweep import Swept
from tksk_api.domain.attachments.sweep import sweep as sweep_vault
from tksk_api.domain.attachments.vault import Vault
from tksk_api.settings import Settings


async def swept(settings: Settings, *, dry_run: bool) -> Swept:
    """What the sweep did, or with `dry_run` would do. Raises DomainError when the vault cannot be reached."""
    engine = create_engine(settings)
    try:
        return await sweep_vault(session_factory(engine), Vault(settings), dry_run=dry_run)
    finally:
        await engine.dispose()


def sweep(dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count")] = False) -> None:
    """Remove the files of attachments deleted long enough ago and files nobody refers to; exit 1 when one is missing.

    Run it daily.
    """
    found = asyncio.run(swept(load_settings(), dry_run=dry_run))
    verb = "would be removed" if dry_run else "removed"
    console.print(f"{found.purged} deleted attachments and {found.orphans} files without an attachment {verb}.")
    for key in found.missing:
        console.print(f"  [red]missing[/] the file of attachment {key}")
    raise SystemExit(1 if found.missing else 0)
