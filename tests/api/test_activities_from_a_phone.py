"""Logging work quickly, from templates, by kinds of a region's own, and handing in a month at once."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, code_of, person
from tksk_api.domain.regions.service import local_today

URL, KINDS, TEMPLATES = "/v1/activities", "/v1/activity-kinds", "/v1/activity-templates"
TODAY = local_today("Asia/Jakarta")
SEEN = {"If-Match": '"v1"'}


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def places(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def meeting(**over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/activity-templates: every month on the fifth."""
    return {
        "title": "Rapat koordinasi bulanan",
        "kind": "coordination_meeting",
        "pillar": "protection",
        "recurrence": {"every": "month", "day": 5},
        **over,
    }


def kind(**over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/activity-kinds: one of Bandar Lampung's own."""
    return {
        "code": "posyandu_lansia",
        "label_id": "Pendampingan posyandu lansia",
        "label_en": "Support for the health post of the elderly",
        "pillar": "rehabilitation",
        "region_code": BANDAR_LAMPUNG,
        **over,
    }


async def test_the_kind_alone_is_enough_and_the_rest_follows(as_):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(f"{URL}/quick", json={"kind": "sktm_verification"})
    read = made(answer)
    assert answer.headers["Location"] == f"{URL}/{read['id']}"
    names = ("status", "occurred_on", "pillar", "function", "title", "region_code", "headcount")
    told = ("draft", TODAY.isoformat(), "social_security", "administration", "Verifikasi SKTM", PANJANG, None)
    assert tuple(read[name] for name in names) == told
    assert read["is_suggested"] is False


async def test_four_fields_are_a_whole_entry_and_a_phone_sends_it_twice(as_, owner):
    tksk = await as_("tksk", PANJANG)
    people = {"male": 4, "female": 9, "children": 3, "disabled": 1}
    body = {"kind": "social_outreach", "pillar": "empowerment", "title": "Penyuluhan PKK", "headcount": people}
    body |= {"id": str(uuid4())}
    first = await tksk.post(f"{URL}/quick", json=body)
    again = await tksk.post(f"{URL}/quick", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["headcount"] == people
    assert code_of(await tksk.post(f"{URL}/quick", json={**body, "title": "Lain"})) == "id_in_use"
    assert await owner.fetchval("SELECT count(*) FROM activities") == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"kind": "home_visit"}, ("/pillar", "missing")),
        ({"kind": "tidak_ada"}, ("/kind", "unknown_code")),
        ({"kind": "sktm_verification", "pillar": "protection"}, ("/kind", "kind_other_pillar")),
        ({"kind": "sktm_verification", "region_code": AMPENAN}, ("/region_code", "outside_scope")),
        ({"kind": "sktm_verification", "occurred_on": str(TODAY + timedelta(days=2))}, ("/occurred_on", "in_future")),
        ({"kind": "sktm_verification", "occurred_on": str(TODAY - timedelta(days=731))}, ("/occurred_on", "too_old")),
    ],
    ids=["general kind", "unknown kind", "other pillar", "elsewhere", "tomorrow", "two years back"],
)
async def test_what_does_not_follow_is_asked_for(as_, body, place):
    tksk = await as_("tksk", PANJANG)
    assert places(await tksk.post(f"{URL}/quick", json=body)) == [place]


async def test_an_officer_of_two_districts_says_where(as_, owner):
    tksk = await as_("tksk", PANJANG)
    await owner.execute(
        "INSERT INTO assignments (id, version, region_code, user_id, kind, starts_on) "
        "SELECT gen_random_uuid(), 1, code, $1, kind, current_date - 9 "
        "FROM (VALUES ('18.71.04', 'holder'), ('18.71.05', 'acting')) AS held (code, kind)",
        tksk.user_id,
    )
    assert places(await tksk.post(f"{URL}/quick", json={"kind": "aftercare"})) == [("/region_code", "missing")]
    assert made(await tksk.post(f"{URL}/quick", json={"kind": "aftercare", "region_code": "18.71.05"}))


