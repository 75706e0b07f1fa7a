"""Sessions: one sign-in on one device, and the family of its refresh tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import Opener, principal_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.users.models import RefreshToken, User, UserSession
from tksk_api.domain.users.rules import Lifetime
from tksk_api.domain.users.schemas import SessionRead
from tksk_api.errors import DomainError, not_found

_SESSIONS = table_of(UserSession)
IS_LIVE = (
    _SESSIONS.c.revoked_at.is_(None),
    _SESSIONS.c.expires_at > func.now(),
    _SESSIONS.c.last_refreshed_at + func.make_interval(0, 0, 0, 0, 0, 0, _SESSIONS.c.idle_seconds) > func.now(),
)


@dataclass(frozen=True)
class SignedIn:
    user_id: UUID
    session_id: UUID
    refresh_token: str


async def open_session(
    session: AsyncSession, user_id: UUID, lifetime: Lifetime, device_name: str, device_id: UUID | None
) -> SignedIn:
    """A new session whose user has just proven who they are, and its first refresh token."""
    now = datetime.now(UTC)
    family = UserSession(
        id=new_id(),
        user_id=user_id,
        device_id=device_id,
        device_name=device_name,
        kind=lifetime.kind,
        idle_seconds=int(lifetime.idle.total_seconds()),
        expires_at=now + lifetime.absolute,
        strong_at=now,
    )
    session.add(family)
    await session.flush()
    return SignedIn(user_id, family.id, await _issue(session, family))


async def _issue(session: AsyncSession, family: UserSession) -> str:
    secret = secrets.token_urlsafe(32)
    idle = timedelta(seconds=family.idle_seconds)
    session.add(
        RefreshToken(
            digest=_digest(secret),
            session_id=family.id,
            expires_at=min(datetime.now(UTC) + idle, family.expires_at),
        )
    )
    await session.flush()
    return secret


async def refresh(system: Opener, secret: str, grace: timedelta) -> SignedIn:
    """Exchange a refresh token for its successor. Raises refresh_refused; a revocation is kept all the same."""
    async with system() as session:
        signed_in = await _rotate(session, secret, grace)
    if signed_in is None:
        raise DomainError("refresh_refused")
    return signed_in


async def _rotate(session: AsyncSession, secret: str, grace: timedelta) -> SignedIn | None:
    """The successor; None (after revoking the family) when the token was stolen or is over.

    A token used a second time within the grace whose successor nobody used is a lost reply on a bad link: the unused
    successor is withdrawn and a new one given. Any other reuse ends the whole family (RFC 9700 §4.14.2); so does the
    use of a withdrawn successor, for then two have held the token before it.
    """
    family = await _lock_family(session, secret)
    if family is None:
        return None
    token = await session.get_one(RefreshToken, _digest(secret))
    user = await session.get_one(User, family.user_id)
    now = datetime.now(UTC)
    if family.revoked_at or min(token.expires_at, family.expires_at) < now or user.disabled_at:
        return None
    successor = await session.get(RefreshToken, token.replaced_by) if token.replaced_by else None
    if token.revoked_at or (token.used_at and _is_stolen(token.used_at, successor, now - grace)):
        await _revoke(session, _SESSIONS.c.id == family.id, "refresh_token_reused")
        return None
    if successor is not None:
        successor.revoked_at = now
    fresh = await _issue(session, family)
    token.used_at = token.used_at or now
    token.replaced_by = _digest(fresh)
    family.last_refreshed_at = now
    await session.flush()
    return SignedIn(family.user_id, family.id, fresh)


def _is_stolen(used_at: datetime, successor: RefreshToken | None, since: datetime) -> bool:
    return successor is None or successor.used_at is not None or used_at < since


async def _lock_family(session: AsyncSession, secret: str) -> UserSession | None:
    # The family first, and its tokens only under that lock: with a token first, two refreshes could each hold one row
    # that the other waits for.
    tokens = table_of(RefreshToken).c
    family = select(tokens.session_id).where(tokens.digest == _digest(secret)).scalar_subquery()
    locked = select(UserSession).where(_SESSIONS.c.id == family).with_for_update()
    return (await session.execute(locked)).scalars().first()


async def live_sessions(session: AsyncSession, user_id: UUID) -> list[SessionRead]:
    """A user's sessions that can still be used, newest first."""
    columns = [_SESSIONS.c[name] for name in SessionRead.model_fields if name != "current"]
    found = select(*columns).where(_SESSIONS.c.user_id == user_id, *IS_LIVE).order_by(_SESSIONS.c.id.desc())
    current = principal_of(session).session_id
    rows = (await (await session.connection()).execute(found)).mappings()
    return [SessionRead(**row, current=row["id"] == current) for row in rows]


async def end_session(session: AsyncSession, user_id: UUID, key: UUID) -> None:
    """End one session of a user; its access token stops working with the next request. Raises not_found."""
    table = _SESSIONS.c
    ended = await _revoke(session, (table.id == key) & (table.user_id == user_id), "ended")
    if not ended:
        raise not_found()


async def sign_out(session: AsyncSession) -> None:
    """End the caller's own session."""
    await _revoke(session, _SESSIONS.c.id == principal_of(session).session_id, "signed_out")


async def end_all(session: AsyncSession, user_id: UUID, reason: str, keep: UUID | None = None) -> None:
    """End a user's sessions, except the one that is asking."""
    others = _SESSIONS.c.user_id == user_id
    await _revoke(session, others if keep is None else others & (_SESSIONS.c.id != keep), reason)


async def _revoke(session: AsyncSession, which: ColumnElement[bool], reason: str) -> int:
    ended = update(_SESSIONS).where(which, _SESSIONS.c.revoked_at.is_(None))
    ended = ended.values(revoked_at=func.now(), revoked_reason=reason)
    return (await (await session.connection()).execute(ended)).rowcount


async def fit_sessions(session: AsyncSession, user_id: UUID, lifetime: Lifetime) -> None:
    """After a change of role: running sessions live no longer than one of the new role would."""
    table = _SESSIONS.c
    fitted = (
        update(_SESSIONS)
        .where(table.user_id == user_id, table.revoked_at.is_(None))
        .values(
            kind=lifetime.kind,
            idle_seconds=func.least(table.idle_seconds, int(lifetime.idle.total_seconds())),
            expires_at=func.least(table.expires_at, table.created_at + lifetime.absolute),
        )
    )
    await (await session.connection()).execute(fitted)


async def require_fresh_proof(session: AsyncSession, seconds: int) -> None:
    """For what only some rows of an operation need; a route asks with `step_up`. Raises step_up_required (RFC 9470)."""
    fresh = select(_SESSIONS.c.strong_at > func.now() - timedelta(seconds=seconds)).where(
        _SESSIONS.c.id == principal_of(session).session_id
    )
    if not (await (await session.connection()).execute(fresh)).scalar():
        raise DomainError("step_up_required", max_age=seconds)


async def mark_proven(session: AsyncSession) -> None:
    """The caller has just proven again who they are (RFC 9470)."""
    own = update(_SESSIONS).where(_SESSIONS.c.id == principal_of(session).session_id)
    await (await session.connection()).execute(own.values(strong_at=func.now()))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
