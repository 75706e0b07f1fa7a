"""Shapes of templates."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.activities.schemas import AssignedBy, Headcount, Ids, Kind, Partners, Place, Roles, TkskRole
from tksk_api.domain.activity_kinds.schemas import Pillar, TkskFunction
from tksk_api.domain.records import Body, Read
from tksk_api.types import Day, Line, Note, RegionCode


class Recurrence(Body):
    """Every week on a weekday, or every month on a day; the last day of a month that is shorter."""

    every: Annotated[Literal["week", "month"], Field(examples=["month"])]
    weekday: Annotated[int | None, Field(strict=True, ge=1, le=7, description="1 is Monday; for every week")] = None
    day: Annotated[int | None, Field(strict=True, ge=1, le=31, description="For every month", examples=[5])] = None
    starts_on: Day | None = None
    ends_on: Day | None = None


class ActivityTemplateCreate(Body):
    """What work that comes again begins with: an officer's own, or an office's for its region. It names no person."""

    id: UUID | None = None
    title: Annotated[Line, Field(examples=["Rapat koordinasi bulanan di kecamatan"])]
    kind: Kind
    pillar: Annotated[Pillar | None, Field(description="Of the kind; needed for a general one")] = None
    function: Annotated[TkskFunction | None, Field(description="Left out, the usual one of the kind")] = None
    roles: Roles = []
    description: Note | None = None
    region_code: Annotated[
        RegionCode | None,
        Field(description="Of an officer: where the work is. Of an office: with whom it is shared; null is the nation"),
    ] = None
    partner_ids: Partners = []
    agency_ids: Ids = []
    assigned_by: AssignedBy | None = None
    recurrence: Recurrence | None = None


class ActivityTemplateUpdate(Body):
    """A merge patch; `recurrence` is replaced as a whole. The region stays."""

    title: Line | None = None
    kind: Kind | None = None
    pillar: Pillar | None = None
    function: TkskFunction | None = None
    roles: Roles | None = None
    description: Note | None = None
    partner_ids: Partners | None = None
    agency_ids: Ids | None = None
    assigned_by: AssignedBy | None = None
    recurrence: Recurrence | None = None


class ActivityTemplateUse(Body):
    """What differs this time."""

    id: UUID | None = None
    occurred_on: Annotated[Day | None, Field(description="Left out, today by the calendar of the region")] = None
    region_code: Annotated[
        Place | None, Field(description="Left out, the template's place, or the caller's district where it is one")
    ] = None
    title: Line | None = None
    headcount: Headcount | None = None
    beneficiary_ids: Ids = []
    result: Note | None = None


class RecurrenceRead(Read):
    every: Literal["week", "month"]
    weekday: int | None
    day: int | None
    starts_on: date | None
    ends_on: date | None


class ActivityTemplateRead(Read):
    """A template; without `officer_id` an office shares it with its region."""

    id: UUID
    officer_id: UUID | None
    region_code: str | None
    title: str
    kind: str
    pillar: Pillar
    function: TkskFunction
    roles: list[TkskRole]
    description: str | None
    partner_ids: list[UUID]
    agency_ids: list[UUID]
    assigned_by: str | None
    recurrence: RecurrenceRead | None
    version: int
    created_at: datetime
    updated_at: datetime


class DueTemplate(Read):
    """A template whose day has come, and of which the caller has logged nothing since."""

    template_id: UUID
    title: str
    kind: str
    pillar: Pillar
    due_on: date


class DueTemplates(Read):
    """By the day on which each was due."""

    on: date
    items: list[DueTemplate]
