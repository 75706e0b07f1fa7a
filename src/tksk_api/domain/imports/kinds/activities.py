"""Work of an officer by file: the log that was kept in a table, as drafts of whoever imports it."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.activities import service
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.schemas import ActivityCreate, ActivityUpdate, People
from tksk_api.domain.activity_kinds.models import ActivityKind
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.cells import Reading
from tksk_api.domain.imports.contract import Cell, CellError, Column, Fate, Kind
from tksk_api.domain.imports.kinds.one_by_one import Match, Values, applying, naming, undoing
from tksk_api.domain.imports.kinds.recognising import degrees, people_of
from tksk_api.domain.regions.service import require_region
from tksk_api.domain.visits.schemas import rounded
from tksk_api.errors import invalid
from tksk_api.security.permissions import Permission
from tksk_api.types import Latitude, Line, Longitude, Moment, Note

_TABLE, _KINDS = table_of(Activity), table_of(ActivityKind)
_NESTED = {
    "headcount": ("male", "female", "children", "disabled"),
    "follow_up": ("note", "due_on"),
    "location": ("lat", "lon"),
}
_CLOCK = re.compile(r"(?:pukul|pkl|jam)?\.? *([0-9]{1,2})[.:]([0-9]{2})(?:[.:][0-9]{2})?(?: *(?:wib|wita|wit))?", re.I)
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_DAY_SECONDS = 24 * 3600
_FIRST_YEARS = 1904  # an hour without a day is one of a workbook's first day


def clock(cell: Cell) -> Reading:
    """An hour of the day as `time`, or a moment with its zone, as an export has it. A workbook keeps an hour as the
    part of a day. Raises CellError (bad_time)."""
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        if not 0 <= cell < 1:
            raise CellError("bad_time")
        minutes = round(cell * _DAY_SECONDS) // 60
        return time(minutes // 60 % 24, minutes % 60), ()
    if isinstance(cell, datetime) and cell.year <= _FIRST_YEARS:
        return cell.time(), ()
    written, notes = cells.value_text(cell)
    if written is None:
        return None, notes
    try:
        if match := _CLOCK.fullmatch(written):
            return time(int(match[1]), int(match[2])), notes
        return _MOMENT.validate_python(written), notes
    except ValueError:
        raise CellError("bad_time") from None


def _number(name: str, header: str, *aliases: str) -> Column:
    words = ("Jumlah orang; 0 bila tidak ada", "Number of people; 0 where there are none")
    return Column(name, cells.typed(People, cells.whole), header, aliases=aliases, words=words)


_COLUMNS = (
    Column("id", cells.uuid, "ID", aliases=("ID Kegiatan",), words=("UUID kegiatan yang sudah tercatat", "Its UUID")),
    Column(
        "occurred_on",
        cells.day,
        "Tanggal",
        required=True,
        aliases=("Tanggal Kegiatan", "Tgl", "Tgl Kegiatan", "Hari/Tanggal"),
        example="21/11/2026",
        words=("Hari kegiatan, paling lama setahun lalu", "Its day, a year ago at most"),
    ),
    Column(
        "region_code",
        cells.region,
        "Kode Wilayah",
        aliases=("Kode Desa", "Kode Kelurahan", "Kode Kecamatan", "Lokasi (Kode)"),
        example="18.71.04.1002",
        words=(
            "Kode Kemendagri desa atau kecamatan; kosong berarti kecamatan Anda",
            "Kemendagri code of the village or district; left empty, your own district",
        ),
    ),
    Column(
        "kind",
        cells.typed(Line, cells.value_text),
        "Jenis Kegiatan",
        required=True,
        aliases=("Kegiatan", "Bentuk Kegiatan"),
        example="sktm_verification",
        words=("Kode atau nama dari /v1/activity-kinds", "Code or name of /v1/activity-kinds"),
    ),
    Column(
        "title",
        cells.typed(Line, cells.line),
        "Judul",
        aliases=("Nama Kegiatan", "Judul Kegiatan"),
        example="Verifikasi SKTM di Srengsem",
        words=("Kosong berarti nama jenis kegiatan", "Left empty, the name of its kind"),
    ),
    Column(
        "pillar",
        cells.listed("pillars"),
        "Pilar",
        choices=cells.labels("pillars"),
        aliases=("Bidang",),
        words=(
            "Wajib untuk jenis umum; selain itu mengikuti jenisnya",
            "Needed of a general kind; else that of its kind",
        ),
    ),
    Column(
        "function",
        cells.listed("functions"),
        "Fungsi",
        aliases=("Fungsi TKSK",),
        choices=cells.labels("functions"),
    ),
    Column(
        "roles",
        cells.many(cells.listed("activity_roles")),
        "Peran",
        aliases=("Peran TKSK",),
        example="facilitator",
        words=("Kode dari daftar activity_roles, dipisah titik koma", "Codes of activity_roles, divided by semicolons"),
    ),
    Column("description", cells.typed(Note, cells.text), "Uraian", aliases=("Deskripsi", "Uraian Kegiatan")),
    Column(
        "started_at",
        clock,
        "Jam Mulai",
        aliases=("Waktu Mulai", "Mulai", "Pukul"),
        example="08.30",
        words=("Jam setempat, mis. 08.30", "By the clock of the place, e.g. 08.30"),
    ),
    Column("ended_at", clock, "Jam Selesai", aliases=("Waktu Selesai", "Selesai"), example="11.00"),
    Column(
        "location_lat",
        degrees(Annotated[Latitude, rounded(6)]),
        "Lintang",
        aliases=("Latitude", "Lat"),
        example="-5.473214",
    ),
    Column(
        "location_lon",
        degrees(Annotated[Longitude, rounded(6)]),
        "Bujur",
        aliases=("Longitude", "Long", "Lon"),
        example="105.326812",
    ),
    Column(
        "niks",
        cells.many(cells.nik),
        "NIK Warga",
        aliases=("NIK", "NIK Penerima Manfaat", "NIK PPKS"),
        words=(
            "NIK warga wilayah Anda yang terkait, dipisah titik koma; sel berformat Teks",
            "NIKs of the people of your area whom it was about, divided by semicolons, in cells formatted as text",
        ),
        is_identity=True,
    ),
    Column("beneficiary_ids", cells.many(cells.uuid), "ID Warga"),
    Column("partner_ids", cells.many(cells.uuid), "ID Mitra"),
    Column("agency_ids", cells.many(cells.uuid), "ID Instansi"),
    _number("headcount_male", "Jumlah Laki-laki", "Laki-laki", "Peserta Laki-laki"),
    _number("headcount_female", "Jumlah Perempuan", "Perempuan", "Peserta Perempuan"),
    _number("headcount_children", "Jumlah Anak", "Anak", "Anak-anak"),
    _number("headcount_disabled", "Jumlah Disabilitas", "Disabilitas", "Penyandang Disabilitas"),
    Column(
        "assigned_by",
        cells.listed("assignment_sources"),
        "Pemberi Tugas",
        choices=cells.labels("assignment_sources"),
        aliases=("Sumber Tugas", "Penugasan Dari"),
        words=("Kode atau nama dari daftar assignment_sources", "Code or name of the list assignment_sources"),
    ),
    Column("result", cells.typed(Note, cells.text), "Hasil", aliases=("Hasil Kegiatan", "Output")),
    Column("obstacle", cells.typed(Note, cells.text), "Kendala", aliases=("Hambatan", "Permasalahan")),
    Column("follow_up_note", cells.typed(Note, cells.text), "Tindak Lanjut", aliases=("Rencana Tindak Lanjut", "RTL")),
    Column("follow_up_due_on", cells.day, "Batas Tindak Lanjut", aliases=("Tanggal Tindak Lanjut", "Tenggat")),
)
_NAMES = tuple(column.name for column in _COLUMNS if column.name != "niks")


def _key(values: Values) -> str | None:
    """Two rows are one piece of work by the id, or by day, place, kind and title."""
    if values.get("id"):
        return str(values["id"])
    parts = (values.get(name) or "" for name in ("occurred_on", "region_code", "kind", "title"))
    return "|".join(str(part).casefold() for part in parts)


async def _prepare(session: AsyncSession, values: Values) -> tuple[Values, Sequence[UUID]]:
    """Codes of kinds for their names, moments for hours of the place, and people for their NIKs."""
    said = {**values}
    kind = await _kind(session, str(said["kind"]))
    said["kind"] = kind.code
    people: list[UUID] = []
    if numbers := said.pop("niks", None):
        people = await people_of(session, numbers, "/niks")
        said["beneficiary_ids"] = list(dict.fromkeys([*said.get("beneficiary_ids", ()), *people]))
    for name in ("started_at", "ended_at"):
        if isinstance(said.get(name), time):
            place = said.get("region_code") or service.own_district(session)
            zone = ZoneInfo((await require_region(session, place, "/region_code")).timezone)
            said[name] = datetime.combine(said["occurred_on"], said[name], zone).astimezone(UTC)
    return said, people


async def _kind(session: AsyncSession, said: str) -> ActivityKind:
    """The kind of this code or name. Raises invalid_request (unknown_code) at /kind, also for a name of several."""
    plain = said.casefold()
    named = or_(_KINDS.c.code == plain, func.lower(_KINDS.c.label_id) == plain, func.lower(_KINDS.c.label_en) == plain)
    found = (await session.execute(select(ActivityKind).where(named).limit(3))).scalars().all()
    exact = [kind for kind in found if kind.code == plain] or found
    if len(exact) != 1:
        raise invalid("/kind", "unknown_code", list="activity_kinds")
    return exact[0]


async def _whole(session: AsyncSession, values: Values) -> dict[str, Any]:
    """With what follows from the kind and from the officer, as for work that a phone logs quickly."""
    kind = await _kind(session, str(values["kind"]))
    pillar = values.get("pillar") or kind.pillar
    if pillar is None:
        raise invalid("/pillar", "missing")
    usual = {"pillar": pillar, "function": kind.function, "title": kind.label_id}
    place = values.get("region_code") or service.own_district(session)
    return {**usual, **values, "region_code": place}


async def _named(session: AsyncSession, values: Values) -> tuple[Values, Sequence[UUID]]:
    """As `_prepare`, with what a row may leave out."""
    said, people = await _prepare(session, values)
    return await _whole(session, said), people


async def _find(session: AsyncSession, values: Values) -> Match | None:
    """The row of this id, or the officer's own of this day, place, kind and title that counts or may come to count."""
    if (key := values.get("id")) is not None:
        condition = [_TABLE.c.id == key]
    else:
        whole = await _whole(session, values)
        condition = [
            _TABLE.c.officer_id == principal_of(session).user_id,
            _TABLE.c.status != "withdrawn",
            _TABLE.c.superseded_by.is_(None),
            _TABLE.c.occurred_on == whole["occurred_on"],
            _TABLE.c.region_code == whole["region_code"],
            _TABLE.c.kind == whole["kind"],
            func.lower(_TABLE.c.title) == func.lower(whole["title"]),
        ]
    found = select(Activity).where(*condition, _TABLE.c.deleted_at.is_(None)).order_by(_TABLE.c.created_at, _TABLE.c.id)
    row = (await session.execute(found.limit(1))).scalars().first()
    return None if row is None else Match(row.id, row.version, _values(row, values))


