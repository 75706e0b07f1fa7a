"""Reading and setting when reports are due. What holds where is said once, by the database (app.report_calendar)."""

from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Resource, Sort, Stored
from tksk_api.database.tables import table_of
from tksk_api.domain.dated_settings import (
    first_day,
    own_today,
    set_from,
    settings_of,
    settings_to_change,
    version_of,
)
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.report_calendars.models import ReportCalendar
from tksk_api.domain.report_calendars.schemas import EffectiveCalendar, ReportCalendarPut, ReportCalendarRead
from tksk_api.errors import invalid

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
        version=version_of(await settings_of(session, _TABLE, [region_code]), region_code),
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
    today = await own_today(session, region_code)
    if len(region_code) == _VILLAGE:
        raise invalid("/region_code", "report_level")
    day = first_day(body.effective_from, today)
    rows = await settings_to_change(session, _TABLE, region_code, version)
    settings = body.model_dump(exclude={"effective_from"})
    return await REPORT_CALENDARS.stored(
        session, await set_from(session, _TABLE, region_code, day, rows, values=settings)
    )
