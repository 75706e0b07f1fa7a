"""The caller's own account: who they are, their password, their one-time codes."""

from pydantic import BaseModel
from starlette.responses import Response

from tksk_api.domain.users import account
from tksk_api.domain.users.schemas import Me, OtpConfirmation, OtpEnrolment, PasswordChange, Proof, RecoveryCodes
from tksk_api.http.dependencies import DoorDep, HouseDep, SessionDep
from tksk_api.http.rate import Policy
from tksk_api.http.replies import PRIVATE, keep_secret, no_content
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("me")


def _shown(content: BaseModel) -> Response:
    return Response(content.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.get("/me", permission=Permission.SIGNED_IN, response_model=Me, summary="Who am I?")
async def get_me(session: SessionDep) -> Response:
    """Name, role, region, and the permissions that a client needs to show or hide its buttons."""
    return _shown(await account.me(session))


@router.post(
    "/me/password",
    permission=Permission.SIGNED_IN,
    limit=Policy.SIGN_IN,
    status_code=204,
    summary="Change my password",
    openapi_extra={"x-statuses": ["429"]},
)
async def change_password(door: DoorDep, house: HouseDep, body: PasswordChange) -> Response:
    """At least 15 characters, 8 where one-time codes are set up, and nothing easy to guess: four words make a good one.

    Who has set up one-time codes sends one too. All other sessions of the user end.
    """
    attempt = await account.attempt_change(door.look, house.passwords, body)
    async with door.act() as session:
        await account.change_password(session, attempt)
        return no_content(session)


@router.post(
    "/me/otp",
    permission=Permission.SIGNED_IN,
    limit=Policy.SIGN_IN,
    response_model=OtpEnrolment,
    summary="Set up one-time codes",
    openapi_extra={"x-statuses": ["429"]},
)
async def begin_otp(door: DoorDep, house: HouseDep, body: Proof) -> Response:
    """Gives the secret for an authenticator app, once. It counts from the first code sent to `/v1/me/otp/confirm`.

    Who has codes already sends one too; the old secret stays in force until the new one is confirmed.
    """
    attempt = await account.attempt(door.look, house.passwords, password=body.password, code=body)
    async with door.act() as session:
        return keep_secret(session, _shown(await account.begin_otp(session, attempt)))


@router.post(
    "/me/otp/confirm",
    permission=Permission.SIGNED_IN,
    limit=Policy.SIGN_IN,
    response_model=RecoveryCodes,
    summary="Confirm one-time codes",
    openapi_extra={"x-statuses": ["429"]},
)
async def confirm_otp(door: DoorDep, house: HouseDep, body: OtpConfirmation) -> Response:
    """With a code of the new secret. Gives ten recovery codes for the day the phone is lost; shown once.

    All other sessions of the user end.
    """
    attempt = await account.attempt(door.look, house.passwords)
    async with door.act() as session:
        return keep_secret(session, _shown(await account.confirm_otp(session, attempt, body.otp)))


@router.post(
    "/me/otp/recovery-codes",
    permission=Permission.SIGNED_IN,
    limit=Policy.SIGN_IN,
    response_model=RecoveryCodes,
    summary="Renew my recovery codes",
    openapi_extra={"x-statuses": ["429"]},
)
async def renew_recovery_codes(door: DoorDep, house: HouseDep, body: Proof) -> Response:
    """Ten new ones, shown once; the ones before are void."""
    refuse = account.refuse_not_set_up
    attempt = await account.attempt(door.look, house.passwords, password=body.password, code=body, refuse=refuse)
    async with door.act() as session:
        return keep_secret(session, _shown(await account.renew_recovery_codes(session, attempt)))


@router.delete(
    "/me/otp",
    permission=Permission.SIGNED_IN,
    limit=Policy.SIGN_IN,
    status_code=204,
    summary="Give up one-time codes",
    openapi_extra={"x-statuses": ["409", "429"]},
)
async def remove_otp(door: DoorDep, house: HouseDep, body: Proof) -> Response:
    """Needs password and code. Not for roles that must use them, nor with a password too short to stand alone."""
    attempt = await account.attempt_removal(door.look, house.passwords, body)
    async with door.act() as session:
        await account.remove_otp(session, attempt)
        return no_content(session)
