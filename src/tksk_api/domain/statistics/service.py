"""Counting: from the sums where there are any, from the rows elsewhere, and nothing small for who may not see rows."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import product
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import scope_of
from tksk_api.database.tables import table_of
from tksk_api.domain.eligibility.suppression import SMALLEST
from tksk_api.domain.records import holds
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import find_region, local_today, office_name, today_in
from tksk_api.domain.statistics.periods import (
    LONGEST_MONTHS,
    LONGEST_UNSEEN_MONTHS,
    Period,
    first_day,
    last_day,
    months_later,
)
from tksk_api.domain.statistics.schemas import Dimension, Figure, Span, StatisticsCell, StatisticsRead, Subject
from tksk_api.domain.statistics.subjects import EVERYWHERE, NATION, SOURCES, subject_of
from tksk_api.domain.statistics.suppression import Told, told
from tksk_api.errors import DomainError, invalid, not_found

MOST_CELLS = 20_000
_REGIONS = table_of(Region)
_JAKARTA = "Asia/Jakarta"
_PROVINCE, _VILLAGE = 2, 13
_USUAL_MONTHS = 12
_COUNT = {
    name: text(
        f"SELECT region_code, month, keys, count FROM app.{name}(CAST(:subject AS text), CAST(:area AS text), "
        "CAST(:below AS boolean), CAST(:first AS date), CAST(:last AS date), CAST(:keys AS integer[]), "
        "CAST(:months AS boolean)) LIMIT :most"
    )
    for name in ("count_figures", "count_anywhere")
}
_Spot = tuple[str, date | None, tuple[str, ...]]  # region, month, keys
_Counts = Mapping[_Spot, int | None]
_Table = Mapping[tuple[str, date], Mapping[str, int]]  # region, month -> the one key there is, or none


@dataclass(frozen=True)
class Question:
    """What is asked: `area` is a region's code, or ID for the nation. `shows_rows`: the caller may list what is
    counted; who may not is told nothing small."""

    of: Subject
    area: str
    period: Period
    by: tuple[Dimension, ...]
    compare: bool = False
    shows_rows: bool = True

    @property
    def keys(self) -> tuple[Dimension, ...]:
        """What it asks by, beside regions and months."""
        return tuple(name for name in self.by if name not in EVERYWHERE)

    @property
    def previous(self) -> Period | None:
        return self.period.before() if self.compare else None


async def question(
    session: AsyncSession,
    *,
    region: str | None = None,
    first: date | None = None,
    last: date | None = None,
    by: Sequence[Dimension] = (),
    of: Subject | None = None,
    compare: bool = False,
) -> Question:
    """What the caller asks, checked; unless given, of their own area and of the twelve months up to this one.

    Whoever may not see the rows asks for whole months that are over, and by the subject's open key alone: then the
    answers do not tell what is withheld (suppression.py).

    Raises not_found (the region is none, or outside), invalid_request at /region (missing), /of (missing), /by
    (duplicate_entry, not_allowed, one_dimension), /from or /to (before_start, too_long_span, whole_months,
    month_not_over).
    """
    subject = of or subject_of(by)
    if len(set(by)) < len(by):
        raise invalid("/by", "duplicate_entry")
    if subject is None:
        raise invalid("/of", "missing")
    known = EVERYWHERE | SOURCES[subject].parameters.keys()
    if not known >= set(by):
        raise invalid("/by", "not_allowed", expected=", ".join(sorted(known)))
    area = await area_of(session, region)
    today = local_today(_JAKARTA) if area == NATION else await today_in(session, area)
    shows_rows = holds(session, SOURCES[subject].permission)
    last = last or last_day(today if shows_rows else months_later(today, -1))
    first = first or months_later(last, 1 - _USUAL_MONTHS)
    asked = Question(subject, area, Period(first, last), tuple(by), compare, shows_rows)
    is_large = area == NATION or len(area) == _PROVINCE
    check_period(asked.period, today, whole=is_large or not shows_rows, over=not shows_rows)
    open_key = SOURCES[subject].open_key
    if not shows_rows and not {open_key} >= set(asked.keys):
        raise invalid("/by", "one_dimension", expected=open_key)
    return asked


def check_period(period: Period, today: date, *, whole: bool, over: bool) -> None:
    """`over`: as for who may not see the rows, only months that are over, and fewer of them, for each costs more.

    Raises invalid_request: before_start, too_long_span or month_not_over at /to, whole_months at the end that is amiss.
    """
    if period.last < period.first:
        raise invalid("/to", "before_start")
    if len(list(period.months())) > (LONGEST_UNSEEN_MONTHS if over else LONGEST_MONTHS):
        raise invalid("/to", "too_long_span")
    if whole and not period.is_whole:
        raise invalid("/from" if period.first.day > 1 else "/to", "whole_months")
    if over and period.last >= first_day(today):
        raise invalid("/to", "month_not_over")


async def area_of(session: AsyncSession, region: str | None) -> str:
    """The region asked for, or the caller's own. Raises not_found, invalid_request (missing: they have several)."""
    scope = scope_of(session)
    if region is None:
        if scope.is_national:
            return NATION
        if len(scope.regions) != 1:
            raise invalid("/region", "missing")
        return scope.regions[0]
    if not scope.contains(region) or await find_region(session, region) is None:
        raise not_found()
    return region


