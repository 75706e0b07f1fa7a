"""Where sealed files lie: a folder, or a bucket that speaks S3. Names are random and say nothing."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from tksk_api.errors import DomainError
from tksk_api.security.frames import FRAME_BYTES, FrameError, seal, unseal
from tksk_api.settings import Settings
from tksk_api.telemetry import log

SHARDS = tuple(f"{number:02x}" for number in range(256))
THUMBNAIL = "-thumbnail"
_PART_BYTES = 5 * 1024 * 1024  # the least that S3 takes as a part
_PARTS_AT_ONCE = 2


@dataclass(frozen=True)
class Sealed:
    """One sealed file: where it lies, the key it is under, whose it is, and the digest it must have when opened."""

    name: str
    key: bytes
    bound: str
    sha256: bytes | None = None


def new_name() -> str:
    """A random name in one of 256 folders, so that none of them grows too long to list."""
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name}"


class Vault:
    """Puts, reads, lists and deletes sealed files. What cannot be reached is `unavailable`, never half an answer."""

    def __init__(self, settings: Settings) -> None:
        """Of TKSK_ATTACHMENT_URL, else of TKSK_ATTACHMENT_FOLDER, else beside the key file; opened when first used."""
        self._url = settings.attachment_url
        folder = settings.attachment_folder or settings.key_file.parent / "attachments"
        self._folder = folder if self._url is None else None

    @cached_property
    def _store(self) -> ObjectStore:
        if self._folder is None:
            return from_url(self._url or "")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(self._folder)

    async def put(self, sealed: Sealed, plain: BinaryIO) -> None:
        """Seal the file and store it, durably. Memory stays flat: frames are made as they are written."""
        plain.seek(0)
        try:
            await obstore.put_async(
                self._store,
                sealed.name,
                seal(plain, sealed.key, sealed.bound),
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
            if self._folder is not None:
                await asyncio.to_thread(_settle, self._folder / sealed.name)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def read(self, sealed: Sealed) -> AsyncIterator[bytes]:
        """The plain bytes. Raises content_damaged before anything false is given, unavailable."""
        digest = hashlib.sha256()
        try:
            found = await obstore.get_async(self._store, sealed.name)
            async for chunk in unseal(_chunks(found), sealed.key, sealed.bound):
                digest.update(chunk)
                yield chunk
        except (FileNotFoundError, NotFoundError) as error:
            raise _damaged(sealed, "missing") from error
        except FrameError as error:
            raise _damaged(sealed, "changed") from error
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error
        if sealed.sha256 is not None and digest.digest() != sealed.sha256:
            raise _damaged(sealed, "another")

    async def check(self, sealed: Sealed) -> None:
        """Read it once through, so that a damaged file is a clear refusal and not a broken download."""
        async for _ in self.read(sealed):
            pass

    async def delete(self, names: Sequence[str]) -> None:
        """Remove what is there of them; whatever stays behind is found by the sweep."""
        for name in names:
            try:
                await obstore.delete_async(self._store, name)
            except (FileNotFoundError, NotFoundError):
                continue
            except (BaseError, OSError) as error:
                raise _unavailable(error) from error

    async def names(self, shard: str) -> dict[str, datetime]:
        """Every file of one shard with the time it was written."""
        found: dict[str, datetime] = {}
        try:
            async for batch in obstore.list(self._store, prefix=shard):
                found |= {meta["path"]: meta["last_modified"] for meta in batch}
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error
        return found


async def _chunks(found: "obstore.GetResult") -> AsyncIterator[bytes]:
    async for chunk in found.stream(min_chunk_size=FRAME_BYTES):
        yield bytes(chunk)


def _settle(path: Path) -> None:
    # The store renames a finished file into place but leaves it to the system when bytes and name reach the disk.
    for place in (path, path.parent):
        number = os.open(place, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _damaged(sealed: Sealed, how: str) -> DomainError:
    log.error("attachment_damaged", object=sealed.name, how=how)
    return DomainError("content_damaged")


def _unavailable(error: Exception) -> DomainError:
    log.warning("vault_unavailable", kind=type(error).__name__)
    return DomainError("unavailable", retry_after=5)
