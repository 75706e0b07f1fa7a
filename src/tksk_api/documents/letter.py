"""Print an SKTM letter as a PDF/A-2b file, the same bytes each time, without the network or a clock."""

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import segno

from tksk_api.documents.typesetting import LONGEST_WORD, NO_BREAK_SPACE, line, lines, local_moment, typeset
from tksk_api.domain.sktm_letters.content import (
    Dependant,
    EnglishWords,
    LetterContent,
    Letterhead,
    Sex,
    Signer,
    english_date,
    indonesian_date,
)

_TEMPLATE = Path(__file__).with_name("letter.typ")
_NOTHING = "–"
_LONGEST_DETAIL_IN_COLUMN = 400
_UPPER_CASE_NAMES = frozenset({"DKI", "DI", "RW", "RT"})
_ROMAN_NUMERAL = re.compile(r"[IVX]+")


@dataclass(frozen=True, slots=True)
class _Words:
    """How one language names the facts; the fixed sentences stand in the template."""

    day: Callable[[date], str]
    full_name: str
    birth: str
    sex: str
    address: str
    purpose: str
    detail: str
    addressee: str
    sexes: dict[Sex, str]
    sex_letters: dict[Sex, str]
    conjunction: str


_INDONESIAN = _Words(
    day=indonesian_date,
    full_name="Nama",
    birth="Tempat/Tanggal Lahir",
    sex="Jenis Kelamin",
    address="Alamat",
    purpose="Keperluan",
    detail="Rincian",
    addressee="Ditujukan kepada",
    sexes={"male": "Laki-laki", "female": "Perempuan"},
    sex_letters={"male": "L", "female": "P"},
    conjunction="dan",
)
_ENGLISH = _Words(
    day=english_date,
    full_name="Name",
    birth="Place/Date of Birth",
    sex="Sex",
    address="Address",
    purpose="Purpose",
    detail="Details",
    addressee="Addressed to",
    sexes={"male": "Male", "female": "Female"},
    sex_letters={"male": "M", "female": "F"},
    conjunction="and",
)


def render_letter(content: LetterContent, logo: bytes | None = None) -> bytes:
    """Print the letter on A4 and give the PDF/A-2b file. `logo` is the JPEG that the letterhead names.

    The same content gives the same bytes with the same release of this template and of typst: the date inside
    the file is the last signature's. Text is handed over as data and never read as markup. Threads and failures as
    in `typeset`. Raises ValueError when the logo is not the one named.
    """
    moment = max(signer.signed_at for signer in content.signers)
    return typeset(_TEMPLATE, "letter", _view(content, logo), moment)


def render_copy(content: LetterContent, logo: bytes | None, printed_at: datetime) -> bytes:
    """Print what a letter says once more, each page marked as a copy and with the moment it was printed.

    Bears neither seal nor signature. Text, threads and failures as in `render_letter`.
    """
    view = _view(content, logo) | {"copied": local_moment(printed_at)}
    return typeset(_TEMPLATE, "letter", view, printed_at)


def _view(content: LetterContent, logo: bytes | None) -> dict[str, Any]:
    """Give what the template prints: finished strings, for each page's language."""
    head = content.letterhead
    if head.logo != (hashlib.sha256(logo).hexdigest() if logo is not None else None):
        raise ValueError("not the logo that the letterhead names")
    translated = [_page(content, _ENGLISH, content.english)] if content.english is not None else []
    return {
        "letterhead": {
            "lines": _without_repeats([head.government, head.district, head.office]),
            "address": line(head.address or ""),
            "logo": list(logo or b""),
        },
        "number": line(content.number, longest_word=64),  # stands on a line of its own
        "office": line(_named(head.office)),
        "pages": [_page(content, _INDONESIAN), *translated],
        "place": line(content.place),
        "signers": [_signature(signer) for signer in content.signers],
        "signature": content.signature,
        "copied": "",
        "verification_target": content.verification_url,
        "verification_url": line(content.verification_url, longest_word=90),
        "qr": _qr(content.verification_url, content.offline_code),
        "qr_target": f"{content.verification_url}#{content.offline_code}" if content.offline_code else "",
    }


def _page(content: LetterContent, words: _Words, english: EnglishWords | None = None) -> dict[str, Any]:
    """What the letter says in one language. What people typed stays as they typed it; `foreign` marks an Indonesian
    sentence that has no translation."""
    applicant = content.applicant
    relationships = english.relationships if english else tuple(one.relationship for one in content.dependants)
    detail = lines(content.purpose_detail)
    detail_is_long = len(detail) > _LONGEST_DETAIL_IN_COLUMN
    purpose_rows = [
        (words.purpose, line(english.purpose if english else content.purpose)),
        (words.detail, "" if detail_is_long else detail),
        (words.addressee, line(content.addressed_to)),
    ]
    return {
        "language": "en" if english else "id",
        "signing_office": line(_signing_office(content.letterhead, content.signers, words.conjunction)),
        "applicant": [
            (words.full_name, line(applicant.full_name)),
            ("NIK", line(applicant.nik or _NOTHING)),
            (words.birth, _birth(applicant.birth_place, words.day(applicant.birth_date))),
            (words.sex, words.sexes[applicant.sex]),
            (words.address, line(applicant.address)),
        ],
        "finding": line((english and english.finding) or content.finding),
        "use": line((english and english.use) or content.use),
        "foreign": [name for name in ("finding", "use") if english and getattr(english, name) is None],
        "dependants": [
            _dependant_row(number, dependant, relationship, words)
            for number, (dependant, relationship) in enumerate(
                zip(content.dependants, relationships, strict=True), start=1
            )
        ],
        "purpose": [row for row in purpose_rows if row[1]],
        "long_detail": detail if detail_is_long else "",
        "issued_on": words.day(content.issued_on),
        "valid_until": words.day(content.valid_until),
    }


def _dependant_row(number: int, dependant: Dependant, relationship: str | None, words: _Words) -> list[str]:
    return [
        str(number),
        line(dependant.full_name, longest_word=16),
        line(dependant.nik or _NOTHING),
        words.sex_letters[dependant.sex],
        _birth(dependant.birth_place, words.day(dependant.birth_date), longest_word=12),
        line(relationship or _NOTHING, longest_word=10),
    ]


def _signature(signer: Signer) -> dict[str, str]:
    return {
        "name": line(signer.full_name, longest_word=18),
        "title": line(signer.title, longest_word=18),
        "employee_number": line(signer.employee_number or "", longest_word=18),
        "approved": local_moment(signer.signed_at),
    }


def _birth(place: str | None, day: str, longest_word: int = LONGEST_WORD) -> str:
    day = day.replace(" ", NO_BREAK_SPACE)
    return ", ".join(part for part in (line(place or "", longest_word), day) if part)


def _signing_office(head: Letterhead, signers: tuple[Signer, ...], conjunction: str) -> str:
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
    return ", ".join([_enumerated(titles, conjunction), *rest])


def _enumerated(items: list[str], conjunction: str) -> str:
    if len(items) < 3:
        return f" {conjunction} ".join(items)
    return ", ".join(items[:-1]) + f", {conjunction} {items[-1]}"


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
