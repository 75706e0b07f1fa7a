"""`tksk users`: the first administrator, and shutting somebody out without a client."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.database.engine import create_engine
from tksk_api.database.session import enter_system, session_factory
from tksk_api.database.tables import new_id
from tksk_api.domain.users.models import User
from tksk_api.domain.users.sign_in import revoke_all
from tksk_api.security.passwords import Passwords, setup_secret
from tksk_api.security.permissions import ROLE_REGION_LEVEL, Role


async def _find(session: AsyncSession, username: str) -> User | None:
    found = select(User).where(func.lower(User.username) == username.lower())
    return (await session.execute(found)).scalars().first()


async def _create(username: str, full_name: str, role: Role, region: str | None) -> str | None:
    settings = load_settings()
    engine, passwords, secret = create_engine(settings), Passwords(1, 1), setup_secret()
    try:
        async with enter_system(session_factory(engine), "tksk users create") as session:
            if await _find(session, username) is not None:
                return None
            user = User(
                id=new_id(),
                username=username.lower(),
                full_name=full_name,
                role=role,
                region_code=region,
                password_hash=await passwords.hash(secret),
                must_change_password=True,
                setup_expires_at=datetime.now(UTC) + timedelta(hours=settings.setup_secret_hours),
            )
            session.add(user)
    finally:
        passwords.close()
        await engine.dispose()
    return secret


async def _disable(username: str) -> bool:
    engine = create_engine(load_settings())
    try:
        async with enter_system(session_factory(engine), "tksk users disable") as session:
            user = await _find(session, username)
            if user is None:
                return False
            user.disabled_at = datetime.now(UTC)
            await revoke_all(session, user.id, "user_disabled")
    finally:
        await engine.dispose()
    return True


def create(
    username: str,
    full_name: Annotated[str, typer.Option(prompt=True)],
    role: Annotated[Role, typer.Option()] = Role.ADMIN,
    region: Annotated[str | None, typer.Option(help="Region code the role works in")] = None,
) -> None:
    """Create a user and print a one-time secret for the first sign-in."""
    if ROLE_REGION_LEVEL[role] is not None and region is None:
        stop(f"The role {role} needs --region of level {ROLE_REGION_LEVEL[role]}.", 2)
    if role is Role.AGENCY:
        stop("Agency users are created over the API, where their agency is checked.", 2)
    secret = asyncio.run(_create(username, full_name, role, region))
    if secret is None:
        stop(f"The user name {username} is taken.")
    console.print(f"{username} may sign in once with [bold]{secret}[/] and must then choose a password.")


def disable(username: str) -> None:
    """Disable a user and end all their sessions at once."""
    if not asyncio.run(_disable(username)):
        stop(f"There is no user {username}.")
    console.print(f"{username} is disabled; all sessions have ended.")
