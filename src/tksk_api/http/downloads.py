"""Giving a stored file out: proven whole before the first byte leaves, then streamed."""

from urllib.parse import quote

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tksk_api.domain.attachments.service import OpenedFile
from tksk_api.domain.attachments.vault import Vault


class FileResponse(StreamingResponse):
    """Reads the file through and raises what is wrong with it while a clear refusal is still possible.

    Both happen after the transaction has ended, so a slow client holds no connection of the database. A browser is
    told to run nothing in it, to guess no other type, and to show only pictures in place.
    """

    def __init__(self, vault: Vault, file: OpenedFile) -> None:
        how = "inline" if file.media_type.startswith("image/") else "attachment"
        plain = "".join(letter if letter.isascii() and letter not in '"\\' else "_" for letter in file.name)
        headers = {
            "Cache-Control": "no-store",
            "Content-Length": str(file.size),
            "ETag": f'"{file.etag}"',
            "Content-Disposition": f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
            "Accept-Ranges": "none",
        }
        super().__init__(vault.read(file.sealed), headers=headers, media_type=file.media_type)
        self._vault, self._sealed = vault, file.sealed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._vault.check(self._sealed)
        await super().__call__(scope, receive, send)
