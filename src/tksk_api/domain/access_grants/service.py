"""Breaking the glass: reading one person outside one's own area, for a while, with a reason, in the open.

DHIS2 grants such access for three hours and audits it; the person's own office sees the grant at once and may end it.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import NEWEST_FIRST, ReadPool, Resource, Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.access_grants.models import AccessGrant
from tksk_api.domain.access_grants.schemas import AccessGrantCreate, AccessGrantRead, Existence
from tksk_api.domain.beneficiaries.service import EXISTS, are_restricted, find_anywhere
from tksk_api.domain.history.access import record_access, record_refusal
from tksk_api.domain.limits.service import take_apart, take_strictly
from tksk_api.domain.records import load, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import find_region, office_name
from tksk_api.errors import DomainError, invalid, not_found

HOURS = 3
_DAY, _HOUR = 86_400, 3600
_TABLE = table_of(AccessGrant)

ACCESS_GRANTS = Resource(
    schema=AccessGrantRead,
    table=_TABLE,
    columns={"user_name": func.app.user_name(_TABLE.c.user_id)},
    subject="beneficiary_id",
    filters={
        "beneficiary_id": lambda value: _TABLE.c.beneficiary_id == value,
        "user_id": lambda value: _TABLE.c.user_id == value,
    },
    sorts={"-created_at": NEWEST_FIRST},
)


async def exists(session: AsyncSession, nik: str, per_hour: int) -> Existence:
    """Whether anybody with this NIK is registered, and the office that keeps them; asked and answered on record.

    Raises too_many_requests: the answers would otherwise tell who in a list of numbers is poor.
    """
    await take_strictly(session, EXISTS, per_hour, _HOUR)
    found = await find_anywhere(session, nik)
    await record_access(session, [found.id] if found else [], purpose="duplicate_check", action="exists")
    return Existence(exists=found is not None, office=await _office(session, found.region_code) if found else None)


async def create(session: AsyncSession, pool: ReadPool, body: AccessGrantCreate, per_day: int) -> Stored:
    """Let the caller read one person outside their area for three hours.

    Raises not_found, invalid_request (unknown_code, already_visible), processing_restricted or too_many_requests.
    """
    if body.reason_code not in codes("access_grant_reasons"):
        raise invalid("/reason_code", "unknown_code", list="access_grant_reasons")
    await take_apart(session, pool, "access_grants", per_day, _DAY)
    found = await find_anywhere(session, body.nik)
    if found is None:
        raise not_found()
    if found.inside:
        raise invalid("/nik", "already_visible")
    if await are_restricted(session, [found.id]):
        await record_refusal(session, "refused", "exists", None, [found.id])
        raise DomainError("processing_restricted")
    key = new_id()
    grant = func.app.break_glass(key, found.id, body.reason_code, body.reason, HOURS * _HOUR)
    await (await session.connection()).execute(select(grant))
    return await ACCESS_GRANTS.stored(session, key, created=True)


async def revoke(session: AsyncSession, key: UUID, version: int) -> Stored:
    """End a grant for a person of the caller's area; the next read of the grantee is refused."""
    grant = await load(session, AccessGrant, key, version)
    if grant.revoked_at is None:
        grant.revoked_at = datetime.now(UTC)
        grant.revoked_by = principal_of(session).user_id
    return await save(session, ACCESS_GRANTS, grant)


async def end_all(session: AsyncSession, beneficiary_id: UUID) -> None:
    """End every grant that runs for a person of the caller's area."""
    running = (
        _TABLE.c.beneficiary_id == beneficiary_id,
        _TABLE.c.revoked_at.is_(None),
        _TABLE.c.expires_at > func.now(),
    )
    ended = {"revoked_at": func.now(), "revoked_by": principal_of(session).user_id}
    await (await session.connection()).execute(update(_TABLE).where(*running).values(ended))


async def _office(session: AsyncSession, region_code: str) -> str:
    region = await find_region(session, region_code[:5])
    return f"Dinas Sosial {office_name(region)}" if region is not None else "Dinas Sosial"
