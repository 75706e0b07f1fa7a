"""Compiling a district's own report: one statement, and so one consistent snapshot, whatever is edited meanwhile."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.reported import counts, followed_up
from tksk_api.domain.reports import rules
from tksk_api.domain.reports.content import (
    Attachment,
    FollowUp,
    FollowUps,
    FollowUpState,
    FunctionRow,
    Headcount,
    Identity,
    KindRow,
    Obstacle,
    Officer,
    PartnerRow,
    PpksRow,
    ReferralRow,
    SktmRow,
    VisitRow,
    Work,
)
from tksk_api.domain.reports.numbers import Numbers, follow_up_key, key, partner_key

_PEOPLE = ", ".join(
    f"coalesce(sum((m.headcount ->> '{name}')::integer), 0)::integer AS {name}" for name in Headcount.model_fields
)


_SECTIONS: Mapping[str, str] = {
    "by_function": f"""
        SELECT m.pillar, m.function, count(*) AS count, {_PEOPLE} FROM mine m GROUP BY 1, 2 ORDER BY 1, 2""",
    "by_kind": f"""
        SELECT m.pillar, m.kind, k.label_id, k.label_en, count(*) AS count, {_PEOPLE}
          FROM mine m LEFT JOIN activity_kinds k ON k.code = m.kind GROUP BY 1, 2, 3, 4 ORDER BY 1, 2""",
    "ppks": """
        SELECT p.* FROM served s CROSS JOIN referred r
         CROSS JOIN LATERAL app.report_ppks(:district, :first, :last, s.ids, r.ids) p ORDER BY p.category""",
    "sktm": """
        SELECT s.key, s.state, s.ids FROM steps s WHERE s.entity = 'sktm_applications' ORDER BY 1, 2""",
    "referrals": """
        SELECT s.key, s.state, s.ids FROM steps s WHERE s.entity = 'referrals' ORDER BY 1, 2""",
    "visits": """
        SELECT v.outcome, array_agg(v.id) AS ids FROM visits v
         WHERE v.district_code = :district AND v.status = 'completed' AND v.visited_on BETWEEN :first AND :last
         GROUP BY 1 ORDER BY 1""",
    "partners": """
        SELECT p.type, array_agg(DISTINCT p.id) AS partners, array_agg(DISTINCT m.id) AS activities
          FROM mine m JOIN partners p ON p.id = ANY (m.partner_ids) GROUP BY 1 ORDER BY 1""",
    "obstacles": """
        SELECT m.id AS activity_id, m.occurred_on, m.title, m.obstacle AS note FROM mine m
         WHERE m.obstacle IS NOT NULL ORDER BY m.occurred_on, m.id""",
    "follow_ups": f"""
        SELECT m.id AS activity_id, m.occurred_on, m.title, m.follow_up ->> 'note' AS note,
               m.follow_up ->> 'due_on' AS due_on,
               {followed_up("m")} AS is_done
          FROM mine m WHERE m.follow_up IS NOT NULL ORDER BY 5, m.id""",
    "attachments": """
        SELECT t.id, m.id AS activity_id, t.kind FROM mine m JOIN attachments t ON t.id = ANY (m.attachment_ids)
         WHERE t.deleted_at IS NULL ORDER BY m.occurred_on, m.id, t.id""",
    "assignments": """
        SELECT s.id AS assignment_id, s.user_id, s.kind, app.user_name(s.user_id) AS full_name, u.employee_number,
               s.decree_number, s.decree_date, s.decree_issuer, greatest(lower(s.during), :first) AS first,
               least(coalesce(upper(s.during) - 1, :last), :last) AS last
          FROM assignments s LEFT JOIN users u ON u.id = s.user_id
         WHERE s.region_code = :district AND s.kind IN ('holder', 'acting')
           AND s.during && daterange(:first, :last, '[]') ORDER BY first, s.kind DESC, s.id""",
    # Whoever logged work here, and an officer of the time before assignments: both without a decree on record.
    "others": """
        SELECT x.user_id, app.user_name(x.user_id) AS full_name, u.employee_number, min(x.day) AS first,
               max(x.day) AS last, count(x.day) AS count
          FROM (SELECT m.officer_id AS user_id, m.occurred_on AS day FROM mine m UNION ALL
                SELECT o.id, NULL FROM users o WHERE o.role = 'tksk' AND o.region_code = :district
                   AND NOT o.has_assignments AND o.disabled_at IS NULL) x
          LEFT JOIN users u ON u.id = x.user_id GROUP BY 1, 2, 3 ORDER BY 4, 1""",
}
_MEMBERS = ",\n".join(
    f"    '{name}', (SELECT coalesce(json_agg(x), '[]') FROM ({query}) x)" for name, query in _SECTIONS.items()
)
_COMPILE = text(
    f"""
