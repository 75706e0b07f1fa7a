"""Giving a stored file out: proven whole before the first byte leaves, then streamed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class FileResponse(StreamingResponse):
    """`check` reads the file through and raises what is wrong with it while a clear refusal is still possible.

    Both happen after the transaction has ended, so a slow client holds no connection of the database. A browser is
    told to run nothing in it, to guess no other type, and to show only pictures in place.
    """

    def __init__(
        self,
        content: AsyncIterator[bytes],
        check: Callable[[], Awaitable[None]],
        *,
        name: str,
        media_type: str,
        size: int,
        etag: str,
    ) -> None:
        how = "inline" if media_type.startswith("image/") else "attachment"
        plain = "".join(character if character.isascii() and character not in '"\\' else "_" for character in name)
        headers = {
            "Cache-Control": "no-store",
            "Content-Length": str(size),
            "ETag": f'"{etag}"',
            "Content-Disposition": f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
            "Accept-Ranges": "none",
        }
        super().__init__(content, headers=headers, media_type=media_type)
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._check()
        await super().__call__(scope, receive, send)
