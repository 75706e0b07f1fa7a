"""Records of a CSV: strict about quotation marks, yet a row that breaks them costs that row and no other.

RELIABILITY §7 30-33. A mark that does not close swallows the rows after it, and most readers merge them without a word.
Here the line with the mark is a row that says so, and reading goes on with the line after it.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from tksk_api.domain.imports.reading import sniff
from tksk_api.domain.imports.reading.refusal import Refused

MAX_CELL = 131_072
MAX_COLUMNS = 500
_MAX_LINE = 1 << 20
_SAMPLE = 1 << 16
_MAX_BROKEN = 1_000  # each costs a second look at what it swallowed
_MAX_LINES = 1_000  # of one record
_DELIMITER_LINE = "sep="  # Excel's own way to say it, on the first line

Record = tuple[int, list[str], str | None]  # number, cells, the code of what is wrong with the row


class Delimited:
    """An open CSV: what it is, then its records once."""

    def __init__(self, file: BinaryIO, delimiter: str | None, encoding: str | None) -> None:
        self._file = file
        self.encoding = sniff.encoding_of(file, encoding)
        file.seek(0)
        sample = codecs.getincrementaldecoder(self.encoding)().decode(file.read(_SAMPLE))
        self._said = _said(sample)
        self.delimiter = delimiter or self._said or sniff.delimiter_of(sample)

    def records(self) -> Iterator[Record]:
        """Every record with its number, blank ones included, as a spreadsheet counts them. Raises Refused."""
        self._file.seek(0)
        text = io.TextIOWrapper(self._file, encoding=self.encoding, newline="")
        try:
            if self._said:
                text.readline()
            yield from self._records(_Lines(text))
        finally:
            text.detach()  # whoever opened the file closes it

    def _records(self, source: "_Lines") -> Iterator[Record]:
        number, broken, width = 0, 0, 0
        reader = csv.reader(source, delimiter=self.delimiter, strict=True)
        csv.field_size_limit(_MAX_LINE)
        while True:
            source.begin()
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                cells = None
            if cells is None or (source.taken > 1 and _swallows(cells, width, self.delimiter)):
                broken += 1
                if broken > _MAX_BROKEN:
                    raise Refused("quotes_broken", row=number)
                cells = source.give_back().rstrip("\r\n").split(self.delimiter)
                fault: str | None = "quotes_broken"
                reader = csv.reader(source, delimiter=self.delimiter, strict=True)
            else:
                width = width or (len(cells) if len(cells) > 1 else 0)
                fault = "cell_too_long" if _is_too_long(cells, source.size) else None
            if len(cells) > MAX_COLUMNS:
                raise Refused("too_many_columns", row=number, max=MAX_COLUMNS)
            yield number, cells, fault


def _said(sample: str) -> str | None:
    first = sample.split("\n", 1)[0].strip('\r\ufeff"')
    mark = first[len(_DELIMITER_LINE) :]
    return mark if first.lower().startswith(_DELIMITER_LINE) and mark in sniff.DELIMITERS else None


def _swallows(cells: list[str], width: int, delimiter: str) -> bool:
    """Whether a cell of several lines holds as many delimiters as a row: then it holds rows, not an address."""
    return (
        width > 2
        and any("\n" in cell or "\r" in cell for cell in cells)
        and any(cell.count(delimiter) >= width - 1 for cell in cells)
    )


def _is_too_long(cells: list[str], size: int) -> bool:
    return size > MAX_CELL and any(len(cell) > MAX_CELL for cell in cells)


class _Lines:
    """Lines for a reader of records, which can be given back."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._waiting: deque[str] = deque()
        self._record: list[str] = []
        self.size = 0

    @property
    def taken(self) -> int:
        return len(self._record)

    def begin(self) -> None:
        self._record.clear()
        self.size = 0

    def give_back(self) -> str:
        """The first line of this record; the others will be read again."""
        first, *others = self._record
        self._waiting.extendleft(reversed(others))
        return first

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._text.readline(_MAX_LINE + 1)
        if not line:
            raise StopIteration
        if len(line) > _MAX_LINE:
            raise Refused("line_too_long", max=_MAX_LINE)
        if self.size > _MAX_LINE or len(self._record) >= _MAX_LINES:
            raise csv.Error("a quotation mark that does not close")
        self._record.append(line)
        self.size += len(line)
        return line
