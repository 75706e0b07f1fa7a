"""What a report holds stays as it is, and is corrected by another entry that takes its place."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from tksk_api.database.admission import Admission
from tksk_api.database.session import enter
from tksk_api.domain.activities.freezing import freeze, unfreeze
from tksk_api.domain.regions.service import local_today

URL = "/v1/activities"
TODAY = local_today("Asia/Jakarta")
FIRST = TODAY - timedelta(days=30)


def admission(caller: Any) -> Admission:
    return Admission(caller.session_id, (caller.role,), "submit_report", uuid4(), "x")


@pytest.fixture
def report(app):
    """Hold and let go, as reports do, in the name of a caller."""

    class Report:
        async def freeze(self, caller: Any, key: UUID, last: date = TODAY) -> list[str]:
            async with enter(app.state.house.sessions, admission(caller)) as session:
                held = await freeze(session, key, PANJANG, [caller.user_id], FIRST, last)
            return [str(one) for one in held]

        async def unfreeze(self, caller: Any, key: UUID) -> None:
            async with enter(app.state.house.sessions, admission(caller)) as session:
                await unfreeze(session, key)

    return Report()


async def logged(caller: Any, **over: Any) -> dict[str, Any]:
    answer = await caller.post(f"{URL}/quick", json={"kind": "aftercare", "region_code": SRENGSEM, **over})
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def handed_in(caller: Any, **over: Any) -> str:
    key: str = (await logged(caller, **over))["id"]
    assert (await caller.act(f"{URL}/{key}/submit")).status_code == 200
    return key


async def read(caller: Any, key: str) -> dict[str, Any]:
    result: dict[str, Any] = (await caller.get(f"{URL}/{key}")).json()
    return result


async def revised(caller: Any, key: str) -> str:
    answer = await caller.act(f"{URL}/{key}/revise", {"reason": "Tercatat dua kali"})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{URL}/{answer.json()['id']}"
    correction: str = answer.json()["id"]
    return correction


async def test_a_report_holds_what_counts_of_its_officers_days_and_district(as_, report):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    late = await handed_in(tksk, occurred_on=str(TODAY))
    early = await handed_in(tksk, occurred_on=str(FIRST))
    await handed_in(tksk, occurred_on=str(FIRST - timedelta(days=1)))
    await logged(tksk)
    await handed_in(other)
    key = uuid4()
    assert await report.freeze(tksk, key) == [early, late]
    assert await report.freeze(tksk, uuid4()) == []
    held = (await tksk.get(f"{URL}?frozen_by={key}")).json()["items"]
    assert {one["id"] for one in held} == {early, late}
    assert {one["frozen_by"] for one in held} == {str(key)}
    await report.unfreeze(tksk, key)
    assert (await read(tksk, late))["frozen_by"] is None
    assert await report.freeze(tksk, key, TODAY - timedelta(days=1)) == [early]


async def test_what_a_report_holds_is_not_changed_or_returned(as_, report):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    activity = await handed_in(tksk)
    key = uuid4()
    await report.freeze(tksk, key)
    url = f"{URL}/{activity}"
    seen = {"If-Match": (await tksk.get(url)).headers["ETag"]}
    for answer in (
        await tksk.patch(url, json={"title": "Lain"}, headers=seen),
        await tksk.delete(url, headers=seen),
        await tksk.act(f"{url}/submit"),
        await tksk.act(f"{url}/confirm"),
        await office.act(f"{url}/return", {"note": "x"}),
    ):
        assert (answer.status_code, code_of(answer), answer.json()["report_id"]) == (409, "frozen", str(key))
    many = await tksk.post(f"{URL}/submit-many", json={"ids": [activity]})
    assert many.json()["items"][0]["problem"]["code"] == "frozen"
    await report.unfreeze(tksk, key)
    assert (await office.act(f"{url}/return", {"note": "x"})).json()["status"] == "returned"


@pytest.mark.parametrize(
    "change",
    [
        "title = 'Lain'",
        "deleted_at = now()",
        "status = 'returned'",
        "status = 'accepted', title = 'Lain'",
        "occurred_on = occurred_on - 1",
        "headcount = '{}'",
    ],
    ids=["title", "deleted", "status", "accepted", "day", "headcount"],
)
async def test_the_database_itself_holds_it(app, as_, report, change):
    tksk = await as_("tksk", PANJANG)
    activity = await handed_in(tksk, headcount={"male": 1, "female": 0, "children": 0, "disabled": 0})
    await report.freeze(tksk, uuid4())
    async with enter(app.state.house.sessions, admission(tksk)) as session:
        connection = await session.connection()
        with pytest.raises(Exception, match="part of a report"):
            await connection.exec_driver_sql(f"UPDATE activities SET {change} WHERE id = '{activity}'")
        await session.rollback()


async def test_a_merge_still_reaches_the_people_a_report_holds(as_, report):
    tksk, dinsos = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    one, other = await add_person(tksk), await add_person(tksk, nik=None, nik_status="none")
    activity = await handed_in(tksk, beneficiary_ids=[other["id"]])
    await report.freeze(tksk, uuid4())
    merged = await dinsos.act(
        f"/v1/beneficiaries/{other['id']}/merge", {"into_id": one["id"], "reason": "Orang yang sama"}
    )
    assert merged.status_code == 200, merged.text
    assert (await read(tksk, activity))["beneficiary_ids"] == [one["id"]]


async def test_a_correction_takes_the_place_of_what_a_report_holds(as_, report):
    tksk, office = await as_("tksk", PANJANG, full_name="Rina Wulandari"), await as_("regency_office", BANDAR_LAMPUNG)
    people = {"male": 4, "female": 9, "children": 3, "disabled": 1}
    activity = await handed_in(tksk, headcount=people, result="Selesai")
    before = uuid4()
    await report.freeze(tksk, before)
    original = await read(tksk, activity)
    correction = await revised(tksk, activity)
    draft = await read(tksk, correction)
    differs = {"id", "status", "version", "created_at", "updated_at", "frozen_by", "revises_id"}
    assert {name for name in draft if draft[name] != original[name]} == differs
    assert (draft["status"], draft["revises_id"], draft["frozen_by"]) == ("draft", activity, None)
    steps = (await office.get(f"{URL}/{activity}/history")).json()["items"]
    assert [(one["action"], one["actor_name"], one["note"]) for one in steps[-1:]] == [
        ("revise", "Rina Wulandari", "Tercatat dua kali")
    ]

    async def counted() -> set[str]:
        return {one["id"] for one in (await office.get(f"{URL}?counted=true")).json()["items"]}

    changed = {"headcount": {"male": 2, "female": 5}}
    await tksk.patch(f"{URL}/{correction}", json=changed, headers={"If-Match": '"v1"'})
    assert await counted() == {activity}
    await tksk.act(f"{URL}/{correction}/submit")
    assert await counted() == {correction}
    said = await read(tksk, activity)
    assert (said["superseded_by"], said["headcount"], said["frozen_by"]) == (correction, people, str(before))

    await office.act(f"{URL}/{correction}/return", {"note": "Lampirkan daftar hadir"})
    assert await counted() == {activity}
    await tksk.act(f"{URL}/{correction}/submit")
    await office.act(f"{URL}/{correction}/accept")
    assert await counted() == {correction}
    assert await report.freeze(tksk, uuid4()) == [correction]
    second = await revised(tksk, correction)
    await tksk.act(f"{URL}/{second}/submit")
    assert await counted() == {second}


async def test_there_is_one_correction_at_a_time_and_only_of_what_is_held(as_, owner, report):
    tksk, other = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    activity = await handed_in(tksk)
    reason = {"reason": "Tercatat dua kali"}
    assert code_of(await tksk.act(f"{URL}/{activity}/revise", reason)) == "transition_refused"
    await report.freeze(tksk, uuid4())
    assert code_of(await other.act(f"{URL}/{activity}/revise", reason)) == "permission_denied"
    seen = {"If-Match": (await tksk.get(f"{URL}/{activity}")).headers["ETag"]}
    five = await asyncio.gather(*(tksk.post(f"{URL}/{activity}/revise", json=reason, headers=seen) for _ in range(5)))
    assert sorted(answer.status_code for answer in five) == [201, 409, 409, 409, 409]
    open_one = next(answer.json()["id"] for answer in five if answer.status_code == 201)
    refused = await tksk.act(f"{URL}/{activity}/revise", reason)
    assert (code_of(refused), refused.json()["correction_id"]) == ("already_corrected", open_one)
    assert (await tksk.delete(f"{URL}/{open_one}", headers={"If-Match": '"v1"'})).status_code == 204
    again = await revised(tksk, activity)
    await tksk.act(f"{URL}/{again}/submit")
    assert code_of(await tksk.act(f"{URL}/{activity}/revise", reason)) == "already_corrected"
    assert await owner.fetchval("SELECT count(*) FROM activities WHERE revises_id IS NOT NULL") == 2


async def test_what_was_corrected_does_not_come_back_when_its_report_is_returned(as_, report):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    activity = await handed_in(tksk)
    key = uuid4()
    await report.freeze(tksk, key)
    correction = await revised(tksk, activity)
    await tksk.act(f"{URL}/{correction}/submit")
    await report.unfreeze(tksk, key)
    refused = await office.act(f"{URL}/{activity}/accept")
    assert (code_of(refused), refused.json()["correction_id"]) == ("already_corrected", correction)
    assert await report.freeze(tksk, key) == [correction]


async def test_a_correction_keeps_photos_of_what_it_corrects_and_leaves_out_who_was_withdrawn(as_, owner, report):
    tksk = await as_("tksk", PANJANG)
    kept, gone = await add_person(tksk), await add_person(tksk)
    activity = await handed_in(tksk, beneficiary_ids=[kept["id"], gone["id"]])
    await report.freeze(tksk, uuid4())
    await owner.execute("UPDATE beneficiaries SET deleted_at = now() WHERE id = $1", UUID(gone["id"]))
    correction = await revised(tksk, activity)
    assert (await read(tksk, correction))["beneficiary_ids"] == [kept["id"]]
