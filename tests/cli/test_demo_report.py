"""The demo's month of Panjang and recap of NTB: what lies in the files is what is in the database."""

import io
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pypdf
import pytest
from python_calamine import CalamineWorkbook

TKSK = Path(sys.executable).with_name("tksk")
# Lines of the walk in their order; each step of it that comes out otherwise ends it.
TOLD = (
    "report_incomplete: Missing: summary_missing",
    "revision 1 submitted",
    "frozen",
    "revision 2 accepted",
    "revision 3 accepted",
    "superseded, revision 2",
    "lists, all as long as they should be",
    "5 of 117 districts reported",
    "Kuripan, Lenangguar, Lantung, Lambitu, Sandubaya",
    "Sekarbela, 6 activities",
    "opens it, without a token: 200",
    "0 figures differ from their rows",
)
_COUNTED = "a.deleted_at IS NULL AND a.superseded_by IS NULL AND a.status IN ('submitted', 'accepted')"
_OF_PANJANG = f"""
SELECT count(*) FROM activities a JOIN reports r ON a.occurred_on BETWEEN r.period_start AND r.period_end
 WHERE r.region_code = '18.71.04' AND a.district_code = '18.71.04' AND {_COUNTED}
"""
_OF_NTB = f"""
SELECT r.region_code, count(*) FROM activities a JOIN reports r ON r.id = a.frozen_by
 WHERE r.status = 'accepted' AND r.region_code LIKE '52.%' AND {_COUNTED} GROUP BY 1 ORDER BY 1
"""


@pytest.fixture
async def database(cluster: Any, owner_url: str, testrun_uid: str) -> AsyncIterator[str]:
    """A database of its own, migrated already."""
    template, name = f"template_{testrun_uid[:12]}", f"demo_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(cluster.url())
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext($1))", template)
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        await connection.execute("SELECT pg_advisory_unlock_all()")
        yield name
    finally:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.close()


def sheets(path: str) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(Path(path).read_bytes()))
    return {name: book.get_sheet_by_name(name).to_python()[1:] for name in book.sheet_names}


def words(path: str) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(path).pages).split())


async def test_a_month_of_panjang_and_the_recap_of_a_province(cluster, database):
    env = {
        **os.environ,
        "TKSK_DATABASE_URL": cluster.url(database, "tksk_app", "test"),
        "TKSK_DATABASE_OWNER_URL": cluster.url(database),
        "TKSK_DEMO_PASSWORD": "sandi-untuk-demo",
        "COLUMNS": "250",
    }
    command = [TKSK, "demo", "--once", "--chapter", "report"]
    answer = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr
    at = 0
    for line in TOLD:
        at = answer.stdout.find(line, at)
        assert at >= 0, line
    saved = re.findall(r"saved as\s+(\S+/reports/\S+)", answer.stdout)
    panjang, ntb = ([path for path in saved if f"/laporan-{code}-" in path] for code in ("18.71.04", "52"))
    assert [Path(path).suffix for path in (*panjang, *ntb)] == [".json", ".pdf", ".xlsx"] * 2

    connection = await asyncpg.connect(cluster.url(database))
    try:
        done = await connection.fetchval(_OF_PANJANG)
        accepted = dict(await connection.fetch(_OF_NTB))
    finally:
        await connection.close()
    assert sheets(panjang[2])["Kegiatan per pilar dan fungsi"][-1][2] == done > 20
    assert f"Jumlah {done} " in words(panjang[1])
    assert "Jalan pesisir terendam dua hari" in words(panjang[1])
    districts = sheets(ntb[2])["Kecamatan"]
    assert len(districts) == 117
    assert {row[0]: row[6] for row in districts if row[3] == "Ya"} == accepted
    assert len(accepted) == 5
    assert f"Jumlah {sum(accepted.values())} " in words(ntb[1])
    assert "Sandubaya" in words(ntb[1])
