"""Reading regions and loading the packaged list."""

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from cachetools import TTLCache
from sqlalchemy import ColumnElement, DateTime, Text, and_, cast, event, func, literal_column, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import SessionTransaction

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
    """Bring the table to the packaged list, in one transaction; returns the number of rows of the list.

    What is missing is added by COPY, what an earlier edition said is brought up to date, and what only that one knew
    ends with this one. Nothing is deleted, and what a file said since stands.
    """
    connection: Any = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            await connection.execute(f"SELECT {_IN_TURN}")
            found = await connection.fetch(f"SELECT code, {', '.join(_SAID)} FROM regions")
            known = {row["code"]: tuple(row)[1:] for row in found}
            packaged = {row.code: _record(row) for row in rows()}
            missing = [list(record.values()) for code, record in packaged.items() if code not in known]
            for start in range(0, len(missing), 20_000):
                some = missing[start : start + 20_000]
                await connection.copy_records_to_table("regions", records=some, columns=_COLUMNS)
                report(start + len(some), len(missing))
            before = {code: row for code, row in known.items() if row[-1] is not None and row[-1] <= VALID_FROM}
            said = {code: tuple(packaged[code][name] for name in _SAID) for code in before if code in packaged}
            await connection.executemany(_SAY, [(code, *row) for code, row in said.items() if row != before[code]])
            await connection.execute(_END, list(before.keys() - packaged.keys()), VALID_FROM)
        await connection.execute("ANALYZE regions")
        return len(packaged)
    finally:
        await connection.close()


# What an edition says of a region. Level and region above follow from the code, and the first day never changes.
_SAID = ("name", "kind", "timezone", "latitude", "longitude", "search_name", "edition")
_COLUMNS = (*RegionRow._fields, "valid_from", "search_name", "edition")
_SAY = f"UPDATE regions SET ({', '.join(_SAID)}) = ($2, $3, $4, $5, $6, $7, $8) WHERE code = $1"
_END = "UPDATE regions SET valid_until = $2 WHERE code = ANY ($1) AND valid_until IS NULL"
# The list of an edition and files are written one after the other, so that each goes on from what there is.
_IN_TURN = "pg_advisory_xact_lock(hashtextextended('regions', 0))"


def _record(row: RegionRow) -> dict[str, Any]:
    """As in _COLUMNS."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", row.name) if not unicodedata.combining(c)).lower()
    return {**row._asdict(), "valid_from": VALID_FROM, "search_name": plain, "edition": VALID_FROM}


async def regions_now(session: AsyncSession, codes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Those of the codes that are regions, as the table has them, to be written: others who write wait."""
    connection = await session.connection()
    await connection.execute(text(f"SELECT {_IN_TURN}"))
    found = await connection.execute(select(_TABLE).where(_TABLE.c.code.in_(sorted(set(codes)))))
    return {row["code"]: dict(row) for row in found.mappings()}


async def valid_below(session: AsyncSession, codes: Iterable[str]) -> list[str]:
    """The regions just below these that are valid."""
    found = select(_TABLE.c.code).where(_TABLE.c.parent_code.in_(sorted(set(codes))), _TABLE.c.valid_until.is_(None))
    return list((await (await session.connection()).execute(found.order_by(_TABLE.c.code))).scalars())


async def write_regions(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[UUID, int]]:
    """Write new regions and what changed of others; the id and version of each.

    Only an administrator of the nation may, which the database sees to. This process knows them at once, others after
    the minutes for which they remember a region.
    """
    connection = await session.connection()
    written: dict[str, tuple[UUID, int]] = {}
    for start in range(0, len(rows), _AT_ONCE):
        some = json.dumps([dict(row) for row in rows[start : start + _AT_ONCE]], default=str)
        found = await connection.execute(_WRITE, {"rows": some})
        written |= {row.code: (row.id, row.version) for row in found}
    _forget(session, written)
    return written


async def remove_regions(session: AsyncSession, codes: Sequence[str]) -> dict[str, str]:
    """Remove regions that nothing names; those that stay, each with a table that names it."""
    found = await (await session.connection()).execute(_REMOVE, {"codes": list(codes)})
    _forget(session, codes)
    return {row.code: row.used_by for row in found}


_AT_ONCE = 2_000
_WRITE = text("SELECT code, id, version FROM app.write_regions(CAST(:rows AS jsonb))")
_REMOVE = text("SELECT code, used_by FROM app.remove_regions(CAST(:codes AS text[]))")


def _forget(session: AsyncSession, codes: Iterable[str]) -> None:
    """Once it holds for others, too: until then they would only learn again what was."""
    gone = list(codes)

    def forget(_session: Any, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            for code in gone:
                _known.pop(code, None)

    event.listen(session.sync_session, "after_transaction_end", forget)


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
