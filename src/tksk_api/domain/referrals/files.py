"""The files of a referral, for the agency that has it: they and nothing else of the person."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.attachments.schemas import Variant
from tksk_api.domain.attachments.service import OpenedFile, open_for_agency
from tksk_api.domain.history.access import record_access
from tksk_api.domain.records import load
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.workflow import OVER
from tksk_api.errors import not_found
from tksk_api.settings import Settings

# What the agency may open is decided there, for both ways of asking.
_FILES = text("SELECT * FROM app.referral_files(CAST(:referral AS uuid))")


async def files_of(session: AsyncSession, key: UUID) -> list[tuple[str, Attachment]]:
    """The documents of a referral that are files, each with its kind; recorded.

    Raises not_found for a referral that is not with the caller's agency, or is over: its purpose is served.
    """
    row = await load(session, Referral, key)
    if row.status in OVER:
        raise not_found()
    await record_access(session, [row.beneficiary_id], purpose="service", fields=["documents"], object_id=row.id)
    known = await _files(session, key)
    named = [(entry["kind"], entry.get("attachment_id")) for entry in row.documents]
    return [(kind, known[UUID(file)]) for kind, file in named if file is not None and UUID(file) in known]


async def open_file(
    session: AsyncSession, key: UUID, attachment_id: UUID, variant: Variant, settings: Settings
) -> OpenedFile:
    """One of them to give out; recorded. Raises not_found and what `open_for_agency` raises."""
    row = (await _files(session, key)).get(attachment_id)
    if row is None:
        raise not_found()
    return await open_for_agency(session, row, variant, settings)


async def _files(session: AsyncSession, key: UUID) -> dict[UUID, Attachment]:
    rows = (await (await session.connection()).execute(_FILES, {"referral": key})).mappings()
    return {row["id"]: Attachment(**row) for row in rows}
