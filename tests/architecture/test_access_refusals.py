"""A refusal leaves its row, a failed write none; and what cannot be recorded is neither shown nor done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from architecture.specification import operations
from architecture.story import about_people
from architecture.world import World, build_world, sign_in
from helpers import BANDAR_LAMPUNG, PANJANG, code_of, nik, person
from sktm_flow import application
from tksk_api.security.permissions import Role


@pytest.fixture(scope="module")
async def world(app, module_owner) -> AsyncIterator[World]:
    async with build_world(app, module_owner) as built:
        yield built


async def rows_of(world: World, answer: Any) -> list[Any]:
    return await world.owner.fetch(  # type: ignore[no-any-return]
        "SELECT * FROM access_log WHERE request_id = $1::text::uuid", answer.headers["x-request-id"]
    )


async def test_whoever_lacks_the_permission_leaves_a_denied_row(world):
    for operation in about_people(world.app):
        role = next((role for role in Role if role not in operation.roles), None)
        if role is None:
            continue  # everybody has something to do
        answer = await world.send(operation, world.home[role])
        assert code_of(answer) == "permission_denied", operation.name
        (row,) = await rows_of(world, answer)
        assert (row["outcome"], row["subject_ids"], row["operation"]) == ("denied", [], operation.name)
        assert (row["user_id"], row["session_id"], row["role"]) == (
            world.home[role].user_id,
            world.home[role].session_id,
            role,
        )


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("UPDATE users SET must_change_password = true WHERE id = $1", "password_change_required"),
        ("UPDATE users SET otp_confirmed_at = NULL WHERE id = $1", "otp_enrolment_required"),
        ("UPDATE user_sessions SET strong_at = now() - interval '7 hours' WHERE user_id = $1", "step_up_required"),
    ],
)
async def test_a_session_that_is_not_complete_reads_nothing_and_leaves_a_denied_row(world, state, code):
    """Also where the process has seen the caller before: what the database refuses was not read."""
    office = await sign_in(world, Role.REGENCY_OFFICE, BANDAR_LAMPUNG)
    url = f"/v1/beneficiaries/{world.ids['beneficiaries']}"
    assert (await office.get(url)).status_code == 200
    await world.owner.execute(state, office.user_id)
    reveal = {"purpose": "emergency", "reason": "Pasien tidak sadar", "fields": ["nik"]}
    asked = [await office.post(f"{url}/reveal", json=reveal)]
    asked += [] if code == "step_up_required" else [await office.get(url), await office.get("/v1/beneficiaries")]
    for answer in asked:
        assert code_of(answer) == code
        (row,) = await rows_of(world, answer)
        assert (row["outcome"], row["reason"], row["subject_ids"]) == ("denied", code, [])
    await office.aclose()


# A region's report of a month: whom its obstacles and follow-ups name is in the log, and most name nobody, as the one
# here. Who asks for one that is elsewhere has asked about a place.
NAMES_SOMEBODY_OR_NOBODY = {"reports"}


async def test_what_lies_elsewhere_leaves_the_id_that_was_asked_for_and_nobody(world):
    swept = 0
    for operation in about_people(world.app):
        if "id" not in operation.path_parameters or operation.collection in NAMES_SOMEBODY_OR_NOBODY:
            continue
        role = next((role for role in operation.roles if world.away[role].region or role == Role.AGENCY), None)
        for path in (world.path(operation), world.path(operation, id=str(uuid4()))):
            answer = await world.send(operation, world.away[role], path)
            assert answer.status_code == 404, f"{operation.name}: {answer.text}"
            (row,) = await rows_of(world, answer)
            assert (row["outcome"], row["subject_ids"], row["operation"]) == ("not_found", [], operation.name)
            assert str(row["object_id"]) in path
            assert row["user_id"] == world.away[role].user_id
            swept += 1
    assert swept > 80


async def test_a_question_that_finds_nobody_is_kept(world):
    """Somebody who tries numbers must not be invisible until one fits."""
    tksk = world.home["tksk"]
    for answer in (
        await tksk.post("/v1/beneficiaries/search", json={"nik": nik()}),
        await tksk.post("/v1/beneficiaries/search", json={"name": "Zulkarnain Xaverius"}),
        await tksk.get("/v1/visits", params={"beneficiary_id": str(uuid4())}),
        await tksk.get(f"/v1/beneficiaries/{uuid4()}/history"),
    ):
        (row,) = await rows_of(world, answer)
        assert (row["outcome"], row["subject_ids"], row["user_id"]) == ("not_found", [], tksk.user_id)
    asked = await tksk.post("/v1/beneficiaries/exists", json={"nik": nik()})
    (row,) = await rows_of(world, asked)
    assert (row["operation"], row["subject_ids"], row["purpose"]) == ("beneficiary_exists", [], "duplicate_check")


async def test_a_write_that_failed_leaves_no_row_and_no_effect(world):
    """Another version, another state, another shape: the same as if nobody had asked."""
    failed = 0
    for operation in about_people(world.app):
        if operation.method == "GET" or "id" not in operation.path_parameters:
            continue
        before = await _state(world)
        wrong_shape = {"json": {"no_such_member": 1}} if operation.body_schema else {"headers": {"If-Match": "broken"}}
        for over in ({"headers": {"If-Match": '"v987"'}}, wrong_shape):
            answer = await world.send(operation, world.holder(operation), **over)
            if answer.status_code in (400, 409, 412, 422):
                assert await rows_of(world, answer) == [], f"{operation.name}: {answer.text}"
                failed += 1
        assert await _state(world) == before, operation.name
    assert failed > 60


async def _state(world: World) -> list[Any]:
    tables = ("beneficiaries", "visits", "sktm_applications", "referrals", "activities", "privacy_requests")
    return [await world.owner.fetch(f"SELECT id, version FROM {table} ORDER BY id") for table in tables]


async def test_a_rule_that_refuses_leaves_a_denied_row(world):
    """Allowed in general, not here: nobody signs what they had a hand in, nobody withdraws another's work."""
    other = await sign_in(world, Role.TKSK, PANJANG)
    for operation, caller, code in (
        ("delete_activity", other, "permission_denied"),
        ("submit_activity", other, "permission_denied"),
    ):
        sending = next(one for one in operations(world.app) if one.name == operation)
        answer = await world.send(sending, caller)
        assert code_of(answer) == code
        (row,) = await rows_of(world, answer)
        assert (row["outcome"], str(row["object_id"]), row["action"]) == ("denied", world.ids["activities"], "write")
    await other.aclose()


