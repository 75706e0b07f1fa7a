"""What is looked at before a report is submitted: findings here, their words and weight in the list report_checks."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.reports.compiling import Compiled
from tksk_api.domain.reports.content import ReportContent
from tksk_api.domain.reports.models import Report
from tksk_api.domain.reports.schemas import CheckItem, ReportCheck

Finding = tuple[str, int | None, str | None]  # code of the list, how often, and the list of the rows

_HANDED_IN = ("submitted", "accepted")
_OF_WORK = frozenset(
    {"drafts_unconfirmed", "returned_work", "results_missing", "idle_days", "follow_ups_overdue", "obstacles_unwritten"}
    | {"no_work", "work_left_out", "work_withdrawn"}
)
_LOGGED = text("""
SELECT count(*) FILTER (WHERE a.status = 'draft') AS drafts, count(*) FILTER (WHERE a.status = 'returned') AS returned,
       count(*) FILTER (WHERE a.status IN ('submitted', 'accepted') AND a.superseded_by IS NULL AND a.result IS NULL)
           AS without_result,
       count(DISTINCT a.occurred_on) FILTER (WHERE a.status IN ('submitted', 'accepted') AND a.superseded_by IS NULL
                                               AND extract(isodow FROM a.occurred_on) < 6) AS days,
       (SELECT count(*) FROM activities w
         WHERE w.id = ANY (CAST(:said AS uuid[])) AND w.status = 'withdrawn' AND w.deleted_at IS NULL) AS withdrawn
  FROM activities a
 WHERE a.district_code = :district AND a.occurred_on BETWEEN :first AND :last AND a.deleted_at IS NULL
""")


async def check(
    session: AsyncSession, row: Report, compiled: Compiled, content: ReportContent, today: date
) -> ReportCheck:
    """All findings about the report as it would be submitted now, the blocking ones first; `compiled` just now."""
    found = [*_general(row, today), *_of_recap(content), *_since_submitted(row, compiled, content)]
    if content.children is None:
        found += [finding async for finding in _of_district(session, row, content, today)]
    items = [_item(*finding) for finding in found]
    order = [item.code for item in LISTS["report_checks"].items]
    items.sort(key=lambda item: order.index(item.code))
    return ReportCheck(ready=all(item.severity != "blocking" for item in items), items=items)


def without_work(found: ReportCheck) -> ReportCheck:
    """For whoever may not see the work log: nothing that was found in it."""
    return found.model_copy(update={"items": [item for item in found.items if item.code not in _OF_WORK]})


def _item(code: str, count: int | None, listed: str | None) -> CheckItem:
    item = next(item for item in LISTS["report_checks"].items if item.code == code)
    return CheckItem.model_validate(
        {
            "code": code,
            **item.attributes,
            "label_id": item.label_id,
            "label_en": item.label_en,
            "count": count,
            "filter": listed,
        }
    )


def _general(row: Report, today: date) -> Iterator[Finding]:
    if today <= row.period_end:  # what is done in the rest of the last day belongs to it too
        yield "period_running", (row.period_end - today).days + 1, None
    if row.summary is None:
        yield "summary_missing", None, None
    if row.plan is None:
        yield "plan_missing", None, None


def _since_submitted(row: Report, compiled: Compiled, content: ReportContent) -> Iterator[Finding]:
    """What a report that was handed in does not say: a correction of it, or its return, takes that in."""
    if row.status not in _HANDED_IN:
        return
    if content.children is None:
        late = len(set(compiled.activity_ids) - set(row.activity_ids))
        if late:
            yield "work_left_out", late, f"/v1/activities?{urlencode({'left_out_of': str(row.id)})}"
        return
    said = {child["region_code"]: child["revision"] for child in row.content["children"]["rows"]}
    stale = sum(said.get(child.region_code) != child.revision for child in content.children.rows)
    if stale:
        yield "recap_outdated", stale, None


def _of_recap(content: ReportContent) -> Iterator[Finding]:
    if content.children is None:
        return
    late = sum(child.state not in ("accepted", "vacant") for child in content.children.rows)
    if content.children.reported == 0:
        yield "nothing_accepted", None, None
    if late:
        period = {"period_type": content.period.type, "period_start": content.period.first.isoformat()}
        below = {"nation": "province", "province": "regency", "regency": "district"}[content.region.level]
        where = {"region": content.region.code} if content.region.code else {}
        yield "reports_missing", late, f"/v1/reports/missing?{urlencode({**where, 'level': below, **period})}"


async def _of_district(session: AsyncSession, row: Report, content: ReportContent, today: date) -> Any:
    until = min(row.period_end, today)
    span = {"first": row.period_start, "last": until}
    said = row.activity_ids if row.status in _HANDED_IN else []
    asked = {"district": row.region_code, "said": said, **span}
    logged = (await (await session.connection()).execute(_LOGGED, asked)).mappings().one()
    place = {
        "within": row.region_code,
        "occurred_from": row.period_start.isoformat(),
        "occurred_until": until.isoformat(),
    }

    def rows(**more: str) -> str:
        return f"/v1/activities?{urlencode({**place, **more})}"

    days = [row.period_start + timedelta(days=n) for n in range((until - row.period_start).days + 1)]
    idle = sum(day.isoweekday() < 6 for day in days) - logged["days"]
    undecreed = sum(officer.decree_number is None for officer in content.identity.officers)
    overdue = content.follow_ups.overdue.count
    before = (today - timedelta(days=1)).isoformat()
    withdrawn = f"/v1/activities?{urlencode({'report': str(row.id), 'status': 'withdrawn'})}"
    everything: list[tuple[str, int, str | None]] = [
        ("work_withdrawn", logged["withdrawn"], withdrawn),
        ("drafts_unconfirmed", logged["drafts"], rows(status="draft")),
        ("returned_work", logged["returned"], rows(status="returned")),
        ("results_missing", logged["without_result"], rows(counted="true", has_result="false")),
        ("idle_days", idle, None),
        ("decree_missing", undecreed, None),
        ("district_vacant", content.identity.days_vacant, None),
        ("follow_ups_overdue", overdue, rows(counted="true", follow_up="pending", follow_up_due_until=before)),
        ("obstacles_unwritten", len(content.obstacles) if row.obstacles is None else 0, None),
    ]
    for finding in everything:
        if finding[1]:
            yield finding
    if content.work.activities.count == 0:
        yield "no_work", None, None
