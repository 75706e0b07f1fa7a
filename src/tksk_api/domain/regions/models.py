"""Table of regions: public reference data, not scoped."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy import Text
from sqlmodel import Field

from tksk_api.database.tables import RegionText, Table


class Region(Table, table=True):
    """One row of the Kemendagri list. `search_name` is lower case without accents, for the name search."""

    __tablename__ = "regions"
    __table_args__ = (
        sa.Index("ix_regions_parent_code", "parent_code", "code"),
        sa.Index("ix_regions_level", "level", "code"),
        sa.Index(
            "ix_regions_search_name",
            "search_name",
            postgresql_using="gin",
            postgresql_ops={"search_name": "gin_trgm_ops"},
        ),
    )

    code: str = Field(primary_key=True, sa_type=RegionText)
    name: str = Field(sa_type=Text)
    level: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    parent_code: str | None = Field(sa_type=RegionText)
    timezone: str = Field(sa_type=Text)
    latitude: float | None
    longitude: float | None
    valid_from: date
    valid_until: date | None
    search_name: str = Field(sa_type=Text)
