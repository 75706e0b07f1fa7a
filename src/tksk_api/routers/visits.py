"""Home visits: the evidence behind an SKTM or a referral."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.visits import service
from tksk_api.domain.visits.reads import VISITS
from tksk_api.domain.visits.schemas import (
    VisitComplete,
    VisitCreate,
    VisitFinding,
    VisitRead,
    VisitStatus,
    VisitUpdate,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("visits")


class VisitQuery(PageQuery):
    beneficiary_id: UUID | None = None
    status: VisitStatus | None = None
    officer_id: UUID | None = None
    finding: VisitFinding | None = None


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
    """Visits of the caller's area, newest first. Reading is recorded."""
    return await respond_page(reader, request, VISITS, query)


@router.get("/visits/{id}", permission=Permission.VISIT_READ, response_model=VisitRead, summary="One visit")
async def get_visit(reader: ReaderDep, id: UUID) -> Response:
    """A visit of the caller's area, with its evidence. Reading is recorded."""
    return respond(await reader.one(VISITS, id))


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

    Every field of `evidence` is optional; its codes come from the reference lists of the same names.
    """
    return reply(session, request, await service.complete(session, id, version, body))
