"""Attaching files, giving them out, taking them back."""

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, null, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import Table, new_id, table_of
from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.attachments.prepare import Prepared
from tksk_api.domain.attachments.quota import refuse_over_quota, take_space
from tksk_api.domain.attachments.reads import ATTACHMENTS
from tksk_api.domain.attachments.rules import is_identity, keeps_place
from tksk_api.domain.attachments.schemas import AttachmentUpload, Variant
from tksk_api.domain.attachments.vault import THUMBNAIL, Sealed, Vault, new_name
from tksk_api.domain.beneficiaries.service import are_restricted, take_full_numbers, unknown_person
from tksk_api.domain.history.access import record_access
from tksk_api.domain.records import create_once, created_before, keyring_of, load
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import find_region
from tksk_api.domain.subject_keys.service import vault_of, vault_to_fill
from tksk_api.domain.users.sessions import require_fresh_proof
from tksk_api.errors import DomainError, FieldError, invalid, not_found
from tksk_api.security.frames import KEY_BYTES, subkey
from tksk_api.security.permissions import Permission, roles_with
from tksk_api.settings import Settings

DEFAULT_PURPOSE = "service"
_KEY = "attachments.key"
_TABLE = table_of(Attachment)
# Above this package: visits, activities, applications and referrals know attachments, attachments do not know them.
_OWNERS = {"beneficiary_id": "beneficiaries", "visit_id": "visits", "activity_id": "activities"}


@dataclass(frozen=True)
class Owner:
    """What a file belongs to: its region decides who sees it, its person whose access log it stands in."""

    column: str
    key: UUID
    region_code: str
    subject: UUID | None


@dataclass(frozen=True)
class OpenedFile:
    """A file about to be given out."""

    sealed: Sealed
    name: str
    media_type: str
    size: int
    etag: str


async def create(session: AsyncSession, vault: Vault, prepared: Prepared, quota: int) -> Stored:
    """Keep a prepared file: the sealed object first, then its row. The same content of the same owner is kept once.

    Raises invalid_request (unknown_reference), id_in_use, processing_restricted, attachment_quota_exceeded,
    unavailable.
    """
    owner = await _owner(session, prepared.body)
    before = await created_before(session, ATTACHMENTS, prepared.body, Attachment)
    before = before or await _same_content(session, owner, prepared)
    if before is not None:
        return before
    await refuse_over_quota(session, owner.region_code, prepared.all_bytes, quota)
    file_key = secrets.token_bytes(KEY_BYTES)
    row = await _row(session, owner, prepared, file_key)
    async with _kept(vault, file_key, row, prepared):
        await take_space(session, owner.region_code, prepared.all_bytes, quota)
        return await create_once(session, ATTACHMENTS, prepared.body, Attachment, lambda: row)


async def withdraw(session: AsyncSession, key: UUID, version: int) -> None:
    """Take a file back; the sweep removes it when the time of its kind is over, until then it can be restored.

    Raises attachment_in_use while it is evidence of something submitted or completed.
    """
    row = await load(session, Attachment, key, version, lock=True)
    in_use = select(func.app.attachment_in_use(row.id, row.beneficiary_id, row.region_code))
    if (await (await session.connection()).execute(in_use)).scalar():
        raise DomainError("attachment_in_use")
    row.deleted_at = datetime.now(UTC)
    await session.flush()


async def open_file(session: AsyncSession, key: UUID, variant: Variant, purpose: str, settings: Settings) -> OpenedFile:
    """A file to give out, after recording who reads it and what for (UU 27/2022 Pasal 31).

    An identity document shows a full NIK, so it needs the permission to reveal one and a fresh proof of identity, and
    counts as revealing one. Raises permission_denied, step_up_required, processing_restricted,
    too_many_requests, not_found, invalid_request.
    """
    if purpose != DEFAULT_PURPOSE and purpose not in codes("reveal_purposes"):
        raise invalid("/purpose", "unknown_code", list="reveal_purposes")
    row = await load(session, Attachment, key)
    if is_identity(row.kind):
        if not may_see_identity(principal_of(session).role):
            raise DomainError("permission_denied", permission=Permission.BENEFICIARY_REVEAL)
        await require_fresh_proof(session, settings.step_up_minutes * 60)
        await _refuse_restricted(session, row)
        await take_full_numbers(session, settings.reveals_per_hour)
    return await _opened(session, row, variant, purpose)


async def open_for_agency(session: AsyncSession, row: Attachment, variant: Variant, settings: Settings) -> OpenedFile:
    """A file of a referral to the caller's agency, which sees no attachments: `row` comes from `app.referral_files`.

    An identity document asks for a fresh proof of identity and counts as revealing a number here too. Raises
    processing_restricted, whatever the file; step_up_required, too_many_requests, not_found.
    """
    await _refuse_restricted(session, row)
    if is_identity(row.kind):
        await require_fresh_proof(session, settings.step_up_minutes * 60)
        await take_full_numbers(session, settings.reveals_per_hour)
    return await _opened(session, row, variant, DEFAULT_PURPOSE)


