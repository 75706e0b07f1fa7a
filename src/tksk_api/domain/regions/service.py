"""Reading regions and loading the packaged list."""

import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from cachetools import TTLCache
from sqlalchemy import ColumnElement, DateTime, Text, and_, cast, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.regions.dataset import VALID_FROM, RegionRow, rows
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.schemas import RegionRead
from tksk_api.errors import invalid

_TABLE = table_of(Region)
_OFFICES = {
    "kelurahan": "Kelurahan",
    "desa": "Desa",
    "desa_adat": "Desa Adat",
    "kecamatan": "Kecamatan",
    "kota": "Kota",
    "kabupaten": "Kabupaten",
    "province": "Provinsi",
}

_known: TTLCache[str, Region] = TTLCache(maxsize=20_000, ttl=300)


def _escaped(typed: ColumnElement[str]) -> ColumnElement[str]:
    """What the caller types is text: the wildcards of LIKE stand for themselves."""
    return func.regexp_replace(typed, literal_column(r"'([\\%_])'"), literal_column(r"'\\\1'"), literal_column("'g'"))


REGIONS = Resource(
    schema=RegionRead,
    table=_TABLE,
    scoped=False,
    key="code",
    sorts={"code": Sort((), descending=False)},
    filters={
        "parent": lambda value: _TABLE.c.parent_code == value,
        "level": lambda value: _TABLE.c.level == value,
        "q": lambda value: _TABLE.c.search_name.contains(_escaped(func.app.search_name(value))),
    },
)


def inside(code: ColumnElement[str], area: ColumnElement[str]) -> ColumnElement[bool]:
    """Regions that are `area` or lie below it, as a range: "/" follows "." in the C collation of the codes."""
    text = cast(area, Text)
    return or_(code == text, and_(code > text + literal_column("'.'"), code < text + literal_column("'/'")))


def covers(code: ColumnElement[str], place: ColumnElement[str]) -> ColumnElement[bool]:
    """Regions that are `place` or lie above it."""
    return code.in_([func.left(cast(place, Text), length) for length in (2, 5, 8, 13)])


def drafted_from(place: ColumnElement[str], at: ColumnElement[Any], day: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows written at `at` on this day or later, by the calendar of their `place`; an index on `at` helps."""
    return and_(at >= func.timezone("Asia/Jayapura", cast(day, DateTime)), func.app.local_day(place, at) >= day)


def drafted_until(place: ColumnElement[str], at: ColumnElement[Any], day: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows written at `at` on this day or earlier, by the calendar of their `place`; an index on `at` helps."""
    after = func.timezone("Asia/Jakarta", cast(day, DateTime) + literal_column("interval '1 day'"))
    return and_(at < after, func.app.local_day(place, at) <= day)


async def load_regions(owner_url: str, report: Callable[[int, int], None]) -> int:
    """Replace the region table by the packaged list, in one transaction, by COPY; returns the number of rows."""
    connection: Any = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            known = await connection.fetchval("SELECT count(*) FROM regions")
            records = [_record(row) for row in rows()]
            if known == len(records):
                return int(known)
            await connection.execute("DELETE FROM regions")
            for start in range(0, len(records), 20_000):
                await connection.copy_records_to_table(
                    "regions", records=records[start : start + 20_000], columns=_COLUMNS
                )
                report(min(start + 20_000, len(records)), len(records))
        await connection.execute("ANALYZE regions")
        return len(records)
    finally:
        await connection.close()


_COLUMNS = (
    "code",
    "name",
    "level",
    "kind",
    "parent_code",
    "timezone",
    "latitude",
    "longitude",
    "valid_from",
    "valid_until",
    "search_name",
)


def _record(row: RegionRow) -> tuple[Any, ...]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", row.name) if not unicodedata.combining(c)).lower()
    return (
        row.code,
        row.name,
        row.level,
        row.kind,
        row.parent_code,
        row.timezone,
        row.latitude,
        row.longitude,
        VALID_FROM,
        None,
        plain,
    )


async def find_region(session: AsyncSession, code: str) -> Region | None:
    """The region, from memory where it was seen within the last minutes: the list changes once a year."""
    region = _known.get(code)
    if region is None:
        region = await session.get(Region, code)
        if region is not None:
            session.expunge(region)
            _known[code] = region
    return region


async def find_regions(session: AsyncSession, codes: Iterable[str]) -> dict[str, Region]:
    """Those of the codes that are regions, as `find_region`, in one statement."""
    wanted = set(codes)
    found = {code: region for code in wanted if (region := _known.get(code)) is not None}
    if missing := sorted(wanted - found.keys()):
        query = select(Region).where(Region.code.in_(missing))  # type: ignore[attr-defined]
        for region in (await session.execute(query)).scalars():
            session.expunge(region)
            found[region.code] = _known[region.code] = region
    return found


async def require_region(session: AsyncSession, code: str, pointer: str, level: str | None = None) -> Region:
    """A region that is valid today. Raises invalid_request (unknown_region, region_level)."""
    return valid_region(await find_region(session, code), pointer, level)


def valid_region(region: Region | None, pointer: str, level: str | None = None) -> Region:
    """As `require_region`, of a region that was looked up already."""
    if region is None or region.valid_until is not None:
        raise invalid(pointer, "unknown_region")
    if level is not None and region.level != level:
        raise invalid(pointer, "region_level", level=level)
    return region


def valid_within(rows: str, first: str, last: str) -> str:
    """SQL: a region of the table or alias `rows` was one on some day from `first` to `last`. Those of the packaged
    edition count as regions of the time before it too, of which it says nothing."""
    return (
        f"({rows}.valid_until IS NULL OR {rows}.valid_until > {first}) "
        f"AND {rows}.valid_from <= greatest({last}, date '{VALID_FROM}')"
    )


async def chain(session: AsyncSession, code: str) -> dict[str, Region]:
    """The region and everything above it, by level."""
    prefixes = [code[:length] for length in (2, 5, 8, 13) if len(code) >= length]
    found = [await find_region(session, prefix) for prefix in prefixes]
    return {region.level: region for region in found if region is not None}


async def today_in(session: AsyncSession, code: str) -> date:
    """The day at a place. A zone covers whole provinces, which outlive the villages of old rows."""
    province = await find_region(session, code[:2])
    assert province is not None
    return local_today(province.timezone)


def office_name(region: Region) -> str:
    """ "Kelurahan Srengsem", "Kota Bandar Lampung"."""
    return f"{_OFFICES[region.kind]} {region.name}"


def local_now(timezone: str) -> datetime:
    return datetime.now(ZoneInfo(timezone))


def local_today(timezone: str) -> date:
    """Business dates follow the region's own zone: WIB, WITA or WIT."""
    return local_now(timezone).date()
