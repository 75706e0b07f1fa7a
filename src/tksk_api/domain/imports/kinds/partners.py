"""Social partners by file: the directory that an office keeps in a table."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.tables import table_of
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.contract import Column, Fate, Kind
from tksk_api.domain.imports.kinds.one_by_one import Match, Values, applying, naming, undoing
from tksk_api.domain.partners import service
from tksk_api.domain.partners.models import Partner
from tksk_api.domain.partners.schemas import PartnerCreate, PartnerUpdate
from tksk_api.domain.regions.service import today_in
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission
from tksk_api.types import Line, Note, PhoneNumber

_TABLE = table_of(Partner)
_COLUMNS = (
    Column("id", cells.uuid, "ID", aliases=("ID Mitra",), words=("UUID mitra yang sudah tercatat", "Its UUID")),
    Column(
        "type",
        cells.listed("psks_types"),
        "Jenis PSKS",
        choices=cells.labels("psks_types"),
        required=True,
        aliases=("Jenis Mitra", "Jenis Potensi", "PSKS"),
        example="karang_taruna",
        words=("Kode atau nama dari daftar psks_types", "Code or name of the list psks_types"),
    ),
    Column(
        "unit",
        cells.one_of(
            {
                "person": ("perorangan", "orang", "individu"),
                "family": ("keluarga",),
                "institution": ("lembaga", "kelompok", "organisasi"),
            }
        ),
        "Bentuk",
        aliases=("Bentuk Mitra",),
        words=("Hanya untuk jenis lainnya", "Only for the type `other`"),
        choices=("person", "family", "institution"),
    ),
    Column(
        "name",
        cells.typed(Line, cells.line),
        "Nama Mitra",
        required=True,
        aliases=("Nama", "Nama Lembaga", "Nama PSKS"),
        example="Karang Taruna Tunas Bahari",
        words=("Nama lembaga atau orang", "Name of the institution or person"),
    ),
    Column(
        "region_code",
        cells.region,
        "Kode Wilayah",
        required=True,
        aliases=("Wilayah", "Kode Kemendagri", "Kode Desa", "Kode Kelurahan"),
        example="18.71.04.1002",
        words=(
            "Kode Kemendagri wilayah yang dilayani: desa, kecamatan, kabupaten atau provinsi",
            "Kemendagri code of the region it serves: village, district, regency or province",
        ),
    ),
    Column("address", cells.typed(Line, cells.line), "Alamat", aliases=("Alamat Lengkap",), example="Jl. Bahari 7"),
    Column(
        "phone",
        cells.typed(PhoneNumber, cells.phone),
        "Telepon",
        aliases=("No HP", "No Telp", "Nomor Telepon", "HP", "WA"),
        example="0812-7000-1234",
    ),
    Column("contact_person", cells.typed(Line, cells.line), "Narahubung", aliases=("Kontak", "Contact Person")),
    Column(
        "offers",
        cells.many(cells.listed("partner_offers")),
        "Bantuan",
        aliases=("Layanan", "Jenis Bantuan"),
        example="food; volunteers",
        words=("Kode dari daftar partner_offers, dipisah titik koma", "Codes of partner_offers, divided by semicolons"),
    ),
    Column("offer_details", cells.typed(Note, cells.text), "Rincian Bantuan", aliases=("Keterangan Bantuan",)),
    Column(
        "programs",
        cells.many(cells.value_text),
        "Program",
        words=("Kode program yang didukung, dipisah titik koma", "Codes of programmes it supports, by semicolons"),
    ),
    Column("pillars", cells.many(cells.listed("pillars")), "Pilar", aliases=("Bidang",)),
    Column(
        "legal_entity",
        cells.one_of({"yes": ("ya", "berbadan hukum"), "no": ("tidak", "belum"), "unknown": ("tidak diketahui",)}),
        "Badan Hukum",
        aliases=("Berbadan Hukum", "Legalitas"),
        words=("Hanya untuk LKS", "Only for an LKS"),
        choices=("yes", "no", "unknown"),
    ),
    Column(
        "is_active",
        cells.boolean,
        "Masih Aktif",
        aliases=("Aktif",),
        words=("Kosong berarti ya; tidak: sejak kapan dan mengapa", "Left empty, yes; if not, since when and why"),
        choices=("ya", "tidak"),
    ),
    Column("ended_on", cells.day, "Tanggal Berakhir", aliases=("Berakhir Pada",)),
    Column(
        "end_reason",
        cells.listed("partner_end_reasons"),
        "Alasan Berakhir",
        words=("Kode atau nama dari daftar partner_end_reasons", "Code or name of the list partner_end_reasons"),
    ),
    Column("notes", cells.typed(Note, cells.text), "Catatan", aliases=("Keterangan",)),
)
_END = ("is_active", "ended_on", "end_reason")


def _key(values: Values) -> str | None:
    """Two rows are one partner by the id, or by type, region and name, of those that ended by the day, too."""
    if values.get("id"):
        return str(values["id"])
    parts = (values.get("type"), values.get("region_code"), values.get("name"))
    ended = (values.get("ended_on"),) if _has_ended(values) else ()
    return "|".join(str(part).casefold() for part in (*parts, *ended)) if all(parts) else None


def _has_ended(values: Values) -> bool:
    return values.get("is_active") is False


async def _find(session: AsyncSession, values: Values) -> Match | None:
    """The partner of this id, or the one of this type and name in this very region, the first one listed.

    A row that says it ended means the one that ended on that day, or else the active one, which is to end.
    """
    row = await session.get(Partner, values["id"]) if "id" in values else None
    if row is None:
        row = await _of_this_name(session, values)
    if row is None:
        return None
    said = {column.name: getattr(row, column.name) for column in _COLUMNS}
    return Match(row.id, row.version, said | {name: values[name] for name in ("id", "name") if name in values})


async def _stands(session: AsyncSession, values: Values) -> Match | None:
    """As `_find`, of a row that does not end the partner: after one that does, the next of its name begins."""
    return None if _has_ended(values) else await _find(session, values)


async def _of_this_name(session: AsyncSession, values: Values) -> Partner | None:
    meant: list[ColumnElement[bool]] = [_TABLE.c.is_active] if not _has_ended(values) or "id" not in values else []
    if _has_ended(values):
        meant.append(and_(~_TABLE.c.is_active, _TABLE.c.ended_on == values.get("ended_on")))
    found = (
        select(Partner)
        .where(
            _TABLE.c.type == values["type"],
            _TABLE.c.region_code == values["region_code"],
            func.lower(_TABLE.c.name) == func.lower(values["name"]),
            or_(*meant),
        )
        .order_by(_TABLE.c.is_active, _TABLE.c.created_at, _TABLE.c.id)
    )
    return (await session.execute(found.limit(1))).scalars().first()


async def _create(session: AsyncSession, values: Values) -> Stored:
    """List the partner, and end it where the row says that it helps no more."""
    made = await service.create(
        session, PartnerCreate.model_validate({name: value for name, value in values.items() if name not in _END})
    )
    end = {name: values[name] for name in _END if name in values}
    if not made.created or end in ({}, {"is_active": True}):
        return made
    return replace(await _update(session, UUID(str(made.id)), made.version or 0, end), created=True)


async def _update(session: AsyncSession, key: UUID, version: int, values: Values) -> Stored:
    return await service.update(session, key, version, PartnerUpdate.model_validate(dict(values)))


async def _remove(session: AsyncSession, fate: Fate) -> None:
    """The directory deletes nothing: what was listed by mistake ends today, and says why."""
    assert fate.record_id is not None
    row = await session.get(Partner, fate.record_id)
    if row is None or fate.version is None:
        raise DomainError("not_found")
    end: dict[str, Any] = {"ended_on": await today_in(session, row.region_code), "end_reason": "other"}
    note = "Impor dibatalkan" if row.notes is None else f"{row.notes}\nImpor dibatalkan"
    await _update(session, row.id, fate.version, {"is_active": False, "notes": note[:1900], **end})


PARTNERS = Kind(
    name="partners",
    permission=Permission.PARTNER_WRITE,
    columns=_COLUMNS,
    key=_key,
    apply=applying("partners", _find, _create, _update),
    undo=undoing(_remove, _update),
    page=100,
    named=naming(_key, _stands),
)
