"""Shapes of exports."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Line, Note

Status = Literal["queued", "running", "done", "failed", "removed"]
ExportFormat = Annotated[
    Literal["csv", "xlsx", "jsonl", "parquet"],
    Field(description="`csv` and `xlsx` for spreadsheets, one column for each value; `jsonl` as the lists answer"),
]
KindName = Annotated[Code, Field(description="What the rows are", examples=["beneficiaries"])]
FilterValue = Annotated[str, StringConstraints(max_length=200)] | bool | int


class ExportCreate(Body):
    """What is to leave, in which form, and what for."""

    kind: KindName
    format: ExportFormat = "csv"
    filter: Annotated[
        dict[str, FilterValue],
        Field(
            max_length=20,
            description="The query parameters of the kind's list, as `GET /v1/beneficiaries` has them",
            examples=[{"village_code": "18.71.04.1002"}],
        ),
    ] = {}
    purpose: Annotated[
        Code,
        Field(description="Code of the list reveal_purposes; without full numbers also service", examples=["service"]),
    ]
    full_numbers: Annotated[
        bool, Field(description="NIK and family card number in full: needs the right to reveal them, and a `reason`")
    ] = False
    reason: Annotated[Note | None, Field(min_length=10, max_length=500, description="Why full numbers are needed")] = (
        None
    )
    recipient: Annotated[
        Line | None,
        Field(
            min_length=2,
            max_length=100,
            description="Whom a pseudonymised file is for: no names and numbers, a year of birth, the district instead "
            "of the village, and ids that are always the same for this recipient and tell another nothing",
            examples=["Universitas Lampung"],
        ),
    ] = None


class ExportProgress(Read):
    """Rows gathered so far; `total` is null until all are."""

    done: int
    total: int | None


class ExportRead(Read):
    """An export: what was asked, how far it is, and until when its file is there."""

    id: UUID
    kind: str
    format: ExportFormat
    filter: Annotated[dict[str, Any], Field(description="Without ids and names once the file is removed")]
    purpose: str
    full_numbers: bool
    recipient: str | None
    region_code: Annotated[str, Field(description="Where the caller works; empty: the nation")]
    status: Annotated[Status, Field(description="`removed` when its time was over, or its owner ended it")]
    progress: ExportProgress
    rows: Annotated[
        int | None, Field(description="Rows of the file, once it is there; of families in a table its members")
    ]
    file_bytes: int | None
    sha256: Annotated[str | None, Field(description="Digest of the file, hexadecimal")]
    downloads: int
    error: Annotated[str | None, Field(description="Why it failed: the code of a problem")]
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: Annotated[datetime | None, Field(description="When the file is removed")]
    version: int
    created_at: datetime


class ExportLinked(ExportRead):
    """With a link to its file, once that is there: good for a minute, without a token, while your session lasts."""

    content_url: str | None
