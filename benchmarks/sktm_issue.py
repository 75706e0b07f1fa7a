"""1,000 SKTM for one kelurahan, signed by 16 people at once over HTTP: no gap, no duplicate. See README.md."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

import harness
from harness import Bench, BenchmarkError, say
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter_system, session_factory
from tksk_api.database.tables import new_id
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.domain.sktm_applications.people import freeze_facts
from tksk_api.domain.sktm_policies.rules import DEFAULT
from tksk_api.settings import Settings

PORT = 8911
VILLAGE = harness.VILLAGES[1]
_DOCUMENTS = [
    {"kind": kind, "attachment_id": None, "shown_physically": True, "status": "ok", "note": None}
    for kind in ("cover_letter", "ktp", "family_card")
]


@dataclass
class Tally:
    """What the signers saw."""

    times: list[float] = field(default_factory=list)
    asked_again: int = 0
    refused: list[str] = field(default_factory=list)


async def prepare(bench: Bench, count: int, signers: int) -> list[str]:
    """Verified applications of `count` people as the officers would have left them; gives each signer's token."""
    connection: Any = await asyncpg.connect(bench.owner_url)
    try:
        officer, _ = await harness.add_user(connection, "tksk", VILLAGE[:8])
        clerk, _ = await harness.add_user(connection, "village_clerk", VILLAGE)
        heads = [await harness.add_user(connection, "village_head", VILLAGE, number) for number in range(signers)]
        people, visits, applications = [], [], []
        now, today = datetime.now(UTC), date.today()  # noqa: DTZ011 - any recent day will do
        for body in harness.new_people(count, 0):
            person, visit, application = new_id(), new_id(), new_id()
            cipher = bench.keyring.encrypt("beneficiaries.nik", str(person), body["nik"].encode())
            index = bench.keyring.blind_index("beneficiaries.nik", body["nik"])
            born = date.fromisoformat(body["birth_date"])
            people.append(
                (person, body["full_name"], body["birth_place"], born, body["sex"], cipher, index, body["nik"][-4:])
            )
            visits.append((visit, person, today - timedelta(days=2), now))
            applications.append((application, person, visit, now))
        await connection.execute("SET session_replication_role = replica")
        await _write(
            connection,
            "beneficiaries",
            "id full_name birth_place birth_date sex nik_cipher nik_index nik_last4",
            people,
            {"created_by": officer, "nik_status": "unverified", "street": "Jl. Yos Sudarso 12", "rt": "001"},
        )
        await _write(
            connection,
            "visits",
            "id beneficiary_id visited_on completed_at",
            visits,
            {"officer_id": officer, "completed_by": officer, "outcome": "met", "finding": "eligible"}
            | {"status": "completed"},
        )
        await _write(
            connection,
            "sktm_applications",
            "id beneficiary_id visit_id submitted_at",
            applications,
            {"created_by": officer, "checked_by": clerk, "verified_by": officer, "status": "verified"}
            | {"purpose": "bpjs_pbi", "purpose_detail": "Kepesertaan BPJS PBI", "addressed_to": "Dinas Sosial"}
            | {"documents": json.dumps(_DOCUMENTS), "policy": json.dumps(dict(DEFAULT)), "recommendation": "Layak"},
        )
        verified: dict[str, Any] = {"entity": "sktm_applications", "action": "verify", "from_state": "checked"}
        verified |= {"to_state": "verified", "actor_id": officer, "actor_role": "tksk"}
        await connection.copy_records_to_table(
            "transitions",
            records=[(new_id(), key, *verified.values()) for key, *_ in applications],
            columns=["id", "entity_id", *verified],
        )
        await connection.execute("ANALYZE beneficiaries, visits, sktm_applications, transitions")
        return [bench.token(*head) for head in heads]
    finally:
        await connection.close()


async def freeze(bench: Bench) -> list[tuple[UUID, int]]:
    """What `check` does last: the application remembers the people it was checked for. Gives ids and versions."""
    settings = Settings(database_url=SecretStr(bench.app_url), key_file=bench.key_file)
    engine = create_engine(settings)
    sessions = session_factory(engine)
    sessions.configure(info={"keyring": bench.keyring})
    async with enter_system(sessions, "prepare_benchmark") as session:
        rows = list((await session.execute(select(SktmApplication))).scalars())
        for row in rows:
            await freeze_facts(session, row)
        await session.flush()
        found = [(row.id, row.version) for row in rows]
    await engine.dispose()
    return found


