"""Deciding about two records: not one person, one person, and taking that back. See docs/decisions/0013-merge.md."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.hints import renewed_warnings
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.domain.beneficiaries.service import (
    NIK_IS_UNIQUE,
    are_restricted,
    full_nik,
    open_card,
    open_nik,
    seal_card,
    seal_nik,
)
from tksk_api.domain.duplicates.models import DuplicateCandidate, Merge
from tksk_api.domain.duplicates.reads import DUPLICATES
from tksk_api.domain.duplicates.rules import check_people, check_taken, check_undo
from tksk_api.domain.duplicates.schemas import Dismissal, DuplicateStatus, Merging, Reopening, Unmerging
from tksk_api.domain.history.reasons import give_reason
from tksk_api.domain.records import load, save
from tksk_api.domain.regions.service import find_region
from tksk_api.domain.subject_keys.service import vault_of, vault_to_fill
from tksk_api.errors import DomainError, invalid, not_found
from tksk_api.security.vault import Vault

_SEALED = text("SELECT * FROM app.sealed_for(:person)")
_SEAL_AGAIN = text("SELECT app.seal_again(:person, :in_table, :in_column, :id, :sealed)")
# What can be done about a pair; one that was merged is divided by `unmerge`.
_ACTIONS = {"open": ["dismiss"], "dismissed": ["reopen"], "merged": []}
_ABOUT_NIK = ("nik_status", "nik_verified_at", "nik_verified_by", "nik_verified_document")
# Constraint -> the list of a person's records that can hold only one running.
_ONLY_ONE = {
    "uq_sktm_applications_running": "sktm_applications",
    "uq_family_members_person": "family_members",
    "uq_family_members_head": "family_members",
    "uq_ppks_assessments_person": "ppks_assessments",
    "uq_proposals_open": "proposals",
}


async def dismiss(session: AsyncSession, key: UUID, version: int, body: Dismissal) -> Stored:
    """Two different people. Only who sees both can know; they are not proposed again.

    Raises duplicate_elsewhere, processing_restricted, transition_refused, stale_version, not_found.
    """
    row = await _pair(session, key, version, "open")
    row.decided_at, row.decided_by = datetime.now(UTC), principal_of(session).user_id
    row.status, row.reason = "dismissed", body.reason
    await give_reason(session, body.reason)
    return await save(session, DUPLICATES, row)


async def reopen(session: AsyncSession, key: UUID, version: int, body: Reopening) -> Stored:
    """Look at the pair again. Raises what `dismiss` raises, and conflict when one of them is registered no longer."""
    row = await _pair(session, key, version, "dismissed")
    people = select(Beneficiary.id).where(Beneficiary.id.in_(row.beneficiary_ids), Beneficiary.deleted_at.is_(None))  # type: ignore[attr-defined, union-attr, call-overload]
    if len((await session.execute(people)).all()) < len(row.beneficiary_ids):
        raise DomainError("conflict")
    row.decided_at = row.decided_by = row.reason = None
    row.status = "open"
    await give_reason(session, body.reason)
    return await save(session, DUPLICATES, row)


async def _pair(session: AsyncSession, key: UUID, version: int, status: DuplicateStatus) -> DuplicateCandidate:
    row = await load(session, DuplicateCandidate, key, version, lock=True)
    for region in (row.region_code, row.other_region_code):
        if not scope_of(session).contains(region):
            raise DomainError("duplicate_elsewhere", office=await _office(session, region))
    if await are_restricted(session, row.beneficiary_ids):
        raise DomainError("processing_restricted")
    if row.status != status:
        raise DomainError("transition_refused", state=row.status, allowed_actions=_ACTIONS[row.status])
    return row


async def merge(session: AsyncSession, key: UUID, version: int, body: Merging) -> Stored:
    """The record `key` was a second one of the person `into_id`: all that names it names the other from now on.

    What is sealed for the one is sealed anew for the other, in this transaction. Answers with the record that stands.
    Raises invalid_request (same_person, unknown_reference; see `check_taken`), merged, stale_version, merge_conflict,
    not_found, and what `check_people` raises.
    """
    if key == body.into_id:
        raise invalid("/into_id", "same_person")
    rows = await _locked(session, key, body.into_id)
    goes, stays = rows.get(key), rows.get(body.into_id)
    if goes is None or (goes.deleted_at is not None and goes.merged_into is None):
        raise not_found()
    _refuse_merged(goes)
    if goes.version != version:
        raise DomainError("stale_version", current_version=goes.version)
    if stays is None or (stays.deleted_at is not None and stays.merged_into is None):
        raise invalid("/into_id", "unknown_reference")
    _refuse_merged(stays)
    check_people(goes, stays)
    check_taken(body.take, goes, stays)
    await give_reason(session, body.reason)
    before, after = await vault_of(session, goes.id), await vault_to_fill(session, stays.id)
    sealed = await _sealed_for(session, goes.id)
    taken = func.app.merge_person(new_id(), goes.id, stays.id, body.reason, literal(dict.fromkeys(body.take), JSONB))
    await _carried_out(session, taken)
    await _seal_again(session, sealed, before, after)
    await session.refresh(stays)
    _take(body.take, goes, stays, before, after)
    await _renew_warnings(session, stays)
    await session.flush()
    return await BENEFICIARIES.stored(session, key)


async def unmerge(session: AsyncSession, key: UUID, version: int, body: Unmerging) -> Stored:
    """They were two people after all: what was moved goes back, what was written since stays. `version` is that of the
    record that stands.

    Raises not_merged, unmerge_too_late, unmerge_nik_taken, duplicate_elsewhere when the record that would come back
    lies outside the caller's area, processing_restricted, stale_version, conflict, not_found.
    """
    found = await session.get(Beneficiary, key)
    if found is None or (found.deleted_at is not None and found.merged_into is None):
        raise not_found()
    if found.merged_into is None:
        raise DomainError("not_merged")
    rows = await _locked(session, key, found.merged_into)
    goes, stands = rows.get(key), rows.get(found.merged_into)
    if goes is None or stands is None or goes.merged_into != stands.id:
        raise DomainError("conflict")  # somebody else was faster
    if stands.version != version:
        raise DomainError("stale_version", current_version=stands.version)
    query: Any = select(Merge).where(Merge.merged_id == key, Merge.undone_at.is_(None))  # type: ignore[arg-type, union-attr]
    undone: Merge = (await session.execute(query)).scalars().one()
    check_undo(undone.created_at, datetime.now(UTC))
    if stands.restricted_at is not None:
        raise DomainError("processing_restricted")
    if not scope_of(session).contains(undone.from_region):
        raise DomainError("duplicate_elsewhere", office=await _office(session, undone.from_region))
    await give_reason(session, body.reason)
    before, after = await vault_of(session, stands.id), await vault_to_fill(session, key)
    await _carried_out(session, func.app.unmerge_person(undone.id, body.reason))
    await _seal_again(session, await _sealed_for(session, key), before, after)
    for row in (goes, stands):
        await session.refresh(row)
        await _renew_warnings(session, row)
    await session.flush()
    return await BENEFICIARIES.stored(session, key)


def _refuse_merged(row: Beneficiary) -> None:
    if row.merged_into is not None:
        raise DomainError("merged", merged_into=row.merged_into)


async def _locked(session: AsyncSession, *keys: UUID) -> dict[UUID, Beneficiary]:
    """The rows, whatever became of them, locked in the order of their ids: two merges of one pair take turns."""
    query = select(Beneficiary).where(Beneficiary.id.in_(keys)).order_by(Beneficiary.id)  # type: ignore[attr-defined, arg-type]
    locked = query.with_for_update().execution_options(populate_existing=True)
    return {row.id: row for row in (await session.execute(locked)).scalars()}


async def _carried_out(session: AsyncSession, call: Any) -> None:
    """Raises merge_conflict, unmerge_nik_taken, not_found."""
    try:
        done = (await (await session.connection()).execute(select(call))).scalar()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "__cause__", None), "constraint_name", None)
        if name == NIK_IS_UNIQUE:
            raise DomainError("unmerge_nik_taken") from error
        if name in _ONLY_ONE:
            raise DomainError("merge_conflict", records=_ONLY_ONE[name]) from error
        raise
    if not done:
        raise not_found()


async def _sealed_for(session: AsyncSession, person: UUID) -> Sequence[Any]:
    return (await (await session.connection()).execute(_SEALED, {"person": person})).all()


async def _seal_again(session: AsyncSession, rows: Sequence[Any], before: Vault, after: Vault) -> None:
    """Under the key of the person whose they are now: what erases one person never depends on another's key."""
    again = [
        {
            "person": UUID(after.subject),
            **{name: getattr(row, name) for name in ("in_table", "in_column", "id")},
            "sealed": after.seal(row.purpose, str(row.id), before.open(row.purpose, str(row.id), bytes(row.sealed))),
        }
        for row in rows
    ]
    if again:
        await (await session.connection()).execute(_SEAL_AGAIN, again)


def _take(take: Sequence[str], goes: Beneficiary, stays: Beneficiary, before: Vault, after: Vault) -> None:
    for field in take:
        if field == "nik":
            seal_nik(after, stays, open_nik(before, goes))
            for column in _ABOUT_NIK:
                setattr(stays, column, getattr(goes, column))
        elif field == "family_card_number":
            seal_card(after, stays, open_card(before, goes))
        else:
            setattr(stays, field, getattr(goes, field))


async def _renew_warnings(session: AsyncSession, row: Beneficiary) -> None:
    region = await find_region(session, row.region_code or "")
    if region is not None:
        row.warnings = await renewed_warnings(session, row, await full_nik(session, row), region)


async def _office(session: AsyncSession, region_code: str | None) -> str:
    asked = select(func.app.office_of(region_code))
    return str((await (await session.connection()).execute(asked)).scalar_one())
