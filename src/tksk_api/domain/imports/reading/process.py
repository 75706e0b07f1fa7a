"""Reads an uploaded table in a process of its own, with limits on memory, time, files and sockets.

Nothing here is imported by the server. `reader.py` starts this module with the open file and takes what it writes:
parts of rows, each packed for itself, then one head or one refusal. Neither end ever holds more than a part of a CSV,
and a part is bounded by its bytes too: the server opens it again for every page.
"""

import codecs
import json
import os
import resource
import signal
import struct
import sys
import zlib
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from tksk_api.domain.imports.reading import sniff
from tksk_api.domain.imports.reading.delimited import MAX_CELL, Delimited
from tksk_api.domain.imports.reading.refusal import Refused

ROWS_EACH, BYTES_EACH = 500, 1 << 22  # of a part, whichever comes first
_MAX_ROW = 1 << 20  # bytes
_WIDEST = 6  # bytes of a character in JSON
_CELL = 8  # characters count for a cell, whatever it holds: a moment has 43 bytes
_TOO_LONG = "#N/A"  # stands for what is left out of a row that is refused, and is refused itself until it is replaced
_SHORT = 300  # so many characters of so many cells as a row may have are less than _MAX_ROW, however they are spelt
_MAX_MEMORY = 3 << 29
_SAMPLE = 2_000  # rows from which columns are judged
_NUMBER, _FEW, _MANY = 16, 5, 20
_FAST = 1  # five times as fast as the best compression, for a fifth more bytes

Told = Callable[[bytes, bytes], None]


def read(file: BinaryIO, options: dict[str, Any], tell: Told) -> dict[str, Any]:
    """Tell the parts and give the head. Raises Refused."""
    if sniff.format_of(file) == "xlsx":
        from tksk_api.domain.imports.reading.workbook import Workbook  # noqa: PLC0415 - most files are not

        book = Workbook(file, options.get("sheet"))
        return book.head() | _tell_parts(book.rows(), tell)
    table = Delimited(file, options.get("delimiter"), options.get("encoding"))
    head = {"format": "csv", "encoding": table.encoding, "delimiter": table.delimiter}
    return head | _tell_parts(table.records(), tell)


def answered(file: BinaryIO, options: dict[str, Any], tell: Told) -> tuple[bytes, dict[str, Any]]:
    """How it ends: a head, or one refusal for whatever the libraries say of a hostile file."""
    try:
        return b"h", read(file, options, tell)
    except Refused as refusal:
        return b"r", {"code": refusal.code, "facts": refusal.facts}
    except MemoryError:
        return b"r", {"code": "workbook_too_large", "facts": {}}
    except Exception:
        return b"r", {"code": "file_damaged", "facts": {}}


def _tell_parts(records: Iterable[tuple[int, list[Any], str | None]], tell: Told) -> dict[str, Any]:
    """Rows that hold something go out; blank ones are counted, except those at the end, which nobody sees."""
    part: list[tuple[Any, ...]] = []
    rows, parts, last, size = 0, 0, 0, 0
    sample: list[list[Any]] = []
    for number, cells, fault in records:
        if not any(cells) and fault is None and all(cell in ("", None) for cell in cells):
            continue
        row, weight = _bounded(number, cells, fault)
        part.append(row)
        rows, last, size = rows + 1, number, size + weight
        if rows <= _SAMPLE:
            sample.append([cell if type(cell) is str and len(cell) == _NUMBER else None for cell in cells])
        if len(part) == ROWS_EACH or size >= BYTES_EACH:
            tell(b"p", _packed(part))
            parts, part, size = parts + 1, [], 0
    if part:
        tell(b"p", _packed(part))
        parts += 1
    if not rows:
        raise Refused("file_empty")
    return {"rows": rows, "parts": parts, "blank_rows": last - rows, "lost_digits": lost_digits(sample)}


def lost_digits(sample: Iterable[list[Any]]) -> list[int]:
    """Columns whose numbers of sixteen digits were numbers before they became text: too many of them end in 0.

    One number alone cannot tell: a tenth of all end in 0 (RELIABILITY §7 34). Chance does this to one file in 10,000.
    """
    ends: dict[int, list[bool]] = {}
    for cells in sample:
        for place, cell in enumerate(cells):
            if type(cell) is str and len(cell) == _NUMBER and cell.isdigit():
                ends.setdefault(place, []).append(cell.endswith("0"))
    return [place for place, zeros in ends.items() if sum(zeros) >= _least_zeros(len(zeros))]


def _least_zeros(count: int) -> float:
    return count * 0.5 if count >= _MANY else max(count * 0.9, _FEW)


def _weight(cells: list[Any]) -> int:
    """Bytes of a row in JSON, never too few; counted, lest a million rows be spelt twice."""
    return _WIDEST * (_CELL * len(cells) + sum(len(_long(cell)) for cell in cells))


def _bounded(number: int, cells: list[Any], fault: str | None) -> tuple[tuple[Any, ...], int]:
    """A row for the pipe and its bytes, _MAX_ROW at most: a longer one is refused, and goes without its long cells."""
    if fault == "cell_too_long":
        cells = _without_longer(cells, MAX_CELL)
    weight = _weight(cells)
    if weight > _MAX_ROW:
        weight = len(_plain(cells))
    if weight > _MAX_ROW:
        cells, fault = _without_longer(cells, _SHORT), fault or "cell_too_long"
        weight = len(_plain(cells))
    return ((number, cells, fault) if fault else (number, cells)), weight


def _without_longer(cells: list[Any], most: int) -> list[Any]:
    return [_TOO_LONG if len(_long(cell)) > most else cell for cell in cells]


def _long(cell: Any) -> str:
    """What could be long of a cell: its text, or that of its formula."""
    if type(cell) is str:
        return cell
    return str(cell.get("formula", "")) if isinstance(cell, dict) else ""


def _packed(part: list[tuple[Any, ...]]) -> bytes:
    return zlib.compress(_plain(part), _FAST)


def _plain(part: list[Any]) -> bytes:
    return json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()


def _limit(seconds: int) -> None:
    """From here on no file and no connection can be opened, and nothing be written but to the pipe."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # the first is told from a kill
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def main(number: int, seconds: int) -> None:
    options = json.load(sys.stdin)
    for encoding in (*sniff.ENCODINGS, "utf-8-sig", "utf-16", "cp437"):
        codecs.lookup(encoding)  # loaded while files can still be opened
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")

    def tell(kind: bytes, content: bytes) -> None:
        out.write(kind + struct.pack(">I", len(content)) + content)

    with os.fdopen(number, "rb") as file:
        file.seek(0)
        if file.read(4) == b"PK\x03\x04":
            from tksk_api.domain.imports.reading import workbook  # noqa: F401, PLC0415 - while files can be opened
        _limit(seconds)
        kind, answer = answered(file, options, tell)
        tell(kind, json.dumps(answer).encode())
        out.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
