"""Write a report as an Excel workbook: typed cells, a sheet for each section, nothing that runs.

XlsxWriter because it writes rows as they come, in constant memory, and never reads a text as a formula, number or link
when told so.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import xlsxwriter

from tksk_api.documents.report_tables import Column, Kind, Table, Value, facts, parts
from tksk_api.domain.reports.content import ReportContent
from tksk_api.domain.reports.printing import Printable

_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_A4 = 9
_TOP = {"valign": "top"}
_KINDS: Mapping[Kind, Mapping[str, Any]] = {
    "text": {"text_wrap": True},
    "number": {"num_format": "#,##0"},
    "date": {"num_format": "dd-mm-yyyy"},
}
_GUIDE = (
    "Setiap lembar memuat satu tabel laporan. Baris pertama adalah judul kolom; baris terakhir yang tebal jumlahnya.",
    "Angka adalah angka dan tanggal adalah tanggal, sehingga dapat dijumlahkan dan disaring.",
    "Sel kosong berarti tidak ada atau tidak tercatat; 0 berarti dihitung dan tidak ada.",
    "Berkas ini salinan isi laporan. Yang sah adalah laporan di dalam sistem; sidik SHA-256 di atas milik berkas JSON.",
)


def render_workbook(printed: Printable) -> bytes:
    """Give the .xlsx file, the same bytes for the same report with the same release of the library."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, _OPTIONS) as book:
        made_at = printed.content.compiled_at.astimezone(UTC).replace(tzinfo=None)
        book.set_properties({"title": "Laporan TKSK", "created": made_at})
        _Sheets(book).write(printed)
    return target.getvalue()


class _Sheets:
    """An open workbook and the formats that its sheets share. Rows are written in their order, as the library asks."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._title = book.add_format({"bold": True, "font_size": 14})
        self._head = book.add_format({"bold": True, "bg_color": "#E8E8E8", "border": 1, "text_wrap": True, **_TOP})
        self._cells = {kind: book.add_format({**_TOP, **how}) for kind, how in _KINDS.items()}
        self._sums = {kind: book.add_format({**_TOP, **how, "bold": True, "top": 1}) for kind, how in _KINDS.items()}

    def write(self, printed: Printable) -> None:
        self._first(printed)
        for part in parts(printed.content, printed.districts):
            for table in part.tables:
                self._table(table)
        self._table(_narrative(printed.content))

    def _first(self, printed: Printable) -> None:
        sheet = self._book.add_worksheet("Laporan")
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 90)
        title, *rest = facts(printed.content, printed.standing)
        sheet.write_string(0, 0, str(title[1]), self._title)
        rows: list[tuple[str, Value]] = [*rest, ("Dihitung", printed.content.compiled_at.date())]
        for number, (name, value) in enumerate(rows, start=2):
            sheet.write_string(number, 0, name, self._head)
            self._cell(sheet, number, 1, value, self._cells)
        for number, text in enumerate(_GUIDE, start=len(rows) + 3):
            sheet.write_string(number, 0, "Cara membaca" if text is _GUIDE[0] else "", self._cells["text"])
            sheet.write_string(number, 1, text, self._cells["text"])

    def _table(self, table: Table) -> None:
        sheet = self._book.add_worksheet(table.name)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.freeze_panes(1, 1)
        if table.rows:
            sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
        for number, column in enumerate(table.columns):
            sheet.set_column(number, number, column.width + 2)
            sheet.write_string(0, number, heading(column), self._head)
        for line, row in enumerate(table.rows, start=1):
            self._row(sheet, line, row, self._cells)
        if table.total is not None:
            self._row(sheet, len(table.rows) + 1, table.total, self._sums)

    def _row(self, sheet: Any, line: int, row: Sequence[Value], formats: Mapping[Kind, Any]) -> None:
        for number, value in enumerate(row):
            self._cell(sheet, line, number, value, formats)

    def _cell(self, sheet: Any, line: int, number: int, value: Value, formats: Mapping[Kind, Any]) -> None:
        """By its own type: a text stays one, whatever it begins with."""
        match value:
            case None:
                return
            case date():
                sheet.write_datetime(line, number, datetime.combine(value, time()), formats["date"])
            case int():
                sheet.write_number(line, number, value, formats["number"])
            case str():
                sheet.write_string(line, number, value, formats["text"])


def heading(column: Column) -> str:
    """A column's title; with what stands above it, for a sheet has one row of titles."""
    return f"{column.group}: {column.title}" if column.group else column.title


def _narrative(content: ReportContent) -> Table:
    said = content.narrative
    rows = (("Ringkasan", said.summary), ("Hambatan dan upaya", said.obstacles), ("Rencana", said.plan))
    return Table("Uraian", (Column("Bagian", width=24), Column("Uraian", width=100)), rows)
