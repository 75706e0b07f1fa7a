"""Shapes of PPKS assessments."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.beneficiaries.schemas import Warning_
from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Day, Line, Note, PastDate, VillageCode

AssessmentStatus = Literal["active", "closed"]
AgeBand = Literal["0-4", "5-17", "18-59", "60+", "none"]
Unit = Annotated[
    Literal["person", "family", "group", "community"], Field(description="Of whom the category holds (PP 39/2012)")
]


class PpksAssessmentCreate(Body):
    """Give `beneficiary_id`, `family_id`, or `group_name` with `village_code`: whichever the category is for.

    A category of persons is also one of a group; `keluarga_bermasalah_psikologis` is a family's, `kat` a community's.
    """

    id: UUID | None = None
    category: Annotated[Code, Field(description="Code of the list ppks_categories", examples=["fakir_miskin"])]
    beneficiary_id: UUID | None = None
    family_id: UUID | None = None
    group_name: Line | None = None
    village_code: Annotated[VillageCode | None, Field(description="Of a group or community only")] = None
    since: Annotated[PastDate | None, Field(description="Since when it holds; the day it was assessed if unknown")] = (
        None
    )
    assessed_on: Annotated[PastDate | None, Field(description="Today in the village if left out")] = None
    note: Note | None = None


class PpksAssessmentClose(Body):
    """Until when the category held, and why it ended."""

    until: Annotated[Day | None, Field(description="Today in the village if left out")] = None
    reason_code: Annotated[
        Code, Field(description="Code of the list ppks_closing_reasons", examples=["no_longer_applies"])
    ]
    note: Note | None = None


class PpksAssessmentRead(Read):
    """One category of one person, family, group or community. `warnings` are hints about age and sex (DOMAIN §2.1)."""

    id: UUID
    category: str
    sensitive: bool
    unit: Unit
    beneficiary_id: UUID | None
    family_id: UUID | None
    group_name: str | None
    region_code: str
    since: date
    until: date | None
    assessed_on: date
    assessor_id: UUID | None
    assessor_name: str | None
    status: AssessmentStatus
    reason_code: str | None
    note: str | None
    warnings: list[Warning_]
    version: int
    created_at: datetime
    updated_at: datetime
