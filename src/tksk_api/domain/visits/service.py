"""Planning, changing, cancelling and completing home visits."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.attachments.service import link_errors
from tksk_api.domain.beneficiaries.identity import refuse_deceased
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.proposals import service as proposals
from tksk_api.domain.proposals.rules import Seen
from tksk_api.domain.records import create_once, load, load_reference, merged, patched, refuse_null, save
from tksk_api.domain.references.lists import label
from tksk_api.domain.regions.service import find_region, local_today, require_region
from tksk_api.domain.suggestions import service as suggestions
from tksk_api.domain.users.service import own_account
from tksk_api.domain.visit_forms.forms import FORMS, form_on, is_taken
from tksk_api.domain.visits.models import Visit
from tksk_api.domain.visits.reads import VISITS
from tksk_api.domain.visits.rules import (
    check_answers,
    check_day,
    check_finding,
    finding_warnings,
    place_warnings,
)
from tksk_api.domain.visits.schemas import VisitCancel, VisitComplete, VisitCreate, VisitLocation, VisitUpdate
from tksk_api.domain.visits.workflow import WORKFLOW, require_editable
from tksk_api.errors import DomainError, invalid


async def create(session: AsyncSession, body: VisitCreate) -> Stored:
    """Plan a visit of the caller's own to a person of the caller's area, in the village where they live now.

    Raises invalid_request (unknown_reference, too_far_ahead, too_old, form_not_taken), id_in_use, beneficiary_deceased.
    """
    person = await load_reference(session, Beneficiary, body.beneficiary_id, "/beneficiary_id")
    refuse_deceased(person)
    check_day(body.visited_on, await _today(session, person.region_code))
    position = _position(body.location)
    warnings = _in_words(place_warnings(*_at(position), await _village_at(session, person.region_code)))
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
            form_version=_form_version(body.form_version, body.visited_on),
            warnings=warnings,
            **position,
            **body.model_dump(exclude={"id", "location", "form_version"}),
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
        if not is_taken(row.form_version, changes["visited_on"]):
            row.form_version = form_on(changes["visited_on"]).version
    if "location" in changes:
        now = {"lat": row.latitude, "lon": row.longitude, "accuracy": row.accuracy}
        changes |= _position(merged(VisitLocation, now, changes.pop("location"), "/location"))
        row.warnings = _in_words(place_warnings(*_at(changes), await _village_at(session, row.region_code)))
    for name, value in changes.items():
        setattr(row, name, value)
    return await save(session, VISITS, row)


async def cancel(session: AsyncSession, key: UUID, version: int, body: VisitCancel) -> Stored:
    """Give up a planned visit, saying why. Raises transition_refused, stale_version."""
    row = await load(session, Visit, key, version)
    WORKFLOW.check("cancel", row.status)
    row.cancel_reason = body.reason
    WORKFLOW.take(session, row, "cancel", (await own_account(session)).full_name, note=body.reason)
    return await save(session, VISITS, row)


async def complete(session: AsyncSession, key: UUID, version: int, body: VisitComplete) -> Stored:
    """Write down how the visit went, once; the newest finding speaks for the person, whenever it arrives.

    What contradicts the register becomes a proposal. Raises transition_refused when the visit was completed before, and
    invalid_request for one whose day has not come, a finding that does not fit the outcome, answers that are not the
    form's, attachments of somebody else, and a `register_differs` that can be no proposal.
    """
    row = await load(session, Visit, key, version)
    WORKFLOW.check("complete", row.status)
    check_finding(body.outcome, body.finding)
    differs = body.register_differs.model_dump(exclude_none=True) if body.register_differs else {}
    await proposals.check(session, row.beneficiary_id, differs)
    form_version = _form_version(body.form_version or row.form_version, row.visited_on)
    evidence = body.evidence.model_dump(mode="json", exclude_none=True)
    check_answers(FORMS[form_version], evidence, body.reasons)
    if errors := await link_errors(session, body.attachment_ids, [row.beneficiary_id], of=row.id):
        raise DomainError("invalid_request", errors=errors)
    if row.visited_on > await _today(session, row.region_code):
        raise invalid("", "visit_not_yet")
    position = _position(body.location) if body.location else _position_of(row)
    village = await _village_at(session, row.region_code)
    hints = [*place_warnings(*_at(position), village), *finding_warnings(body.finding, body.reasons)]
    for name, value in {**position, "warnings": _in_words(hints)}.items():
        setattr(row, name, value)
    row.outcome, row.finding, row.reasons = body.outcome, body.finding, body.reasons
    row.form_version, row.evidence, row.attachment_ids = form_version, evidence, body.attachment_ids
    row.completed_at, row.completed_by = datetime.now(UTC), principal_of(session).user_id
    WORKFLOW.take(session, row, "complete", (await own_account(session)).full_name)
    # The person before the visit, as a merge locks them: whoever is second waits, and then holds a stale version.
    person = select(Beneficiary.id).where(Beneficiary.id == row.beneficiary_id)  # type: ignore[call-overload]
    await session.execute(person.with_for_update(key_share=True))
    await session.flush()
    if body.finding is not None:
        await (await session.connection()).execute(select(func.app.order_visits(row.beneficiary_id)))
    seen = Seen(differs, body.finding, evidence.get("dependants"))
    await proposals.raise_from_visit(
        session, row.beneficiary_id, row.id, seen, is_newest=await _is_newest(session, row)
    )
    await suggestions.from_visit(session, row)
    return await VISITS.stored(session, key)


async def _is_newest(session: AsyncSession, row: Visit) -> bool:
    """Whether no visit of a later day has come to a finding: a phone may send this one weeks afterwards."""
    visits = table_of(Visit).c
    later = select(visits.id).where(
        visits.beneficiary_id == row.beneficiary_id, visits.finding.is_not(None), visits.visited_on > row.visited_on
    )
    return (await (await session.connection()).execute(later.limit(1))).first() is None


def _form_version(named: int | None, day: date) -> int:
    """The version named, or the one in force on the day. Raises invalid_request (form_not_taken)."""
    if named is None:
        return form_on(day).version
    if not is_taken(named, day):
        raise invalid("/form_version", "form_not_taken", current=form_on(day).version)
    return named


async def _today(session: AsyncSession, region_code: str | None) -> date:
    """The date in the village. No province spans two zones, and a province outlives its villages."""
    province = await require_region(session, (region_code or "")[:2], "/visited_on")
    return local_today(province.timezone)


async def _village_at(session: AsyncSession, region_code: str | None) -> tuple[float, float] | None:
    """Where the village lies, as far as the list of regions knows."""
    region = await find_region(session, region_code or "")
    if region is None or region.latitude is None or region.longitude is None:
        return None
    return region.latitude, region.longitude


def _position(location: VisitLocation | None) -> dict[str, Any]:
    if location is None:
        return {"latitude": None, "longitude": None, "accuracy": None}
    return {"latitude": location.lat, "longitude": location.lon, "accuracy": location.accuracy}


def _position_of(row: Visit) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("latitude", "longitude", "accuracy")}


def _at(position: Mapping[str, Any]) -> tuple[float | None, float | None]:
    lat, lon = position["latitude"], position["longitude"]
    return (None, None) if lat is None else (float(lat), float(lon))


def _in_words(hints: Iterable[str]) -> list[dict[str, str]]:
    """Kept with their Indonesian words, so that reading costs nothing; other languages look the code up."""
    return [{"code": code, "detail": label("visit_warnings", code, "id")} for code in hints]
