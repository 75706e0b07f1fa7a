"""The work log: drafts, their way through the office, and what is refused."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from tksk_api.domain.activities.workflow import WORKFLOW
from tksk_api.domain.regions import service as regions
from tksk_api.routers import activities

URL = "/v1/activities"
KAIRATU, KAIRATU_VILLAGE = "81.01.01", "81.01.01.1009"  # Asia/Jayapura
SEEN = {"If-Match": '"v1"'}


def day(offset: int = 0) -> str:
    return (regions.local_today("Asia/Jakarta") + timedelta(days=offset)).isoformat()


def work(**over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/activities: today, in Srengsem."""
    return {
        "occurred_on": day(),
        "pillar": "social_security",
        "function": "facilitation",
        "roles": ["facilitator"],
        "kind": "sktm_verification",
        "title": "Verifikasi SKTM di Srengsem",
        "description": "Mencocokkan berkas dengan keadaan rumah",
        "region_code": SRENGSEM,
        "assigned_by": "regency",
        "result": "Tiga berkas lengkap",
        **over,
    }


async def log_work(caller: Any, **over: Any) -> dict[str, Any]:
    answer = await caller.post(URL, json=work(**over))
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def submitted(caller: Any, **over: Any) -> str:
    """The address of an activity that lies with the office."""
    url = f"{URL}/{(await log_work(caller, **over))['id']}"
    assert (await caller.act(f"{url}/submit")).status_code == 200
    return url


