"""Shapes of the register of numbers."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Note, VillageCode

Series = Annotated[
    str,
    Field(
        pattern=r"^([A-Z]{2})?$",
        description="Empty, or the type of letter where the number pattern counts types apart",
        examples=[""],
    ),
]
Year = Annotated[int, Field(ge=2000, le=2100, examples=[2026])]
NumberStatus = Literal["issued", "revoked", "superseded", "void"]


class NumbersVoid(Body):
    """Numbers up to `through` that were given outside this system, or are lost: no letter will ever bear them."""

    region_code: Annotated[VillageCode, Field(description="The issuing village")]
    year: Year
    series: Series = ""
    through: Annotated[int, Field(ge=1, le=100_000, description="The last number to void", examples=[42])]
    reason_code: Annotated[Code, Field(description="Code of the list number_void_reasons")]
    note: Annotated[Note, Field(min_length=10, max_length=500, examples=["Buku agenda 2026 halaman 1 sampai 3"])]


class NumbersVoided(Read):
    """What was voided; the next letter of the series bears the number after `last`."""

    region_code: str
    year: int
    series: str
    first: int
    last: int


class NumberRead(Read):
    """One number. `number` and `application_id` are those of its letter; a void one has none, but a reason."""

    id: UUID
    region_code: str
    year: int
    series: str
    sequence: int
    number: str | None
    status: NumberStatus
    reason_code: str | None
    note: str | None
    issued_on: date | None
    application_id: UUID | None
