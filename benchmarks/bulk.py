"""How fast a file of people comes in: `BENEFICIARIES.apply`, page by page, against COPY of the same rows into the same
table with its indexes and triggers (by the owner, whom no policy binds), and against the row by row of an ORM.

    uv run --group bench python benchmarks/bulk.py --help

All in one run, in turn, on one register; ratios are what counts. COPY and row by row are also done with a copy of the
table that has its columns and indexes, and no trigger and no policy: what peers have. Beside them the longest time that
another task of the event loop waited, and the memory of the process. `--grow-to` fills the register by COPY with
triggers at rest, and asks again at each size.
"""

import argparse
import asyncio
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from operator import truediv
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import beside_import
import harness
import whole_import
from tksk_api.database.admission import Admission
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter, session_factory
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.imports.contract import Parsed
from tksk_api.domain.imports.kinds.beneficiaries import BENEFICIARIES
from tksk_api.security.permissions import Permission, roles_with

_SYLLABLES = ("ra", "wi", "sa", "nto", "har", "ti", "ku", "la", "di", "mu", "ne", "so", "ba", "pra", "yo", "gu", "ma")
_LOOK_SECONDS = 0.05  # oftener, the looking itself costs a third of the pace
_BATCH, _ROUNDS_AT_SIZE = 20_000, 3
_COPY, _APPLY, _BARE_COPY = "COPY", "apply", "COPY, bare"
_COPIED = (
    *("id", "version", "region_code", "created_by", "create_digest", "nik_cipher", "nik_index", "nik_last4"),
    *("nik_status", "full_name", "birth_place", "birth_date", "sex", "street", "rt", "rw", "phone"),
    *("family_card_cipher", "family_card_index", "family_card_last4", "relationship", "ppks_categories", "notes"),
    "warnings",
)


