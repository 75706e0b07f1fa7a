"""Reports: a district's month, quarter, semester or year, and the recaps of regencies, provinces and the nation."""

import asyncio
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.documents.report import render_report
from tksk_api.documents.report_workbook import render_workbook
from tksk_api.domain.history.reads import TransitionRead
from tksk_api.domain.jobs.schemas import JobRead
from tksk_api.domain.jobs.worker import Handler
from tksk_api.domain.reports import many, service, sharing
from tksk_api.domain.reports.content import Level, PeriodType, ReportContent
from tksk_api.domain.reports.printing import document_etag, printable
from tksk_api.domain.reports.reads import MISSING
from tksk_api.domain.reports.rules import last_day
from tksk_api.domain.reports.schemas import (
    MissingRead,
    ReportCheck,
    ReportCreate,
    ReportDetail,
    ReportMany,
    ReportRead,
    ReportRender,
    ReportReturn,
    ReportRevise,
    ReportUpdate,
    RevisionDetail,
    RevisionRead,
)
from tksk_api.domain.reports.workflow import Status
from tksk_api.http.concurrency import IfMatch, is_known
from tksk_api.http.dependencies import DoorDep, House, HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, reply, respond, respond_page, under_way
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, RegionCode, digits_only

router = Router("reports")
_PDF = "application/pdf"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_RENDERS = {"pdf": render_report, "xlsx": render_workbook}

Area = Annotated[RegionCode | None, Field(description="This region and those inside it")]
Number = Annotated[int, BeforeValidator(digits_only), Path(ge=1, le=9999, description="Number of the revision")]


class ReportQuery(PageQuery):
    region_code: Area = None
    level: Level | None = None
    period_type: PeriodType | None = None
    period_start: Annotated[Day | None, Field(description="The first day of the period")] = None
    status: Status | None = None
    is_late: bool | None = None
    officer_id: UUID | None = None


class MissingQuery(PageQuery):
    region: Area = None
    level: Literal["district", "regency", "province"] = "district"
    period_type: PeriodType = "month"
    period_start: Annotated[
        Day | None, Field(description="The first day of the period; left out, the last one that is over")
    ] = None


@router.post(
    "/reports",
    permission=Permission.REPORT_WRITE,
    status_code=201,
    response_model=ReportDetail,
    summary="Compile a report",
)
async def create_report(session: SessionDep, request: Request, body: ReportCreate) -> Response:
    """A district's own report from its work, or a recap from the accepted reports just below.

    There is one for each region and period: whoever asks second gets the same, with 200. It can be begun while the
    period runs, and submitted once it is over. A recap names who is missing, late or vacant.
    """
    return reply(session, request, sharing.written(session, await service.create(session, body)))


@router.get(
    "/reports", permission=Permission.REPORT_READ, response_model=Page[ReportRead], summary="List reports and recaps"
)
async def list_reports(reader: ReaderDep, request: Request, query: Annotated[ReportQuery, Query()]) -> Response:
    """Reports of the caller's area without their content, the latest made first, or by `sort=-period_start`."""
    return await respond_page(reader, request, await sharing.listing(reader, "reports"), query)


@router.get(
    "/reports/missing",
    permission=Permission.REPORT_READ,
    response_model=Page[MissingRead],
    summary="Reports not submitted",
)
async def list_missing_reports(
    reader: ReaderDep, request: Request, query: Annotated[MissingQuery, Query()]
) -> Response:
    """Regions of the caller's area whose report for the period is not submitted: when it is due, whether it is late by
    now, who works there, and which districts are vacant. In the order of their codes."""
    area = PageQuery(limit=query.limit, cursor=query.cursor, sort=query.sort)
    start = service.asked_start(query.period_type, query.period_start)
    return await respond_page(
        reader,
        request,
        MISSING,
        area,
        region_code=query.region,
        level=query.level,
        period_type=query.period_type,
        period_start=start,
        period_end=last_day(query.period_type, start),
    )


