"""Shapes of reports."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.domain.reports.content import Level, PeriodType, ReportContent, Signed
from tksk_api.domain.reports.workflow import Status
from tksk_api.types import Code, Day, Note, RegionCode

Period = Annotated[PeriodType, Field(description="Kind of period", examples=["month"])]
Start = Annotated[Day, Field(description="The first day of the period", examples=["2026-10-01"])]
Place = Annotated[
    RegionCode | None,
    Field(description="A district for its own report, a regency or province for a recap; null for the nation's"),
]
Withheld = Annotated[
    list[str],
    Field(description="Sections left empty, with counts of 0: the caller may not see what they are about; mostly none"),
]
SectionCode = Annotated[Code, Field(description="Code of the list report_sections", examples=["work"])]


class ReportCreate(Body):
    """Which report; there is one of a region and period, so asking twice answers with the same."""

    region_code: Place = None
    period_type: Period
    period_start: Start


class ReportUpdate(Body):
    """What the author writes, while it is a draft or was returned. Merge patch: null clears, missing keeps."""

    summary: Note | None = None
    obstacles: Note | None = None
    plan: Annotated[Note | None, Field(description="For the next period")] = None


class Remark(Body):
    section: SectionCode
    note: Note


class ReportReturn(Body):
    """What has to be completed, by section."""

    remarks: Annotated[list[Remark], Field(min_length=1, max_length=30)]


class ReportRevise(Body):
    """Why an accepted report has to be corrected."""

    reason: Annotated[Note, Field(min_length=3, examples=["Dua kunjungan tercatat di kelurahan yang salah"])]


class ReportMany(Body):
    """Drafts for every district of a regency or province that has an officer."""

    region_code: RegionCode
    period_type: Period
    period_start: Start


class ReportRender(Body):
    """Every report of a regency or province and of what lies in it, of one period."""

    region_code: RegionCode
    period_type: Period
    period_start: Start
    formats: Annotated[
        frozenset[Literal["pdf", "xlsx"]], Field(min_length=1, description="One document of each report in each")
    ] = frozenset({"pdf"})


class RenderedRead(Read):
    """One document: where it is to be had, and what the file is.

    `revision` is null of a draft, which says on each page that it is one. `error` names the problem where it could not
    be printed; then there is nothing at `url` either.
    """

    report_id: UUID
    region_code: str
    status: Status
    revision: int | None
    format: Literal["pdf", "xlsx"]
    url: str
    etag: str | None
    bytes: int | None
    sha256: str | None
    error: str | None


class RenderedMany(Read):
    """Result of the job of `render_reports`, in the order of the regions' codes."""

    kind: Literal["render_reports"]
    region_code: str
    period_type: PeriodType
    period_start: date
    documents: list[RenderedRead]


class RemarkRead(Read):
    section: str
    note: str


class ReportRead(Read):
    """A report and where it stands.

    `revision` is the one being worked on or submitted last, `accepted_revision` the one that counts. `is_late` is
    decided by the first submission and never changes; null before. `remarks` are those of the last return, `revises`
    why it follows an accepted revision.
    """

    id: UUID
    region_code: str | None
    region_name: str | None
    level: Level
    period_type: PeriodType
    period_start: date
    period_end: date
    due_on: date
    status: Status
    revision: int
    accepted_revision: int | None
    is_late: bool | None
    officer_ids: list[UUID]
    officer_names: list[str]
    summary: str | None
    obstacles: str | None
    plan: str | None
    remarks: list[RemarkRead]
    revises: str | None
    compiled_at: datetime
    version: int
    created_at: datetime
    updated_at: datetime


class ReportDetail(ReportRead):
    """A report with its content: of a draft what was compiled last, else the snapshot. Every number has its rows."""

    outdated: Annotated[
        bool,
        Field(
            description="Handed in, and since then work of its period came in or was corrected; of a recap, a report "
            "below it was accepted in another revision. A correction takes it in"
        ),
    ]
    withheld: Withheld
    content: ReportContent


class RevisionRead(Read):
    """A report as it was submitted. `sha256` is of the bytes that `document?format=json` gives; they no longer fit
    where a person was erased from it (`redacted_at`)."""

    id: UUID
    report_id: UUID
    number: int
    status: Literal["submitted", "returned", "accepted"]
    revises: str | None
    is_late: bool
    sha256: str
    redacted_at: datetime | None
    submitted: Signed
    acknowledged: Signed | None
    decided: Annotated[Signed | None, Field(description="Who returned or accepted it")]
    verification_url: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class RevisionDetail(RevisionRead):
    withheld: Withheld
    content: ReportContent


class CheckItem(Read):
    """One thing to look at; `count` is how often. `filter` lists the rows where there are any."""

    code: Annotated[str, Field(description="Code of the list report_checks")]
    severity: Literal["blocking", "warning"]
    section: str
    label_id: str
    label_en: str
    count: int | None
    filter: str | None


class ReportCheck(Read):
    """What a submission would meet now. `ready`: nothing blocks it."""

    ready: bool
    items: list[CheckItem]


class MissingRead(Read):
    """A region whose report for the period is not submitted. `vacant`: a district nobody held in the period."""

    region_code: str
    region_name: str
    parent_name: str | None
    state: Literal["missing", "draft", "returned", "vacant"]
    report_id: UUID | None
    due_on: date
    is_late: Annotated[bool, Field(description="Today, by the region's calendar, it is past due")]
    officers: list[str]


class ReportVerification(Read):
    """What a paper must agree with. An unknown code, and a report not accepted, have only the status."""

    status: Literal["accepted", "superseded", "unknown"]
    region: str | None
    period_type: PeriodType | None
    period_start: date | None
    period_end: date | None
    revision: int | None
    sha256: str | None
    accepted_on: date | None
    superseded_on: date | None
