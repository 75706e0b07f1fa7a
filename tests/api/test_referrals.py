"""Referring people to agencies: the whole way, its refusals, and who sees what."""

import asyncio
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from files import picture
from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, machine
from tksk_api.database.admission import Admission
from tksk_api.database.reads import PageRequest
from tksk_api.database.scope import RegionScope
from tksk_api.database.session import enter, enter_system
from tksk_api.database.tables import table_of
from tksk_api.domain.history.models import Change, Transition
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.reads import REFERRALS, TRANSITIONS
from tksk_api.domain.referrals.workflow import WORKFLOW
from tksk_api.domain.seeds import agency_id

URL = "/v1/referrals"
BPJS = agency_id("18.71:bpjs_office")
DINSOS = agency_id("18.71:social_service_office")
TODAY = datetime.now(ZoneInfo("Asia/Jakarta")).date()
PAPER = [{"kind": kind, "attachment_id": None, "shown_physically": True} for kind in ("ktp", "family_card")]
BODIES = {
    "request-documents": {"documents": [{"kind": "sktm", "note": "asli"}], "note": "Mohon dilengkapi"},
    "supply-documents": {"documents": [{"kind": "sktm", "shown_physically": True}]},
    "approve": {"reference_number": "0214/BPJS/2026", "decided_on": str(TODAY)},
    "reject": {"decided_on": str(TODAY), "reason_code": "not_in_dtsen"},
    "waitlist": {"decided_on": str(TODAY), "reason_code": "quota_full", "note": "Menunggu kuota"},
    "activate": {"active_from": str(TODAY)},
    "end": {"ended_on": str(TODAY + timedelta(days=30)), "reason_code": "graduated"},
    "cancel": {"note": "Salah program"},
    "transfer": {"agency_id": str(DINSOS), "reason": "Ditangani dinas sosial"},
}


def referral(person_id, **over):
    """A valid body for POST /v1/referrals."""
    return {
        "beneficiary_id": person_id,
        "program": "pbi_jk",
        "agency_id": str(BPJS),
        "reason": "Kehilangan pekerjaan, anak perlu rawat inap",
        "consent": "given",
        "documents": PAPER,
        **over,
    }


