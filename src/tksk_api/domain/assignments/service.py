"""Recording who is the officer of a district, and ending it. An officer's area follows at their next request."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.assignments.models import Assignment
from tksk_api.domain.assignments.reads import ASSIGNMENTS
from tksk_api.domain.assignments.rules import (
    check_cover,
    check_decree,
    check_level,
    check_reason,
    check_span,
    last_day,
)
from tksk_api.domain.assignments.schemas import AssignmentCreate, AssignmentEnd
from tksk_api.domain.records import create_once, load, load_reference, save
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.domain.users.models import User
from tksk_api.errors import DomainError, invalid
from tksk_api.security.permissions import Role

# An officer may coordinate besides; for somebody who does nothing else the decree is also where they see.
_MAY_BE = {"holder": {Role.TKSK}, "acting": {Role.TKSK}, "coordinator": {Role.TKSK, Role.COORDINATOR}}
_DECREE = {"decree_number", "decree_date", "decree_issuer"}
# The constraints decide; the locks let two offices wait for each other instead of dying in a deadlock.
_IN_TURN = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('assignment ' || CAST(:district AS text), 0)), "
    "pg_advisory_xact_lock(hashtextextended('assignment ' || CAST(:officer AS text), 0))"
)


async def create(session: AsyncSession, body: AssignmentCreate, longest_cover: int) -> Stored:
    """Record an assignment in the caller's area: at most one holder per district at any date (DOMAIN §1.2).

    A person holds one district and may act in others. Raises invalid_request (outside_scope, unknown_region,
    unknown_reference, not_an_officer and what the rules raise), id_in_use, district_already_held,
    assignment_overlaps.
    """
    await _check(session, body, longest_cover)
    turn = {"district": body.region_code, "officer": str(body.user_id)}
    await (await session.connection()).execute(_IN_TURN, turn)
    return await create_once(
        session, ASSIGNMENTS, body, Assignment, lambda: Assignment(id=new_id(), **body.model_dump(exclude={"id"}))
    )


async def end(session: AsyncSession, key: UUID, version: int, body: AssignmentEnd) -> Stored:
    """End an assignment today, which works at once and leaves the day to a successor, or on a later day.

    Raises transition_refused for one that is over, invalid_request (in_past, after_end, unknown_code,
    other_note_required), stale_version, not_found.
    """
    row = await load(session, Assignment, key, version)
    today = await today_in(session, row.region_code or "")
    if _is_over(row, today):
        raise DomainError("transition_refused", state="ended", allowed_actions=[])
    check_reason(body.end_reason, body.note)
    row.ends_on, over_now = last_day(body.ends_on or today, row.starts_on, row.ends_on, today)
    row.ended_at = datetime.now(UTC) if over_now else None
    row.end_reason, row.end_note = body.end_reason, body.note
    return await save(session, ASSIGNMENTS, row)


def _is_over(row: Assignment, today: Any) -> bool:
    return row.ended_at is not None or (row.ends_on is not None and row.ends_on < today)


async def _check(session: AsyncSession, body: AssignmentCreate, longest_cover: int) -> None:
    if not scope_of(session).contains(body.region_code):
        raise invalid("/region_code", "outside_scope")
    region = await require_region(session, body.region_code, "/region_code")
    check_level(body.kind, region.level)
    check_decree(body.kind, body.model_dump(include=_DECREE))
    check_span(body.kind, body.starts_on, body.ends_on, longest_cover)
    check_cover(body.kind, body.user_id, body.acting_for)
    await _require_officer(session, body.user_id, "/user_id", _MAY_BE[body.kind])
    if body.acting_for is not None:
        await _require_officer(session, body.acting_for, "/acting_for", _MAY_BE[body.kind], also_disabled=True)


async def _require_officer(
    session: AsyncSession, key: UUID, pointer: str, roles: Collection[Role], *, also_disabled: bool = False
) -> None:
    user = await load_reference(session, User, key, pointer)
    if user.role not in roles or (user.disabled_at is not None and not also_disabled):
        raise invalid(pointer, "not_an_officer")
