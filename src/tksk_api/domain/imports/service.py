"""Use cases of imports: taking a file in, and what its owner decides about it. The work itself is in `work.py`."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of, refuse_outside, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.attachments.quota import refuse_over_quota, take_space
from tksk_api.domain.attachments.vault import Sealed, Vault, new_name
from tksk_api.domain.history.access import record_access
from tksk_api.domain.imports.contract import Fault, Kind, Row
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.models import Import, ImportMapping
from tksk_api.domain.imports.reading.reader import Head, rows
from tksk_api.domain.imports.reads import IMPORT_MAPPINGS, IMPORTS, ROWS, TABLE
from tksk_api.domain.imports.schemas import ImportAgain, ImportOptions, ImportUpload, MappingWrite
from tksk_api.domain.imports.telling import shown_name, untouched
from tksk_api.domain.imports.workflow import WORKFLOW
from tksk_api.domain.jobs.in_name import asked_by
from tksk_api.domain.jobs.service import enqueue
from tksk_api.domain.records import holds, keyring_of, load, office_of, save
from tksk_api.domain.users.sessions import require_fresh_proof
from tksk_api.errors import DomainError, invalid
from tksk_api.security.crypto import Keyring
from tksk_api.security.frames import KEY_BYTES, subkey

KIND = "import"
_KEY = "imports.key"
ROW_KEY, _DIGEST_BYTES = "imports.row", 16
_OF_PEOPLE = "beneficiaries"
_FORGET_ROWS_OF = text("SELECT app.forget_rows_of(CAST(:imports AS uuid[]), CAST(:keys AS bytea[]))")
_AFTER_ALL_ROWS = 2**31 - 1
# Two who keep a new name at once: the later replaces what the earlier kept.
_IN_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('import_mappings|' || :name, 0))")


@dataclass(frozen=True)
class ReceivedTable:
    """A file to import, with what was said of it. `is_counted` where its space was taken before it came."""

    body: ImportUpload
    file: BinaryIO
    name: str
    size: int
    is_counted: bool = False


def kind_of(name: str) -> Kind:
    """Raises invalid_request (not_allowed) at /kind."""
    if name not in KINDS:
        raise invalid("/kind", "not_allowed", expected=", ".join(sorted(KINDS)))
    return KINDS[name]


async def start(session: AsyncSession, vault: Vault, received: ReceivedTable, quota: int, proof_seconds: int) -> Stored:
    """Keep the file and begin: it is read, judged, and with mode=commit written, by a job in the caller's name.

    Raises invalid_request (not_allowed, unknown_reference), permission_denied, step_up_required,
    attachment_quota_exceeded, unavailable.
    """
    body, region = received.body, office_of(session)
    kind = _kind_for(session, body.kind, body.on_match)
    await _require_proof(session, kind, proof_seconds)
    kept = await _mapping_named(session, body.mapping, kind)
    if not received.is_counted:
        await refuse_over_quota(session, region, received.size, quota)
    file_key, key = secrets.token_bytes(KEY_BYTES), new_id()
    row = Import(
        id=key,
        version=1,
        region_code=region,
        created_by=principal_of(session).user_id,
        kind=kind.name,
        mode=body.mode,
        atomic=body.atomic,
        on_match=body.on_match,
        status=WORKFLOW.initial,
        file_name=shown_name(received.name),
        file_bytes=received.size,
        file_sha256=bytes.fromhex(body.file_sha256),
        object_name=new_name(),
        key_cipher=keyring_of(session).encrypt(_KEY, str(key), file_key),
        mapping=kept.mapping if kept else None,
        options=_said(kept.options if kept else {}, body),
        counts=untouched(0),
    )
    refuse_outside(scope_of(session), row)
    row.same_as = await _same(session, row)
    sealed = sealed_file(row, file_key)
    try:
        await vault.put(sealed, received.file)
        if not received.is_counted:
            await take_space(session, region, received.size, quota)
        await _employ(session, row)
        return await IMPORTS.insert(session, row)
    except BaseException:
        with suppress(DomainError):
            await vault.delete([sealed.name])
        raise


async def again(session: AsyncSession, key: UUID, version: int, body: ImportAgain, proof_seconds: int) -> Stored:
    """Read and judge the same file once more, understood as `body` says. What it does not name stays as it was said.

    Raises transition_refused, also once rows were written; invalid_request, permission_denied, step_up_required,
    not_found, stale_version.
    """
    row = await load(session, Import, key, version, lock=True)
    file_key_of(session, row)
    _refuse_written(row, "validate")
    kind = _kind_for(session, row.kind, body.on_match or row.on_match)
    await _require_proof(session, kind, proof_seconds)
    kept = await _mapping_named(session, body.mapping, kind)
    WORKFLOW.take(session, row, "validate")
    if kept is not None:
        row.mapping = kept.mapping
    if body.columns is not None:
        row.mapping = {**(row.mapping or {}), **body.columns}
    row.options = _said({**row.options, **(kept.options if kept else {})}, body)
    row.mode, row.atomic, row.on_match = body.mode, body.atomic or row.atomic, body.on_match or row.on_match
    row.rows, row.counts, row.reached, row.place = 0, untouched(0), 0, {}
    row.head, row.reading, row.is_written = None, None, False
    await _begin(session, row)
    return await save(session, IMPORTS, row)


async def commit(session: AsyncSession, key: UUID, version: int, proof_seconds: int) -> Stored:
    """Write what was judged, by the rules and rights of the moment; after a failure in the middle, the rest.

    Raises transition_refused, rows_rejected (all or nothing, and not all can be), permission_denied, step_up_required,
    not_found, stale_version.
    """
    row = await load(session, Import, key, version, lock=True)
    file_key_of(session, row)
    if row.status == "failed" and (not row.is_written or _is_being_undone(row)):
        allowed = ["undo" if row.is_written else "validate"]
        raise DomainError("transition_refused", state=row.status, allowed_actions=allowed)
    await _require_proof(session, _kind_for(session, row.kind, row.on_match), proof_seconds)
    WORKFLOW.check("commit", row.status)
    if row.atomic == "all" and row.counts["rejected"]:
        raise DomainError("rows_rejected", rejected=row.counts["rejected"])
    WORKFLOW.take(session, row, "commit")
    if not row.is_written:
        row.counts, row.reached, row.place = untouched(row.rows), 0, {}
        row.is_written = row.atomic == "row"
    await _begin(session, row)
    return await save(session, IMPORTS, row)


async def cancel(session: AsyncSession, key: UUID, version: int) -> Stored:
    """Nothing more is done of it. Rows that were written stay, until they are taken back.

    Raises transition_refused, not_found, stale_version.
    """
    row = await load(session, Import, key, version, lock=True)
    WORKFLOW.take(session, row, "cancel")
    if row.status == "cancelled":
        row.finished_at = datetime.now(UTC)
    else:
        row.cancel_requested_at = row.cancel_requested_at or datetime.now(UTC)
    return await save(session, IMPORTS, row)


async def undo(session: AsyncSession, key: UUID, version: int) -> Stored:
    """Take back what the import made and put back what it replaced, as far as nothing was built on it since.

    Raises transition_refused, also when nothing was written; permission_denied, not_found, stale_version.
    """
    row = await load(session, Import, key, version, lock=True)
    WORKFLOW.check("undo", row.status)
    if row.purged_at is not None:  # with its rows, the time to take it back is over
        raise DomainError("not_found")
    if not row.is_written:
        raise DomainError("transition_refused", state=row.status, allowed_actions=[])
    _kind_for(session, row.kind, row.on_match)
    WORKFLOW.take(session, row, "undo")
    row.kept, row.place = 0, {"before": _AFTER_ALL_ROWS}
    await _begin(session, row)
    return await save(session, IMPORTS, row)


async def keep_mapping(session: AsyncSession, name: str, body: MappingWrite) -> Stored:
    """Keep a mapping for the caller's office under this name, instead of the one it had.

    Raises invalid_request (not_allowed, unknown_column).
    """
    kind, region = kind_of(body.kind), office_of(session)
    names = {column.name for column in kind.columns}
    unknown = sorted({column for column in body.columns.values() if column is not None} - names)
    if unknown:
        raise invalid("/columns", "not_allowed", expected=", ".join(sorted(names)))
    facts: dict[str, Any] = {"kind": kind.name, "mapping": dict(body.columns), "options": _said({}, body)}
    await session.execute(_IN_TURN, {"name": f"{region}|{name}"})
    row = await _mapping(session, name, region)
    if row is None:
        made = ImportMapping(
            id=new_id(), version=1, name=name, region_code=region, created_by=principal_of(session).user_id, **facts
        )
        return await IMPORT_MAPPINGS.insert(session, made)
    for member, value in facts.items():
        setattr(row, member, value)
    return await save(session, IMPORT_MAPPINGS, row)


async def mapping(session: AsyncSession, name: str) -> Stored:
    """The mapping that the caller's office keeps under this name. Raises not_found."""
    row = await _mapping(session, name, office_of(session))
    if row is None:
        raise DomainError("not_found")
    return await IMPORT_MAPPINGS.stored(session, row.id)


