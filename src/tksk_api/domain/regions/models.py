"""Table of regions: public reference data, not scoped."""

from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import RegionText, Table


class Region(Table, table=True):
    """One row of the Kemendagri list. `search_name` is lower case without accents, for the name search.

    `edition` is the day of the packaged list that says so; none where a file said otherwise since. `id` is what the
    history and an import name it by.
    """

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
    id: UUID = Field(
        default=None,
        sa_type=PgUuid,
        unique=True,
        sa_column_kwargs={"server_default": sa.text("gen_random_uuid()"), "nullable": False},
    )
    version: int = Field(default=None, sa_column_kwargs={"server_default": sa.text("1"), "nullable": False})
    edition: date | None = None
