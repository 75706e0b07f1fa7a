"""Shapes of agencies."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Line, PhoneNumber, RegionCode

Kind = Annotated[Code, Field(description="Code of the list agency_kinds", examples=["bpjs_office"])]
Place = Annotated[RegionCode | None, Field(description="Region it serves; null serves the nation", examples=["18.71"])]
Programs = Annotated[
    list[Code],
    Field(max_length=50, description="Programmes it serves beyond those its kind serves", examples=[["pbi_daerah"]]),
]


class AgencyCreate(Body):
    """An office that receives referrals. Name the office, never a person."""

    id: UUID | None = None
    name: Annotated[Line, Field(examples=["BPJS Kesehatan Kantor Cabang Bandar Lampung"])]
    kind: Kind
    region_code: Place = None
    programs: Programs = []
    address: Line | None = None
    phone: PhoneNumber | None = None
    is_active: bool = True


class AgencyUpdate(Body):
    """A merge patch. An agency is not deleted: set `is_active` to false and no new referral reaches it."""

    name: Line | None = None
    kind: Kind | None = None
    region_code: Place = None
    programs: Programs | None = None
    address: Line | None = None
    phone: PhoneNumber | None = None
    is_active: bool | None = None


class AgencyRead(Read):
    """An office of the public directory."""

    id: UUID
    name: str
    kind: str
    region_code: str | None
    programs: list[str]
    address: str | None
    phone: str | None
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime
