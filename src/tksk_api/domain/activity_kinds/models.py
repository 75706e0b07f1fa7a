"""Table of kinds of activity: reference data, open to read, so not row scoped."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy import Text
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionText


class ActivityKind(Record, table=True):
    """What an activity can be: the nation's where there is no region, else one that holds there and below.

    Codes are unique in the nation, so that sums over regions never mix two kinds. Without a pillar it fits all four.
    """

    __tablename__ = "activity_kinds"
    __table_args__ = (sa.Index("uq_activity_kinds_code", "code", unique=True),)

    code: str = Field(sa_type=Text)
    label_id: str = Field(sa_type=Text)
    label_en: str = Field(sa_type=Text)
    pillar: str | None = Field(default=None, sa_type=Text)
    function: str = Field(sa_type=Text)
    region_code: str | None = Field(default=None, sa_type=RegionText)
    valid_from: date | None = None
    valid_until: date | None = None
