"""The work log beside reports that overlap, that two people touch at once, and that are corrected again and again."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from test_activities_suggested import by_hand, suggested, visited
from test_reports import LAST_MONTH, TODAY, URL, accepted, compiled, log, rows_of, submitted, written

from helpers import SRENGSEM, add_person, code_of
from sktm_flow import Offices, offices, ok
from tksk_api.domain.reports.rules import first_day

LOG = "/v1/activities"
REASON = {"reason": "Jumlah peserta salah"}
REMARKS = {"remarks": [{"section": "work", "note": "Lengkapi"}]}
# The last quarter that is over: what is counted of it never changes by itself.
QUARTER = first_day("quarter", first_day("quarter", TODAY) - timedelta(days=1))
DAY = QUARTER + timedelta(days=5)
LET_GO = """
SELECT count(*) FROM report_revisions v JOIN activities a ON a.id = ANY (v.activity_ids)
 WHERE v.status = 'accepted' AND (a.frozen_by IS NULL OR a.deleted_at IS NOT NULL)
"""


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def read(caller: Any, key: str) -> dict[str, Any]:
    return ok(await caller.get(f"{LOG}/{key}"))


async def revised(caller: Any, key: str, **changes: Any) -> str:
    """The correction of an entry, submitted."""
    answer = await caller.act(f"{LOG}/{key}/revise", REASON)
    assert answer.status_code == 201, answer.text
    correction: str = answer.json()["id"]
    if changes:
        ok(await caller.patch(f"{LOG}/{correction}", json=changes, headers={"If-Match": '"v1"'}))
    ok(await caller.act(f"{LOG}/{correction}/submit"))
    return correction


async def refused_changes(team: Offices, key: str) -> set[str]:
    url, seen = f"{LOG}/{key}", {"If-Match": f'"v{(await read(team.tksk, key))["version"]}"'}
    answers = (
        await team.dinsos.act(f"{url}/return", {"note": "x"}),
        await team.tksk.patch(url, json={"title": "Lain"}, headers=seen),
        await team.tksk.delete(url, headers=seen),
    )
    return {code_of(answer) for answer in answers}


@pytest.mark.parametrize(("first", "then"), [("month", "quarter"), ("quarter", "month")])
async def test_what_another_report_says_stays_held_when_one_is_returned(owner, team, first, then):
    """A month lies in its quarter: both say the same rows, and only one of them can hold a row."""
    entry = (await log(team.tksk, day=DAY))["id"]
    returned = await submitted(team.tksk, start=QUARTER, kind=first)
    kept = await accepted(team.tksk, team.dinsos, start=QUARTER, kind=then)
    assert (await read(team.tksk, entry))["frozen_by"] == returned["id"]
    ok(await team.dinsos.act(f"{URL}/{returned['id']}/return", REMARKS))

    assert (await read(team.tksk, entry))["frozen_by"] == kept["id"]
    assert await refused_changes(team, entry) == {"frozen"}
    assert await owner.fetchval(LET_GO) == 0
    snapshot = ok(await team.tksk.get(f"{URL}/{kept['id']}/revisions/1"))["content"]["work"]["activities"]
    assert await rows_of(team.tksk, snapshot["filter"]) == snapshot["count"] == 1

    # What is wrong in it is corrected, and the returned report says the correction.
    correction = await revised(team.tksk, entry, title="Lain")
    again = ok(await team.tksk.act(f"{URL}/{returned['id']}/submit"))
    assert (await read(team.tksk, correction))["frozen_by"] == again["id"]
    assert again["content"]["work"]["activities"]["count"] == 1
    assert await owner.fetchval(LET_GO) == 0


async def test_a_return_lets_go_of_what_only_the_returned_revision_said(owner, team):
    entry = (await log(team.tksk, day=DAY))["id"]
    report = await accepted(team.tksk, team.dinsos, start=QUARTER)
    late = (await log(team.tksk, day=DAY))["id"]
    ok(await team.tksk.act(f"{URL}/{report['id']}/revise", REASON))
    ok(await team.tksk.act(f"{URL}/{report['id']}/submit"))
    ok(await team.dinsos.act(f"{URL}/{report['id']}/return", REMARKS))
    held = [(await read(team.tksk, key))["frozen_by"] for key in (entry, late)]
    assert held == [report["id"], None]
    assert await owner.fetchval(LET_GO) == 0


async def test_a_return_waits_for_a_report_that_is_just_being_handed_in(owner, team):
    """Whichever comes first, what is handed in is held."""
    entry = (await log(team.tksk, day=DAY))["id"]
    month = await submitted(team.tksk, start=QUARTER)
    quarter = await written(team.tksk, await compiled(team.tksk, start=QUARTER, kind="quarter"))
    back, sent = await asyncio.gather(
        team.dinsos.act(f"{URL}/{month['id']}/return", REMARKS), team.tksk.act(f"{URL}/{quarter['id']}/submit")
    )
    assert (back.status_code, sent.status_code) == (200, 200)
    assert (await read(team.tksk, entry))["frozen_by"] == quarter["id"]


async def test_the_office_accepts_what_a_report_holds_and_not_what_was_corrected(team):
    entry, other = (await log(team.tksk, day=DAY))["id"], (await log(team.tksk, day=DAY))["id"]
    report = await accepted(team.tksk, team.dinsos, start=QUARTER)
    correction = await revised(team.tksk, other)
    many = ok(await team.dinsos.post(f"{LOG}/accept-many", json={"ids": [entry, other, correction]}))["items"]
    assert [one["status"] for one in many] == ["accepted", "refused", "accepted"]
    assert many[1]["problem"]["code"] == "already_corrected"
    assert (await read(team.tksk, entry))["frozen_by"] == report["id"]
    assert await refused_changes(team, entry) >= {"frozen"}


async def test_a_correction_stays_in_the_days_and_the_district_that_are_reported(as_, owner, team):
    entry = (await log(team.tksk, day=DAY))["id"]
    await submitted(team.tksk, start=QUARTER, kind="quarter")
    month = await accepted(team.tksk, team.dinsos, start=QUARTER)
    last = date.fromisoformat(month["period_end"])
    correction = (await team.tksk.act(f"{LOG}/{entry}/revise", REASON)).json()["id"]

    async def moved(**change: Any) -> Any:
        seen = {"If-Match": f'"v{(await read(team.tksk, correction))["version"]}"'}
        return await team.tksk.patch(f"{LOG}/{correction}", json=change, headers=seen)

    for day in (QUARTER - timedelta(days=1), last + timedelta(days=1)):
        (error,) = (await moved(occurred_on=str(day))).json()["errors"]
        assert (error["pointer"], error["code"]) == ("/occurred_on", "outside_report")
        assert str(QUARTER) in error["detail"]
        assert str(last) in error["detail"]
    # As an officer of two districts could.
    await owner.execute("UPDATE activities SET region_code = $1 WHERE id = $2", "18.71.05", UUID(correction))
    await owner.execute("UPDATE users SET region_code = '18.71' WHERE id = $1", team.tksk.user_id)
    (error,) = (await team.tksk.act(f"{LOG}/{correction}/submit")).json()["errors"]
    assert (error["pointer"], error["code"]) == ("/region_code", "outside_report")
    await owner.execute("UPDATE activities SET region_code = '18.71.04' WHERE id = $1", UUID(correction))
    assert (await moved(occurred_on=str(last))).status_code == 200
    ok(await team.tksk.act(f"{LOG}/{correction}/submit"))


async def test_a_follow_up_stays_done_however_often_its_work_is_corrected(owner, team):
    left = {"note": "Kunjungan ulang", "due_on": str(TODAY + timedelta(days=9))}
    entry = (await log(team.tksk, day=DAY, follow_up=left))["id"]
    report = await accepted(team.tksk, team.dinsos, start=QUARTER)
    await log(team.tksk, day=TODAY, follows_up_id=entry)
    for _ in range(3):
        entry = await revised(team.tksk, entry)
        ok(await team.tksk.act(f"{URL}/{report['id']}/revise", REASON))
        ok(await team.tksk.act(f"{URL}/{report['id']}/submit"))
        said = ok(await team.dinsos.act(f"{URL}/{report['id']}/accept"))["content"]["follow_ups"]
        assert {name: said[name]["count"] for name in ("open", "done", "overdue")} == {
            "open": 0,
            "done": 1,
            "overdue": 0,
        }
        assert await rows_of(team.tksk, said["done"]["filter"]) == 1


async def test_of_those_who_correct_at_once_one_does_and_the_others_are_told_of_it(team):
    entry = (await log(team.tksk, day=DAY))["id"]
    await submitted(team.tksk, start=QUARTER)
    seen = {"If-Match": f'"v{(await read(team.tksk, entry))["version"]}"'}
    four = await asyncio.gather(*(team.tksk.post(f"{LOG}/{entry}/revise", json=REASON, headers=seen) for _ in range(4)))
    (made,) = [answer.json()["id"] for answer in four if answer.status_code == 201]
    told = [(code_of(answer), answer.json()["correction_id"]) for answer in four if answer.status_code != 201]
    assert told == [("already_corrected", made)] * 3


@pytest.mark.parametrize("step", ["accept", "submit_report"])
async def test_rows_are_locked_by_id_whatever_their_order_is(owner, owner_url, team, step):
    """A month is accepted while its report is handed in: one waits for the other, and holds nothing that it needs."""
    first, *_, last = ids = await three_entries(owner, team.tksk.user_id)
    report = await written(team.tksk, await compiled(team.tksk))
    other = await asyncpg.connect(owner_url)
    held = other.transaction()
    await held.start()
    await other.execute("SELECT 1 FROM activities WHERE id = $1 FOR UPDATE", first)
    if step == "accept":
        body = {"ids": [str(key) for key in reversed(ids)]}
        asked = asyncio.create_task(team.dinsos.post(f"{LOG}/accept-many", json=body))
    else:
        asked = asyncio.create_task(team.tksk.act(f"{URL}/{report['id']}/submit"))
    while not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert not asked.done(), (await asked).text
        await asyncio.sleep(0.005)
    await other.execute("SELECT 1 FROM activities WHERE id = $1 FOR UPDATE NOWAIT", last)
    await held.rollback()
    await other.close()
    assert (await asked).status_code == 200


async def three_entries(owner: Any, officer: UUID) -> list[UUID]:
    """By id; the later an id, the earlier its day."""
    rows = await owner.fetch(
        "INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, "
        "result, status) SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, 1, $4, $1, $2::date - n, "
        "'social_security', 'facilitation', 'sktm_verification', 'Verifikasi', 'Selesai', 'submitted' "
        "FROM generate_series(1, $3::integer) n RETURNING id",
        officer,
        LAST_MONTH + timedelta(days=9),
        3,
        SRENGSEM,
    )
    return sorted(row["id"] for row in rows)


async def test_a_suggestion_of_what_is_logged_already_is_not_counted_again(team):
    person = await add_person(team.clerk)
    logged = await by_hand(team.tksk, person["id"])
    ok(await team.tksk.act(f"{LOG}/{logged['id']}/submit"))
    visit = await visited(team.tksk, person["id"])
    (draft,) = await suggested(team.tksk)
    assert draft["origin"]["logged_as"] == logged["id"]

    many = ok(await team.tksk.post(f"{LOG}/submit-many", json={"ids": [draft["id"]]}))["items"]
    assert (many[0]["status"], many[0]["problem"]["code"]) == ("refused", "already_logged")
    assert logged["id"] in many[0]["problem"]["detail"]
    one = await team.tksk.act(f"{LOG}/{draft['id']}/submit")
    assert (one.status_code, code_of(one), one.json()["activity_id"]) == (409, "already_logged", logged["id"])

    # The entry lies with the office already, which took it: the link is no change of what it says.
    ok(await team.dinsos.act(f"{LOG}/{logged['id']}/accept"))
    linked = ok(await team.tksk.act(f"{LOG}/{draft['id']}/link", {"activity_id": logged["id"]}))
    assert (linked["id"], linked["status"], linked["visit_ids"]) == (logged["id"], "accepted", [visit])
    assert await suggested(team.tksk) == []
    counted = ok(await team.tksk.get(f"{LOG}?counted=true"))["items"]
    assert [entry["id"] for entry in counted] == [logged["id"]]


async def test_what_is_confirmed_to_be_other_work_is_handed_in(team):
    person = await add_person(team.clerk)
    await by_hand(team.tksk, person["id"])
    await visited(team.tksk, person["id"])
    (draft,) = await suggested(team.tksk)
    ok(await team.tksk.act(f"{LOG}/{draft['id']}/confirm"))
    many = ok(await team.tksk.post(f"{LOG}/submit-many", json={"ids": [draft["id"]]}))["items"]
    assert many[0]["status"] == "submitted"


async def test_a_reported_entry_takes_no_link_and_its_suggestion_is_dismissed(team):
    person = await add_person(team.clerk)
    day = LAST_MONTH + timedelta(days=4)
    logged = await by_hand(team.tksk, person["id"], occurred_on=str(day), result="Layak")
    ok(await team.tksk.act(f"{LOG}/{logged['id']}/submit"))
    await submitted(team.tksk)
    await visited(team.tksk, person["id"], day)
    (draft,) = await suggested(team.tksk)
    assert draft["origin"]["logged_as"] == logged["id"]
    assert code_of(await team.tksk.act(f"{LOG}/{draft['id']}/link", {"activity_id": logged["id"]})) == "frozen"
    correction = await revised(team.tksk, logged["id"])
    (draft,) = await suggested(team.tksk)
    assert draft["origin"]["logged_as"] == correction
    ok(await team.tksk.act(f"{LOG}/{draft['id']}/link", {"activity_id": correction}))
    assert await suggested(team.tksk) == []
