"""How fast a file of people comes in: `BENEFICIARIES.apply`, page by page, against COPY of the same rows into the same
table with its indexes and triggers (by the owner, whom no policy binds), and against the row by row of an ORM.

    uv run python benchmarks/bulk.py [--rows 10000] [--rounds 3] [--orm 300]

All in one run, in turn, on one register; ratios are what counts. Beside them the longest time that another task of the
event loop waited, and the memory of the process.
"""

import argparse
import asyncio
import resource
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from rich.console import Console
from rich.table import Table

import beside_import
import harness
from tksk_api.database.admission import Admission
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter, session_factory
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.imports.contract import Parsed
from tksk_api.domain.imports.kinds.beneficiaries import BENEFICIARIES
from tksk_api.security.permissions import Permission, roles_with

_FIRST = (
    "Siti",
    "Budi",
    "Sri",
    "Agus",
    "Dewi",
    "Eko",
    "Nur",
    "Joko",
    "Rina",
    "Andi",
    "Fitri",
    "Hendra",
    "Yanti",
    "Made",
)
_SYLLABLES = ("ra", "wi", "sa", "nto", "har", "ti", "ku", "la", "di", "mu", "ne", "so", "ba", "pra", "yo", "gu", "ma")
_LOOK_SECONDS = 0.002
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
                "full_name": f"{_FIRST[chance // 7 % len(_FIRST)]} {last}",
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

    async def watch(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_LOOK_SECONDS)
            self.longest = max(self.longest, time.perf_counter() - begun - _LOOK_SECONDS)


async def run(bench: harness.Bench, rows: int, rounds: int, orm_rows: int) -> None:
    owner = await asyncpg.connect(bench.owner_url)
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
    seconds: dict[str, list[float]] = {"COPY": [], "apply": [], "ORM, row by row": []}

    async def apply(page: Sequence[dict[str, Any]]) -> None:
        async with enter(sessions, admission) as session:
            fates = await BENEFICIARIES.apply(session, [Parsed(n, row) for n, row in enumerate(page, 2)], "skip")
        wrong = [fate for fate in fates if fate.fate != "created"]
        if wrong:
            raise harness.BenchmarkError(f"{len(wrong)} rows were not created: {wrong[0].faults}")

    async def row_by_row(page: Sequence[dict[str, Any]]) -> None:
        for row in page:
            async with enter(sessions, admission) as session:
                values = dict(zip(_COPIED, record(row, user), strict=True)) | {
                    "warnings": [],
                    "created_at": datetime.now(UTC),
                }
                session.add(Beneficiary(**values))
                await session.flush()

    watching = asyncio.create_task(waits.watch())
    for number in range(rounds + 1):
        fresh = people(villages, taken, 2 * rows + orm_rows)
        taken += len(fresh)
        copied = [record(row, user) for row in fresh[:rows]]
        begun = time.perf_counter()
        await owner.copy_records_to_table("beneficiaries", records=copied, columns=list(_COPIED))
        spent = {"COPY": (time.perf_counter() - begun) / rows}
        waits.longest = 0.0
        begun = time.perf_counter()
        for start in range(rows, 2 * rows, BENEFICIARIES.page):
            await apply(fresh[start : min(start + BENEFICIARIES.page, 2 * rows)])
        spent["apply"] = (time.perf_counter() - begun) / rows
        longest = waits.longest
        begun = time.perf_counter()
        await row_by_row(fresh[2 * rows :])
        spent["ORM, row by row"] = (time.perf_counter() - begun) / max(1, orm_rows)
        harness.say(
            f"round {number}: " + ", ".join(f"{name} {value * 1e6:,.0f} us a row" for name, value in spent.items())
        )
        if number:  # the first one warms up
            for name, value in spent.items():
                seconds[name].append(value)
        await owner.execute("ANALYZE")
    watching.cancel()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    table = Table("way", "rows/s", "of COPY")
    for name, value in medians.items():
        table.add_row(name, f"{1 / value:,.0f}", f"{medians['COPY'] / value:.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    Console().print(
        table, f"Longest wait of the loop {longest * 1000:.0f} ms; peak memory {peak} MB; {taken:,} people."
    )
    await engine.dispose()
    await owner.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="of each way and round")
    parser.add_argument("--rounds", type=int, default=3, help="after one that warms up; 0: only --beside")
    parser.add_argument("--orm", type=int, default=300, help="rows of the row by row, each round")
    parser.add_argument("--beside", type=int, default=0, help="rows of an import that others wait beside")
    arguments = parser.parse_args()
    harness.end_on_signals()
    with harness.database() as bench:
        if arguments.rounds:
            asyncio.run(run(bench, arguments.rows, arguments.rounds, arguments.orm))
        if arguments.beside:
            taken = (arguments.rounds + 1) * (2 * arguments.rows + arguments.orm)
            villages = [f"{harness.DISTRICT}.{number}" for number in range(1001, 1004)]
            beside_import.run(bench, people(villages, taken, arguments.beside))


if __name__ == "__main__":
    main()
