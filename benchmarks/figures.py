"""Statistics of millions of activities: asked for, kept up to date, and while a month ends. See README.md.

Not called statistics.py: the others in this folder would import it for the standard library's module.
"""

import argparse
import asyncio
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from statistics import median, quantiles
from typing import Any

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

import harness
from harness import Bench, BenchmarkError, say
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.statistics import upkeep
from tksk_api.domain.statistics.periods import last_day, months_later
from tksk_api.main import create_app

MONTHS = 74
BYTES_PER_ROW = 1_600  # of an activity with its indexes, and room to build them
NATION, DISTRICT, REGENCY, PROVINCE = "nation, month x pillar", "one district, month x pillar", "18.71", "18"
FASTER, ADDED = 100, 0.10  # the targets: nation against GROUP BY, and what counting adds to one insert
OFFICERS = 117  # of NTB
_FILL = """
INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, status)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex($1::bigint + r.n), 12, '0'))::uuid, 1, v.code, $3, r.day,
       (ARRAY['rehabilitation','social_security','empowerment','protection'])[1 + (r.n % 4)],
       (ARRAY['coordination','facilitation','administration'])[1 + (r.n % 3)],
       'kind_' || (r.n * 7 % 24), 'Pendampingan warga', CASE WHEN r.n % 20 = 0 THEN 'draft' ELSE 'accepted' END
  FROM (SELECT n, floor(random() * (SELECT count(*) FROM regions WHERE level = 'village'))::bigint AS place,
               $4::date + (random() * ($5::date - $4))::int AS day FROM generate_series(1, $2::bigint) n) r
       JOIN (SELECT code, row_number() OVER (ORDER BY code) - 1 AS place FROM regions WHERE level = 'village') v
            USING (place)
 ORDER BY r.n  -- not by place: what happens in a district is not written side by side
"""
_COUNTED = "deleted_at IS NULL AND superseded_by IS NULL AND status IN ('submitted', 'accepted')"
_GROUPED = "SELECT {place}date_trunc('month', occurred_on), pillar, count(*) FROM activities WHERE {where} GROUP BY {n}"
_ASKED = "SELECT * FROM app.count_figures('activities', $1, $2, $3, $4, '{1}', true)"
_EMPTY = _ASKED.replace("activities", "visits")  # of which there are none: what a question costs before it counts
# Question -> where it is asked, whether by the regions below, and the same by a plain GROUP BY of the rows.
QUESTIONS: Mapping[str, tuple[str, bool, str]] = {
    NATION: ("ID", False, _GROUPED.format(place="", where=_COUNTED, n="1, 2")),
    "nation by province": ("ID", True, _GROUPED.format(place="province_code, ", where=_COUNTED, n="1, 2, 3")),
    "province by regency": (
        PROVINCE,
        True,
        _GROUPED.format(place="regency_code, ", where=f"province_code = '{PROVINCE}' AND {_COUNTED}", n="1, 2, 3"),
    ),
    "regency by district": (
        REGENCY,
        True,
        _GROUPED.format(place="district_code, ", where=f"regency_code = '{REGENCY}' AND {_COUNTED}", n="1, 2, 3"),
    ),
    DISTRICT: (
        harness.DISTRICT,
        False,
        _GROUPED.format(place="", where=f"district_code = '{harness.DISTRICT}' AND {_COUNTED}", n="1, 2"),
    ),
}
_INSERT = (
    "INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, status) "
    "VALUES (gen_random_uuid(), 1, $1, $2, $3, 'protection', 'facilitation', 'kind_1', 'Pendampingan warga', $4)"
)
console = Console(width=140)
Task = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Answer:
    """Milliseconds by the figures and by GROUP BY; `faster` and `of_empty` are medians of the rounds' own ratios, to
    GROUP BY and to the same question when there is nothing to count. `pages` are what the figures' answer reads."""

    cells: int
    rows: float
    figures: float
    faster: float
    of_empty: float
    pages: int


