"""Regions by file: a decree divides a district, renames and ends villages, before any release knows of it."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, person
from import_flow import URL, acted, counts, fates, imported, send, table
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.regions import dataset
from tksk_api.domain.regions import service as regions

PROVINCE, REGENCY, OLD, NEW = "97", "97.71", "97.71.01", "97.71.02"  # of no list
SOUTH, NORTH, EAST = f"{OLD}.1001", f"{OLD}.1002", f"{NEW}.1001"


def day(offset: int = 0) -> date:
    return regions.local_today("Asia/Jayapura") + timedelta(days=offset)


def region(code: str, name: str = "", **over: Any) -> dict[str, Any]:
    return {"KODE": code, "NAMA WILAYAH": name, "Tidak Berlaku Sejak": "", "Berlaku Sejak": ""} | over


FOUNDED = (
    region(SOUTH, "PANTAI SELATAN", **{"Berlaku Sejak": f"{day(-40):%d/%m/%Y}"}),
    region(NORTH, "PANTAI UTARA II"),
    region(PROVINCE, "PROVINSI PAPUA TENGGARA"),
    region(REGENCY, "KOTA ADMINISTRASI MUARA"),
    region(OLD.replace(".", ""), "KECAMATAN TELUK DAN TANJUNG"),
)


@pytest.fixture
async def admin(as_, owner):
    """An administrator of the nation, after whom the list is as it was."""
    yield await as_("admin")
    await owner.execute("DELETE FROM regions WHERE code ~ '^97'")
    await owner.execute(
        "UPDATE regions SET valid_until = NULL, edition = $1, version = 1 WHERE edition IS NULL", dataset.VALID_FROM
    )
    regions._known.clear()


async def seen(caller: Any, code: str) -> dict[str, Any]:
    answer = await caller.get(f"/v1/regions/{code}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def kept(owner: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await owner.fetch("SELECT * FROM regions WHERE code ~ '^97' ORDER BY code")]


async def written(app: Any, admin: Any, *rows: dict[str, Any], **said: str) -> dict[str, Any]:
    return await imported(app, admin, table(*rows), kind="regions", **{"mode": "commit", "on_match": "update"} | said)


async def test_a_district_is_divided_people_are_registered_there_at_once_and_an_edition_takes_nothing_back(
    as_, app, admin, owner, owner_url
):
    dry = await imported(app, admin, table(*FOUNDED), kind="regions")
    assert (counts(dry), await kept(owner)) == ({"created": 5}, [])
    assert counts(await acted(app, admin, dry, "commit")) == {"created": 5}
    south = await seen(admin, SOUTH)
    assert (south["name"], south["kind"], south["level"]) == ("Pantai Selatan", "kelurahan", "village")
    assert (south["parent_code"], south["timezone"], south["valid_from"]) == (OLD, "Asia/Jayapura", str(day(-40)))
    names = [(await seen(admin, code))["name"] for code in (PROVINCE, REGENCY, OLD, NORTH)]
    assert names == ["Papua Tenggara", "Muara", "Teluk dan Tanjung", "Pantai Utara II"]
    tksk, clerk = await as_("tksk", OLD), await as_("village_clerk", SOUTH)
    resident = await add_person(tksk, village_code=SOUTH)
    assert (await clerk.get("/v1/me")).json()["region_name"] == "Pantai Selatan"
    again = await written(app, admin, *FOUNDED)
    assert (counts(again), again["same_as"]) == ({"unchanged": 5}, dry["id"])

    decree = (
        region(NORTH, **{"Tidak Berlaku Sejak": str(day())}),
        region(SOUTH, "Pantai Merdeka", Lintang="-3,5071", Bujur="135.4"),
        region(NEW, "Tanjung"),
        region(EAST, "Pantai Utara", Jenis="Kel."),
    )
    left = await written(app, admin, *decree, on_match="skip", mode="validate")
    assert counts(left) == {"unchanged": 2, "created": 2}
    divided = await imported(app, admin, table(*decree), kind="regions", on_match="update")
    told = await fates(admin, divided)
    assert told == [(2, "updated", []), (3, "updated", []), (4, "created", []), (5, "created", [])]
    await acted(app, admin, divided, "commit")
    assert await fates(admin, divided) == told
    south = await seen(admin, SOUTH)
    assert (south["name"], south["latitude"], south["longitude"]) == ("Pantai Merdeka", -3.5071, 135.4)
    assert (await clerk.get("/v1/me")).json()["region_name"] == "Pantai Merdeka"
    found = (await admin.get("/v1/regions?q=pantai merdeka")).json()["items"]
    assert [one["code"] for one in found] == [SOUTH]
    refused = await tksk.post("/v1/beneficiaries", json=person(village_code=NORTH))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "unknown_region")
    await add_person(await as_("tksk", NEW), village_code=EAST)
    assert (await tksk.get(f"/v1/beneficiaries/{resident['id']}")).status_code == 200
    who = await owner.fetch(
        "SELECT c.action, c.fields, r.code FROM changes c JOIN regions r ON r.id = c.entity_id "
        "WHERE c.entity = 'regions' AND c.actor_id = $1 AND c.operation = 'import' AND r.code = $2 ORDER BY c.at",
        admin.user_id,
        SOUTH,
    )
    assert [row["action"] for row in who] == ["create", "update"]
    assert '"from": "Pantai Selatan"' in who[1]["fields"]

    listed = await kept(owner)
    await owner.execute("UPDATE regions SET name = 'Srengsen', edition = '2025-04-25' WHERE code = $1", SRENGSEM)
    await owner.execute("DELETE FROM regions WHERE code = $1", "18.71.04.1004")
    gone = "INSERT INTO regions SELECT * FROM json_populate_record(NULL::regions, $1)"
    row = {"code": "97.09", "name": "Dulu", "level": "regency", "kind": "kabupaten", "parent_code": PROVINCE}
    row |= {"timezone": "Asia/Jayapura", "valid_from": "2025-04-25", "search_name": "dulu", "edition": "2025-04-25"}
    await owner.execute(gone, json.dumps(row | {"id": str(uuid4()), "version": 1}))
    assert await regions.load_regions(owner_url, lambda _done, _all: None) == 91_599
    ended = await owner.fetchval("DELETE FROM regions WHERE code = '97.09' RETURNING valid_until")
    assert (ended, await kept(owner)) == (dataset.VALID_FROM, listed)
    assert [(await seen(admin, code))["name"] for code in (SRENGSEM, "18.71.04.1004")] == ["Srengsem", "Pidada"]


async def test_what_a_file_did_is_taken_back_unless_something_stands_on_it(as_, app, admin, owner):
    founded = await written(app, admin, *FOUNDED, region(NEW, "TANJUNG"))
    before = await kept(owner)
    ended = await written(
        app, admin, *(region(code, **{"Tidak Berlaku Sejak": str(day())}) for code in (OLD, NORTH, SOUTH))
    )
    assert counts(ended) == {"updated": 3}
    assert (await acted(app, admin, ended, "undo"))["undo"] == {"undone": 3, "kept": 0}
    after = await kept(owner)
    assert [row[:11] for row in after] == [row[:11] for row in before]
    renamed = await written(app, admin, region(NORTH, "Pantai Baru"))
    await written(app, admin, region(NORTH, "Pantai Lama"))
    assert (await acted(app, admin, renamed, "undo"))["undo"] == {"undone": 0, "kept": 1}
    await add_person(await as_("tksk", OLD), village_code=SOUTH)
    undone = await acted(app, admin, founded, "undo")
    rows = (await admin.get(f"{URL}/{undone['id']}/rows")).json()["items"]
    stays = {row["row"]: row["obstacle"] and row["obstacle"]["code"] for row in rows}
    changed = dict.fromkeys((2, 3, 6), "changed_since")  # ended, and not ended after all
    assert stays == {**changed, 4: "still_in_use", 5: "still_in_use", 7: None}
    assert (await admin.get(f"/v1/regions/{NEW}")).status_code == 404
    assert len(await kept(owner)) == 5


async def test_an_untouched_list_is_as_it_was_after_its_undo(app, admin, owner):
    founded = await written(app, admin, *FOUNDED)
    old = await written(app, admin, region("18.71.04.1003", **{"Tidak Berlaku Sejak": str(day())}))
    assert counts(old) == {"updated": 1}
    assert (await acted(app, admin, founded, "undo"))["undo"] == {"undone": 5, "kept": 0}
    assert await kept(owner) == []
    assert (await acted(app, admin, old, "undo"))["undo"] == {"undone": 1, "kept": 0}
    row = await owner.fetchrow("SELECT valid_until, edition FROM regions WHERE code = '18.71.04.1003'")
    assert tuple(row) == (None, dataset.VALID_FROM)


async def test_every_row_that_cannot_be_is_told_why(app, admin):
    await written(app, admin, *FOUNDED)
    await written(app, admin, region(NORTH, **{"Tidak Berlaku Sejak": str(day())}))
    until, since = "Tidak Berlaku Sejak", "Berlaku Sejak"
    rows = [
        region("97.72.01", "Tanpa Atasan"),
        region(f"{OLD}.4001", "Angka Pertama Empat"),
        region(f"{OLD}.2001"),
        region(f"{OLD}.2002", "Bukan Kelurahan", Jenis="kelurahan"),
        region("97.02", "Kota Muara Baru"),
        region(f"{OLD}.2003", "Kelak", **{since: str(day(2))}),
        region(f"{OLD}.2004", "Terbalik", **{since: str(day(-3)), until: str(day(-4))}),
        region(f"{OLD}.2005", "Di Laut Lain", Lintang="48.85", Bujur="2.35"),
        region(f"{OLD}.2006", "Setengah", Lintang="-3.5"),
        region(OLD, **{until: str(day())}),
        region(NORTH, "Pantai Utara Lagi"),
        region(NORTH, "Dua Kali"),
        region(SOUTH, **{until: str(day(1))}),
        region(PROVINCE, "Papua Tenggara", **{since: "1/1/2001"}),
        region(f"{OLD}.2007", "Desa Benar", Jenis="desa"),
        region("98.01", "Di Luar"),
        region("98.01.01", "Di Bawahnya"),
        region("97.00", "Kosong"),
    ]
    dry = await imported(app, admin, table(*rows), kind="regions", on_match="update")
    assert [codes for _, _, codes in await fates(admin, dry)] == [
        ["region_above_invalid"],
        ["region_format"],
        ["missing"],
        ["region_kind"],
        ["region_kind"],
        ["in_future"],
        ["before_start"],
        ["out_of_range", "out_of_range"],
        ["missing"],
        ["regions_below_valid"],
        ["region_ended"],
        ["duplicate_in_file"],
        ["in_future"],
        ["region_begins_once"],
        [],
        ["region_above_invalid"],
        ["region_above_invalid"],
        ["region_format"],
    ]
    assert counts(await acted(app, admin, dry, "commit")) == counts(dry) == {"created": 1, "rejected": 17}
    answer = await admin.get(f"{URL}/{dry['id']}/errors?format=csv")
    assert "97.71.01.1001" in answer.text  # what is valid below the district that may not end
    ended = await written(app, admin, region(NORTH, "PANTAI UTARA II"))
    note = (await admin.get(f"{URL}/{ended['id']}/rows")).json()["items"][0]["notes"][0]
    assert (note["code"], note["facts"]) == ("region_ended", {"day": str(day())})


async def test_rows_may_stand_in_any_part_of_a_file_which_has_a_limit(app, admin, monkeypatch):
    """The villages first and what they lie in last, further away than a part of the file is long."""
    villages = [region(f"{OLD}.2{number:03}", f"Kampung {number}") for number in range(1, 620)]
    dry = await imported(app, admin, table(*villages, *FOUNDED), kind="regions")
    assert counts(dry) == {"created": 624}
    done = await acted(app, admin, dry, "commit")
    assert counts(done) == {"created": 624}
    assert (await acted(app, admin, done, "undo"))["undo"] == {"undone": 624, "kept": 0}
    monkeypatch.setitem(KINDS, "regions", replace(KINDS["regions"], page=600))
    failed = await imported(app, admin, table(*villages), kind="regions")
    assert (failed["status"], failed["error"]) == ("failed", "too_many_rows")
    assert failed["error_facts"] == {"rows": 619, "limit": 600}


async def test_names_in_capitals_say_nothing_about_how_the_list_spells_them(app, admin):
    rows = (region("31", "DAERAH KHUSUS IBUKOTA JAKARTA"), region("11.02.11.2016", "LUMBAN SITIO - TIO"))
    same = await written(app, admin, *rows, region("18.01", "KAB. LAMPUNG SELATAN"), region("97", "PAPUA DAN MALUKU"))
    assert counts(same) == {"unchanged": 3, "created": 1}
    notes = [row["notes"] for row in (await admin.get(f"{URL}/{same['id']}/rows")).json()["items"]]
    assert [[note["facts"] for note in some] for some in notes] == [[], [], [], [{"name": "Papua dan Maluku"}]]


async def test_only_an_administrator_of_the_nation_writes_regions(as_, settings):
    for role, place in (("ministry", None), ("regency_office", BANDAR_LAMPUNG), ("tksk", PANJANG), ("auditor", None)):
        answer = await send(await as_(role, place), table(region(PROVINCE, "Papua Tenggara")), kind="regions")
        assert (answer.status_code, code_of(answer)) == (403, "permission_denied")


@pytest.mark.parametrize("call", ["app.write_regions('[]')", "app.remove_regions('{18}')"])
async def test_the_database_lets_nobody_else_write_them(settings, call):
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('app.role', 'ministry', true), set_config('app.regions', 'ID', true)"
            )
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="for the nation"):
                await connection.execute(f"SELECT * FROM {call}")
    finally:
        await connection.close()
