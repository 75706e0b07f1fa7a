"""Breaking the glass, and asking whether somebody is registered at all."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik

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
    person = await add_person(await as_("tksk", PANJANG), nik=NIK)
    return person, await as_("tksk", AMPENAN)


@pytest.fixture
def limited(app):
    """Other settings for the running application, for one test."""
    house = app.state.house
    before = house.settings

    def change(**settings):
        object.__setattr__(house, "settings", before.model_copy(update=settings))

    yield change
    object.__setattr__(house, "settings", before)


async def granted(caller, **over):
    answer = await caller.post(URL, json=asking(**over))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_grant_opens_one_person_for_three_hours(far, owner):
    person, officer = far
    assert (await officer.get(f"{PEOPLE}/{person['id']}")).status_code == 404
    grant = await granted(officer)
    assert (grant["beneficiary_id"], grant["region_code"]) == (person["id"], SRENGSEM)
    ends = datetime.fromisoformat(grant["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=2, minutes=59) < ends <= timedelta(hours=3)
    seen = await officer.get(f"{PEOPLE}/{person['id']}")
    assert (seen.status_code, seen.json()["full_name"]) == (200, person["full_name"])
    await owner.execute("UPDATE access_grants SET expires_at = now() - interval '1 second'")
    assert (await officer.get(f"{PEOPLE}/{person['id']}")).status_code == 404


async def test_a_grant_never_lists_writes_or_reveals(far):
    person, officer = far
    await granted(officer)
    url = f"{PEOPLE}/{person['id']}"
    assert (await officer.get(PEOPLE)).json()["items"] == []
    assert (await officer.post(f"{PEOPLE}/search", json={"nik": NIK})).json()["items"] == []
    change = await officer.patch(url, json={"notes": "x"}, headers={"If-Match": '"v1"'})
    move = await officer.act(f"{url}/move", {"village_code": AMPENAN_VILLAGE, "reason": "pindah"}, version=1)
    reveal = {"fields": ["nik"], "purpose": "emergency", "reason": "Pasien tidak sadar"}
    visit = {"beneficiary_id": person["id"], "visited_on": "2026-11-02"}
    assert change.status_code == move.status_code == 404
    assert (await officer.post(f"{url}/reveal", json=reveal)).status_code == 404
    assert (await officer.post("/v1/visits", json=visit)).status_code == 422


async def test_it_is_the_grantees_alone_and_for_this_person_alone(far, as_):
    person, officer = far
    other = await add_person(await as_("tksk", PANJANG))
    await granted(officer)
    assert (await officer.get(f"{PEOPLE}/{other['id']}")).status_code == 404
    assert (await (await as_("tksk", AMPENAN)).get(f"{PEOPLE}/{person['id']}")).status_code == 404


async def test_the_owner_office_sees_it_at_once_and_can_end_it(far, as_):
    person, officer = far
    office, elsewhere = await as_("regency_office", BANDAR_LAMPUNG), await as_("regency_office", "52.71")
    grant = await granted(officer)
    listed = (await office.get(URL, params={"beneficiary_id": person["id"]})).json()["items"]
    assert [(row["id"], row["user_id"]) for row in listed] == [(grant["id"], str(officer.user_id))]
    assert listed[0]["reason"] == asking()["reason"]
    assert listed[0]["user_name"].startswith("Petugas")
    assert (await elsewhere.get(URL)).json()["items"] == []
    assert (await elsewhere.act(f"{URL}/{grant['id']}/revoke", version=1)).status_code == 404
    ended = await office.act(f"{URL}/{grant['id']}/revoke")
    assert ended.status_code == 200
    assert ended.json()["revoked_at"] is not None
    assert (await officer.get(f"{PEOPLE}/{person['id']}")).status_code == 404


async def test_every_step_is_in_the_access_log(far, owner):
    person, officer = far
    await officer.post(f"{PEOPLE}/exists", json={"nik": NIK})
    await granted(officer)
    await officer.get(f"{PEOPLE}/{person['id']}")
    rows = await owner.fetch(
        "SELECT operation, action, actor_region FROM access_log WHERE user_id = $1 AND $2 = ANY (subject_ids) "
        "ORDER BY id",
        officer.user_id,
        UUID(person["id"]),
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
