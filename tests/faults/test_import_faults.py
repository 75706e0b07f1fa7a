"""Imports when something dies: each row is written once or not at all, the counts are right, and the job goes on."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import PANJANG, SRENGSEM, nik
from import_flow import URL, acted, counts, fates, handlers, imported, seen, send, table, work
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.upkeep import settle
from tksk_api.domain.jobs import worker
from tksk_api.domain.regions import service as regions

# A worker that is killed in the middle of its second page: rows are written, nothing is committed.
KILLED = """
import asyncio, os, signal, sys
from dataclasses import replace
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.main import create_app
from tksk_api.settings import Settings
from import_flow import work
kind, pages = KINDS["partners"], 0
async def apply(session, rows, on_match):
    global pages
    fates, pages = await kind.apply(session, rows, on_match), pages + 1
    if pages == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return fates
KINDS["partners"] = replace(kind, apply=apply, page=3)
async def main():
    app = create_app(Settings())
    async with app.router.lifespan_context(app):
        await work(app)
asyncio.run(main())
"""


def partners(*numbers):
    return table(
        *(
            {"Jenis PSKS": "karang_taruna", "Nama Mitra": f"Karang Taruna {number}", "Kode Wilayah": SRENGSEM}
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


async def test_a_worker_killed_in_the_middle_of_a_page_leaves_it_undone_and_another_goes_on(
    as_, app, owner, settings, small_pages
):
    tksk = await as_("tksk", PANJANG)
    one = (await send(tksk, partners(*range(8)), kind="partners", mode="commit")).json()
    environment = {
        **os.environ,
        "TKSK_DATABASE_URL": settings.database_url.get_secret_value(),
        "TKSK_KEY_FILE": str(settings.key_file),
        "TKSK_JOB_SECONDS": "0",
        "TKSK_SEAL_SECONDS": "0",
        "TKSK_MESSAGE_SECONDS": "0",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, env=environment)
    assert await killed.wait() == -signal.SIGKILL
    await once_each(owner, range(3))
    assert counts(await seen(tksk, one)) == {"created": 3, "not_reached": 5}
    await work(app)
    done = await seen(tksk, one)
    assert (done["status"], counts(done)) == ("done", {"created": 8})
    await once_each(owner, range(8))
    assert len(await fates(tksk, one)) == 8


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


async def test_a_full_disk_is_waited_for(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    await owner.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$; "
        "CREATE TRIGGER full_disk BEFORE INSERT ON partners FOR EACH ROW EXECUTE FUNCTION full_disk()"
    )
    try:
        one = (await send(tksk, partners(*range(5)), kind="partners", mode="commit")).json()
        assert await work(app, most=4) == 4
        assert (await seen(tksk, one))["status"] == "committing"
    finally:
        await owner.execute("DROP TRIGGER full_disk ON partners; DROP FUNCTION full_disk")
    await work(app)
    done = await seen(tksk, one)
    assert (done["status"], counts(done)) == ("done", {"created": 5})
    await once_each(owner, range(5))


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
    ended = [await seen(caller, one) for caller, one in zip((first, second), sent, strict=True)]
    assert [one["status"] for one in ended] == ["done", "done"], ended
    assert [one["counts"]["rejected"] for one in ended] == [0, 0], [
        await fates(first, sent[0]),
        await fates(second, sent[1]),
    ]
    assert sum(one["counts"]["created"] for one in ended) == 12
    assert await owner.fetchval(f"SELECT count(*) FROM {kind}") == 12
    assert (await first.get(f"{URL}?kind={kind}")).json()["items"][0]["counts"] == ended[0]["counts"]
