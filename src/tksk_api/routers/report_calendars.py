"""When reports are due in each region, and in which order they are acknowledged and accepted."""

from typing import Annotated

from fastapi import Header, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.report_calendars import service
from tksk_api.domain.report_calendars.schemas import EffectiveCalendar, ReportCalendarPut, ReportCalendarRead
from tksk_api.http.concurrency import etag, required_version
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, reply, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import REGION_PATTERN, Day, RegionCode

router = Router("report-calendars")
Code = Annotated[str, Path(pattern=REGION_PATTERN, max_length=13, examples=["18.71"])]


class CalendarQuery(PageQuery):
    region_code: RegionCode | None = None


@router.get(
    "/report-calendars",
    permission=Permission.REPORT_READ,
    response_model=Page[ReportCalendarRead],
    summary="List the regions' own settings",
)
async def list_report_calendars(
    reader: ReaderDep, request: Request, query: Annotated[CalendarQuery, Query()]
) -> Response:
    """Only what regions set themselves; ask for one region to see what holds there."""
    return await respond_page(reader, request, service.REPORT_CALENDARS, query)


@router.get(
    "/report-calendars/{region_code}",
    permission=Permission.REPORT_READ,
    response_model=EffectiveCalendar,
    summary="What holds in a region",
)
async def get_report_calendar(
    session: SessionDep,
    region_code: Code,
    on: Annotated[Day | None, Query(description="A day by the region's calendar; today when left out")] = None,
) -> Response:
    """Each value with the region it is inherited from: district, regency, province, or the default."""
    found = await service.effective(session, region_code, on)
    headers = PRIVATE if found.version is None else {**PRIVATE, "ETag": etag(found.version)}
    return Response(found.model_dump_json(), headers=headers, media_type="application/json")


@router.put(
    "/report-calendars/{region_code}",
    permission=Permission.REPORT_CALENDAR_WRITE,
    response_model=ReportCalendarRead,
    summary="Set a region's own calendar",
)
async def put_report_calendar(
    session: SessionDep,
    request: Request,
    region_code: Code,
    body: ReportCalendarPut,
    if_match: Annotated[str | None, Header(alias="If-Match", description="Needed once the region has one")] = None,
) -> Response:
    """Replaces the region's own settings from `effective_from` on; those before stay on record, and reports already
    begun keep the day they are due. Once the region has settings, send its version in `If-Match`."""
    version = required_version(if_match) if if_match is not None else None
    return reply(session, request, await service.put(session, region_code, version, body))
