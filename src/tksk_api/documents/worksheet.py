"""Print the worksheets of home visits as one PDF/A-2b file, to be filled in by pen."""

import io
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import segno

from tksk_api.documents.typesetting import line, lines, local_moment, typeset
from tksk_api.domain.beneficiaries.rules import age_on
from tksk_api.domain.references.lists import LISTS, label
from tksk_api.domain.sktm_letters.content import indonesian_date
from tksk_api.domain.visit_forms.forms import FormField, answer
from tksk_api.domain.visits.worksheet import LastVisit, Member, Worksheet

_TEMPLATE = Path(__file__).with_name("worksheet.typ")
_NOTHING = "–"
_SEX = {"male": "Laki-laki", "female": "Perempuan"}
_WEEKDAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")
_DIFFERS = ("Nama", "Tempat atau tanggal lahir", "Alamat", "Hubungan", "Kategori PPKS", "Pindah ke", "Meninggal pada")
_PAST = "Abu-abu di kanan: jawaban pada kunjungan terakhir."
_CONSENT = (
    "Saya telah diberi tahu bahwa keterangan ini dicatat untuk pelayanan kesejahteraan sosial, siapa yang dapat "
    "membacanya, dan hak saya untuk meminta salinan, perbaikan, dan pembatasannya (UU 27/2022)."
)
_FEWEST_ROWS, _MOST_BLANK = 4, 3
# The room for choices, in centimetres, and what a letter of 9.5 points and a box take of it on average.
_ROOM, _ROOM_BESIDE_PAST, _LETTER, _BOX, _MOST_COLUMNS = 13.2, 9.7, 0.166, 0.7, 4


def render_worksheets(sheets: Sequence[Worksheet]) -> bytes:
    """The sheets one after the other on A4, each with its own page numbers. Threads and failures as in `typeset`."""
    return typeset(_TEMPLATE, "worksheets", [_view(sheet) for sheet in sheets], sheets[0].printed_at)


def _view(sheet: Worksheet) -> dict[str, Any]:
    """What the template prints: finished strings, in Indonesian."""
    sections = _sections(sheet)
    # A and B are the family and the outcome; the form's sections follow, then what comes after them.
    letters = iter(ascii_uppercase[2 + len(sections) :])
    return {
        "code": str(sheet.visit_id),
        "qr": _qr(f"urn:uuid:{sheet.visit_id}"),
        "offices": [line(office) for office in sheet.offices],
        "visited_on": f"{_WEEKDAYS[sheet.visited_on.weekday()]}, {indonesian_date(sheet.visited_on)}",
        "officer": line(sheet.officer),
        "form": f"{sheet.form.title_id} versi {sheet.form.version}",
        "printed": f"dicetak {local_moment(sheet.printed_at)}",
        "person": [(name, line(value, 18) or _NOTHING) for name, value in _person(sheet)],
        "place": [
            ("Alamat", line(sheet.address, 18)),
            ("RT/RW", sheet.lanes or _NOTHING),
            ("Desa/kelurahan", line(sheet.village)),
        ],
        "notes": lines(sheet.notes or ""),
        "members": [_member(number, member, sheet) for number, member in enumerate(sheet.members, start=1)],
        "blank-members": max(_FEWEST_ROWS - len(sheet.members), min(_MOST_BLANK, 2)),
        "outcomes": _labels("visit_outcomes"),
        "sections": sections,
        "last": _last(sheet.last, next(letters)) if sheet.last is not None else None,
        "findings": _labels("visit_findings"),
        "reasons": _labels("visit_reasons"),
        "letters": {name: next(letters) for name in ("finding", "differs", "notes")},
        "differs": _DIFFERS,
        "consent": _CONSENT,
    }


