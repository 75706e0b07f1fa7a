"""Shapes of SKTM policies."""

from datetime import datetime
from string import Formatter
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Line, without_identity_number

_PLACEHOLDERS = {"classification", "sequence", "unit", "roman_month", "month", "year"}


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
UnitCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 .-]{1,40}$"), AfterValidator(without_identity_number)]
Signatory = Literal["village_head", "district_head"]
Purpose = Literal[
    "education", "health", "maternity", "bpjs_pbi", "legal_aid", "electricity_subsidy", "social_aid", "other"
]


class SktmPolicyPut(Body):
    """A region's own settings. What is null or missing is inherited from the region above."""

    classification: Annotated[str | None, StringConstraints(pattern=r"^[0-9]{3}(\.[0-9]{1,3}){0,4}$")] = None
    unit_code: UnitCode | None = None
    number_pattern: NumberPattern | None = None
    validity_months: Annotated[int | None, Field(ge=1, le=24)] = None
    signatories: Annotated[
        list[Signatory] | None, AfterValidator(_once_each), Field(min_length=1, max_length=2, description="In order")
    ] = None
    visit_required: bool | None = None
    documents: Annotated[
        dict[Purpose | Literal["any"], list[Code]] | None,
        Field(max_length=9, description="Kinds of documents per purpose; `any` holds for every purpose"),
    ] = None
    office_address: Annotated[Line | None, Field(description="Line under the letterhead")] = None


class SktmPolicyRead(Read):
    """A region's own settings; null is inherited."""

    id: UUID
    region_code: str
    classification: str | None
    unit_code: str | None
    number_pattern: str | None
    validity_months: int | None
    signatories: list[str] | None
    visit_required: bool | None
    documents: dict[str, list[str]] | None
    office_address: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class EffectivePolicy(Read):
    """What holds in a region, and for each value the region it comes from (or `default`).

    `version` is that of the region's own settings, null when it has none.
    """

    region_code: str
    version: int | None
    values: dict[str, Any]
    origins: dict[str, str]
