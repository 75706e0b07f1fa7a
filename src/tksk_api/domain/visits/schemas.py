"""Shapes of home visits and of the evidence they bring home."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Day, Latitude, Longitude, Note

VisitStatus = Literal["planned", "completed"]
VisitOutcome = Annotated[
    Literal["met", "refused", "nobody_home"], Field(description="Code of the list visit_outcomes", examples=["met"])
]
VisitFinding = Annotated[
    Literal["eligible", "not_eligible", "needs_assessment"],
    Field(description="Code of the list visit_findings", examples=["eligible"]),
]
VisitDay = Annotated[Day, Field(description="By the calendar of the person's village")]


def rounded(decimals: int) -> BeforeValidator:
    """Receivers report more decimals than they know; the sixth of a degree is 0.1 m, so the rest is dropped."""

    def cut(value: Any) -> Any:
        return round(value, decimals) if isinstance(value, float) else value

    return BeforeValidator(cut)


class Point(Body):
    """WGS 84, degrees; kept to six decimals."""

    lat: Annotated[Latitude, rounded(6), Field(examples=[-5.473214])]
    lon: Annotated[Longitude, rounded(6), Field(examples=[105.326812])]


class PointPatch(Body):
    lat: Annotated[Latitude, rounded(6)] | None = None
    lon: Annotated[Longitude, rounded(6)] | None = None


class PointRead(Read):
    lat: float
    lon: float


class VisitLocation(Point):
    """Where the officer stood, as the device said."""

    accuracy: Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=1), rounded(1)] | None = Field(
        default=None, description="Radius in metres", examples=[8.5]
    )


class VisitLocationPatch(PointPatch):
    accuracy: Annotated[Decimal, Field(ge=0, le=100_000, decimal_places=1), rounded(1)] | None = None


class VisitLocationRead(PointRead):
    accuracy: float | None


class VisitCreate(Body):
    """A visit to be paid, or one that was paid and is completed next."""

    id: UUID | None = None
    beneficiary_id: UUID
    visited_on: VisitDay
    location: VisitLocation | None = None
    notes: Note | None = None


class VisitUpdate(Body):
    """A merge patch of a planned visit."""

    visited_on: VisitDay | None = None
    location: VisitLocationPatch | None = None
    notes: Note | None = None


def _listed(name: str, example: str) -> Any:
    return Field(default=None, description=f"Code of the list {name}", examples=[example])


_Count = Annotated[int, Field(strict=True)]
_Rupiah = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000)]
_YesNo = Annotated[bool, Field(strict=True)]


class PovertyEvidence(Body):
    """What the officer saw and was told. Leave out what was not looked at; an empty `assets` says there are none.

    The fields of Regsosek 2022 (BPS), with income and dependants of the SKTM letter, and from the 14 criteria of the
    Ministry of Social Affairs the schooling of the head of the family and the savings.
    """

    house_ownership: Code | None = _listed("house_ownership", "rented")
    floor_area_m2: Annotated[float, Field(strict=True, ge=0, le=10_000)] | None = None
    floor_type: Code | None = _listed("floor_type", "earth")
    wall_type: Code | None = _listed("wall_type", "woven_bamboo")
    roof_type: Code | None = _listed("roof_type", "zinc")
    water_source: Code | None = _listed("water_source", "unprotected_well")
    lighting: Code | None = _listed("lighting", "pln_metered")
    electricity_power: Code | None = _listed("electricity_power", "va_450")
    toilet: Code | None = _listed("toilet", "shared")
    cooking_fuel: Code | None = _listed("cooking_fuel", "firewood")
    assets: Annotated[list[Code], Field(max_length=50)] | None = Field(
        default=None, description="Codes of the list assets", examples=[["motorcycle"]]
    )
    income_per_month: _Rupiah | None = Field(default=None, description="Of the family, rupiah", examples=[850000])
    savings: _Rupiah | None = Field(default=None, description="Savings and goods easily sold, rupiah", examples=[0])
    dependants: Annotated[_Count, Field(ge=0, le=50)] | None = None
    head_at_most_primary_school: _YesNo | None = Field(
        default=None, description="The head of the family finished primary school at most"
    )
    aid_in_last_year: _YesNo | None = Field(default=None, description="Social assistance in the last twelve months")


class PovertyEvidenceRead(Read):
    """As in `PovertyEvidence`; null is what was not looked at."""

    house_ownership: str | None
    floor_area_m2: float | None
    floor_type: str | None
    wall_type: str | None
    roof_type: str | None
    water_source: str | None
    lighting: str | None
    electricity_power: str | None
    toilet: str | None
    cooking_fuel: str | None
    assets: list[str] | None
    income_per_month: int | None
    savings: int | None
    dependants: int | None
    head_at_most_primary_school: bool | None
    aid_in_last_year: bool | None


class VisitComplete(Body):
    """How the visit went. `finding` is needed when somebody was met, and refused otherwise."""

    outcome: VisitOutcome
    finding: VisitFinding | None = None
    evidence: PovertyEvidence = PovertyEvidence()
    reasons: Annotated[
        list[Code],
        Field(max_length=20, description="Codes of the list visit_reasons", examples=[["no_fixed_income"]]),
    ] = []
    attachment_ids: Annotated[
        list[UUID], Field(max_length=50, description="Attachments of this visit, or of the person visited")
    ] = []


class VisitRead(Read):
    """A visit. `region_code` is the village where the person lived when it was planned."""

    id: UUID
    beneficiary_id: UUID
    officer_id: UUID
    officer_name: str
    region_code: str
    status: VisitStatus
    visited_on: date
    location: VisitLocationRead | None
    notes: str | None
    outcome: VisitOutcome | None
    finding: VisitFinding | None
    evidence: PovertyEvidenceRead
    reasons: list[str]
    attachment_ids: list[UUID]
    completed_at: datetime | None
    completed_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