def _person(sheet: Worksheet) -> Sequence[tuple[str, str]]:
    born = indonesian_date(sheet.birth_date)
    nik = f"************{sheet.nik_last4}" if sheet.nik_last4 else f"({label('nik_statuses', sheet.nik_status, 'id')})"
    return (
        ("Nama", sheet.full_name + (" (tercatat meninggal)" if sheet.is_deceased else "")),
        ("NIK", nik),
        ("Lahir", ", ".join(part for part in (sheet.birth_place, born) if part)),
        ("Umur, kelamin", f"{sheet.age} tahun, {_SEX[sheet.sex].lower()}"),
    )


def _member(number: int, member: Member, sheet: Worksheet) -> list[str]:
    age = f"{age_on(member.birth_date, sheet.visited_on)} tahun" if member.birth_date is not None else ""
    relationship = label("relationships", member.relationship, "id")
    return [str(number), line(member.full_name or "(terdaftar di wilayah lain)", 22), line(relationship), age]


def _sections(sheet: Worksheet) -> list[dict[str, Any]]:
    """The form as it stands in its data: no question is known here by name."""
    numbers = {entry.name: number for number, entry in enumerate(sheet.form.fields, start=1)}
    made: list[dict[str, Any]] = []
    for letter, section in zip(ascii_uppercase[2:], sheet.form.sections, strict=False):
        entries = [entry for entry in sheet.form.fields if entry.section == section.code]
        made.append(
            {
                "letter": letter,
                "title": line(section.label_id),
                "hint": _PAST if sheet.last and not made else None,
                "fields": [_question(numbers[entry.name], entry, sheet.last) for entry in entries],
            }
        )
    return [section for section in made if section["fields"]]


def _question(number: int, entry: FormField, last: LastVisit | None) -> dict[str, Any]:
    words = [line(item.label_id) for item in entry.choices]
    if entry.type == "codes":
        words.append("Tidak ada")
    if entry.type == "boolean":
        words = ["Ya", "Tidak"]
    is_money = entry.unit_id == "rupiah"
    seen = (last.evidence if last else {}).get(entry.name)
    return {
        "number": str(number),
        "label": line(entry.label_id),
        "note": line(entry.note_id or ""),
        "kind": "choice" if words else "number",
        "choices": words,
        "columns": _columns(words, _ROOM_BESIDE_PAST if last else _ROOM),
        "before": "Rp" if is_money else "",
        "after": "" if is_money else line(entry.unit_id or ""),
        "last": line(answer(entry, seen)) if seen is not None else _NOTHING,
    }


def _columns(words: Sequence[str], room: float) -> int:
    """As many columns as make the block lowest, though no word is broken for it; a long choice runs over two lines."""

    def height(columns: int) -> int:
        letters = (room / columns - _BOX) / _LETTER
        if any(len(part) > letters for word in words for part in word.split()):
            return 1000
        heights = [ceil(len(word) / letters) for word in words]
        return sum(max(heights[start : start + columns]) for start in range(0, len(heights), columns))

    return min(range(1, _MOST_COLUMNS + 1), key=lambda columns: (height(columns), columns)) if words else 1


def _last(last: LastVisit, letter: str) -> dict[str, str]:
    reasons = "; ".join(_said("visit_reasons", code) for code in last.reasons)
    return {
        "letter": letter,
        "day": f"per {indonesian_date(last.visited_on)}",
        "finding": _said("visit_findings", last.finding),
        "reasons": f"Alasan: {reasons}." if reasons else "Tanpa alasan tertulis.",
    }


def _labels(code_list: str) -> list[str]:
    return [line(item.label_id) for item in LISTS[code_list].items]


def _said(code_list: str, code: str) -> str:
    return next((item.label_id for item in LISTS[code_list].items if item.code == code), code)


def _qr(content: str) -> str:
    """As an SVG with the quiet zone of two modules that a phone needs on white paper."""
    drawing = io.BytesIO()
    segno.make_qr(content, error="m").save(drawing, kind="svg", border=2, title=None)
    return drawing.getvalue().decode()
