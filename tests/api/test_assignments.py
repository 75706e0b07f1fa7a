"""Who is the officer of which district: what may not overlap, and what an officer sees from one day to the next."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, add_user, code_of, person
from tksk_api.cli.offices import seed_offices
from tksk_api.domain.regions.service import local_today

URL = "/v1/assignments"
SUKARAME, SUKARAME_VILLAGE = "18.71.02", "18.71.02.1009"
TODAY = local_today("Asia/Jakarta")
DECREE = {"decree_number": "460/123/SK/2026", "decree_date": "2026-01-02", "decree_issuer": "kemensos"}


def on(days):
    """A day so many days from today."""
    return (TODAY + timedelta(days=days)).isoformat()


def holder(officer, region=PANJANG, **over):
    return {
        "user_id": str(officer),
        "region_code": region,
        "kind": "holder",
        "starts_on": "2026-01-05",
        **DECREE,
        **over,
    }


def acting(officer, region=SUKARAME, **over):
    return {
        "user_id": str(officer),
        "region_code": region,
        "kind": "acting",
        "starts_on": on(-1),
        "ends_on": on(30),
        **over,
    }


async def assign(office, body):
    answer = await office.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def end(office, row, **body):
    return await office.post(
        f"{URL}/{row['id']}/end",
        json={"end_reason": "resigned", **body},
        headers={"If-Match": f'"v{row["version"]}"'},
    )


def errors_of(answer):
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def ids(caller, url):
    answer = await caller.get(url)
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json()["items"]}


@pytest.fixture
async def office(as_):
    return await as_("regency_office", BANDAR_LAMPUNG)


# ---- recording -------------------------------------------------------------------------------------------------------


async def test_an_office_assigns_an_officer_to_a_district(as_, office):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    answer = await office.post(URL, json=holder(tksk.user_id, note="SK perpanjangan."))
    assert answer.status_code == 201, answer.text
    row = answer.json()
    assert row == {
        "id": row["id"],
        "user_id": str(tksk.user_id),
        "user_name": "Rina Wulandari",
        "region_code": PANJANG,
        "region_name": "Panjang",
        "kind": "holder",
        "status": "active",
        **DECREE,
        "starts_on": "2026-01-05",
        "ends_on": None,
        "ended_at": None,
        "end_reason": None,
        "end_note": None,
        "acting_for": None,
        "note": "SK perpanjangan.",
        "version": 1,
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
    assert (await office.get(answer.headers["Location"])).json() == row
    for reader in (tksk, await as_("district_head", PANJANG), await as_("ministry"), await as_("auditor")):
        assert (await reader.get(answer.headers["Location"])).json() == row
    stranger = await as_("regency_office", "52.71")
    assert code_of(await stranger.get(answer.headers["Location"])) == "not_found"
    assert code_of(await end(stranger, row)) == "not_found"
    assert await ids(stranger, URL) == set()


@pytest.mark.parametrize(
    ("role", "region"),
    [("tksk", PANJANG), ("district_head", PANJANG), ("village_clerk", SRENGSEM), ("ministry", None), ("auditor", None)],
)
async def test_only_social_offices_and_administrators_assign(as_, office, role, region):
    caller, tksk = await as_(role, region), await as_("tksk", PANJANG)
    assert code_of(await caller.post(URL, json=holder(tksk.user_id))) == "permission_denied"
    row = await assign(office, holder(tksk.user_id))
    assert code_of(await end(caller, row)) == "permission_denied"


@pytest.mark.parametrize("role", ["admin", "province_office"])
async def test_the_offices_above_assign_too(as_, role):
    caller = await as_(role, "18" if role == "province_office" else None)
    await assign(caller, holder((await as_("tksk", PANJANG)).user_id))


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"region_code": AMPENAN}, "/region_code", "outside_scope"),
        ({"region_code": SRENGSEM}, "/region_code", "region_level"),
        ({"region_code": BANDAR_LAMPUNG}, "/region_code", "region_level"),
        ({"region_code": "18.71.99"}, "/region_code", "unknown_region"),
        ({"kind": "boss"}, "/kind", "not_allowed"),
        ({"kind": "coordinator"}, "/region_code", "region_level"),
        ({"decree_number": None}, "/decree_number", "missing"),
        ({"decree_issuer": "village"}, "/decree_issuer", "unknown_code"),
        ({"decree_date": "2099-01-01"}, "/decree_date", "in_future"),
        ({"starts_on": "5 January"}, "/starts_on", "bad_date"),
        ({"ends_on": "2026-01-04"}, "/ends_on", "before_start"),
        ({"acting_for": str(uuid4())}, "/acting_for", "only_for_acting"),
        ({"kind": "acting"}, "/ends_on", "missing"),
        ({"kind": "acting", "ends_on": "2026-12-31"}, "/ends_on", "cover_too_long"),
        ({"kind": "acting", "ends_on": "2026-03-01", "acting_for": str(uuid4())}, "/acting_for", "unknown_reference"),
        ({"user_id": str(uuid4())}, "/user_id", "unknown_reference"),
        ({"end_reason": "resigned"}, "/end_reason", "unknown_field"),
    ],
)
async def test_what_is_wrong_with_an_assignment_is_said_at_its_member(as_, office, over, pointer, code):
    tksk = await as_("tksk", PANJANG)
    assert errors_of(await office.post(URL, json=holder(tksk.user_id, **over))) == [(pointer, code)]


async def test_only_active_officers_of_ones_own_area_are_assigned(as_, office, owner):
    clerk = await as_("village_clerk", SRENGSEM)
    assert errors_of(await office.post(URL, json=holder(clerk.user_id))) == [("/user_id", "not_an_officer")]
    stranger = await as_("tksk", AMPENAN)
    assert errors_of(await office.post(URL, json=holder(stranger.user_id))) == [("/user_id", "unknown_reference")]
    gone = await as_("tksk", PANJANG)
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", gone.user_id)
    assert errors_of(await office.post(URL, json=holder(gone.user_id))) == [("/user_id", "not_an_officer")]
    # Somebody stands in for them all the same.
    await assign(office, acting((await as_("tksk", PANJANG)).user_id, PANJANG, acting_for=str(gone.user_id)))


async def test_acting_cover_needs_no_decree_but_an_end(as_, office):
    row = await assign(office, acting((await as_("tksk", PANJANG)).user_id))
    assert (row["decree_number"], row["status"], row["ends_on"]) == (None, "active", on(30))


async def test_a_coordinator_is_recorded_and_sees_no_more_than_before(as_, office):
    tksk = await as_("tksk", PANJANG)
    row = await assign(office, {**holder(tksk.user_id, BANDAR_LAMPUNG), "kind": "coordinator"})
    assert row["region_name"] == "Bandar Lampung"
    elsewhere = await as_("tksk", SUKARAME)
    theirs = await add_person(elsewhere, village_code=SUKARAME_VILLAGE)
    mine = await add_person(tksk)
    assert await ids(tksk, "/v1/beneficiaries") == {mine["id"]}
    assert code_of(await tksk.get(f"/v1/beneficiaries/{theirs['id']}")) == "not_found"
    me = (await tksk.get("/v1/me")).json()
    assert me["regions"] == [PANJANG]
    assert me["assignments"] == [
        {"region_code": BANDAR_LAMPUNG, "region_name": "Bandar Lampung", "kind": "coordinator", "until": None}
    ]
    province = await as_("province_office", "18")
    await assign(province, {**holder(tksk.user_id, "18"), "kind": "coordinator"})
    assert errors_of(await office.post(URL, json={**holder(tksk.user_id, "18"), "kind": "coordinator"})) == [
        ("/region_code", "outside_scope")
    ]


# ---- what may not overlap --------------------------------------------------------------------------------------------


async def test_a_district_has_one_holder_at_any_date(as_, office):
    first, second = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    row = await assign(office, holder(first.user_id, starts_on="2026-01-01", ends_on="2026-06-30"))
    assert row["status"] == "ended"
    for over in (
        {"starts_on": "2026-06-30"},
        {"starts_on": "2025-01-01", "ends_on": "2026-01-01"},
        {"starts_on": "2025-01-01"},
        {"starts_on": "2026-03-01", "ends_on": "2026-03-02"},
    ):
        refused = await office.post(URL, json=holder(second.user_id, **over))
        assert (refused.status_code, code_of(refused)) == (409, "district_already_held"), over
    await assign(office, holder(second.user_id, starts_on="2026-07-01"))
    await assign(office, holder(first.user_id, starts_on="2025-01-01", ends_on="2025-12-31"))


async def test_a_person_holds_one_district_and_acts_in_others(as_, office):
    tksk = await as_("tksk", PANJANG)
    await assign(office, holder(tksk.user_id))
    other = await office.post(URL, json=holder(tksk.user_id, SUKARAME))
    assert (other.status_code, code_of(other)) == (409, "assignment_overlaps")
    await assign(office, acting(tksk.user_id))
    assert code_of(await office.post(URL, json=acting(tksk.user_id))) == "assignment_overlaps"
    await assign(office, acting(tksk.user_id, "18.71.01"))
    # Cover may overlap a holder: on leave, ill, at a training.
    await assign(office, acting((await as_("tksk", SUKARAME)).user_id, PANJANG, acting_for=str(tksk.user_id)))


async def test_of_twenty_assignments_to_one_district_at_once_one_is_made(as_, office, owner):
    officers = [(await add_user(owner, "tksk", PANJANG))[0] for _ in range(20)]
    answers = await asyncio.gather(*(office.post(URL, json=holder(officer)) for officer in officers))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"district_already_held"}
    assert await owner.fetchval("SELECT count(*) FROM assignments") == 1


async def test_of_one_officers_twenty_districts_at_once_one_is_held(as_, office, owner):
    tksk = await as_("tksk", PANJANG)
    districts = [f"18.71.{number:02d}" for number in range(1, 21)]
    answers = await asyncio.gather(*(office.post(URL, json=holder(tksk.user_id, code)) for code in districts))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert await owner.fetchval("SELECT count(*) FROM assignments") == 1


async def test_the_database_refuses_an_overlap_by_itself(as_, office, owner):
    """Whatever writes there: not only this service."""
    await assign(office, holder((await as_("tksk", PANJANG)).user_id))
    with pytest.raises(Exception, match="ex_assignments_district_held"):
        await hold(owner, (await as_("tksk", PANJANG)).user_id, PANJANG)


async def test_the_same_client_id_twice_is_one_assignment(as_, office):
    body = holder((await as_("tksk", PANJANG)).user_id, id=str(uuid4()))
    first, again = await asyncio.gather(office.post(URL, json=body), office.post(URL, json=body))
    assert sorted([first.status_code, again.status_code]) == [200, 201]
    assert first.json() == again.json()


# ---- ending ----------------------------------------------------------------------------------------------------------


async def test_ending_today_works_at_once_and_leaves_the_day_to_the_successor(as_, office):
    tksk, successor = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    row = await assign(office, holder(tksk.user_id))
    mine = await add_person(tksk)
    over = await end(office, row, end_reason="replaced_after_evaluation", note="Nilai kurang.")
    assert over.status_code == 200, over.text
    assert over.headers["ETag"] == '"v2"'
    body = over.json()
    assert (body["status"], body["ends_on"], body["end_reason"], body["end_note"]) == (
        "ended",
        on(0),
        "replaced_after_evaluation",
        "Nilai kurang.",
    )
    assert body["ended_at"] is not None
    # The very next request, with the same token.
    assert await ids(tksk, "/v1/beneficiaries") == set()
    assert code_of(await tksk.get(f"/v1/beneficiaries/{mine['id']}")) == "not_found"
    assert errors_of(await tksk.post("/v1/beneficiaries", json=person())) == [("/village_code", "outside_scope")]
    again = await end(office, body)
    assert (again.status_code, code_of(again)) == (409, "transition_refused")
    await assign(office, holder(successor.user_id, starts_on=on(0)))
    assert await ids(successor, "/v1/beneficiaries") == {mine["id"]}


async def test_ending_on_a_later_day_keeps_the_officer_until_then(as_, office):
    tksk, successor = await as_("tksk", PANJANG), await as_("tksk", SUKARAME)
    row = (await end(office, await assign(office, holder(tksk.user_id)), ends_on=on(10))).json()
    assert (row["status"], row["ends_on"], row["ended_at"]) == ("active", on(10), None)
    assert (await tksk.get("/v1/me")).json()["assignments"][0]["until"] == on(10)
    assert code_of(await office.post(URL, json=holder(successor.user_id, starts_on=on(10)))) == "district_already_held"
    planned = await assign(office, holder(successor.user_id, starts_on=on(11)))
    assert planned["status"] == "planned"
    assert errors_of(await end(office, row, ends_on=on(11))) == [("/ends_on", "after_end")]
    sooner = (await end(office, row, ends_on=on(3))).json()
    assert (sooner["ends_on"], sooner["version"]) == (on(3), 3)


async def test_a_planned_assignment_is_called_off(as_, office):
    tksk = await as_("tksk", PANJANG)
    row = await assign(office, holder(tksk.user_id, starts_on=on(20)))
    over = (await end(office, row, end_reason="other", note="Salah orang.")).json()
    assert (over["status"], over["ends_on"]) == ("ended", on(20))
    await assign(office, holder((await as_("tksk", PANJANG)).user_id, starts_on=on(20)))


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"ends_on": "2026-02-01"}, "/ends_on", "in_past"),
        ({"end_reason": "bored"}, "/end_reason", "unknown_code"),
        ({"end_reason": "other"}, "/note", "other_note_required"),
        ({"end_reason": None}, "/end_reason", "wrong_type"),
    ],
)
async def test_what_is_wrong_with_an_end_is_said_at_its_member(as_, office, body, pointer, code):
    row = await assign(office, holder((await as_("tksk", PANJANG)).user_id))
    assert errors_of(await end(office, row, **body)) == [(pointer, code)]
    assert code_of(await office.post(f"{URL}/{row['id']}/end", json={"end_reason": "resigned"})) == (
        "precondition_required"
    )
    assert code_of(await end(office, {**row, "version": 9})) == "stale_version"


# ---- the area of an officer ------------------------------------------------------------------------------------------


async def test_an_officer_works_in_the_districts_of_the_day_and_nowhere_else(as_, office):
    """Held and covered: lists, one person, both searches, writes; the district on the user's own row counts no more."""
    tksk = await as_("tksk", "18.71.01")
    at_panjang = await add_person(await as_("tksk", PANJANG), full_name="Siti Rahmawati")
    at_sukarame = await add_person(
        await as_("tksk", SUKARAME), full_name="Siti Rahmawati", village_code=SUKARAME_VILLAGE
    )
    at_ampenan = await add_person(await as_("tksk", AMPENAN), full_name="Siti Rahmawati", village_code=AMPENAN_VILLAGE)
    assert await ids(tksk, "/v1/beneficiaries") == set()
    await assign(office, holder(tksk.user_id))
    assert await ids(tksk, "/v1/beneficiaries") == {at_panjang["id"]}
    cover = await assign(office, acting(tksk.user_id))
    both = {at_panjang["id"], at_sukarame["id"]}
    assert await ids(tksk, "/v1/beneficiaries") == both
    assert await ids(tksk, f"/v1/beneficiaries?village_code={SUKARAME_VILLAGE}") == {at_sukarame["id"]}
    for key in both:
        assert (await tksk.get(f"/v1/beneficiaries/{key}")).status_code == 200
    assert code_of(await tksk.get(f"/v1/beneficiaries/{at_ampenan['id']}")) == "not_found"
    for body in ({"name": "siti rahmawati"}, {"name": "Siti Rahmwati"}, {"birth_date": "1991-03-25"}):
        found = (await tksk.post("/v1/beneficiaries/search", json=body)).json()["items"]
        assert {item["id"] for item in found} == both, body
    await add_person(tksk, village_code=SUKARAME_VILLAGE)
    await add_person(tksk, village_code=SRENGSEM)
    visit = {"beneficiary_id": at_sukarame["id"], "visited_on": "2026-11-02"}
    assert (await tksk.post("/v1/visits", json=visit)).status_code == 201
    own_row = person(village_code="18.71.01.1001")
    assert errors_of(await tksk.post("/v1/beneficiaries", json=own_row)) == [("/village_code", "outside_scope")]
    me = (await tksk.get("/v1/me")).json()
    assert (me["region_code"], me["regions"]) == ("18.71.01", [SUKARAME, PANJANG])
    assert me["assignments"] == [
        {"region_code": SUKARAME, "region_name": "Sukarame", "kind": "acting", "until": on(30)},
        {"region_code": PANJANG, "region_name": "Panjang", "kind": "holder", "until": None},
    ]
    assert (await end(office, cover)).status_code == 200
    assert at_sukarame["id"] not in await ids(tksk, "/v1/beneficiaries")
    assert code_of(await tksk.get(f"/v1/beneficiaries/{at_sukarame['id']}")) == "not_found"
    assert (await tksk.get("/v1/me")).json()["regions"] == [PANJANG]


