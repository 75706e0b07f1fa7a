"""One thing that a file names in two ways is told once, alike in dry run and commit, in pages of any size."""

from dataclasses import replace
from typing import Any

import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, nik
from import_flow import acted, fates, imported, table
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.regions import service as regions

pytestmark = pytest.mark.parametrize("page", [1, 2, 100])
TWICE = ["duplicate_in_file"]


@pytest.fixture(autouse=True)
def _pages(monkeypatch, page):
    for name in ("activities", "visits", "families", "decile_snapshots", "partners"):
        monkeypatch.setitem(KINDS, name, replace(KINDS[name], page=page))


async def told(app: Any, caller: Any, *rows: dict[str, Any], **said: str) -> list[tuple[str, list[str]]]:
    """What the dry run and the commit say of each row, which is the same."""
    dry = await imported(app, caller, table(*rows), **said)
    judged = await fates(caller, dry)
    assert await fates(caller, await acted(app, caller, dry, "commit")) == judged
    return [(fate, codes) for _, fate, codes in judged]


async def test_work_by_code_and_label_with_and_without_its_place(as_, app):
    tksk = await as_("tksk", PANJANG)
    today = regions.local_today("Asia/Jakarta").isoformat()
    work = {"ID": "", "Tanggal": today, "Jenis Kegiatan": "sktm_verification", "Judul": "", "Kode Wilayah": PANJANG}
    (kind,) = [
        one for one in (await tksk.get("/v1/activity-kinds")).json()["items"] if one["code"] == "sktm_verification"
    ]
    rows = [
        work,
        work | {"Kode Wilayah": ""},
        work | {"Jenis Kegiatan": kind["label_id"]},
        work | {"Judul": kind["label_id"].upper()},
        work | {"Kode Wilayah": SRENGSEM},
        work | {"Jenis Kegiatan": "berdansa"},
    ]
    once, twice = ("created", []), ("rejected", TWICE)
    unknown = ("rejected", ["unknown_code"])
    assert await told(app, tksk, *rows, kind="activities") == [once, twice, twice, twice, once, unknown]
    known = {one["region_code"]: one["id"] for one in (await tksk.get("/v1/activities")).json()["items"]}
    again = [work, work | {"ID": known[PANJANG]}, work | {"ID": known[SRENGSEM], "Kode Wilayah": SRENGSEM}]
    same = ("unchanged", [])
    assert await told(app, tksk, *again, kind="activities", on_match="update") == [same, twice, same]


async def test_people_and_families_by_number_and_by_id(as_, app, owner):
    clerk, tksk = await as_("village_clerk", SRENGSEM), await as_("tksk", PANJANG)
    office = await as_("regency_office", BANDAR_LAMPUNG)
    number, card, today = nik(), nik(), regions.local_today("Asia/Jakarta").isoformat()
    person = (await add_person(tksk, nik=number))["id"]
    once, twice = ("created", []), ("rejected", TWICE)

    visit = {"NIK": number, "ID Warga": "", "Tanggal Kunjungan": today}
    by_id = visit | {"NIK": "", "ID Warga": person}
    assert await told(app, tksk, by_id, visit, kind="visits") == [once, twice]
    met = await owner.fetch("SELECT subject_ids FROM access_log WHERE operation = 'import'")
    assert met
    assert {str(key) for row in met for key in row["subject_ids"]} == {person}

    head = {"Nomor KK": card, "NIK": number, "ID Warga": "", "SHDK": "Kepala Keluarga", "Alamat": "Gang Mawar 3"}
    assert await told(app, clerk, head, head | {"NIK": "", "ID Warga": person}, kind="families") == [once, twice]

    (family,) = (await tksk.get("/v1/families")).json()["items"]
    said = {"Nomor KK": card, "ID Keluarga": "", "Sumber": "dtsen", "Gelombang": "IV", "Desil": "3"}
    said |= {"Tanggal Data": today}
    also = said | {"Nomor KK": "", "ID Keluarga": family["id"], "Desil": "4"}
    assert await told(app, office, said, also, kind="decile_snapshots") == [once, twice]


async def test_partners_by_name_and_by_id(as_, app):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    row = {"ID": "", "Jenis PSKS": "karang_taruna", "Nama": "Tunas Bahari", "Kode Wilayah": SRENGSEM, "Aktif": "ya"}
    assert await told(app, office, row, row, kind="partners") == [("created", []), ("rejected", TWICE)]
    (partner,) = (await office.get("/v1/partners")).json()["items"]
    by_id = row | {"ID": partner["id"], "Catatan": "Diperiksa"}
    both = await told(app, office, by_id, row | {"Catatan": ""}, kind="partners", on_match="update")
    assert both == [("updated", []), ("rejected", TWICE)]