@router.post(
    "/reports/compile-many",
    permission=Permission.REPORT_REVIEW,
    status_code=202,
    response_model=JobRead,
    summary="Compile drafts of all districts",
)
async def compile_reports(session: SessionDep, body: ReportMany) -> Response:
    """A draft for every district of a regency or province that has an officer, as a job: follow its `Location`.

    Reports that are there already stay as they are; the result names those made and the vacant districts.
    """
    job = await service.start_many(session, body)
    return under_way(session, job)


@router.post(
    "/reports/render-many",
    permission=Permission.REPORT_REVIEW,
    status_code=202,
    response_model=JobRead,
    summary="Print all reports of a period",
)
async def render_reports(session: SessionDep, body: ReportRender) -> Response:
    """The documents of every report of a regency or province and of what lies in it, as a job: follow its `Location`.

    Of each the revision that was accepted or submitted last, else the draft. The result lists the documents with their
    `url`, `etag`, size and SHA-256: fetching one gives this very file, until its report moves on."""
    sharing.require_whole(session, photos=False)
    job = await service.start_rendering(session, body)
    return under_way(session, job)


def rendering(house: House) -> Handler:
    """What the job of `render_reports` does in this house."""
    return partial(many.render, vault=house.vault, renders=_RENDERS)


@router.get("/reports/{id}", permission=Permission.REPORT_READ, response_model=ReportDetail, summary="One report")
async def get_report(reader: ReaderDep, id: UUID) -> Response:
    """Of a draft what was compiled last (`compiled_at`); after that the snapshot. Every number of the content names the
    list that shows its rows. Recorded for the people whose work its obstacles and follow-ups tell of."""
    return respond(await sharing.read(reader, "report", id))


@router.patch("/reports/{id}", permission=Permission.REPORT_WRITE, response_model=ReportDetail, summary="Write")
async def update_report(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ReportUpdate
) -> Response:
    """Summary, obstacles and plan, while it is a draft or was returned. Merge patch: null clears, missing keeps."""
    return reply(session, request, sharing.written(session, await service.update(session, id, version, body)))


