"""The printed letter: what it says, that its QR code leads home, and that no content breaks or changes it.

TKSK_SCREENSHOTS=docs/images makes the pictures of docs/letters.md anew.
"""

import dataclasses
import hashlib
import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy
import PIL.Image
import PIL.ImageDraw
import pymupdf
import pypdf
import pytest

from tksk_api.documents.letter import render_copy, render_letter
from tksk_api.domain.sktm_letters.content import (
    Dependant,
    EnglishWords,
    LetterContent,
    Letterhead,
    Person,
    SignatureKind,
    Signer,
)
from tksk_api.domain.sktm_letters.wording import WORDING, sentence
from tksk_api.domain.sktm_policies.schemas import Purpose

WIB = timezone(timedelta(hours=7))
WIT = timezone(timedelta(hours=9))
URL = "https://tksk.bandarlampungkota.go.id/verify/9wJ3mQv2TtB0q1xYc7LrZg"
VILLAGE_HEAD = Signer(
    "Ahmad Fauzi, S.Sos.",
    "Lurah Srengsem",
    "19780412 200501 1 003",
    datetime(2026, 6, 3, 14, 5, tzinfo=WIB),
)
DISTRICT_HEAD = Signer(
    "Dra. Nurhayati", "Camat Panjang", "19700815 199603 2 001", datetime(2026, 6, 3, 15, 40, tzinfo=WIB)
)
AGENCY_HEAD = Signer("Bambang Susilo", "Kepala Dinas Sosial", None, datetime(2026, 6, 4, 9, tzinfo=WIT))
PRINTED_AT = datetime(2026, 8, 1, 9, 30, tzinfo=WIB)
CHILD = Dependant("Muhammad Rizki", "1871051203100002", "male", "Bandar Lampung", date(2010, 3, 12), "Anak")
HOSTILE = [
    '#panic("no") #import "x" #read("/etc/passwd")',
    "$a_b^2$ *tebal* _miring_ `raw` @ref <label> [isi] {kode} // /* */ ~ -- ---",
    "\\ \\u{41} \\n \" ' O'Neil “kutip” {{x}} %s",
    "محمد عبد الله بن أحمد",
    "王小明 😀👩‍👩‍👧 ꦧꦱ \ufe0f \U000e0041",
    "nol\x00satu\x01\x1b\x7f\ud800akhir",
    "kanan\u202eikik\u2066 \u200b\u200d\ufeff",
    "Z" + "\u0301\u0323" * 40,
    "א\u0301 x\u064b \u0e33 ﷺ 𝐁𝐮𝐝𝐢",
    "x" * 200,
    "",
]


def letter(**changes: Any) -> LetterContent:
    content = LetterContent(
        number="400.9/12/SRG/VI/2026",
        issued_on=date(2026, 6, 3),
        valid_until=date(2026, 9, 3),
        letterhead=Letterhead(
            "PEMERINTAH KOTA BANDAR LAMPUNG",
            "KECAMATAN PANJANG",
            "KELURAHAN SRENGSEM",
            "Jalan Yos Sudarso 12",
        ),
        place="Bandar Lampung",
        applicant=Person("Siti Aminah", "1871054506800003", "Metro", date(1980, 6, 5), "female", "Gang Melati No. 7"),
        dependants=(),
        purpose="Pendidikan",
        purpose_detail="Keringanan biaya sekolah",
        addressed_to="Kepala SMP Negeri 30",
        signers=(VILLAGE_HEAD,),
        verification_url=URL,
    )
    return dataclasses.replace(content, **changes)


def pages(document: bytes) -> list[str]:
    """Give each page's text with every run of white space as one space."""
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(document)).pages]


def pymupdf_pages(document: bytes) -> list[Any]:
    opened = pymupdf.open(stream=document)  # type: ignore[no-untyped-call]
    return [opened[number] for number in range(opened.page_count)]


