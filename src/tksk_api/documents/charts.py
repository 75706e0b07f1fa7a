"""Figures as pictures and tables: SVG bars, lines and a tile map, drawn from data alone, in two languages.

No script, no font and no address of another place is in them. Axes begin at zero and values are written out. What is
withheld is hatched and said so. Series differ by colour, dash and mark: the colours are those of Okabe and Ito (2008),
told apart by colour-blind eyes; the shades of the map go from light to dark (ColorBrewer Blues).
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from tksk_api.documents.report_tables import STATES
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.sktm_letters.content import english_date, indonesian_date
from tksk_api.domain.statistics.maps import Place
from tksk_api.domain.statistics.schemas import Dimension, Figure, StatisticsRead
from tksk_api.errors import Language, invalid

Kind = Literal["bars", "lines", "map"]
Count = int | None  # None: withheld
USUAL: Mapping[Kind, tuple[Dimension, ...]] = {"bars": ("pillar",), "lines": ("month",), "map": ("region",)}
_WIDTH = 720
_INK, _GREY, _GRID = "#1a1f26", "#4a5361", "#d5d9df"
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#4a5361")
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 4", "1 5", "14 3 3 3")
_SHADES = ("#ffffff", "#deebf7", "#9ecae1", "#4292c6", "#08519c")
_MOST_SERIES = len(_COLOURS)
_MOST_DESCRIBED = 80
_FONT = 'font-family="system-ui,Noto Sans,Roboto,Arial,sans-serif"'
_MONTHS: Mapping[Language, Sequence[str]] = {
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
_LISTS: Mapping[Dimension, str] = {
    "pillar": "pillars",
    "function": "functions",
    "kind": "activity_kinds",
    "program": "programs",
    "purpose": "sktm_purposes",
    "outcome": "visit_outcomes",
    "ppks_category": "ppks_categories",
    "sex": "sexes",
}
_SUBJECTS: Mapping[Language, Mapping[str, str]] = {
    "id": {
        "activities": "Kegiatan",
        "sktm": "Permohonan SKTM",
        "referrals": "Rujukan",
        "ppks": "Asesmen PPKS",
        "visits": "Kunjungan rumah",
    },
    "en": {
        "activities": "Activities",
        "sktm": "SKTM applications",
        "referrals": "Referrals",
        "ppks": "PPKS assessments",
        "visits": "Home visits",
    },
}
_DIMENSIONS: Mapping[Language, Mapping[Dimension, str]] = {
    "id": {
        "month": "bulan",
        "region": "wilayah",
        "pillar": "pilar",
        "function": "fungsi",
        "kind": "jenis",
        "program": "program",
        "purpose": "keperluan",
        "state": "keadaan",
        "outcome": "hasil",
        "ppks_category": "kategori PPKS",
        "sex": "jenis kelamin",
        "age_band": "kelompok umur",
    },
    "en": {
        "month": "month",
        "region": "region",
        "pillar": "pillar",
        "function": "function",
        "kind": "kind",
        "program": "programme",
        "purpose": "purpose",
        "state": "state",
        "outcome": "outcome",
        "ppks_category": "PPKS category",
        "sex": "sex",
        "age_band": "age",
    },
}
_WORDS: Mapping[Language, Mapping[str, str]] = {
    "id": {
        "by": "menurut",
        "now": "Periode ini",
        "before": "Sebelumnya",
        "others": "Lainnya",
        "total": "Jumlah",
        "none": "Tidak ada data.",
        "withheld": "ditahan",
        "why": "Arsir: ditahan, karena di bawah 5 orang atau akan mengungkapkannya.",
        "bars": "Grafik batang",
        "lines": "Grafik garis",
        "map": "Peta petak",
        "tiles": "Tiap petak satu wilayah, sedekat mungkin dengan titik koordinatnya; ukuran dan batas petak bukan "
        "batas wilayah.",
        "placeless": "Tanpa koordinat, diletakkan di bawah menurut kode: {names}.",
    },
    "en": {
        "by": "by",
        "now": "This period",
        "before": "The one before",
        "others": "Others",
        "total": "Total",
        "none": "No data.",
        "withheld": "withheld",
        "why": "Hatched: withheld, being fewer than 5 people or telling such a number.",
        "bars": "Bar chart",
        "lines": "Line chart",
        "map": "Tile map",
        "tiles": "Each tile is one region, as near to its coordinates as there is room; size and edges are not those "
        "of the region.",
        "placeless": "Without coordinates, placed below by code: {names}.",
    },
}


@dataclass(frozen=True)
class Figures:
    """Counts of each label (row) by series (column), ready to be drawn; one series without a name where there is but
    one. `is_stacked`: the series are parts of a whole."""

    title: str
    labels: tuple[str, ...]
    codes: tuple[str, ...]
    series: tuple[str, ...]
    counts: tuple[tuple[Count, ...], ...]
    language: Language
    heading: str
    is_stacked: bool = False

    @property
    def is_withheld(self) -> bool:
        return any(count is None for row in self.counts for count in row)


def check(kind: Kind, by: Sequence[Dimension], *, compare: bool) -> None:
    """Raises invalid_request (not_allowed) at /by for what cannot be drawn so."""
    fits = {
        "bars": len(by) == 1 or (len(by) == 2 and not compare),
        "lines": by[0] == "month" and (len(by) == 1 or (len(by) == 2 and not compare)),
        "map": list(by) == ["region"] and not compare,
    }
    if not fits[kind]:
        raise invalid("/by", "not_allowed", expected={"bars": "1-2", "lines": "month, +1", "map": "region"}[kind])


def draw(kind: Kind, shown: Figures, places: Mapping[str, Place]) -> str:
    """The picture as SVG; `places` are for the map."""
    if kind == "map":
        return tiles(shown, places)
    return bars(shown) if kind == "bars" else lines(shown)


def figures(read: StatisticsRead, language: Language) -> Figures:
    """Statistics by one or two keys as rows and series. Of many series the largest are kept, the others summed up."""
    words = _WORDS[language]
    first, *rest = read.by
    codes = _ordered(first, dict.fromkeys(cell.keys[first] for cell in read.cells))
    cells: dict[tuple[str, str], Figure] = {
        (cell.keys[first], cell.keys[rest[0]] if rest else ""): cell for cell in read.cells
    }
    if rest:
        found, series = _series(read, rest[0], language)
        counts = tuple(tuple(_sum(cells.get((code, key)) for key in keys) for keys in found) for code in codes)
    elif read.previous is not None:
        series = (words["now"], words["before"])
        counts = tuple((cells[code, ""].count, cells[code, ""].previous) for code in codes)
    else:
        series, counts = ("",), tuple((cells[code, ""].count,) for code in codes)
    return Figures(
        title_of(read, language),
        tuple(word(first, code, language, read.regions) for code in codes),
        codes,
        series,
        counts,
        language,
        _DIMENSIONS[language][first].capitalize(),
        is_stacked=bool(rest),
    )


def title_of(read: StatisticsRead, language: Language) -> str:
    """`Kegiatan menurut pilar, Kota Bandar Lampung, 1 Oktober 2026 – 31 Oktober 2026`."""
    day = english_date if language == "en" else indonesian_date
    return f"{what_of(read, language)}, {read.region_name}, {day(read.from_)} – {day(read.to)}"


def what_of(read: StatisticsRead, language: Language) -> str:
    """`Kegiatan menurut pilar`."""
    keys = ", ".join(_DIMENSIONS[language][name] for name in read.by)
    return f"{_SUBJECTS[language][read.of]} {_WORDS[language]['by']} {keys}"


def word(dimension: Dimension, code: str, language: Language, regions: Mapping[str, str]) -> str:
    """A key in words; the code itself where nobody has named it."""
    if dimension == "region":
        # Beside a kabupaten of the same name a kota says that it is one, by its number (DOMAIN §5.3).
        name = regions.get(code, code)
        return f"Kota {name}" if len(code) == len("00.00") and code[3:] > "70" else name
    if dimension == "month":
        return f"{_MONTHS[language][int(code[5:]) - 1]} {code[:4]}"
    if dimension == "state":
        return STATES.get(code, code) if language == "id" else code.replace("_", " ").capitalize()
    if dimension in _LISTS:
        for item in LISTS[_LISTS[dimension]].items:
            if item.code == code:
                return item.label_en if language == "en" else item.label_id
    return code


def _ordered(dimension: Dimension, codes: Iterable[str]) -> tuple[str, ...]:
    """As people expect to read them: in the order of their list, or of their way; others stay as they come."""
    known = [item.code for item in LISTS[_LISTS[dimension]].items] if dimension in _LISTS else []
    order = {code: at for at, code in enumerate(STATES if dimension == "state" else known)}
    return tuple(sorted(codes, key=lambda code: order.get(code, len(order))))


def _series(
    read: StatisticsRead, dimension: Dimension, language: Language
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Which keys make one series, and its name."""
    sums: dict[str, int] = {}
    for cell in read.cells:
        key = cell.keys[dimension]
        sums[key] = sums.get(key, 0) + (cell.count or 0)
    ranked = sorted(sums, key=lambda key: -sums[key])
    kept = set(ranked if len(ranked) <= _MOST_SERIES else ranked[: _MOST_SERIES - 1])
    found = [(key,) for key in _ordered(dimension, sums) if key in kept]
    names = tuple(word(dimension, key, language, read.regions) for (key,) in found)
    others = tuple(key for key in sums if key not in kept)
    return ([*found, others], (*names, _WORDS[language]["others"])) if others else ([*found], names)


