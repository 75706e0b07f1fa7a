"""Recaps of a regency, a province or the nation: sums over the accepted reports just below, which name who is missing.

A recap reads the accepted snapshots, of a regency its districts', above it the recaps', so that a nation costs no more
than a large regency. Only partners do not add up, for they may take part in two districts: they are counted among those
that the districts' reports counted.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.regions.service import valid_within
from tksk_api.domain.reports import rules
from tksk_api.domain.reports.compiling import Compiled
from tksk_api.domain.reports.content import Child, Identity, Level, PeriodType, ReportContent
from tksk_api.domain.reports.numbers import Numbers

_BELOW: Mapping[Level, Level] = {"regency": "district", "province": "regency", "nation": "province"}
_SPAN = ("CAST(:first AS date)", "CAST(:last AS date)")
_CHILDREN = text(f"""
SELECT g.code, g.name, r.id AS report_id, r.status, r.is_late, v.id AS revision_id, v.number, v.content,
       v.source_ids, v.district_codes,
       g.level = 'district'
           AND NOT EXISTS (SELECT 1 FROM assignments s WHERE s.region_code = g.code AND s.kind IN ('holder', 'acting')
                              AND s.during && daterange(CAST(:first AS date), CAST(:last AS date), '[]'))
           AND NOT EXISTS (SELECT 1 FROM users u WHERE u.role = 'tksk' AND u.region_code = g.code
                              AND NOT u.has_assignments AND u.disabled_at IS NULL) AS is_vacant,
       CASE WHEN g.level = 'district' THEN 1
            ELSE (SELECT count(*) FROM regions d WHERE d.level = 'district' AND {valid_within("d", *_SPAN)}
                     AND d.code > g.code || '.' AND d.code < g.code || '/') END AS districts
  FROM regions g
  LEFT JOIN reports r ON r.region_code = g.code AND r.period_type = :period_type AND r.period_start = :first
  LEFT JOIN report_revisions v ON v.report_id = r.id AND v.number = r.accepted_revision
 WHERE g.level = :level AND {valid_within("g", *_SPAN)} AND g.parent_code IS NOT DISTINCT FROM :region
 ORDER BY g.code
""")
_PARTNERS = text("""
SELECT t.type, count(DISTINCT p.id) AS partners
  FROM report_revisions v
 CROSS JOIN jsonb_each(v.counted -> 'partners') AS t (type, ids)
 CROSS JOIN jsonb_array_elements_text(t.ids) AS p (id)
 WHERE v.id = ANY (:sources) GROUP BY 1
""")
_NOBODY = Identity(officers=(), days_held=0, days_acting=0, days_vacant=0, is_vacant=False, is_shared=False)


async def compile_recap(  # noqa: PLR0917
    session: AsyncSession,
    region: str | None,
    level: Level,
    period_type: PeriodType,
    first: date,
    last: date,
    numbers: Numbers,
) -> Compiled:
    """The accepted reports just below, summed up. A report that is being corrected counts as it was accepted."""
    connection = await session.connection()
    asked = {"region": region, "level": _BELOW[level], "period_type": period_type, "first": first, "last": last}
    rows = [dict(row) for row in (await connection.execute(_CHILDREN, asked)).mappings()]
    found = [row for row in rows if row["revision_id"] is not None]
    below = [ReportContent.from_json(row["content"]) for row in found]
    by_code = {row["code"]: content for row, content in zip(found, below, strict=True)}
    is_regency = level == "regency"
    sources = [key for row in found for key in ([row["revision_id"]] if is_regency else row["source_ids"])]
    took_part = await connection.execute(_PARTNERS, {"sources": sources})
    partners = {row.type: row.partners for row in took_part}
    sections = {
        "identity": _NOBODY,
        "work": rules.work(below, numbers),
        "ppks": rules.ppks(below, numbers),
        "sktm": rules.sktm(below, numbers),
        "referrals": rules.referrals(below, numbers),
        "visits": rules.visits(below, numbers),
        "partners": rules.partners(below, partners, numbers),
        "obstacles": (),
        "follow_ups": rules.follow_ups(below, numbers),
        "attachments": (),
        "children": rules.children(
            [_child(row, by_code.get(row["code"])) for row in rows], below, sum(row["districts"] for row in rows)
        ),
    }
    districts = [code for row in found for code in ([row["code"]] if is_regency else row["district_codes"])]
    return Compiled(sections, [], [], sources, districts)


def _child(row: Mapping[str, Any], content: ReportContent | None) -> Child:
    state = "accepted" if content else "vacant" if row["is_vacant"] and row["status"] is None else row["status"]
    return Child(
        region_code=row["code"],
        region_name=row["name"],
        state=state or "missing",
        report_id=row["report_id"],
        revision=row["number"],
        is_late=row["is_late"],
        activities=content.work.activities.count if content else None,
        officers=tuple(dict.fromkeys(o.full_name for o in content.identity.officers)) if content else (),
    )
