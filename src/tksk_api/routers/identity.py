"""The life of a person's identity: numbers attached, verified and corrected; deaths recorded, and taken back."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.beneficiaries import identity
from tksk_api.domain.beneficiaries.schemas import (
    AttachNik,
    BeneficiaryRead,
    CorrectNik,
    Death,
    DeathUndone,
    DeceasedRead,
    VerifyNik,
)
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import HouseDep, SessionDep
from tksk_api.http.replies import keep, reply, respond
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("beneficiaries")


@router.post(
    "/beneficiaries/{id}/attach-nik",
    permission=Permission.BENEFICIARY_IDENTIFY,
    response_model=BeneficiaryRead,
    summary="Attach a NIK",
)
async def attach_beneficiary_nik(
    session: SessionDep, house: HouseDep, id: UUID, version: IfMatch, body: AttachNik
) -> Response:
    """For a person registered without one; visits, letters and referrals stay theirs. Verify it against a paper next.

    A NIK that is registered already is refused as at registration, and counts alike.
    """
    per_hour = house.settings.exists_per_hour
    stored = await identity.attach_nik(session, house.reads, id, version, body, per_hour=per_hour)
    return keep(session, respond(stored))


@router.post(
    "/beneficiaries/{id}/verify-nik",
    permission=Permission.BENEFICIARY_IDENTIFY,
    response_model=BeneficiaryRead,
    summary="Verify a NIK",
)
async def verify_beneficiary_nik(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: VerifyNik
) -> Response:
    """You compared the number with a paper: which one, who and when is kept. From then on the regency corrects it."""
    return reply(session, request, await identity.verify_nik(session, id, version, body))


@router.post(
    "/beneficiaries/{id}/correct-nik",
    permission=Permission.BENEFICIARY_IDENTIFY,
    response_model=BeneficiaryRead,
    summary="Correct a NIK",
)
async def correct_beneficiary_nik(
    session: SessionDep, house: HouseDep, id: UUID, version: IfMatch, body: CorrectNik
) -> Response:
    """For a number that was mistyped, or is somebody else's (then null, until the right one is known).

    The corrected number is unverified again. One that was verified is corrected by the social office of the regency.
    """
    per_hour = house.settings.exists_per_hour
    stored = await identity.correct_nik(session, house.reads, id, version, body, per_hour=per_hour)
    return keep(session, respond(stored))


@router.post(
    "/beneficiaries/{id}/deceased",
    permission=Permission.BENEFICIARY_IDENTIFY,
    response_model=DeceasedRead,
    summary="Record a death",
)
async def record_beneficiary_death(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: Death
) -> Response:
    """The person is kept and marked, and leaves their family as of that day. Nothing new begins for them.

    What is under way is not touched: `open_work` lists it, for whoever is responsible to end.
    """
    return reply(session, request, await identity.record_death(session, id, version, body))


@router.post(
    "/beneficiaries/{id}/deceased/undo",
    permission=Permission.BENEFICIARY_IDENTIFY,
    response_model=BeneficiaryRead,
    summary="Take the record of a death back",
)
async def undo_beneficiary_death(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: DeathUndone
) -> Response:
    """For somebody declared dead who is alive. Add them to their family again where they belong to one."""
    return reply(session, request, await identity.undo_death(session, id, version, body))
