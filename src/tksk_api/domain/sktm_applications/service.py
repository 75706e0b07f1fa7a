"""Drafting, checking and verifying applications; refusing and cancelling them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Date, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.attachments.service import check_documents
from tksk_api.domain.beneficiaries.identity import refuse_deceased
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.records import create_once, load, load_reference, patched, refuse_null, save
from tksk_api.domain.references.lists import LISTS, codes
from tksk_api.domain.sktm_applications.conditions import conditions_of
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.domain.sktm_applications.people import check_dependants, freeze_facts, people_of
from tksk_api.domain.sktm_applications.reads import SKTM_APPLICATIONS
from tksk_api.domain.sktm_applications.schemas import (
    Cancel,
    Check,
    Document,
    Refusal,
    SktmApplicationCreate,
    SktmApplicationUpdate,
    Verify,
)
from tksk_api.domain.sktm_applications.workflow import EDITABLE, WORKFLOW
from tksk_api.domain.sktm_letters.models import SktmLetter
from tksk_api.domain.sktm_letters.service import status_of
from tksk_api.domain.sktm_policies.rules import Policy
from tksk_api.domain.sktm_policies.service import policy_for
from tksk_api.domain.users.service import own_account
from tksk_api.domain.visits.models import Visit
from tksk_api.errors import DomainError, invalid


async def create(session: AsyncSession, body: SktmApplicationCreate) -> Stored:
    """A draft for a living person of the caller's area; the person's village issues the letter.

    Raises invalid_request, id_in_use, beneficiary_deceased, duplicate_application (one is already running for the same
    purpose).
    """
    person = await load_reference(session, Beneficiary, body.beneficiary_id, "/beneficiary_id")
    refuse_deceased(person)
    await check_dependants(session, body.dependants, body.beneficiary_id, person.region_code)
    await check_replaced(session, body, person.region_code)
    await refuse_repeated(session, body, body.id)
    _check_circumstances(body.circumstances)
    documents = await _documents(session, body.documents, body.beneficiary_id)
    return await create_once(
        session,
        SKTM_APPLICATIONS,
        body,
        SktmApplication,
        lambda: SktmApplication(
            id=new_id(),
            region_code=person.region_code,
            status=WORKFLOW.initial,
            documents=documents,
            **body.model_dump(exclude={"id", "documents"}),
        ),
    )


async def update(session: AsyncSession, key: UUID, version: int, patch: SktmApplicationUpdate) -> Stored:
    """Correct a draft or a returned application.

    Raises invalid_request, duplicate_application as `create`, transition_refused in any other state.
    """
    row = await load(session, SktmApplication, key, version)
    if row.status not in EDITABLE:
        raise DomainError("transition_refused", state=row.status, allowed_actions=WORKFLOW.actions_from(row.status))
    refuse_null(patch, *(SktmApplicationUpdate.model_fields.keys() - {"english"}))
    changes = patched(patch)
    if patch.dependants is not None:
        await check_dependants(session, patch.dependants, row.beneficiary_id, row.region_code)
    _check_circumstances(patch.circumstances or [])
    if patch.documents is not None:
        changes["documents"] = await _documents(session, patch.documents, row.beneficiary_id)
    for name, value in changes.items():
        setattr(row, name, value)
    if changes.keys() & {"purpose", "purpose_detail"}:
        await check_replaced(session, row, row.region_code, "/purpose")
        await refuse_repeated(session, row, row.id)
    return await save(session, SKTM_APPLICATIONS, row)


async def submit(session: AsyncSession, key: UUID, version: int) -> Stored:
    """Hand the application in: from now on the policy of this day holds for it.

    Raises invalid_request for an attachment that was taken back meanwhile (unknown_reference) or a letter to replace
    that was revoked (nothing_to_replace), duplicate_application.
    """
    row = await load(session, SktmApplication, key, version)
    WORKFLOW.check("submit", row.status)
    await people_of(session, row)
    await check_replaced(session, row, row.region_code)
    await refuse_repeated(session, row, row.id)
    await check_documents(session, [_attached(entry) for entry in row.documents], row.beneficiary_id)
    policy = await policy_for(session, row.region_code or "")
    row.policy = policy.__dict__ | {"documents": dict(policy.documents)}
    row.submitted_at = datetime.now(UTC)
    return await _step(session, row, "submit")


async def return_(session: AsyncSession, key: UUID, version: int, body: Refusal) -> Stored:
    """Give the application back for completion, saying what is missing.

    Signatures it has are taken back, as they were for what was checked before; its history keeps who gave them.
    """
    check_reason("return", body.reason_code)
    row = await load(session, SktmApplication, key, version, lock=True)
    WORKFLOW.check("return", row.status)
    await (await session.connection()).execute(select(func.app.take_back_signatures(row.id)))
    return await _step(session, row, "return", reason_code=body.reason_code, note=body.note)


async def check(session: AsyncSession, key: UUID, version: int, body: Check) -> Stored:
    """Record the look at each document. Raises requirements_missing unless every required one is ok."""
    row = await load(session, SktmApplication, key, version)
    WORKFLOW.check("check", row.status)
    looked = {entry.kind: entry for entry in body.documents}
    if len(looked) != len(body.documents):
        raise invalid("/documents", "duplicate_entry")
    _check_kinds([entry.kind for entry in body.documents])
    needed = policy_of(row).requirements(row.purpose, await conditions_of(session, row))
    missing = [item.kind for item in needed if item.kind not in looked or looked[item.kind].status != "ok"]
    if missing:
        raise DomainError("requirements_missing", missing=missing)
    brought = {entry["kind"]: entry for entry in row.documents}
    for kind, entry in looked.items():
        before = brought.get(kind, {"kind": kind, "attachment_id": None, "shown_physically": True})
        brought[kind] = {**before, "status": entry.status, "note": entry.note}
    row.documents = list(brought.values())
    row.checked_by = principal_of(session).user_id
    await freeze_facts(session, row)
    return await _step(session, row, "check")


async def verify(session: AsyncSession, key: UUID, version: int, body: Verify) -> Stored:
    """The officer vouches for the finding of a completed visit, where the region requires one.

    Raises invalid_request for a visit that is missing, not completed, to somebody else, superseded by a newer one, or
    that found the person able.
    """
    row = await load(session, SktmApplication, key, version)
    WORKFLOW.check("verify", row.status)
    if body.visit_id is not None:
        visit = await load_reference(session, Visit, body.visit_id, "/visit_id")
        if visit.beneficiary_id != row.beneficiary_id:
            raise invalid("/visit_id", "visit_other_person")
        if visit.status != "completed" or visit.outcome != "met":
            raise invalid("/visit_id", "visit_not_completed")
        if visit.finding == "not_eligible" or await _found_not_eligible_since(session, visit):
            raise invalid("/visit_id", "visit_found_not_eligible")
        if visit.superseded_by is not None:
            raise invalid("/visit_id", "visit_superseded")
        row.visit_id = visit.id
    elif policy_of(row).needs_visit(row.purpose):
        raise invalid("/visit_id", "missing")
    row.recommendation = body.recommendation
    row.verified_by = principal_of(session).user_id
    await freeze_facts(session, row)
    return await _step(session, row, "verify", note=body.recommendation)


async def reject(session: AsyncSession, key: UUID, version: int, body: Refusal) -> Stored:
    """Refuse for good, with a reason the applicant can be told."""
    check_reason("reject", body.reason_code)
    row = await load(session, SktmApplication, key, version)
    return await _step(session, row, "reject", reason_code=body.reason_code, note=body.note)


async def cancel(session: AsyncSession, key: UUID, version: int, body: Cancel) -> Stored:
    """Withdraw an application before it is issued: by whoever created it, or the district's officer."""
    row = await load(session, SktmApplication, key, version)
    principal = principal_of(session)
    if principal.role != "tksk" and row.created_by != principal.user_id:
        raise DomainError("permission_denied", permission="sktm:cancel (own)")
    return await _step(session, row, "cancel", note=body.note)


