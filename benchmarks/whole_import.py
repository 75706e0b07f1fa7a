"""A file from its upload to its last row, over HTTP, with the memory of the server and of the process that reads; and
reading alone."""

import asyncio
import csv
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import httpx
import xlsxwriter

import harness
from tksk_api.domain.imports.reading.reader import Options, read

PORT = 8158
_URL = f"http://127.0.0.1:{PORT}/v1/imports"
_WORKING = frozenset({"uploaded", "validating", "committing"})
_LOOK_SECONDS = 0.5
_EVERY = 20  # parts, between two looks at the memory
_HEADINGS = (
    *("nik", "nik_status", "full_name", "birth_place", "birth_date", "sex", "street", "rt", "rw", "village_code"),
    *("phone", "family_card_number", "relationship", "ppks_categories", "notes"),
)


def write(form: str, rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """A CSV, or a workbook of text cells."""
    lines = ([_written(row[name]) for name in _HEADINGS] for row in rows)
    if form == "csv":
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(_HEADINGS)
            writer.writerows(lines)
        return
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, _HEADINGS)
        for number, line in enumerate(lines, start=1):
            for column, value in enumerate(line):
                sheet.write_string(number, column, value)


def _written(value: Any) -> str:
    return "; ".join(value) if isinstance(value, list) else str(value)


def read_alone(form: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print how long the reading process takes for a file, and the most memory it had."""

    async def reading(path: Path) -> tuple[float, int, int]:
        peak = 0

        async def keep(number: int, _part: bytes) -> None:
            nonlocal peak
            if number % _EVERY == 0:
                peak = max([peak, *map(_peak, _children(os.getpid()))])

        begun = time.perf_counter()
        with path.open("rb") as file:
            head = await read(file, Options(), keep)
        return time.perf_counter() - begun, head.rows, peak

    with TemporaryDirectory() as folder:
        path = Path(folder) / f"warga.{form}"
        write(form, rows, path)
        seconds, read_rows, peak = asyncio.run(reading(path))
        size = path.stat().st_size
    harness.say(
        f"{form}, {read_rows:,} rows, {size / 1e6:.1f} MB: read in {seconds:.1f} s, {read_rows / seconds:,.0f} rows/s, "
        f"peak {peak} MB"
    )


def _peak(pid: int) -> int:
    """The most memory that a process had, in MB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def _children(pid: int) -> list[int]:
    """Those that any of its threads started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


async def measure(bench: harness.Bench, pid: int, content: bytes, rows: int, stop_after: float) -> None:
    """Print how long the file took, from the upload on, and the peaks; call the import off after so many seconds."""
    owner = await asyncpg.connect(bench.owner_url)
    user_id, session_id = await harness.add_user(owner, "tksk", harness.DISTRICT, 2)
    await owner.close()
    headers = {"Authorization": f"Bearer {bench.token(user_id, session_id)}"}
    first, told, reading, stopped = 0.0, 0, 0, False
    async with httpx.AsyncClient(headers=headers, timeout=600) as http:
        begun = time.perf_counter()
        said = {"kind": "beneficiaries", "mode": "commit"}
        answer = await http.post(_URL, data=said, files={"file": ("warga.csv", content)})
        one = answer.raise_for_status().json()
        uploaded = time.perf_counter() - begun
        while one["status"] in _WORKING:
            reading = max([reading, *(_peak(child) for child in _children(pid))])
            await asyncio.sleep(_LOOK_SECONDS if first else _LOOK_SECONDS / 10)  # reading is short
            answer = await http.get(f"{_URL}/{one['id']}")
            one = answer.raise_for_status().json()
            spent, done = time.perf_counter() - begun, one["progress"]["done"]
            first = first or (spent if done else 0.0)
            if done >= told + 10_000:
                told = done
                harness.say(f"{done:,} rows after {spent:.0f} s, peak of the server {_peak(pid)} MB")
            if stop_after and spent > stop_after and not stopped:
                stopped = True
                version = {"If-Match": answer.headers["ETag"]}
                (await http.post(f"{_URL}/{one['id']}/cancel", headers=version)).raise_for_status()
        spent = time.perf_counter() - begun
    counts = {fate: count for fate, count in one["counts"].items() if count}
    rate = counts.get("created", 0) / max(1.0, spent - first)
    harness.say(
        f"{rows:,} rows, {len(content) / 1e6:.1f} MB: {one['status']} after {spent:.1f} s (uploaded {uploaded:.1f}, "
        f"first page {first:.1f}), {rate:,.0f} rows/s, peak of the server {_peak(pid)} MB, of the process that reads "
        f"{reading} MB: {counts}"
    )


def run(bench: harness.Bench, rows: Sequence[Mapping[str, Any]], stop_after: float) -> None:
    """Serve, and import a CSV of these rows; it is called off after `stop_after` seconds, unless that is 0."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "warga.csv"
        write("csv", rows, path)
        content = path.read_bytes()
    command = ("uvicorn", "tksk_api.cli.serve:application", "--factory", "--port", str(PORT), "--no-access-log")
    with harness.server("whole-import", command, bench.environment, PORT, "/livez") as pid:
        asyncio.run(measure(bench, pid, content, len(rows), stop_after))
