"""Recording who read whose data, beyond what compiled reads and the triggers record by themselves."""

from collections.abc import Sequence
from http.client import FORBIDDEN
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.admission import Admission, Principal
from tksk_api.database.session import principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.history.models import Access
from tksk_api.errors import PROBLEMS

_RECORD = text(
    "SELECT app.record_people(:action, CAST(:object AS uuid), CAST(:people AS uuid[]), :purpose, :reason, "
    "CAST(:fields AS text[]))"
)


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
    await (await session.connection()).execute(
        _RECORD,
        {
            "action": action,
            "object": object_id,
            "people": list(subjects),
            "purpose": purpose,
            "reason": reason,
            "fields": sorted(fields) if fields else None,
        },
    )


async def record_refusal(
    session: AsyncSession, outcome: str, action: str, asked: UUID | None, subjects: Sequence[UUID] = ()
) -> None:
    """Undo what the transaction did and leave only that it was refused (`denied`) or found nothing (`not_found`).

    `refused`: the refusal itself told something about the subjects.
    """
    principal, admission = principal_of(session), session.info["admission"]
    await session.rollback()
    await leave_refusal(session, principal, admission, outcome=outcome, action=action, asked=asked, subjects=subjects)
    await session.commit()


def outcome_of(code: str) -> str | None:
    """How the access log calls a refusal; None for those it does not keep: they tell of no right that was missing."""
    if PROBLEMS[code].status == FORBIDDEN or code == "step_up_required":
        return "denied"
    return code if code == "not_found" else None


async def leave_refusal(
    session: AsyncSession,
    principal: Principal,
    admission: Admission,
    *,
    outcome: str,
    action: str,
    asked: UUID | None,
    subjects: Sequence[UUID] = (),
) -> None:
    """The access row of a refusal, in whatever transaction this is."""
    # inline: the app role may insert here but not read back what it wrote.
    await (await session.connection()).execute(
        insert(table_of(Access)).inline(),
        {
            "user_id": principal.user_id,
            "session_id": principal.session_id,
            "role": principal.role,
            "actor_region": ",".join(principal.scope.regions) or None,
            "request_id": admission.request_id,
            "operation": admission.operation,
            "action": action,
            "object_id": asked,
            "subject_ids": list(subjects),
            "outcome": outcome,
        },
    )
