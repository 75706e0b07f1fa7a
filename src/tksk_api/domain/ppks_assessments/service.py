"""Assessing who is in a PPKS category, and ending it."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.categories import SENSITIVE, refuse_sensitive
from tksk_api.domain.beneficiaries.hints import unusual, warning
from tksk_api.domain.beneficiaries.identity import refuse_deceased
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.rules import age_on
from tksk_api.domain.beneficiaries.service import unknown_person
from tksk_api.domain.families.models import Family
from tksk_api.domain.history.actors import actor_name
from tksk_api.domain.ppks_assessments.models import PpksAssessment
from tksk_api.domain.ppks_assessments.reads import PPKS_ASSESSMENTS
from tksk_api.domain.ppks_assessments.rules import check_days, check_reason, check_unit, unit_of
from tksk_api.domain.ppks_assessments.schemas import PpksAssessmentClose, PpksAssessmentCreate
from tksk_api.domain.ppks_assessments.workflow import WORKFLOW
from tksk_api.domain.records import create_once, created_before, load, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.errors import DomainError, invalid

_UNUSUAL = "ppks_category_unusual"


@dataclass(frozen=True)
class _Whose:
    """Who is assessed, and where they are."""

    region_code: str
    person: Beneficiary | None = None


async def create(session: AsyncSession, body: PpksAssessmentCreate) -> Stored:
    """Put somebody of the caller's area into a category (DOMAIN §2.1; PP 39/2012 Pasal 2).

    Raises invalid_request: unknown_code, sensitive_category, category_unit, unknown_reference, and days that cannot be;
    beneficiary_deceased, assessment_active, id_in_use.
    """
    if body.category not in codes("ppks_categories"):
        raise invalid("/category", "unknown_code", list="ppks_categories")
    _refuse_hidden(session, body.category)
    unit = unit_of(body)
    check_unit(body.category, unit)
    before = await created_before(session, PPKS_ASSESSMENTS, body, PpksAssessment)
    if before is not None:
        return before
    whose = await _whose(session, body)
    today = await today_in(session, whose.region_code)
    assessed_on = body.assessed_on or today
    since = body.since or assessed_on
    check_days(since, assessed_on, today, whose.person.birth_date if whose.person else None)
    hints = _hints(whose.person, body.category, assessed_on)
    stored = await create_once(
        session,
        PPKS_ASSESSMENTS,
        body,
        PpksAssessment,
        lambda: PpksAssessment(
            id=new_id(),
            region_code=whose.region_code,
            unit=unit,
            since=since,
            assessed_on=assessed_on,
            assessor_id=principal_of(session).user_id,
            status=WORKFLOW.initial,
            warnings=[warning(code) for code in hints],
            **body.model_dump(include={"category", "beneficiary_id", "family_id", "group_name", "note"}),
        ),
    )
    if whose.person is not None:
        await _show(session, whose.person, body.category, today)
    return stored


async def close(session: AsyncSession, key: UUID, version: int, body: PpksAssessmentClose) -> Stored:
    """The category no longer holds; the assessment stays. Of a dead person too: this ends something.

    Raises transition_refused, invalid_request (unknown_code, other_note_required, before_start, in_future).
    """
    row = await load(session, PpksAssessment, key, version)
    WORKFLOW.check("close", row.status)
    check_reason(body.reason_code, body.note)
    today = await today_in(session, row.region_code or "")
    until = body.until or max(today, row.since)
    if until < row.since:
        raise invalid("/until", "before_start")
    if until > max(today, row.since):
        raise invalid("/until", "in_future")
    row.until, row.reason_code = until, body.reason_code
    name = await actor_name(session)
    WORKFLOW.take(session, row, "close", name, reason_code=body.reason_code, note=body.note)
    await session.flush()
    if row.beneficiary_id is not None:
        person = await _locked(session, row.beneficiary_id)
        if person is not None:
            await _hide(session, person, row.category, today)
    return await save(session, PPKS_ASSESSMENTS, row)


def _refuse_hidden(session: AsyncSession, category: str) -> None:
    try:
        refuse_sensitive(session, [category], "")
    except DomainError as error:
        raise invalid("/category", "sensitive_category") from error


async def _whose(session: AsyncSession, body: PpksAssessmentCreate) -> _Whose:
    if body.beneficiary_id is not None:
        person = await _locked(session, body.beneficiary_id)
        if person is None:
            error = await unknown_person(session, body.beneficiary_id, "/beneficiary_id")
            raise DomainError("invalid_request", errors=[error])
        refuse_deceased(person)
        return _Whose(person.region_code or "", person)
    if body.family_id is not None:
        try:
            family = await load(session, Family, body.family_id)
        except DomainError as error:
            raise invalid("/family_id", "unknown_reference") from error
        return _Whose(family.region_code or "")
    assert body.village_code is not None  # unit_of
    if not scope_of(session).contains(body.village_code):
        raise invalid("/village_code", "outside_scope")
    await require_region(session, body.village_code, "/village_code", "village")
    return _Whose(body.village_code)


async def _locked(session: AsyncSession, key: UUID) -> Beneficiary | None:
    """The person, held: assessments made at once must not lose each other's code in the column."""
    try:
        return await load(session, Beneficiary, key, lock=True)
    except DomainError as error:
        if error.code != "not_found":
            raise
        return None


def _hints(person: Beneficiary | None, category: str, day: date) -> list[str]:
    return unusual([category], age_on(person.birth_date, day), person.sex) if person else []


async def _show(session: AsyncSession, person: Beneficiary, category: str, today: date) -> None:
    await _rewrite(session, person, category, [*person.ppks_categories, category], today)


async def _hide(session: AsyncSession, person: Beneficiary, category: str, today: date) -> None:
    await _rewrite(session, person, category, [code for code in person.ppks_categories if code != category], today)


async def _rewrite(session: AsyncSession, person: Beneficiary, category: str, wanted: list[Any], today: date) -> None:
    """The person's own record follows with the ordinary codes. A sensitive one leaves no trace in it: a new version
    where nothing changed would tell whoever reads the record that there is something they may not see."""
    if category in SENSITIVE:
        return
    person.ppks_categories = list(dict.fromkeys(wanted))
    others = [known for known in person.warnings if known["code"] != _UNUSUAL]
    odd = unusual(person.ppks_categories, age_on(person.birth_date, today), person.sex)
    person.warnings = others + [warning(code) for code in odd]
    await session.flush()
