"""Readers of cells: each makes a value of what stands in one, says what it understood, and never mends a guess.

A reader gives the value (None of an empty cell) and codes of notes, or raises CellError; the words of the codes are in
the list `import_codes`. What is refused afterwards by the rules of a kind is not looked at here.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, Literal
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from tksk_api.domain.imports.contract import Cell, CellError, Formula
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.refusals import field_errors
from tksk_api.types import check_nik, clean_text

Reading = tuple[Any, tuple[str, ...]]
Reader = Callable[[Cell], Reading]

_NOTHING = frozenset({"-", "--", "\u2013", "\u2014", "NULL", "(null)", "\\N", "N/A"})  # what exports write for none
_EXCEL_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
# Before these an apostrophe is Excel's mark of a text, saved along; before a letter it may belong to a name.
_MARKED = frozenset("0123456789'")
_RUNS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # begin what a spreadsheet computes (OWASP, CSV injection)
# A spreadsheet set to Indonesian divides a CSV by semicolons, and by tabs or bars where it is told to: what follows one
# of these within a text is a cell of its own then, and may run.
_PARTED = re.compile(r"""([,;|\t\r\n])(?=[ "']*[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_PARTED_SHIELDED = re.compile(r"""([,;|\t\r\n])'(?=[ "']*[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_PARTED_RUNS = re.compile(r"""([,;|\t\r\n])[ "]*[=+\-@\uff1d\uff0b\uff0d\uff20]""")
_NEGATIVE = re.compile(r"-[0-9]+(?:[.,][0-9]+)?")
_SCIENTIFIC = re.compile(r"[0-9](?:[.,][0-9]+)?[Ee]\+?[0-9]{1,2}")
_FLOAT_TEXT = re.compile(r"[0-9]{15,16}[.,]0+")
_SEPARATORS = re.compile(r"[\s.\-]")
_SIXTEEN = re.compile(r"[1-9][0-9]{15}")
_BREAK = re.compile(r"\s*[\n\t]\s*")
_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060\ufeff]")


def text(cell: Cell) -> Reading:
    """What is written, without blanks around it; a formula as it is written, never what it computes."""
    if type(cell) is str:
        plain = cell.strip()
        if plain.isascii() and plain.isprintable() and plain[:1] not in "'#" and plain not in _NOTHING:
            return plain, ()
        return _unusual(plain)
    return _written(cell)


def line(cell: Cell) -> Reading:
    """As `text`, on one line: a break in a name or an address is a blank (RELIABILITY §7 31)."""
    written, notes = text(cell)
    if written is None or _BREAK.search(written) is None:
        return written, notes
    return _BREAK.sub(" ", written), (*notes, "lines_joined")


def _unusual(plain: str) -> Reading:
    if plain in _NOTHING:
        return None, ("nothing_written",)
    if plain in _EXCEL_ERRORS:
        raise CellError("excel_error")
    if "\ufffd" in plain:
        raise CellError("text_damaged")
    notes: tuple[str, ...] = ()
    if _is_shielded(plain):
        plain, notes = _unshielded(plain).strip(), ("apostrophe_removed",)
    try:
        return clean_text(plain.replace("\r\n", "\n").replace("\r", "\n")) or None, notes
    except ValueError:
        raise CellError("forbidden_character") from None


def _is_shielded(plain: str) -> bool:
    after = plain[1:]
    if plain[:1] != "'":
        return False
    is_marked = after[:1] in _MARKED or after.lstrip(" ")[:1] in _RUNS or after in _NOTHING | _EXCEL_ERRORS
    return is_marked or _PARTED_SHIELDED.search(after) is not None


def _shielded(value: str) -> str:
    """With an apostrophe in front, and one wherever a spreadsheet may divide it before what runs."""
    return "'" + _PARTED.sub(r"\1'", value)


def _unshielded(plain: str) -> str:
    return _PARTED_SHIELDED.sub(r"\1", plain[1:])


def shielded(value: str, *, is_typed: bool = False) -> str:
    """A text as it goes into a file: no spreadsheet computes it, and `text` reads it as it was.

    In a workbook a text is a text (`is_typed`), and only what would be read as something else gets its apostrophe.
    """
    if value in _NOTHING | _EXCEL_ERRORS or _is_shielded(value):
        return _shielded(value)
    return value if is_typed else defused(value)


def defused(written: str, delimiter: str = ",") -> str:
    """What stood in a file, to stand in another one divided so: read alike, and computed by no spreadsheet, however it
    divides the file."""
    plain = written.strip()
    if not plain or plain in _NOTHING or not _runs(written, delimiter):
        return written
    return _shielded(_unshielded(plain) if _is_shielded(plain) else written)


def _runs(written: str, delimiter: str) -> bool:
    if written.lstrip(" ")[:1] in _RUNS:
        return not _NEGATIVE.fullmatch(written)
    # Within quotation marks, its own delimiter divides nothing.
    return any(found[1] != delimiter for found in _PARTED_RUNS.finditer(written))


def _written(cell: Cell) -> Reading:
    """The text of a cell that a workbook keeps as something else."""
    match cell:
        case None:
            return None, ()
        case Formula(text=""):
            raise CellError("formula")  # copied down from another cell, which alone has the text
        case Formula(text=formula):
            return formula, ("formula_kept",)
    return _spelt(cell), ()


def _spelt(cell: str | float | date) -> str:
    match cell:
        case bool():
            return "TRUE" if cell else "FALSE"
        case datetime():
            return (cell.date() if cell.time() == datetime.min.time() else cell).isoformat()
        case date():
            return cell.isoformat()
        case float() | int():
            return plain_number(cell)
    return cell


def plain_number(number: float) -> str:
    """A number without exponent, and without decimals that a spreadsheet adds to a whole one."""
    if not isfinite(number):
        raise CellError("number_unclear")
    return str(int(number)) if number == int(number) else format(Decimal(repr(number)), "f")


def value_text(cell: Cell) -> Reading:
    """Text where a value is needed: a formula has none. Raises CellError."""
    if type(cell) is Formula:
        raise CellError("formula")
    return text(cell)


def _sixteen(cell: Cell) -> Reading:
    """Sixteen digits as text. A number has been rounded: it is never completed (RELIABILITY §7 34)."""
    if type(cell) is str and _SIXTEEN.fullmatch(cell):
        return cell, ()
    if isinstance(cell, Formula):
        raise CellError("formula")
    if isinstance(cell, bool | date):
        raise CellError("wrong_type", expected="text")
    if isinstance(cell, float | int):
        raise CellError("digits_lost" if cell % 10 == 0 else "kept_as_number")
    written, notes = text(cell)
    if written is None:
        return None, notes
    if _SIXTEEN.fullmatch(written):
        return written, notes
    if "*" in written:
        raise CellError("masked_value")
    if _SCIENTIFIC.fullmatch(written):
        raise CellError("digits_lost")
    if _FLOAT_TEXT.fullmatch(written):
        raise CellError("kept_as_number")
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", _ZERO_WIDTH.sub("", written)))
    return plain, (*notes, "digits_tidied") if plain != written else notes


def nik(cell: Cell) -> Reading:
    """A NIK that can be one."""
    number, notes = _sixteen(cell)
    if number is None:
        return None, notes
    try:
        return check_nik(number), notes
    except PydanticCustomError as error:
        raise CellError(error.type) from None


def family_card(cell: Cell) -> Reading:
    """The number of a family card."""
    number, notes = _sixteen(cell)
    if number is not None and not _SIXTEEN.fullmatch(number):
        raise CellError("family_card_format")
    return number, notes


# Dates -------------------------------------------------------------------------------------------------------------

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januari january jan",
            "februari february pebruari feb peb",
            "maret march mar mrt",
            "april apr",
            "mei may",
            "juni june jun",
            "juli july jul",
            "agustus august agu agt ags aug agust",
            "september sept sep",
            "oktober october okt oct",
            "november nopember nov nop",
            "desember december des dec",
        ),
        start=1,
    )
    for name in names.split()
}
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_FIGURES = re.compile(r"([0-9]{1,4})([./\- ])([0-9]{1,2})\2([0-9]{1,4})")
_WORDS = re.compile(r"([0-9]{1,2})[ .\-/]*([A-Za-z]+)[ .,\-/]*([0-9]{2,4})")
_TIME_AFTER = re.compile(r"[T ][0-9]{1,2}[:.][0-9]{2}(?:[:.][0-9]{2}(?:[.,][0-9]+)?)?")  # a zone may mean another day
_DAY_NAME = re.compile(r"[A-Za-z']+, *")
_SERIAL = re.compile(r"[0-9]{5}(?:[.,]0+)?")
_EPOCHS = {1900: date(1899, 12, 30), 1904: date(1904, 1, 1)}  # of 1900 from March on: Excel has a 29 Feb 1900
_SERIALS = (61, 2_958_465)
_YEAR_DIGITS = 4


