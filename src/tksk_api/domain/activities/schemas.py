"""Shapes of the work log."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from tksk_api.domain.activity_kinds.schemas import Pillar, TkskFunction
from tksk_api.domain.batches import Refusal
from tksk_api.domain.records import Body, Read
from tksk_api.domain.visits.schemas import Point, PointPatch, PointRead
from tksk_api.types import Code, Day, Line, Moment, Note, RegionCode

TkskRole = Literal["facilitator", "motivator", "educator", "mobilizer", "dynamizer"]
ActivityStatus = Literal["draft", "submitted", "returned", "accepted", "withdrawn"]


def _village_or_district(value: str) -> str:
    if len(value) not in (8, 13):
        raise PydanticCustomError("district_or_village_required", "a district or village code")
    return value


def _unrepeated(value: list[TkskRole]) -> list[TkskRole]:
    if len(set(value)) != len(value):
        raise PydanticCustomError("duplicate_entry", "the same entry twice")
    return value


Place = Annotated[
    RegionCode,
    AfterValidator(_village_or_district),
    Field(examples=["18.71.04.1002"], description="District or village where it happened"),
]
Roles = Annotated[list[TkskRole], AfterValidator(_unrepeated), Field(max_length=5, examples=[["facilitator"]])]
People = Annotated[int, Field(strict=True, ge=0, le=100_000)]
Ids = Annotated[list[UUID], Field(max_length=200)]
Partners = Annotated[list[UUID], Field(max_length=200, description="Active social partners of any region")]
Attachments = Annotated[
    list[UUID], Field(max_length=200, description="Attachments of this activity, or of its beneficiaries")
]
Kind = Annotated[
    Code,
    Field(
        description="Code of /v1/activity-kinds that holds at the place on the day: general, or of this pillar",
        examples=["sktm_verification"],
    ),
]
AssignedBy = Annotated[Code, Field(description="Code of the list assignment_sources", examples=["regency"])]
FollowedUp = Annotated[
    UUID | None, Field(description="The activity whose follow-up this is; once this one is submitted, that is done")
]


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
    started_at: Moment | None = None
    ended_at: Moment | None = None
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
    visit_ids: Ids = []
    sktm_application_ids: Ids = []
    referral_ids: Ids = []
    follows_up_id: FollowedUp = None


class QuickActivity(Body):
    """What a phone asks for when there is no time: the kind, and how many people. The rest is known or can wait."""

    id: UUID | None = None
    kind: Kind
    pillar: Annotated[Pillar | None, Field(description="Of the kind; needed for a general one")] = None
    title: Annotated[Line | None, Field(description="Left out, the name of the kind")] = None
    headcount: Headcount | None = None
    occurred_on: Annotated[Day | None, Field(description="Left out, today by the calendar of the region")] = None
    region_code: Annotated[Place | None, Field(description="Left out, the caller's district where it is one")] = None
    function: Annotated[TkskFunction | None, Field(description="Left out, the usual one of the kind")] = None
    beneficiary_ids: Ids = []
    result: Note | None = None


class ActivityUpdate(Body):
    """A merge patch of a draft or of a returned activity."""

    occurred_on: Day | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
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
    visit_ids: Ids | None = None
    sktm_application_ids: Ids | None = None
    referral_ids: Ids | None = None
    follows_up_id: FollowedUp = None


class ActivityReturn(Body):
    """What the author has to complete."""

    note: Note


class ActivityRevision(Body):
    """Why what a report says has to be corrected."""

    reason: Annotated[Note, Field(examples=["Jumlah warga tercatat dua kali"])]


class ActivityWithdrawal(Body):
    """Why what was handed in counts no longer."""

    reason: Annotated[Note, Field(examples=["Dicatat di kecamatan yang salah"])]


class ActivityInPlaceOf(ActivityCreate):
    """One piece of work of an officer who works in the district no more, as a draft of theirs."""

    officer_id: Annotated[UUID, Field(description="Who did it: held the district, or acted in it, on that day")]


class ActivityLink(Body):
    """The caller's own entry of the same work."""

    activity_id: UUID


class ActivityMany(Body):
    """Activities, each once."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=200)]


class ActivityResult(Read):
    """What became of one; `version` is its new version."""

    id: UUID
    status: Literal["submitted", "accepted", "refused"]
    version: int | None
    problem: Refusal | None


class ActivityResults(Read):
    """In the order of the request."""

    items: list[ActivityResult]


class HeadcountRead(Read):
    male: int
    female: int
    children: int
    disabled: int


class FollowUpRead(Read):
    note: str
    due_on: date


class OriginRead(Read):
    """The step of a record that suggested it; `id` is the visit's, the referral's or, of a letter, the application's.

    `logged_as` may be the same work, logged by hand: link it there, or delete it once a report holds that entry, or
    confirm that it is another. Until then it cannot be submitted.
    """

    kind: Literal["visit", "sktm_letter", "referral"]
    id: UUID
    step: str
    is_cancelled: bool
    logged_as: UUID | None


class ActivityRead(Read):
    """A piece of work with its author and where it stands.

    `is_suggested` until the officer confirms, corrects or submits it. `frozen_by` is the report that holds it;
    a correction `revises_id` it, and stands in its place (`superseded_by`) from the moment it is submitted. What is
    `withdrawn` counts no longer; a report that said it goes on saying it until it is revised.
    """

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
    visit_ids: list[UUID]
    sktm_application_ids: list[UUID]
    referral_ids: list[UUID]
    origin: OriginRead | None
    is_suggested: bool
    template_id: UUID | None
    follows_up_id: UUID | None
    frozen_by: UUID | None
    revises_id: UUID | None
    superseded_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
