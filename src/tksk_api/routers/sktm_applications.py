"""Applications for an SKTM, a certificate of being unable to pay, from the draft to the collected letter."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.documents.letter import render_copy, render_letter
from tksk_api.documents.scanning import codes_in_picture
from tksk_api.documents.sealing import Credentials, sealing
from tksk_api.domain.attachments.service import content_of
from tksk_api.domain.history.reads import TransitionRead
from tksk_api.domain.jobs.schemas import JobRead
from tksk_api.domain.jobs.worker import Handler
from tksk_api.domain.sktm_applications import conditions, issue, scans, service, sign_many
from tksk_api.domain.sktm_applications.reads import HISTORY, SKTM_APPLICATIONS
from tksk_api.domain.sktm_applications.schemas import (
    Cancel,
    Check,
    Refusal,
    Requirements,
    SignedScan,
    SignMany,
    SignWith,
    SktmApplicationCreate,
    SktmApplicationRead,
    SktmApplicationUpdate,
    State,
    Verify,
)
from tksk_api.domain.sktm_policies.schemas import Purpose
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import House, HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import CountedAs, Page, PageQuery, needs
from tksk_api.http.replies import PRIVATE, reply, respond, respond_page, under_way
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import CaseNumber, Day, RegionCode, VillageCode

router = Router("sktm-applications")
URL = "/sktm-applications"


class SktmApplicationQuery(PageQuery):
    case_number: CaseNumber | None = None
    status: State | None = None
    purpose: Purpose | None = None
    beneficiary_id: UUID | None = None
    region_code: VillageCode | None = None
    within: Annotated[RegionCode | None, Field(description="In this region and in those inside it")] = None
    drafted_from: Annotated[Day | None, Field(description="By the calendar of the issuing village")] = None
    drafted_until: Day | None = None
    report: Annotated[UUID | None, Field(description="Those that this report, recap or revision counts")] = None
    counted_as: CountedAs = None


@router.post(
    URL,
    permission=Permission.SKTM_CREATE,
    status_code=201,
    response_model=SktmApplicationRead,
    summary="Draft an application",
)
async def create_sktm_application(session: SessionDep, request: Request, body: SktmApplicationCreate) -> Response:
    """For one person, one purpose and one addressee. A second running one for the same purpose is refused."""
    return reply(session, request, await service.create(session, body))


@router.get(URL, permission=Permission.SKTM_READ, response_model=Page[SktmApplicationRead], summary="List applications")
async def list_sktm_applications(
    reader: ReaderDep, request: Request, query: Annotated[SktmApplicationQuery, Query()]
) -> Response:
    """Applications of the caller's area, newest first."""
    needs(query, "counted_as", "report")
    return await respond_page(reader, request, SKTM_APPLICATIONS, query)


@router.get(
    URL + "/{id}", permission=Permission.SKTM_READ, response_model=SktmApplicationRead, summary="One application"
)
async def get_sktm_application(reader: ReaderDep, id: UUID) -> Response:
    """With its signatures and, once issued, its letter."""
    return respond(await reader.one(SKTM_APPLICATIONS, id))


@router.patch(
    URL + "/{id}",
    permission=Permission.SKTM_CREATE,
    response_model=SktmApplicationRead,
    summary="Correct an application",
)
async def update_sktm_application(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: SktmApplicationUpdate
) -> Response:
    """While it is a draft, or after it was returned. 409 when a letter for the same purpose and detail is in force."""
    return reply(session, request, await service.update(session, id, version, body))


