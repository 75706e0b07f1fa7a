"""Noting what other papers call a person; the register's own name is not changed by it."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.hints import renewed_warnings
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import full_nik
from tksk_api.domain.document_names.models import DocumentName
from tksk_api.domain.document_names.reads import DOCUMENT_NAMES
from tksk_api.domain.document_names.schemas import DocumentNameCreate
from tksk_api.domain.records import create_once, load, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.errors import DomainError, invalid


async def create(session: AsyncSession, person_key: UUID, body: DocumentNameCreate) -> Stored:
    """Note a name; the person is warned of where it differs (DOMAIN §3.4: a common case, "Beda Identitas KIS").

    Raises not_found, invalid_request (unknown_code, in_future), id_in_use.
    """
    person = await load(session, Beneficiary, person_key, lock=True)
    if body.document not in codes("name_documents"):
        raise invalid("/document", "unknown_code", list="name_documents")
    region = await require_region(session, person.region_code or "", "/village_code")
    today = local_today(region.timezone)
    if body.noted_on is not None and body.noted_on > today:
        raise invalid("/noted_on", "in_future")
    stored = await create_once(
        session,
        DOCUMENT_NAMES,
        body,
        DocumentName,
        lambda: DocumentName(
            id=new_id(),
            region_code=person.region_code,
            beneficiary_id=person_key,
            noted_on=body.noted_on or today,
            **body.model_dump(include={"document", "name", "note"}),
        ),
        below=person_key,
    )
    await _warn(session, person)
    return stored


async def withdraw(session: AsyncSession, key: UUID, version: int) -> Stored:
    """It was read wrongly, or the paper was corrected. The row is kept. Raises transition_refused when it is."""
    row = await load(session, DocumentName, key, version)
    if row.withdrawn_at is not None:
        raise DomainError("transition_refused", state="withdrawn", allowed_actions=[])
    person = await load(session, Beneficiary, row.beneficiary_id, lock=True)
    row.withdrawn_at = datetime.now(UTC)
    await session.flush()
    await _warn(session, person)
    return await save(session, DOCUMENT_NAMES, row)


async def _warn(session: AsyncSession, person: Beneficiary) -> None:
    region = await require_region(session, person.region_code or "", "/village_code")
    person.warnings = await renewed_warnings(session, person, await full_nik(session, person), region)
    await session.flush()
