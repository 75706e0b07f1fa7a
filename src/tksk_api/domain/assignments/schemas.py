"""Shapes of assignments and of vacancies."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Day, Line, Note, PastDate, RegionCode

AssignmentKind = Annotated[
    Literal["holder", "acting", "coordinator"],
    Field(description="Holder of a district, acting there for a while, or coordinator of a regency or province"),
]
AssignmentStatus = Annotated[
    Literal["planned", "active", "ended"], Field(description="Today, by the calendar of the region")
]
Place = Annotated[RegionCode, Field(description="A district; for a coordinator a regency or province")]
DecreeNumber = Annotated[Line, Field(description="Number of the SK", examples=["460/123/SK/2026"])]
DecreeIssuer = Annotated[
    Code, Field(description="Code of the list assignment_sources that issues decrees", examples=["kemensos"])
]
EndReason = Annotated[Code, Field(description="Code of the list assignment_end_reasons", examples=["resigned"])]


class AssignmentCreate(Body):
    """A decree with number, date and issuer is required of holders and coordinators; acting cover may do without."""

    id: UUID | None = None
    user_id: Annotated[UUID, Field(description="A user with the role tksk; for a coordinator, tksk or coordinator")]
    region_code: Place
    kind: AssignmentKind
    decree_number: DecreeNumber | None = None
    decree_date: PastDate | None = None
    decree_issuer: DecreeIssuer | None = None
    starts_on: Day
    ends_on: Annotated[Day | None, Field(description="The last day; acting cover needs one")] = None
    acting_for: Annotated[UUID | None, Field(description="The absent holder; null when the district is vacant")] = None
    note: Note | None = None


class AssignmentEnd(Body):
    """The last day, today unless given, and why; the reason `other` needs a note. Ending today works at once."""

    ends_on: Day | None = None
    end_reason: EndReason
    note: Note | None = None


class AssignmentRead(Read):
    """Who works where, by which decree, from when to when. `ended_at` is set when it was ended at once."""

    id: UUID
    user_id: UUID
    user_name: str
    region_code: str
    region_name: str | None
    kind: AssignmentKind
    status: AssignmentStatus
    decree_number: str | None
    decree_date: date | None
    decree_issuer: str | None
    starts_on: date
    ends_on: date | None
    ended_at: datetime | None
    end_reason: str | None
    end_note: str | None
    acting_for: UUID | None
    note: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class Cover(Read):
    """Who stands in."""

    user_id: UUID
    user_name: str
    until: date


class LastHolder(Read):
    """Who held the district last, until when, and why it ended where that was written."""

    user_id: UUID
    user_name: str
    until: date | None
    end_reason: str | None


class VacancyRead(Read):
    """A district that nobody holds on the day asked for."""

    region_code: str
    region_name: str
    regency_name: str
    vacant_since: Annotated[date | None, Field(description="First day without a holder; null: there never was one")]
    last_holder: LastHolder | None
    acting: list[Cover]
