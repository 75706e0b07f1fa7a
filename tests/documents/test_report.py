"""The printed report: complete, honest, archivable, and the same bytes each time.

TKSK_SCREENSHOTS=docs/images makes the pictures of docs/reports.md anew.
"""

import io
import os
from pathlib import Path
from typing import Any, Literal

import PIL.Image
import pymupdf
import pypdf
import pytest

from report_samples import FUNCTIONS, URL, printable, province, recap, report, standing
from tksk_api.documents.report import render_report
from tksk_api.domain.reports.content import FollowUp, Narrative, Obstacle

HOSTILE = (
    '#panic("x") $1+1$ = Judul *tebal* _miring_ `kode` <label> @acuan \\ // komentar [isi] {kode} "kutip" ~ -- ---',
    "=cmd|' /C calc'!A0 https://x.example 😀 تقرير\u202eterbalik",
    "x" * 3000,
    "Baris satu\n\n\nBaris dua",
)


def pages(document: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(document)).pages]


def drawn(document: bytes) -> Any:
    return pymupdf.open(stream=document)


def test_a_report_says_everything_in_the_order_of_its_sections() -> None:
    texts = pages(render_report(printable()))
    whole = " ".join(texts)
    for words in ("LAPORAN BULANAN", "Kecamatan Panjang", "Oktober 2026", "SK 460/12/SK/2024 tanggal 2 Januari 2024"):
        assert words in texts[0]
    titles = (
        "A. Identitas dan surat keputusan",
        "B. Kegiatan menurut pilar dan fungsi",
        "C. PPKS yang ditangani",
        "D. Surat keterangan tidak mampu",
        "E. Rujukan program",
        "F. Kunjungan rumah",
        "G. PSKS yang terlibat",
        "H. Hambatan",
        "I. Tindak lanjut",
        "J. Uraian",
        "K. Pengesahan",
    )
    places = [whole.index(title) for title in titles]
    assert places == sorted(places)
    for words in ("Jalan ke Lingkungan II terputus", "Lanjut Usia Terlantar", "pembinaan dua KUBE", "Daftar tunggu"):
        assert words in whole
    for page, text in enumerate(texts, start=1):
        assert f"Halaman {page} dari {len(texts)}" in text


def test_signatures_say_who_when_and_as_what() -> None:
    texts = pages(render_report(printable()))
    for words in (
        "Mengetahui, Camat Panjang",
        "Diketahui secara elektronik 3 November 2026 pukul 08.05 WIB",
        "Bambang Sutrisno, S.Sos.",
        "Pelapor, TKSK Kecamatan Panjang",
        "Diajukan secara elektronik 2 November 2026 pukul 09.20 WIB",
        "Diterima oleh, Kepala Bidang Pemberdayaan Sosial",
        "Diterima secara elektronik 4 November 2026 pukul 10.40 WIB",
        "bukan tanda tangan elektronik tersertifikasi",
        URL,
    ):
        assert words in texts[-1], words


@pytest.mark.parametrize(
    ("status", "mark"), [("draft", "DRAF"), ("submitted", None), ("returned", "DIKEMBALIKAN"), ("accepted", None)]
)
def test_until_it_is_submitted_every_page_says_so(
    status: Literal["draft", "submitted", "returned", "accepted"], mark: str | None
) -> None:
    texts = pages(render_report(printable(standing=standing(status))))
    marked = [any(word in text for word in ("DRAF", "DIKEMBALIKAN")) for text in texts]
    assert marked == [mark is not None] * len(texts)
    assert all(mark is None or mark in text for text in texts)
    # Only what was accepted can be verified; whoever has not signed has room for a pen.
    assert (URL in texts[-1]) is (status == "accepted")
    room = texts[-1].count("Nama, NIP, tanda tangan dan cap")
    assert room == {"draft": 3, "accepted": 0}.get(status, 2)


def test_a_recap_names_what_is_missing() -> None:
    texts = pages(render_report(province()))
    whole = " ".join(texts)
    assert "REKAPITULASI LAPORAN BULANAN" in texts[0]
    assert "Dari 27 kecamatan, 21 laporan diterima, 1 di antaranya terlambat; 2 kecamatan tanpa TKSK." in whole
    assert "Kabupaten Lombok Barat: Kediri" in whole
    assert "Kabupaten Lombok Utara: Tanjung, Gangga" in whole
    assert "Baiq Nurul Aini" in whole
    assert "Mengetahui" not in whole
    assert "pukul 10.20 WITA" in whole  # by the clock of the region


def test_the_same_report_is_the_same_file_and_archivable() -> None:
    first = render_report(printable())
    assert first == render_report(printable())
    assert first != render_report(printable(standing=standing("submitted")))
    reader = pypdf.PdfReader(io.BytesIO(first))
    root: Any = reader.root_object
    assert b"<pdfaid:part>2</pdfaid:part>" in root["/Metadata"].get_object().get_data()
    assert reader.metadata is not None
    assert reader.metadata.creation_date == standing().accepted.at  # type: ignore[union-attr]
    for page in drawn(first):
        assert tuple(round(side) for side in page.rect[2:]) == (595, 842)


