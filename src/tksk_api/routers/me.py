"""The caller's own account."""

from starlette.responses import Response

from tksk_api.domain.users import service, sign_in
from tksk_api.domain.users.schemas import Me, PasswordChange
from tksk_api.http.dependencies import HouseDep, SessionDep
from tksk_api.http.replies import PRIVATE, no_content
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission

router = Router("me")


@router.get("/me", permission=Permission.SIGNED_IN, response_model=Me, summary="Who am I?")
async def get_me(session: SessionDep) -> Response:
    """Name, role, region, and the permissions that a client needs to show or hide its buttons."""
    return Response((await service.me(session)).model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.post("/me/password", permission=Permission.SIGNED_IN, status_code=204, summary="Change my password")
async def change_password(session: SessionDep, house: HouseDep, body: PasswordChange) -> Response:
    """At least 12 characters, nothing easy to guess. All other sessions of the user end."""
    await sign_in.change_password(session, body, house.passwords)
    return no_content(session)
