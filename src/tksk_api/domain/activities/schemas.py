"""Shapes of the work log."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.domain.visits.schemas import Point, PointPatch, PointRead
from tksk_api.types import Code, Day, Line, Note, RegionCode

Pillar = Annotated[
    Literal["rehabilitation", "social_security", "empowerment", "protection"],
    Field(description="One of the four pillars of social welfare (UU 11/2009)", examples=["social_security"]),
]
TkskFunction = Annotated[
    Literal["coordination", "facilitation", "administration"],
    Field(description="Function of the officer (Permensos 28/2018)", examples=["facilitation"]),
]
TkskRole = Literal["facilitator", "motivator", "educator", "mobilizer", "dynamizer"]
ActivityStatus = Literal["draft", "submitted", "returned", "accepted"]


def _village_or_district(value: str) -> str:
    if len(value) not in (8, 13):
        raise PydanticCustomError("district_or_village_required", "a district or village code")
    return value


def _unrepeated(value: list[TkskRole]) -> list[TkskRole]:
    if len(set(value)) != len(value):
        raise PydanticCustomError("duplicate_entry", "the same entry twice")
    return value


def _plausible(value: datetime) -> datetime:
    # Also keeps out what an offset would carry beyond the calendar (year 1 or 9999).
    if not 2000 <= value.year <= 2100:
        raise PydanticCustomError("out_of_range", "year", {"min": 2000, "max": 2100})
    return value.astimezone(UTC)


Place = Annotated[
    RegionCode,
    AfterValidator(_village_or_district),
    Field(examples=["18.71.04.1002"], description="District or village where it happened"),
]
WorkTime = Annotated[AwareDatetime, AfterValidator(_plausible)]
Roles = Annotated[list[TkskRole], AfterValidator(_unrepeated), Field(max_length=5, examples=[["facilitator"]])]
People = Annotated[int, Field(strict=True, ge=0, le=100_000)]
Ids = Annotated[list[UUID], Field(max_length=200)]
Partners = Annotated[list[UUID], Field(max_length=200, description="Active social partners of any region")]
Attachments = Annotated[
    list[UUID], Field(max_length=200, description="Attachments of this activity, or of its beneficiaries")
]
Kind = Annotated[
    Code,
    Field(description="Code of the list activity_kinds: general, or of this pillar", examples=["sktm_verification"]),
]
AssignedBy = Annotated[Code, Field(description="Code of the list assignment_sources", examples=["regency"])]


class Headcount(Body):
    """People reached: everybody is male or female; children and disabled count some of them again."""

    male: People
    female: People
    children: People
    disabled: People


class HeadcountPatch(Body):
    male: People | None = None
    female: People | None = None
    children: People | None = None
    disabled: People | None = None


class FollowUp(Body):
    """What remains to be done, and by when."""

    note: Note
    due_on: Day


class FollowUpPatch(Body):
    note: Note | None = None
    due_on: Day | None = None


class ActivityCreate(Body):
    """One piece of work, as a draft of the caller's own. Lists left out are empty."""

    id: UUID | None = None
    occurred_on: Annotated[Day, Field(description="By the calendar of the region")]
    started_at: WorkTime | None = None
    ended_at: WorkTime | None = None
    pillar: Pillar
    function: TkskFunction
    roles: Roles = []
    kind: Kind
    title: Line
    description: Note | None = None
    region_code: Place
    location: Point | None = None
    beneficiary_ids: Ids = []
    headcount: Headcount | None = None
    partner_ids: Partners = []
    agency_ids: Ids = []
    assigned_by: AssignedBy | None = None
    result: Note | None = None
    obstacle: Note | None = None
    follow_up: FollowUp | None = None
    attachment_ids: Attachments = []


class ActivityUpdate(Body):
    """A merge patch of a draft or of a returned activity."""

    occurred_on: Day | None = None
    started_at: WorkTime | None = None
    ended_at: WorkTime | None = None
    pillar: Pillar | None = None
    function: TkskFunction | None = None
    roles: Roles | None = None
    kind: Kind | None = None
    title: Line | None = None
    description: Note | None = None
    region_code: Place | None = None
    location: PointPatch | None = None
    beneficiary_ids: Ids | None = None
    headcount: HeadcountPatch | None = None
    partner_ids: Partners | None = None
    agency_ids: Ids | None = None
    assigned_by: AssignedBy | None = None
    result: Note | None = None
    obstacle: Note | None = None
    follow_up: FollowUpPatch | None = None
    attachment_ids: Attachments | None = None


class ActivityReturn(Body):
    """What the author has to complete."""

    note: Note


class HeadcountRead(Read):
    male: int
    female: int
    children: int
    disabled: int


class FollowUpRead(Read):
    note: str
    due_on: date


class ActivityRead(Read):
    """A piece of work with its author and where it stands."""

    id: UUID
    officer_id: UUID
    officer_name: str
    status: ActivityStatus
    occurred_on: date
    started_at: datetime | None
    ended_at: datetime | None
    pillar: Pillar
    function: TkskFunction
    roles: list[TkskRole]
    kind: str
    title: str
    description: str | None
    region_code: str
    location: PointRead | None
    beneficiary_ids: list[UUID]
    headcount: HeadcountRead | None
    partner_ids: list[UUID]
    agency_ids: list[UUID]
    assigned_by: str | None
    result: str | None
    obstacle: str | None
    follow_up: FollowUpRead | None
    attachment_ids: list[UUID]
    version: int
    created_at: datetime
    updated_at: datetime
