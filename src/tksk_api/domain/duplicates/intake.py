"""Looking whether somebody is registered already, when they are registered, corrected or moved; it never stops that."""

import json
from dataclasses import replace
from datetime import date
from typing import Any
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

AT_MOST = 5  # new pairs from one look: somebody has to read them
_OF_EACH_SIDE = 40  # compared; the nearest by letters and sound come first
_COMPARED = frozenset({"full_name", "birth_date", "sex", "family_card_number"})
_WARNING = "possible_duplicate"

_NEIGHBOURS = text("SELECT * FROM app.neighbours_of(:person, :dates, :niks, :most)").bindparams(
    bindparam("dates", type_=ARRAY(Date)), bindparam("niks", type_=ARRAY(LargeBinary))
)
_KEEP = text("SELECT app.keep_candidates(:person, CAST(:found AS jsonb))").bindparams(bindparam("found", type_=Text))


async def register(session: AsyncSession, pool: ReadPool, body: BeneficiaryCreate, exists_per_hour: int) -> Stored:
    """As `service.create`; the answer warns of whom the person may be already."""
    stored = await people.create(session, pool, body, exists_per_hour)
    if not stored.created or not isinstance(stored.id, UUID):
        return stored
    warnings = await _look(session, pool, stored.id, body.birth_date, body.nik, per_hour=exists_per_hour)
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
    if _COMPARED & patch.model_fields_set:
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
        await _look(session, pool, key, row.birth_date, None, per_hour=per_hour)


async def _look(
    session: AsyncSession, pool: ReadPool, person: UUID, born: date, nik: str | None, *, per_hour: int
) -> list[dict[str, Any]]:
    """Compare the person with their neighbours and keep the pairs: two statements, however many there are.

    Returns a warning for each pair, with the id of those the caller sees. A new pair with somebody elsewhere tells what
    `exists` tells and shares its quota; when that is used up the pair is kept for the office that sees both.
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
    withheld = elsewhere[await _count(session, pool, len(elsewhere), per_hour) :]
    if kept:
        found = [
            {"id": str(key), "score": m.score, "reasons": m.reasons, "told": key not in withheld}
            for key, m in kept.items()
        ]
        await connection.execute(_KEEP, {"person": person, "found": json.dumps(found)})
    return [_warning(row) for _, row in best if row.id not in withheld]


async def _count(session: AsyncSession, pool: ReadPool, wanted: int, per_hour: int) -> int:
    """Count so many answers about people elsewhere; how many of them the caller's quota still gives."""
    for given in range(wanted):
        try:
            await take_apart(session, pool, people.EXISTS, per_hour, people.HOUR_SECONDS)
        except DomainError:
            return given
    return wanted


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
