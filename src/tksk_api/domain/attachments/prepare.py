"""What happens to an upload before any transaction is open: it is looked into, cleaned and measured."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import BinaryIO

from tksk_api.domain.attachments.inspectors import Inspected, Inspectors
from tksk_api.domain.attachments.rules import check_kind, check_type, display_name
from tksk_api.domain.attachments.schemas import AttachmentUpload


@dataclass(frozen=True)
class Prepared:
    """A file fit to be kept; `thumbnail` is None for a PDF."""

    body: AttachmentUpload
    name: str
    inspected: Inspected
    content: BinaryIO
    content_bytes: int
    sha256: bytes
    thumbnail: BinaryIO | None
    thumbnail_bytes: int | None

    @property
    def all_bytes(self) -> int:
        return self.content_bytes + (self.thumbnail_bytes or 0)


@asynccontextmanager
async def prepared(
    inspectors: Inspectors, body: AttachmentUpload, upload: BinaryIO, sent_name: str
) -> AsyncIterator[Prepared]:
    """The cleaned file for as long as the block runs; the temporary files have no name and go with it.

    Raises invalid_request at /kind or /file, unavailable when too many wait already.
    """
    check_kind(body.kind)
    async with inspectors.turn():
        with TemporaryFile() as copy, TemporaryFile() as thumbnail:
            inspected = await inspectors.inspect(upload, copy, thumbnail)
            check_type(body.kind, inspected.media_type)
            is_image = inspected.pages is None
            content = copy if is_image else upload
            yield Prepared(
                body=body,
                name=display_name(sent_name, body.kind, inspected.media_type),
                inspected=inspected,
                content=content,
                content_bytes=_size(content),
                sha256=await asyncio.to_thread(_sha256, content),
                thumbnail=thumbnail if is_image else None,
                thumbnail_bytes=_size(thumbnail) if is_image else None,
            )


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _sha256(file: BinaryIO) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 18):
        digest.update(chunk)
    return digest.digest()
