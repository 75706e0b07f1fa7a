"""Whether two descriptions mean one person, with a score that explains itself. Pure: it reads no database.

rapidfuzz, because two hundred candidates are scored within a search: its distances are C++ and take a microsecond.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import mul, ne
from typing import Any

from rapidfuzz.distance import OSA, JaroWinkler

from tksk_api.domain.beneficiaries.names import key_of, sound_of, words_of

# From here on two entries go to a person who decides; measured in benchmarks/README.md ("Duplicates").
DUPLICATE_THRESHOLD = 0.80
# Below this a search does not show somebody.
SHOWN_THRESHOLD = 0.55

# What a field says, relative to the others.
_NAME, _BIRTH, _PLACE, _CARD, _MOTHER, _SEX = 0.45, 0.35, 0.10, 0.10, 0.15, 0.10
_SAME_NIK, _NEAR_NIK, _OTHER_NIK, _NO_NIK = 2.4, 0.6, 0.25, 0.1
_SIMILAR = 0.6  # names from here on are called similar
_PLACES = (("same", 1.0, 13), ("same_district", 0.7, 8), ("same_regency", 0.4, 5), ("different", 0.0, 0))
_ONE_SOUND = 0.97
_ONE_KEY = 0.85
_JOINED = 0.95  # names divided into words in another way
_INITIAL = 0.80
_SHORTENED = 0.85
# Words that many bear say little about who is meant.
_COMMON = frozenset(
    (
        *("muhamad", "siti", "sri", "nur", "abdul", "ahmad", "dewi", "made", "wayan", "nyoman", "ketut", "putu"),
        *("kadek", "komang", "gede", "tri", "dwi", "eko", "putri", "putra", "ayu", "andi", "gusti", "agus", "rina"),
    )
)
_COMMON_WEIGHT = 0.4
_MEET = 0.5  # words less alike than this are different words
_DAYS = {
    "exact": 1.0,
    "day_month_swapped": 0.9,
    "one_digit": 0.85,
    "transposed": 0.85,
    "year_only": 0.6,
    "same_year": 0.2,
    "different": 0.0,
}


@dataclass(frozen=True)
class Facts:
    """What is known of a person; None is not known. The indexes are the blind ones of the register."""

    full_name: str
    birth_date: date | None
    village_code: str | None
    family_card_index: bytes | None
    nik_index: bytes | None
    mother_name: str | None = None
    sex: str | None = None


@dataclass(frozen=True)
class Match:
    """`score` from 0 to 1; `reasons` say field by field what agrees: `{"field": ..., "match": ...}`, of names with
    their `similarity`."""

    score: float
    reasons: list[dict[str, Any]]


def compare(left: Facts, right: Facts, near_niks: Collection[bytes] = ()) -> Match:
    """Score what both know; what one of them does not know weighs nothing.

    `near_niks` are blind indexes one slip of the pen away from the number of `left`: an index alone cannot tell. Where
    they are given, another NIK of `right`, or none, speaks a little against it.
    """
    found = [*_persons(left, right), *_numbers(left, right, near_niks), *_places(left, right)]
    total = sum(weight for weight, _, _ in found)
    score = sum(weight * part for weight, part, _ in found) / total if total else 0.0
    return Match(round(score, 3), [reason for _, _, reason in found])


_Found = Iterator[tuple[float, float, dict[str, Any]]]  # weight, agreement from 0 to 1, reason


def _persons(left: Facts, right: Facts) -> _Found:
    for field, weight in (("full_name", _NAME), ("mother_name", _MOTHER)):
        one, other = getattr(left, field), getattr(right, field)
        if one and other:
            alike = name_similarity(one, other)
            match = "exact" if alike == 1 else "similar" if alike >= _SIMILAR else "different"
            yield weight, alike, {"field": field, "match": match, "similarity": round(alike, 2)}
    if left.birth_date and right.birth_date:
        match = date_match(left.birth_date, right.birth_date)
        yield _BIRTH, _DAYS[match], {"field": "birth_date", "match": match}
    if left.sex and right.sex and left.sex != right.sex:
        yield _SEX, 0.0, {"field": "sex", "match": "different"}


def _numbers(left: Facts, right: Facts, near_niks: Collection[bytes]) -> _Found:
    if left.nik_index and left.nik_index == right.nik_index:
        yield _SAME_NIK, 1.0, {"field": "nik", "match": "exact"}
    elif right.nik_index in near_niks:
        yield _NEAR_NIK, 1.0, {"field": "nik", "match": "one_digit"}
    elif near_niks:
        match, weight = ("different", _OTHER_NIK) if right.nik_index else ("unknown", _NO_NIK)
        yield weight, 0.0, {"field": "nik", "match": match}
    if left.family_card_index and right.family_card_index:
        same = left.family_card_index == right.family_card_index
        yield _CARD, float(same), {"field": "family_card", "match": "same" if same else "different"}


def _places(left: Facts, right: Facts) -> _Found:
    if left.village_code and right.village_code:
        match, near = next(
            (match, near)
            for match, near, length in _PLACES
            if left.village_code[:length] == right.village_code[:length]
        )
        yield _PLACE, near, {"field": "village_code", "match": match}


def name_similarity(left: str, right: str) -> float:
    """How much two names agree, from 0 to 1, whatever the order of their words.

    Each word meets the one most like it: by its letters, by its sound, as an initial or shortened. Words the other
    lacks cost little when the shorter name is wholly in the longer one: people are known by one word of three.
    """
    first, second = words_of(left), words_of(right)
    if first == second:
        return 1.0 if first else float(left.casefold() == right.casefold())
    if not first or not second:
        return 0.0
    here, there = _covered(first, second)
    alike = 0.75 * max(here, there) + 0.25 * min(here, there)
    if len(first) == len(second) or alike > _JOINED:
        return alike
    return max(alike, _JOINED * _letters("".join(first), "".join(second)))


def date_match(left: date, right: date) -> str:
    """How two birth dates agree: a key of `_DAYS`."""
    if left == right:
        return "exact"
    if left.year == right.year and (left.day, left.month) == (right.month, right.day):
        return "day_month_swapped"
    one, other = left.isoformat(), right.isoformat()
    if sum(map(ne, one, other)) == 1:
        return "one_digit"
    if OSA.distance(one, other) == 1:
        return "transposed"
    if left.year == right.year:
        first_of_january = any((day.day, day.month) == (1, 1) for day in (left, right))
        return "year_only" if first_of_january else "same_year"
    return "different"


def _covered(first: Sequence[str], second: Sequence[str]) -> tuple[float, float]:
    """How far the words of each are found in the other; a word meets one other, the most alike first."""
    meetings = [
        (alike, here, there)
        for here, one in enumerate(first)
        for there, other in enumerate(second)
        if (alike := _alike(one, other)) > _MEET
    ]
    meetings.sort(reverse=True)
    left, right = [0.0] * len(first), [0.0] * len(second)
    for alike, here, there in meetings:
        if not left[here] and not right[there]:
            left[here] = right[there] = alike
    return _share(first, left), _share(second, right)


def _share(words: Sequence[str], found: Sequence[float]) -> float:
    weights = [_COMMON_WEIGHT if word in _COMMON or len(word) == 1 else 1.0 for word in words]
    covered: float = sum(map(mul, weights, found))
    return covered / sum(weights)


@lru_cache(maxsize=32_768)
def _alike(one: str, other: str) -> float:
    """How alike two words are: by their letters, by their sound, as an initial or shortened."""
    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    if len(short) == 1:
        return _INITIAL if long.startswith(short) else 0.0
    here, there = sound_of(one), sound_of(other)
    if here == there:
        return _ONE_SOUND
    alike = max(_letters(one, other), _ONE_SOUND * _letters(here, there))
    if key_of(here) == key_of(there):
        alike = max(alike, _ONE_KEY)
    if len(short) > 2 and long.startswith(short):
        alike = max(alike, _SHORTENED)
    return alike


def _letters(one: str, other: str) -> float:
    return (OSA.normalized_similarity(one, other) + JaroWinkler.similarity(one, other)) / 2
