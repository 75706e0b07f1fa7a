"""Reading and setting when reports are due. What holds where is said once, by the database (app.report_calendar)."""

from datetime import date
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Resource, Sort, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.report_calendars.models import ReportCalendar
from tksk_api.domain.report_calendars.schemas import EffectiveCalendar, ReportCalendarPut, ReportCalendarRead
from tksk_api.errors import DomainError, invalid

_TABLE = table_of(ReportCalendar)
_IN_FORCE = text("SELECT name, value, origin FROM app.report_calendar(CAST(:region AS text), CAST(:on AS date))")
_DUE = text("SELECT app.report_due_on(CAST(:region AS text), CAST(:type AS text), CAST(:last AS date))")
_VILLAGE = 13

REPORT_CALENDARS = Resource(
    schema=ReportCalendarRead,
    table=_TABLE,
    scoped=False,
    sorts={"region_code": Sort(("region_code", "effective_from"), descending=False)},
    filters={"region_code": lambda value: _TABLE.c.region_code == value},
)


async def effective(session: AsyncSession, region_code: str, on: date | None = None) -> EffectiveCalendar:
    """The values that hold in this region on a day (today by its calendar) and where each comes from.

    Raises invalid_request (unknown_region).
    """
    region = await require_region(session, region_code, "/region_code")
    on = on or local_today(region.timezone)
    connection = await session.connection()
    rows = (await connection.execute(_IN_FORCE, {"region": region_code, "on": on})).all()
    return EffectiveCalendar(
        region_code=region_code,
        on=on,
        version=await _version(session, region_code),
        values={row.name: row.value for row in rows},
        origins={row.name: row.origin for row in rows},
    )


async def setting(session: AsyncSession, region_code: str | None, on: date, name: str) -> Any:
    """One value that holds in a region, or for the nation's own report, on a day."""
    rows = await (await session.connection()).execute(_IN_FORCE, {"region": region_code, "on": on})
    return next(row.value for row in rows if row.name == name)


async def due_on(session: AsyncSession, region_code: str | None, period_type: str, last: date) -> date:
    """The last day on which the report of a period that ended on `last` is in time."""
    asked = {"region": region_code, "type": period_type, "last": last}
    day: date = (await (await session.connection()).execute(_DUE, asked)).scalar_one()
    return day


async def put(session: AsyncSession, region_code: str, version: int | None, body: ReportCalendarPut) -> Stored:
    """Set a region's own settings from a day on; reports already begun keep the day they are due.

    Raises not_found, invalid_request (unknown_region, report_level, in_past), precondition_required (it has settings
    and no version was given), stale_version.
    """
    if not scope_of(session).contains(region_code):
        raise DomainError("not_found")
    region = await require_region(session, region_code, "/region_code")
    if len(region_code) == _VILLAGE:
        raise invalid("/region_code", "report_level")
    today = local_today(region.timezone)
    effective_from = body.effective_from or today
    if effective_from < today:
        raise invalid("/effective_from", "in_past")
    connection = await session.connection()
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"calendar {region_code}", 0))))
    current = await _version(session, region_code)
    if current is not None and version is None:
        raise DomainError("precondition_required")
    if version != current:
        raise DomainError("stale_version", current_version=current)
    settings = body.model_dump(exclude={"effective_from"}) | {"version": (current or 0) + 1}
    here = (_TABLE.c.region_code == region_code, _TABLE.c.effective_from == effective_from)
    same_day = (await connection.execute(select(_TABLE.c.id).where(*here))).scalar()
    key = same_day or new_id()
    # Not through the mapped class, which would start each row's version anew.
    await connection.execute(
        update(_TABLE).where(_TABLE.c.id == key).values(settings)
        if same_day
        else insert(_TABLE).values(
            id=key,
            region_code=region_code,
            effective_from=effective_from,
            created_by=principal_of(session).user_id,
            **settings,
        )
    )
    return await REPORT_CALENDARS.stored(session, key)


async def _version(session: AsyncSession, region_code: str) -> int | None:
    newest = select(func.max(_TABLE.c.version)).where(_TABLE.c.region_code == region_code)
    found: int | None = (await (await session.connection()).execute(newest)).scalar()
    return found
