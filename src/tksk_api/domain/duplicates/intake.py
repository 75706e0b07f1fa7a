"""Looking whether somebody is registered already, when they are registered, corrected or moved; it never stops that."""

import asyncio
import json
from calendar import isleap
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from operator import ne
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Date, LargeBinary, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import ReadPool, Stored
from tksk_api.domain.beneficiaries import service as people
from tksk_api.domain.beneficiaries.matching import DUPLICATE_THRESHOLD, Facts, Match, compare
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.schemas import BeneficiaryCreate, BeneficiaryUpdate, Move, Moved
from tksk_api.domain.beneficiaries.search import date_variants, nik_neighbours
from tksk_api.domain.limits.service import take_apart
from tksk_api.domain.records import keyring_of
from tksk_api.domain.references.lists import label
from tksk_api.errors import DomainError
from tksk_api.security.crypto import Keyring

AT_MOST = 5  # new pairs from one look: somebody has to read them
_OF_EACH_SIDE = 40  # compared; the nearest by letters and sound come first
COMPARED = frozenset({"full_name", "birth_date", "sex", "family_card_number"})
_WARNING = "possible_duplicate"

# Counts so many answers about people elsewhere; how many of them the caller's quota still gives.
Count = Callable[[int], Awaitable[int]]

_NEIGHBOURS = text("SELECT * FROM app.neighbours_of(:person, :dates, :niks, :most)").bindparams(
    bindparam("dates", type_=ARRAY(Date)), bindparam("niks", type_=ARRAY(LargeBinary))
)
_NEIGHBOURS_OF_MANY = text(
    "SELECT * FROM app.neighbours_of_many(CAST(:people AS uuid[]), CAST(:dates AS text[]), CAST(:turns AS int[]), "
    ":most)"
)
_KEEP = text("SELECT app.keep_candidates(:person, CAST(:found AS jsonb))").bindparams(bindparam("found", type_=Text))
_KEEP_MANY = text(
    "SELECT app.keep_candidates(f.person, f.found) "
    "FROM jsonb_to_recordset(CAST(:found AS jsonb)) AS f (person uuid, found jsonb)"
).bindparams(bindparam("found", type_=Text))
_NONE_OF_THEM = frozenset({b""})  # there are numbers a slip away, and nobody has one


async def register(session: AsyncSession, pool: ReadPool, body: BeneficiaryCreate, exists_per_hour: int) -> Stored:
    """As `service.create`; the answer warns of whom the person may be already."""
    stored = await people.create(session, pool, body, exists_per_hour)
    if not stored.created or not isinstance(stored.id, UUID):
        return stored
    found = await look(session, stored.id, body.birth_date, body.nik, count=_counting(session, pool, exists_per_hour))
    warnings = [_warning(row) for row in found]
    if not warnings:
        return stored
    answer = json.loads(stored.body)
    answer["warnings"] += warnings
    return replace(stored, body=json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())


async def correct(
    session: AsyncSession, pool: ReadPool, key: UUID, version: int, patch: BeneficiaryUpdate, *, exists_per_hour: int
) -> Stored:
    """As `service.update`; pairs that are open are scored anew."""
    stored = await people.update(session, key, version, patch)
    if COMPARED & patch.model_fields_set:
        await _look_again(session, pool, key, exists_per_hour)
    return stored


async def move(
    session: AsyncSession, pool: ReadPool, key: UUID, version: int, body: Move, *, exists_per_hour: int
) -> Moved:
    """As `service.move`; the person may be known in the other village."""
    moved = await people.move(session, key, version, body)
    if moved.in_scope:
        await _look_again(session, pool, key, exists_per_hour)
    return moved


async def _look_again(session: AsyncSession, pool: ReadPool, key: UUID, per_hour: int) -> None:
    row = await session.get(Beneficiary, key)
    if row is not None:
        await look(session, key, row.birth_date, None, count=_counting(session, pool, per_hour))


