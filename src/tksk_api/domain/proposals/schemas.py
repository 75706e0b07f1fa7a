"""Shapes of proposals."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Note

ProposalField = Annotated[
    Literal[
        "full_name",
        "birth_place",
        "birth_date",
        "sex",
        "address",
        "phone",
        "relationship",
        "ppks_categories",
        "village_code",
        "deceased_on",
        "dependants",
    ],
    Field(description="What of the register; dependants is how many there are in the family beside its head"),
]
ProposalOrigin = Annotated[
    Literal["officer", "finding", "evidence", "import"],
    Field(
        description="officer: said at the visit; finding and evidence: the answers contradict the register; "
        "import: an imported file does"
    ),
]
ProposalStatus = Annotated[
    Literal["open", "accepted", "rejected", "outdated"],
    Field(description="outdated: the register changed meanwhile, or a newer visit says otherwise"),
]


class ProposalAccept(Body):
    note: Note | None = None


class ProposalReject(Body):
    """Why the register is right."""

    reason: Annotated[Note, Field(min_length=3, max_length=500, examples=["Sudah diperiksa pada KTP."])]


class ProposalRead(Read):
    """One fact that a visit found otherwise. `current_value` is the register's at that time; null is nothing."""

    id: UUID
    beneficiary_id: UUID
    visit_id: Annotated[UUID | None, Field(description="Null of what an imported file said")]
    region_code: str
    field: ProposalField
    origin: ProposalOrigin
    current_value: Any
    proposed_value: Any
    status: ProposalStatus
    raised_by: UUID | None
    decided_at: datetime | None
    decided_by: UUID | None
    decided_by_name: str | None
    note: str | None
    version: int
    created_at: datetime
    updated_at: datetime
