"""Values that are checked once and reused everywhere: NIK, family card number, region code, text, phone."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

_DIGITS = {ord(full): str(index) for index, full in enumerate("０１２３４５６７８９")}
_SEPARATORS = re.compile(r"[\s.\-]")
_NIK = re.compile(r"[1-9][0-9]{15}")
_FAMILY_CARD = re.compile(r"[1-9][0-9]{15}")
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}|0[2-9][0-9]{6,12}|62[2-9][0-9]{6,12}")
_CASE_NUMBER = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}")
_NIK_LENGTH = 16
_DIGITS_IN_GROUPS = re.compile(r"[0-9]+(?:[ .\-_'\u2019\u00b7\u2022\u2212]{1,3}[0-9]+)*")
# Two dates, or a village and a district, side by side: sixteen digits, and often the shape of a NIK.
_TWO_DATES = re.compile(r"(?:[0-3][0-9]([ .\-])[01][0-9]\1(?:19|20)[0-9]{2}[ .\-]*){2}")
_TWO_REGIONS = re.compile(r"(?:[0-9]{2}\.){3}[123][0-9]{3}[ \-]+[0-9]{2}\.[0-9]{2}\.[0-9]{2}")
REGION_PATTERN = r"^[0-9]{2}(\.[0-9]{2}(\.[0-9]{2}(\.[123][0-9]{3})?)?)?$"
VILLAGE_PATTERN = r"^[0-9]{2}\.[0-9]{2}\.[0-9]{2}\.[123][0-9]{3}$"
_MOST_LINES = 60
_MOST_MARKS = 30  # on one letter: what UAX #15 §13 allows; putting them in order takes time by the square
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_VARIATION_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_NOT_IN_NAMES = frozenset({"So", "Sm", "Sc", "Sk", "Co", "Cn"})
_APOSTROPHES = frozenset("`\u00b4")  # typed for one, and counted among the symbols
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T.+")
_FIRST_YEAR, _LAST_YEAR = 1890, 2100
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def clean_text(value: str) -> str:
    """NFC text without control characters, lone surrogates, direction overrides or piled-up accents.

    Line feed and tab stay. Raises ValueError. (RELIABILITY: a NUL or a lone surrogate is a 500 in a naive stack.)
    """
    if value.isascii() and value.isprintable():
        return value
    marks = 0
    for character in value:
        if character in "\n\t":
            marks = 0
            continue
        category = unicodedata.category(character)
        marks = marks + 1 if category[0] == "M" else 0
        if category in ("Cc", "Cs") or character in _BIDI or marks > _MOST_MARKS:
            raise ValueError("forbidden character")
    return unicodedata.normalize("NFC", value)


def digits_only(value: Any) -> Any:
    """A number in an address in its one spelling: neither sign nor blanks. Raises bad_format."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]+", value):
        raise PydanticCustomError("bad_format", "digits")
    return value


def _compact(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("wrong_type", "text expected", {"expected": "text"})
    if "*" in value:
        raise PydanticCustomError("masked_value", "masked value")
    return _SEPARATORS.sub("", value).translate(_DIGITS)


def check_nik(value: str) -> str:
    """Refuse what can never be a NIK (PP 40/2019 Pasal 30; layout PPKKCC DDMMYY SSSS, women's day + 40).

    A region code that is not in today's list, or a birth date or sex that disagrees with the record, is not an
    error: a NIK keeps the code of its first registration for life. Those are warnings (`nik_warnings`).
    """
    if not _NIK.fullmatch(value):
        raise PydanticCustomError("nik_format", "16 digits")
    province, regency, district = int(value[:2]), value[2:4], value[4:6]
    if not 11 <= province <= 96 or regency == "00" or district == "00":
        raise PydanticCustomError("nik_region", "region part")
    day, month, year = int(value[6:8]), int(value[8:10]), int(value[10:12])
    day -= 40 if day > 40 else 0
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month - 1] or (month == 2 and day == 29 and year % 4):
        raise PydanticCustomError("nik_birth_date", "birth date part")
    if value[12:] == "0000":
        raise PydanticCustomError("nik_serial", "serial part")
    return value


def nik_sex(nik: str) -> Literal["male", "female"]:
    return "female" if int(nik[6:8]) > 40 else "male"


