"""Shape of the access log as auditors read it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Read

_DAY_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T.+")


def _only_a_moment(value: Any) -> Any:
    # pydantic would also take a number of seconds, or a day alone
    if not isinstance(value, str) or not _DAY_AND_TIME.fullmatch(value):
        raise PydanticCustomError("bad_datetime", "a date and time")
    return value


def _of_this_age(value: datetime) -> datetime:
    if not 2000 <= value.year <= 2100:
        raise PydanticCustomError("out_of_range", "year", {"min": 2000, "max": 2100})
    return value.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_only_a_moment),
    AfterValidator(_of_this_age),
    Field(examples=["2026-11-22T00:00:00+07:00"]),
]


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
