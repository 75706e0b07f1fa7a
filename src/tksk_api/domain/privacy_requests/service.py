"""Taking in, fulfilling and refusing what people ask about their own data."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id
from tksk_api.domain.access_grants.service import end_all
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import full_nik
from tksk_api.domain.imports.service import forget_rows_of
from tksk_api.domain.privacy_requests.models import PrivacyRequest
from tksk_api.domain.privacy_requests.reads import PRIVACY_REQUESTS
from tksk_api.domain.privacy_requests.schemas import Fulfil, PrivacyRefusal, PrivacyRequestCreate
from tksk_api.domain.privacy_requests.workflow import WORKFLOW
from tksk_api.domain.records import create_once, load, load_reference
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.users.service import own_account
from tksk_api.errors import DomainError, invalid, not_found


async def create(session: AsyncSession, body: PrivacyRequestCreate) -> Stored:
    """Take in a request about a person of the caller's area. Raises invalid_request, id_in_use."""
    # Whoever merges or erases the person meanwhile is waited for: what is asked about a record that is gone is lost.
    held = select(Beneficiary).where(Beneficiary.id == body.beneficiary_id).with_for_update(read=True, key_share=True)  # type: ignore[arg-type]
    await session.execute(held.execution_options(populate_existing=True))
    person = await load_reference(session, Beneficiary, body.beneficiary_id, "/beneficiary_id")
    return await create_once(
        session,
        PRIVACY_REQUESTS,
        body,
        PrivacyRequest,
        lambda: PrivacyRequest(
            id=new_id(), region_code=person.region_code, status=WORKFLOW.initial, **body.model_dump(exclude={"id"})
        ),
    )


async def fulfil(session: AsyncSession, key: UUID, version: int, body: Fulfil) -> Stored:
    """Do what was asked, in the same transaction: restrict, lift a restriction, erase.

    For access and correction it records that the statement was given and the data corrected, which are operations of
    their own. Raises transition_refused, separation_of_duties, not_found when the person is not the caller's any
    more, and still_in_use for an erasure while an application, a valid letter, a referral or a legal hold needs them.
    """
    row = await _begin(session, key, version, "fulfil")
    person = await load(session, Beneficiary, row.beneficiary_id, lock=True)
    await _decide(session, row, "fulfil", note=body.note)
    if row.kind == "restriction":
        person.restricted_at = person.restricted_at or datetime.now(UTC)
        await end_all(session, person.id)
    elif row.kind == "lift_restriction":
        person.restricted_at = None
    await session.flush()
    if row.kind == "erasure":
        await _erase(session, row, person)
    return await PRIVACY_REQUESTS.stored(session, key)


async def refuse(session: AsyncSession, key: UUID, version: int, body: PrivacyRefusal) -> Stored:
    """Say no, with the article it rests on. Raises invalid_request, and as `fulfil`."""
    row = await _begin(session, key, version, "refuse")
    fitting = {
        item.code
        for item in LISTS["privacy_refusal_reasons"].items
        if row.kind in item.attributes["kinds"]  # type: ignore[operator]
    }
    if body.reason_code not in fitting:
        raise invalid("/reason_code", "unknown_code", list="privacy_refusal_reasons")
    await _decide(session, row, "refuse", reason_code=body.reason_code, note=body.note)
    await session.flush()
    return await PRIVACY_REQUESTS.stored(session, key)


async def _begin(session: AsyncSession, key: UUID, version: int, action: str) -> PrivacyRequest:
    row = await load(session, PrivacyRequest, key, version, lock=True)
    WORKFLOW.check(action, row.status)
    # An erasure cannot be undone: two people stand behind it, whichever way it goes.
    if row.kind == "erasure" and row.created_by == principal_of(session).user_id:
        raise DomainError("separation_of_duties")
    return row


async def _decide(
    session: AsyncSession, row: PrivacyRequest, action: str, *, note: str | None, reason_code: str | None = None
) -> None:
    row.decided_at, row.decided_by = datetime.now(UTC), principal_of(session).user_id
    row.note, row.reason_code = note, reason_code
    actor = await own_account(session)
    WORKFLOW.take(session, row, action, actor.full_name, reason_code=reason_code, note=note)


async def _erase(session: AsyncSession, row: PrivacyRequest, person: Beneficiary) -> None:
    connection = await session.connection()
    if (await connection.execute(select(func.app.still_needed(row.beneficiary_id)))).scalar():
        raise DomainError("still_in_use")
    if (nik := await full_nik(session, person)) is not None:
        await forget_rows_of(session, nik)
    erased = select(func.app.erase_subject(row.beneficiary_id, row.id, func.now()))
    if not (await connection.execute(erased)).scalar():
        raise not_found()
