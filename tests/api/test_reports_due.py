"""Reports that wait: on whose worklist, and who is reminded when."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from test_reports import THIS_MONTH, TODAY, URL, accepted, compiled, hold, log, submitted
from test_worklist import counts, follow, listed

from helpers import BANDAR_LAMPUNG, PANJANG, Caller
from sktm_flow import Offices, offices, ok
from tksk_api.domain.notifications.outbox import remind_of_reports

REMARKS = {"remarks": [{"section": "work", "note": "Lengkapi hasil"}]}
KINDS = ("report_to_submit", "report_to_correct", "report_to_review", "report_to_acknowledge")


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def waiting(caller: Caller) -> list[str]:
    """The kinds of reports that wait for the caller; their counts list exactly these."""
    found = [item["kind"] for item in await listed(caller) if item["entity"] == "reports"]
    lines = [line for line in await counts(caller) if line["kind"] in KINDS]
    assert {line["kind"]: line["count"] for line in lines} == {kind: found.count(kind) for kind in found}
    for line in lines:
        assert (line["count"], line["overdue"]) == await follow(caller, line)
    return found


# ---- the worklist ----------------------------------------------------------------------------------------------------


async def test_a_report_is_handed_from_one_list_to_the_next(owner, team):
    report = await compiled(team.tksk)
    await compiled(team.tksk, start=THIS_MONTH)  # its period runs: nothing to hand in yet
    (item,) = [item for item in await listed(team.tksk) if item["entity"] == "reports"]
    assert (item["kind"], item["id"], item["about"]) == ("report_to_submit", report["id"], "month")
    assert (item["due_on"], item["is_overdue"]) == (report["due_on"], date.fromisoformat(report["due_on"]) < TODAY)
    assert item["href"] == f"{URL}/{report['id']}"
    assert await waiting(team.dinsos) == []  # the officer of the time before assignments holds the district
    await hold(owner, team.tksk.user_id)
    assert (await waiting(team.tksk), await waiting(team.dinsos)) == (["report_to_submit"], [])

    await submitted(team.tksk)
    assert (await waiting(team.tksk), await waiting(team.dinsos)) == ([], ["report_to_review"])
    assert await waiting(team.camat) == ["report_to_acknowledge"]
    ok(await team.dinsos.act(f"{URL}/{report['id']}/return", REMARKS))
    assert [await waiting(one) for one in (team.tksk, team.dinsos, team.camat)] == [["report_to_submit"], [], []]
    ok(await team.tksk.act(f"{URL}/{report['id']}/submit"))
    ok(await team.camat.act(f"{URL}/{report['id']}/acknowledge"))
    assert await waiting(team.camat) == []
    ok(await team.dinsos.act(f"{URL}/{report['id']}/accept"))
    assert [await waiting(one) for one in (team.tksk, team.dinsos, team.camat)] == [[], [], []]


async def test_nobody_is_asked_to_review_what_they_handed_in(owner, team, as_):
    colleague, province = await as_("regency_office", BANDAR_LAMPUNG), await as_("province_office", "18")
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", team.tksk.user_id)
    report = await compiled(team.dinsos)
    assert await waiting(team.dinsos) == ["report_to_submit"]  # nobody holds the district
    await submitted(team.dinsos)
    assert (await waiting(team.dinsos), await waiting(colleague)) == ([], ["report_to_review"])
    ok(await colleague.act(f"{URL}/{report['id']}/accept"))
    await compiled(colleague, region=BANDAR_LAMPUNG)
    assert (await waiting(team.dinsos), await waiting(province)) == (["report_to_submit"], [])
    await submitted(colleague, region=BANDAR_LAMPUNG)
    assert (await waiting(team.dinsos), await waiting(province)) == ([], ["report_to_review"])


async def test_the_district_head_is_asked_in_the_order_of_the_region(owner, team):
    await owner.execute(
        "INSERT INTO report_calendars (id, version, region_code, effective_from, acknowledgement) "
        "VALUES ($1, 1, $2, $3, 'after_acceptance')",
        uuid4(),
        BANDAR_LAMPUNG,
        date(2024, 1, 1),
    )
    await submitted(team.tksk)
    assert await waiting(team.camat) == []
    await accepted_now(team)
    assert await waiting(team.camat) == ["report_to_acknowledge"]
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE reports SET updated_at = updated_at - interval '61 days'")
    await owner.execute("SET session_replication_role = origin")
    assert await waiting(team.camat) == []


async def test_the_author_is_told_of_work_that_is_in_no_report(owner, team):
    late = await log(team.tksk, submit=False)
    await accepted(team.tksk, team.dinsos)
    assert await waiting(team.tksk) == []
    ok(await team.tksk.act(f"/v1/activities/{late['id']}/submit"))
    assert (await waiting(team.tksk), await waiting(team.dinsos)) == (["report_to_correct"], [])


async def accepted_now(team: Offices) -> None:
    (report,) = ok(await team.dinsos.get(URL))["items"]
    ok(await team.dinsos.act(f"{URL}/{report['id']}/accept"))


# ---- reminders -------------------------------------------------------------------------------------------------------


async def due_in(owner: Any, days: int, reminders: tuple[int, ...] = (3, 0)) -> str:
    """The calendar of the regency, so that the report of last month is due so many days from now."""
    last = THIS_MONTH - timedelta(days=1)
    await owner.execute("DELETE FROM report_calendars")
    await owner.execute(
        "INSERT INTO report_calendars (id, version, region_code, effective_from, month_due_day, reminder_days) "
        "VALUES ($1, 1, $2, $3, $4, $5)",
        uuid4(),
        BANDAR_LAMPUNG,
        date(2024, 1, 1),
        (TODAY - last).days + days,
        list(reminders),
    )
    due = TODAY + timedelta(days=days)
    return f"{due:%d-%m-%Y}"


async def reminded(app: Any, *callers: Caller) -> list[list[str]]:
    """What each has been reminded of so far, oldest first; four servers look at once."""
    await asyncio.gather(*(remind_of_reports(app.state.house.sessions) for _ in range(4)))
    found = []
    for caller in callers:
        items = ok(await caller.get("/v1/notifications?kind=deadline"))["items"]
        found.append([item["template"] for item in reversed(items) if item["entity"] == "reports"])
    return found


async def test_officers_are_reminded_before_and_after_and_the_office_once(app, owner, team, as_):
    elsewhere = await as_("tksk", "52.71.01")
    second = await as_("tksk", "18.71.05")
    everybody = (team.tksk, team.dinsos, elsewhere)
    await due_in(owner, 9)
    assert await reminded(app, *everybody[:2]) == [[], []]
    day = await due_in(owner, 2)
    for _ in range(2):
        assert await reminded(app, *everybody[:2]) == [["report_due"], []]
    (item,) = ok(await team.tksk.get("/v1/notifications?kind=deadline"))["items"]
    assert item["body"] == f"Laporan untuk Panjang belum diajukan; paling lambat {day}."
    await due_in(owner, 0)
    assert await reminded(app, *everybody[:2]) == [["report_due", "report_due"], []]
    await submitted(second, region="18.71.05")
    await due_in(owner, -1)
    for _ in range(2):
        mine, office = await reminded(app, *everybody[:2])
        assert (mine, office) == (["report_due", "report_due", "report_overdue"], ["reports_missing"])
    await due_in(owner, -4)
    assert (await reminded(app, *everybody[:2]))[0] == mine
    assert (await reminded(app, second))[0] == ["report_due", "report_due"]


async def test_what_was_handed_in_is_not_asked_for_and_who_left_not_reminded(app, owner, team, as_):
    successor = await as_("tksk", PANJANG, full_name="Budi Santoso")
    await hold(owner, team.tksk.user_id, ends_on=TODAY - timedelta(days=2))
    await hold(owner, successor.user_id, starts_on=TODAY - timedelta(days=1))
    report = await compiled(successor)
    await owner.execute("UPDATE reports SET due_on = $1", TODAY + timedelta(days=3))
    assert (await reminded(app, successor))[0].count("report_due") == 1
    told = await owner.fetchval(
        "SELECT count(*) FROM inbox i JOIN notifications n ON n.id = i.notification_id "
        "WHERE i.user_id = $1 AND n.entity = 'reports'",
        team.tksk.user_id,
    )
    assert told == 0
    await submitted(successor)
    await owner.execute("UPDATE reports SET due_on = $1", TODAY)
    assert (await reminded(app, successor))[0] == ["report_due"]
    ok(await team.dinsos.act(f"{URL}/{report['id']}/return", REMARKS))
    assert (await reminded(app, successor))[0] == ["report_due", "report_due"]


async def test_a_district_that_ended_is_asked_for_the_months_of_its_time(app, owner, team):
    await due_in(owner, 0)
    try:
        for until, told in ((THIS_MONTH - timedelta(days=31), []), (THIS_MONTH, ["report_due"])):
            await owner.execute("UPDATE regions SET valid_until = $1 WHERE code = $2", until, PANJANG)
            assert await reminded(app, team.tksk) == [told]
    finally:  # regions are what no test makes, and stay
        await owner.execute("UPDATE regions SET valid_until = NULL WHERE code = $1", PANJANG)


async def test_a_longer_period_is_asked_for_once_its_report_was_begun(app, owner, team):
    await due_in(owner, 20, ())
    before = await reminded(app, team.tksk)
    start = date(TODAY.year - 1, 1, 1)
    await compiled(team.tksk, kind="year", start=start)
    await owner.execute("UPDATE reports SET due_on = $1", TODAY - timedelta(days=1))
    assert await reminded(app, team.tksk) == [[*before[0], "report_overdue"]]
    await accepted(team.tksk, team.dinsos, kind="year", start=start)
