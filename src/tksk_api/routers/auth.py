"""Signing in, refreshing, proving oneself again, signing out, and the sessions that are open."""

from datetime import timedelta
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from tksk_api.database.session import principal_of
from tksk_api.domain.users import account, sessions, sign_in
from tksk_api.domain.users.schemas import Login, Refresh, SessionRead, StepUp, TokenPair
from tksk_api.domain.users.sessions import SignedIn
from tksk_api.domain.users.throttle import Origin
from tksk_api.http.dependencies import DoorDep, House, HouseDep, SessionDep
from tksk_api.http.pagination import Page
from tksk_api.http.rate import Policy
from tksk_api.http.replies import PRIVATE, no_content
from tksk_api.http.routing import PUBLIC, Router
from tksk_api.security.permissions import Permission

router = Router("auth")


def _pair(house: House, signed_in: SignedIn) -> Response:
    pair = TokenPair(
        access_token=house.tokens.issue(signed_in.user_id, signed_in.session_id),
        token_type="Bearer",  # noqa: S106 - a scheme, not a secret
        expires_in=house.tokens.lifetime_seconds,
        refresh_token=signed_in.refresh_token,
    )
    return Response(pair.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.post(
    "/auth/login",
    permission=PUBLIC,
    limit=Policy.SIGN_IN,
    response_model=TokenPair,
    summary="Sign in",
    openapi_extra={"x-statuses": ["401", "429"]},
)
async def login(door: DoorDep, house: HouseDep, request: Request, body: Login) -> Response:
    """Opens a session on this device and gives its first pair of tokens.

    Who has set up one-time codes and sends none is told `otp_required`. After three wrong attempts the next ones must
    wait, a second at first and then twice as long each time: `sign_in_delayed`. A `device_id` that has signed in as
    this user before is counted by itself, so that others' wrong attempts do not hold it up.

    `Idempotency-Key` is not used here: after a lost reply sign in again. The lost session is listed until it ends.
    """
    origin = Origin(request.client.host if request.client else None, request.headers.get("user-agent", ""))
    return _pair(house, await sign_in.sign_in(door.system, house.passwords, house.settings, body, origin))


@router.post(
    "/auth/refresh",
    permission=PUBLIC,
    limit=Policy.SIGN_IN,
    response_model=TokenPair,
    summary="Refresh the tokens",
    openapi_extra={"x-statuses": ["401", "429"]},
)
async def refresh(door: DoorDep, house: HouseDep, body: Refresh) -> Response:
    """Exchanges a refresh token for a new pair. If the reply was lost, repeat the request within 30 seconds: the
    answer is another pair, and the lost one must not be used (its use ends the session). `Idempotency-Key` is not used
    here."""
    grace = timedelta(seconds=house.settings.refresh_grace_seconds)
    return _pair(house, await sessions.refresh(door.system, body.refresh_token, grace))


@router.post(
    "/auth/step-up",
    permission=Permission.SIGNED_IN,
    limit=Policy.SIGN_IN,
    status_code=204,
    summary="Prove again who I am",
    openapi_extra={"x-statuses": ["429"]},
)
async def step_up(door: DoorDep, house: HouseDep, body: StepUp) -> Response:
    """After `step_up_required`: with a one-time code where they are set up, else with the password. Then repeat."""
    attempt = await account.attempt(door.look, house.passwords, password=body.password, code=body)
    async with door.act() as session:
        await account.step_up(session, attempt)
        return no_content(session)


@router.post("/auth/logout", permission=Permission.SIGNED_IN, status_code=204, summary="Sign out")
async def logout(session: SessionDep) -> Response:
    """Ends this session and all its tokens."""
    await sessions.sign_out(session)
    return no_content(session)


@router.get(
    "/auth/sessions", permission=Permission.SIGNED_IN, response_model=Page[SessionRead], summary="My open sessions"
)
async def list_sessions(session: SessionDep) -> Response:
    """Where I am signed in, newest first. One that is not mine: end it, and change the password."""
    items = await sessions.live_sessions(session, principal_of(session).user_id)
    page = Page[SessionRead](items=items, next_cursor=None)
    return Response(page.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.delete(
    "/auth/sessions/{id}", permission=Permission.SIGNED_IN, status_code=204, summary="End one of my sessions"
)
async def end_session(session: SessionDep, id: UUID) -> Response:
    """Its tokens stop working with the next request. May be the session that asks."""
    await sessions.end_session(session, principal_of(session).user_id, id)
    return no_content(session)
