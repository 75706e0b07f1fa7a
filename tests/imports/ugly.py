"""Files as offices send them: what Excel, other systems and haste do to a table of people, each case under a label.

`python tests/imports/ugly.py FOLDER` writes them out. The same seed always makes the same bytes, and `expected.json`
beside this file says what each must lead to; `--expect` writes that anew, to be read through before it is kept.
Nobody here exists.
"""

import csv
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import xlsxwriter

from tksk_api.domain.imports import columns, mapping
from tksk_api.domain.imports.contract import Fault, Parsed, Row
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.reading import process, reader

SEED = 20261122
EXPECTED = Path(__file__).with_name("expected.json")
HEADINGS = (
    "NIK",
    "No KK",
    "Nama Lengkap",
    "Tanggal Lahir",
    "Jenis Kelamin",
    "Alamat",
    "RT",
    "RW",
    "Kode Desa",
    "Telepon",
)
_NAMES = ("Siti Rahmawati", "Budi Santoso", "Ni Luh Ayu", "Sukarni", "Ahmad Fauzi", "Maria Goreti", "Poniman", "Aisyah")
COLUMNS = KINDS["beneficiaries"].columns
_MADE: dict[str, Callable[[Random], bytes]] = {}


def label(name: str) -> Callable[[Callable[[Random], bytes]], Callable[[Random], bytes]]:
    def keep(make: Callable[[Random], bytes]) -> Callable[[Random], bytes]:
        assert name not in _MADE, name
        _MADE[name] = make
        return make

    return keep


def labels() -> list[str]:
    return list(_MADE)


def content(name: str) -> bytes:
    """One file of the folder, whichever others are made."""
    return _MADE[name](Random(f"{SEED}-{name}"))


# People --------------------------------------------------------------------------------------------------------------


def person(rng: Random) -> list[str]:
    """A row under HEADINGS, all of it text as it should be."""
    born = date(1950, 1, 1) + timedelta(days=rng.randrange(20_000))
    is_woman = rng.random() < 0.5
    serial, nines = rng.randint(1, 9), rng.randint(100, 999)
    nik = f"187104{born.day + 40 * is_woman:02}{born:%m%y}{nines}{serial}"
    card = f"187104{rng.randint(1, 28):02}{rng.randint(1, 12):02}{rng.randint(10, 25)}{rng.randint(100, 999)}{serial}"
    street = f"Jl. Yos Sudarso No. {rng.randint(1, 99)}"
    where = (street, f"{rng.randint(1, 9):03}", f"{rng.randint(1, 9):03}", "18.71.04.1002")
    phone = f"0812{rng.randint(10_000_000, 99_999_999)}"
    return [nik, card, rng.choice(_NAMES), f"{born:%d/%m/%Y}", "P" if is_woman else "L", *where, phone]


def people(rng: Random, count: int = 4) -> list[list[str]]:
    return [person(rng) for _ in range(count)]


def table(
    rows: Iterable[Sequence[str]], delimiter: str = ",", end: str = "\r\n", headings: Sequence[str] = HEADINGS
) -> str:
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=delimiter, lineterminator=end)
    if headings:
        writer.writerow(headings)
    writer.writerows(rows)
    return target.getvalue()


def changed(row: Sequence[str], **values: str) -> list[str]:
    """The row with other cells: n=NIK, c=card, name, born, sex, street, rt, rw, village, phone."""
    places = ("n", "c", "name", "born", "sex", "street", "rt", "rw", "village", "phone")
    return [values.get(place, cell) for place, cell in zip(places, row, strict=True)]


def workbook(fill: Callable[[Any], None], **options: Any) -> bytes:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_numbers": False, **options}) as book:
        book.set_properties({"created": datetime(2026, 1, 1, tzinfo=UTC)})
        fill(book)
    return target.getvalue()


def sheet_of(book: Any, rows: Iterable[Sequence[Any]], name: str = "Data", first: int = 0) -> Any:
    sheet = book.add_worksheet(name)
    for line, row in enumerate((HEADINGS, *rows), start=first):
        for place, cell in enumerate(row):
            sheet.write_string(line, place, cell)
    return sheet


def archive(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 1)
    return target.getvalue()


