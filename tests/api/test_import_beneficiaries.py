"""People by file: the rules of a registration and of a correction, a page at a time, and never other ones."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from helpers import AMPENAN_VILLAGE, PANJANG, SRENGSEM, Caller, add_person, nik
from import_flow import acted, imported, table
from import_flow import fates as fates_of
from sktm_flow import application, ok
from tksk_api.database.admission import Admission
from tksk_api.database.session import enter
from tksk_api.domain.imports.contract import Fate, OnMatch, Parsed
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.kinds.beneficiaries import BENEFICIARIES
from tksk_api.security.permissions import Permission, roles_with
from tksk_api.types import latest_local_date

_ADDRESS = ("street", "rt", "rw")
_FORGET = (
    "SET session_replication_role = replica; DELETE FROM beneficiaries; DELETE FROM subject_keys; "
    "DELETE FROM changes; DELETE FROM access_log; DELETE FROM ppks_assessments; DELETE FROM duplicate_candidates; "
    "DELETE FROM idempotency_keys; SET session_replication_role = origin"
)
_LEFT = {
    "people": "SELECT to_jsonb(b) - '{created_at,updated_at,nik_cipher,family_card_cipher,nik_verified_at}'::text[] "
    "|| jsonb_build_object('sealed', (length(nik_cipher), length(family_card_cipher)), "
    "'verified', nik_verified_at IS NOT NULL) FROM beneficiaries b ORDER BY id",
    "keys": "SELECT to_jsonb(subject_id) FROM subject_keys ORDER BY 1",
    "changes": "SELECT jsonb_build_array(action, entity_version, actor_id, actor_role, session_id, reason, "
    "CASE WHEN entity = 'beneficiaries' THEN to_jsonb(entity_id) END, fields) FROM changes "
    "WHERE actor_id IS NOT NULL ORDER BY 1",
    # A request is answered with the record, which shows sensitive categories; a file is not.
    "access": "SELECT jsonb_build_array(action, (SELECT array_agg(s ORDER BY s) FROM unnest(subject_ids) s), user_id, "
    "role, actor_region, purpose, fields) FROM access_log WHERE outcome = 'ok' AND action <> 'read' ORDER BY 1",
    "assessments": "SELECT to_jsonb(a) - '{id,created_at,updated_at}'::text[] FROM ppks_assessments a "
    "ORDER BY beneficiary_id, category",
    "pairs": "SELECT to_jsonb(c) - '{id,created_at,updated_at,version}'::text[] FROM duplicate_candidates c "
    "ORDER BY low_id, high_id",
}


@asynccontextmanager
async def _acting(app: FastAPI, caller: Caller) -> AsyncIterator[AsyncSession]:
    """As the job does, in the name of whoever sent the file."""
    permission = Permission.BENEFICIARY_WRITE
    admission = Admission(caller.session_id, roles_with(permission), permission, uuid4(), "import")
    async with enter(app.state.house.sessions, admission) as session:
        yield session


async def _apply(
    app: FastAPI, caller: Caller, rows: Sequence[Mapping[str, Any]], on_match: OnMatch = "skip"
) -> list[Fate]:
    async with _acting(app, caller) as session:
        return list(await BENEFICIARIES.apply(session, _parsed(rows), on_match))


async def _undo(app: FastAPI, caller: Caller, fates: Sequence[Fate]) -> list[str | None]:
    kept = [replace(fate, before=json.loads(json.dumps(fate.before, default=_as_kept))) for fate in fates]
    async with _acting(app, caller) as session:
        return [fault.code if fault else None for fault in await BENEFICIARIES.undo(session, kept)]


def _as_kept(value: Any) -> str:
    return str(value)


def _parsed(rows: Sequence[Mapping[str, Any]]) -> list[Parsed]:
    return [Parsed(number, row) for number, row in enumerate(rows, start=2)]


def _row(**over: Any) -> dict[str, Any]:
    """What the columns of a file make of a row."""
    row = {
        "nik": nik(),
        "full_name": "Siti Rahmawati",
        "birth_place": "Panjang",
        "birth_date": date(1991, 3, 25),
        "sex": "female",
        "street": "Jl. Yos Sudarso 12",
        "rt": "001",
        "rw": "002",
        "village_code": SRENGSEM,
        "ppks_categories": ["fakir_miskin"],
        **over,
    }
    return {name: value for name, value in row.items() if value is not None}


def _body(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same as a request has it."""
    plain = {name: value for name, value in row.items() if name not in _ADDRESS}
    body = {name: str(value) if isinstance(value, date | UUID) else value for name, value in plain.items()}
    address = {name: row[name] for name in _ADDRESS if name in row}
    return {**body, "address": address} if address else body


