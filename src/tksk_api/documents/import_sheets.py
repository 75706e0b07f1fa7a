"""Sheets around an import: an empty table to fill in, and the rows that failed, to be corrected and sent again.

A failed row goes out as it came in, in the file's own format and order, with columns at its end that say what is wrong.
Their headings begin with a mark, so that the corrected file can be uploaded with them (`mapping.REPORT_MARK`).
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Any, BinaryIO, Literal

import xlsxwriter

from tksk_api.domain.imports.cells import defused, text
from tksk_api.domain.imports.contract import Cell, CellError, Column, Fault, Formula, Kind, Row
from tksk_api.domain.imports.mapping import REPORT_MARK, Layout
from tksk_api.domain.imports.reading.reader import Head
from tksk_api.domain.imports.telling import words
from tksk_api.domain.references.lists import LISTS
from tksk_api.errors import DomainError, Language, filled

TableFormat = Literal["csv", "xlsx"]
ErrorFormat = Literal["csv", "xlsx", "json"]
WriteRow = Callable[[Row, Sequence[Fault]], None]

_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_EDITED_ROWS = 5_000  # of a template, that offer their choices
_WORKBOOK_ROWS, _CELL_LENGTH = 1_048_576, 32_767
_FILL_IN = "#N/A"
_EXACT = 1e15  # a spreadsheet keeps fifteen digits
_REPORT_HEADINGS: Mapping[Language, Sequence[str]] = {
    "id": ("Baris", "Kode", "Kesalahan", "Perbaikan"),
    "en": ("Row", "Code", "Problem", "What to do"),
}
_GUIDE = (
    (
        "Isi lembar Data, satu baris untuk satu data. Judul kolom boleh dipindah, jangan diulang.",
        "Fill in the sheet Data, one row for each record. Headings may be moved, but not repeated.",
    ),
    (
        "Kolom bertanda * wajib diisi. Kolom lain boleh dihapus.",
        "Columns marked * are required. The others may be deleted.",
    ),
    (
        "Saat memperbarui data, kolom yang tidak ada dan sel yang kosong dibiarkan seperti semula.",
        "When records are brought up to date, a missing column and an empty cell leave them as they are.",
    ),
    (
        "Semua kolom berformat Teks, supaya angka 0 di depan dan angka terakhir NIK tidak hilang. Jangan mengubahnya.",
        "All columns are formatted as Text, so that leading zeros and the last digit of a NIK stay. Keep it so.",
    ),
    (
        "Tanggal ditulis 25/03/1991, 25 Maret 1991 atau 1991-03-25.",
        "Dates are written 25/03/1991, 25 March 1991 or 1991-03-25.",
    ),
    (
        "Jangan menggabungkan sel, dan tempel sebagai nilai, bukan rumus.",
        "Do not merge cells, and paste values, not formulas.",
    ),
)
_EXPLAINED = ("Kolom / Column", "Wajib / Required", "Isi", "Contents", "Contoh / Example")


def template(kind: Kind, format: TableFormat) -> bytes:
    """An empty table of a kind: its headings, and in a workbook how to fill them in and what to choose from."""
    if format == "csv":
        made = io.StringIO(newline="")
        csv.writer(made).writerow(column.header for column in kind.columns)
        return made.getvalue().encode("utf-8-sig")
    target = io.BytesIO()
    # Not in constant memory: the choices of a column stand below each other, beside those of the others.
    with xlsxwriter.Workbook(target, {**_OPTIONS, "constant_memory": False, "in_memory": True}) as book:
        book.set_properties({"title": f"Templat {kind.name}", "created": datetime(2026, 1, 1, tzinfo=UTC)})
        head = book.add_format({"bold": True, "bg_color": "#E8E8E8", "border": 1, "text_wrap": True, "valign": "top"})
        data, guide = book.add_worksheet("Data"), book.add_worksheet("Petunjuk")
        _data(book, data, kind.columns, head)
        _explain(book, guide, kind.columns, head)
    return target.getvalue()


def _data(book: Any, sheet: Any, columns: Sequence[Column], head: Any) -> None:
    """Headings over columns of text; the choices lie on a sheet of their own, where a list may be of any length."""
    as_text = book.add_format({"num_format": "@"})
    choices = book.add_worksheet("Pilihan") if any(column.choices for column in columns) else None
    for place, column in enumerate(columns):
        sheet.set_column(place, place, max(14, len(column.header) + 4), as_text)
        sheet.write_string(0, place, f"{column.header} *" if column.required else column.header, head)
        if not column.choices or choices is None:
            continue
        choices.set_column(place, place, 24, as_text)
        choices.write_string(0, place, column.header, head)
        for line, choice in enumerate(column.choices, start=1):
            choices.write_string(line, place, choice)
        letters = xlsxwriter.utility.xl_col_to_name(place, col_abs=True)
        source = f"=Pilihan!{letters}$2:{letters}${len(column.choices) + 1}"
        offered = {"validate": "list", "source": source, "error_type": "warning", "ignore_blank": True}
        sheet.data_validation(1, place, _EDITED_ROWS, place, offered)
    sheet.freeze_panes(1, 0)


def _explain(book: Any, sheet: Any, columns: Sequence[Column], head: Any) -> None:
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    for place, width in enumerate((28, 12, 60, 60, 28)):
        sheet.set_column(place, place, width, wrapped)
    for line, (indonesian, english) in enumerate(_GUIDE):
        sheet.write_string(line, 2, indonesian)
        sheet.write_string(line, 3, english)
    start = len(_GUIDE) + 1
    for place, title in enumerate(_EXPLAINED):
        sheet.write_string(start, place, title, head)
    for line, column in enumerate(columns, start=start + 1):
        required = "ya / yes" if column.required else ""
        for place, said in enumerate((column.header, required, *column.words, column.example)):
            sheet.write_string(line, place, said)


@contextmanager
def error_file(
    target: BinaryIO, format: ErrorFormat, head: Head, layout: Layout, language: Language
) -> Iterator[WriteRow]:
    """Write failed rows to `target` one by one, in flat memory: what it gives takes a row and what is wrong with it.

    Raises workbook_full where rows or texts do not fit a workbook.
    """
    match format:
        case "csv":
            yield from _csv(target, head, layout, language)
        case "xlsx":
            yield from _xlsx(target, head, layout, language)
        case "json":
            yield from _json(target, layout, language)


def _kept(layout: Layout) -> list[int]:
    """The places of the file's own columns: what an earlier report said of a row is said anew."""
    return [place for place, heading in enumerate(layout.headers) if not heading.startswith(REPORT_MARK)]


