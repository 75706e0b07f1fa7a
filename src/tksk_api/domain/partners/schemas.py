"""Shapes of social partners."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Line, Note, PastDate, PhoneNumber, RegionCode

PartnerType = Annotated[Code, Field(description="Code of the list psks_types", examples=["karang_taruna"])]
Unit = Annotated[
    Literal["person", "family", "institution"],
    Field(description="Follows from the type; needed for the type `other` only", examples=["institution"]),
]
PartnerName = Annotated[Line, Field(examples=["Karang Taruna Tunas Bahari"])]
Place = Annotated[RegionCode, Field(description="Region it serves: its village, district, regency or province")]
Offers = Annotated[
    list[Code], Field(max_length=30, description="Codes of the list partner_offers", examples=[["food", "volunteers"]])
]
Programs = Annotated[list[Code], Field(max_length=50, description="Programmes it supports", examples=[["pip"]])]
Pillars = Annotated[list[Code], Field(max_length=4, description="Codes of the list pillars", examples=[["protection"]])]
LegalEntity = Annotated[
    Literal["yes", "no", "unknown"],
    Field(description="Whether an LKS is a legal entity; `unknown` unless given, null for every other type"),
]
EndReason = Annotated[Code, Field(description="Code of the list partner_end_reasons", examples=["dissolved"])]


class PartnerCreate(Body):
    """Somebody who helps. Of a partner that is a person, write no more than reaching them takes."""

    id: UUID | None = None
    type: PartnerType
    unit: Unit | None = None
    name: PartnerName
    region_code: Place
    address: Line | None = None
    phone: PhoneNumber | None = None
    contact_person: Annotated[Line | None, Field(description="Whom to ask for at an institution")] = None
    offers: Offers = []
    offer_details: Annotated[Note | None, Field(description="What the codes of `offers` do not say")] = None
    programs: Programs = []
    pillars: Pillars = []
    legal_entity: LegalEntity | None = None
    notes: Note | None = None


class PartnerUpdate(Body):
    """A merge patch. Nothing is deleted: `is_active` false needs `ended_on` and `end_reason`, true clears both."""

    type: PartnerType | None = None
    unit: Unit | None = None
    name: PartnerName | None = None
    region_code: Place | None = None
    address: Line | None = None
    phone: PhoneNumber | None = None
    contact_person: Line | None = None
    offers: Offers | None = None
    offer_details: Note | None = None
    programs: Programs | None = None
    pillars: Pillars | None = None
    legal_entity: LegalEntity | None = None
    is_active: bool | None = None
    ended_on: PastDate | None = None
    end_reason: EndReason | None = None
    notes: Note | None = None


class PartnerRead(Read):
    """A social partner (PSKS)."""

    id: UUID
    type: str
    unit: Unit
    name: str
    region_code: str
    address: str | None
    phone: str | None
    contact_person: str | None
    offers: list[str]
    offer_details: str | None
    programs: list[str]
    pillars: list[str]
    legal_entity: LegalEntity | None
    is_active: bool
    ended_on: date | None
    end_reason: str | None
    notes: str | None
    version: int
    created_at: datetime
    updated_at: datetime
