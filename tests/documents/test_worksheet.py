"""The printed worksheet: every question of its form, what was seen last, a code that leads back, and no full number."""

import dataclasses
import io
from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import cv2
import numpy
import pymupdf
import pypdf
import pytest

from tksk_api.documents.worksheet import render_worksheets
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.visit_forms.forms import FORMS
from tksk_api.domain.visits.worksheet import LastVisit, Member, Worksheet

WIB = timezone(timedelta(hours=7))
KEY = UUID("0190f7a2-5a3b-7c1d-8e2f-0000000000a1")
LAST = LastVisit(
    visited_on=date(2026, 3, 3),
    finding="eligible",
    reasons=("no_fixed_income", "many_dependants"),
    evidence={"house_ownership": "rented", "floor_area_m2": 21.5, "assets": ["motorcycle"], "savings": 0},
)
HOSTILE = [
    '#panic("no") #read("/etc/passwd") $a_b^2$ *tebal* `raw` @ref <label> // -- ~',
    "王小明 😀 محمد \u202eikik\u2066 \u200b",
    "Z" + "\u0301" * 40,
    "x" * 200,
    "",
]


def sheet(**changes: Any) -> Worksheet:
    made = Worksheet(
        visit_id=KEY,
        visited_on=date(2026, 11, 23),
        officer="Rina Wulandari",
        notes="Rumah biru di belakang masjid",
        offices=("Kecamatan Panjang", "Kota Bandar Lampung"),
        full_name="Siti Rahmawati",
        nik_last4="0003",
        nik_status="verified",
        birth_place="Panjang",
        birth_date=date(1991, 3, 25),
        age=35,
        sex="female",
        address="Jl. Yos Sudarso 12",
        lanes="RT 001 / RW 002",
        village="Kelurahan Srengsem",
        is_deceased=False,
        members=(Member("Ahmad Fauzi", "head_of_family", date(1988, 1, 2)), Member(None, "parent", None)),
        last=LAST,
        form=FORMS[2],
        printed_at=datetime(2026, 11, 22, 14, 5, tzinfo=WIB),
    )
    return dataclasses.replace(made, **changes)


def pages(document: bytes) -> list[str]:
    """Each page's text with every run of white space as one space."""
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(document)).pages]


def qr_text(document: bytes) -> str:
    opened: Any = pymupdf.open(stream=document)  # type: ignore[no-untyped-call]
    picture = opened[0].get_pixmap(dpi=200, colorspace=pymupdf.csGRAY)
    grey = numpy.frombuffer(picture.samples, dtype=numpy.uint8).reshape(picture.height, picture.stride)
    return cv2.QRCodeDetector().detectAndDecode(grey[:, : picture.width])[0]


def test_a_worksheet_says_whom_to_visit_and_what_was_seen_last():
    document = render_worksheets([sheet()])
    text = " ".join(pages(document))
    for expected in (
        "KECAMATAN PANJANG KOTA BANDAR LAMPUNG",
        "LEMBAR KERJA KUNJUNGAN RUMAH",
        "Senin, 23 November 2026",
        "Petugas: Rina Wulandari",
        "Formulir kunjungan rumah versi 2",
        "dicetak 22 November 2026 pukul 14.05 WIB",
        "Siti Rahmawati",
        "************0003",
        "Panjang, 25 Maret 1991",
        "35 tahun, perempuan",
        "RT 001 / RW 002",
        "Catatan rencana: Rumah biru di belakang masjid",
        "1 Ahmad Fauzi Kepala keluarga 38 tahun",
        "(terdaftar di wilayah lain) Orang tua",
        "per 3 Maret 2026",
        "Abu-abu di kanan: jawaban pada kunjungan terakhir.",
        "21,5 m²",
        "0 rupiah",
        "Layak. Alasan: Tidak memiliki penghasilan tetap; Banyak tanggungan.",
        "UU 27/2022",
        f"Kode kunjungan {KEY}",
    ):
        assert expected in text, expected
    assert qr_text(document) == f"urn:uuid:{KEY}"


@pytest.mark.parametrize("version", FORMS)
def test_every_question_and_every_choice_of_the_form_is_on_paper(version):
    text = " ".join(pages(render_worksheets([sheet(form=FORMS[version], last=None)])))
    form = FORMS[version]
    for number, entry in enumerate(form.fields, start=1):
        assert f"{number}. {entry.label_id}" in text, entry.name
        for choice in entry.choices:
            assert f"□ {choice.label_id}" in text, choice.code
    for code_list in ("visit_outcomes", "visit_findings", "visit_reasons"):
        for item in LISTS[code_list].items:
            assert f"□ {item.label_id}" in text, item.code
    later = {entry.label_id for other in FORMS.values() for entry in other.fields} - {
        entry.label_id for entry in form.fields
    }
    assert not [label for label in later if label in text]


def test_without_an_earlier_visit_nothing_of_one_is_printed():
    text = " ".join(
        pages(render_worksheets([sheet(last=None, notes=None, members=(), nik_last4=None, nik_status="none")]))
    )
    for unexpected in ("Abu-abu", "Kesimpulan kunjungan terakhir", "Catatan rencana", "****"):
        assert unexpected not in text


def test_each_sheet_of_a_day_counts_its_own_pages_on_a4():
    other = UUID(int=KEY.int + 1)
    document = render_worksheets([sheet(), sheet(visit_id=other, full_name="Ahmad Basuki", last=None)])
    texts = pages(document)
    first = [text for text in texts if str(KEY) in text]
    second = [text for text in texts if str(other) in text]
    assert first + second == texts
    for sheets in (first, second):
        assert [f"Halaman {n} dari {len(sheets)}" in text for n, text in enumerate(sheets, start=1)] == [True] * len(
            sheets
        )
    reader = pypdf.PdfReader(io.BytesIO(document))
    assert {(round(page.mediabox.width), round(page.mediabox.height)) for page in reader.pages} == {(595, 842)}
    root: Any = reader.root_object
    assert root["/Lang"].startswith("id")
    assert "<pdfaid:part>2</pdfaid:part>" in root["/Metadata"].get_object().get_data().decode()


def test_the_same_sheet_gives_the_same_bytes():
    assert render_worksheets([sheet()]) == render_worksheets([sheet()])


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_data_and_stays_on_the_paper(text):
    document = render_worksheets(
        [
            sheet(
                officer=text,
                notes=text,
                offices=(text, text),
                full_name=text,
                birth_place=text,
                address=text,
                members=(Member(text, "child", date(2012, 1, 2)),) * 12,
            )
        ]
    )
    assert "LEMBAR KERJA KUNJUNGAN RUMAH" in pages(document)[0]
    opened: Any = pymupdf.open(stream=document)  # type: ignore[no-untyped-call]
    for page in opened:
        assert all(block[2] <= page.rect.x1 - 1.5 / 2.54 * 72 for block in page.get_text("blocks"))
