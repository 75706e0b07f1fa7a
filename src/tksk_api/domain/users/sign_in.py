"""Signing in: count the attempt, compare the password without holding a connection, open the session."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import Opener
from tksk_api.database.tables import table_of
from tksk_api.domain.records import keyring_of
from tksk_api.domain.users import otp, throttle
from tksk_api.domain.users.models import User
from tksk_api.domain.users.rules import device_name_of, lifetime_of
from tksk_api.domain.users.schemas import Login
from tksk_api.domain.users.sessions import SignedIn, open_session
from tksk_api.domain.users.throttle import Counter, Origin
from tksk_api.errors import DomainError
from tksk_api.security.passwords import Passwords
from tksk_api.settings import Settings

_USERS = table_of(User)


@dataclass(frozen=True)
class _Account:
    id: UUID
    password_hash: str | None
    usable: bool


async def sign_in(system: Opener, passwords: Passwords, settings: Settings, login: Login, origin: Origin) -> SignedIn:
    """Open a session.

    Raises unavailable when too many are waiting, sign_in_delayed, credentials_refused (the same work and words whether
    the user is unknown, disabled or mistyped), otp_required or otp_refused.
    """
    with passwords.turn() as turn:
        async with system() as session:
            account, counters = await _claim(session, login, origin)
        matches = await turn.verify(login.password.get_secret_value(), account.password_hash if account else None)
    if account is None or not matches or not account.usable:
        raise DomainError("credentials_refused")
    async with system() as session:
        user = await _lock(session, account)
        lacks_code = user.otp_confirmed_at is not None and not login.has_code
        if lacks_code:
            await throttle.not_counted(session, counters)
        else:
            signed_in = await _finish(session, user, settings, login, origin)
            await throttle.succeeded(session, counters)
    if lacks_code:
        raise DomainError("otp_required")
    return signed_in


async def _claim(session: AsyncSession, login: Login, origin: Origin) -> tuple[_Account | None, list[Counter]]:
    keyring, account = keyring_of(session), await _find(session, login.username)
    counters = [
        throttle.of_account(keyring, login.username, known=account is not None),
        throttle.of_address(keyring, origin.host),
    ]
    if login.device_id is not None:
        counters.append(throttle.of_device(keyring, login.device_id))
    await throttle.claim(session, counters)
    return account, counters


async def _find(session: AsyncSession, username: str) -> _Account | None:
    found = select(_USERS).where(func.lower(_USERS.c.username) == username.lower())
    row = (await (await session.connection()).execute(found)).first()
    if row is None:
        return None
    return _Account(row.id, row.password_hash, row.disabled_at is None and not _is_spent(row))


def _is_spent(user: Any) -> bool:
    """Whether the password is a first secret that was used once or has expired."""
    return user.must_change_password and user.setup_expires_at is not None and user.setup_expires_at < datetime.now(UTC)


async def _lock(session: AsyncSession, account: _Account) -> Any:
    """The user as they are now; somebody may have been disabled or reset while the password was compared."""
    same = (_USERS.c.id == account.id, _USERS.c.password_hash == account.password_hash, _USERS.c.disabled_at.is_(None))
    user = (await (await session.connection()).execute(select(_USERS).where(*same).with_for_update())).first()
    if user is None or _is_spent(user):
        raise DomainError("credentials_refused")
    return user


async def _finish(session: AsyncSession, user: Any, settings: Settings, login: Login, origin: Origin) -> SignedIn:
    if user.otp_confirmed_at is not None:
        await otp.use(session, user, login)
    if user.must_change_password and user.setup_expires_at is not None:  # a first secret opens one session
        spent = update(_USERS).where(_USERS.c.id == user.id).values(setup_expires_at=func.now())
        await (await session.connection()).execute(spent)
    device_name = login.device_name or device_name_of(origin.user_agent)
    return await open_session(session, user.id, lifetime_of(user.role, settings), device_name, login.device_id)
