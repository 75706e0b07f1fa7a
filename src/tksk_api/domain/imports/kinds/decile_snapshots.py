"""Deciles of families by file, as DTSEN is delivered: by family card, or by our own id."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.tables import table_of
from tksk_api.domain.decile_snapshots import service
from tksk_api.domain.decile_snapshots.models import DecileSnapshot
from tksk_api.domain.decile_snapshots.schemas import Batch, DecileSnapshotCreate
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.contract import Column, Fate, Fault, Kind
from tksk_api.domain.imports.kinds.one_by_one import Match, Values, applying, naming
from tksk_api.domain.imports.kinds.recognising import FAMILY_CARD, family_of_card
from tksk_api.errors import invalid
from tksk_api.security.permissions import Permission

Choices = dict[str, tuple[str, ...]]
_TABLE = table_of(DecileSnapshot)
_UNDETERMINED: Choices = {"undetermined": ("belum ditentukan", "belum", "tidak ada", "0")}
_TENTHS: Choices = {str(number): (f"desil {number}", f"{number}.0") for number in range(1, 11)}

_COLUMNS = (
    FAMILY_CARD,
    Column("family_id", cells.uuid, "ID Keluarga", aliases=("ID",), words=("UUID keluarga", "UUID of the family")),
    Column(
        "decile",
        cells.one_of(_TENTHS | _UNDETERMINED),
        "Desil",
        required=True,
        aliases=("Desil Nasional", "Desil Kesejahteraan", "DESIL_NASIONAL", "Peringkat Kesejahteraan"),
        example="3",
        words=("1 sampai 10, atau: belum ditentukan", "1 to 10, or: undetermined"),
        choices=(*_TENTHS, "belum ditentukan"),
    ),
    Column(
        "source",
        cells.listed("decile_sources"),
        "Sumber",
        required=True,
        aliases=("Sumber Data",),
        example="dtsen",
        words=("Kode atau nama dari daftar decile_sources", "Code or name of the list decile_sources"),
    ),
    Column(
        "batch",
        cells.typed(Batch, cells.text),
        "Gelombang",
        required=True,
        aliases=("Batch", "Periode", "Versi Data"),
        example="DTSEN 2026 triwulan IV",
        words=("Pengiriman yang membawa data ini", "The delivery it came with"),
    ),
    Column(
        "dated_on",
        cells.day,
        "Tanggal Data",
        required=True,
        aliases=("Tanggal", "Tgl Data", "Per Tanggal", "TGL_DATA"),
        example="31/10/2026",
        words=("Hari yang digambarkan data", "The day that the data are of"),
    ),
)


def _key(values: Values) -> str | None:
    family = values.get("family_id") or values.get("family_card_number")
    parts = (family, values.get("source"), values.get("dated_on"))
    return "|".join(map(str, parts)) if all(parts) else None


async def _family(session: AsyncSession, values: Values) -> UUID:
    """The family of the caller's area that has this card now. Raises invalid_request at the column that names it."""
    if (family := values.get("family_id")) is not None:
        return UUID(str(family))
    number = values.get("family_card_number")
    if number is None:
        raise invalid("/family_card_number", "missing")
    family_of_it = await family_of_card(session, number)
    if family_of_it is None:
        raise invalid("/family_card_number", "unknown_reference")
    return family_of_it.id


async def _prepare(session: AsyncSession, values: Values) -> tuple[Values, Sequence[UUID]]:
    """The family for its card."""
    return {**values, "family_id": await _family(session, values)}, ()


async def _find(session: AsyncSession, values: Values) -> Match | None:
    """What this source said of the family on this day already."""
    family = await _family(session, values)
    found = select(DecileSnapshot).where(
        _TABLE.c.family_id == family, _TABLE.c.source == values["source"], _TABLE.c.dated_on == values["dated_on"]
    )
    row = (await session.execute(found)).scalars().first()
    if row is None:
        return None
    decile = "undetermined" if row.decile is None else str(row.decile)
    return Match(row.id, row.version, {**values, "decile": decile, "batch": row.batch})


async def _create(session: AsyncSession, values: Values) -> Stored:
    body: dict[str, Any] = {name: values.get(name) for name in ("source", "batch", "dated_on")}
    decile = None if values["decile"] == "undetermined" else int(values["decile"])
    family = await _family(session, values)
    return await service.create(
        session, DecileSnapshotCreate.model_validate(body | {"family_id": family, "decile": decile})
    )


async def _undo(_session: AsyncSession, fates: Sequence[Fate]) -> Sequence[Fault]:
    """Evidence stays: what a source said of a day it said (DOMAIN §2.3). A later day takes its place."""
    return [Fault(None, "never_taken_back")] * len(fates)


DECILE_SNAPSHOTS = Kind(
    name="decile_snapshots",
    permission=Permission.DECILE_WRITE,
    columns=_COLUMNS,
    key=_key,
    apply=applying("decile_snapshots", _find, _create),
    undo=_undo,
    page=100,
    on_match=("skip",),
    named=naming(_key, _find, _prepare),
)
