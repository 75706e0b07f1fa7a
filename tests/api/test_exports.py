"""Exports: the lists as files, with the rights, the masking and the access rows of the lists."""

import csv
import io
import json
import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, machine, nik
from import_flow import exporting, imported
from tksk_api.documents.export_tables import export_file
from tksk_api.domain.attachments.sweep import sweep
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.exports import work
from tksk_api.domain.exports.columns import Column
from tksk_api.domain.exports.kinds import KINDS
from tksk_api.domain.exports.upkeep import settle
from tksk_api.errors import DomainError
from tksk_api.routers.exports import NOT_ASKED, QUERIES

URL = "/v1/exports"
REASON = "Pencocokan data dengan SIKS-NG"
FULL = {"full_numbers": True, "purpose": "external_entry", "reason": REASON}


@pytest.fixture
def small_pages(monkeypatch):
    """Two rows of a page, so that a few people make several."""
    monkeypatch.setattr(work, "PAGE", 2)


async def ask(caller, kind="beneficiaries", **said):
    return await caller.post(URL, json={"kind": kind, "purpose": "service", **said})


async def exported(app, caller, kind="beneficiaries", **said):
    """The export once it has come to rest."""
    answer = await ask(caller, kind, **said)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{URL}/{answer.json()['id']}"
    await exporting(app)
    return (await caller.get(answer.headers["location"])).json()


async def content(caller, one):
    answer = await caller.get(f"{URL}/{one['id']}/content")
    assert answer.status_code == 200, answer.text
    return answer.content


def rows_of(table):
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))


async def register(tksk, number, **over):
    return await add_person(tksk, full_name=f"Warga {number}", nik=nik(), **over)


