"""Synthetic people with names as registers hold them, for demos and measurements. Nobody here exists.

The same seed and district always give the same people, whatever else is asked for. Names follow where people live:
single Javanese names, Batak ones with their marga, Balinese ones by order of birth, Arabic-derived ones everywhere, in
the spellings and abbreviations of the clerks who wrote them down. Imports little: it is work for a pool of processes.
"""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from random import Random
from typing import Any
from uuid import UUID

from tksk_api.security.crypto import Keyring
from tksk_api.security.vault import Vault

COLUMNS = (
    *("id", "region_code", "version", "created_at", "updated_at", "full_name", "sex", "birth_date", "birth_place"),
    *("street", "rt", "rw", "relationship", "ppks_categories", "nik_cipher", "nik_index", "nik_last4", "nik_status"),
    *("family_card_cipher", "family_card_index", "family_card_last4"),
)
Sealed = tuple[tuple[Any, ...], bytes]  # a row of the register in the order of COLUMNS, and the person's wrapped key

_REFERENCE = date(2026, 11, 1)  # the register's day: ages do not depend on when somebody seeds
_FIRST_ENTRY = datetime(2024, 1, 1, tzinfo=UTC)
_MINUTES_OF_ENTRY = 1_000 * 24 * 60
_LOCAL_SERIALS = 3_999  # the rest belongs to people who were first registered in another district
_FOREIGN_SERIALS = 100
_COINED = 0.3  # names parents made up: without this long tail half a regency would bear forty names

_WORDS = tomllib.loads((files("tksk_api.domain") / "synthetic.toml").read_text("utf-8"))
_MIX: dict[str, str] = _WORDS.pop("mix")
_LISTS: dict[str, list[str]] = {name: words.split() for name, words in _WORDS.items()}
_BALI_ORDER = (("Wayan", "Putu", "Gede"), ("Made", "Kadek"), ("Nyoman", "Komang"), ("Ketut",))
_MUHAMMADS = ("Muhammad",) * 6 + ("Mohammad", "Mochamad", "Muhamad", "Moh.", "Muh.", "M.")
_CATEGORIES = (*("fakir_miskin",) * 6, "pemulung", "korban_bencana_alam")


@dataclass(frozen=True)
class Person:
    """One synthetic entry of a register. `nik` and `family_card` have the shape of numbers, and are nobody's."""

    id: UUID
    entered_at: datetime
    village_code: str
    full_name: str
    sex: str
    birth_date: date
    nik: str | None
    family_card: str
    relationship: str
    street: str
    rt: str
    rw: str
    categories: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class District:
    """How many people to make in which villages of one district."""

    villages: tuple[str, ...]
    birth_place: str
    count: int


def sealed_people(
    keyring: Keyring, purposes: tuple[str, str], seed: int, districts: Sequence[District]
) -> list[Sealed]:
    """What the register keeps of the people of some districts, each sealed under a key of their own as a registration
    does it. `purposes` are those of NIK and family card."""
    return [
        _sealed(keyring, purposes, person, district.birth_place)
        for district in districts
        for person in people_of(seed, district.villages, district.count)
    ]


def people_of(seed: int, villages: Sequence[str], count: int) -> Iterator[Person]:
    """`count` people in households of one district, whose `villages` are given."""
    district = villages[0][:8]
    chance = Random(f"{seed}:{district}")  # noqa: S311 - the same people every time
    used: set[str] = set()
    left = count
    while left > 0:
        size = min(left, chance.choice((1, 2, 2, 3, 3, 4, 4, 5, 6)))
        yield from _household(chance, chance.choice(villages), size, used)
        left -= size


def origin_of(chance: Random, region: str) -> str:
    """Where a household's names come from."""
    mix = (_MIX.get(region[:2]) or _MIX[region[:1]]).split()
    return chance.choices(mix[::2], [int(part) for part in mix[1::2]])[0]


