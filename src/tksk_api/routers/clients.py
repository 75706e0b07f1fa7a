"""Machine clients: systems of other offices, their scopes, areas and secrets."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.clients import service
from tksk_api.domain.clients.reads import CLIENTS
from tksk_api.domain.clients.schemas import ClientCreate, ClientRead, ClientUpdate, NewSecret, SecretRotation
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep_secret, no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import RegionCode

router = Router("clients")


class ClientQuery(PageQuery):
    region_code: RegionCode | None = None


@router.post(
    "/clients",
    permission=Permission.CLIENT_MANAGE,
    step_up=True,
    status_code=201,
    response_model=ClientRead,
    summary="Create a machine client",
)
async def create_client(session: SessionDep, request: Request, body: ClientCreate) -> Response:
    """It may do what `scopes` say inside `region_codes`, and nothing without both. It has no secret yet:
    `rotate-secret` gives the first one. With `public_jwk` it needs none, and proves itself by signed assertions."""
    return reply(session, request, await service.create(session, body))


@router.get(
    "/clients", permission=Permission.CLIENT_READ, response_model=Page[ClientRead], summary="List machine clients"
)
async def list_clients(reader: ReaderDep, request: Request, query: Annotated[ClientQuery, Query()]) -> Response:
    """Clients that an office of the caller's area looks after, ended ones included."""
    return await respond_page(reader, request, CLIENTS, query)


@router.get("/clients/{id}", permission=Permission.CLIENT_READ, response_model=ClientRead, summary="One machine client")
async def get_client(reader: ReaderDep, id: UUID) -> Response:
    """A client of the caller's area, with the age of its secrets."""
    return respond(await reader.one(CLIENTS, id))


@router.patch(
    "/clients/{id}",
    permission=Permission.CLIENT_MANAGE,
    step_up=True,
    response_model=ClientRead,
    summary="Change a machine client",
)
async def update_client(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ClientUpdate
) -> Response:
    """Fewer scopes or areas hold from the client's next request. Another `public_jwk` ends its tokens and secrets."""
    return reply(session, request, await service.update(session, id, version, body))


@router.delete(
    "/clients/{id}",
    permission=Permission.CLIENT_MANAGE,
    step_up=True,
    status_code=204,
    summary="End a machine client",
)
async def disable_client(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """Its secrets and tokens stop working with the next request. It stays listed with `disabled_at`, for good."""
    await service.disable(session, id, version)
    return no_content(session)


@router.post(
    "/clients/{id}/rotate-secret",
    permission=Permission.CLIENT_MANAGE,
    step_up=True,
    response_model=NewSecret,
    summary="Give a machine client a new secret",
)
async def rotate_client_secret(
    session: SessionDep, house: HouseDep, id: UUID, version: IfMatch, body: SecretRotation
) -> Response:
    """Shown this once. The secret before keeps working for a week, so that it can be replaced without a gap; one older
    than that ends now. With `revoke_others` all others and every token given so far end now."""
    overlap = timedelta(days=house.settings.client_secret_overlap_days)
    secret = await service.rotate_secret(session, id, version, overlap, revoke_others=body.revoke_others)
    return keep_secret(session, Response(secret.model_dump_json(), headers=PRIVATE, media_type="application/json"))
