"""Numbers without gaps: a counter row per issuer, year and series, raised in the transaction that issues the letter."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id
from tksk_api.domain.sktm_letters.models import SktmVoidedNumber

_NEXT = text(
    "INSERT INTO sktm_counters AS c (issuer_code, year, series, last) VALUES (:issuer, :year, :series, 1) "
    "ON CONFLICT (issuer_code, year, series) DO UPDATE SET last = c.last + 1 RETURNING last"
)
_HOLD = text(
    "INSERT INTO sktm_counters AS c (issuer_code, year, series, last) VALUES (:issuer, :year, :series, 0) "
    "ON CONFLICT (issuer_code, year, series) DO UPDATE SET last = c.last RETURNING last"
)
_SKIP = text(
    "UPDATE sktm_counters SET last = greatest(last, :through) "
    "WHERE issuer_code = :issuer AND year = :year AND series = :series"
)


async def next_sequence(session: AsyncSession, issuer_code: str, year: int, series: str = "") -> int:
    """The next number of this issuer in this year, from 1; a series is a type of letter that is counted apart.

    Concurrent signers of one issuer wait here for each other; a rollback gives the number back, so there is neither
    a gap nor a duplicate (a sequence leaves gaps, `max() + 1` makes duplicates).
    """
    row = await (await session.connection()).execute(_NEXT, {"issuer": issuer_code, "year": year, "series": series})
    return int(row.scalar_one())


async def leave_out(
    session: AsyncSession, issuer_code: str, year: int, series: str, sequence: int, *, note: str
) -> None:
    """A number just counted that another letter bears: no letter will, and the register says why."""
    session.add(
        SktmVoidedNumber(
            id=new_id(),
            region_code=issuer_code,
            year=year,
            series=series,
            sequence=sequence,
            reason_code="number_given",
            note=note,
            created_by=principal_of(session).user_id,
        )
    )
    await session.flush()


async def skip_to(session: AsyncSession, issuer_code: str, year: int, series: str, through: int) -> int:
    """The last number given so far; from this transaction on, the next one comes after `through` at the least."""
    key = {"issuer": issuer_code, "year": year, "series": series}
    connection = await session.connection()
    last = int((await connection.execute(_HOLD, key)).scalar_one())
    await connection.execute(_SKIP, key | {"through": through})
    return last
