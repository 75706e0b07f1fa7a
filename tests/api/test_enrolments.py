"""What came of a referral: documents at submission, transfers, last days, many at once, and the benefit itself."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, add_person, code_of
from tksk_api.domain.referrals.lapse import lapse
from tksk_api.domain.seeds import agency_id

URL = "/v1/referrals"
BPJS = agency_id("18.71:bpjs_office")
DINSOS = agency_id("18.71:social_service_office")
SCHOOLS = agency_id("18.71:education_office")
TODAY = datetime.now(ZoneInfo("Asia/Jakarta")).date()
DAY = timedelta(days=1)
APPROVAL = {"reference_number": "0214/2026", "decided_on": str(TODAY)}


def papers(*kinds):
    return [{"kind": kind, "shown_physically": True} for kind in kinds]


def referral(person, **over):
    return {
        "beneficiary_id": person["id"],
        "program": "pbi_jk",
        "agency_id": str(BPJS),
        "reason": "Kehilangan pekerjaan",
        "consent": "given",
        "documents": papers("ktp", "family_card"),
        **over,
    }


async def drafted(caller, person=None, **over):
    answer = await caller.post(URL, json=referral(person or await add_person(caller), **over))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def step(caller, row, action, body=None):
    answer = await caller.act(f"{URL}/{row['id']}/{action}", body)
    assert answer.status_code == 200, f"{action}: {answer.text}"
    return answer.json()


async def reviewed(caller, **over):
    row = await drafted(caller, **over)
    for action in ("submit", "receive", "review"):
        await step(caller, row, action)
    return row


def places(answer):
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def test_a_reactivation_without_the_letter_of_a_facility_is_not_sent(as_):
    tksk = await as_("tksk", PANJANG)
    row = await drafted(tksk, program="pbi_jk_reactivation")
    refused = await tksk.act(f"{URL}/{row['id']}/submit")
    assert (refused.status_code, code_of(refused)) == (422, "requirements_missing")
    assert refused.json()["missing"] == ["health_facility_letter"]
    body = {"documents": papers("ktp", "family_card", "health_facility_letter")}
    await tksk.patch(f"{URL}/{row['id']}", json=body, headers={"If-Match": '"v1"'})
    sent = await step(tksk, row, "submit")
    assert (sent["status"], sent["program_version"]) == ("submitted", 1)


async def test_a_child_needs_no_identity_card(as_):
    tksk = await as_("tksk", PANJANG)
    child = await add_person(tksk, birth_date=str(TODAY.replace(year=TODAY.year - 5, day=1)))
    row = await drafted(tksk, child, documents=papers("family_card"))
    assert (await step(tksk, row, "submit"))["status"] == "submitted"


async def test_overridden_consent_says_why_and_only_then(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    for over, code in (
        ({"consent": "overridden"}, "missing"),
        ({"consent_reason": "Pasien tidak sadar"}, "only_when_overridden"),
    ):
        assert places(await tksk.post(URL, json=referral(person, **over))) == [("/consent_reason", code)]
    row = await drafted(tksk, person, consent="overridden", consent_reason="Pasien tidak sadar")
    assert row["consent_reason"] == "Pasien tidak sadar"
    given = await tksk.patch(f"{URL}/{row['id']}", json={"consent": "given"}, headers={"If-Match": '"v1"'})
    assert (given.json()["consent"], given.json()["consent_reason"]) == ("given", None)


async def test_a_transfer_takes_the_referral_from_one_agency_to_another(as_):
    tksk = await as_("tksk", PANJANG)
    bpjs, dinsos = await as_("agency", agency_id=BPJS), await as_("agency", agency_id=DINSOS)
    row = await drafted(tksk)
    url, to_dinsos = f"{URL}/{row['id']}", {"agency_id": str(DINSOS), "reason": "Ditangani dinas"}
    assert code_of(await tksk.act(f"{url}/transfer", to_dinsos)) == "transition_refused"
    await step(tksk, row, "submit")
    await step(bpjs, row, "receive")
    same = await tksk.act(f"{url}/transfer", {**to_dinsos, "agency_id": str(BPJS)})
    assert places(same) == [("/agency_id", "same_agency")]
    court = await tksk.act(f"{url}/transfer", {**to_dinsos, "agency_id": str(agency_id("18.71:court"))})
    assert places(court) == [("/agency_id", "agency_not_fitting")]
    assert code_of(await bpjs.act(f"{url}/transfer", to_dinsos)) == "permission_denied"
    moved = await step(tksk, row, "transfer", to_dinsos)
    assert (moved["status"], moved["agency_name"]) == ("submitted", "Dinas Sosial Kota Bandar Lampung")
    for answer in (await bpjs.get(url), await bpjs.get(f"{url}/history"), await bpjs.act(f"{url}/review", version=4)):
        assert code_of(answer) == "not_found"
    assert (await bpjs.get(URL)).json()["items"] == []
    assert (await step(dinsos, row, "receive"))["status"] == "received"
    steps = (await tksk.get(f"{url}/history")).json()["items"]
    assert [(s["action"], s["note"]) for s in steps][-2] == ("transfer", "Ditangani dinas")


async def test_a_transfer_and_an_approval_at_once_leave_one_of_them(as_):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    row = await reviewed(tksk)
    url = f"{URL}/{row['id']}"
    answers = await asyncio.gather(
        tksk.act(f"{url}/transfer", {"agency_id": str(DINSOS), "reason": "Pindah"}, version=4),
        bpjs.act(f"{url}/approve", APPROVAL, version=4),
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    assert codes[1] in (404, 409, 412)
    assert (await tksk.get(url)).json()["version"] == 5


async def test_many_are_submitted_each_by_itself(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    good, bare = await drafted(tksk), await drafted(tksk, documents=[])
    gone = await drafted(tksk)
    await step(tksk, gone, "cancel", {"note": "Salah"})
    ids = [good["id"], bare["id"], str(uuid4()), gone["id"], (await drafted(tksk))["id"]]
    answer = await tksk.post(f"{URL}/submit-many", json={"ids": ids}, headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [item["id"] for item in items] == ids
    assert [item["problem"] and item["problem"]["code"] for item in items] == [
        None,
        "requirements_missing",
        "not_found",
        "transition_refused",
        None,
    ]
    assert items[1]["problem"]["detail"] == "Provide first: ktp, family_card."
    assert [item["version"] for item in items] == [2, None, None, None, 2]
    assert (await tksk.get(f"{URL}/{bare['id']}")).json()["status"] == "draft"
    await other.post(f"{URL}/submit-many", json={"ids": [bare["id"]]})
    assert (await tksk.get(f"{URL}/{bare['id']}")).json()["version"] == 1
    assert places(await tksk.post(f"{URL}/submit-many", json={"ids": [ids[0], ids[0]]})) == [
        ("/ids", "duplicate_entry")
    ]
    assert places(await tksk.post(f"{URL}/submit-many", json={"ids": [str(uuid4())] * 101})) == [("/ids", "too_many")]


async def test_the_same_drafts_submitted_twice_at_once_go_once(as_):
    tksk = await as_("tksk", PANJANG)
    ids = [(await drafted(tksk))["id"] for _ in range(3)]
    answers = await asyncio.gather(*(tksk.post(f"{URL}/submit-many", json={"ids": ids}) for _ in range(2)))
    told = [item["status"] for answer in answers if answer.status_code == 200 for item in answer.json()["items"]]
    assert told.count("submitted") == 3
    for key in ids:
        assert len((await tksk.get(f"{URL}/{key}/history")).json()["items"]) == 1


async def test_a_place_on_the_waiting_list_lapses_by_the_programme_or_as_the_agency_says(as_, app, owner):
    tksk = await as_("tksk", PANJANG)
    row = await reviewed(tksk)
    quota = {"decided_on": str(TODAY), "reason_code": "quota_full"}
    assert (await step(tksk, row, "waitlist", quota))["expires_on"] == str(TODAY + 92 * DAY)
    past = await tksk.act(f"{URL}/{row['id']}/waitlist", {**quota, "expires_on": str(TODAY - DAY)})
    assert places(past) == [("/expires_on", "in_past")]
    assert (await step(tksk, row, "waitlist", {**quota, "expires_on": str(TODAY)}))["expires_on"] == str(TODAY)
    sessions = app.state.house.sessions
    assert await lapse(sessions) == 0
    await owner.execute("UPDATE referrals SET expires_on = expires_on - 1")
    assert sorted(await asyncio.gather(lapse(sessions), lapse(sessions))) == [0, 1]
    lapsed = (await tksk.get(f"{URL}/{row['id']}")).json()
    assert (lapsed["status"], lapsed["reason_code"]) == ("cancelled", "waiting_list_expired")
    last = (await tksk.get(f"{URL}/{row['id']}/history")).json()["items"][-1]
    assert (last["action"], last["from_state"], last["actor_role"]) == ("lapse", "waitlisted", "system")
    assert code_of(await tksk.act(f"{URL}/{row['id']}/approve", APPROVAL)) == "transition_refused"


async def test_pip_is_activated_before_its_deadline_or_lapses(as_, app, owner):
    tksk = await as_("tksk", PANJANG)
    school = {
        "program": "pip",
        "agency_id": str(SCHOOLS),
        "documents": papers("family_card", "school_letter", "kip_card"),
    }
    rows = [await reviewed(tksk, **school) for _ in range(2)]
    unsaid = await tksk.act(f"{URL}/{rows[0]['id']}/approve", APPROVAL)
    assert places(unsaid) == [("/activate_by", "missing")]
    for row in rows:
        approved = await step(tksk, row, "approve", {**APPROVAL, "activate_by": str(TODAY + 9 * DAY)})
        assert approved["activate_by"] == str(TODAY + 9 * DAY)
    late = await tksk.act(f"{URL}/{rows[0]['id']}/activate", {"active_from": str(TODAY + 10 * DAY)})
    assert places(late) == [("/active_from", "deadline_passed")]
    assert (await step(tksk, rows[0], "activate", {"active_from": str(TODAY)}))["status"] == "active"
    await owner.execute("UPDATE referrals SET activate_by = $1", TODAY - DAY)
    assert await lapse(app.state.house.sessions) == 1
    lapsed = (await tksk.get(f"{URL}/{rows[1]['id']}")).json()
    assert (lapsed["status"], lapsed["reason_code"]) == ("cancelled", "account_not_activated")


async def test_an_active_referral_is_an_enrolment_until_it_ends(as_, owner):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    row = await reviewed(tksk)
    url = f"/v1/beneficiaries/{row['beneficiary_id']}/enrolments"
    assert (await tksk.get(url)).json()["items"] == []
    await step(bpjs, row, "approve", APPROVAL)
    await step(bpjs, row, "activate", {"active_from": str(TODAY)})
    (active,) = (await tksk.get(url)).json()["items"]
    assert (active["program"], active["program_version"], active["status"]) == ("pbi_jk", 2, "active")
    assert (active["agency_name"], active["reference_number"]) == (
        "BPJS Kesehatan Kantor Cabang Bandar Lampung",
        "0214/2026",
    )
    question = {"beneficiary_id": row["beneficiary_id"]}
    told = (await tksk.post("/v1/programs/pbi_jk/eligibility", json=question)).json()
    assert (told["outcome"], told["reasons"][0]["code"]) == ("not_eligible", "receives_already")
    await step(bpjs, row, "end", {"ended_on": str(TODAY), "reason_code": "became_wage_worker"})
    (still,) = (await tksk.get(url)).json()["items"]
    assert (still["status"], still["ended_on"], still["end_reason"]) == ("active", str(TODAY), "became_wage_worker")
    await owner.execute("UPDATE enrolments SET ended_on = ended_on - 1, started_on = started_on - 1")
    assert (await tksk.get(f"{url}?program=pbi_jk")).json()["items"][0]["status"] == "ended"
    assert (await tksk.get(f"{url}?program=pip")).json()["items"] == []
    assert code_of(await bpjs.get(url)) == "permission_denied"
    assert code_of(await (await as_("tksk", AMPENAN)).get(url)) == "not_found"
    rows = await owner.fetch("SELECT operation FROM access_log WHERE user_id = $1 AND action = 'create'", bpjs.user_id)
    assert "activate_referral" in {entry["operation"] for entry in rows}


@pytest.mark.parametrize("restricted", [False, True])
async def test_statement_and_restriction_know_enrolments(as_, owner, restricted):
    tksk = await as_("tksk", PANJANG)
    row = await reviewed(tksk)
    await step(tksk, row, "approve", APPROVAL)
    if restricted:
        await owner.execute("UPDATE beneficiaries SET restricted_at = now()")
        refused = await tksk.act(f"{URL}/{row['id']}/activate", {"active_from": str(TODAY)})
        assert code_of(refused) == "processing_restricted"
        return
    await step(tksk, row, "activate", {"active_from": str(TODAY)})
    office = await as_("regency_office", BANDAR_LAMPUNG)
    stated = (await office.get(f"/v1/beneficiaries/{row['beneficiary_id']}/statement")).json()
    assert [(e["program"], e["reference_number"]) for e in stated["enrolments"]] == [("pbi_jk", "0214/2026")]


async def test_an_erasure_leaves_the_dates_of_an_enrolment(as_, owner):
    tksk = await as_("tksk", PANJANG)
    row = await reviewed(tksk, consent="overridden", consent_reason="Siti Rahmawati tidak sadar")
    await step(tksk, row, "approve", APPROVAL)
    await step(tksk, row, "activate", {"active_from": str(TODAY)})
    await step(tksk, row, "end", {"ended_on": str(TODAY), "reason_code": "graduated"})
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.regions', 'ID', true)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(row["beneficiary_id"]))
    left = await owner.fetchrow("SELECT reference_number, started_on, end_reason FROM enrolments")
    assert tuple(left) == (None, TODAY, "graduated")
    assert await owner.fetchval("SELECT consent_reason FROM referrals") is None
    kept = await owner.fetchval(
        "SELECT string_agg(fields::text, '') FROM changes WHERE entity IN ('enrolments', 'referrals')"
    )
    assert "0214" not in (kept or "")
