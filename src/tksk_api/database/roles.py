"""The two database roles: the owner migrates, the app role reads and writes rows and owns nothing."""

import asyncio
from urllib.parse import unquote, urlsplit

import asyncpg

APP_ROLE = "tksk_app"


class UnsafeRoleError(RuntimeError):
    """The app connects with a role that row policies do not bind."""


async def ensure_app_role(owner_url: str, app_url: str) -> None:
    """Create the app role (or renew its password) from the app's own address. Needs CREATEROLE.

    Raises ValueError when the address names another role: policies and grants are made for `tksk_app`.
    """
    parts = urlsplit(app_url)
    if unquote(parts.username or "") != APP_ROLE:
        raise ValueError(f"TKSK_DATABASE_URL must sign in as {APP_ROLE}")
    connection = await asyncpg.connect(owner_url)
    try:
        password = await connection.fetchval("SELECT quote_literal($1::text)", unquote(parts.password or ""))
        for attempts_left in (2, 1, 0):
            try:
                return await _give_password(connection, password)
            except (asyncpg.InternalServerError, asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError):
                # Roles belong to the whole server: somebody prepares another database on it at this very moment.
                if not attempts_left:
                    raise
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def _give_password(connection: "asyncpg.Connection[asyncpg.Record]", literal: str) -> None:
    verb = "ALTER" if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", APP_ROLE) else "CREATE"
    await connection.execute(f"{verb} ROLE {APP_ROLE} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE PASSWORD {literal}")


async def refuse_unsafe_role(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Start-up check: neither superuser nor BYPASSRLS nor owner of a table. Raises UnsafeRoleError."""
    unsafe = await connection.fetchval(
        "SELECT rolsuper OR rolbypassrls OR EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p') AND relowner = r.oid) FROM pg_roles r WHERE rolname = current_user"
    )
    if unsafe:
        raise UnsafeRoleError(
            "TKSK_DATABASE_URL signs in as a superuser, a BYPASSRLS role or the owner of the tables; "
            f"row policies would not hold. Use the role {APP_ROLE} that `tksk migrate` creates."
        )