def _codes(fate: Fate) -> list[tuple[str | None, str]]:
    return [(fault.column, fault.code) for fault in fate.faults]


_NAMES = ("Siti Rahmawati", "Siti Rachmawati", "Budi Santoso", "A", "Muhammad Nur", "Sri Wahyuni", "Ni Made\u200b Ayu")
_WRONG: tuple[dict[str, Any], ...] = (
    {"village_code": AMPENAN_VILLAGE},
    {"village_code": "18.71.04.1999"},
    {"nik": "1871006503910001"},
    {"full_name": "Siti \U0001f600"},
    {"full_name": None},
    {"street": None},
    {"relationship": "cousin"},
    {"ppks_categories": ["fakir_miskin", "fakir_miskin"]},
    {"phone": "123"},
    {"nik": None, "nik_status": "verified"},
    {"birth_date": latest_local_date() + timedelta(days=30)},
    {"family_card_number": "12"},
    {"notes": "NIK ibu 1871046503910003"},
)


def _people(chance: random.Random) -> list[dict[str, Any]]:
    """Rows that should all be taken, some of them one person twice, and rows that are wrong in one thing each."""
    born = [date(1950, 1, 1) + timedelta(days=chance.randrange(20_000)) for _ in range(6)]
    rows = []
    for number in range(24):
        day, female = chance.choice(born), chance.random() < 0.5
        has_nik = chance.random() < 0.7
        region = chance.choice(("187104", "187104", "327301", "110199"))
        known = chance.random() < 0.5
        rows.append(
            _row(
                nik=nik(region=region, born=f"{day:%d%m%y}", female=female) if has_nik else None,
                nik_status=chance.choice(("verified", "unverified", None)) if has_nik else "belum_rekam",
                full_name=chance.choice(_NAMES),
                birth_date=day,
                sex=chance.choice(("female", "male")),
                family_card_number=f"18710412031500{number % 4:02d}" if known else None,
                phone="0812-3456-7890" if known else None,
                message_channel="whatsapp" if known else None,
                relationship="wife" if known else None,
                ppks_categories=chance.choice(
                    ([], ["fakir_miskin"], ["anak_terlantar", "pemulung"], None, ["odha", "pemulung"])
                ),
                notes="Rumah dekat dermaga" if chance.random() < 0.3 else None,
            )
        )
    rows += [_row(**wrong) for wrong in _WRONG]
    chance.shuffle(rows)
    return [{**row, "id": uuid4()} for row in rows]


async def _left(owner: Any) -> dict[str, list[str]]:
    return {what: [row[0] for row in await owner.fetch(sql)] for what, sql in _LEFT.items()}


@pytest.mark.parametrize(("role", "area"), [("tksk", PANJANG), ("village_clerk", SRENGSEM)])
async def test_a_page_leaves_what_the_same_rows_one_by_one_leave(
    app: FastAPI, as_: Callable[..., Any], owner: Any, role: str, area: str
):
    """Columns, warnings, keys, history, access rows, assessments, pairs; and refusals under the same codes."""
    officer = await as_(role, area)
    rows = _people(random.Random(role))
    answers = [await officer.post("/v1/beneficiaries", json=_body(row)) for row in rows]
    one_by_one = await _left(owner)
    await owner.execute(_FORGET)

    fates = await _apply(app, officer, rows)

    assert [fate.fate for fate in fates] == [
        "created" if answer.status_code == 201 else "rejected" for answer in answers
    ]
    assert {fate.fate for fate in fates} == {"created", "rejected"}
    at_once = await _left(owner)
    for what in _LEFT:
        assert at_once[what] == one_by_one[what], what
    for fate, answer in zip(fates, answers, strict=True):
        if fate.fate == "created":
            told = sorted(warning["code"] for warning in answer.json()["warnings"])
            assert sorted(note.code for note in fate.notes) == sorted(set(told)), answer.text
        else:
            said = {error["pointer"].split("/")[-1]: error["code"] for error in answer.json()["errors"]}
            assert {code for _, code in _codes(fate)} == set(said.values()), answer.text
    assert at_once["pairs"]


