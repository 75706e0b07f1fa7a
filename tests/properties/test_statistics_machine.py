"""The statistics over HTTP are a recount of the rows, whatever people do to them over HTTP, some of it at once.

tests/properties/test_rollup.py writes rows past the rules, from transactions left open; here people work as they do:
they log, edit, submit, return, freeze by a report, correct and withdraw work, merge, divide, move and correct people,
and end what they began, while the figures are folded and counted anew. Whatever is asked for at a wrong moment is
refused, and must leave the figures alone just as well.

`HYPOTHESIS_PROFILE=long` looks for minutes and at random; otherwise the same examples come every time.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from helpers import AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, person
from sktm_flow import Offices, application, offices
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.seeds import agency_id
from tksk_api.domain.statistics.upkeep import differences, fold, rebuild

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EXAMPLES, BATCHES = (60, 60) if LONG else (6, 30)
NEWEST = 6  # rows that a step may hit: few, so that steps meet
TODAY = local_today("Asia/Jakarta")
THIS_MONTH = TODAY.replace(day=1)
LAST_MONTH = (THIS_MONTH - timedelta(days=1)).replace(day=1)
DAYS = tuple(map(str, (TODAY, THIS_MONTH, THIS_MONTH - timedelta(days=1), LAST_MONTH, LAST_MONTH - timedelta(days=1))))
PLACES = (SRENGSEM, "18.71.04.1003", PANJANG)
WORK = (("sktm_verification", "social_security"), ("kube_mentoring", "empowerment"), ("social_advocacy", "protection"))
BIRTHS = ("1950-01-01", "2012-02-29", str(TODAY.replace(year=TODAY.year - 18, day=1)))
CATEGORIES = ("pemulung", "fakir_miskin", "odha")
# What the rows of a subject are counted by, in the order of its keys in the statistics, and which rows count.
RECOUNTS = {
    "activities": (
        ("pillar", "function", "kind"),
        "SELECT to_char(a.occurred_on, 'YYYY-MM'), a.pillar, a.function, a.kind, count(*) FROM activities a WHERE "
        "a.deleted_at IS NULL AND a.superseded_by IS NULL AND a.status IN ('submitted', 'accepted') AND {here} "
        "GROUP BY 1, 2, 3, 4",
    ),
    "ppks": (
        ("ppks_category", "sex", "state"),
        "SELECT to_char(a.assessed_on, 'YYYY-MM'), a.category, coalesce(p.sex, 'none'), a.status, count(*) "
        "FROM ppks_assessments a LEFT JOIN beneficiaries p ON p.id = a.beneficiary_id WHERE {here} GROUP BY 1, 2, 3, 4",
    ),
    "visits": (
        ("state",),
        "SELECT to_char(a.visited_on, 'YYYY-MM'), a.status, count(*) FROM visits a WHERE {here} GROUP BY 1, 2",
    ),
    "sktm": (
        ("purpose", "state"),
        "SELECT to_char(a.created_at AT TIME ZONE 'Asia/Jakarta', 'YYYY-MM'), a.purpose, a.status, count(*) "
        "FROM sktm_applications a WHERE {here} GROUP BY 1, 2, 3",
    ),
    "referrals": (
        ("program", "state"),
        "SELECT to_char(a.created_at AT TIME ZONE 'Asia/Jakarta', 'YYYY-MM'), a.program, a.status, count(*) "
        "FROM referrals a WHERE {here} GROUP BY 1, 2, 3",
    ),
}


class Town:
    """People who work in Panjang, and what they do. Each step picks among the newest rows and tells how it went."""

    def __init__(self, app: Any, owner: Any, team: Offices, pool: Any) -> None:
        self.app, self.owner, self.team, self.pool = app, owner, team, pool
        self.went_well: Counter[str] = Counter()

    async def take(self, name: str, number: int, day: str, place: str) -> None:
        answer = await STEPS[name](self, number, day, place)
        if answer is not None:
            assert answer.status_code < 500, (name, answer.text)
            self.went_well[name] += answer.is_success

    async def pick(self, table: str, number: int, where: str = "true") -> Any:
        """One of the newest rows, None when there is none."""
        query = f"SELECT id, version FROM {table} WHERE {where} ORDER BY created_at DESC, id DESC LIMIT {NEWEST}"
        rows = await self.pool.fetch(query)
        return rows[number % len(rows)] if rows else None

    async def act(self, who: Caller, collection: str, row: Any, action: str, body: Any = None) -> Any:
        """A named action on the version just seen; a PATCH or DELETE by these names."""
        if row is None:
            return None
        url, version = f"/v1/{collection}/{row['id']}", {"If-Match": f'"v{row["version"]}"'}
        if action in ("PATCH", "DELETE"):
            return await who.request(action, url, json=body, headers=version)
        return await who.post(f"{url}/{action}", json=body, headers=version)


Step = Callable[[Town, int, str, str], Awaitable[Any]]


def on(who: str, collection: str, action: str, body: Any = None, where: str = "true", table: str | None = None) -> Step:
    """A step on one of the newest rows of a collection."""

    async def step(town: Town, number: int, day: str, place: str) -> Any:
        row = await town.pick(table or collection.replace("-", "_"), number, where)
        said = body(number, day, place) if callable(body) else body
        return await town.act(getattr(town.team, who), collection, row, action, said)

    return step


async def log(town: Town, number: int, day: str, place: str) -> Any:
    kind, pillar = WORK[number % len(WORK)]
    body = {"kind": kind, "pillar": pillar, "occurred_on": day, "region_code": place}
    return await town.team.tksk.post("/v1/activities/quick", json=body)


async def submit_all(town: Town, number: int, *_: str) -> Any:
    rows = await town.pool.fetch("SELECT id FROM activities WHERE status = 'draft' AND deleted_at IS NULL LIMIT 20")
    ids = [str(row["id"]) for row in rows[number % 3 :]]
    return await town.team.tksk.post("/v1/activities/submit-many", json={"ids": ids}) if ids else None


async def hand_in(town: Town, number: int, *_: str) -> Any:
    """A report from its beginning to its submission: what it counts is held from then on."""
    month = (LAST_MONTH, LAST_MONTH - timedelta(days=1))[number % 2].replace(day=1)
    body = {"region_code": PANJANG, "period_type": "month", "period_start": str(month)}
    made = await town.team.tksk.post("/v1/reports", json=body)
    report = made.json()
    if report["status"] not in ("draft", "returned"):
        return made
    written = await town.act(town.team.tksk, "reports", report, "PATCH", {"summary": "Berjalan."})
    return await town.act(town.team.tksk, "reports", written.json(), "submit") if written.is_success else written


async def register(town: Town, number: int, day: str, place: str) -> Any:
    facts = {"nik": None, "nik_status": "belum_rekam", "full_name": f"Warga {number}", "village_code": place}
    body = person(**facts, birth_date=BIRTHS[number % 3], sex=("female", "male")[number % 2], ppks_categories=[])
    return await town.team.tksk.post("/v1/beneficiaries", json=body) if place != PANJANG else None


def about_somebody(collection: str, body: Callable[[int, str], dict[str, Any]]) -> Step:
    """A new record about one of the newest people."""

    async def step(town: Town, number: int, day: str, _: str) -> Any:
        somebody = await town.pick("beneficiaries", number // 3)
        if somebody is None:
            return None
        whose = {"beneficiary_id": str(somebody["id"])}
        return await town.team.tksk.post(f"/v1/{collection}", json={**body(number, day), **whose})

    return step


async def merge(town: Town, number: int, *_: str) -> Any:
    goes = await town.pick("beneficiaries", number, "merged_into IS NULL")
    stays = await town.pick("beneficiaries", number + 1, "merged_into IS NULL")
    if goes is None or goes == stays:
        return None
    body = {"into_id": str(stays["id"]), "reason": "Orang yang sama, dicatat dua kali"}
    return await town.act(town.team.tksk, "beneficiaries", goes, "merge", body)


async def divide(town: Town, number: int, *_: str) -> Any:
    gone = await town.pick("beneficiaries", number, "merged_into IS NOT NULL")
    if gone is None:
        return None
    stays = await town.pool.fetchrow("SELECT id, version FROM beneficiaries WHERE id = (SELECT merged_into FROM "
                                     "beneficiaries WHERE id = $1)", gone["id"])  # fmt: skip
    body = {"reason": "Ternyata dua orang bersaudara"}
    return await town.act(town.team.tksk, "beneficiaries", {**gone, "version": stays["version"]}, "unmerge", body)


async def fold_now(town: Town, *_: Any) -> None:
    await fold(town.app.state.house.sessions)


async def rebuild_now(town: Town, *_: Any) -> None:
    async with town.pool.acquire() as connection:
        await rebuild(connection)


_MINE = "origin_id IS NULL AND deleted_at IS NULL"
STEPS: dict[str, Step] = {
    "log": log,
    "edit": on(
        "tksk",
        "activities",
        "PATCH",
        lambda number, day, place: {
            "occurred_on": day,
            "region_code": place,
            **dict(zip(("kind", "pillar"), WORK[number % 3], strict=True)),
        },
        "status IN ('draft', 'returned') AND deleted_at IS NULL",
    ),
    "submit": on("tksk", "activities", "submit", where="status <> 'accepted' AND deleted_at IS NULL"),
    "submit all": submit_all,
    "send back": on("dinsos", "activities", "return", {"note": "Lengkapi"}, "status = 'submitted'"),
    "accept": on("dinsos", "activities", "accept", where="status = 'submitted'"),
    "withdraw": on("tksk", "activities", "DELETE", where=_MINE),
    "confirm": on("tksk", "activities", "confirm", where="is_suggested AND deleted_at IS NULL"),
    "correct": on("tksk", "activities", "revise", {"reason": "Salah hari"}, "frozen_by IS NOT NULL"),
    "submit a correction": on("tksk", "activities", "submit", where="revises_id IS NOT NULL AND status <> 'submitted'"),
    "withdraw for good": on("tksk", "activities", "withdraw", {"reason": "Bulan lain"}, "status <> 'draft'"),
    "hand in": hand_in,
    "return a report": on(
        "dinsos",
        "reports",
        "return",
        {"remarks": [{"section": "work", "note": "Lengkapi"}]},
        "status = 'submitted'",
    ),
    "accept a report": on("dinsos", "reports", "accept", where="status = 'submitted'"),
    "revise a report": on("tksk", "reports", "revise", {"reason": "Salah hari"}, "status = 'accepted'"),
    "register": register,
    "assess": about_somebody(
        "ppks-assessments", lambda number, day: {"category": CATEGORIES[number % 3], "assessed_on": day}
    ),
    "end an assessment": on(
        "tksk",
        "ppks-assessments",
        "close",
        {"reason_code": "no_longer_applies"},
        "status = 'active'",
    ),
    "correct a person": on(
        "tksk",
        "beneficiaries",
        "PATCH",
        lambda number, day, place: {"birth_date": BIRTHS[number % 3], "sex": ("male", "female")[number % 2]},
    ),
    "move": on(
        "tksk",
        "beneficiaries",
        "move",
        lambda number, day, place: {
            "village_code": AMPENAN_VILLAGE if number % 4 == 0 else PLACES[number % 2],
            "reason": "Pindah rumah",
        },
    ),
    "merge": merge,
    "divide": divide,
    "plan a visit": about_somebody("visits", lambda number, day: {"visited_on": day}),
    "visit": on("tksk", "visits", "complete", {"outcome": "nobody_home"}, "status = 'planned'"),
    "cancel a visit": on("tksk", "visits", "cancel", {"reason": "Sudah pindah"}, "status = 'planned'"),
    "refer": about_somebody(
        "referrals",
        lambda number, day: {
            "program": ("pbi_jk", "pkh")[number % 2],
            "agency_id": str(agency_id("18.71:social_service_office")),
            "reason": "Tidak mampu",
            "consent": "given",
        },
    ),
    "send a referral": on("tksk", "referrals", "submit", where="status = 'draft'"),
    "cancel a referral": on("tksk", "referrals", "cancel", {"note": "Salah program"}),
    "apply": about_somebody("sktm-applications", lambda number, day: application("", documents=[])),
    "send an application": on("tksk", "sktm-applications", "submit", where="status = 'draft'"),
    "cancel an application": on("tksk", "sktm-applications", "cancel", {"note": "Batal"}),
    "fold": fold_now,
    "rebuild": rebuild_now,
}
OFTEN = [
    *["log"] * 6,
    *["register", "assess", "submit", "submit all", "hand in", "correct", "accept a report"] * 2,
    *["withdraw for good", "plan a visit", "visit", "merge", "fold"],
]
EVENT = st.tuples(
    st.sampled_from([*STEPS, *OFTEN]), st.integers(0, 119), st.sampled_from(DAYS), st.sampled_from(PLACES)
)
# What happens at once, after what happened before it.
STORIES = st.lists(st.lists(EVENT, min_size=1, max_size=3), min_size=BATCHES // 2, max_size=BATCHES)


async def recounted(town: Town, of: str, here: str) -> dict[tuple[str, ...], int]:
    rows = await town.owner.fetch(RECOUNTS[of][1].format(here=here))
    return {tuple(row)[:-1]: row["count"] for row in rows}


async def told(caller: Caller, of: str, region: str) -> dict[tuple[str, ...], int]:
    keys = RECOUNTS[of][0]
    span = {"from": str((LAST_MONTH - timedelta(days=1)).replace(day=1)), "region": region}
    answer = await caller.get("/v1/statistics", params={"of": of, "by": ",".join(("month", *keys)), **span})
    assert answer.status_code == 200, answer.text
    cells = answer.json()["cells"]
    return {tuple(cell["keys"][key] for key in ("month", *keys)): cell["count"] for cell in cells if cell["count"]}


@pytest.fixture
async def town(app: Any, owner: Any, owner_url: str, as_: Any) -> AsyncIterator[Town]:
    async with asyncpg.create_pool(owner_url, min_size=1, max_size=4) as pool:
        lived_in = Town(app, owner, await offices(as_), pool)
        yield lived_in
        missed = STEPS.keys() - {"fold", "rebuild"} - lived_in.went_well.keys()
        assert len(missed) <= 3, (missed, lived_in.went_well)  # it went far beyond the front door


@given(STORIES)
@settings(
    max_examples=EXAMPLES,
    derandomize=not LONG,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # rows stay from one example to the next, and races would not shrink
    suppress_health_check=list(HealthCheck),
)
async def test_the_statistics_are_a_recount_whatever_people_do(town: Town, story: Any) -> None:
    for batch in story:
        await asyncio.gather(*(town.take(*event) for event in batch))
        assert await differences(town.owner) == [], batch
    for caller, region, level in ((town.team.dinsos, BANDAR_LAMPUNG, "regency"), (town.team.tksk, PANJANG, "district")):
        for of in RECOUNTS:
            found = await recounted(town, of, f"a.{level}_code = '{region}'")
            assert await told(caller, of, region) == found, (of, region)
