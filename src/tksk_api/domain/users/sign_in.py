"""Signing in, rotating refresh tokens, signing out."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.users.models import RefreshToken, User, UserSession
from tksk_api.domain.users.schemas import Login, PasswordChange
from tksk_api.errors import DomainError, invalid
from tksk_api.security.passwords import Passwords, check_new_password


@dataclass(frozen=True)
class Lifetimes:
    """How long a session lives without use, and at most (OWASP ASVS 5 V7.3)."""

    idle: timedelta
    absolute: timedelta
    grace: timedelta


@dataclass(frozen=True)
class SignedIn:
    user_id: UUID
    session_id: UUID
    refresh_token: str


@dataclass(frozen=True)
class _Account:
    id: UUID
    password_hash: str | None
    usable: bool


async def find_account(session: AsyncSession, username: str) -> _Account | None:
    users = table_of(User).c
    columns = (users.id, users.password_hash, users.disabled_at, users.setup_expires_at, users.must_change_password)
    found = select(*columns).where(func.lower(users.username) == username.lower())
    row = (await (await session.connection()).execute(found)).first()
    if row is None:
        return None
    expired = row.must_change_password and row.setup_expires_at is not None and row.setup_expires_at < datetime.now(UTC)
    return _Account(row.id, row.password_hash, row.disabled_at is None and not expired)


async def sign_in(session: AsyncSession, login: Login, passwords: Passwords, lifetimes: Lifetimes) -> SignedIn:
    """Open a session. Raises credentials_refused, with the same work and words for every reason."""
    account = await find_account(session, login.username)
    matches = await passwords.verify(login.password.get_secret_value(), account.password_hash if account else None)
    if account is None or not matches or not account.usable:
        raise DomainError("credentials_refused")
    now = datetime.now(UTC)
    family = UserSession(
        id=new_id(),
        user_id=account.id,
        device_name=login.device_name or "-",
        expires_at=now + lifetimes.absolute,
        strong_at=now,
    )
    session.add(family)
    await session.flush()
    return SignedIn(account.id, family.id, await _issue(session, family, lifetimes))


async def _issue(session: AsyncSession, family: UserSession, lifetimes: Lifetimes) -> str:
    secret = secrets.token_urlsafe(32)
    session.add(
        RefreshToken(
            digest=_digest(secret),
            session_id=family.id,
            expires_at=min(datetime.now(UTC) + lifetimes.idle, family.expires_at),
        )
    )
    await session.flush()
    return secret


async def rotate(session: AsyncSession, secret: str, lifetimes: Lifetimes) -> SignedIn | None:
    """Exchange a refresh token for its successor; None (after revoking the family) when it was stolen or is over.

    A token used a second time within the grace whose successor nobody used is a lost reply on a bad link: the unused
    successor is withdrawn and a new one given. Any other reuse ends the whole family (RFC 9700 §4.14.2).
    The caller commits also when None is returned, so that a revocation is kept.
    """
    token = (
        await session.execute(select(RefreshToken).where(RefreshToken.digest == _digest(secret)).with_for_update())  # type: ignore[arg-type]
    ).scalar_one_or_none()
    if token is None:
        return None
    family = (
        await session.execute(select(UserSession).where(UserSession.id == token.session_id).with_for_update())  # type: ignore[arg-type]
    ).scalar_one()
    now = datetime.now(UTC)
    user = await session.get_one(User, family.user_id)
    if family.revoked_at or token.revoked_at or token.expires_at < now or family.expires_at < now or user.disabled_at:
        return None
    if token.used_at is not None:
        successor = await session.get(RefreshToken, token.replaced_by) if token.replaced_by else None
        if successor is None or successor.used_at or now - token.used_at > lifetimes.grace:
            await _revoke(session, family.id, "refresh_token_reused")
            return None
        successor.revoked_at = now
    fresh = await _issue(session, family, lifetimes)
    token.used_at = token.used_at or now
    token.replaced_by = _digest(fresh)
    family.last_refreshed_at = now
    await session.flush()
    return SignedIn(family.user_id, family.id, fresh)


async def _revoke(session: AsyncSession, session_id: UUID, reason: str) -> None:
    await session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))  # type: ignore[arg-type, union-attr]
        .values(revoked_at=func.now(), revoked_reason=reason)
    )


async def sign_out(session: AsyncSession) -> None:
    """End the caller's session; its access token stops working with the next request."""
    await _revoke(session, principal_of(session).session_id, "signed_out")


async def revoke_all(session: AsyncSession, user_id: UUID, reason: str, keep: UUID | None = None) -> None:
    """End a user's sessions, except the one that is asking."""
    await session.execute(
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.id != (keep or new_id()))  # type: ignore[arg-type, union-attr]
        .values(revoked_at=func.now(), revoked_reason=reason)
    )


async def change_password(session: AsyncSession, change: PasswordChange, passwords: Passwords) -> None:
    """Replace the caller's own password and end their other sessions. Raises invalid_request."""
    principal = principal_of(session)
    table = table_of(User)
    own = table.c.id == principal.user_id
    connection = await session.connection()
    user = (await connection.execute(select(table).where(own))).one()
    if not await passwords.verify(change.current_password.get_secret_value(), user.password_hash):
        raise invalid("/current_password", "password_wrong")
    new = change.new_password.get_secret_value()
    if new == change.current_password.get_secret_value():
        raise invalid("/new_password", "password_unchanged")
    check_new_password(new, user.username, user.full_name)
    hashed = await passwords.hash(new)
    await connection.execute(
        update(table).where(own).values(password_hash=hashed, must_change_password=False, setup_expires_at=None)
    )
    await revoke_all(session, user.id, "password_changed", keep=principal.session_id)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
