"""Adding kinds of activity, renaming and retiring them, and finding the one that a body names."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.scope import NATION
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.activity_kinds.models import ActivityKind
from tksk_api.domain.activity_kinds.reads import ACTIVITY_KINDS
from tksk_api.domain.activity_kinds.rules import check_span
from tksk_api.domain.activity_kinds.schemas import ActivityKindCreate, ActivityKindUpdate
from tksk_api.domain.records import create_once, load, patched, refuse_null, save
from tksk_api.domain.regions.service import require_region
from tksk_api.errors import DomainError, invalid
from tksk_api.security.permissions import Permission


async def create(session: AsyncSession, body: ActivityKindCreate) -> Stored:
    """A kind of the caller's own region, or of the nation for the ministry.

    Raises invalid_request (outside_scope, unknown_region, region_level, before_start), kind_exists, id_in_use.
    """
    if not scope_of(session).contains(body.region_code):
        raise invalid("/region_code", "outside_scope")
    if body.region_code is not None:
        region = await require_region(session, body.region_code, "/region_code")
        if region.level not in ("province", "regency"):
            raise invalid("/region_code", "region_level", level="regency")
    check_span(body.valid_from, body.valid_until)
    given = body.model_dump(exclude={"id"})
    return await create_once(session, ACTIVITY_KINDS, body, ActivityKind, lambda: ActivityKind(id=new_id(), **given))


async def update(session: AsyncSession, key: UUID, version: int, patch: ActivityKindUpdate) -> Stored:
    """Rename a kind or say when it holds; every office sees the others' kinds, so refusing them is no secret.

    Raises permission_denied, invalid_request, stale_version, not_found.
    """
    row = await load(session, ActivityKind, key, version)
    if not scope_of(session).contains(row.region_code):
        raise DomainError(
            "permission_denied", permission=f"{Permission.ACTIVITY_KIND_WRITE} ({row.region_code or NATION})"
        )
    refuse_null(patch, "label_id", "label_en", "function")
    for name, value in patched(patch).items():
        setattr(row, name, value)
    check_span(row.valid_from, row.valid_until)
    return await save(session, ACTIVITY_KINDS, row)


async def find(session: AsyncSession, code: str) -> ActivityKind | None:
    """The kind with this code, whether it still holds or not."""
    return (await session.execute(select(ActivityKind).where(ActivityKind.code == code))).scalars().first()  # type: ignore[arg-type]
