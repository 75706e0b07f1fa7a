"""A file that comes in parts over a bad link: what has arrived stays, and its sender goes on from there.

In the manner of tus 1.0 and draft-ietf-httpbis-resumable-upload: `Upload-Offset` says where a part begins. A part
arrives whole or not at all; each is sealed as it comes, and all are put together, proven by the digest that was
announced, when the file is imported.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of, refuse_outside, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.attachments.quota import give_space, refuse_over_quota, take_space
from tksk_api.domain.attachments.vault import Sealed, Vault, new_name
from tksk_api.domain.imports.models import PartialUpload
from tksk_api.domain.imports.reads import IMPORT_UPLOADS, LEAST_BYTES, UPLOADS
from tksk_api.domain.imports.schemas import UploadCreate
from tksk_api.domain.imports.service import ReceivedTable
from tksk_api.domain.imports.telling import shown_name
from tksk_api.domain.records import keyring_of, load, office_of, save
from tksk_api.errors import DomainError, invalid
from tksk_api.security.frames import KEY_BYTES, subkey

MOST_OPEN = 5
_KEY = "import_uploads.key"
_ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(hashtextextended('import_uploads|' || :user, 0))")


@dataclass(frozen=True)
class Part:
    """What arrived, and where in the file it belongs."""

    offset: int
    content: BinaryIO
    size: int


async def begin(session: AsyncSession, body: UploadCreate, limit: int, quota: int) -> Stored:
    """Announce a file and take the space for it, or find the caller's own that was announced before, as far as it came.

    Raises body_too_large, uploads_open, attachment_quota_exceeded.
    """
    if body.bytes > limit:
        raise DomainError("body_too_large", limit_bytes=limit)
    me, sha256 = principal_of(session).user_id, bytes.fromhex(body.sha256)
    await (await session.connection()).execute(_ONE_BY_ONE, {"user": str(me)})
    mine = select(PartialUpload).where(UPLOADS.c.created_by == me)
    same = mine.where(UPLOADS.c.file_sha256 == sha256, UPLOADS.c.file_bytes == body.bytes).with_for_update()
    if (before := (await session.execute(same)).scalars().first()) is not None:
        before.updated_at = datetime.now(UTC)
        return await save(session, IMPORT_UPLOADS, before)
    if len((await session.execute(mine)).all()) >= MOST_OPEN:
        raise DomainError("uploads_open", max=MOST_OPEN)
    key = new_id()
    row = PartialUpload(
        id=key,
        version=1,
        region_code=office_of(session),
        created_by=me,
        file_name=shown_name(body.file_name),
        file_bytes=body.bytes,
        file_sha256=sha256,
        object_name=new_name(),
        key_cipher=keyring_of(session).encrypt(_KEY, str(key), secrets.token_bytes(KEY_BYTES)),
    )
    refuse_outside(scope_of(session), row)
    await refuse_over_quota(session, row.region_code or "", body.bytes, quota)
    await take_space(session, row.region_code or "", body.bytes, quota)
    return await IMPORT_UPLOADS.insert(session, row)


async def append(session: AsyncSession, vault: Vault, key: UUID, part: Part) -> int:
    """Keep the next part; where the one after it begins. Of two that begin at one place, the second is refused.

    Raises not_found, upload_offset_differs, body_too_large beyond the end, invalid_request (too_short), unavailable.
    """
    row = await load(session, PartialUpload, key, lock=True)
    refuse_elsewhere(part.offset, row.received_bytes, row.file_bytes)
    left = row.file_bytes - row.received_bytes
    if part.size > left:
        raise DomainError("body_too_large", limit_bytes=left)
    if part.size < (least := min(LEAST_BYTES, left)):
        raise invalid("", "too_short", min=least)
    if not part.size:
        return row.received_bytes
    # Not by its place alone: no key seals twice, and one like it may lie there since a server that died.
    name = f"{row.received_bytes}-{secrets.token_hex(4)}"
    await vault.put(_sealed(session, row, name), part.content)
    row.parts, row.received_bytes = [*row.parts, name], row.received_bytes + part.size
    row.updated_at = datetime.now(UTC)
    await session.flush()
    return row.received_bytes


def refuse_elsewhere(offset: int, received: int, size: int) -> None:
    """Raises upload_offset_differs, which tells where the next part begins."""
    if offset != received:
        raise DomainError("upload_offset_differs", offset=received, bytes=size)


async def give_up(session: AsyncSession, key: UUID, version: int) -> None:
    """Forget what has arrived: without its key nobody can read it, and the sweep removes it.

    Raises not_found, stale_version.
    """
    row = await load(session, PartialUpload, key, version, lock=True)
    await session.delete(row)
    await session.flush()
    await give_space(session, row.region_code or "", row.file_bytes)


@asynccontextmanager
async def whole(session: AsyncSession, vault: Vault, received: ReceivedTable) -> AsyncIterator[ReceivedTable]:
    """What came with the request, or in parts before it; an upload is used up by the block that succeeds.

    Raises invalid_request (unknown_reference) at /upload, upload_incomplete, upload_differs, content_damaged,
    unavailable.
    """
    if received.body.upload is None:
        yield received
        return
    try:
        row = await load(session, PartialUpload, received.body.upload, lock=True)
    except DomainError as error:
        raise invalid("/upload", "unknown_reference") from error
    if row.received_bytes < row.file_bytes:
        raise DomainError("upload_incomplete", offset=row.received_bytes, bytes=row.file_bytes)
    digest = hashlib.sha256()
    with TemporaryFile() as file:
        for name in row.parts:
            async for chunk in vault.read(_sealed(session, row, name)):
                digest.update(chunk)
                file.write(chunk)
            await session.execute(select(1))  # so that the connection is not taken for a forgotten one
        if digest.digest() != bytes(row.file_sha256):
            raise DomainError("upload_differs")
        body = received.body.model_copy(update={"file_sha256": digest.hexdigest()})
        yield ReceivedTable(body, file, row.file_name, row.file_bytes, is_counted=True)
    await session.delete(row)
    await session.flush()


def _sealed(session: AsyncSession, row: PartialUpload, name: str) -> Sealed:
    file_key = keyring_of(session).decrypt(_KEY, str(row.id), bytes(row.key_cipher))
    return Sealed(f"{row.object_name}-{name}", subkey(file_key, name), f"{row.id}|{name}")