def qr_text(document: bytes, page: int) -> str:
    picture = pymupdf_pages(document)[page].get_pixmap(dpi=200, colorspace=pymupdf.csGRAY)
    grey = numpy.frombuffer(picture.samples, dtype=numpy.uint8).reshape(picture.height, picture.stride)
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(grey[:, : picture.width])
    return text


def test_a_letter_says_what_it_must() -> None:
    (text,) = pages(render_letter(letter()))
    for expected in (
        "PEMERINTAH KOTA BANDAR LAMPUNG KECAMATAN PANJANG KELURAHAN SRENGSEM Jalan Yos Sudarso 12",
        "SURAT KETERANGAN TIDAK MAMPU",
        "Nomor : 400.9/12/SRG/VI/2026",
        "bawah ini, Lurah Srengsem, Kecamatan Panjang, Kota Bandar Lampung, menerangkan",
        "Siti Aminah",
        "1871054506800003",
        "Metro, 5 Juni 1980",
        "Perempuan",
        "tanpa dipungut biaya",
        "Pendidikan",
        "Keringanan biaya sekolah",
        "Ditujukan kepada : Kepala SMP Negeri 30",
        "berlaku sejak tanggal 3 Juni 2026 sampai dengan tanggal 3 September 2026",
        "Bandar Lampung, 3 Juni 2026",
        "3 Juni 2026 pukul 14.05 WIB",
        "Ahmad Fauzi, S.Sos.",
        "NIP 19780412 200501 1 003",
        "Pindai untuk memeriksa keaslian surat ini",
        URL,
        "bukan merupakan tanda tangan elektronik tersertifikasi",
    ):
        assert expected in text
    for unexpected in ("tanggungan", "Mengetahui", "Halaman"):
        assert unexpected not in text


def test_the_file_is_pdf_a_with_the_date_of_the_last_signature() -> None:
    document = render_letter(letter(signers=(VILLAGE_HEAD, AGENCY_HEAD)))
    reader = pypdf.PdfReader(io.BytesIO(document))
    assert reader.metadata is not None
    assert reader.metadata.creation_date == AGENCY_HEAD.signed_at
    assert reader.metadata.title == "Surat Keterangan Tidak Mampu Nomor 400.9/12/SRG/VI/2026"
    root: Any = reader.root_object
    xmp = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in xmp
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in xmp
    assert root["/Lang"].startswith("id")
    width, height = reader.pages[0].mediabox.width, reader.pages[0].mediabox.height
    assert (round(width), round(height)) == (595, 842)


def test_dependants_are_listed_over_pages_with_the_heading_repeated() -> None:
    (single,) = pages(render_letter(letter(dependants=(CHILD,))))
    assert "1 Muhammad Rizki 1871051203100002 L Bandar Lampung, 12 Maret 2010 Anak" in single
    many = pages(render_letter(letter(dependants=(CHILD,) * 40)))
    assert len(many) == 3
    assert "Hubungan" in many[0] and "Hubungan" in many[1]
    assert "Halaman 1 dari 3" in many[0] and "Halaman 3 dari 3" in many[2]
    assert sum(text.count("Muhammad Rizki") for text in many) == 40


def test_missing_facts_leave_no_empty_rows() -> None:
    applicant = Person("Siti Aminah", None, None, date(1980, 6, 5), "female", "Gang Melati")
    (text,) = pages(render_letter(letter(applicant=applicant, purpose_detail="", addressed_to=" ")))
    assert "NIK : –" in text
    assert "Lahir : 5 Juni 1980" in text
    assert "Rincian" not in text and "Ditujukan" not in text


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_signer_is_named_once_in_the_signatures(count: int) -> None:
    signers = (VILLAGE_HEAD, DISTRICT_HEAD, AGENCY_HEAD)[:count]
    (text,) = pages(render_letter(letter(signers=signers)))
    assert all(text.count(signer.full_name) == 1 for signer in signers)
    assert text.count("Mengetahui,") == count - 1
    assert text.count("NIP") == min(count, 2)
    assert ("4 Juni 2026 pukul 09.00 WIT" in text) is (count == 3)


