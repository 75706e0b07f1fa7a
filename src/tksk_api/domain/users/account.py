"""The caller's own account: who they are, proving it again, their password and their one-time codes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import Opener, principal_of, scope_of
from tksk_api.database.tables import table_of
from tksk_api.domain.records import keyring_of
from tksk_api.domain.regions.service import find_region
from tksk_api.domain.users import otp, throttle
from tksk_api.domain.users.models import User
from tksk_api.domain.users.schemas import Code, Me, OtpEnrolment, OwnAssignment, PasswordChange, Proof, RecoveryCodes
from tksk_api.domain.users.service import own_account
from tksk_api.domain.users.sessions import end_all, mark_proven
from tksk_api.domain.users.throttle import Counter
from tksk_api.errors import DomainError, invalid
from tksk_api.security.passwords import LENGTH_ALONE, Passwords
from tksk_api.security.permissions import ROLE_PERMISSIONS, Permission, Role

_USERS = table_of(User)
# Above this package: assignments know users, users do not know them.
_OWN_ASSIGNMENTS = text(
    "SELECT a.region_code, r.name AS region_name, a.kind, a.ends_on AS until FROM assignments a "
    "LEFT JOIN regions r ON r.code = a.region_code "
    "WHERE a.user_id = :user AND a.during @> app.local_today(a.region_code) ORDER BY a.region_code, a.kind"
)
Refusal = Callable[[AsyncSession, Any], None]


@dataclass(frozen=True)
class Attempt:
    """An attempt of the caller to prove who they are: counted as failed, its password compared; then `accept` it.

    `hashed` is the new password, when the attempt is to change it.
    """

    password_hash: str | None
    code: Code | None
    counters: tuple[Counter, ...]
    hashed: str | None = None


async def me(session: AsyncSession) -> Me:
    """The caller's own account, with the area and the assignments of today."""
    user = await own_account(session)
    region = await find_region(session, user.region_code) if user.region_code else None
    is_enrolled, is_required = user.otp_confirmed_at is not None, _must_use_codes(session, user)
    permissions = ROLE_PERMISSIONS[Role(user.role)]
    if user.must_change_password or (is_required and not is_enrolled):
        permissions = frozenset({Permission.SIGNED_IN})
    assignments = await (await session.connection()).execute(_OWN_ASSIGNMENTS, {"user": user.id})
    derived: dict[str, Any] = {
        "region_name": region.name if region else None,
        "regions": list(scope_of(session).regions),
        "assignments": [OwnAssignment.model_validate(row) for row in assignments],
        "otp_enrolled": is_enrolled,
        "otp_required": is_required,
        "permissions": sorted(permissions),
    }
    return Me(**{name: getattr(user, name) for name in Me.model_fields if name not in derived}, **derived)


def _must_use_codes(session: AsyncSession, user: Any) -> bool:
    return user.role in session.info["admission"].otp_roles


async def attempt(
    look: Opener,
    passwords: Passwords,
    *,
    password: SecretStr | None = None,
    code: Code | None = None,
    refuse: Refusal | None = None,
) -> Attempt:
    """Count an attempt and compare the password, if one was sent; `refuse` may end it before it is counted.

    Raises invalid_request (missing, password_wrong), sign_in_delayed, unavailable.
    """
    if password is None:
        async with look() as session:
            return (await _claim(session, password, code, refuse))[1]
    with passwords.turn() as turn:
        async with look() as session:
            user, claimed = await _claim(session, password, code, refuse)
        if not await turn.verify(password.get_secret_value(), user.password_hash):
            raise invalid("/password", "password_wrong")
    return replace(claimed, password_hash=user.password_hash)


async def _claim(
    session: AsyncSession, password: SecretStr | None, code: Code | None, refuse: Refusal | None
) -> tuple[Any, Attempt]:
    user = await own_account(session)
    if refuse is not None:
        refuse(session, user)
    if code is not None and user.otp_confirmed_at is not None and not code.has_code:
        raise invalid("/otp", "missing")
    if code is not None and user.otp_confirmed_at is None and password is None:
        raise invalid("/password", "missing")
    counters = (throttle.of_session(keyring_of(session), principal_of(session).session_id),)
    await throttle.claim(session, counters)
    return user, Attempt(None, code, counters)