async def test_when_everything_has_ended_nothing_is_left_and_me_says_so(as_, office):
    tksk = await as_("tksk", PANJANG)
    before = (await tksk.get("/v1/me")).json()
    assert (before["regions"], before["assignments"]) == ([PANJANG], [])
    await end(office, await assign(office, holder(tksk.user_id)))
    for url in ("/v1/beneficiaries", "/v1/visits", "/v1/activities", "/v1/referrals", "/v1/sktm-applications", URL):
        assert await ids(tksk, url) == set(), url
    after = (await tksk.get("/v1/me")).json()
    assert (after["region_code"], after["regions"], after["assignments"]) == (PANJANG, [], [])
    # What is open to every office stays open.
    assert (await tksk.get("/v1/partners")).status_code == 200


async def test_a_cursor_outlives_a_change_of_area_and_shows_only_the_new_one(as_, office):
    tksk = await as_("tksk", PANJANG)
    row = await assign(office, holder(tksk.user_id))
    cover = await assign(office, acting(tksk.user_id))
    for village in (SUKARAME_VILLAGE, SRENGSEM, SUKARAME_VILLAGE, SRENGSEM):
        await add_person(tksk, village_code=village)
    first = (await tksk.get("/v1/beneficiaries?limit=1")).json()
    assert first["items"][0]["village_code"] == SRENGSEM
    await end(office, cover)
    rest = (await tksk.get(f"/v1/beneficiaries?limit=50&cursor={first['next_cursor']}")).json()["items"]
    assert [item["village_code"] for item in rest] == [SRENGSEM]
    await end(office, row)
    assert (await tksk.get(f"/v1/beneficiaries?cursor={first['next_cursor']}")).json()["items"] == []


