"""A month's end of NTB: drafts of all 117 districts by the job, then each as PDF and workbook. See README.md.

The peak is this one process's, server and worker together, read after 20 reports and after all.
"""

import argparse
import asyncio
import resource
import sys
import time
from datetime import date
from typing import Any

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

import harness
from harness import Bench, BenchmarkError, say
from tksk_api.domain.regions.service import local_today
from tksk_api.domain.statistics.periods import months_later
from tksk_api.main import create_app

PROVINCE, EARLY, PER_OFFICER = "52", 20, 44  # activities of an officer in a month (DOMAIN §9)
MOST_GROWTH_MB = 15  # of the peak from 20 reports to all: what is kept of one must not stay
_FILL = """
INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, status,
                        obstacle)
SELECT gen_random_uuid(), 1, v.codes[1 + n % cardinality(v.codes)], $2, $3::date + n % 28,
       (ARRAY['rehabilitation','social_security','empowerment','protection'])[1 + n % 4],
       (ARRAY['coordination','facilitation','administration'])[1 + n % 3],
       (ARRAY['home_visit','sktm_verification','coordination_meeting'])[1 + n % 3], 'Pendampingan warga', 'submitted',
       CASE WHEN n % 9 = 0 THEN 'Jalan terputus, kunjungan ditunda' END
  FROM generate_series(1, $4::integer) n,
       (SELECT array_agg(code ORDER BY code) AS codes FROM regions WHERE level = 'village' AND parent_code = $1) v
"""
console = Console(width=140)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def fill(owner: Any, first: date) -> tuple[Any, Any]:
    """Officers of every district with a month's work; who asks for the drafts."""
    districts = await owner.fetch(
        "SELECT code FROM regions WHERE level = 'district' AND left(code, 2) = $1 ORDER BY code", PROVINCE
    )
    for number, row in enumerate(districts):
        officer, _ = await harness.add_user(owner, "tksk", row["code"], 100 + number)
        await owner.execute(_FILL, row["code"], officer, first, PER_OFFICER)
    return await harness.add_user(owner, "province_office", PROVINCE, 99)


async def measure(bench: Bench) -> list[str]:
    """Print seconds, reports per second and peaks; what missed its target."""
    owner = await asyncpg.connect(bench.owner_url)
    first = months_later(local_today("Asia/Makassar"), -1)
    say("Writing a month of every officer")
    who = await fill(owner, first)
    app = create_app(bench.settings)
    table = Table("step", "reports", "seconds", "reports/s", "peak MB so far")
    early = 0.0
    async with app.router.lifespan_context(app):
        headers = {"Authorization": f"Bearer {bench.token(*who)}"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", timeout=60, headers=headers) as http:
            start = time.perf_counter()
            body = {"region_code": PROVINCE, "period_type": "month", "period_start": first.isoformat()}
            asked = await http.post("/v1/reports/compile-many", json=body)
            if asked.status_code != 202:
                raise BenchmarkError(asked.text)
            while (job := (await http.get(asked.headers["location"])).json())["state"] in ("queued", "running"):  # noqa: ASYNC110
                await asyncio.sleep(0.5)  # the application's own worker is at it
            seconds = time.perf_counter() - start
            made = len(job["result"]["compiled"]) if job["state"] == "done" else 0
            table.add_row(
                "compiled by the job", str(made), f"{seconds:.1f}", f"{made / seconds:.1f}", f"{peak_mb():.0f}"
            )
            reports, cursor = [], ""
            while cursor is not None:
                page = (await http.get(f"/v1/reports?level=district&limit=100{cursor and '&cursor=' + cursor}")).json()
                reports += [row["id"] for row in page["items"]]
                cursor = page["next_cursor"]
            if made != len(reports) or made < EARLY:
                raise BenchmarkError(f"{made} compiled, {len(reports)} listed: {job}")
            for kind in ("pdf", "xlsx"):
                start, size = time.perf_counter(), 0
                for number, key in enumerate(reports, start=1):
                    answer = await http.get(f"/v1/reports/{key}/document?format={kind}")
                    if answer.status_code != 200:
                        raise BenchmarkError(answer.text)
                    size += len(answer.content)
                    if number == EARLY and kind == "pdf":
                        early = peak_mb()
                        table.add_row(f"{kind}, the first", str(EARLY), "", "", f"{early:.0f}")
                seconds = time.perf_counter() - start
                rate = f"{made / seconds:.1f}"
                table.add_row(
                    f"{kind}, {size / made / 1024:.0f} kB each", str(made), f"{seconds:.1f}", rate, f"{peak_mb():.0f}"
                )
    await owner.close()
    console.print(table)
    growth = peak_mb() - early
    return [f"the peak grew by {growth:.0f} MB from {EARLY} reports to all"] if growth > MOST_GROWTH_MB else []


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    harness.end_on_signals()
    with harness.database() as bench:
        missed = asyncio.run(measure(bench))
    if missed:
        sys.exit("Below the target: " + "; ".join(missed))


if __name__ == "__main__":
    main()
