"""The two walls taken apart: what a caller reaches when one of them, or one stone of one, is gone.

Wall one is the caller's own predicate in every statement, wall two the row policies (docs/decisions/0003). A probe
answers the names of what leaks through it. Everything is found in the code or the catalogue: a new table, policy or
compiled read is probed without being named here.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import asyncpg
import sqlalchemy as sa
from sqlalchemy.orm import aliased

from architecture.resources import RESOURCES
from authorization.positions import Positions
from helpers import Caller
from tksk_api.database import session as sessions
from tksk_api.database.admission import ENTER, Admission
from tksk_api.database.engine import create_engine, create_read_pool
from tksk_api.database.reads import Gathered, ReadPool, Resource
from tksk_api.database.roles import APP_ROLE
from tksk_api.database.scope import RegionScope
from tksk_api.database.session import enter, scope_of, session_factory
from tksk_api.database.tables import scoped_tables, table_of
from tksk_api.domain import records
from tksk_api.errors import DomainError

# Tables everybody may add to, whatever the row says: only reading them is walled.
OPEN_TO_WRITE = {"access_log": "everybody leaves their rows"}
POLICIES = """
SELECT c.relname AS name, p.polname AS policy, pg_get_expr(p.polqual, p.polrelid) AS visible,
       pg_get_expr(p.polwithcheck, p.polrelid) AS writable,
       has_table_privilege($1, c.oid, 'INSERT') AS inserts, has_table_privilege($1, c.oid, 'UPDATE') AS updates,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
          FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(column_number, place), pg_attribute a
         WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.column_number) AS key,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
           AND a.attidentity = '') AS columns
  FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
 WHERE c.relforcerowsecurity AND p.polname <> 'owner' ORDER BY c.relname
"""


def admission(caller: Caller) -> Admission:
    """Of an operation that the caller's role may perform."""
    return Admission(caller.session_id, (caller.role,), "x", uuid4(), "x")