async def test_a_list_leaves_as_it_is_shown_and_everybody_in_it_is_on_record(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    people = [await register(tksk, number) for number in range(5)]
    elsewhere = await as_("tksk", AMPENAN)
    one = await exported(app, tksk, format="jsonl", filter={"village_code": SRENGSEM})
    assert (one["status"], one["rows"], one["progress"]) == ("done", 5, {"done": 5, "total": 5})
    listed = (await tksk.get("/v1/beneficiaries")).json()["items"]
    file = await content(tksk, one)
    assert [json.loads(line) for line in file.splitlines()] == listed
    assert len(file) == one["file_bytes"]
    seen = await owner.fetch(
        "SELECT subject_ids FROM access_log "
        "WHERE operation = 'export' AND user_id = $1 AND cardinality(subject_ids) > 0",
        tksk.user_id,
    )
    assert len(seen) == 3
    assert {key for row in seen for key in row["subject_ids"]} == {UUID(person["id"]) for person in people}
    asked = await owner.fetchval(
        "SELECT count(*) FROM access_log WHERE object_id = $1 AND purpose = 'service' AND user_id = $2",
        UUID(one["id"]),
        tksk.user_id,
    )
    assert asked >= 2  # for asking and for the file
    assert (await tksk.get(f"{URL}/{one['id']}")).json()["downloads"] == 1
    assert (await elsewhere.get(f"{URL}/{one['id']}")).status_code == 404
    colleague = await as_("tksk", PANJANG)
    for path in ("", "/content"):
        assert (await colleague.get(f"{URL}/{one['id']}{path}")).status_code == 404
    assert (await colleague.get(URL)).json()["items"] == []
    assert [item["id"] for item in (await tksk.get(f"{URL}?status=done&kind=beneficiaries")).json()["items"]] == [
        one["id"]
    ]
    assert (await exported(app, elsewhere))["rows"] == 0
    assert await owner.fetchval("SELECT count(*) FROM export_parts") == 0


async def test_no_spreadsheet_computes_what_an_officer_wrote(as_, app):
    tksk = await as_("tksk", PANJANG)
    await register(
        tksk, 1, notes='=HYPERLINK("http://example.org";"klik")', ppks_categories=["fakir_miskin", "lansia_terlantar"]
    )
    await register(tksk, 2, notes="'=1", birth_place=None)
    one = await exported(app, tksk, format="csv")
    second, first = rows_of(await content(tksk, one))
    assert first["notes"] == '\'=HYPERLINK("http://example.org";"klik")'
    assert second["notes"] == "''=1"
    assert (first["ppks_categories"], first["street"], first["nik_masked"][:12]) == (
        "fakir_miskin; lansia_terlantar",
        second["street"],
        "*" * 12,
    )
    assert second["birth_place"] == ""
    assert "nik" not in first
    book = await content(tksk, await exported(app, tksk, format="xlsx"))
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_index(0).to_python()
    notes = sheet[0].index("notes")
    assert [row[notes] for row in sheet[1:]] == ["''=1", '=HYPERLINK("http://example.org";"klik")']
    assert b"<f>" not in book
    table = pq.read_table(io.BytesIO(await content(tksk, await exported(app, tksk, format="parquet"))))
    rows = table.to_pylist()
    assert rows[1]["notes"].startswith("=HYPERLINK")
    assert rows[1]["ppks_categories"] == ["fakir_miskin", "lansia_terlantar"]
    assert rows[0]["birth_date"].isoformat() == "1991-03-25"
    assert rows[0]["created_at"].utcoffset() == timedelta(0)


async def test_full_numbers_take_the_right_a_fresh_proof_a_purpose_and_a_reason(as_, app, owner, limited):
    tksk = await as_("tksk", PANJANG)
    numbers = [nik() for _ in range(3)]
    people = [await add_person(tksk, nik=number) for number in numbers]
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(people[2]["id"]))
    for over, status, code in (
        ({"purpose": "service"}, 422, "invalid_request"),
        ({"reason": None}, 422, "invalid_request"),
        ({"recipient": "Universitas Lampung"}, 422, "invalid_request"),
        ({"kind": "visits"}, 422, "invalid_request"),
    ):
        refused = await tksk.post(URL, json={"kind": "beneficiaries", **FULL, **over})
        assert (refused.status_code, code_of(refused)) == (status, code), over
    clerks = await as_("village_head", SRENGSEM)
    assert code_of(await ask(clerks, **FULL)) == "permission_denied"
    one = await exported(app, tksk, format="csv", **FULL)
    assert one["status"] == "done", one
    rows = rows_of(await content(tksk, one))
    assert [row["nik"] for row in rows] == ["", numbers[1], numbers[0]]
    told = await owner.fetch(
        "SELECT subject_ids FROM access_log WHERE purpose = 'external_entry' AND reason = $1 AND 'nik' = ANY (fields) "
        "AND cardinality(subject_ids) > 0",
        REASON,
    )
    assert [set(row["subject_ids"]) for row in told] == [{UUID(person["id"]) for person in people[:2]}]
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '1 hour' WHERE id = $1", tksk.session_id)
    assert code_of(await tksk.get(f"{URL}/{one['id']}/content")) == "step_up_required"
    assert code_of(await ask(tksk, **FULL)) == "step_up_required"
    await owner.execute("UPDATE user_sessions SET strong_at = now() WHERE id = $1", tksk.session_id)
    limited(export_numbers_per_day=4)
    failed = await exported(app, tksk, **FULL)
    assert (failed["status"], failed["error"], failed["content_url"]) == ("failed", "too_many_requests", None)


async def test_pseudonyms_hold_for_one_recipient_and_name_nobody(as_, app):
    tksk = await as_("tksk", PANJANG)
    person = await register(tksk, 1, ppks_categories=["fakir_miskin"])

    async def for_(recipient, kind="beneficiaries"):
        one = await exported(app, tksk, kind, format="jsonl", recipient=recipient, purpose="audit")
        return json.loads(await content(tksk, one))

    first = await for_("Universitas Lampung")
    assert set(first) == {field.name for field in KINDS["beneficiaries"].pseudonymous}
    assert (first["birth_year"], first["district_code"]) == (1991, PANJANG)
    assert first["id"] != person["id"]
    assert await for_("universitas  lampung") == first
    other = await for_("BPS Provinsi Lampung")
    assert other["id"] != first["id"]
    assert {**other, "id": first["id"]} == first
    assert code_of(await ask(tksk, "partners", recipient="Universitas Lampung")) == "invalid_request"