def _headings(layout: Layout, language: Language) -> list[str]:
    own = [layout.headers[place] for place in _kept(layout)]
    return [*own, *(f"{REPORT_MARK} {heading}" for heading in _REPORT_HEADINGS[language])]


def _cells(row: Row, layout: Layout, faults: Sequence[Fault]) -> list[Cell]:
    """The row under the headings. Where merging left nothing stands a mark that is refused until it is replaced."""
    merged = {place for fault in faults if fault.code == "merged_cells" for place in _span(fault.facts["range"])}
    cells: dict[int, Cell] = dict.fromkeys(merged, _FILL_IN)
    cells |= {place: cell for place, cell in enumerate(row.cells) if cell not in (None, "")}
    return [cells.get(place) for place in _kept(layout)]


def _span(name: str) -> range:
    """The columns of a range like B4:C9, from 0."""
    first, last = (xlsxwriter.utility.xl_cell_to_rowcol(cell)[1] for cell in name.split(":"))
    return range(first, last + 1)


def _beyond(row: Row, head: Head, layout: Layout) -> tuple[Cell, ...]:
    """What stood to the right of the headings of a CSV: behind the report, where it is still too much."""
    return row.cells[len(layout.headers) :] if head.format == "csv" else ()


def _report(number: int, faults: Sequence[Fault], language: Language) -> list[str]:
    codes = list(dict.fromkeys(fault.code for fault in faults))
    told = [_parts(fault, language) for fault in faults]
    wrong = [f"{fault.column}: {said}" if fault.column else said for fault, (said, _) in zip(faults, told, strict=True)]
    advice = list(dict.fromkeys(next_ for _, next_ in told if next_))
    return [str(number), ", ".join(codes), " | ".join(wrong), " | ".join(advice)]


def _parts(fault: Fault, language: Language) -> tuple[str, str]:
    """What is wrong, and what to do next where that is said apart."""
    item = _CODES.get(fault.code)
    if item is None:
        return words(fault.code, fault.facts, language), ""
    said, advice = (item.label_en, item.note_en) if language == "en" else (item.label_id, item.note_id)
    return filled(said, fault.facts), filled(advice or "", fault.facts)