def test_the_opening_names_each_office_once() -> None:
    (text,) = pages(render_letter(letter(signers=(VILLAGE_HEAD, DISTRICT_HEAD))))
    assert "ini, Lurah Srengsem dan Camat Panjang, Kota Bandar Lampung, menerangkan" in text
    district = Letterhead(
        "PEMERINTAH KABUPATEN LAMPUNG SELATAN", "KECAMATAN KALIANDA II", "KECAMATAN KALIANDA II", None
    )
    (text,) = pages(render_letter(letter(letterhead=district, signers=(DISTRICT_HEAD,))))
    assert "Camat Panjang, Kecamatan Kalianda II, Kabupaten Lampung Selatan, menerangkan" in text
    assert text.count("KECAMATAN KALIANDA II") == 1


def test_a_long_purpose_runs_over_pages_and_ends_with_the_signature() -> None:
    detail = ("Permohonan keringanan biaya perawatan rawat inap di rumah sakit. " * 70)[:3994] + "TAMAT."
    texts = pages(render_letter(letter(purpose_detail=detail)))
    assert len(texts) == 2
    assert "TAMAT." in texts[-1] and "Ahmad Fauzi" in texts[-1]


@pytest.mark.parametrize("dependants", [0, 40])
def test_the_qr_code_of_every_page_leads_to_the_verification(dependants: int) -> None:
    document = render_letter(letter(dependants=(CHILD,) * dependants))
    for page in range(len(pages(document))):
        assert qr_text(document, page) == URL


def test_the_same_content_gives_the_same_bytes() -> None:
    content = letter(dependants=(CHILD,) * 3, signers=(VILLAGE_HEAD, DISTRICT_HEAD))
    first = render_letter(content)
    render_letter(letter(number="400.9/13/SRG/VI/2026"))
    time.sleep(1.1)
    assert render_letter(LetterContent.from_json(content.to_json())) == first


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_data_and_never_markup(text: str) -> None:
    content = letter(
        number=f"1 {text}",
        letterhead=Letterhead(text, text, f"KELURAHAN {text}", text),
        place=text,
        applicant=Person(text, text, text, date(1980, 6, 5), "male", text),
        dependants=(Dependant(text, text, "female", text, date(2010, 3, 12), text),),
        purpose=text,
        purpose_detail=text,
        addressed_to=text,
        signers=(Signer(text, text, text, VILLAGE_HEAD.signed_at),),
    )
    assert "SURAT KETERANGAN TIDAK MAMPU" in pages(render_letter(content))[0]


@pytest.mark.parametrize("text", HOSTILE[:3])
def test_signs_of_markup_are_printed_as_typed(text: str) -> None:
    printed = " ".join(pages(render_letter(letter(purpose_detail=text))))
    assert "".join(text.split()) in "".join(printed.split())


def test_a_reversed_reading_direction_cannot_disguise_a_word() -> None:
    (text,) = pages(render_letter(letter(addressed_to="RSUD \u202eabc\u202c Metro")))
    assert "RSUD abc Metro" in text


def test_a_character_no_font_draws_becomes_a_box() -> None:
    (text,) = pages(render_letter(letter(addressed_to="Sekolah 王 Ｍａｊｕ")))
    assert "Sekolah □ Maju" in text


@pytest.mark.parametrize("word", ["x" * 200, "W" * 200, "W" * 26, "Nama/" * 40, "محمد" * 50])
def test_a_word_longer_than_a_line_stays_on_the_paper(word: str) -> None:
    applicant = Person(word, None, word, date(1980, 6, 5), "female", word)
    child = Dependant(word, None, "male", word, date(2010, 3, 12), word)
    document = render_letter(
        letter(
            applicant=applicant,
            dependants=(child,),
            addressed_to=word,
            verification_url=URL + word.encode().hex()[:200],
            signers=(Signer(word, word, word, VILLAGE_HEAD.signed_at),),
        )
    )
    for page in pymupdf_pages(document):
        right_margin = page.rect.x1 - 2.2 / 2.54 * 72
        assert all(block[2] <= right_margin for block in page.get_text("blocks"))


