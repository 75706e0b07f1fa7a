"""What becomes of an officer's log when they leave: the district's next officer goes on with it, in the open."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from test_reports import TODAY, hold, log, submitted
from test_worklist import counts, follow, listed

from helpers import BANDAR_LAMPUNG, PANJANG, code_of
from sktm_flow import Offices, offices, ok

URL = "/v1/activities"
REASON = {"reason": "Jumlah peserta salah"}
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def leave(owner: Any, user: UUID) -> None:
    """Their time in the district is over."""
    await hold(owner, user, ends_on=YESTERDAY)


async def left_behind(caller: Any) -> list[str]:
    found = [item["id"] for item in await listed(caller) if item["kind"] == "activity_left_behind"]
    (line,) = [line for line in await counts(caller) if line["kind"] == "activity_left_behind"] or [None]
    if line is not None:
        assert (line["count"], line["overdue"]) == await follow(caller, line)
    assert (line or {"count": 0})["count"] == len(found)
    return found


async def steps(caller: Any, key: str) -> list[tuple[str, str, str | None]]:
    items = ok(await caller.get(f"{URL}/{key}/history"))["items"]
    return [(item["action"], item["actor_name"], item["details"].get("in_place_of")) for item in items]


@pytest.mark.parametrize("kind", ["holder", "acting"])
async def test_what_a_report_says_is_corrected_by_who_has_the_district_now(owner, team, as_, kind):
    entry = (await log(team.tksk))["id"]
    await submitted(team.tksk)
    successor = await as_("tksk", PANJANG, full_name="Budi Santoso")
    assert code_of(await successor.act(f"{URL}/{entry}/revise", REASON)) == "permission_denied"
    await leave(owner, team.tksk.user_id)
    assert code_of(await successor.act(f"{URL}/{entry}/revise", REASON)) == "permission_denied"
    await hold(owner, successor.user_id, kind, starts_on=TODAY)

    answer = await successor.act(f"{URL}/{entry}/revise", REASON)
    assert answer.status_code == 201, answer.text
    correction = answer.json()
    assert correction["officer_id"] == str(team.tksk.user_id), "it is still the work of who did it"
    url = f"{URL}/{correction['id']}"
    version = {"If-Match": f'"v{correction["version"]}"'}
    ok(await successor.patch(url, json={"result": "Sebelas orang hadir"}, headers=version))
    ok(await successor.act(f"{url}/submit"))
    author, heir = str(team.tksk.user_id), "Budi Santoso"
    assert await steps(team.dinsos, entry) == [("submit", "Rina Wulandari", None), ("revise", heir, author)]
    assert await steps(team.dinsos, correction["id"]) == [("submit", heir, author)]

    # Whoever handed it in does not accept it, whatever they became since; neither does whoever did the work.
    await owner.execute("DELETE FROM assignments")
    for user in (successor.user_id, team.tksk.user_id):
        await owner.execute(
            "UPDATE users SET role = 'regency_office', region_code = $2, has_assignments = false WHERE id = $1",
            user,
            BANDAR_LAMPUNG,
        )
    for caller in (successor, team.tksk):
        assert code_of(await caller.act(f"{url}/accept")) == "permission_denied"
    assert ok(await team.dinsos.act(f"{url}/accept"))["status"] == "accepted"


async def test_a_holder_on_leave_keeps_their_drafts_and_a_stand_in_corrects_the_report(owner, team, as_):
    entry, draft = (await log(team.tksk))["id"], (await log(team.tksk, submit=False))["id"]
    await submitted(team.tksk)
    stand_in = await as_("tksk", PANJANG)
    await hold(owner, team.tksk.user_id)
    await hold(owner, stand_in.user_id, "acting", starts_on=YESTERDAY)
    assert (await stand_in.act(f"{URL}/{entry}/revise", REASON)).status_code == 201
    assert code_of(await stand_in.act(f"{URL}/{draft}/submit")) == "permission_denied"
    assert (await left_behind(stand_in), await left_behind(team.dinsos)) == ([], [])


async def test_drafts_left_behind_are_seen_by_the_office_and_handed_in_by_the_next_officer(owner, team, as_):
    draft = (await log(team.tksk, submit=False))["id"]
    other = (await log(team.tksk, submit=False))["id"]
    assert await left_behind(team.dinsos) == []
    neighbour = await as_("tksk", "18.71.05")
    await leave(owner, team.tksk.user_id)
    assert sorted(await left_behind(team.dinsos)) == sorted([draft, other])
    (line,) = [one for one in await counts(team.dinsos, by="officer") if one["kind"] == "activity_left_behind"]
    assert (line["officer_name"], line["count"]) == ("Rina Wulandari", 2)
    assert await left_behind(neighbour) == []

    successor = await as_("tksk", PANJANG)
    assert await left_behind(successor) == []  # no decree yet
    assert code_of(await team.dinsos.act(f"{URL}/{draft}/submit")) == "permission_denied"  # but somebody works there
    await hold(owner, successor.user_id, starts_on=TODAY)
    assert sorted(await left_behind(successor)) == sorted([draft, other])
    handed_in = ok(await successor.act(f"{URL}/{draft}/submit"))
    assert (handed_in["status"], handed_in["officer_id"]) == ("submitted", str(team.tksk.user_id))
    version = ok(await successor.get(f"{URL}/{other}"))["version"]
    assert (await successor.delete(f"{URL}/{other}", headers={"If-Match": f'"v{version}"'})).status_code == 204
    assert (await left_behind(successor), await left_behind(team.dinsos)) == ([], [])
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", successor.user_id)
    mine = await owner.fetchval("SELECT app.works_in($1, $2)", successor.user_id, PANJANG)
    assert mine is False


async def test_where_nobody_works_any_more_the_regency_closes_the_month(owner, team, as_):
    """An officer who moved does not reach their former district, and nobody came after them."""
    entry = (await log(team.tksk))["id"]
    drafts = [(await log(team.tksk, submit=False))["id"] for _ in range(3)]
    await submitted(team.tksk)
    assert code_of(await team.dinsos.act(f"{URL}/{entry}/revise", REASON)) == "permission_denied"
    await leave(owner, team.tksk.user_id)
    await hold(owner, team.tksk.user_id, region="18.71.05", starts_on=TODAY)
    assert (await team.tksk.get(f"{URL}/{drafts[0]}")).status_code == 404
    elsewhere = await as_("regency_office", "52.71")
    assert (await elsewhere.act(f"{URL}/{entry}/revise", REASON, version=1)).status_code == 404
    colleague = await as_("regency_office", BANDAR_LAMPUNG)

    answer = await team.dinsos.act(f"{URL}/{entry}/revise", REASON)
    assert answer.status_code == 201, answer.text
    correction = answer.json()
    assert correction["officer_id"] == str(team.tksk.user_id)
    version = {"If-Match": f'"v{correction["version"]}"'}
    ok(await team.dinsos.patch(f"{URL}/{correction['id']}", json={"result": "Sebelas hadir"}, headers=version))
    for key in (correction["id"], drafts[0]):
        ok(await team.dinsos.act(f"{URL}/{key}/submit"))
        assert code_of(await team.dinsos.act(f"{URL}/{key}/accept")) == "permission_denied", "they handed it in"
        assert ok(await colleague.act(f"{URL}/{key}/accept"))["status"] == "accepted"
    version = {"If-Match": f'"v{ok(await team.dinsos.get(f"{URL}/{drafts[1]}"))["version"]}"'}
    assert (await team.dinsos.delete(f"{URL}/{drafts[1]}", headers=version)).status_code == 204
    assert await left_behind(team.dinsos) == [drafts[2]]
    # From the day on which somebody works there it is theirs.
    successor = await as_("tksk", PANJANG)
    await hold(owner, successor.user_id, "acting", starts_on=TODAY)
    assert code_of(await team.dinsos.act(f"{URL}/{drafts[2]}/submit")) == "permission_denied"
    ok(await successor.act(f"{URL}/{drafts[2]}/submit"))
