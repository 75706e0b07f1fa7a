"""Regions by file: what a decree adds, renames and ends, until an edition of the packaged list has it.

All rows of a file are judged together, whatever their order: a new district may have its villages beside it, and one
that ends the villages that end with it. A code never changes its meaning (DOMAIN §5.3): its level, its kind and what
lies above follow from it, its first day stays, and once it ended it does not come back.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.imports import cells
from tksk_api.domain.imports.cells import Reading
from tksk_api.domain.imports.contract import Cell, CellError, Column, Fate, Fault, Kind, OnMatch, Parsed
from tksk_api.domain.imports.kinds.recognising import degrees
from tksk_api.domain.regions import dataset
from tksk_api.domain.regions.service import local_today, regions_now, remove_regions, valid_below, write_regions
from tksk_api.security.permissions import Permission
from tksk_api.types import Latitude, Line, Longitude

Facts = dict[str, Any]
_CHANGES = ("name", "latitude", "longitude", "valid_until")
_BOUNDS = {
    "latitude": (dataset.SOUTH, dataset.NORTH),
    "longitude": (dataset.WEST, dataset.EAST),
}
_TOLD = 5  # regions that a refusal names
# What tables write before a name; that of a village may begin with any of these words.
_PREFIXES = {
    2: re.compile(r"(?P<kind>Provinsi|Prov\.)\s*", re.I),
    5: re.compile(r"(?P<kind>Kab(?:upaten|\.)|Kota)\s*(?<=[\s.])(?:Adm(?:inistrasi|\.)\s*)?", re.I),
    8: re.compile(r"(?P<kind>Kecamatan|Kec\.)\s*", re.I),
}
_ROMAN = re.compile(r"[IVXL]+")
_SHORT_NAMES = {long.casefold(): short for long, short in dataset.SHORT_NAMES.items()}


def _code(cell: Cell) -> Reading:
    """A code that a region may have. Raises CellError (region_format)."""
    code, notes = cells.region(cell)
    if code is not None and (not dataset.CODE_PATTERN.match(code) or "00" in code.split(".")):
        raise CellError("region_format")
    return code, notes


_COLUMNS = (
    Column(
        "code",
        _code,
        "Kode Wilayah",
        required=True,
        aliases=("Kode", "Kode Kemendagri", "Kode Wilayah Administrasi", "Kode Desa", "Kode Kelurahan"),
        example="18.71.21.1001",
        words=(
            "Kode Kemendagri; sel berformat Teks. Jenjang dan wilayah di atasnya terbaca dari kode",
            "Kemendagri code, in a cell formatted as text. It says the level and what lies above",
        ),
    ),
    Column(
        "name",
        cells.typed(Line, cells.line),
        "Nama Wilayah",
        aliases=("Nama", "Nama Desa", "Nama Kelurahan", "Nama Kecamatan", "Nama Provinsi Kabupaten Kota"),
        example="Karang Bahari",
        words=("Wajib untuk wilayah baru; tanpa jenisnya", "Needed of a new region; without its kind"),
    ),
    Column(
        "kind",
        cells.one_of(
            {
                "province": ("provinsi",),
                "kabupaten": ("kab", "kab."),
                "kota": ("kota administrasi",),
                "kecamatan": ("kec", "kec.", "distrik"),
                "kelurahan": ("kel", "kel."),
                "desa": ("kampung", "gampong", "nagari", "pekon"),
                "desa_adat": ("desa adat",),
            }
        ),
        "Jenis",
        aliases=("Jenis Wilayah",),
        words=("Boleh kosong; dicocokkan dengan kodenya", "May be empty; compared with the code"),
        choices=("province", "kabupaten", "kota", "kecamatan", "kelurahan", "desa", "desa_adat"),
    ),
    Column(
        "valid_from",
        cells.day,
        "Berlaku Sejak",
        aliases=("Berlaku Mulai", "Tanggal Berlaku", "TMT"),
        words=(
            "Hari pertama wilayah baru; kosong berarti hari ini. Wilayah lama: biarkan kosong",
            "First day of a new region; left empty, today. Of others leave it empty",
        ),
    ),
    Column(
        "valid_until",
        cells.day,
        "Tidak Berlaku Sejak",
        aliases=("Berakhir", "Tanggal Berakhir", "Dihapus Sejak"),
        words=(
            "Hari pertama kode tidak berlaku lagi, paling lambat hari ini; kosong berarti tetap berlaku",
            "First day on which the code holds no more, today at the latest; left empty, it goes on",
        ),
    ),
    Column("latitude", degrees(Latitude), "Lintang", aliases=("Latitude", "Lat"), example="-5,473"),
    Column("longitude", degrees(Longitude), "Bujur", aliases=("Longitude", "Long", "Lon", "Lng"), example="105,326"),
)


def _key(values: Mapping[str, Any]) -> str | None:
    return values.get("code")


@dataclass
class _File:
    """What the rows of a file lead to: regions as they will be, by code, and the fate of each row, by its number."""

    known: dict[str, Facts]
    in_capitals: bool
    after: dict[str, Facts] = field(default_factory=dict)
    before: dict[int, Facts] = field(default_factory=dict)
    fates: dict[int, Fate] = field(default_factory=dict)

    def now(self, code: str | None) -> Facts | None:
        return None if code is None else self.after.get(code, self.known.get(code))

    def reject(self, row: Parsed, *faults: Fault) -> None:
        self.fates[row.number] = Fate(row.number, "rejected", faults=faults, notes=row.notes)

    def leave(self, row: Parsed, region: Facts, *notes: Fault) -> None:
        told = (*row.notes, *notes)
        self.fates[row.number] = Fate(row.number, "unchanged", region["id"], region["version"], notes=told)


async def apply(session: AsyncSession, rows: Sequence[Parsed], on_match: OnMatch) -> Sequence[Fate]:
    """The fate of each row; all that may be written is written at once."""
    codes = [str(row.values["code"]) for row in rows]
    above = [code[:length] for code in codes for length in (2, 5, 8)]
    names = [str(row.values["name"]) for row in rows if row.values.get("name")]
    file = _File(await regions_now(session, {*codes, *above}), bool(names) and all(map(str.isupper, names)))
    in_order = sorted(rows, key=lambda row: str(row.values["code"]))
    ending = []
    for row in in_order:  # what lies above comes first
        region = file.known.get(str(row.values["code"]))
        if region is None:
            _add(file, row)
        elif _change(file, row, region, on_match):
            ending.append(row)
    await _end(session, file, ending[::-1])
    written = await write_regions(session, list(file.after.values()))
    for row in rows:
        if row.number not in file.fates:
            key, version = written[str(row.values["code"])]
            before = file.before.get(row.number)
            fate: Any = "created" if str(row.values["code"]) not in file.known else "updated"
            # An id is not enough to find a region by, so the code goes along.
            kept = {**(before or {}), "code": row.values["code"]}
            file.fates[row.number] = Fate(row.number, fate, key, version, kept, notes=_respelt(row, file))
    return [file.fates[row.number] for row in rows]


def _add(file: _File, row: Parsed) -> None:
    """A region that is not known yet."""
    code = str(row.values["code"])
    above = file.now(dataset.parent_of(code))
    timezone = dataset.timezone_of(code) if above is None else str(above["timezone"])
    today = local_today(timezone)
    name, faults = _name(file, row)
    begins, ends = row.values.get("valid_from") or today, row.values.get("valid_until")
    if name is None and not faults:
        faults.append(Fault("name", "missing"))
    if dataset.parent_of(code) is not None and (above is None or (above["valid_until"] is not None and ends is None)):
        faults.append(Fault("code", "region_above_invalid", {"above": dataset.parent_of(code)}))
    faults += _about_days(begins, ends, today, "valid_from", "valid_until") + _about_place(row)
    if faults:
        file.reject(row, *faults)
        return
    file.after[code] = {
        "code": code,
        "name": name,
        "kind": dataset.kind_of(code),
        "timezone": timezone,
        **{side: _degrees(row.values.get(side)) for side in _BOUNDS},
        "valid_from": begins,
        "valid_until": ends,
        "edition": None,
    }


def _change(file: _File, row: Parsed, region: Facts, on_match: OnMatch) -> bool:
    """What a row says of a region that is known. True where it ends, which the regions below must allow."""
    name, faults = _name(file, row)
    begins, ends = row.values.get("valid_from"), row.values.get("valid_until")
    said = {"name": name, "valid_until": ends, **{side: _degrees(row.values.get(side)) for side in _BOUNDS}}
    if name is not None and file.in_capitals and name.casefold() == region["name"].casefold():
        said["name"] = None
    changes = {key: said[key] for key in _CHANGES if said[key] is not None and said[key] != region[key]}
    is_other = begins is not None and begins != region["valid_from"]
    if not faults and not changes and not is_other:
        is_over = region["valid_until"] is not None and ends is None
        file.leave(row, region, *([_ended(region)] if is_over else []))
        return False
    if faults or on_match == "skip":
        file.reject(row, *faults) if faults else file.leave(row, region, Fault(None, "exists"))
        return False
    if region["valid_until"] is not None:
        faults.append(_ended(region))
    if is_other:
        faults.append(Fault("valid_from", "region_begins_once", {"day": str(region["valid_from"])}))
    today = local_today(region["timezone"])
    faults += _about_days(region["valid_from"], ends, today, None, "valid_until") + _about_place(row)
    if faults:
        file.reject(row, *faults)
        return False
    # It does not end before its turn: what a file adds below it would keep it.
    file.after[region["code"]] = {**region, **changes, "valid_until": region["valid_until"], "edition": None}
    file.before[row.number] = {key: region[key] for key in (*changes, "edition")}
    return "valid_until" in changes


async def _end(session: AsyncSession, file: _File, rows: Sequence[Parsed]) -> None:
    """Refuse the end of those below which something stays; what lies below comes first."""
    codes = [str(row.values["code"]) for row in rows]
    below = set(await valid_below(session, codes)) if codes else set()
    below |= {code for code in file.after if code not in file.known}
    staying: dict[str | None, set[str]] = {}
    for code in below:
        staying.setdefault(dataset.parent_of(code), set()).add(code)
    for row in rows:
        code = str(row.values["code"])
        left = [one for one in sorted(staying.get(code, ())) if (file.now(one) or {}).get("valid_until") is None]
        if not left:
            file.after[code]["valid_until"] = row.values["valid_until"]
        else:
            del file.after[code]
            facts = {"below": ", ".join(left[:_TOLD]), "count": len(left)}
            file.reject(row, Fault("valid_until", "regions_below_valid", facts))


def _ended(region: Facts) -> Fault:
    return Fault("code", "region_ended", {"day": str(region["valid_until"])})


def _name(file: _File, row: Parsed) -> tuple[str | None, list[Fault]]:
    """The name as the list spells names, and what is wrong with it or with the kind; by the code, which decides."""
    code, raw = str(row.values["code"]), row.values.get("name")
    kind = dataset.kind_of(code)
    said = row.values.get("kind")
    faults = [Fault("kind", "region_kind", {"kind": kind})] if said is not None and said != kind else []
    if raw is None:
        return None, faults
    name = dataset.tidied(str(raw))
    prefix = _PREFIXES[len(code)].match(name) if len(code) in _PREFIXES else None
    if prefix is not None and prefix.end() < len(name):
        if len(code) == len("18.71") and prefix["kind"][:3].lower() != kind[:3]:
            faults.append(Fault("name", "region_kind", {"kind": kind}))
        name = name[prefix.end() :]
    if name.casefold() in _SHORT_NAMES:
        name = _SHORT_NAMES[name.casefold()]
    elif file.in_capitals:
        name = " ".join(word if _ROMAN.fullmatch(word) else _lowered(word) for word in name.split(" "))
    return name, faults


def _lowered(word: str) -> str:
    """`BATU-BATU` as `Batu-batu`, `DAN` as `dan`, `2X` as it is."""
    return "dan" if word == "DAN" else word[0] + word[1:].lower()


def _respelt(row: Parsed, file: _File) -> tuple[Fault, ...]:
    """A note where the name is not kept as it was written."""
    raw, kept = row.values.get("name"), file.after[str(row.values["code"])]["name"]
    is_other = raw is not None and raw != kept
    return (*row.notes, Fault("name", "name_respelt", {"name": kept})) if is_other else row.notes


def _about_days(begins: date, ends: date | None, today: date, first: str | None, last: str) -> list[Fault]:
    """A region begins and ends on days that have come; plans are imported when their day comes."""
    faults = [Fault(first, "in_future")] if first is not None and begins > today else []
    if ends is not None and ends > today:
        faults.append(Fault(last, "in_future"))
    elif ends is not None and ends < begins:
        faults.append(Fault(last, "before_start"))
    return faults


def _about_place(row: Parsed) -> list[Fault]:
    """Both coordinates or none, inside Indonesia."""
    given = {side: row.values.get(side) for side in _BOUNDS}
    if all(value is None for value in given.values()):
        return []
    faults = []
    for side, (low, high) in _BOUNDS.items():
        value = given[side]
        if value is None:
            faults.append(Fault(side, "missing"))
        elif not low < value < high:
            faults.append(Fault(side, "out_of_range", {"min": low, "max": high}))
    return faults


def _degrees(value: Any) -> float | None:
    """To four decimals, as the list has them."""
    return None if value is None else round(float(value), 4)


async def undo(session: AsyncSession, fates: Sequence[Fate]) -> Sequence[Fault | None]:
    """Put back what was changed since nobody else did, and remove what was new and nothing names yet."""
    code_of = {fate.number: str((fate.before or {})["code"]) for fate in fates}
    above = {code[:length] for code in code_of.values() for length in (2, 5, 8)}
    known = await regions_now(session, {*code_of.values(), *above})
    obstacles: dict[int, Fault | None] = {}
    back: dict[str, Facts] = {}
    new: dict[str, int] = {}
    for fate in sorted(fates, key=lambda fate: code_of[fate.number]):
        code = code_of[fate.number]
        region = known.get(code)
        obstacles[fate.number] = _in_the_way(region, fate, back, known)
        if obstacles[fate.number] is not None or region is None:
            continue
        if fate.fate == "created":
            new[code] = fate.number
        else:
            back[code] = {**region, **(fate.before or {})}
    await write_regions(session, list(back.values()))
    staying = await remove_regions(session, list(new)) if new else {}
    for code, used_by in staying.items():
        obstacles[new[code]] = Fault(None, "still_in_use", {"by": used_by})
    return [obstacles[fate.number] for fate in fates]


def _in_the_way(
    region: Facts | None, fate: Fate, back: Mapping[str, Facts], known: Mapping[str, Facts]
) -> Fault | None:
    if region is None or region["id"] != UUID(str(fate.record_id)):
        return Fault(None, "record_gone")
    if region["version"] != fate.version:
        return Fault(None, "changed_since")
    above = dataset.parent_of(region["code"])
    revives = fate.fate == "updated" and "valid_until" in (fate.before or {})
    if revives and above is not None and (back.get(above) or known[above])["valid_until"] is not None:
        return Fault(None, "region_above_invalid", {"above": above})
    return None


REGIONS = Kind(
    name="regions",
    permission=Permission.REGION_WRITE,
    columns=_COLUMNS,
    key=_key,
    apply=apply,
    undo=undo,
    page=10_000,  # no province has more
    is_whole=True,
)