WITH mine AS MATERIALIZED (
    SELECT a.* FROM activities a
     WHERE a.district_code = :district AND a.occurred_on BETWEEN :first AND :last
       AND {counts("a")}
       AND (NOT :only_frozen OR a.frozen_by IS NOT NULL)
), served AS MATERIALIZED (
    SELECT coalesce(array_agg(DISTINCT p.id), '{{}}') AS ids FROM mine m CROSS JOIN unnest(m.beneficiary_ids) AS p (id)
), steps AS MATERIALIZED (
    SELECT * FROM app.report_steps(:district, :first, :last)
), referred AS MATERIALIZED (
    SELECT coalesce(array_agg(p.id), '{{}}') AS ids FROM steps s CROSS JOIN unnest(s.people) AS p (id)
     WHERE s.entity = 'referrals' AND s.state = 'submitted'
)
SELECT json_build_object(
    'activity_ids', (SELECT coalesce(json_agg(m.id ORDER BY m.occurred_on, m.id), '[]') FROM mine m),
    'days', (SELECT count(DISTINCT m.occurred_on) FROM mine m),
{_MEMBERS}
)
""".replace(":first", "CAST(:first AS date)").replace(":last", "CAST(:last AS date)")
)


@dataclass(frozen=True)
class Compiled:
    """Sections of a report, and the rows they count; `counted` by table and key, of a district alone."""

    sections: Mapping[str, Any]
    officer_ids: list[UUID]
    activity_ids: list[UUID]
    source_ids: list[UUID]
    district_codes: list[str]
    counted: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)


async def compile_district(  # noqa: PLR0917 - of which district, when, by which clock
    session: AsyncSession,
    district: str,
    first: date,
    last: date,
    today: date,
    numbers: Numbers,
    *,
    only_frozen: bool = False,
) -> Compiled:
    """What was done in a district from the first to the last day, by the officers who worked there.

    `only_frozen` leaves out what no report holds: at a submission, what came in after it was frozen.
    """
    asked = {
        "district": district,
        "first": first,
        "last": last,
        "only_frozen": only_frozen,
    }
    found: Mapping[str, Any] = (await (await session.connection()).execute(_COMPILE, asked)).scalar_one()
    follow_ups = _follow_ups(found["follow_ups"], today, numbers)
    sections = {
        "identity": _identity(found, first, min(last, today)),
        "work": _work(found, numbers),
        "ppks": _ppks(found["ppks"], numbers),
        "sktm": tuple(
            SktmRow(purpose=r["key"], state=r["state"], applications=numbers.sktm(len(r["ids"]), r["key"], r["state"]))
            for r in found["sktm"]
        ),
        "referrals": tuple(
            ReferralRow(
                program=r["key"], state=r["state"], referrals=numbers.referrals(len(r["ids"]), r["key"], r["state"])
            )
            for r in found["referrals"]
        ),
        "visits": tuple(
            VisitRow(outcome=r["outcome"], visits=numbers.visits(len(r["ids"]), r["outcome"])) for r in found["visits"]
        ),
        "partners": tuple(
            PartnerRow(
                type=r["type"],
                partners=numbers.partners(len(r["partners"]), r["type"]),
                activities=numbers.with_partner(len(r["activities"]), r["type"]),
            )
            for r in found["partners"]
        ),
        "obstacles": tuple(Obstacle.model_validate(row) for row in found["obstacles"]),
        "follow_ups": follow_ups,
        "attachments": tuple(Attachment.model_validate(row) for row in found["attachments"]),
        "children": None,
    }
    officers = [UUID(row["user_id"]) for row in (*found["assignments"], *found["others"])]
    work = [UUID(activity) for activity in found["activity_ids"]]
    return Compiled(sections, list(dict.fromkeys(officers)), work, [], [district], _rows(found, follow_ups))


def _rows(found: Mapping[str, Any], follow_ups: FollowUps) -> Mapping[str, Mapping[str, list[str]]]:
    """The rows behind every number of what may change, under the keys that Numbers asks for them by."""
    left: dict[str, list[str]] = {}
    for item in follow_ups.items:
        left.setdefault(follow_up_key(item.state), []).append(str(item.activity_id))
    return {
        "activities": {**left, **{partner_key(r["type"]): r["activities"] for r in found["partners"]}},
        "partners": {r["type"]: r["partners"] for r in found["partners"]},
        "ppks_assessments": {key(r["category"], r["event"], r["sex"]): r["ids"] for r in found["ppks"]},
        "sktm_applications": {key(r["key"], r["state"]): r["ids"] for r in found["sktm"]},
        "referrals": {key(r["key"], r["state"]): r["ids"] for r in found["referrals"]},
        "visits": {r["outcome"]: r["ids"] for r in found["visits"]},
    }


def _identity(found: Mapping[str, Any], first: date, last: date) -> Identity:
    counts = {row["user_id"]: row["count"] for row in found["others"]}
    assigned = {row["user_id"] for row in found["assignments"]}
    officers = [
        Officer.model_validate({**row, "activities": counts.get(row["user_id"], 0)}) for row in found["assignments"]
    ]
    nothing = dict.fromkeys(("assignment_id", "decree_number", "decree_date", "decree_issuer"))
    for row in found["others"]:
        if row["user_id"] not in assigned:
            days = {"first": row["first"] or first, "last": row["last"] or last}
            known = {name: row[name] for name in ("user_id", "full_name", "employee_number")}
            officers.append(
                Officer.model_validate({**known, **nothing, **days, "kind": "unassigned", "activities": row["count"]})
            )
    held = [(officer.first, officer.last) for officer in officers if officer.kind == "holder"]
    acting = [(officer.first, officer.last) for officer in officers if officer.kind == "acting"]
    days_held, days_acting, days_vacant = rules.days_covered(held, acting, first, last)
    return Identity(
        officers=tuple(officers),
        days_held=days_held,
        days_acting=days_acting,
        days_vacant=days_vacant,
        is_vacant=not officers,
        is_shared=len({officer.user_id for officer in officers}) > 1,
    )


def _people(row: Mapping[str, Any]) -> Headcount:
    return Headcount(**{name: row[name] for name in Headcount.model_fields})


def _work(found: Mapping[str, Any], numbers: Numbers) -> Work:
    functions = tuple(
        FunctionRow(
            pillar=row["pillar"],
            function=row["function"],
            activities=numbers.activities(row["count"], pillar=row["pillar"], function=row["function"]),
            headcount=_people(row),
        )
        for row in found["by_function"]
    )
    packaged = {item.code: item for item in LISTS["activity_kinds"].items}
    return Work(
        activities=numbers.activities(len(found["activity_ids"])),
        headcount=rules.people(row.headcount for row in functions),
        days=found["days"],
        by_function=functions,
        by_kind=tuple(
            KindRow(
                pillar=row["pillar"],
                kind=row["kind"],
                label_id=row["label_id"] or (item.label_id if (item := packaged.get(row["kind"])) else row["kind"]),
                label_en=row["label_en"] or (item.label_en if (item := packaged.get(row["kind"])) else row["kind"]),
                activities=numbers.activities(row["count"], pillar=row["pillar"], kind=row["kind"]),
                headcount=_people(row),
            )
            for row in found["by_kind"]
        ),
    )


def _ppks(rows: list[Mapping[str, Any]], numbers: Numbers) -> tuple[PpksRow, ...]:
    found: dict[str, dict[tuple[str, str], int]] = {}
    for row in rows:
        found.setdefault(row["category"], {})[row["event"], row["sex"]] = len(row["ids"])

    def counts(category: str, event: str) -> Any:
        each = [found[category].get((event, sex), 0) for sex in ("male", "female", "none")]
        return numbers.by_sex(category, event, *each)

    return tuple(
        PpksRow(category=category, **{event: counts(category, event) for event in rules.EVENTS}) for category in found
    )


def _follow_ups(rows: list[Mapping[str, Any]], today: date, numbers: Numbers) -> FollowUps:
    def state(row: Mapping[str, Any]) -> FollowUpState:
        return "done" if row["is_done"] else "overdue" if row["due_on"] < today.isoformat() else "open"

    items = [{name: value for name, value in row.items() if name != "is_done"} | {"state": state(row)} for row in rows]
    counts = Counter(item["state"] for item in items)
    told = {name: numbers.follow_up(counts[name], name) for name in get_args(FollowUpState)}
    return FollowUps(**told, items=tuple(FollowUp.model_validate(item) for item in items))