async def policies(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Every forced policy, with what the app role may do to its table."""
    return list(await connection.fetch(POLICIES, APP_ROLE))


# ---- wall two, alone -------------------------------------------------------------------------------------------------


class Underneath:
    """The app role on a bare connection, entered as a caller: no statement of ours, so nothing but the policies.

    Everything happens in one transaction of the owner that is rolled back, a changed policy included.
    """

    def __init__(
        self, connection: asyncpg.Connection, walled: list[asyncpg.Record], rows: dict[str, list[Any]]
    ) -> None:
        self._connection = connection
        self._walled = walled
        self._rows = rows  # of each table, what lies outside the caller's area, as JSON

    async def leaks(self, caller: Caller, change: str = "SELECT 1") -> set[str]:
        """`read` and `write` of a table that the caller reaches beyond their area, after a change by the owner."""
        found: set[str] = set()
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await self._connection.execute(change)
            await self._connection.execute(f"SET LOCAL ROLE {APP_ROLE}")
            await self._connection.fetch(ENTER, *admission(caller).arguments(read=False))
            for table in self._walled:
                if await self._reads(table):
                    found.add(f"read {table['name']}")
                if await self._inserts(table) or (caller.region and await self._moves(table)):
                    found.add(f"write {table['name']}")
        finally:
            await transaction.rollback()
        return found

    async def _reads(self, table: asyncpg.Record) -> bool:
        name, key = table["name"], ", ".join(table["key"] or table["columns"])  # a mere list has no key
        rows = f"SELECT {key} FROM json_populate_recordset(NULL::{name}, $1::json)"
        count = f"SELECT count(*) FROM {name} WHERE ({key}) IN ({rows})"
        return bool(await self._connection.fetchval(count, _array(self._rows[name])))

    async def _inserts(self, table: asyncpg.Record) -> bool:
        if not table["inserts"]:
            return False
        name, columns = table["name"], ", ".join(f'"{column}"' for column in table["columns"])
        row = f"SELECT {columns} FROM json_populate_record(NULL::{name}, $1::json)"
        return await self._passes(f"INSERT INTO {name} ({columns}) {row}", self._rows[name][0])

    async def _moves(self, table: asyncpg.Record) -> bool:
        if not table["updates"] or "region_code" not in table["columns"]:
            return False
        return await self._passes(f"UPDATE {table['name']} SET region_code = '52.71.01.1004'")

    async def _passes(self, statement: str, *arguments: Any) -> bool:
        """Whether anything but the policy stands in the way; a key that exists already does not count."""
        inner = self._connection.transaction()
        await inner.start()
        try:
            status = await self._connection.execute(statement, *arguments)
        except asyncpg.InsufficientPrivilegeError:
            return False
        except asyncpg.IntegrityConstraintViolationError:
            return True
        finally:
            await inner.rollback()
        return not str(status).endswith(" 0")  # of a job, which is its owner's alone, there may be no row to change


def _array(rows: list[str]) -> str:
    return f"[{','.join(rows)}]"


# ---- wall one, alone -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def without_wall_two(at: Positions, owner_url: Any) -> AsyncIterator[None]:
    """The application works as the superuser for a moment, whom no policy binds."""
    state = at.app.state
    house, settings = state.house, state.house.settings.model_copy(update={"database_url": owner_url})
    engine, pool = create_engine(settings), await create_read_pool(settings)
    factory = session_factory(engine)
    factory.configure(info=house.sessions.kw["info"])
    state.house = replace(house, engine=engine, sessions=factory, reads=ReadPool(pool, settings.pool_timeout_seconds))
    try:
        yield
    finally:
        state.house = house
        await pool.close()
        await engine.dispose()


@contextmanager
def without_wall_one() -> Iterator[None]:
    """Every predicate is true and every place lies inside."""
    with (
        patch.object(RegionScope, "predicate", lambda self, table, *, grants=False: sa.true()),
        patch.object(RegionScope, "contains", lambda self, region_code: True),
        forgotten_statements(),
    ):
        yield


@contextmanager
def forgotten_statements() -> Iterator[None]:
    """What was compiled before is compiled anew, and what is compiled meanwhile is not kept.

    Also of resources that the domain makes while it runs, as a worklist for each role.
    """
    meanwhile: dict[int, tuple[Resource, dict[Any, Any]]] = {}
    anew = property(lambda resource: meanwhile.setdefault(id(resource), (resource, {}))[1])
    sessions._criteria.cache_clear()
    try:
        with patch.object(Resource, "_statements", anew):
            yield
    finally:
        sessions._criteria.cache_clear()


def scoped_resources() -> dict[str, Resource]:
    """Those that are one table's; what is gathered lies below one person, whom the matrix asks for everywhere."""
    return {name: found for name, found in RESOURCES.items() if found.scoped and not isinstance(found, Gathered)}


@contextmanager
def unscoped(resource: Resource) -> Iterator[None]:
    """A compiled read that forgot its predicate."""
    object.__setattr__(resource, "scoped", False)
    try:
        with forgotten_statements():
            yield
    finally:
        object.__setattr__(resource, "scoped", True)


@contextmanager
def uncriticised(model: type[Any]) -> Iterator[None]:
    """A table whose criterion the session forgot."""
    others = [other for other in scoped_tables() if other is not model]
    with patch.object(sessions, "scoped_tables", lambda: others), forgotten_statements():
        yield


@contextmanager
def unrefused() -> Iterator[None]:
    """Rows about to be written are not looked at any more."""
    nothing = patch.object(sessions, "refuse_outside", lambda scope, row: None)
    with nothing, patch.object(records, "refuse_outside", lambda scope, row: None):
        yield


class Above:
    """Sessions and compiled reads of the application while no policy helps: nothing but the caller's own predicate."""

    def __init__(self, at: Positions, outside: dict[str, set[str]]) -> None:
        self._at = at
        self._outside = outside
        self._resources = scoped_resources()
        # What some reads are asked besides, whoever asks.
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        self._bound = {"as_of": str(tomorrow), "report": UUID(min(outside["reports"]))}

    async def reads(self, caller: Caller) -> set[str]:
        """Compiled reads, and tables read by the ORM, that reach beyond the caller's area."""
        found: set[str] = set()
        async with self._entered(caller) as session:
            connection = await session.connection()
            for name, resource in self._resources.items():
                columns = resource.table.c
                key = columns.id if "id" in columns else columns[resource.key]
                rows = resource.select(scope_of(session), grants=True).with_only_columns(key)
                if self._reaches(resource.table.name, (await connection.execute(rows, self._bound)).scalars()):
                    found.add(f"compiled {name}")
            for model in scoped_tables():
                for entity in (model, aliased(model)):
                    if self._reaches(model.__tablename__, (await session.execute(sa.select(entity.id))).scalars()):
                        found.add(f"select {model.__tablename__}")
        return found

    def _reaches(self, table: str, keys: Iterable[Any]) -> bool:
        return not self._outside[table].isdisjoint(map(str, keys))

    async def writes(self, caller: Caller) -> set[str]:
        """Tables into which the ORM writes, or a creation puts, a row beyond the caller's area."""
        found: set[str] = set()
        for model in scoped_tables():
            if await self._flushes(caller, model):
                found.add(f"flush {model.__tablename__}")
            if await self._creates(caller, model):
                found.add(f"create {model.__tablename__}")
        return found

    def _entered(self, caller: Caller) -> Any:
        return enter(self._at.app.state.house.sessions, admission(caller))

    async def _flushes(self, caller: Caller, model: type[Any]) -> bool:
        async def flush(session: Any) -> None:
            session.add(self._elsewhere(model))
            await session.flush()

        return await self._writes(caller, flush)

    async def _creates(self, caller: Caller, model: type[Any]) -> bool:
        resource = next(r for r in RESOURCES.values() if r.scoped)

        async def create(session: Any) -> None:
            await records.create_once(session, resource, _NoBody(), model, lambda: self._elsewhere(model))

        return await self._writes(caller, create)

    async def _writes(self, caller: Caller, write: Callable[[Any], Awaitable[None]]) -> bool:
        """Whether anything but wall one stands in the way."""
        async with self._entered(caller) as session:
            try:
                await write(session)
            except DomainError as error:
                return error.code != "not_found"
            except Exception:  # a row without its required columns: the database was reached
                return True
            finally:
                await session.rollback()
        return True

    def _elsewhere(self, model: type[Any]) -> Any:
        row = model(id=uuid4(), region_code="52.71.01.1004")
        if "agency_id" in table_of(model).c:
            row.agency_id = uuid4()
        return row


class _NoBody:
    """As much of a request's body as `create_once` looks at."""

    def model_dump(self, mode: str) -> dict[str, Any]:
        return {}


# ---- single questions of the domain ----------------------------------------------------------------------------------


@contextmanager
def blind_at(file: str, function: str) -> Iterator[None]:
    """`scope.contains(...)` says yes, but only to one function that asks."""
    contains = RegionScope.contains

    def asked(self: RegionScope, region_code: str | None) -> bool:
        code = sys._getframe(1).f_code
        if code.co_filename.endswith(file) and code.co_name == function:
            return True
        return contains(self, region_code)

    with patch.object(RegionScope, "contains", asked):
        yield
