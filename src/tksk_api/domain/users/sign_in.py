"""Signing in: count the attempt, compare the password without holding a connection, open the session."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import Opener
from tksk_api.database.tables import table_of
from tksk_api.domain.records import keyring_of
from tksk_api.domain.users import otp, throttle
from tksk_api.domain.users.models import User, UserSession
from tksk_api.domain.users.rules import device_name_of, lifetime_of
from tksk_api.domain.users.schemas import Login
from tksk_api.domain.users.sessions import IS_LIVE, SignedIn, end_all, open_session
from tksk_api.domain.users.throttle import Counter, Origin
from tksk_api.errors import DomainError
from tksk_api.security.passwords import Passwords
from tksk_api.settings import Settings

_USERS = table_of(User)
_SESSIONS = table_of(UserSession)
_OWN_SESSION = _SESSIONS.c.user_id == _USERS.c.id
_IS_IN = exists().where(_OWN_SESSION, *IS_LIVE)
_FIRST_REPLY_LOST = timedelta(seconds=60)


@dataclass(frozen=True)
class _Account:
    id: UUID
    password_hash: str | None
    usable: bool
    device_is_known: bool


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
    keyring, account = keyring_of(session), await _find(session, login)
    if account is not None and account.device_is_known and login.device_id is not None:
        counters = [throttle.of_known_device(keyring, account.id, login.device_id)]
    else:
        counters = [
            throttle.of_account(keyring, login.username, known=account is not None),
            throttle.of_address(keyring, origin.host),
        ]
    if login.device_id is not None:
        counters.append(throttle.of_device(keyring, login.device_id))
    await throttle.claim(session, counters)
    return account, counters


async def _find(session: AsyncSession, login: Login) -> _Account | None:
    # One statement whoever it is: a second one about known users only would tell that they exist.
    known = exists().where(_OWN_SESSION, _SESSIONS.c.device_id == login.device_id).label("device_is_known")
    found = select(_USERS, _IS_IN.label("is_in"), known).where(func.lower(_USERS.c.username) == login.username.lower())
    row = (await (await session.connection()).execute(found)).first()
    if row is None:
        return None
    usable = row.disabled_at is None and not _is_spent(row, row.is_in)
    return _Account(row.id, row.password_hash, usable, row.device_is_known)


def _is_spent(user: Any, is_in: bool) -> bool:
    """Whether the password is a first secret that has expired, or was used and not just a moment ago.

    A reply may be lost on a bad link: while the session it opened has changed nothing, the secret opens another.
    """
    if not user.must_change_password or user.setup_expires_at is None:
        return False
    ago = datetime.now(UTC) - user.setup_expires_at
    return bool(ago > (_FIRST_REPLY_LOST if is_in else timedelta(0)))


async def _lock(session: AsyncSession, account: _Account) -> Any:
    """The user as they are now; somebody may have been disabled or reset while the password was compared."""
    same = (_USERS.c.id == account.id, _USERS.c.password_hash == account.password_hash, _USERS.c.disabled_at.is_(None))
    connection = await session.connection()
    user = (await connection.execute(select(_USERS).where(*same).with_for_update())).first()
    # Asked after the lock: what it waited for may have opened a session.
    is_in = select(_USERS.c.id).where(_USERS.c.id == account.id, _IS_IN)
    if user is None or _is_spent(user, (await connection.execute(is_in)).first() is not None):
        raise DomainError("credentials_refused")
    return user


async def _finish(session: AsyncSession, user: Any, settings: Settings, login: Login, origin: Origin) -> SignedIn:
    if user.otp_confirmed_at is not None:
        await otp.use(session, user, login)
    if user.must_change_password and user.setup_expires_at is not None:
        await _spend(session, user)
    device_name = login.device_name or device_name_of(origin.user_agent)
    return await open_session(session, user.id, lifetime_of(user.role, settings), device_name, login.device_id)


async def _spend(session: AsyncSession, user: Any) -> None:
    """A first secret has one session, and its time runs from the first use, however often the reply was lost."""
    spent = update(_USERS).where(_USERS.c.id == user.id)
    spent = spent.values(setup_expires_at=func.least(user.setup_expires_at, func.now()))
    await (await session.connection()).execute(spent)
    await end_all(session, user.id, "signed_in_again")
