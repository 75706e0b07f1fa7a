"""Reading the access log: what an auditor finds in it, by person, actor, kind and time; and that they were there."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from helpers import AMPENAN, PANJANG, add_person, code_of

URL = "/v1/audit"


async def entries(auditor: Any, **query: Any) -> list[dict[str, Any]]:
    answer = await auditor.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_an_auditor_sees_who_read_whom_and_from_where(as_):
    auditor, tksk = await as_("auditor"), await as_("tksk", PANJANG, full_name="Rina Wati")
    someone = await add_person(tksk)
    read = await tksk.get(f"/v1/beneficiaries/{someone['id']}")
    (latest, first) = await entries(auditor)
    assert first["action"] == "create"
    assert latest == {
        "id": latest["id"],
        "at": latest["at"],
        "actor_id": str(tksk.user_id),
        "actor_name": "Rina Wati",
        "actor_role": "tksk",
        "actor_region": PANJANG,
        "session_id": str(tksk.session_id),
        "operation": "get_beneficiary",
        "action": "read",
        "object_id": someone["id"],
        "subject_ids": [someone["id"]],
        "fields": None,
        "purpose": "service",
        "reason": None,
        "request_id": read.headers["x-request-id"],
        "outcome": "ok",
    }


async def test_reveals_and_their_reasons_stand_in_it(as_):
    auditor, tksk = await as_("auditor"), await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    body = {"fields": ["nik"], "purpose": "letter_processing", "reason": "Surat untuk sekolah anak"}
    assert (await tksk.post(f"/v1/beneficiaries/{someone['id']}/reveal", json=body)).status_code == 200
    (entry,) = await entries(auditor, operation="reveal_beneficiary")
    assert (entry["fields"], entry["purpose"], entry["reason"]) == (["nik"], body["purpose"], body["reason"])


async def test_each_filter_and_all_of_them(as_):
    auditor, tksk, other = await as_("auditor"), await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    first = await add_person(tksk)
    second = await add_person(tksk, full_name="Budi Hartono", sex="male", birth_date="1960-01-02")  # nobody's double
    await tksk.get(f"/v1/beneficiaries/{first['id']}")
    await tksk.get("/v1/beneficiaries")
    await other.get(f"/v1/beneficiaries/{first['id']}")
    await other.get(URL)

    async def found(**query: Any) -> list[tuple[str, str]]:
        return [(e["operation"], e["outcome"]) for e in await entries(auditor, **query) if e["actor_role"] == "tksk"]

    about_first = [("list_beneficiaries", "ok"), ("get_beneficiary", "ok"), ("create_beneficiary", "ok")]
    assert await found(subject_id=first["id"]) == about_first
    assert await found(subject_id=second["id"]) == [about_first[0], about_first[2]]
    assert await found(subject_id=str(uuid4())) == []
    assert await found(actor_id=str(other.user_id)) == [("list_audit", "denied"), ("get_beneficiary", "not_found")]
    assert await found(action="create") == [about_first[2]] * 2
    assert await found(operation="get_beneficiary") == [("get_beneficiary", "not_found"), about_first[1]]
    assert await found(outcome="denied") == [("list_audit", "denied")]
    everything = {"subject_id": first["id"], "actor_id": str(tksk.user_id), "action": "read", "outcome": "ok"}
    assert await found(**everything, operation="get_beneficiary") == [about_first[1]]
    everything["actor_id"] = str(other.user_id)
    assert await found(**everything) == []


async def test_a_period_includes_its_beginning_and_not_its_end(as_, owner):
    auditor = await as_("auditor")
    noon = datetime(2026, 11, 2, 5, tzinfo=UTC)
    for minutes in range(3):
        await owner.execute(
            "INSERT INTO access_log (at, role, operation, reason) VALUES ($1, 'owner', 'x', $2)",
            noon + timedelta(minutes=minutes),
            str(minutes),
        )
    for query, expected in (
        ({"from": "2026-11-02T12:01:00+07:00", "to": "2026-11-02T05:02:00Z"}, ["1"]),
        ({"from": "2026-11-02T12:00:00+07:00", "to": "2026-11-02T12:02:00.000001+07:00"}, ["2", "1", "0"]),
        ({"to": "2026-11-02T05:00:00Z"}, []),
    ):
        assert [entry["reason"] for entry in await entries(auditor, **query)] == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-11-02"}, "bad_datetime"),
        ({"to": "1700000000"}, "bad_datetime"),
        ({"from": "2026-11-02T12:00:00"}, "bad_datetime"),
        ({"from": "9999-12-31T23:59:59-14:00"}, "out_of_range"),
        ({"since": "2026-11-02T12:00:00Z"}, "unknown_field"),
        ({"subject_id": "siti"}, "bad_uuid"),
        ({"outcome": "maybe"}, "not_allowed"),
        ({"operation": "x;y"}, "bad_format"),
        ({"sort": "id"}, "not_allowed"),
    ],
)
async def test_what_cannot_be_asked_is_said(as_, query, code):
    answer = await (await as_("auditor")).get(URL, params=query)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/{next(iter(query))}", code)


async def test_pages_walk_the_log_without_a_gap_while_it_grows(as_):
    auditor, tksk = await as_("auditor"), await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    for _ in range(6):
        await tksk.get(f"/v1/beneficiaries/{someone['id']}")
    walked, cursor = [], None
    while True:
        query = {"subject_id": someone["id"], "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await auditor.get(URL, params=query)).json()
        walked += [entry["id"] for entry in page["items"] if entry["actor_role"] == "tksk"]
        await tksk.get("/v1/beneficiaries")
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert walked == sorted(set(walked), reverse=True)
    assert len(walked) == 7


async def test_reading_the_log_leaves_one_row_that_names_whom_it_was_about(as_, owner):
    auditor, tksk = await as_("auditor"), await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    for query in ({}, {"subject_id": someone["id"]}, {"subject_id": str(uuid4())}):
        answer = await auditor.get(URL, params=query)
        (row,) = await owner.fetch(
            "SELECT * FROM access_log WHERE request_id = $1::text::uuid", answer.headers["x-request-id"]
        )
        assert (row["operation"], row["user_id"]) == ("list_audit", auditor.user_id)
        assert row["role"] == "auditor"
        assert row["outcome"] == ("ok" if answer.json()["items"] else "not_found")
        assert [str(key) for key in row["subject_ids"]] == list(query.values())


@pytest.mark.parametrize("role", ["admin", "ministry", "province_office", "tksk"])
async def test_only_auditors_read_it_and_an_attempt_is_kept(as_, role):
    region = {"province_office": "18", "tksk": PANJANG}.get(role)
    caller = await as_(role, region)
    assert code_of(await caller.get(URL)) == "permission_denied"
    (entry,) = await entries(await as_("auditor"), actor_id=str(caller.user_id))
    assert (entry["operation"], entry["outcome"], entry["subject_ids"]) == ("list_audit", "denied", [])


async def test_the_row_policy_alone_keeps_it_from_everybody_else(settings, owner, as_):
    await add_person(await as_("tksk", PANJANG))
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        for role, seen in (("tksk", 0), ("admin", 0), ("system", 0), ("auditor", 1)):
            async with connection.transaction():
                await connection.execute("SELECT app.enter_system('x', NULL)")
                await connection.execute("SELECT set_config('app.role', $1, true)", role)
                assert await connection.fetchval("SELECT count(*) FROM access_log") == seen, role
                person = await owner.fetchval("SELECT id FROM beneficiaries")
                assert len(await connection.fetch("SELECT app.accesses_of($1)", person)) == seen, role
    finally:
        await connection.close()
