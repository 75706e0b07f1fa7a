"""Social partners by file: the directory that an office keeps in a table."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.tables import table_of
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.contract import Column, Fate, Kind
from tksk_api.domain.imports.kinds.one_by_one import Match, Values, applying, undoing
from tksk_api.domain.partners import service
from tksk_api.domain.partners.models import Partner
from tksk_api.domain.partners.schemas import PartnerCreate, PartnerUpdate
from tksk_api.domain.regions.service import today_in
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission
from tksk_api.types import Line, Note, PhoneNumber

_TABLE = table_of(Partner)
_COLUMNS = (
    Column(
        "type",
        cells.listed("psks_types"),
        "Jenis PSKS",
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
        "legal_entity",
        cells.one_of({"yes": ("ya", "berbadan hukum"), "no": ("tidak", "belum"), "unknown": ("tidak diketahui",)}),
        "Badan Hukum",
        aliases=("Berbadan Hukum", "Legalitas"),
        words=("Hanya untuk LKS", "Only for an LKS"),
        choices=("yes", "no", "unknown"),
    ),
    Column("notes", cells.typed(Note, cells.text), "Catatan", aliases=("Keterangan",)),
)


def _key(values: Values) -> str | None:
    parts = (values.get("type"), values.get("region_code"), values.get("name"))
    return "|".join(str(part).casefold() for part in parts) if all(parts) else None


async def _find(session: AsyncSession, values: Values) -> Match | None:
    """The active partner of this type and name in this very region, the first one listed."""
    found = (
        select(Partner)
        .where(
            _TABLE.c.type == values["type"],
            _TABLE.c.region_code == values["region_code"],
            func.lower(_TABLE.c.name) == func.lower(values["name"]),
            _TABLE.c.is_active,
        )
        .order_by(_TABLE.c.created_at, _TABLE.c.id)
    )
    row = (await session.execute(found.limit(1))).scalars().first()
    if row is None:
        return None
    names = (column.name for column in _COLUMNS)
    return Match(row.id, row.version, {name: getattr(row, name) for name in names} | {"name": values["name"]})


async def _create(session: AsyncSession, values: Values) -> Stored:
    return await service.create(session, PartnerCreate.model_validate(dict(values)))


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
)
