"""The scoped write session: one transaction, entered as one caller, its row scope added to every statement."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from typing import Any

import asyncpg
from sqlalchemy import event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from tksk_api.database.admission import ENTER, Admission, Principal, admit
from tksk_api.database.scope import NATION, NATIONAL, RegionScope
from tksk_api.database.tables import AddressedToAgency, RegionScoped, scoped_tables
from tksk_api.errors import DomainError

_ENTER_SYSTEM = text("SELECT app.enter_system(CAST(:operation AS text), CAST(:request AS uuid))")

# For a use case with slow work in it: it opens a transaction before and one after, and holds none meanwhile.
Opener = Callable[[], AbstractAsyncContextManager[AsyncSession]]


class ScopedSession(Session):
    """A synchronous session (inside AsyncSession) that cannot be used without a scope."""


def session_factory(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, sync_session_class=ScopedSession, expire_on_commit=False, autoflush=False)


def scope_of(session: Session | AsyncSession) -> RegionScope:
    """The scope of this session. Raises KeyError when nobody has entered: nothing is ever read unscoped."""
    scope: RegionScope = session.info["scope"]
    return scope


def principal_of(session: AsyncSession) -> Principal:
    """The caller of this session. Raises KeyError in a system session, which has none."""
    principal: Principal = session.info["principal"]
    return principal


@event.listens_for(ScopedSession, "do_orm_execute")
def _add_scope(state: ORMExecuteState) -> None:
    scope = scope_of(state.session)
    if scope.is_national or state.is_column_load:
        return
    state.statement = state.statement.options(*_criteria(scope))


@lru_cache(maxsize=10_000)
def _criteria(scope: RegionScope) -> tuple[Any, ...]:
    # One explicit criterion per table, never a lambda: SQLAlchemy would cache the first caller's scope in it. Kept
    # per scope: making them costs more than most of the statements they are added to.
    return tuple(
        with_loader_criteria(table, scope.predicate(inspect(table).local_table), include_aliases=True)
        for table in scoped_tables()
    )


@event.listens_for(ScopedSession, "before_flush")
def _refuse_rows_outside(session: Session, _context: Any, _instances: Any) -> None:
    for row in (*session.new, *session.dirty):
        refuse_outside(scope_of(session), row)


def refuse_outside(scope: RegionScope, row: Any) -> None:
    """Wall one for a row about to be written. Raises not_found."""
    if not isinstance(row, RegionScoped) or scope.contains(row.region_code):
        return
    if isinstance(row, AddressedToAgency) and str(row.agency_id) == scope.agency_id:
        return
    raise DomainError("not_found")


@asynccontextmanager
async def _begun(
    factory: async_sessionmaker[AsyncSession], first: Callable[[AsyncConnection], Awaitable[Any]]
) -> AsyncIterator[tuple[AsyncSession, Any]]:
    """A transaction and the result of its first statement; on a connection that died in the pool, once more.

    Nothing has happened yet, so trying again is safe, and cheaper than asking every connection first.
    """
    for attempt in (1, 2):
        async with factory() as session:
            try:
                result = await first(await session.connection())
            except (DBAPIError, asyncpg.InternalClientError) as error:
                if attempt == 2 or not getattr(error, "connection_invalidated", True):
                    raise
                continue
            yield session, result
            await session.commit()  # left out when the block raises: then closing the session rolls back
            return


@asynccontextmanager
async def enter(factory: async_sessionmaker[AsyncSession], admission: Admission) -> AsyncIterator[AsyncSession]:
    """A transaction in the caller's name: commits when the block ends, rolls back when it raises.

    Raises what `admit` raises.
    """
    async with _begun(factory, lambda c: c.exec_driver_sql(ENTER, admission.arguments(read=False))) as (session, row):
        found = row.mappings().first()
        if found is not None and not found["allowed"]:
            await session.commit()  # the refusal leaves its row in the access log
        principal = admit(admission, found)
        session.info.update(scope=principal.scope, principal=principal, admission=admission)
        yield session


@asynccontextmanager
async def enter_system(
    factory: async_sessionmaker[AsyncSession], operation: str, request_id: Any = None
) -> AsyncIterator[AsyncSession]:
    """A transaction of the system itself (sign-in, public verification, seeding): national, no principal."""
    values = {"operation": operation, "request": request_id}
    async with _begun(factory, lambda c: c.execute(_ENTER_SYSTEM, values)) as (session, _):
        session.info["scope"] = NATIONAL
        yield session


@asynccontextmanager
async def acting_for(session: AsyncSession, admission: Admission) -> AsyncIterator[None]:
    """A part of a system transaction in a person's name: who they are at this moment decides, and both walls hold.

    What the block writes is undone when it raises; the system then goes on, and so it does after the block. Whatever
    was loaded in the block is forgotten. Raises what `admit` raises, whose access row stays with the transaction.
    """
    assert "principal" not in session.info
    connection = await session.connection()
    try:
        row = await connection.exec_driver_sql(ENTER, admission.arguments(read=False))
        principal = admit(admission, row.mappings().first())
        session.info.update(scope=principal.scope, principal=principal, admission=admission)
        async with session.begin_nested():
            yield
    finally:
        session.expunge_all()
        for name in ("principal", "admission"):
            session.info.pop(name, None)
        session.info["scope"] = NATIONAL
        if connection.in_transaction() and not connection.invalidated:
            await connection.execute(_ENTER_SYSTEM, {"operation": "work", "request": None})


__all__ = ["NATION", "acting_for", "enter", "enter_system", "principal_of", "scope_of", "session_factory"]
