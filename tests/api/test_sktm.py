"""From the draft to a numbered letter that a phone can verify."""

import asyncio
import hashlib
import io
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import cv2
import numpy
import pymupdf
import pypdf
import pytest

from helpers import AMPENAN, PANJANG, SRENGSEM, add_person, code_of, nik
from sktm_flow import (
    BASE_DOCUMENTS,
    URL,
    add_visit,
    application,
    checked,
    draft,
    issued,
    offices,
    ok,
    submitted,
    verified,
)
from tksk_api.domain.sktm_applications.workflow import WORKFLOW
from tksk_api.routers import sktm_applications as router


def qr_of(pdf: bytes) -> str:
    """What the QR code on the last page says."""
    page = pymupdf.open(stream=pdf)[-1].get_pixmap(dpi=200)
    image = numpy.frombuffer(page.samples, numpy.uint8).reshape(page.height, page.width, page.n)
    text, *_ = cv2.QRCodeDetectorAruco().detectAndDecode(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    return str(text)


async def test_a_scholarship_letter_from_draft_to_collection(as_, owner, client):
    team = await offices(as_)
    mother = await add_person(team.clerk, full_name="Siti Rahmawati", family_card_number="1871041203150002")
    child = await add_person(
        team.clerk, full_name="Dewi Lestari", nik=nik(born="120608"), birth_date="2008-06-12", relationship="child"
    )
    row = await issued(owner, team, mother, dependants=[child["id"]])
    today = datetime.now(UTC) + timedelta(hours=7)
    letter = row["letter"]
    assert row["status"] == "issued"
    assert re.fullmatch(rf"400\.9/001/18\.71\.04\.1002/[IVX]+/{today.year}", letter["number"])
    assert [(s["role"], s["title"]) for s in row["signatures"]] == [("village_head", "Lurah Srengsem")]
    assert letter["is_expired"] is False

    answer = await team.clerk.get(f"{URL}/{row['id']}/letter")
    assert answer.headers["content-type"] == "application/pdf"
    assert hashlib.sha256(answer.content).hexdigest() == letter["sha256"]
    assert (await team.clerk.get(f"{URL}/{row['id']}/letter")).content == answer.content
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages)
    plain = re.sub(r"\s+", " ", text)
    for expected in (
        letter["number"],
        "Siti Rahmawati",
        "Dewi Lestari",
        "KIP Kuliah",
        "Hendra Saputra",
        "Universitas Lampung",
    ):
        assert expected in plain
    assert qr_of(answer.content).partition("#")[0] == letter["verification_url"]

    path = letter["verification_url"].removeprefix("http://test")
    seen = (await client.get(path, headers={"Accept": "application/json"})).json()
    assert seen == {
        "status": "valid",
        "number": letter["number"],
        "purpose": "education",
        "masked_name": "S*** R********",
        "issuer": "Kelurahan Srengsem, Kecamatan Panjang, Kota Bandar Lampung",
        "issued_on": letter["issued_on"],
        "valid_until": letter["valid_until"],
        "revoked_on": None,
        "superseded_on": None,
        "signature": "recorded",
    }
    page = await client.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert letter["number"] in page.text.replace("<wbr>", "")
    assert "Siti Rahmawati" not in page.text

    assert ok(await team.clerk.act(f"{URL}/{row['id']}/collect"))["status"] == "collected"
    steps = (await team.clerk.get(f"{URL}/{row['id']}/history")).json()["items"]
    assert [step["action"] for step in steps] == ["submit", "check", "verify", "sign", "collect"]
    assert steps[3]["actor_name"] == "Hendra Saputra, S.Sos."


async def test_revocation_and_expiry_are_visible_at_once(as_, owner, client):
    team = await offices(as_)
    row = await issued(owner, team)
    path = row["letter"]["verification_url"].removeprefix("http://test")
    revoked = await team.dinsos.act(
        f"{URL}/{row['id']}/revoke", {"reason_code": "false_statement", "note": "Data palsu"}
    )
    assert ok(revoked)["letter"]["revoked_at"] is not None
    assert (await client.get(path, headers={"Accept": "application/json"})).json()["status"] == "revoked"

    other = await issued(owner, team)
    await owner.execute(
        "UPDATE sktm_letters SET valid_until = current_date - 2 WHERE number = $1", other["letter"]["number"]
    )
    path = other["letter"]["verification_url"].removeprefix("http://test")
    assert (await client.get(path, headers={"Accept": "application/json"})).json()["status"] == "expired"
    assert (await team.clerk.get(f"{URL}/{other['id']}")).json()["letter"]["is_expired"] is True