def _values(row: Activity, asked: Values) -> dict[str, Any]:
    """What the log says now, by the names of the columns; a title in other capitals is the same one."""
    follow_up = row.follow_up or {}
    due_on = follow_up.get("due_on")
    return {name: getattr(row, name) for name in _NAMES if hasattr(row, name)} | {
        **{f"headcount_{part}": (row.headcount or {}).get(part) for part in _NESTED["headcount"]},
        "follow_up_note": follow_up.get("note"),
        "follow_up_due_on": date.fromisoformat(due_on) if due_on else None,
        "location_lat": row.latitude,
        "location_lon": row.longitude,
        **({"title": asked["title"]} if str(asked.get("title", "")).casefold() == row.title.casefold() else {}),
    }


def _body(values: Values) -> dict[str, Any]:
    """Columns as members of a body. Parts that are all empty empty the whole, as they were before."""
    body = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if name in ActivityCreate.model_fields
    }
    for name, parts in _NESTED.items():
        said = {part: values[f"{name}_{part}"] for part in parts if f"{name}_{part}" in values}
        if said:
            body[name] = said if any(value is not None for value in said.values()) else None
    return body


async def _create(session: AsyncSession, values: Values) -> Stored:
    return await service.create(session, ActivityCreate.model_validate(_body(await _whole(session, values))))


async def _update(session: AsyncSession, key: UUID, version: int, values: Values) -> Stored:
    return await service.update(session, key, version, ActivityUpdate.model_validate(_body(values)))


async def _remove(session: AsyncSession, fate: Fate) -> None:
    """A draft is discarded; what was handed in since is the office's to return, or its officer's to withdraw."""
    assert fate.record_id is not None
    await service.discard(session, fate.record_id, fate.version or 0)


ACTIVITIES = Kind(
    name="activities",
    permission=Permission.ACTIVITY_WRITE,
    columns=_COLUMNS,
    key=_key,
    apply=applying("activities", _find, _create, _update, _prepare),
    undo=undoing(_remove, _update),
    page=100,
    named=naming(_key, _find, _named),
)
