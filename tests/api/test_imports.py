"""Imports: one contract for all kinds, driven with the directory of partners, whose rows are the simplest."""

import asyncio
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, machine, nik
from import_flow import URL, acted, counts, fates, imported, seen, send, table, work
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.upkeep import settle


def partner(number=1, **over):
    row = {"Jenis PSKS": "karang_taruna", "Nama Mitra": f"Karang Taruna Bahari {number}", "Kode Wilayah": SRENGSEM}
    return row | {"Telepon": "0812-3456-7890"} | over


@pytest.fixture
def small_pages(monkeypatch):
    """Three rows of a step, so that a few rows make several pages."""
    monkeypatch.setitem(KINDS, "partners", replace(KINDS["partners"], page=3))


async def names(caller):
    answer = await caller.get(f"/v1/partners?limit=200&region_code={SRENGSEM}&is_active=true")
    return sorted(item["name"] for item in answer.json()["items"])


async def test_a_dry_run_tells_all_and_writes_nothing_and_the_commit_does_what_it_told(as_, app, small_pages):
    tksk = await as_("tksk", PANJANG)
    file = table(
        *(partner(number) for number in range(1, 5)),
        partner(5, **{"Jenis PSKS": "entah"}),
        partner(2),
        partner(7, **{"Kode Wilayah": AMPENAN}),
        partner(8, **{"Nama Mitra": ""}),
    )
    dry = await imported(app, tksk, file, kind="partners")
    assert dry["status"] == "validated"
    assert counts(dry) == {"created": 4, "rejected": 4}
    assert dry["progress"] == {"done": 8, "total": 8, "seconds_left": None}
    assert dry["file"]["delimiter"] == "comma"
    assert {entry["heading"]: entry["column"] for entry in dry["file"]["headings"]}["Nama Mitra"] == "name"
    assert await names(tksk) == []
    told = await fates(tksk, dry)
    assert told[4:] == [
        (6, "rejected", ["unknown_choice"]),
        (7, "rejected", ["duplicate_in_file"]),
        (8, "rejected", ["outside_scope"]),
        (9, "rejected", ["missing"]),
    ]
    rows = (await tksk.get(f"{URL}/{dry['id']}/rows?code=duplicate_in_file")).json()["items"]
    assert [(row["row"], row["faults"][0]["facts"]) for row in rows] == [(7, {"row": 3})]
    assert all(row["record_id"] is None for row in (await tksk.get(f"{URL}/{dry['id']}/rows")).json()["items"])
    done = await acted(app, tksk, dry, "commit")
    assert (done["status"], counts(done)) == ("done", counts(dry))
    assert await fates(tksk, done) == told
    assert await names(tksk) == [f"Karang Taruna Bahari {number}" for number in range(1, 5)]


async def test_what_is_there_already_is_left_or_brought_up_to_date_and_an_undo_puts_it_back(as_, app, small_pages):
    tksk = await as_("tksk", PANJANG)
    first = await imported(app, tksk, table(*(partner(n) for n in (1, 2, 3, 4))), kind="partners", mode="commit")
    assert (first["status"], counts(first), first["same_as"]) == ("done", {"created": 4}, None)
    again = await imported(app, tksk, table(*(partner(n) for n in (1, 2, 3, 4))), kind="partners", mode="commit")
    assert (counts(again), again["same_as"]) == ({"unchanged": 4}, first["id"])
    changed = table(partner(1, Telepon="0813-1111-2222"), partner(2, Telepon=""), partner(5))
    kept = await imported(app, tksk, changed, kind="partners", mode="commit")
    assert counts(kept) == {"unchanged": 2, "created": 1}
    rows = (await tksk.get(f"{URL}/{kept['id']}/rows")).json()["items"]
    assert [[note["code"] for note in row["notes"]] for row in rows] == [["exists"], [], []]
    moved = await imported(app, tksk, changed, kind="partners", mode="commit", on_match="update")
    assert counts(moved) == {"updated": 1, "unchanged": 2}

    async def phones():
        answer = await tksk.get(f"/v1/partners?limit=200&region_code={SRENGSEM}&is_active=true")
        return {item["name"][-1]: item["phone"] for item in answer.json()["items"]}

    assert await phones() == {"1": "+6281311112222", **dict.fromkeys("2345", "+6281234567890")}
    back = await acted(app, tksk, moved, "undo")
    assert (back["status"], back["undo"]) == ("undone", {"undone": 1, "kept": 0})
    assert (await phones())["1"] == "+6281234567890"