async def test_filters_are_those_of_the_list(as_, app):
    tksk = await as_("tksk", PANJANG)
    await register(tksk, 1, ppks_categories=["fakir_miskin"])
    await register(tksk, 2, ppks_categories=[])
    one = await exported(app, tksk, filter={"ppks_category": "fakir_miskin"})
    assert [row["full_name"] for row in rows_of(await content(tksk, one))] == ["Warga 1"]
    for wrong in (
        {"nik": "x"},
        {"limit": 3},
        {"as_of": "2026-01-01T00:00:00Z"},  # without a village
        {"village_code": "18"},
        {"nik_status": "?"},
    ):
        refused = await ask(tksk, filter=wrong)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"].startswith("/filter")) == (422, True), wrong
    refused = await ask(tksk, "visits", filter={"counted_as": "x"})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/filter/report"]
    assert (await ask(tksk, "orang")).json()["errors"][0]["pointer"] == "/kind"
    visits = await exported(app, tksk, "visits", filter={"visited_from": "2026-01-01", "current": True})
    assert visits["status"] == "done"


async def test_the_past_and_a_search_leave_as_their_lists_show_them(as_, app, owner, small_pages):
    tksk = await as_("tksk", PANJANG)
    for number in range(3):
        await register(tksk, number)
    now = datetime.now(UTC).isoformat()
    await owner.execute("UPDATE beneficiaries SET created_at = created_at - interval '3 days'")
    then = {"as_of": now, "village_code": SRENGSEM}
    listed = (await tksk.get("/v1/beneficiaries", params=then)).json()["items"]
    past = await content(tksk, await exported(app, tksk, format="jsonl", filter=then))
    assert [json.loads(line) for line in past.splitlines()] == listed
    assert len(listed) == 3
    table = rows_of(await content(tksk, await exported(app, tksk, filter=then)))
    assert {row["as_of"][:10] for row in table} == {now[:10]}
    assert code_of(await ask(tksk, filter=then, **FULL)) == "invalid_request"
    office = await as_("regency_office", BANDAR_LAMPUNG)
    partner = {"type": "karang_taruna", "name": "Tunas Bahari", "region_code": SRENGSEM}
    assert (await office.post("/v1/partners", json=partner)).status_code == 201
    found = await exported(app, office, "partners", filter={"q": "tunas", "region_code": BANDAR_LAMPUNG})
    assert [row["name"] for row in rows_of(await content(office, found))] == ["Tunas Bahari"]
    refused = await ask(office, "partners", filter={"q": "tunas"})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/filter/region_code"]
    villages = await exported(app, office, "regions", filter={"q": "srengsem", "level": "village"})
    assert [row["code"] for row in rows_of(await content(office, villages))] == [SRENGSEM]


