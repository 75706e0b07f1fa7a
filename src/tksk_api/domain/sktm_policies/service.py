"""Reading and setting what a region demands of an SKTM."""

from datetime import date
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Resource, Sort, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.sktm_policies.models import SktmPolicy
from tksk_api.domain.sktm_policies.rules import Policy, resolve
from tksk_api.domain.sktm_policies.schemas import (
    DocumentRule,
    EffectivePolicy,
    PlannedChange,
    SktmPolicyPut,
    SktmPolicyRead,
)
from tksk_api.errors import DomainError, invalid

_TABLE = table_of(SktmPolicy)

SKTM_POLICIES = Resource(
    schema=SktmPolicyRead,
    table=_TABLE,
    scoped=False,
    sorts={"region_code": Sort(("region_code", "effective_from"), descending=False)},
    filters={"region_code": lambda value: _TABLE.c.region_code == value},
)


async def effective(
    session: AsyncSession, region_code: str, on: date | None = None, *, inherited: bool = True
) -> EffectivePolicy:
    """The values that hold in this region on a day (today by its calendar) and where each comes from.

    Raises invalid_request (unknown_region).
    """
    region = await require_region(session, region_code, "/region_code")
    on = on or local_today(region.timezone)
    levels = (13, 8, 5, 2) if inherited else (len(region_code),)
    above = [region_code[:length] for length in levels if length <= len(region_code)]
    rows = await _rows(session, above)
    in_force = {row["region_code"]: row for row in rows if row["effective_from"] <= on}
    values, origins = resolve((code, in_force[code]) for code in above if code in in_force)
    if not inherited:
        values = {name: value if origins[name] == region_code else None for name, value in values.items()}
        origins = {name: origin for name, origin in origins.items() if origin == region_code}
    return EffectivePolicy(
        region_code=region_code,
        on=on,
        version=max((row["version"] for row in rows if row["region_code"] == region_code), default=None),
        values=values,
        origins=origins,
        planned=[
            PlannedChange(region_code=row["region_code"], effective_from=row["effective_from"])
            for row in rows
            if row["effective_from"] > on
        ],
    )


async def policy_for(session: AsyncSession, region_code: str) -> Policy:
    """The policy an application submitted now in this village falls under."""
    return Policy(**(await effective(session, region_code)).values)


async def put(session: AsyncSession, region_code: str, version: int | None, body: SktmPolicyPut) -> Stored:
    """Set a region's own settings from a day on; applications already submitted keep theirs.

    Raises invalid_request, precondition_required (it has settings and no version was given), stale_version.
    """
    if not scope_of(session).contains(region_code):
        raise DomainError("not_found")
    region = await require_region(session, region_code, "/region_code")
    _check_codes(body)
    today = local_today(region.timezone)
    effective_from = body.effective_from or today
    if effective_from < today:
        raise invalid("/effective_from", "in_past")
    connection = await session.connection()
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"policy {region_code}", 0))))
    rows = await _rows(session, [region_code])
    current = max((row["version"] for row in rows), default=None)
    if current is not None and version is None:
        raise DomainError("precondition_required")
    if version != current:
        raise DomainError("stale_version", current_version=current)
    settings = body.model_dump(mode="json", exclude={"effective_from"}) | {"version": (current or 0) + 1}
    settings["letterhead"] = body.letterhead.model_dump(exclude_none=True) if body.letterhead else None
    same_day = next((row for row in rows if row["effective_from"] == effective_from), None)
    key = same_day["id"] if same_day else new_id()
    # Not through the mapped class, which would start each row's version anew.
    await connection.execute(
        update(_TABLE).where(_TABLE.c.id == key).values(settings)
        if same_day
        else insert(_TABLE).values(
            id=key,
            region_code=region_code,
            effective_from=effective_from,
            created_by=principal_of(session).user_id,
            **settings,
        )
    )
    return await SKTM_POLICIES.stored(session, key)


async def _rows(session: AsyncSession, region_codes: list[str]) -> list[dict[str, Any]]:
    """The settings of these regions, each region's oldest first."""
    query = select(_TABLE).where(_TABLE.c.region_code.in_(region_codes)).order_by(_TABLE.c.effective_from)
    return [dict(row._mapping) for row in await (await session.connection()).execute(query)]


def _check_codes(body: SktmPolicyPut) -> None:
    for purpose, entries in (body.documents or {}).items():
        for index, entry in enumerate(entries):
            rule = entry if isinstance(entry, DocumentRule) else DocumentRule(kind=entry)
            pointer = f"/documents/{purpose}/{index}"
            if rule.kind not in codes("document_kinds"):
                raise invalid(pointer, "unknown_code", list="document_kinds")
            if unknown := {*rule.when, *rule.unless} - codes("document_conditions"):
                name = "when" if unknown & set(rule.when) else "unless"
                raise invalid(f"{pointer}/{name}", "unknown_code", list="document_conditions")
