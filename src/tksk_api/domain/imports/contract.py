"""What reading, kinds and the job say to each other; no I/O.

A file becomes `Row`s of cells (reading), a mapping and the kind's columns make `Parsed` rows of them (columns), the
kind turns a page of those into `Fate`s (kinds), and the job keeps the fates and adds them up (work).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.security.permissions import Permission

FateName = Literal["created", "updated", "unchanged", "parked", "rejected"]
OnMatch = Literal["skip", "update", "park"]
FATES: tuple[FateName, ...] = get_args(FateName)


@dataclass(frozen=True)
class Formula:
    """A cell that computes; its text is kept, never its result."""

    text: str


# What stands in a cell: text as it was written (of a CSV always), or what a workbook says it is.
Cell = str | float | bool | date | datetime | Formula | None


@dataclass(frozen=True)
class Fault:
    """What is wrong, or was understood, in which column: the header as it stands in the file, None of the whole row.

    `facts` fill the words of the code; never a NIK, a name or another value of the person.
    """

    column: str | None
    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row; `number` is the one that a spreadsheet shows beside it (of a CSV the record's, its header being 1).

    `faults` say why its cells cannot be trusted: quotation marks that do not close, cells that are merged.
    """

    number: int
    cells: tuple[Cell, ...]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """A row in the kind's own terms; `values` has only the columns that the file has. A row with faults is rejected."""

    number: int
    values: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    notes: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Fate:
    """What became of a row. `before` is what an update replaced, to be put back by an undo.

    It is sealed when kept, and comes back as JSON would have it: days and ids are text then. `tells_of` is somebody
    beyond the importer's area of whom a refusal tells that they are registered: for the access log, and never kept.
    Neither are `people`, those of the area whom the row was recognised to be about by their numbers. `founds` says that
    what belongs together begins with this row: a later page would join it, and its dry run could not.
    """

    number: int
    fate: FateName
    record_id: UUID | None = None
    version: int | None = None
    before: Mapping[str, Any] | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[Fault, ...] = ()
    tells_of: UUID | None = None
    people: tuple[UUID, ...] = ()
    founds: bool = False


@dataclass(frozen=True)
class Named:
    """What a row is about, however it names it: the key that no two rows of a file share, with ids for numbers and
    codes for labels; the record that stands there already; and whom it was recognised to be about by their numbers."""

    key: str | None
    record_id: UUID | None = None
    people: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of a kind. `read` makes its value of a cell, with notes of what it understood.

    Raises CellError with a stable code; the words of codes are in the reference list `import_codes`.
    """

    name: str
    read: Callable[[Cell], tuple[Any, tuple[str, ...]]]
    header: str  # Indonesian, as in the template
    required: bool = False
    aliases: tuple[str, ...] = ()
    example: str = ""
    words: tuple[str, str] = ("", "")  # what to write here, in Indonesian and English
    choices: tuple[str, ...] = ()  # the template offers them as a list
    is_identity: bool = False  # never shown again in a report


class CellError(ValueError):
    """A cell that cannot be read as its column asks."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


@dataclass(frozen=True)
class Kind:
    """What may be imported. `apply` works in the name of the importer, inside one transaction.

    It never raises for a row: a refusal is the row's fate, and the others go on. The same call serves the dry run,
    which is rolled back. `key` is what two rows of one file may not share (None: nothing to compare), and `named` says
    the same by the register, where one thing can be named in several ways.
    `on_match` are the answers to a match that the kind knows; `names_people` where its records are people.
    A fault `nik_taken` says that somebody is registered elsewhere; the job counts it against the importer's quota.
    `undo` takes back what was created or puts back what was updated, and says why not of the others.
    `fresh_proof` where writing one asks the caller to have proven themselves a moment ago.
    Rows that follow each other with the same `together` are one thing, and never in two pages; those that come after
    the page in which it was founded are refused. Where a row may stand on any other one, `is_whole`: the file is one
    page, and has no more rows than a page.
    """

    name: str
    permission: Permission
    columns: tuple[Column, ...]
    key: Callable[[Mapping[str, Any]], str | None]
    apply: Callable[[AsyncSession, Sequence[Parsed], OnMatch], Awaitable[Sequence[Fate]]]
    undo: Callable[[AsyncSession, Sequence[Fate]], Awaitable[Sequence[Fault | None]]]
    page: int = 500  # rows of one step
    on_match: tuple[OnMatch, ...] = ("skip", "update")
    names_people: bool = False
    fresh_proof: bool = False
    together: Callable[[Mapping[str, Any]], str | None] | None = None
    is_whole: bool = False
    named: Callable[[AsyncSession, Sequence[Parsed]], Awaitable[Mapping[int, Named]]] | None = None
