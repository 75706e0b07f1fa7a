"""Print an SKTM letter as a PDF/A-2b file, the same bytes each time, without the network or a clock."""

import io
import json
import re
import threading
import unicodedata
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import segno
import typst

from tksk_api.domain.sktm_letters.content import (
    Dependant,
    LetterContent,
    Letterhead,
    Signer,
    indonesian_date,
)

_TEMPLATE = Path(__file__).with_name("letter.typ")
_NOTHING = "–"
_NO_BREAK_SPACE = "\u00a0"
_ZERO_WIDTH_SPACE = "\u200b"
_LONGEST_DETAIL_IN_COLUMN = 400
_LONGEST_WORD = 26
_ONE_AT_A_TIME = threading.Lock()
_ZONES = {timedelta(hours=7): "WIB", timedelta(hours=8): "WITA", timedelta(hours=9): "WIT"}
_SEX = {"male": "Laki-laki", "female": "Perempuan"}
_SEX_LETTER = {"male": "L", "female": "P"}
_UPPER_CASE_NAMES = frozenset({"DKI", "DI", "RW", "RT"})
_ROMAN_NUMERAL = re.compile(r"[IVX]+")

# What the fonts inside typst (Libertinus Serif, New Computer Modern, DejaVu Sans Mono) were measured to draw.
# PDF/A forbids a missing glyph, so one stray emoji would otherwise stop a letter at its last signature.
_DRAWABLE = re.compile(
    "[\u0020-\u007e\u00a0-\u00ac\u00ae-\u0377\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u04ff"
    "\u0606-\u060c\u061b\u061f\u0621-\u063a\u0640-\u0655\u0660-\u066d\u0679-\u067b\u067e-\u0680\u0686\u0687"
    "\u0691\u0698\u06a4\u06a9\u06af\u06be\u06cc\u06f0-\u06f9"
    "\u1e00-\u1eff\u2010-\u2027\u2030-\u2040\u20a0-\u20c0\u2100-\u211e\u2122\u2190-\u22ff\u25a0-\u25ff]"
)
_PLAIN_LATIN = re.compile("[\u0020-\u007e\u00a0-\u00ac\u00ae-\u017f\u25a1]")
_REPLACEMENT = "\u25a1"
_INVISIBLE_KINDS = frozenset({"Cf", "Cs", "Co", "Cn"})
_BETWEEN_LETTERS = re.compile("(?<=.)(?=[^\u0300-\u036f\u064b-\u0655])")
_PILED_UP_MARKS = re.compile("([\u0300-\u036f]{2})[\u0300-\u036f]+")


def render_letter(content: LetterContent) -> bytes:
    """Print the letter on A4 and give the PDF/A-2b file.

    The same content gives the same bytes with the same release of this template and of typst: the date inside
    the file is the last signature's. Text is handed over as data and never read as markup. A character that
    no embedded font can draw is printed as an empty box. May be called from several threads; they take turns.

    Raises typst.TypstError when the template itself fails, which no content should cause.
    """
    view = _view(content)
    moment = max(signer.signed_at for signer in content.signers)
    try:
        return _compile(view, moment)
    except typst.TypstError as error:
        if "could not be displayed" not in str(error):
            raise
        # Characters that can be drawn alone may still fail in combination (a mark and a base from two fonts).
        return _compile(_only(_PLAIN_LATIN, view), moment)


def _compile(view: dict[str, Any], moment: datetime) -> bytes:
    with _ONE_AT_A_TIME:
        # sys_inputs takes strings only, so the whole view travels as one JSON text.
        result = _compiler().compile(
            format="pdf",
            sys_inputs={"letter": json.dumps(view)},
            pdf_standards=["a-2b"],
            timestamp=int(moment.timestamp()),
        )
    if not isinstance(result, bytes):
        raise TypeError("typst gave no single PDF")
    return result


