"""What other papers call a person: the letter, the card and the school certificate often differ."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.document_names import service
from tksk_api.domain.document_names.reads import DOCUMENT_NAMES
from tksk_api.domain.document_names.schemas import DocumentNameCreate, DocumentNameRead
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("beneficiaries")


@router.post(
    "/beneficiaries/{id}/document-names",
    permission=Permission.BENEFICIARY_IDENTIFY,
    status_code=201,
    response_model=DocumentNameRead,
    summary="Note the name on a paper",
)
async def create_document_name(session: SessionDep, request: Request, id: UUID, body: DocumentNameCreate) -> Response:
    """As it is written there. Where it differs from the register, the person carries the warning `name_differs`."""
    return reply(session, request, await service.create(session, id, body))


@router.get(
    "/beneficiaries/{id}/document-names",
    permission=Permission.BENEFICIARY_READ,
    response_model=Page[DocumentNameRead],
    summary="Names on papers",
)
async def list_document_names(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Newest first, withdrawn ones too. Reading is recorded."""
    return await respond_page(reader, request, DOCUMENT_NAMES, query, beneficiary_id=id)


@router.post(
    "/document-names/{id}/withdraw",
    permission=Permission.BENEFICIARY_IDENTIFY,
    response_model=DocumentNameRead,
    summary="Withdraw the name on a paper",
)
async def withdraw_document_name(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """It was read wrongly, or the paper was corrected. The note is kept and no longer warned of."""
    return reply(session, request, await service.withdraw(session, id, version))