_NEW_YEAR, _CARD = date(1991, 1, 1), "1871041203150002"
_SECOND_ENTRIES: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # What the first entry of somebody has besides, and what the second one has otherwise; what is not said is the same.
    "Siti Rahmawati": ({}, {"nik": None, "full_name": "St. Rachmawaty"}),
    "Budi Hartono": ({}, {"nik": None, "birth_date": date(1991, 12, 12)}),
    "Ketut Suardana": ({}, {"nik": None, "birth_date": date(1961, 12, 21)}),
    "Joko Prasetyo": ({}, {"nik": 1, "full_name": "Djoko Prasetio"}),
    "Yohanes Lobo": ({}, {"nik": 10, "birth_date": date(1991, 12, 20)}),
    "Tiur Simanjuntak": ({"family_card_number": _CARD}, {"nik": None, "birth_date": _NEW_YEAR}),
    "Fitri Anggraini": ({}, {"nik": 1, "birth_date": _NEW_YEAR}),
    "Galuh Permatasari": ({"birth_date": _NEW_YEAR, "nik": None}, {"nik": None, "birth_date": date(1991, 7, 9)}),
    "Wawan Gunawan": ({"family_card_number": _CARD}, {"nik": 4_321}),
    "Cut Meutia": ({}, {"nik": 4_321}),
    "Lalu Zulkifli": ({"family_card_number": _CARD}, {"nik": 4_321, "birth_date": date(1991, 12, 20)}),
    "Paulus Kambuaya": ({}, {"nik": None, "village_code": "18.71.04.1003"}),
    "Endang Kusumastuti": ({}, {"nik": None, "sex": "male"}),
    "Bambang Nugroho": ({}, {"nik": None, "birth_date": date(1991, 8, 14)}),
}


def _second_entries() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """People as they were entered first, and each once more in another way; both with ids of their own."""
    first, second = [], []
    for place, (name, (own, otherwise)) in enumerate(_SECOND_ENTRIES.items()):
        one = _row(nik=nik(1_000 + 20 * place, born="211291"), full_name=name, birth_date=date(1991, 12, 21)) | own
        other = {**one, **otherwise}
        if isinstance(slip := otherwise.get("nik"), int):
            other["nik"] = nik(1_000 + 20 * place + slip, born="211291")
        first.append({**_row(**one), "id": uuid4()})
        second.append({**_row(**other), "id": uuid4()})
    return first, second


async def test_a_page_finds_the_pairs_that_its_rows_would_one_by_one(app: FastAPI, as_: Callable[..., Any], owner: Any):
    """Of people who are registered, of rows of one page, and of corrections; with their scores and reasons."""
    officer = await as_("tksk", PANJANG)
    first, second = _second_entries()
    corrected = [{"id": row["id"], "full_name": f"{row['full_name']} Dewi"} for row in second]
    for row in first + second:
        answer = await officer.post("/v1/beneficiaries", json=_body(row))
        assert answer.status_code == 201, answer.text
    found = await _pairs(owner)
    for row in corrected:
        said = {"full_name": row["full_name"]}
        ok(await officer.patch(f"/v1/beneficiaries/{row['id']}", json=said, headers={"If-Match": '"v1"'}))
    scored_anew = await _pairs(owner)
    names = {row["full_name"] for row in first if row["id"] in {key for pair in found for key in pair[:2]}}
    assert names == _SECOND_ENTRIES.keys() - {"Cut Meutia", "Lalu Zulkifli", "Bambang Nugroho"}
    assert found != scored_anew

    for pages in ([first, second], [first + second]):
        await owner.execute(_FORGET)
        for page in pages:
            assert {fate.fate for fate in await _apply(app, officer, page)} == {"created"}
        assert await _pairs(owner) == found
        assert {fate.fate for fate in await _apply(app, officer, corrected, "update")} == {"updated"}
        assert await _pairs(owner) == scored_anew