async def forget_mapping(session: AsyncSession, name: str, version: int) -> None:
    """Raises not_found, stale_version."""
    row = await _mapping(session, name, office_of(session))
    if row is None:
        raise DomainError("not_found")
    if row.version != version:
        raise DomainError("stale_version", current_version=row.version)
    await session.delete(row)
    await session.flush()


async def opened(session: AsyncSession, key: UUID) -> Import:
    """The caller's own import, whose file was read and is still there, for its rows to be given out; recorded.

    Raises not_found, transition_refused for one that could not be read, or not yet.
    """
    row = await load(session, Import, key)
    file_key_of(session, row)
    if row.head is None:
        raise DomainError("transition_refused", state=row.status, allowed_actions=WORKFLOW.actions_from(row.status))
    await record_access(session, [], purpose="service", fields=["rejected_rows"], object_id=row.id)
    return row


async def still_there(session: AsyncSession, key: UUID) -> bool:
    """Whether the import is the caller's yet; asked in between, so that the connection is not taken for a forgotten
    one."""
    found = await (await session.connection()).execute(select(TABLE.c.id).where(TABLE.c.id == key))
    return found.scalar() is not None


async def rejected(session: AsyncSession, vault: Vault, row: Import) -> AsyncIterator[list[tuple[Row, list[Fault]]]]:
    """The rows that were rejected, as they came in, with what is wrong with each; a part of the file at a time."""
    file_key, head = file_key_of(session, row), Head.from_json((row.head or {})["file"])
    left = row.counts["rejected"]
    for number in range(head.parts):
        if not left:
            return
        content = b"".join([chunk async for chunk in vault.read(sealed_part(row, file_key, row.reading or "", number))])
        came = await asyncio.to_thread(rows, content)
        found = select(ROWS.c.row_no, ROWS.c.faults).where(
            ROWS.c.import_id == row.id,
            ROWS.c.fate == "rejected",
            ROWS.c.row_no.between(came[0].number, min(came[-1].number, row.reached)),
        )
        faults = {one.row_no: one.faults for one in await (await session.connection()).execute(found)}
        left -= len(faults)
        yield [(one, [Fault(**fault) for fault in faults[one.number]]) for one in came if one.number in faults]


