"""Drafting and correcting referrals."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Stored
from tksk_api.database.tables import new_id
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.agencies.rules import refusal
from tksk_api.domain.attachments.service import check_documents
from tksk_api.domain.beneficiaries.identity import refuse_deceased
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.partners.service import link_errors
from tksk_api.domain.programs.models import ProgramVersion
from tksk_api.domain.programs.service import require_running
from tksk_api.domain.records import create_once, load, load_reference, patched, refuse_null, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.reads import REFERRALS
from tksk_api.domain.referrals.rules import consent_refusal
from tksk_api.domain.referrals.schemas import DocumentGiven, ReferralCreate, ReferralUpdate
from tksk_api.domain.referrals.workflow import WORKFLOW
from tksk_api.domain.regions.service import today_in
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.errors import DomainError, invalid


async def create(session: AsyncSession, body: ReferralCreate) -> Stored:
    """Draft a referral of a person of the caller's area. Whether they are eligible is the agency's to say (DOMAIN §4).

    Raises invalid_request (unknown_reference, unknown_code, what `check` and `_check_partners` raise), id_in_use and
    beneficiary_deceased.
    """
    person = await load_reference(session, Beneficiary, body.beneficiary_id, "/beneficiary_id")
    refuse_deceased(person)
    check_consent(body.consent, body.consent_reason)
    row = Referral(
        id=body.id or new_id(),
        region_code=person.region_code,
        status=WORKFLOW.initial,
        documents=await given(session, body.documents, body.beneficiary_id),
        **body.model_dump(exclude={"id", "documents"}),
    )
    copy_person(row, person)
    await _check_partners(session, body.partner_ids)
    await check(session, row)
    return await create_once(session, REFERRALS, body, Referral, lambda: row)


async def update(session: AsyncSession, key: UUID, version: int, patch: ReferralUpdate) -> Stored:
    """Correct a draft. Raises transition_refused once it was submitted, invalid_request, stale_version, not_found."""
    row = await load(session, Referral, key, version)
    if row.status != WORKFLOW.initial:
        raise DomainError("transition_refused", state=row.status, allowed_actions=WORKFLOW.actions_from(row.status))
    refuse_null(patch, "program", "agency_id", "reason", "consent", "documents", "partner_ids")
    changes = patched(patch)
    await _check_partners(session, changes.get("partner_ids", ()), row.partner_ids)
    if "documents" in changes:
        changes["documents"] = await given(session, changes["documents"], row.beneficiary_id)
    for name, value in changes.items():
        setattr(row, name, value)
    if row.consent != "overridden" and "consent_reason" not in changes:
        row.consent_reason = None
    check_consent(row.consent, row.consent_reason)
    await check(session, row)
    return await save(session, REFERRALS, row)


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the referral is not the caller's to see."""
    await reader.one(REFERRALS, key)


async def check(session: AsyncSession, row: Referral) -> ProgramVersion:
    """The programme runs today, the agency takes its referrals, and the SKTM application is the person's own.

    Gives the version of the programme that holds today where the person lives.

    Raises invalid_request, naming the member of the referral: unknown_code, program_ended, program_not_started,
    unknown_reference, agency_inactive, agency_not_fitting, application_other_person.
    """
    day = await today_at(session, row)
    program = await require_running(session, row.program, row.region_code, day, "/program")
    agency = await load_reference(session, Agency, row.agency_id, "/agency_id")
    unfit = refusal(agency.kind, agency.programs, row.program, program.agency_kinds, is_active=agency.is_active)
    if unfit is not None:
        raise invalid("/agency_id", unfit)
    if row.sktm_application_id is not None:
        pointer = "/sktm_application_id"
        application = await load_reference(session, SktmApplication, row.sktm_application_id, pointer)
        if application.beneficiary_id != row.beneficiary_id:
            raise invalid(pointer, "application_other_person")
    return program


def check_consent(consent: str, reason: str | None) -> None:
    """Raises invalid_request (missing, only_when_overridden) at /consent_reason."""
    refused = consent_refusal(consent, reason)
    if refused is not None:
        raise invalid("/consent_reason", refused)


async def _check_partners(session: AsyncSession, ids: Sequence[UUID], kept: Collection[UUID] = ()) -> None:
    """Raises invalid_request (unknown_reference, partner_inactive, duplicate_entry) at the entries of /partner_ids."""
    errors = await link_errors(session, ids, kept)
    if errors:
        raise DomainError("invalid_request", errors=errors)


def copy_person(row: Referral, person: Beneficiary) -> None:
    """What the agency gets to know: it never sees the person's own file."""
    row.beneficiary_name, row.beneficiary_nik_last4 = person.full_name, person.nik_last4


async def given(session: AsyncSession, documents: Sequence[DocumentGiven], person: UUID) -> list[dict[str, Any]]:
    """Documents as stored, attachments among them the person's own. Raises invalid_request.

    (unknown_code at the kind, unknown_reference at the attachment.)
    """
    for index, document in enumerate(documents):
        check_kind(document.kind, index)
    await check_documents(session, [document.attachment_id for document in documents], person)
    return [document.model_dump(mode="json") for document in documents]


def check_kind(kind: str, index: int) -> None:
    """Raises invalid_request (unknown_code)."""
    if kind not in codes("document_kinds"):
        raise invalid(f"/documents/{index}/kind", "unknown_code", list="document_kinds")


async def today_at(session: AsyncSession, row: Referral) -> date:
    """The day at the person's place."""
    return await today_in(session, row.region_code or "")
