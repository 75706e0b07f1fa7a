"""Shapes of beneficiaries."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, FamilyCardNumber, Line, Nik, Note, PastDate, PhoneNumber, RtRw, Sex, VillageCode

NikStatus = Annotated[
    Literal["verified", "unverified", "belum_rekam", "none"],
    Field(description="verified/unverified with a NIK; belum_rekam (not yet recorded) or none without one"),
]
Categories = Annotated[
    list[Code], Field(max_length=26, description="Codes of the list ppks_categories", examples=[["fakir_miskin"]])
]


class Address(Body):
    """Where the person lives, below the village; RT and RW are kept as three digits."""

    street: Line
    rt: RtRw | None = None
    rw: RtRw | None = None


class AddressPatch(Body):
    street: Line | None = None
    rt: RtRw | None = None
    rw: RtRw | None = None


class BeneficiaryCreate(Body):
    """A person in need. People without a NIK are first-class: leave `nik` out and say why in `nik_status`."""

    id: UUID | None = None
    nik: Nik | None = None
    nik_status: NikStatus
    full_name: Annotated[Line, Field(examples=["Siti Rahmawati"])]
    birth_place: Line | None = None
    birth_date: PastDate
    sex: Sex
    address: Address
    village_code: VillageCode
    phone: PhoneNumber | None = None
    family_card_number: FamilyCardNumber | None = None
    relationship: Annotated[Code | None, Field(description="Code of the list relationships (SHDK)")] = None
    ppks_categories: Categories = []
    notes: Note | None = None

    @model_validator(mode="before")
    @classmethod
    def _status_given(cls, value: Any) -> Any:
        if isinstance(value, dict) and "nik_status" not in value:
            return {**value, "nik_status": "unverified" if value.get("nik") else "none"}
        return value

    @model_validator(mode="after")
    def _status_fits(self) -> "BeneficiaryCreate":
        if (self.nik is not None) != (self.nik_status in ("verified", "unverified")):
            raise PydanticCustomError("nik_status_mismatch", "nik_status does not fit the nik")
        return self


class BeneficiaryUpdate(Body):
    """A merge patch. Village, NIK and death change by named actions, never here."""

    nik_status: Literal["verified", "unverified"] | None = None
    full_name: Line | None = None
    birth_place: Line | None = None
    birth_date: PastDate | None = None
    sex: Sex | None = None
    address: AddressPatch | None = None
    phone: PhoneNumber | None = None
    family_card_number: FamilyCardNumber | None = None
    relationship: Code | None = None
    ppks_categories: Categories | None = None
    notes: Note | None = None


class Warning_(Read):
    """A hint for the officer; codes of the list beneficiary_warnings."""

    code: str
    detail: str


class AddressRead(Read):
    street: str
    rt: str | None
    rw: str | None


class BeneficiaryRead(Read):
    """A person as every reader sees them: identity numbers masked to their last four digits."""

    id: UUID
    nik_masked: str | None
    nik_status: NikStatus
    full_name: str
    birth_place: str | None
    birth_date: date
    sex: Sex
    address: AddressRead
    village_code: str
    region_code: str
    phone: str | None
    family_card_masked: str | None
    relationship: str | None
    ppks_categories: list[str]
    notes: str | None
    warnings: list[Warning_]
    deceased_on: date | None
    restricted_at: Annotated[
        datetime | None, Field(description="Since when no new processing is allowed, at the person's own request")
    ]
    version: int
    created_at: datetime
    updated_at: datetime


class BeneficiaryHit(BeneficiaryRead):
    """A search result; `score` is 1 for an exact match, else the similarity of the names (0 to 1)."""

    score: float


class BeneficiarySearch(Body):
    """By NIK or family card number exactly, or by name with birth date or village. At least one is needed."""

    nik: Nik | None = None
    family_card_number: FamilyCardNumber | None = None
    name: Annotated[Line | None, Field(min_length=2)] = None
    birth_date: PastDate | None = None
    village_code: VillageCode | None = None
    limit: Annotated[int, Field(ge=1, le=50)] = 20

    @model_validator(mode="after")
    def _something(self) -> "BeneficiarySearch":
        if not any((self.nik, self.family_card_number, self.name, self.birth_date)):
            raise PydanticCustomError("search_needs_one", "nik, family_card_number, name or birth_date")
        return self


class SearchResult(Read):
    """Best matches first; not paged: refine the search instead."""

    items: list[BeneficiaryHit]


RevealField = Literal["nik", "family_card_number"]


class Reveal(Body):
    """Who needs a full identity number, for what; the answer is recorded."""

    fields: Annotated[list[RevealField], Field(min_length=1, max_length=2)]
    purpose: Annotated[Code, Field(description="Code of the list reveal_purposes")]
    reason: Annotated[Note, Field(min_length=10, max_length=500)]


class Revealed(Read):
    nik: str | None
    family_card_number: str | None


class Move(Body):
    village_code: VillageCode
    reason: Note
    address: Address | None = None


class Moved(Read):
    """Where the person is registered now; `in_scope` false means you no longer see them."""

    id: UUID
    village_code: str
    in_scope: bool
    version: int


class ChangeRead(Read):
    """One change: `fields` maps a field to its former and new value; of secret fields only that they changed."""

    id: int
    at: datetime
    action: Literal["create", "update", "delete"]
    fields: dict[str, Any]
    actor_id: UUID | None
    actor_name: str | None
    actor_role: str | None
    request_id: UUID | None
    operation: str | None
    entity_version: int | None