def nik_birth_matches(nik: str, birth_date: date) -> bool:
    """Whether DDMMYY of the NIK fits the stated date; the century comes from the stated date."""
    day = int(nik[6:8])
    return (day - 40 if day > 40 else day, int(nik[8:10]), int(nik[10:12])) == (
        birth_date.day,
        birth_date.month,
        birth_date.year % 100,
    )


def _check_family_card(value: str) -> str:
    if not _FAMILY_CARD.fullmatch(value):
        raise PydanticCustomError("family_card_format", "16 digits")
    return value


def _check_phone(value: str) -> str:
    if not _PHONE.fullmatch(value):
        raise PydanticCustomError("phone_format", "phone number")
    return "+62" + value[1:] if value.startswith("0") else value if value.startswith("+") else "+" + value


def _check_case_number(value: str) -> str:
    """Crockford's base 32 forgives what the ear and the eye confuse."""
    plain = _SEPARATORS.sub("", value).upper().translate(str.maketrans("OIL", "011"))
    if not _CASE_NUMBER.fullmatch(plain):
        raise PydanticCustomError("case_number_format", "a case number")
    return f"{plain[:4]}-{plain[4:]}"


def _readable(value: str) -> str:
    """Free text: something to read, no more than 60 lines, and no identity number, which has fields of its own."""
    if not any(character.isalnum() for character in value):
        raise PydanticCustomError("nothing_readable", "nothing readable")
    if value.count("\n") >= _MOST_LINES:
        raise PydanticCustomError("too_many_lines", "too many lines", {"max": _MOST_LINES})
    return without_identity_number(value)


class CleanedName(str):
    """A name out of which something that nobody sees was taken; whoever keeps it says so."""

    __slots__ = ()


def clean_name(value: str) -> str:
    """A person's name without what is not seen in it (zero width, joiners, direction marks: Unicode Cf, and variation
    selectors), blanks single. Any script will do, one letter and one word are names, and apostrophes are letters.

    Raises name_symbols for emoji, mathematics, currency and what is in no script.
    """
    seen = "".join(c for c in value if unicodedata.category(c) != "Cf" and c not in _VARIATION_SELECTORS)
    name = " ".join(seen.split())
    if any(unicodedata.category(c) in _NOT_IN_NAMES and c not in _APOSTROPHES for c in name):
        raise PydanticCustomError("name_symbols", "symbols in a name")
    return CleanedName(name) if len(seen) < len(value) else name


def without_identity_number(value: str) -> str:
    """Refuse a NIK in clear text: in any digits, grouped by blanks, dots or dashes, or with what is not seen between.

    A family card number has the same layout, the day of its making for that of birth, and is refused alike; one
    whose date part cannot be a date passes. So does what is spelt in words, or divided by commas and slashes as lists
    and letter numbers are: this is against habit, not intent.
    """
    compatible = unicodedata.normalize("NFKC", value)
    if sum(map(str.isdigit, compatible)) < _NIK_LENGTH:
        return value
    plain = re.sub(" +", " ", "".join(map(_plain, compatible)))
    for run in _DIGITS_IN_GROUPS.findall(plain):
        if any(_is_nik(re.sub("[^0-9]", "", digits)) for digits in _sixteen_digits(run)):
            raise PydanticCustomError("identity_number_in_text", "an identity number")
    return value


def _plain(character: str) -> str:
    """A digit of any script as ASCII, every blank and dash as one of ASCII, and nothing for what is not seen."""
    if character.isascii():
        return " " if character.isspace() else character
    if character.isdigit():
        return str(unicodedata.digit(character))
    category = unicodedata.category(character)
    if category == "Cf" or category[0] == "M":
        return ""
    return {"Zs": " ", "Zl": " ", "Zp": " ", "Pd": "-"}.get(category, character)


def _sixteen_digits(run: str) -> Iterator[str]:
    """Whole groups of sixteen digits: all there are in the run, or some of them, divided alike.

    Divided alike, because in a list of dates or phone numbers the end of one and the beginning of the next are none.
    """
    places = [place for place, character in enumerate(run) if character.isdigit()]
    for first, last in zip(places, places[_NIK_LENGTH - 1 :], strict=False):
        if run[first - 1 : first].isdigit() or run[last + 1 : last + 2].isdigit():
            continue
        groups = run[first : last + 1]
        alike = groups == run or len(set(re.findall("[^0-9]+", groups))) < 2
        if alike and not _TWO_DATES.fullmatch(groups) and not _TWO_REGIONS.fullmatch(groups):
            yield groups


