"""Exported rows as a file: CSV, a workbook, lines of JSON, or Parquet; written as they come, in flat memory.

A spreadsheet computes nothing of it: in CSV a text that begins like a formula, or would where another delimiter divides
it, gets apostrophes, which an import takes off again; a workbook's cells are texts. JSON and Parquet have the values as
they are.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException

from tksk_api.domain.exports.columns import Column
from tksk_api.domain.imports.cells import shielded
from tksk_api.errors import DomainError

Write = Callable[[Sequence[Mapping[str, Any]]], None]

_WORKBOOK_ROWS = 1_048_576
_CELL_LENGTH = 32_767
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "day": date.fromisoformat,
    "moment": datetime.fromisoformat,
    "json": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "texts": lambda values: [str(value) for value in values],
    "number": float,
}


def export_file(target: BinaryIO, format: str, columns: Sequence[Column]) -> AbstractContextManager[Write]:
    """A function that adds rows to the file, which is complete when the block ends.

    Raises workbook_full where rows or texts do not fit a workbook, OSError when the disk is full.
    """
    return {"csv": _csv, "xlsx": _workbook, "jsonl": _lines, "parquet": _parquet}[format](target, columns)


@contextmanager
def _csv(target: BinaryIO, columns: Sequence[Column]) -> Iterator[Write]:
    plain = io.TextIOWrapper(target, "utf-8-sig", newline="", write_through=True)  # the mark is for spreadsheets
    out = csv.writer(plain)
    out.writerow(column.name for column in columns)

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        out.writerows([_as_text(column.cell(row)) for column in columns] for row in rows)

    yield write
    plain.detach()


def _as_text(value: str | int | float | bool | None) -> str:
    if isinstance(value, str):
        return shielded(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@contextmanager
def _lines(target: BinaryIO, _columns: Sequence[Column]) -> Iterator[Write]:
    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            target.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    yield write


@contextmanager
def _workbook(target: BinaryIO, columns: Sequence[Column]) -> Iterator[Write]:
    try:
        with xlsxwriter.Workbook(target, _OPTIONS) as book:
            book.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})  # when, the export itself says
            sheet, as_text = book.add_worksheet("Data"), book.add_format({"num_format": "@"})
            for place, column in enumerate(columns):
                sheet.set_column(place, place, max(12, len(column.name) + 2), as_text)
            sheet.freeze_panes(1, 0)
            sheet.write_row(0, 0, [column.name for column in columns])
            yield _sheet_writer(sheet, columns)
    except XlsxWriterException as error:
        raise OSError("the workbook could not be written") from error


def _sheet_writer(sheet: Any, columns: Sequence[Column]) -> Write:
    line = 0

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        nonlocal line
        for row in rows:
            line += 1
            if line >= _WORKBOOK_ROWS:
                raise DomainError("workbook_full")
            for place, column in enumerate(columns):
                _write_cell(sheet, line, place, column.cell(row))

    return write


def _write_cell(sheet: Any, line: int, place: int, value: str | int | float | bool | None) -> None:
    if isinstance(value, str):
        text = shielded(value, is_typed=True)
        if len(text) > _CELL_LENGTH:
            raise DomainError("workbook_full")
        sheet.write_string(line, place, text)
    elif isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif value is not None:
        sheet.write_number(line, place, value)


@contextmanager
def _parquet(target: BinaryIO, columns: Sequence[Column]) -> Iterator[Write]:
    import pyarrow as pa  # noqa: PLC0415 - 40 MB of memory, which only this format needs
    from pyarrow import parquet  # noqa: PLC0415

    types = {
        "whole": pa.int64(),
        "number": pa.float64(),
        "yes_no": pa.bool_(),
        "day": pa.date32(),
        "moment": pa.timestamp("us", "UTC"),
        "texts": pa.list_(pa.string()),
    }
    schema = pa.schema([(column.name, types.get(column.type, pa.string())) for column in columns])

    def values(column: Column, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        read = _READ.get(column.type, lambda value: value)
        return [None if value is None else read(value) for value in (column.of(row) for row in rows)]

    with parquet.ParquetWriter(target, schema, compression="zstd") as out:

        def write(rows: Sequence[Mapping[str, Any]]) -> None:
            arrays = [pa.array(values(column, rows), schema.field(column.name).type) for column in columns]
            out.write_table(pa.table(arrays, schema=schema))

        yield write
