"""Shapes of home visits and of the evidence they bring home."""

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from tksk_api.domain.beneficiaries.schemas import AddressPatch
from tksk_api.domain.records import Body, Read
from tksk_api.domain.visit_forms.forms import FormField, every_field, widest
from tksk_api.types import (
    Code,
    Day,
    Latitude,
    Line,
    Longitude,
    Note,
    PastDate,
    PersonName,
    PhoneNumber,
    Sex,
    VillageCode,
)

VisitStatus = Literal["planned", "completed", "cancelled"]
VisitOutcome = Annotated[
    Literal["met", "refused", "nobody_home"], Field(description="Code of the list visit_outcomes", examples=["met"])
]
VisitFinding = Annotated[
    Literal["eligible", "not_eligible", "needs_assessment"],
    Field(description="Code of the list visit_findings", examples=["eligible"]),
]
VisitDay = Annotated[Day, Field(description="By the calendar of the person's village")]
FormVersion = Annotated[
    int,
    Field(strict=True, ge=1, le=9999, description="A version of /v1/visit-forms; left out, the one of that day"),
]


def rounded(decimals: int) -> BeforeValidator:
    """Receivers report more decimals than they know; the sixth of a degree is 0.1 m, so the rest is dropped."""

    def cut(value: Any) -> Any:
        return round(value, decimals) if isinstance(value, float) else value

    return BeforeValidator(cut)


def _refuse_swapped(value: Any) -> Any:
    """No latitude is above 90 and no longitude of Indonesia below 94: such a pair was typed the wrong way round."""
    if isinstance(value, dict):
        lat, lon = value.get("lat"), value.get("lon")
        if isinstance(lat, int | float) and isinstance(lon, int | float) and 94 <= lat <= 142 and -12 <= lon <= 8:
            raise PydanticCustomError("coordinates_swapped", "latitude and longitude swapped")
    return value


class Point(Body):
    """WGS 84, degrees; kept to six decimals."""

    lat: Annotated[Latitude, rounded(6), Field(examples=[-5.473214])]
    lon: Annotated[Longitude, rounded(6), Field(examples=[105.326812])]

    _not_swapped = model_validator(mode="before")(_refuse_swapped)


class PointPatch(Body):
    lat: Annotated[Latitude, rounded(6)] | None = None
    lon: Annotated[Longitude, rounded(6)] | None = None

    _not_swapped = model_validator(mode="before")(_refuse_swapped)


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
    form_version: FormVersion | None = None
    location: VisitLocation | None = None
    notes: Note | None = None


class VisitUpdate(Body):
    """A merge patch of a planned visit. It keeps its form when it moves to a day on which that one is still taken: the
    paper may have been printed."""

    visited_on: VisitDay | None = None
    location: VisitLocationPatch | None = None
    notes: Note | None = None


class VisitCancel(Body):
    """Why the visit will not be paid."""

    reason: Annotated[Note, Field(min_length=3, max_length=500, examples=["Orangnya sudah pindah."])]


_WORDS = {
    "code": "Code of the list {list}. {label}",
    "codes": "Codes of the list {list}; empty says there is none. {label}",
}


def _answer(entry: FormField) -> Any:
    """What may stand in a field, whatever the version; the version itself is held against the answers by `rules`."""
    most = widest(entry.name)
    match entry.type:
        case "code":
            return Code
        case "codes":
            return Annotated[list[Code], Field(max_length=int(most.maximum or 0))]
        case "integer":
            return Annotated[int, Field(strict=True, ge=most.minimum, le=most.maximum)]
        case "number":
            return Annotated[float, Field(strict=True, ge=most.minimum, le=most.maximum)]
        case "boolean":
            return Annotated[bool, Field(strict=True)]


def _member(entry: FormField) -> Any:
    label = f"{entry.label_en}, {entry.unit_en}" if entry.unit_en else entry.label_en
    words = _WORDS.get(entry.type, "{label}").format(list=entry.list, label=label)
    return _answer(entry) | None, Field(default=None, description=words, examples=[entry.example])


_PLAIN = {"code": str, "codes": list[str], "integer": int, "number": float, "boolean": bool}
_SEEN = "What the officer saw and was told: the fields of every version of the form. "

if TYPE_CHECKING:

    class PovertyEvidence(Body):
        """Made below from the forms: a new version brings its fields without any code."""

    class PovertyEvidenceRead(Read):
        """As `PovertyEvidence`."""

else:
    PovertyEvidence = create_model(
        "PovertyEvidence",
        __base__=Body,
        __doc__=_SEEN + "Leave out what was not looked at; an empty `assets` says there are none.",
        **{entry.name: _member(entry) for entry in every_field().values()},
    )
    PovertyEvidenceRead = create_model(
        "PovertyEvidenceRead",
        __base__=Read,
        __doc__=_SEEN + "Null is what was not looked at, or not on the form of this visit.",
        **{entry.name: (_PLAIN[entry.type] | None, ...) for entry in every_field().values()},
    )


class CategoriesSeen(Body):
    """PPKS categories to add or to take away; sensitive ones are never written here."""

    add: Annotated[list[Code], Field(max_length=26, examples=[["lansia_terlantar"]])] = []
    remove: Annotated[list[Code], Field(max_length=26)] = []


class RegisterDiffers(Body):
    """What the officer found to be otherwise than the register says. Each member becomes a proposal that somebody
    decides about (GET /v1/proposals); nothing is changed by itself. What agrees with the register is passed over."""

    full_name: PersonName | None = None
    birth_place: Line | None = None
    birth_date: PastDate | None = None
    sex: Sex | None = None
    address: Annotated[AddressPatch | None, Field(description="What differs of it; the rest stays")] = None
    phone: PhoneNumber | None = None
    relationship: Annotated[Code | None, Field(description="Code of the list relationships (SHDK)")] = None
    ppks_categories: CategoriesSeen | None = None
    moved_to_village: VillageCode | None = None
    deceased_on: PastDate | None = None


class VisitComplete(Body):
    """How the visit went. `finding` is needed when somebody was met, and refused otherwise.

    `form_version` when the answers were written on another version than the visit was planned with, `location` when it
    became known on the spot.
    """

    outcome: VisitOutcome
    finding: VisitFinding | None = None
    form_version: FormVersion | None = None
    evidence: PovertyEvidence = PovertyEvidence()
    location: VisitLocation | None = None
    reasons: Annotated[
        list[Code],
        Field(max_length=20, description="Codes of the list visit_reasons", examples=[["no_fixed_income"]]),
    ] = []
    attachment_ids: Annotated[
        list[UUID], Field(max_length=50, description="Attachments of this visit, or of the person visited")
    ] = []
    register_differs: RegisterDiffers | None = None


class VisitWarning(Read):
    """A hint for the officer; codes of the list visit_warnings."""

    code: str
    detail: str


class VisitRead(Read):
    """A visit. `region_code` is the village where the person lived when it was planned; `superseded_by` the next newer
    visit with a finding: only the newest one speaks for the person."""

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
    form_version: int
    evidence: PovertyEvidenceRead
    reasons: list[str]
    attachment_ids: list[UUID]
    completed_at: datetime | None
    completed_by: UUID | None
    cancel_reason: str | None
    superseded_by: UUID | None
    warnings: list[VisitWarning]
    version: int
    created_at: datetime
    updated_at: datetime
