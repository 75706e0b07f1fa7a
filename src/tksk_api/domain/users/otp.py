"""One-time codes (RFC 6238: SHA-1, 6 digits, 30 seconds) and the recovery codes for the day the phone is lost."""

import hmac
import secrets
import time
from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, insert, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.records import keyring_of
from tksk_api.domain.users.models import RecoveryCode, User
from tksk_api.domain.users.rules import CODE_LETTERS, plain_recovery_code
from tksk_api.domain.users.schemas import Code, OtpEnrolment, RecoveryCodes
from tksk_api.errors import DomainError

_ISSUER = "TKSK"
_SECONDS = 30
_STEPS = (0, -1, 1)  # a phone's clock may be half a minute off
_RECOVERY_CODES = 10
_GROUPS, _GROUP = 3, 4  # 60 random bits
_PURPOSE = "users.otp"
_USERS = table_of(User)
_CODES = table_of(RecoveryCode)


async def begin(session: AsyncSession, user_id: UUID, username: str) -> OtpEnrolment:
    """A new secret, which replaces the present one only when a code of it was confirmed."""
    secret = pyotp.random_base32()
    sealed = keyring_of(session).encrypt(_PURPOSE, str(user_id), secret.encode())
    await _change(session, user_id, otp_pending_cipher=sealed)
    uri = pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=_ISSUER)
    return OtpEnrolment(secret=secret, otpauth_uri=uri)


async def confirm(session: AsyncSession, user: Any, otp: str) -> RecoveryCodes:
    """Put the pending secret in force and give its recovery codes; `user` is the locked row.

    Raises otp_not_set_up or otp_already_confirmed when none is pending, otp_refused.
    """
    if user.otp_pending_cipher is None:
        raise DomainError("otp_not_set_up" if user.otp_confirmed_at is None else "otp_already_confirmed")
    step = _matching_step(session, user.id, user.otp_pending_cipher, otp)
    if step is None:
        raise DomainError("otp_refused")
    await _change(
        session,
        user.id,
        otp_cipher=user.otp_pending_cipher,
        otp_pending_cipher=None,
        otp_confirmed_at=func.now(),
        otp_last_step=step,
    )
    return await renew_recovery_codes(session, user.id)


async def renew_recovery_codes(session: AsyncSession, user_id: UUID) -> RecoveryCodes:
    """Ten new codes; the ones before are worth nothing any more. Only keyed digests are kept."""
    codes = ["-".join(_letters(_GROUP) for _ in range(_GROUPS)) for _ in range(_RECOVERY_CODES)]
    connection = await session.connection()
    await connection.execute(delete(_CODES).where(_CODES.c.user_id == user_id))
    rows = [{"user_id": user_id, "digest": _digest(session, user_id, code)} for code in codes]
    await connection.execute(insert(_CODES), rows)
    return RecoveryCodes(recovery_codes=codes)


async def remove(session: AsyncSession, user_id: UUID, **also: Any) -> None:
    """No more one-time codes: secrets and recovery codes are gone. `also` are changes of the user that go with it."""
    gone = dict.fromkeys(("otp_cipher", "otp_pending_cipher", "otp_confirmed_at", "otp_last_step"))
    await _change(session, user_id, **gone, **also)
    await (await session.connection()).execute(delete(_CODES).where(_CODES.c.user_id == user_id))


async def use(session: AsyncSession, user: Any, code: Code) -> None:
    """Use up a code of a user who has set them up. Raises otp_refused; a code is good for one use (ASVS 5 V6.5.1)."""
    if code.otp is not None:
        used = await _use_step(session, user, code.otp)
    else:
        used = code.recovery_code is not None and await _use_recovery_code(session, user.id, code.recovery_code)
    if not used:
        raise DomainError("otp_refused")


async def _use_step(session: AsyncSession, user: Any, otp: str) -> bool:
    step = _matching_step(session, user.id, user.otp_cipher, otp) if user.otp_cipher else None
    if step is None:
        return False
    # Guarded: of two requests with the same code, whichever row lock they hold, one finds the step used.
    later = or_(_USERS.c.otp_last_step.is_(None), _USERS.c.otp_last_step < step)
    taken = update(_USERS).where(_USERS.c.id == user.id, later).values(otp_last_step=step)
    return bool((await (await session.connection()).execute(taken)).rowcount)


def _matching_step(session: AsyncSession, user_id: UUID, sealed: bytes, otp: str) -> int | None:
    secret = keyring_of(session).decrypt(_PURPOSE, str(user_id), bytes(sealed)).decode()
    now = int(time.time()) // _SECONDS
    matching = [now + s for s in _STEPS if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(now + s), otp)]
    return matching[0] if matching else None


async def _use_recovery_code(session: AsyncSession, user_id: UUID, code: str) -> bool:
    unused = (
        _CODES.c.user_id == user_id,
        _CODES.c.digest == _digest(session, user_id, code),
        _CODES.c.used_at.is_(None),
    )
    taken = update(_CODES).where(*unused).values(used_at=func.now())
    return bool((await (await session.connection()).execute(taken)).rowcount)


async def _change(session: AsyncSession, user_id: UUID, **values: Any) -> None:
    await (await session.connection()).execute(update(_USERS).where(_USERS.c.id == user_id).values(**values))


def _digest(session: AsyncSession, user_id: UUID, code: str) -> bytes:
    return keyring_of(session).mac("recovery_codes", f"{user_id}|{plain_recovery_code(code)}".encode())


def _letters(length: int) -> str:
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(length))