async def answer(session: AsyncSession, asked: Question) -> StatisticsRead:
    """The counts asked for, with the period before where wanted. Raises invalid_request (too_many_cells) at /by."""
    names = await _names(session, asked)
    _check_size(asked, names)
    counts = await _counts(session, asked, asked.period)
    total = await _total(session, asked, asked.period, counts)
    previous = asked.previous
    before = await _counts(session, asked, previous) if previous else {}
    total_before = await _total(session, asked, previous, before) if previous else None
    region = None if asked.area == NATION else await find_region(session, asked.area)
    return await asyncio.to_thread(_shown, asked, region, names, (counts, total), (before, total_before))


def _shown(
    asked: Question,
    region: Region | None,
    names: dict[str, str],
    now: tuple[_Counts, int | None],
    then: tuple[_Counts, int | None],
) -> StatisticsRead:
    """The answer of what was counted, and of what was in the period before."""
    (counts, total), (before, total_before) = now, then
    previous = asked.previous
    earlier = partial(_earlier, asked.period, previous) if previous else None
    return StatisticsRead(
        of=asked.of,
        region=None if region is None else region.code,
        region_name="Indonesia" if region is None else office_name(region),
        level="nation" if region is None else region.level,
        from_=asked.period.first,
        to=asked.period.last,
        previous=None if previous is None else Span(from_=previous.first, to=previous.last),
        by=list(asked.by),
        cells=[
            StatisticsCell(
                keys=_keys(asked, spot),
                **_figure(asked, spot, counts.get(spot, 0), before.get(earlier(spot), 0) if earlier else None),
            )
            for spot in _spots(asked, names, (*counts, *before))
        ],
        totals=Figure(**_figure(replace(asked, by=()), (asked.area, None, ()), total, total_before)),
        regions=names,
        suppressed_below=None if asked.shows_rows else SMALLEST,
    )


# ----------------------------------------------------------------------------------------------------------- counting


async def _counts(session: AsyncSession, asked: Question, period: Period) -> _Counts:
    if not asked.shows_rows:
        return await _told(session, asked, period)
    rows = await _ask(session, "count_figures", asked, asked.area, period)
    if len(rows) > MOST_CELLS:
        raise _too_many()
    return {(row.region_code, row.month, tuple(row.keys)): row.count for row in rows}


async def _total(session: AsyncSession, asked: Question, period: Period, counts: _Counts) -> int | None:
    if asked.shows_rows:
        return sum(count or 0 for count in counts.values())
    alone = replace(asked, by=())
    return (await _told(session, alone, period))[asked.area, None, ()]


async def _ask(session: AsyncSession, function: str, asked: Question, area: str, period: Period) -> Sequence[Any]:
    source = SOURCES[asked.of]
    values = {
        "subject": asked.of,
        "area": area,
        "below": "region" in asked.by,
        "first": period.first,
        "last": period.last,
        "keys": [source.number(name) for name in asked.keys],
        "months": "month" in asked.by,
        # One more than may be shown; what is too small is found out by all there are, of a size that was checked.
        "most": MOST_CELLS + 1 if asked.shows_rows else None,
    }
    return (await (await session.connection()).execute(_COUNT[function], values)).all()


async def _told(session: AsyncSession, asked: Question, period: Period) -> _Counts:
    """What may be told: month by month from the nation down to the area, and summed up as asked."""
    chain = [asked.area[:length] for length in (2, 5, 8, 13) if asked.area != NATION and len(asked.area) >= length]
    parents = [NATION, *chain]
    if "region" not in asked.by or len(asked.area) == _VILLAGE:
        parents.pop()
    nation = await _ask(session, "count_anywhere", _monthly(asked), NATION, period)
    below = {
        parent: await _ask(session, "count_anywhere", _monthly(asked, "region"), parent, period) for parent in parents
    }
    known = {parent: await children(session, parent) for parent in parents}
    return await asyncio.to_thread(_sums, asked, period, nation, below, known)


def _sums(
    asked: Question,
    period: Period,
    rows: Sequence[Any],
    rows_below: Mapping[str, Sequence[Any]],
    known: Mapping[str, Mapping[str, str]],
) -> _Counts:
    """What may be told, of the counts of the nation and of the regions below each parent, which go downwards."""
    nation, below = _by_month(rows), {parent: _by_month(found) for parent, found in rows_below.items()}
    parents = list(below)
    keys = sorted({key for table in (nation, *below.values()) for row in table.values() for key in row})
    if "region" in asked.by and asked.area in parents:
        wanted = {*known[asked.area], *(place for place, _ in below[asked.area])}
    else:
        wanted = {asked.area}
    sums: dict[_Spot, int | None] = {}
    for month in period.months():
        levels = [(parent, _row_of_each(below[parent], known[parent], month, keys)) for parent in parents]
        found = told(NATION, _row(nation, NATION, month, keys), levels)
        for place in wanted:
            for key, count in _as_asked(asked, found.get(place), keys):
                spot = (place, month if "month" in asked.by else None, key)
                before = sums.get(spot, 0)
                sums[spot] = None if before is None or count is None else before + count
    return sums


