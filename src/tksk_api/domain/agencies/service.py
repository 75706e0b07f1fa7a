"""Maintaining the directory of agencies."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.scope import NATION
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.agencies.reads import AGENCIES
from tksk_api.domain.agencies.schemas import AgencyCreate, AgencyUpdate
from tksk_api.domain.programs.service import require_known
from tksk_api.domain.records import create_once, load, patched, refuse_null, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import require_region
from tksk_api.errors import DomainError, invalid
from tksk_api.security.permissions import Permission


async def create(session: AsyncSession, body: AgencyCreate) -> Stored:
    """List an office of the caller's area; without a region it serves the nation, which only national callers may say.

    Raises invalid_request (outside_scope, unknown_region, unknown_code) and id_in_use.
    """
    await _check_place(session, body.region_code)
    _check_kind(body.kind)
    await require_known(session, body.programs, "/programs")
    return await create_once(
        session, AGENCIES, body, Agency, lambda: Agency(id=new_id(), **body.model_dump(exclude={"id"}))
    )


async def update(session: AsyncSession, key: UUID, version: int, patch: AgencyUpdate) -> Stored:
    """Change an office of the caller's area; everybody sees the others, so refusing them is no secret.

    Raises permission_denied, invalid_request as `create`, stale_version, not_found.
    """
    row = await load(session, Agency, key, version)
    if not scope_of(session).contains(row.region_code):
        raise DomainError("permission_denied", permission=f"{Permission.AGENCY_WRITE} ({row.region_code or NATION})")
    refuse_null(patch, "name", "kind", "programs", "is_active")
    changes = patched(patch)
    if "region_code" in changes:
        await _check_place(session, changes["region_code"])
    _check_kind(changes.get("kind", row.kind))
    await require_known(session, changes.get("programs", ()), "/programs")
    for name, value in changes.items():
        setattr(row, name, value)
    return await save(session, AGENCIES, row)


async def _check_place(session: AsyncSession, region_code: str | None) -> None:
    if not scope_of(session).contains(region_code):
        raise invalid("/region_code", "outside_scope")
    if region_code is not None:
        await require_region(session, region_code, "/region_code")


def _check_kind(kind: str) -> None:
    if kind not in codes("agency_kinds"):
        raise invalid("/kind", "unknown_code", list="agency_kinds")
