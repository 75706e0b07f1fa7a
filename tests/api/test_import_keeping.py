"""What stays of an import, and for how long: what an erasure takes, what the sweep removes, what retention ends."""

import os
import time
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest
from test_import_kinds import day
from test_import_kinds import work as an_activity
from test_privacy_requests import fulfilled

from helpers import AMPENAN, AMPENAN_VILLAGE, PANJANG, SRENGSEM, add_person, nik
from import_flow import URL, acted, counts, exporting, fates, imported, seen, send, table, work
from sktm_flow import offices
from tksk_api.domain.attachments.sweep import sweep
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.upkeep import settle
from tksk_api.domain.retention.service import apply, schedule

_HAS_KEY = "SELECT id, key_cipher IS NOT NULL AS has_key FROM imports"


async def erase(owner: asyncpg.Connection, someone: str) -> None:
    async with owner.transaction():
        await owner.execute("SELECT app.enter_system('erase', NULL)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(someone))


def warga(number: str, **over: str) -> dict[str, str]:
    row = {"NIK": number, "Nama Lengkap": "Sari Dewi", "Kode Desa": SRENGSEM, "Jenis Kelamin": "P"}
    return row | {"Tanggal Lahir": "25/03/1991", "Alamat": "Jalan Bahari 7"} | over


async def test_an_erasure_takes_what_an_import_replaced_and_whom_it_brought(as_, app, owner):
    tksk = await as_("tksk", PANJANG)
    erased, other = nik(), nik()
    people = [warga(erased), warga(other, **{"Nama Lengkap": "Budi Raharjo", "Tanggal Lahir": "02/01/1980"})]
    brought = await imported(app, tksk, table(*people), kind="beneficiaries", mode="commit")
    assert counts(brought) == {"created": 2}
    ids = {row["full_name"]: row["id"] for row in (await tksk.get("/v1/beneficiaries")).json()["items"]}
    both = f"{erased}; {other}"
    home = {"Tanggal Kunjungan": day(1).isoformat()}
    first = {
        "visits": [{"NIK": number, "Catatan": "Rumah biru"} | home for number in (erased, other)],
        "activities": [an_activity(1, **{"NIK Warga": both}), an_activity(2, **{"NIK Warga": other})],
        "beneficiaries": [row | {"Alamat": "Gang Mawar 3"} for row in people],
    }
    for kind in ("visits", "activities"):
        assert counts(await imported(app, tksk, table(*first[kind]), kind=kind, mode="commit")) == {"created": 2}
    first["visits"] = [row | {"Catatan": "Rumah hijau"} for row in first["visits"]]
    first["activities"] = [row | {"Hasil": "Empat berkas"} for row in first["activities"]]
    done = {
        kind: await imported(app, tksk, table(*rows), kind=kind, mode="commit", on_match="update")
        for kind, rows in first.items()
    }
    assert [counts(one) for one in done.values()] == [{"updated": 2}] * 3
    await erase(owner, ids["Sari Dewi"])
    kept = "SELECT record_id, before_cipher, key FROM import_rows WHERE import_id = $1 ORDER BY row_no"
    for one in (*done.values(), brought):
        gone, stays = await owner.fetch(kept, UUID(one["id"]))
        assert set(gone.values()) == {None}
        assert None not in (stays["record_id"], stays["key"])
    for kind, one in done.items():
        undone = await acted(app, tksk, one, "undo")
        assert undone["undo"] == {"undone": 1, "kept": 1}, kind
        (obstacle,) = (await tksk.get(f"{URL}/{one['id']}/rows?obstacle=true")).json()["items"]
        assert (obstacle["row"], obstacle["obstacle"]["code"]) == (2, "record_gone")


async def test_an_erasure_takes_the_files_that_name_the_person(as_, app, owner, monkeypatch):
    monkeypatch.setitem(KINDS, "beneficiaries", replace(KINDS["beneficiaries"], page=2))
    tksk, away = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    number = nik()
    someone = await add_person(tksk, nik=number)
    waiting = await imported(app, tksk, table(warga(number), warga(nik())), kind="beneficiaries")
    elsewhere = table(warga(number, **{"Kode Desa": AMPENAN_VILLAGE}))
    told = await imported(app, away, elsewhere, kind="beneficiaries", mode="commit")
    assert [codes for _, _, codes in await fates(away, told)] == [["nik_taken"]]
    other = await imported(app, tksk, table(warga(nik())), kind="beneficiaries")
    rows = table(warga(nik()), warga(number), *(warga(nik()) for _ in range(3)))
    under_way = (await send(tksk, rows, kind="beneficiaries", mode="commit")).json()
    await work(app, most=3)  # begun, read, the first page
    await erase(owner, someone["id"])
    await work(app)
    keys = {str(row["id"]): row["has_key"] for row in await owner.fetch(_HAS_KEY)}
    assert keys == {waiting["id"]: False, told["id"]: False, other["id"]: True, under_way["id"]: False}
    for caller, one in ((tksk, waiting), (away, told), (tksk, under_way)):
        assert (await caller.get(f"{URL}/{one['id']}/errors")).status_code == 404
    after = await seen(tksk, waiting)
    assert (after["status"], after["error"], after["file_name"]) == ("failed", "file_gone", "")
    for action in ("commit", "validate"):
        assert (await tksk.act(f"{URL}/{waiting['id']}/{action}", {})).status_code == 404
    stopped = await seen(tksk, under_way)
    assert (stopped["status"], stopped["error"], counts(stopped)) == (
        "failed",
        "file_gone",
        {"created": 1, "unchanged": 1, "not_reached": 3},
    )
    assert (await acted(app, tksk, stopped, "undo"))["undo"] == {"undone": 1, "kept": 0}


async def test_an_erasure_takes_files_whose_rows_came_to_nothing_or_only_to_a_dry_run(as_, app, owner):
    team, tksk = await offices(as_), await as_("tksk", PANJANG)
    number = nik()
    dry = await imported(app, tksk, table(warga(number)), kind="beneficiaries")
    wrong = warga(number, **{"Kode Desa": AMPENAN_VILLAGE})
    rejected = await imported(app, tksk, table(wrong), kind="beneficiaries", mode="commit")
    other = await imported(app, tksk, table(warga(nik())), kind="beneficiaries")
    assert (counts(dry), counts(rejected)) == ({"created": 1}, {"rejected": 1})
    someone = await add_person(team.clerk, nik=number)  # afterwards, and by another hand
    await fulfilled(team.clerk, team.dinsos, someone["id"], "erasure")
    keys = {str(row["id"]): row["has_key"] for row in await owner.fetch(_HAS_KEY)}
    assert keys == {dry["id"]: False, rejected["id"]: False, other["id"]: True}
    assert (await seen(tksk, dry))["error"] == "file_gone"
    assert (await tksk.get(f"{URL}/{rejected['id']}/errors")).status_code == 404


async def test_the_sweep_removes_the_files_of_imports_that_are_over_and_of_no_others(
    as_, app, owner, owner_url, settings
):
    tksk = await as_("tksk", PANJANG)
    over, forgotten, waiting = [
        await imported(app, tksk, table({"NIK": nik()} | warga(nik())), kind="beneficiaries") for _ in range(3)
    ]
    names = {row["id"]: row["object_name"] for row in await owner.fetch("SELECT id, object_name FROM imports")}
    vault = settings.key_file.parent / "attachments"

    def objects(one: dict[str, str]) -> int:
        own = names[UUID(one["id"])].rpartition("/")[2]
        return sum(path.is_file() and own in path.name for path in vault.rglob("*"))

    assert [objects(one) for one in (over, forgotten, waiting)] == [2, 2, 2]  # the file and its part
    for path in vault.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 2 * 86400,) * 2)
    await owner.execute("UPDATE imports SET finished_at = now() - interval '31 days' WHERE id = $1", UUID(over["id"]))
    of = "UPDATE imports SET finished_at = now() - interval '91 days' WHERE id = $1"
    await owner.execute(of, UUID(forgotten["id"]))
    await settle(app.state.house.sessions)
    assert await owner.fetchval("SELECT count(*) FROM import_rows WHERE import_id <> $1", UUID(waiting["id"])) == 0
    retention = await asyncpg.connect(owner_url)
    try:
        for item in schedule():
            if item.table == "imports":
                assert await apply(retention, item, lambda _: None) == 1
    finally:
        await retention.close()
    assert (await tksk.get(f"{URL}/{forgotten['id']}")).status_code == 404
    assert (await tksk.get(f"{URL}/{over['id']}")).status_code == 200
    await sweep(app.state.house.sessions, Vault(settings), dry_run=False)
    assert [objects(one) for one in (over, forgotten, waiting)] == [0, 0, 2]
    assert counts(await acted(app, tksk, waiting, "commit")) == {"created": 1}


