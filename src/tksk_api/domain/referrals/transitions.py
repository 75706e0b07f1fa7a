"""Every step of a referral after it was drafted: sending it, the agency's answers, and taking it back.

An agency answers for itself; an officer records what an agency answered on paper, and the history says so.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.batches import Refusal, one_by_one
from tksk_api.domain.beneficiaries.identity import refuse_deceased
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.eligibility.rules import missing_documents
from tksk_api.domain.eligibility.service import documents_for
from tksk_api.domain.history.actors import actor_name
from tksk_api.domain.history.models import Transition
from tksk_api.domain.programs.service import numbered
from tksk_api.domain.records import load, load_reference, save
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.reads import REFERRALS
from tksk_api.domain.referrals.rules import (
    activation_refusal,
    appended,
    date_refusal,
    deadline_refusal,
    end_refusal,
    last_day,
    reason_refusal,
    still_requested,
)
from tksk_api.domain.referrals.schemas import (
    Activation,
    Approval,
    Cancellation,
    Decision,
    DocumentsRequest,
    DocumentsSupply,
    End,
    SubmitResult,
    SubmitResults,
    Transfer,
    Waitlisting,
)
from tksk_api.domain.referrals.service import check, check_kind, copy_person, given, today_at
from tksk_api.domain.referrals.workflow import WORKFLOW
from tksk_api.domain.suggestions import service as suggestions
from tksk_api.errors import DomainError, FieldError, Language, invalid
from tksk_api.security.permissions import Permission, Role

_Document = dict[str, Any]


async def submit(session: AsyncSession, key: UUID, version: int | None) -> Stored:
    """Send the draft; from now on the agency sees it, with the person's name as it is registered at this moment.

    Raises transition_refused, stale_version, not_found, beneficiary_deceased, requirements_missing (documents that the
    programme demands, as the faskes letter for a reactivation of PBI-JK, Permensos 3/2026 Pasal 20), and
    invalid_request when what the draft names no longer holds.
    """
    row = await _begin(session, key, version, "submit")
    person = await load_reference(session, Beneficiary, row.beneficiary_id, "/beneficiary_id")
    refuse_deceased(person)
    copy_person(row, person)
    program = await check(session, row)
    needed = await documents_for(session, program, person, await today_at(session, row))
    missing = missing_documents(needed, {document["kind"] for document in row.documents})
    if missing:
        raise DomainError("requirements_missing", missing=missing)
    row.program_version, row.submitted_at = program.number, datetime.now(UTC)
    return await _finish(session, row, "submit")


async def submit_many(session: AsyncSession, keys: Sequence[UUID], language: Language) -> SubmitResults:
    """Submit drafts, each by itself: one that is refused changes nothing and holds up none of the others.

    Raises invalid_request (duplicate_entry).
    """
    outcomes = await one_by_one(session, keys, lambda key: submit(session, key, None), language)
    return SubmitResults(items=[_result(key, outcome) for key, outcome in zip(keys, outcomes, strict=True)])


def _result(key: UUID, outcome: Stored | Refusal) -> SubmitResult:
    if isinstance(outcome, Refusal):
        return SubmitResult(id=key, status="refused", version=None, problem=outcome)
    return SubmitResult(id=key, status="submitted", version=outcome.version, problem=None)


async def transfer(session: AsyncSession, key: UUID, version: int, body: Transfer) -> Stored:
    """Send it to another agency instead, which begins anew; the first one no longer sees it.

    Raises invalid_request (same_agency, what `check` finds at /agency_id, and at /attachment_ids duplicate_entry and
    unknown_reference: no file of this referral) and as `receive`.
    """
    row = await _begin(session, key, version, "transfer")
    if body.agency_id == row.agency_id:
        raise invalid("/agency_id", "same_agency")
    row.agency_id = body.agency_id
    row.program_version = (await check(session, row)).number
    row.submitted_at, row.requested_documents = datetime.now(UTC), []
    row.reference_number = row.decided_on = row.reason_code = row.expires_on = None
    own, supplied = await _own_and_supplied(session, row)
    named = _named(body.attachment_ids, own, supplied)
    row.documents = [*own, *named]
    return await _finish(session, row, "transfer", note=body.reason, details={"documents": named} if named else None)


async def _own_and_supplied(session: AsyncSession, row: Referral) -> tuple[list[_Document], list[_Document]]:
    """The documents it was submitted with, and those that answer a request of the agency that has it."""
    steps = table_of(Transition).c
    query = (
        select(steps.action, steps.details)
        .where(
            steps.entity == WORKFLOW.entity,
            steps.entity_id == row.id,
            steps.action.in_(["supply-documents", "transfer"]),
        )
        .order_by(steps.at, steps.id)
    )
    taken = (await (await session.connection()).execute(query)).all()
    own = max(len(row.documents) - appended((action, details.get("documents", ())) for action, details in taken), 0)
    return row.documents[:own], row.documents[own:]


def _named(files: Sequence[UUID], own: Sequence[_Document], supplied: Sequence[_Document]) -> list[_Document]:
    """Of what was supplied the files that go along. Raises invalid_request (duplicate_entry, unknown_reference)."""
    wanted = [str(file) for file in files]
    if len(set(wanted)) < len(wanted):
        raise invalid("/attachment_ids", "duplicate_entry")
    anyway = {document["attachment_id"] for document in own}
    known = anyway | {document["attachment_id"] for document in supplied}
    unknown = [index for index, file in enumerate(wanted) if file not in known]
    if unknown:
        errors = [FieldError(f"/attachment_ids/{index}", "unknown_reference") for index in unknown]
        raise DomainError("invalid_request", errors=errors)
    return [document for document in supplied if document["attachment_id"] in {*wanted} - anyway]


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
    today = await today_at(session, row)
    refused = date_refusal(body.decided_on, today)
    if refused is not None:
        raise invalid("/decided_on", refused)
    _check_reason(action, body.reason_code, body.note)
    row.reference_number = body.reference_number or row.reference_number
    row.decided_on, row.reason_code = body.decided_on, body.reason_code
    details = body.model_dump(mode="json", include={"reference_number", "decided_on"})
    details |= await _set_last_day(session, row, body, today)
    return await _finish(session, row, action, reason_code=body.reason_code, note=body.note, details=details)


async def _set_last_day(session: AsyncSession, row: Referral, body: Decision, today: date) -> dict[str, str]:
    """How long the decision is good for: as the agency says, else by the version it was submitted under.

    Raises invalid_request (in_past, or missing where the programme demands that the agency says it).
    """
    row.expires_on = row.activate_by = None
    program = await numbered(session, row.program, row.program_version)
    match body:
        case Approval():
            name, said, days = "activate_by", body.activate_by, program.activation_days if program else None
            if program is not None and program.needs_activation and said is None and days is None:
                raise invalid("/activate_by", "missing")
        case Waitlisting():
            name, said, days = "expires_on", body.expires_on, program.waitlist_days if program else None
        case _:
            return {}
    refused = deadline_refusal(said, body.decided_on, today)
    if refused is not None:
        raise invalid(f"/{name}", refused)
    end = last_day(said, body.decided_on, days)
    setattr(row, name, end)
    return {} if end is None else {name: end.isoformat()}


async def activate(session: AsyncSession, key: UUID, version: int, body: Activation) -> Stored:
    """The benefit runs from a day, perhaps one to come. Raises invalid_request (deadline_passed) and as `receive`."""
    row = await _begin(session, key, version, "activate")
    refused = activation_refusal(body.active_from, row.activate_by, await today_at(session, row))
    if refused is not None:
        raise invalid("/active_from", refused, end=row.activate_by)
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


async def _begin(session: AsyncSession, key: UUID, version: int | None, action: str) -> Referral:
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
    stored = await save(session, REFERRALS, row)
    if action == "cancel":
        await suggestions.withdraw(session, "referral", row.id)
    else:
        await suggestions.from_referral(session, row, action)
    return stored


def _check_reason(action: str, reason_code: str | None, note: str | None) -> None:
    allowed = {
        item.code
        for item in LISTS["referral_reason_codes"].items
        if action in item.attributes["actions"]  # type: ignore[operator]
    }
    refused = reason_refusal(reason_code, allowed, note)
    if refused is not None:
        raise invalid(*refused, list="referral_reason_codes")