async def test_an_answer_for_one_area_is_not_replayed_in_another(as_, office):
    tksk = await as_("tksk", PANJANG)
    row = await assign(office, holder(tksk.user_id))
    body, key = person(), {"Idempotency-Key": str(uuid4())}
    assert (await tksk.post("/v1/beneficiaries", json=body, headers=key)).status_code == 201
    await end(office, row)
    assert code_of(await tksk.post("/v1/beneficiaries", json=body, headers=key)) == "idempotency_mismatch"


async def test_assignments_say_nothing_about_another_role(as_, office, owner):
    """A former officer who became a clerk works in the clerk's village."""
    tksk = await as_("tksk", PANJANG)
    await assign(office, holder(tksk.user_id))
    await owner.execute(
        "UPDATE users SET role = 'village_clerk', region_code = '18.71.04.1003' WHERE id = $1", tksk.user_id
    )
    assert (await tksk.get("/v1/me")).json()["regions"] == ["18.71.04.1003"]


async def hold(owner, officer: UUID, region: str, kind: str = "holder", ends_on: date | None = None) -> None:
    """An assignment written by the owner: also one that the API would not make."""
    await owner.execute(
        "INSERT INTO assignments (id, version, user_id, region_code, kind, starts_on, ends_on) "
        "VALUES ($1, 1, $2, $3, $4, '2026-01-01', $5)",
        uuid4(),
        officer,
        region,
        kind,
        ends_on,
    )