# ---- one transaction -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def nothing_can_be_logged(owner: Any) -> AsyncIterator[None]:
    """The access log takes no row; committed, so that every request meets it."""
    await owner.execute(
        "CREATE FUNCTION public.refuse_access() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the log is full' USING ERRCODE = '53100'; END $$; "
        "CREATE TRIGGER refuse_access BEFORE INSERT ON access_log "
        "FOR EACH ROW EXECUTE FUNCTION public.refuse_access()"
    )
    try:
        yield
    finally:
        await owner.execute("DROP TRIGGER refuse_access ON access_log; DROP FUNCTION public.refuse_access()")


# A group's assessment, of which a person's is tried below; and a list of drafts that answers beside each of them.
SAMPLE_NAMES_NOBODY = {"create_ppks_assessment", "close_ppks_assessment", "submit_referrals"}
SAMPLE_NAMES_NOBODY |= {"submit_activities", "accept_activities", "create_quick_activity"}


async def test_what_cannot_be_recorded_is_neither_shown_nor_done(world):
    before = await _state(world)
    async with nothing_can_be_logged(world.owner):
        for operation in about_people(world.app):
            if operation.name in SAMPLE_NAMES_NOBODY or operation.collection in NAMES_SOMEBODY_OR_NOBODY:
                continue
            answer = await world.send(operation, world.holder(operation))
            assert answer.status_code >= 400, f"{operation.name}: {answer.status_code}"
            if operation.method == "GET":
                assert code_of(answer) == "unavailable", f"{operation.name}: {answer.text}"
            assert "Siti" not in answer.text
    assert await _state(world) == before


async def test_valid_writes_fail_with_their_row(world):
    tksk, someone = world.home["tksk"], world.ids["beneficiaries"]
    url, reveal = f"/v1/beneficiaries/{someone}", {"fields": ["nik"], "purpose": "letter_processing"}
    before, version = await _state(world), (await tksk.get(url)).headers["etag"]
    sending = [
        ("POST", "/v1/beneficiaries", person()),
        ("PATCH", url, {"phone": "+6281299999999"}),
        ("POST", f"{url}/reveal", {**reveal, "reason": "Surat untuk sekolah anak"}),
        ("POST", "/v1/visits", {"beneficiary_id": someone, "visited_on": "2026-11-02"}),
        ("POST", "/v1/ppks-assessments", {"beneficiary_id": someone, "category": "pemulung"}),
        ("POST", "/v1/sktm-applications", application(someone, purpose_detail="Beasiswa daerah")),
    ]
    async with nothing_can_be_logged(world.owner):
        for method, address, body in sending:
            answer = await tksk.request(method, address, json=body, headers={"If-Match": version})
            assert code_of(answer) == "unavailable", f"{address}: {answer.text}"
    assert await _state(world) == before
    for method, address, body in sending:
        answer = await tksk.request(method, address, json=body, headers={"If-Match": version})
        assert answer.status_code in (200, 201), f"{address}: {answer.text}"
