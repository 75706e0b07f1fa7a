"""Logging work, and its way through the office."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.reads import ACTIVITIES
from tksk_api.domain.activities.rules import check_day, check_headcount, check_hours, check_kind, check_source
from tksk_api.domain.activities.schemas import ActivityCreate, ActivityReturn, ActivityUpdate, FollowUp, Headcount
from tksk_api.domain.activities.workflow import WORKFLOW, require_editable
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.attachments import service as attachments
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import unknown_person
from tksk_api.domain.partners.service import link_errors
from tksk_api.domain.records import create_once, load, merged, patched, refuse_null, save
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.users.service import own_account
from tksk_api.domain.visits.schemas import Point
from tksk_api.errors import DomainError, FieldError, invalid
from tksk_api.security.permissions import Permission

_MOST_ERRORS = 50
_LINKS = ("beneficiary_ids", "agency_ids", "partner_ids", "attachment_ids")
_REQUIRED = ("occurred_on", "pillar", "function", "roles", "kind", "title", "region_code", *_LINKS)


async def create(session: AsyncSession, body: ActivityCreate) -> Stored:
    """Log a piece of the caller's own work as a draft.

    Raises invalid_request (see `_check` and `_check_links`), id_in_use.
    """
    facts = _columns({name: getattr(body, name) for name in ActivityCreate.model_fields if name != "id"})
    await _check(session, facts, facts.keys())
    await _check_links(session, facts)

    def build() -> Activity:
        return Activity(id=new_id(), officer_id=principal_of(session).user_id, status=WORKFLOW.initial, **facts)

    return await create_once(session, ACTIVITIES, body, Activity, build)


async def update(session: AsyncSession, key: UUID, version: int, patch: ActivityUpdate) -> Stored:
    """Correct one's own draft or returned activity; what is not named is not judged again.

    Raises permission_denied for another officer's, transition_refused while it lies with the office or is accepted,
    invalid_request, stale_version.
    """
    row = await _load_own(session, key, version)
    require_editable(row.status)
    refuse_null(patch, *_REQUIRED)
    changes = _columns(_nested(row, patched(patch)))
    await _check(session, {**row.model_dump(), **changes}, changes.keys())
    await _check_links(session, changes, row)
    for name, value in changes.items():
        setattr(row, name, value)
    return await save(session, ACTIVITIES, row)


async def withdraw(session: AsyncSession, key: UUID, version: int) -> None:
    """Take one's own draft or returned activity out of the log; row and history are kept. Raises as `update`."""
    row = await _load_own(session, key, version)
    require_editable(row.status)
    row.deleted_at = datetime.now(UTC)
    await session.flush()


async def submit(session: AsyncSession, key: UUID, version: int) -> Stored:
    """The author hands it to the office. Raises permission_denied, transition_refused, stale_version.

    Raises invalid_request (unknown_reference) for an attachment that was taken back meanwhile.
    """
    row = await _load_own(session, key, version)
    WORKFLOW.check("submit", row.status)
    if errors := await attachments.link_errors(session, row.attachment_ids, row.beneficiary_ids, of=row.id):
        raise DomainError("invalid_request", errors=errors)
    return await _step(session, row, "submit")


async def send_back(session: AsyncSession, key: UUID, version: int, body: ActivityReturn) -> Stored:
    """The office asks the author for more. Raises transition_refused, stale_version."""
    return await _step(session, await load(session, Activity, key, version), "return", body.note)


async def accept(session: AsyncSession, key: UUID, version: int) -> Stored:
    """The office takes it as done. Nobody accepts their own work, whatever their role is by now.

    Raises permission_denied, transition_refused, stale_version.
    """
    row = await load(session, Activity, key, version)
    if _is_own(session, row):
        raise DomainError("permission_denied", permission=f"{Permission.ACTIVITY_REVIEW} (others)")
    return await _step(session, row, "accept")


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the activity is not the caller's to see."""
    await reader.one(ACTIVITIES, key)


async def _step(session: AsyncSession, row: Activity, action: str, note: str | None = None) -> Stored:
    WORKFLOW.take(session, row, action, (await own_account(session)).full_name, note=note)
    return await save(session, ACTIVITIES, row)


def _is_own(session: AsyncSession, row: Activity) -> bool:
    return row.officer_id == principal_of(session).user_id


async def _load_own(session: AsyncSession, key: UUID, version: int) -> Activity:
    row = await load(session, Activity, key, version)
    if not _is_own(session, row):
        raise DomainError("permission_denied", permission=f"{Permission.ACTIVITY_WRITE} (own)")
    return row


