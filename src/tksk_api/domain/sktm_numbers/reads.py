"""How the register is read: letters and voided numbers in one row of numbers."""

from sqlalchemy import Column, Date, DateTime, Integer, MetaData, Table, Text, Uuid

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import RegionText
from tksk_api.domain.sktm_numbers.schemas import NumberRead

_REGIONS = ("region_code", "province_code", "regency_code", "district_code")

# A view over both tables, so it has metadata of its own: migrations compare only tables.
_NUMBERS = Table(
    "sktm_numbers",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    *(Column(name, RegionText) for name in _REGIONS),
    *(Column(name, Text) for name in ("series", "number", "status", "reason_code", "note")),
    *(Column(name, Integer) for name in ("year", "sequence")),
    Column("issued_on", Date),
    Column("application_id", Uuid),
    Column("created_at", DateTime(timezone=True)),
)

SKTM_NUMBERS = Resource(
    schema=NumberRead,
    table=_NUMBERS,
    filters={
        "region_code": lambda value: _NUMBERS.c.region_code == value,
        "year": lambda value: _NUMBERS.c.year == value,
        "series": lambda value: _NUMBERS.c.series == value,
        "status": lambda value: _NUMBERS.c.status == value,
    },
    sorts={"-sequence": Sort(("year", "series", "sequence"))},
)