async def look(session: AsyncSession, person: UUID, born: date, nik: str | None, *, count: Count) -> list[Any]:
    """Compare the person with their neighbours and keep the pairs: two statements, however many there are.

    Returns whom they may be, as far as it may be told. A new pair with somebody elsewhere tells what `exists` tells:
    `count` counts them, and gives how many of them may be; the others are kept for the office that sees both.
    """
    keyring = keyring_of(session)
    near = [people.nik_index(keyring, other) for other in nik_neighbours(nik)] if nik else []
    connection = await session.connection()
    asked = {"person": person, "dates": date_variants(born), "niks": near or None, "most": _OF_EACH_SIDE}
    neighbours = {row.id: row for row in await connection.execute(_NEIGHBOURS, asked)}
    own = neighbours.pop(person, None)
    if own is None:
        return []
    matches = [(compare(_facts(own), _facts(row), frozenset(near)), row) for row in neighbours.values()]
    best = sorted((pair for pair in matches if pair[0].score >= DUPLICATE_THRESHOLD), key=_best_first)[:AT_MOST]
    kept = {row.id: match for match, row in [*(pair for pair in matches if pair[1].is_open), *best]}
    elsewhere = [key for key in kept if neighbours[key].office is not None and not neighbours[key].is_told]
    withheld = elsewhere[await count(len(elsewhere)) :] if elsewhere else []
    if kept:
        found = [
            {"id": str(key), "score": m.score, "reasons": m.reasons, "told": key not in withheld}
            for key, m in kept.items()
        ]
        await connection.execute(_KEEP, {"person": person, "found": json.dumps(found)})
    return [row for _, row in best if row.id not in withheld]


class Subject(NamedTuple):
    """Somebody of a page of a file; the NIK of who is new in the register, None of who was corrected."""

    id: UUID
    born: date
    nik: str | None


async def look_at_many(session: AsyncSession, subjects: Sequence[Subject], *, are_new: bool) -> set[UUID]:
    """As `look`, at a page of a file: two statements for all of them. Those who may be somebody it may be told of.

    Nobody is compared with more than 40 by the days, 40 by the name and 40 of the card, the nearest names first, and
    whom open pairs name: of 500 new people 60,000 comparisons, about a second in a thread, however many were given one
    birth date. Nobody new is compared with those who come later in the page. Pairs with people beyond the caller's area
    are kept for the office that sees both, and a file tells of none.

    Compared is only who could reach the threshold (`tests/domain/test_neighbours.py`): people of nearly one birth date,
    and of who has a number only those with one like it, with none, or of the same card. Left out is who agrees in the
    year and in nearly the whole name with somebody whose NIK is one slip away, and not in the day.
    """
    if not subjects:
        return set()
    connection = await session.connection()
    turns, subjects = zip(*sorted(enumerate(subjects), key=lambda turn: turn[1].id), strict=True)
    asked = {
        "people": [one.id for one in subjects],
        "dates": [_days(one.born) for one in subjects],
        "turns": list(turns) if are_new else None,
        "most": _OF_EACH_SIDE,
    }
    rows = (await connection.execute(_NEIGHBOURS_OF_MANY, asked)).all()
    found, alike = await asyncio.to_thread(_pairs, keyring_of(session), subjects, rows)
    if found:
        await connection.execute(_KEEP_MANY, {"found": json.dumps(found)})
    return alike


# Of numbers of two digits those that differ in one of them, or have them the other way round.
_SLIPS = {
    one: [
        other
        for other in range(100)
        if sum(map(ne, f"{one:02}", f"{other:02}")) == 1 or f"{one:02}" == f"{other:02}"[::-1]
    ]
    for one in range(100)
}


@lru_cache(maxsize=65_536)  # a nation has fewer birthdays than people
def _days(born: date) -> str:
    """The days that a birth date may have become by a slip, as PostgreSQL writes an array: more than `date_variants`,
    since nobody is found by the name here.

    A first of January says nothing of the day. Of another it is listed; who has it is also found by the name among
    all who were born in that year.
    """
    own, century = born.isoformat()[4:], born.year - born.year % 100
    days = [f"{born.year}{end}" for end in _ends(born.month, born.day, isleap(born.year))]
    years = [century + other for other in _SLIPS[born.year % 100]]
    return "{" + ",".join(days + [f"{year}{own}" for year in years if own != "-02-29" or isleap(year)]) + "}"


