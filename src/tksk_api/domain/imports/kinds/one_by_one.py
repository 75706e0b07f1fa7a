"""A kind whose rows go through the same functions as requests, one after the other, each in a savepoint of its own.

For kinds of which a file has thousands of rows at most; people, who come by the million, have a way of their own
(`kinds/beneficiaries.py`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.domain.imports.contract import Fate, Fault, Named, OnMatch, Parsed
from tksk_api.domain.refusals import database_error, field_errors
from tksk_api.errors import DomainError

Values = Mapping[str, Any]
Create = Callable[[AsyncSession, Values], Awaitable[Stored]]
Update = Callable[[AsyncSession, UUID, int, Values], Awaitable[Stored]]
Undo = Callable[[AsyncSession, Fate], Awaitable[None]]
Prepare = Callable[[AsyncSession, Values], Awaitable[tuple[Values, Sequence[UUID]]]]
# An insert speaks with the driver itself: what the database alone finds, a name taken elsewhere, comes as it raised it.
_REFUSALS = (DomainError, ValidationError, SQLAlchemyError, asyncpg.PostgresError)
_OWN_NAMES = frozenset({"address", "members"})  # what is in them has a column of its own name, as in an export


@dataclass(frozen=True)
class Match:
    """The row that stands already under the natural key of a file's row: its values by the names of the columns."""

    id: UUID
    version: int
    values: Values


Find = Callable[[AsyncSession, Values], Awaitable[Match | None]]


_IN_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('import ' || CAST(:kind AS text), 0))")


def applying(
    kind: str, find: Find, create: Create, update: Update | None = None, prepare: Prepare | None = None
) -> Callable[[AsyncSession, Sequence[Parsed], OnMatch], Awaitable[Sequence[Fate]]]:
    """`Kind.apply`. Without `update`, what is there already is never changed: another value of it is refused.

    `create` gets the row's values without those left empty; `update` what differs, and an empty cell never clears.
    `prepare` puts what they name in its place, ids for numbers and codes for labels, and says whom it recognised.
    Pages of a kind come one after the other, so that two files with the same rows end as one of them would.
    """

    async def apply(session: AsyncSession, rows: Sequence[Parsed], on_match: OnMatch) -> Sequence[Fate]:
        await (await session.connection()).execute(_IN_TURN, {"kind": kind})
        return [await _fate(session, row, on_match) for row in rows]

    async def _fate(session: AsyncSession, row: Parsed, on_match: OnMatch) -> Fate:
        given: Values = {name: value for name, value in row.values.items() if value is not None}
        people: Sequence[UUID] = ()
        try:
            async with session.begin_nested():
                if prepare is not None:
                    given, people = await prepare(session, given)
                return replace(await _taken(session, row, given, on_match), people=tuple(people))
        except _REFUSALS as error:
            session.expunge_all()
            return Fate(row.number, "rejected", faults=faults_of(error), notes=row.notes, people=tuple(people))

    async def _taken(session: AsyncSession, row: Parsed, given: Values, on_match: OnMatch) -> Fate:
        found = await find(session, given)
        if found is None:
            made = await create(session, given)
            fate: Any = "created" if made.created else "unchanged"
            return Fate(row.number, fate, UUID(str(made.id)), made.version, notes=row.notes)
        changes = {name: value for name, value in given.items() if found.values.get(name) != value}
        if changes and on_match == "update" and update is not None:
            before = {name: found.values.get(name) for name in changes}
            stored = await update(session, found.id, found.version, changes)
            return Fate(row.number, "updated", found.id, stored.version, before, notes=row.notes)
        if changes and on_match == "update":
            return Fate(row.number, "rejected", faults=(Fault(None, "never_changed"),), notes=row.notes)
        notes = (*row.notes, Fault(None, "exists")) if changes else row.notes
        return Fate(row.number, "unchanged", found.id, found.version, notes=notes)

    return apply


def naming(
    key: Callable[[Values], str | None], find: Find, prepare: Prepare | None = None
) -> Callable[[AsyncSession, Sequence[Parsed]], Awaitable[Mapping[int, Named]]]:
    """`Kind.named`: the key of what `prepare` made of the row, and what stands there. A row that cannot be understood
    is refused by `Kind.apply`, and is itself until then."""

    async def one(session: AsyncSession, values: Values) -> Named:
        given: Values = {name: value for name, value in values.items() if value is not None}
        people: Sequence[UUID] = ()
        try:
            async with session.begin_nested():
                if prepare is not None:
                    given, people = await prepare(session, given)
                found = await find(session, given)
                return Named(key(given), found.id if found else None, tuple(people))
        except _REFUSALS as error:
            faults_of(error)
            session.expunge_all()
            return Named(key(values), people=tuple(people))

    async def named(session: AsyncSession, rows: Sequence[Parsed]) -> Mapping[int, Named]:
        return {row.number: await one(session, row.values) for row in rows}

    return named


def undoing(
    remove: Undo, update: Update
) -> Callable[[AsyncSession, Sequence[Fate]], Awaitable[Sequence[Fault | None]]]:
    """`Kind.undo`: `remove` takes back a created row, `update` puts back what a changed one held before.

    Both refuse, by its version, a row that somebody changed since.
    """

    async def undo(session: AsyncSession, fates: Sequence[Fate]) -> Sequence[Fault | None]:
        return [await _obstacle(session, fate) for fate in fates]

    async def _obstacle(session: AsyncSession, fate: Fate) -> Fault | None:
        assert fate.record_id is not None
        assert fate.version is not None
        try:
            async with session.begin_nested():
                if fate.fate == "created":
                    await remove(session, fate)
                else:
                    await update(session, fate.record_id, fate.version, fate.before or {})
        except _REFUSALS as error:
            session.expunge_all()
            fault = faults_of(error)[0]
            return Fault(None, "changed_since") if fault.code == "stale_version" else fault
        return None

    return undo


def faults_of(error: Exception) -> tuple[Fault, ...]:
    """What is wrong with a row, by the columns that the pointers of the refusal name.

    Raises what is a fault of ours, or of the moment: the page is done again then.
    """
    if isinstance(error, ValidationError):
        found = [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors(include_url=False)]
        error = DomainError("invalid_request", errors=field_errors(found))
    refusal = error if isinstance(error, DomainError) else database_error(error)
    if refusal is None or refusal.code == "unavailable":
        raise error
    if refusal.errors:
        return tuple(Fault(_column(entry.pointer), entry.code, entry.facts) for entry in refusal.errors)
    return (Fault(None, refusal.code, dict(refusal.facts)),)


def _column(pointer: str) -> str | None:
    """The column of a member, named as an export names it: of a list the list, of an address the line of it."""
    parts = [part for part in pointer.split("/") if part and not part.isdigit()]
    return "_".join(parts[1:] if len(parts) > 1 and parts[0] in _OWN_NAMES else parts) or None