@router.post(
    "/reports/{id}/compile", permission=Permission.REPORT_WRITE, response_model=ReportDetail, summary="Compile anew"
)
async def compile_report(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Count again, while it is a draft or was returned. A submission does so by itself."""
    return reply(session, request, sharing.written(session, await service.recompile(session, id, version)))


@router.get(
    "/reports/{id}/check", permission=Permission.REPORT_READ, response_model=ReportCheck, summary="What is missing"
)
async def check_report(session: SessionDep, id: UUID) -> Response:
    """What a submission would meet now: what blocks it, and what is worth a look. Codes of the list report_checks."""
    found = await service.check(session, id)
    return Response(found.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.post("/reports/{id}/submit", permission=Permission.REPORT_WRITE, response_model=ReportDetail, summary="Submit")
async def submit_report(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Counted once more and kept for good as a revision with its digest; the activities in it are frozen.

    Whether it is late is decided by the first submission, by the region's own calendar and clock.
    """
    return reply(session, request, sharing.written(session, await service.submit(session, id, version)))


@router.post("/reports/{id}/return", permission=Permission.REPORT_REVIEW, response_model=ReportDetail, summary="Return")
async def return_report(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ReportReturn
) -> Response:
    """Give it back with remarks by section. The revision stays; the work in it can be changed again, unless an
    accepted revision holds it."""
    return reply(session, request, sharing.written(session, await service.send_back(session, id, version, body)))


@router.post("/reports/{id}/accept", permission=Permission.REPORT_REVIEW, response_model=ReportDetail, summary="Accept")
async def accept_report(session: SessionDep, house: HouseDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """By the office above: a district's by the regency's, a regency's by the province's, a province's by the ministry.
    Nobody accepts their own. From now on recaps count it, and its code can be verified by whoever holds the paper."""
    stored = await service.accept(session, id, version, house.settings.public_url)
    return reply(session, request, sharing.written(session, stored))


@router.post(
    "/reports/{id}/acknowledge",
    permission=Permission.REPORT_ACKNOWLEDGE,
    response_model=ReportDetail,
    summary="Acknowledge",
)
async def acknowledge_report(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The district head has seen it (mengetahui), before or after its acceptance as the region's calendar has it."""
    return reply(session, request, sharing.written(session, await service.acknowledge(session, id, version)))


@router.post(
    "/reports/{id}/revise",
    permission=Permission.REPORT_WRITE,
    response_model=ReportDetail,
    summary="Begin a correction",
)
async def revise_report(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ReportRevise
) -> Response:
    """A new draft beside the accepted revision, which counts until the correction is accepted."""
    return reply(session, request, sharing.written(session, await service.revise(session, id, version, body)))


@router.post(
    "/reports/{id}/discard",
    permission=Permission.REPORT_WRITE,
    response_model=ReportDetail,
    summary="Give a correction up",
)
async def discard_report_correction(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Before it is submitted, or when it was returned: the report is again as it was accepted. A first draft has
    nothing to go back to; it is written on."""
    return reply(session, request, sharing.written(session, await service.discard(session, id, version)))


@router.get(
    "/reports/{id}/revisions",
    permission=Permission.REPORT_READ,
    response_model=Page[RevisionRead],
    summary="What was submitted",
)
async def list_report_revisions(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Every revision with its digest and who signed it, the first one first."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, await sharing.listing(reader, "revisions"), query, report_id=id)


@router.get(
    "/reports/{id}/revisions/{number}",
    permission=Permission.REPORT_READ,
    response_model=RevisionDetail,
    summary="One revision",
)
async def get_report_revision(reader: ReaderDep, id: UUID, number: Number) -> Response:
    """A report as it was submitted then."""
    return respond(await sharing.read(reader, "revision", number, report=id))


@router.get(
    "/reports/{id}/document",
    permission=Permission.REPORT_READ,
    response_model=ReportContent,
    summary="The report as a document",
    responses={200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (_PDF, _XLSX)}}},
)
async def get_report_document(  # noqa: PLR0917
    door: DoorDep,
    house: HouseDep,
    request: Request,
    id: UUID,
    format: Annotated[
        Literal["json", "pdf", "xlsx"], Query(description="json: the bytes that the digest is of; pdf: to be signed")
    ] = "json",
    revision: Annotated[
        Annotated[int, BeforeValidator(digits_only), Field(ge=1, le=9999)] | None,
        Query(description="Left out: as it stands"),
    ] = None,
    photos: Annotated[bool, Query(description="With photos of activities on a last page; pdf only")] = False,
) -> Response:
    """A revision, or the draft as it was compiled last. `X-Content-SHA256` is the digest of a revision's JSON.

    The PDF (A4, PDF/A-2b) bears the signatures so far, and once accepted a code to verify it; until it is submitted
    each page says so. The workbook has a sheet for each table, with numbers and dates as such. Both come out the same
    every time; ask again with `If-None-Match`. Only for whoever may see all that it says.
    """
    async with door.look() as session:
        found = await service.document(session, id, revision)
        sharing.require_whole(session, photos=photos)
        await sharing.record_document(session, found)
        printed = None if format == "json" else await printable(session, house.vault, found, photos=photos)
    headers = {"Cache-Control": "private, no-cache", "ETag": document_etag(found, printed, format)}
    if found.standing.sha256:
        headers["X-Content-SHA256"] = found.standing.sha256
    if is_known(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{_name(found)}.{format}"'
    if printed is None:
        return Response(found.text, headers=headers, media_type="application/json")
    made = await asyncio.to_thread(_RENDERS[format], printed)
    return Response(made, headers=headers, media_type=_PDF if format == "pdf" else _XLSX)


def _name(found: service.Document) -> str:
    return f"laporan-{found.content.region.code or 'nasional'}-{found.content.period.first}-r{found.standing.revision}"


@router.get(
    "/reports/{id}/history",
    permission=Permission.REPORT_READ,
    response_model=Page[TransitionRead],
    summary="The steps it took",
)
async def list_report_history(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Submissions, returns with their remarks, acceptances and corrections, oldest first."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, await sharing.listing(reader, "history"), query, entity_id=id)
