"""Where a letter was shown: told by agencies, read by the officers who issued it."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.presentations import service
from tksk_api.domain.presentations.reads import PRESENTATIONS
from tksk_api.domain.presentations.schemas import PresentationCreate, PresentationRead, PresentationReceipt
from tksk_api.domain.sktm_applications.service import require_visible
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import keep, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("presentations")


@router.post(
    "/sktm-letters/{token}/presentations",
    permission=Permission.PRESENTATION_CREATE,
    status_code=201,
    response_model=PresentationReceipt,
    summary="Record that a letter was shown to you",
)
async def create_presentation(
    session: SessionDep,
    request: Request,
    token: Annotated[str, Path(max_length=200, description="The end of the address in the letter's QR code")],
    body: PresentationCreate,
) -> Response:
    """By the agency at whose desk the letter lies: what it did with it, and for what. The officer who issued the letter
    sees it. A letter that is out of force, or that another agency had before, is recorded with a warning, never
    refused: deciding is yours. The same outcome for the same programme on the same day is answered with what was
    recorded first; with another note or `id` it is refused (`already_presented`)."""
    stored = await service.create(session, token, body)
    return keep(session, respond(stored, 201 if stored.created else 200))


@router.get(
    "/sktm-applications/{id}/presentations",
    permission=Permission.SKTM_READ,
    response_model=Page[PresentationRead],
    summary="Where the letter was shown",
)
async def list_presentations(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Every agency that recorded the letter, newest first; empty until one has."""
    await require_visible(reader, id)
    return await respond_page(reader, request, PRESENTATIONS, query, application_id=id)
