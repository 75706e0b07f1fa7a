"""Print an SKTM letter as a PDF/A-2b file, the same bytes each time, without the network or a clock."""

import io
import re
from datetime import date
from pathlib import Path
from typing import Any

import segno

from tksk_api.documents.typesetting import LONGEST_WORD, NO_BREAK_SPACE, line, lines, local_moment, typeset
from tksk_api.domain.sktm_letters.content import (
    Dependant,
    LetterContent,
    Letterhead,
    Signer,
    indonesian_date,
)

_TEMPLATE = Path(__file__).with_name("letter.typ")
_NOTHING = "–"
_LONGEST_DETAIL_IN_COLUMN = 400
_SEX = {"male": "Laki-laki", "female": "Perempuan"}
_SEX_LETTER = {"male": "L", "female": "P"}
_UPPER_CASE_NAMES = frozenset({"DKI", "DI", "RW", "RT"})
_ROMAN_NUMERAL = re.compile(r"[IVX]+")


def render_letter(content: LetterContent) -> bytes:
    """Print the letter on A4 and give the PDF/A-2b file.

    The same content gives the same bytes with the same release of this template and of typst: the date inside
    the file is the last signature's. Text is handed over as data and never read as markup. Threads and failures as
    in `typeset`.
    """
    view = _view(content)
    moment = max(signer.signed_at for signer in content.signers)
    return typeset(_TEMPLATE, "letter", view, moment)


def _view(content: LetterContent) -> dict[str, Any]:
    """Give what the template prints: finished strings, in Indonesian."""
    head, applicant = content.letterhead, content.applicant
    detail = lines(content.purpose_detail)
    detail_is_long = len(detail) > _LONGEST_DETAIL_IN_COLUMN
    purpose_rows = [
        ("Keperluan", line(content.purpose)),
        ("Rincian", "" if detail_is_long else detail),
        ("Ditujukan kepada", line(content.addressed_to)),
    ]
    return {
        "letterhead": {
            "lines": _without_repeats([head.government, head.district, head.office]),
            "address": line(head.address or ""),
        },
        "number": line(content.number, longest_word=64),  # stands on a line of its own
        "office": line(_named(head.office)),
        "signing_office": line(_signing_office(head, content.signers)),
        "applicant": [
            ("Nama", line(applicant.full_name)),
            ("NIK", line(applicant.nik or _NOTHING)),
            ("Tempat/Tanggal Lahir", _birth(applicant.birth_place, applicant.birth_date)),
            ("Jenis Kelamin", _SEX[applicant.sex]),
            ("Alamat", line(applicant.address)),
        ],
        "dependants": [
            _dependant_row(number, dependant) for number, dependant in enumerate(content.dependants, start=1)
        ],
        "purpose": [row for row in purpose_rows if row[1]],
        "long_detail": detail if detail_is_long else "",
        "issued_on": indonesian_date(content.issued_on),
        "valid_until": indonesian_date(content.valid_until),
        "place": line(content.place),
        "signers": [_signature(signer) for signer in content.signers],
        "verification_target": content.verification_url,
        "verification_url": line(content.verification_url, longest_word=90),
        "qr": _qr(content.verification_url, content.offline_code),
        "qr_target": f"{content.verification_url}#{content.offline_code}" if content.offline_code else "",
    }


def _dependant_row(number: int, dependant: Dependant) -> list[str]:
    return [
        str(number),
        line(dependant.full_name, longest_word=16),
        line(dependant.nik or _NOTHING),
        _SEX_LETTER[dependant.sex],
        _birth(dependant.birth_place, dependant.birth_date, longest_word=12),
        line(dependant.relationship or _NOTHING, longest_word=10),
    ]


def _signature(signer: Signer) -> dict[str, str]:
    return {
        "name": line(signer.full_name, longest_word=18),
        "title": line(signer.title, longest_word=18),
        "employee_number": line(signer.employee_number or "", longest_word=18),
        "approved": local_moment(signer.signed_at),
    }


def _birth(place: str | None, born_on: date, longest_word: int = LONGEST_WORD) -> str:
    day = indonesian_date(born_on).replace(" ", NO_BREAK_SPACE)
    return ", ".join(part for part in (line(place or "", longest_word), day) if part)


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
    return [item for item in dict.fromkeys(line(item) for item in items) if item]


def _named(place: str) -> str:
    """Write a letterhead's capitals as a name inside a sentence; text in mixed case stays as it is."""
    if not place.isupper():
        return place
    return " ".join(
        word if word in _UPPER_CASE_NAMES or _ROMAN_NUMERAL.fullmatch(word) else word.capitalize()
        for word in place.split()
    )


def _qr(url: str, offline_code: str | None) -> str:
    """Draw the address as an SVG with the quiet zone of four modules that ISO/IEC 18004 asks for.

    The offline code behind it is a part of its own, in digits, which the symbol packs in 10 bits for three.
    """
    drawing = io.BytesIO()
    content: Any = [f"{url}#", offline_code] if offline_code else url  # segments, which its types do not know
    segno.make_qr(content, error="m").save(drawing, kind="svg", border=4, title=None)
    return drawing.getvalue().decode()
