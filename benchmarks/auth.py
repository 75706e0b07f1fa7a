"""What knowing the caller costs: one GET with token, principal, scope and access row, and the same GET without them."""

import argparse
import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.table import Table

import api
import harness
from api import Peer
from harness import Bench, BenchmarkError, Load, say

GUARDED, OPEN = "with the chain", "without it"


def peers(token: str) -> list[Peer]:
    """Both servers are `create_app`; only the route differs."""

    def uvicorn(module: str, port: int) -> tuple[str, ...]:
        return ("uvicorn", f"peers.{module}:app", "--port", str(port), "--workers", "1", "--no-access-log")

    return [
        Peer(GUARDED, 8911, uvicorn("tksk", 8911), {"Authorization": f"Bearer {token}"}),
        Peer(OPEN, 8912, uvicorn("unguarded", 8912), {}),
    ]


def require_same_answers(servers: Sequence[Peer], key: UUID) -> None:
    """Both give the same person."""
    answers = [harness.ask(f"http://127.0.0.1:{peer.port}{peer.get(key)}", peer.headers) for peer in servers]
    if answers[0] != answers[1] or answers[0][0] != 200:
        raise BenchmarkError(f"the two servers answer differently:\n{answers}")


def report(loads: Mapping[str, Sequence[Load]], alone: Mapping[str, float], console: Console) -> None:
    table = Table(title=f"get one, concurrency {harness.CONCURRENCY}", title_justify="left")
    for heading in ("server", "req/s", "ratio", "p50 ms", "p99 ms", "alone ms"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    ratios = {
        name: median(a.per_second / b.per_second for a, b in zip(rounds, loads[OPEN], strict=True))
        for name, rounds in loads.items()
    }
    for name, rounds in loads.items():
        figures = (median(getattr(load, figure) for load in rounds) for figure in ("per_second", "p50_ms", "p99_ms"))
        rate, p50, p99 = figures
        table.add_row(name, f"{rate:,.0f}", f"{ratios[name]:.2f}", f"{p50:.1f}", f"{p99:.1f}", f"{alone[name]:.2f}")
    console.print(table)
    console.print(
        f"The chain is {1 - ratios[GUARDED]:.0%} of a GET under load (1 - ratio), in the same one round trip."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100_000, help="people in the table")
    options = parser.parse_args()
    harness.end_on_signals()
    harness.choose_generator()
    console = Console(width=100) if not sys.stdout.isatty() else Console()
    with ExitStack() as stack:
        bench = stack.enter_context(harness.database())
        say(f"Writing {options.rows:,} people")
        ids = asyncio.run(harness.seed_beneficiaries(bench.owner_url, options.rows))
        random.Random(1).shuffle(ids)
        asyncio.run(_open_where_nobody_enters(bench))
        servers = peers(bench.token(*asyncio.run(api.officer(bench))))
        for peer in servers:
            stack.enter_context(harness.server(peer.command[1], peer.command, bench.environment, peer.port, "/livez"))
        require_same_answers(servers, ids[0])
        loads = api.measure(servers, ids, options.seconds, max(1, options.rounds), ["get one"])["get one"]
        alone = {peer.name: _alone(peer, ids) for peer in servers}
        report(loads, alone, console)
        console.print(f"load: {harness.generator_in_use}; errors: none")
    return 0


def _alone(peer: Peer, ids: Sequence[UUID]) -> float:
    """Milliseconds of one request at a time, the best of three medians: what disturbs it only ever adds."""
    requests = api.write_requests(peer, "get one", ids, 1, 0)
    return min(harness.run_load(peer.port, requests, peer.headers, 1, concurrency=1).p50_ms for _ in range(3))


async def _open_where_nobody_enters(bench: Bench) -> None:
    """The policies show every row to a connection that nobody entered: the open server must not be refused."""
    connection = await asyncpg.connect(bench.owner_url)
    try:
        await connection.execute(f"ALTER DATABASE {bench.owner_url.rsplit('/', 1)[1]} SET app.regions = 'ID'")
    finally:
        await connection.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")
