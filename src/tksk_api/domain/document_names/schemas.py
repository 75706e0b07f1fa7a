"""Shapes of names on papers."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Note, PastDate, PersonName


class DocumentNameCreate(Body):
    """A name exactly as a paper bears it."""

    id: UUID | None = None
    document: Annotated[Code, Field(description="Code of the list name_documents", examples=["jkn_card"])]
    name: Annotated[PersonName, Field(examples=["St. Rahmawati"])]
    noted_on: Annotated[PastDate | None, Field(description="Today in the village if left out")] = None
    note: Note | None = None


class DocumentNameRead(Read):
    """What a paper says; withdrawn when it was read wrongly or the paper was corrected."""

    id: UUID
    beneficiary_id: UUID
    document: str
    name: str
    noted_on: date
    note: str | None
    withdrawn_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
