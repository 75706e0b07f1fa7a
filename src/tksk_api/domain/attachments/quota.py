"""How much a regency's files may take."""

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.attachments.models import AttachmentUsage
from tksk_api.errors import DomainError

_REGENCY = 5
_TABLE = table_of(AttachmentUsage)
_TAKE = text(
    "INSERT INTO attachment_usage AS u (regency_code, bytes) VALUES (:regency, :bytes) "
    "ON CONFLICT (regency_code) DO UPDATE SET bytes = u.bytes + excluded.bytes "
    "WHERE u.bytes + excluded.bytes <= :quota RETURNING 1"
)
_GIVE = text("UPDATE attachment_usage SET bytes = greatest(bytes - :bytes, 0) WHERE regency_code = :regency")


async def refuse_over_quota(session: AsyncSession, region_code: str, size: int, quota: int) -> None:
    """A look before the work, without a lock. Raises attachment_quota_exceeded."""
    used = select(_TABLE.c.bytes).where(_TABLE.c.regency_code == region_code[:_REGENCY])
    if ((await (await session.connection()).execute(used)).scalar() or 0) + size > quota:
        raise DomainError("attachment_quota_exceeded")


async def take_space(session: AsyncSession, region_code: str, size: int, quota: int) -> None:
    """Count the bytes. The regency's row stays locked until the commit, so this comes last.

    Raises attachment_quota_exceeded.
    """
    values = {"regency": region_code[:_REGENCY], "bytes": size, "quota": quota}
    if (await (await session.connection()).execute(_TAKE, values)).first() is None:
        raise DomainError("attachment_quota_exceeded")


async def give_space(session: AsyncSession, region_code: str, size: int) -> None:
    """The bytes of a file that was removed."""
    await (await session.connection()).execute(_GIVE, {"regency": region_code[:_REGENCY], "bytes": size})
