"""Imports when something dies: each row is written once or not at all, the counts are right, and the job goes on."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from time import monotonic

import asyncpg
import pytest
from pydantic import SecretStr

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_user, nik
from import_flow import URL, acted, counts, fates, handlers, imported, seen, send, table, work
from tksk_api.cli.database import upgrade
from tksk_api.database import embedded
from tksk_api.database.engine import server_settings
from tksk_api.database.roles import ensure_app_role
from tksk_api.domain.imports import cells
from tksk_api.domain.imports import work as imports_work
from tksk_api.domain.imports.contract import Column
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.upkeep import settle
from tksk_api.domain.imports.workflow import WORKING
from tksk_api.domain.jobs import worker
from tksk_api.domain.regions import service as regions
from tksk_api.domain.regions.service import load_regions
from tksk_api.domain.seeds import load_seeds
from tksk_api.main import create_app

# What was committed outlives the server, though not the machine.
KEPT = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "max_connections": "50"}
BINARIES = Path(os.environ["TKSK_PG_BIN"]) if "TKSK_PG_BIN" in os.environ else None

# Workers one after the other, each a process of its own: after so many whole steps it is killed before the so-and-so
# many-th thing that the next step does, a statement or a part given to the vault, or when that is about to commit.
KILLED = """
import asyncio, os, signal, sys
from dataclasses import replace
from sqlalchemy import event, text
from import_flow import handlers
from tksk_api.database.session import enter_system
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.jobs import worker
from tksk_api.main import create_app
from tksk_api.settings import Settings

LEFT = text("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")
KINDS["partners"] = replace(KINDS["partners"], page=3)
app, put = create_app(Settings()), Vault.put

async def main(steps, moment):
    done = things = 0

    def die():
        if done >= steps:
            os.kill(os.getpid(), signal.SIGKILL)

    def thing(*_):
        nonlocal things
        things += 1
        if things == moment:
            die()

    async def counted(*arguments):
        thing()
        await put(*arguments)
        thing()

    Vault.put = counted
    async with app.router.lifespan_context(app):
        engine = app.state.house.engine.sync_engine
        event.listen(engine, "before_cursor_execute", thing)
        if moment == -1:
            event.listen(engine, "commit", lambda _: die())
        while True:
            things = 0
            if moment == 0:
                die()
            if await worker.take_step(app.state.house.sessions, handlers(app)):
                done += 1
                continue
            async with enter_system(app.state.house.sessions, "look") as session:
                if (await session.execute(LEFT)).scalar() == 0:
                    return
            await asyncio.sleep(0.05)  # the server holds what a killed worker had locked until it notices

for plan in sys.argv[1:]:
    if (worker_id := os.fork()) == 0:
        asyncio.run(main(*map(int, plan.split(","))))
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(worker_id, 0)[1])
    print(ended, flush=True)
    if ended != -signal.SIGKILL:
        break