def people(villages: Sequence[str], first: int, count: int) -> list[dict[str, Any]]:
    """Rows as the columns of a file make them; no NIK comes twice in a run, and names are as many as in a nation."""
    rows = []
    for number in range(first, first + count):
        chance = number * 2_654_435_761 % 2**32
        born = date(1940, 1, 1) + timedelta(days=chance % 25_000)
        female = number % 2
        last = "".join(_SYLLABLES[chance // 17**power % 17] for power in range(1, 4)).capitalize()
        village = villages[chance % len(villages)]
        digits = village.replace(".", "")[:6]
        rows.append(
            {
                "nik": f"{digits}{born.day + 40 * female:02d}{born:%m%y}{number % 9_999 + 1:04d}",
                "nik_status": "unverified",
                "full_name": f"{harness.FIRST_NAMES[chance // 7 % len(harness.FIRST_NAMES)]} {last}",
                "birth_place": "Panjang",
                "birth_date": born,
                "sex": "female" if female else "male",
                "street": f"Jl. Yos Sudarso {number % 300}",
                "rt": "001",
                "rw": "002",
                "village_code": village,
                "phone": f"0812{number % 10**8:08d}",
                "family_card_number": f"{digits}{born:%d%m%y}{number // 3 % 9_999 + 1:04d}",
                "relationship": "child",
                "ppks_categories": ["fakir_miskin"],
                "notes": "Rumah dekat dermaga",
            }
        )
    return rows


def record(row: Mapping[str, Any], creator: UUID) -> tuple[Any, ...]:
    """The same row as a table holds it, with noise of the right length for what is sealed."""
    noise = uuid4().bytes
    values = {
        **row,
        "id": new_id(),
        "version": 1,
        "region_code": row["village_code"],
        "created_by": creator,
        "create_digest": noise * 2,
        "nik_cipher": noise * 3,
        "nik_index": noise + uuid4().bytes,
        "nik_last4": row["nik"][-4:],
        "family_card_cipher": noise * 3,
        "family_card_index": noise * 2,
        "family_card_last4": row["family_card_number"][-4:],
        "warnings": "[]",
    }
    return tuple(values[name] for name in _COPIED)


async def add_machine(owner: Any) -> tuple[UUID, UUID]:
    """A system that may register people of the whole nation."""
    client, session = uuid4(), uuid4()
    await owner.execute(
        "INSERT INTO clients (id, version, name, scopes, region_codes, session_id) "
        "VALUES ($1, 1, 'Sistem Contoh', ARRAY['beneficiary:write'], ARRAY['ID'], $2)",
        client,
        session,
    )
    return client, session


class Waits:
    """The longest time that another task of the loop waited for its turn."""

    longest = 0.0

    def __init__(self) -> None:
        self.of_rounds: list[float] = []

    async def watch(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_LOOK_SECONDS)
            self.longest = max(self.longest, time.perf_counter() - begun - _LOOK_SECONDS)


async def _fill(owner: Any, villages: Sequence[str], user: UUID, first: int, size: int) -> int:
    """Fill the register by COPY, with triggers at rest; how many people came."""
    there = int(await owner.fetchval("SELECT count(*) FROM beneficiaries"))
    await owner.execute("SET session_replication_role = replica")
    for start in range(there, size, _BATCH):
        batch = [record(row, user) for row in people(villages, first + start, min(_BATCH, size - start))]
        await owner.copy_records_to_table("beneficiaries", records=batch, columns=list(_COPIED))
    await owner.execute("SET session_replication_role = origin")
    await owner.execute("VACUUM (ANALYZE) beneficiaries")
    return max(0, size - there)


async def run(bench: harness.Bench, rows: int, rounds: int, orm_rows: int, sizes: Sequence[int]) -> int:
    """Print how fast each way is, and at which size of the register; how many people were made."""
    owner = await asyncpg.connect(bench.owner_url)
    await owner.execute("CREATE SCHEMA bare; CREATE TABLE bare.beneficiaries (LIKE beneficiaries INCLUDING ALL)")
    peers = create_async_engine(
        bench.owner_url.replace("postgresql://", "postgresql+asyncpg://"),
        execution_options={"schema_translate_map": {None: "bare"}},
    )
    villages = [row[0] for row in await owner.fetch("SELECT code FROM regions WHERE level = 'village'")]
    user, session_id = await add_machine(owner)
    engine = create_engine(bench.settings)
    sessions = session_factory(engine)
    sessions.configure(info={"keyring": bench.keyring})
    permission, waits = Permission.BENEFICIARY_WRITE, Waits()
    admission = Admission(
        session_id, roles_with(permission), permission, uuid4(), "import", token_scopes=frozenset({permission})
    )
    taken = 0
    seconds: dict[str, list[float]] = {}

    async def apply(page: Sequence[dict[str, Any]]) -> None:
        async with enter(sessions, admission) as session:
            fates = await BENEFICIARIES.apply(session, [Parsed(n, row) for n, row in enumerate(page, 2)], "skip")
        wrong = [fate for fate in fates if fate.fate != "created"]
        if wrong:
            raise harness.BenchmarkError(f"{len(wrong)} rows were not created: {wrong[0].faults}")

    def entity(row: Mapping[str, Any]) -> Beneficiary:
        values = dict(zip(_COPIED, record(row, user), strict=True))
        return Beneficiary(**values | {"warnings": [], "created_at": datetime.now(UTC)})

    async def row_by_row(page: Sequence[dict[str, Any]]) -> None:
        for row in page:
            async with enter(sessions, admission) as session:
                session.add(entity(row))
                await session.flush()

    async def as_peers(page: Sequence[dict[str, Any]]) -> None:
        async with AsyncSession(peers) as session:
            for row in page:
                session.add(entity(row))
                await session.commit()

    async def copy(page: Sequence[dict[str, Any]], schema: str) -> None:
        copied = [record(row, user) for row in page]
        begun.append(time.perf_counter())
        await owner.copy_records_to_table("beneficiaries", records=copied, columns=list(_COPIED), schema_name=schema)

    async def in_pages(page: Sequence[dict[str, Any]]) -> None:
        waits.longest = 0.0
        for start in range(0, len(page), BENEFICIARIES.page):
            await apply(page[start : start + BENEFICIARIES.page])
        waits.of_rounds.append(waits.longest)

    begun: list[float] = []
    ways: dict[str, tuple[int, Callable[[Sequence[dict[str, Any]]], Awaitable[None]]]] = {
        _COPY: (rows, lambda page: copy(page, "public")),
        _APPLY: (rows, in_pages),
        "ORM, row by row": (orm_rows, row_by_row),
        _BARE_COPY: (rows, lambda page: copy(page, "bare")),
        "ORM, row by row, bare": (orm_rows, as_peers),
    }

    async def round_of(names: Sequence[str]) -> dict[str, float]:
        nonlocal taken
        spent = {}
        for name in names:
            count, do = ways[name]
            fresh = people(villages, taken, count)
            taken += count
            begun[:] = [time.perf_counter()]
            await do(fresh)
            spent[name] = (time.perf_counter() - begun[-1]) / max(1, count)
        harness.say(", ".join(f"{name} {value * 1e6:,.0f} us a row" for name, value in spent.items()))
        return spent

    watching = asyncio.create_task(waits.watch())
    for number in range(rounds + 1):
        for name, value in (await round_of(list(ways))).items():
            if number:  # the first one warms up
                seconds.setdefault(name, []).append(value)
        await owner.execute("ANALYZE")
    table = Table("way", "rows/s", "of COPY", "of COPY, bare")
    for name, values in seconds.items():
        ratios = [statistics.median(map(truediv, seconds[base], values)) for base in (_COPY, _BARE_COPY)]
        table.add_row(name, f"{1 / statistics.median(values):,.0f}", *(f"{ratio:.3f}" for ratio in ratios))
    Console().print(table)
    table = Table("people", "apply us a row", "COPY us a row", "of COPY")
    for size in sizes:
        taken += await _fill(owner, villages, user, taken, size)
        await round_of([_APPLY])  # plans are made anew
        found = [await round_of([_COPY, _APPLY]) for _ in range(_ROUNDS_AT_SIZE)]
        own, copied = (statistics.median(one[name] for one in found) for name in (_APPLY, _COPY))
        ratio = statistics.median(one[_COPY] / one[_APPLY] for one in found)
        table.add_row(f"{size:,}", f"{own * 1e6:,.0f}", f"{copied * 1e6:,.0f}", f"{ratio:.2f}")
    watching.cancel()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    longest = f"{statistics.median(waits.of_rounds) * 1000:.0f} ms, at most {max(waits.of_rounds) * 1000:.0f} ms"
    Console().print(*[table] * bool(sizes), f"Longest wait of the loop {longest}; peak memory {peak} MB.")
    await peers.dispose()
    await engine.dispose()
    await owner.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="of each way and round")
    parser.add_argument("--rounds", type=int, default=3, help="after one that warms up; 0: only --beside")
    parser.add_argument("--orm", type=int, default=300, help="rows of the row by row, each round")
    parser.add_argument("--grow-to", default="", help="sizes of the register to ask again at, as 100000,1000000")
    parser.add_argument("--beside", type=int, default=0, help="rows of an import that others wait beside")
    parser.add_argument("--end-to-end", type=int, default=0, help="rows of a CSV that a server takes over HTTP")
    parser.add_argument("--stop-after", type=float, default=0, help="seconds after which that import is called off")
    parser.add_argument("--csv", type=int, default=0, help="rows of a CSV to read alone")
    parser.add_argument("--xlsx", type=int, default=0, help="rows of a workbook to read alone")
    arguments = parser.parse_args()
    harness.end_on_signals()
    for form, count in (("csv", arguments.csv), ("xlsx", arguments.xlsx)):
        if count:
            whole_import.read_alone(form, people(["18.71.04.1001"], 0, count))
    if not (arguments.rounds or arguments.beside or arguments.end_to_end):
        return
    with harness.database() as bench:
        taken = 0
        if arguments.rounds:
            sizes = [int(size) for size in arguments.grow_to.split(",") if size]
            taken = asyncio.run(run(bench, arguments.rows, arguments.rounds, arguments.orm, sizes))
        villages = [f"{harness.DISTRICT}.{number}" for number in range(1001, 1004)]
        if arguments.beside:
            beside_import.run(bench, people(villages, taken, arguments.beside))
            taken += arguments.beside
        if arguments.end_to_end:
            whole_import.run(bench, people(villages, taken, arguments.end_to_end), arguments.stop_after)


if __name__ == "__main__":
    main()
