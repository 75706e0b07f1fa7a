"""From a file's bytes to the rows of a kind: every ugly file leads where it should, and no bytes lead anywhere else."""

import ast
import asyncio
import io
import json
import os
import re
import signal
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imports import ugly
from tksk_api.documents import import_sheets
from tksk_api.documents.import_sheets import error_file, template
from tksk_api.domain import imports as source_of_imports
from tksk_api.domain.imports import cells, columns, mapping, telling
from tksk_api.domain.imports.contract import Cell, CellError, Column, Fault, Formula, Kind, Parsed, Row
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.reading import process, reader, sniff
from tksk_api.domain.imports.telling import shown_file, words
from tksk_api.domain.references.lists import LISTS
from tksk_api.errors import FIELD_CODES, DomainError

EXPECTED = json.loads(ugly.EXPECTED.read_text("utf-8"))
READABLE = [name for name, said in EXPECTED.items() if "refused" not in said and said["rows"] and "million" not in name]
OF_THE_ROW = {"quotes_broken", "merged_cells", "cell_too_long"}
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def whole(name: str) -> tuple[reader.Head, mapping.Layout, list[Row], list[Parsed]]:
    head, rows = ugly.look(ugly.content(name))
    where = mapping.layout(ugly.COLUMNS, rows)
    return head, where, rows, columns.parse(ugly.COLUMNS, where, head, rows)


def test_the_folder_and_its_report_have_the_same_labels():
    assert list(EXPECTED) == ugly.labels()


@pytest.mark.parametrize("name", ugly.labels())
def test_an_ugly_file_leads_to_what_its_report_says(name):
    assert json.loads(json.dumps(ugly.report(name))) == EXPECTED[name]


def test_every_code_has_its_words():
    said = {item.code for item in LISTS["import_codes"].items} | FIELD_CODES
    for report in EXPECTED.values():
        if "refused" in report:
            assert report["refused"] in said
            continue
        rows = [fault for kind in ("rejected", "noted") for faults in report[kind].values() for fault in faults]
        for told in (*rows, *report["notes"]):
            assert any(word in said for word in told.split()), told


