"""The scoped write session: one transaction, entered as one caller, its row scope added to every statement."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from tksk_api.database.admission import ENTER, Admission, Principal, admit
from tksk_api.database.scope import NATION, NATIONAL, RegionScope
from tksk_api.database.tables import AddressedToAgency, RegionScoped, scoped_tables
from tksk_api.errors import DomainError

_ENTER = text(ENTER.format(session=":s", roles=":r", request=":q", operation=":o", read=":w"))
_ENTER_SYSTEM = text("SELECT app.enter_system(CAST(:operation AS text), CAST(:request AS uuid))")


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
    # One explicit criterion per table, never a lambda: SQLAlchemy would cache the first caller's scope in it.
    state.statement = state.statement.options(
        *(
            with_loader_criteria(table, scope.predicate(inspect(table).local_table), include_aliases=True)
            for table in scoped_tables()
        )
    )


@event.listens_for(ScopedSession, "before_flush")
def _refuse_rows_outside(session: Session, _context: Any, _instances: Any) -> None:
    scope = scope_of(session)
    for row in (*session.new, *session.dirty):
        if not isinstance(row, RegionScoped) or scope.contains(row.region_code):
            continue
        if isinstance(row, AddressedToAgency) and str(row.agency_id) == scope.agency_id:
            continue
        raise DomainError("not_found")


@asynccontextmanager
async def enter(factory: async_sessionmaker[AsyncSession], admission: Admission) -> AsyncIterator[AsyncSession]:
    """A transaction in the caller's name: commits when the block ends, rolls back when it raises.

    Raises what `admit` raises.
    """
    async with factory() as session, session.begin():
        arguments = dict(zip("srqow", admission.arguments(read=False), strict=True))
        row = await (await session.connection()).execute(_ENTER, arguments)
        principal = admit(admission, row.mappings().first())
        session.info.update(scope=principal.scope, principal=principal, admission=admission)
        yield session


@asynccontextmanager
async def enter_system(
    factory: async_sessionmaker[AsyncSession], operation: str, request_id: Any = None
) -> AsyncIterator[AsyncSession]:
    """A transaction of the system itself (sign-in, public verification, seeding): national, no principal."""
    async with factory() as session, session.begin():
        await (await session.connection()).execute(_ENTER_SYSTEM, {"operation": operation, "request": request_id})
        session.info["scope"] = NATIONAL
        yield session


__all__ = ["NATION", "enter", "enter_system", "principal_of", "scope_of", "session_factory"]
