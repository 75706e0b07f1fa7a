"""A database of its own for tests that change the schema or fill tables."""

import secrets

import asyncpg
import pytest

from tksk_api.cli.database import create_database
from tksk_api.database.roles import ensure_app_role


@pytest.fixture
async def scratch(cluster):
    """An empty database of its own."""
    name = f"scratch_{secrets.token_hex(4)}"
    await create_database(cluster.url(), name)
    await ensure_app_role(cluster.url(name), cluster.url(name, "tksk_app", "test"))
    yield cluster.url(name)
    connection = await asyncpg.connect(cluster.url())
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()