@lru_cache(maxsize=1_024)
def _ends(month: int, day: int, leap: bool) -> list[str]:
    """Month and day that may be meant, of one year."""
    longest = (31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    days = {(month, day), (day, month), (1, 1)}
    days |= {(other, day) for other in _SLIPS[month]} | {(month, other) for other in _SLIPS[day]}
    return [f"-{m:02}-{d:02}" for m, d in days if 0 < m < 13 and 0 < d <= longest[m - 1]]


def _pairs(
    keyring: Keyring, subjects: Sequence[Subject], rows: Sequence[Any]
) -> tuple[list[dict[str, Any]], set[UUID]]:
    """The pairs of each as `app.keep_candidates` takes them, and who may be somebody it may be told of."""
    near: dict[UUID, dict[UUID, Any]] = {}
    for row in rows:
        near.setdefault(row.person, {})[row.id] = row
    found, alike = [], set()
    for one in subjects:
        met = near.get(one.id, {})
        own = met.pop(one.id, None)
        if own is None:
            continue
        matches = list(_matches(keyring, one, own, list(met.values())))
        best = sorted((pair for pair in matches if pair[0].score >= DUPLICATE_THRESHOLD), key=_best_first)[:AT_MOST]
        kept = {row.id: (match, row) for match, row in [*(pair for pair in matches if pair[1].is_open), *best]}
        is_told = {key: row.is_told or not row.is_elsewhere for key, (_, row) in kept.items()}
        if any(is_told[row.id] for _, row in best):
            alike.add(one.id)
        if kept:
            told = [
                {"id": str(key), "score": match.score, "reasons": match.reasons, "told": is_told[key]}
                for key, (match, _) in kept.items()
            ]
            found.append({"person": str(one.id), "found": told})
    return found, alike


def _matches(keyring: Keyring, one: Subject, own: Any, others: Sequence[Any]) -> Iterator[tuple[Match, Any]]:
    """Without those whose numbers rule them out; which are a slip away is worked out only if it matters."""
    facts = _facts(own)
    near: frozenset[bytes] | None = None
    for row in others:
        other = _facts(row)
        if one.nik is None:
            yield compare(facts, other), row
        elif other.nik_index is None:
            yield compare(facts, other, _NONE_OF_THEM), row
        elif compare(facts, other, {other.nik_index}).score >= DUPLICATE_THRESHOLD:
            if near is None:
                near = frozenset(people.nik_index(keyring, number) for number in nik_neighbours(one.nik))
            yield compare(facts, other, near), row


def _counting(session: AsyncSession, pool: ReadPool, per_hour: int) -> Count:
    """Answers about people elsewhere share the quota of `exists`."""

    async def count(wanted: int) -> int:
        for given in range(wanted):
            try:
                await take_apart(session, pool, people.EXISTS, per_hour, people.HOUR_SECONDS)
            except DomainError:
                return given
        return wanted

    return count


def _best_first(pair: tuple[Match, Any]) -> tuple[float, UUID]:
    return (-pair[0].score, pair[1].id)


def _facts(row: Any) -> Facts:
    card, nik = row.family_card_index, row.nik_index
    return Facts(
        row.full_name,
        row.birth_date,
        row.region_code,
        bytes(card) if card else None,
        bytes(nik) if nik else None,
        sex=row.sex,
    )


def _warning(row: Any) -> dict[str, Any]:
    told = label("beneficiary_warnings", _WARNING, "id")
    if row.office is None:
        return {"code": _WARNING, "detail": told, "beneficiary_id": str(row.id)}
    return {"code": _WARNING, "detail": f"{told} Tanyakan kepada {row.office}.", "beneficiary_id": None}
