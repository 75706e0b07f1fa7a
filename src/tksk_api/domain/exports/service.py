"""Use cases of exports: asking for a file, getting it, and ending it. The work itself is in `work.py`."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.attachments.service import OpenedFile
from tksk_api.domain.attachments.vault import Sealed, new_name
from tksk_api.domain.beneficiaries.service import take_full_numbers
from tksk_api.domain.exports.kinds import KINDS, Kind
from tksk_api.domain.exports.models import Export
from tksk_api.domain.exports.numbers import NUMBERS
from tksk_api.domain.exports.reads import EXPORTS, TABLE
from tksk_api.domain.exports.schemas import ExportCreate
from tksk_api.domain.history.access import record_access
from tksk_api.domain.jobs.in_name import asked_by
from tksk_api.domain.jobs.service import enqueue
from tksk_api.domain.limits.service import take_strictly
from tksk_api.domain.records import holds, keyring_of, load, office_of
from tksk_api.domain.references.lists import codes
from tksk_api.domain.users.sessions import require_fresh_proof
from tksk_api.errors import DomainError, invalid, not_found
from tksk_api.security.frames import KEY_BYTES, subkey
from tksk_api.security.permissions import Permission
from tksk_api.settings import Settings

KIND = "export"
DEFAULT_PURPOSE = "service"
WORKING = ("queued", "running")
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
_KEY = "exports.key"
_HOUR_SECONDS = 3600
_UNPACKED: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "bool": bool,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "UUID": UUID,
}


@dataclass(frozen=True)
class Asked:
    """A request with its filters as the kind's list takes them."""

    body: ExportCreate
    filters: Mapping[str, Any]


def kind_of(name: str) -> Kind:
    """Raises invalid_request (not_allowed) at /kind."""
    if name not in KINDS:
        raise invalid("/kind", "not_allowed", expected=", ".join(sorted(KINDS)))
    return KINDS[name]


async def start(session: AsyncSession, asked: Asked, settings: Settings) -> Stored:
    """Begin: a job reads the list in the caller's name and makes the file; recorded with its purpose.

    Raises permission_denied, step_up_required, too_many_requests, invalid_request.
    """
    body, kind = asked.body, kind_of(asked.body.kind)
    _refuse_unfit(body, kind, asked.filters)
    _refuse_unpermitted(session, kind)
    await take_strictly(session, "exports", settings.exports_per_hour, _HOUR_SECONDS)
    if body.full_numbers:
        await _refuse_numbers(session, settings)
    principal, key = principal_of(session), new_id()
    row = Export(
        id=key,
        version=1,
        region_code=office_of(session),
        created_by=principal.user_id,
        kind=body.kind,
        format=body.format,
        filter=dict(body.filter),
        asked={name: packed(value) for name, value in asked.filters.items()},
        sort=kind.list_of(asked.filters).default_sort,
        purpose=body.purpose,
        reason=body.reason,
        full_numbers=body.full_numbers,
        recipient=body.recipient,
        status="queued",
        regions=list(principal.scope.regions),
        object_name=new_name(),
        key_cipher=keyring_of(session).encrypt(_KEY, str(key), secrets.token_bytes(KEY_BYTES)),
    )
    await _recorded(session, row)
    row.job_id = await _employ(session, row)
    return await EXPORTS.insert(session, row)


async def open_file(session: AsyncSession, key: UUID, settings: Settings) -> OpenedFile:
    """The file to give out, by the caller's rights of this moment; recorded every time.

    One with full numbers needs a fresh proof of identity again, and counts as revealing one. Raises
    transition_refused until it is there and once it was removed, permission_denied, step_up_required,
    too_many_requests, not_found also for whoever sees less than when they asked.
    """
    row = await load(session, Export, key)
    if row.status != "done" or row.file_name is None or row.expires_at is None or row.expires_at <= datetime.now(UTC):
        state = "removed" if row.status == "done" else row.status
        raise DomainError("transition_refused", state=state, allowed_actions=[])
    _refuse_unpermitted(session, KINDS[row.kind])
    if not all(scope_of(session).contains(region) for region in row.regions):
        raise not_found()
    if row.full_numbers:
        await _refuse_numbers(session, settings)
    await _recorded(session, row)
    counted = update(TABLE).where(TABLE.c.id == row.id).values(downloads=TABLE.c.downloads + 1)
    await (await session.connection()).execute(counted)
    digest = bytes(row.file_sha256 or b"")
    name = f"{row.kind}-{row.created_at:%Y%m%d-%H%M}.{row.format}"
    sealed = sealed_object(row, file_key_of(session, row), row.file_name, digest)
    return OpenedFile(sealed, name, MEDIA_TYPES[row.format], row.file_bytes or 0, digest.hex())


