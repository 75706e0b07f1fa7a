"""A month's end without 117 requests: jobs that compile the drafts of every district of a regency or province, and that
print every report there is of a period."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.worker import MAX_ATTEMPTS, Progress
from tksk_api.domain.regions.service import valid_within
from tksk_api.domain.reports.printing import Printable, document_etag, printable
from tksk_api.domain.reports.rules import last_day
from tksk_api.domain.reports.schemas import RenderedMany, RenderedRead
from tksk_api.domain.reports.service import Document, document, obtain
from tksk_api.telemetry import log

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


# What counts or lies with the office, else the draft.
_NEXT = text("""
SELECT r.id, r.region_code, count(*) OVER () AS left_over,
       CASE WHEN r.status IN ('submitted', 'accepted') THEN r.revision ELSE r.accepted_revision END AS revision,
       CASE WHEN r.status = 'submitted' OR r.accepted_revision IS NULL THEN r.status ELSE 'accepted' END AS status
  FROM reports r
 WHERE r.period_type = :period_type AND r.period_start = :first AND r.region_code > :after
   AND (r.region_code = :region OR r.region_code > :region || '.' AND r.region_code < :region || '/')
 ORDER BY r.region_code LIMIT 1
""")
Render = Callable[[Printable], bytes]  # the file of a report
T = TypeVar("T")


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


async def render(session: AsyncSession, job: Job, *, vault: Vault, renders: Mapping[str, Render]) -> Progress:
    """The next report in the order of the regions' codes, in each format asked for; one in memory at a time.

    Of the files only what they are is kept: whoever fetches one gets the very same bytes, by the rights they have that
    day and of what is not erased by then. One that cannot be printed holds up none of the others.
    """
    wanted, documents = job.parameters, list(job.checkpoint.get("documents", ()))
    asked = {
        "region": job.region_code,
        "period_type": wanted["period_type"],
        "first": date.fromisoformat(wanted["period_start"]),
        "after": job.checkpoint.get("after", ""),
    }
    row = (await (await session.connection()).execute(_NEXT, asked)).first()
    if row is not None:
        opened = await _tried(job, row.id, _opened(session, vault, row))
        for kind in wanted["formats"]:
            file = await _tried(job, row.id, asyncio.to_thread(renders[kind], opened[1])) if opened else None
            documents.append(_told(row, opened, kind, file))
    done = job.done + (row is not None)
    total = job.done + (row.left_over if row is not None else 0)
    if row is not None and done < total:
        return Progress({"after": row.region_code, "documents": documents}, done, total)
    period = {name: wanted[name] for name in ("period_type", "period_start")}
    told = {"kind": job.kind, "region_code": job.region_code, **period, "documents": documents}
    return Progress({}, done, total, RenderedMany.model_validate(told).model_dump(mode="json"))


async def _opened(session: AsyncSession, vault: Vault, row: Any) -> tuple[Document, Printable]:
    async with session.begin_nested():
        found = await document(session, row.id, row.revision)
        return found, await printable(session, vault, found)


async def _tried(job: Job, key: UUID, making: Awaitable[T]) -> T | None:
    """What comes of it; None where it cannot be made, which is tried again first, as any step."""
    try:
        return await making
    except Exception as error:
        if job.attempts + 1 < MAX_ATTEMPTS:
            raise
        log.error("rendering_failed", report=str(key), kind=type(error).__name__)
        return None


def _told(row: Any, opened: tuple[Document, Printable] | None, kind: str, file: bytes | None) -> dict[str, Any]:
    pinned = f"&revision={row.revision}" if row.revision is not None else ""
    told = RenderedRead.model_validate(
        {
            "report_id": row.id,
            "region_code": row.region_code,
            "status": row.status,
            "revision": row.revision,
            "format": kind,
            "url": f"/v1/reports/{row.id}/document?format={kind}{pinned}",
            "etag": None if opened is None or file is None else document_etag(*opened, kind),
            "bytes": None if file is None else len(file),
            "sha256": None if file is None else hashlib.sha256(file).hexdigest(),
            "error": "internal_error" if file is None else None,
        }
    )
    return told.model_dump(mode="json")
