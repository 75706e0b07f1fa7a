"""A region's own settings from a day on: one row for each day, one version for all rows of a region.

What a policy of letters and a calendar of reports do alike. `If-Match` guards the whole of a region, planned days
included.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.errors import DomainError, invalid, not_found

Row = Mapping[str, Any]


async def own_today(session: AsyncSession, region_code: str) -> date:
    """Today in a region whose settings the caller may change. Raises not_found, invalid_request (unknown_region)."""
    if not scope_of(session).contains(region_code):
        raise not_found()
    return local_today((await require_region(session, region_code, "/region_code")).timezone)


def first_day(wanted: date | None, today: date) -> date:
    """The day on which a change begins, today when none is named. Raises invalid_request (in_past)."""
    if wanted is not None and wanted < today:
        raise invalid("/effective_from", "in_past")
    return wanted or today


async def settings_of(session: AsyncSession, table: Table, region_codes: Sequence[str]) -> list[Row]:
    """The settings of these regions, each region's oldest first."""
    query = select(table).where(table.c.region_code.in_(region_codes)).order_by(table.c.effective_from)
    found = (await (await session.connection()).execute(query)).mappings()
    return [dict(row) for row in found]


def version_of(rows: Sequence[Row], region_code: str) -> int | None:
    """The version that guards a region's settings; None while it has none."""
    return max((row["version"] for row in rows if row["region_code"] == region_code), default=None)


async def settings_to_change(session: AsyncSession, table: Table, region_code: str, version: int | None) -> list[Row]:
    """A region's settings, nobody else changing them.

    Raises precondition_required (it has settings and no version was given), stale_version.
    """
    turn = select(func.pg_advisory_xact_lock(func.hashtextextended(f"{table.name} {region_code}", 0)))
    await (await session.connection()).execute(turn)
    rows = await settings_of(session, table, [region_code])
    current = version_of(rows, region_code)
    if current is not None and version is None:
        raise DomainError("precondition_required")
    if version != current:
        raise DomainError("stale_version", current_version=current)
    return rows


async def set_from(
    session: AsyncSession, table: Table, region_code: str, day: date, rows: Sequence[Row], *, values: Row
) -> UUID:
    """These values from `day` on; the id of the row that holds them. `rows` are the region's, to be changed."""
    same_day = next((row for row in rows if row["effective_from"] == day), None)
    key: UUID = same_day["id"] if same_day else new_id()
    told = {**values, "version": (version_of(rows, region_code) or 0) + 1}
    # Not through the mapped class, which would start each row's version anew.
    await (await session.connection()).execute(
        update(table).where(table.c.id == key).values(told)
        if same_day
        else insert(table).values(
            id=key,
            region_code=region_code,
            effective_from=day,
            created_by=principal_of(session).user_id,
            **told,
        )
    )
    return key
