"""Users: who may create whom, for which region."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.records import create_once, load, load_reference, patched, refuse_null, save
from tksk_api.domain.regions.service import find_region, require_region
from tksk_api.domain.users.models import User
from tksk_api.domain.users.schemas import Me, OwnAssignment, SetupSecret, UserCreate, UserRead, UserUpdate
from tksk_api.domain.users.sign_in import revoke_all
from tksk_api.errors import DomainError, invalid
from tksk_api.security.passwords import Passwords, setup_secret
from tksk_api.security.permissions import MANAGES, ROLE_PERMISSIONS, ROLE_REGION_LEVEL, Permission, Role

_TABLE = table_of(User)
# Above this package: assignments know users, users do not know them.
_OWN_ASSIGNMENTS = text(
    "SELECT a.region_code, r.name AS region_name, a.kind, a.ends_on AS until FROM assignments a "
    "LEFT JOIN regions r ON r.code = a.region_code "
    "WHERE a.user_id = :user AND a.during @> app.local_today(a.region_code) ORDER BY a.region_code, a.kind"
)

USERS = Resource(
    schema=UserRead,
    table=_TABLE,
    filters={
        "role": lambda value: _TABLE.c.role == value,
        "region_code": lambda value: _TABLE.c.region_code == value,
        "username": lambda value: _TABLE.c.username == value,
    },
    sorts={"-created_at": NEWEST_FIRST, "username": Sort(("username",), descending=False)},
)


async def create(session: AsyncSession, body: UserCreate) -> Stored:
    """A user without a password; `reset_password` gives the first one.

    Raises permission_denied for a role above the caller's, invalid_request for a region that does not fit the role
    or lies outside the caller's scope, username_taken.
    """
    _refuse_role(session, body.role)
    await _check_place(session, body.role, body.region_code, body.agency_id)
    return await create_once(
        session,
        USERS,
        body,
        User,
        lambda: User(id=new_id(), must_change_password=True, **body.model_dump(exclude={"id"}, mode="json")),
    )


async def update(session: AsyncSession, key: UUID, version: int, patch: UserUpdate) -> Stored:
    """Change name, role or place; a changed role or region holds from the user's next request."""
    user = await _load_managed(session, key, version)
    refuse_null(patch, "full_name", "role")
    changes = patched(patch)
    role = Role(changes.get("role", user.role))
    _refuse_role(session, role)
    place = {name: changes.get(name, getattr(user, name)) for name in ("region_code", "agency_id")}
    if changes.keys() & {"role", "region_code", "agency_id"}:
        await _check_place(session, role, place["region_code"], place["agency_id"])
    for name, value in changes.items():
        setattr(user, name, value)
    return await save(session, USERS, user)


async def set_disabled(session: AsyncSession, key: UUID, version: int, *, disabled: bool) -> Stored:
    """Disable (all sessions end at once) or enable again. Nobody disables themselves."""
    user = await _load_managed(session, key, version)
    if disabled and user.id == principal_of(session).user_id:
        raise invalid("", "same_person")
    user.disabled_at = datetime.now(UTC) if disabled else None
    if disabled:
        await revoke_all(session, user.id, "user_disabled")
    return await save(session, USERS, user)


async def reset_password(
    session: AsyncSession, key: UUID, version: int, passwords: Passwords, hours: int
) -> SetupSecret:
    """A new one-time secret; all sessions end. The administrator never learns a lasting password."""
    user = await _load_managed(session, key, version)
    secret = setup_secret()
    user.password_hash = await passwords.hash(secret)
    user.must_change_password = True
    user.setup_expires_at = datetime.now(UTC) + timedelta(hours=hours)
    await revoke_all(session, user.id, "password_reset")
    await session.flush()
    return SetupSecret(username=user.username, setup_secret=secret, expires_at=user.setup_expires_at)


async def own_account(session: AsyncSession) -> Any:
    """The caller's own row, which the row policy shows them whatever their scope (an agency's user has no region)."""
    own = select(_TABLE).where(_TABLE.c.id == principal_of(session).user_id)
    return (await (await session.connection()).execute(own)).one()


async def me(session: AsyncSession) -> Me:
    """The caller's own account, with the area and the assignments of today."""
    user = await own_account(session)
    region = await find_region(session, user.region_code) if user.region_code else None
    permissions = ROLE_PERMISSIONS[Role(user.role)]
    if user.must_change_password:
        permissions = frozenset({Permission.SIGNED_IN})
    assignments = await (await session.connection()).execute(_OWN_ASSIGNMENTS, {"user": user.id})
    worked_out: dict[str, Any] = {
        "region_name": region.name if region else None,
        "regions": list(scope_of(session).regions),
        "assignments": [OwnAssignment.model_validate(row) for row in assignments],
        "permissions": sorted(permissions),
    }
    return Me(**{name: getattr(user, name) for name in Me.model_fields if name not in worked_out}, **worked_out)


async def _load_managed(session: AsyncSession, key: UUID, version: int) -> User:
    user = await load(session, User, key, version)
    _refuse_role(session, Role(user.role))
    return user


def _refuse_role(session: AsyncSession, role: Role) -> None:
    if role not in MANAGES.get(Role(principal_of(session).role), frozenset()):
        raise DomainError("permission_denied", permission=f"{Permission.USER_MANAGE} ({role})")


async def _check_place(session: AsyncSession, role: Role, region_code: str | None, agency_id: UUID | None) -> None:
    level = ROLE_REGION_LEVEL[role]
    if level is not None and region_code is None:
        raise invalid("/region_code", "region_level", level=level)
    if level is None and region_code is not None and role is not Role.AGENCY:
        raise invalid("/region_code", "region_level", level="nation")
    if region_code is not None:
        if not scope_of(session).contains(region_code):
            raise invalid("/region_code", "outside_scope")
        await require_region(session, region_code, "/region_code", level)
    if (role is Role.AGENCY) != (agency_id is not None):
        raise invalid("/agency_id", "agency_required" if role is Role.AGENCY else "unknown_field")
    if agency_id is not None:
        await load_reference(session, Agency, agency_id, "/agency_id")