def file_key_of(session: AsyncSession, row: Import) -> bytes:
    """The key of the file and its parts. Raises not_found once they were deleted."""
    if row.key_cipher is None:
        raise DomainError("not_found")
    return keyring_of(session).decrypt(_KEY, str(row.id), bytes(row.key_cipher))


def row_digest(keyring: Keyring, purpose: str, key: UUID, value: str) -> bytes:
    """By which rows of one import are compared; of another one the same value has another."""
    return keyring.mac(purpose, f"{key}|{value}".encode(), _DIGEST_BYTES)


async def forget_rows_of(session: AsyncSession, nik: str) -> None:
    """As part of an erasure: whatever file has a row with this NIK cannot be read any more, also where the row was
    rejected or only judged, so that no record tells whose it was."""
    connection, keyring = await session.connection(), keyring_of(session)
    imports = (await connection.execute(select(func.app.kept_imports(_OF_PEOPLE)))).scalars().all()
    digests = await asyncio.to_thread(lambda: [row_digest(keyring, ROW_KEY, key, nik) for key in imports])
    await connection.execute(_FORGET_ROWS_OF, {"imports": imports, "keys": digests})


def sealed_file(row: Import, file_key: bytes) -> Sealed:
    """Where the file lies and how it is opened."""
    return Sealed(row.object_name, subkey(file_key, "file"), str(row.id), bytes(row.file_sha256))


