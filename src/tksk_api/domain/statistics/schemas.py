"""Shapes of statistics."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from tksk_api.domain.records import Body, Read
from tksk_api.domain.regions.schemas import Level
from tksk_api.domain.visits.schemas import VisitFinding
from tksk_api.types import RegionCode

Subject = Annotated[
    Literal["activities", "sktm", "referrals", "ppks", "visits"],
    Field(
        description="activities: submitted or accepted work, neither withdrawn nor replaced by a correction, by the "
        "day it was done; sktm, referrals: by the day they were drafted, with the state they are in now; ppks: "
        "assessments by the day of assessing; visits: by their day",
        examples=["activities"],
    ),
]
Dimension = Literal[
    "month",
    "region",
    "pillar",
    "function",
    "kind",
    "program",
    "purpose",
    "state",
    "outcome",
    "ppks_category",
    "sex",
    "age_band",
]
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


class Figure(Read):
    """One number, the one of the period before where asked for, and the list whose rows it counts.

    `suppressed`: fewer than five, or another number would tell it; what is withheld of `count` and `previous` is null.
    `filter` is path and query of a list, null for whoever may not see its rows. `change_percent` is null where there
    was nothing before.
    """

    count: int | None
    previous: int | None
    change: int | None
    change_percent: float | None
    filter: str | None
    suppressed: bool


class StatisticsCell(Figure):
    """`keys` holds one value for each dimension of `by`: a code, a region's code, or a month as YYYY-MM."""

    keys: dict[Dimension, str]


class Span(Read):
    """First and last day, both included."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[date, Field(alias="from")]
    to: date


class StatisticsRead(Read):
    """Counts of one subject in one region and period.

    Cells are ordered by their keys; every month and every region just below is there, with 0 where nothing happened.
    `regions` names the regions of the cells. `suppressed_below` is null for whoever may see the rows.
    """

    model_config = ConfigDict(populate_by_name=True)

    of: Subject
    region: Annotated[str | None, Field(description="Null: the nation")]
    region_name: str
    level: Literal["nation"] | Level
    from_: Annotated[date, Field(alias="from")]
    to: date
    previous: Annotated[Span | None, Field(description="The period compared with: as long, and just before")]
    by: list[Dimension]
    cells: list[StatisticsCell]
    totals: Figure
    regions: dict[str, str]
    suppressed_below: int | None


class CoverageRow(Read):
    """How far one region is reached. `filter` lists its villages without a visit, `vacancies` its districts without
    an officer."""

    region: str
    region_name: str
    villages: int
    villages_without_visit: int
    districts: int
    districts_without_officer: int
    filter: str
    vacancies: str


class CoverageRead(Read):
    """Villages without a completed visit in the last `days` days, and districts without an officer today."""

    region: Annotated[str | None, Field(description="Null: the nation")]
    region_name: str
    days: int
    totals: CoverageRow
    rows: list[CoverageRow]


class UnvisitedVillageRead(Read):
    """A village where no visit was completed in the days asked for."""

    region_code: str
    region_name: str
    district_name: str
    last_visited_on: Annotated[
        date | None, Field(description="Null: nobody was ever visited there, or you may not see visits")
    ]


class DashboardLinkCreate(Body):
    """The region of the first page."""

    region_code: Annotated[RegionCode | None, Field(description="Unless given, your own area", examples=["18.71"])] = (
        None
    )


class DashboardLink(Read):
    """An address for a browser; whoever holds it sees what you see until it expires, so do not pass it on."""

    url: str
    expires_at: datetime


class DatasetRow(Read):
    """One line of an open table; `count` is null where it is withheld."""

    region_code: str
    region_name: str
    month: Annotated[str, Field(examples=["2026-10"])]
    code: str
    label: str
    count: int | None
    suppressed: bool


class DatasetColumn(Read):
    name: str
    type: Literal["string", "integer", "boolean"]
    description: str
    reference: Annotated[str | None, Field(description="The list its codes are of")]


class Distribution(Read):
    media_type: str
    url: str


class DatasetMetadata(Read):
    """What a table of open data is (Perpres 39/2019): who answers for it, what its columns and codes mean, and how
    small counts are withheld. `period` is the one given out unless another is asked for."""

    id: str
    title_id: str
    title_en: str
    description_id: str
    description_en: str
    publisher: str
    licence: str
    language: list[str]
    period: Annotated[str, Field(description="ISO 8601 interval of months", examples=["2025-11/2026-10"])]
    frequency: Literal["monthly"]
    updated: datetime
    unit_id: str
    unit_en: str
    reference_codes: list[str]
    standard: str
    suppression_id: str
    suppression_en: str
    columns: list[DatasetColumn]
    distributions: list[Distribution]


class DatasetCatalogue(Read):
    """Every table of open data there is."""

    items: list[DatasetMetadata]


class DatasetTable(Read):
    """A table of open data with its metadata."""

    metadata: DatasetMetadata
    rows: list[DatasetRow]
