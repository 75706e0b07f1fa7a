"""Referrals of people to the agencies that may help them, and what became of each.

An agency sees what was submitted to it, and of the person only the name and the last digits of the NIK.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.attachments.rules import ENDINGS
from tksk_api.domain.attachments.schemas import Variant
from tksk_api.domain.history.reads import TransitionRead
from tksk_api.domain.referrals import files, service, transitions
from tksk_api.domain.referrals.reads import REFERRALS, TRANSITIONS
from tksk_api.domain.referrals.schemas import (
    Activation,
    Approval,
    Cancellation,
    DocumentsRequest,
    DocumentsSupply,
    End,
    ReferralCreate,
    ReferralFile,
    ReferralFiles,
    ReferralRead,
    ReferralUpdate,
    Rejection,
    SubmitMany,
    SubmitResults,
    Transfer,
    Waitlisting,
)
from tksk_api.domain.referrals.workflow import Status
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import HouseDep, ReaderDep, SessionDep
from tksk_api.http.downloads import FileResponse
from tksk_api.http.links import signed_link
from tksk_api.http.pagination import CountedAs, Page, PageQuery, needs
from tksk_api.http.problems import language_of
from tksk_api.http.replies import PRIVATE, keep, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import CaseNumber, Code, Day, RegionCode

router = Router("referrals")


class ReferralQuery(PageQuery):
    case_number: CaseNumber | None = None
    status: Status | None = None
    program: Annotated[Code | None, Field(description="Code of a programme")] = None
    agency_id: UUID | None = None
    beneficiary_id: UUID | None = None
    within: Annotated[RegionCode | None, Field(description="In this region and in those inside it")] = None
    drafted_from: Annotated[Day | None, Field(description="By the calendar of the person's village")] = None
    drafted_until: Day | None = None
    report: Annotated[UUID | None, Field(description="Those that this report, recap or revision counts")] = None
    counted_as: CountedAs = None


class FileQuery(BaseModel):
    """The last two stand in a link, and do instead of a token."""

    model_config = ConfigDict(extra="forbid")

    variant: Annotated[Variant, Field(description="`thumbnail` is a small JPEG; a PDF has none")] = "original"
    expires: Annotated[str | None, Field(max_length=12)] = None
    signature: Annotated[str | None, Field(max_length=256)] = None


@router.post(
    "/referrals",
    permission=Permission.REFERRAL_CREATE,
    status_code=201,
    response_model=ReferralRead,
    summary="Draft a referral",
)
async def create_referral(session: SessionDep, request: Request, body: ReferralCreate) -> Response:
    """A person of the caller's area, a programme that runs today, and an agency that serves it.

    A draft is not shown to the agency. With `consent` overridden, `consent_reason` says which vital interest asks it.
    """
    return reply(session, request, await service.create(session, body))


@router.get(
    "/referrals", permission=Permission.REFERRAL_READ, response_model=Page[ReferralRead], summary="List referrals"
)
async def list_referrals(reader: ReaderDep, request: Request, query: Annotated[ReferralQuery, Query()]) -> Response:
    """Referrals of the caller's area, or those submitted to the caller's agency, newest first."""
    needs(query, "counted_as", "report")
    return await respond_page(reader, request, REFERRALS, query)


@router.get("/referrals/{id}", permission=Permission.REFERRAL_READ, response_model=ReferralRead, summary="One referral")
async def get_referral(reader: ReaderDep, id: UUID) -> Response:
    """A referral of the caller's area, or submitted to the caller's agency. Reading is recorded. Once it is rejected,
    ended or cancelled, the agency sees initials and what it decided, and no longer the person and the reason."""
    return respond(await reader.one(REFERRALS, id))


@router.patch(
    "/referrals/{id}", permission=Permission.REFERRAL_CREATE, response_model=ReferralRead, summary="Correct a draft"
)
async def update_referral(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ReferralUpdate
) -> Response:
    """Merge patch, until it is submitted. `documents` replaces the whole list."""
    return reply(session, request, await service.update(session, id, version, body))


@router.get(
    "/referrals/{id}/history",
    permission=Permission.REFERRAL_READ,
    response_model=Page[TransitionRead],
    summary="Steps of a referral",
)
async def list_referral_history(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Every step, oldest first: who, when and why. `details.recorded_from_paper` marks an answer given on paper.
    An agency sees the steps since it has the referral, and without notes once that is over."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, TRANSITIONS, query, entity_id=id)


@router.get(
    "/referrals/{id}/documents",
    permission=Permission.REFERRAL_DOCUMENTS,
    response_model=ReferralFiles,
    summary="Files of a referral, for its agency",
)
async def list_referral_files(session: SessionDep, house: HouseDep, request: Request, id: UUID) -> Response:
    """What the referral's documents are files of, with links that need no token and are good for a minute. The agency
    sees them until it turned the referral down or the benefit ended, and nothing else of the person. Recorded.
    """

    def linked(kind: str, row: Attachment) -> ReferralFile:
        def link(variant: Variant) -> str:
            path = f"{request.url.path}/{row.id}/content"
            return signed_link(house.keyring, request.state.credentials, path, variant=variant)

        return ReferralFile(
            kind=kind,
            attachment_id=row.id,
            name=row.name,
            media_type=row.media_type,
            size_bytes=row.size_bytes,
            content_url=link("original"),
            thumbnail_url=link("thumbnail") if row.thumbnail_bytes is not None else None,
        )

    found = ReferralFiles(items=[linked(kind, row) for kind, row in await files.files_of(session, id)])
    return Response(found.model_dump_json(), headers=dict(PRIVATE), media_type="application/json")


@router.get(
    "/referrals/{id}/documents/{attachment_id}/content",
    permission=Permission.REFERRAL_DOCUMENTS,
    summary="One file of a referral, for its agency",
    signed_link=True,
    responses={200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ENDINGS}}},
    response_class=Response,
    openapi_extra={"x-statuses": ["410", "429"]},
)
async def get_referral_file(
    session: SessionDep, house: HouseDep, id: UUID, attachment_id: UUID, query: Annotated[FileQuery, Query()]
) -> Response:
    """By a link of the list, or with a token; recorded every time. The picture of an identity card or a family card
    needs a proof of identity of a moment ago (`POST /v1/auth/step-up`) and counts as revealing a number.
    """
    file = await files.open_file(session, id, attachment_id, query.variant, house.settings)
    return FileResponse(house.vault, file)


@router.post(
    "/referrals/{id}/submit", permission=Permission.REFERRAL_CREATE, response_model=ReferralRead, summary="Submit"
)
async def submit_referral(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Send it to the agency, which sees it from now on. Programme, agency and person are checked again, and that the
    documents are there which the programme demands."""
    return reply(session, request, await transitions.submit(session, id, version))