def test_bars_begin_at_zero_and_are_as_long_as_their_numbers() -> None:
    """Of the first chart: the parts of a bar fill it, and bars compare as their counts do."""
    page = drawn(render_report(printable()))[1]
    bars: dict[float, float] = {}
    left: set[float] = set()
    for path in page.get_drawings():
        box = path["rect"]
        if abs(box.height - 0.46 / 2.54 * 72) < 0.1 and box.width > 1:
            bars[round(box.y0)] = bars.get(round(box.y0), 0) + box.width
            left.add(round(min(item["rect"].x0 for item in page.get_drawings() if abs(item["rect"].y0 - box.y0) < 0.1)))
    counts: dict[str, int] = {}
    for pillar, _, count, _ in FUNCTIONS:
        counts[pillar] = counts.get(pillar, 0) + count
    assert len(left) == 1
    longest, most = max(bars.values()), max(counts.values())
    for width, count in zip([bars[y] for y in sorted(bars)], counts.values(), strict=True):
        assert width / longest == pytest.approx(count / most, abs=0.01)


@pytest.mark.parametrize("text", HOSTILE, ids=["markup", "signs", "one word", "lines"])
def test_no_text_breaks_a_report(text: str) -> None:
    base = report()
    officer = base.identity.officers[0].model_copy(update={"full_name": text[:200], "decree_number": text[:100]})
    content = report(
        identity=base.identity.model_copy(update={"officers": (officer,) * 4}),
        obstacles=(Obstacle(**{**base.obstacles[0].model_dump(), "title": text[:200], "note": text}),) * 4,
        narrative=Narrative(summary=text, obstacles=None, plan=text),
    )
    document = render_report(printable(content=content))
    assert "K. Pengesahan" in pages(document)[-1]
    for page in drawn(document):
        right_margin = page.rect.x1 - 1.9 / 2.54 * 72
        assert all(block[2] <= right_margin for block in page.get_text("blocks")), page


@pytest.mark.parametrize(
    ("rows", "separator", "words"),
    [(2, " ", 440), (3, "\n", 60), (14, " ", 50)],
    ids=["long prose", "many lines", "many rows"],
)
def test_whatever_was_written_stands_on_a_page(rows: int, separator: str, words: int) -> None:
    base = report()
    notes = [separator.join(f"kata{row:02d}{word:03d}" for word in range(words)) for row in range(rows)]
    told = base.follow_ups.items[0].model_dump()
    content = report(
        obstacles=tuple(Obstacle(**{**base.obstacles[0].model_dump(), "note": note}) for note in notes),
        follow_ups=base.follow_ups.model_copy(
            update={"items": tuple(FollowUp(**{**told, "note": note.upper()}) for note in notes)}
        ),
    )
    found: list[str] = []
    for page in drawn(render_report(printable(content=content))):
        for _, _, _, bottom, word, *_ in page.get_text("words"):
            if word.lower().startswith("kata") and word != "kata":
                assert bottom < page.rect.height - 2.3 / 2.54 * 72, (page.number, word)
                found.append(word)
    said = separator.join(notes).split()
    assert sorted(found) == sorted([*said, *(word.upper() for word in said)])


def test_a_month_of_nothing_says_so() -> None:
    base = report()
    nothing = base.work.model_copy(
        update={"activities": base.work.activities.model_copy(update={"count": 0}), "by_function": (), "by_kind": ()}
    )
    empty: dict[str, Any] = dict.fromkeys(("ppks", "sktm", "referrals", "visits", "partners", "obstacles"), ())
    content = report(
        work=nothing,
        identity=base.identity.model_copy(update={"officers": (), "is_vacant": True}),
        narrative=Narrative(summary=None, obstacles=None, plan=None),
        **empty,
    )
    whole = " ".join(pages(render_report(printable(content=content, standing=standing("draft")))))
    assert "tanpa TKSK sepanjang periode" in whole
    assert whole.count("Tidak ada dalam periode ini.") == 5
    assert "Uraian" not in whole


@pytest.mark.skipif("TKSK_SCREENSHOTS" not in os.environ, reason="makes the pictures of the guide: TKSK_SCREENSHOTS")
def test_pictures_for_the_guide() -> None:
    for name, document, number in (
        ("cover", render_report(printable()), 0),
        ("work", render_report(printable()), 1),
        ("signatures", render_report(printable()), -1),
        ("draft", render_report(printable(standing=standing("draft"))), 2),
        ("recap", render_report(province()), 1),
    ):
        picture = drawn(document)[number].get_pixmap(dpi=80)
        image = PIL.Image.frombytes("RGB", (picture.width, picture.height), picture.samples)
        image.quantize(16).save(Path(os.environ["TKSK_SCREENSHOTS"], f"report-{name}.png"), optimize=True)


def test_the_nation_has_no_code_and_no_list_of_seven_thousand() -> None:
    base = recap()
    nation = base.region.model_copy(update={"level": "nation", "code": None, "office": "Indonesia"})
    texts = pages(render_report(province(content=recap(region=nation))))
    assert "Baiq Nurul Aini" not in " ".join(texts)
    assert "Kementerian Sosial Republik Indonesia" in texts[-1]