@pytest.mark.parametrize("page", [2, 100])
async def test_rows_of_one_card_that_lie_apart_meet_in_a_dry_run_what_they_meet_in_the_commit(
    as_, app, monkeypatch, page
):
    monkeypatch.setitem(KINDS, "families", replace(KINDS["families"], page=page))
    clerk = await as_("village_clerk", SRENGSEM)
    numbers, cards = [nik() for _ in range(6)], (nik(), nik())
    for number in numbers:
        await add_person(clerk, nik=number)

    def member(place: int, card: int, relationship: str) -> dict[str, str]:
        return {"Nomor KK": cards[card], "NIK": numbers[place], "SHDK": relationship, "Alamat": "Gang Mawar 3"}

    heads = [member(0, 0, "Kepala Keluarga"), member(1, 0, "Istri"), member(2, 1, "Kepala Keluarga")]
    file = table(*heads, member(3, 1, "Anak"), member(4, 0, "Anak"))
    dry = await imported(app, clerk, file, kind="families")
    judged = await fates(clerk, dry)
    apart = (6, "rejected", ["rows_apart"]) if page == 2 else (6, "created", [])
    assert judged == [(2, "created", []), (3, "created", []), (4, "created", []), (5, "created", []), apart]
    if page == 2:
        told = (await clerk.get(f"{URL}/{dry['id']}/rows?fate=rejected")).json()["items"][0]["faults"]
        assert told == [{"column": None, "code": "rows_apart", "facts": {"row": 2}}]
        assert cards[0] not in str(told)
    done = await acted(app, clerk, dry, "commit")
    assert await fates(clerk, done) == judged
    again = (await clerk.get(f"{URL}/{done['id']}/errors?format=csv")).content
    if page == 2:
        rest = await imported(app, clerk, again, kind="families", mode="commit")
        assert counts(rest) == {"created": 1}
    more = table(member(4, 0, "Anak"), member(2, 1, "Kepala Keluarga"), member(5, 0, "Anak"))
    for mode in ("validate", "commit"):  # a family that is registered is joined from anywhere
        joined = await imported(app, clerk, more, kind="families", mode=mode)
        assert counts(joined) == {"unchanged": 2, "created": 1}, await fates(clerk, joined)


async def test_a_persons_statement_says_that_files_brought_them_and_took_them_along(as_, app):
    tksk = await as_("tksk", PANJANG)
    file = table(warga(nik()))
    await imported(app, tksk, file, kind="beneficiaries", mode="commit")
    await imported(app, tksk, file, kind="beneficiaries")  # a dry run recognised them
    (someone,) = (await tksk.get("/v1/beneficiaries")).json()["items"]
    body = {"kind": "beneficiaries", "full_numbers": True, "purpose": "external_entry", "reason": "Pencocokan data"}
    assert (await tksk.post("/v1/exports", json=body)).status_code == 202
    await exporting(app)
    made = (await tksk.get(f"/v1/beneficiaries/{someone['id']}/statement")).json()
    told = {(line["activity"], line["purpose"], len(line["fields"] or ())) for line in made["processing"]}
    assert told >= {
        ("Mencatat atau memperbarui dari berkas (impor)", "service", 0),
        ("Mengambil ke dalam berkas (ekspor)", "external_entry", 2),
    }
