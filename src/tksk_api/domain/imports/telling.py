"""What an import tells of itself: the name of its file, what the file is, counts and faults; nothing of a person."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from tksk_api.domain.imports.contract import FATES, Column, FateName, Fault
from tksk_api.domain.imports.mapping import Layout
from tksk_api.domain.imports.reading.reader import Head
from tksk_api.domain.references.lists import LISTS
from tksk_api.errors import FIELD_CODES, PROBLEMS, Language, field_detail, filled

DELIMITERS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
MAX_FACT = 200
MAX_NAME = 100
NOT_REACHED = "not_reached"
# Sixteen digits or more, also in groups: a NIK or a family card number, whoever's it is.
_IDENTITY_NUMBER = re.compile(r"\d(?:[\s.\-]?\d){15,}")
# What may stand in a heading of somebody after all: days, and mobile numbers.
_PERSONAL = re.compile(
    r"(?<![\w.-])(?:"
    r"\d{1,2}(?:[./-]\d{1,2}[./-]|\s+[^\W\d]{3,9}\s+)(?:19|20)\d{2}|(?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2}"
    r"|(?:\+?62|0)[\s.-]?8\d(?:[\s.-]?\d){6,11}"
    r")(?![\w-])"
)
_HEADINGS = frozenset({"headings", "suggested"})  # facts that repeat headings of the file
_NAME_CHARACTERS = re.compile(r"[^\w .,()+&@'-]")


def shown_name(sent: str) -> str:
    """The name of the file as the sender called it: no folder, no control character, no identity number."""
    base = unicodedata.normalize("NFC", re.split(r"[/\\]", sent)[-1])
    plain = " ".join(_NAME_CHARACTERS.sub(" ", _IDENTITY_NUMBER.sub("-", base)).split()).strip(" .")
    return plain[-MAX_NAME:].lstrip(" .") or "tabel"


def untouched(rows: int) -> dict[str, int]:
    """The counts of a file of which no row was judged yet."""
    return {**dict.fromkeys(FATES, 0), NOT_REACHED: rows}


def counted(counts: Mapping[str, int], fates: Iterable[FateName]) -> dict[str, int]:
    """The counts after so many rows more; they add up to the same."""
    after = dict(counts)
    for fate in fates:
        after[fate] += 1
        after[NOT_REACHED] -= 1
    return after


def told(fault: Fault) -> dict[str, Any]:
    """A fault as it is kept and shown: long facts cut, and nothing in them that could be an identity number; in
    headings no day and no mobile number either."""
    facts = {name: _harmless(value, name in _HEADINGS) for name, value in fault.facts.items()}
    return {"column": _harmless(fault.column, True), "code": fault.code, "facts": facts}


def _harmless(value: Any, is_heading: bool = False) -> Any:
    if isinstance(value, str):
        plain = _IDENTITY_NUMBER.sub("-", value)
        return (_PERSONAL.sub("-", plain) if is_heading else plain)[:MAX_FACT]
    if isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_FACT]
        return {_harmless(str(name), is_heading): _harmless(item, is_heading) for name, item in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [_harmless(item, is_heading) for item in list(items)[:MAX_FACT]]
    return value if value is None or isinstance(value, bool | int | float) else str(value)[:MAX_FACT]


def under_its_heading(fault: Fault, headings: Mapping[str, str], columns: Iterable[Column]) -> Fault:
    """A fault of a kind names its own column; whoever reads the report knows the heading that stands in the file."""
    if fault.column is None:
        return fault
    names = {column.name: column.header for column in columns}
    return Fault(headings.get(fault.column, names.get(fault.column, fault.column)), fault.code, fault.facts)


def shown_file(head: Head, layout: Layout) -> dict[str, Any]:
    """`ImportFile`: what the file turned out to be, and what each of its columns was taken for."""
    columns = {place: name for name, place in layout.used.items()}
    delimiters = {character: name for name, character in DELIMITERS.items()}
    return {
        "format": head.format,
        "encoding": head.encoding,
        "delimiter": delimiters.get(head.delimiter or ""),
        "sheet": head.sheet,
        "date_system": head.date_system,
        "heading_row": layout.last_heading_row,
        "headings": [
            {"heading": _harmless(name, True), "column": columns.get(place), "suggested": layout.suggested.get(name)}
            for place, name in enumerate(layout.headers)
        ],
        "notes": [told(note) for note in (*head.notes, *layout.notes)],
    }


def words(code: str, facts: Mapping[str, Any], language: Language) -> str:
    """What is wrong and what to do next: of a code of the lists import_codes and
    beneficiary_warnings, of a field, or of a problem.

    Raises KeyError for another code.
    """
    item = _CODES.get(code)
    if item is not None:
        said = [item.label_en, item.note_en] if language == "en" else [item.label_id, item.note_id]
        return filled(" ".join(part for part in said if part), facts)
    if code in FIELD_CODES:
        return field_detail(code, language, facts)
    return PROBLEMS[code].detail(language, facts)


# The hints that a registration gives of a person are notes of their row.
_CODES = {item.code: item for name in ("beneficiary_warnings", "import_codes") for item in LISTS[name].items}
