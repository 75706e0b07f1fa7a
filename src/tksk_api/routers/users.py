"""Users of the system and their roles."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.domain.users import service
from tksk_api.domain.users.schemas import SessionRead, SetupSecret, UserCreate, Username, UserRead, UserUpdate
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import DoorDep, HouseDep, ReaderDep, SessionDep
from tksk_api.http.pagination import Page, PageQuery
from tksk_api.http.replies import PRIVATE, keep_secret, no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission, Role
from tksk_api.types import RegionCode

router = Router("users")


class UserQuery(PageQuery):
    role: Role | None = None
    region_code: RegionCode | None = None
    username: Username | None = None


@router.post(
    "/users",
    permission=Permission.USER_MANAGE,
    step_up=True,
    status_code=201,
    response_model=UserRead,
    summary="Create a user",
)
async def create_user(session: SessionDep, request: Request, body: UserCreate) -> Response:
    """The user cannot sign in until `reset-password` gives a first secret."""
    return reply(session, request, await service.create(session, body))


@router.get("/users", permission=Permission.USER_READ, response_model=Page[UserRead], summary="List users")
async def list_users(reader: ReaderDep, request: Request, query: Annotated[UserQuery, Query()]) -> Response:
    """Users whose region lies in the caller's own."""
    return await respond_page(reader, request, service.USERS, query)


@router.get("/users/{id}", permission=Permission.USER_READ, response_model=UserRead, summary="One user")
async def get_user(reader: ReaderDep, id: UUID) -> Response:
    """A user of the caller's area."""
    return respond(await reader.one(service.USERS, id))


@router.patch(
    "/users/{id}", permission=Permission.USER_MANAGE, step_up=True, response_model=UserRead, summary="Change a user"
)
async def update_user(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, *, house: HouseDep, body: UserUpdate
) -> Response:
    """A changed role or region holds from the user's next request on. Nobody changes their own."""
    return reply(session, request, await service.update(session, id, version, body, house.settings))


@router.post(
    "/users/{id}/disable", permission=Permission.USER_MANAGE, response_model=UserRead, summary="Disable a user"
)
async def disable_user(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """All sessions of the user end with this request. Asks for no fresh proof: in an emergency it must be quick."""
    return reply(session, request, await service.set_disabled(session, id, version, disabled=True))


@router.post(
    "/users/{id}/enable",
    permission=Permission.USER_MANAGE,
    step_up=True,
    response_model=UserRead,
    summary="Enable a user",
)
async def enable_user(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """The user may sign in again."""
    return reply(session, request, await service.set_disabled(session, id, version, disabled=False))


@router.post(
    "/users/{id}/reset-password",
    permission=Permission.USER_MANAGE,
    step_up=True,
    response_model=SetupSecret,
    summary="Reset a password",
)
async def reset_password(door: DoorDep, house: HouseDep, id: UUID, version: IfMatch) -> Response:
    """Gives a one-time secret to hand to the user. It opens one session, which must replace it.

    All sessions of the user end, and failed attempts to sign in are forgotten. Who removed the user's codes within 24
    hours is refused (`second_person_required`): another administrator does it.
    """
    secret = await service.new_secret(door.look, house.passwords, id, version)
    async with door.act() as session:
        reset = await service.reset_password(session, id, version, secret, house.settings)
        return keep_secret(session, Response(reset.model_dump_json(), headers=PRIVATE, media_type="application/json"))


@router.post(
    "/users/{id}/reset-otp",
    permission=Permission.USER_MANAGE,
    step_up=True,
    response_model=UserRead,
    summary="Remove a user's one-time codes",
)
async def reset_user_otp(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """For a lost phone, after making sure who is asking. All sessions of the user end; then they sign in with the
    password, replace it, and set up codes on another phone. Who reset the user's password within 24 hours is refused
    (`second_person_required`): another administrator does it."""
    return reply(session, request, await service.reset_otp(session, id, version))


@router.get(
    "/users/{id}/sessions",
    permission=Permission.USER_MANAGE,
    response_model=Page[SessionRead],
    summary="A user's open sessions",
)
async def list_user_sessions(session: SessionDep, id: UUID) -> Response:
    """Where the user is signed in, newest first."""
    page = Page[SessionRead](items=await service.list_sessions(session, id), next_cursor=None)
    return Response(page.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.delete(
    "/users/{id}/sessions/{session_id}",
    permission=Permission.USER_MANAGE,
    status_code=204,
    summary="End a user's session",
)
async def end_user_session(session: SessionDep, id: UUID, session_id: UUID) -> Response:
    """For a lost or shared device. Its tokens stop working with the next request."""
    await service.end_session(session, id, session_id)
    return no_content(session)


@router.post(
    "/users/{id}/sign-out",
    permission=Permission.USER_MANAGE,
    step_up=True,
    status_code=204,
    summary="End all sessions of a user",
)
async def sign_out_user(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """Whatever devices the user is signed in on; they may sign in again."""
    await service.sign_out(session, id, version)
    return no_content(session)
