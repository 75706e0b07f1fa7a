"""What is odd about a person's data, said as warnings: no rule here refuses anybody (DOMAIN §2.1, §5.1)."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date

from tksk_api.types import nik_birth_matches, nik_sex

MAX_PLAUSIBLE_AGE_YEARS = 110
_SHORTEST_PAIR = 4  # letters of two words of a name: the initials of many are a word of their own
_UNMISTAKABLE = 8  # letters that no other words have by chance
_UNSEEN = ("Cf", "Mn", "Me", "Mc")


def age_on(birth_date: date, day: date) -> int:
    """Completed years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def names_person(text: str, full_name: str) -> bool:
    """Whether a text holds a person's name, or words of it that follow each other; only letters are compared."""
    said, name = _words(text), _words(full_name)
    if not name:
        return False
    pairs = ("".join(pair) for pair in itertools.pairwise(name))
    return _is_said("".join(name), said) or any(_is_said(pair, said) for pair in pairs if len(pair) >= _SHORTEST_PAIR)


def _words(text: str) -> list[str]:
    """Letters in one case, without accents and without what is not seen; anything else ends a word."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = (character for character in plain if unicodedata.category(character) not in _UNSEEN)
    return "".join(character if character.isalpha() else " " for character in seen).split()


def _is_said(part: str, said: Sequence[str]) -> bool:
    if len(part) >= _UNMISTAKABLE:  # however it is divided, and whatever is attached to it
        return part in "".join(said)
    ends = {0, *itertools.accumulate(map(len, said))}
    starts = (found.start() for found in re.finditer(f"(?={part})", "".join(said)))
    return any(start in ends and start + len(part) in ends for start in starts)


def identity_warnings(
    nik: str | None, birth_date: date, sex: str, village_code: str, *, nik_region_known: bool, today: date
) -> list[str]:
    """Codes of the reference list `beneficiary_warnings`.

    PP 40/2019 Pasal 30: a NIK keeps the code of its first registration and is not changed even when the date in it
    is wrong, so disagreement is a hint for the officer, not an error.
    """
    warnings = []
    if nik is not None:
        if not nik_region_known:
            warnings.append("nik_region_unknown")
        elif nik[:6] != village_code[:8].replace(".", ""):
            warnings.append("nik_region_differs")
        if not nik_birth_matches(nik, birth_date):
            warnings.append("nik_birth_date_differs")
        if nik_sex(nik) != sex:
            warnings.append("nik_sex_differs")
    if age_on(birth_date, today) > MAX_PLAUSIBLE_AGE_YEARS:
        warnings.append("age_implausible")
    return warnings


def name_warnings(full_name: str) -> list[str]:
    """Names of one word, and of one letter, exist; one letter may also be the rest of a name that got lost."""
    return ["name_short"] if sum(map(str.isalpha, full_name)) == 1 else []


def differing_documents(full_name: str, names: Iterable[tuple[str, str]]) -> list[str]:
    """The papers, of `(paper, name)`, that bear another name; case, accents and punctuation make none (DOMAIN §3.4)."""
    said = _words(full_name)
    return list(dict.fromkeys(document for document, name in names if _words(name) != said))


def category_warnings(
    categories: Iterable[tuple[str, int | None, int | None, str | None]], age: int, sex: str
) -> list[str]:
    """Age and sex hints of PPKS categories `(code, min_age, max_age, sex)`; sources differ, so they only warn."""
    odd = any(
        (least is not None and age < least) or (most is not None and age > most) or (only is not None and only != sex)
        for _, least, most, only in categories
    )
    return ["ppks_category_unusual"] if odd else []
