"""The verification page: safe, small, self-contained and clear in both languages."""

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest

from tksk_api.documents.verification import Language, render_verification
from tksk_api.domain.sktm_letters.content import PublicLetter, Status

STATUSES: tuple[Status, ...] = ("valid", "expired", "revoked", "superseded", "not_yet_valid", "unknown")
KNOWN = STATUSES[:-1]
LANGUAGES: tuple[Language, ...] = ("id", "en")
WORDS = {
    ("valid", "id"): "BERLAKU",
    ("expired", "id"): "KEDALUWARSA",
    ("revoked", "id"): "DICABUT",
    ("superseded", "id"): "SUDAH DIGANTI",
    ("not_yet_valid", "id"): "BELUM BERLAKU",
    ("unknown", "id"): "TIDAK DIKENAL",
    ("valid", "en"): "VALID",
    ("expired", "en"): "EXPIRED",
    ("revoked", "en"): "REVOKED",
    ("superseded", "en"): "REPLACED",
    ("not_yet_valid", "en"): "NOT YET VALID",
    ("unknown", "en"): "UNKNOWN",
}
VOID = {"meta", "link", "wbr"}


class Outline(HTMLParser):
    """Collects the elements of a page and fails on one that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def view(status: Status, text: str = "Contoh") -> PublicLetter:
    return PublicLetter(
        status=status,
        number=f"400.9/12 {text}",
        purpose=f"Pendidikan {text}",
        masked_name=f"S*** {text}",
        issuer=f"Kelurahan {text}",
        issued_on=date(2026, 6, 3),
        valid_until=date(2026, 8, 3),
        revoked_on=date(2026, 7, 1),
        superseded_on=date(2026, 7, 2),
        signature="recorded",
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", STATUSES)
def test_a_page_is_complete_small_and_self_contained(status: Status, language: Language) -> None:
    page = render_verification(view(status), language)
    elements = outline(page).elements
    assert f'<p class="word">{WORDS[status, language]}</p>' in page
    assert len(page.encode()) < 15_000
    assert elements[0] == ("html", {"lang": language})
    assert not re.search(r"https?:|//|url\(|@import|<script|javascript:| on\w+=", page)
    assert {tag for tag, _ in elements}.isdisjoint({"script", "img", "iframe", "form", "object", "embed", "base"})
    metas = {attributes.get("name"): attributes.get("content") for tag, attributes in elements if tag == "meta"}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["robots"] == "noindex"
    assert metas["referrer"] == "no-referrer"
    other = "en" if language == "id" else "id"
    assert [attributes["href"] for tag, attributes in elements if tag == "a"] == [f"?lang={other}"]
    assert any(tag == "svg" for tag, _ in elements)


def test_each_status_has_its_own_shape_and_word() -> None:
    pages = [render_verification(view(status), "id") for status in STATUSES]
    shapes = {page[page.index("<svg") : page.index("</svg>")] for page in pages}
    assert len(shapes) == len(STATUSES)


@pytest.mark.parametrize("status", KNOWN)
def test_known_letters_show_their_facts(status: Status) -> None:
    page = render_verification(view(status), "id").replace("<wbr>", "")
    for value in ("400.9/12 Contoh", "Pendidikan Contoh", "S*** Contoh", "Kelurahan Contoh", "3 Juni 2026"):
        assert value in page
    assert "3 Agustus 2026" in page
    assert ("1 Juli 2026" in page) is (status == "revoked")
    assert ("2 Juli 2026" in page) is (status == "superseded")
    assert "bukan tanda tangan elektronik tersertifikasi" in page
    assert "3 August 2026" in render_verification(view(status), "en")


def test_an_unknown_letter_shows_nothing_but_what_to_do() -> None:
    page = render_verification(view("unknown"), "id")
    assert "Contoh" not in page and "<dl>" not in page
    assert "jangan terima" in page


@pytest.mark.parametrize("status", ["revoked", "superseded"])
def test_a_letter_that_was_taken_back_is_not_to_be_accepted(status: Status) -> None:
    assert "Jangan terima surat ini." in render_verification(view(status), "id")
    assert "Do not accept this letter." in render_verification(view(status), "en")


def test_a_letter_in_force_says_how_to_compare_the_name() -> None:
    assert "satu bintang (*) menggantikan satu huruf" in render_verification(view("valid"), "id")
    assert "each star (*) stands for one letter" in render_verification(view("valid"), "en")


def test_what_explains_the_status_comes_first() -> None:
    for status, first in (("expired", "Berlaku sampai"), ("not_yet_valid", "Tanggal terbit")):
        page = render_verification(view(status), "id")  # type: ignore[arg-type]
        assert page.index(f"<dt>{first}") < page.index("<dt>Nama")
        assert page.count(f"<dt>{first}") == 1


def test_a_letter_that_nobody_signed_yet_is_not_to_be_accepted_from_its_date_on() -> None:
    pending = replace(view("not_yet_valid"), signature="wet")
    for language, refusal, wrong, mark in (
        ("id", "Jangan terima surat ini dulu", "Terima surat ini mulai", "Tanda tangan"),
        ("en", "Do not accept this letter yet", "Accept this letter from", "Signature"),
    ):
        page = render_verification(pending, language)  # type: ignore[arg-type]
        assert refusal in page and wrong not in page
        assert page.index(f"<dt>{mark}") < page.index("<dt>N")
        assert page.count(f"<dt>{mark}") == 1
        assert "disimpan penerbit" not in page and "keeps a scan" not in page


def test_facts_that_are_missing_are_left_out() -> None:
    page = render_verification(PublicLetter("valid", number="1"), "id")
    assert page.count("<dt>") == 1
    assert "None" not in page


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "Nur'aini & <b>", "]]>-->"])
def test_values_are_escaped(text: str) -> None:
    plain, hostile = (outline(render_verification(view("revoked", value), "en")) for value in ("Contoh", text))
    shown, meant = ([element for element in seen.elements if element[0] != "wbr"] for seen in (hostile, plain))
    assert shown == meant
    assert "Nur&#x27;aini &amp; &lt;b&gt;" in render_verification(view("valid", "Nur'aini & <b>"), "id")


def test_an_ordinary_long_name_keeps_the_page_small() -> None:
    assert len(render_verification(view("valid", "*" * 200), "id").encode()) < 15_000
