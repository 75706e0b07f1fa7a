"""One request: get one, list of 20 and create, against the same work done in three usual ways. See README.md."""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

import harness
from harness import DISTRICT, WORK, Bench, BenchmarkError, Load, say
from tksk_api.database.admission import Admission
from tksk_api.database.engine import create_read_pool
from tksk_api.database.reads import PageRequest, Reader, ReadPool
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.security.permissions import Permission, roles_with
from tksk_api.settings import Settings

OPERATIONS = ("get one", "list of 20", "create")
TARGETS = {"get one": 0.5, "list of 20": 0.7, "create": 0.4}
STRETCH = {"get one": 0.7, "list of 20": 0.85, "create": 0.8}
REFERENCE, OURS, DJANGO = "starlette", "tksk", "django"
# More than any of them can answer; a file that runs out ends the measurement with an error.
_CREATES_PER_SECOND = {"tksk": 6_000, "starlette": 8_000, "no reset": 8_000, "sqlmodel": 3_000, "django": 2_000}
_UVICORN = ("--workers", "1", "--no-access-log", "--log-level", "warning")
_GUNICORN = [
    "--workers",
    "1",
    "--worker-class",
    "gthread",
    "--threads",
    "16",
    "--keep-alive",
    "60",
    "--log-level",
    "warning",
]


@dataclass(frozen=True)
class Peer:
    """A server under measurement. Ours is scoped by the token; the others are told the district."""

    name: str
    port: int
    command: tuple[str, ...]
    headers: Mapping[str, str]
    query: str = f"district={DISTRICT}&limit=20"
    environment: Mapping[str, str] | None = None

    def get(self, key: UUID) -> str:
        return f"/v1/beneficiaries/{key}"

    @property
    def page(self) -> str:
        return f"/v1/beneficiaries?{self.query}"

    @property
    def collection(self) -> str:
        return f"/v1/beneficiaries?{self.query}" if self.name == DJANGO else "/v1/beneficiaries"


def peers(token: str, *, tuned: bool) -> list[Peer]:
    def uvicorn(module: str, port: int) -> tuple[str, ...]:
        return ("uvicorn", f"peers.{module}:app", "--port", str(port), *_UVICORN)

    django = ("gunicorn", "peers.django_way:application", "--bind", "127.0.0.1:8904", *_GUNICORN)
    chosen = [
        Peer(OURS, 8901, uvicorn("tksk", 8901), {"Authorization": f"Bearer {token}"}, "limit=20"),
        Peer(REFERENCE, 8902, uvicorn("bare", 8902), {}),
        Peer("sqlmodel", 8903, uvicorn("sqlmodel_way", 8903), {}),
        Peer(DJANGO, 8904, django, {}),
    ]
    if tuned:
        chosen.append(Peer("no reset", 8905, uvicorn("bare", 8905), {}, environment={"BENCH_NO_RESET": "1"}))
    return chosen


# ------------------------------------------------------------------------------------------------------ the fairness


def comparable(item: Any) -> Any:
    """Times as moments: `+00:00`, `Z` and the number of decimals are spelling."""
    if isinstance(item, dict):
        return {name: comparable(value) for name, value in item.items() if name not in ("next_cursor",)}
    if isinstance(item, list):
        return [comparable(value) for value in item]
    if isinstance(item, str) and item[10:11] == "T":
        return datetime.fromisoformat(item)
    return item


def require_same_answers(servers: Sequence[Peer], key: UUID) -> None:
    """All servers give the same members and values for one id and one page, and create with the same members."""
    expected: dict[str, Any] = {}
    bodies = harness.new_people(len(servers), 0)
    for peer in servers:
        base = f"http://127.0.0.1:{peer.port}"
        status_one, one = harness.ask(base + peer.get(key), peer.headers)
        status_page, page = harness.ask(base + peer.page, peer.headers)
        answers = {"one": comparable(one), "page": comparable(page)}
        if (status_one, status_page, len(page["items"])) != (200, 200, 20) or not page["next_cursor"]:
            raise BenchmarkError(f"{peer.name}: {status_one}, {status_page}, {len(page['items'])} items")
        for what, answer in answers.items():
            if answer != expected.setdefault(what, answer):
                raise BenchmarkError(f"{peer.name} answers otherwise ({what}):\n{answer}\n{expected[what]}")
    for peer in servers:  # afterwards: a new person would be on the page
        body = next(bodies)
        status, created = harness.ask(f"http://127.0.0.1:{peer.port}{peer.collection}", peer.headers, body)
        if status != 201 or set(created) != set(expected["one"]) or created["full_name"] != body["full_name"]:
            raise BenchmarkError(f"{peer.name} created otherwise: {status} {created}")