@cache
def _compiler() -> typst.Compiler:
    """Make the one compiler, which keeps the fonts and fails when two threads use it at once."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    return typst.Compiler(_TEMPLATE, root=_TEMPLATE.parent, font_paths=fonts, ignore_system_fonts=True)


def _view(content: LetterContent) -> dict[str, Any]:
    """Give what the template prints: finished strings, in Indonesian."""
    head, applicant = content.letterhead, content.applicant
    detail = _lines(content.purpose_detail)
    detail_is_long = len(detail) > _LONGEST_DETAIL_IN_COLUMN
    purpose_rows = [
        ("Keperluan", _line(content.purpose)),
        ("Rincian", "" if detail_is_long else detail),
        ("Ditujukan kepada", _line(content.addressed_to)),
    ]
    return {
        "letterhead": {
            "lines": _without_repeats([head.government, head.district, head.office]),
            "address": _line(head.address or ""),
        },
        "number": _line(content.number, longest_word=64),  # stands on a line of its own
        "office": _line(_named(head.office)),
        "signing_office": _line(_signing_office(head, content.signers)),
        "applicant": [
            ("Nama", _line(applicant.full_name)),
            ("NIK", _line(applicant.nik or _NOTHING)),
            ("Tempat/Tanggal Lahir", _birth(applicant.birth_place, applicant.birth_date)),
            ("Jenis Kelamin", _SEX[applicant.sex]),
            ("Alamat", _line(applicant.address)),
        ],
        "dependants": [
            _dependant_row(number, dependant) for number, dependant in enumerate(content.dependants, start=1)
        ],
        "purpose": [row for row in purpose_rows if row[1]],
        "long_detail": detail if detail_is_long else "",
        "issued_on": indonesian_date(content.issued_on),
        "valid_until": indonesian_date(content.valid_until),
        "place": _line(content.place),
        "signers": [_signature(signer) for signer in content.signers],
        "verification_target": content.verification_url,
        "verification_url": _line(content.verification_url, longest_word=90),
        "qr": _qr(content.verification_url),
    }


def _dependant_row(number: int, dependant: Dependant) -> list[str]:
    return [
        str(number),
        _line(dependant.full_name, longest_word=16),
        _line(dependant.nik or _NOTHING),
        _SEX_LETTER[dependant.sex],
        _birth(dependant.birth_place, dependant.birth_date, longest_word=12),
        _line(dependant.relationship or _NOTHING, longest_word=10),
    ]


def _signature(signer: Signer) -> dict[str, str]:
    return {
        "name": _line(signer.full_name, longest_word=18),
        "title": _line(signer.title, longest_word=18),
        "employee_number": _line(signer.employee_number or "", longest_word=18),
        "approved": _moment(signer.signed_at),
    }


def _birth(place: str | None, born_on: date, longest_word: int = _LONGEST_WORD) -> str:
    day = indonesian_date(born_on).replace(" ", _NO_BREAK_SPACE)
    return ", ".join(part for part in (_line(place or "", longest_word), day) if part)


def _moment(value: datetime) -> str:
    """Write a time as `3 Juni 2026 pukul 14.05 WIB`, in the zone it was recorded in."""
    zone = _ZONES.get(value.utcoffset() or timedelta(0)) or value.strftime("UTC%z")
    return f"{indonesian_date(value)} pukul {value:%H.%M} {zone}"


def _signing_office(head: Letterhead, signers: tuple[Signer, ...]) -> str:
    """Name who signs and where: `Lurah Srengsem, Kecamatan Panjang, Kota Bandar Lampung`.

    A place that a signer's title already names is not said again.
    """
    titles = [signer.title for signer in signers]
    places = [_named(head.office), _named(head.district), _named(head.government.removeprefix("PEMERINTAH "))]
    said = [title.casefold() for title in titles]
    rest = [
        place
        for place in _without_repeats(places)
        if not any(title.endswith(" " + place.partition(" ")[2].casefold()) for title in said)
    ]
    return ", ".join([_enumerated(titles), *rest])


def _enumerated(items: list[str]) -> str:
    if len(items) < 3:
        return " dan ".join(items)
    return ", ".join(items[:-1]) + f", dan {items[-1]}"


def _without_repeats(items: list[str]) -> list[str]:
    """Drop empty and repeated lines, as when a district office is itself the issuer."""
    return [item for item in dict.fromkeys(_line(item) for item in items) if item]


def _named(place: str) -> str:
    """Write a letterhead's capitals as a name inside a sentence; text in mixed case stays as it is."""
    if not place.isupper():
        return place
    return " ".join(
        word if word in _UPPER_CASE_NAMES or _ROMAN_NUMERAL.fullmatch(word) else word.capitalize()
        for word in place.split()
    )


def _qr(url: str) -> str:
    """Draw the address as an SVG with the quiet zone of four modules that ISO/IEC 18004 asks for."""
    drawing = io.BytesIO()
    segno.make_qr(url, error="m").save(drawing, kind="svg", border=4, title=None)
    return drawing.getvalue().decode()


def _line(text: str, longest_word: int = _LONGEST_WORD) -> str:
    """Give user text as one line that can be drawn.

    A word of more letters than `longest_word` may break anywhere, rather than run into the next column or off
    the paper; an ordinary word gets nothing added, so that text copied from the letter is the text typed.
    """
    return " ".join(
        _BETWEEN_LETTERS.sub(_ZERO_WIDTH_SPACE, word) if len(word) > longest_word else word
        for word in _drawable(text).split()
    )


def _lines(text: str) -> str:
    """Give user text with its line breaks, without empty lines."""
    return "\n".join(line for raw in text.splitlines() if (line := _line(raw)))


def _drawable(text: str) -> str:
    """Leave out what is invisible, such as marks that turn the reading direction; box what has no glyph."""
    kept: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        if kind == "Cc":
            kept.append(" ")
        elif _DRAWABLE.match(character):
            kept.append(character)
        elif kind not in _INVISIBLE_KINDS and not 0xFE00 <= ord(character) <= 0xFE0F:
            simpler = unicodedata.normalize("NFKC", character)
            kept.append(simpler if all(map(_DRAWABLE.match, simpler)) else _REPLACEMENT)
    return _PILED_UP_MARKS.sub(r"\1", "".join(kept))


def _only(allowed: re.Pattern[str], value: Any) -> Any:
    """Box every character outside `allowed` in all strings of a view."""
    if isinstance(value, str):
        return "".join(mark if mark in "\n\u200b" or allowed.match(mark) else _REPLACEMENT for mark in value)
    if isinstance(value, dict):
        return {name: _only(allowed, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_only(allowed, item) for item in value]
    return value
