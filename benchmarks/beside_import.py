"""What others wait while a file comes in: the same requests before and during an import, one worker of one server."""

import asyncio
import csv
import io
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

import harness

PORT = 8157
_IMPORTS = "/v1/imports"
_WORKING = frozenset({"uploaded", "validating", "committing"})
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 0.02  # people read what they get
_READING_SECONDS, _ROW_SECONDS = 30, 0.05  # an import that takes longer is said to be stuck
_HEADINGS = ("nik", "full_name", "birth_place", "birth_date", "sex", "street", "rt", "rw", "village_code")
_PEOPLE = 2_000


def table(rows: Iterable[Mapping[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, _HEADINGS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


class Waits:
    """Callers who ask one thing after another, and how long each answer took."""

    def __init__(self, http: httpx.AsyncClient, people: list[Any]) -> None:
        self._http, self._people = http, people
        self.seconds: dict[str, list[float]] = {}

    async def ask(self, first: int) -> None:
        """Until it is cancelled."""
        number = first
        while True:
            key = self._people[number % len(self._people)]
            await self._timed("get one", "GET", f"/v1/beneficiaries/{key}")
            await self._timed("list", "GET", "/v1/beneficiaries?limit=20")
            number += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _timed(self, what: str, method: str, path: str) -> None:
        begun = time.perf_counter()
        answer = await self._http.request(method, path)
        if answer.status_code != httpx.codes.OK:
            raise harness.BenchmarkError(f"{path}: {answer.status_code} {answer.text[:200]}")
        self.seconds.setdefault(what, []).append(time.perf_counter() - begun)


async def measure(bench: harness.Bench, rows: Sequence[Mapping[str, Any]], callers: int, idle: float) -> None:
    """Print p50 and p99 of both times, and how long the import took beside them."""
    people = await harness.seed_beneficiaries(bench.owner_url, _PEOPLE)
    owner = await asyncpg.connect(bench.owner_url)
    user_id, session_id = await harness.add_user(owner, "tksk", harness.DISTRICT)
    await owner.execute("ANALYZE")
    await owner.close()
    headers = {"Authorization": f"Bearer {bench.token(user_id, session_id)}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=60) as http:
        harness.say(f"{callers} callers, first alone, then beside an import of {len(rows):,} rows")
        alone, _ = await _while(http, people, callers, asyncio.sleep(idle))
        beside, one = await _while(http, people, callers, _import(http, table(rows)))
    seconds = one["seconds"]
    found = Table("request", "alone p50", "p99 ms", "requests", "beside p50", "p99 ms", "requests")
    for what in alone:
        found.add_row(what, *_figures(alone[what]), *_figures(beside[what]))
    Console().print(found, f"{len(rows):,} rows in {seconds:.1f} s beside them: {one['counts']}")


async def _while(
    http: httpx.AsyncClient, people: list[Any], callers: int, work: Any
) -> tuple[Mapping[str, list[float]], Any]:
    waits = Waits(http, people)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(waits.ask(number * 97)) for number in range(callers)]
        came = await work
        for task in asking:
            task.cancel()
    return waits.seconds, came


async def _import(http: httpx.AsyncClient, content: bytes) -> dict[str, Any]:
    begun = time.perf_counter()
    said = {"kind": "beneficiaries", "mode": "commit"}
    answer = await http.post(_IMPORTS, data=said, files={"file": ("warga.csv", content)})
    one = answer.raise_for_status().json()
    while one["status"] in _WORKING:
        await asyncio.sleep(_LOOK_SECONDS)
        if time.perf_counter() - begun > _READING_SECONDS + one["progress"]["done"] * _ROW_SECONDS:
            raise harness.BenchmarkError(f"the import is stuck: {one['status']} {one['progress']}")
        one = (await http.get(f"{_IMPORTS}/{one['id']}")).raise_for_status().json()
    counts = {fate: count for fate, count in one["counts"].items() if count}
    if one["status"] != "done" or set(counts) != {"created"}:
        raise harness.BenchmarkError(f"the import is {one['status']}: {counts} {one['error']}")
    return {"seconds": time.perf_counter() - begun, "counts": counts}


def _figures(seconds: list[float]) -> tuple[str, str, str]:
    ordered = sorted(seconds)
    middle, high = (ordered[math.ceil(part * len(ordered)) - 1] * 1000 for part in (0.5, 0.99))
    return f"{middle:.1f}", f"{high:.1f}", f"{len(ordered):,}"


def run(bench: harness.Bench, rows: Sequence[Mapping[str, Any]], callers: int = 4, idle: float = 5) -> None:
    """Serve, and print p50 and p99 of the callers' requests, `idle` seconds alone and then beside the import."""
    command = ("uvicorn", "tksk_api.cli.serve:application", "--factory", "--port", str(PORT), "--no-access-log")
    with harness.server("beside-import", command, bench.environment, PORT, "/livez"):
        asyncio.run(measure(bench, rows, callers, idle))
