"""Shapes of a worklist."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Read

Kind = Literal[
    "sktm_to_submit",
    "sktm_to_check",
    "sktm_to_verify",
    "sktm_to_sign",
    "sktm_returned",
    "sktm_to_scan",
    "sktm_to_collect",
    "sktm_overdue",
    "letter_expiring",
    "visit_planned",
    "visit_overdue",
    "proposal_to_decide",
    "duplicate_to_decide",
    "referral_to_submit",
    "referral_to_receive",
    "referral_to_review",
    "referral_documents_asked",
    "referral_waitlist_ending",
    "referral_to_activate",
    "referral_overdue",
    "activity_to_confirm",
    "activity_to_submit",
    "activity_returned",
    "activity_to_review",
    "activity_left_behind",
    "report_to_submit",
    "report_to_correct",
    "report_to_review",
    "report_to_acknowledge",
    "follow_up_due",
    "follow_up_overdue",
    "privacy_request_to_decide",
    "assignment_ending",
]


class Item(Read):
    """What each part of a worklist provides."""

    key: str
    kind: str
    entity: str
    id: UUID | None
    person_id: UUID | None
    name: str | None
    about: str | None
    region_code: str | None
    officer_id: UUID | None
    beneficiary_ids: list[UUID]
    since: datetime
    due_on: date | None
    due_at: datetime | None
    is_overdue: bool
    attend_by: date


class WorklistItem(Read):
    """One thing that waits for the caller.

    `label` is for the screen of a phone: the first name of whom it is about, else a code. `days_left` counts calendar
    days, below zero once it is overdue; it is null where no deadline runs, as while an applicant is asked for papers.
    A coordinator sees that an officer's case is late, not whose: `id`, `href` and `label` do not tell.
    """

    key: Annotated[str, Field(description="Stable name of the entry, opaque")]
    kind: Annotated[Kind, Field(description="Code of the list worklist_kinds")]
    entity: Annotated[str, Field(description="Collection of the record that waits", examples=["sktm-applications"])]
    id: Annotated[UUID | None, Field(description="Of that record")]
    label: Annotated[str, Field(examples=["Siti"])]
    about: Annotated[str | None, Field(description="Purpose, programme or kind, as a code", examples=["education"])]
    region_code: str | None
    officer_id: Annotated[UUID | None, Field(description="Whose work it is: who planned it, or holds the district")]
    beneficiary_ids: Annotated[list[UUID], Field(description="Whom the record is about")]
    since: Annotated[datetime, Field(description="Since when it waits")]
    due_on: Annotated[date | None, Field(description="Last day, by the calendar of the place")]
    due_at: Annotated[datetime | None, Field(description="Last moment, where hours count")]
    is_overdue: bool
    days_left: int | None
    attend_by: Annotated[
        date, Field(description="What the list is sorted by: the last day, else two weeks after it began to wait")
    ]
    href: str | None


class WorklistCount(Read):
    """How much of one kind waits, and how much of that is overdue; counted to 1,000.

    `filter` lists exactly these with `GET /v1/worklist?<filter>`, and with `&overdue=true` the overdue ones.
    """

    key: str
    kind: Annotated[Kind, Field(description="Code of the list worklist_kinds")]
    officer_id: Annotated[UUID | None, Field(description="With `by=officer`; null where nobody holds the district")]
    officer_name: str | None
    count: int
    overdue: int
    capped: Annotated[bool, Field(description="There are more than the number says")]
    filter: Annotated[str, Field(examples=["kind=sktm_to_check&region_code=18.71.04"])]
