"""Looking whether somebody is registered already, when they are registered, corrected or moved; it never stops that."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
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
_WITHIN_REACH = 0.64  # below it, not even a number one slip away makes two entries with names and dates one person
_OF_EACH_SIDE = 40  # compared; the nearest by letters and sound come first
COMPARED = frozenset({"full_name", "birth_date", "sex", "family_card_number"})
_WARNING = "possible_duplicate"

# Counts so many answers about people elsewhere; how many of them the caller's quota still gives.
Count = Callable[[int], Awaitable[int]]

_NEIGHBOURS = text("SELECT * FROM app.neighbours_of(:person, :dates, :niks, :most)").bindparams(
    bindparam("dates", type_=ARRAY(Date)), bindparam("niks", type_=ARRAY(LargeBinary))
)
_BORN_ALIKE = text("SELECT * FROM app.born_alike(CAST(:people AS uuid[]), CAST(:dates AS text[]))")
_KEEP = text("SELECT app.keep_candidates(:person, CAST(:found AS jsonb))").bindparams(bindparam("found", type_=Text))


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


async def look(
    session: AsyncSession, person: UUID, born: date, nik: str | None, *, count: Count, but: Collection[UUID] = ()
) -> list[Any]:
    """Compare the person with their neighbours and keep the pairs: two statements, however many there are.

    Returns whom they may be, as far as it may be told. A new pair with somebody elsewhere tells what `exists` tells:
    `count` counts them, and gives how many of them may be; the others are kept for the office that sees both. `but`
    are people who come later, and will meet this one.
    """
    keyring = keyring_of(session)
    near = [people.nik_index(keyring, other) for other in nik_neighbours(nik)] if nik else []
    connection = await session.connection()
    asked = {"person": person, "dates": date_variants(born), "niks": near or None, "most": _OF_EACH_SIDE}
    neighbours = {row.id: row for row in await connection.execute(_NEIGHBOURS, asked)}
    own = neighbours.pop(person, None)
    if own is None:
        return []
    met = [row for row in neighbours.values() if row.id not in but]
    matches = [(compare(_facts(own), _facts(row), frozenset(near)), row) for row in met]
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


class Newcomer(NamedTuple):
    """Somebody who was just registered, as a page of a file has them."""

    id: UUID
    born: date
    facts: Facts
    nik: str | None


async def resembling(session: AsyncSession, people_of_page: Sequence[Newcomer]) -> set[UUID]:
    """Those whom it is worth to `look` at, in one statement: a look for each would cost more than all else together.

    Nobody reaches the threshold whose birth date differs by more than a slip, so people born alike are compared first.
    Left out is only who agrees in the year and in nearly the whole name with somebody whose NIK is one slip away, and
    not in the day. A first of January says nothing of the day: those are all looked at.
    """
    dates = {one.id: _days(one.born) for one in people_of_page}
    asked = {"people": list(dates), "dates": list(dates.values())}
    rows = (await (await session.connection()).execute(_BORN_ALIKE, asked)).all()
    return await asyncio.to_thread(_resembling, keyring_of(session), people_of_page, rows)


@lru_cache(maxsize=65_536)  # a nation has fewer birthdays than people
def _days(born: date) -> str:
    """The days of which a birth date may be a slip, as PostgreSQL writes an array."""
    return "{" + ",".join(map(str, (*date_variants(born), born.replace(month=1, day=1)))) + "}"


def _resembling(keyring: Keyring, newcomers: Sequence[Newcomer], rows: Sequence[Any]) -> set[UUID]:
    others: dict[UUID, list[Facts]] = {}
    for row in rows:
        others.setdefault(row.person, []).append(_facts(row))
    return {one.id for one in newcomers if _is_first_of_january(one.born) or _resembles(keyring, one, others)}


def _is_first_of_january(day: date) -> bool:
    return (day.day, day.month) == (1, 1)


def _resembles(keyring: Keyring, one: Newcomer, others: Mapping[UUID, Sequence[Facts]]) -> bool:
    """Whether one of them may be the same person; which numbers are one slip away is worked out only if it matters."""
    doubtful = []
    for other in others.get(one.id, ()):
        score = compare(one.facts, other).score
        if score >= DUPLICATE_THRESHOLD:
            return True
        if score < _WITHIN_REACH or not one.nik or not other.nik_index:
            continue
        if compare(one.facts, other, {other.nik_index}).score >= DUPLICATE_THRESHOLD:
            doubtful.append(other.nik_index)
    if not doubtful or one.nik is None:
        return False
    near = {people.nik_index(keyring, number) for number in nik_neighbours(one.nik)}
    return not near.isdisjoint(doubtful)


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