async def test_whom_an_export_was_about_goes_with_its_file_and_an_erasure_takes_files_at_once(as_, app, owner):
    tksk = await as_("tksk", PANJANG)
    erased, other = await register(tksk, 1), await register(tksk, 2)
    about = {"beneficiary_id": erased["id"], "current": True}
    listing = await exported(app, tksk)
    assert listing["rows"] == 2
    over = await exported(app, tksk, "visits", filter=about)
    queued = (await ask(tksk, "visits", filter=about)).json()
    of_other = await exported(app, tksk, "families", filter={"beneficiary_id": other["id"]})
    assert over["filter"] == about
    await owner.execute("UPDATE exports SET expires_at = now() WHERE id = $1", UUID(over["id"]))
    await settle(app.state.house.sessions)
    assert (await tksk.get(f"{URL}/{over['id']}")).json()["filter"] == {"current": True}
    again = (await ask(tksk, "visits", filter=about)).json()
    async with owner.transaction():
        await owner.execute("SELECT app.enter_system('erase', NULL)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(erased["id"]))
    await exporting(app)
    shown = {row["id"]: (row["status"], row["filter"]) for row in (await tksk.get(URL)).json()["items"]}
    assert shown[again["id"]] == shown[listing["id"]] == ("removed", {})
    assert shown[queued["id"]][1] == {}
    assert shown[of_other["id"]] == ("done", {"beneficiary_id": other["id"]})
    assert erased["id"] not in str(await owner.fetch("SELECT filter, asked, place FROM exports"))
    assert (await tksk.get(f"{URL}/{listing['id']}/content")).status_code == 409


async def test_every_kind_leaves_in_every_format_and_asks_for_the_permission_of_its_list(as_, app):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    routes = {route.name: route for route in app.routes if getattr(route, "openapi_extra", None)}
    for name, kind in KINDS.items():
        listed = routes[f"list_{name}"].openapi_extra["x-permission"]
        assert listed == (str(kind.permission) if kind.permission else "public"), name
        answered = {*kind.resource.filters, *(kind.past.filters if kind.past else ())}
        assert set(QUERIES[name].model_fields) - NOT_ASKED <= answered, name
        for form in ("csv", "parquet") if name != "regions" else ("xlsx",):
            over = {"filter": {"parent": PANJANG}} if name == "regions" else {}
            one = await exported(app, office, name, format=form, **over)
            assert one["status"] == "done", (name, one)
            await content(office, one)
    admin = await as_("admin")
    assert code_of(await ask(admin)) == "permission_denied"
    assert (await exported(app, admin, "users"))["status"] == "done"


async def test_a_link_opens_the_file_for_a_minute_and_only_for_whom_it_was_made(as_, app, client):
    tksk = await as_("tksk", PANJANG)
    one = await exported(app, tksk)
    answer = await client.get(one["content_url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert f"beneficiaries-{one['created_at'][:4]}" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"
    assert (await client.get(f"{URL}/{one['id']}/content")).status_code == 401


async def test_whoever_sees_less_than_when_they_asked_does_not_get_the_file(as_, app, owner):
    tksk = await as_("tksk", PANJANG)
    one = await exported(app, tksk)
    pending = (await ask(tksk)).json()
    await owner.execute(
        "UPDATE users SET role = 'village_clerk', region_code = $1 WHERE id = $2", SRENGSEM, tksk.user_id
    )
    assert (await tksk.get(f"{URL}/{one['id']}/content")).status_code == 404
    await owner.execute("UPDATE users SET role = 'tksk', region_code = $1 WHERE id = $2", PANJANG, tksk.user_id)
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", tksk.user_id)
    await exporting(app)
    assert await owner.fetchval("SELECT status FROM exports WHERE id = $1", UUID(pending["id"])) == "failed"
    assert await owner.fetchval("SELECT key_cipher FROM exports WHERE id = $1", UUID(pending["id"])) is None


async def test_an_export_ends_by_its_owner_or_by_its_time_and_the_sweep_takes_its_objects(
    as_, app, owner, settings, small_pages
):
    tksk = await as_("tksk", PANJANG)
    for number in range(3):
        await register(tksk, number)
    ended, kept, over = [await exported(app, tksk) for _ in range(3)]
    running = (await ask(tksk)).json()
    await exporting(app, 1)
    for one in (ended, running):
        version = (await tksk.get(f"{URL}/{one['id']}")).json()["version"]
        gone = await tksk.delete(f"{URL}/{one['id']}", headers={"If-Match": f'"v{version}"'})
        assert gone.status_code == 204
    await exporting(app)
    await owner.execute("UPDATE exports SET expires_at = now() WHERE id = $1", UUID(over["id"]))
    assert code_of(await tksk.get(f"{URL}/{over['id']}/content")) == "transition_refused"
    await settle(app.state.house.sessions)
    status = {row["id"]: row["status"] for row in (await tksk.get(URL)).json()["items"]}
    assert [status[one["id"]] for one in (ended, kept, over, running)] == ["removed", "done", "removed", "removed"]
    assert code_of(await tksk.get(f"{URL}/{ended['id']}/content")) == "transition_refused"
    names = {row["id"]: row["object_name"] for row in await owner.fetch("SELECT id, object_name FROM exports")}
    vault = settings.key_file.parent / "attachments"

    def objects(one):
        return [
            path
            for path in vault.rglob("*")
            if path.is_file() and names[UUID(one["id"])].rpartition("/")[2] in path.name
        ]

    assert [len(objects(one)) for one in (ended, kept, over, running)] == [1, 1, 1, 0]
    for path in vault.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 2 * 86400,) * 2)
    await sweep(app.state.house.sessions, Vault(settings), dry_run=False)
    assert [len(objects(one)) for one in (ended, kept, over, running)] == [0, 1, 0, 0]
    await content(tksk, kept)


async def test_a_full_disk_or_a_dead_server_never_offers_half_a_file(as_, app, monkeypatch, small_pages):
    tksk = await as_("tksk", PANJANG)
    for number in range(5):
        await register(tksk, number)
    house = app.state.house
    put, calls = house.vault.put, []

    async def full(sealed, plain):
        calls.append(sealed.name)
        if len(calls) == 2:
            raise RuntimeError("died")  # after the page was read, before it was kept
        await put(sealed, plain)

    monkeypatch.setattr(house.vault, "put", full)
    one = await exported(app, tksk, format="jsonl")
    names = [json.loads(line)["full_name"] for line in (await content(tksk, one)).splitlines()]
    assert names == [f"Warga {number}" for number in (4, 3, 2, 1, 0)]
    assert len(set(calls)) == len(calls)

    async def no_space(sealed, plain):
        raise DomainError("unavailable", retry_after=5)

    monkeypatch.setattr(house.vault, "put", no_space)
    monkeypatch.setattr(work, "RESTS", ())
    failed = await exported(app, tksk)
    assert (failed["status"], failed["error"], failed["rows"]) == ("failed", "unavailable", None)
    assert code_of(await tksk.get(f"{URL}/{failed['id']}/content")) == "transition_refused"


def test_what_does_not_fit_a_workbook_is_not_cut_off():
    columns = [Column("notes", ("notes",))]
    with export_file(io.BytesIO(), "xlsx", columns) as write:
        write([{"notes": "x" * 32_767}])
        with pytest.raises(DomainError, match="workbook_full"):
            write([{"notes": "x" * 32_768}])


async def test_a_machine_exports_what_it_may_read_and_never_full_numbers(as_, app, owner):
    tksk = await as_("tksk", PANJANG)
    await register(tksk, 1)
    client = await machine(app, owner, ["export:run", "beneficiary:read"], [BANDAR_LAMPUNG])
    one = await exported(app, client, format="jsonl")
    assert json.loads(await content(client, one))["full_name"] == "Warga 1"
    assert code_of(await ask(client, **FULL)) == "permission_denied"
    assert code_of(await ask(client, "visits")) == "permission_denied"


async def test_exports_are_counted(as_, app, limited):
    tksk = await as_("tksk", PANJANG)
    limited(exports_per_hour=1)
    assert (await ask(tksk)).status_code == 202
    refused = await ask(tksk)
    assert (refused.status_code, code_of(refused)) == (429, "too_many_requests")
    await exporting(app)


@pytest.mark.parametrize("format", ["csv", "xlsx"])
async def test_what_was_exported_comes_back_as_it_was(as_, app, owner, format):
    tksk = await as_("tksk", PANJANG)
    await register(
        tksk, 1, notes="=1+1", phone="0812-7000-1234", ppks_categories=["fakir_miskin"], birth_place="Panjang"
    )
    await register(tksk, 2, notes="'=2", relationship="wife", family_card_number=nik())
    await add_person(tksk, nik=None, nik_status="belum_rekam", full_name="Warga 3", notes="-5")
    first = await content(tksk, await exported(app, tksk, format=format, **FULL))
    again = await imported(app, tksk, first, kind="beneficiaries", mode="commit", on_match="update")
    assert again["counts"]["unchanged"] == again["rows"] == 3, again
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("DELETE FROM beneficiaries; DELETE FROM subject_keys; DELETE FROM ppks_assessments")
    await owner.execute("SET session_replication_role = origin")
    back = await imported(app, tksk, first, kind="beneficiaries", mode="commit")
    assert back["counts"]["created"] == 3, back
    second = await content(tksk, await exported(app, tksk, format=format, **FULL))
    assert data(second, format) == data(first, format)


def data(file, format):
    """The rows by their id, without when and how often they were written, and the hints that follow from that."""
    if format == "csv":
        rows = rows_of(file)
    else:
        head, *lines = CalamineWorkbook.from_filelike(io.BytesIO(file)).get_sheet_by_index(0).to_python()
        rows = [dict(zip(head, line, strict=True)) for line in lines]
    left_out = {"created_at", "updated_at", "version", "nik_verified_at", "warnings"}
    return {row["id"]: {name: value for name, value in row.items() if name not in left_out} for row in rows}
