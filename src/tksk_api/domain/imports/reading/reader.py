"""Has a file read by a process of its own: hostile content can only end the one that opens it."""

import asyncio
import json
import os
import signal
import struct
import sys
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from time import monotonic
from typing import Any, BinaryIO, Literal

from tksk_api.domain.imports.contract import Cell, Fault, Formula, Row
from tksk_api.domain.imports.reading.refusal import Refused
from tksk_api.telemetry import log

__all__ = ["Head", "Options", "Refused", "read", "rows"]

_MODULE = "tksk_api.domain.imports.reading.process"
# For the whole file, as it is uploaded: a million rows of CSV take 23 s, 100,000 of a workbook of 10 MB 20 s.
_LEAST_SECONDS, _MOST_SECONDS, _SECONDS_A_MEGABYTE = 60, 300, 3
_ENDING_SECONDS = 5
_MAX_PART = 1 << 23
_MAX_UNPACKED = 1 << 23  # a part is half of it at most, and a row more


@dataclass(frozen=True)
class Options:
    """What the sender says of the file, where it cannot be found out. `delimiter` is one of `sniff.DELIMITERS`."""

    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Head:
    """What the file is. Nothing in it is of a person.

    `rows` counts those with something in them, headings included; `blank_rows` those in between. `merged` are ranges
    as (first row, last row, name), `lost_digits` columns (from 0) in which numbers have lost their last digit, `notes`
    what was understood or left out.
    """

    format: Literal["csv", "xlsx"]
    rows: int
    parts: int
    blank_rows: int = 0
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    date_system: Literal[1900, 1904] = 1900
    merged: tuple[tuple[int, int, str], ...] = ()
    lost_digits: tuple[int, ...] = ()
    notes: tuple[Fault, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Head":
        merged = tuple((first, last, name) for first, last, name in kept.get("merged", ()))
        notes = tuple(Fault(**note) for note in kept.get("notes", ()))
        lost = tuple(kept.get("lost_digits", ()))
        return cls(**{**kept, "merged": merged, "lost_digits": lost, "notes": notes})


async def read(file: BinaryIO, options: Options, keep: Callable[[int, bytes], Awaitable[None]]) -> Head:
    """Give each part of the file to `keep`, numbered from 0, and then say what the file is.

    A part is what `rows` understands: some hundred rows, packed. Raises Refused, also after parts were kept.
    """
    seconds = _seconds(os.fstat(file.fileno()).st_size)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", _MODULE, str(file.fileno()), str(seconds)),
        pass_fds=[file.fileno()],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asdict(options)).encode())
        process.stdin.close()
        return await _take(process.stdout, keep, 2 * seconds)  # the process counts its own work, not its waiting
    except (asyncio.IncompleteReadError, TimeoutError) as error:
        is_slow = isinstance(error, TimeoutError) or await _is_out_of_time(process)
        log.warning("reading_ended", is_slow=is_slow)
        raise (Refused("reading_too_slow", seconds=seconds) if is_slow else Refused("file_damaged")) from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _is_out_of_time(process: asyncio.subprocess.Process) -> bool:
    """Of one that says no more. It is not killed before, for then it would not tell how it ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDING_SECONDS):
            return await process.wait() == -signal.SIGXCPU
    return False


def _seconds(size: int) -> int:
    """How long a file of so many bytes may be worked on."""
    return min(_LEAST_SECONDS + _SECONDS_A_MEGABYTE * (size >> 20), _MOST_SECONDS)


async def _take(stream: asyncio.StreamReader, keep: Callable[[int, bytes], Awaitable[None]], patience: float) -> Head:
    """What the process writes, waiting for it `patience` seconds in all; how long `keep` takes is not its doing."""
    parts = 0
    while True:
        began = monotonic()
        async with asyncio.timeout(patience):
            kind, size = struct.unpack(">cI", await stream.readexactly(5))
            if size > _MAX_PART:
                raise Refused("file_damaged")
            content = await stream.readexactly(size)
        patience -= monotonic() - began
        match kind:
            case b"p":
                await keep(parts, content)
                parts += 1
            case b"h":
                return Head.from_json(json.loads(content))
            case _:
                said = json.loads(content)
                raise Refused(said["code"], **said["facts"])


def rows(part: bytes) -> list[Row]:
    """The rows of a part, in the order of the file. Raises Refused for one that the process would not have made."""
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(part, _MAX_UNPACKED)
    if unpacker.unconsumed_tail:
        raise Refused("file_damaged")
    return [
        Row(number, tuple(cells), tuple(Fault(None, code) for code in faults))
        for number, cells, *faults in json.loads(plain, object_hook=_cell)
    ]


def _cell(value: dict[str, str]) -> Cell:
    """JSON has no dates and no formulas: those come as an object."""
    ((kind, text),) = value.items()
    match kind:
        case "formula":
            return Formula(text)
        case "date":
            return date.fromisoformat(text)
        case _:
            return datetime.fromisoformat(text)
