"""Table of working days."""

from datetime import date

import sqlalchemy as sa
from sqlmodel import Field

from tksk_api.database.tables import Table


class WorkingDay(Table, table=True):
    """A day on which offices work, and which of all working days it is. A day off has no row."""

    __tablename__ = "working_days"
    __table_args__ = (sa.Index("uq_working_days_ordinal", "ordinal", unique=True),)

    day: date = Field(primary_key=True)
    ordinal: int
