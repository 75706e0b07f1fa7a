"""What visits, letters and referrals say an officer did: suggested once, taken up, linked or dismissed."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from sktm_flow import issued, offices
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.seeds import agency_id

URL = "/v1/activities"
TODAY = local_today("Asia/Jakarta")
MET = {"outcome": "met", "finding": "eligible", "evidence": {}}


async def suggested(caller: Any) -> list[dict[str, Any]]:
    answer = await caller.get(f"{URL}?is_suggested=true")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def visited(tksk: Any, person_id: str, day: Any = TODAY) -> str:
    """A visit that went well; returns its id."""
    planned = await tksk.post("/v1/visits", json={"beneficiary_id": person_id, "visited_on": str(day)})
    assert planned.status_code == 201, planned.text
    done = await tksk.act(f"/v1/visits/{planned.json()['id']}/complete", MET)
    assert done.status_code == 200, done.text
    return str(planned.json()["id"])


async def by_hand(tksk: Any, person_id: str, **over: Any) -> dict[str, Any]:
    body = {"kind": "home_visit", "pillar": "social_security", "beneficiary_ids": [person_id], **over}
    logged = await tksk.post(f"{URL}/quick", json=body)
    assert logged.status_code == 201, logged.text
    result: dict[str, Any] = logged.json()
    return result


async def test_a_completed_visit_is_suggested_once_and_confirmed(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    day = TODAY - timedelta(days=3)
    visit = await visited(tksk, person["id"], day)
    (draft,) = await suggested(tksk)
    assert draft["origin"] == {
        "kind": "visit",
        "id": visit,
        "step": "complete",
        "is_cancelled": False,
        "logged_as": None,
    }
    names = ("status", "officer_id", "occurred_on", "kind", "pillar", "region_code", "beneficiary_ids", "visit_ids")
    told = ("draft", str(tksk.user_id), str(day), "home_visit", "social_security", SRENGSEM, [person["id"]], [visit])
    assert tuple(draft[name] for name in names) == told
    assert (draft["title"], draft["headcount"]) == ("Kunjungan rumah", None)

    confirmed = await tksk.act(f"{URL}/{draft['id']}/confirm")
    assert (confirmed.json()["is_suggested"], confirmed.json()["status"]) == (False, "draft")
    assert await suggested(tksk) == []
    await visited(tksk, person["id"])  # a newer finding takes the place of the first; the work was done all the same
    (second,) = await suggested(tksk)
    assert (await tksk.act(f"{URL}/{second['id']}/submit")).json()["status"] == "submitted"
    assert await owner.fetchval("SELECT count(*) FROM activities") == 2


async def test_only_the_officer_takes_up_what_was_suggested(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    office = await as_("regency_office", BANDAR_LAMPUNG)
    await visited(tksk, (await add_person(tksk))["id"])
    (draft,) = await suggested(other)  # of the same district
    for action in ("confirm", "submit"):
        assert code_of(await other.act(f"{URL}/{draft['id']}/{action}")) == "permission_denied"
        assert code_of(await office.act(f"{URL}/{draft['id']}/{action}")) == "permission_denied"
    assert (await tksk.get(f"{URL}?counted=true")).json()["items"] == []


async def test_what_was_dismissed_never_comes_back(as_, owner):
    tksk = await as_("tksk", PANJANG)
    visit = await visited(tksk, (await add_person(tksk))["id"])
    (draft,) = await suggested(tksk)
    assert (await tksk.delete(f"{URL}/{draft['id']}", headers={"If-Match": '"v1"'})).status_code == 204
    with pytest.raises(Exception, match="uq_activities_origin"):
        await owner.execute(
            "INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, "
            "status, origin_kind, origin_id, origin_step) SELECT gen_random_uuid(), 1, $1, $2, current_date, 'x', 'x', "
            "'x', 'x', 'draft', 'visit', $3, 'complete'",
            SRENGSEM,
            tksk.user_id,
            UUID(visit),
        )
    assert await suggested(tksk) == []


async def test_what_was_logged_by_hand_before_is_pointed_at_and_linked(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    logged = await by_hand(tksk, person["id"], title="Kunjungan ke rumah")
    await by_hand(tksk, (await add_person(tksk))["id"])
    visit = await visited(tksk, person["id"])
    (draft,) = await suggested(tksk)
    assert draft["origin"]["logged_as"] == logged["id"]
    linked = await tksk.act(f"{URL}/{draft['id']}/link", {"activity_id": logged["id"]})
    assert linked.status_code == 200, linked.text
    assert (linked.json()["id"], linked.json()["visit_ids"]) == (logged["id"], [visit])
    assert await suggested(tksk) == []
    assert (await tksk.get(f"{URL}/{draft['id']}")).status_code == 404
    assert await owner.fetchval("SELECT count(*) FROM activities WHERE deleted_at IS NULL") == 2


async def test_what_does_not_fit_is_not_linked(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    person = await add_person(tksk)
    theirs = await by_hand(other, person["id"])
    plain = await by_hand(tksk, person["id"])
    await visited(tksk, person["id"])
    (draft,) = await suggested(tksk)
    refused = await tksk.act(f"{URL}/{draft['id']}/link", {"activity_id": theirs["id"]})
    assert refused.json()["errors"][0]["pointer"] == "/activity_id"
    for suggestion, entry in ((draft, draft), (plain, draft)):
        answer = await tksk.act(f"{URL}/{suggestion['id']}/link", {"activity_id": entry["id"]})
        assert code_of(answer) == "transition_refused"
    assert await suggested(tksk) == [draft]


async def test_what_the_officer_linked_is_not_suggested(as_):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    planned = await tksk.post("/v1/visits", json={"beneficiary_id": person["id"], "visited_on": str(TODAY)})
    logged = await by_hand(tksk, person["id"])
    url = f"{URL}/{logged['id']}"
    missing = {"visit_ids": ["00000000-0000-4000-8000-000000000000"]}
    wrong = await tksk.patch(url, json=missing, headers={"If-Match": '"v1"'})
    assert wrong.json()["errors"][0]["pointer"] == "/visit_ids/0"
    await tksk.patch(url, json={"visit_ids": [planned.json()["id"]]}, headers={"If-Match": '"v1"'})
    await tksk.act(f"/v1/visits/{planned.json()['id']}/complete", MET)
    assert await suggested(tksk) == []
    visit = await visited(tksk, person["id"])
    assert len(await suggested(tksk)) == 1
    both = {"visit_ids": [planned.json()["id"], visit]}
    assert (await tksk.patch(url, json=both, headers={"If-Match": '"v2"'})).json()["visit_ids"] == both["visit_ids"]
    assert await suggested(tksk) == []


async def test_an_issued_letter_is_suggested_to_whoever_verified_it(as_, owner):
    team = await offices(as_)
    row = await issued(owner, team)
    (draft,) = await suggested(team.tksk)
    assert draft["origin"] == {
        "kind": "sktm_letter",
        "id": row["id"],
        "step": "issue",
        "is_cancelled": False,
        "logged_as": None,
    }
    assert (draft["kind"], draft["pillar"], draft["function"]) == (
        "sktm_verification",
        "social_security",
        "administration",
    )
    assert (draft["officer_id"], draft["sktm_application_ids"]) == (str(team.tksk.user_id), [row["id"]])


def referral(person_id: str, **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/referrals."""
    paper = [{"kind": kind, "shown_physically": True} for kind in ("ktp", "family_card")]
    return {
        "beneficiary_id": person_id,
        "program": "pbi_jk",
        "agency_id": str(agency_id("18.71:bpjs_office")),
        "reason": "Kehilangan pekerjaan",
        "consent": "given",
        "documents": paper,
        **over,
    }


