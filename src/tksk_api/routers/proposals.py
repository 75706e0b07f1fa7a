"""What visits found to be otherwise than the register says, and what was decided about it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.proposals import service
from tksk_api.domain.proposals.reads import PROPOSALS
from tksk_api.domain.proposals.schemas import (
    ProposalAccept,
    ProposalField,
    ProposalRead,
    ProposalReject,
    ProposalStatus,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import VillageCode

router = Router("proposals")


class ProposalQuery(PageQuery):
    beneficiary_id: UUID | None = None
    visit_id: UUID | None = None
    status: ProposalStatus | None = None
    field: ProposalField | None = None
    village_code: VillageCode | None = None


@router.get(
    "/proposals", permission=Permission.PROPOSAL_READ, response_model=Page[ProposalRead], summary="List proposals"
)
async def list_proposals(reader: ReaderDep, request: Request, query: Annotated[ProposalQuery, Query()]) -> Response:
    """Of the caller's area, newest first; `status=open` is what waits for a decision. Reading is recorded."""
    return await respond_page(reader, request, PROPOSALS, query)


@router.get("/proposals/{id}", permission=Permission.PROPOSAL_READ, response_model=ProposalRead, summary="One proposal")
async def get_proposal(reader: ReaderDep, id: UUID) -> Response:
    """What the register said, what was seen, and what was decided. Reading is recorded."""
    return respond(await reader.one(PROPOSALS, id))


@router.post(
    "/proposals/{id}/accept",
    permission=Permission.PROPOSAL_DECIDE,
    response_model=ProposalRead,
    summary="Accept a proposal",
    openapi_extra={"x-statuses": ["409"]},
)
async def accept_proposal(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ProposalAccept
) -> Response:
    """The register is corrected with it, or the person moved or recorded as dead, as by the action of that name.

    409 `proposal_outdated` once the register changed in that point. `dependants` is accepted after the family itself
    was corrected.
    """
    return reply(session, request, await service.accept(session, id, version, body))


@router.post(
    "/proposals/{id}/reject",
    permission=Permission.PROPOSAL_DECIDE,
    response_model=ProposalRead,
    summary="Reject a proposal",
    openapi_extra={"x-statuses": ["409"]},
)
async def reject_proposal(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ProposalReject
) -> Response:
    """The register stays as it is, with the reason why."""
    return reply(session, request, await service.reject(session, id, version, body))
