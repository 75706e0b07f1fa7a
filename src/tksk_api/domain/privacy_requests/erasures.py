"""The list of the erased, to erase them again after a restore; and legal holds, which forbid an erasure."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.privacy_requests.models import Erasure

_ERASURES = table_of(Erasure)
_PEOPLE = table_of(Beneficiary)


class Erased(NamedTuple):
    """Whom, when, and by which request: nothing that says who it was."""

    subject_id: UUID
    erased_at: datetime
    request_id: UUID | None


async def all_erased(session: AsyncSession) -> Sequence[Erased]:
    """Everybody erased so far, oldest first."""
    columns = (_ERASURES.c.subject_id, _ERASURES.c.erased_at, _ERASURES.c.request_id)
    found = await (await session.connection()).execute(select(*columns).order_by(*columns[1::-1]))
    return [Erased(*row) for row in found]


async def erase_again(session: AsyncSession, erased: Erased) -> bool:
    """Erase somebody whom a backup brought back; returns whether there was still something to destroy."""
    connection = await session.connection()
    known = select(_PEOPLE.c.id).where(_PEOPLE.c.id == erased.subject_id, _PEOPLE.c.full_name != "(dihapus)")
    was_there = (await connection.execute(known)).first() is not None
    await connection.execute(select(func.app.erase_subject(erased.subject_id, erased.request_id, erased.erased_at)))
    return was_there


async def set_hold(session: AsyncSession, person: UUID, reason: str | None) -> bool:
    """Forbid the erasure of a person, with its reason, or allow it again; returns whether there is such a person."""
    held = update(_PEOPLE).where(_PEOPLE.c.id == person, _PEOPLE.c.deleted_at.is_(None)).values(legal_hold=reason)
    return (await (await session.connection()).execute(held)).rowcount > 0
