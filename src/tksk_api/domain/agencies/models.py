"""Table of agencies: a public directory, not scoped; only its own region's offices may edit a row."""

from sqlalchemy import Text
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionText, text_array


class Agency(Record, table=True):
    """An office that receives referrals. Without a region it serves the nation."""

    __tablename__ = "agencies"

    name: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    region_code: str | None = Field(default=None, sa_type=RegionText, index=True)
    programs: list[str] = text_array()
    address: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    is_active: bool = True
