"""Keeping templates, making activities of them, and saying which are due."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.scope import NATION
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.activities import service as activities
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.reads import ACTIVITIES
from tksk_api.domain.activities.rules import check_source
from tksk_api.domain.activities.schemas import ActivityCreate
from tksk_api.domain.activity_kinds import service as activity_kinds
from tksk_api.domain.activity_kinds.models import ActivityKind
from tksk_api.domain.activity_kinds.rules import check_kind
from tksk_api.domain.activity_templates.models import ActivityTemplate
from tksk_api.domain.activity_templates.reads import ACTIVITY_TEMPLATES, TABLE, VISIBLE
from tksk_api.domain.activity_templates.rules import check_recurrence, last_due
from tksk_api.domain.activity_templates.schemas import (
    ActivityTemplateCreate,
    ActivityTemplateUpdate,
    ActivityTemplateUse,
    DueTemplate,
    DueTemplates,
    Recurrence,
)
from tksk_api.domain.partners.service import link_errors
from tksk_api.domain.records import create_once, created_before, load, patched, refuse_null, save
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.errors import DomainError, invalid
from tksk_api.security.permissions import Permission, Role

_MOST_DUE = 200
_JAKARTA = "31"
_PLACE_LENGTHS = (8, 13)
_REQUIRED = ("title", "kind", "pillar", "function", "roles", "partner_ids", "agency_ids")


async def create(session: AsyncSession, body: ActivityTemplateCreate) -> Stored:
    """An officer's own template, or one that the caller's office shares with its region.

    Raises invalid_request (outside_scope, unknown_region, missing for the pillar of a general kind, what the rules
    raise), id_in_use.
    """
    kind = await activity_kinds.find(session, body.kind)
    facts = body.model_dump(mode="python", exclude={"id", "recurrence"})
    facts["pillar"] = body.pillar or (kind.pillar if kind else None)
    facts["function"] = body.function or (kind.function if kind else None)
    if kind is not None and facts["pillar"] is None:
        raise invalid("/pillar", "missing")
    facts["recurrence"] = _stored(body.recurrence)
    is_officer = principal_of(session).role == Role.TKSK
    if body.region_code is not None:
        await require_region(session, body.region_code, "/region_code")
    if not (is_officer and body.region_code is None) and not scope_of(session).contains(body.region_code):
        raise invalid("/region_code", "outside_scope")
    place = body.region_code or (activities.own_district(session) if is_officer else None)
    await _check(session, facts, kind, place)

    def build() -> ActivityTemplate:
        return ActivityTemplate(id=new_id(), officer_id=principal_of(session).user_id if is_officer else None, **facts)

    return await create_once(session, ACTIVITY_TEMPLATES, body, ActivityTemplate, build)


async def update(session: AsyncSession, key: UUID, version: int, patch: ActivityTemplateUpdate) -> Stored:
    """Change a template that the caller keeps; activities made of it stay as they are.

    Raises permission_denied, invalid_request, stale_version, not_found.
    """
    row = await _load_kept(session, key, version)
    refuse_null(patch, *_REQUIRED)
    changes = patched(patch)
    if "recurrence" in changes:
        changes["recurrence"] = _stored(patch.recurrence)
    after = {**row.model_dump(), **changes}
    kind = await activity_kinds.find(session, after["kind"])
    place = row.region_code or (activities.own_district(session) if row.officer_id else None)
    await _check(
        session, {**after, **{name: changes.get(name, []) for name in ("partner_ids", "agency_ids")}}, kind, place
    )
    for name, value in changes.items():
        setattr(row, name, value)
    return await save(session, ACTIVITY_TEMPLATES, row)


async def withdraw(session: AsyncSession, key: UUID, version: int) -> None:
    """Nothing new is made of it; activities made of it stay. Raises as `update`."""
    row = await _load_kept(session, key, version)
    row.deleted_at = datetime.now(UTC)
    await session.flush()


async def use(session: AsyncSession, key: UUID, body: ActivityTemplateUse) -> Stored:
    """A draft of the caller's own, begun with the template; partners who no longer help are left out.

    Raises not_found, id_in_use, and what logging an activity raises.
    """
    before = await created_before(session, ACTIVITIES, body, Activity, key)
    if before is not None:
        return before
    row = await load(session, ActivityTemplate, key)
    place = body.region_code or _place_of(session, row) or activities.own_district(session)
    gone = {error.pointer for error in await link_errors(session, row.partner_ids)}
    begun = {
        **{name: getattr(row, name) for name in ActivityTemplateUpdate.model_fields if name != "recurrence"},
        "partner_ids": [key for index, key in enumerate(row.partner_ids) if f"/partner_ids/{index}" not in gone],
        **body.model_dump(exclude_none=True),
        "region_code": place,
        "occurred_on": body.occurred_on or await today_in(session, place),
    }
    made = ActivityCreate.model_validate(begun)
    members = {name: getattr(made, name) for name in ActivityCreate.model_fields if name != "id"}
    return await activities.log(session, body, members, template_id=key)


async def due(session: AsyncSession, on: date | None) -> DueTemplates:
    """Templates whose day came on `on` or before, and of which the caller has logged nothing since."""
    regions = scope_of(session).regions
    day = on or await today_in(session, regions[0] if regions and regions[0] != NATION else _JAKARTA)
    recurring = select(TABLE).where(*VISIBLE, TABLE.c.recurrence.is_not(None))
    connection = await session.connection()
    rows = (await connection.execute(recurring.order_by(TABLE.c.created_at, TABLE.c.id).limit(_MOST_DUE))).all()
    days = {row.id: last_due(Recurrence.model_validate(row.recurrence), day) for row in rows}
    logged = table_of(Activity).c
    latest = (
        select(logged.template_id, func.max(logged.occurred_on).label("day"))
        .where(
            logged.officer_id == principal_of(session).user_id,
            logged.template_id.in_(list(days)),
            logged.deleted_at.is_(None),
            logged.occurred_on <= day,
        )
        .group_by(logged.template_id)
    )
    done = {row.template_id: row.day for row in await connection.execute(latest)}
    items = [
        DueTemplate(template_id=row.id, title=row.title, kind=row.kind, pillar=row.pillar, due_on=due_on)
        for row in rows
        if (due_on := days[row.id]) is not None and done.get(row.id, date.min) < due_on
    ]
    return DueTemplates(on=day, items=sorted(items, key=lambda item: item.due_on))


def _place_of(session: AsyncSession, row: ActivityTemplate) -> str | None:
    """Where the template says that the work is, if it says it exactly and it is in the caller's area."""
    is_place = row.region_code is not None and len(row.region_code) in _PLACE_LENGTHS
    return row.region_code if is_place and scope_of(session).contains(row.region_code) else None


def _stored(recurrence: Recurrence | None) -> dict[str, Any] | None:
    check_recurrence(recurrence)
    return None if recurrence is None else recurrence.model_dump(mode="json")


async def _check(session: AsyncSession, facts: dict[str, Any], kind: ActivityKind | None, place: str | None) -> None:
    """Raises invalid_request: unknown_code, kind_ended, kind_other_pillar, unknown_reference, partner_inactive."""
    check_kind(kind, facts["pillar"], place or "", await today_in(session, place or _JAKARTA))
    check_source(facts["assigned_by"])
    await activities.check_links(session, {name: facts[name] for name in ("partner_ids", "agency_ids")})


async def _load_kept(session: AsyncSession, key: UUID, version: int) -> ActivityTemplate:
    """One's own, or of the caller's office. Raises permission_denied: who sees a shared one knows that it is there."""
    row = await load(session, ActivityTemplate, key, version)
    principal = principal_of(session)
    is_officer = principal.role == Role.TKSK
    if row.officer_id is None and (is_officer or not scope_of(session).contains(row.region_code)):
        raise DomainError(
            "permission_denied", permission=f"{Permission.ACTIVITY_TEMPLATE} ({row.region_code or NATION})"
        )
    return row
