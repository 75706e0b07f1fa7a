"""What the register knows of people on a day, for the rules of programmes.

Read with the rights of whoever asks: what their row policies hide, as sensitive PPKS categories, is not known.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.eligibility.rules import Facts

VISIT_DAYS = 366  # a home visit tells about the year after it, leap years included
_LEVELS = {2: "province_code", 5: "regency_code", 8: "district_code", 13: "region_code"}

# :day is the day asked about. The family is the one the person belonged to then.
_FACTS = """
SELECT b.id, b.created_at, b.birth_date, b.sex, b.region_code, b.nik_index IS NOT NULL AS has_nik, b.deceased_on,
       d.family_id IS NOT NULL AS has_snapshot, d.decile, coalesce(f.size, v.dependants + 1) AS family_size,
       v.finding, v.income,
       ARRAY(SELECT unnest(b.ppks_categories) UNION
             SELECT a.category FROM ppks_assessments a
              WHERE (a.beneficiary_id = b.id OR a.family_id = f.family_id)
                AND a.since <= :day AND (a.until IS NULL OR a.until > :day)) AS categories,
       ARRAY(SELECT e.program FROM enrolments e
              WHERE e.beneficiary_id = b.id AND e.started_on <= :day
                AND (e.ended_on IS NULL OR e.ended_on >= :day)) AS receives,
       ARRAY(SELECT e.program FROM family_members k JOIN enrolments e ON e.beneficiary_id = k.beneficiary_id
              WHERE k.family_id = f.family_id AND k.joined_on <= :day AND (k.left_on IS NULL OR k.left_on > :day)
                AND e.started_on <= :day AND (e.ended_on IS NULL OR e.ended_on >= :day)) AS family_receives
  FROM ({people}) b
  LEFT JOIN LATERAL (
        SELECT m.family_id, (SELECT count(*)::int FROM family_members k
                              WHERE k.family_id = m.family_id AND k.joined_on <= :day
                                AND (k.left_on IS NULL OR k.left_on > :day)) AS size
          FROM family_members m
         WHERE m.beneficiary_id = b.id AND m.joined_on <= :day AND (m.left_on IS NULL OR m.left_on > :day)
         ORDER BY m.joined_on DESC LIMIT 1) f ON true
  LEFT JOIN LATERAL (
        SELECT s.family_id, s.decile FROM decile_snapshots s
         WHERE s.family_id = f.family_id AND s.dated_on <= :day
         ORDER BY s.dated_on DESC, s.created_at DESC LIMIT 1) d ON true
  LEFT JOIN LATERAL (
        SELECT w.finding, (w.evidence ->> 'income_per_month')::bigint AS income,
               (w.evidence ->> 'dependants')::int AS dependants
          FROM visits w
         WHERE w.beneficiary_id = b.id AND w.status = 'completed' AND w.finding IS NOT NULL
           AND w.visited_on BETWEEN CAST(:day AS date) - CAST(:visit_days AS int) AND :day
         ORDER BY w.visited_on DESC, w.completed_at DESC LIMIT 1) v ON true
 ORDER BY b.created_at, b.id
"""
_ONE = text(_FACTS.format(people="SELECT * FROM beneficiaries WHERE id = CAST(:id AS uuid) AND deleted_at IS NULL"))
# Whoever asked for their data not to be processed further is not counted either (UU 27/2022 Pasal 41).
_COUNTED = "deleted_at IS NULL AND restricted_at IS NULL"
_PAGES = {
    length: text(
        _FACTS.format(
            people=f"SELECT * FROM beneficiaries WHERE {level} = :region AND {_COUNTED} "
            "AND (created_at, id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)) "
            "ORDER BY created_at, id LIMIT :limit"
        )
    )
    for length, level in _LEVELS.items()
}
_COUNTS = {
    length: text(f"SELECT count(*) FROM beneficiaries WHERE {level} = :region AND {_COUNTED}")
    for length, level in _LEVELS.items()
}


@dataclass(frozen=True)
class Person:
    """Somebody with what is known of them; `created_at` and `id` are the place in the order of pages."""

    id: UUID
    created_at: datetime
    facts: Facts


async def facts_of(
    session: AsyncSession, person: UUID, day: date, answers: Mapping[str, bool] | None = None
) -> Facts | None:
    """What the caller may know of one person; None when they do not see them."""
    values = {"id": person, "day": day, "visit_days": VISIT_DAYS}
    row = (await (await session.connection()).execute(_ONE, values)).mappings().first()
    return None if row is None else _facts(row, answers or {})


async def people_of(
    session: AsyncSession, region: str, day: date, after: tuple[datetime, UUID], limit: int
) -> AsyncIterator[Person]:
    """The next people of a region, in the order in which they were registered."""
    values = {
        "region": region,
        "day": day,
        "visit_days": VISIT_DAYS,
        "after_at": after[0],
        "after_id": after[1],
        "limit": limit,
    }
    for row in (await (await session.connection()).execute(_PAGES[len(region)], values)).mappings():
        yield Person(row["id"], row["created_at"], _facts(row, {}))


async def count_people(session: AsyncSession, region: str) -> int:
    """How many people `people_of` would give."""
    return int((await (await session.connection()).execute(_COUNTS[len(region)], {"region": region})).scalar_one())


def _facts(row: Any, answers: Mapping[str, bool]) -> Facts:
    known: dict[str, Any] = {name: row[name] for name in Facts.__slots__ if name in row}
    known |= {name: frozenset(row[name]) for name in ("categories", "receives", "family_receives")}
    return Facts(**known, answers=answers)