async def remove(session: AsyncSession, key: UUID, version: int) -> None:
    """End it before its time: what was gathered, or the file, cannot be read from now on.

    Raises transition_refused once it was removed, not_found, stale_version.
    """
    row = await load(session, Export, key, version, lock=True)
    if row.status == "removed":
        raise DomainError("transition_refused", state=row.status, allowed_actions=[])
    row.status, row.key_cipher, row.reason = "removed", None, None
    row.finished_at = row.finished_at or datetime.now(UTC)
    await session.flush()


def file_key_of(session: AsyncSession, row: Export) -> bytes:
    """The key of its pages and its file. Raises not_found once it was removed."""
    if row.key_cipher is None:
        raise not_found()
    return keyring_of(session).decrypt(_KEY, str(row.id), bytes(row.key_cipher))


def sealed_object(row: Export, file_key: bytes, name: str, sha256: bytes | None = None) -> Sealed:
    """Where a page or the file lies and how it is opened; each name has a key of its own, since no key seals twice."""
    return Sealed(f"{row.object_name}-{name}", subkey(file_key, name), f"{row.id}|{name}", sha256)


def packed(value: Any) -> list[Any]:
    """A filter or a place in a list with its type, for JSON."""
    if isinstance(value, Enum):
        value = value.value
    name = type(value).__name__
    return [name, value if isinstance(value, bool | int | str) else _spelt(value)]


def unpacked(kept: list[Any]) -> Any:
    name, value = kept
    return _UNPACKED[name](value)


def _spelt(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _refuse_unfit(body: ExportCreate, kind: Kind, filters: Mapping[str, Any]) -> None:
    if body.purpose not in codes("reveal_purposes") and (body.full_numbers or body.purpose != DEFAULT_PURPOSE):
        raise invalid("/purpose", "unknown_code", list="reveal_purposes")
    # What a number was once is for `reveal`, person by person.
    has_numbers = kind.numbers is not None and body.recipient is None and kind.list_of(filters) is kind.resource
    if body.full_numbers and not has_numbers:
        raise invalid("/full_numbers", "not_allowed", expected="false")
    if body.full_numbers and body.reason is None:
        raise invalid("/reason", "missing")
    if body.recipient is not None and not kind.pseudonymous:
        raise invalid("/recipient", "not_allowed", expected="null")


def _refuse_unpermitted(session: AsyncSession, kind: Kind) -> None:
    if kind.permission is not None and not holds(session, kind.permission):
        raise DomainError("permission_denied", permission=kind.permission)


async def _refuse_numbers(session: AsyncSession, settings: Settings) -> None:
    """Full numbers leave as they are revealed: by the same right, proof and quota."""
    if not holds(session, Permission.BENEFICIARY_REVEAL):
        raise DomainError("permission_denied", permission=Permission.BENEFICIARY_REVEAL)
    await require_fresh_proof(session, settings.step_up_minutes * 60)
    await take_full_numbers(session, settings.reveals_per_hour)


async def _recorded(session: AsyncSession, row: Export) -> None:
    """Whoever stands in the file is named by the access rows of its pages."""
    fields = [row.kind, *(NUMBERS if row.full_numbers else ()), *(["pseudonyms"] if row.recipient else ())]
    await record_access(session, [], purpose=row.purpose, reason=row.reason, fields=fields, object_id=row.id)


async def _employ(session: AsyncSession, row: Export) -> UUID:
    """A job that reads in the name of the caller's session, as long as it lasts, and no more than their token."""
    stored = await enqueue(session, KIND, row.region_code or "", {"export": str(row.id), **asked_by(session)})
    return UUID(str(stored.id))


async def found(session: AsyncSession, key: UUID) -> Export:
    """The export as the system's work finds it, outside of what the session remembers."""
    row = (await session.execute(select(Export).where(TABLE.c.id == key))).scalars().one()
    session.expunge_all()
    return row
