"""The job of an export: gather the list page by page, make the file of the pages, remove them.

A page is a compiled read of the same `Resource` as the list, in the session of whoever asked: both walls, masking and
the access row that names everybody on the page are those of the list, at that moment. Where a page ends is noted in the
same transaction as the part that holds it; a server that dies leaves the page undone, and another reads it again. The
file exists only once it is whole, so nothing half is ever offered.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.admission import Admission
from tksk_api.database.reads import PageRequest, Reader, ReadPool
from tksk_api.database.session import acting_for
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.exports.columns import PLAIN, Column, columns_of
from tksk_api.domain.exports.kinds import KINDS, Kind
from tksk_api.domain.exports.models import Export
from tksk_api.domain.exports.numbers import NUMBERS, shown
from tksk_api.domain.exports.pseudonyms import columns_for, pseudonym_for, pseudonymised
from tksk_api.domain.exports.reads import PARTS, TABLE
from tksk_api.domain.exports.service import (
    WORKING,
    file_key_of,
    found,
    packed,
    sealed_object,
    unpacked,
)
from tksk_api.domain.history.access import record_access
from tksk_api.domain.jobs.in_name import admission_of
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.worker import RESTS, Progress
from tksk_api.domain.limits.service import over_quota, take_many, uses_left
from tksk_api.domain.records import keyring_of
from tksk_api.domain.refusals import database_error
from tksk_api.domain.threads import in_threads
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission
from tksk_api.telemetry import log

PAGE = 1000
OPERATION = "export"
PROOF_SECONDS = 4 * 3600  # how old the proof of identity may become while full numbers are gathered
_QUOTA, _DAY_SECONDS = "export_numbers", 24 * 3600

Write = Callable[[Sequence[Mapping[str, Any]]], None]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class House:
    """What the work needs of the application it runs in. `file` writes rows into a file of a format."""

    vault: Vault
    reads: ReadPool
    file: Callable[[BinaryIO, str, Sequence[Column]], AbstractContextManager[Write]]
    otp_required: bool
    hours: int
    numbers_per_day: int


@dataclass(frozen=True)
class _Work:
    """One step: the export as it stood when it began, and in whose name."""

    session: AsyncSession
    house: House
    job: Job
    row: Export

    @property
    def kind(self) -> Kind:
        return KINDS[self.row.kind]

    async def note(self, **values: Any) -> bool:
        """Write on the export, unless it was removed meanwhile; whether it was not."""
        mine = update(TABLE).where(TABLE.c.id == self.row.id, TABLE.c.status.in_(WORKING)).values(**values)
        return bool((await (await self.session.connection()).execute(mine)).rowcount)

    async def end(self, status: str, **values: Any) -> bool:
        """What its owner has been waiting for: another version."""
        ended = {"status": status, "finished_at": func.clock_timestamp(), "version": TABLE.c.version + 1}
        return await self.note(**ended, **values)

    async def is_removed(self) -> bool:
        """Whether its owner ended it meanwhile; a look now and then also keeps the connection from being forgotten."""
        status = select(TABLE.c.status).where(TABLE.c.id == self.row.id)
        return (await (await self.session.connection()).execute(status)).scalar() not in WORKING

    async def parts(self) -> list[Any]:
        listed = select(PARTS).where(PARTS.c.export_id == self.row.id).order_by(PARTS.c.number)
        return list(await (await self.session.connection()).execute(listed))

    def admission(self, permission: Permission, step_up_seconds: int | None = None) -> Admission:
        """What the list asks of somebody who reads it themselves."""
        otp_required = self.house.otp_required
        return admission_of(self.job, permission, OPERATION, otp_required=otp_required, step_up_seconds=step_up_seconds)


async def step(session: AsyncSession, job: Job, house: House) -> Progress:
    """The next page, the file, or the tidying up. It fails, saying why, when whoever asked may not have it any more."""
    row = await found(session, UUID(job.parameters["export"]))
    work, waits = _Work(session, house, job, row), int(job.checkpoint.get("waits", 0))
    try:
        async with session.begin_nested():
            if row.status not in WORKING:
                return await _tidied(work)
            done = await (_made(work) if row.is_gathered else _gathered(work))
    except Exception as error:
        known = error if isinstance(error, DomainError) else database_error(error)
        if known is None or (await session.connection()).invalidated:
            raise
        if known.code != "unavailable" or waits >= len(RESTS):
            return await _failed(work, known.code)
        return Progress({"waits": waits + 1}, job.done, job.total, rest_seconds=RESTS[waits])
    return Progress({}, done, None)


async def _failed(work: _Work, code: str) -> Progress:
    log.warning("export_failed", job=str(work.job.id), kind=code)
    await work.end("failed", error=code, key_cipher=None, reason=None)
    return Progress({}, work.job.done, work.job.total, {"export": str(work.row.id)}, code)


async def _tidied(work: _Work) -> Progress:
    """The pages are not needed any more, whether the file was made of them or not."""
    names = [f"{work.row.object_name}-{part.name}" for part in await work.parts()]
    await work.house.vault.delete(names)
    await (await work.session.connection()).execute(delete(PARTS).where(PARTS.c.export_id == work.row.id))
    return Progress({}, work.row.rows, work.row.rows, {"export": str(work.row.id)})


# ---- gathering -------------------------------------------------------------------------------------------------------


async def _gathered(work: _Work) -> int:
    """The next page into the vault; rows so far."""
    row = work.row
    reader = Reader(work.house.reads, work.admission(work.kind.permission or Permission.EXPORT_RUN))
    after = None if row.place is None else tuple(unpacked(value) for value in row.place)
    filters = {name: unpacked(value) for name, value in row.asked.items()}
    page = await reader.page(work.kind.list_of(filters), PageRequest(PAGE, row.sort, filters, after))
    rows: Rows = await asyncio.to_thread(json.loads, b"[" + page.items + b"]")
    if row.full_numbers:
        rows = await _with_numbers(work, rows)
    if row.recipient is not None:
        called = pseudonym_for(keyring_of(work.session), row.recipient)
        rows = [pseudonymised(one, work.kind.pseudonymous, called) for one in rows]
    if rows:
        await _keep(work, rows)
    place = None if page.last_key is None else [packed(value) for value in page.last_key]
    started = func.coalesce(TABLE.c.started_at, func.clock_timestamp())
    total = row.rows + len(rows)
    await work.note(status="running", rows=total, place=place, is_gathered=place is None, started_at=started)
    return total


async def _with_numbers(work: _Work, rows: Rows) -> Rows:
    """With the numbers in full of those whom the rows are about, which is recorded and counted.

    Raises permission_denied, step_up_required, too_many_requests, and what else `admit` raises.
    """
    session, row, per_day, numbers = work.session, work.row, work.house.numbers_per_day, work.kind.numbers
    assert numbers is not None
    about = list({key for one in rows for key in numbers.people(one)})
    async with acting_for(session, work.admission(Permission.BENEFICIARY_REVEAL, PROOF_SECONDS)):
        if len(about) > await uses_left(session, _QUOTA, per_day, _DAY_SECONDS):
            raise over_quota(_QUOTA, _DAY_SECONDS)
        people = await shown(session, about)
        await take_many(session, _QUOTA, len(people.ids), _DAY_SECONDS)
        await record_access(
            session, people.ids, purpose=row.purpose, reason=row.reason, fields=list(NUMBERS), object_id=row.id
        )
        return await numbers.put(people, rows)


async def _keep(work: _Work, rows: Rows) -> None:
    """A page, sealed under a name of its own: read again after a failure it may hold something else."""
    name, key = secrets.token_hex(8), file_key_of(work.session, work.row)
    content = BytesIO(await asyncio.to_thread(lambda: json.dumps(rows, separators=(",", ":")).encode()))
    await work.house.vault.put(sealed_object(work.row, key, name), content)
    number = work.row.rows // PAGE
    kept = insert(PARTS).values(export_id=work.row.id, number=number, name=name)
    await (await work.session.connection()).execute(kept)


# ---- making the file -------------------------------------------------------------------------------------------------


def _columns(row: Export, kind: Kind) -> Sequence[Column]:
    if row.recipient is not None:
        return columns_for(kind.pseudonymous)
    numbers = kind.numbers.columns if kind.numbers is not None and row.full_numbers else ()
    return [*numbers, *columns_of(kind.list_of(row.asked).schema, kind.shape)]


async def _made(work: _Work) -> int:
    """The file of the pages, whole in the vault before anybody is told of it."""
    row, house, session = work.row, work.house, work.session
    key, name = file_key_of(session, row), secrets.token_hex(8)
    shape = PLAIN if row.format == "jsonl" or row.recipient is not None else work.kind.shape
    count = 0

    def add(write: Write, content: bytes) -> int:
        lines = list(shape.lines(json.loads(content)))
        write(lines)
        return len(lines)

    with TemporaryFile() as plain:
        async with in_threads(house.file(plain, row.format, _columns(row, work.kind)), work.is_removed) as write:
            for part in await work.parts():
                sealed = sealed_object(row, key, part.name)
                content = b"".join([chunk async for chunk in house.vault.read(sealed)])
                count += await asyncio.to_thread(add, write, content)
                if await work.is_removed():
                    return row.rows
        size, digest = await asyncio.to_thread(_measured, plain)
        await house.vault.put(sealed_object(row, key, name), plain)
    over = func.clock_timestamp() + timedelta(hours=house.hours)
    values = {"file_name": name, "file_bytes": size, "file_sha256": digest, "expires_at": over, "reason": None}
    values |= {"rows": count}
    if not await work.end("done", **values):
        await house.vault.delete([f"{row.object_name}-{name}"])
    return row.rows


def _measured(file: BinaryIO) -> tuple[int, bytes]:
    file.flush()
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 18):
        digest.update(chunk)
    return file.tell(), digest.digest()
