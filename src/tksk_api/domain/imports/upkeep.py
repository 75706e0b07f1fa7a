"""What the system does about imports by itself: tell those whose work broke off, and forget what is over."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system
from tksk_api.domain.attachments.quota import give_space
from tksk_api.domain.imports.reads import KEPT_DAYS, UPLOAD_HOURS

_OPERATION = "settle_imports"
_ROWS_AT_ONCE = 5_000
# The job's own note says why; without it the import would be said to be at work for ever. A job that is done leaves
# its import at rest; one that did not will not come back to it.
_BROKEN_OFF = text("""
UPDATE imports AS i
   SET status = 'failed', error = coalesce(j.error, 'internal_error'), finished_at = clock_timestamp(),
       version = i.version + 1
  FROM jobs j
 WHERE j.id = i.job_id AND j.state IN ('failed', 'cancelled', 'done') AND i.finished_at IS NULL
""")
_OVER = text(f"""
SELECT id, region_code, file_bytes FROM imports
 WHERE purged_at IS NULL AND finished_at < now() - interval '{KEPT_DAYS} days'
 ORDER BY finished_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_FORGET_ROWS = text("""
DELETE FROM import_rows WHERE (import_id, row_no) IN (
    SELECT import_id, row_no FROM import_rows WHERE import_id = :import ORDER BY row_no LIMIT :rows)
""")
_FORGET = text("""
UPDATE imports SET purged_at = now(), key_cipher = NULL, head = NULL, mapping = NULL, error_facts = '{}',
                   file_name = '', version = version + 1
 WHERE id = :import
""")
_ABANDONED = text(f"""
DELETE FROM import_uploads WHERE id = (
    SELECT id FROM import_uploads WHERE updated_at < now() - interval '{UPLOAD_HOURS} hours'
     ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING region_code, file_bytes
""")


async def settle(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Imports that broke off are told, and what is over is forgotten in small steps, uploads that were abandoned among
    it; the number of all.

    Without its key no copy of a file can be read; the sweep removes the objects (`domain/attachments/sweep.py`).
    """
    async with enter_system(sessions, _OPERATION) as session:
        told = await (await session.connection()).execute(_BROKEN_OFF)
    did = told.rowcount
    for forget in (_forget_some, _forget_upload):
        while await forget(sessions):
            did += 1
    return did


async def _forget_some(sessions: async_sessionmaker[AsyncSession]) -> bool:
    async with enter_system(sessions, _OPERATION) as session:
        connection = await session.connection()
        over = (await connection.execute(_OVER)).first()
        if over is None:
            return False
        gone = await connection.execute(_FORGET_ROWS, {"import": over.id, "rows": _ROWS_AT_ONCE})
        if gone.rowcount < _ROWS_AT_ONCE:
            await connection.execute(_FORGET, {"import": over.id})
            await give_space(session, over.region_code or "", over.file_bytes)
    return True


async def _forget_upload(sessions: async_sessionmaker[AsyncSession]) -> bool:
    async with enter_system(sessions, _OPERATION) as session:
        gone = (await (await session.connection()).execute(_ABANDONED)).first()
        if gone is not None:
            await give_space(session, gone.region_code or "", gone.file_bytes)
    return gone is not None
