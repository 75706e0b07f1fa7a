"""Shapes of presentations: what the agency tells and gets back, and what the officer sees."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.domain.sktm_letters.content import Status
from tksk_api.types import Code, Note

Outcome = Literal["used", "refused", "seen"]
Warned = Literal["letter_expired", "letter_revoked", "letter_superseded", "letter_not_yet_valid"]


class PresentationCreate(Body):
    """What became of a letter at the agency's desk. `program` and `note` say for what; a refusal needs its reason."""

    id: UUID | None = None
    outcome: Annotated[
        Outcome,
        Field(description="`used`: the service was granted on it; `refused`: not accepted; `seen`: on file, undecided"),
    ]
    program: Annotated[Code | None, Field(examples=["pbi_jk"], description="What for; codes of `programs`")] = None
    note: Annotated[
        Note | None, Field(max_length=500, examples=["Rawat jalan"], description="No personal data beyond the letter's")
    ] = None


class PresentationReceipt(Read):
    """The agency's own record. It names nobody: what the agency knows of the person is on the paper and the page."""

    id: UUID
    letter_number: str
    presented_on: date
    outcome: Outcome
    program: str | None
    note: str | None
    letter_status: Annotated[Status, Field(description="What the letter was worth at that moment")]
    warnings: Annotated[
        list[Warned], Field(description="Recorded all the same: a letter out of force is the officer's to know about")
    ]
    also_presented_elsewhere: Annotated[
        bool, Field(description="Another agency has had this letter before; which one is not said")
    ]
    version: int
    created_at: datetime
    updated_at: datetime


class PresentationRead(Read):
    """For the officer: which agency had the letter, when, and what it did."""

    id: UUID
    application_id: UUID
    beneficiary_id: UUID
    letter_number: str
    agency_id: UUID
    agency_name: str
    presented_at: datetime
    presented_on: date
    outcome: Outcome
    program: str | None
    note: str | None
    letter_status: Status
    also_presented_elsewhere: bool
    created_at: datetime