def test_many_pages_of_lines_still_print() -> None:
    assert len(pages(render_letter(letter(purpose_detail="a\n\n" * 1300)))) > 10


def test_sixteen_threads_print_the_same_letters_as_one() -> None:
    contents = [letter(number=f"400.9/{number}/SRG/VI/2026") for number in range(8)] * 2
    alone = [render_letter(content) for content in contents]
    with ThreadPoolExecutor(max_workers=16) as threads:
        assert list(threads.map(render_letter, contents)) == alone


def with_words(code: str, **changes: Any) -> LetterContent:
    """A letter with the packaged sentences of its purpose."""
    (finding, _), (use, _) = sentence("finding", code, {}), sentence("use", code, {})
    return letter(finding=finding, use=use, **changes)


def in_english(code: str, label: str, relationships: tuple[str | None, ...] = ()) -> EnglishWords:
    return EnglishWords(label, sentence("finding", code, {})[1], sentence("use", code, {})[1], relationships)


def coat_of_arms() -> bytes:
    """Of no office there is."""
    picture = PIL.Image.new("RGB", (280, 320), "white")
    draw = PIL.ImageDraw.Draw(picture)
    draw.polygon([(10, 10), (270, 10), (270, 190), (140, 310), (10, 190)], fill="#1b5e9b", outline="#d4a017", width=9)
    draw.polygon([(140, 60), (168, 150), (112, 150)], fill="#f2c230")
    for height in (180, 205, 230):
        draw.arc([70, height - 20, 210, height + 20], 200, 340, fill="white", width=8)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=85)
    return target.getvalue()


def with_logo(head: Letterhead, logo: bytes) -> Letterhead:
    return dataclasses.replace(head, logo=hashlib.sha256(logo).hexdigest())


def test_every_purpose_has_its_words_in_both_languages() -> None:
    assert WORDING.keys() == set(get_args(Purpose))
    for purpose, words in WORDING.items():
        assert words.keys() == {"finding_id", "finding_en", "use_id", "use_en"}, purpose
        (text,) = pages(render_letter(with_words(purpose)))
        assert words["finding_id"] in text
        assert words["use_id"] in text


def test_the_english_page_says_the_same_as_a_translation() -> None:
    english = in_english("education", "Education", ("Child",))
    content = with_words("education", dependants=(CHILD,), signers=(VILLAGE_HEAD, DISTRICT_HEAD), english=english)
    document = render_letter(content)
    first, second = pages(document)
    assert "CERTIFICATE" not in first
    for expected in (
        "CERTIFICATE OF FINANCIAL HARDSHIP",
        "Number: 400.9/12/SRG/VI/2026",
        "Courtesy translation. The Indonesian text of this letter prevails.",
        "certified by Lurah Srengsem and Camat Panjang, Kota Bandar Lampung, that:",
        "Name : Siti Aminah",
        "Metro, 5 June 1980",
        "Female",
        WORDING["education"]["finding_en"],
        WORDING["education"]["use_en"],
        "1 Muhammad Rizki 1871051203100002 M Bandar Lampung, 12 March 2010 Child",
        "Keringanan biaya sekolah",
        "valid from 3 June 2026 to 3 September 2026",
        "free of charge",
        "Signed in the Indonesian original by:",
        "Ahmad Fauzi, S.Sos., Lurah Srengsem (NIP 19780412 200501 1 003)",
        "Scan to check that this letter is genuine",
        "not a certified electronic signature",
        "Page 2 of 2",
    ):
        assert expected in second
    assert "Disetujui" not in second
    assert qr_text(document, 1) == URL


def test_a_sentence_without_a_translation_stays_indonesian_and_says_so() -> None:
    english = dataclasses.replace(in_english("health", "Health"), finding=None)
    content = dataclasses.replace(with_words("health", english=english), finding="Warga ini tidak mampu membayar.")
    text = pages(render_letter(content))[1]
    assert "Warga ini tidak mampu membayar. (in Indonesian, in the words of the issuing office)" in text
    assert WORDING["health"]["use_en"] in text