@dataclass(frozen=True)
class Dated:
    """Reads a date: 2026-11-22, in figures in the file's one order, with a month's name, or a workbook's date."""

    order: Literal["dmy", "mdy", "ymd"] = "dmy"
    system: Literal[1900, 1904] = 1900

    def of(self, order: Literal["dmy", "mdy", "ymd"], system: Literal[1900, 1904]) -> "Dated":
        return Dated(order, system)

    def __call__(self, cell: Cell) -> Reading:
        match cell:
            case datetime():
                return cell.date(), ()
            case date():
                return cell, ()
            case bool():
                raise CellError("bad_date")
            case float() | int():
                return self._serial(cell)
            case _:
                written, notes = value_text(cell)
                return (None if written is None else _date(self.order, written)), notes

    def _serial(self, number: float) -> Reading:
        """Days since the workbook's own first day."""
        if not _SERIALS[0] <= number <= _SERIALS[1]:
            raise CellError("bad_date")
        return _EPOCHS[self.system] + timedelta(days=int(number)), ("date_from_number",)


@lru_cache(1 << 15)  # a register has more people than birthdays
def _date(order: str, written: str) -> date:
    cut = _TIME_AFTER.search(written)
    plain = written[: cut.start()] if cut and cut.end() == len(written) else written
    if match := _ISO.fullmatch(plain):
        return _day(*map(int, match.groups()))
    if match := _WORDS.fullmatch(_DAY_NAME.sub("", plain, count=1)):
        month = _MONTHS.get(match[2].lower())
        if month is None:
            raise CellError("bad_date")
        return _day(_year(match[3]), month, int(match[1]))
    if match := _FIGURES.fullmatch(plain):
        return _figures(order, match[1], match[3], match[4])
    raise CellError("date_is_number" if _SERIAL.fullmatch(plain) else "bad_date")