@asynccontextmanager
async def clocks(owner, **zones):
    """Other zones for whole provinces, for a moment: far enough apart that it is never the same day in both."""
    kept = await owner.fetch("SELECT code, timezone FROM regions WHERE code = ANY ($1)", list(zones))
    try:
        for code, zone in zones.items():
            await owner.execute("UPDATE regions SET timezone = $2 WHERE code = $1", code, zone)
        yield
    finally:
        for row in kept:
            await owner.execute("UPDATE regions SET timezone = $2 WHERE code = $1", row["code"], row["timezone"])


async def test_the_last_day_ends_by_the_clock_of_the_region(as_, owner):
    """Ended yesterday in the east, still running in the west: one date, two provinces."""
    east, west = await as_("tksk", AMPENAN), await as_("tksk", PANJANG)
    theirs = await add_person(east, village_code=AMPENAN_VILLAGE)
    mine = await add_person(west)
    async with clocks(owner, **{"52": "Etc/GMT-14", "18": "Etc/GMT+12"}):
        last = await owner.fetchval("SELECT app.local_today('18.71')")
        assert await owner.fetchval("SELECT app.local_today('52.71')") > last
        await hold(owner, east.user_id, AMPENAN, ends_on=last)
        await hold(owner, west.user_id, PANJANG, ends_on=last)
        assert await ids(east, "/v1/beneficiaries") == set()
        assert await ids(west, "/v1/beneficiaries") == {mine["id"]}
        status = {
            item["region_code"]: item["status"] for item in (await (await as_("ministry")).get(URL)).json()["items"]
        }
        assert status == {AMPENAN: "ended", PANJANG: "active"}
        # The first day begins by it too: tomorrow of the west is today of the east.
        for officer, region in ((east, AMPENAN), (west, PANJANG)):
            await owner.execute("DELETE FROM assignments WHERE user_id = $1", officer.user_id)
            await hold(owner, officer.user_id, region)
        await owner.execute("UPDATE assignments SET starts_on = $1", last + timedelta(days=1))
        assert await ids(east, "/v1/beneficiaries") == {theirs["id"]}
        assert await ids(west, "/v1/beneficiaries") == set()


