"""Signing in, refreshing, signing out, and the keys that verify our tokens."""

from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tksk_api.domain.users import sign_in
from tksk_api.domain.users.schemas import Login, Refresh, TokenPair
from tksk_api.domain.users.sign_in import Lifetimes, SignedIn
from tksk_api.errors import DomainError
from tksk_api.http.dependencies import House, HouseDep, SessionDep, SystemSessionDep
from tksk_api.http.replies import PRIVATE, no_content
from tksk_api.http.routing import PUBLIC, Router
from tksk_api.security.permissions import Permission

router = Router("auth")
well_known: APIRouter = Router("auth", prefix="")


def lifetimes(house: House) -> Lifetimes:
    settings = house.settings
    return Lifetimes(
        timedelta(days=settings.refresh_idle_days),
        timedelta(days=settings.refresh_absolute_days),
        timedelta(seconds=settings.refresh_grace_seconds),
    )


def _pair(house: House, signed_in: SignedIn) -> Response:
    pair = TokenPair(
        access_token=house.tokens.issue(signed_in.user_id, signed_in.session_id),
        token_type="Bearer",  # noqa: S106 - a scheme, not a secret
        expires_in=house.tokens.lifetime_seconds,
        refresh_token=signed_in.refresh_token,
    )
    return Response(pair.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.post(
    "/auth/login", permission=PUBLIC, response_model=TokenPair, summary="Sign in", openapi_extra={"x-statuses": ["401"]}
)
async def login(session: SystemSessionDep, house: HouseDep, body: Login) -> Response:
    """Opens a session on this device and gives its first pair of tokens."""
    return _pair(house, await sign_in.sign_in(session, body, house.passwords, lifetimes(house)))


@router.post(
    "/auth/refresh",
    permission=PUBLIC,
    response_model=TokenPair,
    summary="Refresh the tokens",
    openapi_extra={"x-statuses": ["401"]},
)
async def refresh(session: SystemSessionDep, house: HouseDep, request: Request, body: Refresh) -> Response:
    """Exchanges a refresh token for a new pair. If the reply was lost, repeat the request within 30 seconds."""
    signed_in = await sign_in.rotate(session, body.refresh_token, lifetimes(house))
    if signed_in is None:
        await session.commit()  # keep the revocation although the answer is a refusal
        raise DomainError("refresh_refused")
    return _pair(house, signed_in)


@router.post("/auth/logout", permission=Permission.SIGNED_IN, status_code=204, summary="Sign out")
async def logout(session: SessionDep) -> Response:
    """Ends this session and all its tokens."""
    await sign_in.sign_out(session)
    return no_content(session)


@well_known.get("/.well-known/jwks.json", permission=PUBLIC, summary="Public keys of our tokens")  # type: ignore[call-arg]
async def jwks(house: HouseDep) -> Response:
    """JSON Web Key Set (RFC 7517) with the ES256 keys that verify access tokens."""
    return JSONResponse(house.tokens.jwks, headers={"Cache-Control": "public, max-age=300"})
