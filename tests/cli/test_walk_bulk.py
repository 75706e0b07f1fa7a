"""The demo's chapter on tables with fewer rows: what it tells is what is in the database."""

import asyncio
import io
import re
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.test_import import served  # noqa: F401 - a fixture
from tksk_api.cli.offices import seed_offices
from tksk_api.cli.walk import Walk
from tksk_api.cli.walk_bulk import bulk

PASSWORD = "padi-menguning-di-sawah"
ROWS = 300
# Lines of the walk in their order; each step of it that comes out otherwise ends it.
TOLD = (
    "B1. A table of 300 people",
    "csv, utf-8-sig, semicolon, row 2",
    "not_found: It does not exist",
    "downloads the error file",
    "second copies deleted",
    "unchanged",
    "still_in_use",
)
_THERE = "SELECT count(*) FROM beneficiaries WHERE deleted_at IS NULL"


async def walked(url: str, owner_url: str, folder: Path) -> str:
    told = Console(file=io.StringIO(), width=250, highlight=False, soft_wrap=True)
    with closing(Walk(url, owner_url, PASSWORD, folder, told)) as walk:
        await asyncio.to_thread(bulk, walk, ROWS)
    said: str = told.file.getvalue()
    return said


async def test_an_ugly_table_is_looked_through_corrected_written_and_taken_back(
    served: str,  # noqa: F811
    owner: Any,
    owner_url: str,
    tmp_path: Path,
):
    await seed_offices(owner_url, PASSWORD)
    said = await walked(served, owner_url, tmp_path)
    at = 0
    for line in TOLD:
        at = said.find(line, at)
        assert at >= 0, (line, said)
    [(dry, wrong), (done, _)] = re.findall(r"\b(?:validated|done) after .*?(\d+) created, (\d+) rejected", said)
    [fixed] = re.findall(r"\bdone after .* s +(\d+) created\n", said)
    copies = re.search(r"(\d+) second copies deleted", said)
    assert dry == done and copies
    assert int(dry) + int(wrong) == ROWS
    assert int(fixed) == int(wrong) - int(copies[1])
    assert await owner.fetchval(_THERE) == 1  # who has a visit since
    assert await owner.fetchval("SELECT count(*) FROM beneficiaries") == int(done) + int(fixed)
    assert len(list(tmp_path.rglob("DATA WARGA PANJANG*.csv"))) == 2
