"""Shapes of statistics."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Read
from tksk_api.domain.visits.schemas import VisitFinding

DisagreementKind = Annotated[
    Literal["exclusion", "inclusion"],
    Field(
        description="exclusion: found eligible, but ranked above decile 5 or not ranked; inclusion: found not "
        "eligible, but ranked 1 to 5"
    ),
]


class DisagreementRead(Read):
    """A family whose newest decile and newest finding disagree, to be sent up with its evidence."""

    id: Annotated[UUID, Field(description="The family's")]
    village_code: str
    kind: DisagreementKind
    decile: Annotated[int | None, Field(description="Null: undetermined")]
    decile_source: str
    dated_on: date
    finding: VisitFinding
    visited_on: date
    visit_id: UUID
    head_name: Annotated[str | None, Field(description="Null when the head lives outside your area, or there is none")]
    beneficiary_ids: Annotated[list[UUID], Field(description="The family's members whom you see")]
    registered_at: Annotated[datetime, Field(description="When the family was registered; the list's order")]
