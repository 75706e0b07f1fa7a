"""Which column of a file is which column of a kind: by its heading, however it was written, or as the sender says.

A heading that is a known name, or nearly one, is taken; one that only resembles a name is suggested, never used. What
a file of another system calls its columns (SIKS-NG, OpenSID) stands with the kind, as aliases.

Headings are kept and shown as no other cell is. A row that has none that is known is not taken for them, whoever says
so, and beside a single one the others may be a person: they are kept as letters.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rapidfuzz import fuzz, process

from tksk_api.domain.imports.contract import Cell, Column, Fault, Formula, Row
from tksk_api.domain.imports.reading.refusal import Refused

REPORT_MARK = "!"  # begins the headings that an error file adds; they are no data when it comes back
TOP_ROWS = 20  # headings are looked for in these
_SAME, _ALIKE = 92, 72  # of 100
_SURELY = 2  # columns that are known: the row is one of headings
_FUZZY_LENGTH = 5  # shorter headings differ in one letter and mean something else: NIK, NIS
_NOT_A_WORD = re.compile(r"[\W_]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_COUNTED = re.compile(r"\(?(\d{1,3})\)?\.?0?")


@dataclass(frozen=True)
class Layout:
    """Where things are. `headers` are the headings by position, each once; `used` maps a column's name to a position.

    `above` rows up to the last heading row hold no data. `suggested` is what an unused heading resembles, to be
    confirmed; `notes` say which near matches were taken and which headings were left out.
    """

    first_heading_row: int
    last_heading_row: int
    above: int
    headers: tuple[str, ...]
    used: Mapping[str, int]
    suggested: Mapping[str, str]
    notes: tuple[Fault, ...] = ()

    @property
    def mapping(self) -> dict[str, str]:
        """Heading -> column, to be shown and kept for the next file of this office."""
        return {self.headers[place]: name for name, place in self.used.items()}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        notes = tuple(Fault(**note) for note in kept["notes"])
        return cls(**{**kept, "headers": tuple(kept["headers"]), "notes": notes})


def layout(
    columns: Sequence[Column],
    first: Sequence[Row],
    given: Mapping[str, str | None] | None = None,
    heading_row: int | None = None,
) -> Layout:
    """How to read the file, from its first rows. `given` (heading -> column, None to leave it out) wins over names.

    Raises Refused: no headings that are known, two for one column, or a required column that no heading names.
    """
    given = {_plain(heading): name for heading, name in (given or {}).items()}
    known = _known(columns) | {heading: (name or "", -1) for heading, name in given.items()}
    upper, lower = _headings(first[:TOP_ROWS], known, heading_row)
    headers = _labels(upper, lower)
    used, notes = _by_name(columns, headers, given, known)
    suggested, alike = _by_likeness(columns, headers, used, given)
    if not used:
        raise Refused("headings_missing", rows=TOP_ROWS)
    if len(used) < _SURELY:
        headers = _without_others(headers, {*used.values()}, suggested)
    missing = [column for column in columns if column.required and column.name not in used]
    if missing:
        names = [column.header for column in missing]
        raise Refused("columns_missing", columns=names, headings=list(filter(None, headers)), suggested=suggested)
    taken = set(used.values())
    unread = [name for place, name in enumerate(headers) if name and place not in taken]
    left = [_left_out(name, suggested) for name in unread if not name.startswith(REPORT_MARK)]
    last = _after_counting_row(first, lower)
    above = sum(row.number <= last for row in first)
    return Layout(upper.number, last, above, headers, used, suggested, (*notes, *alike, *left))


def _without_others(headers: Sequence[str], known: set[int], suggested: Mapping[str, str]) -> tuple[str, ...]:
    """The headings by their letters, but for those that are known, resemble a column or are of an error file."""
    return tuple(
        heading
        if not heading or place in known or heading in suggested or heading.startswith(REPORT_MARK)
        else f"({letters(place)})"
        for place, heading in enumerate(headers)
    )


def _left_out(heading: str, suggested: Mapping[str, str]) -> Fault:
    alike = suggested.get(heading)
    return Fault(heading, "heading_resembles", {"column": alike}) if alike else Fault(heading, "column_ignored")


def _known(columns: Sequence[Column]) -> dict[str, tuple[str, int]]:
    """Every plain name with its column and its rank: the template's heading first, aliases in their order."""
    known: dict[str, tuple[str, int]] = {}
    for column in columns:
        for rank, name in enumerate((column.header, column.name, *column.aliases)):
            known.setdefault(_plain(name), (column.name, rank))
    return known


def _plain(heading: str) -> str:
    """Without case, marks and repeated blanks: `No. KK *` and `NO_KK` are one."""
    return _NOT_A_WORD.sub(" ", unicodedata.normalize("NFKC", heading).casefold()).strip()


def _text(cell: Cell) -> str:
    if cell is None or isinstance(cell, bool | Formula):
        return ""
    if isinstance(cell, float):
        return f"{cell:g}"
    return " ".join(_CONTROLS.sub(" ", str(cell)).split())  # a NUL in a heading could not be kept with the report