def _sealed(keyring: Keyring, purposes: tuple[str, str], person: Person, birth_place: str) -> Sealed:
    vault = Vault.new(keyring, str(person.id))

    def sealed(purpose: str, number: str | None) -> tuple[bytes | None, bytes | None, str | None]:
        if number is None:
            return None, None, None
        cipher = vault.seal(purpose, str(person.id), number.encode())
        return cipher, keyring.blind_index(purpose, number), number[-4:]

    status = "none" if person.nik is None else "unverified" if person.nik[-1] in "07" else "verified"
    row = (
        *(person.id, person.village_code, 1, person.entered_at, person.entered_at, person.full_name, person.sex),
        *(person.birth_date, birth_place, person.street, person.rt, person.rw, person.relationship),
        person.categories,
        *sealed(purposes[0], person.nik),
        status,
        *sealed(purposes[1], person.family_card),
    )
    return row, vault.wrapped


def _household(chance: Random, village: str, size: int, used: set[str]) -> Iterator[Person]:
    origin = origin_of(chance, village)
    card = _family_card(chance, village[:8], used)
    street = (
        f"{chance.choice(('Jl.', 'Jl.', 'Gg.', 'Dusun'))} {chance.choice(_LISTS['streets'])} {chance.randrange(1, 200)}"
    )
    rt, rw = f"{chance.randrange(1, 20):03d}", f"{chance.randrange(1, 12):03d}"
    head_age = min(85, max(19, round(chance.gauss(46, 15))))
    family_name = _family_name(chance, origin)
    entered = _FIRST_ENTRY + timedelta(minutes=chance.randrange(_MINUTES_OF_ENTRY))
    for place in range(size):
        if place == 0:
            relationship, age, sex = "head_of_family", head_age, "male" if chance.random() < 0.75 else "female"
        elif place == 1 and head_age > 20:
            relationship, age, sex = "wife", max(18, head_age - chance.randrange(-2, 9)), "female"
        else:
            relationship, age = "child", max(0, min(head_age - 18, chance.randrange(1, 28)))
            sex = chance.choice(("male", "female"))
        born = _REFERENCE - timedelta(days=round(age * 365.25) + chance.randrange(365))
        if chance.random() < 0.03:
            born = born.replace(month=1, day=1)  # who does not know the day is entered on the first of January
        yield Person(
            _id(chance, entered + timedelta(seconds=place)),
            entered + timedelta(seconds=place),
            village,
            name_of(chance, origin, sex == "male", born.year, family_name, place),
            sex,
            born,
            _nik(chance, village[:8], born, sex, used) if chance.random() < 0.94 else None,
            card,
            relationship,
            street,
            rt,
            rw,
            ["lansia_terlantar"] if age > 64 and chance.random() < 0.3 else [chance.choice(_CATEGORIES)],
        )


def name_of(chance: Random, origin: str, male: bool, year: int, family_name: str, place: int) -> str:  # noqa: PLR0917
    """A name as a clerk wrote it down."""
    parts = _NAMES[origin](chance, male, year, family_name, place)
    name = " ".join(parts)
    if year < 1955 and chance.random() < 0.15:
        name = name.replace("u", "oe").replace("j", "dj").replace("c", "tj")
    if year < 1970 and chance.random() < 0.06:
        name = f"{'H.' if male else 'Hj.'} {name}"
    if "Siti" in parts and chance.random() < 0.08:
        name = name.replace("Siti", "St.")
    if "Abdul" in parts and chance.random() < 0.1:
        name = name.replace("Abdul", "Abd.")
    return name.upper() if chance.random() < 0.1 else name


def _java(chance: Random, male: bool, year: int, _family: str, _place: int) -> list[str]:
    old = chance.choice(_LISTS["java"]) + chance.choice(_LISTS["java_male" if male else "java_female"])
    if year < 1975:
        if chance.random() < 0.55:
            return [old]
        return [_given(chance, "new", male), old]
    words = [_given(chance, "new", male)]
    if chance.random() < 0.3:
        words.append(_given(chance, "new", male))
    words.append(old if chance.random() < 0.25 else _given(chance, "last", male))
    return list(dict.fromkeys(words))


def _arab(chance: Random, male: bool, _year: int, _family: str, _place: int) -> list[str]:
    first = chance.random()
    if not male:
        words = ["Siti"] if first < 0.45 else ["Nur"] if first < 0.6 else []
    elif first < 0.4:
        words = [chance.choice(_MUHAMMADS)]
    else:
        words = [chance.choice(("Ahmad", "Achmad", "Akhmad"))] if first < 0.5 else ["Abdul"] if first < 0.65 else []
    words.append(_given(chance, "arab", male))
    if chance.random() < 0.5:
        words.append(_given(chance, "arab", male))
    return list(dict.fromkeys(words))


