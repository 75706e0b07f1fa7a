"""Bringing vault and table together: what nothing refers to is removed, what is missing is reported."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, column, func, or_, select, table, union_all
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system
from tksk_api.database.tables import table_of
from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.attachments.quota import give_space
from tksk_api.domain.attachments.rules import KINDS, kept_after_deletion
from tksk_api.domain.attachments.vault import SHARDS, THUMBNAIL, Vault

ORPHAN_AGE = timedelta(hours=24)  # no upload takes longer to commit
_OPERATION = "tksk attachments sweep"
_AT_ONCE = 500
_T = table_of(Attachment).c
_TABLES = union_all(
    select(column("object_name")).select_from(table("imports")).where(column("key_cipher").is_not(None)),
    select(column("object_name")).select_from(table("exports")).where(column("key_cipher").is_not(None)),
    select(column("object_name")).select_from(table("import_uploads")),
).subquery()


@dataclass
class Swept:
    """What was removed, or would be; `missing` are the ids of attachments whose file is not there."""

    purged: int = 0
    orphans: int = 0
    missing: list[str] = field(default_factory=list)


async def sweep(sessions: async_sessionmaker[AsyncSession], vault: Vault, *, dry_run: bool) -> Swept:
    """Remove files whose time after deletion is over and files without a row, and list rows without a file.

    The key is wiped with the row before the file goes: after a crash in between, the next sweep finds an orphan.
    """
    swept = Swept()
    now = datetime.now(UTC)
    while (done := await _purge(sessions, vault, now, dry_run=dry_run)) > 0:
        swept.purged += done
        if dry_run:
            break
    for digit in "0123456789abcdef":
        await _compare(sessions, vault, digit, now, swept, dry_run=dry_run)
    return swept


async def _purge(sessions: async_sessionmaker[AsyncSession], vault: Vault, now: datetime, *, dry_run: bool) -> int:
    # Without a key, as after an erasure, there is nothing left to restore.
    due = or_(
        _T.key_cipher.is_(None),
        *(and_(_T.kind == kind, _T.deleted_at <= now - kept_after_deletion(kind)) for kind in KINDS),
    )
    async with enter_system(sessions, _OPERATION) as session:
        if dry_run:
            counted = select(func.count()).select_from(Attachment).where(due, _T.purged_at.is_(None))
            return int((await session.execute(counted)).scalar_one())
        found = select(Attachment).where(due, _T.purged_at.is_(None)).limit(_AT_ONCE).with_for_update(skip_locked=True)
        rows = (await session.execute(found)).scalars().all()
        for row in rows:
            row.purged_at, row.key_cipher = now, None
            await give_space(session, row.region_code or "", row.size_bytes + (row.thumbnail_bytes or 0))
        await session.flush()
    await vault.delete([name for row in rows for name in (row.object_name, row.object_name + THUMBNAIL)])
    return len(rows)


async def _compare(
    sessions: async_sessionmaker[AsyncSession], vault: Vault, digit: str, now: datetime, swept: Swept, *, dry_run: bool
) -> None:
    """A sixteenth of vault and table against each other, so that memory stays small."""
    there: dict[str, datetime] = {}
    for shard in SHARDS:
        if shard.startswith(digit):
            there |= await vault.names(shard)
    async with enter_system(sessions, _OPERATION) as session:
        wanted = select(_T.id, _T.object_name, _T.thumbnail_bytes).where(
            _T.object_name.startswith(digit, autoescape=True), _T.purged_at.is_(None)
        )
        rows = (await (await session.connection()).execute(wanted)).all()
        # Above this package: files of imports and exports lie in the same vault, the parts of one under its name.
        named = select(_TABLES.c.object_name).where(_TABLES.c.object_name.startswith(digit, autoescape=True))
        tables = set((await (await session.connection()).execute(named)).scalars())
    known: dict[str, str] = {}
    for row in rows:
        known[row.object_name] = str(row.id)
        if row.thumbnail_bytes is not None:
            known[row.object_name + THUMBNAIL] = str(row.id)
    kept = known.keys() | {name for name in there if name.partition("-")[0] in tables}
    orphans = [name for name, written in there.items() if name not in kept and written < now - ORPHAN_AGE]
    swept.orphans += len(orphans)
    swept.missing += sorted({key for name, key in known.items() if name not in there} - set(swept.missing))
    if not dry_run:
        await vault.delete(orphans)
