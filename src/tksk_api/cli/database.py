"""Making and migrating databases: what `tksk migrate`, the demo and the tests share."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config

_ROOTS = (Path(__file__).resolve().parents[3], Path.cwd())


def alembic_config(owner_url: str) -> Config:
    """The configuration beside the sources or, installed, in the working directory. Raises FileNotFoundError."""
    for root in _ROOTS:
        if (root / "alembic.ini").exists():
            config = Config(str(root / "alembic.ini"))
            config.attributes["url"] = owner_url
            return config
    raise FileNotFoundError("alembic.ini: run tksk in the project's folder")


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