def _sunda(chance: Random, male: bool, year: int, _family: str, _place: int) -> list[str]:
    words = [_given(chance, "sunda", male)]
    if year > 1985 and chance.random() < 0.5:
        words = [_given(chance, "new", male)]
    if chance.random() < 0.85:
        words.append(_given(chance, "sunda_last", male))
    return words


def _batak(chance: Random, male: bool, year: int, family: str, _place: int) -> list[str]:
    first = _given(chance, "batak", male)
    middle = [_given(chance, "new", male)] if year > 1980 and chance.random() < 0.4 else []
    return [first, *middle, family]


def _bali(chance: Random, male: bool, _year: int, _family: str, place: int) -> list[str]:
    order = chance.choice(_BALI_ORDER[chance.randrange(4) if place < 2 else (place - 2) % 4])
    words = ["I" if male else "Ni", order, _given(chance, "bali", male)]
    if chance.random() < 0.3:
        words.insert(2, _given(chance, "new", male))
    return words if chance.random() < 0.8 else words[1:]


def _bugis(chance: Random, male: bool, _year: int, family: str, _place: int) -> list[str]:
    words = ["Andi"] if chance.random() < 0.15 else []
    words.append(_given(chance, "bugis", male))
    if chance.random() < 0.4:
        words.append(_given(chance, "arab", male))
    return list(dict.fromkeys([*words, family] if chance.random() < 0.6 else words))


def _east(chance: Random, male: bool, _year: int, family: str, _place: int) -> list[str]:
    words = [_given(chance, "east", male) for _ in range(1 + (chance.random() < 0.4))]
    return [*dict.fromkeys(words), family]


def _melayu(chance: Random, male: bool, year: int, family: str, place: int) -> list[str]:
    words = _arab(chance, male, year, family, place)[:2]
    if chance.random() < 0.3:
        words = [_given(chance, "new", male), *words[-1:]]
    return list(dict.fromkeys([*words, family] if male and chance.random() < 0.5 else words))


_NAMES: dict[str, Callable[[Random, bool, int, str, int], list[str]]] = {
    "java": _java,
    "arab": _arab,
    "sunda": _sunda,
    "batak": _batak,
    "bali": _bali,
    "bugis": _bugis,
    "east": _east,
    "melayu": _melayu,
}


def _family_name(chance: Random, origin: str) -> str:
    names = _LISTS.get(f"{origin}_family")
    return chance.choice(names) if names else ""


def _given(chance: Random, kind: str, male: bool) -> str:
    sex = "male" if male else "female"
    if chance.random() < _COINED:
        return chance.choice(_LISTS["coined"]) + chance.choice(_LISTS[f"coined_{sex}"])
    return chance.choice(_LISTS[f"{kind}_{sex}"])


def _nik(chance: Random, district: str, born: date, sex: str, used: set[str]) -> str:
    """A number nobody else of this seed has: the serials tell apart who was first registered in another district."""
    province, regency, part = district.split(".")
    written = f"{born.day + (40 if sex == 'female' else 0):02d}{born:%m%y}"
    while True:
        serial, first = chance.randrange(1, _LOCAL_SERIALS + 1), part
        if chance.random() < 0.1 and int(part) < 60:
            serial = _LOCAL_SERIALS + 1 + int(part) * _FOREIGN_SERIALS + chance.randrange(_FOREIGN_SERIALS)
            first = f"{chance.randrange(1, 30):02d}"
        number = f"{province}{regency}{first}{written}{serial:04d}"
        if number not in used:
            used.add(number)
            return number


def _family_card(chance: Random, district: str, used: set[str]) -> str:
    while True:
        made = date(2008, 1, 1) + timedelta(days=chance.randrange(6_500))
        number = f"{district.replace('.', '')}{made:%d%m%y}{chance.randrange(1, 10_000):04d}"
        if (key := f"card {number}") not in used:
            used.add(key)
            return number


def _id(chance: Random, at: datetime) -> UUID:
    """A version 7 UUID (RFC 9562) that is the same in every run of this seed."""
    value = (int(at.timestamp() * 1000) << 80) | chance.getrandbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    return UUID(int=(value & ~(0x3 << 62)) | (0x2 << 62))
