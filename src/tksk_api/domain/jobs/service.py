"""Asking for work, and calling it off."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of, refuse_outside, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.reads import JOBS
from tksk_api.domain.records import load, save
from tksk_api.errors import DomainError

UNFINISHED = ("queued", "running")
OF_A_RECORD = frozenset({"import", "export"})  # cancelled through the record they work for, which knows what was done


async def enqueue(session: AsyncSession, kind: str, region_code: str, parameters: Mapping[str, Any]) -> Stored:
    """A job of the caller about a region of theirs; it begins once this transaction is committed. Raises not_found."""
    row = Job(
        id=new_id(),
        version=1,
        kind=kind,
        state="queued",
        region_code=region_code,
        parameters=dict(parameters),
        created_by=principal_of(session).user_id,
    )
    refuse_outside(scope_of(session), row)
    return await JOBS.insert(session, row)


async def cancel(session: AsyncSession, key: UUID, version: int) -> Stored:
    """The step under way is finished, and nothing follows it.

    Raises not_found, stale_version, transition_refused when it has ended or works for a record that has its own.
    """
    row = await load(session, Job, key, version, lock=True)
    if row.state not in UNFINISHED or row.kind in OF_A_RECORD:
        raise DomainError("transition_refused", state=row.state, allowed_actions=[])
    row.state, row.finished_at = "cancelled", datetime.now(UTC)
    return await save(session, JOBS, row)
