"""Voiding numbers."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of, refuse_outside, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.sktm_letters.models import SktmVoidedNumber
from tksk_api.domain.sktm_letters.numbering import skip_to
from tksk_api.domain.sktm_numbers.schemas import NumbersVoid, NumbersVoided
from tksk_api.errors import invalid

MAX_AT_ONCE = 2000


async def void(session: AsyncSession, body: NumbersVoid) -> NumbersVoided:
    """Give up every number of the series after the last one given, up to `through`: the book on paper that was used
    before this system, or what a restored backup does not know of.

    Raises not_found outside the caller's area, and invalid_request: number_given, too_many_numbers, in_future.
    """
    refuse_outside(scope_of(session), _voided(body, body.through))
    region = await require_region(session, body.region_code, "/region_code")
    if body.reason_code not in codes("number_void_reasons"):
        raise invalid("/reason_code", "unknown_code", list="number_void_reasons")
    if body.year > (local_today(region.timezone) + timedelta(days=31)).year:
        raise invalid("/year", "in_future")
    last = await skip_to(session, body.region_code, body.year, body.series, body.through)
    if body.through <= last:
        raise invalid("/through", "number_given", last=last)
    if body.through - last > MAX_AT_ONCE:
        raise invalid("/through", "too_many_numbers", max=MAX_AT_ONCE)
    rows = [_voided(body, sequence) for sequence in range(last + 1, body.through + 1)]
    for row in rows:
        row.created_by = principal_of(session).user_id
    session.add_all(rows)
    await session.flush()
    return NumbersVoided(
        region_code=body.region_code, year=body.year, series=body.series, first=last + 1, last=body.through
    )


def _voided(body: NumbersVoid, sequence: int) -> SktmVoidedNumber:
    return SktmVoidedNumber(id=new_id(), sequence=sequence, **body.model_dump(exclude={"through"}))
