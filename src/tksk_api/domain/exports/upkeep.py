"""What the system does about exports by itself: tell those whose work broke off, and remove what is over."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system

_OPERATION = "settle_exports"
# The job's own note says why; without it the export would be said to be at work for ever.
_BROKEN_OFF = text("""
UPDATE exports AS e
   SET status = 'failed', error = coalesce(j.error, 'internal_error'), finished_at = clock_timestamp(),
       key_cipher = NULL, reason = NULL, version = e.version + 1
  FROM jobs j
 WHERE j.id = e.job_id AND j.state IN ('failed', 'cancelled') AND e.status IN ('queued', 'running')
""")
_OVER = text("""
UPDATE exports SET status = 'removed', key_cipher = NULL, version = version + 1
 WHERE key_cipher IS NOT NULL AND expires_at <= now()
""")
# Whom a list was about outlives the file no longer; what else was asked shows its owner what it was.
_ABOUT = text("""
UPDATE exports AS e
   SET filter = e.filter - 'q' - ARRAY(SELECT f.key FROM jsonb_each(e.asked) AS f WHERE f.value->>0 = 'UUID'),
       asked = '{}', place = NULL
 WHERE e.key_cipher IS NULL AND e.asked <> '{}'
""")
_PARTS = text("""
DELETE FROM export_parts p USING exports e
 WHERE e.id = p.export_id AND e.key_cipher IS NULL
   AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = e.job_id AND j.state IN ('queued', 'running'))
""")


async def settle(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Exports that broke off are told, and files whose time is over cannot be read any more; the number of both.

    Without its key no copy of a file can be read; the sweep removes the objects (`domain/attachments/sweep.py`).
    """
    async with enter_system(sessions, _OPERATION) as session:
        connection = await session.connection()
        told = await connection.execute(_BROKEN_OFF)
        over = await connection.execute(_OVER)
        await connection.execute(_ABOUT)
        await connection.execute(_PARTS)
    return told.rowcount + over.rowcount
