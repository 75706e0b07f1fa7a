"""Shapes of decile snapshots, and of what stands beside each other about one family."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.domain.visits.schemas import VisitFinding
from tksk_api.types import Code, Line, PastDate

Decile = Annotated[int, Field(strict=True, ge=1, le=10, description="1 is the poorest tenth of families")]
Source = Annotated[Code, Field(description="Code of the list decile_sources", examples=["dtsen"])]
Batch = Annotated[
    Line, Field(max_length=100, description="The delivery it came with", examples=["DTSEN 2026 triwulan IV"])
]


class DecileSnapshotCreate(Body):
    """What a source said of a family on a day; `decile` null is "belum ditentukan" and has to be said, too."""

    id: UUID | None = None
    family_id: UUID
    decile: Decile | None
    source: Source
    batch: Batch
    dated_on: PastDate


class DecileSnapshotRead(Read):
    """A family's decile by one source on one day. Nothing changes it; a correction has a day of its own."""

    id: UUID
    family_id: UUID
    region_code: str
    decile: int | None
    source: str
    batch: str
    dated_on: date
    beneficiary_ids: Annotated[list[UUID], Field(description="The family's members whom you see")]
    version: int
    created_at: datetime


class OfficialDecile(Read):
    """The newest snapshot on the day asked for."""

    snapshot_id: UUID
    decile: Annotated[int | None, Field(description="Null: undetermined")]
    source: str
    batch: str
    dated_on: date


class OfficersFinding(Read):
    """What an officer found at the newest visit to one member."""

    visit_id: UUID
    beneficiary_id: UUID
    finding: VisitFinding
    visited_on: date


class FamilyDecileRead(Read):
    """The official rank of a family and the findings of officers, side by side: neither overrules the other."""

    id: Annotated[UUID, Field(description="The family's")]
    on: date
    official: OfficialDecile | None
    findings: Annotated[list[OfficersFinding], Field(description="Newest first; of members whom you see")]
    beneficiary_ids: list[UUID]
