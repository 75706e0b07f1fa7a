"""Shapes of report calendars."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.types import Day

Acknowledgement = Annotated[
    Literal["optional", "before_acceptance", "after_acceptance"],
    Field(description="When the district head acknowledges a district's report, and whether acceptance waits for it"),
]


def _once_each(value: list[int] | None) -> list[int] | None:
    if value is not None and len(set(value)) != len(value):
        raise PydanticCustomError("duplicate_entry", "twice")
    return value


DueDay = Annotated[int | None, Field(strict=True, ge=1, le=28, description="Day of the month after the period")]


class ReportCalendarPut(Body):
    """A region's own settings from a day on. What is null or missing is inherited from the region above."""

    effective_from: Annotated[
        Day | None, Field(description="Today or later, by the region's calendar; today when left out")
    ] = None
    month_due_day: DueDay = None
    quarter_due_day: DueDay = None
    semester_due_day: DueDay = None
    year_due_day: DueDay = None
    recap_days: Annotated[
        int | None, Field(strict=True, ge=0, le=30, description="Days more for each level above the district")
    ] = None
    reminder_days: Annotated[
        list[Annotated[int, Field(strict=True, ge=0, le=28)]] | None,
        AfterValidator(_once_each),
        Field(max_length=5, description="How many days before it is due officers are reminded; 0 is the day itself"),
    ] = None
    acknowledgement: Acknowledgement | None = None


class ReportCalendarRead(Read):
    """A region's own settings from `effective_from` on; null is inherited."""

    id: UUID
    region_code: str
    effective_from: date
    month_due_day: int | None
    quarter_due_day: int | None
    semester_due_day: int | None
    year_due_day: int | None
    recap_days: int | None
    reminder_days: list[int] | None
    acknowledgement: Acknowledgement | None
    version: int
    created_at: datetime
    updated_at: datetime


class EffectiveCalendar(Read):
    """What holds in a region on a day, and for each value the region it comes from (or `default`).

    `version` guards the region's own settings, those of later days included; null when it has none.
    """

    region_code: str
    on: date
    version: int | None
    values: dict[str, Any]
    origins: dict[str, str]
