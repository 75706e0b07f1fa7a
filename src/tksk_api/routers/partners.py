"""The directory of social partners (PSKS): who helps, with what, and where."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.partners import service
from tksk_api.domain.partners.reads import PARTNERS
from tksk_api.domain.partners.rules import check_search
from tksk_api.domain.partners.schemas import PartnerCreate, PartnerRead, PartnerUpdate
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import CountedAs, Page, PageQuery, needs
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, Line, RegionCode

router = Router("partners")


class PartnerQuery(PageQuery):
    type: Annotated[Code | None, Field(description="Code of the list psks_types")] = None
    offer: Annotated[Code | None, Field(description="Code of the list partner_offers")] = None
    region_code: Annotated[RegionCode | None, Field(description="Partners of this region and of those inside it")] = (
        None
    )
    serving: Annotated[
        RegionCode | None, Field(description="Partners of this region and of those above it, which serve it too")
    ] = None
    is_active: bool | None = None
    q: Annotated[
        Line | None, Field(min_length=2, max_length=100, description="Name or part of it, spelling mistakes forgiven")
    ] = None
    report: Annotated[UUID | None, Field(description="Who took part in the work that this report counts")] = None
    counted_as: CountedAs = None


@router.post(
    "/partners",
    permission=Permission.PARTNER_WRITE,
    status_code=201,
    response_model=PartnerRead,
    summary="List a social partner",
)
async def create_partner(session: SessionDep, request: Request, body: PartnerCreate) -> Response:
    """A person, family or institution of the caller's area that helps: one of the 12 types of PSKS, or another."""
    return reply(session, request, await service.create(session, body))


@router.get(
    "/partners", permission=Permission.PARTNER_READ, response_model=Page[PartnerRead], summary="Find social partners"
)
async def list_partners(reader: ReaderDep, request: Request, query: Annotated[PartnerQuery, Query()]) -> Response:
    """The directory of all regions: `serving=18.71.04.1002&offer=food` finds who can bring food to Srengsem.

    `q` needs a place too: `serving`, or a regency or below it as `region_code`.
    """
    needs(query, "counted_as", "report")
    check_search(query.q, query.region_code, query.serving)
    return await respond_page(reader, request, PARTNERS, query)


@router.get(
    "/partners/{id}", permission=Permission.PARTNER_READ, response_model=PartnerRead, summary="One social partner"
)
async def get_partner(reader: ReaderDep, id: UUID) -> Response:
    """A partner of any region."""
    return respond(await reader.one(PARTNERS, id))


@router.patch(
    "/partners/{id}",
    permission=Permission.PARTNER_WRITE,
    response_model=PartnerRead,
    summary="Change a social partner",
)
async def update_partner(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: PartnerUpdate
) -> Response:
    """Merge patch, for partners of the caller's area. Who no longer helps is made inactive, with day and reason."""
    return reply(session, request, await service.update(session, id, version, body))