"""
# In each step one worker dies, somewhere or at its end; in the long run at each of its first forty places.
PLANS = [f"1,{moment}" for moment in (0, 9, -1, 16, 2, -1, 31, 5, -1, 12, 22, -1) * 2]
if os.environ.get("HYPOTHESIS_PROFILE") == "long":
    PLANS = [f"{int(not moment)},{moment}" for _ in range(20) for moment in (*range(1, 40), -1, 0)]


def partners(*numbers, place=SRENGSEM):
    return table(
        *(
            {"Jenis PSKS": "karang_taruna", "Nama Mitra": f"Karang Taruna {number}", "Kode Wilayah": place}
            for number in numbers
        )
    )


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setitem(KINDS, "partners", replace(KINDS["partners"], page=3))


async def once_each(owner, rows):
    """Every partner is there, and none twice."""
    found = [row["name"] for row in await owner.fetch("SELECT name FROM partners ORDER BY created_at, id")]
    assert sorted(found) == sorted(f"Karang Taruna {number}" for number in rows)


async def killed(settings):
    """How many workers were killed until one found nothing left to do."""
    environment = {
        **os.environ,
        "TKSK_DATABASE_URL": settings.database_url.get_secret_value(),
        "TKSK_KEY_FILE": str(settings.key_file),
        "TKSK_JOB_SECONDS": "0",
        "TKSK_SEAL_SECONDS": "0",
        "TKSK_MESSAGE_SECONDS": "0",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, "0,3", *PLANS), env=environment, stdout=asyncio.subprocess.PIPE
    )
    told = (await process.communicate())[0].split()
    assert told.pop() == b"0", told
    assert set(told) == {b"-9"}
    return len(told)


async def test_however_often_a_worker_is_killed_the_end_is_that_of_an_unbroken_run(
    as_, app, owner, settings, small_pages
):
    """Reading, judging, writing by rows and as a whole, and taking back: each row once, and nothing is left over."""
    first, second = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    ended = []
    for caller, place in ((first, SRENGSEM), (second, AMPENAN_VILLAGE)):
        rows = [partners(*(f"{letter}{number}" for number in range(5)), place=place) for letter in "ABC"]
        sent = [await imported(app, caller, rows[0], kind="partners", mode="commit")]
        assert (await caller.act(f"{URL}/{sent[0]['id']}/undo")).status_code == 200
        for file, atomic in zip(rows[1:], ("row", "all"), strict=True):
            sent.append((await send(caller, file, kind="partners", mode="commit", atomic=atomic)).json())
        if caller is first:
            deaths = await killed(settings)
            assert deaths > 6, deaths
        else:
            await work(app)
        last = [await seen(caller, one) for one in sent]
        told = ("status", "error", "rows", "counts", "undo", "progress", "version")
        found = "SELECT name, version, is_active FROM partners WHERE region_code = $1 ORDER BY name"
        written = "SELECT entity, action, count(*) FROM changes WHERE actor_id = $1 GROUP BY 1, 2 ORDER BY 1, 2"
        ended.append(
            (
                [{name: one[name] for name in told} for one in last],
                [await fates(caller, one) for one in sent],
                [tuple(row) for row in await owner.fetch(found, place)],
                [tuple(row) for row in await owner.fetch(written, caller.user_id)],
            )
        )
    assert ended[0] == ended[1]
    assert [one["status"] for one in last] == ["undone", "done", "done"]
    assert [counts(one) for one in last] == [{"created": 5}] * 3
    assert sum(is_active for _, _, is_active in ended[0][2]) == 10


async def test_a_connection_that_ends_in_the_middle_of_a_page(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    kind, ended = KINDS["partners"], []

    async def apply(session, rows, on_match):
        made = await kind.apply(session, rows, on_match)
        if len(ended) < 1:
            raw = await (await session.connection()).get_raw_connection()
            ended.append(
                await owner.fetchval("SELECT pg_terminate_backend($1)", raw.driver_connection.get_server_pid())
            )
        return made

    KINDS["partners"] = replace(kind, apply=apply)
    try:
        one = await imported(app, tksk, partners(*range(5)), kind="partners", mode="commit")
    finally:
        KINDS["partners"] = kind
    assert ended == [True]
    assert (one["status"], counts(one)) == ("done", {"created": 5})
    await once_each(owner, range(5))


@asynccontextmanager
async def in_the_way(owner, what):
    """No partner can be written: each INSERT does this first."""
    await owner.execute(
        f"CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NEW; END $$; "
        "CREATE TRIGGER in_the_way BEFORE INSERT ON partners FOR EACH ROW EXECUTE FUNCTION in_the_way()"
    )
    try:
        yield
    finally:
        await owner.execute("DROP TRIGGER in_the_way ON partners; DROP FUNCTION in_the_way")


@asynccontextmanager
async def running(settings, owner, **over):
    """An application of its own, and an officer signed in to it."""
    app = create_app(settings.model_copy(update={"pool_size": 4, "read_pool_size": 2, **over}))
    async with app.router.lifespan_context(app):
        user_id, session_id = await add_user(owner, "tksk", PANJANG)
        token = app.state.house.tokens.issue(user_id, session_id)
        async with Caller(app, token, user_id=user_id, session_id=session_id, role="tksk", region=PANJANG) as caller:
            yield app, caller


async def rested(app, caller, one):
    """The import once it works no more, however often its job had to rest."""
    while (now := await seen(caller, one))["status"] in WORKING:
        await work(app)
        await asyncio.sleep(0.02)
    return now


FULL = "RAISE EXCEPTION 'full' USING ERRCODE = '53100'"


async def test_a_full_disk_is_waited_for_and_keeps_nobody_else_waiting(as_, app, owner, small_pages, monkeypatch):
    monkeypatch.setattr(imports_work, "RESTS", (0.3, 0.3))
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    async with in_the_way(owner, FULL):
        one = (await send(tksk, partners(*range(5)), kind="partners", mode="commit")).json()
        assert await work(app) == 3  # begun, read, not written
        user = {"Nama Pengguna": "tksk.panjang.9", "Nama": "Rina", "Peran": "tksk", "Kode Wilayah": PANJANG}
        other = await imported(app, office, table(user), kind="users", mode="commit")
        assert (other["status"], (await seen(tksk, one))["status"]) == ("done", "committing")
    done = await rested(app, tksk, one)
    assert (done["status"], counts(done)) == ("done", {"created": 5})
    await once_each(owner, range(5))


async def test_what_does_not_come_back_is_told_and_the_import_goes_on_when_it_has(
    as_, app, owner, small_pages, monkeypatch
):
    monkeypatch.setattr(imports_work, "RESTS", (0.01, 0.01))
    tksk = await as_("tksk", PANJANG)
    async with in_the_way(owner, FULL):
        one = (await send(tksk, partners(*range(5)), kind="partners", mode="commit")).json()
        told = await rested(app, tksk, one)
    assert (told["status"], told["error"], counts(told)) == ("failed", "unavailable", {"not_reached": 5})
    assert await owner.fetchval("SELECT error FROM jobs") == "unavailable"
    done = await acted(app, tksk, told, "commit")
    assert (done["status"], counts(done)) == ("done", {"created": 5})
    await once_each(owner, range(5))


async def test_a_page_that_is_always_too_slow_ends_after_a_few_times(settings, owner, small_pages, monkeypatch):
    monkeypatch.setattr(imports_work, "RESTS", (0.01,) * 100)
    async with running(settings, owner, statement_timeout_milliseconds=300) as (app, tksk):
        async with in_the_way(owner, "IF NEW.name LIKE '%4' THEN PERFORM pg_sleep(5); END IF"):
            one = (await send(tksk, partners(*range(6)), kind="partners", mode="commit")).json()
            began = monotonic()
            told = await rested(app, tksk, one)
            assert monotonic() - began < 10
        assert (told["status"], told["error"]) == ("failed", "page_too_slow")
        assert counts(told) == {"created": 3, "not_reached": 3}
        assert await owner.fetchval("SELECT error FROM jobs") == "unavailable"
        done = await acted(app, tksk, told, "commit")
        assert (done["status"], counts(done)) == ("done", {"created": 6})
    await once_each(owner, range(6))


async def test_a_migration_that_holds_a_table_and_changes_it_is_waited_for(
    settings, owner, owner_url, small_pages, monkeypatch
):
    monkeypatch.setattr(imports_work, "RESTS", (0.01,) * 100)
    migrating = await asyncpg.connect(owner_url)
    async with running(settings, owner, lock_timeout_milliseconds=100) as (app, tksk):
        dry = await imported(app, tksk, partners(*range(5)), kind="partners")
        assert counts(dry) == {"created": 5}
        try:
            async with migrating.transaction():
                await migrating.execute("ALTER TABLE partners ADD COLUMN later text DEFAULT 'x'")
                await migrating.execute("ALTER TABLE import_rows ADD COLUMN later text")
                await tksk.act(f"{URL}/{dry['id']}/commit")
                for _ in range(3):
                    await work(app)
                    await asyncio.sleep(0.02)
                assert (await owner.fetchval("SELECT status FROM imports")) == "committing"
            done = await rested(app, tksk, dry)
        finally:
            await migrating.execute("ALTER TABLE partners DROP COLUMN IF EXISTS later")
            await migrating.execute("ALTER TABLE import_rows DROP COLUMN IF EXISTS later")
            await migrating.close()
    assert (done["status"], counts(done)) == ("done", {"created": 5})
    await once_each(owner, range(5))


async def test_a_large_workbook_is_read_for_as_long_as_it_takes_unless_it_is_called_off(settings, owner, monkeypatch):
    """Nothing is asked of the database meanwhile, which ends connections that wait in the middle of a transaction."""
    read, seconds = imports_work.read, 1.2

    async def slow(*arguments):
        await asyncio.sleep(seconds)
        return await read(*arguments)

    monkeypatch.setattr(imports_work, "read", slow)
    monkeypatch.setattr(imports_work, "_LOOK_SECONDS", 0.1)
    patience = server_settings(settings) | {"idle_in_transaction_session_timeout": "500"}
    monkeypatch.setattr("tksk_api.database.engine.server_settings", lambda _: patience)
    async with running(settings, owner) as (app, tksk):
        one = await imported(app, tksk, partners(*range(3)), kind="partners", mode="commit")
        assert (one["status"], counts(one)) == ("done", {"created": 3})
        seconds = 60.0
        long = (await send(tksk, partners(*range(9)), kind="partners", mode="commit")).json()
        working = asyncio.create_task(work(app))
        while (now := await seen(tksk, long))["status"] == "uploaded":
            await asyncio.sleep(0.02)
        assert (await tksk.act(f"{URL}/{long['id']}/cancel", version=now["version"])).status_code == 200
        await asyncio.wait_for(working, 10)
        assert ((await seen(tksk, long))["status"], (await seen(tksk, long))["rows"]) == ("cancelled", 0)
    await once_each(owner, range(3))


async def test_what_was_judged_by_other_columns_says_so_and_a_column_more_is_none_of_them(
    as_, app, owner, small_pages, monkeypatch
):
    """A new version of the application between the look and the writing."""
    tksk, now = await as_("tksk", PANJANG), KINDS["partners"]
    dry = await imported(app, tksk, partners(*range(5)), kind="partners")
    more = Column("founded_on", cells.day, "Tanggal Berdiri")
    renamed = tuple(replace(column, name="kind") if column.name == "type" else column for column in now.columns)
    for columns in (renamed, (*now.columns, replace(more, required=True))):
        KINDS["partners"] = replace(now, columns=columns)
        failed = await acted(app, tksk, dry, "commit")
        assert (failed["status"], failed["error"], counts(failed)) == ("failed", "columns_changed", {"not_reached": 5})
        KINDS["partners"] = replace(now, columns=(*now.columns, more))
        again = await acted(app, tksk, failed, "validate", {})
        assert (again["status"], counts(again)) == ("validated", {"created": 5})
    await once_each(owner, [])
    done = await acted(app, tksk, again, "commit")
    assert (done["status"], counts(done)) == ("done", {"created": 5})


async def test_who_was_disabled_between_the_look_and_the_writing_writes_nothing_until_enabled(
    as_, app, owner, small_pages
):
    tksk = await as_("tksk", PANJANG)
    for number, atomic in enumerate(("row", "all")):
        rows = [5 * number + place for place in range(5)]
        dry = await imported(app, tksk, partners(*rows), kind="partners", atomic=atomic)
        answer = await tksk.act(f"{URL}/{dry['id']}/commit")
        assert answer.status_code == 200
        await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", tksk.user_id)
        assert (await tksk.get(f"{URL}/{dry['id']}")).status_code == 401
        await work(app)
        await once_each(owner, range(5 * number))
        await owner.execute("UPDATE users SET disabled_at = NULL WHERE id = $1", tksk.user_id)
        told = await seen(tksk, dry)
        assert (told["status"], told["error"]) == ("failed", "unauthenticated")
        done = await acted(app, tksk, told, "commit" if atomic == "row" else "validate", {"mode": "commit"})
        assert (done["status"], counts(done)) == ("done", {"created": 5})
        await once_each(owner, range(5 * number + 5))


async def test_a_cancel_while_all_is_written_comes_too_late_or_leaves_nothing(as_, app, owner, small_pages):
    tksk, kind, asked = await as_("tksk", PANJANG), KINDS["partners"], []
    dry = await imported(app, tksk, partners(*range(7)), kind="partners", atomic="all")
    before = (await tksk.act(f"{URL}/{dry['id']}/commit")).json()
    cancelled = await tksk.act(f"{URL}/{dry['id']}/cancel", version=before["version"])
    assert cancelled.json()["is_cancelling"]
    await work(app)
    assert ((await seen(tksk, dry))["status"], (await seen(tksk, dry))["counts"]["not_reached"]) == ("cancelled", 7)
    await once_each(owner, [])

    async def apply(session, rows, on_match):
        """In the middle of the second page its owner changes their mind."""
        if rows[0].number == 5 and one["status"] == "committing" and not asked:
            asked.append(asyncio.create_task(tksk.act(f"{URL}/{one['id']}/cancel", version=one["version"])))
            await asyncio.sleep(0.1)
        return await kind.apply(session, rows, on_match)

    one = await imported(app, tksk, partners(*range(7)), kind="partners", atomic="all")
    one = (await tksk.act(f"{URL}/{one['id']}/commit")).json()
    KINDS["partners"] = replace(kind, apply=apply)
    try:
        await work(app)
    finally:
        KINDS["partners"] = kind
    answer = await asked[0]
    ended = await seen(tksk, one)
    assert (ended["status"], counts(ended)) == ("done", {"created": 7})
    assert (answer.status_code, ended["is_cancelling"]) in ((200, False), (409, False), (412, False)), answer.text
    await once_each(owner, range(7))


async def test_a_region_that_ended_between_the_look_and_the_writing(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    dry = await imported(app, tksk, partners(*range(2)), kind="partners")
    assert counts(dry) == {"created": 2}
    await owner.execute("UPDATE regions SET valid_until = current_date - 1 WHERE code = $1", SRENGSEM)
    regions._known.clear()  # remembered for some minutes
    try:
        done = await acted(app, tksk, dry, "commit")
    finally:
        await owner.execute("UPDATE regions SET valid_until = NULL WHERE code = $1", SRENGSEM)
        regions._known.clear()
    assert (done["status"], counts(done)) == ("done", {"rejected": 2})
    assert {codes[0] for _, _, codes in await fates(tksk, done)} == {"unknown_region"}


async def test_a_job_that_broke_off_for_good_is_told(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    one = (await send(tksk, partners(1), kind="partners", mode="commit")).json()

    async def crash(_session, _job):
        raise RuntimeError

    while await worker.take_step(app.state.house.sessions, {"import": crash}):
        pass
    assert await settle(app.state.house.sessions) == 1
    told = await seen(tksk, one)
    assert (told["status"], told["error"], told["counts"]["not_reached"]) == ("failed", "internal_error", 0)
    again = await acted(app, tksk, told, "validate", {"mode": "commit"})
    assert (again["status"], counts(again)) == ("done", {"created": 1})


@pytest.mark.parametrize("kind", ["partners", "beneficiaries"])
async def test_two_officers_with_overlapping_files_at_once(as_, app, owner, monkeypatch, kind):
    monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], page=4))
    first, second = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    if kind == "partners":
        files = [partners(*range(12)), partners(*reversed(range(12)))]
    else:
        people = [
            {"NIK": nik(), "Nama Lengkap": f"Sari {'ABCDEFGHIJKL'[number]}", "Kode Desa": SRENGSEM, "JK": "P"}
            | {"Tanggal Lahir": "25/03/1991", "Alamat": "Jalan Bahari 7"}
            for number in range(12)
        ]
        files = [table(*people), table(*reversed(people))]
    sent = [
        (await send(caller, file, kind=kind, mode="commit")).json()
        for caller, file in zip((first, second), files, strict=True)
    ]
    while any(await asyncio.gather(*(worker.take_step(app.state.house.sessions, handlers(app)) for _ in range(2)))):
        pass
    ended = [await rested(app, caller, one) for caller, one in zip((first, second), sent, strict=True)]
    assert [one["status"] for one in ended] == ["done", "done"], ended
    assert [one["counts"]["rejected"] for one in ended] == [0, 0], [
        await fates(first, sent[0]),
        await fates(second, sent[1]),
    ]
    assert sum(one["counts"]["created"] for one in ended) == 12
    assert await owner.fetchval(f"SELECT count(*) FROM {kind}") == 12
    assert (await first.get(f"{URL}?kind={kind}")).json()["items"][0]["counts"] == ended[0]["counts"]


async def test_a_server_that_is_killed_while_rows_are_written(settings, tmp_path, small_pages, monkeypatch):
    """A PostgreSQL of its own ends without a farewell in the middle of a page, and comes back; nobody helps the job."""
    cluster = await asyncio.to_thread(start_server, tmp_path)
    url, app_url = cluster.url("postgres"), cluster.url("postgres", "tksk_app", "test")
    await ensure_app_role(url, app_url)
    await asyncio.to_thread(upgrade, url)
    await load_regions(url, lambda _done, _all: None)
    await load_seeds(url)
    kind, pages = KINDS["partners"], []

    async def apply(session, rows, on_match):
        made = await kind.apply(session, rows, on_match)
        pages.append(rows[0].number)
        if len(pages) in (2, 4):
            server = int((cluster.directory / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(server, signal.SIGQUIT)  # as `pg_ctl stop -m immediate`: recovery is the next start's
            while Path(f"/proc/{server}").exists():
                await asyncio.sleep(0.01)
        return made

    monkeypatch.setitem(KINDS, "partners", replace(kind, apply=apply, page=3))
    owner = await asyncpg.connect(url)
    try:
        over = {"database_url": SecretStr(app_url), "job_seconds": 0.05}
        async with running(settings, owner, **over) as (_, tksk):
            one = (await send(tksk, partners(*range(8)), kind="partners", mode="commit")).json()
            for ended in (2, 4):
                while len(pages) < ended:
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
                assert (await asyncio.to_thread(start_server, tmp_path)).port == cluster.port
            async with asyncio.timeout(30):
                while (answer := await tksk.get(f"{URL}/{one['id']}")).json().get("status") != "done":
                    await asyncio.sleep(0.05)
            assert counts(answer.json()) == {"created": 8}
            assert [row for row, *_ in await fates(tksk, one)] == list(range(2, 10))
            assert pages == [2, 5, 5, 8, 8]
        await owner.close()
        owner = await asyncpg.connect(url)
        await once_each(owner, range(8))
    finally:
        await owner.close()
        await asyncio.to_thread(embedded.stop, cluster, configured=BINARIES)


def start_server(directory):
    return embedded.start(directory, configured=BINARIES, settings=KEPT, report=lambda _: None)


async def test_requests_are_answered_while_a_thousand_rows_are_written(as_, app):
    tksk, reader = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    days = [date(1960, 1, 1) + timedelta(days=11 * number) for number in range(1_000)]
    person = {"Nama Lengkap": "Sari Rahmawati", "Kode Desa": SRENGSEM, "JK": "P", "Alamat": "Jalan Bahari 7"}
    rows = [{"NIK": nik(born=f"{day:%d%m%y}"), "Tanggal Lahir": f"{day:%d/%m/%Y}"} | person for day in days]
    one = (await send(tksk, table(*rows), kind="beneficiaries", mode="commit")).json()
    working, slowest, answered = asyncio.create_task(work(app)), 0.0, 0
    while not working.done():
        began = monotonic()
        assert (await reader.get("/v1/beneficiaries?limit=20")).status_code == 200
        slowest, answered = max(slowest, monotonic() - began), answered + 1
        await asyncio.sleep(0.05)
    await working
    assert counts(await seen(tksk, one)) == {"created": 1_000}
    assert answered > 10
    assert slowest < 2
