"""Maintaining the directory of social partners, and naming them in other records."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.partners.models import Partner
from tksk_api.domain.partners.reads import PARTNERS, TABLE
from tksk_api.domain.partners.rules import check_codes, check_end, legal_entity_of, unit_of
from tksk_api.domain.partners.schemas import PartnerCreate, PartnerUpdate
from tksk_api.domain.programs.service import require_known
from tksk_api.domain.records import create_once, load, patched, refuse_null, save
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.errors import DomainError, FieldError, invalid
from tksk_api.security.permissions import Permission

_REQUIRED = ("type", "name", "region_code", "offers", "programs", "pillars", "is_active")


async def create(session: AsyncSession, body: PartnerCreate) -> Stored:
    """List a partner of the caller's area.

    Raises invalid_request (outside_scope, unknown_region, unknown_code and what the rules raise) and id_in_use.
    """
    await _check_place(session, body.region_code)
    await _check_codes(session, body.model_dump())
    facts: dict[str, Any] = {
        "unit": unit_of(body.type, body.unit),
        "legal_entity": legal_entity_of(body.type, body.legal_entity),
    }
    given = body.model_dump(exclude={"id", *facts})
    return await create_once(session, PARTNERS, body, Partner, lambda: Partner(id=new_id(), **given, **facts))


async def update(session: AsyncSession, key: UUID, version: int, patch: PartnerUpdate) -> Stored:
    """Change a partner of the caller's area; every office sees the others, so refusing them is no secret.

    Raises permission_denied, invalid_request as `create` and `check_end`, stale_version, not_found.
    """
    row = await load(session, Partner, key, version)
    if not scope_of(session).contains(row.region_code):
        raise DomainError("permission_denied", permission=f"{Permission.PARTNER_WRITE} ({row.region_code})")
    refuse_null(patch, *_REQUIRED)
    changes = _completed(row, patched(patch))
    if "region_code" in changes:
        await _check_place(session, changes["region_code"])
    await _check_codes(session, changes)
    for name, value in changes.items():
        setattr(row, name, value)
    row.unit = unit_of(row.type, row.unit)
    row.legal_entity = legal_entity_of(row.type, row.legal_entity)
    if changes.keys() & {"is_active", "ended_on", "end_reason"}:
        check_end(row, await today_in(session, row.region_code))
    return await save(session, PARTNERS, row)


async def link_errors(
    session: AsyncSession, ids: Sequence[UUID], kept: Collection[UUID] = (), name: str = "partner_ids"
) -> list[FieldError]:
    """What is wrong with a list of partners that a record names: unknown, no longer active, or named twice.

    Partners of any region may be named; those in `kept` the record names already, and they may stay.
    """
    found = select(TABLE.c.id, TABLE.c.is_active).where(TABLE.c.id.in_(set(ids).difference(kept)))
    rows = await (await session.connection()).execute(found) if set(ids).difference(kept) else ()
    active = {**dict.fromkeys(kept, True), **{row.id: row.is_active for row in rows}}
    errors = []
    for index, key in enumerate(ids):
        if key in ids[:index]:
            errors.append(FieldError(f"/{name}/{index}", "duplicate_entry"))
        elif not active.get(key, False):
            errors.append(FieldError(f"/{name}/{index}", "partner_inactive" if key in active else "unknown_reference"))
    return errors


def _completed(row: Partner, changes: dict[str, Any]) -> dict[str, Any]:
    """What a change of one member means for others: a new type brings its own unit, an active partner has no end."""
    if changes.get("type", row.type) != row.type:
        changes.setdefault("unit", None)
        changes.setdefault("legal_entity", None)
    if changes.get("is_active"):
        changes.setdefault("ended_on", None)
        changes.setdefault("end_reason", None)
    return changes


async def _check_place(session: AsyncSession, region_code: str) -> None:
    if not scope_of(session).contains(region_code):
        raise invalid("/region_code", "outside_scope")
    await require_region(session, region_code, "/region_code")


async def _check_codes(session: AsyncSession, facts: Mapping[str, Any]) -> None:
    check_codes(facts.get("offers", ()), "partner_offers", "/offers")
    check_codes(facts.get("pillars", ()), "pillars", "/pillars")
    await require_known(session, facts.get("programs", ()), "/programs")
