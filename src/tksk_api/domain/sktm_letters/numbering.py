"""Numbers without gaps: a counter row per issuer and year, raised in the transaction that issues the letter."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_NEXT = text(
    "INSERT INTO sktm_counters AS c (issuer_code, year, last) VALUES (:issuer, :year, 1) "
    "ON CONFLICT (issuer_code, year) DO UPDATE SET last = c.last + 1 RETURNING last"
)


async def next_sequence(session: AsyncSession, issuer_code: str, year: int) -> int:
    """The next number of this issuer in this year, from 1.

    Concurrent signers of one issuer wait here for each other; a rollback gives the number back, so there is neither
    a gap nor a duplicate (a sequence leaves gaps, `max() + 1` makes duplicates).
    """
    row = await (await session.connection()).execute(_NEXT, {"issuer": issuer_code, "year": year})
    return int(row.scalar_one())
