"""What an officer had not written down when they moved is entered by who has the district now, in the officer's name:
the wall around a former district stays shut."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from test_activities_handed_over import left_behind, steps
from test_reports import TODAY, URL, accepted, compiled, hold, log, submitted, wanted, work

from helpers import AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from sktm_flow import Offices, offices, ok
from tksk_api.domain.reports.rules import first_day

LOG = "/v1/activities"
ADDRESS = f"{LOG}/in-place-of"
NEXT = "18.71.05"
LAST_DAY = first_day("month", TODAY) - timedelta(days=1)  # of last month, and in the district
MONTH = first_day("month", LAST_DAY)


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def move(owner: Any, team: Offices) -> None:
    """The officer's district until the end of last month was Panjang; since then it is another."""
    await hold(owner, team.tksk.user_id, ends_on=LAST_DAY)
    await hold(owner, team.tksk.user_id, region=NEXT, starts_on=LAST_DAY + timedelta(days=1))


def forgotten(team: Offices, **over: Any) -> dict[str, Any]:
    return work(**{"day": LAST_DAY, **over}) | {"officer_id": str(team.tksk.user_id)}


def wrong(answer: Any) -> tuple[str, str]:
    (error,) = answer.json()["errors"]
    return error["pointer"], error["code"]


async def test_the_successor_closes_the_month_of_who_moved(as_, owner, team):
    mine = (await log(team.tksk, day=LAST_DAY))["id"]
    await move(owner, team)
    # Their own former district is as far away as any other.
    assert wrong(await team.tksk.post(LOG, json=work(day=LAST_DAY))) == ("/region_code", "outside_scope")
    assert wrong(await team.tksk.post(ADDRESS, json=forgotten(team))) == ("/region_code", "outside_scope")
    assert (await team.tksk.get(f"{LOG}/{mine}")).status_code == 404
    assert wrong(await team.tksk.post(URL, json=wanted(start=MONTH))) == ("/region_code", "outside_scope")

    successor = await as_("tksk", PANJANG, full_name="Budi Santoso")
    await hold(owner, successor.user_id, starts_on=LAST_DAY + timedelta(days=1))
    person = await add_person(successor)
    body = forgotten(team, beneficiary_ids=[person["id"]], id=str(uuid4()))
    answer = await successor.post(ADDRESS, json=body)
    assert answer.status_code == 201, answer.text
    entry = answer.json()
    assert answer.headers["Location"] == f"{LOG}/{entry['id']}"
    assert (entry["officer_id"], entry["status"], entry["id"]) == (str(team.tksk.user_id), "draft", body["id"])
    assert (await successor.post(ADDRESS, json=body)).status_code == 200
    assert (await successor.post(ADDRESS, json={**body, "title": "Lain"})).status_code == 409
    assert await left_behind(successor) == [entry["id"]]
    ok(await successor.act(f"{LOG}/{entry['id']}/submit"))
    assert await steps(team.dinsos, entry["id"]) == [
        ("enter", "Budi Santoso", str(team.tksk.user_id)),
        ("submit", "Budi Santoso", str(team.tksk.user_id)),
    ]
    report = await submitted(successor, start=MONTH)
    assert report["content"]["work"]["activities"]["count"] == 2
    officers = {one["user_id"]: one["activities"] for one in report["content"]["identity"]["officers"]}
    assert officers[str(team.tksk.user_id)] == 2
    assert ok(await team.dinsos.act(f"{LOG}/{entry['id']}/accept"))["status"] == "accepted"


async def test_where_nobody_came_after_them_the_regency_enters_it(as_, owner, team):
    await move(owner, team)
    answer = await team.dinsos.post(ADDRESS, json=forgotten(team))
    assert answer.status_code == 201, answer.text
    url, colleague = f"{LOG}/{answer.json()['id']}", await as_("regency_office", BANDAR_LAMPUNG)
    ok(await colleague.act(f"{url}/submit"))
    for author in (team.dinsos, colleague):  # one entered it, the other handed it in
        assert code_of(await author.act(f"{url}/accept")) == "permission_denied"
    third = await as_("regency_office", BANDAR_LAMPUNG)
    assert ok(await third.act(f"{url}/accept"))["status"] == "accepted"
    # A report that was accepted meanwhile says that it is without what came later.
    report = await accepted(team.dinsos, third, start=MONTH)
    late = (await team.dinsos.post(ADDRESS, json=forgotten(team))).json()["id"]
    ok(await team.dinsos.act(f"{LOG}/{late}/submit"))
    assert (await compiled(team.dinsos, start=MONTH))["id"] == report["id"]
    assert ok(await third.get(f"{URL}/{report['id']}"))["outdated"]


async def test_only_of_who_left_within_their_days_and_only_by_who_answers(as_, owner, team):
    bystander = await as_("tksk", PANJANG)
    assert wrong(await bystander.post(ADDRESS, json=forgotten(team))) == ("/officer_id", "unknown_reference")
    await hold(owner, team.tksk.user_id)
    stand_in = await as_("tksk", PANJANG)
    await hold(owner, stand_in.user_id, "acting", starts_on=LAST_DAY)
    assert wrong(await stand_in.post(ADDRESS, json=forgotten(team))) == ("/officer_id", "still_works_here")
    await owner.execute("DELETE FROM assignments WHERE user_id = $1", team.tksk.user_id)
    await move(owner, team)
    assert code_of(await bystander.post(ADDRESS, json=forgotten(team))) == "permission_denied"
    assert code_of(await team.dinsos.post(ADDRESS, json=forgotten(team))) == "permission_denied"
    for place in (AMPENAN_VILLAGE, "18.99.01"):
        answer = await stand_in.post(ADDRESS, json=forgotten(team, region_code=place))
        assert wrong(answer) == ("/region_code", "outside_scope")
    too_late = forgotten(team, day=LAST_DAY + timedelta(days=1), region_code=SRENGSEM)
    assert wrong(await stand_in.post(ADDRESS, json=too_late)) == ("/occurred_on", "not_assigned_then")
    elsewhere = forgotten(team) | {"officer_id": str(uuid4())}
    assert wrong(await stand_in.post(ADDRESS, json=elsewhere)) == ("/officer_id", "unknown_reference")
    assert code_of(await (await as_("coordinator", BANDAR_LAMPUNG)).post(ADDRESS, json=forgotten(team))) == (
        "permission_denied"
    )
    assert (await stand_in.post(ADDRESS, json=forgotten(team))).status_code == 201
