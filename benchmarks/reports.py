"""A month's end of NTB: drafts of all 117 districts by a job, then each as PDF and workbook by another. See README.md.

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


async def done(http: httpx.AsyncClient, name: str, body: dict[str, Any]) -> tuple[dict[str, Any], float, float]:
    """The result of a job that the application's own worker does, its seconds, and the peak after the first reports."""
    start, early = time.perf_counter(), 0.0
    asked = await http.post(f"/v1/reports/{name}", json=body)
    if asked.status_code != 202:
        raise BenchmarkError(asked.text)
    while (job := (await http.get(asked.headers["location"])).json())["state"] in ("queued", "running"):
        early = peak_mb() if job["progress"]["done"] <= EARLY else early
        await asyncio.sleep(0.2)
    if job["state"] != "done":
        raise BenchmarkError(str(job))
    return job["result"], time.perf_counter() - start, early


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
            body = {"region_code": PROVINCE, "period_type": "month", "period_start": first.isoformat()}
            job, seconds, _ = await done(http, "compile-many", body)
            made = len(job["compiled"])
            if made < EARLY:
                raise BenchmarkError(f"{made} compiled: {job}")
            rate = f"{made / seconds:.1f}"
            table.add_row("compiled by the job", str(made), f"{seconds:.1f}", rate, f"{peak_mb():.0f}")
            for kind in ("pdf", "xlsx"):
                job, seconds, peak = await done(http, "render-many", {**body, "formats": [kind]})
                documents = [one for one in job["documents"] if one["error"] is None]
                if len(documents) != made:
                    raise BenchmarkError(f"{made} compiled, {len(documents)} printed")
                if kind == "pdf":
                    early = peak
                    table.add_row("pdf, the first", str(EARLY), "", "", f"{early:.0f}")
                size = sum(one["bytes"] for one in documents) / made / 1024
                rate = f"{made / seconds:.1f}"
                table.add_row(f"{kind}, {size:.0f} kB each", str(made), f"{seconds:.1f}", rate, f"{peak_mb():.0f}")
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
