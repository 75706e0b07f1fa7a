"""Numbers: gap-free under load, per year of the village's own clock, and void ones with their reason."""

import asyncio
import random
from datetime import UTC, datetime
from uuid import UUID

import pytest

from helpers import SRENGSEM, add_person, code_of
from sktm_flow import URL, issued, offices, ok, verified
from tksk_api.database.reads import PageRequest
from tksk_api.database.scope import RegionScope
from tksk_api.domain.regions import service as regions
from tksk_api.domain.sktm_applications import issue
from tksk_api.domain.sktm_letters.numbering import next_sequence
from tksk_api.domain.sktm_numbers.reads import SKTM_NUMBERS

NUMBERS = "/v1/sktm-numbers"
NEIGHBOUR = "18.71.04.1003"


def voiding(through: int, **over):
    return {
        "region_code": SRENGSEM,
        "year": datetime.now(UTC).year,
        "through": through,
        "reason_code": "issued_on_paper",
        "note": "Buku agenda 2026 halaman pertama",
        **over,
    }


async def test_a_burst_of_a_thousand_and_eight_with_rollbacks_leaves_no_gap(app, owner):
    dice, given = random.Random(1008), []
    house = app.state.house

    async def one(*, fails: bool) -> None:
        async with house.sessions() as session:
            session.info["scope"] = None
            number = await next_sequence(session, SRENGSEM, 2026)
            if fails:
                await session.rollback()
            else:
                await session.commit()
                given.append(number)

    jobs = [one(fails=False) for _ in range(1008)] + [one(fails=True) for _ in range(252)]
    dice.shuffle(jobs)
    for start in range(0, len(jobs), 16):
        await asyncio.gather(*jobs[start : start + 16])
    assert sorted(given) == list(range(1, 1009))