def _figures(order: str, first: str, second: str, third: str) -> date:
    if order == "ymd" or len(first) == _YEAR_DIGITS:
        return _day(_year(first), int(second), int(third))
    day, month = (first, second) if order == "dmy" else (second, first)
    if int(month) > 12 >= int(day) and len(third) == _YEAR_DIGITS:
        raise CellError("date_order", order=order)
    return _day(_year(third), int(month), int(day))


def _year(digits: str) -> int:
    if len(digits) != _YEAR_DIGITS:
        raise CellError("year_short")
    return int(digits)


def _day(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise CellError("bad_date") from None


day = Dated()


# Numbers, codes, places --------------------------------------------------------------------------------------------

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}[.,][0-9]{3}")


def whole(cell: Cell) -> Reading:
    """A whole number; `1.000` may be one or a thousand, and is refused."""
    if isinstance(cell, bool | date):
        raise CellError("wrong_type", expected="integer")
    written, notes = value_text(cell)
    if written is None:
        return None, notes
    if not _WHOLE.fullmatch(written) or len(written) > 18:
        raise CellError("number_unclear")
    return int(written), notes


def decimal(cell: Cell) -> Reading:
    """A number with a decimal point or comma; with a group of three after it, it may be thousands, and is refused."""
    if isinstance(cell, bool | date):
        raise CellError("wrong_type", expected="number")
    written, notes = value_text(cell)
    if written is None:
        return None, notes
    if not _DECIMAL.fullmatch(written) or len(written) > 30:
        raise CellError("number_unclear")
    if isinstance(cell, str) and _THOUSANDS.fullmatch(written):
        raise CellError("number_unclear")
    return Decimal(written.replace(",", ".")), notes


def one_of(choices: Mapping[str, Sequence[str]]) -> Reader:
    """A reader of codes: each is known by itself and by what else people write for it."""
    known = {_key(word): code for code, words in choices.items() for word in (code, *words)}
    codes = list(choices)

    @lru_cache(1_024)
    def code_of(written: str) -> str | None:
        return known.get(_key(written))

    def read(cell: Cell) -> Reading:
        written, notes = value_text(cell)
        if written is None:
            return None, notes
        code = code_of(written)
        if code is None:
            raise CellError("unknown_choice", choices=codes[:40])
        return code, notes

    return read


