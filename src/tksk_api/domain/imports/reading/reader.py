"""Has a file read by a process of its own: hostile content can only end the one that opens it."""

import asyncio
import json
import struct
import sys
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, BinaryIO, Literal

from tksk_api.domain.imports.contract import Cell, Fault, Formula, Row
from tksk_api.domain.imports.reading.refusal import Refused
from tksk_api.telemetry import log

__all__ = ["Head", "Options", "Refused", "read", "rows"]

_MODULE = "tksk_api.domain.imports.reading.process"
_PATIENCE_SECONDS = 300  # between two parts; a large workbook is looked through before its first
_MAX_PART = 1 << 28


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
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", _MODULE, str(file.fileno())),
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
        return await _take(process.stdout, keep)
    except (asyncio.IncompleteReadError, TimeoutError) as error:
        log.warning("reading_ended")
        raise Refused("file_damaged") from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _take(stream: asyncio.StreamReader, keep: Callable[[int, bytes], Awaitable[None]]) -> Head:
    parts = 0
    while True:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            kind, size = struct.unpack(">cI", await stream.readexactly(5))
            content = await stream.readexactly(min(size, _MAX_PART))
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
    """The rows of a part, in the order of the file."""
    return [
        Row(number, tuple(cells), tuple(Fault(None, code) for code in faults))
        for number, cells, *faults in json.loads(zlib.decompress(part), object_hook=_cell)
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