async def test_a_regency_adds_a_kind_that_holds_there_and_below_within_its_days(as_):
    dinsos, tksk = await as_("regency_office", BANDAR_LAMPUNG), await as_("tksk", PANJANG)
    elsewhere = await as_("tksk", AMPENAN)
    own = made(await dinsos.post(KINDS, json=kind()))
    offered = (await tksk.get(f"{KINDS}?serving={SRENGSEM}&on={TODAY}&pillar=rehabilitation&limit=200")).json()["items"]
    assert [item for item in offered if item["region_code"]] == [own]
    assert {item["pillar"] for item in offered} == {"rehabilitation", None}
    assert "sktm_verification" not in {item["code"] for item in offered}
    logged = made(await tksk.post(f"{URL}/quick", json={"kind": "posyandu_lansia"}))
    assert logged["title"] == "Pendampingan posyandu lansia"
    assert places(await elsewhere.post(f"{URL}/quick", json={"kind": "posyandu_lansia"})) == [("/kind", "unknown_code")]
    assert own not in (await elsewhere.get(f"{KINDS}?serving={AMPENAN}&limit=200")).json()["items"]

    ended = {"valid_until": str(TODAY - timedelta(days=1))}
    retired = await dinsos.patch(f"{KINDS}/{own['id']}", json=ended, headers=SEEN)
    assert retired.status_code == 200, retired.text
    assert places(await tksk.post(f"{URL}/quick", json={"kind": "posyandu_lansia"})) == [("/kind", "kind_ended")]
    late = {"kind": "posyandu_lansia", "occurred_on": ended["valid_until"]}
    assert made(await tksk.post(f"{URL}/quick", json=late))
    assert (await tksk.get(f"{KINDS}/{own['id']}")).json()["label_id"] == "Pendampingan posyandu lansia"
    assert (await tksk.get(f"{URL}/{logged['id']}")).json()["kind"] == "posyandu_lansia"


async def test_codes_are_of_the_nation_and_kinds_are_their_regions(as_):
    lampung, ntb = await as_("regency_office", BANDAR_LAMPUNG), await as_("province_office", "52")
    ministry = await as_("ministry")
    own = made(await lampung.post(KINDS, json=kind()))
    assert code_of(await ntb.post(KINDS, json=kind(region_code="52"))) == "kind_exists"
    assert code_of(await lampung.post(KINDS, json=kind(code="home_visit"))) == "kind_exists"
    assert places(await ntb.post(KINDS, json=kind(code="x"))) == [("/region_code", "outside_scope")]
    assert places(await ntb.post(KINDS, json=kind(code="x", region_code=AMPENAN))) == [("/region_code", "region_level")]
    without = {name: value for name, value in kind(code="nasional").items() if name != "region_code"}
    assert places(await lampung.post(KINDS, json=without)) == [("/region_code", "outside_scope")]
    assert made(await ministry.post(KINDS, json=without))["region_code"] is None
    renamed = {"label_id": "Lain"}
    assert code_of(await ntb.patch(f"{KINDS}/{own['id']}", json=renamed, headers=SEEN)) == "permission_denied"
    span = {"valid_from": "2026-02-01", "valid_until": "2026-01-01"}
    assert places(await lampung.patch(f"{KINDS}/{own['id']}", json=span, headers=SEEN)) == [
        ("/valid_until", "before_start")
    ]


async def test_a_template_begins_a_draft_and_stays_as_it_is(as_, owner):
    tksk = await as_("tksk", PANJANG)
    body = meeting(roles=["facilitator"], description="Undangan camat", assigned_by="district", region_code=SRENGSEM)
    template = made(await tksk.post(TEMPLATES, json=body))
    assert (template["officer_id"], template["function"]) == (str(tksk.user_id), "coordination")
    use = {"id": str(uuid4()), "result": "Disepakati jadwal"}
    answer = await tksk.post(f"{TEMPLATES}/{template['id']}/use", json=use)
    draft = made(answer)
    assert answer.headers["Location"] == f"{URL}/{use['id']}"
    same = ("title", "kind", "pillar", "function", "roles", "description", "assigned_by", "region_code")
    assert [draft[name] for name in same] == [template[name] for name in same]
    assert (draft["template_id"], draft["occurred_on"]) == (template["id"], TODAY.isoformat())
    assert (draft["result"], draft["status"]) == ("Disepakati jadwal", "draft")

    renamed = await tksk.patch(f"{TEMPLATES}/{template['id']}", json={"title": "Rapat"}, headers=SEEN)
    assert renamed.json()["title"] == "Rapat"
    again = await tksk.post(f"{TEMPLATES}/{template['id']}/use", json=use)
    assert (again.status_code, again.json()) == (200, draft)
    gone = await tksk.delete(f"{TEMPLATES}/{template['id']}", headers={"If-Match": '"v2"'})
    assert gone.status_code == 204
    assert (await tksk.get(f"{TEMPLATES}/{template['id']}")).status_code == 404
    assert (await tksk.post(f"{TEMPLATES}/{template['id']}/use", json={})).status_code == 404
    assert await owner.fetchval("SELECT count(*) FROM activities") == 1