# -------------------------------------------------------------------------------------------------- the measurement


def write_requests(peer: Peer, operation: str, ids: Sequence[UUID], seconds: float, block: int) -> Path:
    """The file of one round. Blocks of 100,000 NIKs keep rounds and servers apart."""
    path = WORK / "requests.txt"
    if operation == "get one":
        lines = [f"GET {peer.get(key)}" for key in ids]
    elif operation == "list of 20":
        lines = [f"GET {peer.page}"]
    else:
        count = min(100_000, int((seconds + 1) * _CREATES_PER_SECOND[peer.name]))
        people = harness.new_people(count, block * 100_000)
        lines = [f"POST {peer.collection} {json.dumps(person)}" for person in people]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def measure(
    servers: Sequence[Peer], ids: Sequence[UUID], seconds: float, rounds: int, operations: Sequence[str]
) -> dict[str, dict[str, list[Load]]]:
    """A B C D A B C D ...: what changes on the machine meanwhile, changes for all."""
    results: dict[str, dict[str, list[Load]]] = {name: {peer.name: [] for peer in servers} for name in operations}
    block = 1
    for operation in operations:
        for turn in range(rounds + 1):
            for peer in servers:
                duration = seconds if turn else 1.0  # the first turn only warms up
                requests = write_requests(peer, operation, ids, duration, block)
                block += 1
                load = harness.run_load(peer.port, requests, peer.headers, duration)
                if turn:
                    results[operation][peer.name].append(load)
                    rate = f"{load.per_second:8.0f}/s  p99 {load.p99_ms:.1f} ms"
                    say(f"{operation:10}  round {turn}  {peer.name:10}  {rate}")
    return results


def report(results: Mapping[str, Mapping[str, Sequence[Load]]], console: Console) -> bool:
    """The tables; whether all targets were reached."""
    reached_all = True
    for operation, by_peer in results.items():
        table = Table(title=f"{operation}, concurrency {harness.CONCURRENCY}", title_justify="left")
        for heading in ("server", "req/s", "of reference", "of django", "p50 ms", "p99 ms"):
            table.add_column(heading, justify="left" if heading == "server" else "right")
        for name, loads in by_peer.items():
            table.add_row(
                name,
                f"{_median(loads, 'per_second'):,.0f}",
                f"{_ratio(by_peer, name, REFERENCE):.2f}",
                f"{_ratio(by_peer, name, DJANGO):.1f}" if DJANGO in by_peer else "",
                f"{_median(loads, 'p50_ms'):.1f}",
                f"{_median(loads, 'p99_ms'):.1f}",
            )
        console.print(table)
        if OURS in by_peer and REFERENCE in by_peer:
            ratio, target, stretch = _ratio(by_peer, OURS, REFERENCE), TARGETS[operation], STRETCH[operation]
            reached_all &= ratio >= target
            mark = "[green]reached[/]" if ratio >= target else "[red]NOT reached[/]"
            further = "reached" if ratio >= stretch else "not reached"
            console.print(f"  target {target}: {ratio:.2f} {mark}; stretch {stretch}: {further}\n")
    return reached_all


def _median(loads: Sequence[Load], figure: str) -> float:
    return statistics.median(getattr(load, figure) for load in loads)


def _ratio(by_peer: Mapping[str, Sequence[Load]], name: str, base: str) -> float:
    """Median of the rounds' own ratios: the two numbers of each were measured within seconds of each other."""
    pairs = zip(by_peer[name], by_peer[base], strict=True)
    return statistics.median(one.per_second / other.per_second for one, other in pairs)


# ---------------------------------------------------------------------------------------------------- where it goes


