"""A report of very many activities takes time by their number, and not by its square."""

import time
from typing import Any
from uuid import UUID

import pytest
from test_reports import LAST_MONTH, URL, log, submitted

from helpers import SRENGSEM
from sktm_flow import Offices, offices, ok
from tksk_api.domain.activities.freezing import _LET_GO

FEW, MANY = 4_000, 16_000
_WORK = """
INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, status,
                        frozen_by)
SELECT gen_random_uuid(), 1, $1, $2, $3::date + i % 28, 'social_security', 'facilitation', 'sktm_verification', 'Kerja',
       'submitted', $4
  FROM generate_series(1, $5::integer) i
"""
_SAID = "UPDATE {table} SET activity_ids = ARRAY(SELECT a.id FROM activities a WHERE a.frozen_by = $1)"


@pytest.fixture
async def team(as_: Any) -> Offices:
    return await offices(as_)


async def test_the_time_of_a_large_report_grows_with_its_rows(owner, team):
    await log(team.tksk)
    report = await submitted(team.tksk)
    key, listed = UUID(report["id"]), f"/v1/activities?left_out_of={report['id']}"
    taken: dict[str, list[float]] = {}
    for more in (FEW - 1, MANY - FEW):
        async with owner.transaction():
            await owner.execute(
                "SET LOCAL session_replication_role = replica"
            )  # what the triggers do is not the matter
            await owner.execute(_WORK, SRENGSEM, team.tksk.user_id, LAST_MONTH, key, more)
            await owner.execute(_SAID.format(table="reports"), key)
            await owner.execute(_SAID.format(table="report_revisions"), key)
        await owner.execute("ANALYZE activities, reports, report_revisions")
        for name, address in (("report", f"{URL}/{key}"), ("left out", listed)):
            started = time.perf_counter()
            answer = ok(await team.tksk.get(address))
            taken.setdefault(name, []).append(time.perf_counter() - started)
            assert not answer.get("outdated") and not answer.get("items")
        started = time.perf_counter()
        await owner.execute(str(_LET_GO).replace(":report", "$1::uuid"), key)
        taken.setdefault("let go", []).append(time.perf_counter() - started)
    growth = {name: many / few for name, (few, many) in taken.items()}
    assert max(growth.values()) < 2 * MANY / FEW, taken