@router.post(
    "/referrals/submit-many",
    permission=Permission.REFERRAL_CREATE,
    response_model=SubmitResults,
    summary="Submit many drafts",
)
async def submit_referrals(session: SessionDep, request: Request, body: SubmitMany) -> Response:
    """Up to 100 drafts at once, each by itself: what is wrong with one is told beside it and holds up no other."""
    results = await transitions.submit_many(session, body.ids, language_of(request.scope["headers"]))
    return keep(session, Response(results.model_dump_json(), headers=dict(PRIVATE), media_type="application/json"))


@router.post(
    "/referrals/{id}/transfer", permission=Permission.REFERRAL_CREATE, response_model=ReferralRead, summary="Transfer"
)
async def transfer_referral(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Transfer
) -> Response:
    """To another agency that serves the programme, before it is decided. It begins there as submitted; the agency it
    was with no longer sees it, and the next one nothing that was said before, nor what was supplied for it: files that
    shall go along all the same are named in `attachment_ids`."""
    return reply(session, request, await transitions.transfer(session, id, version, body))


@router.post(
    "/referrals/{id}/receive", permission=Permission.REFERRAL_ANSWER, response_model=ReferralRead, summary="Receive"
)
async def receive_referral(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The agency confirms that it has the referral, or an officer records that it did so on paper."""
    return reply(session, request, await transitions.receive(session, id, version))


@router.post(
    "/referrals/{id}/review", permission=Permission.REFERRAL_ANSWER, response_model=ReferralRead, summary="Review"
)
async def review_referral(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The agency works on it. After a request for documents: it goes on with what it has."""
    return reply(session, request, await transitions.review(session, id, version))


@router.post(
    "/referrals/{id}/request-documents",
    permission=Permission.REFERRAL_ANSWER,
    response_model=ReferralRead,
    summary="Request documents",
)
async def request_referral_documents(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: DocumentsRequest
) -> Response:
    """The agency needs further documents, and says which and why."""
    return reply(session, request, await transitions.request_documents(session, id, version, body))


@router.post(
    "/referrals/{id}/supply-documents",
    permission=Permission.REFERRAL_CREATE,
    response_model=ReferralRead,
    summary="Supply documents",
)
async def supply_referral_documents(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: DocumentsSupply
) -> Response:
    """Hand in what was asked for; the agency's review goes on. What is still missing stays listed."""
    return reply(session, request, await transitions.supply_documents(session, id, version, body))


@router.post(
    "/referrals/{id}/approve", permission=Permission.REFERRAL_ANSWER, response_model=ReferralRead, summary="Approve"
)
async def approve_referral(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Approval
) -> Response:
    """The agency grants it under its own number; the benefit starts with `activate`, in time where there is a deadline:
    some programmes (PIP) demand that the agency says by when."""
    return reply(session, request, await transitions.decide(session, id, version, "approve", body))


@router.post(
    "/referrals/{id}/reject", permission=Permission.REFERRAL_ANSWER, response_model=ReferralRead, summary="Reject"
)
async def reject_referral(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Rejection
) -> Response:
    """The agency declines it, with a reason from the list; the reason `other` needs a note."""
    return reply(session, request, await transitions.decide(session, id, version, "reject", body))


@router.post(
    "/referrals/{id}/waitlist", permission=Permission.REFERRAL_ANSWER, response_model=ReferralRead, summary="Wait-list"
)
async def waitlist_referral(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Waitlisting
) -> Response:
    """The agency keeps it for later, for example until there is quota; after `expires_on` it lapses."""
    return reply(session, request, await transitions.decide(session, id, version, "waitlist", body))


@router.post(
    "/referrals/{id}/activate", permission=Permission.REFERRAL_ANSWER, response_model=ReferralRead, summary="Activate"
)
async def activate_referral(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Activation
) -> Response:
    """The benefit runs from `active_from`."""
    return reply(session, request, await transitions.activate(session, id, version, body))


@router.post("/referrals/{id}/end", permission=Permission.REFERRAL_ANSWER, response_model=ReferralRead, summary="End")
async def end_referral(session: SessionDep, request: Request, id: UUID, version: IfMatch, body: End) -> Response:
    """The benefit ended, with the day and a reason from the list; not before it began."""
    return reply(session, request, await transitions.end(session, id, version, body))


@router.post(
    "/referrals/{id}/cancel", permission=Permission.REFERRAL_CREATE, response_model=ReferralRead, summary="Cancel"
)
async def cancel_referral(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Cancellation
) -> Response:
    """Take it back before it is decided: by whoever made it, or by the TKSK of the area."""
    return reply(session, request, await transitions.cancel(session, id, version, body))