def _monthly(asked: Question, *more: Dimension) -> Question:
    return replace(asked, by=("month", *more, *asked.keys))


def _by_month(rows: Iterable[Any]) -> _Table:
    table: dict[tuple[str, date], dict[str, int]] = {}
    for row in rows:
        table.setdefault((row.region_code, row.month), {})["".join(row.keys)] = row.count
    return table


def _row(table: _Table, place: str, month: date, keys: Iterable[str]) -> dict[str, int]:
    counts = table.get((place, month), {})
    return {key: counts.get(key, 0) for key in keys}


def _row_of_each(table: _Table, known: Iterable[str], month: date, keys: Sequence[str]) -> dict[str, dict[str, int]]:
    """Of every region there is, and of those that are no more but have counts."""
    return {place: _row(table, place, month, keys) for place in {*known, *(place for place, _ in table)}}


def _as_asked(asked: Question, found: Told | None, keys: Sequence[str]) -> Iterable[tuple[tuple[str, ...], int | None]]:
    if not asked.keys:
        return [((), None if found is None else found.total)]
    return [((key,), None if found is None else found.cells.get(key)) for key in keys]


async def children(session: AsyncSession, area: str) -> dict[str, str]:
    """The names of the regions just below, by their codes; a village's own."""
    column = _REGIONS.c.code if len(area) == _VILLAGE else _REGIONS.c.parent_code
    below = column.is_(None) if area == NATION else column == area
    found = await session.execute(select(_REGIONS.c.code, _REGIONS.c.name).where(below).order_by(_REGIONS.c.code))
    return {row.code: row.name for row in found}


# ------------------------------------------------------------------------------------------------------------ showing


async def _names(session: AsyncSession, asked: Question) -> dict[str, str]:
    return await children(session, asked.area) if "region" in asked.by else {}


def _check_size(asked: Question, names: Mapping[str, str]) -> None:
    """Before anything is counted, where it can be known: of the one key that is open to all the codes are a list.

    Raises invalid_request (too_many_cells).
    """
    months = len(list(asked.period.months())) if "month" in asked.by else 1
    codes = len(LISTS[SOURCES[asked.of].open_list].items) if asked.keys and not asked.shows_rows else 1
    if max(1, len(names)) * months * codes > MOST_CELLS:
        raise _too_many()


def _too_many() -> DomainError:
    return invalid("/by", "too_many_cells", max=MOST_CELLS)


def _spots(asked: Question, names: Mapping[str, str], found: Sequence[_Spot]) -> list[_Spot]:
    """Every region and month there is, with every key that was found, in their order. Raises invalid_request."""
    places = sorted({*names, *(place for place, _, _ in found)}) if "region" in asked.by else [asked.area]
    months: list[date | None] = [*asked.period.months()] if "month" in asked.by else [None]
    keys = sorted({keys for _, _, keys in found}) if asked.keys else [()]
    if len(places) * len(months) * len(keys) > MOST_CELLS:
        raise _too_many()
    return sorted(product(places, months, keys), key=lambda spot: tuple(_keys(asked, spot).values()))


def _keys(asked: Question, spot: _Spot) -> dict[Dimension, str]:
    """The spot by its names, in the order they were asked for in."""
    place, month, keys = spot
    values: dict[Dimension, str] = dict(zip(asked.keys, keys, strict=True))
    if "region" in asked.by:
        values["region"] = place
    if month is not None:
        values["month"] = f"{month:%Y-%m}"
    return {name: values[name] for name in asked.by}


def _earlier(period: Period, previous: Period, spot: _Spot) -> _Spot:
    """The spot in the period before: its first month for the first one of this, and so on."""
    place, month, keys = spot
    if month is None:
        return spot
    number = (month.year - period.first.year) * 12 + month.month - period.first.month
    return place, months_later(previous.first, number), keys


def _figure(asked: Question, spot: _Spot, count: int | None, previous: int | None) -> dict[str, Any]:
    place, month, _ = spot
    keys = _keys(asked, spot) if asked.by else {}
    change = count - previous if count is not None and previous is not None else None
    period = asked.period.month(month) if month else asked.period
    source = SOURCES[asked.of]
    return {
        "count": count,
        "previous": previous,
        "change": change,
        "change_percent": round(change / previous * 100, 1) if change is not None and previous else None,
        "filter": source.query(asked.area, place, period.first, period.last, keys) if asked.shows_rows else None,
        "suppressed": count is None or (asked.compare and previous is None),
    }
