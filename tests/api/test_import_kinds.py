"""What may be imported besides people, partners and deciles: each kind by the rules of its own requests."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik
from import_flow import URL, acted, counts, fates, imported, send, table
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.regions import service as regions


def day(offset: int = 0) -> date:
    return regions.local_today("Asia/Jakarta") + timedelta(days=offset)


def work(number: int = 1, **over: Any) -> dict[str, Any]:
    """A row of a work log: yesterday, in the officer's own district."""
    row = {"Tanggal": f"{day(-1):%d/%m/%Y}", "Jenis Kegiatan": "sktm_verification", "Judul": f"Verifikasi {number}"}
    return row | {"Hasil": "Tiga berkas lengkap"} | over


async def listed(caller: Any, what: str) -> list[dict[str, Any]]:
    answer = await caller.get(f"/v1/{what}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_work_log_becomes_drafts_of_its_officer_is_corrected_and_taken_back(as_, app, owner):
    tksk, away = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    mine, theirs = nik(), nik()
    person = await add_person(tksk, nik=mine)
    await add_person(away, nik=theirs, village_code=AMPENAN_VILLAGE)
    heads = {"Laki-laki": "2", "Perempuan": "3", "Anak": "1", "Disabilitas": "0"}
    rows = [
        work(
            1, **{"NIK Warga": mine, "Jam Mulai": "08.30", "Jam Selesai": "10:15", "Lintang": "-5,473"}, Bujur="105.326"
        ),
        work(2, **{"Kode Wilayah": SRENGSEM, "Peran": "Fasilitator"}, **heads),
        work(3, **{"NIK Warga": theirs}),
        work(4, **{"Jenis Kegiatan": "berdansa"}),
        work(5, **{"Kode Wilayah": AMPENAN_VILLAGE}),
        work(6, **{"Tanggal": f"{day(2):%d/%m/%Y}"}),
        work(1),
        work(8, **{"Jam Mulai": "25.10"}),
        work(9, **heads | {"Anak": "9"}),
    ]
    dry = await imported(app, tksk, table(*rows), kind="activities")
    assert await fates(tksk, dry) == [
        (2, "created", []),
        (3, "created", []),
        (4, "rejected", ["unknown_reference"]),
        (5, "rejected", ["unknown_code"]),
        (6, "rejected", ["outside_scope"]),
        (7, "rejected", ["in_future"]),
        (8, "rejected", ["duplicate_in_file"]),
        (9, "rejected", ["bad_time"]),
        (10, "rejected", ["headcount_above_total"]),
    ]
    told = (await tksk.get(f"{URL}/{dry['id']}/rows?code=headcount_above_total")).json()["items"]
    assert told[0]["faults"][0]["column"] == "Anak"
    met = await owner.fetch("SELECT subject_ids FROM access_log WHERE operation = 'import'")
    assert [[str(key) for key in row["subject_ids"]] for row in met] == [[person["id"]]]
    done = await acted(app, tksk, dry, "commit")
    assert counts(done) == {"created": 2, "rejected": 7}
    second, first = sorted(await listed(tksk, "activities"), key=lambda one: one["title"], reverse=True)
    assert (first["status"], first["region_code"], first["beneficiary_ids"]) == ("draft", PANJANG, [person["id"]])
    assert (first["started_at"], first["location"]) == (f"{day(-1)}T01:30:00+00:00", {"lat": -5.473, "lon": 105.326})
    assert (second["roles"], second["headcount"]["female"], second["pillar"]) == (["facilitator"], 3, "social_security")
    again = await imported(app, tksk, table(*rows[:2]), kind="activities", mode="commit")
    assert counts(again) == {"unchanged": 2}
    changed = table(work(1, Hasil="Dua berkas"), work(2, **{"Kode Wilayah": SRENGSEM}, **heads | {"Laki-laki": "4"}))
    moved = await imported(app, tksk, changed, kind="activities", mode="commit", on_match="update")
    assert counts(moved) == {"updated": 2}
    assert (await acted(app, tksk, moved, "undo"))["undo"] == {"undone": 2, "kept": 0}
    back = (await tksk.get(f"/v1/activities/{second['id']}")).json()
    assert (back["result"], back["headcount"]) == (second["result"], second["headcount"])
    submit = await tksk.act(f"/v1/activities/{first['id']}/submit")
    assert submit.status_code == 200, submit.text
    assert (await acted(app, tksk, done, "undo"))["undo"]["kept"] == 2  # both were changed since
    assert len(await listed(tksk, "activities")) == 2
    office = await send(await as_("regency_office", BANDAR_LAMPUNG), table(work()), kind="activities")
    assert (office.status_code, code_of(office)) == (403, "permission_denied")


async def test_drafts_of_an_import_are_discarded_by_its_undo_and_what_was_exported_comes_back_the_same(as_, app):
    tksk = await as_("tksk", PANJANG)
    done = await imported(
        app, tksk, table(work(1, **{"Jam Mulai": "08.30"}), work(2)), kind="activities", mode="commit"
    )
    one = (await listed(tksk, "activities"))[0]
    plain = {name: one[name] for name in ("id", "occurred_on", "kind", "title", "pillar", "function", "region_code")}
    plain |= {"started_at": one["started_at"], "roles": "; ".join(one["roles"]), "result": one["result"]}
    same = await imported(app, tksk, table(plain), kind="activities", mode="commit", on_match="update")
    assert counts(same) == {"unchanged": 1}
    assert (await acted(app, tksk, done, "undo"))["undo"] == {"undone": 2, "kept": 0}
    assert await listed(tksk, "activities") == []


async def test_visits_on_paper_are_paid_plans_are_changed_and_called_off_and_what_was_seen_stays(as_, app):
    tksk, away = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    mine, theirs = nik(), nik()
    person = await add_person(tksk, nik=mine)
    await add_person(away, nik=theirs, village_code=AMPENAN_VILLAGE)

    def visit(offset: int, **over: Any) -> dict[str, Any]:
        return {"NIK": mine, "Tanggal Kunjungan": day(offset).isoformat()} | over

    seen = {"Pelaksanaan": "met", "Kesimpulan": "eligible", "Alasan": "no_fixed_income"}
    answers = {"evidence_floor_type": "earth", "evidence_income_per_month": "850000", "evidence_assets": "tidak ada"}
    rows = [
        visit(1, Catatan="Bawa formulir"),
        visit(-1, **seen, **answers),
        visit(-2, Pelaksanaan="nobody_home", Kesimpulan="eligible"),
        visit(-3, NIK=theirs),
        visit(-4, **seen, evidence_floor_type="marmer"),
        visit(1),
        visit(0),
        visit(90),
        visit(2, NIK=""),
    ]
    done = await imported(app, tksk, table(*rows), kind="visits", mode="commit")
    assert done["error"] is None, done
    assert await fates(tksk, done) == [
        (2, "created", []),
        (3, "created", []),
        (4, "rejected", ["finding_without_meeting"]),
        (5, "rejected", ["unknown_reference"]),
        (6, "rejected", ["unknown_choice"]),
        (7, "rejected", ["duplicate_in_file"]),
        (8, "created", []),
        (9, "rejected", ["too_far_ahead"]),
        (10, "rejected", ["missing"]),
    ]
    of = {one["visited_on"]: one for one in await listed(tksk, f"visits?beneficiary_id={person['id']}")}
    paid = of[str(day(-1))]
    assert (paid["status"], paid["finding"], paid["reasons"]) == ("completed", "eligible", ["no_fixed_income"])
    assert (paid["evidence"]["floor_type"], paid["evidence"]["assets"]) == ("earth", [])
    assert (of[str(day(1))]["status"], of[str(day(1))]["notes"]) == ("planned", "Bawa formulir")
    again = await imported(app, tksk, table(*(rows[n] for n in (0, 1, 6))), kind="visits", mode="commit")
    assert counts(again) == {"unchanged": 3}
    later = table(visit(0, **seen), visit(1, Catatan="Bawa surat"), visit(-1, **seen | {"Kesimpulan": "not_eligible"}))
    moved = await imported(app, tksk, later, kind="visits", mode="commit", on_match="update")
    assert [entry[1:] for entry in await fates(tksk, moved)] == [
        ("updated", []),
        ("updated", []),
        ("rejected", ["transition_refused"]),
    ]
    back = await acted(app, tksk, moved, "undo")
    assert back["undo"] == {"undone": 1, "kept": 1}
    obstacles = (await tksk.get(f"{URL}/{moved['id']}/rows?fate=updated")).json()["items"]
    assert [row["obstacle"] and row["obstacle"]["code"] for row in obstacles] == ["transition_refused", None]
    planned = await imported(app, tksk, table(visit(3)), kind="visits", mode="commit")
    assert (await acted(app, tksk, planned, "undo"))["undo"] == {"undone": 1, "kept": 0}
    of = {one["visited_on"]: one for one in await listed(tksk, f"visits?beneficiary_id={person['id']}")}
    assert (of[str(day(3))]["status"], of[str(day(1))]["notes"]) == ("cancelled", "Bawa formulir")


@pytest.mark.parametrize("page", [1, 100])
async def test_families_come_by_their_cards_a_row_for_each_member_and_leave_again(as_, app, monkeypatch, page):
    """However short the pages are: who is on one card is judged together, in the dry run as in the commit."""
    monkeypatch.setitem(KINDS, "families", replace(KINDS["families"], page=page))
    clerk, away = await as_("village_clerk", SRENGSEM), await as_("tksk", AMPENAN)
    numbers, theirs, card, other = [nik() for _ in range(5)], nik(), nik(), nik()
    for number in numbers:
        await add_person(clerk, nik=number)
    await add_person(away, nik=theirs, village_code=AMPENAN_VILLAGE)

    def member(number: str, relationship: str, **over: Any) -> dict[str, Any]:
        return {"Nomor KK": card, "NIK": number, "SHDK": relationship, "Alamat": "", "RT": ""} | over

    house = {"Alamat": "Gang Mawar 3", "RT": "1"}
    rows = [
        member(numbers[0], "Istri"),
        member(numbers[1], "Kepala Keluarga", **house),
        member(numbers[2], "4"),
        member(theirs, "4"),
        member(numbers[3], "Anak", **{"Nomor KK": other}),
        member(numbers[2], "Anak", **{"Nomor KK": other}),
        member(numbers[4], "1", **{"Nomor KK": ""}),
    ]
    dry = await imported(app, clerk, table(*rows), kind="families")
    assert await fates(clerk, dry) == [
        (2, "created", []),
        (3, "created", []),
        (4, "created", []),
        (5, "rejected", ["unknown_reference"]),
        (6, "rejected", ["head_missing"]),
        (7, "rejected", ["duplicate_in_file"]),
        (8, "rejected", ["missing"]),
    ]
    assert await listed(clerk, "families") == []
    done = await acted(app, clerk, dry, "commit")
    assert counts(done) == counts(dry)
    (family,) = await listed(clerk, "families")
    assert sorted(one["relationship"] for one in family["members"]) == ["child", "head_of_family", "wife"]
    assert (family["address"]["street"], family["address"]["rt"]) == ("Gang Mawar 3", "001")
    again = await imported(app, clerk, table(*rows[:3]), kind="families", mode="commit")
    assert counts(again) == {"unchanged": 3}
    taken = table(member(numbers[2], "1", **{"Nomor KK": other}, **house), member(numbers[3], "1"))
    refused = await imported(app, clerk, taken, kind="families", mode="commit")
    assert [entry[2] for entry in await fates(clerk, refused)] == [["already_in_family"], ["second_head"]]
    undone = await acted(app, clerk, done, "undo")
    if page == 1:  # backwards the head, of row 3, came before the wife of row 2
        assert undone["undo"] == {"undone": 2, "kept": 1}
        undone = await acted(app, clerk, undone, "undo")
    assert undone["undo"] == {"undone": 3, "kept": 0}
    ended = (await clerk.get(f"/v1/families/{family['id']}")).json()
    assert (ended["status"], ended["members"]) == ("ended", [])


async def test_users_come_without_a_password_and_are_disabled_by_an_undo(as_, app, owner):
    office = await as_("regency_office", BANDAR_LAMPUNG)

    def user(name: str, **over: Any) -> dict[str, Any]:
        return {"Nama Pengguna": name, "Nama": "Rina Wulandari", "Peran": "tksk", "Kode Wilayah": PANJANG} | over

    await owner.execute(
        "INSERT INTO users (id, version, username, full_name, role, region_code, must_change_password) "
        "VALUES (gen_random_uuid(), 1, 'tksk.ampenan', 'Sari', 'tksk', $1, true)",
        AMPENAN,
    )
    rows = [
        user("TKSK.Panjang.2", NIP="19850101 201001 2 001"),
        user("lurah.srengsem.2", **{"Peran": "village_head", "Kode Wilayah": SRENGSEM, "Jabatan": "Lurah Srengsem"}),
        user("dinsos.lampung", **{"Peran": "province_office", "Kode Wilayah": "18"}),
        user("tksk.jauh", **{"Kode Wilayah": AMPENAN}),
        user("tksk.ampenan"),
        user("lurah.panjang", Peran="village_head"),
        user("tksk.nip", NIP="1.98501E+17"),
        user("tksk.panjang.2"),
    ]
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '16 minutes'")
    stale = await send(office, table(*rows), kind="users")
    assert (stale.status_code, code_of(stale)) == (401, "step_up_required")
    await owner.execute("UPDATE user_sessions SET strong_at = now()")
    dry = await imported(app, office, table(*rows), kind="users")
    assert await fates(office, dry) == [
        (2, "created", []),
        (3, "created", []),
        (4, "rejected", ["permission_denied"]),
        (5, "rejected", ["outside_scope"]),
        (6, "rejected", ["username_taken"]),
        (7, "rejected", ["region_level"]),
        (8, "rejected", ["kept_as_number"]),
        (9, "rejected", ["duplicate_in_file"]),
    ]
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '16 minutes'")
    assert code_of(await office.act(f"{URL}/{dry['id']}/commit")) == "step_up_required"
    await owner.execute("UPDATE user_sessions SET strong_at = now()")
    done = await acted(app, office, dry, "commit")
    assert counts(done) == {"created": 2, "rejected": 6}
    made = {row["username"]: row for row in await owner.fetch("SELECT * FROM users WHERE created_at = updated_at")}
    rina = made["tksk.panjang.2"]
    assert (rina["password_hash"], rina["must_change_password"], rina["setup_expires_at"]) == (None, True, None)
    assert rina["employee_number"] == "198501012010012001"
    same = await imported(app, office, table(rows[0], rows[1] | {"Jabatan": "Plt. Lurah"}), kind="users", mode="commit")
    assert counts(same) == {"unchanged": 2}
    never = await send(office, table(rows[0]), kind="users", on_match="update")
    assert (never.status_code, never.json()["errors"][0]["pointer"]) == (422, "/on_match")
    reset = await office.act(f"/v1/users/{rina['id']}/reset-password", version=rina["version"])
    assert reset.status_code == 200, reset.text
    assert (await acted(app, office, done, "undo"))["undo"] == {"undone": 1, "kept": 1}
    states = await owner.fetch(
        "SELECT username, disabled_at IS NOT NULL AS off FROM users WHERE username = ANY ($1)", list(made)
    )
    assert {row["username"]: row["off"] for row in states if row["off"]} == {"lurah.srengsem.2": True}
    told = [row["faults"] for row in (await office.get(f"{URL}/{done['id']}/rows?limit=200")).json()["items"]]
    assert "1985" not in str(told)
    assert (await send(await as_("tksk", PANJANG), table(rows[0]), kind="users")).status_code == 403


async def test_who_died_or_had_their_data_restricted_is_refused_as_one_by_one(as_, app, owner):
    """With the same words in a dry run, and nobody else's row is kept waiting."""
    tksk = await as_("tksk", PANJANG)
    shy, dead, plain = numbers = [nik() for _ in range(3)]
    people = [await add_person(tksk, nik=number) for number in numbers]
    changed = "UPDATE beneficiaries SET restricted_at = $2, deceased_on = $3 WHERE id = $1"
    long_ago = datetime.now(UTC) - timedelta(days=30)
    await owner.execute(changed, UUID(people[0]["id"]), long_ago, None)
    await owner.execute(changed, UUID(people[1]["id"]), None, day(-5))
    home = {"Alamat": "Gang Mawar 3", "SHDK": "Kepala Keluarga", "Kode Desa": SRENGSEM}
    rows = {
        "visits": lambda number: {"NIK": number, "Tanggal": day(1).isoformat()},
        "families": lambda number: {"NIK": number, "Nomor KK": nik()} | home,
        "activities": lambda number: work(int(number[-4:]), **{"NIK Warga": number}),
    }
    met = {}
    for kind, row in rows.items():
        dry = await imported(app, tksk, table(*(row(number) for number in (shy, dead, plain))), kind=kind)
        judged = await fates(tksk, dry)
        assert await fates(tksk, await acted(app, tksk, dry, "commit")) == judged
        met[kind] = [codes for _, _, codes in judged]
    assert met == {
        "visits": [["processing_restricted"], ["beneficiary_deceased"], []],
        "families": [["processing_restricted"], ["deceased_person"], []],
        "activities": [["processing_restricted"], [], []],  # work about somebody who died goes on: a burial, an heir
    }
    office = await as_("regency_office", BANDAR_LAMPUNG)
    late = {"Sumber": "dtsen", "Gelombang": "DTSEN", "Desil": "3", "Tanggal Data": day(1).isoformat()}
    family = (await listed(tksk, "families"))[0]["id"]
    future = await imported(app, office, table(late | {"ID Keluarga": family}), kind="decile_snapshots")
    assert [codes for _, _, codes in await fates(office, future)] == [["in_future"]]


async def test_a_partner_that_ended_is_told_by_a_row_and_stays_apart_from_the_next_of_its_name(as_, app):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    row = {"Jenis PSKS": "karang_taruna", "Nama": "Tunas Bahari", "Kode Wilayah": SRENGSEM, "Aktif": "ya"}
    ended = row | {"Aktif": "tidak", "Tanggal Berakhir": str(day(-3)), "Alasan Berakhir": "dissolved"}
    assert counts(await imported(app, office, table(row), kind="partners", mode="commit")) == {"created": 1}
    done = await imported(app, office, table(ended), kind="partners", mode="commit", on_match="update")
    assert counts(done) == {"updated": 1}
    assert (await acted(app, office, done, "undo"))["undo"] == {"undone": 1, "kept": 0}
    assert [one["is_active"] for one in await listed(office, "partners")] == [True]
    again = await imported(app, office, table(ended), kind="partners", mode="commit", on_match="update")
    assert counts(again) == {"updated": 1}
    both = await imported(app, office, table(ended, row), kind="partners", mode="commit", on_match="update")
    assert counts(both) == {"unchanged": 1, "created": 1}
    without = table(row | {"Nama": "Lain", "Aktif": "tidak"})
    refused = await imported(app, office, without, kind="partners", mode="commit")
    assert await fates(office, refused) == [(2, "rejected", ["missing"])]


async def test_a_card_that_was_given_to_a_family_again_means_the_one_that_lives(as_, app):
    """An import that was taken back leaves an ended family behind, whose card is that of the next one."""
    clerk, office = await as_("village_clerk", SRENGSEM), await as_("regency_office", BANDAR_LAMPUNG)
    number, card = nik(), nik()
    await add_person(clerk, nik=number)
    head = {"Nomor KK": card, "NIK": number, "SHDK": "Kepala Keluarga", "Alamat": "Gang Mawar 3"}
    said = {"Nomor KK": card, "Sumber": "dtsen", "Gelombang": "DTSEN", "Desil": "3", "Tanggal Data": str(day(-9))}
    first = await imported(app, clerk, table(head), kind="families", mode="commit")
    assert (await acted(app, clerk, first, "undo"))["undo"] == {"undone": 1, "kept": 0}
    nobody = await imported(app, office, table(said), kind="decile_snapshots", mode="commit")
    assert [codes for _, _, codes in await fates(office, nobody)] == [["unknown_reference"]]
    assert counts(await imported(app, clerk, table(head), kind="families", mode="commit")) == {"created": 1}
    done = await imported(app, office, table(said), kind="decile_snapshots", mode="commit")
    assert counts(done) == {"created": 1}
    families = {row["id"]: row["status"] for row in await listed(clerk, "families")}
    (snapshot,) = await listed(office, "decile_snapshots")
    assert families[snapshot["family_id"]] == "active"
    assert sorted(families.values()) == ["active", "ended"]
