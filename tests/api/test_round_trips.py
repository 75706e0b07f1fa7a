"""What leaves as a table comes back by an import: into the same register nothing changes, into an empty one all is as
it was. Of work and visits what was recorded comes back, not how far it had come with others."""

import csv
import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook
from test_import_kinds import day, work

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, nik
from import_flow import counts, exporting, fates, imported, table
from tksk_api.domain.exports.kinds import KINDS as LEAVING
from tksk_api.domain.imports.kinds import KINDS as COMING

FULL = {"full_numbers": True, "purpose": "external_entry", "reason": "Pencocokan data dengan SIKS-NG"}
# In the order in which a register is filled: whoever is named comes before those who name them.
ORDER = ("beneficiaries", "families", "decile_snapshots", "visits", "activities", "partners", "users")
# When and by which steps a row was written, and what follows from it.
WRITTEN = {
    *("created_at", "updated_at", "version", "warnings", "nik_verified_at", "member_id"),
    *("completed_at", "completed_by"),
}


async def exported(app, caller, kind: str, **said: Any) -> bytes:
    body = {"kind": kind, "purpose": "service", **said}
    answer = await caller.post("/v1/exports", json=body)
    assert answer.status_code == 202, answer.text
    await exporting(app)
    one = (await caller.get(answer.headers["location"])).json()
    assert one["status"] == "done", one
    file = (await caller.get(f"{answer.headers['location']}/content")).content
    if one["format"] in ("csv", "xlsx"):
        assert len(lines(file, one["format"])) == one["rows"]
    return bytes(file)


def lines(file: bytes, form: str) -> list[dict[str, Any]]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    head, *rows = CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0).to_python()
    return [dict(zip(head, row, strict=True)) for row in rows]


def said(file: bytes, form: str, kind: str) -> list[dict[str, Any]]:
    """The rows without when and how they were written, in an order of their own."""
    own = WRITTEN | ({"id"} if kind == "decile_snapshots" else set())
    rows = [{name: value for name, value in row.items() if name not in own} for row in lines(file, form)]
    for row in rows:
        if row.get("beneficiary_ids"):
            row["beneficiary_ids"] = sorted(row["beneficiary_ids"].split("; "))
    return sorted(rows, key=str)