# ---- lists -----------------------------------------------------------------------------------------------------------


async def test_assignments_are_found_by_place_person_day_and_kind(as_, office):
    one, two = await as_("tksk", PANJANG), await as_("tksk", SUKARAME)
    past = await assign(office, holder(one.user_id, starts_on="2024-01-01", ends_on="2025-12-31"))
    now = await assign(office, holder(one.user_id, starts_on="2026-01-01"))
    cover = await assign(office, acting(two.user_id, PANJANG))
    away = await assign(office, holder(two.user_id, SUKARAME))
    everything = {past["id"], now["id"], cover["id"], away["id"]}
    assert await ids(office, URL) == everything
    assert await ids(office, f"{URL}?region_code={BANDAR_LAMPUNG}") == everything
    assert await ids(office, f"{URL}?region_code={PANJANG}") == everything - {away["id"]}
    assert await ids(office, f"{URL}?user_id={two.user_id}") == {cover["id"], away["id"]}
    assert await ids(office, f"{URL}?active_on=2025-12-31") == {past["id"]}
    assert await ids(office, f"{URL}?active_on={on(0)}&region_code={PANJANG}") == {now["id"], cover["id"]}
    assert await ids(office, f"{URL}?kind=acting") == {cover["id"]}
    assert errors_of(await office.get(f"{URL}?active_on=today")) == [("/active_on", "bad_date")]
    newest = (await office.get(f"{URL}?sort=-starts_on&limit=1")).json()
    assert newest["items"][0]["id"] == cover["id"]
    assert newest["next_cursor"] is not None


