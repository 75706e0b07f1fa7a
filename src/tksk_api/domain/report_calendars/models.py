"""Table of report calendars: a region's own settings; what is null is inherited. Open to read, so not row scoped."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy import Text
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionText


class ReportCalendar(Record, table=True):
    """What one region asks of its reports from a day on; every other column may be null and is then inherited.

    A change is a row of its own. `version` counts through all rows of a region, so that `If-Match` guards the whole.
    """

    __tablename__ = "report_calendars"
    __table_args__ = (sa.Index("uq_report_calendars_region_code", "region_code", "effective_from", unique=True),)

    region_code: str = Field(sa_type=RegionText)
    effective_from: date
    month_due_day: int | None = None
    quarter_due_day: int | None = None
    semester_due_day: int | None = None
    year_due_day: int | None = None
    recap_days: int | None = None
    reminder_days: list[int] | None = Field(default=None, sa_type=sa.ARRAY(sa.Integer))
    acknowledgement: str | None = Field(default=None, sa_type=Text)