async def test_a_referral_is_suggested_when_sent_and_when_its_answer_is_written_down(as_):
    tksk = await as_("tksk", PANJANG)
    sent = (await tksk.post("/v1/referrals", json=referral((await add_person(tksk))["id"]))).json()
    url = f"/v1/referrals/{sent['id']}"
    for action in ("submit", "receive", "review"):
        assert (await tksk.act(f"{url}/{action}")).status_code == 200
    (draft,) = await suggested(tksk)
    assert (draft["kind"], draft["function"], draft["origin"]["step"]) == ("pbi_jk_proposal", "facilitation", "submit")
    answer = {"reference_number": "0214/BPJS/2026", "decided_on": str(TODAY)}
    assert (await tksk.act(f"{url}/approve", answer)).status_code == 200
    assert {(one["origin"]["step"], one["function"]) for one in await suggested(tksk)} == {
        ("submit", "facilitation"),
        ("approve", "administration"),
    }


async def test_a_cancelled_referral_takes_its_suggestion_along_and_is_told_of_where_it_was_taken_up(as_):
    tksk = await as_("tksk", PANJANG)
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    drafts = []
    for caller in (tksk, tksk, dinsos):
        person = await add_person(tksk)
        sent = (await caller.post("/v1/referrals", json=referral(person["id"]))).json()
        await caller.act(f"/v1/referrals/{sent['id']}/submit")
        drafts.append(sent["id"])
    first, second = sorted(await suggested(tksk), key=lambda one: drafts.index(one["origin"]["id"]))  # not the office's
    await tksk.act(f"{URL}/{second['id']}/confirm")
    for key in drafts[:2]:
        assert (await tksk.act(f"/v1/referrals/{key}/cancel", {"note": "Salah program"})).status_code == 200
    assert await suggested(tksk) == []
    assert (await tksk.get(f"{URL}/{first['id']}")).status_code == 404
    assert (await tksk.get(f"{URL}/{second['id']}")).json()["origin"]["is_cancelled"] is True


async def test_a_step_that_only_ends_something_still_ends_it_for_a_restricted_person(as_, owner):
    tksk = await as_("tksk", PANJANG)
    person = await add_person(tksk)
    sent = (await tksk.post("/v1/referrals", json=referral(person["id"]))).json()
    for action in ("submit", "receive", "review"):
        await tksk.act(f"/v1/referrals/{sent['id']}/{action}")
    before = await suggested(tksk)
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(person["id"]))
    body = {"decided_on": str(TODAY), "reason_code": "not_in_dtsen"}
    assert (await tksk.act(f"/v1/referrals/{sent['id']}/reject", body)).status_code == 200
    assert await suggested(tksk) == before


async def test_a_merge_moves_what_was_suggested_to_the_record_that_stands(as_):
    tksk = await as_("tksk", PANJANG)
    dinsos = await as_("regency_office", BANDAR_LAMPUNG)
    one, other = await add_person(tksk), await add_person(tksk, nik=None, nik_status="none")
    await visited(tksk, other["id"])
    merged = await dinsos.act(
        f"/v1/beneficiaries/{other['id']}/merge", {"into_id": one["id"], "reason": "Orang yang sama"}
    )
    assert merged.status_code == 200, merged.text
    (draft,) = await suggested(tksk)
    assert draft["beneficiary_ids"] == [one["id"]]
    body = {"kind": "aftercare", "beneficiary_ids": [other["id"]]}
    refused = (await tksk.post(f"{URL}/quick", json=body)).json()["errors"][0]
    assert (refused["pointer"], refused["code"]) == ("/beneficiary_ids/0", "merged_person")
    assert one["id"] in refused["detail"]
