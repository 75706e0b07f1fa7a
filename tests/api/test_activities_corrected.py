"""What stands in the way of a correction: its original taken out, itself, a person nobody may write about, a race."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from test_activities_reported import LOG, REASON, REMARKS, read
from test_reports import TODAY, URL, log, submitted

from helpers import add_person, code_of
from sktm_flow import Offices, offices, ok


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def begun(team: Offices, key: str) -> dict[str, Any]:
    answer = await team.tksk.act(f"{LOG}/{key}/revise", REASON)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def deleted(team: Offices, key: str) -> Any:
    seen = {"If-Match": f'"v{(await read(team.tksk, key))["version"]}"'}
    return await team.tksk.delete(f"{LOG}/{key}", headers=seen)


async def test_what_is_being_corrected_is_not_taken_out_of_the_log(team):
    entry = (await log(team.tksk))["id"]
    report = await submitted(team.tksk)
    correction = (await begun(team, entry))["id"]
    ok(await team.dinsos.act(f"{URL}/{report['id']}/return", REMARKS))
    ok(await team.dinsos.act(f"{LOG}/{entry}/return", {"note": "Lengkapi"}))
    refused = await deleted(team, entry)
    assert (code_of(refused), refused.json()["correction_id"]) == ("already_corrected", correction)
    assert (await deleted(team, correction)).status_code == 204
    assert (await deleted(team, entry)).status_code == 204


async def test_nothing_does_what_itself_left_to_do(team):
    entry = await log(team.tksk, follow_up={"note": "Kunjungan ulang", "due_on": TODAY.isoformat()})
    await submitted(team.tksk)
    correction = await begun(team, entry["id"])
    for wrong in (entry["id"], correction["id"]):
        body = {"follows_up_id": wrong}
        answer = await team.tksk.patch(f"{LOG}/{correction['id']}", json=body, headers={"If-Match": '"v1"'})
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/follows_up_id", "unknown_reference")
    assert (await log(team.tksk, follows_up_id=entry["id"]))["follows_up_id"] == entry["id"]


async def test_a_correction_leaves_out_who_must_not_be_written_about(owner, team):
    person, other = [(await add_person(team.clerk))["id"] for _ in range(2)]
    entry = (await log(team.tksk, beneficiary_ids=[person, other]))["id"]
    await submitted(team.tksk)
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(person))
    correction = await begun(team, entry)
    assert correction["beneficiary_ids"] == [other]
    ok(await team.tksk.act(f"{LOG}/{correction['id']}/submit"))
    assert (await read(team.tksk, entry))["beneficiary_ids"] == [person, other]


async def test_a_correction_is_handed_in_while_its_report_is_returned(owner, owner_url, team):
    entry = (await log(team.tksk))["id"]
    await submitted(team.tksk)
    correction = await begun(team, entry)
    other = await asyncpg.connect(owner_url)
    returned = other.transaction()
    await returned.start()
    await other.execute("UPDATE activities SET frozen_by = NULL WHERE id = $1", UUID(entry))
    asked = asyncio.create_task(team.tksk.act(f"{LOG}/{correction['id']}/submit"))
    while not await owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert not asked.done(), (await asked).text
        await asyncio.sleep(0.005)
    await returned.commit()
    await other.close()
    assert ok(await asked)["status"] == "submitted"
    assert (await read(team.tksk, entry))["superseded_by"] == correction["id"]