async def collect(session: AsyncSession, key: UUID, version: int) -> Stored:
    """The letter was handed over.

    Raises letter_not_valid for one that was replaced or has expired, scan_missing while one signed by hand waits for
    its scan.
    """
    row = await load(session, SktmApplication, key, version)
    WORKFLOW.check("collect", row.status)
    status = await status_of(session, row.id)
    if status in ("superseded", "expired"):
        raise DomainError("letter_not_valid", letter_status=status)
    if status == "not_yet_valid":
        raise DomainError("scan_missing")
    return await _step(session, row, "collect")


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the application is not the caller's to see."""
    await reader.one(SKTM_APPLICATIONS, key)


def policy_of(row: SktmApplication) -> Policy:
    """The policy the application was submitted under."""
    assert row.policy is not None
    return Policy(**row.policy)


async def _found_not_eligible_since(session: AsyncSession, visit: Visit) -> bool:
    visits = table_of(Visit).c
    later = select(visits.id).where(
        visits.beneficiary_id == visit.beneficiary_id,
        visits.finding == "not_eligible",
        visits.visited_on >= visit.visited_on,
        visits.id != visit.id,
    )
    return (await (await session.connection()).execute(later.limit(1))).first() is not None


async def check_replaced(
    session: AsyncSession,
    asked: SktmApplicationCreate | SktmApplication,
    village_code: str | None,
    pointer: str = "/replaces_id",
) -> None:
    """A letter can take the place of one for the same person and purpose, from the same village.

    Only the officer says so: a newer letter for the same purpose may be for another child. That one letter is replaced
    by two is refused by a unique index. Asked again at each signature and at the scan of one signed by hand, for it may
    be revoked meanwhile; from here to the commit it cannot be. Raises invalid_request.
    """
    if asked.replaces_id is None:
        return
    old = await load_reference(session, SktmApplication, asked.replaces_id, pointer)
    if old.beneficiary_id != asked.beneficiary_id:
        raise invalid(pointer, "application_other_person")
    letters = table_of(SktmLetter).c
    in_force = select(letters.id).where(
        letters.application_id == old.id, letters.revoked_at.is_(None), letters.superseded_at.is_(None)
    )
    held = in_force.with_for_update(key_share=True)
    is_there = (await (await session.connection()).execute(held)).first() is not None
    if not is_there or old.purpose != asked.purpose or old.region_code != village_code:
        raise invalid(pointer, "nothing_to_replace")