@pytest.mark.parametrize(
    ("signature", "said", "approved"),
    [
        ("recorded", "persetujuan pejabat tercatat dalam sistem", True),
        ("sealed", "kecuali sertifikatnya diterbitkan oleh PSrE Indonesia", True),
        ("wet", "Naskah asli bertanda tangan adalah kertas", False),
    ],
)
def test_the_letter_says_what_its_signatures_are_worth(signature: SignatureKind, said: str, approved: bool) -> None:
    content = letter(signature=signature, english=in_english("other", "Other"))
    indonesian, english = pages(render_letter(content))
    assert said in indonesian
    assert ("Disetujui secara elektronik" in indonesian) is approved
    assert ("by hand" in english) is (signature == "wet")
    copied = " ".join(pages(render_copy(content, None, PRINTED_AT)))
    assert ("tidak bersegel" in copied) is (signature == "sealed")
    assert ("this copy bears no signature" in copied) is (signature == "wet")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_pen_has_room_above_every_name(count: int) -> None:
    signers = (VILLAGE_HEAD, DISTRICT_HEAD, AGENCY_HEAD)[:count]
    document = render_letter(letter(signature="wet", signers=signers))
    for signer in signers:
        page, title, name = next(
            (page, found[-1], page.search_for(signer.full_name)[0])
            for page in pymupdf_pages(document)
            if (found := page.search_for(f"{signer.title},"))
        )
        between = pymupdf.Rect(name.x0, title.y1 + 1, name.x1, name.y0 - 1)  # type: ignore[no-untyped-call]
        assert between.height > 2.5 / 2.54 * 72
        assert page.get_textbox(between).strip() == ""


def test_the_logo_stands_left_of_the_office_and_is_the_one_named() -> None:
    logo = coat_of_arms()
    content = letter(letterhead=with_logo(letter().letterhead, logo))
    document = render_letter(content, logo)
    (page,) = pymupdf_pages(document)
    (info,) = page.get_image_info(xrefs=True)
    office = page.search_for("KELURAHAN SRENGSEM")[0]
    assert info["bbox"][2] < office.x0 and info["bbox"][1] < office.y0 < info["bbox"][3]
    assert page.parent.extract_image(info["xref"])["image"] == logo
    assert render_letter(LetterContent.from_json(content.to_json()), logo) == document
    for other in (None, b"another"):
        with pytest.raises(ValueError, match="logo"):
            render_letter(content, other)