async def vacancies(caller, query=""):
    answer = await caller.get(f"{URL}/vacancies?limit=200&{query}")
    assert answer.status_code == 200, answer.text
    return {item["region_code"]: item for item in answer.json()["items"]}


async def test_districts_without_a_holder_are_listed_with_since_when_and_who_covers(as_, office):
    tksk, cover = await as_("tksk", PANJANG), await as_("tksk", "18.71.03", full_name="Wayan Contoh")
    assert len(await vacancies(office)) == 20  # every district of Bandar Lampung
    row = await assign(office, holder(tksk.user_id))
    await assign(office, holder(cover.user_id, "18.71.03", starts_on="2024-01-01", ends_on="2025-12-31"))
    await assign(office, acting(cover.user_id, "18.71.03"))
    open_ones = await vacancies(office)
    assert len(open_ones) == 19
    assert PANJANG not in open_ones
    assert open_ones["18.71.03"] == {
        "region_code": "18.71.03",
        "region_name": "Tanjungkarang Barat",
        "regency_name": "Bandar Lampung",
        "vacant_since": "2026-01-01",
        "last_holder": {
            "user_id": str(cover.user_id),
            "user_name": "Wayan Contoh",
            "until": "2025-12-31",
            "end_reason": None,
        },
        "acting": [{"user_id": str(cover.user_id), "user_name": "Wayan Contoh", "until": on(30)}],
    }
    assert (open_ones[SUKARAME]["vacant_since"], open_ones[SUKARAME]["acting"]) == (None, [])
    await end(office, row)
    assert (await vacancies(office))[PANJANG]["vacant_since"] == on(0)
    assert (await vacancies(office, f"region_code={PANJANG}")).keys() == {PANJANG}


