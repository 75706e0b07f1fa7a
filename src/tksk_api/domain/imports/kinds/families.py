"""Families by file, as family cards are copied: a row for each member, those of one card below each other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import scope_of
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.schemas import Address
from tksk_api.domain.families import service
from tksk_api.domain.families.models import Family, FamilyMember
from tksk_api.domain.families.rules import HEAD
from tksk_api.domain.families.schemas import FamilyCreate, FamilyLeaving, FamilyMemberCreate
from tksk_api.domain.imports import cells
from tksk_api.domain.imports.contract import Column, Fate, Fault, Kind, OnMatch, Parsed
from tksk_api.domain.imports.kinds.one_by_one import Match, Values, applying, naming, undoing
from tksk_api.domain.imports.kinds.recognising import FAMILY_CARD, family_of_card, people_of
from tksk_api.errors import DomainError, invalid
from tksk_api.security.permissions import Permission
from tksk_api.types import Line

_MEMBERS = table_of(FamilyMember)
_VILLAGE_LENGTH = len("18.71.04.1002")

_COLUMNS = (
    FAMILY_CARD,
    Column(
        "family_id",
        cells.uuid,
        "ID Keluarga",
        words=(
            "UUID keluarga; juga untuk keluarga baru tanpa KK",
            "UUID of the family; also of a new one without card",
        ),
    ),
    Column(
        "nik",
        cells.nik,
        "NIK",
        aliases=("NIK Anggota", "NO_NIK", "Nomor Induk Kependudukan"),
        example="1871046503910001",
        words=(
            "Anggota, terdaftar di wilayah Anda; sel berformat Teks; boleh kosong bila ID Warga diisi",
            "The member, registered in your area, in a cell formatted as text; empty where their id is given",
        ),
        is_identity=True,
    ),
    Column("beneficiary_id", cells.uuid, "ID Warga", words=("UUID warga", "UUID of the person")),
    Column(
        "relationship",
        cells.listed("relationships"),
        "Hubungan Keluarga",
        choices=cells.labels("relationships"),
        required=True,
        aliases=("SHDK", "Hubungan", "Hubungan dengan Kepala Keluarga", "Status Hubungan Dalam Keluarga", "kk_level"),
        example="head_of_family",
        words=("Kode, nama atau nomor SHDK; tiap keluarga satu kepala", "Code, name or SHDK number; one head a family"),
    ),
    Column(
        "village_code",
        cells.region,
        "Kode Desa",
        aliases=("Kode Kelurahan", "Kode Wilayah", "Kode Kemendagri"),
        example="18.71.04.1002",
        words=(
            "Pada baris kepala keluarga; kosong berarti desa Anda",
            "On the head's row; left empty, your own village",
        ),
    ),
    Column(
        "street",
        cells.typed(Line, cells.text),
        "Alamat",
        aliases=("Alamat Lengkap", "Jalan"),
        example="Gang Mawar 3",
        words=("Pada baris kepala keluarga", "On the head's row"),
    ),
    Column("rt", cells.rt_rw, "RT", example="001"),
    Column("rw", cells.rt_rw, "RW", example="002"),
    Column(
        "joined_on",
        cells.day,
        "Tanggal Masuk",
        aliases=("Sejak Tanggal",),
        words=("Sejak kapan menjadi anggota; kosong berarti hari ini", "Since when; left empty, today"),
    ),
)


def _key(values: Values) -> str | None:
    """Nobody belongs to two families."""
    person = values.get("nik") or values.get("beneficiary_id")
    return str(person) if person else None


def _together(values: Values) -> str | None:
    family = values.get("family_id") or values.get("family_card_number")
    return str(family) if family else None


async def _prepare(session: AsyncSession, values: Values) -> tuple[Values, Sequence[UUID]]:
    """The person for their NIK; an id beside it must be theirs."""
    said = {**values}
    number = said.pop("nik", None)
    if _together(said) is None:
        raise invalid("/family_card_number", "missing")
    if number is None:
        if "beneficiary_id" not in said:
            raise invalid("/nik", "missing")
        return said, ()
    people = await people_of(session, [number], "/nik")
    if said.setdefault("beneficiary_id", people[0]) != people[0]:
        raise invalid("/beneficiary_id", "unknown_reference")
    return said, people


async def _family(session: AsyncSession, values: Values) -> Family | None:
    """The family of the caller's area with this id, or with this card. Raises invalid_request."""
    if (key := values.get("family_id")) is not None:
        return await session.get(Family, key)
    return await family_of_card(session, values["family_card_number"])


