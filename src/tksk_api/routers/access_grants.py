"""Reading one person outside one's own area: for three hours, with a reason, in view of the person's own office."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.access_grants import service
from tksk_api.domain.access_grants.schemas import AccessGrantCreate, AccessGrantRead, Existence, Exists
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("access-grants")


class AccessGrantQuery(PageQuery):
    beneficiary_id: UUID | None = None
    user_id: UUID | None = None


@router.post(
    "/beneficiaries/exists",
    permission=Permission.BENEFICIARY_EXISTS,
    response_model=Existence,
    summary="Is somebody registered anywhere?",
    openapi_extra={"x-statuses": ["429"]},
)
async def beneficiary_exists(session: SessionDep, house: HouseDep, body: Exists) -> Response:
    """Yes or no, and which office keeps the person; nothing else. Every question is recorded and counted."""
    answer = await service.exists(session, body.nik, house.settings.exists_per_hour)
    return keep(session, Response(answer.model_dump_json(), headers=PRIVATE, media_type="application/json"))


@router.post(
    "/access-grants",
    permission=Permission.GRANT_CREATE,
    step_up=True,
    status_code=201,
    response_model=AccessGrantRead,
    summary="Break the glass",
    openapi_extra={"x-statuses": ["404", "409", "429"]},
)
async def create_access_grant(
    session: SessionDep, house: HouseDep, request: Request, body: AccessGrantCreate
) -> Response:
    """In an emergency: read one person outside your area for three hours. Their own office sees it at once.

    `GET /v1/beneficiaries/{beneficiary_id}` then answers; nothing can be changed, and lists do not show the person.
    Refused while the person's processing is restricted.
    """
    grant = await service.create(session, house.reads, body, house.settings.access_grants_per_day)
    return reply(session, request, grant)


@router.get(
    "/access-grants",
    permission=Permission.GRANT_READ,
    response_model=Page[AccessGrantRead],
    summary="Who read people of my area from outside",
)
async def list_access_grants(
    reader: ReaderDep, request: Request, query: Annotated[AccessGrantQuery, Query()]
) -> Response:
    """Grants for people of the caller's area, newest first."""
    return await respond_page(reader, request, service.ACCESS_GRANTS, query)


@router.get(
    "/access-grants/{id}", permission=Permission.GRANT_READ, response_model=AccessGrantRead, summary="One grant"
)
async def get_access_grant(reader: ReaderDep, id: UUID) -> Response:
    """A grant for a person of the caller's area."""
    return respond(await reader.one(service.ACCESS_GRANTS, id))


@router.post(
    "/access-grants/{id}/revoke",
    permission=Permission.GRANT_REVOKE,
    response_model=AccessGrantRead,
    summary="End a grant",
)
async def revoke_access_grant(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The grantee's next read is refused."""
    return reply(session, request, await service.revoke(session, id, version))
