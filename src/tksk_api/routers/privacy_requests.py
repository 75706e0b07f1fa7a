"""What people ask about their own data (UU 27/2022), and what the office did about it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.privacy_requests import service
from tksk_api.domain.privacy_requests.reads import PRIVACY_REQUESTS
from tksk_api.domain.privacy_requests.schemas import (
    Fulfil,
    Kind,
    PrivacyRefusal,
    PrivacyRequestCreate,
    PrivacyRequestRead,
    Status,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("privacy-requests")


class PrivacyRequestQuery(PageQuery):
    beneficiary_id: UUID | None = None
    kind: Kind | None = None
    status: Status | None = None
    overdue: bool | None = None


@router.post(
    "/privacy-requests",
    permission=Permission.PRIVACY_CREATE,
    status_code=201,
    response_model=PrivacyRequestRead,
    summary="Take in a request",
)
async def create_privacy_request(session: SessionDep, request: Request, body: PrivacyRequestCreate) -> Response:
    """By the person themselves, their guardian or heir. The office has 72 hours (3x24) to answer it."""
    return reply(session, request, await service.create(session, body))


@router.get(
    "/privacy-requests",
    permission=Permission.PRIVACY_READ,
    response_model=Page[PrivacyRequestRead],
    summary="List requests",
)
async def list_privacy_requests(
    reader: ReaderDep, request: Request, query: Annotated[PrivacyRequestQuery, Query()]
) -> Response:
    """Requests of the caller's area, newest first; `overdue=true` shows those past their 72 hours."""
    return await respond_page(reader, request, PRIVACY_REQUESTS, query)


@router.get(
    "/privacy-requests/{id}",
    permission=Permission.PRIVACY_READ,
    response_model=PrivacyRequestRead,
    summary="One request",
)
async def get_privacy_request(reader: ReaderDep, id: UUID) -> Response:
    """With its decision, once there is one."""
    return respond(await reader.one(PRIVACY_REQUESTS, id))


@router.post(
    "/privacy-requests/{id}/fulfil",
    permission=Permission.PRIVACY_DECIDE,
    step_up=True,
    response_model=PrivacyRequestRead,
    summary="Fulfil a request",
)
async def fulfil_privacy_request(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Fulfil
) -> Response:
    """A restriction refuses new processing from now on; lifting it allows it again. An erasure cannot be undone: it
    is refused while something of the person's is running or held, and whoever took the request in may not decide it.

    For access, give the statement (`GET /v1/beneficiaries/{id}/statement`) first; for a correction, correct first.
    """
    return reply(session, request, await service.fulfil(session, id, version, body))


@router.post(
    "/privacy-requests/{id}/refuse",
    permission=Permission.PRIVACY_DECIDE,
    step_up=True,
    response_model=PrivacyRequestRead,
    summary="Refuse a request",
)
async def refuse_privacy_request(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: PrivacyRefusal
) -> Response:
    """With a reason that rests on the law and that the person is told."""
    return reply(session, request, await service.refuse(session, id, version, body))