def _nested(row: Activity, changes: dict[str, Any]) -> dict[str, Any]:
    """Nested members of a merge patch, each merged into what the row has."""
    place = {"lat": row.latitude, "lon": row.longitude}
    present: Mapping[str, tuple[type[BaseModel], Mapping[str, Any] | None]] = {
        "location": (Point, place),
        "headcount": (Headcount, row.headcount),
        "follow_up": (FollowUp, row.follow_up),
    }
    for name, (model, now) in present.items():
        if name in changes:
            changes[name] = merged(model, now, changes[name], f"/{name}")
    return changes


def _columns(members: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a body as columns of the table."""
    columns = dict(members)
    if "location" in columns:
        location = columns.pop("location")
        columns["latitude"] = location.lat if location else None
        columns["longitude"] = location.lon if location else None
    if "headcount" in columns:
        columns["headcount"] = columns["headcount"].model_dump() if columns["headcount"] else {}
    if columns.get("follow_up") is not None:
        columns["follow_up"] = columns["follow_up"].model_dump(mode="json")
    return columns


async def _check(session: AsyncSession, facts: Mapping[str, Any], changed: AbstractSet[str]) -> None:
    """The rules that the changed columns touch, on the row as it would be.

    Raises invalid_request: outside_scope or unknown_region, and what the rules raise.
    """
    if changed & {"region_code", "occurred_on", "started_at", "ended_at"}:
        if not scope_of(session).contains(facts["region_code"]):
            raise invalid("/region_code", "outside_scope")
        region = await require_region(session, facts["region_code"], "/region_code")
        if changed & {"region_code", "occurred_on"}:
            check_day(facts["occurred_on"], local_today(region.timezone))
        check_hours(facts["occurred_on"], facts["started_at"], facts["ended_at"], region.timezone)
    if changed & {"kind", "pillar"}:
        check_kind(facts["kind"], facts["pillar"])
    if "assigned_by" in changed:
        check_source(facts["assigned_by"])
    if changed & {"headcount", "beneficiary_ids"}:
        check_headcount(facts["headcount"], len(facts["beneficiary_ids"]))


async def _check_links(session: AsyncSession, changes: Mapping[str, Any], row: Activity | None = None) -> None:
    """Each linked id exists, people inside the caller's area, and stands once; links the row has already may stay.

    Attachments belong to the activity or to one of its people.
    Raises invalid_request (unknown_reference, duplicate_entry, partner_inactive), naming every wrong entry, e.g.
    /beneficiary_ids/3.
    """
    errors: list[FieldError] = []
    for name in _LINKS:
        ids: Sequence[UUID] = changes.get(name, ())
        kept: Collection[UUID] = getattr(row, name) if row is not None else ()
        if name == "partner_ids":
            errors += await link_errors(session, ids, kept)
            continue
        if name == "attachment_ids":
            people = changes.get("beneficiary_ids", row.beneficiary_ids if row is not None else ())
            own = row.id if row is not None else None
            errors += await attachments.link_errors(session, ids, people, of=own, kept=kept)
            continue
        known = {*kept, *await _existing(session, name, set(ids).difference(kept))}
        for index, key in enumerate(ids):
            if key not in known and name == "beneficiary_ids" and len(errors) < _MOST_ERRORS:
                errors.append(await unknown_person(session, key, f"/{name}/{index}"))
            elif key not in known:
                errors.append(FieldError(f"/{name}/{index}", "unknown_reference"))
            elif key in ids[:index]:
                errors.append(FieldError(f"/{name}/{index}", "duplicate_entry"))
    if errors:
        raise DomainError("invalid_request", errors=errors[:_MOST_ERRORS])


async def _existing(session: AsyncSession, name: str, ids: AbstractSet[UUID]) -> Collection[UUID]:
    """Those of the ids that exist for the caller, by one query."""
    if not ids:
        return ()
    if name == "beneficiary_ids":
        people = select(Beneficiary.id).where(Beneficiary.id.in_(ids), Beneficiary.deleted_at.is_(None))  # type: ignore[attr-defined, union-attr, call-overload]
        return (await session.execute(people)).scalars().all()
    if name == "agency_ids":
        return (await session.execute(select(Agency.id).where(Agency.id.in_(ids)))).scalars().all()  # type: ignore[attr-defined, call-overload]
    return ()