async def test_an_office_shares_with_its_region_and_officers_keep_their_own(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", "18.71.05")
    away, dinsos = await as_("tksk", AMPENAN), await as_("regency_office", BANDAR_LAMPUNG)
    ministry = await as_("ministry")
    mine = made(await tksk.post(TEMPLATES, json=meeting()))
    shared = made(await dinsos.post(TEMPLATES, json=meeting(region_code=BANDAR_LAMPUNG)))
    nation = made(await ministry.post(TEMPLATES, json=meeting(title="Hari Kesetiakawanan Sosial", recurrence=None)))
    assert (shared["officer_id"], nation["region_code"]) == (None, None)

    async def seen(caller: Any, query: str = "") -> set[str]:
        return {item["id"] for item in (await caller.get(f"{TEMPLATES}{query}")).json()["items"]}

    assert await seen(tksk) == {mine["id"], shared["id"], nation["id"]}
    assert await seen(tksk, "?is_shared=false") == {mine["id"]}
    assert await seen(other) == {shared["id"], nation["id"]}
    assert await seen(away) == {nation["id"]}
    assert await seen(dinsos) == {shared["id"], nation["id"]}
    assert (await other.get(f"{TEMPLATES}/{mine['id']}")).status_code == 404
    assert (await dinsos.delete(f"{TEMPLATES}/{mine['id']}", headers=SEEN)).status_code == 404
    for caller, template in ((tksk, shared), (dinsos, nation)):
        refused = await caller.patch(f"{TEMPLATES}/{template['id']}", json={"title": "x"}, headers=SEEN)
        assert code_of(refused) == "permission_denied"
    assert made(await other.post(f"{TEMPLATES}/{shared['id']}/use", json={}))["region_code"] == "18.71.05"
    assert places(await dinsos.post(TEMPLATES, json=meeting())) == [("/region_code", "outside_scope")]


async def test_what_is_due_is_suggested_until_it_is_logged(as_):
    tksk = await as_("tksk", PANJANG)
    weekly = {"every": "week", "weekday": TODAY.isoweekday()}
    template = made(await tksk.post(TEMPLATES, json=meeting(recurrence=weekly)))
    made(await tksk.post(TEMPLATES, json=meeting(recurrence=None)))
    later = {**weekly, "starts_on": str(TODAY + timedelta(days=1))}
    made(await tksk.post(TEMPLATES, json=meeting(recurrence=later)))

    async def due(on: date | None = None) -> list[tuple[str, str]]:
        answer = await tksk.get(f"{TEMPLATES}/due", params={"on": str(on)} if on else {})
        assert answer.status_code == 200, answer.text
        return [(item["template_id"], item["due_on"]) for item in answer.json()["items"]]

    waiting = [(template["id"], TODAY.isoformat())]
    assert await due() == waiting
    assert await due(TODAY - timedelta(days=1)) == [(template["id"], str(TODAY - timedelta(days=7)))]
    assert (await tksk.get(URL)).json()["items"] == []
    draft = made(await tksk.post(f"{TEMPLATES}/{template['id']}/use", json={}))
    assert await due() == []
    assert (await tksk.delete(f"{URL}/{draft['id']}", headers=SEEN)).status_code == 204
    assert await due() == waiting


@pytest.mark.parametrize(
    ("over", "place"),
    [
        ({"recurrence": {"every": "week"}}, ("/recurrence/weekday", "missing")),
        ({"recurrence": {"every": "week", "weekday": 1, "day": 3}}, ("/recurrence/day", "not_allowed")),
        ({"recurrence": {"every": "month", "day": 32}}, ("/recurrence/day", "out_of_range")),
        ({"pillar": None}, ("/pillar", "missing")),
        ({"kind": "tidak_ada"}, ("/kind", "unknown_code")),
        ({"assigned_by": "tidak_ada"}, ("/assigned_by", "unknown_code")),
        ({"agency_ids": [str(uuid4())]}, ("/agency_ids/0", "unknown_reference")),
        ({"partner_ids": [str(uuid4())]}, ("/partner_ids/0", "unknown_reference")),
        ({"region_code": AMPENAN}, ("/region_code", "outside_scope")),
    ],
    ids=["weekday", "both", "the 32nd", "pillar", "kind", "source", "agency", "partner", "elsewhere"],
)
async def test_a_template_that_does_not_fit_is_refused(as_, over, place):
    tksk = await as_("tksk", PANJANG)
    assert places(await tksk.post(TEMPLATES, json=meeting(**over))) == [place]


async def test_a_month_is_handed_in_and_accepted_at_once_each_with_its_own_outcome(as_):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    office = await as_("regency_office", BANDAR_LAMPUNG)
    ids = [made(await tksk.post(f"{URL}/quick", json={"kind": "aftercare"}))["id"] for _ in range(3)]
    foreign = made(await other.post(f"{URL}/quick", json={"kind": "aftercare"}))["id"]
    await tksk.act(f"{URL}/{ids[1]}/submit")
    nobody = str(uuid4())
    asked = [*ids, foreign, nobody]

    def told(answer: Any) -> list[tuple[str, str, str | None]]:
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        return [(one["id"], one["status"], one["problem"] and one["problem"]["code"]) for one in items]

    assert told(await tksk.post(f"{URL}/submit-many", json={"ids": asked})) == [
        (ids[0], "submitted", None),
        (ids[1], "refused", "transition_refused"),
        (ids[2], "submitted", None),
        (foreign, "refused", "permission_denied"),
        (nobody, "refused", "not_found"),
    ]
    assert told(await office.post(f"{URL}/accept-many", json={"ids": asked})) == [
        *((key, "accepted", None) for key in ids),
        (foreign, "refused", "transition_refused"),
        (nobody, "refused", "not_found"),
    ]
    states = {item["id"]: item["status"] for item in (await tksk.get(URL)).json()["items"]}
    assert states == {**dict.fromkeys(ids, "accepted"), foreign: "draft"}
    twice = await tksk.post(f"{URL}/submit-many", json={"ids": [foreign, foreign]})
    assert places(twice) == [("/ids", "duplicate_entry")]
    assert (await tksk.post(f"{URL}/accept-many", json={"ids": ids})).status_code == 403


async def test_many_at_once_take_what_one_by_one_is_taken_and_two_who_accept_take_turns(as_, owner):
    """What was logged of a person before their processing was restricted may still be handed in."""
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    person_id = made(await tksk.post("/v1/beneficiaries", json=person()))["id"]
    of_person = {"kind": "aftercare", "beneficiary_ids": [person_id]}
    ids = [made(await tksk.post(f"{URL}/quick", json=of_person))["id"] for _ in range(3)]
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(person_id))
    assert (await tksk.act(f"{URL}/{ids[0]}/submit")).status_code == 200
    answer = await tksk.post(f"{URL}/submit-many", json={"ids": ids[1:]})
    assert [one["status"] for one in answer.json()["items"]] == ["submitted", "submitted"]
    orders = (ids, ids[::-1])
    both = await asyncio.gather(*(office.post(f"{URL}/accept-many", json={"ids": order}) for order in orders))
    outcomes = sorted(one["status"] for answer in both for one in answer.json()["items"])
    assert outcomes == ["accepted"] * 3 + ["refused"] * 3


async def test_many_are_read_and_written_together_so_that_who_waits_for_them_waits_briefly(as_, app):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    ids = [made(await tksk.post(f"{URL}/quick", json={"kind": "aftercare"}))["id"] for _ in range(8)]
    sent: list[str] = []

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    engine = app.state.house.engine.sync_engine
    event.listen(engine, "before_cursor_execute", executed)
    try:
        for caller, step, done in ((tksk, "submit-many", "submitted"), (office, "accept-many", "accepted")):
            sent.clear()
            answer = await caller.post(f"{URL}/{step}", json={"ids": ids})
            assert {item["status"] for item in answer.json()["items"]} == {done}
            others = [statement for statement in sent if not statement.startswith("UPDATE activities")]
            assert len(others) < len(ids), others
    finally:
        event.remove(engine, "before_cursor_execute", executed)
