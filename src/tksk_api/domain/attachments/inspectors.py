"""The processes that look into uploads: hostile content can only end the one that opens it."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from tksk_api.errors import DomainError, invalid
from tksk_api.telemetry import log

_MODULE = "tksk_api.domain.attachments.inspection"
_LOOK, _SCANNED, _UNLOCK = b"?", b"s", b"k"  # what is asked of it
_PATIENCE_SECONDS = 30  # the process ends itself after 20
_TURNS_EACH = 3  # while one is looked into, one is sealed and one is committed
_FILES_EACH = 500  # a fresh process now and then: what a library leaks, or hides, does not stay


@dataclass(frozen=True)
class Inspected:
    """What an upload is. `taken_at` has no offset where the camera did not know its own."""

    media_type: str
    width: int | None = None
    height: int | None = None
    pages: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    taken_at: datetime | None = None


class _Process:
    """One process of `inspection.py` and the socket to it."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no words of anybody else
                [sys.executable, "-I", "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
            )
        self._channel.settimeout(_PATIENCE_SECONDS)
        self._answers = self._channel.makefile("rb")
        self.left = _FILES_EACH

    def ask(self, files: list[int], what: bytes) -> dict[str, Any] | None:
        """What it says of the files; None when it died over them."""
        self.left -= 1
        try:
            socket.send_fds(self._channel, [what], files)
            line = self._answers.readline()
        except OSError:
            return None
        answer: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return answer

    def close(self) -> None:
        self._answers.close()
        self._channel.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


def _in_memory(
    question: bytes, ask: Callable[[list[int]], dict[str, Any] | None]
) -> tuple[dict[str, Any] | None, bytes]:
    """What `ask` says of two files without a name or a place on disk: the question, and one that the answer fills."""
    with os.fdopen(os.memfd_create("asked"), "w+b") as asked, os.fdopen(os.memfd_create("told"), "w+b") as told:
        asked.write(question)
        asked.seek(0)
        answer = ask([asked.fileno(), told.fileno()])
        told.seek(0)
        return answer, told.read()


class Inspectors:
    """`turn` is held from the look into an upload to its commit; more waiting than the queue holds is a 503.

    So a storm of uploads waits on disk, not with connections of the database in hand.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="inspector")
        self._room = queue
        self._waiting = 0
        self._turns = asyncio.Semaphore(workers * _TURNS_EACH)
        self._mine = threading.local()
        self._processes: set[_Process] = set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until it is this upload's turn. Raises unavailable."""
        if self._waiting >= self._room:
            raise DomainError("unavailable", retry_after=5)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def inspect(self, upload: BinaryIO, content: BinaryIO, thumbnail: BinaryIO) -> Inspected:
        """What the upload is; of an image a clean copy is written to `content` and a small one to `thumbnail`.

        Raises invalid_request at /file (see `inspection.py`).
        """
        upload.fileno()  # what was held in memory so far goes to the file
        upload.flush()
        # Duplicates: the request may be gone, and its files closed, before a process is free.
        files = [os.dup(file.fileno()) for file in (upload, content, thumbnail)]
        answer = await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, files, _LOOK)
        if answer is None:
            log.warning("inspection_ended")
            raise invalid("/file", "file_damaged")
        if "refused" in answer:
            raise invalid("/file", answer["refused"], **answer["facts"])
        moment = answer.pop("taken_at", None)
        return Inspected(**answer, taken_at=datetime.fromisoformat(moment) if moment else None)

    async def pictures_in_scan(self, pdf: bytes, pointer: str) -> list[bytes]:
        """The pictures that a scanner put into a PDF, as JPEG.

        Raises invalid_request at `pointer`: scan_is_the_letter for one that no scanner made, file_damaged.
        """
        answer, told = await asyncio.get_running_loop().run_in_executor(self._pool, self._look_at_scan, pdf)
        if answer is None:
            log.warning("inspection_ended")
            raise invalid(pointer, "file_damaged")
        if "refused" in answer:
            raise invalid(pointer, answer["refused"])
        return [base64.b64decode(picture) for picture in json.loads(told)]

    async def unlock(self, request: bytes) -> tuple[dict[str, Any] | None, bytes]:
        """What a certificate's file holds, by a process that sees nothing else before or after; None when it died.

        Question and answer lie in memory only: they are secrets.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._unlock, request)

    def _look_at_scan(self, pdf: bytes) -> tuple[dict[str, Any] | None, bytes]:
        return _in_memory(pdf, lambda files: self._ask([os.dup(number) for number in files], _SCANNED))

    def _unlock(self, request: bytes) -> tuple[dict[str, Any] | None, bytes]:
        process = _Process()
        try:
            return _in_memory(request, lambda files: process.ask(files, _UNLOCK))
        finally:
            process.close()

    def _ask(self, files: list[int], what: bytes) -> dict[str, Any] | None:
        process: _Process | None = getattr(self._mine, "process", None)
        try:
            if process is None:
                process = self._mine.process = _Process()
                self._processes.add(process)
            answer = process.ask(files, what)
            if answer is None or not process.left:
                self._retire(process)
            return answer
        finally:
            for number in files:
                os.close(number)

    def _retire(self, process: _Process) -> None:
        self._mine.process = None
        self._processes.discard(process)
        process.close()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.close()
