"""Shapes of kinds of activity."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Day, Line, RegionCode

Pillar = Annotated[
    Literal["rehabilitation", "social_security", "empowerment", "protection"],
    Field(description="One of the four pillars of social welfare (UU 11/2009)", examples=["social_security"]),
]
TkskFunction = Annotated[
    Literal["coordination", "facilitation", "administration"],
    Field(description="Function of the officer (Permensos 28/2018)", examples=["facilitation"]),
]


class ActivityKindCreate(Body):
    """A kind of a region's own, from a day on; it holds in the region and below."""

    id: UUID | None = None
    code: Annotated[Code, Field(description="Unique in the nation", examples=["posyandu_lansia_mataram"])]
    label_id: Annotated[Line, Field(examples=["Pendampingan posyandu lansia"])]
    label_en: Annotated[Line, Field(examples=["Support for the health post of the elderly"])]
    pillar: Annotated[Pillar | None, Field(description="Left out, it fits all four")] = None
    function: Annotated[TkskFunction, Field(description="The usual one, which an activity may change")] = "facilitation"
    region_code: Annotated[RegionCode | None, Field(description="Left out, the nation")] = None
    valid_from: Annotated[Day | None, Field(description="Left out, always")] = None
    valid_until: Annotated[Day | None, Field(description="The last day of work of this kind")] = None


class ActivityKindUpdate(Body):
    """A merge patch. Code, pillar and region stay: what was logged under a kind keeps its meaning."""

    label_id: Line | None = None
    label_en: Line | None = None
    function: TkskFunction | None = None
    valid_from: Day | None = None
    valid_until: Day | None = None


class ActivityKindRead(Read):
    """A kind with its names; one that no longer holds stays readable, for the work that was logged under it."""

    id: UUID
    code: str
    label_id: str
    label_en: str
    pillar: Pillar | None
    function: TkskFunction
    region_code: str | None
    valid_from: date | None
    valid_until: date | None
    version: int
    created_at: datetime
    updated_at: datetime