async def add_referral(caller, **over):
    person = await add_person(caller)
    answer = await caller.post(URL, json=referral(person["id"], **over))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def step(caller, url, action, **over):
    """Take a step with a valid body and expect it to succeed."""
    body = BODIES.get(action)
    answer = await caller.act(f"{url}/{action}", {**body, **over} if body else None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def put_in_state(owner, row_id, state):
    submitted = "NULL" if state == "draft" else "now()"
    await owner.execute(
        f"UPDATE referrals SET status = $2, submitted_at = {submitted} WHERE id = $1", UUID(row_id), state
    )


def places(answer):
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def test_draft_carries_what_the_agency_may_know_of_the_person(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk, nik="1871046503910003")
    answer = await tksk.post(URL, json=referral(person["id"]))
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"v1"'
    body = answer.json()
    assert body["beneficiary"] == {
        "id": person["id"],
        "full_name": "Siti Rahmawati",
        "nik_masked": "************0003",
    }
    assert (body["status"], body["region_code"], body["submitted_at"]) == ("draft", SRENGSEM, None)
    assert body["agency_name"] == "BPJS Kesehatan Kantor Cabang Bandar Lampung"
    assert body["documents"] == PAPER
    read = await tksk.get(answer.headers["Location"])
    assert read.json() == body
    assert read.headers["Cache-Control"] == "no-store"


async def test_agency_answers_a_referral_from_receipt_to_the_end_of_the_benefit(as_, owner):
    tksk, bpjs = await as_("tksk", PANJANG, full_name="Budi Santoso"), await as_("agency", agency_id=BPJS)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    assert (await step(tksk, url, "submit"))["submitted_at"] is not None
    assert (await step(bpjs, url, "receive"))["status"] == "received"
    asked = await step(bpjs, url, "request-documents")
    assert asked["requested_documents"] == [{"kind": "sktm", "note": "asli"}]
    supplied = await step(tksk, url, "supply-documents")
    assert (supplied["status"], supplied["requested_documents"]) == ("under_review", [])
    assert [document["kind"] for document in supplied["documents"]] == ["ktp", "family_card", "sktm"]
    waiting = await step(bpjs, url, "waitlist")
    assert (waiting["reason_code"], waiting["reference_number"]) == ("quota_full", None)
    approved = await step(bpjs, url, "approve")
    assert (approved["reference_number"], approved["reason_code"]) == ("0214/BPJS/2026", None)
    assert (await step(bpjs, url, "activate"))["active_from"] == str(TODAY)
    ended = await step(bpjs, url, "end")
    assert (ended["status"], ended["reason_code"]) == ("ended", "graduated")
    for reader in (tksk, bpjs):
        steps = (await reader.get(f"{url}/history")).json()["items"]
        assert [(s["action"], s["from_state"], s["to_state"]) for s in steps] == [
            ("submit", "draft", "submitted"),
            ("receive", "submitted", "received"),
            ("request-documents", "received", "documents_requested"),
            ("supply-documents", "documents_requested", "under_review"),
            ("waitlist", "under_review", "waitlisted"),
            ("approve", "waitlisted", "approved"),
            ("activate", "approved", "active"),
            ("end", "active", "ended"),
        ]
        assert (steps[0]["actor_name"], steps[0]["actor_role"]) == ("Budi Santoso", "tksk")
        assert steps[4]["note"] == ("Menunggu kuota" if reader is tksk else None)
        assert steps[5]["details"] == {"reference_number": "0214/BPJS/2026", "decided_on": str(TODAY)}
        assert not any("recorded_from_paper" in s["details"] for s in steps)


@pytest.mark.parametrize("role", ["tksk", "regency_office"])
async def test_officer_records_the_answers_an_agency_gave_on_paper(as_, role):
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    officer = tksk if role == "tksk" else await as_(role, BANDAR_LAMPUNG)
    for action in ("submit", "receive", "review", "request-documents", "review", "reject"):
        last = await step(officer, url, action)
    assert (last["status"], last["reason_code"], last["requested_documents"]) == ("rejected", "not_in_dtsen", [])
    steps = (await tksk.get(f"{url}/history")).json()["items"]
    assert [s["details"].get("recorded_from_paper") for s in steps] == [None, True, True, True, True, True]
    assert steps[-1]["reason_code"] == "not_in_dtsen"


@pytest.mark.parametrize("state", WORKFLOW.states)
async def test_steps_that_a_state_does_not_allow_are_refused_with_those_it_does(as_, owner, state):
    tksk = await as_("tksk", PANJANG)
    created = await add_referral(tksk)
    url = f"{URL}/{created['id']}"
    await put_in_state(owner, created["id"], state)
    allowed = WORKFLOW.actions_from(state)
    for action in sorted(WORKFLOW.steps.keys() - set(allowed)):
        answer = await tksk.act(f"{url}/{action}", BODIES.get(action))
        assert (answer.status_code, code_of(answer)) == (409, "transition_refused"), action
        assert (answer.json()["state"], answer.json()["allowed_actions"]) == (state, allowed)
    version = (await tksk.get(url)).headers["ETag"]
    patched = await tksk.patch(url, json={"reason": "Lain"}, headers={"If-Match": version})
    assert patched.status_code == (200 if state == "draft" else 409)


@pytest.mark.parametrize(
    ("state", "action"), [(state, action) for action, s in WORKFLOW.steps.items() for state in sorted(s.sources)]
)
async def test_steps_that_a_state_allows_lead_where_the_table_says(as_, owner, state, action):
    tksk = await as_("tksk", PANJANG)
    created = await add_referral(tksk)
    await put_in_state(owner, created["id"], state)
    assert (await step(tksk, f"{URL}/{created['id']}", action))["status"] == WORKFLOW.steps[action].target


async def test_draft_is_corrected_by_merge_patch(as_):
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    changed = await tksk.patch(
        url,
        json={"agency_id": str(DINSOS), "documents": [], "consent": "overridden", "consent_reason": "Tidak sadar"},
        headers={"If-Match": '"v1"'},
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["agency_name"], changed.json()["documents"]) == ("Dinas Sosial Kota Bandar Lampung", [])
    assert changed.json()["program"] == "pbi_jk"
    for body, place in (
        ({"reason": None}, ("/reason", "null_not_allowed")),
        ({"program": "legal_aid"}, ("/agency_id", "agency_not_fitting")),
        ({"beneficiary_id": str(uuid4())}, ("/beneficiary_id", "unknown_field")),
        ({"status": "approved"}, ("/status", "unknown_field")),
    ):
        assert places(await tksk.patch(url, json=body, headers={"If-Match": '"v2"'})) == [place]
    assert code_of(await tksk.patch(url, json={})) == "precondition_required"
    assert code_of(await tksk.patch(url, json={}, headers={"If-Match": '"v1"'})) == "stale_version"


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"program": "no_such_programme"}, "/program", "unknown_code"),
        ({"program": "jampersal", "agency_id": str(agency_id("18.71:health_office"))}, "/program", "program_ended"),
        ({"program": "legal_aid"}, "/agency_id", "agency_not_fitting"),
        ({"agency_id": str(uuid4())}, "/agency_id", "unknown_reference"),
        ({"beneficiary_id": str(uuid4())}, "/beneficiary_id", "unknown_reference"),
        ({"sktm_application_id": str(uuid4())}, "/sktm_application_id", "unknown_reference"),
        ({"consent": "no"}, "/consent", "not_allowed"),
        ({"reason": ""}, "/reason", "too_short"),
        ({"documents": [{"kind": "no_such_kind", "shown_physically": True}]}, "/documents/0/kind", "unknown_code"),
        ({"documents": [{"kind": "ktp"}]}, "/documents/0/shown_physically", "missing"),
        (
            {"documents": [{"kind": "ktp", "attachment_id": str(uuid4()), "shown_physically": False}]},
            "/documents/0/attachment_id",
            "unknown_reference",
        ),
    ],
)
async def test_what_is_wrong_with_a_referral_is_said_at_its_member(as_, over, pointer, code):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(URL, json=referral((await add_person(tksk))["id"], **over))
    assert answer.status_code == 422
    assert places(answer) == [(pointer, code)]


