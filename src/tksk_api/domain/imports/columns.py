"""Rows of cells to rows in a kind's own terms: each column's reader, and what was understood or is wrong."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from tksk_api.domain.imports.cells import Dated, Reader
from tksk_api.domain.imports.contract import Cell, CellError, Column, Fault, Parsed, Row
from tksk_api.domain.imports.mapping import REPORT_MARK, Layout
from tksk_api.domain.imports.reading.reader import Head

Order = Literal["dmy", "mdy", "ymd"]


class _Place(NamedTuple):
    """A column of the file: where it stands, under which heading, and how it is read."""

    column: Column
    name: str
    is_required: bool
    position: int
    heading: str
    read: Reader


def parse(
    columns: Sequence[Column], layout: Layout, head: Head, rows: Sequence[Row], order: Order = "dmy"
) -> list[Parsed]:
    """The rows below the headings, in their order, each with all of its faults at once.

    `order` is how the file writes dates in figures; names of months and 2026-11-22 are always read.
    """
    places = _places(columns, layout, head, order)
    spans = [span for span in head.merged if span[1] > layout.last_heading_row]
    below = [row for row in rows if row.number > layout.last_heading_row]
    return [_row(places, layout, head, row, spans) for row in below]


def _places(columns: Sequence[Column], layout: Layout, head: Head, order: Order) -> list[_Place]:
    found = []
    for column in columns:
        position = layout.used.get(column.name)
        if position is not None:
            read = column.read
            if isinstance(read, Dated):
                read = read.of(order, head.date_system)
            if column.is_identity and position in head.lost_digits:
                read = _without_its_last_digit(read)
            heading = layout.headers[position]
            found.append(_Place(column, column.name, column.required, position, heading, read))
    return found


def _without_its_last_digit(read: Reader) -> Reader:
    """Of a column whose numbers passed through a spreadsheet as numbers, none that ends in 0 is believed."""

    def judged(cell: Cell) -> tuple[Any, tuple[str, ...]]:
        value, notes = read(cell)
        if isinstance(value, str) and value.endswith("0"):
            raise CellError("digits_lost")
        return value, notes

    return judged


def _row(
    places: Sequence[_Place], layout: Layout, head: Head, row: Row, spans: Sequence[tuple[int, int, str]]
) -> Parsed:
    is_plain = not row.faults and not spans and len(row.cells) <= len(layout.headers)
    faults, notes = ([], []) if is_plain else _whole(layout, head, row, spans)
    if faults:
        return Parsed(row.number, {}, tuple(faults), tuple(notes))
    values: dict[str, Any] = {}
    width = len(row.cells)
    for _, name, is_required, position, heading, read in places:
        cell = row.cells[position] if position < width else None
        value: Any = None
        if cell is not None and cell != "":
            try:
                value, said = read(cell)
            except CellError as error:
                faults.append(Fault(heading, error.code, error.facts))
                continue
            if said:
                notes.extend(Fault(heading, code) for code in said)
        if value is None and is_required:
            faults.append(Fault(heading, "missing"))
            continue
        values[name] = value
    return Parsed(row.number, values, tuple(faults), tuple(notes))


def _whole(
    layout: Layout, head: Head, row: Row, spans: Sequence[tuple[int, int, str]]
) -> tuple[list[Fault], list[Fault]]:
    """What is wrong with the row as such, or was left out of it."""
    faults = list(row.faults)
    touched = [name for first, last, name in spans if first <= row.number <= last]
    faults.extend(Fault(None, "merged_cells", {"range": name}) for name in touched)
    width = len(layout.headers)
    if row.faults or len(row.cells) <= width or all(map(_is_blank, row.cells[width:])):
        return faults, []
    is_report = any(heading.startswith(REPORT_MARK) for heading in layout.headers)
    if head.format == "xlsx" and not is_report:  # a remark; in a CSV an unmarked delimiter has moved the cells
        return faults, [Fault(None, "cells_outside")]
    return [*faults, Fault(None, "cells_beyond", {"headings": width, "cells": len(row.cells)})], []


def _is_blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
