"""Shapes of beneficiaries."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.types import (
    Code,
    FamilyCardNumber,
    Line,
    Nik,
    Note,
    PastDate,
    PersonName,
    PhoneNumber,
    RegionCode,
    RtRw,
    Sex,
    VillageCode,
)

NikStatus = Annotated[
    Literal["verified", "unverified", "belum_rekam", "none"],
    Field(description="verified/unverified with a NIK; belum_rekam (not yet recorded) or none without one"),
]
Categories = Annotated[
    list[Code], Field(max_length=26, description="Codes of the list ppks_categories", examples=[["fakir_miskin"]])
]


MessageChannel = Annotated[
    Literal["whatsapp", "sms"],
    Field(description="Set only when the person agreed to messages to `phone` (UU 27/2022 Pasal 20); null ends it"),
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
    full_name: PersonName
    birth_place: Line | None = None
    birth_date: PastDate
    sex: Sex
    address: Address
    village_code: VillageCode
    phone: PhoneNumber | None = None
    message_channel: MessageChannel | None = None
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
    full_name: PersonName | None = None
    birth_place: Line | None = None
    birth_date: PastDate | None = None
    sex: Sex | None = None
    address: AddressPatch | None = None
    phone: PhoneNumber | None = None
    message_channel: MessageChannel | None = None
    family_card_number: FamilyCardNumber | None = None
    relationship: Code | None = None
    ppks_categories: Categories | None = None
    notes: Note | None = None


class Warning_(Read):
    """A hint for the officer; codes of the list beneficiary_warnings."""

    code: str
    detail: str


class DuplicateWarning(Warning_):
    """The person may be registered already; given with the answer to a registration."""

    code: Literal["possible_duplicate"]
    beneficiary_id: Annotated[UUID | None, Field(description="Whom, if they are registered in your area")]


class AddressRead(Read):
    street: str
    rt: str | None
    rw: str | None


class BeneficiaryRead(Read):
    """A person as every reader sees them: identity numbers masked to their last four digits."""

    id: UUID
    nik_masked: str | None
    nik_status: NikStatus
    nik_verified_at: datetime | None
    nik_verified_document: Annotated[str | None, Field(description="Code of the list nik_documents")]
    full_name: str
    birth_place: str | None
    birth_date: date
    sex: Sex
    address: AddressRead
    village_code: str
    region_code: str
    phone: str | None
    message_channel: MessageChannel | None
    family_card_masked: str | None
    relationship: str | None
    ppks_categories: Annotated[
        list[str], Field(description="Active categories; sensitive ones only for those who need them")
    ]
    notes: str | None
    warnings: list[DuplicateWarning | Warning_]
    deceased_on: date | None
    deceased_source: Annotated[str | None, Field(description="Code of the list death_sources")]
    moved_at: Annotated[datetime | None, Field(description="When the person last moved to another village")]
    restricted_at: Annotated[
        datetime | None, Field(description="Since when no new processing is allowed, at the person's own request")
    ]
    merged_into: Annotated[
        UUID | None,
        Field(description="Set when you asked for a record that was merged: the id of this one, which stands for both"),
    ]
    version: int
    created_at: datetime
    updated_at: datetime


class BeneficiaryAsOf(BeneficiaryRead):
    """A person as they were in the register at a moment; `version` and `updated_at` are of the state shown."""

    as_of: datetime
    not_kept: Annotated[
        list[str], Field(description="Fields whose former value is not kept: they are null", examples=[["nik_masked"]])
    ]


class MatchReason(Read):
    """What agrees in one field, or does not."""

    field: str
    match: Annotated[
        str,
        Field(
            description="exact, similar or different; of a birth date also day_month_swapped, one_digit, transposed, "
            "year_only, same_year; of a NIK also one_digit and unknown; of a place same, same_district, same_regency"
        ),
    ]
    similarity: Annotated[float | None, Field(description="Of names alone, 0 to 1")] = None


class BeneficiaryHit(BeneficiaryRead):
    """A search result; `score` from 0 to 1 is how well what you gave fits, and `reasons` say in which fields."""

    score: float
    reasons: list[MatchReason]


class Candidate(Read):
    """What a search compares; nobody is shown it."""

    id: UUID
    full_name: str
    birth_date: date
    village_code: str
    nik_index: bytes | None
    family_card_index: bytes | None


class BeneficiarySearch(Body):
    """By NIK, family card number or birth date exactly, or by a name that may be misspelt, with as much as is known.

    With a name, a NIK or birth date that is one digit off still counts. `region_code` narrows the place.
    """

    nik: Nik | None = None
    family_card_number: FamilyCardNumber | None = None
    name: Annotated[Line | None, Field(min_length=2)] = None
    birth_date: PastDate | None = None
    village_code: VillageCode | None = None
    region_code: Annotated[
        RegionCode | None, Field(description="Search in this province, regency, district or village only")
    ] = None
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


class AttachNik(Body):
    """The number of a person who had none, and the paper it was read from."""

    nik: Nik
    document: Annotated[Code | None, Field(description="Code of the list nik_documents", examples=["ktp"])] = None
    note: Note | None = None


class VerifyNik(Body):
    """What the number was compared with."""

    document: Annotated[Code, Field(description="Code of the list nik_documents", examples=["ktp"])]
    note: Note | None = None


class CorrectNik(Body):
    """The right number; null when the wrong one is somebody else's and the right one is not known."""

    nik: Nik | None
    reason: Note


class Death(Body):
    """When somebody died, and what that is known from."""

    died_on: PastDate
    source: Annotated[Code, Field(description="Code of the list death_sources", examples=["village_letter"])]
    note: Note | None = None


class DeathUndone(Body):
    """Why the record was wrong."""

    reason: Note


class OpenWork(Read):
    """Something under way for a person who died; whoever is responsible ends it.

    A letter that names them and is in force (`sktm_letter`) is told by its application's `id`, to be revoked there.
    """

    kind: Literal["sktm_application", "sktm_letter", "referral", "visit", "ppks_assessment"]
    id: UUID
    status: str


class DeceasedRead(BeneficiaryRead):
    """A person recorded as deceased, and what is still under way for them, as far as you see it."""

    open_work: list[OpenWork]


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
    reason: Annotated[str | None, Field(description="Why, where the action asks for one")]
    entity_version: int | None
