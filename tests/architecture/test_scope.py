"""Wall one: the session adds the scope itself, every time anew; wall two: a connection nobody entered sees nothing."""

import ast
import itertools
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import aliased

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person
from tksk_api.database.admission import Admission
from tksk_api.database.scope import NATIONAL, RegionScope
from tksk_api.database.session import enter, enter_system
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.visits.models import Visit
from tksk_api.errors import DomainError


def admission(caller) -> Admission:
    return Admission(caller.session_id, (caller.role,), "x", uuid4(), "x")


@pytest.fixture
async def two(app, as_):
    """Officers of two districts with one person each, and the session factory."""
    here, there = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    mine = await add_person(here)
    theirs = await add_person(there, village_code=AMPENAN_VILLAGE)
    return app.state.house.sessions, {here: mine["id"], there: theirs["id"]}


async def seen_by(factory, caller, statement) -> list[str]:
    async with enter(factory, admission(caller)) as session:
        return [str(key) for key in (await session.execute(statement)).scalars()]


async def test_two_callers_in_turn_each_see_their_own_through_one_statement(two):
    """A criterion cached with the first caller's scope would show everybody the first caller's rows."""
    factory, people = two
    statement = select(Beneficiary.id)
    for _ in range(3):
        for caller, own in people.items():
            assert await seen_by(factory, caller, statement) == [own]


async def test_an_alias_and_a_join_are_scoped_too(two):
    factory, people = two
    other = aliased(Beneficiary)
    joined = select(other.id).select_from(Beneficiary).join(other, other.sex == Beneficiary.sex)
    for caller, own in people.items():
        assert await seen_by(factory, caller, select(other.id)) == [own]
        assert await seen_by(factory, caller, joined) == [own]


async def test_wall_one_holds_when_wall_two_is_open(two, owner):
    """The session's own criterion, alone: the row policy is switched off for a moment."""
    factory, people = two
    await owner.execute("ALTER TABLE beneficiaries DISABLE ROW LEVEL SECURITY")
    try:
        for caller, own in people.items():
            for statement in (select(Beneficiary.id), select(aliased(Beneficiary).id)):
                assert await seen_by(factory, caller, statement) == [own]
    finally:
        await owner.execute("ALTER TABLE beneficiaries ENABLE ROW LEVEL SECURITY")


async def test_wall_two_holds_when_wall_one_is_not_asked(two):
    """The row policy alone: Core statements carry no criterion of the session."""
    factory, people = two
    for caller, own in people.items():
        async with enter(factory, admission(caller)) as session:
            rows = await (await session.connection()).execute(select(Beneficiary.__table__.c.id))
            assert [str(row.id) for row in rows] == [own]


async def test_a_session_that_nobody_entered_raises(app):
    async with app.state.house.sessions() as session:
        with pytest.raises(KeyError, match="scope"):
            await session.execute(select(Beneficiary))
        session.add(Visit(region_code=SRENGSEM))
        with pytest.raises(KeyError, match="scope"):
            await session.flush()


async def test_the_factory_never_learns_a_callers_scope(two):
    factory, people = two
    for caller in people:
        async with enter(factory, admission(caller)):
            assert set(factory.kw["info"]) == {"keyring"}
        async with factory() as fresh:
            assert "scope" not in fresh.info


async def test_a_row_outside_the_scope_is_not_flushed(two):
    factory, people = two
    caller = next(iter(people))
    async with enter(factory, admission(caller)) as session:
        session.add(Visit(region_code=AMPENAN_VILLAGE))
        with pytest.raises(DomainError, match="not_found"):
            await session.flush()
        await session.rollback()


async def test_a_row_cannot_be_written_into_another_region_past_the_session(two):
    factory, people = two
    caller = next(iter(people))
    async with enter(factory, admission(caller)) as session:
        connection = await session.connection()
        with pytest.raises(Exception, match="row-level security"):
            await connection.exec_driver_sql(f"UPDATE beneficiaries SET region_code = '{AMPENAN_VILLAGE}'")
        await session.rollback()


async def test_a_connection_that_nobody_entered_sees_no_row(two, settings):
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        for table in ("beneficiaries", "users", "visits", "changes"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    finally:
        await connection.close()


async def test_a_lacking_permission_leaves_an_empty_scope(two, app):
    """`app.enter` with roles the caller does not have: refused, and nothing is visible in that transaction."""
    _factory, people = two
    caller = next(iter(people))
    async with app.state.house.engine.begin() as connection:
        entered = await connection.exec_driver_sql(
            f"SELECT allowed FROM app.enter('{caller.session_id}', ARRAY['admin'], 'x', NULL, 'x', true, false, "
            "'{}', NULL)"
        )
        assert entered.scalar() is False
        assert (await connection.exec_driver_sql("SELECT count(*) FROM beneficiaries")).scalar() == 0


async def test_the_system_is_national_and_has_no_principal(two, app):
    factory, people = two
    async with enter_system(factory, "x") as session:
        found = {str(key) for key in (await session.execute(select(Beneficiary.id))).scalars()}
        assert found == set(people.values())
        assert "principal" not in session.info


@pytest.mark.parametrize(
    ("region", "inside"),
    [(SRENGSEM, True), (PANJANG, True), (BANDAR_LAMPUNG, True), ("18", True), ("18.7", False), ("18.71.0", False)],
)
def test_a_region_covers_itself_and_what_lies_below(region, inside):
    assert RegionScope((region,)).contains(SRENGSEM) is inside


def test_scopes_at_their_edges():
    assert not RegionScope(()).contains(SRENGSEM)
    assert not RegionScope((PANJANG,)).contains(None)
    assert NATIONAL.contains(None)
    assert not RegionScope(("18.71.04.1002",)).contains("18.71.04.10021")


def test_scopes_of_one_shape_have_one_predicate():
    """The shape is the key of compiled statements: two predicates under one key would serve a stranger's."""
    agency = str(uuid4())
    codes = ["ID", "18", "18.71", PANJANG, SRENGSEM]
    scopes = [RegionScope(regions) for n in (0, 1, 2) for regions in itertools.product(codes, repeat=n)]
    scopes += [RegionScope(scope.regions, agency) for scope in scopes]
    table = table_of(Referral)
    by_shape: dict[str, set[str]] = {}
    for scope in scopes:
        by_shape.setdefault(scope.shape, set()).add(str(scope.predicate(table)))
    assert {shape: texts for shape, texts in by_shape.items() if len(texts) > 1} == {}


async def test_province_and_nation_take_turns_through_one_compiled_read(as_):
    """Found by the sweep: "18" and "ID" are equally long, and once shared a compiled statement."""
    mine = await add_person(await as_("tksk", PANJANG))
    ministry, province = await as_("ministry"), await as_("province_office", "18")
    for _ in range(2):
        for caller in (province, ministry, await as_("province_office", "52")):
            found = [item["id"] for item in (await caller.get("/v1/beneficiaries")).json()["items"]]
            assert found == ([] if caller.region == "52" else [mine["id"]])


def test_no_loader_criterion_is_a_lambda():
    """SQLAlchemy caches a lambda with the first caller's values in it."""
    session = Path(__file__).parents[2] / "src/tksk_api/database/session.py"
    for node in ast.walk(ast.parse(session.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "with_loader_criteria":
            assert not any(isinstance(argument, ast.Lambda) for argument in node.args)
