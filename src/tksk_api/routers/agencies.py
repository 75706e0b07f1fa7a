"""The public directory of offices that receive referrals: offices, never persons."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.agencies import service
from tksk_api.domain.agencies.reads import AGENCIES
from tksk_api.domain.agencies.schemas import AgencyCreate, AgencyRead, AgencyUpdate
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, RegionCode

router = Router("agencies")


class AgencyQuery(PageQuery):
    kind: Annotated[Code | None, Field(description="Code of the list agency_kinds")] = None
    region_code: Annotated[RegionCode | None, Field(description="Exactly this region")] = None
    program: Annotated[Code | None, Field(description="Agencies that serve this programme")] = None


@router.post(
    "/agencies",
    permission=Permission.AGENCY_WRITE,
    status_code=201,
    response_model=AgencyRead,
    summary="List an agency",
)
async def create_agency(session: SessionDep, request: Request, body: AgencyCreate) -> Response:
    """An office of the caller's area. Without a region it serves the nation; only national callers may list such."""
    return reply(session, request, await service.create(session, body))


@router.get("/agencies", permission=Permission.AGENCY_READ, response_model=Page[AgencyRead], summary="List agencies")
async def list_agencies(reader: ReaderDep, request: Request, query: Annotated[AgencyQuery, Query()]) -> Response:
    """The directory of all regions. `program` leaves the agencies that a referral for it may go to."""
    return await respond_page(reader, request, AGENCIES, query)


@router.get("/agencies/{id}", permission=Permission.AGENCY_READ, response_model=AgencyRead, summary="One agency")
async def get_agency(reader: ReaderDep, id: UUID) -> Response:
    """An agency of any region."""
    return respond(await reader.one(AGENCIES, id))


@router.patch(
    "/agencies/{id}", permission=Permission.AGENCY_WRITE, response_model=AgencyRead, summary="Change an agency"
)
async def update_agency(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: AgencyUpdate
) -> Response:
    """Merge patch, for agencies of the caller's area. A closed office is made inactive, not deleted."""
    return reply(session, request, await service.update(session, id, version, body))