def _is_nik(digits: str) -> bool:
    try:
        return bool(check_nik(digits))
    except PydanticCustomError:
        return False


def latest_local_date() -> date:
    """Today where the day begins first in Indonesia (WIT, UTC+9)."""
    return (datetime.now(UTC) + timedelta(hours=9)).date()


def _only_a_moment(value: Any) -> Any:
    # pydantic would also take a number of seconds, or a day alone
    if not isinstance(value, str) or not _DAY_AND_TIME.fullmatch(value):
        raise PydanticCustomError("bad_datetime", "a date and time")
    return value


def _of_this_age(value: datetime) -> datetime:
    # Also keeps out what an offset would carry beyond the calendar (year 1 or 9999).
    if not 2000 <= value.year <= _LAST_YEAR:
        raise PydanticCustomError("out_of_range", "year", {"min": 2000, "max": _LAST_YEAR})
    return value.astimezone(UTC)


def _only_a_day(value: Any) -> Any:
    # pydantic would also take a number of seconds, or a time at midnight
    if type(value) is date:
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise PydanticCustomError("bad_date", "a date")
    return value


def _this_age(value: date) -> date:
    # The day after 9999-12-31 does not exist, and the database reads that day as infinity.
    if value.year < _FIRST_YEAR:
        raise PydanticCustomError("too_old", "not of this age")
    if value.year > _LAST_YEAR:
        raise PydanticCustomError("out_of_range", "year", {"min": _FIRST_YEAR, "max": _LAST_YEAR})
    return value


def _past(value: date) -> date:
    if value > latest_local_date():
        raise PydanticCustomError("in_future", "in the future")
    if value.year < _FIRST_YEAR:
        raise PydanticCustomError("too_old", "too old")
    return value


Nik = Annotated[
    str,
    BeforeValidator(_compact),
    AfterValidator(check_nik),
    Field(
        min_length=16,
        max_length=32,
        examples=["1871046503910003"],
        description="National identity number, 16 digits, text",
    ),
]
FamilyCardNumber = Annotated[
    str,
    BeforeValidator(_compact),
    AfterValidator(_check_family_card),
    Field(
        min_length=16, max_length=32, examples=["1871041203150002"], description="Family card number (No KK), 16 digits"
    ),
]
PhoneNumber = Annotated[
    str, BeforeValidator(_compact), AfterValidator(_check_phone), Field(max_length=24, examples=["+6281234567890"])
]
RegionCode = Annotated[
    str,
    StringConstraints(pattern=REGION_PATTERN, max_length=13),
    Field(examples=["18.71.04"], description="Kemendagri region code: PP, PP.KK, PP.KK.CC or PP.KK.CC.DDDD"),
]
VillageCode = Annotated[
    str,
    StringConstraints(pattern=VILLAGE_PATTERN, max_length=13),
    Field(examples=["18.71.04.1002"], description="Kemendagri village code PP.KK.CC.DDDD"),
]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_only_a_moment),
    AfterValidator(_of_this_age),
    Field(examples=["2026-11-22T00:00:00+07:00"]),
]
Day = Annotated[date, BeforeValidator(_only_a_day), AfterValidator(_this_age), Field(examples=["2026-11-22"])]
PastDate = Annotated[date, BeforeValidator(_only_a_day), AfterValidator(_past), Field(examples=["1991-03-25"])]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\n\t]*$"),
    AfterValidator(_readable),
]
PersonName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\n\t]*$"),
    AfterValidator(clean_name),
    AfterValidator(_readable),
    Field(examples=["Siti Rahmawati"]),
]
Note = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_readable)
]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
RtRw = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}$"), AfterValidator(lambda value: value.zfill(3))]
CaseNumber = Annotated[
    str,
    StringConstraints(max_length=12),
    AfterValidator(_check_case_number),
    Field(examples=["7K2M-9QXD"], description="As it is read out: in any case, O for 0, I and L for 1, dash or none"),
]
Latitude = Annotated[Decimal, Field(ge=-90, le=90, max_digits=9, decimal_places=6)]
Longitude = Annotated[Decimal, Field(ge=-180, le=180, max_digits=9, decimal_places=6)]
Sex = Literal["male", "female"]
Id = UUID
