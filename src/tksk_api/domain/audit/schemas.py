"""Shape of the access log as auditors read it."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Read


class AccessRead(Read):
    """Somebody read, wrote or was refused."""

    id: int
    at: datetime
    actor_id: UUID | None = Field(description="User or machine client; null for the system itself")
    actor_name: str | None
    actor_role: str
    actor_region: str | None = Field(description="The area they acted for, `ID` for the nation; null for agencies")
    session_id: UUID | None
    operation: str = Field(description="The `operationId` that was called")
    action: str = Field(description="`read`, `create`, `update`, `delete`; of a refused change `write`")
    object_id: UUID | None = Field(description="The id that was asked for, or written")
    subject_ids: list[UUID] = Field(description="The people whose data it was")
    fields: list[str] | None = Field(description="What of them was disclosed in full")
    purpose: str
    reason: str | None
    request_id: UUID | None
    outcome: str = Field(description="`ok`, `denied`, `refused`, or `not_found`: missing, or outside the actor's area")