def listed(list_code: str, **aliases: Sequence[str]) -> Reader:
    """A reader of a reference list: its codes, labels in both languages, numbers where it has them, and aliases."""
    choices = {}
    for item in LISTS[list_code].items:
        number = item.attributes.get("number")
        numbered = () if number is None else (str(number), f"{number:02}")
        choices[item.code] = (item.label_id, item.label_en, *numbered, *aliases.get(item.code, ()))
    return one_of(choices)


def labels(list_code: str) -> tuple[str, ...]:
    """What a template offers of a reference list."""
    return tuple(item.label_id for item in LISTS[list_code].items)


def _key(word: str) -> str:
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", word).casefold()).strip()


def many(read: Reader) -> Reader:
    """A reader of several values in one cell, divided by semicolons, commas or bars; each once."""

    def all_of(cell: Cell) -> Reading:
        written, notes = value_text(cell)
        if written is None:
            return None, notes
        found = [read(part.strip()) for part in re.split(r"[;,|\n]", written) if part.strip()]
        return list(dict.fromkeys(value for value, _ in found if value is not None)), notes

    return all_of


sex = one_of(
    {
        "male": ("L", "LK", "Laki-laki", "Laki laki", "Lelaki", "Pria", "M", "1"),
        "female": ("P", "PR", "Perempuan", "Wanita", "F", "2"),
    }
)
yes_no = one_of(
    {"yes": ("Ya", "Y", "True", "1", "Benar", "x"), "no": ("Tidak", "T", "N", "Bukan", "False", "0", "Tdk")}
)


def boolean(cell: Cell) -> Reading:
    """Yes or no, in either language."""
    if isinstance(cell, bool):
        return cell, ()
    answer, notes = yes_no(cell)
    return (None if answer is None else answer == "yes"), notes


_REGION = re.compile(r"[0-9]{2}(?:\.[0-9]{2}(?:\.[0-9]{2}(?:\.[0-9]{4})?)?)?")
_REGION_DIGITS = re.compile(r"[0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{10}")


def region(cell: Cell) -> Reading:
    """A code of Kemendagri; without its dots, as other systems export it, they are put in."""
    written, notes = value_text(cell)
    if written is None or _REGION.fullmatch(written):
        return written, notes
    digits = re.sub(r"[\s.\-]", "", unicodedata.normalize("NFKC", written))
    if not _REGION_DIGITS.fullmatch(digits):
        raise CellError("region_format")
    pairs = [digits[:2], digits[2:4], digits[4:6], digits[6:]]
    return ".".join(filter(None, pairs)), (*notes, "digits_tidied")


_RT_RW = re.compile(r"(?:R[TW][ .]*)?0*([0-9]{1,3})", re.IGNORECASE)


def rt_rw(cell: Cell) -> Reading:
    """The number of a neighbourhood, three digits."""
    written, notes = value_text(cell)
    if written is None:
        return None, notes
    match = _RT_RW.fullmatch(written)
    if match is None:
        raise CellError("rt_rw_format")
    return match[1].zfill(3), notes


_DIGITS = re.compile("[0-9]+")
_BETWEEN = re.compile(r"[\s.\-()]")
_MOBILE_WITHOUT_ZERO = re.compile(r"8[1-9][0-9]{7,11}")


def phone(cell: Cell) -> Reading:
    """A phone number. A spreadsheet drops the leading 0 of a mobile one, and nothing else begins with 8."""
    written, notes = value_text(cell)
    if written is None:
        return None, notes
    plain = written if _DIGITS.fullmatch(written) else _BETWEEN.sub("", unicodedata.normalize("NFKC", written))
    if _MOBILE_WITHOUT_ZERO.fullmatch(plain):
        return "0" + plain, (*notes, "zero_restored")
    return plain, notes


def uuid(cell: Cell) -> Reading:
    written, notes = value_text(cell)
    if written is None:
        return None, notes
    try:
        return UUID(written), notes
    except ValueError:
        raise CellError("bad_uuid") from None


def typed(annotation: Any, read: Reader = value_text) -> Reader:
    """A reader whose value must also be of a type of the API; its refusals keep their codes."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def checked(cell: Cell) -> Reading:
        value, notes = read(cell)
        if value is None:
            return None, notes
        try:
            return adapter.validate_python(value), notes
        except ValidationError as refused:
            (error, *_) = field_errors([{**one, "loc": ("body",)} for one in refused.errors(include_url=False)])
            raise CellError(error.code, **error.facts) from None

    return checked