def _sum(cells: Iterable[Figure | None]) -> Count:
    counts = [cell.count if cell is not None else 0 for cell in cells]
    return None if None in counts else sum(count for count in counts if count is not None)


# --------------------------------------------------------------------------------------------------------------- bars


def bars(shown: Figures, width: int = _WIDTH) -> str:
    """Horizontal bars, their labels at the left: stacked where the series are parts, side by side where they are not.

    `width` in units as wide as a screen's; letters stay as large.
    """
    label_width, right = (210, 78) if width == _WIDTH else (146, 56)
    room = width - label_width - right
    thick = 22 if shown.is_stacked or len(shown.series) == 1 else 13
    per_row = thick + 12 if shown.is_stacked else thick * len(shown.series) + 12
    sums = [_known(row) for row in shown.counts] if shown.is_stacked else [max(map(_zero, row)) for row in shown.counts]
    step, top = _scale(max(sums, default=0))
    body, y = [], 0.0
    height = per_row * len(shown.labels)
    for value in range(0, top + 1, step):
        x = label_width + room * value / top
        body.append(f'<path d="M{x:.1f} 0v{height}" stroke="{_GRID}"/>')
        body.append(_text(x, height + 16, number(value, shown.language), "middle", _GREY, 12))
    for label, row in zip(shown.labels, shown.counts, strict=True):
        body.append(_text(label_width - 8, y + per_row / 2 + 4, _short(label, label_width // 7), "end"))
        if shown.is_stacked:
            body += _stack(row, label_width, y + 6, thick, room / top, shown.language)
        else:
            for index, count in enumerate(row):
                at = y + 6 + index * thick
                body += _bar(index, count, label_width, at, thick, room / top, shown.language)
        y += per_row
    body.append(f'<path d="M{label_width} 0v{height}" stroke="{_INK}"/>')
    return _drawing(shown, "bars", body, height + 26, width=width)


def _bar(index: int, count: Count, x: float, y: float, thick: float, scale: float, language: Language) -> list[str]:  # noqa: PLR0917
    if count is None:
        said = _text(x + 44, y + thick / 2 + 4, _WORDS[language]["withheld"], "start", _GREY, 12)
        return [_hatched(x, y, 38, thick), said]
    width = count * scale
    bar = f'<rect x="{x}" y="{y:.1f}" width="{width:.1f}" height="{thick - 2}" fill="{_COLOURS[index]}" {_EDGE}/>'
    value = _text(x + width + 6, y + thick / 2 + 4, number(count, language))
    return [bar, value] if count else [value]


def _stack(row: Sequence[Count], x: float, y: float, thick: float, scale: float, language: Language) -> list[str]:  # noqa: PLR0917
    made = []
    for index, count in enumerate(row):
        if count:
            width = count * scale
            made.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{thick - 2}" fill="{_COLOURS[index]}" '
                f"{_EDGE}/>"
            )
            x += width
    said = number(_known(row), language)
    if None in row:
        made.append(_hatched(x, y, 20, thick))
        x, said = x + 20, f"{said} +"
    return [*made, _text(x + 6, y + thick / 2 + 4, said)]


# -------------------------------------------------------------------------------------------------------------- lines


def lines(shown: Figures) -> str:
    """A line for each series over the months, from zero; a month that is withheld breaks it."""
    left, right, height = 52, 150, 280
    room = _WIDTH - left - right
    step, top = _scale(max((_zero(count) for row in shown.counts for count in row), default=0))
    across = room / max(1, len(shown.labels) - 1)
    body = []
    for value in range(0, top + 1, step):
        y = height - height * value / top
        body.append(f'<path d="M{left} {y:.1f}h{room}" stroke="{_INK if value == 0 else _GRID}"/>')
        body.append(_text(left - 6, y + 4, number(value, shown.language), "end", _GREY, 12))
    every = math.ceil(len(shown.labels) / 8)
    for index, label in enumerate(shown.labels):
        if index % every == 0:
            body.append(_text(left + index * across, height + 18, label, "middle", _GREY, 11))
        if None in shown.counts[index]:
            body.append(_hatched(left + index * across - 6, height - 12, 12, 14))
    ends = []
    for index, name in enumerate(shown.series):
        points = [(left + at * across, row[index]) for at, row in enumerate(shown.counts)]
        path, last = _line(points, height, top)
        look = f'stroke="{_COLOURS[index]}" stroke-width="2.5"'
        dash = f' stroke-dasharray="{_DASHES[index]}"' if _DASHES[index] else ""
        body.append(f'<path d="{path}" fill="none" {look}{dash}/>')
        body += [
            f'<circle cx="{x:.1f}" cy="{height - height * count / top:.1f}" r="3" fill="#fff" {look}/>'
            for x, count in points
            if count is not None
        ]
        ends.append((last, index, name))
    body += _ends(ends, left + room + 8)
    return _drawing(shown, "lines", body, height + 30, legend=False)


def _line(points: Sequence[tuple[float, Count]], height: float, top: int) -> tuple[str, float]:
    path, is_open, y = "", False, height
    for x, count in points:
        if count is None:
            is_open = False
            continue
        y = height - height * count / top
        path += f"{'L' if is_open else 'M'}{x:.1f} {y:.1f}"
        is_open = True
    return path, y


def _ends(ends: Sequence[tuple[float, int, str]], x: float) -> list[str]:
    """Names at the ends of their lines, moved apart where they would lie on each other."""
    made, lowest = [], -20.0
    for wanted, index, name in sorted(ends):
        y = lowest = max(wanted + 4, lowest + 15)
        if name:
            made.append(f'<rect x="{x}" y="{y - 9:.1f}" width="9" height="9" fill="{_COLOURS[index]}" {_EDGE}/>')
            made.append(_text(x + 14, y, _short(name, 20), size=12))
    return made


# ---------------------------------------------------------------------------------------------------------------- map


def tiles(shown: Figures, places: Mapping[str, Place]) -> str:
    """A tile for each region, near where it lies, the darker the more; equal classes from zero, zero on its own."""
    cells = arranged([(code, places.get(code, Place(None, None))) for code in shown.codes])
    columns = max((column for column, _ in cells.values()), default=0) + 1
    rows = max((row for _, row in cells.values()), default=0) + 1
    side = min(96.0, _WIDTH / columns)
    deep = side * 0.72
    counts = {code: row[0] for code, row in zip(shown.codes, shown.counts, strict=True)}
    classes = _classes(max(map(_zero, counts.values()), default=0))
    left = (_WIDTH - columns * side) / 2
    body = []
    for code, name in zip(shown.codes, shown.labels, strict=True):
        column, row = cells[code]
        body.append(_tile(left + column * side, row * deep, side, deep, name, counts[code], classes, shown.language))
    y = rows * deep + 20
    for index, (low, high) in enumerate(classes):
        said = number(low, shown.language) + ("" if low == high else f"–{number(high, shown.language)}")
        body.append(f'<rect x="{8 + index * 120}" y="{y}" width="22" height="14" fill="{_SHADES[index]}" {_EDGE}/>')
        body.append(_text(36 + index * 120, y + 12, said, size=12))
    placeless = [
        name
        for code, name in zip(shown.codes, shown.labels, strict=True)
        if places.get(code, Place(None, None)).point is None
    ]
    words = _WORDS[shown.language]
    notes = [words["tiles"], *([words["placeless"].format(names=", ".join(placeless))] if placeless else ())]
    return _drawing(shown, "map", body, y + 24, legend=False, notes=notes)


def arranged(places: Sequence[tuple[str, Place]]) -> dict[str, tuple[int, int]]:
    """Column and row of each region in a grid as wide and high as the places lie apart: the free cell nearest to its
    own, the same each time. Those without coordinates fill rows of their own below, by code."""
    known = [(code, *place.point) for code, place in places if place.point is not None]
    found: dict[str, tuple[int, int]] = {}
    if known:
        west, east = min(x for _, x, _ in known), max(x for _, x, _ in known)
        south, north = min(y for _, _, y in known), max(y for _, _, y in known)
        wide, high = max(east - west, 1e-6), max(north - south, 1e-6)
        # Somewhat more cells than regions, so that the shape of the whole stays to be seen.
        columns = max(1, min(12, round(math.sqrt(1.7 * len(known) * wide / high * 0.72))))
        rows = max(math.ceil(1.7 * len(known) / columns), math.ceil(len(known) / columns))
        free = {(column, row) for column in range(columns) for row in range(rows)}
        for code, x, y in known:
            at = ((x - west) / wide * (columns - 1), (north - y) / high * (rows - 1))
            found[code] = min(free, key=lambda cell, at=at: (math.dist(cell, at), cell))  # type: ignore[misc]
            free.remove(found[code])
        found = _without_empty(found)
    first = max((row for _, row in found.values()), default=-1) + 1
    beside = max((column for column, _ in found.values()), default=7) + 1
    for index, code in enumerate(code for code, place in places if place.point is None):
        found[code] = (index % beside, first + index // beside)
    return found


def _without_empty(cells: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    columns = sorted({column for column, _ in cells.values()})
    rows = sorted({row for _, row in cells.values()})
    return {code: (columns.index(column), rows.index(row)) for code, (column, row) in cells.items()}


def _classes(most: int) -> list[tuple[int, int]]:
    """Zero, and up to four equal classes of what is more."""
    if most == 0:
        return [(0, 0)]
    width = math.ceil(most / 4)
    return [(0, 0), *((low, min(low + width - 1, most)) for low in range(1, most + 1, width))]


def _tile(  # noqa: PLR0917
    x: float,
    y: float,
    side: float,
    deep: float,
    name: str,
    count: Count,
    classes: Sequence[tuple[int, int]],
    language: Language,
) -> str:
    shade = next((index for index, (low, high) in enumerate(classes) if count is not None and low <= count <= high), 0)
    ink = "#ffffff" if shade == 4 else "#000000"
    size = 11 if side > 70 else 9
    middle = x + side / 2
    box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{side - 2:.1f}" height="{deep - 2:.1f}"'
    drawn = f'<rect {box} fill="{_SHADES[shade] if count is not None else "url(#h)"}" {_EDGE}/>'
    if count is None:
        drawn += (
            f'<rect x="{x + 4:.1f}" y="{y + 8:.1f}" width="{side - 8:.1f}" height="{deep - 16:.1f}" fill="#ffffff"/>'
        )
    said = number(count, language) if count is not None else "–"
    letters = int(side / size * 1.7)
    first, *more = _wrapped(name, letters + 1)
    named = [first, " ".join(more)] if more else [first]
    start = y + deep / 2 - 4 - (size if more else 0)
    return (
        drawn
        + "".join(
            _text(middle, start + at * size, _short(part, letters), "middle", ink, size)
            for at, part in enumerate(named)
        )
        + _text(middle, y + deep / 2 + 15, said, "middle", ink, 14, bold=True)
    )


# ------------------------------------------------------------------------------------------------------------ drawing

_EDGE = f'stroke="{_INK}" stroke-width=".6"'


def number(value: int, language: Language) -> str:
    """With the language's thousands mark."""
    return f"{value:,}" if language == "en" else f"{value:,}".replace(",", ".")


def _drawing(
    shown: Figures,
    kind: str,
    body: Sequence[str],
    height: float,
    *,
    legend: bool = True,
    notes: Sequence[str] = (),
    width: int = _WIDTH,
) -> str:
    words = _WORDS[shown.language]
    key = hashlib.sha256(f"{kind} {shown.title}".encode()).hexdigest()[:8]  # several may stand on one page
    said = [*notes, *([words["why"]] if shown.is_withheld else ())]
    title = [
        _text(8, 20 + 17 * at, line, size=14, bold=True)
        for at, line in enumerate(_wrapped(shown.title, int(width / 9.2)))
    ]
    top = 17 * len(title) + 18
    named = [name for name in shown.series if name] if legend else []
    keys, x, y = [], 8.0, float(top)
    for index, name in enumerate(named):
        wide = 26 + 7.2 * len(name)
        if x + wide > width and x > 8:
            x, y = 8.0, y + 20
        keys.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{_COLOURS[index]}" {_EDGE}/>')
        keys.append(_text(x + 17, y + 11, name, size=12))
        x += wide
    start = y + 24 if named else y
    foot = [line for note in said for line in _wrapped(note, int(width / 7.2))]
    below = start + height + 6
    if not shown.labels:
        body, below = [_text(8, 14, words["none"])], start + 30
    total = below + 16 * len(foot) + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t{key} d{key}" lang="{shown.language}" '
        f'viewBox="0 0 {width} {total:.0f}" width="{width}" height="{total:.0f}" {_FONT}>'
        f'<title id="t{key}">{escape(shown.title)}</title>'
        f'<desc id="d{key}">{escape(_described(shown, kind, said))}</desc>'
        f'<defs><pattern id="h{key}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="6" height="6" fill="#fff"/>'
        f'<path d="M0 0v6" stroke="{_GREY}" stroke-width="2.4"/></pattern></defs>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(title)}{"".join(keys)}'
        f'<g transform="translate(0 {start:.0f})">{"".join(body).replace("url(#h)", f"url(#h{key})")}</g>'
        f"{''.join(_text(8, below + 14 + 16 * at, line, 'start', _GREY, 12) for at, line in enumerate(foot))}</svg>"
    )


def _described(shown: Figures, kind: str, said: Sequence[str]) -> str:
    """The whole picture in words, as far as anybody would listen."""
    words = _WORDS[shown.language]

    def one(label: str, row: Sequence[Count]) -> str:
        values = [words["withheld"] if count is None else number(count, shown.language) for count in row]
        parts = [f"{name} {value}" if name else value for name, value in zip(shown.series, values, strict=True)]
        return f"{label}: {', '.join(parts)}"

    rows = [one(label, row) for label, row in zip(shown.labels, shown.counts, strict=True)]
    more = f"; … {len(rows) - _MOST_DESCRIBED} +" if len(rows) > _MOST_DESCRIBED else ""
    listed = "; ".join(rows[:_MOST_DESCRIBED]) + more if rows else words["none"]
    return " ".join([f"{words[kind]}. {listed}.", *said])


def table(shown: Figures) -> str:
    """The same figures as an HTML table, for whoever reads rather than looks."""
    words = _WORDS[shown.language]
    heads = [name or words["total"] for name in shown.series]
    cells = [
        "".join(
            f"<td>{escape(words['withheld']) if count is None else number(count, shown.language)}</td>" for count in row
        )
        for row in shown.counts
    ]
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>{row}</tr>' for label, row in zip(shown.labels, cells, strict=True)
    )
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return (
        f"<table><caption>{escape(shown.title)}</caption>"
        f'<thead><tr><th scope="col">{escape(shown.heading)}</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _text(  # noqa: PLR0917
    x: float, y: float, text: str, anchor: str = "start", ink: str = _INK, size: int = 13, *, bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    side = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{ink}"{side}{weight}>{escape(text)}</text>'


def _hatched(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width}" height="{height - 2}" fill="url(#h)" {_EDGE}/>'


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _wrapped(text: str, letters: int) -> list[str]:
    made = [""]
    for part in text.split():
        if made[-1] and len(made[-1]) + len(part) >= letters:
            made.append(part)
        else:
            made[-1] = f"{made[-1]} {part}".strip()
    return made


def _zero(count: Count) -> int:
    return count or 0


def _known(row: Sequence[Count]) -> int:
    return sum(map(_zero, row))


def _scale(most: int) -> tuple[int, int]:
    """A step of 1, 2 or 5 times a power of ten, and the end of an axis of at most five steps."""
    step = 1
    while step * 5 < most:
        step = {"1": step * 2, "2": step * 5 // 2, "5": step * 2}[str(step)[0]]
    return step, max(step, math.ceil(most / step) * step)
