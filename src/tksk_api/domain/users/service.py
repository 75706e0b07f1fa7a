"""Users: who may create whom, for which region."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort, Stored
from tksk_api.database.session import Opener, principal_of, scope_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.records import create_once, load, load_reference, patched, refuse_null, save
from tksk_api.domain.regions.service import require_region
from tksk_api.domain.users import otp, sessions, throttle
from tksk_api.domain.users.models import User
from tksk_api.domain.users.rules import lifetime_of
from tksk_api.domain.users.schemas import SessionRead, SetupSecret, UserCreate, UserRead, UserUpdate
from tksk_api.errors import DomainError, invalid
from tksk_api.security.passwords import Passwords, setup_secret
from tksk_api.security.permissions import MANAGES, Permission, Role, levels_of
from tksk_api.settings import Settings

_TABLE = table_of(User)
_PLACE = ("role", "region_code", "agency_id")
_APART_HOURS = 24  # between two resets of one user by one person
_CHANGED_BY = text(
    "SELECT 1 FROM changes WHERE entity_id = :user AND actor_id = :actor AND jsonb_exists(fields, :field) "
    "AND at > now() - make_interval(hours => :hours) LIMIT 1"
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
    await check_place(session, body.role, body.region_code, body.agency_id)
    return await create_once(
        session,
        USERS,
        body,
        User,
        lambda: User(id=new_id(), must_change_password=True, **body.model_dump(exclude={"id"}, mode="json")),
    )


async def update(session: AsyncSession, key: UUID, version: int, patch: UserUpdate, settings: Settings) -> Stored:
    """Change name, role or place; a changed role or region holds from the user's next request.

    Nobody gives themselves another role or place. Raises what `create` raises.
    """
    user = await _load_managed(session, key, version)
    refuse_null(patch, "full_name", "role")
    changes = patched(patch)
    if any(name in changes and changes[name] != getattr(user, name) for name in _PLACE):
        _refuse_oneself(session, user)
    role = Role(changes.get("role", user.role))
    _refuse_role(session, role)
    place = {name: changes.get(name, getattr(user, name)) for name in ("region_code", "agency_id")}
    if changes.keys() & set(_PLACE):
        await check_place(session, role, place["region_code"], place["agency_id"])
    if role != user.role:
        await sessions.fit_sessions(session, user.id, lifetime_of(role, settings))
    for name, value in changes.items():
        setattr(user, name, value)
    return await save(session, USERS, user)


async def set_disabled(session: AsyncSession, key: UUID, version: int, *, disabled: bool) -> Stored:
    """Disable (all sessions end at once) or enable again. Nobody disables themselves."""
    user = await _load_managed(session, key, version)
    if disabled:
        _refuse_oneself(session, user)
        await sessions.end_all(session, user.id, "user_disabled")
    user.disabled_at = datetime.now(UTC) if disabled else None
    return await save(session, USERS, user)


async def new_secret(look: Opener, passwords: Passwords, key: UUID, version: int) -> tuple[str, str]:
    """A one-time secret and its hash, made outside any transaction, for a user whom the caller manages."""
    secret = setup_secret()
    with passwords.turn() as turn:
        async with look() as session:
            await _load_managed(session, key, version)
        return secret, await turn.hash(secret)


async def reset_password(
    session: AsyncSession, key: UUID, version: int, secret: tuple[str, str], settings: Settings
) -> SetupSecret:
    """Put a one-time secret in place of the password; all sessions end, failed attempts are forgotten.

    The administrator never learns a lasting password: the secret opens one session, which must replace it
    (OWASP ASVS 5 V6.4.1, V6.4.6). Raises second_person_required.
    """
    user = await _load_managed(session, key, version)
    await _refuse_second_reset(session, user, "otp_confirmed_at")
    shown, user.password_hash = secret
    user.must_change_password = True
    user.setup_expires_at = datetime.now(UTC) + timedelta(hours=settings.setup_secret_hours)
    await sessions.end_all(session, user.id, "password_reset")
    await throttle.clear_account(session, user.id, user.username)
    await session.flush()
    return SetupSecret(username=user.username, setup_secret=shown, expires_at=user.setup_expires_at)


async def reset_otp(session: AsyncSession, key: UUID, version: int) -> Stored:
    """For a lost phone: no one-time codes until new ones are set up; all sessions end, failed attempts are forgotten.

    The password must be replaced, for one that was used with codes may be too short to stand alone. Raises
    second_person_required.
    """
    user = await _load_managed(session, key, version)
    _refuse_oneself(session, user)
    await _refuse_second_reset(session, user, "password_hash")
    await otp.remove(session, user.id, must_change_password=True)
    await sessions.end_all(session, user.id, "otp_reset")
    await throttle.clear_account(session, user.id, user.username)
    return await USERS.stored(session, user.id)


async def list_sessions(session: AsyncSession, key: UUID) -> list[SessionRead]:
    """The sessions of a user whom the caller manages."""
    user = await _load_managed(session, key)
    return await sessions.live_sessions(session, user.id)


async def end_session(session: AsyncSession, key: UUID, session_id: UUID) -> None:
    """End one session of a user whom the caller manages. Raises not_found."""
    user = await _load_managed(session, key)
    await sessions.end_session(session, user.id, session_id)


async def sign_out(session: AsyncSession, key: UUID, version: int) -> None:
    """End all sessions of a user whom the caller manages."""
    user = await _load_managed(session, key, version)
    await sessions.end_all(session, user.id, "signed_out_by_administrator")


async def own_account(session: AsyncSession, *, lock: bool = False) -> Any:
    """The caller's own row, which the row policy shows them whatever their scope (an agency's user has no region)."""
    own = select(_TABLE).where(_TABLE.c.id == principal_of(session).user_id)
    return (await (await session.connection()).execute(own.with_for_update() if lock else own)).one()


async def _load_managed(session: AsyncSession, key: UUID, version: int | None = None) -> User:
    # A change locks: a sign-in that is about to open a session waits for it, and then finds what was changed.
    user = await load(session, User, key, version, lock=version is not None)
    _refuse_role(session, Role(user.role))
    return user


async def _refuse_second_reset(session: AsyncSession, user: User, other: str) -> None:
    # Who resets both factors of somebody is them: they could sign letters in that name. The user's row is locked, so
    # of two resets at once the second one finds the first.
    asked = {"user": user.id, "actor": principal_of(session).user_id, "field": other, "hours": _APART_HOURS}
    if (await (await session.connection()).execute(_CHANGED_BY, asked)).first() is not None:
        raise DomainError("second_person_required", hours=_APART_HOURS)


def _refuse_oneself(session: AsyncSession, user: User) -> None:
    if user.id == principal_of(session).user_id:
        raise invalid("", "same_person")


def _refuse_role(session: AsyncSession, role: Role) -> None:
    if role not in MANAGES.get(Role(principal_of(session).role), frozenset()):
        raise DomainError("permission_denied", permission=f"{Permission.USER_MANAGE} ({role})")


async def check_place(session: AsyncSession, role: Role, region_code: str | None, agency_id: UUID | None) -> None:
    """Raises invalid_request for a region or agency that does not fit the role, or lies outside the scope."""
    levels = levels_of(role)
    if levels and region_code is None:
        raise invalid("/region_code", "region_level", level=" / ".join(levels))
    if not levels and region_code is not None and role is not Role.AGENCY:
        raise invalid("/region_code", "region_level", level="nation")
    if region_code is not None:
        if not scope_of(session).contains(region_code):
            raise invalid("/region_code", "outside_scope")
        region = await require_region(session, region_code, "/region_code")
        if levels and region.level not in levels:
            raise invalid("/region_code", "region_level", level=" / ".join(levels))
    if (role is Role.AGENCY) != (agency_id is not None):
        raise invalid("/agency_id", "agency_required" if role is Role.AGENCY else "unknown_field")
    if agency_id is not None:
        await load_reference(session, Agency, agency_id, "/agency_id")
