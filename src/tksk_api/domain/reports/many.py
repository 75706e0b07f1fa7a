"""Drafts of every district of a regency or province: a job that compiles page by page, so that a month's end needs no
117 requests."""

from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.worker import Progress
from tksk_api.domain.regions.service import valid_within
from tksk_api.domain.reports.rules import last_day
from tksk_api.domain.reports.service import obtain

PAGE = 10
_DISTRICTS = text(f"""
SELECT g.code,
       EXISTS (SELECT 1 FROM assignments s WHERE s.region_code = g.code AND s.kind IN ('holder', 'acting')
                  AND s.during && daterange(CAST(:first AS date), CAST(:last AS date), '[]'))
           OR EXISTS (SELECT 1 FROM users u WHERE u.role = 'tksk' AND u.region_code = g.code AND NOT u.has_assignments
                         AND u.disabled_at IS NULL) AS is_held,
       count(*) OVER () AS left_over
  FROM regions g
 WHERE g.level = 'district' AND {valid_within("g", "CAST(:first AS date)", "CAST(:last AS date)")} AND g.code > :after
   AND g.code > :region || '.' AND g.code < :region || '/'
 ORDER BY g.code LIMIT :page
""")


async def step(session: AsyncSession, job: Job) -> Progress:
    """The next districts in the order of their codes. One that has a report keeps it; a vacant one is named."""
    wanted, kept, region = job.parameters, job.checkpoint, job.region_code or ""
    start = date.fromisoformat(wanted["period_start"])
    asked = {
        "region": region,
        "first": start,
        "last": last_day(wanted["period_type"], start),
        "after": kept.get("after", ""),
        "page": PAGE,
    }
    rows = (await (await session.connection()).execute(_DISTRICTS, asked)).all()
    made: dict[str, Any] = {name: list(kept.get(name, ())) for name in ("compiled", "existing", "vacant")}
    for row in rows:
        if not row.is_held:
            made["vacant"].append(row.code)
            continue
        _, created = await obtain(session, row.code, wanted["period_type"], start, job.created_by)
        made["compiled" if created else "existing"].append(row.code)
    done = job.done + len(rows)
    total = job.done + (rows[0].left_over if rows else 0)
    if done < total:
        return Progress({"after": rows[-1].code, **made}, done, total)
    return Progress({}, done, total, {"kind": job.kind, "region_code": region, **wanted, **made})
