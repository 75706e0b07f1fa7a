"""A real PostgreSQL, migrated once; every test commits for real and leaves an empty database behind."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from pydantic import SecretStr

from canary import WATCH, watching
from helpers import Caller, add_user
from tksk_api.cli.database import create_database, in_use, upgrade
from tksk_api.database import embedded
from tksk_api.database.roles import ensure_app_role
from tksk_api.domain.regions.service import load_regions
from tksk_api.domain.seeds import load_seeds
from tksk_api.main import create_app
from tksk_api.security.crypto import create_key_file
from tksk_api.settings import Settings

KEPT_TABLES = (
    "regions",
    "programs",
    "program_versions",
    "notification_rules",
    "notification_templates",
    "activity_kinds",
    "agencies",
    "working_days",
    "alembic_version",
    "rate_limits",
)
_LAST_VERSION = "SELECT max(v.number) FROM program_versions v WHERE v.program_code = p.code"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "250"}


@pytest.fixture(scope="session", autouse=True)
def _watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """From the first test to the last: no identity number in an error, a log, the metrics or a file's name."""
    with watching():
        yield
    WATCH.look_at_names(tmp_path_factory.getbasetemp())
    assert WATCH.take() == []


@pytest.fixture(autouse=True)
def _numbers_stay_inside() -> Iterator[None]:
    """The test during which a number got out is the one that fails."""
    yield
    assert WATCH.take() == []


@pytest.fixture(scope="session")
def cluster() -> Iterator[embedded.Cluster]:
    """The embedded server of this checkout, or the one of TKSK_PG_BIN; left running while another run uses it."""
    directory = Path(__file__).parent.parent / ".tksk" / "test-postgresql"
    configured = Path(os.environ["TKSK_PG_BIN"]) if "TKSK_PG_BIN" in os.environ else None
    running = embedded.start(directory, configured=configured, settings=FAST, report=lambda _: None)
    yield running
    if not asyncio.run(in_use(running.url())):
        embedded.stop(running, configured=configured)


@pytest.fixture(scope="session")
async def owner_url(cluster: embedded.Cluster, testrun_uid: str) -> AsyncIterator[str]:
    """A fresh database, migrated and seeded; dropped at the end. Processes of one run copy the first one's."""
    template, name = f"template_{testrun_uid[:12]}", f"test_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(cluster.url())
    await connection.execute("SELECT pg_advisory_lock(hashtext($1))", template)
    if await create_database(cluster.url(), template):
        await _fill(cluster, template)
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    await connection.execute("SELECT pg_advisory_unlock_all()")
    yield cluster.url(name)
    for database in (name, template):
        await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
    await connection.close()


async def _fill(cluster: embedded.Cluster, database: str) -> None:
    url = cluster.url(database)
    await ensure_app_role(url, cluster.url(database, "tksk_app", "test"))
    upgrade(url)
    await load_regions(url, lambda _done, _all: None)
    await load_seeds(url)


@pytest.fixture(scope="session")
def settings(cluster: embedded.Cluster, owner_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    key_file = tmp_path_factory.mktemp("keys") / "keys.json"
    create_key_file(key_file)
    database = owner_url.rsplit("/", 1)[1]
    return Settings(
        database_url=SecretStr(cluster.url(database, "tksk_app", "test")),
        key_file=key_file,
        public_url="http://test",
        log_level="INFO",
        pool_size=20,
        read_pool_size=10,
        requests_per_minute=1_000_000,
        public_requests_per_minute=1_000_000,
        sign_in_per_minute=1_000_000,
        verification_per_minute=1_000_000,
        reveals_per_hour=1_000_000,
        letters_per_hour=1_000_000,
        exports_per_hour=1_000_000,
        seal_seconds=0,
        job_seconds=0,
        open_data_publisher="Dinas Sosial Contoh",
        message_seconds=0,
    )


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application as production makes it."""
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application
        WATCH.look("metrics", generate_latest(application.state.house.metrics.registry).decode())


@pytest.fixture(scope="session")
async def _owner(owner_url: str) -> AsyncIterator[tuple[Any, str]]:
    connection = await asyncpg.connect(owner_url)
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND relname <> ALL($1)",
        list(KEPT_TABLES),
    )
    # DELETE is cheaper than TRUNCATE on tables that hold a few rows; replica mode skips triggers and keys.
    empty = ["SET session_replication_role = replica", *(f"DELETE FROM {row['relname']}" for row in rows)]
    empty += ["DELETE FROM agencies WHERE created_by IS NOT NULL"]
    empty += ["DELETE FROM program_versions WHERE created_by IS NOT NULL"]
    empty += ["DELETE FROM activity_kinds WHERE created_by IS NOT NULL"]
    empty += [f"UPDATE programs p SET version = ({_LAST_VERSION}) WHERE version <> ({_LAST_VERSION})"]
    empty += ["SET session_replication_role = origin"]
    yield connection, "; ".join(empty)
    await connection.close()


@pytest.fixture
async def owner(_owner: tuple[Any, str]) -> AsyncIterator[Any]:
    """A connection of the owner, to look behind the policies; afterwards the database is empty again."""
    connection, empty = _owner
    yield connection
    await connection.execute(empty)


@pytest.fixture(scope="module")
async def module_owner(_owner: tuple[Any, str]) -> AsyncIterator[Any]:
    """The same for a module whose tests share one world: the database is empty again when the module ends."""
    connection, empty = _owner
    yield connection
    await connection.execute(empty)


@pytest.fixture
async def client(app: FastAPI, owner: Any) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP without credentials."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


@pytest.fixture
def limited(app: FastAPI) -> Iterator[Callable[..., None]]:
    """Other settings for the running application, for one test."""
    house = app.state.house
    before = house.settings

    def change(**settings: Any) -> None:
        object.__setattr__(house, "settings", before.model_copy(update=settings))

    yield change
    object.__setattr__(house, "settings", before)


@pytest.fixture
async def as_(app: FastAPI, owner: Any) -> AsyncIterator[Callable[..., Any]]:
    """`await as_("tksk", "18.71.04")`: a client signed in as a new user of that role and region."""
    opened: list[Caller] = []

    async def sign_in(role: str, region: str | None = None, *, agency_id: UUID | None = None, **over: Any) -> Caller:
        user_id, session_id = await add_user(owner, role, region, agency_id=agency_id, **over)
        token = app.state.house.tokens.issue(user_id, session_id)
        caller = Caller(app, token, user_id=user_id, session_id=session_id, role=role, region=region)
        opened.append(caller)
        return caller

    yield sign_in
    for caller in opened:
        await caller.aclose()