async def test_unknown_token_says_unknown_and_nothing_else(client):
    answer = await client.get(f"/verify/{'x' * 32}", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    assert {v for k, v in answer.json().items() if k != "status"} == {None}
    assert answer.json()["status"] == "unknown"
    assert "Srengsem" not in (await client.get(f"/verify/{'x' * 32}")).text


async def test_whoever_verified_cannot_sign_and_a_second_signature_is_refused(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    url = f"{URL}/{row['id']}"
    by_verifier = await team.tksk.act(f"{url}/sign")
    assert (by_verifier.status_code, code_of(by_verifier)) == (403, "permission_denied")
    # The same person, promoted in between: still the one who verified.
    await owner.execute(
        "UPDATE users SET role = 'village_head', region_code = $1 WHERE id = $2", SRENGSEM, team.tksk.user_id
    )
    promoted = await team.tksk.act(f"{url}/sign")
    assert (promoted.status_code, code_of(promoted)) == (403, "separation_of_duties")
    assert ok(await team.head.act(f"{url}/sign"))["status"] == "issued"
    again = await team.head.act(f"{url}/sign")
    assert (again.status_code, code_of(again)) == (409, "transition_refused")
    assert again.json()["state"] == "issued"
    assert again.json()["allowed_actions"] == ["signed-scan", "collect", "revoke"]
    elsewhere = await as_("village_head", "18.71.04.1003")
    assert (await elsewhere.post(f"{url}/sign", headers={"If-Match": '"v9"'})).status_code == 404


async def test_twenty_signatures_at_once_make_one_letter(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    answers = await asyncio.gather(
        *(team.head.act(f"{URL}/{row['id']}/sign", version=row["version"]) for _ in range(20))
    )
    assert Counter(a.status_code for a in answers) == {200: 1, 412: 19}
    assert await owner.fetchval("SELECT count(*) FROM sktm_letters") == 1
    assert await owner.fetchval("SELECT last FROM sktm_counters") == 1


async def test_numbers_have_no_gap_and_no_duplicate_even_with_failures(as_, owner, app, monkeypatch):
    team = await offices(as_)
    rows = [await verified(owner, team, purpose_detail=f"Beasiswa {n}") for n in range(12)]
    draw, calls = router.render_letter, iter(range(100))

    def sometimes(content, logo):
        if next(calls) % 4 == 1:
            raise RuntimeError("printer on fire")
        return draw(content, logo)

    monkeypatch.setattr(router, "render_letter", sometimes)
    pending = list(rows)
    while pending:
        answers = await asyncio.gather(*(team.head.act(f"{URL}/{r['id']}/sign", version=r["version"]) for r in pending))
        assert {a.status_code for a in answers} <= {200, 500}
        pending = [r for r, a in zip(pending, answers, strict=True) if a.status_code != 200]
    sequences = [r["sequence"] for r in await owner.fetch("SELECT sequence FROM sktm_letters ORDER BY 1")]
    assert sequences == list(range(1, 13))


async def test_two_signatories_sign_in_order(as_, owner):
    team = await offices(as_)
    url = "/v1/sktm-policies/18.71.04"
    body = {"signatories": ["village_head", "district_head"], "unit_code": "PJG", "validity_months": 1}
    assert (await team.dinsos.put(url, json=body)).status_code == 200
    row = await verified(owner, team)
    early = await team.camat.act(f"{URL}/{row['id']}/sign")
    assert (early.status_code, code_of(early)) == (403, "not_signatory")
    assert ok(await team.head.act(f"{URL}/{row['id']}/sign"))["status"] == "signing"
    assert ok(await team.head.get(f"{URL}/{row['id']}"))["letter"] is None
    last = ok(await team.camat.act(f"{URL}/{row['id']}/sign"))
    assert [s["title"] for s in last["signatures"]] == ["Lurah Srengsem", "Camat Panjang"]
    assert "/001/PJG/" in last["letter"]["number"]


async def test_policy_is_inherited_and_says_where_from(as_):
    team = await offices(as_)
    assert ok(await team.clerk.get(f"/v1/sktm-policies/{SRENGSEM}"))["origins"]["validity_months"] == "default"
    put = await team.dinsos.put("/v1/sktm-policies/18.71", json={"validity_months": 6})
    assert put.status_code == 200
    await team.dinsos.put(f"/v1/sktm-policies/{SRENGSEM}", json={"visit_required": False})
    seen = ok(await team.clerk.get(f"/v1/sktm-policies/{SRENGSEM}"))
    assert (seen["values"]["validity_months"], seen["origins"]["validity_months"]) == (6, "18.71")
    assert (seen["values"]["visit_required"], seen["origins"]["visit_required"]) == (False, SRENGSEM)
    assert code_of(await team.dinsos.put("/v1/sktm-policies/18.71", json={})) == "precondition_required"
    assert code_of(await team.dinsos.put("/v1/sktm-policies/52.71", json={})) == "not_found"
    assert code_of(await team.clerk.put("/v1/sktm-policies/18.71", json={})) == "permission_denied"
    bad = await team.dinsos.put("/v1/sktm-policies/18.71.04", json={"number_pattern": "{year}/{0.__class__}"})
    assert bad.json()["errors"][0]["code"] in ("pattern_placeholders", "bad_format")


async def test_pending_applications_keep_their_policy(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    await team.dinsos.put("/v1/sktm-policies/18.71", json={"classification": "460", "validity_months": 1})
    done = ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert done["letter"]["number"].startswith("400.9/")


async def test_without_a_visit_there_is_no_verification(as_, owner):
    team = await offices(as_)
    row = await checked(team)
    url = f"{URL}/{row['id']}"
    none = await team.tksk.act(f"{url}/verify", {"recommendation": "Layak"})
    assert none.json()["errors"][0] == {**none.json()["errors"][0], "pointer": "/visit_id", "code": "missing"}
    stranger = await add_person(team.clerk)
    cases = {
        "visit_other_person": await add_visit(owner, stranger["id"], team.tksk.user_id),
        "visit_not_completed": await add_visit(owner, row["beneficiary_id"], team.tksk.user_id, outcome="nobody_home"),
        "visit_found_not_eligible": await add_visit(owner, row["beneficiary_id"], team.tksk.user_id, "not_eligible"),
        "unknown_reference": str(uuid4()),
    }
    for code, visit in cases.items():
        refused = await team.tksk.act(f"{url}/verify", {"visit_id": visit, "recommendation": "Layak"})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["code"] == code
    early = await team.head.act(f"{url}/sign")
    assert (early.status_code, early.json()["state"]) == (409, "checked")


async def test_missing_documents_are_named(as_):
    team = await offices(as_)
    row = await submitted(team)
    answer = await team.clerk.act(
        f"{URL}/{row['id']}/check",
        {"documents": [{"kind": "ktp", "status": "ok"}, {"kind": "family_card", "status": "wrong", "note": "buram"}]},
    )
    assert (answer.status_code, code_of(answer)) == (422, "requirements_missing")
    assert answer.json()["missing"] == ["cover_letter", "family_card", "school_letter"]
    reasons = {"reason_code": "incomplete_documents", "note": "KK buram"}
    assert ok(await team.clerk.act(f"{URL}/{row['id']}/return", reasons))["status"] == "returned"
    bad = await team.head.act(f"{URL}/{row['id']}/reject", {"reason_code": "no_such_reason", "note": "tidak"})
    assert bad.json()["errors"][0]["code"] == "unknown_code"


async def test_one_running_application_for_one_purpose(as_):
    team = await offices(as_)
    person = await add_person(team.clerk)
    await draft(team, person)
    second = await team.tksk.post(URL, json=application(person["id"]))
    assert (second.status_code, code_of(second)) == (409, "duplicate_application")
    assert (await team.tksk.post(URL, json=application(person["id"], purpose="health"))).status_code == 201


async def test_applicants_and_dependants_must_be_ones_own(as_):
    team = await offices(as_)
    there = await as_("tksk", AMPENAN)
    person = await add_person(team.clerk)
    assert (await there.post(URL, json=application(person["id"]))).json()["errors"][0]["code"] == "unknown_reference"
    row = await draft(team, person)
    assert (await there.get(f"{URL}/{row['id']}")).status_code == 404
    for dependants, code in (([str(uuid4())], "unknown_reference"), ([person["id"]], "same_person")):
        answer = await team.clerk.patch(
            f"{URL}/{row['id']}", json={"dependants": dependants}, headers={"If-Match": '"v1"'}
        )
        assert answer.json()["errors"][0]["code"] == code


async def test_cancel_belongs_to_the_creator_or_the_officer(as_):
    team = await offices(as_)
    row = await draft(team)
    colleague = await as_("village_clerk", SRENGSEM)
    refused = await colleague.act(f"{URL}/{row['id']}/cancel", {"note": "salah orang"})
    assert code_of(refused) == "permission_denied"
    assert ok(await team.tksk.act(f"{URL}/{row['id']}/cancel", {"note": "salah orang"}))["status"] == "cancelled"


BODIES = {
    "return": {"reason_code": "incomplete_documents", "note": "kurang"},
    "reject": {"reason_code": "capable_household", "note": "mampu"},
    "revoke": {"reason_code": "false_statement", "note": "palsu"},
    "check": {"documents": [{"kind": kind, "status": "ok"} for kind in BASE_DOCUMENTS]},
    "verify": {"recommendation": "Layak"},
    "cancel": {"note": "batal"},
    "signed-scan": {"attachment_id": "00000000-0000-4000-8000-000000000000"},
}
ACTORS = {"verify": "tksk", "reject": "head", "sign": "head", "revoke": "dinsos", "cancel": "tksk"}


@pytest.mark.parametrize("state", WORKFLOW.states)
async def test_every_step_from_a_wrong_state_is_refused(as_, owner, state):
    team = await offices(as_)
    row = await submitted(team)
    await owner.execute("UPDATE sktm_applications SET status = $1 WHERE id = $2::uuid", state, row["id"])
    for action, step in WORKFLOW.steps.items():
        if state in step.sources:
            continue
        actor = getattr(team, ACTORS.get(action, "clerk"))
        answer = await actor.act(f"{URL}/{row['id']}/{action}", BODIES.get(action))
        assert (answer.status_code, code_of(answer)) == (409, "transition_refused"), action
        assert answer.json()["allowed_actions"] == WORKFLOW.actions_from(state)


async def test_letter_of_another_district_is_a_404(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    assert (await team.clerk.get(f"{URL}/{row['id']}/letter")).status_code == 404
    ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert (await team.clerk.get(f"{URL}/{row['id']}/letter")).status_code == 200
    assert (await (await as_("tksk", AMPENAN)).get(f"{URL}/{row['id']}/letter")).status_code == 404
    assert (await (await as_("village_clerk", f"{PANJANG}.1003")).get(f"{URL}/{row['id']}/letter")).status_code == 404


async def test_nobody_signs_what_nobody_verified(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    row = await verified(owner, team, person)
    url = f"{URL}/{row['id']}"
    await team.clerk.patch(
        f"/v1/beneficiaries/{person['id']}", json={"phone": "0812345678"}, headers={"If-Match": '"v1"'}
    )
    await team.clerk.patch(
        f"/v1/beneficiaries/{person['id']}", json={"full_name": "Orang Lain"}, headers={"If-Match": '"v2"'}
    )
    refused = await team.head.act(f"{url}/sign")
    assert (refused.status_code, code_of(refused)) == (409, "facts_changed")
    reasons = {"reason_code": "incomplete_documents", "note": "Nama diperbaiki"}
    ok(await team.head.act(f"{url}/return", reasons))
    ok(await team.clerk.act(f"{url}/submit"))
    ok(await team.clerk.act(f"{url}/check", BODIES["check"]))
    ok(await team.tksk.act(f"{url}/verify", {"visit_id": row["visit_id"], "recommendation": "Layak"}))
    assert ok(await team.head.act(f"{url}/sign"))["status"] == "issued"


async def test_a_phone_number_does_not_make_another_letter(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    row = await verified(owner, team, person)
    await team.clerk.patch(
        f"/v1/beneficiaries/{person['id']}", json={"phone": "0812345678"}, headers={"If-Match": '"v1"'}
    )
    assert ok(await team.head.act(f"{URL}/{row['id']}/sign"))["status"] == "issued"


async def test_whoever_moved_or_died_is_not_submitted(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    row = await draft(team, person)
    await owner.execute("UPDATE beneficiaries SET deceased_on = current_date")
    refused = await team.clerk.act(f"{URL}/{row['id']}/submit")
    assert (refused.status_code, code_of(refused)) == (409, "beneficiary_deceased")


async def test_a_dependant_lives_in_the_issuing_village(as_):
    team = await offices(as_)
    person = await add_person(team.clerk)
    neighbour = await add_person(team.tksk, village_code="18.71.04.1001")
    answer = await team.tksk.post(URL, json=application(person["id"], dependants=[neighbour["id"]]))
    assert answer.json()["errors"][0]["code"] == "dependant_elsewhere"


async def test_a_valid_letter_is_not_asked_for_again(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    await issued(owner, team, person)
    again = await team.clerk.post(URL, json=application(person["id"], purpose_detail="beasiswa kip-kuliah."))
    assert (again.status_code, code_of(again)) == (409, "duplicate_application")
    office = await team.dinsos.delete(f"/v1/beneficiaries/{person['id']}", headers={"If-Match": '"v1"'})
    assert (office.status_code, code_of(office)) == (409, "still_in_use")


async def test_a_newer_visit_that_found_otherwise_counts(as_, owner):
    team = await offices(as_)
    row = await checked(team)
    older = await add_visit(owner, row["beneficiary_id"], team.tksk.user_id)
    await owner.execute("UPDATE visits SET visited_on = current_date - 300")
    await add_visit(owner, row["beneficiary_id"], team.tksk.user_id, "not_eligible")
    refused = await team.tksk.act(f"{URL}/{row['id']}/verify", {"visit_id": older, "recommendation": "Layak"})
    assert refused.json()["errors"][0]["code"] == "visit_found_not_eligible"


async def test_whoever_edited_submitted_or_visited_cannot_sign(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    visitor = await as_("tksk", PANJANG)
    await owner.execute("UPDATE visits SET officer_id = $1", visitor.user_id)
    for person in (team.clerk, visitor):
        await owner.execute(
            "UPDATE users SET role = 'village_head', region_code = $1 WHERE id = $2", SRENGSEM, person.user_id
        )
        refused = await person.act(f"{URL}/{row['id']}/sign")
        assert (refused.status_code, code_of(refused)) == (403, "separation_of_duties")


async def test_overseers_do_not_fetch_letters_and_every_fetch_names_all_people(as_, owner):
    team = await offices(as_)
    mother, child = await add_person(team.clerk), await add_person(team.clerk)
    row = await issued(owner, team, mother, dependants=[child["id"]])
    url = f"{URL}/{row['id']}/letter"
    for role, region in (("auditor", None), ("ministry", None), ("province_office", "18")):
        assert code_of(await (await as_(role, region)).get(url)) == "permission_denied"
    assert (await team.camat.get(url)).status_code == 200
    access = await owner.fetchrow("SELECT * FROM access_log WHERE operation = 'get_sktm_letter' AND outcome = 'ok'")
    assert {str(i) for i in access["subject_ids"]} == {mother["id"], child["id"]}


async def test_a_policy_names_each_signatory_once_and_tells_its_version(as_):
    team = await offices(as_)
    twice = await team.dinsos.put("/v1/sktm-policies/18.71", json={"signatories": ["village_head", "village_head"]})
    assert twice.json()["errors"][0]["code"] == "duplicate_entry"
    await team.dinsos.put("/v1/sktm-policies/18.71", json={"validity_months": 2})
    seen = await team.dinsos.get("/v1/sktm-policies/18.71")
    assert seen.headers["ETag"] == '"v1"'
    changed = await team.dinsos.put(
        "/v1/sktm-policies/18.71", json={"validity_months": 4}, headers={"If-Match": seen.headers["ETag"]}
    )
    assert changed.headers["ETag"] == '"v2"'


async def test_letters_are_fetched_with_a_fresh_proof_and_counted(as_, owner, limited):
    team = await offices(as_)
    url = f"{URL}/{(await issued(owner, team))['id']}/letter"
    limited(letters_per_hour=2)
    answers = [await team.clerk.get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["violated_policies"] == ["letters"]
    assert (await team.tksk.get(url)).status_code == 200  # each has a quota of their own
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '7 hours'")
    assert code_of(await team.tksk.get(url)) == "step_up_required"
