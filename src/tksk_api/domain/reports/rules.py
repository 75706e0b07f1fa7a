"""Periods, days covered, and sums of reports, as pure functions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, get_args

from tksk_api.domain.reports.content import (
    BySex,
    Child,
    Children,
    FollowUps,
    FollowUpState,
    FunctionRow,
    Headcount,
    KindRow,
    Level,
    Number,
    PartnerRow,
    PeriodType,
    PpksRow,
    ReferralRow,
    ReportContent,
    SktmRow,
    VisitRow,
    Work,
)
from tksk_api.domain.reports.numbers import Numbers
from tksk_api.errors import invalid

EVENTS = ("new", "served", "referred", "closed")
MONTHS = {"month": 1, "quarter": 3, "semester": 6, "year": 12}
LEVELS: tuple[Level, ...] = ("district", "regency", "province", "nation")
_BY_LENGTH: dict[int, Level] = {8: "district", 5: "regency", 2: "province"}


def level_of(region_code: str | None) -> Level:
    """The level of a report on this region; no code is the nation. Raises invalid_request (report_level)."""
    if region_code is None:
        return "nation"
    if len(region_code) not in _BY_LENGTH:
        raise invalid("/region_code", "report_level")
    return _BY_LENGTH[len(region_code)]


def first_day(period_type: PeriodType, day: date) -> date:
    """The first day of the month, quarter, semester or year that a day lies in."""
    months = MONTHS[period_type]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def last_day(period_type: PeriodType, start: date) -> date:
    """The last day of the period that starts then, leap years included."""
    months = start.month - 1 + MONTHS[period_type]
    return date(start.year + months // 12, months % 12 + 1, 1) - timedelta(days=1)


def check_period(period_type: PeriodType, start: date, today: date) -> date:
    """The last day of a period that has begun. `today` is the day in the region.

    Raises invalid_request at /period_start: not_period_start, which names the right day, or in_future.
    """
    first = first_day(period_type, start)
    if first != start:
        raise invalid("/period_start", "not_period_start", first=first.isoformat())
    if start > today:
        raise invalid("/period_start", "in_future")
    return last_day(period_type, start)


def days_covered(
    held: Iterable[tuple[date, date]], acting: Iterable[tuple[date, date]], first: date, last: date
) -> tuple[int, int, int]:
    """How many days of a span somebody held the district, only somebody acted there, and nobody did."""
    span = _days([(first, last)])
    holding = _days(held) & span
    covering = (_days(acting) & span) - holding
    return len(holding), len(covering), len(span - holding - covering)


def _days(spans: Iterable[tuple[date, date]]) -> set[date]:
    return {first + timedelta(days=n) for first, last in spans for n in range((last - first).days + 1)}


# ---- sums ------------------------------------------------------------------------------------------------------------


def children(rows: Sequence[Child], reports: Sequence[ReportContent], districts: int) -> Children:
    """What a recap is built from; of a regency its rows are the districts, above it the recaps below count theirs."""
    if not rows or len(rows[0].region_code) == 8:
        return Children(
            rows=tuple(rows),
            districts=districts,
            reported=sum(row.state == "accepted" for row in rows),
            late=sum(row.state == "accepted" and bool(row.is_late) for row in rows),
            vacant=sum(row.state == "vacant" for row in rows),
        )
    below = [report.children for report in reports if report.children is not None]
    return Children(
        rows=tuple(rows),
        districts=districts,
        reported=sum(row.reported for row in below),
        late=sum(row.late for row in below),
        vacant=sum(row.vacant for row in below),
    )


def work(reports: Sequence[ReportContent], numbers: Numbers) -> Work:
    """The work of all reports together."""
    functions = _grouped((row for r in reports for row in r.work.by_function), lambda row: (row.pillar, row.function))
    kinds = _grouped((row for r in reports for row in r.work.by_kind), lambda row: (row.pillar, row.kind))
    return Work(
        activities=numbers.activities(sum(r.work.activities.count for r in reports)),
        headcount=people(r.work.headcount for r in reports),
        days=sum(r.work.days for r in reports),
        by_function=tuple(
            FunctionRow(
                pillar=pillar,
                function=function,
                activities=numbers.activities(_sum(rows, "activities"), pillar=pillar, function=function),
                headcount=people(row.headcount for row in rows),
            )
            for (pillar, function), rows in functions
        ),
        by_kind=tuple(
            KindRow(
                pillar=pillar,
                kind=kind,
                label_id=rows[0].label_id,
                label_en=rows[0].label_en,
                activities=numbers.activities(_sum(rows, "activities"), pillar=pillar, kind=kind),
                headcount=people(row.headcount for row in rows),
            )
            for (pillar, kind), rows in kinds
        ),
    )


def ppks(reports: Sequence[ReportContent], numbers: Numbers) -> tuple[PpksRow, ...]:
    """The assessments of all reports; each lies in one district, so none is counted twice."""

    def sexes(rows: Sequence[PpksRow], event: str) -> BySex:
        found = [getattr(row, event) for row in rows]
        counts = [_sum(found, sex) for sex in ("male", "female", "groups")]
        return numbers.by_sex(rows[0].category, event, *counts)

    return tuple(
        PpksRow(
            category=category,
            **{event: sexes(rows, event) for event in EVENTS},
        )
        for (category,), rows in _grouped((row for r in reports for row in r.ppks), lambda row: (row.category,))
    )


def sktm(reports: Sequence[ReportContent], numbers: Numbers) -> tuple[SktmRow, ...]:
    grouped = _grouped((row for r in reports for row in r.sktm), lambda row: (row.purpose, row.state))
    return tuple(
        SktmRow(purpose=purpose, state=state, applications=numbers.sktm(_sum(rows, "applications"), purpose, state))
        for (purpose, state), rows in grouped
    )


def referrals(reports: Sequence[ReportContent], numbers: Numbers) -> tuple[ReferralRow, ...]:
    grouped = _grouped((row for r in reports for row in r.referrals), lambda row: (row.program, row.state))
    return tuple(
        ReferralRow(program=program, state=state, referrals=numbers.referrals(_sum(rows, "referrals"), program, state))
        for (program, state), rows in grouped
    )


def visits(reports: Sequence[ReportContent], numbers: Numbers) -> tuple[VisitRow, ...]:
    grouped = _grouped((row for r in reports for row in r.visits), lambda row: (row.outcome,))
    return tuple(
        VisitRow(outcome=outcome, visits=numbers.visits(_sum(rows, "visits"), outcome)) for (outcome,), rows in grouped
    )


def partners(
    reports: Sequence[ReportContent], took_part: Mapping[str, int], numbers: Numbers
) -> tuple[PartnerRow, ...]:
    """Work with partners of all reports; `took_part` says by type how many partners there were, each once."""
    grouped = _grouped((row for r in reports for row in r.partners), lambda row: (row.type,))
    return tuple(
        PartnerRow(
            type=name,
            partners=numbers.partners(took_part[name], name),
            activities=numbers.with_partner(_sum(rows, "activities"), name),
        )
        for (name,), rows in grouped
    )


def follow_ups(reports: Sequence[ReportContent], numbers: Numbers) -> FollowUps:
    """The follow-ups of all reports as each of them says they stood."""
    said = [report.follow_ups for report in reports]
    return FollowUps(
        **{name: numbers.follow_up(_sum(said, name), name) for name in get_args(FollowUpState)},
        items=(),
    )


def _sum(rows: Iterable[Any], name: str) -> int:
    found: list[Number] = [getattr(row, name) for row in rows]
    return sum(number.count for number in found)


def people(counts: Iterable[Headcount]) -> Headcount:
    """Headcounts added up."""
    listed = list(counts)
    return Headcount(**{name: sum(getattr(c, name) for c in listed) for name in Headcount.model_fields})


def _grouped(rows: Iterable[Any], key: Callable[[Any], Any]) -> list[tuple[Any, list[Any]]]:
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return sorted(groups.items())
