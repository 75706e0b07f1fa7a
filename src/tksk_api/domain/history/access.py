"""Recording who read whose data, beyond what compiled reads record by themselves."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.history.models import Access


async def record_access(
    session: AsyncSession,
    subjects: Sequence[UUID],
    *,
    purpose: str,
    reason: str | None = None,
    fields: Sequence[str] | None = None,
    action: str = "read",
    object_id: UUID | None = None,
) -> None:
    """Leave an access row in the writer's transaction (UU 27/2022 Pasal 31)."""
    principal, admission = principal_of(session), session.info["admission"]
    # inline: the app role may insert here but not read back what it wrote.
    row = insert(table_of(Access)).inline()
    await (await session.connection()).execute(
        row,
        {
            "user_id": principal.user_id,
            "session_id": principal.session_id,
            "role": principal.role,
            "actor_region": ",".join(principal.scope.regions),
            "request_id": admission.request_id,
            "operation": admission.operation,
            "action": action,
            "object_id": object_id,
            "subject_ids": list(subjects),
            "fields": sorted(fields) if fields else None,
            "purpose": purpose,
            "reason": reason,
        },
    )
