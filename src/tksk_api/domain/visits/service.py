"""Planning, changing and completing home visits."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id
from tksk_api.domain.attachments.service import link_errors
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.records import create_once, load, load_reference, merged, patched, refuse_null, save
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.users.service import own_account
from tksk_api.domain.visits.models import Visit
from tksk_api.domain.visits.reads import VISITS
from tksk_api.domain.visits.rules import check_codes, check_day, check_finding
from tksk_api.domain.visits.schemas import VisitComplete, VisitCreate, VisitLocation, VisitUpdate
from tksk_api.domain.visits.workflow import WORKFLOW, require_editable
from tksk_api.errors import DomainError, invalid


async def create(session: AsyncSession, body: VisitCreate) -> Stored:
    """Plan a visit of the caller's own to a person of the caller's area, in the village where they live now.

    Raises invalid_request (unknown_reference, too_far_ahead, too_old), id_in_use.
    """
    person = await load_reference(session, Beneficiary, body.beneficiary_id, "/beneficiary_id")
    check_day(body.visited_on, await _today(session, person.region_code))
    return await create_once(
        session,
        VISITS,
        body,
        Visit,
        lambda: Visit(
            id=new_id(),
            region_code=person.region_code,
            officer_id=principal_of(session).user_id,
            status=WORKFLOW.initial,
            **_position(body.location),
            **body.model_dump(exclude={"id", "location"}),
        ),
    )


async def update(session: AsyncSession, key: UUID, version: int, patch: VisitUpdate) -> Stored:
    """Change a planned visit. Raises transition_refused once it is completed, invalid_request, stale_version."""
    row = await load(session, Visit, key, version)
    require_editable(row.status)
    refuse_null(patch, "visited_on")
    changes = patched(patch)
    if "visited_on" in changes:
        check_day(changes["visited_on"], await _today(session, row.region_code))
    if "location" in changes:
        now = {"lat": row.latitude, "lon": row.longitude, "accuracy": row.accuracy}
        changes |= _position(merged(VisitLocation, now, changes.pop("location"), "/location"))
    for name, value in changes.items():
        setattr(row, name, value)
    return await save(session, VISITS, row)


async def complete(session: AsyncSession, key: UUID, version: int, body: VisitComplete) -> Stored:
    """Write down how the visit went; from then on it stays as it is.

    Raises transition_refused when it is completed already, and invalid_request: visit_not_yet before its day, a
    finding that does not fit the outcome, codes that are in no list, attachments of somebody else.
    """
    row = await load(session, Visit, key, version)
    WORKFLOW.check("complete", row.status)
    check_finding(body.outcome, body.finding)
    evidence = body.evidence.model_dump(mode="json", exclude_none=True)
    check_codes(evidence, body.reasons)
    if errors := await link_errors(session, body.attachment_ids, [row.beneficiary_id], of=row.id):
        raise DomainError("invalid_request", errors=errors)
    if row.visited_on > await _today(session, row.region_code):
        raise invalid("", "visit_not_yet")
    row.outcome, row.finding, row.reasons = body.outcome, body.finding, body.reasons
    row.evidence, row.attachment_ids = evidence, body.attachment_ids
    row.completed_at, row.completed_by = datetime.now(UTC), principal_of(session).user_id
    WORKFLOW.take(session, row, "complete", (await own_account(session)).full_name)
    return await save(session, VISITS, row)


async def _today(session: AsyncSession, region_code: str | None) -> date:
    """The date in the village. No province spans two zones, and a province outlives its villages."""
    province = await require_region(session, (region_code or "")[:2], "/visited_on")
    return local_today(province.timezone)


def _position(location: VisitLocation | None) -> dict[str, Any]:
    if location is None:
        return {"latitude": None, "longitude": None, "accuracy": None}
    return {"latitude": location.lat, "longitude": location.lon, "accuracy": location.accuracy}
