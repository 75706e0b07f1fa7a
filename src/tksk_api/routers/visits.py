"""Home visits: the evidence behind an SKTM or a referral."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.documents.worksheet import render_worksheets
from tksk_api.domain.visits import service, worksheet
from tksk_api.domain.visits.reads import VISITS
from tksk_api.domain.visits.schemas import (
    VisitCancel,
    VisitComplete,
    VisitCreate,
    VisitFinding,
    VisitOutcome,
    VisitRead,
    VisitStatus,
    VisitUpdate,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import DoorDep, ReaderDep, SessionDep
from tksk_api.http.pagination import CountedAs, Page, PageQuery, needs
from tksk_api.http.replies import PRIVATE, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Day, RegionCode

router = Router("visits")
_PDF: Any = {200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}}


class VisitQuery(PageQuery):
    beneficiary_id: UUID | None = None
    status: VisitStatus | None = None
    officer_id: UUID | None = None
    finding: VisitFinding | None = None
    current: bool | None = None
    outcome: Annotated[
        VisitOutcome | Literal["none"] | None, Field(description="`none`: planned or cancelled, so without one")
    ] = None
    within: Annotated[RegionCode | None, Field(description="In this region and in those inside it")] = None
    visited_from: Day | None = None
    visited_until: Day | None = None
    report: Annotated[UUID | None, Field(description="Those that this report, recap or revision counts")] = None
    counted_as: CountedAs = None


@router.post(
    "/visits", permission=Permission.VISIT_WRITE, status_code=201, response_model=VisitRead, summary="Plan a visit"
)
async def create_visit(session: SessionDep, request: Request, body: VisitCreate) -> Response:
    """You become its officer. `visited_on` may lie up to 60 days ahead, or up to a year back for a visit already paid.

    A client that was offline may send its own `id`; the same id with the same content again answers 200.
    """
    return reply(session, request, await service.create(session, body))


@router.get("/visits", permission=Permission.VISIT_READ, response_model=Page[VisitRead], summary="List visits")
async def list_visits(reader: ReaderDep, request: Request, query: Annotated[VisitQuery, Query()]) -> Response:
    """Visits of the caller's area, newest first. `current=true` shows of each person the one whose finding holds:
    completed, and superseded by none. Reading is recorded."""
    needs(query, "counted_as", "report")
    return await respond_page(reader, request, VISITS, query)


@router.get(
    "/visits/worksheets",
    permission=Permission.VISIT_WRITE,
    response_class=Response,
    responses=_PDF,
    summary="Worksheets of a day",
    openapi_extra={"x-statuses": ["404"]},
)
async def get_visit_worksheets(door: DoorDep, visited_on: Annotated[Day, Query()]) -> Response:
    """The sheets of all visits you planned for the day in one PDF, in the order of villages and lanes; at most 40.

    404 when there is none. Reading is recorded for everybody the sheets name.
    """
    async with door.look() as session:
        sheets = await worksheet.of_day(session, visited_on)
    return await _printed(sheets, f"lembar-kerja-{visited_on.isoformat()}")


@router.get("/visits/{id}", permission=Permission.VISIT_READ, response_model=VisitRead, summary="One visit")
async def get_visit(reader: ReaderDep, id: UUID) -> Response:
    """A visit of the caller's area, with its evidence. Reading is recorded."""
    return respond(await reader.one(VISITS, id))


@router.get(
    "/visits/{id}/worksheet",
    permission=Permission.VISIT_READ,
    response_class=Response,
    responses=_PDF,
    summary="The worksheet of a visit",
    openapi_extra={"x-statuses": ["409"]},
)
async def get_visit_worksheet(door: DoorDep, id: UUID) -> Response:
    """A PDF to take along and fill in by pen: the person and their family, the visit's form with what was seen last
    time beside it, room for the finding and signatures, and the visit's code to type it back by.

    No full identity number is on it. Reading is recorded for everybody it names; 409 while the processing of the
    person is restricted.
    """
    async with door.look() as session:
        sheet = await worksheet.of_visit(session, id)
    return await _printed([sheet], f"lembar-kerja-{id}")


async def _printed(sheets: Sequence[worksheet.Worksheet], name: str) -> Response:
    headers = {**PRIVATE, "Content-Disposition": f'inline; filename="{name}.pdf"'}
    pdf = await asyncio.to_thread(render_worksheets, sheets)
    return Response(pdf, headers=headers, media_type="application/pdf")


@router.patch(
    "/visits/{id}", permission=Permission.VISIT_WRITE, response_model=VisitRead, summary="Change a planned visit"
)
async def update_visit(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: VisitUpdate
) -> Response:
    """Merge patch: null clears, missing keeps. A completed visit stays as it is."""
    return reply(session, request, await service.update(session, id, version, body))


@router.post(
    "/visits/{id}/complete", permission=Permission.VISIT_WRITE, response_model=VisitRead, summary="Complete a visit"
)
async def complete_visit(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: VisitComplete
) -> Response:
    """What you found, once, on the day of the visit or later. Give a `finding` when you met somebody, else none.

    Every field of `evidence` is optional; the visit's form (`GET /v1/visit-forms/{version}`) says what each one takes.
    A finding supersedes the findings of older visits to this person, also when this one was written down late. What is
    otherwise than the register says goes into `register_differs`, and becomes proposals; so does a finding that
    contradicts the register by itself.
    """
    return reply(session, request, await service.complete(session, id, version, body))


@router.post(
    "/visits/{id}/cancel", permission=Permission.VISIT_WRITE, response_model=VisitRead, summary="Cancel a planned visit"
)
async def cancel_visit(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: VisitCancel
) -> Response:
    """A visit that will not be paid. One that was paid in vain is completed, with the outcome nobody_home."""
    return reply(session, request, await service.cancel(session, id, version, body))
