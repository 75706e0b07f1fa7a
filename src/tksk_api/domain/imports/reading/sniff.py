"""What a file is: its format by the first bytes, and of a text its encoding and what divides its cells.

RELIABILITY §7 27-30: what can be known is found out; what cannot be is refused and asked for, never guessed.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, Literal

from tksk_api.domain.imports.reading.refusal import Refused

DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "cp1252")
_CHUNK = 1 << 20
_SAMPLE = 1 << 16
_HEAD_ROWS = 10
_MOSTLY = 0.8  # of the rows have as many cells as the headings: some may be short, or hold a stray mark
_WIDE_ENOUGH = 2

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_BINARY = {
    b"%PDF-": "PDF",
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"\x1f\x8b": "GZIP",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7Z",
}
_MARKED_UP = re.compile(rb"<(?:!doctype|!--|html|head|body|table|meta|style|div|\?xml)", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NOT_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_LINE_END = re.compile(rb"\r\n|\r|\n")


def format_of(file: BinaryIO) -> Literal["csv", "xlsx"]:
    """By the first bytes, whatever the file is called. Raises Refused."""
    file.seek(0)
    head = file.read(_SAMPLE)
    if not head.strip(b"\x00\xef\xbb\xbf \t\r\n,;|"):
        _refuse_blank(file)
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(_OLE):
        file.seek(0)
        raise Refused("workbook_encrypted" if _holds(file, _ENCRYPTED) else "workbook_old")
    if _MARKED_UP.match(head.lstrip(b"\xef\xbb\xbf \t\r\n")):
        raise Refused("file_is_web_page")
    named = next((name for magic, name in _BINARY.items() if head.startswith(magic)), None)
    if named:
        raise Refused("format_unknown", found=named)
    return "csv"


def _refuse_blank(file: BinaryIO) -> None:
    for chunk in _chunks(file):
        if chunk.strip(b"\x00\xef\xbb\xbf \t\r\n,;|"):
            return
    raise Refused("file_empty")


def _holds(file: BinaryIO, wanted: bytes) -> bool:
    tail = b""
    for chunk in _chunks(file):
        if wanted in tail + chunk:
            return True
        tail = chunk[-len(wanted) :]
    return False


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def encoding_of(file: BinaryIO, asked: str | None = None) -> str:
    """Python's name of the encoding in which the whole file can be read.

    Without a mark it is UTF-8, UTF-16 by its zeros, or cp1252 when nothing in it is UTF-8: parts of both are two files
    pasted together, and one of them would be wrong. Raises Refused, naming the line.
    """
    file.seek(0)
    head = file.read(4096)
    marked = next((name for bom, name in _BOMS if head.startswith(bom)), None)
    if marked == "utf-32":
        raise Refused("encoding_unknown", line=1)
    chosen = marked or asked or _by_zeros(head) or "utf-8"
    line = _first_bad_line(file, chosen)
    if line is None:
        return chosen
    if chosen != "utf-8" or asked:
        raise Refused("encoding_mixed", line=line, encoding=chosen)
    return _not_utf8(file, line)


def _by_zeros(head: bytes) -> str | None:
    """UTF-16 without its mark: Latin letters leave every second byte zero."""
    pairs = len(head) // 2
    if pairs and head[1::2].count(0) > pairs * 0.6 and head[0::2].count(0) < pairs * 0.1:
        return "utf-16-le"
    if pairs and head[0::2].count(0) > pairs * 0.6 and head[1::2].count(0) < pairs * 0.1:
        return "utf-16-be"
    return None


def _first_bad_line(file: BinaryIO, encoding: str) -> int | None:
    """The line, from 1, with the first bytes that are not of the encoding."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = 0
    while True:
        chunk = file.read(_CHUNK)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start])
            return lines + before.count(b"\n") + 1
        lines += text.count("\n")
        if not chunk:
            return None


def _not_utf8(file: BinaryIO, line: int) -> str:
    file.seek(0)
    tail, lines = b"", 1
    for chunk in _chunks(file):
        if _MULTIBYTE.search(tail + chunk):
            raise Refused("encoding_mixed", line=line, encoding="utf-8")
        stray = _NOT_CP1252.search(chunk)
        if stray:
            raise Refused("encoding_unknown", line=lines + chunk[: stray.start()].count(b"\n"))
        lines += chunk.count(b"\n")
        tail = chunk[-3:]
    return "cp1252"


def delimiter_of(sample: str) -> str:
    """What divides the cells, when only one answer fits the headings and the rows. Raises Refused."""
    widths = {delimiter: _widths(sample, delimiter) for delimiter in DELIMITERS}
    headings = min(
        (place for found in widths.values() for place, width in enumerate(found[:_HEAD_ROWS]) if width >= _WIDE_ENOUGH),
        default=None,
    )
    if headings is None:
        return ","  # one column: nothing divides
    splits = [one for one, found in widths.items() if len(found) > headings and found[headings] >= _WIDE_ENOUGH]
    fits = [delimiter for delimiter in splits if _is_even(widths[delimiter][headings:])]
    if len(fits) == 1:
        return fits[0]
    if not fits and len(splits) == 1:
        return splits[0]
    raise Refused("delimiter_unclear", choices=[_NAMES[delimiter] for delimiter in fits or splits])


_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def _is_even(widths: list[int]) -> bool:
    """Whether most rows are as wide as the headings."""
    times = widths.count(widths[0])
    return times >= len(widths) * _MOSTLY


def _widths(sample: str, delimiter: str) -> list[int]:
    """How many cells each record has that is not blank; records broken by a stray quotation mark end the look."""
    found: list[int] = []
    with suppress(csv.Error):
        found.extend(len(record) for record in csv.reader(lines_of(sample), delimiter=delimiter) if any(record))
    return found


def lines_of(sample: str) -> list[str]:
    """Lines with their ends, divided where a spreadsheet divides them: not at the marks of Unicode."""
    return re.split(r"(?<=\n)|(?<=\r)(?!\n)", sample)