async def _opened(session: AsyncSession, row: Attachment, variant: Variant, purpose: str) -> OpenedFile:
    sealed = sealed_of(await _key_of(session, row), row, variant)
    subjects = [row.beneficiary_id] if row.beneficiary_id else []
    await record_access(session, subjects, purpose=purpose, fields=[row.kind], object_id=row.id)
    if variant == "thumbnail":
        return OpenedFile(sealed, row.name, "image/jpeg", row.thumbnail_bytes or 0, f"{row.sha256.hex()}-thumbnail")
    return OpenedFile(sealed, row.name, row.media_type, row.size_bytes, row.sha256.hex())


async def _refuse_restricted(session: AsyncSession, row: Attachment) -> None:
    """As revealing a number is refused, which the database does not see. Raises processing_restricted."""
    if row.beneficiary_id is not None and await are_restricted(session, [row.beneficiary_id]):
        raise DomainError("processing_restricted")


def may_see_identity(role: str) -> bool:
    """Whether a role may see a photo of an identity document."""
    return role in roles_with(Permission.BENEFICIARY_REVEAL)


def sealed_of(key: bytes, row: Attachment, variant: Variant) -> Sealed:
    """Where a variant lies and how it is opened by the file's key. Raises not_found when there is none."""
    if variant == "thumbnail" and row.thumbnail_bytes is None:
        raise not_found()
    name = row.object_name + (THUMBNAIL if variant == "thumbnail" else "")
    digest = bytes(row.sha256) if variant == "original" else None
    return Sealed(name, subkey(key, variant), f"{row.id}|{variant}", digest)


async def link_errors(
    session: AsyncSession,
    ids: Sequence[UUID],
    people: Collection[UUID],
    *,
    of: UUID | None = None,
    kept: Collection[UUID] = (),
) -> list[FieldError]:
    """What is wrong with the entries of `attachment_ids` (see `_existing`): unknown_reference, duplicate_entry.

    What the row `kept` already may stay, whatever became of it.
    """
    known = {*kept, *await _existing(session, set(ids).difference(kept), people, of=of)}
    errors = []
    for index, key in enumerate(ids):
        if key not in known:
            errors.append(FieldError(f"/attachment_ids/{index}", "unknown_reference"))
        elif key in ids[:index]:
            errors.append(FieldError(f"/attachment_ids/{index}", "duplicate_entry"))
    return errors


async def check_documents(session: AsyncSession, ids: Sequence[UUID | None], person: UUID) -> None:
    """Documents name attachments of their person; one scan may hold several.

    Raises invalid_request (unknown_reference), e.g. at /documents/0/attachment_id.
    """
    known = await _existing(session, {key for key in ids if key is not None}, [person])
    unknown = [index for index, key in enumerate(ids) if key is not None and key not in known]
    if unknown:
        errors = [FieldError(f"/documents/{index}/attachment_id", "unknown_reference") for index in unknown]
        raise DomainError("invalid_request", errors=errors)


async def check_attachment(session: AsyncSession, key: UUID, person: UUID, pointer: str) -> Attachment:
    """The attachment of this person that an id in a body names, kept from deletion until the commit.

    Raises invalid_request (unknown_reference) at `pointer`.
    """
    if not await _existing(session, [key], [person]):
        raise invalid(pointer, "unknown_reference")
    return await load(session, Attachment, key)


async def content_of(session: AsyncSession, vault: Vault, row: Attachment, variant: Variant = "original") -> bytes:
    """The whole file, for the system to look at. Raises not_found, content_damaged, unavailable."""
    sealed = sealed_of(await _key_of(session, row), row, variant)
    return b"".join([part async for part in vault.read(sealed)])


async def _existing(
    session: AsyncSession, ids: Collection[UUID], people: Collection[UUID], *, of: UUID | None = None
) -> set[UUID]:
    """Those of the ids that are attachments of these people, or of the visit or activity `of`, in the caller's area.

    They stay locked against deletion until the commit, so that nothing submitted refers to what was just taken back.
    """
    if not ids:
        return set()
    rows = select(Attachment).where(Attachment.id.in_(ids), Attachment.deleted_at.is_(None))  # type: ignore[attr-defined, union-attr]
    found = (await session.execute(rows.with_for_update(read=True))).scalars()
    return {
        row.id
        for row in found
        if row.beneficiary_id in people or (of is not None and of in (row.visit_id, row.activity_id))
    }


