"""Recording what a source said of a family, and laying it beside what officers found."""

from datetime import date
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Stored
from tksk_api.database.tables import new_id
from tksk_api.domain.decile_snapshots.models import DecileSnapshot
from tksk_api.domain.decile_snapshots.reads import DECILE_SNAPSHOTS, FAMILY_DECILE, TABLE
from tksk_api.domain.decile_snapshots.schemas import DecileSnapshotCreate
from tksk_api.domain.families.models import Family
from tksk_api.domain.records import create_once, created_before, load_reference
from tksk_api.domain.references.lists import codes
from tksk_api.errors import DomainError, invalid
from tksk_api.types import latest_local_date

_IN_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('decile ' || CAST(:family AS text), 0))")


async def create(session: AsyncSession, body: DecileSnapshotCreate) -> Stored:
    """Add a snapshot; family, source and day are its natural key, so sending the same again changes nothing.

    Decile is a rank of families (Inpres 4/2025, Kepmensos 79/HUK/2025; DOMAIN §2.3). Raises invalid_request
    (unknown_reference, unknown_code), snapshot_exists when that day says something else already, id_in_use.
    """
    before = await created_before(session, DECILE_SNAPSHOTS, body, DecileSnapshot)
    if before is not None:
        return before
    family = await load_reference(session, Family, body.family_id, "/family_id")
    if body.source not in codes("decile_sources"):
        raise invalid("/source", "unknown_code", list="decile_sources")
    same = await _same_day(session, body)
    if same is not None:
        if (same.decile, same.batch) != (body.decile, body.batch):
            raise DomainError("snapshot_exists")
        return await DECILE_SNAPSHOTS.stored(session, same.id)
    stored = await create_once(
        session,
        DECILE_SNAPSHOTS,
        body,
        DecileSnapshot,
        lambda: DecileSnapshot(id=new_id(), region_code=family.region_code, **body.model_dump(exclude={"id"})),
    )
    return await DECILE_SNAPSHOTS.stored(session, stored.id, created=stored.created)  # names whom it is about


async def of_family(reader: Reader, family_id: Any, on: date | None) -> Stored:
    """The newest decile and the newest findings on a day, the latest there is unless given. Raises not_found."""
    return await reader.one(FAMILY_DECILE, family_id, on=on or latest_local_date())


async def _same_day(session: AsyncSession, body: DecileSnapshotCreate) -> Any:
    connection = await session.connection()
    await connection.execute(_IN_TURN, {"family": str(body.family_id)})
    same = select(TABLE.c.id, TABLE.c.decile, TABLE.c.batch).where(
        TABLE.c.family_id == body.family_id, TABLE.c.source == body.source, TABLE.c.dated_on == body.dated_on
    )
    return (await connection.execute(same)).first()
