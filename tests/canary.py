"""A watch over the whole test run: an identity number that a test made up never leaves by a way it must not take.

Every number of `helpers.nik` is a canary. The watch looks at each error body, each line that is logged, the metrics and
the names of temporary files; the test during which it sees one fails.
"""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import structlog

_RUN = re.compile(r"(?=(\d{16}))")
_OF_THE_TESTS_THEMSELVES = ("httpx", "httpcore", "hypothesis")


class Watch:
    """The numbers given out, and where one was seen since the last `take`."""

    def __init__(self) -> None:
        self._numbers: set[str] = set()
        self._seen: list[str] = []

    def issue(self, number: str) -> str:
        self._numbers.add(number)
        return number

    def look(self, place: str, text: str) -> None:
        self._seen += [f"{place}: {number}" for number in _RUN.findall(text) if number in self._numbers]

    def take(self) -> list[str]:
        seen, self._seen = self._seen, []
        return seen

    def look_at_names(self, directory: Path) -> None:
        for path in directory.rglob("*"):
            self.look("file name", path.name)


WATCH = Watch()


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_OF_THE_TESTS_THEMSELVES):
            WATCH.look("standard log", self.format(record))


class _Looked(httpx.AsyncByteStream):
    """A body that is looked at when it has been read."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = []
        async for part in self._stream:
            parts.append(part)
            yield part
        WATCH.look("error body", b"".join(parts).decode("latin-1"))

    async def aclose(self) -> None:
        await self._stream.aclose()


@contextmanager
def watching() -> Iterator[None]:
    """Look at every error body of an application in this process, and at every line it logs."""
    ask, render = httpx.ASGITransport.handle_async_request, structlog.processors.JSONRenderer.__call__

    async def watched(self: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        response = await ask(self, request)
        if response.status_code >= 400:
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _Looked(response.stream)
        return response

    def rendered(self: structlog.processors.JSONRenderer, *line: Any) -> str | bytes:
        text = render(self, *line)
        WATCH.look("log", str(text))
        return text

    handler, root = _Handler(), logging.getLogger()  # noqa: TID251 - to listen
    root.addHandler(handler)
    try:
        with (
            patch.object(httpx.ASGITransport, "handle_async_request", watched),
            patch.object(structlog.processors.JSONRenderer, "__call__", rendered),
        ):
            yield
    finally:
        root.removeHandler(handler)
