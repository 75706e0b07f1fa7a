"""What counts and what is followed up: said in Python for lists, reports and the worklist, in the database for figures,
and everywhere the same rows."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

from test_reports import THIS_MONTH, TODAY, compiled, log
from test_worklist import counts, follow, kinds

from helpers import PANJANG, SRENGSEM
from sktm_flow import offices, ok
from tksk_api.domain import reported
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.workflow import WORKFLOW

URL = "/v1/activities"


async def ids(caller: Any, query: str) -> set[str]:
    return {item["id"] for item in ok(await caller.get(f"{URL}?limit=200&{query}"))["items"]}


async def add_work(owner: Any, officer: UUID, number: int, **over: Any) -> UUID:
    """An activity of a day of its own."""
    row = {
        "id": uuid4(),
        "version": 1,
        "region_code": SRENGSEM,
        "officer_id": officer,
        "occurred_on": TODAY - timedelta(days=number),
        "pillar": "social_security",
        "function": "facilitation",
        "kind": "sktm_verification",
        "title": "Verifikasi lapangan",
        "status": "submitted",
        **over,
    }
    values = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await owner.execute(f"INSERT INTO activities ({', '.join(row)}) VALUES ({values})", *row.values())
    return row["id"]


async def test_lists_reports_and_figures_count_the_same_rows(as_, owner):
    """Every state a row can be in, one day each, for the view of the figures knows days alone."""
    tksk = await as_("tksk", PANJANG)
    other = await add_work(owner, tksk.user_id, 0, status="draft")
    days = {}
    cases = product(WORKFLOW.states, (None, other), (None, datetime.now(UTC)))
    for number, (status, superseded, deleted) in enumerate(cases, 1):
        key = await add_work(owner, tksk.user_id, number, status=status, superseded_by=superseded, deleted_at=deleted)
        days[str(key)] = TODAY - timedelta(days=number)
    figures = {row["day"] for row in await owner.fetch("SELECT day FROM app.counted_activities")}
    listed = await ids(tksk, "counted=true")
    assert {days[key] for key in listed} == figures
    assert len(listed) == 2
    assert {str(other)} | {key for key in days if key not in listed} >= await ids(tksk, "counted=false")
    raw = f"SELECT id FROM activities WHERE {reported.counts('activities')}"
    assert {str(row["id"]) for row in await owner.fetch(raw)} == listed
    (index,) = [one for one in Activity.__table__.indexes if one.name == "ix_activities_counted"]
    assert str(index.dialect_options["postgresql"]["where"]) == reported.counts("activities").replace("activities.", "")


async def test_a_follow_up_is_done_for_the_worklist_as_it_is_for_reports(as_):
    team = await offices(as_)
    due = {"note": "Kunjungan ulang", "due_on": str(TODAY + timedelta(days=3))}
    first = await log(team.tksk, day=TODAY, follow_up=due)

    async def seen() -> tuple[bool, bool, int]:
        """Whether it waits on the worklist, in the list of what is pending, and how many a report counts as done."""
        (line,) = [one for one in await counts(team.tksk) if one["kind"] == "follow_up_due"] or [None]
        if line is not None:
            assert (line["count"], line["overdue"]) == await follow(team.tksk, line)
        waits = "follow_up_due" in await kinds(team.tksk)
        assert waits == (line is not None)
        pending = first["id"] in await ids(team.tksk, "follow_up=pending")
        assert pending != (first["id"] in await ids(team.tksk, "follow_up=done"))
        report = await compiled(team.tksk, start=THIS_MONTH)
        again = ok(await team.tksk.act(f"/v1/reports/{report['id']}/compile"))
        return waits, pending, again["content"]["follow_ups"]["done"]["count"]

    assert await seen() == (True, True, 0)
    later = await log(team.tksk, submit=False, day=TODAY, follows_up_id=first["id"])
    assert await seen() == (True, True, 0)  # a draft does nothing yet
    ok(await team.tksk.act(f"{URL}/{later['id']}/submit"))
    assert await seen() == (False, False, 1)
    ok(await team.dinsos.act(f"{URL}/{later['id']}/return", {"note": "Lengkapi hasil"}))
    assert await seen() == (True, True, 0)


async def test_the_filters_behind_a_report_s_numbers(as_):
    team = await offices(as_)
    made = await team.tksk.post(
        "/v1/partners", json={"type": "lks", "unit": "institution", "name": "LKS Kasih Ibu", "region_code": PANJANG}
    )
    soon = {"note": "Kunjungan ulang", "due_on": str(TODAY + timedelta(days=3))}
    late = {"note": "Kunjungan ulang", "due_on": str(TODAY + timedelta(days=9))}
    partnered = (await log(team.tksk, day=TODAY, partner_ids=[made.json()["id"]], result=None))["id"]
    first = (await log(team.tksk, day=TODAY, follow_up=soon))["id"]
    second = (await log(team.tksk, day=TODAY, follow_up=late))["id"]
    report = await compiled(team.tksk, start=THIS_MONTH)
    draft = (await log(team.tksk, day=TODAY, submit=False))["id"]
    expected = {
        "partner_type=lks": {partnered},
        "partner_type=karang_taruna": set(),
        "has_result=false": {partnered},
        "has_result=true": {first, second, draft},
        "follow_up=pending": {first, second},
        "follow_up=done": set(),
        f"follow_up_due_from={TODAY + timedelta(days=4)}": {second},
        f"follow_up_due_until={TODAY + timedelta(days=4)}": {first},
        f"report={report['id']}": {partnered, first, second},
        f"report={uuid4()}": set(),
    }
    assert {query: await ids(team.tksk, query) for query in expected} == expected
    stranger = await as_("tksk", "18.71.05")
    assert await ids(stranger, f"report={report['id']}") == set()