async def refuse_repeated(
    session: AsyncSession, asked: SktmApplicationCreate | SktmApplication, own: UUID | None
) -> None:
    """Raises duplicate_application for a letter in force for the same purpose and detail, but for `own` and the one
    replaced. Running applications are refused by a unique index.

    Asked again at each signature: what was drafted, corrected or merged at the same moment is seen there at the latest.
    """
    applications, letters = table_of(SktmApplication).c, table_of(SktmLetter).c
    same = select(letters.id).where(
        letters.application_id == applications.id,
        applications.beneficiary_id == asked.beneficiary_id,
        applications.purpose == asked.purpose,
        func.app.same_words(applications.purpose_detail) == func.app.same_words(asked.purpose_detail),
        letters.revoked_at.is_(None),
        letters.superseded_at.is_(None),
        letters.valid_until >= cast(func.timezone(letters.timezone, func.now()), Date),
    )
    for key in (own, asked.replaces_id):
        if key is not None:
            same = same.where(applications.id != key)
    if (await (await session.connection()).execute(same.limit(1))).first() is not None:
        raise DomainError("duplicate_application")


async def _step(session: AsyncSession, row: SktmApplication, action: str, **why: Any) -> Stored:
    WORKFLOW.take(session, row, action, (await own_account(session)).full_name, **why)
    return await save(session, SKTM_APPLICATIONS, row)


def check_reason(action: str, code: str) -> None:
    fitting = [item.code for item in LISTS["reason_codes"].items if action in item.attributes["actions"]]  # type: ignore[operator]
    if code not in fitting:
        raise invalid("/reason_code", "unknown_code", list="reason_codes")


def _check_circumstances(stated: Sequence[str]) -> None:
    fitting = [item.code for item in LISTS["document_conditions"].items if item.attributes["stated"]]
    for index, code in enumerate(stated):
        if code not in fitting:
            raise invalid(f"/circumstances/{index}", "unknown_code", list="document_conditions")
    if len(set(stated)) != len(stated):
        raise invalid("/circumstances", "duplicate_entry")


def _check_kinds(kinds: Sequence[str]) -> None:
    for index, kind in enumerate(kinds):
        if kind not in codes("document_kinds"):
            raise invalid(f"/documents/{index}/kind", "unknown_code", list="document_kinds")


async def _documents(session: AsyncSession, documents: Sequence[Document], person: UUID) -> list[dict[str, Any]]:
    _check_kinds([document.kind for document in documents])
    if len({document.kind for document in documents}) != len(documents):
        raise invalid("/documents", "duplicate_entry")
    await check_documents(session, [document.attachment_id for document in documents], person)
    return [{**document.model_dump(mode="json"), "status": None, "note": None} for document in documents]


def _attached(entry: dict[str, Any]) -> UUID | None:
    return UUID(entry["attachment_id"]) if entry.get("attachment_id") else None