def first_error(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    return answer.json()["errors"][0]["pointer"], answer.json()["errors"][0]["code"]


@pytest.fixture
def at(monkeypatch):
    """`at("2026-11-22T16:30Z")`: the regions' clocks show this instant."""

    def stop(moment: str) -> None:
        instant = datetime.fromisoformat(moment)
        monkeypatch.setattr(regions, "local_now", lambda zone: instant.astimezone(ZoneInfo(zone)))

    return stop


async def test_officer_logs_work_and_reads_all_of_it(as_, owner):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    people = [(await add_person(tksk))["id"] for _ in range(2)]
    agency = str(await owner.fetchval("SELECT id FROM agencies LIMIT 1"))
    body = work(
        started_at=f"{day()}T09:00:00+07:00",
        ended_at=f"{day()}T11:30:00+07:00",
        roles=["facilitator", "educator"],
        location={"lat": -5.473214, "lon": 105.326812},
        beneficiary_ids=people,
        headcount={"male": 1, "female": 3, "children": 2, "disabled": 0},
        partner_ids=[],
        agency_ids=[agency],
        obstacle="Hujan",
        follow_up={"note": "Lengkapi surat sekolah", "due_on": day(7)},
        attachment_ids=[],
    )
    created = await tksk.post(URL, json=body)
    assert created.status_code == 201, created.text
    assert created.headers["ETag"] == '"v1"'
    read = created.json()
    assert read == {
        **body,
        "id": read["id"],
        "started_at": f"{day()}T02:00:00+00:00",
        "ended_at": f"{day()}T04:30:00+00:00",
        "officer_id": str(tksk.user_id),
        "officer_name": "Rina Wulandari",
        "status": "draft",
        "visit_ids": [],
        "sktm_application_ids": [],
        "referral_ids": [],
        "origin": None,
        "is_suggested": False,
        "template_id": None,
        "follows_up_id": None,
        "frozen_by": None,
        "revises_id": None,
        "superseded_by": None,
        "version": 1,
        "created_at": read["created_at"],
        "updated_at": read["updated_at"],
    }
    again = await tksk.get(created.headers["Location"])
    assert again.json() == read
    assert again.headers["Cache-Control"] == "no-store"


async def test_what_is_left_out_reads_as_null_or_empty(as_):
    tksk = await as_("tksk", PANJANG)
    names = ("occurred_on", "pillar", "function", "kind", "title", "region_code")
    created = await tksk.post(URL, json={name: work()[name] for name in names})
    assert created.status_code == 201, created.text
    body = created.json()
    nothing = ("started_at", "ended_at", "description", "location", "headcount", "assigned_by", "result", "follow_up")
    assert [body[name] for name in nothing] == [None] * len(nothing)
    empty = ("roles", "beneficiary_ids", "partner_ids", "agency_ids", "attachment_ids")
    assert [body[name] for name in empty] == [[]] * len(empty)


async def test_activity_goes_back_and_forth_and_is_accepted(as_):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    office = await as_("regency_office", BANDAR_LAMPUNG, full_name="Dedi Kurniawan")
    url = await submitted(tksk)
    back = await office.act(f"{url}/return", {"note": "Lampirkan daftar hadir"})
    assert back.json()["status"] == "returned"
    corrected = await tksk.patch(url, json={"result": "Empat berkas"}, headers={"If-Match": '"v3"'})
    assert corrected.status_code == 200
    assert (await tksk.act(f"{url}/submit")).json()["status"] == "submitted"
    accepted = await office.act(f"{url}/accept")
    assert (accepted.json()["status"], accepted.headers["ETag"]) == ("accepted", '"v6"')
    head = await as_("village_head", SRENGSEM)
    steps = (await head.get(f"{url}/history")).json()["items"]
    assert [(s["action"], s["from_state"], s["to_state"], s["actor_name"], s["note"]) for s in steps] == [
        ("submit", "draft", "submitted", "Rina Wulandari", None),
        ("return", "submitted", "returned", "Dedi Kurniawan", "Lampirkan daftar hadir"),
        ("submit", "returned", "submitted", "Rina Wulandari", None),
        ("accept", "submitted", "accepted", "Dedi Kurniawan", None),
    ]


async def test_village_reads_who_worked_although_that_officer_is_of_the_district(as_):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    await log_work(tksk)
    clerk = await as_("village_clerk", SRENGSEM)
    assert [item["officer_name"] for item in (await clerk.get(URL)).json()["items"]] == ["Rina Wulandari"]


async def test_steps_from_the_wrong_state_are_refused(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    url = f"{URL}/{(await log_work(tksk))['id']}"

    async def refused(answer: Any, state: str, allowed: list[str]) -> None:
        assert (answer.status_code, code_of(answer)) == (409, "transition_refused")
        assert (answer.json()["state"], answer.json()["allowed_actions"]) == (state, allowed)

    await refused(await office.act(f"{url}/accept"), "draft", ["submit"])
    await refused(await office.act(f"{url}/return", {"note": "x"}), "draft", ["submit"])
    await tksk.act(f"{url}/submit")
    seen = {"If-Match": '"v2"'}
    await refused(await tksk.act(f"{url}/submit"), "submitted", ["return", "accept", "withdraw"])
    await refused(
        await tksk.patch(url, json={"title": "x"}, headers=seen), "submitted", ["return", "accept", "withdraw"]
    )
    await refused(await tksk.delete(url, headers=seen), "submitted", ["return", "accept", "withdraw"])
    await office.act(f"{url}/accept")
    seen = {"If-Match": '"v3"'}
    await refused(await office.act(f"{url}/return", {"note": "x"}), "accepted", ["withdraw"])
    await refused(await tksk.patch(url, json={"title": "x"}, headers=seen), "accepted", ["withdraw"])
    await refused(await tksk.delete(url, headers=seen), "accepted", ["withdraw"])


async def test_return_needs_a_note(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    url = await submitted(tksk)
    assert first_error(await office.act(f"{url}/return", {})) == ("/note", "missing")
    assert first_error(await office.act(f"{url}/return", {"note": " "})) == ("/note", "too_short")


async def test_only_the_author_changes_submits_and_withdraws(as_):
    author, colleague = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    url = f"{URL}/{(await log_work(author))['id']}"
    for answer in (
        await colleague.patch(url, json={"title": "x"}, headers=SEEN),
        await colleague.post(f"{url}/submit", headers=SEEN),
        await colleague.delete(url, headers=SEEN),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "permission_denied")
        assert "activity:continue (own)" in answer.json()["detail"]
    assert (await colleague.get(url)).json()["version"] == 1


async def test_nobody_accepts_their_own_work_whatever_their_role_became(as_, owner):
    author = await as_("tksk", PANJANG)
    url = await submitted(author)
    await owner.execute("UPDATE users SET role = 'regency_office', region_code = '18.71' WHERE id = $1", author.user_id)
    refused = await author.act(f"{url}/accept")
    assert (refused.status_code, code_of(refused)) == (403, "permission_denied")
    assert (await (await as_("regency_office", BANDAR_LAMPUNG)).act(f"{url}/accept")).status_code == 200


@pytest.mark.parametrize("role", ["village_clerk", "village_head", "district_head", "regency_office", "ministry"])
async def test_only_officers_log_work(as_, role):
    regions_of = {"village_clerk": SRENGSEM, "village_head": SRENGSEM, "district_head": PANJANG, "ministry": None}
    caller = await as_(role, regions_of.get(role, BANDAR_LAMPUNG))
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await log_work(tksk))['id']}"
    assert (await caller.get(url)).status_code == 200
    for answer in (
        await caller.post(URL, json=work()),
        await caller.patch(url, json={"title": "x"}, headers=SEEN),
        await caller.post(f"{url}/submit", headers=SEEN),
        await caller.delete(url, headers=SEEN),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "permission_denied")


async def test_only_the_office_reviews(as_):
    tksk, camat = await as_("tksk", PANJANG), await as_("district_head", PANJANG)
    url = await submitted(tksk)
    for caller in (tksk, camat):
        for action, body in (("accept", None), ("return", {"note": "x"})):
            answer = await caller.post(f"{url}/{action}", json=body, headers={"If-Match": '"v2"'})
            assert (answer.status_code, code_of(answer)) == (403, "permission_denied")


async def test_another_district_gets_404_and_an_empty_list(as_):
    url = await submitted(await as_("tksk", PANJANG))
    other, office = await as_("tksk", AMPENAN), await as_("regency_office", "52.71")
    seen = {"If-Match": '"v2"'}
    answers = [
        await other.get(url),
        await other.get(f"{URL}/{uuid4()}"),
        await other.get(f"{url}/history"),
        await other.patch(url, json={"title": "x"}, headers=seen),
        await other.delete(url, headers=seen),
        await other.post(f"{url}/submit", headers=seen),
        await office.post(f"{url}/accept", headers=seen),
        await office.post(f"{url}/return", json={"note": "x"}, headers=seen),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({json.dumps({k: v for k, v in a.json().items() if k != "instance"}) for a in answers}) == 1
    assert (await other.get(URL)).json()["items"] == []
    assert (await other.get(f"{URL}?region_code={SRENGSEM}")).json()["items"] == []


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"region_code": AMPENAN_VILLAGE}, "/region_code", "outside_scope"),
        ({"region_code": "18.71.04.1999"}, "/region_code", "unknown_region"),
        ({"region_code": "18.71"}, "/region_code", "district_or_village_required"),
        ({"region_code": "18"}, "/region_code", "district_or_village_required"),
        ({"region_code": "Panjang"}, "/region_code", "bad_format"),
        ({"pillar": "charity"}, "/pillar", "not_allowed"),
        ({"function": "supervision"}, "/function", "not_allowed"),
        ({"roles": ["facilitator", "hero"]}, "/roles/1", "not_allowed"),
        ({"roles": ["educator", "educator"]}, "/roles", "duplicate_entry"),
        ({"kind": "gardening"}, "/kind", "unknown_code"),
        ({"kind": "kube_mentoring"}, "/kind", "kind_other_pillar"),
        ({"assigned_by": "mother"}, "/assigned_by", "unknown_code"),
        ({"title": ""}, "/title", "too_short"),
        ({"occurred_on": "22-11-2026"}, "/occurred_on", "bad_date"),
        ({"started_at": "2026-11-22T09:00:00"}, "/started_at", "bad_datetime"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "/started_at", "out_of_range"),
        ({"ended_at": "9999-12-31T23:59:59-12:00"}, "/ended_at", "out_of_range"),
        ({"headcount": {"male": 1, "female": 1, "children": 0}}, "/headcount/disabled", "missing"),
        ({"headcount": {"male": -1, "female": 1, "children": 0, "disabled": 0}}, "/headcount/male", "out_of_range"),
        (
            {"headcount": {"male": 0, "female": 100_001, "children": 0, "disabled": 0}},
            "/headcount/female",
            "out_of_range",
        ),
        ({"headcount": {"male": "1", "female": 0, "children": 0, "disabled": 0}}, "/headcount/male", "wrong_type"),
        ({"partner_ids": [str(uuid4())]}, "/partner_ids/0", "unknown_reference"),
        ({"attachment_ids": [str(uuid4())]}, "/attachment_ids/0", "unknown_reference"),
        ({"agency_ids": [str(uuid4())]}, "/agency_ids/0", "unknown_reference"),
        ({"beneficiary_ids": [str(uuid4())]}, "/beneficiary_ids/0", "unknown_reference"),
        ({"beneficiary_ids": ["x"]}, "/beneficiary_ids/0", "bad_uuid"),
        ({"location": {"lat": -95, "lon": 105}}, "/location/lat", "out_of_range"),
        ({"location": {"lat": -5, "lon": 105, "accuracy": 3}}, "/location/accuracy", "unknown_field"),
        ({"follow_up": {"note": "x"}}, "/follow_up/due_on", "missing"),
        ({"status": "accepted"}, "/status", "unknown_field"),
    ],
)
async def test_work_that_does_not_fit_is_refused(as_, over, pointer, code):
    tksk = await as_("tksk", PANJANG)
    assert first_error(await tksk.post(URL, json=work(**over))) == (pointer, code)
    draft = await log_work(tksk)
    assert first_error(await tksk.patch(f"{URL}/{draft['id']}", json=over, headers=SEEN)) == (pointer, code)


