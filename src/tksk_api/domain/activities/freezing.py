"""What a report says is held fast, and let go when the report is returned."""

from collections.abc import Collection
from datetime import date
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.reads import COUNTED, TABLE
from tksk_api.errors import DomainError


async def freeze(  # noqa: PLR0917 - what, whose, where and when, in the order one says it
    session: AsyncSession,
    report_id: UUID,
    district_code: str,
    officer_ids: Collection[UUID],
    first: date,
    last: date,
) -> list[UUID]:
    """Hold what these officers did in the district from the first to the last day, both included.

    Answers with what the report newly holds, by day; what an earlier report holds already stays with that one. The
    rows are locked until the commit: whoever is about to change one waits, and then has a stale version.
    """
    meant = (
        COUNTED,
        TABLE.c.district_code == district_code,
        TABLE.c.officer_id.in_(officer_ids),
        TABLE.c.occurred_on.between(first, last),
        TABLE.c.frozen_by.is_(None),
    )
    frozen = update(TABLE).where(*meant).values(frozen_by=report_id).returning(TABLE.c.id, TABLE.c.occurred_on)
    rows = (await (await session.connection()).execute(frozen)).all()
    return [row.id for row in sorted(rows, key=lambda row: (row.occurred_on, row.id))]


async def unfreeze(session: AsyncSession, report_id: UUID, *, keep: Collection[UUID] = ()) -> None:
    """Let go of what a report holds, but for `keep`; a correction made meanwhile keeps its place."""
    held = update(TABLE).where(TABLE.c.frozen_by == report_id, TABLE.c.id.not_in(keep)).values(frozen_by=None)
    await (await session.connection()).execute(held)


def refuse_frozen(row: Activity) -> None:
    """A report holds it, or a correction took its place: neither changes any more.

    The database says the first too (app.keep_frozen). Raises frozen, already_corrected.
    """
    if row.frozen_by is not None:
        raise DomainError("frozen", report_id=row.frozen_by)
    if row.superseded_by is not None:
        raise DomainError("already_corrected", correction_id=row.superseded_by)


async def refuse_second_correction(session: AsyncSession, row: Activity) -> None:
    """One correction at a time, and of a corrected row none. Raises already_corrected with the one there is."""
    there = select(TABLE.c.id).where(TABLE.c.revises_id == row.id, TABLE.c.deleted_at.is_(None))
    correction = (await (await session.connection()).execute(there)).scalar()
    if correction is not None:
        raise DomainError("already_corrected", correction_id=correction)