@pytest.mark.parametrize("member", ["beneficiary_id", "program", "agency_id", "reason", "consent"])
async def test_required_members_are_missed(as_, member):
    body = referral(str(uuid4()))
    del body[member]
    assert places(await (await as_("tksk", PANJANG)).post(URL, json=body)) == [(f"/{member}", "missing")]


@pytest.mark.parametrize(
    ("action", "state", "over", "place"),
    [
        ("approve", "under_review", {"reference_number": ...}, ("/reference_number", "missing")),
        ("approve", "under_review", {"decided_on": ...}, ("/decided_on", "missing")),
        ("approve", "under_review", {"reason_code": "quota_full"}, ("/reason_code", "unknown_code")),
        ("approve", "under_review", {"decided_on": str(TODAY + timedelta(days=1))}, ("/decided_on", "in_future")),
        ("reject", "under_review", {"reason_code": ...}, ("/reason_code", "missing")),
        ("reject", "under_review", {"reason_code": "graduated"}, ("/reason_code", "unknown_code")),
        ("reject", "under_review", {"reason_code": "other"}, ("/note", "other_note_required")),
        ("reject", "waitlisted", {"decided_on": str(TODAY + timedelta(days=1))}, ("/decided_on", "in_future")),
        ("waitlist", "under_review", {"reason_code": "not_found"}, ("/reason_code", "unknown_code")),
        ("waitlist", "under_review", {"decided_on": str(TODAY + timedelta(days=1))}, ("/decided_on", "in_future")),
        ("request-documents", "received", {"note": ...}, ("/note", "missing")),
        ("request-documents", "received", {"documents": []}, ("/documents", "too_short")),
        ("request-documents", "received", {"documents": [{"kind": "x"}]}, ("/documents/0/kind", "unknown_code")),
        ("supply-documents", "documents_requested", {"documents": []}, ("/documents", "too_short")),
        ("activate", "approved", {"active_from": ...}, ("/active_from", "missing")),
        ("end", "active", {"ended_on": ...}, ("/ended_on", "missing")),
        ("end", "active", {"reason_code": ...}, ("/reason_code", "missing")),
        ("end", "active", {"reason_code": "quota_full"}, ("/reason_code", "unknown_code")),
        ("end", "active", {"ended_on": "2026-01-01"}, ("/ended_on", "before_start")),
        ("cancel", "submitted", {"note": ...}, ("/note", "missing")),
    ],
)
async def test_what_a_step_must_say_is_asked_for(as_, owner, action, state, over, place):
    tksk = await as_("tksk", PANJANG)
    created = await add_referral(tksk)
    url = f"{URL}/{created['id']}"
    await put_in_state(owner, created["id"], state)
    await owner.execute("UPDATE referrals SET active_from = $1", date(2026, 6, 1))
    body = {name: value for name, value in {**BODIES[action], **over}.items() if value is not ...}
    answer = await tksk.act(f"{url}/{action}", body)
    assert answer.status_code == 422
    assert places(answer) == [place]
    assert (await tksk.get(url)).json()["status"] == state


