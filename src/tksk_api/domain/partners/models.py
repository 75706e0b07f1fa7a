"""Table of social partners: a directory for every office, not scoped; only its own region's offices may edit a row."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy import Text
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionText, text_array


class Partner(Record, table=True):
    """One of the 12 kinds of potential for social welfare (Permensos 8/2012), or another one that helps.

    `search_name` is maintained by the database from `name`.
    """

    __tablename__ = "partners"
    __table_args__ = (
        sa.Index("ix_partners_created_at", "created_at", "id"),
        sa.Index("ix_partners_offers", "offers", postgresql_using="gin"),
    )

    type: str = Field(sa_type=Text)
    unit: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    search_name: str | None = Field(default=None, sa_type=Text, sa_column_kwargs={"server_default": sa.FetchedValue()})
    region_code: str = Field(sa_type=RegionText, index=True)
    address: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    contact_person: str | None = Field(default=None, sa_type=Text)
    offers: list[str] = text_array()
    offer_details: str | None = Field(default=None, sa_type=Text)
    programs: list[str] = text_array()
    pillars: list[str] = text_array()
    legal_entity: str | None = Field(default=None, sa_type=Text)
    is_active: bool = True
    ended_on: date | None = None
    end_reason: str | None = Field(default=None, sa_type=Text)
    notes: str | None = Field(default=None, sa_type=Text)