def rewritten(book: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one member changed."""
    with zipfile.ZipFile(io.BytesIO(book)) as old:
        return archive({one: change(old.read(one)) if one == name else old.read(one) for one in old.namelist()})


# Text ----------------------------------------------------------------------------------------------------------------

label("csv-plain")(lambda rng: table(people(rng)).encode())
label("csv-bom")(lambda rng: table(people(rng)).encode("utf-8-sig"))
label("csv-semicolon")(lambda rng: table(people(rng), ";").encode())
label("csv-tab")(lambda rng: table(people(rng), "\t").encode())
label("csv-pipe")(lambda rng: table(people(rng), "|").encode())
label("csv-excel-says-sep")(lambda rng: b"sep=;\r\n" + table(people(rng), ";").encode())
label("csv-semicolon-with-commas-in-every-address")(
    lambda rng: table(
        [changed(one, street=f"Gg. Melati, RT {n}") for n, one in enumerate(people(rng, 9))], ";"
    ).encode()
)
label("csv-cp1252")(lambda rng: table([changed(one, name="André Sitorus") for one in people(rng)]).encode("cp1252"))
label("csv-utf16-unicode-text")(lambda rng: table(people(rng), "\t").encode("utf-16"))
label("csv-utf16-without-mark")(lambda rng: table(people(rng), "\t").encode("utf-16-le"))
label("csv-utf32")(lambda rng: table(people(rng)).encode("utf-32"))
label("csv-cr-only")(lambda rng: table(people(rng), end="\r").encode())
label("csv-lines-end-three-ways")(
    lambda rng: b"".join(
        table([one], end=end, headings=()).encode()
        for one, end in zip([HEADINGS, *people(rng, 3)], ("\n", "\r", "\r\n", "\n"), strict=True)
    )
)
label("csv-no-end-of-last-line")(lambda rng: table(people(rng)).rstrip().encode())
label("csv-nul-padding-at-end")(lambda rng: table(people(rng)).encode() + bytes(600))
label("csv-nul-in-name")(lambda rng: table([changed(person(rng), name="Bu\x00di"), person(rng)]).encode())
label("csv-control-characters")(
    lambda rng: table([changed(person(rng), street="Jl.\x0b Mawar\x1b[2J"), person(rng)]).encode()
)
label("csv-letters-lost-before")(lambda rng: table([changed(person(rng), name="Andr\ufffd"), person(rng)]).encode())
label("csv-blank-rows")(lambda rng: table([["", *[""] * 9], person(rng), [], person(rng), *[[""] * 10] * 5]).encode())
label("csv-trailing-empty-columns")(
    lambda rng: table([[*one, "", "", ""] for one in people(rng)], headings=[*HEADINGS, "", "", ""]).encode()
)
label("csv-rows-without-trailing-cells")(lambda rng: table([one[:6] for one in people(rng)]).encode())
label("csv-one-column")(lambda rng: table([[one[2]] for one in people(rng)], headings=["Nama Lengkap"]).encode())
label("csv-only-headings")(lambda _: table([]).encode())
label("csv-empty")(lambda _: b"")
label("csv-only-blanks")(lambda _: b"\xef\xbb\xbf\r\n ,,, \r\n")
label("csv-delimiter-unclear")(lambda _: b"Nama Lengkap;Alamat,RT\r\nBudi;Jl. Mawar,001\r\nSiti;Jl. Melati,002\r\n")


@label("csv-two-encodings-pasted-together")
def _(rng: Random) -> bytes:
    first, second = (changed(person(rng), name=name) for name in ("Andrée", "José"))
    return table([person(rng), first]).encode() + table([second], headings=()).encode("cp1252")


@label("csv-bytes-of-no-encoding")
def _(rng: Random) -> bytes:
    return table([person(rng), changed(person(rng), name="Ren?")]).encode().replace(b"Ren?", b"Ren\x8f\x81")


# Quotation marks -----------------------------------------------------------------------------------------------------


@label("csv-line-breaks-in-quotes")
def _(rng: Random) -> bytes:
    return table([changed(one, street='Jl. Mawar 3\nGang buntu, belakang "warung"') for one in people(rng)]).encode()


@label("csv-quote-not-closed")
def _(rng: Random) -> bytes:
    good, bad, *others = people(rng, 5)
    return (table([good]) + ",".join(changed(bad, name='"Budi')) + "\r\n" + table(others, headings=())).encode()


@label("csv-quote-not-closed-in-last-row")
def _(rng: Random) -> bytes:
    *good, bad = people(rng, 3)
    return (table(good) + ",".join(changed(bad, street='"Jl. Mawar')) + "\r\n").encode()


@label("csv-text-after-closing-quote")
def _(rng: Random) -> bytes:
    good, bad, other = people(rng, 3)
    return (
        table([good]) + ",".join(changed(bad, name='"Budi" Santoso')) + "\r\n" + table([other], headings=())
    ).encode()


@label("csv-two-stray-quotes-swallow-rows")
def _(rng: Random) -> bytes:
    first, second, third, fourth = people(rng, 4)
    lines = [changed(first, street='"Jl. Mawar'), second, third, changed(fourth, street='Jl. Melati"')]
    return (table([]) + "".join(",".join(line) + "\r\n" for line in lines)).encode()


@label("csv-quotes-within-text")
def _(rng: Random) -> bytes:
    return (table([person(rng)]) + ",".join(changed(person(rng), street='Jl. "Mawar" 3')) + "\r\n").encode()


@label("csv-comma-in-address-not-quoted")
def _(rng: Random) -> bytes:
    return (table([person(rng)]) + ",".join(changed(person(rng), street="Jl. Mawar, Gg. 2")) + "\r\n").encode()


label("csv-cell-of-131073")(lambda rng: table([changed(person(rng), street="J" * 131_073), person(rng)]).encode())
label("csv-line-without-end")(lambda rng: table([changed(person(rng), street="J" * 1_100_000)]).encode())
label("csv-600-columns")(lambda rng: table([[*person(rng), *["x"] * 590]]).encode())


# Numbers of people ---------------------------------------------------------------------------------------------------

label("csv-nik-scientific")(
    lambda rng: table([changed(person(rng), n="1,87105E+15", c="1.87E+15"), person(rng)]).encode()
)
label("csv-nik-one-ends-in-0")(
    lambda rng: table(
        [changed(one, n=one[0][:15] + str(place % 5)) for place, one in enumerate(people(rng, 5))]
    ).encode()
)
label("csv-nik-all-lost-16th-digit")(
    lambda rng: table([changed(one, n=one[0][:15] + "0") for one in people(rng, 30)]).encode()
)
label("csv-nik-of-a-data-frame")(lambda rng: table([changed(one, n=one[0] + ".0") for one in people(rng, 2)]).encode())
label("csv-nik-apostrophe")(
    lambda rng: table([changed(one, n="'" + one[0], c="'" + one[1]) for one in people(rng, 2)]).encode()
)
label("csv-nik-masked")(
    lambda rng: table([changed(one, n=one[0][:4] + "*" * 8 + one[0][12:]) for one in people(rng, 2)]).encode()
)
label("csv-nik-15-digits")(lambda rng: table([changed(one, n=one[0][:15]) for one in people(rng, 2)]).encode())


@label("csv-nik-blanks-dots-full-width")
def _(rng: Random) -> bytes:
    first, second, third = people(rng, 3)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in third[0])
    spaced = " ".join(first[0][start : start + 4] for start in range(0, 16, 4))
    dotted = ".".join((second[0][:6], second[0][6:12], second[0][12:]))
    return table([changed(first, n=spaced), changed(second, n=dotted), changed(third, n=wide)]).encode()


@label("csv-phones")
def _(rng: Random) -> bytes:
    phones = ("+6281234567890", "81234567890", "0812-3456-7890", "'081234567890", "(0721) 123456", "6281234567890")
    return table([changed(person(rng), phone=phone) for phone in phones]).encode()


@label("csv-formulas-and-commands")
def _(rng: Random) -> bytes:
    wild = ('=cmd|" /C calc"!A0', "@SUM(1+1)*cmd", "+1+1", "-2+3", '=HYPERLINK("http://x")', "\t=1+1")
    return table([changed(person(rng), street=street) for street in wild]).encode()


@label("csv-marks-for-nothing")
def _(rng: Random) -> bytes:
    marks = ("-", "NULL", "\\N", "N/A", "–")
    return table([changed(person(rng), phone=mark, rt=mark) for mark in marks]).encode()


label("csv-excel-errors")(
    lambda rng: table([changed(person(rng), name="#N/A"), changed(person(rng), born="#REF!")]).encode()
)
label("csv-region-without-dots")(
    lambda rng: table(
        [changed(person(rng), village=code) for code in ("1871041002", "18 71 04 1002", "1871041", "Srengsem")]
    ).encode()
)
label("csv-rt-rw")(
    lambda rng: table(
        [
            changed(person(rng), rt=rt, rw=rw)
            for rt, rw in (("1", "02"), ("RT 03", "RW. 4"), ("0012", "1234"), ("a", "0"))
        ]
    ).encode()
)
label("csv-sexes")(
    lambda rng: table(
        [changed(person(rng), sex=sex) for sex in ("Laki-laki", "PEREMPUAN", "1", "2", "wanita", "X", "")]
    ).encode()
)


# Dates ---------------------------------------------------------------------------------------------------------------


def _dates(*written: str) -> Callable[[Random], bytes]:
    return lambda rng: table([changed(person(rng), born=one) for one in written], ";").encode()


label("csv-dates-in-figures")(
    _dates("25/03/1991", "5-3-1991", "05.03.1991", "01/02/1991", "1991-03-25", "1991-03-25 00:00:00", "1991/03/25")
)
label("csv-dates-in-words")(
    _dates(
        "25 Maret 1991",
        "17 Agustus 1945",
        "1 Pebruari 1980",
        "3 Nopember 1975",
        "25-Mar-1991",
        "25 Agu 1991",
        "Senin, 25 Maret 1991",
        "25 Brumaire 1991",
    )
)
label("csv-dates-that-are-none")(
    _dates("29/02/1991", "31/04/1990", "00/00/0000", "0000-00-00", "bulan depan", "19910325", "1991")
)
label("csv-dates-month-first")(_dates("03/25/1991", "12/31/1980", "01/02/1990"))
label("csv-dates-short-years")(_dates("25/03/91", "25-Mar-91", "1 Mei 80"))
label("csv-dates-as-days")(_dates("33322", "33322.0", "33.322"))


# Headings ------------------------------------------------------------------------------------------------------------


def _headed(headings: str) -> Callable[[Random], bytes]:
    return lambda rng: table(people(rng), headings=headings.split("|")).encode()


label("headings-renamed")(_headed("no_nik|NOMOR KK|nama|Tgl. Lahir|L/P|ALAMAT*|No RT|no_rw|Kode Kelurahan|NO HP"))
label("headings-reordered")(lambda rng: table([one[::-1] for one in people(rng)], headings=HEADINGS[::-1]).encode())
label("headings-misspelt")(_headed("NIK|No KK|Nama Lengkp|Tanggal Lahirr|Jenis Kelamin|Alamat|RT|RW|Kode Desa|Telpon"))
label("headings-resembling")(
    _headed("NIK|No KK|Nama Lengkap|Tanggal Lahir|Jns Kelamin|Alamat|RT|RW|Kode Dsn|Telephone")
)
label("headings-one-resembling")(
    _headed("NIK|No KK|Nama Lengkap|Tanggal Lhr|Jenis Kelamin|Alamat|RT|RW|Kode Desa|Telepon")
)
label("headings-few")(lambda rng: table([one[:3] for one in people(rng)], headings=HEADINGS[:3]).encode())
label("headings-missing")(lambda rng: table(people(rng), headings=()).encode())
label("headings-twice")(
    lambda rng: table([[*one, one[5]] for one in people(rng)], headings=[*HEADINGS, "Alamat"]).encode()
)
label("headings-two-names-for-one")(
    lambda rng: table([[*one, "Bu " + one[2]] for one in people(rng)], headings=[*HEADINGS, "NAMA"]).encode()
)
label("headings-unknown-twice")(
    lambda rng: table([[*one, "a", "b"] for one in people(rng)], headings=[*HEADINGS, "Foto", "Foto"]).encode()
)
label("headings-below-a-title")(
    lambda rng: ("DAFTAR PENERIMA BANTUAN KECAMATAN PANJANG\r\n\r\n" + table(people(rng), ";")).encode()
)
label("headings-numbered-below")(lambda rng: table([[f"({n})" for n in range(1, 11)], *people(rng)]).encode())
label("headings-after-an-error-file")(
    lambda rng: table(
        [[*one, "5", "missing", "Nama: Wajib diisi.", ""] for one in people(rng)],
        headings=[*HEADINGS, "! Baris", "! Kode", "! Kesalahan", "! Perbaikan"],
    ).encode()
)


@label("headings-in-two-rows")
def _(rng: Random) -> bytes:
    upper = ["NIK", "No KK", "Nama Lengkap", "Kelahiran", "Jenis Kelamin", "Tempat Tinggal", "", "", "", "Telepon"]
    lower = ["", "", "", "Tanggal Lahir", "", "Alamat", "RT", "RW", "Kode Desa", ""]
    return table([lower, *people(rng)], headings=upper).encode()


@label("like-siks-ng")
def _(rng: Random) -> bytes:
    """Columns as a BNBA list of SIKS-NG has them; DT id and programmes are not ours."""
    headings = [
        "NO",
        "ID_DTKS",
        "NO_KK",
        "NIK",
        "NAMA_ART",
        "TMPT_LAHIR",
        "TGL_LAHIR",
        "JNS_KELAMIN",
        "HUB_KRT",
        "ALAMAT",
        "NO_RT",
        "NO_RW",
        "KODE_KEL",
        "PKH",
        "BPNT",
    ]
    rows = []
    for place, (nik, card, name, born, sex, street, rt, rw, village, _) in enumerate(people(rng), start=1):
        plain = village.replace(".", "")
        rows.append(
            [
                str(place),
                f"18710{place}",
                card,
                nik,
                name.upper(),
                "PANJANG",
                born,
                sex,
                "1",
                street,
                rt,
                rw,
                plain,
                "YA",
                "TIDAK",
            ]
        )
    return table(rows, ";", headings=headings).encode("utf-8-sig")


@label("like-opensid")
def _(rng: Random) -> bytes:
    """Columns as OpenSID exports residents: codes of its own lists, dates as ISO, dashes for nothing."""
    headings = [
        "alamat",
        "dusun",
        "rw",
        "rt",
        "nama",
        "no_kk",
        "nik",
        "sex",
        "tempatlahir",
        "tanggallahir",
        "agama_id",
        "kk_level",
        "telepon",
        "ket",
    ]
    rows = []
    for nik, card, name, born, sex, street, rt, rw, _village, phone in people(rng):
        day = f"{born[6:]}-{born[3:5]}-{born[:2]}"
        number = "1" if sex == "L" else "2"
        rows.append([street, "SATU", rw, rt, name, card, nik, number, "PANJANG", day, "1", "3", phone, "-"])
    return table(rows, headings=headings).encode()


# Workbooks -----------------------------------------------------------------------------------------------------------


@label("xlsx-plain")
def _(rng: Random) -> bytes:
    return workbook(lambda book: sheet_of(book, people(rng)))


@label("xlsx-nik-as-number")
def _(rng: Random) -> bytes:
    def fill(book: Any) -> None:
        first, second, third = people(rng, 3)
        sheet = sheet_of(book, [first, second, third])
        sheet.write_number(1, 0, float(first[0][:15] + "0"))
        sheet.write_number(2, 0, float(second[0]))
        sheet.write_number(3, 9, 81234567890.0)
        sheet.write_number(3, 6, 5)

    return workbook(fill)


@label("xlsx-merged-cells")
def _(rng: Random) -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Data")
        sheet.merge_range(0, 0, 0, 9, "DAFTAR KELUARGA")
        rows = people(rng, 4)
        for line, row in enumerate((HEADINGS, *rows), start=1):
            for place, cell in enumerate(row):
                sheet.write_string(line, place, cell)
        sheet.merge_range(3, 1, 4, 1, rows[1][1], book.add_format())

    return workbook(fill)


@label("xlsx-formulas-and-errors")
def _(rng: Random) -> bytes:
    def fill(book: Any) -> None:
        sheet = sheet_of(book, people(rng, 5))
        sheet.write_formula(1, 5, '="Jl. "&"Mawar"', None, "Jl. Mawar")
        sheet.write_formula(2, 0, "=A2", None, "1871040101900001")
        sheet.write_formula(3, 3, "=TODAY()", None, 46000)
        sheet.write_formula(4, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(5, 5, '=cmd|" /C calc"!A0', None, "0")

    return workbook(fill)


@label("xlsx-error-values")
def _(rng: Random) -> bytes:
    book = workbook(lambda book: sheet_of(book, people(rng, 2)).write_string(1, 6, "%RT%"))
    with zipfile.ZipFile(io.BytesIO(book)) as read:
        shared = read.read("xl/sharedStrings.xml").decode()
    place = shared[: shared.index("%RT%")].count("<si>") - 1
    old, new = f'<c r="G2" t="s"><v>{place}</v></c>', '<c r="G2" t="e"><v>#N/A</v></c>'
    return rewritten(book, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(old.encode(), new.encode()))


def _with_dates(system_1904: bool) -> Callable[[Random], bytes]:
    def make(rng: Random) -> bytes:
        def fill(book: Any) -> None:
            sheet = sheet_of(book, people(rng, 4))
            as_day, as_moment = (book.add_format({"num_format": code}) for code in ("dd/mm/yyyy", "dd/mm/yyyy hh:mm"))
            sheet.write_datetime(1, 3, date(1991, 3, 25), as_day)
            sheet.write_datetime(2, 3, datetime.combine(date(1991, 3, 25), time(10, 30)), as_moment)
            sheet.write_number(3, 3, 33322 - 1462 * system_1904)
            sheet.write_datetime(4, 3, time(10, 30), book.add_format({"num_format": "hh:mm"}))

        return workbook(fill, date_1904=system_1904)

    return make


label("xlsx-dates")(_with_dates(False))
label("xlsx-dates-from-1904")(_with_dates(True))


@label("xlsx-hidden-sheets-and-rows")
def _(rng: Random) -> bytes:
    def fill(book: Any) -> None:
        hidden = sheet_of(book, people(rng, 1), "Lama")
        shown = sheet_of(book, people(rng, 3), "Panjang")
        shown.set_row(2, None, None, {"hidden": True})
        shown.activate()
        shown.set_first_sheet()
        hidden.hide()
        sheet_of(book, [], "Petunjuk")

    return workbook(fill)


@label("xlsx-protected-sheet")
def _(rng: Random) -> bytes:
    return workbook(lambda book: sheet_of(book, people(rng)).protect("rahasia"))


@label("xlsx-table-not-at-a1")
def _(rng: Random) -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Data")
        for line, row in enumerate((HEADINGS, *people(rng)), start=3):
            for place, cell in enumerate(row, start=2):
                sheet.write_string(line, place, cell)
        sheet.write_string(5, 14, "sudah dicek")

    return workbook(fill)


@label("xlsx-million-empty-rows")
def _(rng: Random) -> bytes:
    empty = b"".join(b'<row r="%d" ht="15" customHeight="1"/>' % number for number in range(6, 1_048_577))
    return rewritten(
        workbook(lambda book: sheet_of(book, people(rng))),
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b"</sheetData>", empty + b"</sheetData>"),
    )


@label("xlsx-other-prefix-and-inline-strings")
def _(rng: Random) -> bytes:
    def cell(text: str) -> str:
        return f'<x:c t="inlineStr"><x:is><x:t>{text}</x:t></x:is></x:c>'

    rows = "".join(f"<x:row>{''.join(map(cell, row))}</x:row>" for row in (HEADINGS, *people(rng)))
    space = 'xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    xml = f'<?xml version="1.0"?><x:worksheet {space}><x:sheetData>{rows}</x:sheetData></x:worksheet>'
    return rewritten(workbook(lambda book: sheet_of(book, [])), "xl/worksheets/sheet1.xml", lambda _: xml.encode())


@label("xlsx-cell-far-away")
def _(rng: Random) -> bytes:
    return workbook(lambda book: sheet_of(book, people(rng)).write_string(5, 16_383, "x"))


@label("xlsx-empty")
def _(_: Random) -> bytes:
    return workbook(lambda book: book.add_worksheet("Data"))


@label("xlsx-cut-off")
def _(rng: Random) -> bytes:
    book = workbook(lambda book: sheet_of(book, people(rng, 200)))
    return book[: len(book) // 2]


def _hostile(change: Callable[[bytes], bytes], name: str = "xl/worksheets/sheet1.xml") -> Callable[[Random], bytes]:
    return lambda rng: rewritten(workbook(lambda book: sheet_of(book, people(rng))), name, change)


_ENTITY = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
label("xlsx-external-entity")(_hostile(lambda xml: xml.replace(b"?>", b"?>" + _ENTITY, 1)))
label("xlsx-entity-in-strings")(_hostile(lambda xml: xml.replace(b"?>", b"?>" + _ENTITY, 1), "xl/sharedStrings.xml"))
label("xlsx-broken-xml")(_hostile(lambda xml: xml[: len(xml) // 2]))
label("xlsx-bomb")(_hostile(lambda xml: xml.replace(b"</sheetData>", b"</sheetData>" + b" " * (48 << 20))))
label("xlsx-thousand-members")(lambda _: archive({f"xl/media/{n}.png": b"" for n in range(1_001)}))
label("zip-called-xlsx")(lambda _: archive({"foto.jpg": b"\xff\xd8\xff"}))
label("ods-called-xlsx")(
    lambda _: archive({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<a/>"})
)
label("xlsx-locked-with-password")(
    lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1_000) + "EncryptedPackage".encode("utf-16-le") + bytes(500)
)
label("xls-called-xlsx")(
    lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "Workbook".encode("utf-16-le") + bytes(500)
)
label("html-called-xls")(lambda _: b"\xef\xbb\xbf<html><body><table><tr><td>NIK</td></tr></table></body></html>")
label("xml-of-2003-called-xls")(lambda _: b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>')
label("pdf-called-csv")(lambda _: b"%PDF-1.7\n1 0 obj")


# What they lead to ---------------------------------------------------------------------------------------------------


def look(data: bytes) -> tuple[reader.Head, list[Row]]:
    """The file as its process reads it, without the process. Raises Refused."""
    parts: list[bytes] = []

    def tell(_: bytes, part: bytes) -> None:
        parts.append(part)

    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        kind, said = process.answered(file, {}, tell)
    if kind == b"r":
        raise reader.Refused(said["code"], **said["facts"])
    return reader.Head.from_json(said), [row for part in parts for row in reader.rows(part)]


def report(name: str) -> dict[str, Any]:
    """What the file leads to, without a value of it."""
    try:
        head, rows = look(content(name))
        where = mapping.layout(COLUMNS, rows[: mapping.TOP_ROWS])
    except reader.Refused as refusal:
        return {"refused": refusal.code, "facts": refusal.facts}
    parsed = columns.parse(COLUMNS, where, head, rows)
    assert len(rows) == head.rows
    assert len(parsed) == head.rows - where.above
    return {
        "file": {
            key: value for key, value in head.to_json().items() if value not in (None, (), 0, 1900) and key != "notes"
        },
        "notes": [_said(note) for note in (*head.notes, *where.notes)],
        "headings": [where.first_heading_row, where.last_heading_row],
        "mapping": where.mapping,
        "suggested": dict(where.suggested),
        "rows": len(parsed),
        "rejected": {str(row.number): [_said(fault) for fault in row.faults] for row in parsed if row.faults},
        "noted": {str(row.number): [_said(note) for note in row.notes] for row in parsed if row.notes},
        "born": _days(parsed) if "dates" in name else [],
    }


def _days(parsed: Sequence[Parsed]) -> list[str]:
    return [str(row.values["birth_date"]) for row in parsed if row.values.get("birth_date")]


def _said(fault: Fault) -> str:
    facts = " ".join(f"{key}={value}" for key, value in fault.facts.items())
    return " ".join(filter(None, (f"{fault.column}:" if fault.column else "", fault.code, facts)))


def main(where: str) -> None:
    if where == "--expect":
        said = {name: report(name) for name in labels()}
        EXPECTED.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return
    folder = Path(where)
    folder.mkdir(parents=True, exist_ok=True)
    for name in labels():
        kind = "xlsx" if name.startswith(("xlsx", "ods", "zip")) or "called-xlsx" in name else "csv"
        (folder / f"{name}.{kind}").write_bytes(content(name))


if __name__ == "__main__":
    main(sys.argv[1])
