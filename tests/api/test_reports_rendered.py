"""The documents of every report of a period, printed by a job: what it tells of each is what fetching it gives."""

import hashlib
from typing import Any
from uuid import UUID

import pytest
from test_reports import LAST_MONTH, THIS_MONTH, URL, accepted, compiled, log, submitted

from helpers import BANDAR_LAMPUNG, PANJANG, code_of
from sktm_flow import Offices, offices, ok
from tksk_api.domain.jobs.worker import take_step
from tksk_api.domain.reports.many import render
from tksk_api.domain.reports.service import RENDER_MANY
from tksk_api.routers.reports import rendering

NEIGHBOUR = "18.71.05"


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


def wanted(**over: Any) -> dict[str, Any]:
    period = {"period_type": "month", "period_start": LAST_MONTH.isoformat()}
    return {"region_code": BANDAR_LAMPUNG, **period, **over}


async def rendered(app: Any, caller: Any, handler: Any = None, **over: Any) -> dict[str, Any]:
    """The job, done."""
    answer = await caller.post(f"{URL}/render-many", json=wanted(**over))
    assert answer.status_code == 202, answer.text
    while await take_step(app.state.house.sessions, {RENDER_MANY: handler or rendering(app.state.house)}):
        pass
    return ok(await caller.get(answer.headers["location"]))


async def test_every_report_of_a_period_is_printed_and_to_be_had_as_it_was_told(as_, app, team):
    await log(team.tksk)
    mine = await accepted(team.tksk, team.dinsos)
    ok(await team.tksk.act(f"{URL}/{mine['id']}/revise", {"reason": "Salah ketik"}))  # the accepted one counts
    neighbour = await as_("tksk", NEIGHBOUR)
    draft = await compiled(neighbour, region=NEIGHBOUR)
    recap = await compiled(team.dinsos, region=BANDAR_LAMPUNG)
    await compiled(team.tksk, start=THIS_MONTH)  # of another month

    job = await rendered(app, team.dinsos, formats=["pdf", "xlsx"])
    assert (job["state"], job["progress"]) == ("done", {"done": 3, "total": 3}), job
    told = job["result"]["documents"]
    assert [(one["region_code"], one["format"], one["status"], one["revision"]) for one in told] == [
        (region, kind, status, revision)
        for region, status, revision in (
            (BANDAR_LAMPUNG, "draft", None),
            (PANJANG, "accepted", 1),
            (NEIGHBOUR, "draft", None),
        )
        for kind in ("pdf", "xlsx")
    ]
    assert [one["report_id"] for one in told[::2]] == [recap["id"], mine["id"], draft["id"]]
    for one in told:
        answer = await team.dinsos.get(one["url"])
        assert (answer.status_code, answer.headers["etag"]) == (200, one["etag"])
        found = (len(answer.content), hashlib.sha256(answer.content).hexdigest(), None)
        assert (one["bytes"], one["sha256"], one["error"]) == found
        assert (await team.dinsos.get(one["url"], headers={"If-None-Match": one["etag"]})).status_code == 304


async def test_one_that_cannot_be_printed_is_named_and_holds_up_no_other(as_, app, team):
    await submitted(team.tksk)
    await compiled(await as_("tksk", NEIGHBOUR), region=NEIGHBOUR)

    def broken(printed: Any) -> bytes:
        if printed.content.region.code == PANJANG:
            raise RuntimeError("no paper")
        return b"paper"

    async def with_broken_printer(session: Any, job: Any) -> Any:
        return await render(session, job, vault=app.state.house.vault, renders={"pdf": broken})

    job = await rendered(app, team.dinsos, with_broken_printer)
    found = {one["region_code"]: (one["error"], one["bytes"]) for one in job["result"]["documents"]}
    assert found == {PANJANG: ("internal_error", None), NEIGHBOUR: (None, 5)}


async def test_one_whose_content_cannot_be_read_is_named_and_holds_up_no_other(as_, app, owner, team):
    mine = await compiled(team.tksk)
    await compiled(await as_("tksk", NEIGHBOUR), region=NEIGHBOUR)
    await owner.execute("UPDATE reports SET content = '{}' WHERE id = $1", UUID(mine["id"]))

    async def with_printer(session: Any, job: Any) -> Any:
        return await render(session, job, vault=app.state.house.vault, renders={"pdf": lambda _: b"paper"})

    job = await rendered(app, team.dinsos, with_printer)
    found = {one["region_code"]: (one["status"], one["error"], one["bytes"]) for one in job["result"]["documents"]}
    assert found == {PANJANG: ("draft", "internal_error", None), NEIGHBOUR: ("draft", None, 5)}


async def test_it_is_for_offices_and_regencies_and_says_when_there_is_nothing(as_, app, team):
    assert (await rendered(app, team.dinsos))["result"]["documents"] == []
    for body, code in (({"region_code": PANJANG}, "region_level"), ({"formats": []}, "too_short")):
        (error,) = (await team.dinsos.post(f"{URL}/render-many", json=wanted(**body))).json()["errors"]
        assert error["code"] == code
    assert code_of(await team.tksk.post(f"{URL}/render-many", json=wanted())) == "permission_denied"
    elsewhere = await as_("regency_office", "52.71")
    assert (await elsewhere.post(f"{URL}/render-many", json=wanted())).status_code == 404
