"""Where nobody has been, and where nobody works."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Date, Integer, bindparam, cast, exists, func, literal_column, null, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.assignments.reads import OWN
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import find_region, inside, office_name
from tksk_api.domain.statistics.schemas import CoverageRead, CoverageRow, UnvisitedVillageRead
from tksk_api.domain.statistics.service import children
from tksk_api.domain.statistics.subjects import NATION
from tksk_api.domain.visits.models import Visit
from tksk_api.errors import invalid

_REGIONS, _VISITS = table_of(Region), table_of(Visit)
_DISTRICTS = _REGIONS.alias("districts")
_CHILD = {2: 5, 5: 8, 8: 13, 13: 13}

# Villages and districts of an area by the region just below it, behind the caller's row policies.
_COVERAGE = text(
    """
    SELECT left(r.code, :child) AS code, count(*) FILTER (WHERE r.level = 'village') AS villages,
           count(*) FILTER (WHERE r.level = 'village' AND NOT EXISTS (
               SELECT 1 FROM visits v
                WHERE v.region_code = r.code AND v.status = 'completed'
                  AND v.visited_on > (now() AT TIME ZONE r.timezone)::date - CAST(:days AS integer)))
               AS villages_without_visit,
           count(*) FILTER (WHERE r.level = 'district') AS districts,
           count(*) FILTER (WHERE r.level = 'district' AND NOT EXISTS (
               SELECT 1 FROM assignments a
                WHERE a.region_code = r.code AND a.kind = 'holder'
                  AND a.during @> (now() AT TIME ZONE r.timezone)::date)) AS districts_without_officer
      FROM regions r
     WHERE r.level IN ('district', 'village') AND r.valid_until IS NULL
       AND (:area = 'ID' OR r.code = :area OR r.code > :area || '.' AND r.code < :area || '/')
     GROUP BY 1
    """
)
_NUMBERS = ("villages", "villages_without_visit", "districts", "districts_without_officer")


async def coverage(session: AsyncSession, area: str, days: int) -> CoverageRead:
    """How far an area and the regions just below it are reached; the caller has been asked whether it is theirs."""
    child = 2 if area == NATION else _CHILD[len(area)]
    found = (await session.execute(_COVERAGE, {"area": area, "child": child, "days": days})).mappings().all()
    counts = {row["code"]: {name: row[name] for name in _NUMBERS} for row in found}
    region = None if area == NATION else await find_region(session, area)
    name = "Indonesia" if region is None else office_name(region)
    total = {number: sum(row[number] for row in counts.values()) for number in _NUMBERS}
    return CoverageRead(
        region=None if region is None else area,
        region_name=name,
        days=days,
        totals=_row(area, name, days, total),
        rows=[
            _row(code, label, days, counts[code])
            for code, label in (await children(session, area)).items()
            if code in counts
        ],
    )


def _row(area: str, name: str, days: int, counts: dict[str, int]) -> CoverageRow:
    region = "" if area == NATION else f"region={area}"
    villages = "&".join(part for part in (region, f"days={days}") if part)
    return CoverageRow(
        region=area,
        region_name=name,
        **counts,
        filter=f"/v1/statistics/unvisited-villages?{villages}",
        vacancies="/v1/statistics/vacancies" + (f"?{region}" if region else ""),
    )


_DAYS: Any = cast(bindparam("filter_days", type_=Integer()), Integer)
_SINCE = cast(func.timezone(_REGIONS.c.timezone, func.now()), Date) - _DAYS
_COMPLETED = (_VISITS.c.region_code == _REGIONS.c.code, _VISITS.c.status == literal_column("'completed'"))

# Who may not see visits asks with one of these, or would find out the day of the last one by trying.
OPEN_DAYS = (30, 90, 180, 365)


def check_days(days: int, *, sees_visits: bool) -> None:
    """Raises invalid_request (not_allowed) at /days."""
    if not sees_visits and days not in OPEN_DAYS:
        raise invalid("/days", "not_allowed", expected=", ".join(map(str, OPEN_DAYS)))


# A list of regions, which are public and carry no scope, so the caller's own is asked for here.
UNVISITED = Resource(
    schema=UnvisitedVillageRead,
    table=_REGIONS,
    scoped=False,
    columns={
        "region_code": _REGIONS.c.code,
        "region_name": _REGIONS.c.name,
        "district_name": select(_DISTRICTS.c.name).where(_DISTRICTS.c.code == _REGIONS.c.parent_code).scalar_subquery(),
        "last_visited_on": select(func.max(_VISITS.c.visited_on)).where(*_COMPLETED).scalar_subquery(),
    },
    where=(
        _REGIONS.c.level == literal_column("'village'"),
        _REGIONS.c.valid_until.is_(None),
        OWN,
        ~exists().where(*_COMPLETED, _VISITS.c.visited_on > _SINCE),
    ),
    filters={"region": lambda value: inside(_REGIONS.c.code, value), "days": lambda _: true()},
    sorts={"region_code": Sort((), descending=False)},
    key="region_code",
)
UNVISITED_UNDATED = replace(UNVISITED, columns={**UNVISITED.columns, "last_visited_on": cast(null(), Date)})
