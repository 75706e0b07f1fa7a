"""The figures are what the rows say, whatever was written by whom in which order, and whenever it was folded."""

from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from helpers import PANJANG, SRENGSEM, add_user
from tksk_api.domain.statistics.upkeep import differences, rebuild

WRITERS = 3
REGIONS = (SRENGSEM, "18.71.04.1003", "18.72.01.1001", "52.71.01.1004")
DAYS = (date(2026, 1, 31), date(2026, 2, 1), date(2024, 2, 29))
PEOPLE = tuple(UUID(int=number) for number in (1, 2, 3))
# Everything that may happen to a row: each is SQL with a row's number, a region, a day, and one of the people.
_OF = "SELECT id FROM {table} ORDER BY id OFFSET $1::int % 4 LIMIT 1"
STEPS = {
    "work": "INSERT INTO activities (id, version, region_code, officer_id, occurred_on, pillar, function, kind, title, "
    "status) SELECT gen_random_uuid(), 1, $2, u.id, $3, 'protection', 'facilitation', 'sktm_verification', 'x', "
    "CASE $1::int % 2 WHEN 0 THEN 'draft' ELSE 'submitted' END FROM users u WHERE $4::uuid IS NOT NULL",
    "visit": "INSERT INTO visits (id, version, region_code, beneficiary_id, officer_id, visited_on, status) "
    "SELECT gen_random_uuid(), $1::int, $2, $4, u.id, $3, 'planned' FROM users u",
    "assess": "INSERT INTO ppks_assessments (id, version, region_code, category, unit, beneficiary_id, since, "
    "assessed_on, status) VALUES (gen_random_uuid(), 1, $2, CASE $1::int % 2 WHEN 0 THEN 'odha' ELSE 'pemulung' END, "
    "'person', $4, $3, $3, 'closed')",
    "refer": "INSERT INTO referrals (id, version, region_code, beneficiary_id, beneficiary_name, agency_id, program, "
    "reason, consent, status, created_at) SELECT gen_random_uuid(), $1::int, $2, $4, 'x', a.id, 'pip', 'x', 'given', "
    "'draft', $3::date FROM agencies a ORDER BY a.id LIMIT 1",
    **{
        name: f"UPDATE {table} SET {change} WHERE id = ({_OF.format(table=table)}) "
        "AND ($2::text || $3::date || $4::uuid) IS NOT NULL"
        for name, table, change in (
            ("submit", "activities", "status = 'submitted'"),
            ("return", "activities", "status = 'returned'"),
            ("freeze", "activities", "status = 'accepted', frozen_by = id"),
            ("move work", "activities", "region_code = $2"),
            ("another day", "activities", "occurred_on = $3, pillar = 'empowerment'"),
            ("withdraw", "activities", "deleted_at = now()"),
            ("bring back", "activities", "deleted_at = NULL"),
            ("withdraw for good", "activities", "status = 'withdrawn'"),
            ("replace", "activities", "superseded_by = id"),
            ("complete", "visits", "status = 'completed', outcome = 'met'"),
            ("answer", "referrals", "status = 'approved'"),
            ("merge", "ppks_assessments", "beneficiary_id = $4"),
            ("move person", "ppks_assessments", "region_code = $2"),
            ("correct", "beneficiaries", "birth_date = $3, sex = CASE sex WHEN 'male' THEN 'female' ELSE 'male' END"),
        )
    },
    "gone": f"DELETE FROM activities WHERE id = ({_OF.format(table='activities')}) "
    "AND ($2::text || $3::date || $4::uuid) IS NOT NULL",
}
EVENTS = st.tuples(
    st.sampled_from([*STEPS, *["work"] * 4, *["commit"] * 6, *["fold"] * 3, "rebuild", "roll back"]),
    st.integers(0, WRITERS - 1),
    st.integers(0, 7),
    st.sampled_from(REGIONS),
    st.sampled_from(DAYS),
    st.sampled_from(PEOPLE),
)


class Writers:
    """Connections that write at the same time; one that would wait for another gives up its transaction."""

    def __init__(self, connections: list[Any]) -> None:
        self._connections, self._open = connections, {}

    async def write(self, who: int, statement: str, *values: Any) -> None:
        connection = self._connections[who]
        if who not in self._open:
            self._open[who] = connection.transaction()
            await self._open[who].start()
        try:
            await connection.execute(statement, *values)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await self.end(who, commit=False)

    async def end(self, who: int, *, commit: bool) -> None:
        transaction = self._open.pop(who, None)
        if transaction is not None:
            await (transaction.commit() if commit else transaction.rollback())


@pytest.fixture
async def connections(owner_url: str, owner: Any) -> Any:
    opened = [await asyncpg.connect(owner_url, server_settings={"lock_timeout": "20ms"}) for _ in range(WRITERS + 1)]
    await add_user(owner, "tksk", PANJANG)
    yield opened
    for connection in opened:
        await connection.close()


@given(st.lists(EVENTS, min_size=5, max_size=40))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_figures_equal_a_recount_after_any_interleaving(connections, owner, events):
    for table in ("activities", "visits", "referrals", "ppks_assessments", "beneficiaries"):
        await owner.execute(f"DELETE FROM {table}")
    for key in PEOPLE:
        await owner.execute(
            "INSERT INTO beneficiaries (id, version, region_code, nik_status, full_name, birth_date, sex, street) "
            "VALUES ($1, 1, $2, 'none', 'Warga', '1990-01-01', 'female', 'Jl. Laut')",
            key,
            SRENGSEM,
        )
    writers = Writers(connections[:WRITERS])
    for name, who, *values in events:
        if name == "commit":
            await writers.end(who, commit=True)
        elif name == "roll back":
            await writers.end(who, commit=False)
        elif name == "fold":
            await connections[WRITERS].fetchval("SELECT app.fold_figures(7)")
        elif name == "rebuild":
            await rebuild(connections[WRITERS])
        else:
            await writers.write(who, STEPS[name], *values)
            continue
        assert await differences(owner) == [], (name, "while others are under way")
    for who in range(WRITERS):
        await writers.end(who, commit=True)
    assert await differences(owner) == []
    await connections[WRITERS].fetchval("SELECT app.fold_figures(1000)")
    assert await differences(owner) == []
    assert await owner.fetchval("SELECT count(*) FROM figure_changes") == 0


async def test_the_check_above_sees_a_change_that_was_forgotten(connections, owner):
    await connections[0].execute(STEPS["work"], 1, SRENGSEM, DAYS[0], PEOPLE[0])
    await owner.execute("ALTER TABLE activities DISABLE TRIGGER count_change")
    try:
        await owner.execute("UPDATE activities SET pillar = 'empowerment'")
    finally:
        await owner.execute("ALTER TABLE activities ENABLE TRIGGER count_change")
    found = await differences(owner)
    by_pillar = [one for one in found if one.cube == "activities_by_pillar"]
    assert {(one.region_code, *one.keys, one.kept, one.counted) for one in by_pillar} == {
        (region, pillar, kept, 1 - kept)
        for region in ("ID", "18", "18.71")
        for pillar, kept in (("protection", 1), ("empowerment", 0))
    }
    await rebuild(owner)
    assert await differences(owner) == []
