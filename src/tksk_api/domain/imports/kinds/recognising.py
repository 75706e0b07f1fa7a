"""Whom a row names by a NIK or a family card, and the readers that tables of work and of visits share."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.service import nik_index
from tksk_api.domain.families.cards import card_index
from tksk_api.domain.families.models import Family, FamilyCard
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.cells import Reader, Reading
from tksk_api.domain.imports.contract import Cell, CellError, Column
from tksk_api.domain.records import keyring_of
from tksk_api.errors import invalid

_FAMILIES, _CARDS = table_of(Family), table_of(FamilyCard)
_INSIDE = text(
    "SELECT a.place, f.id FROM unnest(CAST(:asked AS bytea[])) WITH ORDINALITY AS a (nik_index, place) "
    "CROSS JOIN LATERAL app.find_person(a.nik_index) AS f WHERE f.inside ORDER BY a.place"
)
_FOUND = text("SELECT place, inside FROM app.find_people(CAST(:asked AS bytea[]))")
FAMILY_CARD = Column(
    "family_card_number",
    cells.family_card,
    "Nomor KK",
    aliases=("No KK", "NO_KK", "NOMOR_KK", "Nomor Kartu Keluarga", "KK"),
    example="1871041010100001",
    words=(
        "16 angka, sel berformat Teks; boleh kosong bila ID Keluarga diisi",
        "16 digits in a cell formatted as text; may be empty where the family's id is given",
    ),
    is_identity=True,
)
_DEGREES = re.compile(r"-?[0-9]{1,3}(?:[.,][0-9]+)?")


async def people_of(session: AsyncSession, numbers: Sequence[str], pointer: str) -> list[UUID]:
    """Those of the importer's area who have these NIKs, in their order; each once.

    Somebody registered elsewhere is answered for as nobody is, so that a file tells nothing about them.
    Raises invalid_request (unknown_reference).
    """
    asked = [nik_index(keyring_of(session), number) for number in numbers]
    found = (await (await session.connection()).execute(_INSIDE, {"asked": asked})).all()
    if len({row.place for row in found}) < len(asked):
        raise invalid(pointer, "unknown_reference")
    return list(dict.fromkeys(row.id for row in found))


async def not_inside(session: AsyncSession, numbers: Mapping[int, str]) -> set[int]:
    """The rows of these whose NIK is not that of somebody in the importer's area: registered elsewhere, or nowhere."""
    if not numbers:
        return set()
    rows, keyring = list(numbers), keyring_of(session)
    asked = [nik_index(keyring, number) for number in numbers.values()]
    found = (await (await session.connection()).execute(_FOUND, {"asked": asked})).all()
    elsewhere = {row.place for row in found if not row.inside}
    inside = {rows[row.place - 1] for row in found if row.place not in elsewhere}
    return set(rows) - inside


async def family_of_card(session: AsyncSession, number: str) -> Family | None:
    """The family of the importer's area that has this card now and in which somebody is left.

    Raises invalid_request (unknown_reference) for a card of several: then the row names the id.
    """
    found = (
        select(Family)
        .join(FamilyCard, _CARDS.c.family_id == _FAMILIES.c.id)
        .where(
            _CARDS.c.number_index == card_index(keyring_of(session), number),
            _CARDS.c.valid_until.is_(None),
            _FAMILIES.c.status == "active",
        )
    )
    families = (await session.execute(found.limit(2))).scalars().all()
    if len(families) > 1:
        raise invalid("/family_id", "unknown_reference")
    return families[0] if families else None


def degrees(annotation: Any) -> Reader:
    """A reader of a latitude or longitude; three decimals are no thousands here."""

    def read(cell: Cell) -> Reading:
        written, notes = cells.value_text(cell)
        if written is None:
            return None, notes
        if not _DEGREES.fullmatch(written):
            raise CellError("number_unclear")
        return float(written.replace(",", ".")), notes

    return cells.typed(annotation, read)