@pytest.mark.parametrize(
    ("zone", "moment", "year"),
    [
        ("Asia/Jakarta", "2026-12-31T16:59:59+00:00", 2026),  # WIB is UTC+7
        ("Asia/Jakarta", "2026-12-31T17:00:00+00:00", 2027),
        ("Asia/Makassar", "2026-12-31T15:59:59+00:00", 2026),  # WITA is UTC+8
        ("Asia/Makassar", "2026-12-31T16:00:00+00:00", 2027),
        ("Asia/Jayapura", "2026-12-31T14:59:59+00:00", 2026),  # WIT is UTC+9
        ("Asia/Jayapura", "2026-12-31T15:00:00+00:00", 2027),
    ],
)
def test_the_year_changes_at_the_villages_own_midnight(monkeypatch, zone, moment, year):
    class Frozen(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromisoformat(moment).astimezone(tz)

    monkeypatch.setattr(regions, "datetime", Frozen)
    assert regions.local_now(zone).year == year


async def test_a_new_year_counts_from_one_again(as_, owner, monkeypatch):
    team = await offices(as_)
    before = await issued(owner, team)
    row = await verified(owner, team, purpose_detail="Beasiswa daerah")
    now = issue.local_now("Asia/Jakarta")
    monkeypatch.setattr(issue, "local_now", lambda zone: now.replace(year=now.year + 1, month=1, day=1))
    after = ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert before["letter"]["number"].split("/")[1] == after["letter"]["number"].split("/")[1] == "001"
    assert after["letter"]["number"].endswith(f"/I/{now.year + 1}")


async def test_numbers_of_the_paper_book_are_never_given(as_, owner):
    team = await offices(as_)
    answer = ok(await team.dinsos.post(f"{NUMBERS}/void", json=voiding(40)))
    assert (answer["first"], answer["last"]) == (1, 40)
    row = await issued(owner, team)
    assert row["letter"]["number"].split("/")[1] == "041"
    given = await team.dinsos.post(f"{NUMBERS}/void", json=voiding(41))
    assert given.json()["errors"][0] == {**given.json()["errors"][0], "pointer": "/through", "code": "number_given"}
    ok(await team.dinsos.act(f"{URL}/{row['id']}/revoke", {"reason_code": "false_statement", "note": "Data palsu"}))

    register = ok(await team.clerk.get(f"{NUMBERS}?region_code={SRENGSEM}&limit=200"))["items"]
    assert [entry["sequence"] for entry in register] == list(range(41, 0, -1))
    assert (register[0]["status"], register[0]["reason_code"]) == ("revoked", "false_statement")
    assert (register[0]["number"], register[0]["application_id"]) == (row["letter"]["number"], row["id"])
    assert {(e["status"], e["reason_code"], e["number"]) for e in register[1:]} == {("void", "issued_on_paper", None)}
    page = ok(await team.clerk.get(f"{NUMBERS}?status=void&limit=15"))
    assert [entry["sequence"] for entry in page["items"]] == list(range(40, 25, -1))
    rest = ok(await team.clerk.get(f"{NUMBERS}?status=void&limit=15&cursor={page['next_cursor']}"))
    assert [entry["sequence"] for entry in rest["items"]] == list(range(25, 10, -1))


async def test_after_an_older_backup_no_number_comes_twice(as_, owner):
    team = await offices(as_)
    for n in range(3):
        await issued(owner, team, purpose_detail=f"Beasiswa {n}")
    # What a backup of before the second letter holds.
    await owner.execute("UPDATE sktm_counters SET last = 1")
    await owner.execute("ALTER TABLE sktm_letters DISABLE TRIGGER USER")
    await owner.execute("DELETE FROM sktm_letters WHERE sequence > 1")
    await owner.execute("ALTER TABLE sktm_letters ENABLE TRIGGER USER")
    lost = voiding(3, reason_code="lost_in_restore", note="Surat terakhir di loket bernomor 003")
    assert ok(await team.dinsos.post(f"{NUMBERS}/void", json=lost))["first"] == 2
    row = await issued(owner, team, purpose_detail="Sesudah pemulihan")
    assert row["letter"]["number"].split("/")[1] == "004"


async def test_voiding_and_signing_at_once_share_no_number(as_, owner):
    team = await offices(as_)
    rows = [await verified(owner, team, purpose_detail=f"Beasiswa {n}") for n in range(4)]
    answers = await asyncio.gather(
        *(team.head.act(f"{URL}/{row['id']}/sign") for row in rows),
        *(team.dinsos.post(f"{NUMBERS}/void", json=voiding(through)) for through in (3, 6)),
    )
    assert {answer.status_code for answer in answers} <= {200, 422}
    register = ok(await team.clerk.get(NUMBERS))["items"]
    assert [entry["sequence"] for entry in register] == list(range(len(register), 0, -1))


@pytest.mark.parametrize("region", ["ID", "18", "18.71"])
@pytest.mark.parametrize("after", [None, (2026, "", 7, UUID(int=7))], ids=["first", "next"])
async def test_a_page_of_a_wide_area_is_read_off_and_not_sorted(owner, region, after):
    request = PageRequest(50, SKTM_NUMBERS.default_sort, {}, after)
    rows = SKTM_NUMBERS.select_rows(RegionScope((region,)), request, admitted=False)
    statement = SKTM_NUMBERS.compiled(("test", region, after), lambda: rows, wrap=None)
    values = {"limit": 50, "scope_0": region, **{f"after_{n}": value for n, value in enumerate(after or ())}}
    async with owner.transaction():
        # Of a few rows anything is cheap: what may not be chosen is what takes long of many.
        for way in ("seqscan", "bitmapscan", "sort"):
            await owner.execute(f"SET LOCAL enable_{way} = off")
        plan = await owner.fetch("EXPLAIN " + statement.sql, *statement.arguments(values))
    lines = [line["QUERY PLAN"].strip().removeprefix("->").strip() for line in plan]
    assert any(line.startswith("Merge Append") for line in lines), lines
    assert not any(line.startswith(("Sort  ", "Incremental Sort")) for line in lines), lines


async def test_what_cannot_be_voided(as_):
    team = await offices(as_)
    cases = {
        "/through": voiding(2001),
        "/reason_code": voiding(3, reason_code="because"),
        "/year": voiding(3, year=2090),
    }
    for pointer, body in cases.items():
        refused = await team.dinsos.post(f"{NUMBERS}/void", json=body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await team.dinsos.post(f"{NUMBERS}/void", json=voiding(3, region_code="52.71.01.1004"))).status_code == 404
    assert code_of(await team.head.post(f"{NUMBERS}/void", json=voiding(3))) == "permission_denied"
    assert ok(await team.clerk.get(NUMBERS))["items"] == []


async def test_a_village_that_was_divided_keeps_its_old_numbers(as_, owner, client):
    team = await offices(as_)
    before = await issued(owner, team)
    path = before["letter"]["verification_url"].removeprefix("http://test")
    await owner.execute("UPDATE regions SET valid_until = current_date - 1 WHERE code = $1", SRENGSEM)
    try:
        seen = (await client.get(path, headers={"Accept": "application/json"})).json()
        assert (seen["status"], seen["number"]) == ("valid", before["letter"]["number"])
        team.head = await as_("village_head", NEIGHBOUR, full_name="Wati Lestari, S.IP.")
        team.clerk = await as_("village_clerk", NEIGHBOUR)
        person = await add_person(team.clerk, village_code=NEIGHBOUR)
        after = await issued(owner, team, person)
        assert after["letter"]["number"] == before["letter"]["number"].replace(SRENGSEM, NEIGHBOUR)
        register = ok(await team.dinsos.get(NUMBERS))["items"]
        assert [(entry["region_code"], entry["sequence"]) for entry in register] == [(NEIGHBOUR, 1), (SRENGSEM, 1)]
    finally:
        await owner.execute("UPDATE regions SET valid_until = NULL WHERE code = $1", SRENGSEM)