async def test_every_step_needs_the_version_seen(as_):
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    for action in WORKFLOW.steps:
        assert code_of(await tksk.post(f"{url}/{action}", json=BODIES.get(action))) == "precondition_required"
        stale = await tksk.act(f"{url}/{action}", BODIES.get(action), version=9)
        assert (stale.status_code, code_of(stale)) == (412, "stale_version")


async def test_of_five_same_steps_at_once_one_is_taken(as_):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    for caller, action, version in ((tksk, "submit", 1), (bpjs, "receive", 2), (bpjs, "review", 3)):
        answers = await asyncio.gather(*(caller.act(f"{url}/{action}", version=version) for _ in range(5)))
        codes = sorted(answer.status_code for answer in answers)
        assert codes[0] == 200
        assert set(codes[1:]) <= {409, 412}
    decisions = ("approve", "reject", "waitlist", "approve", "reject")
    answers = await asyncio.gather(*(bpjs.act(f"{url}/{a}", BODIES[a], version=4) for a in decisions))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert len((await tksk.get(f"{url}/history")).json()["items"]) == 4


async def test_cancelling_by_the_officer_and_receiving_by_the_agency_at_once_leaves_one_of_them(as_):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    await step(tksk, url, "submit")
    answers = await asyncio.gather(
        tksk.act(f"{url}/cancel", BODIES["cancel"], version=2), bpjs.act(f"{url}/receive", version=2)
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 412])