async def test_an_undo_names_what_stands_in_the_way_and_takes_back_the_rest(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    one = await imported(app, tksk, table(*(partner(n) for n in range(1, 6))), kind="partners", mode="commit")
    second = (await tksk.get(f"{URL}/{one['id']}/rows")).json()["items"][1]
    url = f"/v1/partners/{second['record_id']}"
    patched = await tksk.patch(url, json={"notes": "Sudah dihubungi."}, headers={"If-Match": '"v1"'})
    assert patched.status_code == 200
    undone = await acted(app, tksk, one, "undo")
    assert (undone["status"], undone["undo"]) == ("undone", {"undone": 4, "kept": 1})
    obstacles = (await tksk.get(f"{URL}/{one['id']}/rows?obstacle=true")).json()["items"]
    assert [(row["row"], row["obstacle"]["code"], row["is_undone"]) for row in obstacles] == [
        (3, "changed_since", False)
    ]
    assert await names(tksk) == ["Karang Taruna Bahari 2"]
    twice = await acted(app, tksk, undone, "undo")
    assert twice["undo"] == {"undone": 4, "kept": 1}
    assert await owner.fetchval("SELECT count(*) FROM transitions WHERE entity = 'imports' AND action = 'undo'") == 2


async def test_all_or_nothing(as_, app, small_pages, limited):
    tksk = await as_("tksk", PANJANG)
    bad = table(*(partner(n) for n in range(1, 7)), partner(7, **{"Jenis PSKS": "entah"}))
    failed = await imported(app, tksk, bad, kind="partners", mode="commit", atomic="all")
    assert (failed["status"], failed["error"], failed["error_facts"]) == ("failed", "rows_rejected", {"rejected": 1})
    assert counts(failed) == {"created": 6, "rejected": 1}
    assert await names(tksk) == []
    dry = await imported(app, tksk, bad, kind="partners", atomic="all")
    refused = await tksk.act(f"{URL}/{dry['id']}/commit")
    assert (refused.status_code, code_of(refused)) == (409, "rows_rejected")
    by_row = await acted(app, tksk, dry, "validate", {"atomic": "row"})
    assert by_row["status"] == "validated"
    good = table(*(partner(n) for n in range(1, 6)))
    done = await imported(app, tksk, good, kind="partners", mode="commit", atomic="all")
    assert (done["status"], counts(done)) == ("done", {"created": 5})
    assert len(await names(tksk)) == 5
    undone = await acted(app, tksk, done, "undo")
    assert undone["undo"] == {"undone": 5, "kept": 0}
    limited(import_all_rows=4)
    large = await imported(app, tksk, good, kind="partners", atomic="all")
    assert (large["error"], large["error_facts"]) == ("too_many_for_all", {"rows": 5, "limit": 4})


async def test_all_or_nothing_when_a_row_became_impossible_between_the_two_passes(as_, app, small_pages):
    tksk = await as_("tksk", PANJANG)
    dry = await imported(app, tksk, table(*(partner(n) for n in range(1, 6))), kind="partners", atomic="all")
    assert counts(dry) == {"created": 5}

    async def refuse_the_fourth(session, rows, on_match):
        judged = await partners.apply(session, rows, on_match)
        return [replace(fate, fate="rejected") if fate.number == 5 else fate for fate in judged]

    partners = KINDS["partners"]
    KINDS["partners"] = replace(partners, apply=refuse_the_fourth)
    try:
        failed = await acted(app, tksk, dry, "commit")
    finally:
        KINDS["partners"] = partners
    assert (failed["status"], failed["error"]) == ("failed", "rows_rejected")
    assert counts(failed) == {"created": 4, "rejected": 1}
    assert await names(tksk) == []


async def test_a_row_that_fails_without_a_reason_does_not_keep_the_others_waiting(as_, app, small_pages):
    tksk = await as_("tksk", PANJANG)
    partners = KINDS["partners"]

    async def stumble(session, rows, on_match):
        if any(row.number == 3 for row in rows):
            raise RuntimeError
        return await partners.apply(session, rows, on_match)

    KINDS["partners"] = replace(partners, apply=stumble)
    try:
        one = await imported(app, tksk, table(*(partner(n) for n in range(1, 6))), kind="partners", mode="commit")
    finally:
        KINDS["partners"] = partners
    assert (one["status"], counts(one)) == ("done", {"created": 4, "rejected": 1})
    assert await fates(tksk, one, "fate=rejected") == [(3, "rejected", ["internal_error"])]


async def test_a_file_that_cannot_be_understood_says_what_is_missing_and_is_read_again_without_being_sent(as_, app):
    tksk = await as_("tksk", PANJANG)
    own = table({"Sebutan": "Karang Taruna A", "Macam": "karang_taruna", "Tempat": SRENGSEM}, delimiter=";")
    failed = await imported(app, tksk, own, kind="partners")
    assert (failed["status"], failed["error"]) == ("failed", "headings_missing")
    columns = {"Sebutan": "name", "Macam": "type", "Tempat": "region_code"}
    body = {"kind": "partners", "columns": columns, "delimiter": "semicolon"}
    kept = await tksk.put(f"{URL}/mappings/rt-rw", json=body)
    assert (kept.status_code, kept.json()["columns"]) == (200, columns)
    again = await acted(app, tksk, failed, "validate", {"columns": columns, "heading_row": 1})
    assert (again["status"], counts(again)) == ("validated", {"created": 1})
    named = await imported(app, tksk, own, kind="partners", mapping="rt-rw", mode="commit")
    assert (named["status"], counts(named), named["options"]["delimiter"]) == ("done", {"created": 1}, "semicolon")
    refused = await tksk.act(f"{URL}/{named['id']}/validate", {})
    assert (refused.status_code, code_of(refused)) == (409, "transition_refused")


async def test_a_mapping_belongs_to_the_office(as_):
    tksk, colleague, other = await as_("tksk", PANJANG), await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    body = {"kind": "partners", "columns": {"Sebutan": "name"}}
    assert (await tksk.put(f"{URL}/mappings/dinsos", json=body)).status_code == 200
    replaced = await colleague.put(f"{URL}/mappings/dinsos", json=body | {"sheet": "Data"})
    assert (replaced.status_code, replaced.json()["version"]) == (200, 2)
    assert [row["name"] for row in (await colleague.get(f"{URL}/mappings")).json()["items"]] == ["dinsos"]
    for stranger in (other, await as_("regency_office", BANDAR_LAMPUNG)):
        assert (await stranger.get(f"{URL}/mappings/dinsos")).status_code == 404
        assert (await stranger.get(f"{URL}/mappings")).json()["items"] == []
    unknown = await tksk.put(f"{URL}/mappings/x", json=body | {"columns": {"Sebutan": "nama"}})
    assert unknown.status_code == 422
    gone = await tksk.delete(f"{URL}/mappings/dinsos", headers={"If-Match": '"v2"'})
    assert gone.status_code == 204


async def test_a_new_name_that_two_keep_at_once_is_one_mapping(as_):
    pair = [await as_("tksk", PANJANG), await as_("tksk", PANJANG)]
    for number in range(5):
        url, body = f"{URL}/mappings/bersama{number}", {"kind": "partners", "columns": {"Sebutan": "name"}}
        answers = await asyncio.gather(
            *(one.put(url, json=body | {"heading_row": row}) for row, one in enumerate(pair, 1))
        )
        assert sorted((answer.status_code, answer.json()["version"]) for answer in answers) == [(200, 1), (200, 2)]


async def test_who_has_no_place_brings_in_and_takes_out_nothing(app, owner):
    nowhere = await machine(app, owner, ["import:run", "export:run", "decile:write", "partner:read"], [])
    sent = await send(nowhere, table({"Nomor KK": "1871041203150002"}), kind="decile_snapshots")
    asked = await nowhere.post("/v1/exports", json={"kind": "partners", "purpose": "service"})
    assert [code_of(answer) for answer in (sent, asked)] == ["not_found", "not_found"]
    await nowhere.aclose()


async def test_only_whoever_sent_it_sees_it_and_only_who_may_write_a_kind_may_import_it(as_):
    tksk, colleague = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    one = (await send(tksk, table(partner()), kind="partners")).json()
    for url in (f"{URL}/{one['id']}", f"{URL}/{one['id']}/rows", f"{URL}/{one['id']}/events"):
        assert (await colleague.get(url)).status_code == 404
    assert (await colleague.get(URL)).json()["items"] == []
    cancel = await colleague.post(f"{URL}/{one['id']}/cancel", headers={"If-Match": '"v1"'})
    assert cancel.status_code == 404
    deciles = await send(tksk, table(partner()), kind="decile_snapshots")
    assert (deciles.status_code, code_of(deciles)) == (403, "permission_denied")
    assert (await send(await as_("auditor"), table(partner()), kind="partners")).status_code == 403
    unknown = await send(tksk, table(partner()), kind="pets")
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/kind")
    parked = await send(tksk, table(partner()), kind="partners", on_match="park")
    assert (parked.status_code, parked.json()["errors"][0]["pointer"]) == (422, "/on_match")


async def test_a_cancelled_import_stops_after_its_page_and_says_what_was_not_reached(as_, app, small_pages):
    tksk = await as_("tksk", PANJANG)
    one = (await send(tksk, table(*(partner(n) for n in range(1, 9))), kind="partners", mode="commit")).json()
    await work(app, most=3)  # begun, read, the first page
    assert (await seen(tksk, one))["counts"]["not_reached"] == 5
    asked = await tksk.act(f"{URL}/{one['id']}/cancel", version=1)
    assert (asked.status_code, asked.json()["is_cancelling"]) == (200, True)
    await work(app)
    stopped = await seen(tksk, one)
    assert (stopped["status"], counts(stopped)) == ("cancelled", {"created": 3, "not_reached": 5})
    assert [row for row, *_ in await fates(tksk, one)] == [2, 3, 4]
    assert len(await names(tksk)) == 3
    undone = await acted(app, tksk, stopped, "undo")
    assert undone["undo"] == {"undone": 3, "kept": 0}
    assert await names(tksk) == []


async def test_a_cancelled_dry_run_and_a_job_that_is_not_called_off_behind_its_back(as_, app, owner):
    tksk = await as_("regency_office", BANDAR_LAMPUNG)
    one = await imported(app, tksk, table(partner()), kind="partners")
    assert (await acted(app, tksk, one, "cancel"))["status"] == "cancelled"
    waiting = (await send(tksk, table(partner()), kind="partners")).json()
    job = await owner.fetchval("SELECT id FROM jobs WHERE state = 'queued'")
    refused = await tksk.act(f"/v1/jobs/{job}/cancel")
    assert (refused.status_code, code_of(refused)) == (409, "transition_refused")
    asked = await tksk.act(f"{URL}/{waiting['id']}/cancel", version=1)
    assert asked.status_code == 200
    await work(app)
    stopped = await seen(tksk, waiting)
    assert (stopped["status"], stopped["rows"]) == ("cancelled", 0)


async def test_events_end_with_the_state_it_came_to(as_, app):
    tksk = await as_("tksk", PANJANG)
    one = await imported(app, tksk, table(partner()), kind="partners")
    answer = await tksk.get(f"{URL}/{one['id']}/events")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.text.startswith("event: end\ndata: {")
    assert '"status":"validated"' in answer.text


async def test_a_retry_with_the_same_key_is_one_import_and_another_file_under_it_is_refused(as_, owner):
    tksk = await as_("tksk", PANJANG)
    key = {"Idempotency-Key": "impor-1"}
    sent = {"data": {"kind": "partners"}, "headers": key}
    first = await tksk.post(URL, files={"file": ("a.csv", table(partner()))}, **sent)
    again = await tksk.post(URL, files={"file": ("a.csv", table(partner()))}, **sent)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    other = await tksk.post(URL, files={"file": ("a.csv", table(partner(2)))}, **sent)
    assert (other.status_code, code_of(other)) == (422, "idempotency_mismatch")
    assert await owner.fetchval("SELECT count(*) FROM imports") == 1


async def test_an_officer_who_was_disabled_in_the_middle_writes_no_further_row_and_goes_on_once_enabled(
    as_, app, owner, small_pages
):
    tksk = await as_("tksk", PANJANG)
    one = (await send(tksk, table(*(partner(n) for n in range(1, 9))), kind="partners", mode="commit")).json()
    await work(app, most=3)
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", tksk.user_id)
    await work(app)
    assert await owner.fetchval("SELECT count(*) FROM partners") == 3
    await owner.execute("UPDATE users SET disabled_at = NULL WHERE id = $1", tksk.user_id)
    stopped = await seen(tksk, one)
    assert (stopped["status"], stopped["error"], counts(stopped)) == (
        "failed",
        "unauthenticated",
        {"created": 3, "not_reached": 5},
    )
    done = await acted(app, tksk, stopped, "commit")
    assert (done["status"], counts(done)) == ("done", {"created": 8})
    assert len(await names(tksk)) == 8


async def test_no_values_are_kept_beside_the_sealed_file(as_, app, owner, settings):
    tksk = await as_("tksk", PANJANG)
    one = await imported(app, tksk, table(partner(Telepon="08123"), partner(2)), kind="partners", mode="commit")
    assert counts(one) == {"created": 1, "rejected": 1}
    kept = await owner.fetch(
        "SELECT to_jsonb(i)::text FROM imports i UNION ALL SELECT to_jsonb(r)::text FROM import_rows r"
    )
    assert not any("Bahari" in row[0] or "08123" in row[0] for row in kept)
    folder = settings.key_file.parent / "attachments"
    name = await owner.fetchval("SELECT object_name FROM imports WHERE id = $1", UUID(one["id"]))
    found = [path for path in folder.rglob("*") if path.is_file() and name.split("/")[1] in path.name]
    assert len(found) == 2  # the file and its one part
    assert not any(b"Bahari" in path.read_bytes() for path in found)


async def test_the_rejected_rows_come_back_as_they_were_sent_and_are_accepted_once_corrected(as_, app):
    tksk = await as_("tksk", PANJANG)
    rows = [partner(1), partner(2, **{"Jenis PSKS": "entah"}), partner(3), partner(4, Telepon="12")]
    one = await imported(app, tksk, table(*rows, delimiter=";"), kind="partners", mode="commit")
    assert counts(one) == {"created": 2, "rejected": 2}
    answer = await tksk.get(f"{URL}/{one['id']}/errors")
    assert answer.headers["Content-Type"].startswith("text/csv")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert [line.split(";")[1] for line in lines] == ["Nama Mitra", *(rows[n]["Nama Mitra"] for n in (1, 3))]
    told = (await tksk.get(f"{URL}/{one['id']}/errors?format=json")).json()
    assert [(row["row"], row["faults"][0]["code"]) for row in told] == [(3, "unknown_choice"), (5, "phone_format")]
    corrected = answer.content.replace(b"entah", b"lks").replace(b";12;", b";081234567890;")
    second = await imported(app, tksk, corrected, kind="partners", mode="commit")
    assert (second["status"], counts(second)) == ("done", {"created": 2})
    assert len(await names(tksk)) == 4
    empty = await tksk.get(f"{URL}/{second['id']}/errors?format=xlsx")
    assert empty.content[:2] == b"PK"
    assert (await (await as_("tksk", PANJANG)).get(f"{URL}/{one['id']}/errors")).status_code == 404


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_template_is_understood_as_it_is(as_, kind):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    for sort in ("csv", "xlsx"):
        answer = await office.get(f"{URL}/templates/{kind}?format={sort}")
        assert answer.status_code == 200
    assert (await office.get(f"{URL}/templates/pets")).status_code == 422


async def test_after_a_month_nothing_is_left_but_counts(as_, app, owner, settings):
    tksk = await as_("tksk", PANJANG)
    one = await imported(app, tksk, table(partner(), partner(2, Telepon="1")), kind="partners", mode="commit")
    used = await owner.fetchval("SELECT bytes FROM attachment_usage WHERE regency_code = $1", BANDAR_LAMPUNG)
    await owner.execute("UPDATE imports SET finished_at = now() - interval '31 days'")
    assert await settle(app.state.house.sessions) > 0
    row = await owner.fetchrow("SELECT * FROM imports")
    assert (row["key_cipher"], row["head"], row["file_name"]) == (None, None, "")
    assert await owner.fetchval("SELECT count(*) FROM import_rows") == 0
    given = await owner.fetchval("SELECT bytes FROM attachment_usage WHERE regency_code = $1", BANDAR_LAMPUNG)
    assert used - given == one["file_bytes"]
    assert counts(await seen(tksk, one)) == {"created": 1, "rejected": 1}
    assert (await tksk.get(f"{URL}/{one['id']}/errors")).status_code == 404
    assert (await tksk.act(f"{URL}/{one['id']}/undo")).status_code == 404


async def test_deciles_come_by_family_card_once(as_, app):
    clerk, office = await as_("village_clerk", SRENGSEM), await as_("regency_office", BANDAR_LAMPUNG)
    someone, card = await add_person(clerk), nik()
    body = {"village_code": SRENGSEM, "address": {"street": "Gang Mawar 3"}, "family_card_number": card}
    members = [{"beneficiary_id": someone["id"], "relationship": "head_of_family"}]
    family = await clerk.post("/v1/families", json={**body, "members": members})
    assert family.status_code == 201, family.text
    said = {"Nomor KK": card, "Desil": "3", "Sumber": "DTSEN", "Gelombang": "DTSEN 2026", "Tanggal Data": "31/10/2025"}
    file = table(said, said | {"Nomor KK": nik()}, said | {"Desil": "belum ditentukan", "Tanggal Data": "2025-11-30"})
    one = await imported(app, office, file, kind="decile_snapshots", mode="commit")
    assert counts(one) == {"created": 2, "rejected": 1}
    assert await fates(office, one, "fate=rejected") == [(3, "rejected", ["unknown_reference"])]
    again = await imported(app, office, file, kind="decile_snapshots", mode="commit")
    assert counts(again) == {"unchanged": 2, "rejected": 1}
    listed = (await office.get(f"/v1/decile_snapshots?family_id={family.json()['id']}")).json()["items"]
    assert {row["decile"] for row in listed} == {3, None}
    undone = await acted(app, office, one, "undo")
    assert undone["undo"] == {"undone": 0, "kept": 2}


async def test_after_an_undo_that_broke_off_nothing_but_the_undo_goes_on(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    one = await imported(app, tksk, table(*(partner(n) for n in range(1, 8))), kind="partners", mode="commit")
    assert (await tksk.act(f"{URL}/{one['id']}/undo")).status_code == 200
    await work(app, most=1)
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", tksk.user_id)
    await work(app)
    await owner.execute("UPDATE users SET disabled_at = NULL WHERE id = $1", tksk.user_id)
    broken = await seen(tksk, one)
    assert (broken["status"], broken["error"], broken["undo"]) == (
        "failed",
        "unauthenticated",
        {"undone": 3, "kept": 0},
    )
    for action in ("commit", "validate"):
        refused = await tksk.act(f"{URL}/{one['id']}/{action}", {} if action == "validate" else None)
        assert refused.status_code == 409
        assert refused.json()["allowed_actions"] == ["undo"]
    assert len(await names(tksk)) == 4
    undone = await acted(app, tksk, one, "undo")
    assert (undone["status"], undone["undo"], counts(undone)) == ("undone", {"undone": 7, "kept": 0}, {"created": 7})
    assert await names(tksk) == []


async def test_a_row_whose_undo_fails_without_a_reason_does_not_keep_the_others(as_, app, small_pages):
    tksk = await as_("tksk", PANJANG)
    one = await imported(app, tksk, table(*(partner(n) for n in range(1, 6))), kind="partners", mode="commit")
    partners = KINDS["partners"]

    async def stumble(session, fates):
        if any(fate.number == 3 for fate in fates):
            raise RuntimeError
        return await partners.undo(session, fates)

    KINDS["partners"] = replace(partners, undo=stumble)
    try:
        back = await acted(app, tksk, one, "undo")
    finally:
        KINDS["partners"] = partners
    assert (back["status"], back["undo"]) == ("undone", {"undone": 4, "kept": 1})
    (left,) = (await tksk.get(f"{URL}/{one['id']}/rows?obstacle=true")).json()["items"]
    assert (left["row"], left["obstacle"]["code"]) == (3, "internal_error")
    again = await acted(app, tksk, back, "undo")
    assert again["undo"] == {"undone": 5, "kept": 0}


async def test_an_import_whose_job_is_over_is_not_at_work_for_ever_and_no_count_is_below_zero(as_, app, owner):
    tksk = await as_("tksk", PANJANG)
    one = await imported(app, tksk, table(partner()), kind="partners", mode="commit")
    await owner.execute("UPDATE imports SET status = 'committing', finished_at = NULL")
    assert await settle(app.state.house.sessions) == 1
    told = await seen(tksk, one)
    assert (told["status"], told["error"]) == ("failed", "internal_error")
    with pytest.raises(asyncpg.CheckViolationError, match="ck_imports_counts_positive"):
        await owner.execute("""UPDATE imports SET counts = counts || '{"created": 2, "not_reached": -1}'""")


@pytest.mark.parametrize("page", [1, 2, 100])
async def test_a_file_does_not_ask_the_nation_for_numbers(as_, app, owner, monkeypatch, limited, page):
    """Who is registered elsewhere is told so often a day, in dry runs too. After that elsewhere and nowhere are one
    answer, wherever pages end; who is inside and who has no number come in as ever."""
    monkeypatch.setitem(KINDS, "beneficiaries", replace(KINDS["beneficiaries"], page=page))
    limited(import_elsewhere_per_day=2)
    away, tksk = await as_("tksk", AMPENAN), await as_("tksk", PANJANG)
    numbers = [nik() for _ in range(6)]
    people = [await add_person(away, nik=number, village_code=AMPENAN_VILLAGE) for number in numbers[::2]]
    inside = nik()
    await add_person(tksk, nik=inside)
    row = {"Kode Desa": SRENGSEM, "Jenis Kelamin": "P", "Tanggal Lahir": "25/03/1991", "Alamat": "Jalan Bahari 7"}
    file = table(*({"NIK": number, "Nama Lengkap": "Sari Dewi"} | row for number in (*numbers, inside, "")))
    expected = [
        (2, "rejected", ["nik_taken"]),
        (3, "created", []),
        (4, "rejected", ["nik_taken"]),
        (5, "rejected", ["questions_used_up"]),
        (6, "rejected", ["questions_used_up"]),
        (7, "rejected", ["questions_used_up"]),
        (8, "unchanged", []),
        (9, "created", []),
    ]
    one = await imported(app, tksk, file, kind="beneficiaries", mode="commit")
    assert await fates(tksk, one) == expected
    told = "SELECT unnest(subject_ids) FROM access_log WHERE operation = 'import' AND outcome = 'refused'"
    assert {str(row[0]) for row in await owner.fetch(told)} == {someone["id"] for someone in people[:2]}
    again = await imported(app, tksk, file, kind="beneficiaries")
    codes = [codes for _, _, codes in await fates(tksk, again)]
    used_up = ["questions_used_up"]
    assert codes == [used_up, [], used_up, used_up, used_up, used_up, [], []]  # row 3 is inside by now
    assert len(await owner.fetch(told)) == 2
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries WHERE deleted_at IS NULL") == 6