def _headings(first: Sequence[Row], known: Mapping[str, Any], asked: int | None) -> tuple[Row, Row]:
    """The row of headings, or the two that say more together than each alone. Raises Refused."""
    best: tuple[int, Row, Row] | None = None
    for place, row in enumerate(first):
        if asked is not None and row.number != asked:
            continue
        alone = _score([_text(cell) for cell in row.cells], known)
        if best is None or alone > best[0]:
            best = (alone, row, row)
        if place + 1 < len(first) and alone:
            below = first[place + 1]
            together = _score(_joined(row, below), known)
            if together > max(best[0], _score([_text(cell) for cell in below.cells], known)):
                best = (together, row, below)
    if best is None or (not best[0] and asked is None):
        raise Refused("headings_missing", rows=TOP_ROWS)
    return best[1], best[2]


def _joined(upper: Row, lower: Row) -> list[str]:
    """One heading of two rows: the lower where there is one; `Alamat` over `RT` is `RT`."""
    above, below = ([_text(cell) for cell in row.cells] for row in (upper, lower))
    width = max(len(above), len(below))
    above += [""] * (width - len(above))
    below += [""] * (width - len(below))
    return [down or up for up, down in zip(above, below, strict=True)]


def _score(headings: Sequence[str], known: Mapping[str, Any]) -> int:
    return len({known[plain][0] for heading in headings if (plain := _plain(heading)) in known})


def _labels(upper: Row, lower: Row) -> tuple[str, ...]:
    """Each heading once: a repeated one carries the letter of its column, as a spreadsheet names it."""
    texts = _joined(upper, lower) if upper is not lower else [_text(cell) for cell in upper.cells]
    labels: list[str] = []
    for place, text in enumerate(texts):
        labels.append(f"{text} ({letters(place)})" if text and text in labels else text)
    return tuple(labels)


def letters(place: int) -> str:
    """The name of a column, counted from 0: A, Z, AA."""
    name, rest = "", place + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        name = chr(65 + letter) + name
    return name


def _by_name(
    columns: Sequence[Column],
    headers: Sequence[str],
    given: Mapping[str, str | None],
    known: Mapping[str, tuple[str, int]],
) -> tuple[dict[str, int], list[Fault]]:
    """Columns by exact names; of two headings for one column the better known name, and of equal ones neither."""
    names = {column.name for column in columns}
    unknown = sorted(set(given) - {_plain(header) for header in headers} - {""})
    if unknown or not {name for name in given.values() if name} <= names:
        wrong = sorted({str(name) for name in given.values() if name} - names)
        raise Refused("mapping_unknown", headings=unknown, columns=wrong)
    found: dict[str, list[tuple[int, int]]] = {}
    for place, header in enumerate(headers):
        plain = _plain(_without_letter(header, headers))
        own = given.get(_plain(header))
        name, rank = (own, -1) if own else known.get(plain, ("", 0)) if _plain(header) not in given else ("", 0)
        if name and not header.startswith(REPORT_MARK):
            found.setdefault(name, []).append((rank, place))
    used: dict[str, int] = {}
    for name, places in found.items():
        places.sort()
        if len(places) > 1 and places[0][0] == places[1][0]:
            equal = [place for rank, place in places if rank == places[0][0]]
            twice = [f"{_without_letter(headers[place], headers)} ({letters(place)})" for place in equal]
            raise Refused("heading_twice", column=name, headings=twice)
        used[name] = places[0][1]
    return used, []


def _without_letter(header: str, headers: Sequence[str]) -> str:
    bare, _, letter = header.rpartition(" (")
    return bare if letter.endswith(")") and bare in headers else header


def _by_likeness(
    columns: Sequence[Column], headers: Sequence[str], used: dict[str, int], given: Mapping[str, str | None]
) -> tuple[dict[str, str], list[Fault]]:
    """Near matches are added to `used` and noted; what is less alike is suggested."""
    suggested: dict[str, str] = {}
    notes: list[Fault] = []
    names = {
        _plain(name): column.name
        for column in columns
        if column.name not in used
        for name in (column.header, column.name, *column.aliases)
    }
    taken = set(used.values())
    for place, header in enumerate(headers):
        plain = _plain(header)
        if place in taken or len(plain) < _FUZZY_LENGTH or plain in given or header.startswith(REPORT_MARK):
            continue
        match = process.extractOne(plain, list(names), scorer=fuzz.ratio, score_cutoff=_ALIKE)
        if match is None:
            continue
        name = names[match[0]]
        if match[1] >= _SAME and name not in used:
            used[name] = place
            notes.append(Fault(header, "heading_understood", {"column": name}))
        elif name not in used and name not in suggested.values():
            suggested[header] = name
    return {header: name for header, name in suggested.items() if name not in used}, notes


def _after_counting_row(first: Sequence[Row], lower: Row) -> int:
    """The last row of headings: some tables number their columns, (1) (2) (3), below them."""
    below = next((row for row in first if row.number > lower.number), None)
    if below is None:
        return lower.number
    texts = [text for cell in below.cells if (text := _text(cell))]
    counted = [match[1] for text in texts if (match := _COUNTED.fullmatch(text))]
    in_order = [int(number) for number in counted] == list(range(1, len(texts) + 1))
    return below.number if len(texts) > 2 and in_order else lower.number
