"""Every step of a referral after it was drafted: sending it, the agency's answers, and taking it back.

An agency answers for itself; an officer records what an agency answered on paper, and the history says so.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.history.actors import actor_name
from tksk_api.domain.records import load, load_reference, save
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.reads import REFERRALS
from tksk_api.domain.referrals.rules import date_refusal, end_refusal, reason_refusal, still_requested
from tksk_api.domain.referrals.schemas import (
    Activation,
    Cancellation,
    Decision,
    DocumentsRequest,
    DocumentsSupply,
    End,
)
from tksk_api.domain.referrals.service import check, check_kind, copy_person, given, today_at
from tksk_api.domain.referrals.workflow import WORKFLOW
from tksk_api.errors import DomainError, invalid
from tksk_api.security.permissions import Permission, Role


async def submit(session: AsyncSession, key: UUID, version: int) -> Stored:
    """Send the draft; from now on the agency sees it, with the person's name as it is registered at this moment.

    Raises transition_refused, stale_version, not_found, and invalid_request when what the draft names no longer holds.
    """
    row = await _begin(session, key, version, "submit")
    copy_person(row, await load_reference(session, Beneficiary, row.beneficiary_id, "/beneficiary_id"))
    await check(session, row)
    row.submitted_at = datetime.now(UTC)
    return await _finish(session, row, "submit")


async def receive(session: AsyncSession, key: UUID, version: int) -> Stored:
    """The agency has it. Raises transition_refused, stale_version, not_found."""
    return await _finish(session, await _begin(session, key, version, "receive"), "receive")


async def review(session: AsyncSession, key: UUID, version: int) -> Stored:
    """The agency works on it; documents it still waited for it does without. Raises as `receive`."""
    row = await _begin(session, key, version, "review")
    row.requested_documents = []
    return await _finish(session, row, "review")


async def request_documents(session: AsyncSession, key: UUID, version: int, body: DocumentsRequest) -> Stored:
    """The agency needs more before it decides. Raises invalid_request (unknown_code) and as `receive`."""
    row = await _begin(session, key, version, "request-documents")
    for index, document in enumerate(body.documents):
        check_kind(document.kind, index)
    row.requested_documents = [document.model_dump() for document in body.documents]
    return await _finish(
        session, row, "request-documents", note=body.note, details={"documents": row.requested_documents}
    )


async def supply_documents(session: AsyncSession, key: UUID, version: int, body: DocumentsSupply) -> Stored:
    """Hand in what was asked for, or what there is of it. Raises invalid_request and as `receive`."""
    row = await _begin(session, key, version, "supply-documents")
    supplied = await given(session, body.documents, row.beneficiary_id)
    row.documents = [*row.documents, *supplied]
    row.requested_documents = still_requested(row.requested_documents, {document["kind"] for document in supplied})
    return await _finish(session, row, "supply-documents", details={"documents": supplied})


async def decide(session: AsyncSession, key: UUID, version: int, action: str, body: Decision) -> Stored:
    """Approve, reject or put on the waiting list, by the agency's own date and number.

    Raises invalid_request (in_future by the calendar of the person's region, unknown_code for a reason of another
    action, other_note_required) and as `receive`.
    """
    row = await _begin(session, key, version, action)
    refused = date_refusal(body.decided_on, await today_at(session, row))
    if refused is not None:
        raise invalid("/decided_on", refused)
    _check_reason(action, body.reason_code, body.note)
    row.reference_number = body.reference_number or row.reference_number
    row.decided_on, row.reason_code = body.decided_on, body.reason_code
    details = body.model_dump(mode="json", include={"reference_number", "decided_on"})
    return await _finish(session, row, action, reason_code=body.reason_code, note=body.note, details=details)


async def activate(session: AsyncSession, key: UUID, version: int, body: Activation) -> Stored:
    """The benefit runs from a day, perhaps one to come. Raises as `receive`."""
    row = await _begin(session, key, version, "activate")
    row.active_from = body.active_from
    return await _finish(session, row, "activate", details=body.model_dump(mode="json"))


async def end(session: AsyncSession, key: UUID, version: int, body: End) -> Stored:
    """The benefit ends. Raises invalid_request (before_start, unknown_code, other_note_required) and as `receive`."""
    row = await _begin(session, key, version, "end")
    refused = end_refusal(row.active_from, body.ended_on)
    if refused is not None:
        raise invalid("/ended_on", refused)
    _check_reason("end", body.reason_code, body.note)
    row.ended_on, row.reason_code = body.ended_on, body.reason_code
    details = body.model_dump(mode="json", include={"ended_on"})
    return await _finish(session, row, "end", reason_code=body.reason_code, note=body.note, details=details)


async def cancel(session: AsyncSession, key: UUID, version: int, body: Cancellation) -> Stored:
    """Take it back before it is decided: whoever made it, or the officer of the area.

    Raises permission_denied for anybody else, and as `receive`.
    """
    row = await _begin(session, key, version, "cancel")
    principal = principal_of(session)
    if principal.role != Role.TKSK and principal.user_id != row.created_by:
        raise DomainError("permission_denied", permission=f"{Permission.REFERRAL_CREATE} (created_by)")
    return await _finish(session, row, "cancel", note=body.note)


async def _begin(session: AsyncSession, key: UUID, version: int, action: str) -> Referral:
    row = await load(session, Referral, key, version)
    WORKFLOW.check(action, row.status)
    return row


async def _finish(
    session: AsyncSession, row: Referral, action: str, *, details: Mapping[str, Any] | None = None, **words: Any
) -> Stored:
    facts = dict(details or {})
    answers = WORKFLOW.steps[action].permission is Permission.REFERRAL_ANSWER
    if answers and principal_of(session).agency_id != row.agency_id:
        facts["recorded_from_paper"] = True
    WORKFLOW.take(session, row, action, await actor_name(session), details=facts, **words)
    return await save(session, REFERRALS, row)


def _check_reason(action: str, reason_code: str | None, note: str | None) -> None:
    allowed = {
        item.code
        for item in LISTS["referral_reason_codes"].items
        if action in item.attributes["actions"]  # type: ignore[operator]
    }
    refused = reason_refusal(reason_code, allowed, note)
    if refused is not None:
        raise invalid(*refused, list="referral_reason_codes")