def _csv(target: BinaryIO, head: Head, layout: Layout, language: Language) -> Iterator[WriteRow]:
    """Divided and encoded as the file was; Excel knows UTF-8 by its mark only."""
    encoding = head.encoding or "utf-8"
    marked = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(encoding, encoding)
    stream = io.TextIOWrapper(target, encoding=marked, errors="replace", newline="", write_through=True)
    delimiter = head.delimiter or ","
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow(defused(heading, delimiter) for heading in _headings(layout, language))

    def write(row: Row, faults: Sequence[Fault]) -> None:
        said = _report(row.number, faults, language)
        cells = [*_cells(row, layout, faults), *said, *_beyond(row, head, layout)]
        writer.writerow(defused(_spelt(cell), delimiter) for cell in cells)

    try:
        yield write
    finally:
        stream.detach()  # whoever opened the file closes it


def _spelt(cell: Cell) -> str:
    """As a text. A number too long for a spreadsheet shows that it is one, lest it come back as somebody's NIK."""
    if cell is None or isinstance(cell, str):
        return cell or ""
    if isinstance(cell, float | int) and abs(cell) >= _EXACT:
        return f"{cell:.14E}"
    try:
        return str(text(cell)[0] or "")
    except CellError:  # a formula of another cell, a number that is none
        return ""


def _xlsx(target: BinaryIO, head: Head, layout: Layout, language: Language) -> Iterator[WriteRow]:
    """Typed cells: a text stays a text, and a formula becomes its own text."""
    with xlsxwriter.Workbook(target, {**_OPTIONS, "date_1904": head.date_system == 1904}) as book:
        book.set_properties({"title": "Baris yang ditolak" if language == "id" else "Rejected rows"})
        title = book.add_format({"bold": True, "bg_color": "#E8E8E8", "border": 1, "text_wrap": True, "valign": "top"})
        formats = {
            "text": book.add_format({"num_format": "@"}),
            "date": book.add_format({"num_format": "dd/mm/yyyy"}),
            "moment": book.add_format({"num_format": "dd/mm/yyyy hh:mm"}),
            "said": book.add_format({"text_wrap": True, "valign": "top"}),
        }
        sheet = book.add_worksheet(head.sheet or "Data")
        headings = _headings(layout, language)
        reported = len(headings) - len(_REPORT_HEADINGS[language])
        sheet.set_column(0, max(reported - 1, 0), 18, formats["text"])
        sheet.set_column(reported, reported + 1, 14)
        sheet.set_column(reported + 2, reported + 3, 60)
        sheet.freeze_panes(1, 0)
        for place, heading in enumerate(headings):
            sheet.write_string(0, place, heading, title)
        line = 0

        def write(row: Row, faults: Sequence[Fault]) -> None:
            nonlocal line
            line += 1
            if line >= _WORKBOOK_ROWS:
                raise DomainError("workbook_full")
            for place, cell in enumerate(_cells(row, layout, faults)):
                _write_cell(sheet, line, place, cell, formats)
            for place, said in enumerate(_report(row.number, faults, language), start=reported):
                sheet.write_string(line, place, said[:_CELL_LENGTH], formats["said"])
            for place, cell in enumerate(_beyond(row, head, layout), start=len(headings)):
                _write_cell(sheet, line, place, cell, formats)

        yield write


def _write_cell(sheet: Any, line: int, place: int, cell: Cell, formats: Mapping[str, Any]) -> None:
    match cell:
        case None | "":
            return
        case str() | Formula():
            written = cell if isinstance(cell, str) else cell.text
            if len(written) > _CELL_LENGTH:
                raise DomainError("workbook_full")
            sheet.write_string(line, place, written, formats["text"])
        case bool():
            sheet.write_boolean(line, place, cell)
        case datetime():
            sheet.write_datetime(line, place, cell, formats["moment"])
        case date():
            sheet.write_datetime(line, place, datetime.combine(cell, time()), formats["date"])
        case _:
            sheet.write_number(line, place, cell)


def _json(target: BinaryIO, layout: Layout, language: Language) -> Iterator[WriteRow]:
    """A list of objects: the row's number, its cells by heading, and its faults in words."""
    between = b"["

    def write(row: Row, faults: Sequence[Fault]) -> None:
        nonlocal between
        named = zip((layout.headers[place] for place in _kept(layout)), _cells(row, layout, faults), strict=True)
        said = []
        for fault in faults:
            wrong, advice = _parts(fault, language)
            said.append({"column": fault.column, "code": fault.code, "problem": wrong, "what_to_do": advice or None})
        cells = {heading: _spelt(cell) or None for heading, cell in named if heading}
        record = {"row": row.number, "cells": cells, "faults": said}
        target.write(between + json.dumps(record, ensure_ascii=False).encode())
        between = b",\n"

    yield write
    target.write(b"]" if between != b"[" else b"[]")


_CODES = {item.code: item for item in LISTS["import_codes"].items}