def sealed_part(row: Import, file_key: bytes, reading: str, number: int) -> Sealed:
    """Where a part of the rows lies; each reading has keys and names of its own, since no key seals twice."""
    name = f"{reading}-{number}"
    return Sealed(f"{row.object_name}-{name}", subkey(file_key, name), f"{row.id}|{name}")


def _kind_for(session: AsyncSession, name: str, on_match: str) -> Kind:
    """The kind, which the caller must be able to write one by one, too."""
    kind = kind_of(name)
    if not holds(session, kind.permission):
        raise DomainError("permission_denied", permission=kind.permission)
    if on_match not in kind.on_match:
        raise invalid("/on_match", "not_allowed", expected=", ".join(kind.on_match))
    return kind


async def _require_proof(session: AsyncSession, kind: Kind, seconds: int) -> None:
    """As one record of the kind would; the job then has as long as it takes. Raises step_up_required."""
    if kind.fresh_proof:
        await require_fresh_proof(session, seconds)


def _refuse_written(row: Import, action: str) -> None:
    WORKFLOW.check(action, row.status)
    if row.is_written and row.reached:
        allowed = ["undo"] if _is_being_undone(row) else ["commit", "undo"]
        raise DomainError("transition_refused", state=row.status, allowed_actions=allowed)


def _is_being_undone(row: Import) -> bool:
    """An undo was begun, and may have broken off: its place is no place of the file any more."""
    return "before" in row.place


def _said(before: Mapping[str, Any], body: ImportOptions) -> dict[str, Any]:
    """The options after what this request says of the file."""
    given = {name: getattr(body, name) for name in ImportOptions.model_fields}
    said = {name: value for name, value in given.items() if value is not None}
    return {**dict.fromkeys(ImportOptions.model_fields), **before, **said}


async def _begin(session: AsyncSession, row: Import) -> None:
    row.error, row.error_facts, row.finished_at, row.cancel_requested_at = None, {}, None, None
    row.started_at = datetime.now(UTC)
    await _employ(session, row)


async def _employ(session: AsyncSession, row: Import) -> None:
    """A job that works in the name of the caller's session, as long as it lasts, and with no more than their token."""
    stored = await enqueue(session, KIND, row.region_code or "", {"import": str(row.id), **asked_by(session)})
    row.job_id = UUID(str(stored.id))


async def _same(session: AsyncSession, row: Import) -> UUID | None:
    same = select(func.app.same_import(row.file_sha256, row.kind, row.region_code))
    found: UUID | None = (await (await session.connection()).execute(same)).scalar()
    return found


async def _mapping(session: AsyncSession, name: str, region: str) -> ImportMapping | None:
    found = select(ImportMapping).where(ImportMapping.name == name, ImportMapping.region_code == region)  # type: ignore[arg-type]
    return (await session.execute(found.with_for_update())).scalars().first()


async def _mapping_named(session: AsyncSession, name: str | None, kind: Kind) -> ImportMapping | None:
    """The office's mapping for this kind. Raises invalid_request (unknown_reference) at /mapping."""
    if name is None:
        return None
    row = await _mapping(session, name, office_of(session))
    if row is None or row.kind != kind.name:
        raise invalid("/mapping", "unknown_reference")
    return row
