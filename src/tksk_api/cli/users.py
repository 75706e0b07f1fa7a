"""`tksk users`: the first administrator, and shutting somebody out or letting them in again without a client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter_system, session_factory
from tksk_api.database.tables import new_id
from tksk_api.domain.users import otp
from tksk_api.domain.users.models import User
from tksk_api.domain.users.schemas import UserCreate
from tksk_api.domain.users.service import check_place
from tksk_api.domain.users.sessions import end_all
from tksk_api.domain.users.throttle import clear_account
from tksk_api.errors import DomainError, field_detail
from tksk_api.security.crypto import load_key_file
from tksk_api.security.passwords import Passwords, setup_secret
from tksk_api.security.permissions import Role
from tksk_api.settings import Settings

_NOT_MIGRATED = ("3F000", "42P01", "42703", "42883")  # a schema, table, column or function that is not there


@asynccontextmanager
async def _entered(settings: Settings, operation: str) -> AsyncIterator[AsyncSession]:
    engine = create_engine(settings)
    try:
        async with enter_system(session_factory(engine), operation) as session:
            yield session
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _NOT_MIGRATED:
            raise
        stop("The database is not set up for this version. Run `tksk migrate` first.")
    finally:
        await engine.dispose()


async def _hashed(secret: str) -> str:
    passwords = Passwords(1, 1)
    try:
        return await passwords.hash(secret)
    finally:
        passwords.close()


def _expiry(settings: Settings) -> datetime:
    return datetime.now(UTC) + timedelta(hours=settings.setup_secret_hours)


async def _find(session: AsyncSession, username: str) -> User | None:
    found = select(User).where(func.lower(User.username) == username.lower()).with_for_update()
    return (await session.execute(found)).scalars().first()


async def _create(body: UserCreate) -> str | None:
    settings, secret = load_settings(), setup_secret()
    hashed = await _hashed(secret)
    async with _entered(settings, "tksk users create") as session:
        if await _find(session, body.username) is not None:
            return None
        await check_place(session, body.role, body.region_code, None)
        user = User(
            id=new_id(),
            **body.model_dump(include={"username", "full_name", "role", "region_code"}, mode="json"),
            password_hash=hashed,
            must_change_password=True,
            setup_expires_at=_expiry(settings),
        )
        session.add(user)
    return secret


async def _reset(username: str) -> tuple[str, bool] | None:
    """The secret, and whether the user is disabled."""
    settings, secret = load_settings(), setup_secret()
    hashed = await _hashed(secret)
    async with _entered(settings, "tksk users reset") as session:
        session.info["keyring"] = load_key_file(settings.key_file)
        user = await _find(session, username)
        if user is None:
            return None
        # One statement for all of it: the version moves once, and with it the history.
        change = {"password_hash": hashed, "must_change_password": True, "setup_expires_at": _expiry(settings)}
        await otp.remove(session, user.id, **change)
        await end_all(session, user.id, "password_reset")
        await clear_account(session, user.id, user.username)
        return secret, user.disabled_at is not None


async def _disable(username: str) -> bool:
    async with _entered(load_settings(), "tksk users disable") as session:
        user = await _find(session, username)
        if user is None:
            return False
        user.disabled_at = datetime.now(UTC)
        await end_all(session, user.id, "user_disabled")
    return True


async def _enable(username: str) -> bool:
    async with _entered(load_settings(), "tksk users enable") as session:
        user = await _find(session, username)
        if user is None:
            return False
        user.disabled_at = None
    return True


def _checked(username: str, full_name: str, role: Role, region: str | None) -> UserCreate:
    try:
        return UserCreate(username=username, full_name=full_name, role=role, region_code=region)
    except ValidationError as error:
        stop("; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_url=False)), 2)


def create(
    username: str,
    full_name: Annotated[str, typer.Option(prompt=True)],
    role: Annotated[Role, typer.Option()] = Role.ADMIN,
    region: Annotated[str | None, typer.Option(help="Region code the role works in")] = None,
) -> None:
    """Create a user and print a one-time secret for the first sign-in."""
    if role is Role.AGENCY:
        stop("Agency users are created over the API, where their agency is checked.", 2)
    try:
        secret = asyncio.run(_create(_checked(username, full_name, role, region)))
    except DomainError as refusal:
        stop("; ".join(f"--region: {field_detail(e.code, 'en', e.facts)}" for e in refusal.errors), 2)
    if secret is None:
        stop(f"The user name {username} is taken.")
    console.print(f"{username} may sign in once with [bold]{secret}[/] and must then choose a password.")


def reset(username: str) -> None:
    """Print a new one-time secret, remove one-time codes and forget failed attempts: for the last administrator."""
    found = asyncio.run(_reset(username))
    if found is None:
        stop(f"There is no user {username}.")
    secret, is_disabled = found
    console.print(f"{username} may sign in once with [bold]{secret}[/] and must then choose a password.")
    if is_disabled:
        console.print(f"But {username} is disabled: run `tksk users enable {username}` first.")


def disable(username: str) -> None:
    """Disable a user and end all their sessions at once."""
    if not asyncio.run(_disable(username)):
        stop(f"There is no user {username}.")
    console.print(f"{username} is disabled; all sessions have ended.")


def enable(username: str) -> None:
    """Let a disabled user sign in again."""
    if not asyncio.run(_enable(username)):
        stop(f"There is no user {username}.")
    console.print(f"{username} may sign in again.")