async def test_general_kinds_fit_every_pillar(as_):
    tksk = await as_("tksk", PANJANG)
    for pillar in ("rehabilitation", "social_security", "empowerment", "protection"):
        assert (await log_work(tksk, pillar=pillar, kind="home_visit"))["pillar"] == pillar
    draft = await log_work(tksk)
    moved = await tksk.patch(f"{URL}/{draft['id']}", json={"pillar": "protection"}, headers=SEEN)
    assert first_error(moved) == ("/kind", "kind_other_pillar")


async def test_region_may_be_the_district_itself(as_):
    tksk = await as_("tksk", PANJANG)
    draft = await log_work(tksk, region_code=PANJANG)
    assert (await tksk.get(f"{URL}/{draft['id']}")).json()["region_code"] == PANJANG
    assert (await (await as_("village_clerk", SRENGSEM)).get(f"{URL}/{draft['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("offset", "code"), [(1, "in_future"), (0, None), (-366, None), (-367, "too_old"), (-700_000, "too_old")]
)
async def test_work_is_logged_on_its_day_or_within_a_year(as_, offset, code):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(URL, json=work(occurred_on=day(offset)))
    if code is None:
        assert answer.status_code == 201, answer.text
    else:
        assert first_error(answer) == ("/occurred_on", code)
        draft = await log_work(tksk)
        moved = await tksk.patch(f"{URL}/{draft['id']}", json={"occurred_on": day(offset)}, headers=SEEN)
        assert first_error(moved) == ("/occurred_on", code)


async def test_the_day_begins_two_hours_earlier_in_the_east(as_, at):
    west, east = await as_("tksk", PANJANG), await as_("tksk", KAIRATU)
    at("2026-11-22T16:30:00+00:00")  # 23:30 WIB on the 22nd, 01:30 WIT on the 23rd
    late = {"occurred_on": "2026-11-23"}
    assert first_error(await west.post(URL, json=work(**late))) == ("/occurred_on", "in_future")
    assert (await east.post(URL, json=work(**late, region_code=KAIRATU_VILLAGE))).status_code == 201
    # One instant, two dates: 22:30 WIB on the 21st is 00:30 WIT on the 22nd.
    instant = "2026-11-21T15:30:00Z"
    assert (await log_work(west, occurred_on="2026-11-21", started_at=instant))["occurred_on"] == "2026-11-21"
    in_west = await west.post(URL, json=work(occurred_on="2026-11-22", started_at=instant))
    assert first_error(in_west) == ("/started_at", "other_day")
    in_east = work(occurred_on="2026-11-21", started_at=instant, region_code=KAIRATU)
    assert first_error(await east.post(URL, json=in_east)) == ("/started_at", "other_day")
    assert (await east.post(URL, json={**in_east, "occurred_on": "2026-11-22"})).status_code == 201


@pytest.mark.parametrize(
    ("start", "end", "pointer", "code"),
    [
        ("09:00:00+07:00", "09:00:00+07:00", "/ended_at", "before_start"),
        ("09:00:00+07:00", "09:30:00+08:00", "/ended_at", "before_start"),
        (None, "09:00:00+07:00", "/started_at", "missing"),
        ("23:00:00+00:00", None, "/started_at", "other_day"),
    ],
)
async def test_hours_that_do_not_fit_are_refused(as_, start, end, pointer, code):
    tksk = await as_("tksk", PANJANG)
    times = {"started_at": start and f"{day()}T{start}", "ended_at": end and f"{day()}T{end}"}
    assert first_error(await tksk.post(URL, json=work(**times))) == (pointer, code)
    draft = await log_work(tksk)
    assert first_error(await tksk.patch(f"{URL}/{draft['id']}", json=times, headers=SEEN)) == (pointer, code)


async def test_work_lasts_a_day_at_most(as_):
    tksk = await as_("tksk", PANJANG)
    start = {"occurred_on": day(-2), "started_at": f"{day(-2)}T08:00:00+07:00"}
    assert (await log_work(tksk, **start, ended_at=f"{day(-1)}T08:00:00+07:00"))["ended_at"] is not None
    longer = await tksk.post(URL, json=work(**start, ended_at=f"{day(-1)}T08:00:01+07:00"))
    assert first_error(longer) == ("/ended_at", "too_long_span")


async def test_correcting_the_day_alone_is_judged_with_the_stored_hours(as_):
    tksk = await as_("tksk", PANJANG)
    draft = await log_work(tksk, started_at=f"{day()}T08:00:00+07:00", ended_at=f"{day()}T09:00:00+07:00")
    url = f"{URL}/{draft['id']}"
    assert first_error(await tksk.patch(url, json={"occurred_on": day(-1)}, headers=SEEN)) == (
        "/started_at",
        "other_day",
    )
    assert first_error(await tksk.patch(url, json={"started_at": None}, headers=SEEN)) == ("/started_at", "missing")
    both = {"occurred_on": day(-1), "started_at": None, "ended_at": None}
    assert (await tksk.patch(url, json=both, headers=SEEN)).status_code == 200


async def test_linked_people_exist_in_ones_own_area_and_stand_once(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    mine = [(await add_person(tksk))["id"] for _ in range(3)]
    theirs = (await add_person(other, village_code=AMPENAN_VILLAGE))["id"]
    wrong = await tksk.post(URL, json=work(beneficiary_ids=[*mine, theirs, mine[0], str(uuid4())]))
    assert [(e["pointer"], e["code"]) for e in wrong.json()["errors"]] == [
        ("/beneficiary_ids/3", "unknown_reference"),
        ("/beneficiary_ids/4", "duplicate_entry"),
        ("/beneficiary_ids/5", "unknown_reference"),
    ]
    assert theirs not in wrong.text
    assert (await log_work(tksk, beneficiary_ids=mine))["beneficiary_ids"] == mine


async def test_two_hundred_links_are_the_most(as_):
    tksk = await as_("tksk", PANJANG)
    ids = [str(uuid4()) for _ in range(201)]
    assert first_error(await tksk.post(URL, json=work(beneficiary_ids=ids)))[0] == "/beneficiary_ids"
    assert first_error(await tksk.post(URL, json=work(beneficiary_ids=ids[1:])))[0] == "/beneficiary_ids/0"


async def test_link_stays_when_the_person_moved_away(as_):
    tksk = await as_("tksk", PANJANG)
    gone, new = await add_person(tksk), await add_person(tksk)
    draft = await log_work(tksk, beneficiary_ids=[gone["id"]])
    await tksk.act(
        f"/v1/beneficiaries/{gone['id']}/move", {"village_code": AMPENAN_VILLAGE, "reason": "Ikut suami bekerja"}
    )
    url = f"{URL}/{draft['id']}"
    added = await tksk.patch(url, json={"beneficiary_ids": [gone["id"], new["id"]]}, headers=SEEN)
    assert added.status_code == 200, added.text
    dropped = await tksk.patch(url, json={"beneficiary_ids": []}, headers={"If-Match": '"v2"'})
    assert dropped.json()["beneficiary_ids"] == []
    back = await tksk.patch(url, json={"beneficiary_ids": [gone["id"]]}, headers={"If-Match": '"v3"'})
    assert first_error(back) == ("/beneficiary_ids/0", "unknown_reference")


async def test_headcount_is_never_below_the_people_linked(as_):
    tksk = await as_("tksk", PANJANG)
    people = [(await add_person(tksk))["id"] for _ in range(2)]
    one = {"male": 0, "female": 1, "children": 1, "disabled": 1}
    refused = await tksk.post(URL, json=work(beneficiary_ids=people, headcount=one))
    assert first_error(refused) == ("/headcount", "headcount_below_linked")
    draft = await log_work(tksk, beneficiary_ids=people)
    url = f"{URL}/{draft['id']}"
    later = await tksk.patch(url, json={"headcount": one}, headers=SEEN)
    assert first_error(later) == ("/headcount", "headcount_below_linked")
    enough = await tksk.patch(url, json={"headcount": {**one, "male": 1}}, headers=SEEN)
    assert enough.json()["headcount"] == {**one, "male": 1}
    cleared = await tksk.patch(url, json={"headcount": None}, headers={"If-Match": '"v2"'})
    assert cleared.json()["headcount"] is None


async def test_children_and_disabled_are_among_the_men_and_women(as_):
    tksk = await as_("tksk", PANJANG)
    wrong = {"male": 2, "female": 3, "children": 6, "disabled": 7}
    both = [(f"/headcount/{part}", "headcount_above_total") for part in ("children", "disabled")]
    template = {"kind": work()["kind"], "pillar": work()["pillar"], "title": "Kunjungan", "function": "facilitation"}
    made = await tksk.post("/v1/activity-templates", json=template)
    assert made.status_code == 201, made.text
    quick = {"kind": work()["kind"], "pillar": work()["pillar"], "headcount": wrong}
    draft = await log_work(tksk, headcount={**wrong, "children": 5, "disabled": 5})
    for refused in (
        await tksk.post(URL, json=work(headcount=wrong)),
        await tksk.post(f"{URL}/quick", json=quick),
        await tksk.post(f"/v1/activity-templates/{made.json()['id']}/use", json={"headcount": wrong}),
        await tksk.patch(f"{URL}/{draft['id']}", json={"headcount": wrong}, headers=SEEN),
    ):
        assert refused.status_code == 422, refused.text
        assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == both
    fewer = await tksk.patch(f"{URL}/{draft['id']}", json={"headcount": {"female": 1}}, headers=SEEN)
    assert first_error(fewer) == both[0]


async def test_merge_patch_clears_and_keeps(as_):
    tksk = await as_("tksk", PANJANG)
    draft = await log_work(
        tksk, location={"lat": -5.4, "lon": 105.3}, follow_up={"note": "Kembali", "due_on": day(3)}, obstacle="Hujan"
    )
    url = f"{URL}/{draft['id']}"
    assert code_of(await tksk.patch(url, json={"obstacle": None})) == "precondition_required"
    cleared = await tksk.patch(url, json={"location": None, "follow_up": None, "obstacle": None}, headers=SEEN)
    assert (cleared.status_code, cleared.headers["ETag"]) == (200, '"v2"')
    changed = {"location": None, "follow_up": None, "obstacle": None, "version": 2}
    assert cleared.json() == {**draft, **changed, "updated_at": cleared.json()["updated_at"]}
    stale = await tksk.patch(url, json={"title": "x"}, headers=SEEN)
    assert (stale.status_code, code_of(stale)) == (412, "stale_version")
    for name in ("title", "roles", "beneficiary_ids", "region_code"):
        emptied = await tksk.patch(url, json={name: None}, headers={"If-Match": '"v2"'})
        assert first_error(emptied) == (f"/{name}", "null_not_allowed")


async def test_withdrawn_draft_is_gone_but_its_history_is_kept(as_, owner):
    tksk = await as_("tksk", PANJANG)
    draft = await log_work(tksk)
    url = f"{URL}/{draft['id']}"
    assert code_of(await tksk.delete(url)) == "precondition_required"
    assert code_of(await tksk.delete(url, headers={"If-Match": '"v9"'})) == "stale_version"
    assert (await tksk.delete(url, headers=SEEN)).status_code == 204
    for answer in (
        await tksk.get(url),
        await tksk.get(f"{url}/history"),
        await tksk.patch(url, json={"title": "x"}, headers={"If-Match": '"v2"'}),
        await tksk.delete(url, headers={"If-Match": '"v2"'}),
        await tksk.post(f"{url}/submit", headers={"If-Match": '"v2"'}),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "not_found")
    assert (await tksk.get(URL)).json()["items"] == []
    kept = await owner.fetch("SELECT action FROM changes WHERE entity_id = $1 ORDER BY id", UUID(draft["id"]))
    assert [row["action"] for row in kept] == ["create", "update"]


async def test_returned_activity_may_be_withdrawn(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    url = await submitted(tksk)
    await office.act(f"{url}/return", {"note": "Tercatat dua kali"})
    assert (await tksk.delete(url, headers={"If-Match": '"v3"'})).status_code == 204


async def test_same_client_id_twice_is_one_activity(as_):
    tksk = await as_("tksk", PANJANG)
    body = work(id=str(uuid4()), location={"lat": -5.4, "lon": 105.3}, started_at=f"{day()}T08:00:00+07:00")
    first, again = await asyncio.gather(tksk.post(URL, json=body), tksk.post(URL, json=body))
    assert sorted([first.status_code, again.status_code]) == [200, 201]
    assert first.json() == again.json()
    changed = await tksk.post(URL, json={**body, "title": "Lain"})
    assert (changed.status_code, code_of(changed)) == (409, "id_in_use")
    stranger = await (await as_("tksk", AMPENAN)).post(URL, json=work(id=body["id"], region_code=AMPENAN_VILLAGE))
    assert (stranger.status_code, code_of(stranger)) == (409, "id_in_use")


async def test_two_reviewers_at_once_decide_once(as_, owner):
    tksk = await as_("tksk", PANJANG)
    regency, province = await as_("regency_office", BANDAR_LAMPUNG), await as_("province_office", "18")
    url = await submitted(tksk)
    answers = await asyncio.gather(
        regency.act(f"{url}/accept", version=2), province.act(f"{url}/return", {"note": "x"}, version=2)
    )
    first, second = sorted(answers, key=lambda answer: answer.status_code)
    assert first.status_code == 200
    assert second.status_code in (409, 412)
    steps = await owner.fetchval("SELECT count(*) FROM transitions WHERE entity_id = $1", UUID(url.rsplit("/", 1)[1]))
    assert steps == 2
    assert (await tksk.get(url)).json()["version"] == 3


async def test_submitting_and_correcting_at_once_never_mix(as_):
    tksk = await as_("tksk", PANJANG)
    url = f"{URL}/{(await log_work(tksk))['id']}"
    answers = await asyncio.gather(
        tksk.act(f"{url}/submit", version=1), tksk.patch(url, json={"title": "Lain"}, headers=SEEN)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_filters_choose_activities(as_):
    tksk, colleague = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    old = await log_work(tksk, occurred_on=day(-10), region_code=PANJANG)
    other = await log_work(
        colleague, pillar="protection", kind="aid_monitoring", function="coordination", occurred_on=day(-5)
    )
    await tksk.act(f"{URL}/{old['id']}/submit")
    for query, wanted in {
        "pillar=protection": [other],
        "function=facilitation": [old],
        "status=submitted": [old],
        "status=accepted": [],
        "kind=aid_monitoring": [other],
        f"officer_id={colleague.user_id}": [other],
        f"occurred_from={day(-5)}": [other],
        f"occurred_until={day(-6)}": [old],
        f"occurred_from={day(-10)}&occurred_until={day(-5)}": [other, old],
        f"occurred_from={day()}": [],
        f"region_code={PANJANG}": [old],
        f"region_code={SRENGSEM}": [other],
        "": [other, old],
    }.items():
        page = (await tksk.get(f"{URL}?{query}")).json()
        assert [item["id"] for item in page["items"]] == [row["id"] for row in wanted], query
    for query in ("pillar=x", "occurred_from=kemarin", "officer_id=1", "region_code=x", "colour=red", "sort=title"):
        assert code_of(await tksk.get(f"{URL}?{query}")) == "invalid_request"


@pytest.mark.parametrize("sort", ["-created_at", "-occurred_on"])
async def test_pages_are_complete_in_every_order(as_, sort):
    tksk = await as_("tksk", PANJANG)
    rows = [await log_work(tksk, occurred_on=day(-offset)) for offset in (3, 1, 2, 1, 4)]
    seen: list[dict[str, Any]] = []
    url: str | None = f"{URL}?limit=2&sort={sort}"
    while url:
        page = (await tksk.get(url)).json()
        seen += page["items"]
        url = f"{URL}?limit=2&sort={sort}&cursor={page['next_cursor']}" if page["next_cursor"] else None
    keys = [(row[sort[1:]], row["id"]) for row in seen]
    assert keys == sorted(keys, reverse=True)
    assert {row["id"] for row in seen} == {row["id"] for row in rows}


async def test_history_pages_oldest_first(as_):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    url = await submitted(tksk)
    await office.act(f"{url}/return", {"note": "x"})
    await submitted(tksk)
    first = (await tksk.get(f"{url}/history?limit=1")).json()
    assert [step["action"] for step in first["items"]] == ["submit"]
    rest = (await tksk.get(f"{url}/history?limit=1&cursor={first['next_cursor']}")).json()
    assert [step["action"] for step in rest["items"]] == ["return"]
    assert rest["next_cursor"] is None


def test_steps_need_the_permission_that_the_workflow_names():
    for action, step in WORKFLOW.steps.items():
        route = next(r for r in activities.router.routes if r.path == f"/v1/activities/{{id}}/{action}")
        assert route.openapi_extra["x-permission"] == step.permission