async def milliseconds(task: Task, times: int = 1) -> float:
    """The median of several calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        await task()
        taken.append((time.perf_counter() - start) * 1000)
    return median(taken)


async def fill(owner: Any, officer: Any, have: int, wanted: int, span: tuple[date, date]) -> None:
    """Rows up to the number wanted, over all villages and months; then the figures, and what the planner knows."""
    say(f"Writing {wanted - have:,} activities")
    dropped = [
        row["indexdef"]
        for row in await owner.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'activities'")
        if "UNIQUE" not in row["indexdef"]
    ]
    names = [definition.split(" ")[2] for definition in dropped]
    await owner.execute("; ".join(f"DROP INDEX {name}" for name in names))
    await owner.execute("SET maintenance_work_mem = '1GB'")
    start = time.perf_counter()
    await owner.execute("SET session_replication_role = replica")
    step = 500_000
    for number in range(have, wanted, step):
        await owner.execute(_FILL, number, min(step, wanted - number), officer, *span)
    await owner.execute("SET session_replication_role = origin")
    say("Building its indexes")
    for definition in dropped:
        await owner.execute(definition)
    await owner.execute("VACUUM (ANALYZE) activities")
    console.print(f"{wanted - have:,} activities written and indexed in {time.perf_counter() - start:.0f} s")
    say("Counting the figures anew")
    start = time.perf_counter()
    sums = await upkeep.rebuild(owner)
    await owner.execute("VACUUM (ANALYZE) figures")
    console.print(f"{wanted:,} activities: {sums:,} figures, counted anew in {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    if await upkeep.differences(owner):
        raise BenchmarkError("the figures are not what the rows say")
    console.print(f"verified against a recount of all in {time.perf_counter() - start:.1f} s")


async def ask(owner: Any, app: Any, span: tuple[date, date], rounds: int) -> dict[str, Answer]:
    """Question -> its answer by the figures and by GROUP BY in turns; both must be equal."""
    found = {}
    for name, (area, below, plain) in QUESTIONS.items():
        by_figures = await app.fetch(_ASKED, area, below, *span)
        by_rows = await owner.fetch(plain)
        told = {((row["region_code"],) * below, row["month"], row["keys"][0], row["count"]) for row in by_figures}
        if told != {(tuple(row)[:-3], row["date_trunc"].date(), row["pillar"], row["count"]) for row in by_rows}:
            raise BenchmarkError(f"{name}: the figures are not what the rows say")
        taken = [
            (
                await milliseconds(partial(owner.fetch, plain)),
                await milliseconds(partial(app.fetch, _ASKED, area, below, *span), 5),
                await milliseconds(partial(app.fetch, _EMPTY, area, below, *span), 5),
            )
            for _ in range(rounds + 1)
        ][1:]  # the first one warms up
        explained = await app.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_ASKED}", area, below, *span)
        plan = json.loads(explained)[0]["Plan"]
        found[name] = Answer(
            cells=len(by_rows),
            rows=median(rows for rows, _, _ in taken),
            figures=median(figures for _, figures, _ in taken),
            faster=median(rows / figures for rows, figures, _ in taken),
            of_empty=median(figures / empty for _, figures, empty in taken),
            pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        )
    return found


async def added(owner: Any, officer: Any, pairs: int) -> dict[str, tuple[float, float, float]]:
    """What counting adds to one insert, every other trigger on: quartiles of the ratio. With the commit, in pairs of
    neighbouring blocks of 20 with and without it, whose order alternates (of a draft, which is not counted, they show
    how far to trust the others); of the statement alone, the trigger's own part in it, as PostgreSQL measures it."""
    await owner.execute("SELECT app.enter_system('benchmark', NULL)")
    day = local_today("Asia/Jakarta")
    found: dict[str, list[float]] = {"a draft with its commit": [], "with its commit": [], "the statement alone": []}
    for name, status in (("a draft with its commit", "draft"), ("with its commit", "submitted")):
        insert = partial(owner.execute, _INSERT, harness.VILLAGES[0], officer, day, status)
        for number in range(pairs):
            times = {}
            for how in ("DISABLE", "ENABLE") if number % 2 else ("ENABLE", "DISABLE"):
                await owner.execute(f"ALTER TABLE activities {how} TRIGGER count_new")
                await milliseconds(insert, 3)  # planned anew after ALTER TABLE
                times[how] = await milliseconds(insert, 20)
            found[name].append(times["ENABLE"] / times["DISABLE"] - 1)
    await owner.execute("ALTER TABLE activities ENABLE TRIGGER count_new")
    explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {_INSERT}"
    for _ in range(pairs * 5):
        plan = json.loads(await owner.fetchval(explained, harness.VILLAGES[0], officer, day, "submitted"))[0]
        counting = next(trigger["Time"] for trigger in plan["Triggers"] if trigger["Trigger Name"] == "count_new")
        found["the statement alone"].append(counting / (plan["Execution Time"] - counting))
    low_middle_high = {name: quantiles(ratios, n=4) for name, ratios in found.items()}
    return {name: (low, middle, high) for name, (low, middle, high) in low_middle_high.items()}


