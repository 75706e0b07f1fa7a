"""Shapes of possible duplicates and of merges."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.beneficiaries.schemas import MatchReason
from tksk_api.domain.records import Body, Read
from tksk_api.types import Note, Sex

DuplicateStatus = Literal["open", "dismissed", "merged"]
TakenField = Literal["nik", "family_card_number", "birth_place", "phone", "relationship", "notes"]
MergeReason = Annotated[Note, Field(min_length=10, max_length=500, examples=["Orang yang sama, dua kali dicatat"])]


class Merging(Body):
    """Which record stands, and why. `take` names what it lacks and gets from the one that goes, and nothing else."""

    into_id: Annotated[UUID, Field(description="The record that stands for both from now on")]
    reason: MergeReason
    take: Annotated[list[TakenField], Field(max_length=6, examples=[["phone"]])] = []


class Unmerging(Body):
    reason: Annotated[MergeReason, Field(examples=["Ternyata dua orang bersaudara"])]


class Dismissal(Body):
    """Why the two are not one person."""

    reason: Annotated[MergeReason, Field(examples=["Saudara kembar, dua orang berbeda"])]


class Reopening(Body):
    reason: Annotated[MergeReason, Field(examples=["Ada petunjuk baru dari keluarga"])]


class PersonOfPair(Read):
    """What is needed to compare two people; the rest is in their own records."""

    id: UUID
    full_name: str
    birth_place: str | None
    birth_date: date
    sex: Sex
    village_code: str
    street: str
    nik_masked: str | None
    nik_status: str
    family_card_masked: str | None
    merged_into: UUID | None
    created_at: datetime


class DuplicateRead(Read):
    """Two people who may be one. Of one registered outside your area you learn no more than which office to ask."""

    id: UUID
    status: DuplicateStatus
    score: Annotated[float, Field(description="0 to 1; 0 when you do not see both", examples=[0.93])]
    reasons: Annotated[list[MatchReason], Field(description="What agrees; empty when you do not see both")]
    people: Annotated[list[PersonOfPair], Field(description="Those of the two whom you see")]
    beneficiary_ids: list[UUID]
    ask_office: Annotated[
        str | None,
        Field(description="Where the other one is registered", examples=["Dinas Sosial Kota Bandar Lampung"]),
    ]
    decided_at: datetime | None
    decided_by: UUID | None
    decided_by_name: str | None
    reason: str | None
    merge_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


class MergeRead(Read):
    """One merge of the person's records; until `undo_until` it can be taken back. Of somebody registered outside your
    area it tells neither the id nor the reason."""

    id: UUID
    merged_id: UUID | None
    into_id: UUID | None
    beneficiary_ids: list[UUID]
    reason: str | None
    taken: Annotated[list[str], Field(description="What the record that stands had only from the other")]
    merged_by: UUID | None
    merged_by_name: str | None
    undo_until: datetime
    undone_at: datetime | None
    undone_by: UUID | None
    undo_reason: str | None
    version: int
    created_at: datetime