async def accept(session: AsyncSession, attempt: Attempt) -> Any:
    """The attempt was right: use up its code and count anew. Gives the caller's row, locked. Raises otp_refused.

    Whoever has codes gets here only with one (but for confirming new ones, which took one to begin), so nobody can
    clear their wrong codes with a password alone.
    """
    user = await own_account(session, lock=True)
    if attempt.password_hash is not None and attempt.password_hash != user.password_hash:
        raise invalid("/password", "password_wrong")  # it was changed since it was compared
    if attempt.code is not None and user.otp_confirmed_at is not None:
        await otp.use(session, user, attempt.code)
    await throttle.succeeded(session, attempt.counters)
    return user


async def step_up(session: AsyncSession, attempt: Attempt) -> None:
    """This session counts as freshly proven (RFC 9470)."""
    await accept(session, attempt)
    await mark_proven(session)


async def attempt_change(look: Opener, passwords: Passwords, change: PasswordChange) -> Attempt:
    """Check the new password, then the present one; who has codes sends one too, as everywhere.

    Raises invalid_request, sign_in_delayed, unavailable.
    """
    current, new = change.current_password.get_secret_value(), change.new_password.get_secret_value()
    with passwords.turn() as turn:
        async with look() as session:
            user = await own_account(session)
            names = [user.username, user.full_name, *await _places(session, user.region_code)]
        if new == current:
            raise invalid("/new_password", "password_unchanged")
        await turn.check_new(new, names, with_code=user.otp_confirmed_at is not None)
        async with look() as session:
            user, claimed = await _claim(session, change.current_password, change, None)
        if not await turn.verify(current, user.password_hash):
            raise invalid("/current_password", "password_wrong")
        return replace(claimed, password_hash=user.password_hash, hashed=await turn.hash(new))


async def _places(session: AsyncSession, code: str | None) -> list[str]:
    """The names of a region and of those above it."""
    parts = code.split(".") if code else []
    above = [await find_region(session, ".".join(parts[: depth + 1])) for depth in range(len(parts))]
    return [region.name for region in above if region is not None]


async def change_password(session: AsyncSession, attempt: Attempt) -> None:
    """Replace the caller's own password and end their other sessions."""
    user = await accept(session, attempt)
    changed = update(_USERS).where(_USERS.c.id == user.id)
    changed = changed.values(password_hash=attempt.hashed, must_change_password=False, setup_expires_at=None)
    await (await session.connection()).execute(changed)
    await end_all(session, user.id, "password_changed", keep=principal_of(session).session_id)


async def begin_otp(session: AsyncSession, attempt: Attempt) -> OtpEnrolment:
    """A new secret for an authenticator app; one already in use stays in force until a code of the new one came."""
    user = await accept(session, attempt)
    return await otp.begin(session, user.id, user.username)


async def confirm_otp(session: AsyncSession, attempt: Attempt, code: str) -> RecoveryCodes:
    """From now on signing in takes a code. Sessions that were opened without one end, but for this one."""
    user = await accept(session, attempt)
    codes = await otp.confirm(session, user, code)
    await end_all(session, user.id, "otp_enrolled", keep=principal_of(session).session_id)
    await mark_proven(session)
    return codes


async def attempt_removal(look: Opener, passwords: Passwords, proof: Proof) -> Attempt:
    """Raises otp_not_set_up, otp_mandatory, and invalid_request for a password too short to stand alone."""

    def refuse(session: AsyncSession, user: Any) -> None:
        refuse_not_set_up(session, user)
        if _must_use_codes(session, user):
            raise DomainError("otp_mandatory")
        if len(proof.password) < LENGTH_ALONE:
            raise invalid("/password", "password_too_short_alone", min=LENGTH_ALONE)

    return await attempt(look, passwords, password=proof.password, code=proof, refuse=refuse)


def refuse_not_set_up(_session: AsyncSession, user: Any) -> None:
    if user.otp_confirmed_at is None:
        raise DomainError("otp_not_set_up")


async def remove_otp(session: AsyncSession, attempt: Attempt) -> None:
    """Sign in with the password alone again."""
    user = await accept(session, attempt)
    await otp.remove(session, user.id)
    await end_all(session, user.id, "otp_removed", keep=principal_of(session).session_id)


async def renew_recovery_codes(session: AsyncSession, attempt: Attempt) -> RecoveryCodes:
    """Ten new recovery codes; the old ones end."""
    user = await accept(session, attempt)
    return await otp.renew_recovery_codes(session, user.id)
