"""Shapes of SKTM policies."""

from datetime import date, datetime
from string import Formatter
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.domain.sktm_letters.content import SignatureKind
from tksk_api.types import Code, Day, Line, Note, without_identity_number

_PLACEHOLDERS = {"classification", "sequence", "unit", "roman_month", "month", "year", "type"}


def _pattern(value: str) -> str:
    try:
        names = {name for _, name, spec, conversion in Formatter().parse(value) if name is not None}
        plain = all(not spec and conversion is None for _, _, spec, conversion in Formatter().parse(value))
    except ValueError:
        names, plain = set(), False
    if not plain or not {"sequence", "year"} <= names <= _PLACEHOLDERS:
        raise PydanticCustomError("pattern_placeholders", "placeholders")
    return value


def _once_each(value: list[str] | None) -> list[str] | None:
    if value is not None and len(set(value)) != len(value):
        raise PydanticCustomError("duplicate_entry", "twice")
    return value


NumberPattern = Annotated[
    str,
    StringConstraints(max_length=120, pattern=r"^[A-Za-z0-9 ./{}_-]+$"),
    AfterValidator(_pattern),
    AfterValidator(without_identity_number),
    Field(examples=["{classification}/{sequence}/{unit}/{roman_month}/{year}"]),
]
UnitCode = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=40, pattern=r"^[A-Za-z0-9 .-]{0,40}(\{region_code\}[A-Za-z0-9 .-]{0,40})?$"
    ),
    AfterValidator(without_identity_number),
    Field(description="`{region_code}` in it stands for the code of the issuing village", examples=["{region_code}"]),
]
Signatory = Literal["village_head", "district_head"]
Purpose = Literal[
    "education", "health", "maternity", "bpjs_pbi", "legal_aid", "electricity_subsidy", "social_aid", "other"
]


Conditions = Annotated[
    list[Code], Field(max_length=8, description="Codes of the list document_conditions", examples=[["already_born"]])
]


class DocumentRule(Body):
    """A document needed where every condition in `when` and none in `unless` holds."""

    kind: Annotated[Code, Field(description="Code of the list document_kinds", examples=["health_facility_letter"])]
    when: Conditions = []
    unless: Conditions = []


class OfficeLetterhead(Body):
    """Lines of the letterhead that differ from what the regions are called; the rest is made from their names."""

    government: Annotated[Line | None, Field(examples=["PEMERINTAH KOTA BANDAR LAMPUNG"])] = None
    district: Line | None = None
    office: Annotated[Line | None, Field(examples=["KELURAHAN SRENGSEM"])] = None


def _as_printed(value: str) -> str:
    if "{" in value or "}" in value:
        raise PydanticCustomError("nothing_filled_in", "braces")
    return " ".join(value.split())


Sentence = Annotated[Note, Field(min_length=10, max_length=600), AfterValidator(_as_printed)]


class LetterWording(Body):
    """A region's own sentences of the letter. What is missing comes from those for `any` purpose, then from ours."""

    finding_id: Annotated[Sentence | None, Field(description="States what was found, in Indonesian")] = None
    finding_en: Annotated[
        Sentence | None, Field(description="Its translation, for the page in English; only with finding_id")
    ] = None
    use_id: Annotated[
        Sentence | None,
        Field(
            description="Introduces what the letter is for, in Indonesian; purpose, detail and addressee follow",
            examples=["Surat keterangan ini diberikan untuk kelengkapan pendaftaran sekolah, sebagai berikut:"],
        ),
    ] = None
    use_en: Annotated[Sentence | None, Field(description="Its translation; only with use_id")] = None


class SktmPolicyPut(Body):
    """A region's own settings from a day on. What is null or missing is inherited from the region above."""

    effective_from: Annotated[
        Day | None, Field(description="Today or later, by the region's calendar; today when left out")
    ] = None

    classification: Annotated[str | None, StringConstraints(pattern=r"^[0-9]{3}(\.[0-9]{1,3}){0,4}$")] = None
    unit_code: UnitCode | None = None
    number_pattern: NumberPattern | None = None
    validity_months: Annotated[int | None, Field(ge=1, le=24)] = None
    signatories: Annotated[
        list[Signatory] | None, AfterValidator(_once_each), Field(min_length=1, max_length=2, description="In order")
    ] = None
    visit_required: bool | None = None
    visit_required_for: Annotated[
        dict[Purpose, bool] | None, Field(description="Where a purpose differs from `visit_required`")
    ] = None
    stamped_statement: Annotated[
        bool | None, Field(description="Whether a poverty_statement with a duty stamp (meterai) is needed")
    ] = None
    documents: Annotated[
        dict[Purpose | Literal["any"], Annotated[list[Code | DocumentRule], Field(max_length=30)]] | None,
        Field(
            max_length=9,
            description="Documents per purpose; `any` holds for every purpose. An entry is a kind, or a rule with "
            "conditions",
            examples=[{"maternity": ["ktp", {"kind": "health_facility_letter", "unless": ["already_born"]}]}],
        ),
    ] = None
    letterhead: OfficeLetterhead | None = None
    office_address: Annotated[Line | None, Field(description="Line under the letterhead")] = None
    service_days: Annotated[
        int | None,
        Field(
            ge=1,
            le=60,
            strict=True,
            description="Working days from submission to the last signature; none run while it is returned",
        ),
    ] = None
    wording: Annotated[
        dict[Purpose | Literal["any"], LetterWording] | None,
        Field(max_length=9, description="Sentences of the letter per purpose; `any` holds for every purpose"),
    ] = None
    english_page: Annotated[
        bool | None,
        Field(description="Whether letters have a second page in English, unless the application says otherwise"),
    ] = None
    signature: Annotated[
        SignatureKind | None,
        Field(
            description="`recorded`: the approval of the officials as this system keeps it; `sealed`: and a seal by "
            "the office's certificate in the PDF; `wet`: signed by hand on paper, valid once its scan was received"
        ),
    ] = None


class SktmPolicyRead(Read):
    """A region's own settings from `effective_from` on; null is inherited. The newest until a day holds on it."""

    id: UUID
    region_code: str
    effective_from: date
    classification: str | None
    unit_code: str | None
    number_pattern: str | None
    validity_months: int | None
    signatories: list[str] | None
    visit_required: bool | None
    visit_required_for: dict[str, bool] | None
    stamped_statement: bool | None
    documents: dict[str, list[Any]] | None
    letterhead: dict[str, Any] | None
    office_address: str | None
    service_days: int | None
    wording: dict[str, Any] | None
    english_page: bool | None
    logo: Annotated[str | None, Field(description="SHA-256 of the picture in the letterhead, by `PUT .../logo`")]
    signature: SignatureKind | None
    warnings: Annotated[
        list[Literal["villages_share_numbers", "planned_change_follows"]],
        Field(
            description="`villages_share_numbers`: by the pattern or unit set here, letters of several villages bear "
            "the same number; only who issued one tells them apart. `planned_change_follows`: on a later day "
            "these settings are replaced by what was planned for it, which knows nothing of a change made since"
        ),
    ]
    version: int
    created_at: datetime
    updated_at: datetime


class PlannedChange(Read):
    """A day on which settings of this region, or of one above it, change."""

    region_code: str
    effective_from: date


class EffectivePolicy(Read):
    """What holds in a region on a day, and for each value the region it comes from (or `default`).

    With `effective=false`, only what the region sets itself. `version` guards the region's own settings, those of later
    days included; null when it has none.
    """

    region_code: str
    on: date
    version: int | None
    values: dict[str, Any]
    origins: dict[str, str]
    planned: list[PlannedChange]
