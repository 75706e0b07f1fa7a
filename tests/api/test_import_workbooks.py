"""A workbook from its template to the register: filled in, sent, its rejected rows corrected in a workbook."""

import io
from typing import Any

import xlsxwriter
from python_calamine import CalamineWorkbook

from helpers import PANJANG, SRENGSEM, nik
from import_flow import URL, counts, imported

SHEET = "Data"
BROKEN = "1871046503"


def sheet(content: bytes, name: str = SHEET) -> list[list[Any]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name(name).to_python()


def book(rows: list[list[Any]]) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as made:
        data = made.add_worksheet(SHEET)
        for line, row in enumerate(rows):
            for place, cell in enumerate(row):
                data.write_string(line, place, str(cell))
    return target.getvalue()


def person(headings: list[str], number: str, name: str) -> list[str]:
    own = {"NIK": number, "Nama Lengkap": name, "Tanggal Lahir": "25 Maret 1991", "Jenis Kelamin": "P"}
    own |= {"Alamat": "Jl. Yos Sudarso 12", "RT": "1", "RW": "2", "Kode Desa/Kelurahan": SRENGSEM}
    assert own.keys() <= {heading.removesuffix(" *") for heading in headings}
    return [own.get(heading.removesuffix(" *"), "") for heading in headings]


async def test_a_filled_in_template_is_corrected_in_its_error_workbook(as_, app):
    tksk = await as_("tksk", PANJANG)
    empty = await tksk.get(f"{URL}/templates/beneficiaries?format=xlsx")
    [headings, *rest] = sheet(empty.content)
    assert not rest
    explained = {row[0] for row in sheet(empty.content, "Petunjuk")}
    assert {heading.removesuffix(" *") for heading in headings} <= explained
    people = [(nik(), "Siti Rahmawati"), (BROKEN, "Ni Luh Ayu"), (nik(), "Sukarni")]
    filled = book([headings, *(person(headings, *one) for one in people)])
    one = await imported(app, tksk, filled, name="warga.xlsx", kind="beneficiaries", mode="commit")
    assert (one["status"], counts(one)) == ("done", {"created": 2, "rejected": 1})
    assert (one["file"]["format"], one["file"]["sheet"]) == ("xlsx", SHEET)

    errors = await tksk.get(f"{URL}/{one['id']}/errors")
    assert "-kesalahan.xlsx" in errors.headers["Content-Disposition"]
    [titles, wrong] = sheet(errors.content)
    assert titles[: len(headings)] == headings
    assert titles[len(headings) :] == ["! Baris", "! Kode", "! Kesalahan", "! Perbaikan"]
    assert wrong[len(headings) : len(headings) + 2] == ["3", "nik_format"]
    corrected = book([titles, [nik() if cell == BROKEN else cell for cell in wrong]])
    again = await imported(app, tksk, corrected, name="warga.errors.xlsx", kind="beneficiaries", mode="commit")
    assert (again["status"], counts(again)) == ("done", {"created": 1})
    listed = (await tksk.get("/v1/beneficiaries")).json()["items"]
    assert {item["full_name"] for item in listed} == {name for _, name in people}