async def _write(
    connection: Any, table: str, columns: str, rows: Sequence[tuple[Any, ...]], common: Mapping[str, Any]
) -> None:
    """COPY rows whose other columns, the version and the village are the same in all of them."""
    common = {"version": 1, "region_code": VILLAGE, **common}
    await connection.copy_records_to_table(
        table, records=[(*row, *common.values()) for row in rows], columns=[*columns.split(), *common]
    )


async def sign_all(applications: Sequence[tuple[UUID, int]], tokens: Sequence[str]) -> tuple[Tally, float]:
    """Every signer takes the next unsigned application; a 503 is asked again, anything else but 200 is kept."""
    waiting = list(reversed(applications))
    tally = Tally()

    async def signer(token: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        while waiting:
            key, version = waiting.pop()
            began = time.perf_counter()
            writer.write(
                f"POST /v1/sktm-applications/{key}/sign HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n"
                f'Authorization: Bearer {token}\r\nIf-Match: "v{version}"\r\n\r\n'.encode()
            )
            status, body = await _answer(reader)
            tally.times.append(time.perf_counter() - began)
            if status == 503:
                tally.asked_again += 1
                waiting.append((key, version))
                await asyncio.sleep(0.2)
            elif status != 200 or json.loads(body)["status"] != "issued":
                tally.refused.append(f"{status} {body[:300]!r}")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(signer(token) for token in tokens))
    return tally, time.perf_counter() - began


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


async def require_whole_sequence(owner_url: str, count: int) -> None:
    """Raises BenchmarkError unless the letters are numbered 1..count, each once, and the counter agrees."""
    connection: Any = await asyncpg.connect(owner_url)
    try:
        rows = await connection.fetch("SELECT sequence, number FROM sktm_letters WHERE issuer_code = $1", VILLAGE)
        last = await connection.fetchval("SELECT last FROM sktm_counters WHERE issuer_code = $1", VILLAGE)
        signatures = await connection.fetchval("SELECT count(*) FROM sktm_signatures")
    finally:
        await connection.close()
    sequence = sorted(row["sequence"] for row in rows)
    if sequence != list(range(1, count + 1)):
        missing = sorted(set(range(1, count + 1)) - set(sequence))
        raise BenchmarkError(f"{len(sequence)} letters for {count}; missing {missing[:10]}")
    if len({row["number"] for row in rows}) != count or last != count or signatures != count:
        raise BenchmarkError(f"numbers repeat, or the counter ({last}) or signatures ({signatures}) disagree")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=1_000)
    parser.add_argument("--signers", type=int, default=16)
    options = parser.parse_args()
    harness.end_on_signals()
    with ExitStack() as stack:
        bench = stack.enter_context(harness.database())
        say(f"Preparing {options.letters:,} verified applications")
        tokens = asyncio.run(prepare(bench, options.letters, options.signers))
        applications = asyncio.run(freeze(bench))
        command = ("uvicorn", "peers.tksk:app", "--port", str(PORT), "--no-access-log", "--log-level", "warning")
        stack.enter_context(harness.server("sktm", command, bench.environment, PORT, "/livez"))
        tally, seconds = asyncio.run(sign_all(applications, tokens))
        if tally.refused:
            raise BenchmarkError(f"{len(tally.refused)} signatures refused, the first: {tally.refused[0]}")
        asyncio.run(require_whole_sequence(bench.owner_url, options.letters))
        times = sorted(1000 * value for value in tally.times)
        table = Table(
            title=f"{options.letters:,} letters, one kelurahan, {options.signers} signers", title_justify="left"
        )
        for heading in ("letters/s", "sign p50 ms", "sign p99 ms", "seconds", "503, asked again"):
            table.add_column(heading, justify="right")
        p50, p99 = (f"{times[int(len(times) * share)]:,.0f}" for share in (0.5, 0.99))
        table.add_row(f"{options.letters / seconds:.1f}", p50, p99, f"{seconds:.1f}", str(tally.asked_again))
        Console().print(table)
        print(f"sequence 1..{options.letters}: no gap, no duplicate")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")