async def _member(session: AsyncSession, person: Any, family: UUID | None = None) -> FamilyMember | None:
    """Where the person belongs now, as far as the caller sees it."""
    of = [_MEMBERS.c.family_id == family] if family is not None else []
    found = select(FamilyMember).where(_MEMBERS.c.beneficiary_id == person, _MEMBERS.c.left_on.is_(None), *of)
    return (await session.execute(found.limit(1))).scalars().first()


async def _find(session: AsyncSession, values: Values) -> Match | None:
    """The person's place in this very family. What else the row says, of the card or the address, is not compared."""
    family = await _family(session, values)
    if family is None or (member := await _member(session, values["beneficiary_id"], family.id)) is None:
        return None
    return Match(member.id, member.version, {**values, "relationship": member.relationship})


async def _create(session: AsyncSession, values: Values) -> Stored:
    """The head founds the family, the others join it."""
    family = await _family(session, values)
    names = ("beneficiary_id", "relationship", "joined_on")
    member = FamilyMemberCreate.model_validate({name: values[name] for name in names if name in values})
    if family is not None:
        await service.add_member(session, family.id, family.version, member)
    elif member.relationship == HEAD:
        address = {name: values[name] for name in Address.model_fields if name in values}
        card = values.get("family_card_number")
        founded = {"id": values.get("family_id"), "village_code": values.get("village_code") or _own_village(session)}
        body = {**founded, "family_card_number": card, "address": address, "members": [member.model_dump()]}
        await service.create(session, FamilyCreate.model_validate(body))
    else:
        raise invalid("/relationship", "head_missing")
    made = await _member(session, member.beneficiary_id)
    assert made is not None
    return Stored(made.id, b"", made.version, created=True)


def _own_village(session: AsyncSession) -> str:
    regions = scope_of(session).regions
    if len(regions) != 1 or len(regions[0]) != _VILLAGE_LENGTH:
        raise invalid("/village_code", "missing")
    return regions[0]


_one_by_one = applying("families", _find, _create, prepare=_prepare)


async def apply(session: AsyncSession, rows: Sequence[Parsed], on_match: OnMatch) -> Sequence[Fate]:
    """`Kind.apply`. Heads come first, wherever they stand on the card; with them a family is founded."""
    heads = {row.number for row in rows if row.values.get("relationship") == HEAD}
    in_turn = sorted(rows, key=lambda row: row.number not in heads)
    fates = {fate.number: fate for fate in await _one_by_one(session, in_turn, on_match)}
    return [
        replace(fate, founds=fate.fate == "created" and fate.number in heads)
        for fate in (fates[row.number] for row in rows)
    ]


async def _remove(session: AsyncSession, fate: Fate) -> None:
    """Who joined leaves again, the head last; a family that nobody is left in has ended. History keeps both."""
    member = await session.get(FamilyMember, fate.record_id)
    if member is None or member.left_on is not None:
        raise DomainError("stale_version")
    family = await session.get(Family, member.family_id)
    if family is None or member.version != fate.version:
        raise DomainError("stale_version")
    await service.remove_member(session, family.id, member.id, family.version, FamilyLeaving(reason="recorded_wrongly"))


async def _never(_session: AsyncSession, _key: UUID, _version: int, _values: Values) -> Stored:
    raise DomainError("conflict")  # nothing is updated by a file, so nothing is put back


_one_after_the_other = undoing(_remove, _never)


async def undo(session: AsyncSession, fates: Sequence[Fate]) -> Sequence[Fault | None]:
    """`Kind.undo`. Heads go last, so that nobody has to succeed them; one whose family spans two pages stays, and goes
    when it is asked for again."""
    found = select(_MEMBERS.c.id).where(
        _MEMBERS.c.id.in_([fate.record_id for fate in fates]), _MEMBERS.c.relationship == HEAD
    )
    heads = set((await (await session.connection()).execute(found)).scalars())
    in_turn = sorted(fates, key=lambda fate: fate.record_id in heads)
    said = await _one_after_the_other(session, in_turn)
    by_number = {fate.number: fault for fate, fault in zip(in_turn, said, strict=True)}
    return [by_number[fate.number] for fate in fates]


FAMILIES = Kind(
    name="families",
    permission=Permission.FAMILY_WRITE,
    columns=_COLUMNS,
    key=_key,
    apply=apply,
    undo=undo,
    page=100,
    on_match=("skip",),
    together=_together,
    named=naming(_key, _find, _prepare),
)