async def month_end(bench: Bench, owner: Any) -> str:
    """117 officers of NTB hand in five pieces of work each within a minute, while lists and figures are read."""
    districts = [
        row["code"]
        for row in await owner.fetch(
            "SELECT code FROM regions WHERE level = 'district' AND left(code, 2) = '52' ORDER BY code LIMIT $1",
            OFFICERS,
        )
    ]
    app = create_app(bench.settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", timeout=60) as http:
            people = [await harness.add_user(owner, "tksk", code, 100 + n) for n, code in enumerate(districts)]
            office = await harness.add_user(owner, "province_office", "52", 99)
            taken: dict[str, list[float]] = {"write": [], "read": []}
            refused: list[str] = []
            busy: list[str] = []

            async def send(kind: str, who: Any, method: str, path: str, **more: Any) -> Any:
                headers = {"Authorization": f"Bearer {bench.token(*who)}", **more.pop("headers", {})}
                start = time.perf_counter()
                answer = await http.request(method, path, headers=headers, **more)
                while answer.status_code == 503:  # the pool is busy: asked again when it says so, and counted
                    busy.append(path)
                    await asyncio.sleep(int(answer.headers["Retry-After"]))
                    answer = await http.request(method, path, headers=headers, **more)
                taken[kind].append((time.perf_counter() - start) * 1000)
                if answer.status_code >= 300:
                    refused.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
                return answer

            async def hand_in(number: int) -> None:
                await asyncio.sleep(number / len(people) * 50)
                for _ in range(5):
                    body = {
                        "occurred_on": str(local_today("Asia/Makassar")),
                        "pillar": "social_security",
                        "function": "facilitation",
                        "kind": "sktm_verification",
                        "title": "Kerja",
                        "region_code": districts[number],
                    }
                    made = await send("write", people[number], "POST", "/v1/activities", json=body)
                    if made.status_code == 201:
                        found = made.json()
                        path, version = f"/v1/activities/{found['id']}/submit", f'"v{found["version"]}"'
                        await send("write", people[number], "POST", path, headers={"If-Match": version})

            done = asyncio.Event()

            async def look() -> None:
                while not done.is_set():
                    await send("read", office, "GET", "/v1/activities?limit=20")
                    await send("read", office, "GET", "/v1/statistics?by=month,region")
                    await asyncio.sleep(0.2)

            readers = [asyncio.create_task(look()) for _ in range(2)]
            start = time.perf_counter()
            await asyncio.gather(*(hand_in(number) for number in range(len(people))))
            seconds = time.perf_counter() - start
            done.set()
            await asyncio.gather(*readers)
            await upkeep.fold(app.state.house.sessions)
    if refused:
        raise BenchmarkError(f"{len(refused)} refused, the first: {refused[0]}")
    if await upkeep.differences(owner, "52"):
        raise BenchmarkError("the figures of NTB are not what the rows say")
    late = {kind: sorted(times)[int(len(times) * 0.95)] for kind, times in taken.items()}
    return (
        f"{len(people)} officers, {len(taken['write'])} writes and {len(taken['read'])} reads in {seconds:.0f} s, no "
        f"error, {len(busy)} asked again after 503; 95 % of writes within {late['write']:.0f} ms, of reads within "
        f"{late['read']:.0f} ms; figures agree"
    )


async def measure(bench: Bench, sizes: list[int], rounds: int) -> list[str]:
    """Print the tables; what missed its target."""
    owner, app = await asyncpg.connect(bench.owner_url), await asyncpg.connect(bench.app_url)
    await app.execute("SELECT set_config('app.regions', 'ID', false)")
    today = local_today("Asia/Jakarta")
    span = (months_later(today, -MONTHS), last_day(months_later(today, -1)))
    officer, _ = await harness.add_user(owner, "tksk", harness.DISTRICT, 1)
    missed, have, figures = [], 0, {}
    for size in sizes:
        await fill(owner, officer, have, size, span)
        have, figures[size] = size, await ask(owner, app, span, rounds)
        table = Table("question", "cells", "GROUP BY, ms", "figures, ms", "times faster", "of an empty one", "pages")
        for name, one in figures[size].items():
            table.add_row(
                name,
                f"{one.cells:,}",
                f"{one.rows:,.1f}",
                f"{one.figures:.1f}",
                f"{one.faster:,.1f}",
                f"{one.of_empty:.1f}",
                f"{one.pages:,}",
            )
        console.print(f"{size:,} activities", table)
    faster = figures[have][NATION].faster
    if have >= 10_000_000 and faster < FASTER:
        missed.append(f"nation: {faster:.0f} times faster, not {FASTER}")
    for name, last in figures[have].items() if len(sizes) > 1 else ():
        first = figures[sizes[0]][name]
        console.print(
            f"From {sizes[0]:,} to {have:,}, {name}: GROUP BY {last.rows / first.rows:.1f} times as long, figures "
            f"{last.figures / first.figures:.1f}, {last.of_empty / first.of_empty:.1f} when measured by an empty "
            f"question; cells {last.cells / first.cells:.1f}, pages {last.pages / first.pages:.1f}"
        )
    for name, (low, more, high) in (await added(owner, officer, rounds * 20)).items():
        console.print(f"Counting adds to one insert, {name}: {more:+.1%} (half between {low:+.1%} and {high:+.1%})")
        if more > ADDED and name == "with its commit":
            missed.append(f"one insert: {more:+.1%}")
    console.print("Month's end: " + await month_end(bench, owner))
    await app.close()
    await owner.close()
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="100000", help="numbers of activities by comma, from few to many")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sizes = sorted(int(number) for number in options.rows.split(","))
    harness.end_on_signals()
    free, needed = shutil.disk_usage(harness.HERE).free, sizes[-1] * BYTES_PER_ROW
    if free < needed:
        sys.exit(f"{needed / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} GB are free")
    with harness.database() as bench:
        missed = asyncio.run(measure(bench, sizes, options.rounds))
    if missed:
        sys.exit("Below the target: " + "; ".join(missed))


if __name__ == "__main__":
    main()
