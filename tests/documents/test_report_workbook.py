"""The workbook, read back by a reader library: every cell is what the report says, with its type."""

import io
import time
import zipfile
from datetime import date
from typing import Any

from python_calamine import CalamineWorkbook

from report_samples import DIGEST, districts, printable, province, report
from tksk_api.documents.report_tables import parts
from tksk_api.documents.report_workbook import heading, render_workbook
from tksk_api.domain.reports.content import Narrative, Obstacle
from tksk_api.domain.reports.printing import Printable

FORMULAS = (
    "=1+1",
    "+62811",
    "-5",
    "@SUM(A1)",
    "{=1}",
    "https://x.example",
    "12",
    "007",
    "\tx",
    "a\nb",
    "😀",
    "x" * 4000,
)


def read(document: bytes) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(document))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def assert_says_what_the_report_says(printed: Printable, document: bytes) -> None:
    sheets = read(document)
    tables = [table for part in parts(printed.content, printed.districts) for table in part.tables]
    assert list(sheets) == ["Laporan", *(table.name for table in tables), "Uraian"]
    for table in tables:
        head, *rows = sheets[table.name]
        assert head == [heading(column) for column in table.columns]
        meant = [*table.rows, *([table.total] if table.total else [])]
        assert rows == [["" if value is None else value for value in row] for row in meant], table.name


def test_every_cell_is_what_the_report_says() -> None:
    for printed in (printable(), province()):
        assert_says_what_the_report_says(printed, render_workbook(printed))


def test_numbers_are_numbers_and_days_are_days() -> None:
    sheets = read(render_workbook(printable()))
    first = dict(row[:2] for row in sheets["Laporan"] if row[0])
    assert first["Hari pertama"] == date(2026, 10, 1)
    assert first["Revisi"] == 1
    assert first["SHA-256 isi"] == DIGEST
    assert sheets["Kegiatan per pilar dan fungsi"][-1] == ["Jumlah", "", 44, 88, 131, 27, 6]
    assert sheets["TKSK dan surat keputusan"][1][4] == date(2024, 1, 2)
    assert sheets["PPKS menurut kategori"][0][1] == "Baru: L"
    assert sheets["PPKS menurut kategori"][1][1:4] == [1, 3, 0]


def test_a_text_stays_a_text_whatever_it_begins_with() -> None:
    row = report().obstacles[0].model_dump()
    content = report(
        obstacles=tuple(Obstacle(**{**row, "title": text, "note": text}) for text in FORMULAS),
        narrative=Narrative(summary="=HYPERLINK()", obstacles=None, plan=None),
    )
    document = render_workbook(printable(content=content))
    said = [row[1:] for row in read(document)["Hambatan"][1:]]
    assert said == [[text, text] for text in FORMULAS]
    with zipfile.ZipFile(io.BytesIO(document)) as package:
        assert not any(
            b"<f>" in package.read(name) or b"hyperlink" in package.read(name) for name in package.namelist()
        )
        names = package.namelist()
    assert not any(word in name for name in names for word in ("vba", "external", "media", "drawing"))


def test_the_header_stays_in_sight_and_the_columns_fit() -> None:
    with zipfile.ZipFile(io.BytesIO(render_workbook(printable()))) as package:
        for number in range(2, 14):
            sheet = package.read(f"xl/worksheets/sheet{number}.xml").decode()
            assert 'ySplit="1"' in sheet and 'state="frozen"' in sheet
            assert "<cols>" in sheet


def test_the_same_report_is_the_same_file() -> None:
    first = render_workbook(printable())
    time.sleep(1.1)  # the clock of a package has whole seconds
    assert first == render_workbook(printable())


def test_a_nation_of_districts_is_written_row_by_row() -> None:
    many = districts() * 1_500
    assert len(read(render_workbook(province(districts=many)))["Kecamatan"]) == len(many) + 1
