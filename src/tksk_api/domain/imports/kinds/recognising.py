"""Whom a row names by a NIK, and the readers that tables of work and of visits share."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.beneficiaries.service import nik_index
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.cells import Reader, Reading
from tksk_api.domain.imports.contract import Cell, CellError
from tksk_api.domain.records import keyring_of
from tksk_api.errors import invalid

_INSIDE = text(
    "SELECT a.place, f.id FROM unnest(CAST(:asked AS bytea[])) WITH ORDINALITY AS a (nik_index, place) "
    "CROSS JOIN LATERAL app.find_person(a.nik_index) AS f WHERE f.inside ORDER BY a.place"
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
