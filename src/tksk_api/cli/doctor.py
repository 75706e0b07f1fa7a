"""`tksk doctor`: what is wrong with this installation, in words."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator

import asyncpg

from tksk_api.cli.attachments import swept
from tksk_api.cli.console import console, load_settings
from tksk_api.database.engine import create_engine
from tksk_api.database.health import HEAD, database_checks
from tksk_api.database.roles import UnsafeRoleError, refuse_unsafe_role
from tksk_api.database.session import enter_system, session_factory
from tksk_api.domain.office_certificates.service import ending
from tksk_api.errors import DomainError
from tksk_api.security.crypto import KeyFileError, load_key_file
from tksk_api.settings import Settings

_NAMED = 5  # certificates in one line


async def _findings(settings: Settings) -> list[tuple[str, str | None]]:
    """Each check with what is wrong about it, or None."""
    checks = [("key file", _key(settings)), *[item async for item in _database(settings)]]
    if all(finding is None for _, finding in checks):  # needs them all
        checks.append(("attachments", await _attachments(settings)))
        checks.append(("sealing", await _certificates(settings)))
    return [*checks, *_disk(settings), *_public(settings)]


def _key(settings: Settings) -> str | None:
    try:
        keyring = load_key_file(settings.key_file)
    except KeyFileError as error:
        return str(error)
    if not keyring.letters:
        return "no key signs the QR codes of letters; run `tksk keys letters rotate` once"
    return None


async def _database(settings: Settings) -> AsyncIterator[tuple[str, str | None]]:
    try:
        connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        yield "database", f"cannot connect ({type(error).__name__}); is the server running and TKSK_DATABASE_URL right?"
        return
    yield "database", None
    try:
        await refuse_unsafe_role(connection)
        yield "role", None
    except UnsafeRoleError as error:
        yield "role", str(error)
    try:
        regions = await connection.fetchval("SELECT count(*) FROM regions")
        yield "regions", None if regions else "none are loaded; run `tksk migrate`"
    except asyncpg.PostgresError:
        yield "regions", "the tables are missing; run `tksk migrate`"
    await connection.close()
    engine = create_engine(settings)
    checks = await database_checks(engine)
    await engine.dispose()
    yield "migrations", None if checks["migrations"] else f"not at {HEAD}; run `tksk migrate`"


async def _attachments(settings: Settings) -> str | None:
    try:
        missing = len((await swept(settings, dry_run=True)).missing)
    except DomainError:
        return "the vault cannot be reached; see TKSK_ATTACHMENT_FOLDER or TKSK_ATTACHMENT_URL"
    return f"{missing} files are missing; `tksk attachments sweep --dry-run` names them" if missing else None


async def _certificates(settings: Settings) -> str | None:
    """Whoever seals letters is told a month before: a certificate takes days to get. Letters signed otherwise go on."""
    engine = create_engine(settings)
    try:
        async with enter_system(session_factory(engine), "doctor") as session:
            found = await ending(session)
    finally:
        await engine.dispose()
    named = [f"of {region} ({subject}) ends {until:%Y-%m-%d}" for region, subject, until in found[:_NAMED]]
    if not named:
        return None
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return "; ".join(named) + more + ": upload its successor (POST /v1/office-certificates), then retire it"


def _disk(settings: Settings) -> Iterator[tuple[str, str | None]]:
    free = shutil.disk_usage(settings.key_file.parent if settings.key_file.parent.exists() else ".").free
    yield "disk", None if free > 2**28 else f"only {free // 2**20} MiB are free"


def _public(settings: Settings) -> Iterator[tuple[str, str | None]]:
    local = "127.0.0.1" in settings.public_url or "localhost" in settings.public_url
    yield "public_url", "QR codes would lead to this machine only; set TKSK_PUBLIC_URL" if local else None
    silent = settings.security_contact is None
    yield "security", "nobody to report a weakness to; set TKSK_SECURITY_CONTACT (security.txt)" if silent else None


def doctor() -> None:
    """Check settings, keys, database, role, migrations, regions and disk; exit 1 when something needs attention."""
    settings = load_settings()
    wrong = False
    for name, finding in asyncio.run(_findings(settings)):
        wrong = wrong or finding is not None
        console.print(f"  {'[green]ok [/]' if finding is None else '[red]no [/]'} {name:<11} {finding or ''}")
    raise SystemExit(1 if wrong else 0)