async def test_vacancies_of_other_areas_are_not_shown(as_):
    assert (await vacancies(await as_("district_head", PANJANG))).keys() == {PANJANG}
    mataram = await as_("regency_office", "52.71")
    assert len(await vacancies(mataram)) == 6
    assert await vacancies(mataram, f"region_code={PANJANG}") == {}
    ministry = await as_("ministry")
    assert len(await vacancies(ministry, "region_code=52")) == 117
    first = (await ministry.get(f"{URL}/vacancies?limit=2")).json()
    assert len(first["items"]) == 2
    second = (await ministry.get(f"{URL}/vacancies?limit=2&cursor={first['next_cursor']}")).json()
    assert second["items"][0]["region_code"] > first["items"][1]["region_code"]


# ---- the demo --------------------------------------------------------------------------------------------------------


async def test_the_demos_officers_hold_their_districts_once_however_often_they_are_seeded(owner, owner_url):
    for _ in range(2):
        await seed_offices(owner_url, "kata-sandi-contoh")
    held = await owner.fetch(
        "SELECT u.username, a.region_code FROM assignments a JOIN users u ON u.id = a.user_id "
        "WHERE a.kind = 'holder' AND a.during @> app.local_today(a.region_code) ORDER BY 1"
    )
    assert [tuple(row) for row in held] == [("tksk.ampenan", AMPENAN), ("tksk.panjang", PANJANG)]
