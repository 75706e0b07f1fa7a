"""Shapes of privacy requests."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Note, PastDate

Kind = Annotated[
    Literal["access", "correction", "restriction", "lift_restriction", "erasure"],
    Field(
        description="access: UU 27/2022 Pasal 32; correction: Pasal 30; restriction and its lifting: Pasal 41; "
        "erasure: Pasal 43-44"
    ),
]
Requester = Annotated[
    Literal["self", "guardian", "heir"], Field(description="Who came: the person, their guardian, or their heir")
]
Status = Literal["received", "fulfilled", "refused"]


class PrivacyRequestCreate(Body):
    """What a person, their guardian or heir asks about the person's data. The answer is due within 72 hours."""

    id: UUID | None = None
    beneficiary_id: UUID
    kind: Kind
    reason: Annotated[Note, Field(examples=["Nama pada data tidak sama dengan KTP."])]
    requested_by: Requester
    received_on: Annotated[PastDate, Field(examples=["2026-11-02"])]


class Fulfil(Body):
    note: Note | None = None


class PrivacyRefusal(Body):
    """Why; codes of the list privacy_refusal_reasons, each with the article it rests on."""

    reason_code: Annotated[Code, Field(examples=["identity_not_proven"])]
    note: Annotated[Note, Field(min_length=3)]


class PrivacyRequestRead(Read):
    """A request and what became of it. `due_at` is 72 hours (3x24) after it was taken in."""

    id: UUID
    beneficiary_id: UUID
    region_code: str
    kind: Kind
    reason: str
    requested_by: Requester
    received_on: date
    status: Status
    due_at: datetime
    overdue: bool
    decided_at: datetime | None
    decided_by: UUID | None
    reason_code: str | None
    note: str | None
    created_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