async def filled(app, tksk, office) -> None:
    """A register in which every kind has something that a table could lose."""
    people = [nik() for _ in range(4)]
    named = dict(zip(people, ("Budi", "Siti", "Eko", "Tuti"), strict=True))
    for number, name in named.items():
        await add_person(tksk, nik=number, full_name=name, ppks_categories=["fakir_miskin", "lansia_terlantar"])
    await add_person(tksk, nik=None, nik_status="belum_rekam", full_name="Wati")
    cards, home = (nik(), nik()), {"Kode Desa": SRENGSEM, "Alamat": "Gang Mawar 3"}
    family = [
        {"Nomor KK": cards[0], "NIK": people[1], "SHDK": "Istri", "Tanggal Masuk": day(-20).isoformat()},
        {"Nomor KK": cards[0], "NIK": people[0], "SHDK": "Kepala Keluarga", **home, "RT": "1"},
        {"Nomor KK": cards[1], "NIK": people[2], "SHDK": "Kepala Keluarga", **home, "RT": "2"},
    ]
    decile = {"Sumber": "dtsen", "Gelombang": "DTSEN 2026", "Tanggal Data": day(-30).isoformat()}
    deciles = [{"KK": cards[0], "Desil": "belum ditentukan"} | decile, {"KK": cards[1], "Desil": "3"} | decile]
    paid = {"Pelaksanaan": "met", "Kesimpulan": "eligible", "Alasan": "no_fixed_income; poor_housing"}
    paid |= {
        "Akurasi": "12,5",
        "evidence_floor_type": "earth",
        "evidence_income_per_month": "850000",
        "evidence_assets": "tidak ada",
    }
    visits = [
        {"NIK": people[0], "Tanggal": day(-2).isoformat(), "Catatan": "=1+1", "Lat": "-5.47", "Lon": "105.3"} | paid,
        {"NIK": people[1], "Tanggal": day(-1).isoformat(), "Pelaksanaan": "nobody_home"},
        {"NIK": people[3], "Tanggal": day(2).isoformat(), "Catatan": "Bawa formulir"},
    ]
    heads = {"Laki-laki": "2", "Perempuan": "3", "Anak": "1", "Disabilitas": "0"}
    when = {"Jam Mulai": "08.30", "Jam Selesai": "10:15", "Lat": "-5.473", "Lon": "105.326"}
    plan = {"Tindak Lanjut": "Kembali", "Tenggat": day(5).isoformat(), "Pemberi Tugas": "regency"}
    works = [
        work(1, **when, **plan, **{"NIK Warga": f"{people[0]}; {people[1]}"}, Peran="Fasilitator; Motivator"),
        work(2, **heads, **{"Kode Wilayah": SRENGSEM, "Uraian": "Dua\nbaris"}),
    ]
    partner = {"Jenis PSKS": "karang_taruna", "Nama": "Tunas Bahari", "Kode Wilayah": SRENGSEM, "HP": "0812-7000-1234"}
    ended = {"Masih Aktif": "tidak", "Tanggal Berakhir": day(-3).isoformat(), "Alasan Berakhir": "dissolved"}
    partners = [partner | ended | {"Pilar": "protection"}, partner | {"Bantuan": "food; volunteers", "Catatan": "'=2"}]
    users = [{"Username": "tksk.sukabumi", "Nama": "Rina", "Peran": "tksk", "Wilayah": PANJANG, "NIP": "1" * 18}]
    for kind, caller, rows in (
        ("families", tksk, family),
        ("decile_snapshots", office, deciles),
        ("visits", tksk, visits),
        ("activities", tksk, works),
        ("partners", office, partners),
        ("users", office, users),
    ):
        done = await imported(app, caller, table(*rows), kind=kind, mode="commit")
        assert counts(done) == {"created": len(rows)}, (kind, await fates(caller, done))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_what_left_comes_back_and_changes_nothing_or_fills_an_empty_register(as_, app, owner, form):
    assert {*ORDER, "regions"} == set(LEAVING) & set(COMING)
    tksk, office, admin = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG), await as_("admin")
    await filled(app, tksk, office)
    writes = dict.fromkeys(ORDER, tksk) | dict.fromkeys(("decile_snapshots", "partners", "users"), office)
    writes["regions"] = admin
    filters = {"regions": {"parent": PANJANG}, "activities": {"kind": "sktm_verification"}}  # others come with visits

    async def leave(kind: str) -> bytes:
        asked = {"filter": filters.get(kind, {}), **(FULL if LEAVING[kind].numbers else {})}
        return await exported(app, writes[kind], kind, format=form, **asked)

    first = {kind: await leave(kind) for kind in (*ORDER, "regions")}
    for kind, file in first.items():
        rule = "update" if "update" in COMING[kind].on_match else "skip"
        same = await imported(app, writes[kind], file, kind=kind, mode="commit", on_match=rule)
        assert counts(same) == {"unchanged": len(lines(file, form))}, (kind, same, await fates(writes[kind], same))
        noted = (await writes[kind].get(f"/v1/imports/{same['id']}/rows?limit=200")).json()["items"]
        assert "exists" not in str(noted), kind
    await owner.execute("SET session_replication_role = replica")
    for name in ("family_members", "family_cards", "ppks_assessments", "subject_keys", *ORDER[:-1]):
        await owner.execute(f"DELETE FROM {name}")
    await owner.execute("SET session_replication_role = origin")
    for kind in ORDER[:-1]:
        back = await imported(app, writes[kind], first[kind], kind=kind, mode="commit")
        assert counts(back) == {"created": len(lines(first[kind], form))}, (kind, await fates(writes[kind], back))
        assert said(await leave(kind), form, kind) == said(first[kind], form, kind), kind


async def test_a_table_of_families_has_a_line_for_each_member_and_numbers_as_one_reveal_has_them(as_, app, owner):
    tksk, away = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    office = await as_("regency_office", BANDAR_LAMPUNG)
    await filled(app, tksk, office)
    file = await exported(app, office, "families")
    same = await imported(app, tksk, file, kind="families", mode="commit")
    assert counts(same) == {"unchanged": 3}, await fates(tksk, same)
    masked = lines(file, "csv")
    assert [row["relationship"] for row in masked] == ["head_of_family", "head_of_family", "wife"]
    assert {row["family_card_masked"][:12] for row in masked} == {"*" * 12}
    assert "family_card_number" not in masked[0]
    assert await exported(app, away, "families")
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE full_name = 'Siti'")
    told = "SELECT count(*) FROM access_log WHERE purpose = 'external_entry' AND 'nik' = ANY (fields)"
    before = await owner.fetchval(told)
    eko, budi, siti = lines(await exported(app, tksk, "families", **FULL), "csv")
    assert len(eko["family_card_number"]) == len(eko["nik"]) == len(budi["nik"]) == 16
    assert (budi["family_card_number"], siti["family_card_number"], siti["nik"]) == ("", "", "")
    assert await owner.fetchval(told) > before
    as_listed = (await tksk.get("/v1/families")).json()["items"]
    file = await exported(app, tksk, "families", format="jsonl")
    assert [json.loads(line) for line in file.splitlines()] == as_listed
    rows = pq.read_table(io.BytesIO(await exported(app, tksk, "families", format="parquet"))).to_pylist()
    assert [row["full_name"] for row in rows] == ["Eko", "Budi", "Siti"]