@router.get(
    URL + "/{id}/history",
    permission=Permission.SKTM_READ,
    response_model=Page[TransitionRead],
    summary="The steps taken",
)
async def list_sktm_application_history(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Who took which step, when, and why; oldest first."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, HISTORY, query, entity_id=id)


@router.get(
    URL + "/{id}/letter",
    permission=Permission.SKTM_PRINT,
    step_up=True,
    summary="The letter as PDF",
    responses={200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}},
    response_class=Response,
    openapi_extra={"x-statuses": ["409"]},
)
async def get_sktm_letter(
    session: SessionDep,
    house: HouseDep,
    id: UUID,
    copy: Annotated[bool, Query(description="True: printed again, marked SALINAN / COPY on every page")] = False,
) -> Response:
    """The letter as it was issued, the same bytes every time. 404 until the last signature; 409 while the processing of
    somebody it names is restricted. A limited number of times an hour for each user. A copy says the same and when it
    was printed; it has no ETag, for it is another file each time, without the original's seal or signature."""
    per_hour, headers = house.settings.letters_per_hour, dict(PRIVATE)
    if copy:
        letter, pdf = await issue.letter_copy(session, id, per_hour, render_copy)
    else:
        letter, pdf = await issue.letter_pdf(session, id, per_hour)
        headers["ETag"] = f'"{letter.sha256.hex()}"'
    name = "SKTM-" + letter.number.replace("/", "-").replace(" ", "_") + ("-SALINAN" if copy else "")
    headers["Content-Disposition"] = f'inline; filename="{name}.pdf"'
    return Response(pdf, headers=headers, media_type="application/pdf")


