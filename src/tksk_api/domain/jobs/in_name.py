"""Work in the name of whoever asked for it: what a job keeps of them, and by what it is admitted again later.

The job holds no right of its own. It works in the session that asked, for as long as that lasts, and with no more than
a machine's token was narrowed to; role, area and one-time code are looked up anew at every step.
"""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.admission import Admission
from tksk_api.database.session import principal_of
from tksk_api.domain.jobs.models import Job
from tksk_api.security.permissions import OTP_ROLES, Permission, roles_with


def asked_by(session: AsyncSession) -> dict[str, Any]:
    """Members of a job's `parameters` that say who asks for it: ids, and nothing that opens anything."""
    admission = session.info["admission"]
    scopes = admission.token_scopes
    return {
        "session": str(principal_of(session).session_id),
        "request": str(admission.request_id),
        "scopes": None if scopes is None else sorted(scopes),
    }


def admission_of(
    job: Job, permission: Permission, operation: str, *, otp_required: bool, step_up_seconds: int | None = None
) -> Admission:
    """What the operation asks of somebody who does it themselves. `step_up_seconds` may be as long as the job lasts."""
    scopes = job.parameters.get("scopes")
    return Admission(
        session_id=UUID(job.parameters["session"]),
        roles=roles_with(permission),
        permission=permission,
        request_id=UUID(job.parameters["request"]),
        operation=operation,
        otp_roles=OTP_ROLES if otp_required else frozenset(),
        step_up_seconds=step_up_seconds,
        token_scopes=None if scopes is None else frozenset(scopes),
    )
