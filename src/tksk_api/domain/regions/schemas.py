"""Shapes of regions."""

from datetime import date
from typing import Literal

from tksk_api.domain.records import Read

Level = Literal["province", "regency", "district", "village"]


class RegionRead(Read):
    """A region by the Kemendagri list; `parent_code` is null for a province."""

    code: str
    name: str
    level: Level
    kind: Literal["province", "kabupaten", "kota", "kecamatan", "kelurahan", "desa", "desa_adat"]
    parent_code: str | None
    timezone: str
    latitude: float | None
    longitude: float | None
    valid_from: date
    valid_until: date | None
