"""Shapes of imports."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from tksk_api.domain.imports.contract import FateName, OnMatch
from tksk_api.domain.imports.workflow import Status
from tksk_api.domain.records import Body, Read
from tksk_api.settings import IMPORT_BYTES
from tksk_api.types import Code, digits_only, without_identity_number

KindName = Annotated[Code, Field(description="What the rows are", examples=["beneficiaries"])]
Mode = Annotated[
    Literal["validate", "commit"],
    Field(description="`validate` writes nothing and waits for `commit`; `commit` goes straight through"),
]
Atomic = Annotated[
    Literal["all", "row"],
    Field(description="`all`: one rejected row and nothing is written; `row`: each row stands for itself"),
]
Match = Annotated[
    OnMatch,
    Field(
        description="What becomes of a row that is there already: left as it is, brought up to date in the columns "
        "that the file has, or put before a person"
    ),
]
Delimiter = Annotated[
    Literal["comma", "semicolon", "tab", "pipe"],
    Field(description="What divides the cells of a CSV, where the file does not show it"),
]
Encoding = Annotated[
    Literal["utf-8", "utf-16-le", "utf-16-be", "cp1252"],
    Field(description="How a CSV is written, where the file does not show it"),
]
DateOrder = Annotated[
    Literal["dmy", "mdy", "ymd"],
    Field(description="How dates like 01/02/2026 are meant: the day first, unless another order is said"),
]
Sheet = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(without_identity_number),
    Field(description="Sheet of a workbook"),
]
HeadingRow = Annotated[
    int,
    BeforeValidator(digits_only),
    Field(ge=1, le=20, description="Row with the headings, as a spreadsheet numbers it; of two, the upper one"),
]
Heading = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(without_identity_number)]
Columns = Annotated[
    dict[Heading, Code | None],
    Field(
        max_length=200,
        description="Heading of the file and the column it holds; null leaves it out. Others are found by their names",
        examples=[{"NO_NIK": "nik", "NAMA LGKP": "full_name", "KET": None}],
    ),
]
MappingName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$"),
    AfterValidator(without_identity_number),
    Field(description="Name of a mapping that the office keeps", examples=["siks-ng"]),
]


FileName = Annotated[
    str, StringConstraints(min_length=1, max_length=255), Field(description="As you call it", examples=["warga.csv"])
]
FileBytes = Annotated[int, Field(ge=1, le=IMPORT_BYTES, description="Length of the whole file", examples=[41_943_040])]
Sha256 = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Field(
        description="Digest of the whole file, hexadecimal",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ),
]


class ImportOptions(Body):
    """What cannot be told from the file, or was understood wrongly. What is left out is found out."""

    delimiter: Delimiter | None = None
    encoding: Encoding | None = None
    sheet: Sheet | None = None
    heading_row: HeadingRow | None = None
    dates: DateOrder | None = None


class ImportCreate(ImportOptions):
    """How a file is to be taken; the fields beside it in the form."""

    kind: KindName
    mode: Mode = "validate"
    atomic: Atomic = "row"
    on_match: Match = "skip"
    mapping: MappingName | None = None
    upload: Annotated[
        UUID | None, Field(description="Instead of `file`: one that came in parts (`POST /v1/imports/uploads`)")
    ] = None


class ImportUpload(ImportCreate):
    """The same with the digest of the file, so that a retry with other content is another request."""

    file_sha256: str


class ImportAgain(ImportOptions):
    """What to understand differently this time; members left out keep what was said before."""

    mode: Mode = "validate"
    atomic: Atomic | None = None
    on_match: Match | None = None
    columns: Columns | None = None
    mapping: MappingName | None = None


class ImportProgress(Read):
    """Rows that were looked at by the work under way, or the last one; seconds left by its pace so far."""

    done: int
    total: int | None
    seconds_left: int | None


class ImportCounts(Read):
    """How many rows met which fate. They add up to the rows of the file at any moment."""

    created: int
    updated: int
    unchanged: int
    parked: int
    rejected: int
    not_reached: int


class ImportFault(Read):
    """What is wrong, or was understood, and what to do; codes of the list import_codes or of a problem."""

    column: Annotated[str | None, Field(description="The heading as it stands in the file; null: the whole row")]
    code: str
    facts: dict[str, Any]


class ImportHeading(Read):
    """A column of the file and what it was taken for."""

    heading: str
    column: Annotated[str | None, Field(description="Our column; null: not read")]
    suggested: Annotated[str | None, Field(description="What it resembles, to be confirmed in `columns`")]


class ImportFile(Read):
    """What the file turned out to be."""

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    date_system: int
    heading_row: Annotated[int, Field(description="Number of the row that holds the headings, the last of two")]
    headings: list[ImportHeading]
    notes: list[ImportFault]


class ImportUndone(Read):
    """Rows taken back, and rows that stand because something is in the way (`rows?obstacle=true` names it)."""

    undone: int
    kept: int


class ImportRead(Read):
    """An import: what was asked, how far it is, and what came of it. Deleted some time after it ended."""

    id: UUID
    kind: str
    mode: Mode
    atomic: Atomic
    on_match: Match
    status: Status
    region_code: Annotated[str, Field(description="Where the importer works; empty: the nation")]
    file_name: str
    file_bytes: int
    same_as: Annotated[
        UUID | None, Field(description="An import of your office that brought the same file already, if there is one")
    ]
    options: ImportOptions
    file: ImportFile | None
    rows: Annotated[int, Field(description="Rows of the file below its headings; 0 until it was read")]
    counts: ImportCounts
    progress: ImportProgress
    undo: ImportUndone
    is_cancelling: bool
    error: Annotated[
        str | None, Field(description="Why it failed: a code of import_codes, or of a problem; see `error_facts`")
    ]
    error_facts: dict[str, Any]
    started_at: datetime | None
    finished_at: datetime | None
    deleted_after: Annotated[datetime | None, Field(description="When the file and the fates of its rows are deleted")]
    version: int
    created_at: datetime


class ImportRowRead(Read):
    """What became of a row. `record_id` is what it made, changed or met."""

    row: Annotated[int, Field(description="As a spreadsheet numbers it")]
    fate: FateName
    record_id: UUID | None
    faults: list[ImportFault]
    notes: list[ImportFault]
    is_undone: bool
    obstacle: Annotated[ImportFault | None, Field(description="What was in the way of taking it back")]


class MappingWrite(ImportOptions):
    """Which headings of an office's own tables are which of our columns, and how those tables are written."""

    kind: KindName
    columns: Columns


class MappingRead(Read):
    """A mapping that the office keeps."""

    id: UUID
    name: str
    kind: str
    region_code: str
    columns: dict[str, str | None]
    options: ImportOptions
    version: int
    created_at: datetime
    updated_at: datetime


class UploadCreate(Body):
    """A file that will come in parts."""

    file_name: FileName
    bytes: FileBytes
    sha256: Sha256


class UploadParts(Read):
    """What a part may have; the last one may be smaller."""

    least_bytes: int
    most_bytes: int


class UploadRead(Read):
    """A file of which as much has arrived as `offset` says: the next part begins there."""

    id: UUID
    region_code: Annotated[str, Field(description="Where the sender works; empty: the nation")]
    file_name: str
    bytes: int
    sha256: str
    offset: Annotated[int, Field(description="Bytes that have arrived; all of them once it is `bytes`")]
    parts: UploadParts
    expires_at: Annotated[datetime, Field(description="When it is forgotten, unless another part arrives")]
    version: int
    created_at: datetime
