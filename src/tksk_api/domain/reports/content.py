"""What a report says, section by section, frozen at submission. Documents, recaps and charts are made from it alone.

The sections follow DOMAIN §1.5 and §6: identity and decree, pillar by function, PPKS, SKTM, referrals, visits,
partners, obstacles, follow-up, narrative. Codes are those of the reference lists; labels are looked up when shown.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

FORMAT = 1
"""Version of the stored shape; raise it when a field changes meaning, and read the older ones too."""

PeriodType = Literal["month", "quarter", "semester", "year"]
Level = Literal["district", "regency", "province", "nation"]
OfficerKind = Literal["holder", "acting", "unassigned"]
FollowUpState = Literal["open", "done", "overdue"]
ChildState = Literal["accepted", "submitted", "returned", "draft", "missing", "vacant"]

SENSITIVE = "sensitive"
"""Stands for all sensitive PPKS categories together: who reads a report need not see those apart."""


class Section(BaseModel):
    """Base of everything in a report: exactly these members, never changed once made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Number(Section):
    """A count of rows, and the list that shows exactly those, as path and query; null for whoever may not open it.

    In a recap the rows are those of the accepted reports it was built from. A row that was erased since, or whose
    person moved out of the reader's area, is still counted and no longer listed.
    """

    count: int
    filter: str | None


class Headcount(Section):
    """People reached, by what activities say; children and disabled are counted among male and female."""

    male: int = 0
    female: int = 0
    children: int = 0
    disabled: int = 0


class Period(Section):
    """First and last day, both included, by the calendar of the region (`timezone` is an IANA name)."""

    type: PeriodType
    first: date
    last: date
    timezone: str


class Place(Section):
    """The region a report is about; the nation has no code. `above` are the offices above it, the nearest first."""

    code: str | None
    name: str
    office: str
    level: Level
    above: tuple[str, ...]


class Officer(Section):
    """Who worked in the district in the period, from when to when within it, and by which decree.

    `unassigned`: logged work here, but no assignment says so.
    """

    user_id: UUID
    full_name: str
    employee_number: str | None
    kind: OfficerKind
    assignment_id: UUID | None
    decree_number: str | None
    decree_date: date | None
    decree_issuer: str | None
    first: date
    last: date
    activities: int


class Identity(Section):
    """Officers in the order they worked; days of the period (so far) by whether somebody held the district.

    `is_shared`: more than one officer worked in it. In a recap there are no officers and no days.
    """

    officers: tuple[Officer, ...]
    days_held: int
    days_acting: int
    days_vacant: int
    is_vacant: bool
    is_shared: bool


class FunctionRow(Section):
    """Work in one pillar by one function (UU 11/2009; Permensos 28/2018)."""

    pillar: str
    function: str
    activities: Number
    headcount: Headcount


class KindRow(Section):
    """Work of one kind in one pillar."""

    pillar: str
    kind: str
    label_id: str
    label_en: str
    activities: Number
    headcount: Headcount


class Work(Section):
    """What was done. `days` are days with at least one activity, summed over the reports of a recap."""

    activities: Number
    headcount: Headcount
    days: int
    by_function: tuple[FunctionRow, ...]
    by_kind: tuple[KindRow, ...]


class BySex(Section):
    """Assessments of men, of women, and of families, groups and communities."""

    male: Number
    female: Number
    groups: Number


class PpksRow(Section):
    """One category (`sensitive`: all sensitive ones together).

    `new`: assessed in the period. `served`: in force, and the person is named by an activity of the period. `referred`:
    in force, and a referral of the person was submitted in the period. `closed`: ended in the period.
    """

    category: str
    new: BySex
    served: BySex
    referred: BySex
    closed: BySex


class SktmRow(Section):
    """Applications for one purpose that reached a state in the period; one that went on counts in each it reached."""

    purpose: str
    state: str
    applications: Number


class ReferralRow(Section):
    """Referrals to one programme that reached a state in the period, counted as SKTM applications are."""

    program: str
    state: str
    referrals: Number


class VisitRow(Section):
    """Completed visits of the period by outcome."""

    outcome: str
    visits: Number


class PartnerRow(Section):
    """Social partners of one PSKS type, as it was then: how many took part (each once), and in how many activities."""

    type: str
    partners: Number
    activities: Number


class Obstacle(Section):
    """What stood in the way of one activity; the words are null once a person they were about was erased."""

    activity_id: UUID
    occurred_on: date
    title: str | None
    note: str | None


class FollowUp(Section):
    """What an activity left to do, by when."""

    activity_id: UUID
    occurred_on: date
    title: str | None
    note: str | None
    due_on: date
    state: FollowUpState


class FollowUps(Section):
    """What the period's activities left to do, as it stood when it was compiled; of a recap, as those below say."""

    open: Number
    done: Number
    overdue: Number
    items: tuple[FollowUp, ...]


class Narrative(Section):
    """What the author wrote."""

    summary: str | None
    obstacles: str | None
    plan: str | None


class Attachment(Section):
    """A photo or paper of an activity; no names, which may name people."""

    id: UUID
    activity_id: UUID
    kind: str


class Child(Section):
    """One region below a recap's: whether its report is in it, and why not. `late`: submitted after it was due."""

    region_code: str
    region_name: str
    state: ChildState
    report_id: UUID | None
    revision: int | None
    is_late: bool | None
    activities: int | None
    officers: tuple[str, ...]


class Children(Section):
    """What a recap was built from; all counts are of districts, whatever the level of the recap."""

    rows: tuple[Child, ...]
    districts: int
    reported: int
    late: int
    vacant: int


class ReportContent(Section):
    """A whole report. `children` is null in a district's own, `identity`, obstacles, follow-up items and attachments
    are empty in a recap."""

    format: Literal[1] = 1
    period: Period
    region: Place
    compiled_at: datetime
    identity: Identity
    work: Work
    ppks: tuple[PpksRow, ...]
    sktm: tuple[SktmRow, ...]
    referrals: tuple[ReferralRow, ...]
    visits: tuple[VisitRow, ...]
    partners: tuple[PartnerRow, ...]
    obstacles: tuple[Obstacle, ...]
    follow_ups: FollowUps
    narrative: Narrative
    attachments: tuple[Attachment, ...]
    children: Children | None

    def to_json(self) -> str:
        """The canonical text: members sorted, no blanks, so that equal content has one digest."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, data: str | bytes | Mapping[str, Any]) -> Self:
        """Read what `to_json` gave. Raises ValueError for an unknown format or a shape that does not fit."""
        try:
            return cls.model_validate_json(data) if isinstance(data, str | bytes) else cls.model_validate(data)
        except ValidationError as error:
            raise ValueError(f"stored report does not fit: {error}") from error


class Signed(Section):
    """Who took a step, with the name and title of that moment."""

    full_name: str
    title: str | None
    employee_number: str | None
    at: datetime


class Standing(Section):
    """Where a revision stands: beside the content, for it goes on after the content was frozen.

    A draft has no digest and no signatures. `verification_url` is there once it is accepted.
    """

    report_id: UUID
    revision: int
    status: Literal["draft", "submitted", "returned", "accepted"]
    is_late: bool | None
    due_on: date
    submitted: Signed | None
    acknowledged: Signed | None
    accepted: Signed | None
    sha256: str | None
    verification_url: str | None
    revises: str | None
    """Why it follows an accepted revision, if it does."""