def test_a_copy_says_so_on_every_page_and_when_it_was_printed() -> None:
    content = letter(dependants=(CHILD,) * 12, english=in_english("other", "Other", ("Child",) * 12))
    document = render_copy(content, None, PRINTED_AT)
    texts = pages(document)
    assert len(texts) == len(pages(render_letter(content)))
    assert all("SALINAN / COPY – dicetak ulang 1 Agustus 2026 pukul 09.30 WIB" in text for text in texts)
    assert [qr_text(document, number) for number in (0, -1)] == [URL, URL]
    reader = pypdf.PdfReader(io.BytesIO(document))
    assert reader.metadata is not None
    assert reader.metadata.creation_date == PRINTED_AT
    assert "salinan" in str(reader.metadata.title)


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("recorded", " ".join(HOSTILE[:3])),
        ("sealed", HOSTILE[3]),
        ("wet", ("Kata panjang #sekali*. " * 190)[:4000]),
        ("wet", "x" * 4000),
    ],
    ids=["markup", "arabic", "long", "one word"],
)
def test_no_text_breaks_any_kind_of_letter(signature: SignatureKind, text: str) -> None:
    """With forty dependants, three signers, a logo and the page in English; as PDF/A, also the copy."""
    logo = coat_of_arms()
    content = letter(
        letterhead=with_logo(Letterhead(text[:200], text[:200], f"KELURAHAN {text[:200]}", text[:200]), logo),
        finding=text[:600],
        use=text[:600],
        purpose_detail=text,
        addressed_to=text[:200],
        dependants=(dataclasses.replace(CHILD, full_name=text[:60]),) * 40,
        english=EnglishWords("Education", text[:600], None, (None,) * 40),
        signature=signature,
        signers=tuple(dataclasses.replace(one, title=text[:200]) for one in (VILLAGE_HEAD, DISTRICT_HEAD, AGENCY_HEAD)),
    )
    for document in (render_letter(content, logo), render_copy(content, logo, PRINTED_AT)):
        texts = pages(document)
        assert "SURAT KETERANGAN TIDAK MAMPU" in texts[0]
        assert any("CERTIFICATE OF FINANCIAL HARDSHIP" in page for page in texts)
        assert f"Page {len(texts)} of {len(texts)}" in texts[-1]
        root: Any = pypdf.PdfReader(io.BytesIO(document)).root_object
        assert b"<pdfaid:part>2</pdfaid:part>" in root["/Metadata"].get_object().get_data()
        for page in pymupdf_pages(document):
            right_margin = page.rect.x1 - 2.1 / 2.54 * 72  # a blank at a line's end may stick out
            assert all(block[2] <= right_margin for block in page.get_text("blocks") if "SALINAN" not in block[4])


@pytest.mark.skipif("TKSK_SCREENSHOTS" not in os.environ, reason="makes the pictures of the guide: TKSK_SCREENSHOTS")
def test_pictures_for_the_guide() -> None:
    logo = coat_of_arms()
    head = with_logo(
        dataclasses.replace(letter().letterhead, address="Jalan Yos Sudarso 12, Bandar Lampung 35245"), logo
    )
    sister = Dependant("Aisyah Nur'aini", None, "female", "Bandar Lampung", date(2013, 11, 30), "Anak")
    education = with_words(
        "education", letterhead=head, dependants=(CHILD, sister), signers=(VILLAGE_HEAD, DISTRICT_HEAD)
    )
    english = dataclasses.replace(education, english=in_english("education", "Education", ("Child", "Child")))
    health = with_words(
        "health",
        letterhead=head,
        purpose="Kesehatan",
        purpose_detail="Keringanan biaya rawat inap",
        addressed_to="Direktur RSUD Dr. A. Dadi Tjokrodipo",
    )
    wet = dataclasses.replace(health, signature="wet")
    for name, document, number in (
        ("education", render_letter(education, logo), 0),
        ("english", render_letter(english, logo), 1),
        ("wet", render_letter(wet, logo), 0),
        ("copy", render_copy(health, logo, PRINTED_AT), 0),
    ):
        drawn = pymupdf_pages(document)[number].get_pixmap(dpi=96)
        picture = PIL.Image.frombytes("RGB", (drawn.width, drawn.height), drawn.samples)
        picture.quantize(32).save(Path(os.environ["TKSK_SCREENSHOTS"], f"letter-{name}.png"), optimize=True)


def test_text_that_may_be_divided_anywhere_is_set_at_once() -> None:
    """Letters are typeset in turn, and that of a village holds its counter: one must not take seconds."""
    scripts = [
        chr(code) for part in ((0xA0, 0x250), (0x370, 0x4FF), (0x621, 0x63A), (0x2190, 0x22FF)) for code in range(*part)
    ]
    letters = [scripts[7 * number % len(scripts)] for number in range(4000)]
    one_word, parts = "".join(letters), "/".join("".join(letters[n : n + 3]) for n in range(0, 3000, 3))
    render_letter(letter())
    before = time.process_time()
    for text in (one_word, parts, "ﷺ" * 4000, "ﷲ" * 4000):
        render_letter(letter(purpose_detail=text[:4000], finding=one_word[:600]))
    assert time.process_time() - before < 4  # whole seconds each, when all breaks of a paragraph were weighed