async def _owner(session: AsyncSession, body: AttachmentUpload) -> Owner:
    """Raises invalid_request (unknown_reference); missing and out of scope look alike."""
    column = next(name for name in _OWNERS if getattr(body, name) is not None)
    key: UUID = getattr(body, column)
    table = Table.metadata.tables[_OWNERS[column]]
    subjects = {"beneficiary_id": "id", "visit_id": "beneficiary_id"}  # an activity's photo is about nobody
    subject: ColumnElement[Any] = table.c[subjects[column]] if column in subjects else null()
    found = select(table.c.region_code, subject.label("subject")).where(
        table.c.id == key, scope_of(session).predicate(table)
    )
    if "deleted_at" in table.c:
        found = found.where(table.c.deleted_at.is_(None))
    row = (await (await session.connection()).execute(found)).first()
    if row is None:
        raise DomainError("invalid_request", errors=[await unknown_person(session, key, f"/{column}")])
    return Owner(column, key, row.region_code, row.subject)


async def _same_content(session: AsyncSession, owner: Owner, prepared: Prepared) -> Stored | None:
    """The row that holds these bytes already, for the same owner and kind; an equal upload at this moment waits."""
    connection = await session.connection()
    place = f"{owner.key}|{prepared.body.kind}|{prepared.sha256.hex()}"
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:place, 0))"), {"place": place})
    same = select(_TABLE.c.id).where(
        _TABLE.c[owner.column] == owner.key,
        _TABLE.c.kind == prepared.body.kind,
        _TABLE.c.sha256 == prepared.sha256,
        _TABLE.c.deleted_at.is_(None),
    )
    if owner.column == "beneficiary_id":
        same = same.where(_TABLE.c.visit_id.is_(None))
    found = (await connection.execute(same.limit(1))).scalar()
    return await ATTACHMENTS.stored(session, found) if found is not None else None


async def _key_of(session: AsyncSession, row: Attachment) -> bytes:
    """The file's key, opened by its person's own, or by the master key where it is about nobody. Raises not_found."""
    if row.key_cipher is None:
        raise not_found()
    purpose, bound, sealed = _KEY, str(row.id), bytes(row.key_cipher)
    if row.beneficiary_id is None:
        return keyring_of(session).decrypt(purpose, bound, sealed)
    return (await vault_of(session, row.beneficiary_id)).open(purpose, bound, sealed)


async def _sealed_key(session: AsyncSession, subject: UUID | None, row: UUID, key: bytes) -> bytes:
    if subject is None:
        return keyring_of(session).encrypt(_KEY, str(row), key)
    return (await vault_to_fill(session, subject)).seal(_KEY, str(row), key)


async def _row(session: AsyncSession, owner: Owner, prepared: Prepared, file_key: bytes) -> Attachment:
    key = prepared.body.id or new_id()
    seen = prepared.inspected
    owners: dict[str, Any] = {"beneficiary_id": owner.subject, owner.column: owner.key}
    place = await _place(session, owner, prepared) if keeps_place(prepared.body.kind) else {}
    return Attachment(
        id=key,
        region_code=owner.region_code,
        kind=prepared.body.kind,
        name=prepared.name,
        media_type=seen.media_type,
        size_bytes=prepared.content_bytes,
        thumbnail_bytes=prepared.thumbnail_bytes,
        sha256=prepared.sha256,
        width=seen.width,
        height=seen.height,
        pages=seen.pages,
        object_name=new_name(),
        key_cipher=await _sealed_key(session, owner.subject, key, file_key),
        **owners,
        **place,
    )


async def _place(session: AsyncSession, owner: Owner, prepared: Prepared) -> dict[str, Any]:
    """Where and when the picture was taken; a camera that does not know its zone keeps the local time of the place."""
    seen = prepared.inspected
    moment = seen.taken_at
    if moment is not None and moment.tzinfo is None:
        province = await find_region(session, owner.region_code[:2])
        assert province is not None
        moment = moment.replace(tzinfo=ZoneInfo(province.timezone))
    return {"latitude": seen.latitude, "longitude": seen.longitude, "taken_at": moment}


@asynccontextmanager
async def _kept(vault: Vault, key: bytes, row: Attachment, prepared: Prepared) -> AsyncIterator[None]:
    """The sealed objects lie in the vault while the block writes their row; if it fails they are removed again.

    What a crash or a failed commit leaves behind is removed by the sweep.
    """
    original = sealed_of(key, row, "original")
    names = [original.name]
    try:
        await vault.put(original, prepared.content)
        if prepared.thumbnail is not None:
            small = sealed_of(key, row, "thumbnail")
            names.append(small.name)
            await vault.put(small, prepared.thumbnail)
        yield
    except BaseException:
        with suppress(DomainError):
            await vault.delete(names)
        raise