async def test_a_retried_step_gives_the_first_answer_again(as_):
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    headers = {"If-Match": '"v1"', "Idempotency-Key": str(uuid4())}
    first, again = [await tksk.post(f"{url}/submit", headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.content, again.headers["ETag"]) == (first.content, '"v2"')
    assert len((await tksk.get(f"{url}/history")).json()["items"]) == 1
    key, person = {"Idempotency-Key": str(uuid4())}, await add_person(tksk)
    made = [await tksk.post(URL, json=referral(person["id"]), headers=key) for _ in range(2)]
    assert made[0].json()["id"] == made[1].json()["id"]


async def test_the_same_client_id_twice_is_one_referral(as_):
    tksk = await as_("tksk", PANJANG)
    body = referral((await add_person(tksk))["id"], id=str(uuid4()))
    first, again = await asyncio.gather(tksk.post(URL, json=body), tksk.post(URL, json=body))
    assert sorted([first.status_code, again.status_code]) == [200, 201]
    assert code_of(await tksk.post(URL, json={**body, "reason": "Lain"})) == "id_in_use"


async def test_officer_elsewhere_finds_neither_the_referral_nor_its_person(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    created = await add_referral(tksk)
    url = f"{URL}/{created['id']}"
    assert (await other.get(URL)).json()["items"] == []
    for answer in (
        await other.get(url),
        await other.get(f"{url}/history"),
        await other.patch(url, json={}, headers={"If-Match": '"v1"'}),
        *[await other.act(f"{url}/{a}", BODIES.get(a), version=1) for a in WORKFLOW.steps],
    ):
        assert (answer.status_code, code_of(answer)) == (404, "not_found")
    refused = await other.post(URL, json=referral(created["beneficiary_id"]))
    assert places(refused) == [("/beneficiary_id", "unknown_reference")]


async def test_agency_sees_what_was_submitted_to_it_and_nothing_else(as_):
    tksk = await as_("tksk", PANJANG)
    bpjs, dinsos = await as_("agency", agency_id=BPJS), await as_("agency", agency_id=DINSOS)
    created = await add_referral(tksk)
    url = f"{URL}/{created['id']}"
    await step(tksk, url, "submit")
    assert [item["id"] for item in (await bpjs.get(URL)).json()["items"]] == [created["id"]]
    assert (await dinsos.get(URL)).json()["items"] == []
    assert (await dinsos.get(f"{URL}?agency_id={BPJS}")).json()["items"] == []
    for answer in (await dinsos.get(url), await dinsos.get(f"{url}/history")):
        assert (answer.status_code, code_of(answer)) == (404, "not_found")
    assert code_of(await dinsos.act(f"{url}/receive", version=2)) == "not_found"
    person = f"/v1/beneficiaries/{created['beneficiary_id']}"
    for path in ("/v1/beneficiaries", person, f"{person}/history", "/v1/users"):
        answer = await bpjs.get(path)
        assert (answer.status_code, code_of(answer)) == (403, "permission_denied")


async def test_the_next_agency_reads_nothing_that_was_said_with_the_former_one(as_, app):
    tksk = await as_("tksk", PANJANG)
    bpjs, dinsos = await as_("agency", agency_id=BPJS), await as_("agency", agency_id=DINSOS)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    for caller, action in ((tksk, "submit"), (bpjs, "receive"), (bpjs, "request-documents"), (tksk, "transfer")):
        await step(caller, url, action)
    await step(dinsos, url, "receive")
    seen = (await dinsos.get(f"{url}/history")).json()["items"]
    assert [s["action"] for s in seen] == ["transfer", "receive"]
    assert len((await tksk.get(f"{url}/history")).json()["items"]) == 5
    # Nor by the row policies alone, in either history.
    admission = Admission(dinsos.session_id, ("agency",), "referral:read", uuid4(), "test")
    async with enter(app.state.house.sessions, admission) as session:
        connection = await session.connection()
        steps = (await connection.execute(select(table_of(Transition).c.action))).scalars()
        assert sorted(steps) == ["receive", "transfer"]
        fields = (await connection.execute(select(table_of(Change).c.fields))).scalars().all()
        # The last of the former agency's words is what the transfer itself took away.
        assert len(fields) == 2


async def test_what_was_supplied_to_one_agency_goes_along_to_the_next_only_when_named(as_):
    tksk = await as_("tksk", PANJANG)
    bpjs, dinsos = await as_("agency", agency_id=BPJS), await as_("agency", agency_id=DINSOS)
    person = (await add_person(tksk))["id"]

    async def attached(colour):
        fields, file = {"kind": "other", "beneficiary_id": person}, ("a.jpg", picture(colour=colour))
        file_id = (await tksk.post("/v1/attachments", data=fields, files={"file": file})).json()["id"]
        return {"kind": "other", "attachment_id": file_id, "shown_physically": False}

    first, result, income, elsewhere = [await attached(colour) for colour in ("red", "green", "blue", "black")]
    paper = {"kind": "sktm", "attachment_id": None, "shown_physically": True}
    body = {**referral(person), "documents": [*referral(person)["documents"], first]}
    drafted = await tksk.post(URL, json=body)
    url, given = f"{URL}/{drafted.json()['id']}", drafted.json()["documents"]
    for caller, action in ((tksk, "submit"), (bpjs, "receive"), (bpjs, "request-documents")):
        await step(caller, url, action)
    # The same file once more, and a paper of a kind that went along from the start.
    supplied = {"documents": [result, income, first, paper]}
    assert (await tksk.act(f"{url}/supply-documents", supplied)).json()["documents"] == [*given, *supplied["documents"]]

    async def transfer(to, *named):
        ids = [document["attachment_id"] for document in named]
        return await tksk.act(f"{url}/transfer", {"agency_id": str(to), "reason": "Pindah", "attachment_ids": ids})

    for named, place in (
        ([result, elsewhere], ("/attachment_ids/1", "unknown_reference")),
        ([{"attachment_id": str(uuid4())}], ("/attachment_ids/0", "unknown_reference")),
        ([income, income], ("/attachment_ids", "duplicate_entry")),
    ):
        assert places(await transfer(DINSOS, *named)) == [place]
    moved = await transfer(DINSOS, income)
    assert moved.json()["documents"] == [*given, income]
    files = {item["attachment_id"] for item in (await dinsos.get(f"{url}/documents")).json()["items"]}
    assert files == {first["attachment_id"], income["attachment_id"]}
    assert result["attachment_id"] not in (await dinsos.get(f"{url}/history")).text
    hidden = await dinsos.get(f"{url}/documents/{result['attachment_id']}/content")
    assert (hidden.status_code, code_of(hidden)) == (404, "not_found")
    # Handed on once is not handed on for good, and what the draft had stays, however often it moves.
    assert (await transfer(BPJS)).json()["documents"] == given
    assert (await transfer(DINSOS, first)).json()["documents"] == given


@pytest.mark.parametrize(
    ("way", "actor"),
    [
        (("cancel",), "tksk"),
        (("receive", "review", "reject"), "agency"),
        (("receive", "review", "approve", "activate", "end"), "agency"),
    ],
)
async def test_what_is_over_keeps_the_decision_for_the_agency_and_not_the_person(as_, way, actor):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    await step(tksk, url, "submit")
    for action in way:
        last = await step(tksk if actor == "tksk" else bpjs, url, action)
    told = (await bpjs.get(url)).json()
    assert (told["beneficiary"]["full_name"], told["beneficiary"]["nik_masked"]) == ("S. R.", None)
    assert told["reason"] == "(selesai)"
    assert (told["status"], told["reference_number"]) == (last["status"], last["reference_number"])
    assert (await bpjs.get(URL)).json()["items"] == [told]
    assert all(s["note"] is None for s in (await bpjs.get(f"{url}/history")).json()["items"])
    kept = (await tksk.get(url)).json()
    assert (kept["beneficiary"]["full_name"], kept["reason"]) == ("Siti Rahmawati", referral("")["reason"])
    if actor == "tksk":
        assert (await tksk.get(f"{url}/history")).json()["items"][-1]["note"] == "Salah program"


async def test_an_agency_that_was_closed_reads_and_answers_nothing(as_, app, owner):
    tksk, dinsos = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    office = (
        await dinsos.post("/v1/agencies", json={"name": "Loket", "kind": "bpjs_office", "region_code": BANDAR_LAMPUNG})
    ).json()
    clerk = await as_("agency", agency_id=UUID(office["id"]))
    scopes = ("referral:read",)
    desk = await machine(app, owner, scopes, (), agency_id=UUID(office["id"]))
    wide = await machine(app, owner, scopes, (BANDAR_LAMPUNG,), agency_id=UUID(office["id"]))
    url = f"{URL}/{(await add_referral(tksk, agency_id=office['id']))['id']}"
    await step(tksk, url, "submit")
    readers = (clerk, desk, wide)
    assert [(await caller.get(url)).status_code for caller in readers] == [200, 200, 200]
    await dinsos.patch(f"/v1/agencies/{office['id']}", json={"is_active": False}, headers={"If-Match": '"v1"'})
    # A client with an area of its own goes on with that.
    assert [(await caller.get(url)).status_code for caller in readers] == [403, 403, 200]
    assert code_of(await clerk.get(URL)) == code_of(await clerk.act(f"{url}/receive", version=2)) == "agency_inactive"
    await dinsos.patch(f"/v1/agencies/{office['id']}", json={"is_active": True}, headers={"If-Match": '"v2"'})
    assert (await step(clerk, url, "receive"))["status"] == "received"


async def test_agency_takes_no_step_of_the_officers(as_):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    created = await add_referral(tksk)
    url = f"{URL}/{created['id']}"
    await step(tksk, url, "submit")
    assert code_of(await bpjs.post(URL, json=referral(created["beneficiary_id"]))) == "permission_denied"
    assert code_of(await bpjs.patch(url, json={}, headers={"If-Match": '"v2"'})) == "permission_denied"
    for action in ("submit", "supply-documents", "cancel"):
        assert code_of(await bpjs.act(f"{url}/{action}", BODIES.get(action), version=2)) == "permission_denied"


@pytest.mark.parametrize("cancelled", [False, True])
async def test_agency_never_sees_a_draft_nor_one_that_was_cancelled(as_, cancelled):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    created = await add_referral(tksk)
    url = f"{URL}/{created['id']}"
    if cancelled:
        await step(tksk, url, "cancel")
    for query in ("", "?status=draft", "?status=cancelled", f"?beneficiary_id={created['beneficiary_id']}"):
        assert (await bpjs.get(URL + query)).json()["items"] == []
    answers = [await bpjs.get(url), await bpjs.get(f"{url}/history")]
    answers += [
        await bpjs.act(f"{url}/{action}", BODIES.get(action), version=2 if cancelled else 1)
        for action, s in WORKFLOW.steps.items()
        if "agency" in s.roles
    ]
    assert len(answers) == 10
    assert {(answer.status_code, code_of(answer)) for answer in answers} == {(404, "not_found")}


async def test_agency_still_sees_what_was_cancelled_after_it_was_submitted(as_):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    url = f"{URL}/{(await add_referral(tksk))['id']}"
    await step(tksk, url, "submit")
    await step(tksk, url, "cancel")
    assert (await bpjs.get(url)).json()["status"] == "cancelled"
    assert code_of(await bpjs.act(f"{url}/receive")) == "transition_refused"


async def test_each_wall_alone_keeps_drafts_and_other_agencies_from_an_agency(as_, app, owner):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    mine = await add_referral(tksk)
    others = await add_referral(tksk, agency_id=str(DINSOS))
    for created in (mine, others):
        await step(tksk, f"{URL}/{created['id']}", "submit")
    await add_referral(tksk)
    expected = {UUID(mine["id"])}
    house, scope = app.state.house, RegionScope((), str(BPJS))
    referrals, transitions = table_of(Referral), table_of(Transition)

    # The row policies, without the predicate: statements on the bare connection of the agency's own transaction.
    admission = Admission(bpjs.session_id, ("agency",), "referral:read", uuid4(), "test")
    async with enter(house.sessions, admission) as session:
        connection = await session.connection()
        assert set((await connection.execute(select(referrals.c.id))).scalars()) == expected
        assert set((await connection.execute(select(transitions.c.entity_id))).scalars()) == expected
        updated = await connection.execute(referrals.update().values(reason="x").where(referrals.c.id != mine["id"]))
        assert updated.rowcount == 0

    # The predicate, without row policies: the session events where the database would show the whole nation.
    async with enter_system(house.sessions, "test") as session:
        session.info["scope"] = scope
        assert {row.id for row in (await session.execute(select(Referral))).scalars()} == expected
    for resource in (REFERRALS, TRANSITIONS):
        request = PageRequest(50, resource.default_sort, {})
        page = resource.select_page(scope, request, admitted=False)
        statement = resource.compiled("test", lambda page=page: page, wrap=None)
        row = await owner.fetchrow(statement.sql, *statement.arguments({"limit": 50, "scope_agency": str(BPJS)}))
        assert row["found"] == 1


async def test_submitting_sends_the_name_registered_by_then_and_checks_again(as_):
    tksk, dinsos = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    office = (
        await dinsos.post("/v1/agencies", json={"name": "Loket", "kind": "bpjs_office", "region_code": BANDAR_LAMPUNG})
    ).json()
    first, second = await add_referral(tksk), await add_referral(tksk, agency_id=office["id"])
    person = f"/v1/beneficiaries/{first['beneficiary_id']}"
    await tksk.patch(person, json={"full_name": "Siti Rahma"}, headers={"If-Match": '"v1"'})
    assert (await tksk.get(f"{URL}/{first['id']}")).json()["beneficiary"]["full_name"] == "Siti Rahmawati"
    assert (await step(tksk, f"{URL}/{first['id']}", "submit"))["beneficiary"]["full_name"] == "Siti Rahma"
    closed = await dinsos.patch(f"/v1/agencies/{office['id']}", json={"is_active": False}, headers={"If-Match": '"v1"'})
    assert closed.status_code == 200
    assert places(await tksk.act(f"{URL}/{second['id']}/submit")) == [("/agency_id", "agency_inactive")]


async def test_a_draft_about_a_withdrawn_person_is_not_sent(as_, owner):
    tksk, dinsos = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    created = await add_referral(tksk)
    refused = await dinsos.delete(f"/v1/beneficiaries/{created['beneficiary_id']}", headers={"If-Match": '"v1"'})
    assert (refused.status_code, code_of(refused)) == (409, "still_in_use")
    await owner.execute("UPDATE beneficiaries SET deleted_at = now()")
    assert places(await tksk.act(f"{URL}/{created['id']}/submit")) == [("/beneficiary_id", "unknown_reference")]
    assert (await step(tksk, f"{URL}/{created['id']}", "cancel"))["status"] == "cancelled"


async def test_sktm_application_must_be_the_persons_own(as_, owner):
    tksk = await as_("tksk", PANJANG)
    mine, somebody = await add_person(tksk), await add_person(tksk)
    application = uuid4()
    await owner.execute(
        "INSERT INTO sktm_applications (id, version, region_code, beneficiary_id, purpose, purpose_detail, "
        "addressed_to, status) VALUES ($1, 1, $2, $3, 'health', 'Rawat inap', 'RSUD', 'draft')",
        application,
        SRENGSEM,
        UUID(mine["id"]),
    )
    wrong = await tksk.post(URL, json=referral(somebody["id"], sktm_application_id=str(application)))
    assert places(wrong) == [("/sktm_application_id", "application_other_person")]
    right = await tksk.post(URL, json=referral(mine["id"], sktm_application_id=str(application)))
    assert (right.status_code, right.json()["sktm_application_id"]) == (201, str(application))


async def test_only_its_maker_or_the_tksk_cancels_a_referral(as_):
    tksk, colleague = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    office, second = await as_("regency_office", BANDAR_LAMPUNG), await as_("regency_office", BANDAR_LAMPUNG)
    person = await add_person(tksk)
    made = [(await office.post(URL, json=referral(person["id"]))).json()["id"] for _ in range(2)]
    refused = await second.act(f"{URL}/{made[0]}/cancel", BODIES["cancel"])
    assert (refused.status_code, code_of(refused)) == (403, "permission_denied")
    assert (await step(office, f"{URL}/{made[0]}", "cancel"))["status"] == "cancelled"
    assert (await step(colleague, f"{URL}/{made[1]}", "cancel"))["status"] == "cancelled"


async def test_list_is_filtered_and_its_pages_are_complete(as_):
    tksk = await as_("tksk", PANJANG)
    drafts = [await add_referral(tksk) for _ in range(3)]
    school = [{**PAPER[1], "kind": kind} for kind in ("family_card", "school_letter", "kip_card")]
    office = str(agency_id("18.71:education_office"))
    sent = await add_referral(tksk, program="pip", agency_id=office, documents=school)
    await step(tksk, f"{URL}/{sent['id']}", "submit")
    for query in (
        "status=submitted",
        "program=pip",
        f"agency_id={agency_id('18.71:education_office')}",
        f"beneficiary_id={sent['beneficiary_id']}",
    ):
        assert [item["id"] for item in (await tksk.get(f"{URL}?{query}")).json()["items"]] == [sent["id"]]
    assert code_of(await tksk.get(f"{URL}?status=lost")) == "invalid_request"
    assert code_of(await tksk.get(f"{URL}?reason=x")) == "invalid_request"
    seen, url = [], f"{URL}?limit=2"
    while url:
        page = (await tksk.get(url)).json()
        seen += [item["id"] for item in page["items"]]
        url = page["next_cursor"] and f"{URL}?limit=2&cursor={page['next_cursor']}"
    assert seen == [sent["id"], *(draft["id"] for draft in reversed(drafts))]


async def test_reading_a_referral_is_recorded_as_reading_the_person(as_, owner):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    created = await add_referral(tksk)
    url = f"{URL}/{created['id']}"
    await step(tksk, url, "submit")
    await bpjs.get(url)
    await bpjs.get(URL)
    await bpjs.get(f"{url}/history")
    rows = await owner.fetch(
        "SELECT operation, subject_ids FROM access_log WHERE user_id = $1 ORDER BY id", bpjs.user_id
    )
    assert [row["operation"] for row in rows] == ["get_referral", "list_referrals", "list_referral_history"]
    assert all(row["subject_ids"] == [UUID(created["beneficiary_id"])] for row in rows)


@pytest.mark.parametrize(
    ("role", "region", "reads"),
    [
        ("village_clerk", SRENGSEM, True),
        ("district_head", PANJANG, True),
        ("auditor", None, True),
        ("admin", None, False),
    ],
)
async def test_other_roles_read_at_most(as_, role, region, reads):
    tksk, caller = await as_("tksk", PANJANG), await as_(role, region)
    created = await add_referral(tksk)
    assert (await caller.get(f"{URL}/{created['id']}")).status_code == (200 if reads else 403)
    for action in WORKFLOW.steps:
        answer = await caller.act(f"{URL}/{created['id']}/{action}", BODIES.get(action), version=1)
        assert (answer.status_code, code_of(answer)) == (403, "permission_denied")
