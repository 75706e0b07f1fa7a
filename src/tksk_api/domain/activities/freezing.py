"""What a report says is held fast, and let go when the report is returned."""

from collections.abc import Collection
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.reads import COUNTED, TABLE
from tksk_api.errors import DomainError, invalid

# Each row leaves its history, half a millisecond: until the commit there is time for those of many years.
_TIME = text("SET LOCAL statement_timeout = '60s'")
# A revision says an activity while it is accepted, or lies with the office. Of all rows at once: to look each up in the
# ids of every revision takes time by the square.
_LET_GO = text("""
WITH held AS MATERIALIZED (
    SELECT h.id, h.district_code FROM activities h WHERE h.frozen_by = :report
), said AS (
    SELECT DISTINCT ON (s.id) s.id, v.report_id
      FROM report_revisions v CROSS JOIN unnest(v.activity_ids) AS s (id)
     WHERE v.district_code IN (SELECT h.district_code FROM held h) AND v.status IN ('submitted', 'accepted')
     ORDER BY s.id, v.report_id <> :report, v.submitted_at, v.report_id
)
UPDATE activities a SET frozen_by = s.report_id
  FROM held h LEFT JOIN said s ON s.id = h.id
 WHERE a.id = h.id AND s.report_id IS DISTINCT FROM :report
""")
_PERIOD = text("""
SELECT max(r.period_start) AS first, min(r.period_end) AS last FROM reports r
 WHERE r.id = :report
    OR r.id IN (SELECT v.report_id FROM report_revisions v
                 WHERE v.district_code = :district AND v.status IN ('submitted', 'accepted')
                   AND CAST(:key AS uuid) = ANY (v.activity_ids))
""")


async def freeze(  # noqa: PLR0917 - what, whose, where and when, in the order one says it
    session: AsyncSession,
    report_id: UUID,
    district_code: str,
    officer_ids: Collection[UUID],
    first: date,
    last: date,
) -> list[UUID]:
    """Hold what these officers did in the district from the first to the last day, both included.

    Answers with what the report newly holds, by day; what an earlier report holds already stays with that one. The
    rows, also those that another report holds, are locked until the commit: whoever is about to change one waits, and
    then has a stale version; whoever is about to let one go sees that this report says it.
    """
    meant = (
        COUNTED,
        TABLE.c.district_code == district_code,
        TABLE.c.officer_id.in_(officer_ids),
        TABLE.c.occurred_on.between(first, last),
    )
    await (await session.connection()).execute(_TIME)
    await _lock(session, *meant)
    held = update(TABLE).where(*meant, TABLE.c.frozen_by.is_(None)).values(frozen_by=report_id)
    answer = await (await session.connection()).execute(held.returning(TABLE.c.id, TABLE.c.occurred_on))
    return [row.id for row in sorted(answer.all(), key=lambda row: (row.occurred_on, row.id))]


async def unfreeze(session: AsyncSession, report_id: UUID) -> None:
    """Let go of what a report holds and no revision says: neither an earlier one of its own that was accepted, nor one
    of another report for the same days (a month lies in its quarter), which holds the row from now on.

    A correction made meanwhile keeps its place.
    """
    await session.flush()
    await (await session.connection()).execute(_TIME)
    await _lock(session, TABLE.c.frozen_by == report_id)
    await (await session.connection()).execute(_LET_GO, {"report": report_id})


async def lock_many(session: AsyncSession, keys: Collection[UUID]) -> None:
    """Hold these, what they correct, and what that corrected, until the commit."""
    chain = select(TABLE.c.id, TABLE.c.revises_id).where(TABLE.c.id.in_(keys)).cte("chain", recursive=True)
    before = TABLE.alias("before")
    chain = chain.union(select(before.c.id, before.c.revises_id).join(chain, before.c.id == chain.c.revises_id))
    await _lock(session, TABLE.c.id.in_(select(chain.c.id)))


async def _lock(session: AsyncSession, *which: ColumnElement[bool]) -> None:
    """Always by id, so that of two who need the same rows one waits and neither is a victim of the other."""
    rows = select(TABLE.c.id).where(*which).order_by(TABLE.c.id).with_for_update()
    await (await session.connection()).execute(rows)


async def refuse_elsewhere(session: AsyncSession, corrected: Activity, region_code: str, occurred_on: date) -> None:
    """A correction stays in the district and in the days of every report that says what it corrects; else it would fall
    out of that one and, where the other month is reported too, out of both.

    Raises invalid_request (outside_report) at /region_code or /occurred_on.
    """
    asked = {"report": corrected.frozen_by, "district": corrected.district_code, "key": corrected.id}
    period = (await (await session.connection()).execute(_PERIOD, asked)).one()
    if period.first is None:
        return
    said = {"first": period.first.isoformat(), "last": period.last.isoformat()}
    if not region_code.startswith(corrected.district_code or ""):
        raise invalid("/region_code", "outside_report", **said)
    if not period.first <= occurred_on <= period.last:
        raise invalid("/occurred_on", "outside_report", **said)


def refuse_frozen(row: Activity) -> None:
    """A report holds it, or a correction took its place: neither changes any more.

    The database says the first too (app.keep_frozen). Raises frozen, already_corrected.
    """
    if row.frozen_by is not None:
        raise DomainError("frozen", report_id=row.frozen_by)
    refuse_corrected(row)


def refuse_corrected(row: Activity) -> None:
    """A correction took its place. Raises already_corrected."""
    if row.superseded_by is not None:
        raise DomainError("already_corrected", correction_id=row.superseded_by)


async def refuse_second_correction(session: AsyncSession, row: Activity) -> None:
    """One correction at a time, and of a corrected row none. Raises already_corrected with the one there is."""
    there = select(TABLE.c.id).where(TABLE.c.revises_id == row.id, TABLE.c.deleted_at.is_(None))
    correction = (await (await session.connection()).execute(there)).scalar()
    if correction is not None:
        raise DomainError("already_corrected", correction_id=correction)