@router.get(
    URL + "/{id}/requirements",
    permission=Permission.SKTM_READ,
    response_model=Requirements,
    summary="What the application needs",
)
async def get_sktm_requirements(session: SessionDep, id: UUID) -> Response:
    """The documents needed in this case and where each stands, whether a visit is, and who signs in which order: under
    today's policy until it is submitted, then under the one of that day."""
    needed = await conditions.requirements_of(session, id)
    return Response(needed.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.post(
    URL + "/{id}/submit", permission=Permission.SKTM_SUBMIT, response_model=SktmApplicationRead, summary="Submit"
)
async def submit_sktm_application(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The policy of this day holds for the application from now on."""
    return reply(session, request, await service.submit(session, id, version))


@router.post(
    URL + "/{id}/return",
    permission=Permission.SKTM_RETURN,
    response_model=SktmApplicationRead,
    summary="Return for completion",
)
async def return_sktm_application(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Refusal
) -> Response:
    """With a reason that can be read to the applicant. From `signing` too, as when the data of a person changed between
    two signatures: those it has are taken back, the history keeps them, and all sign again after the new check."""
    return reply(session, request, await service.return_(session, id, version, body))


@router.post(
    URL + "/{id}/check",
    permission=Permission.SKTM_CHECK,
    response_model=SktmApplicationRead,
    summary="Check the documents",
)
async def check_sktm_application(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Check
) -> Response:
    """Every document the region requires for the purpose must be ok; otherwise the answer lists what is missing."""
    return reply(session, request, await service.check(session, id, version, body))


@router.post(
    URL + "/{id}/verify", permission=Permission.SKTM_VERIFY, response_model=SktmApplicationRead, summary="Verify"
)
async def verify_sktm_application(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Verify
) -> Response:
    """The officer vouches, on a completed home visit where the region requires one."""
    return reply(session, request, await service.verify(session, id, version, body))


@router.post(
    URL + "/{id}/reject", permission=Permission.SKTM_REJECT, response_model=SktmApplicationRead, summary="Reject"
)
async def reject_sktm_application(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Refusal
) -> Response:
    """For good, with a reason."""
    return reply(session, request, await service.reject(session, id, version, body))


@router.post(
    URL + "/{id}/sign",
    permission=Permission.SKTM_SIGN,
    step_up=True,
    response_model=SktmApplicationRead,
    summary="Sign",
)
async def sign_sktm_application(
    session: SessionDep, house: HouseDep, request: Request, id: UUID, *, version: IfMatch, body: SignWith | None = None
) -> Response:
    """The region's signatories sign in order; the last signature gives the letter its number. Nobody who created,
    checked or verified the application may sign it. Where the policy says `sealed`, that signature seals the letter,
    or is refused when it cannot (`seal_unavailable`); a `wet` letter then waits for its scan. A body is needed only
    where BSrE seals."""
    return reply(session, request, await _signing(house, _credentials(body))(session, id, version))


def _signing(house: House, credentials: Credentials | None = None) -> sign_many.Sign:
    """As this house prints letters, seals and keys them, one by one and by a job alike. A job has no credentials."""
    url, keys, seals = house.settings.public_url, house.letter_keys, sealing(house.settings, credentials)
    return partial(issue.sign, render=render_letter, sealing=seals, public_url=url, letter_keys=keys)


def _credentials(body: SignWith | None) -> Credentials | None:
    if body is None or body.nik is None or body.passphrase is None:
        return None
    return Credentials(body.nik, body.passphrase.get_secret_value())


@router.post(
    URL + "/sign-many",
    permission=Permission.SKTM_SIGN,
    step_up=True,
    status_code=202,
    response_model=JobRead,
    summary="Sign many",
)
async def sign_sktm_applications(session: SessionDep, body: SignMany) -> Response:
    """Starts a job that signs up to 1,000 applications for the caller, in this order, each under every rule that holds
    when they are signed one by one. Each is named with the version that was seen; what changed since is not signed.
    Its result has the letter's number or the problem's code of each. Signing out ends it; what is signed stays signed.
    """
    stored = await sign_many.start(session, body)
    return under_way(session, stored)


def signing(house: House) -> Handler:
    """What the job of `sign_sktm_applications` does in this house."""
    return partial(sign_many.step, sign=_signing(house), otp_required=house.settings.otp_required)


@router.post(
    URL + "/{id}/signed-scan",
    permission=Permission.SKTM_COLLECT,
    response_model=SktmApplicationRead,
    summary="Put in the scan of a letter signed by hand",
)
async def receive_signed_scan(
    session: SessionDep, house: HouseDep, request: Request, id: UUID, *, version: IfMatch, body: SignedScan
) -> Response:
    """Of a letter whose kind of signature is `wet`: from now on it is valid. The paper is attached to the applicant
    first, as `signed_letter`. A better scan may take the place of an earlier one, which is kept. Whoever signed the
    letter does not put in its scan. The QR code in it is compared with the letter: another letter's is refused, and
    `warnings` tell where it could not be read. So is a PDF that no scanner made, such as the letter's own file, which
    nobody signed. Refused as a signature is while the people it names are not what was checked.
    """
    with_scan = scans.receive(
        session,
        id,
        version,
        body,
        content_of=partial(content_of, session, house.vault),
        pictures_in=partial(house.inspectors.pictures_in_scan, pointer="/attachment_id"),
        read_codes=codes_in_picture,
    )
    return reply(session, request, await with_scan)


@router.post(
    URL + "/{id}/collect",
    permission=Permission.SKTM_COLLECT,
    response_model=SktmApplicationRead,
    summary="Record the hand-over",
)
async def collect_sktm_application(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The applicant has the letter. One signed by hand needs its scan first; one that was replaced or has expired is
    not handed over."""
    return reply(session, request, await service.collect(session, id, version))


@router.post(
    URL + "/{id}/revoke",
    permission=Permission.SKTM_REVOKE,
    step_up=True,
    response_model=SktmApplicationRead,
    summary="Revoke the letter",
)
async def revoke_sktm_application(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Refusal
) -> Response:
    """Whoever scans the letter sees it at once. The number is not given again."""
    return reply(session, request, await issue.revoke(session, id, version, body))


@router.post(
    URL + "/{id}/cancel",
    permission=Permission.SKTM_CANCEL,
    response_model=SktmApplicationRead,
    summary="Cancel the application",
)
async def cancel_sktm_application(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Cancel
) -> Response:
    """Before it is issued: by whoever created it, or the district's officer."""
    return reply(session, request, await service.cancel(session, id, version, body))
