"""The labelled set of benchmarks/register.py: how somebody who looks for a person gets the name or a number wrong.

`questions` draws people and damages what is known of them in one named way; `pairs` makes two entries of one person, as
two clerks would, and two of different people who look alike. The same seed makes the same set.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from tksk_api.domain.synthetic import Person
from tksk_api.types import check_nik

_NEIGHBOURS = {"a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo"}
_NEIGHBOURS |= {"j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et"}
_NEIGHBOURS |= {"s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x"}
_HONORIFICS = ("Bpk. ", "Ibu ", "H. ", "Hj. ", "Drs. ", "Alm. ", "Ust. ")
_SHORT = {"Muhammad": ("M.", "Moh.", "Muh."), "Mohammad": ("Moh.", "Muhammad"), "Mochamad": ("M.", "Muhammad")}
_SHORT |= {"Siti": ("St.",), "Abdul": ("Abd.",), "Ahmad": ("Achmad", "Akhmad"), "Achmad": ("Ahmad",)}
_OLD = (("u", "oe"), ("j", "dj"), ("c", "tj"), ("sy", "sj"), ("y", "j"))
_NEW = (("oe", "u"), ("dj", "j"), ("tj", "c"), ("sj", "sy"))


@dataclass(frozen=True)
class Question:
    """A search, and whom it means."""

    kind: str
    person: Person
    body: dict[str, Any]


def typo(chance: random.Random, name: str) -> str:
    """One slip of the hand: a neighbouring key, a letter left out or doubled, or two letters the wrong way round."""
    places = [place for place, letter in enumerate(name) if letter.isalpha() and place]
    at = chance.choice(places or [0])
    letter, rest = name[at], name[at + 1 :]
    match chance.randrange(4):
        case 0:
            near = _NEIGHBOURS.get(letter.lower(), "a")
            return name[:at] + chance.choice(near) + rest
        case 1:
            return name[:at] + rest
        case 2:
            return name[:at] + letter + letter + rest
        case _:
            return name[:at] + rest[:1] + letter + rest[1:] if rest[:1].isalpha() else name[:at] + rest


def two_typos(chance: random.Random, name: str) -> str:
    return typo(chance, typo(chance, name))


def abbreviated(chance: random.Random, name: str) -> str:
    """A first name as clerks shorten it; of others the initial of the first or of a middle word."""
    words = name.split()
    for place, word in enumerate(words):
        if short := _SHORT.get(word.title()):
            words[place] = chance.choice(short)
            return " ".join(words)
    if len(words) > 1:
        place = 0 if len(words) == 2 else chance.randrange(len(words) - 1)
        words[place] = words[place][0] + "."
    return " ".join(words)


def reordered(chance: random.Random, name: str) -> str:
    words = name.split()
    return " ".join(words[1:] + words[:1])


def single_word(_chance: random.Random, name: str) -> str:
    """The word that tells most, as somebody is called in the village."""
    return max(name.split(), key=len)


def old_spelling(_chance: random.Random, name: str) -> str:
    """Written as before 1972, or as today when it was entered in the old way."""
    said = name.lower()
    for modern, old in _OLD if not any(old in said for old, _ in _NEW) else [(old, new) for old, new in _NEW]:
        said = said.replace(modern, old)
    return said


def honorific(chance: random.Random, name: str) -> str:
    return chance.choice(_HONORIFICS) + name


def swapped(_chance: random.Random, day: date) -> date | None:
    """Day and month the wrong way round."""
    return day.replace(day=day.month, month=day.day) if day.day <= 12 and day.day != day.month else None


def one_digit(chance: random.Random, day: date) -> date:
    """Another date, one digit away."""
    while True:
        text, at = f"{day:%Y%m%d}", chance.randrange(2, 8)
        try:
            other = date.fromisoformat(text[:at] + chance.choice("0123456789") + text[at + 1 :])
        except ValueError:
            continue
        if other != day and other <= date(2026, 11, 1):
            return other


def wrong_nik(chance: random.Random, nik: str) -> str:
    """A number that passes as a NIK, one digit away or with two neighbours the wrong way round."""
    while True:
        at = chance.randrange(15)
        if chance.random() < 0.7:
            other = nik[:at] + chance.choice("0123456789") + nik[at + 1 :]
        else:
            other = nik[:at] + nik[at + 1] + nik[at] + nik[at + 2 :]
        try:
            if other != nik:
                return check_nik(other)
        except ValueError:
            continue


# By the name alone, within a regency.
NAMES: dict[str, Callable[[random.Random, str], str]] = {
    "name as it is": lambda _chance, name: name,
    "typing error": typo,
    "two typing errors": two_typos,
    "abbreviation": abbreviated,
    "words in another order": reordered,
    "old or new spelling": old_spelling,
    "honorific": honorific,
    "one word of it": single_word,
}
NUMBERS = ("birth date, day and month swapped", "birth date, one digit", "NIK, one digit or two swapped")
MISSPELT = ("typing error", "two typing errors", "old or new spelling")


def questions(people: Sequence[Person], seed: int, of_each: int) -> list[Question]:
    """`of_each` searches of every kind for people drawn by chance; a damaged number comes with a misspelt name."""
    chance = random.Random(f"questions:{seed}")
    asked = [
        Question(kind, person, {"name": damage(chance, person.full_name)})
        for kind, damage in NAMES.items()
        for person in _drawn(chance, people, of_each, lambda person, kind=kind: _can(kind, person.full_name))
    ]
    for person in _drawn(chance, people, of_each, lambda person: swapped(chance, person.birth_date) is not None):
        day = swapped(chance, person.birth_date)
        asked.append(Question(NUMBERS[0], person, {"name": _maybe(chance, person.full_name), "birth_date": day}))
    for person in _drawn(chance, people, of_each, lambda person: True):
        day = one_digit(chance, person.birth_date)
        asked.append(Question(NUMBERS[1], person, {"name": _maybe(chance, person.full_name), "birth_date": day}))
    for person in _drawn(chance, people, of_each, lambda person: person.nik is not None):
        nik = wrong_nik(chance, person.nik or "")
        asked.append(Question(NUMBERS[2], person, {"name": _maybe(chance, person.full_name), "nik": nik}))
    return asked


def pairs(people: Sequence[Person], seed: int, count: int) -> list[tuple[Person, Person, bool]]:
    """`count` pairs of one person entered twice, and as many of two people.

    A second entry has no NIK, mostly another spelling of the name, half the time no family card, and often a birth
    date one digit off or another village. Two people are namesakes, of one family, twins, or neighbours of one year.
    """
    chance = random.Random(f"pairs:{seed}")
    made = [(person, _entered_again(chance, person, people), True) for person in chance.sample(list(people), count)]
    groups: list[dict[Any, list[Person]]] = [{}, {}, {}]
    for person in people:
        keys = (person.full_name.casefold(), person.family_card, (person.birth_date.year, person.village_code))
        for group, key in zip(groups, keys, strict=True):
            group.setdefault(key, []).append(person)
    alike = [[found for found in group.values() if len(found) > 1] for group in groups]
    while len(made) < 2 * count:
        kind = chance.randrange(4)
        one, other = chance.sample(chance.choice(alike[min(kind, 2)]), 2)
        if kind == 1 and chance.random() < 0.5:  # twins
            other = replace(other, birth_date=one.birth_date, sex=one.sex)
        made.append((one, other, False))
    return made


def _entered_again(chance: random.Random, person: Person, people: Sequence[Person]) -> Person:
    again = replace(person, nik=None)
    if chance.random() < 0.85:
        damage = chance.choice((typo, two_typos, abbreviated, reordered, old_spelling, honorific))
        again = replace(again, full_name=damage(chance, person.full_name))
    if chance.random() < 0.5:
        again = replace(again, family_card="")
    if chance.random() < 0.3:
        day = swapped(chance, person.birth_date) if chance.random() < 0.3 else None
        again = replace(again, birth_date=day or one_digit(chance, person.birth_date))
    if chance.random() < 0.3:
        again = replace(again, village_code=chance.choice(people).village_code)
    return again


def _drawn(chance: random.Random, people: Sequence[Person], count: int, fits: Callable[[Person], bool]) -> list[Person]:
    found: list[Person] = []
    while len(found) < count:
        person = chance.choice(people)
        if fits(person):
            found.append(person)
    return found


def _can(kind: str, name: str) -> bool:
    """Whether this damage changes this name: a name of one word has no order."""
    if kind == "old or new spelling":
        return old_spelling(random.Random(0), name) != name.lower()
    if kind in ("abbreviation", "words in another order", "one word of it"):
        return len(name.split()) > 1
    return len(name) > 3


def _maybe(chance: random.Random, name: str) -> str:
    return typo(chance, name) if len(name) > 3 and chance.random() < 0.5 else name


async def ranks(
    asked: Sequence[Question], find: Callable[[dict[str, Any]], Awaitable[Sequence[str]]]
) -> dict[str, list[int | None]]:
    """By kind, at which place (0 is the first) `find` showed the person; None where it did not."""
    places: dict[str, list[int | None]] = {}
    for question in asked:
        found = list(await find(question.body))
        key = str(question.person.id)
        places.setdefault(question.kind, []).append(found.index(key) if key in found else None)
    return places


def among_first(places: Sequence[int | None], count: int) -> float:
    """The share that stood among the first `count`."""
    return sum(place is not None and place < count for place in places) / len(places)
