"""Breaking the glass, and asking whether somebody is registered at all."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik, person

URL = "/v1/access-grants"
PEOPLE = "/v1/beneficiaries"
NIK = "1871046503910003"


def asking(**over):
    return {
        "nik": NIK,
        "reason_code": "medical_emergency",
        "reason": "Pasien tidak sadar di IGD, perlu data keluarga",
        **over,
    }


@pytest.fixture
async def far(as_):
    """A person of Panjang, and an officer of Ampenan who needs to read them."""
    return await add_person(await as_("tksk", PANJANG), nik=NIK), await as_("tksk", AMPENAN)


async def granted(caller, **over):
    answer = await caller.post(URL, json=asking(**over))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_grant_opens_one_person_for_three_hours(far, owner):
    known, officer = far
    assert (await officer.get(f"{PEOPLE}/{known['id']}")).status_code == 404
    grant = await granted(officer)
    assert (grant["beneficiary_id"], grant["region_code"]) == (known["id"], SRENGSEM)
    ends = datetime.fromisoformat(grant["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=2, minutes=59) < ends <= timedelta(hours=3)
    seen = await officer.get(f"{PEOPLE}/{known['id']}")
    assert (seen.status_code, seen.json()["full_name"]) == (200, known["full_name"])
    await owner.execute("UPDATE access_grants SET expires_at = now() - interval '1 second'")
    assert (await officer.get(f"{PEOPLE}/{known['id']}")).status_code == 404


async def test_a_grant_never_lists_writes_or_reveals(far):
    known, officer = far
    await granted(officer)
    url = f"{PEOPLE}/{known['id']}"
    assert (await officer.get(PEOPLE)).json()["items"] == []
    assert (await officer.post(f"{PEOPLE}/search", json={"nik": NIK})).json()["items"] == []
    change = await officer.patch(url, json={"notes": "x"}, headers={"If-Match": '"v1"'})
    move = await officer.act(f"{url}/move", {"village_code": AMPENAN_VILLAGE, "reason": "pindah"}, version=1)
    reveal = {"fields": ["nik"], "purpose": "emergency", "reason": "Pasien tidak sadar"}
    visit = {"beneficiary_id": known["id"], "visited_on": "2026-11-02"}
    assert change.status_code == move.status_code == 404
    assert (await officer.post(f"{url}/reveal", json=reveal)).status_code == 404
    assert (await officer.post("/v1/visits", json=visit)).status_code == 422


async def test_it_is_the_grantees_alone_and_for_this_person_alone(far, as_):
    known, officer = far
    other = await add_person(await as_("tksk", PANJANG))
    await granted(officer)
    assert (await officer.get(f"{PEOPLE}/{other['id']}")).status_code == 404
    assert (await (await as_("tksk", AMPENAN)).get(f"{PEOPLE}/{known['id']}")).status_code == 404


async def test_the_owner_office_sees_it_at_once_and_can_end_it(far, as_):
    known, officer = far
    office, elsewhere = await as_("regency_office", BANDAR_LAMPUNG), await as_("regency_office", "52.71")
    grant = await granted(officer)
    listed = (await office.get(URL, params={"beneficiary_id": known["id"]})).json()["items"]
    assert [(row["id"], row["user_id"]) for row in listed] == [(grant["id"], str(officer.user_id))]
    assert listed[0]["reason"] == asking()["reason"]
    assert listed[0]["user_name"].startswith("Petugas")
    assert (await elsewhere.get(URL)).json()["items"] == []
    assert (await elsewhere.act(f"{URL}/{grant['id']}/revoke", version=1)).status_code == 404
    ended = await office.act(f"{URL}/{grant['id']}/revoke")
    assert ended.status_code == 200
    assert ended.json()["revoked_at"] is not None
    assert (await officer.get(f"{PEOPLE}/{known['id']}")).status_code == 404


async def test_every_step_is_in_the_access_log(far, owner):
    known, officer = far
    await officer.post(f"{PEOPLE}/exists", json={"nik": NIK})
    await granted(officer)
    await officer.get(f"{PEOPLE}/{known['id']}")
    rows = await owner.fetch(
        "SELECT operation, action, actor_region FROM access_log WHERE user_id = $1 AND $2 = ANY (subject_ids) "
        "ORDER BY id",
        officer.user_id,
        UUID(known["id"]),
    )
    assert [tuple(row) for row in rows] == [
        ("beneficiary_exists", "exists", AMPENAN),
        ("create_access_grant", "create", AMPENAN),
        ("get_beneficiary", "read", AMPENAN),
    ]


async def test_what_is_refused(far, as_, owner):
    _, officer = far
    own = await as_("tksk", PANJANG)
    assert (await own.post(URL, json=asking())).json()["errors"][0]["code"] == "already_visible"
    assert (await officer.post(URL, json=asking(nik=nik(7777)))).status_code == 404
    assert (await officer.post(URL, json=asking(reason_code="curious"))).json()["errors"][0]["code"] == "unknown_code"
    assert (await officer.post(URL, json=asking(reason="darurat"))).json()["errors"][0]["code"] == "too_short"
    clerk = await as_("village_clerk", AMPENAN_VILLAGE)
    assert code_of(await clerk.post(URL, json=asking())) == "permission_denied"
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '1 hour'")
    assert code_of(await officer.post(URL, json=asking())) == "step_up_required"


async def test_exists_says_yes_or_no_and_the_office(far, as_):
    _, officer = far
    assert (await officer.post(f"{PEOPLE}/exists", json={"nik": NIK})).json() == {
        "exists": True,
        "office": "Dinas Sosial Kota Bandar Lampung",
    }
    missing = await officer.post(f"{PEOPLE}/exists", json={"nik": nik(7777)})
    assert missing.json() == {"exists": False, "office": None}
    own = await (await as_("tksk", PANJANG)).post(f"{PEOPLE}/exists", json={"nik": NIK})
    assert own.json()["exists"] is True


async def test_questions_are_counted_whatever_the_answer(far, app, limited):
    _, officer = far
    limited(exists_per_hour=3, access_grants_per_day=2)
    answers = [await officer.post(f"{PEOPLE}/exists", json={"nik": nik(serial)}) for serial in range(7001, 7006)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[3].headers["Retry-After"]) > 0
    misses = [await officer.post(URL, json=asking(nik=nik(serial))) for serial in range(7001, 7004)]
    assert [answer.status_code for answer in misses] == [404, 404, 429]


async def refusals(owner, caller):
    """The subjects of the access rows that say `refused`, of one caller."""
    rows = await owner.fetch(
        "SELECT operation, action, subject_ids FROM access_log WHERE user_id = $1 AND outcome = 'refused' ORDER BY id",
        caller.user_id,
    )
    return [(row["operation"], row["action"], [str(key) for key in row["subject_ids"]]) for row in rows]


async def test_a_number_taken_elsewhere_counts_as_a_question_and_is_recorded(far, owner, limited):
    known, officer = far
    limited(exists_per_hour=3)
    body = person(nik=NIK, village_code=AMPENAN_VILLAGE)
    assert (await officer.post(f"{PEOPLE}/exists", json={"nik": NIK})).status_code == 200
    answers = [await officer.post(PEOPLE, json=body, headers={"Idempotency-Key": str(n)}) for n in range(2)]
    assert [code_of(answer) for answer in answers] == ["nik_taken"] * 2
    # Used up: neither a number that is taken nor one that is free is told from the other, whichever way one asks.
    free = person(nik=nik(7551), village_code=AMPENAN_VILLAGE)
    for url, asked in ((PEOPLE, body), (PEOPLE, free), (f"{PEOPLE}/exists", {"nik": NIK})):
        answer = await officer.post(url, json=asked)
        assert (answer.status_code, answer.json()["violated_policies"]) == (429, ["exists"])
    assert (await officer.post(PEOPLE, json={**free, "nik": None, "nik_status": "none"})).status_code == 201
    assert await refusals(owner, officer) == [("create_beneficiary", "exists", [known["id"]])] * 2
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == 2


async def test_a_number_taken_in_ones_own_area_is_recorded_and_costs_nothing(far, as_, owner, limited):
    known, _ = far
    limited(exists_per_hour=1)
    own = await as_("tksk", PANJANG)
    assert [code_of(await own.post(PEOPLE, json=person(nik=NIK))) for _ in range(3)] == ["nik_taken"] * 3
    assert (await own.post(PEOPLE, json=person(nik=nik(7552)))).status_code == 201
    assert await refusals(owner, own) == [("create_beneficiary", "exists", [known["id"]])] * 3


async def test_nobody_breaks_the_glass_of_a_restricted_person(far, as_, owner):
    known, officer = far
    await granted(officer)
    office, clerk = await as_("regency_office", BANDAR_LAMPUNG), await as_("village_clerk", SRENGSEM)
    wish = {"beneficiary_id": known["id"], "kind": "restriction", "reason": "Permintaan di loket"}
    asked = await clerk.post("/v1/privacy-requests", json={**wish, "requested_by": "self", "received_on": "2026-11-02"})
    assert (await office.act(f"/v1/privacy-requests/{asked.json()['id']}/fulfil", {})).status_code == 200
    assert (await officer.get(f"{PEOPLE}/{known['id']}")).status_code == 404  # what ran has ended
    assert code_of(await officer.post(URL, json=asking())) == "processing_restricted"
    assert await owner.fetchval("SELECT count(*) FROM access_grants WHERE revoked_at IS NULL") == 0
    assert await refusals(owner, officer) == [("create_access_grant", "exists", [known["id"]])]