async def read_costs(bench: Bench, session_id: UUID, key: UUID, repeats: int = 1_500) -> dict[str, float]:
    """Microseconds of one read at a time: the whole compiled read, and the same row without admission and log."""
    pool = await create_read_pool(
        Settings(database_url=SecretStr(bench.app_url), key_file=bench.key_file, public_url=harness.PUBLIC_URL)
    )
    owner = await asyncpg.connect(bench.owner_url)
    permission = Permission.BENEFICIARY_READ
    admission = Admission(session_id, roles_with(permission), str(permission), uuid4(), "get_beneficiary")
    reader = Reader(ReadPool(pool, 3.0), admission)
    page = PageRequest(20, BENEFICIARIES.default_sort, {})
    select = "SELECT row_to_json(b)::text FROM beneficiaries b WHERE id = $1 AND deleted_at IS NULL LIMIT 1"
    try:
        return {
            "compiled read of one": await _clock(repeats, lambda: reader.one(BENEFICIARIES, key)),
            "compiled read of a page": await _clock(repeats, lambda: reader.page(BENEFICIARIES, page)),
            "row_to_json by id, no admission": await _clock(repeats, lambda: owner.fetchrow(select, key)),
            "SELECT 1": await _clock(repeats, lambda: owner.fetchrow("SELECT 1")),
        }
    finally:
        await owner.close()
        await pool.close()


async def _clock(repeats: int, call: Any) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        await call()
        times.append(time.perf_counter() - began)
    return 1e6 * statistics.median(times[repeats // 10 :])


def report_costs(bench: Bench, ours: Peer, session_id: UUID, ids: Sequence[UUID], console: Console) -> None:
    """One GET at a time: how much of it is HTTP and framework, how much admission and access row, how much the row."""

    def alone(requests: Path, headers: Mapping[str, str]) -> float:
        # The best of three: what disturbs one request at a time only ever adds.
        loads = [harness.run_load(ours.port, requests, headers, 1, concurrency=1) for _ in range(3)]
        return 1000 * min(load.p50_ms for load in loads)

    whole = alone(write_requests(ours, "get one", ids, 1, 0), ours.headers)
    empty_file = WORK / "requests.txt"
    empty_file.write_text("GET /livez\n", encoding="utf-8")
    empty = alone(empty_file, {})
    costs = asyncio.run(read_costs(bench, session_id, ids[0]))
    one, row, trip = costs["compiled read of one"], costs["row_to_json by id, no admission"], costs["SELECT 1"]
    table = Table(title="one GET alone, median µs", title_justify="left")
    table.add_column("part")
    table.add_column("µs", justify="right")
    for name, value in (
        ("HTTP, edge, routing, empty answer (/livez)", empty),
        ("token, dependencies, headers, reply", whole - empty - one),
        ("app.enter, policies, access row", one - row),
        ("the row as JSON", row - trip),
        ("one round trip (SELECT 1)", trip),
        ("whole request", whole),
    ):
        table.add_row(name, f"{value:,.0f}")
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000, help="people in the table")
    parser.add_argument("--only", nargs="*", default=[], help="servers: tksk starlette sqlmodel django")
    parser.add_argument("--operations", nargs="*", default=OPERATIONS, choices=OPERATIONS)
    parser.add_argument("--tuned", action="store_true", help="also a reference whose pool sends no RESET")
    options = parser.parse_args()
    harness.end_on_signals()
    harness.choose_generator()
    console = Console(width=100) if not sys.stdout.isatty() else Console()
    with ExitStack() as stack:
        bench = stack.enter_context(harness.database())
        say(f"Writing {options.rows:,} people")
        ids = asyncio.run(harness.seed_beneficiaries(bench.owner_url, options.rows))
        random.Random(1).shuffle(ids)
        user_id, session_id = asyncio.run(officer(bench))
        servers = [
            peer
            for peer in peers(bench.token(user_id, session_id), tuned=options.tuned)
            if not options.only or peer.name in options.only
        ]
        for peer in servers:
            environment = {**bench.environment, **(peer.environment or {})}
            name = peer.name.replace(" ", "-")
            stack.enter_context(harness.server(name, peer.command, environment, peer.port, "/livez"))
        require_same_answers(servers, ids[0])
        results = measure(servers, ids, options.seconds, max(1, options.rounds), options.operations)
        reached = report(results, console)
        if servers[0].name == OURS:
            report_costs(bench, servers[0], session_id, ids, console)
        console.print(f"load: {harness.generator_in_use}; errors: none")
    return 0 if reached else 1


async def officer(bench: Bench) -> tuple[UUID, UUID]:
    """An officer of the district, and their open session."""
    connection = await asyncpg.connect(bench.owner_url)
    try:
        return await harness.add_user(connection, "tksk", DISTRICT)
    finally:
        await connection.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")
