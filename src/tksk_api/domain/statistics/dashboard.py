"""One region at a glance: a month beside the one before, what became of cases, coverage, and reports that are out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import scope_of
from tksk_api.domain.records import holds
from tksk_api.domain.regions.service import find_region, local_now, today_in, valid_within
from tksk_api.domain.statistics import coverage, service
from tksk_api.domain.statistics.maps import Place, places
from tksk_api.domain.statistics.periods import Period, first_day, last_day, months_later
from tksk_api.domain.statistics.schemas import CoverageRead, Dimension, StatisticsRead, Subject
from tksk_api.domain.statistics.subjects import NATION, SOURCES
from tksk_api.errors import invalid, not_found

_JAKARTA = "Asia/Jakarta"
DISTRICT = len("00.00.00")
DAYS = 90  # without a visit
# By this key, or by the open one for who may not see the rows.
_QUESTIONS: Mapping[str, tuple[Subject, Dimension]] = {
    "pillars": ("activities", "pillar"),
    "sktm": ("sktm", "state"),
    "referrals": ("referrals", "state"),
}
# Districts by the region just below, and whether their report of the month is in, behind the caller's row policies.
_REPORTS = text(f"""
SELECT left(g.code, :child) AS code, count(*) AS districts,
       count(*) FILTER (WHERE r.status IN ('submitted', 'accepted') OR r.accepted_revision IS NOT NULL) AS handed_in,
       array_agg(g.name ORDER BY g.code) FILTER (WHERE r.id IS NULL OR r.status NOT IN ('submitted', 'accepted')
                                                   AND r.accepted_revision IS NULL) AS missing
  FROM regions g
  LEFT JOIN reports r ON r.region_code = g.code AND r.period_type = 'month' AND r.period_start = :first
 WHERE g.level = 'district' AND {valid_within("g", "CAST(:first AS date)", "CAST(:last AS date)")}
   AND (:area = 'ID' OR g.code = :area OR g.code > :area || '.' AND g.code < :area || '/')
 GROUP BY 1 ORDER BY 1
""")


@dataclass(frozen=True)
class Reports:
    """Monthly reports of a region's districts: how many there should be and how many are in; who is missing."""

    districts: int
    handed_in: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Dashboard:
    """What the page shows. `children` are the regions just below by code; counts of villages have no page of their own.

    `reports` are those of the month before `month`, whose reports are due in it.
    """

    area: str
    name: str
    above: str | None
    month: date
    reported_month: date
    made_at: datetime
    children: Mapping[str, str]
    figures: Mapping[str, StatisticsRead]
    below: StatisticsRead
    places: Mapping[str, Place]
    coverage: CoverageRead
    reports: Mapping[str, Reports]


async def area_of(session: AsyncSession, region: str | None) -> str:
    """The area of a page; unless given, the caller's own. A village has none.

    Raises not_found, invalid_request at /region_code (region_level).
    """
    area = await service.area_of(session, region)
    if len(area) > DISTRICT:
        raise invalid("/region_code", "region_level", level="province / regency / district")
    return area


async def dashboard(session: AsyncSession, region: str, month: date | None) -> Dashboard:
    """A region's month; unless given, this one, or the last that is over for whoever may not see the rows of all that
    is counted. Raises as `area_of` and `statistics.service.question`.
    """
    if region == NATION and not scope_of(session).is_national:
        raise not_found()
    area = await area_of(session, None if region == NATION else region)
    today = await today_in(session, area) if area != NATION else local_now(_JAKARTA).date()
    seen = {subject: holds(session, SOURCES[subject].permission) for subject, _ in _QUESTIONS.values()}
    first = first_day(month) if month else months_later(today, 0 if all(seen.values()) else -1)
    period = Period(first, last_day(first))
    known = None if area == NATION else await find_region(session, area)
    figures = {
        name: await _answer(session, area, subject, (key if seen[subject] else SOURCES[subject].open_key,), period)
        for name, (subject, key) in _QUESTIONS.items()
    }
    reported = months_later(first, -1)
    return Dashboard(
        area=area,
        name=figures["pillars"].region_name,
        above=_above(session, area),
        month=first,
        reported_month=reported,
        made_at=local_now(known.timezone if known else _JAKARTA),
        children=await service.children(session, area) if len(area) < DISTRICT else {},
        figures=figures,
        below=await _answer(session, area, "activities", ("region",), period, compare=False),
        places=await places(session, area),
        coverage=await coverage.coverage(session, area, DAYS),
        reports=await _reports(session, area, reported),
    )


async def _answer(
    session: AsyncSession,
    area: str,
    subject: Subject,
    by: tuple[Dimension, ...],
    period: Period,
    *,
    compare: bool = True,
) -> StatisticsRead:
    asked = await service.question(
        session,
        region=None if area == NATION else area,
        first=period.first,
        last=period.last,
        by=by,
        of=subject,
        compare=compare,
    )
    return await service.answer(session, asked)


def _above(session: AsyncSession, area: str) -> str | None:
    """The region above, where the caller's area reaches so far."""
    if area == NATION:
        return None
    above = area[: max(2, len(area) - 3)] if len(area) > 2 else NATION
    scope = scope_of(session)
    is_theirs = scope.is_national if above == NATION else scope.contains(above)
    return above if is_theirs else None


async def _reports(session: AsyncSession, area: str, first: date) -> dict[str, Reports]:
    child = 2 if area == NATION else min(len(area) + 3, DISTRICT)
    found = await session.execute(_REPORTS, {"area": area, "child": child, "first": first, "last": last_day(first)})
    return {row.code: Reports(row.districts, row.handed_in, tuple(row.missing or ())) for row in found}