@pytest.mark.parametrize("many", [60, 450])
async def test_a_birth_date_that_very_many_have_is_looked_at_by_names(
    app: FastAPI, as_: Callable[..., Any], owner: Any, many: int
):
    """An office without birth dates writes the first of January: a page finds what its rows would one by one, and is
    not compared with everybody who has that day."""
    officer, day = await as_("tksk", PANJANG), date(1990, 1, 1)
    rows = [
        {**_row(nik=None, full_name=name, birth_date=born), "id": uuid4()}
        for name, born in (
            ("Siti Rahmawati", day),
            ("St. Rachmawaty", day),
            ("Yohanes Lobo", date(1990, 7, 9)),
            ("Yohanis Lobo", day),
            ("Tiur Simanjuntak", date(1990, 1, 2)),
            ("Tiur Simanjuntak", day),
            ("Galuh Permatasari", date(1990, 7, 9)),
        )
    ]

    async def crowd() -> None:
        names = ["".join(chance.choice("bdgklmnprst") + chance.choice("aiueo") for _ in range(5)) for _ in range(many)]
        await owner.execute("SET session_replication_role = replica")
        await owner.execute(
            "INSERT INTO beneficiaries (id, version, region_code, created_by, full_name, birth_date, sex, street, "
            "nik_status) SELECT gen_random_uuid(), 1, $1, $2, n, $3, 'male', 'Gang Mawar 3', 'belum_rekam' "
            "FROM unnest($4::text[]) AS n",
            *(SRENGSEM, officer.user_id, day, names),
        )
        await owner.execute("SET session_replication_role = origin")

    chance = random.Random(5)
    await crowd()
    for row in rows:
        answer = await officer.post("/v1/beneficiaries", json=_body(row))
        assert answer.status_code == 201, answer.text
    found = await _pairs(owner)
    assert [sum(row["id"] in pair[:2] for pair in found) for row in rows] == [1, 1, 1, 1, 1, 1, 0]
    await owner.execute(_FORGET)

    chance = random.Random(5)
    await crowd()
    seen: list[int] = []
    async with _acting(app, officer) as session:
        connection = await session.connection()

        def fetched(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
            if "neighbours_of_many" in statement:
                seen.append(cursor.rowcount)

        event.listen(connection.sync_connection, "after_cursor_execute", fetched)
        fates = await BENEFICIARIES.apply(session, _parsed(rows), "skip")
    assert {fate.fate for fate in fates} == {"created"}
    assert await _pairs(owner) == found
    assert len(seen) == 1 and len(rows) <= seen[0] <= len(rows) * (2 * 40 + 1)


async def _pairs(owner: Any) -> list[tuple[Any, ...]]:
    rows = await owner.fetch(
        "SELECT low_id, high_id, score, reasons::text, told, status FROM duplicate_candidates ORDER BY low_id, high_id"
    )
    return [tuple(row) for row in rows]


async def test_numbers_are_sealed_under_the_key_of_each_person(app: FastAPI, as_: Callable[..., Any]):
    officer = await as_("tksk", PANJANG)
    rows = [_row(family_card_number="1871041203150002") for _ in range(3)]
    for fate, row in zip(await _apply(app, officer, rows), rows, strict=True):
        asked = {"fields": ["nik", "family_card_number"], "purpose": "identity_check", "reason": "Cocokkan dengan KTP"}
        shown = (await officer.post(f"/v1/beneficiaries/{fate.record_id}/reveal", json=asked)).json()
        assert (shown["nik"], shown["family_card_number"]) == (row["nik"], row["family_card_number"])


async def test_somebody_registered_is_left_alone_or_corrected(app: FastAPI, as_: Callable[..., Any]):
    """skip changes nothing; update writes what the file says and the register does not, and no more."""
    officer = await as_("tksk", PANJANG)
    known = await add_person(officer, nik=(number := nik()), phone="081234567890", notes="Rumah dekat dermaga")
    row = {"nik": number, "full_name": "Siti Rahmawati Dewi", "phone": None, "rt": "007", "sex": "female"}

    (skipped,) = await _apply(app, officer, [row])
    assert (skipped.fate, [note.code for note in skipped.notes]) == ("unchanged", ["exists"])
    (updated,) = await _apply(app, officer, [row], "update")
    assert (updated.fate, updated.record_id, updated.version) == ("updated", UUID(known["id"]), 2)
    now = (await officer.get(f"/v1/beneficiaries/{known['id']}")).json()
    assert now["full_name"] == "Siti Rahmawati Dewi"
    assert now["address"] == {"street": "Jl. Yos Sudarso 12", "rt": "007", "rw": "002"}
    assert (now["phone"], now["notes"]) == ("+6281234567890", "Rumah dekat dermaga")
    (again,) = await _apply(app, officer, [row], "update")
    assert (again.fate, again.version, again.notes) == ("unchanged", 2, ())

    assert await _undo(app, officer, [updated]) == [None]
    before = (await officer.get(f"/v1/beneficiaries/{known['id']}")).json()
    assert (before["full_name"], before["address"]["rt"], before["version"]) == ("Siti Rahmawati", "001", 3)
    assert await _undo(app, officer, [updated]) == ["changed_since"]


async def test_a_correction_by_file_follows_the_rules_of_a_correction(app: FastAPI, as_: Callable[..., Any]):
    officer, office = await as_("tksk", PANJANG), await as_("regency_office", "18.71")
    numbers = [nik() for _ in range(5)]
    people = [await add_person(officer, nik=number, nik_status="verified") for number in numbers]
    died = {"died_on": str(latest_local_date()), "source": "village_letter"}
    assert (await officer.act(f"/v1/beneficiaries/{people[1]['id']}/deceased", died)).status_code == 200
    rows = [
        {"nik": numbers[0], "nik_status": "unverified"},
        {"nik": numbers[1], "phone": "0812000000"},
        {"nik": numbers[2], "village_code": "18.71.04.1001"},
        {"id": UUID(people[3]["id"]), "nik": nik(), "phone": "081200000000"},
        {"nik": numbers[4], "family_card_number": "1871041203150007", "ppks_categories": ["odha", "fakir_miskin"]},
    ]
    fates = await _apply(app, officer, rows, "update")
    assert [_codes(fate) for fate in fates] == [
        [(None, "nik_verified")],
        [(None, "nik_of_deceased")],
        [("village_code", "village_changed")],
        [("nik", "nik_changed")],
        [],
    ]
    assert fates[4].fate == "updated"
    now = (await officer.get(f"/v1/beneficiaries/{people[4]['id']}")).json()
    assert (now["family_card_masked"], sorted(now["ppks_categories"])) == ("************0007", ["fakir_miskin", "odha"])
    (same,) = await _apply(app, officer, [rows[4]], "update")
    assert same.fate == "unchanged"
    assert await _undo(app, officer, [fates[4]]) == [None]
    now = (await office.get(f"/v1/beneficiaries/{people[4]['id']}")).json()
    assert (now["family_card_masked"], now["ppks_categories"]) == (None, ["fakir_miskin"])


async def test_one_person_has_one_row_whatever_number_it_names(app: FastAPI, as_: Callable[..., Any]):
    """By the NIK and by the id, or two new people under one id: the first row is done, and says all that is done."""
    officer = await as_("tksk", PANJANG)
    known, key = await add_person(officer, nik=(number := nik())), uuid4()
    rows = [
        {"nik": number, "street": "Gang Satu 1"},
        {"id": UUID(known["id"]), "notes": "Pindah kontrakan"},
        _row(id=key),
        _row(id=key, full_name="Budi Santoso"),
        _row(id=key, nik=None, full_name="Ketut Suardana"),
    ]
    repeated = [[], [2], [], [4], [4]]
    for on_match, done in (("update", "updated"), ("park", "parked"), ("skip", "unchanged")):
        if on_match != "update":
            rows = rows[:2]
        fates = await _apply(app, officer, rows, on_match)
        assert [[fault.facts["row"] for fault in fate.faults] for fate in fates] == repeated[: len(rows)]
        assert {fault.code for fate in fates for fault in fate.faults} == {"duplicate_in_file"}
        assert [fate.fate for fate in fates] == [done, "rejected", "created", "rejected", "rejected"][: len(rows)]
        if on_match == "update":
            assert (await officer.get(f"/v1/beneficiaries/{key}")).json()["full_name"] == "Siti Rahmawati"
            assert await _undo(app, officer, [fates[0], fates[2]]) == [None, None]
    now = (await officer.get(f"/v1/beneficiaries/{known['id']}")).json()
    assert (now["address"]["street"], now["notes"]) == ("Jl. Yos Sudarso 12", None)


@pytest.mark.parametrize("page", [1, 2, 500])
async def test_one_person_has_one_row_in_the_whole_file(
    app: FastAPI, as_: Callable[..., Any], owner: Any, monkeypatch: pytest.MonkeyPatch, page: int
):
    """However the file is divided into pages, in the dry run as in the commit; the undo then takes all of it back."""
    monkeypatch.setitem(KINDS, "beneficiaries", replace(KINDS["beneficiaries"], page=page))
    officer, key, numbers = await as_("tksk", PANJANG), str(uuid4()), [nik() for _ in range(4)]
    one, other = [await add_person(officer, nik=number) for number in numbers[:2]]

    def line(number: str, key: str, **over: str) -> dict[str, str]:
        same = {"Nama Lengkap": "Siti Rahmawati", "Tanggal Lahir": "1991-03-25", "Jenis Kelamin": "P"}
        same |= {"Kode Desa": SRENGSEM, "Alamat": "Gang Satu 1", "Catatan": ""}
        return {"NIK": number, "ID": key, **same, **over}

    rows = [
        line(numbers[0], ""),
        line("", one["id"], Catatan="Pindah kontrakan"),
        line("", other["id"]),
        line(numbers[1], "", Catatan="Pindah kontrakan"),
        line(numbers[2], key),
        line(numbers[3], key, **{"Nama Lengkap": "Budi Santoso"}),
        line("", key),
    ]
    done = ["updated", "rejected", "updated", "rejected", "created", "rejected", "rejected"]
    expected = [(row, fate, ["duplicate_in_file"] * (fate == "rejected")) for row, fate in enumerate(done, start=2)]
    read = await imported(app, officer, table(*rows), kind="beneficiaries", on_match="update")
    assert await fates_of(officer, read) == expected
    written = await acted(app, officer, read, "commit")
    assert (written["status"], await fates_of(officer, written)) == ("done", expected)
    assert (await officer.get(f"/v1/beneficiaries/{key}")).json()["full_name"] == "Siti Rahmawati"
    undone = await acted(app, officer, written, "undo")
    assert (undone["undo"]["undone"], undone["undo"]["kept"]) == (3, 0)
    for person in (one, other):
        now = (await officer.get(f"/v1/beneficiaries/{person['id']}")).json()
        assert (now["address"]["street"], now["notes"]) == ("Jl. Yos Sudarso 12", None)


async def test_what_differs_is_parked_as_proposals(app: FastAPI, as_: Callable[..., Any]):
    officer = await as_("tksk", PANJANG)
    known = await add_person(officer, nik=(number := nik()))
    row = {"nik": number, "phone": "081234567890", "notes": "Pindah kontrakan", "village_code": "18.71.04.1001"}
    fates = await _apply(app, officer, [row, _row()], "park")
    assert [fate.fate for fate in fates] == ["parked", "created"]
    assert [(note.column, note.code) for note in fates[0].notes] == [("notes", "not_parked")]
    found = (await officer.get("/v1/proposals", params={"beneficiary_id": known["id"], "status": "open"})).json()[
        "items"
    ]
    assert {(one["field"], one["origin"], one["visit_id"]) for one in found} == {
        ("phone", "import", None),
        ("village_code", "import", None),
    }
    phone = next(one for one in found if one["field"] == "phone")
    assert (await officer.act(f"/v1/proposals/{phone['id']}/accept", {})).status_code == 200
    assert (await officer.get(f"/v1/beneficiaries/{known['id']}")).json()["phone"] == "+6281234567890"


async def test_people_elsewhere_are_refused_and_not_told_of(app: FastAPI, as_: Callable[..., Any]):
    officer, other = await as_("tksk", PANJANG), await as_("tksk", "52.71.01")
    theirs = await add_person(other, nik=(number := nik()), village_code=AMPENAN_VILLAGE)
    fates = await _apply(app, officer, [_row(nik=number), _row(id=UUID(theirs["id"])), {"id": UUID(theirs["id"])}])
    assert [_codes(fate) for fate in fates][:2] == [[("nik", "nik_taken")], [("id", "id_in_use")]]
    assert [fate.record_id for fate in fates] == [None] * 3
    assert fates[0].tells_of == UUID(theirs["id"])
    assert {fate.fate for fate in fates} == {"rejected"}


async def test_two_files_at_once_register_everybody_once(app: FastAPI, as_: Callable[..., Any], owner: Any):
    officer, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    rows = [_row() for _ in range(12)]
    one, other = await asyncio.gather(_apply(app, officer, rows), _apply(app, clerk, rows[::-1]))
    fates = [fate.fate for fate in (*one, *other)]
    assert fates.count("created") == len(rows)
    assert set(fates) <= {"created", "unchanged", "rejected"}
    assert {code for fate in (*one, *other) for _, code in _codes(fate)} <= {"nik_taken"}
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == len(rows)


async def test_new_people_are_withdrawn_unless_something_was_built_on_them(app: FastAPI, as_: Callable[..., Any]):
    officer = await as_("tksk", PANJANG)
    rows = [_row(birth_date=date(1960 + at, 3, 25)) for at in range(3)]
    fates = await _apply(app, officer, rows)
    visited, changed, free = (str(fate.record_id) for fate in fates)
    visit = {"beneficiary_id": visited, "visited_on": str(latest_local_date())}
    assert (await officer.post("/v1/visits", json=visit)).status_code == 201
    patch = {"json": {"phone": "081234567890"}, "headers": {"If-Match": '"v1"'}}
    assert (await officer.patch(f"/v1/beneficiaries/{changed}", **patch)).status_code == 200
    assert await _undo(app, officer, fates) == ["still_in_use", "changed_since", None]
    assert (await officer.get(f"/v1/beneficiaries/{free}")).status_code == 404
    (again,) = await _apply(app, officer, rows[2:])
    assert again.fate == "created"


async def test_an_undo_takes_as_many_statements_for_many_people_as_for_one(app: FastAPI, as_: Callable[..., Any]):
    officer = await as_("tksk", PANJANG)
    known = [nik() for _ in range(7)]
    for number in known:
        await add_person(officer, nik=number)
    rows = [_row(nik=number, phone="0812-3456-7890") for number in known]
    rows += [_row(birth_date=date(1950 + at, 3, 25)) for at in range(7)]
    fates = await _apply(app, officer, rows, "update")
    assert [fate.fate for fate in fates] == ["updated"] * 7 + ["created"] * 7
    seen: list[str] = []

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement != "DISCARD PLANS":  # once in a while, whoever asks
            seen.append(statement)

    engine = app.state.house.engine.sync_engine
    event.listen(engine, "before_cursor_execute", executed)
    try:
        assert await _undo(app, officer, [fates[0], fates[7]]) == [None] * 2
        few = len(seen)
        assert await _undo(app, officer, [*fates[1:7], *fates[8:]]) == [None] * 12
    finally:
        event.remove(engine, "before_cursor_execute", executed)
    assert len(seen) == 2 * few
    for fate in fates:
        left = await officer.get(f"/v1/beneficiaries/{fate.record_id}")
        assert left.status_code == 404 if fate.fate == "created" else left.json()["phone"] is None


async def test_nobody_is_withdrawn_while_an_application_of_theirs_runs(app: FastAPI, as_: Callable[..., Any]):
    officer = await as_("tksk", PANJANG)
    rows = [_row(birth_date=date(1960 + at, 3, 25)) for at in range(4)]
    fates = await _apply(app, officer, rows)
    body = application(str(fates[0].record_id), dependants=[str(fates[1].record_id)])
    asked = (await officer.post("/v1/sktm-applications", json=body)).json()
    assert await _undo(app, officer, fates[:3]) == ["still_in_use", "still_in_use", None]
    ok(await officer.act(f"/v1/sktm-applications/{asked['id']}/cancel", {"note": "salah orang"}))
    assert await _undo(app, officer, fates) == [None, None, "record_gone", None]


async def test_a_village_is_found_by_its_name_inside_the_area(app: FastAPI, as_: Callable[..., Any]):
    officer, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    rows = [
        _row(village_code=None, village_name="KEL. SRENGSEM", district_name="Kec. Panjang"),
        _row(village_code=None, village_name="Ampenan Tengah"),
        _row(village_code=None),
    ]
    fates = await _apply(app, officer, rows)
    assert [_codes(fate) for fate in fates] == [
        [],
        [("village_name", "village_unclear")],
        [("village_code", "missing")],
    ]
    (own,) = await _apply(app, clerk, rows[2:])
    for fate in (fates[0], own):
        shown = (await officer.get(f"/v1/beneficiaries/{fate.record_id}")).json()
        assert shown["village_code"] == SRENGSEM