def raised() -> Iterator[tuple[str, str]]:
    """Where, and which code: every one that the source of imports gives to a fault, a cell, a file or a member."""
    places = {"CellError": 0, "Refused": 0, "Fault": 1, "invalid": 1, "DomainError": 0, "_refused": 1}
    for path in sorted(Path(source_of_imports.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = places.get(node.func.id, len(node.args))
                for argument in node.args[place : place + 1]:
                    told = (
                        [] if isinstance(argument, ast.Subscript) else ast.walk(argument)
                    )  # of what was raised before
                    for part in told:
                        if isinstance(part, ast.Constant) and re.fullmatch(r"[a-z]+(?:_[a-z]+)*", str(part.value)):
                            yield f"{path.name}:{node.lineno}", str(part.value)


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_code_in_the_source_has_its_words(language):
    found = list(raised())
    assert {"digits_lost", "archive_bomb", "duplicate_in_file", "village_changed", "nik_taken"} <= {c for _, c in found}
    for place, code in found:
        assert len(words(code, {}, language)) > 5, (place, code)


def test_every_listed_code_is_raised_somewhere():
    """One that nothing raises any more would be explained to officers who never meet it."""
    source = "".join(path.read_text("utf-8") for path in Path(source_of_imports.__path__[0]).rglob("*.py"))
    assert [item.code for item in LISTS["import_codes"].items if f'"{item.code}"' not in source] == []


# The process ---------------------------------------------------------------------------------------------------------


async def read(data: bytes, **options: Any) -> tuple[reader.Head, list[bytes]]:
    parts: list[bytes] = []

    async def keep(number: int, part: bytes) -> None:
        assert number == len(parts)
        parts.append(part)

    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return await reader.read(file, reader.Options(**options), keep), parts


@pytest.mark.parametrize("name", ["csv-utf16-unicode-text", "csv-cp1252", "xlsx-formulas-and-errors"])
async def test_the_process_reads_as_the_report_says(name):
    head, parts = await read(ugly.content(name))
    assert (head, [row for part in parts for row in reader.rows(part)]) == ugly.look(ugly.content(name))


async def test_what_the_sender_says_of_the_file_counts():
    head, parts = await read(ugly.content("csv-delimiter-unclear"), delimiter=";")
    assert head.delimiter == ";"
    assert reader.rows(parts[0])[1].cells == ("Budi", "Jl. Mawar,001")
    head, parts = await read(ugly.content("xlsx-hidden-sheets-and-rows"), sheet="Lama")
    assert (head.sheet, head.rows) == ("Lama", 2)
    with pytest.raises(reader.Refused) as refused:
        await read(ugly.content("xlsx-plain"), sheet="Lembar 9")
    assert (refused.value.code, refused.value.facts) == ("sheet_unknown", {"sheets": ["Data"]})


async def test_a_large_file_comes_in_parts():
    rng = Random(1)
    rows = [ugly.person(rng) for _ in range(1_201)]
    head, parts = await read(ugly.table(rows).encode())
    assert (head.rows, head.parts, len(parts)) == (1_202, 3, 3)
    numbers = [row.number for part in parts for row in reader.rows(part)]
    assert numbers == list(range(1, 1_203))


async def test_a_process_that_dies_refuses_its_file_and_leaves_nothing_open(monkeypatch):
    before = len(os.listdir("/proc/self/fd"))
    started = asyncio.create_subprocess_exec

    async def killed(*args: Any, **how: Any) -> Any:
        made = await started(*args, **how)
        made.send_signal(signal.SIGKILL)
        return made

    monkeypatch.setattr(asyncio, "create_subprocess_exec", killed)
    with pytest.raises(reader.Refused) as refused:
        await read(ugly.content("csv-plain"))
    assert refused.value.code == "file_damaged"
    assert len(os.listdir("/proc/self/fd")) == before


async def test_the_process_can_open_nothing_and_take_little():
    """Its limits, while it waits for somebody to take the parts."""
    rng = Random(2)
    rows = [ugly.person(rng) for _ in range(20)] * 400
    seen: dict[str, list[str]] = {}

    async def keep(number: int, _: bytes) -> None:
        if number:
            return
        mine = os.getpid()
        children = Path(f"/proc/{mine}/task/{mine}/children").read_text().split()
        for child in children:
            if b"imports.reading.process" in Path(f"/proc/{child}/cmdline").read_bytes():
                limits = Path(f"/proc/{child}/limits").read_text()
                seen.update({line[:26].strip(): line[26:].split() for line in limits.splitlines()})
                assert Path(f"/proc/{child}/environ").read_bytes() == b""

    with tempfile.TemporaryFile() as file:
        file.write(ugly.table(rows).encode())
        file.flush()
        await reader.read(file, reader.Options(), keep)
    assert seen["Max open files"][0] == seen["Max file size"][0] == seen["Max core file size"][0] == "0"
    assert int(seen["Max address space"][0]) < 2 << 30


async def test_a_file_has_a_time_for_all_of_it(monkeypatch):
    """Also when its parts come one by one."""
    monkeypatch.setattr(reader, "_LEAST_SECONDS", 1)
    monkeypatch.setattr(reader, "_SECONDS_A_MEGABYTE", 0)
    with pytest.raises(reader.Refused) as refused:
        await read(b"nik,nama,alamat\n" + b"1,2,3\n" * 800_000)
    assert (refused.value.code, refused.value.facts) == ("reading_too_slow", {"seconds": 1})


def test_a_large_file_has_more_time_and_none_has_much():
    small, book, table, huge = (reader._seconds(size << 20) for size in (0, 10, 150, 5_000))
    assert small == 60
    assert 60 < book < 120 < table <= huge <= 300


async def test_what_comes_after_a_long_wait_is_not_waited_for():
    stream, kept = asyncio.StreamReader(), list[int]()
    stream.feed_data(b"p\x00\x00\x00\x01x" * 2)

    async def keep(number: int, _: bytes) -> None:
        kept.append(number)
        await asyncio.sleep(0.15)  # the store is slow, which is not the file's doing

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader._take(stream, keep, 0.1), 5)
    assert kept == [0, 1]


def test_a_part_that_is_larger_than_any_is_refused_before_it_is_unpacked():
    with pytest.raises(reader.Refused):
        reader.rows(zlib.compress(b"[" + b" " * (9 << 20) + b"]"))


def told(data: bytes, **options: Any) -> tuple[dict[str, Any], list[bytes]]:
    """What the process would say, said here."""
    parts: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return process.read(file, options, lambda _, part: parts.append(part)), parts


def _long_cells(book: Any) -> None:
    sheet = book.add_worksheet("Data")
    sheet.write_row(0, 0, ["NIK", "Nama Lengkap"])
    for line in range(1, 31):
        sheet.write_row(line, 0, ["a" * 30_000] * 20)


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_part_is_small_however_long_its_cells_are(format):
    long = b"nik,nama\n" + (b"1" + b"," + b"a" * 120_000 + b",b" * 9 + b"\n") * 100
    said, parts = told(long if format == "csv" else ugly.workbook(_long_cells))
    _adds_up(said, parts)
    assert len(parts) > 1
    for part in parts:
        assert len(zlib.decompress(part)) < 5 << 20
    assert not any(row.faults for part in parts for row in reader.rows(part))


def test_a_row_of_megabytes_costs_itself_and_no_other():
    """Its longest cells stay behind; what stands for them is refused until somebody fills it in."""
    wide = ",".join(["\u6c34" * 100_000] * 9)
    said, parts = told(f"nik,nama,a,b,c,d,e,f,g,h\n1,Budi,,,,,,,,\n2,{wide}\n3,{'x' * 140_000}\n4,Siti\n".encode())
    _, before, row, cell, after = [row for part in parts for row in reader.rows(part)]
    assert (said["rows"], before.faults, after.faults) == (5, (), ())
    assert row.cells == ("2", *["#N/A"] * 9)
    assert cell.cells == ("3", "#N/A")
    assert row.faults == cell.faults == (Fault(None, "cell_too_long"),)


def test_a_row_with_a_stray_mark_has_no_more_columns_than_another():
    with pytest.raises(process.Refused) as refused:
        told(b'nik,nama\n1,"' + b"," * 600 + b"\n2,3\n")
    assert refused.value.code == "too_many_columns"


@pytest.mark.parametrize("filler", [b'="AAA1"', b' r="AAA1"', b'<row hidden="'])
def test_bytes_after_a_sheet_take_no_time_by_the_square(filler):
    data = _with_sheet(lambda sheet: sheet + filler * ((1 << 18) // len(filler)))
    started = time.process_time()
    process.answered(io.BytesIO(data), {}, lambda _, __: None)
    assert time.process_time() - started < 2


def _with_sheet(change: Callable[[bytes], bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(ugly.content("xlsx-plain"))) as book:
        members = {name: book.read(name) for name in book.namelist()}
    return ugly.archive({n: change(data) if n.endswith("sheet1.xml") else data for n, data in members.items()})


@pytest.mark.parametrize(("cell", "is_far"), [(b'<c r="AAA1"><v>1</v></c>', True), (b'<c r="AAA1" s="1"/>', False)])
def test_a_value_far_away_is_refused_and_an_empty_cell_is_not(cell, is_far):
    data = _with_sheet(lambda sheet: sheet.replace(b"</row>", cell + b"</row>", 1))
    try:
        told(data)
    except process.Refused as refused:
        assert is_far
        assert (refused.code, refused.facts["cell"]) == ("cell_far_away", "AAA1")  # noqa: PT017
    else:
        assert not is_far


# What is built from the rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "xlsx"])
@pytest.mark.parametrize("name", READABLE)
def test_an_error_file_that_comes_back_says_the_same(name, format):
    """Rows in their order, the same values, the same faults: nothing is lost or computed on the way."""
    head, where, rows, parsed = whole(name)
    target = io.BytesIO()
    with error_file(target, format, head, where, "id") as write:
        for row, said in zip(rows[where.above :], parsed, strict=True):
            write(row, said.faults or (Fault(None, "missing"),))
    again_head, again_rows = ugly.look(target.getvalue())
    again_where = mapping.layout(ugly.COLUMNS, again_rows)
    again = columns.parse(ugly.COLUMNS, again_where, again_head, again_rows)
    assert again_where.mapping == where.mapping
    if format == head.format == "csv":
        assert again_head.delimiter == head.delimiter
    assert len(again) == len(parsed)
    for old, new in zip(parsed, again, strict=True):
        codes = {fault.code for fault in old.faults}
        became_text = format != head.format and "date_from_number" in {note.code for note in old.notes}
        if "cells_beyond" in codes:
            assert "cells_beyond" in {fault.code for fault in new.faults}
        elif not codes & OF_THE_ROW and not became_text:
            assert old.values == new.values


def test_an_error_file_in_another_format_keeps_numbers_lost():
    head, where, rows, parsed = whole("xlsx-nik-as-number")
    target = io.BytesIO()
    with error_file(target, "csv", head, where, "en") as write:
        for row, said in zip(rows[1:], parsed, strict=True):
            write(row, said.faults)
    text = target.getvalue().decode("utf-8-sig")
    assert "! What to do" in text
    assert "NIK: This number was once kept as a number and has lost its 16th digit." in text
    again_head, again_rows = ugly.look(target.getvalue())
    again = columns.parse(ugly.COLUMNS, mapping.layout(ugly.COLUMNS, again_rows), again_head, again_rows)
    assert [{fault.code for fault in row.faults} for row in again] == [{"digits_lost"}, {"digits_lost"}, set()]


def test_an_error_file_computes_nothing():
    head, where, rows, _ = whole("csv-formulas-and-commands")
    target = io.BytesIO()
    with error_file(target, "csv", head, where, "id") as write:
        for row in rows[1:]:
            write(row, [Fault("=1+1", "missing")])
    lines = ugly.table([]).count("\n")
    for record in target.getvalue().decode("utf-8-sig").splitlines()[lines:]:
        assert not any(cell.strip('"')[:1] in "=+@\t" for cell in record.split(",") if cell.strip('"'))


def test_rows_that_were_merged_are_refused_until_they_are_filled_in():
    head, where, rows, parsed = whole("xlsx-merged-cells")
    target = io.BytesIO()
    with error_file(target, "xlsx", head, where, "id") as write:
        for row, said in zip(rows[where.above :], parsed, strict=True):
            if said.faults:
                write(row, said.faults)
    again_head, again_rows = ugly.look(target.getvalue())
    again = columns.parse(ugly.COLUMNS, mapping.layout(ugly.COLUMNS, again_rows), again_head, again_rows)
    assert [row.faults for row in again] == [(), (Fault("No KK", "excel_error"),)]


@pytest.mark.parametrize(("rows", "length"), [(3, 1), (1, 32_768)])
def test_an_error_file_that_no_workbook_holds_is_refused_and_never_cut(rows, length, monkeypatch):
    monkeypatch.setattr(import_sheets, "_WORKBOOK_ROWS", 3, raising=False)
    where, head = mapping.layout(ugly.COLUMNS, _rows(HEADED)), reader.Head("csv", rows + 1, 1)
    for kind in ("csv", "xlsx"):
        is_held = nullcontext() if kind == "csv" else pytest.raises(DomainError, match="workbook_full")
        with is_held, error_file(io.BytesIO(), kind, head, where, "id") as write:
            for number in range(rows):
                write(Row(number + 2, ("x" * length,)), [Fault(None, "missing")])


def test_an_error_file_in_json_names_each_fault():
    head, where, rows, parsed = whole("csv-nik-scientific")
    target = io.BytesIO()
    with error_file(target, "json", head, where, "en") as write:
        write(rows[1], parsed[0].faults)
    (said,) = json.loads(target.getvalue())
    assert said["row"] == 2
    assert said["cells"]["NIK"] == "1,87105E+15"
    assert [(fault["column"], fault["code"]) for fault in said["faults"]] == [
        ("NIK", "digits_lost"),
        ("No KK", "digits_lost"),
    ]
    assert all(fault["problem"] and fault["what_to_do"] for fault in said["faults"])
    target = io.BytesIO()
    with error_file(target, "json", head, where, "en"):
        pass
    assert json.loads(target.getvalue()) == []


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_template_is_read_as_its_kind(name, format):
    kind = KINDS[name]
    head, rows = ugly.look(template(kind, format))
    where = mapping.layout(kind.columns, rows)
    assert head.rows == 1
    assert where.used == {column.name: place for place, column in enumerate(kind.columns)}
    assert template(kind, format) == template(kind, format)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_names_of_columns_lead_to_one_column_each(name):
    """An alias that two columns share would go to whichever stands first."""
    owners: dict[str, str] = {}
    for column in KINDS[name].columns:
        for word in {mapping._plain(word) for word in (column.header, column.name, *column.aliases)}:
            assert owners.setdefault(word, column.name) == column.name, word


def test_choices_of_a_template_are_offered():
    kind = Kind("x", None, (Column("sex", cells.sex, "Jenis Kelamin", choices=("L", "P")),), str, None, None)  # type: ignore[arg-type]
    with zipfile.ZipFile(io.BytesIO(template(kind, "xlsx"))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<formula1>Pilihan!$A$2:$A$3</formula1>" in sheet


# Mapping -------------------------------------------------------------------------------------------------------------


def _rows(*lines: Sequence[Cell]) -> list[Row]:
    return [Row(number, tuple(line)) for number, line in enumerate(lines, start=1)]


HEADED = ("Nama", "Lahir", "Jenis Kelamin", "Alamat", "Tempat")


def test_a_mapping_wins_over_names():
    rows = _rows(HEADED, ("Budi", "25/03/1991", "L", "Jl. Mawar", "Panjang"))
    where = mapping.layout(ugly.COLUMNS, rows, {"LAHIR": "birth_date", "tempat": "birth_place", "Nama": "full_name"})
    assert where.mapping["Lahir"] == "birth_date"
    assert where.mapping["Tempat"] == "birth_place"
    assert mapping.Layout.from_json(json.loads(json.dumps(where.to_json()))) == where
    where = mapping.layout(ugly.COLUMNS, rows, {"Lahir": "birth_date", "Tempat": None})
    assert "Tempat" not in where.mapping


def test_a_mapping_settles_which_of_two_headings_counts():
    head, rows = ugly.look(ugly.content("headings-twice"))
    where = mapping.layout(ugly.COLUMNS, rows, {"Alamat (K)": "street"})
    assert where.used["street"] == 10
    assert columns.parse(ugly.COLUMNS, where, head, rows)[0].values["street"] == rows[1].cells[10]


@pytest.mark.parametrize("given", [{"Ayah": "full_name"}, {"Nama": "umur"}])
def test_a_mapping_of_what_is_not_there_is_refused(given):
    with pytest.raises(reader.Refused) as refused:
        mapping.layout(ugly.COLUMNS, _rows(HEADED), {"Lahir": "birth_date", **given})
    assert refused.value.code == "mapping_unknown"


def test_a_required_column_that_no_heading_names_is_asked_for():
    needed = tuple(replace(column, required=column.name == "birth_date") for column in ugly.COLUMNS)
    with pytest.raises(reader.Refused) as refused:
        mapping.layout(needed, _rows(("Nama", "Tanggal Lhr", "Alamat")))
    assert refused.value.code == "columns_missing"
    assert refused.value.facts["columns"] == ["Tanggal Lahir"]
    assert refused.value.facts["suggested"] == {"Tanggal Lhr": "birth_date"}
    rows = _rows(("Nama", "Tanggal Lahir"), ("Budi", "25/03/1991"), ("Siti", "-"))
    where, head = mapping.layout(needed, rows), reader.Head("csv", 3, 1)
    first, second = columns.parse(needed, where, head, rows)
    assert (first.faults, second.faults) == ((), (Fault("Tanggal Lahir", "missing"),))


def test_the_row_of_headings_can_be_said():
    given = {"A": "full_name", "B": "birth_date", "C": "street", "D": "sex"}
    rows = _rows(("NIK", "Nama", "Alamat"), ("A", "B", "C", "D"), ("x", "y", "z", "L"))
    where = mapping.layout(ugly.COLUMNS, rows, given, heading_row=2)
    assert (where.last_heading_row, where.above) == (2, 2)


SOMEBODY = ("Siti Rahmawati", "25/03/1991", "0812-3456-7890", "Jl. Yos Sudarso No. 12")


def test_a_person_is_no_row_of_headings():
    """Whoever says so: headings are kept and shown."""
    for asked, said in ((None, None), (1, None), (1, {SOMEBODY[0]: None})):
        with pytest.raises(reader.Refused) as refused:
            mapping.layout(ugly.COLUMNS, _rows(SOMEBODY, SOMEBODY), said, heading_row=asked)
        assert (refused.value.code, refused.value.facts) == ("headings_missing", {"rows": mapping.TOP_ROWS})


def test_beside_a_single_known_heading_the_others_are_letters():
    where = mapping.layout(ugly.COLUMNS, _rows(("RT", *SOMEBODY), ("001", *SOMEBODY)))
    assert where.headers == ("RT", "(B)", "(C)", "(D)", "(E)")
    assert "Siti" not in json.dumps(where.to_json())
    where = mapping.layout(ugly.COLUMNS, _rows(("RT", "Alamat", "Catatan TKSK"), ("001", *SOMEBODY)))
    assert where.headers == ("RT", "Alamat", "Catatan TKSK")
    needed = tuple(replace(column, required=column.name == "birth_date") for column in ugly.COLUMNS)
    with pytest.raises(reader.Refused) as refused:
        mapping.layout(needed, _rows(("RT", *SOMEBODY), ("001", *SOMEBODY)))
    assert "Siti" not in str(refused.value.facts)


@pytest.mark.parametrize(
    ("heading", "shown"),
    [
        ("25/03/1991", "-"),
        ("1991-03-25", "-"),
        ("Panjang, 25 Maret 1991", "Panjang, -"),
        ("0812-3456-7890", "-"),
        ("+62 812 3456 7890", "-"),
        ("WA 081234567890", "WA -"),
        ("3201011203910003", "-"),
        ("Bantuan 2025", "Bantuan 2025"),
        ("Tahap 1/2025", "Tahap 1/2025"),
        ("18.71.04.1002", "18.71.04.1002"),
    ],
)
def test_no_day_and_no_number_of_a_person_is_shown_of_a_heading(heading, shown):
    where = mapping.layout(ugly.COLUMNS, _rows(("NIK", "Alamat", heading)))
    file = shown_file(reader.Head("csv", 2, 1), where)
    assert file["headings"][2]["heading"] == shown
    assert [note["column"] for note in file["notes"]] == [shown]
    facts = telling.told(Fault(heading, "columns_missing", {"headings": [heading], "suggested": {heading: "rt"}}))
    assert facts["facts"] == {"headings": [shown], "suggested": {shown: "rt"}}
    assert telling.told(Fault(None, "region_ended", {"day": "2026-01-01"}))["facts"] == {"day": "2026-01-01"}


# Cells ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "cell", "value", "notes"),
    [
        (cells.text, "  Siti ", "Siti", ()),
        (cells.text, "'Aisyah", "'Aisyah", ()),
        (cells.text, "'=1+1", "=1+1", ("apostrophe_removed",)),
        (cells.text, "Rumah petak\r\ndekat dermaga", "Rumah petak\ndekat dermaga", ()),
        (cells.line, "Jl. Mawar 3 \r\nGang buntu\trumah 2", "Jl. Mawar 3 Gang buntu rumah 2", ("lines_joined",)),
        (cells.line, "'=1\n+1", "=1 +1", ("apostrophe_removed", "lines_joined")),
        (cells.line, "Jl. Mawar 3\n", "Jl. Mawar 3", ()),
        (cells.text, 5.0, "5", ()),
        (cells.text, 0.1, "0.1", ()),
        (cells.text, 1e22, "10000000000000000000000", ()),
        (cells.text, date(1991, 3, 25), "1991-03-25", ()),
        (cells.text, Formula("=A1"), "=A1", ("formula_kept",)),
        (cells.text, "e\u0301", "\u00e9", ()),
        (cells.whole, "-12", -12, ()),
        (cells.whole, 7.0, 7, ()),
        (cells.decimal, "-5,4732", Decimal("-5.4732"), ()),
        (cells.decimal, 105.326, Decimal("105.326"), ()),
        (cells.region, 1871041002.0, "18.71.04.1002", ("digits_tidied",)),
        (cells.region, "18.71.04", "18.71.04", ()),
        (cells.boolean, "Ya", True, ()),
        (cells.boolean, False, False, ()),
        (cells.listed("relationships"), "03", "wife", ()),
        (cells.listed("relationships"), "ISTRI", "wife", ()),
        (cells.many(cells.sex), "L; P, L", ["male", "female"], ()),
        (cells.many(cells.sex), None, None, ()),
        (cells.day, 33322.0, date(1991, 3, 25), ("date_from_number",)),
        (cells.Dated("mdy"), "03/25/1991", date(1991, 3, 25), ()),
        (cells.Dated("ymd"), "1991/03/25", date(1991, 3, 25), ()),
        (cells.day, datetime(1991, 3, 25, 10), date(1991, 3, 25), ()),  # noqa: DTZ001 - a workbook knows no zone
    ],
)
def test_a_cell_is_read(read, cell, value, notes):
    assert read(cell) == (value, notes)


@pytest.mark.parametrize(
    ("read", "cell", "code"),
    [
        (cells.whole, "1.000", "number_unclear"),
        (cells.decimal, "1.000", "number_unclear"),
        (cells.whole, 1.5, "number_unclear"),
        (cells.whole, float("nan"), "number_unclear"),
        (cells.whole, True, "wrong_type"),
        (cells.day, True, "bad_date"),
        (cells.day, 1e300, "bad_date"),
        (cells.day, Formula("=TODAY()"), "formula"),
        (cells.text, Formula(""), "formula"),
        (cells.nik, date(1991, 3, 25), "wrong_type"),
        (cells.nik, 3201011203910003.0, "kept_as_number"),
        (cells.uuid, "x", "bad_uuid"),
        (cells.phone, Formula("=1"), "formula"),
    ],
)
def test_a_cell_is_refused(read, cell, code):
    with pytest.raises(CellError) as refused:
        read(cell)
    assert refused.value.code == code


READERS = (
    *(cells.text, cells.nik, cells.family_card, cells.day, cells.whole, cells.decimal, cells.sex, cells.boolean),
    *(cells.region, cells.rt_rw, cells.phone, cells.uuid, cells.many(cells.sex), cells.listed("relationships")),
)
CELLS = st.one_of(
    st.none(),
    st.text(),
    st.text(alphabet="0123456789.,-/'+=E \u00a0\u0660\uff11", max_size=24),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.builds(Formula, st.text()),
)


@QUICK
@given(cell=CELLS)
def test_no_cell_breaks_a_reader(cell):
    for read in READERS:
        with suppress(CellError):
            read(cell)


@QUICK
@given(written=st.one_of(st.text(), st.text(alphabet="='+-@#N/A\t\uff1d0123", max_size=6)), is_typed=st.booleans())
def test_what_goes_out_comes_back_as_it_was(written, is_typed):
    try:
        value, _ = cells.text(written)
    except CellError:
        return
    if value is None or value != value.strip():
        return
    out = cells.shielded(value, is_typed=is_typed)
    assert cells.text(out)[0] == value
    if not is_typed:
        assert out[:1] not in "=+@\t\r\n\uff1d\uff0b\uff0d\uff20"
        assert out[:1] != "-" or cells._NEGATIVE.fullmatch(out)


# Any bytes -----------------------------------------------------------------------------------------------------------


def _damaged(data: bytes, wounds: Sequence[tuple[int, bytes, int]]) -> bytes:
    for where, insert, cut in wounds:
        place = where % (len(data) + 1)
        data = data[:place] + insert + data[place + cut :]
    return data


WOUNDS = st.lists(
    st.tuples(
        st.integers(0, 1 << 20),
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from([b'"', b"\r", b"\n", b"\x00", b"\xff", b",", b";", b"'", b"\xef\xbb\xbf"]),
        ),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=6,
)
SMALL = [
    name
    for name in ugly.labels()
    if name.startswith(("csv", "headings", "like")) and "131" not in name and "line-w" not in name
]


@QUICK
@given(name=st.sampled_from(SMALL), wounds=WOUNDS)
def test_no_damage_to_a_text_loses_a_row_without_a_word(name, wounds):
    data = _damaged(ugly.content(name), wounds)
    started = time.process_time()
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        parts: list[bytes] = []
        try:  # not `answered`: here, nothing but a refusal may come
            said = process.read(file, {}, lambda _, part: parts.append(part))
        except process.Refused:
            return
        finally:
            assert time.process_time() - started < 5
    _adds_up(said, parts)


@QUICK
@given(data=st.binary(max_size=400), delimiter=st.sampled_from([None, *sniff.DELIMITERS]))
def test_no_bytes_lead_anywhere_but_to_rows_or_a_refusal(data, delimiter):
    parts: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        try:
            said = process.read(file, {"delimiter": delimiter}, lambda _, part: parts.append(part))
        except process.Refused:
            return
    _adds_up(said, parts)


BOOKS = [
    name for name in ugly.labels() if name.startswith("xlsx") and name not in ("xlsx-bomb", "xlsx-million-empty-rows")
]


@QUICK
@given(name=st.sampled_from(BOOKS), wounds=WOUNDS)
def test_no_damage_to_a_workbook_is_more_than_a_refusal(name, wounds):
    try:
        head, rows = ugly.look(_damaged(ugly.content(name), wounds))
    except reader.Refused:
        return
    assert head.rows == len(rows)


def _adds_up(said: dict[str, Any], parts: Sequence[bytes]) -> None:
    head = reader.Head.from_json(said)
    rows = [row for part in parts for row in reader.rows(part)]
    assert head.rows == len(rows)
    numbers = [row.number for row in rows]
    assert numbers == sorted(set(numbers))
    try:
        where = mapping.layout(ugly.COLUMNS, rows[: mapping.TOP_ROWS])
    except reader.Refused:
        return
    parsed = columns.parse(ugly.COLUMNS, where, head, rows)
    assert [row.number for row in parsed] == numbers[where.above :]


def test_quotation_marks_in_every_line_take_no_time_by_the_square():
    lines = ['a,"b' + "x" * 30] * 30_000
    started = time.process_time()
    with tempfile.TemporaryFile() as file:
        file.write(("nama,alamat\n" + "\n".join(lines)).encode())
        file.seek(0)
        with pytest.raises(process.Refused) as refused:
            process.read(file, {"delimiter": ","}, lambda _, __: None)
    assert refused.value.code == "quotes_broken"
    assert time.process_time() - started < 5
