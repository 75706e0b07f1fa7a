"""When the database fails: nothing is half done, the answer says so, and the service goes on by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from helpers import PANJANG, Caller, add_person, add_user, code_of, person
from tksk_api.main import create_app
from tksk_api.settings import Settings

URL = "/v1/beneficiaries"


@asynccontextmanager
async def running(settings: Settings, owner: Any, **over: Any) -> AsyncIterator[Caller]:
    """An application of its own, with small pools and short patience, and an officer signed in to it."""
    changed = settings.model_copy(update={"pool_size": 2, "read_pool_size": 1, "pool_timeout_seconds": 0.4, **over})
    app = create_app(changed)
    async with app.router.lifespan_context(app):
        user_id, session_id = await add_user(owner, "tksk", PANJANG)
        token = app.state.house.tokens.issue(user_id, session_id)
        async with Caller(app, token, user_id=user_id, session_id=session_id, role="tksk", region=PANJANG) as caller:
            yield caller


@pytest.fixture
async def blocker(owner_url) -> AsyncIterator[Any]:
    """A second connection of the owner, to hold locks with; what it holds ends with the test."""
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


def is_busy(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert code_of(answer) == "unavailable"
    assert int(answer.headers["retry-after"]) >= 1


@asynccontextmanager
async def failing_commit(owner: Any, table: str) -> AsyncIterator[None]:
    """Every COMMIT that follows a new row of the table fails: a deferred constraint trigger speaks only then."""
    await owner.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'refused at commit' USING ERRCODE = '40001'; END $$; "
        f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
    try:
        yield
    finally:
        await owner.execute(f"DROP TRIGGER refuse ON {table}; DROP FUNCTION public.refuse()")


async def test_a_failed_commit_is_never_answered_with_success(as_, owner):
    tksk = await as_("tksk", PANJANG)
    key = {"Idempotency-Key": str(uuid4())}
    async with failing_commit(owner, "beneficiaries"):
        body = person()
        refused = await tksk.post(URL, json=body, headers=key)
        is_busy(refused)
        assert "location" not in refused.headers
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == 0
    assert await owner.fetchval("SELECT count(*) FROM changes WHERE entity = 'beneficiaries'") == 0
    assert await owner.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    again = await tksk.post(URL, json=body, headers=key)
    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers


async def test_a_failed_commit_of_the_access_row_keeps_the_person_unread(as_, owner):
    """Fail closed: what cannot be recorded is not shown."""
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk)
    async with failing_commit(owner, "access_log"):
        for url in (f"{URL}/{created['id']}", URL):
            answer = await tksk.get(url)
            is_busy(answer)
            assert "Siti" not in answer.text
        answer = await tksk.post(
            f"{URL}/{created['id']}/reveal",
            json={"fields": ["nik"], "purpose": "letter_processing", "reason": "Surat untuk sekolah"},
        )
        is_busy(answer)
        assert "nik" not in answer.json()
    assert (await tksk.get(f"{URL}/{created['id']}")).status_code == 200


async def test_exhausted_write_pool_is_busy_and_recovers(settings, owner, blocker):
    async with running(settings, owner, lock_timeout_milliseconds=10_000) as tksk:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE beneficiaries IN ACCESS EXCLUSIVE MODE")
            waiting = [asyncio.create_task(tksk.post(URL, json=person())) for _ in range(2)]
            await asyncio.sleep(0.2)
            began = time.monotonic()
            is_busy(await tksk.post(URL, json=person()))
            assert time.monotonic() - began < 2
            assert (await tksk.get("/livez")).status_code == 200
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201, 201]
        assert (await tksk.post(URL, json=person())).status_code == 201


async def test_exhausted_read_pool_is_busy_and_recovers(settings, owner, blocker):
    async with running(settings, owner, lock_timeout_milliseconds=10_000) as tksk:
        await tksk.get(URL)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE beneficiaries IN ACCESS EXCLUSIVE MODE")
            waiting = asyncio.create_task(tksk.get(URL))
            await asyncio.sleep(0.2)
            is_busy(await tksk.get(URL))
            is_busy(await tksk.get("/v1/regions?limit=1"))
        assert (await waiting).status_code == 200
        assert (await tksk.get(URL)).status_code == 200


async def test_a_lock_that_is_not_given_in_time_is_busy(settings, owner, blocker):
    async with running(settings, owner, lock_timeout_milliseconds=200) as tksk:
        created = await add_person(tksk)
        url = f"{URL}/{created['id']}"
        async with blocker.transaction():
            await blocker.execute("UPDATE beneficiaries SET notes = 'x'")
            is_busy(await tksk.patch(url, json={"notes": "y"}, headers={"If-Match": '"v1"'}))
        assert (await tksk.patch(url, json={"notes": "y"}, headers={"If-Match": '"v2"'})).status_code == 200


async def test_a_duplicate_that_waited_in_vain_is_told_so(settings, owner, blocker):
    async with running(settings, owner, lock_timeout_milliseconds=200) as tksk:
        key = str(uuid4())
        async with blocker.transaction():
            await blocker.execute(
                "INSERT INTO idempotency_keys (user_id, operation, key, fingerprint) VALUES ($1, $2, $3, '')",
                tksk.user_id,
                f"POST {URL}",
                key,
            )
            answer = await tksk.post(URL, json=person(), headers={"Idempotency-Key": key})
            assert (answer.status_code, code_of(answer)) == (409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "2"


async def test_a_statement_that_takes_too_long_is_busy(settings, owner):
    async with running(settings, owner, statement_timeout_milliseconds=200) as tksk:
        await owner.execute(
            "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$; "
            "CREATE TRIGGER slow BEFORE INSERT ON beneficiaries FOR EACH ROW EXECUTE FUNCTION public.slow()"
        )
        try:
            is_busy(await tksk.post(URL, json=person()))
        finally:
            await owner.execute("DROP TRIGGER slow ON beneficiaries; DROP FUNCTION public.slow()")
        assert (await tksk.post(URL, json=person())).status_code == 201


async def terminate(owner: Any) -> int:
    return int(
        await owner.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = 'tksk_app'"
        )
    )


async def test_after_every_backend_was_ended_the_next_requests_succeed(as_, owner):
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk)
    for _ in range(2):
        await asyncio.gather(*(tksk.get(URL) for _ in range(5)))
        assert await terminate(owner) > 0
        await asyncio.sleep(0.05)
        assert (await tksk.get(f"{URL}/{created['id']}")).status_code == 200
        assert (await tksk.post(URL, json=person())).status_code == 201
        assert (await tksk.get("/v1/regions/18.71.04")).status_code == 200
        assert (await tksk.get("/readyz")).status_code == 200
    answers = await asyncio.gather(*(tksk.get(URL) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}


async def test_no_number_of_dead_connections_reaches_a_caller(as_, owner):
    """The farewells of the ended backends arrive when they arrive: no request may take two dead ones in a row."""
    tksk = await as_("tksk", PANJANG)
    created = await add_person(tksk)
    for _ in range(12):
        await asyncio.gather(*(tksk.get(URL) for _ in range(8)))
        await terminate(owner)
        assert (await tksk.get(f"{URL}/{created['id']}")).status_code == 200
        assert (await tksk.post(URL, json=person())).status_code == 201


async def test_a_backend_that_ends_in_the_middle_leaves_nothing(settings, owner, blocker):
    async with running(settings, owner, lock_timeout_milliseconds=10_000) as tksk:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE")
            waiting = asyncio.create_task(tksk.post(URL, json=person()))
            await asyncio.sleep(0.2)
            await terminate(owner)
            is_busy(await waiting)
        assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == 0
        assert (await tksk.post(URL, json=person())).status_code == 201


async def test_a_database_that_only_reads_is_busy_for_writers_and_open_for_the_public(settings, owner):
    """After a fail-over the old primary takes no writes."""
    async with running(settings, owner) as tksk:
        await owner.execute("ALTER ROLE tksk_app SET default_transaction_read_only = on")
        try:
            await terminate(owner)
            is_busy(await tksk.post(URL, json=person()))
            assert (await tksk.get("/v1/regions/18.71.04")).status_code == 200
        finally:
            await owner.execute("ALTER ROLE tksk_app RESET default_transaction_read_only")
            await terminate(owner)
        assert (await tksk.post(URL, json=person())).status_code == 201


async def test_nothing_of_a_caller_stays_on_a_connection_of_the_read_pool(settings, owner, as_):
    """The pool is not reset between users: the scope must end with the statement that set it."""
    await add_person(await as_("tksk", PANJANG))
    async with running(settings, owner) as http:
        user_id, session_id = await add_user(owner, "ministry", None)
        app = http._transport.app  # type: ignore[attr-defined]
        http.headers["Authorization"] = f"Bearer {app.state.house.tokens.issue(user_id, session_id)}"
        assert len((await http.get(URL)).json()["items"]) == 1
        pool = app.state.house.reads._pool
        assert pool.get_size() == 1  # the very connection the national caller used
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT count(*) FROM beneficiaries") == 0
            assert await connection.fetchval("SELECT current_setting('app.regions', true)") in (None, "")
            assert await connection.fetchval("SHOW synchronous_commit") == await owner.fetchval(
                "SHOW synchronous_commit"
            )


async def test_nothing_of_a_caller_stays_on_a_connection_of_the_write_pool(settings, owner, as_):
    await add_person(await as_("tksk", PANJANG))
    async with running(settings, owner, pool_size=1) as tksk:
        assert (await tksk.get("/v1/me")).status_code == 200
        assert (await tksk.post(URL, json=person())).status_code == 201
        assert (await tksk.post(URL, json={})).status_code == 422
        engine = tksk._transport.app.state.house.engine  # type: ignore[attr-defined]
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM beneficiaries")).scalar() == 0
            for name in ("regions", "agency", "user", "role", "session"):
                row = await connection.exec_driver_sql(f"SELECT current_setting('app.{name}', true)")
                assert row.scalar() in (None, "")


async def test_a_client_that_leaves_takes_its_transaction_along(settings, owner, blocker):
    async with running(settings, owner, lock_timeout_milliseconds=10_000, pool_size=1) as tksk:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE")
            gone = asyncio.create_task(tksk.post(URL, json=person()))
            await asyncio.sleep(0.2)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
        open_transactions = (
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tksk_app' AND state LIKE 'idle in transaction%' "
            "AND datname = current_database()"
        )
        assert await owner.fetchval(open_transactions) == 0
        assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == 0
        assert (await tksk.post(URL, json=person())).status_code == 201


async def test_the_app_does_not_start_as_the_owner(settings, owner_url):
    app = create_app(settings.model_copy(update={"database_url": SecretStr(owner_url)}))
    with pytest.raises(RuntimeError, match="row policies"):
        async with app.router.lifespan_context(app):
            pass


async def test_not_ready_when_the_schema_is_not_the_expected_one(as_, owner):
    tksk = await as_("tksk", PANJANG)
    head = await owner.fetchval("SELECT version_num FROM alembic_version")
    await owner.execute("UPDATE alembic_version SET version_num = '0000'")
    try:
        answer = await tksk.get("/readyz")
        is_busy(answer)
        assert answer.json()["checks"]["migrations"] is False
        assert (await tksk.get("/livez")).status_code == 200
    finally:
        await owner.execute("UPDATE alembic_version SET version_num = $1", head)
