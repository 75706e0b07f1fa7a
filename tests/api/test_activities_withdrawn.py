"""What should never have been handed in is withdrawn, also when a report says it: for good, in the open, and only by
those who may correct it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from test_activities_handed_over import leave
from test_activities_reported import DAY, LET_GO, LOG, QUARTER, read, revised
from test_reports import TODAY, URL, accepted, log, rows_of
from test_reports_due import waiting

from helpers import BANDAR_LAMPUNG, PANJANG, code_of
from sktm_flow import Offices, offices, ok
from tksk_api.domain.statistics.upkeep import differences

WHY = {"reason": "Dikerjakan di bulan lain"}
REVISE = {"reason": "Satu kegiatan ditarik"}


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def counted(team: Offices) -> int:
    """What the statistics say of those days."""
    span = {"of": "activities", "from": str(QUARTER), "to": str(QUARTER + timedelta(days=30))}
    cells = ok(await team.dinsos.get("/v1/statistics", params=span))["cells"]
    return sum(cell["count"] for cell in cells)


async def test_a_report_says_what_was_withdrawn_until_it_is_revised(owner, team):
    kept, wrong = (await log(team.tksk, day=DAY))["id"], (await log(team.tksk, day=DAY))["id"]
    ok(await team.dinsos.act(f"{LOG}/{wrong}/accept"))
    report = await accepted(team.tksk, team.dinsos, start=QUARTER)
    address = f"{URL}/{report['id']}"
    before = (await team.tksk.get(f"{address}/document?revision=1")).text
    assert await counted(team) == 2

    gone = ok(await team.tksk.act(f"{LOG}/{wrong}/withdraw", WHY))
    assert (gone["status"], gone["frozen_by"], await counted(team)) == ("withdrawn", report["id"], 1)
    assert await differences(owner) == []
    (*_, step) = ok(await team.dinsos.get(f"{LOG}/{wrong}/history"))["items"]
    assert (step["action"], step["from_state"], step["note"]) == ("withdraw", "accepted", WHY["reason"])
    assert ok(await team.dinsos.get(address))["outdated"]
    assert await waiting(team.tksk) == ["report_to_correct"]
    found = ok(await team.dinsos.get(f"{address}/check"))["items"]
    (finding,) = [item for item in found if item["code"] in ("work_withdrawn", "work_left_out")]
    assert (finding["code"], finding["count"], await rows_of(team.dinsos, finding["filter"])) == (
        "work_withdrawn",
        1,
        1,
    )

    ok(await team.tksk.act(f"{address}/revise", REVISE))
    again = ok(await team.tksk.act(f"{address}/submit"))
    assert (again["revision"], again["outdated"]) == (2, False)
    number = again["content"]["work"]["activities"]
    assert (number["count"], await rows_of(team.tksk, number["filter"])) == (1, 1)
    ok(await team.dinsos.act(f"{address}/accept"))
    assert await waiting(team.tksk) == []
    # What was said stays said, and its number still has its rows.
    assert (await team.tksk.get(f"{address}/document?revision=1")).text == before
    number = ok(await team.tksk.get(f"{address}/revisions/1"))["content"]["work"]["activities"]
    assert (number["count"], await rows_of(team.tksk, number["filter"])) == (2, 2)
    assert (await owner.fetchval(LET_GO), await differences(owner)) == (0, [])
    assert (await read(team.tksk, kept))["status"] == "submitted"


async def test_a_correction_takes_what_it_corrects_along(owner, team):
    entry = (await log(team.tksk, day=DAY))["id"]
    report = await accepted(team.tksk, team.dinsos, start=QUARTER)
    correction = await revised(team.tksk, entry)
    refused = await team.tksk.act(f"{LOG}/{entry}/withdraw", WHY)
    assert (code_of(refused), refused.json()["correction_id"]) == ("already_corrected", correction)
    ok(await team.tksk.act(f"{LOG}/{correction}/withdraw", WHY))
    assert [(await read(team.tksk, key))["status"] for key in (entry, correction)] == ["withdrawn", "withdrawn"]
    assert ok(await team.tksk.get(f"{URL}/{report['id']}"))["outdated"]
    assert (await counted(team), await differences(owner)) == (0, [])


async def test_what_is_withdrawn_stays_so(as_, owner, team):
    entry, draft = (await log(team.tksk, day=DAY))["id"], (await log(team.tksk, day=DAY, submit=False))["id"]
    report = await accepted(team.tksk, team.dinsos, start=QUARTER)
    assert code_of(await team.tksk.act(f"{LOG}/{draft}/withdraw", WHY)) == "transition_refused"
    begun = (await team.tksk.act(f"{LOG}/{entry}/revise", WHY)).json()["id"]
    assert code_of(await team.tksk.act(f"{LOG}/{entry}/withdraw", WHY)) == "already_corrected"
    assert (await team.tksk.delete(f"{LOG}/{begun}", headers={"If-Match": '"v1"'})).status_code == 204
    assert code_of(await team.tksk.act(f"{LOG}/{entry}/withdraw", {"reason": " "})) == "invalid_request"

    seen = {"If-Match": f'"v{(await read(team.tksk, entry))["version"]}"'}
    url = f"{LOG}/{entry}/withdraw"
    both = await asyncio.gather(*(team.tksk.post(url, json=WHY, headers=seen) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 412]
    seen = {"If-Match": f'"v{(await read(team.tksk, entry))["version"]}"'}
    for answer in (
        await team.tksk.act(url, WHY),
        await team.tksk.act(f"{LOG}/{entry}/revise", WHY),
        await team.dinsos.act(f"{LOG}/{entry}/accept"),
    ):
        assert code_of(answer) == "transition_refused", answer.text
    for answer in (
        await team.tksk.patch(f"{LOG}/{entry}", json={"title": "Lain"}, headers=seen),
        await team.tksk.delete(f"{LOG}/{entry}", headers=seen),
        await team.dinsos.act(f"{LOG}/{entry}/return", {"note": "x"}),
        await team.tksk.act(f"{LOG}/{entry}/submit"),
    ):
        assert code_of(answer) == "frozen", answer.text
    # A returned correction of the report lets nothing of it come back.
    ok(await team.tksk.act(f"{URL}/{report['id']}/revise", REVISE))
    assert ok(await team.tksk.post(f"{LOG}/submit-many", json={"ids": [draft]}))["items"][0]["status"] == "submitted"
    ok(await team.tksk.act(f"{URL}/{report['id']}/submit"))
    ok(await team.dinsos.act(f"{URL}/{report['id']}/return", {"remarks": [{"section": "work", "note": "Lengkapi"}]}))
    assert (await read(team.tksk, entry))["frozen_by"] == report["id"], "the accepted revision says it"
    assert await counted(team) == 1


async def test_it_is_for_those_who_may_correct_it(as_, owner, team):
    entry = (await log(team.tksk, day=DAY))["id"]
    await accepted(team.tksk, team.dinsos, start=QUARTER)
    other = await as_("tksk", PANJANG)
    url = f"{LOG}/{entry}/withdraw"
    assert code_of(await other.act(url, WHY)) == "permission_denied"
    assert code_of(await team.dinsos.act(url, WHY)) == "permission_denied"
    assert (await (await as_("tksk", "18.71.05")).act(url, WHY, version=1)).status_code == 404
    assert code_of(await (await as_("coordinator", BANDAR_LAMPUNG)).act(url, WHY)) == "permission_denied"
    await leave(owner, team.tksk.user_id)
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", other.user_id)
    ok(await team.dinsos.act(url, WHY))  # nobody works there any more
    (*_, step) = ok(await team.dinsos.get(f"{LOG}/{entry}/history"))["items"]
    assert step["details"]["in_place_of"] == str(team.tksk.user_id)


async def test_what_was_handed_in_and_is_in_no_report_is_withdrawn_too(owner, team):
    entry = (await log(team.tksk, day=TODAY))["id"]
    gone = ok(await team.tksk.act(f"{LOG}/{entry}/withdraw", WHY))
    assert (gone["status"], gone["frozen_by"]) == ("withdrawn", None)
    seen = {"If-Match": f'"v{gone["version"]}"'}
    assert code_of(await team.tksk.delete(f"{LOG}/{entry}", headers=seen)) == "transition_refused"
    assert await differences(owner) == []


async def test_a_correction_withdrawn_and_returned_at_once_makes_one_wait_for_the_other(owner, team):
    entries = [(await log(team.tksk, day=DAY))["id"] for _ in range(4)]
    await accepted(team.tksk, team.dinsos, start=QUARTER)
    for entry in entries:
        correction = (await team.tksk.act(f"{LOG}/{entry}/revise", REVISE)).json()["id"]
        url = f"{LOG}/{correction}"
        version = ok(await team.tksk.act(f"{url}/submit"))["version"]
        answers = await asyncio.gather(
            team.tksk.act(f"{url}/withdraw", WHY, version=version),
            team.dinsos.act(f"{url}/return", {"note": "Jumlahnya belum benar"}, version=version),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412], [answer.text for answer in answers]
    assert await differences(owner) == []


async def test_what_was_withdrawn_leaves_nothing_to_do(team):
    promised = {"follow_up": {"note": "Antar ke puskesmas", "due_on": str(TODAY)}}
    entry = (await log(team.tksk, day=TODAY, **promised))["id"]
    pending = f"{LOG}?follow_up=pending"
    assert await rows_of(team.dinsos, pending) == 1
    ok(await team.tksk.act(f"{LOG}/{entry}/withdraw", WHY))
    assert await rows_of(team.dinsos, pending) == 0
