"""Users by file: who joins the offices of an area, without any password.

A row is what `POST /v1/users` would have been. It gives no secret, and none is written anywhere: whoever was imported
cannot sign in until an administrator resets their password and hands them that secret, one person at a time.
"""

import re
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.tables import table_of
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.cells import Reading
from tksk_api.domain.imports.contract import Cell, CellError, Column, Fate, Kind
from tksk_api.domain.imports.kinds.one_by_one import Match, Values, applying, undoing
from tksk_api.domain.users import service
from tksk_api.domain.users.models import User
from tksk_api.domain.users.schemas import EmployeeNumber, UserCreate, Username
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission
from tksk_api.types import Line

_TABLE = table_of(User)
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?[Ee]\+?[0-9]{1,2}|[0-9]{17,18}[.,]0+")
_BETWEEN = re.compile(r"[\s.\-]")


def _employee_number(cell: Cell) -> Reading:
    """A NIP, 18 digits, often written in groups. As a number it has lost its end, which nobody can put back."""
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        raise CellError("kept_as_number")
    written, notes = cells.value_text(cell)
    if written is None:
        return None, notes
    if _ROUNDED.fullmatch(written):
        raise CellError("kept_as_number")
    plain = _BETWEEN.sub("", written)
    return plain, (*notes, "digits_tidied") if plain != written else notes


_COLUMNS = (
    Column(
        "username",
        cells.typed(Username, cells.value_text),
        "Nama Pengguna",
        required=True,
        aliases=("Username", "User", "Akun"),
        example="tksk.panjang",
        words=("Huruf, angka, titik, garis; tanpa NIK", "Letters, digits, dots, dashes; no NIK"),
    ),
    Column(
        "full_name",
        cells.typed(Line, cells.text),
        "Nama Lengkap",
        required=True,
        aliases=("Nama", "Nama Pegawai", "Nama TKSK"),
        example="Rina Wulandari",
    ),
    Column(
        "role",
        cells.listed("roles"),
        "Peran",
        choices=cells.labels("roles"),
        required=True,
        aliases=("Role", "Hak Akses"),
        example="tksk",
        words=("Kode atau nama dari daftar roles", "Code or name of the list roles"),
    ),
    Column(
        "region_code",
        cells.region,
        "Kode Wilayah",
        aliases=("Wilayah Tugas", "Wilayah", "Kode Kemendagri", "Kode Kecamatan", "Kode Desa"),
        example="18.71.04",
        words=(
            "Kode Kemendagri wilayah kerja; kosong untuk peran nasional",
            "Kemendagri code of the region they work in; empty for a national role",
        ),
    ),
    Column("agency_id", cells.uuid, "ID Instansi", words=("Hanya untuk peran agency", "Only for the role agency")),
    Column(
        "position_title",
        cells.typed(Line, cells.text),
        "Jabatan",
        example="Lurah Srengsem",
        words=("Seperti tercetak di bawah tanda tangan", "As printed under a signature"),
    ),
    Column(
        "employee_number",
        cells.typed(EmployeeNumber, _employee_number),
        "NIP",
        aliases=("Nomor Induk Pegawai",),
        words=("18 angka, sel berformat Teks", "18 digits, in a cell formatted as text"),
        is_identity=True,
    ),
)


def _key(values: Values) -> str | None:
    return str(values["username"])


async def _find(session: AsyncSession, values: Values) -> Match | None:
    """The user of this name whom the importer sees; a name that is taken elsewhere is refused like one by one."""
    found = select(User).where(_TABLE.c.username == values["username"])
    row = (await session.execute(found)).scalars().first()
    if row is None:
        return None
    return Match(row.id, row.version, {column.name: getattr(row, column.name) for column in _COLUMNS})


async def _create(session: AsyncSession, values: Values) -> Stored:
    return await service.create(session, UserCreate.model_validate(dict(values)))


async def _remove(session: AsyncSession, fate: Fate) -> None:
    """Users are not deleted, for history names them: who was imported by mistake is disabled."""
    assert fate.record_id is not None
    await service.set_disabled(session, fate.record_id, fate.version or 0, disabled=True)


async def _never(_session: AsyncSession, _key: UUID, _version: int, _values: Any) -> Stored:
    raise DomainError("conflict")  # a file changes no user, so there is nothing to put back


USERS = Kind(
    name="users",
    permission=Permission.USER_MANAGE,
    columns=_COLUMNS,
    key=_key,
    apply=applying("users", _find, _create),
    undo=undoing(_remove, _never),
    page=100,
    on_match=("skip",),
    fresh_proof=True,
)
