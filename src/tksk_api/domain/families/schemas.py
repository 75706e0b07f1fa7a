"""Shapes of families."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.beneficiaries.schemas import Address, AddressPatch, AddressRead
from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, FamilyCardNumber, PastDate, VillageCode

MAX_MEMBERS = 40
FamilyStatus = Annotated[Literal["active", "ended"], Field(description="Ended when nobody is left in it")]
Relationship = Annotated[
    Code, Field(description="To the head: code of the list relationships (SHDK)", examples=["head_of_family"])
]
ChangeReason = Annotated[Code, Field(description="Code of the list family_change_reasons", examples=["marriage"])]
MemberId = Annotated[UUID, Field(description="A present member whom you see")]


class FamilyMemberCreate(Body):
    """Somebody of the caller's area who belongs to no family now."""

    beneficiary_id: UUID
    relationship: Relationship
    joined_on: Annotated[PastDate | None, Field(description="Today unless given")] = None


class FamilyCreate(Body):
    """A family with its members, one of whom is its head. The card is what the family has now, where it has one."""

    id: UUID | None = None
    family_card_number: FamilyCardNumber | None = None
    village_code: VillageCode
    address: Address
    members: Annotated[list[FamilyMemberCreate], Field(min_length=1, max_length=MAX_MEMBERS)]


class FamilyUpdate(Body):
    """A merge patch of the address. Village, card and members change by their own actions."""

    address: AddressPatch | None = None


class FamilySearch(Body):
    """By a family card number, the present or a former one."""

    family_card_number: FamilyCardNumber
    limit: Annotated[int, Field(ge=1, le=50)] = 20


class FamilyCardCreate(Body):
    """The family's new card; the one before stays in the history."""

    family_card_number: FamilyCardNumber
    valid_from: Annotated[PastDate | None, Field(description="Today unless given")] = None
    reason: ChangeReason


class FamilyHeadChange(Body):
    """Who becomes head, and what the former head is to them; nothing of the sort after the head died."""

    beneficiary_id: MemberId
    former_head_relationship: Relationship | None = None
    reason: ChangeReason


class FamilySplitMember(Body):
    beneficiary_id: MemberId
    relationship: Annotated[Code, Field(description="In the new family", examples=["head_of_family"])]


class FamilySplit(Body):
    """Who goes, and what they are to each other. When the head goes, `successor_id` is the head of those who stay.

    Village and address are those of the old family unless given.
    """

    id: UUID | None = None
    members: Annotated[list[FamilySplitMember], Field(min_length=1, max_length=MAX_MEMBERS)]
    successor_id: MemberId | None = None
    family_card_number: FamilyCardNumber | None = None
    village_code: VillageCode | None = None
    address: Address | None = None
    on: Annotated[PastDate | None, Field(description="Today unless given")] = None
    reason: ChangeReason


class FamilyLeaving(Body):
    """Why a member leaves, and when: today unless given. The head's leaving needs `successor_id`, who becomes head."""

    reason: ChangeReason
    left_on: PastDate | None = None
    successor_id: MemberId | None = None


class FamilyMove(Body):
    """Where the family lives now; `with_members` moves those of its members whom you see along with it."""

    village_code: VillageCode
    address: Address
    with_members: Annotated[bool, Field(strict=True)] = False
    reason: ChangeReason


class FamilyMoved(Read):
    """Where the family is now; `in_scope` false means you no longer see it."""

    id: UUID
    village_code: str
    in_scope: bool
    version: int


class FamilyWarning(Read):
    """A hint for the officer; codes of the list family_warnings."""

    code: str
    detail: str


class FamilyMemberRead(Read):
    """A present member. Of one who lives outside your area you see the place in the family, and nothing else."""

    member_id: Annotated[UUID, Field(description="Of the membership, not of the person: to end it")]
    beneficiary_id: UUID | None
    full_name: str | None
    birth_date: date | None
    sex: str | None
    nik_masked: str | None
    relationship: str
    joined_on: date
    outside_scope: bool


class FamilyRead(Read):
    """A family, its card masked to the last four digits."""

    id: UUID
    family_card_masked: str | None
    village_code: str
    region_code: str
    address: AddressRead
    status: FamilyStatus
    needs_head: Annotated[bool, Field(description="The head died or was erased: name another with change-head")]
    split_from: UUID | None
    members: list[FamilyMemberRead]
    beneficiary_ids: Annotated[list[UUID], Field(description="The members whom you see")]
    warnings: list[FamilyWarning]
    version: int
    created_at: datetime
    updated_at: datetime


class FamilySearchResult(Read):
    """Newest first; not paged."""

    items: list[FamilyRead]


class FamilyChangeRead(Read):
    """One change of the family, of a membership or of a card; `fields` maps a field to its former and new value.

    `reason` is what the action gave as one; `beneficiary_id` is null for a member elsewhere.
    """

    id: int
    at: datetime
    entity: Literal["families", "family_members", "family_cards"]
    action: Literal["create", "update", "delete"]
    fields: dict[str, Any]
    member_id: UUID | None
    beneficiary_id: UUID | None
    relationship: Annotated[str | None, Field(description="What the member is now, or was last")]
    card_masked: str | None
    reason: str | None
    actor_id: UUID | None
    actor_name: str | None
    actor_role: str | None
    request_id: UUID | None
    operation: str | None
