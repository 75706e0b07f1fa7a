"""The processes that look into files: what ends one of them ends nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from files import picture
from tksk_api.domain.attachments.inspection import sniff
from tksk_api.domain.attachments.inspectors import Inspected, Inspectors
from tksk_api.domain.attachments.rules import display_name
from tksk_api.errors import DomainError


@pytest.fixture
async def inspectors() -> AsyncIterator[Inspectors]:
    made = Inspectors(1, 2)
    yield made
    made.close()


async def look(inspectors: Inspectors, content: bytes) -> Inspected:
    with tempfile.TemporaryFile() as upload, tempfile.TemporaryFile() as copy, tempfile.TemporaryFile() as small:
        upload.write(content)
        return await inspectors.inspect(upload, copy, small)


def process_of(inspectors: Inspectors) -> "subprocess.Popen[bytes]":
    (process,) = inspectors._processes
    return process._process


async def test_a_process_that_dies_is_replaced(inspectors):
    assert (await look(inspectors, picture())).width == 64
    process = process_of(inspectors)
    os.kill(process.pid, signal.SIGSTOP)  # hangs, as over a hostile file
    waiting = asyncio.create_task(look(inspectors, picture()))
    await asyncio.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(DomainError) as refused:
        await waiting
    assert refused.value.errors[0].code == "file_damaged"
    assert (await look(inspectors, picture())).width == 64
    assert process_of(inspectors).pid != process.pid
    assert process.poll() is not None


async def test_one_process_serves_many_files_and_none_stays_open(inspectors):
    await look(inspectors, picture())
    first = process_of(inspectors).pid
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        await look(inspectors, picture())
    assert process_of(inspectors).pid == first
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(os.listdir(f"/proc/{first}/fd")) < 12


async def test_it_can_take_little_memory_time_and_disk(inspectors):
    await look(inspectors, picture())
    limits = Path(f"/proc/{process_of(inspectors).pid}/limits").read_text()
    lines = {line[:26].strip(): line[26:].split() for line in limits.splitlines()}
    assert lines["Max address space"][0] == str(1 << 30)
    assert lines["Max file size"][0] == str(1 << 27)
    assert lines["Max core file size"][0] == "0"
    environment = Path(f"/proc/{process_of(inspectors).pid}/environ").read_bytes()
    assert environment == b""


def test_an_alarm_ends_what_takes_too_long():
    """The same alarm as in the process, over a loop that never ends."""
    code = (
        "from tksk_api.domain.attachments import inspection as i; import socket, sys\n"
        "i._SECONDS = 1\n"
        "def forever(files):\n    while True: pass\n"
        "i._answer = forever\n"
        "i.main(int(sys.argv[1]))"
    )
    ours, theirs = __import__("socket").socketpair()
    with ours, theirs:
        process = subprocess.Popen([sys.executable, "-c", code, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        ours.sendall(b"?")
        assert process.wait(20) == -signal.SIGALRM


async def test_more_than_the_queue_holds_is_busy(inspectors):
    async def hold(until: asyncio.Event) -> None:
        async with inspectors.turn():
            await until.wait()

    until = asyncio.Event()
    held = [asyncio.create_task(hold(until)) for _ in range(3 + 2)]  # three at work, two waiting
    await asyncio.sleep(0.05)
    with pytest.raises(DomainError) as refused:
        async with inspectors.turn():
            pass
    assert refused.value.code == "unavailable"
    until.set()
    await asyncio.gather(*held)
    async with inspectors.turn():
        pass


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "-"),
        (b"%PDF-1.4", "pdf"),
        (b" %PDF-1.4", "-"),
        (b"\x00\x00\x00\x1cftypmif1", "HEIC/AVIF"),
        (b"\x00\x00\x00\x1cftypmp42", "video"),
        (b"\xef\xbb\xbf \n<html>", "HTML/XML"),
        (b"\x7fELF\x02", "ELF"),
        (b"", "-"),
    ],
)
def test_the_first_bytes_tell_what_a_file_is(head, kind):
    assert sniff(head) == kind


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("/tmp/../etc/shadow", "shadow.pdf"),
        ("a\r\nSet-Cookie: x.pdf", "a Set-Cookie x.pdf"),
        ("\u202egpj.exe", "gpj.pdf"),
        ("KK_1871041203150002.pdf", "KK_-.pdf"),
        ("1871-0465-0391-0003.pdf", "-.pdf"),
        ("IMG_20261122_093012.jpg", "IMG_20261122_093012.pdf"),
        ("e\u0301.pdf", "é.pdf"),
        (".htaccess", "htaccess.pdf"),
        ("", "ktp.pdf"),
    ],
)
def test_names_are_cleaned(sent, shown):
    assert display_name(sent, "ktp", "application/pdf") == shown
