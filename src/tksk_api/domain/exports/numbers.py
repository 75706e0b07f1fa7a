"""NIKs and family card numbers in full, beside the rows of an export; null of those who had their data restricted."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import open_card, open_nik
from tksk_api.domain.exports.columns import Column
from tksk_api.domain.families.cards import present_numbers
from tksk_api.domain.subject_keys.service import vaults_of

NUMBERS = ("nik", "family_card_number")
Row = dict[str, Any]


@dataclass(frozen=True)
class People:
    """Whose numbers may be shown of those whom some rows are about, by their ids as text: NIK and card of each."""

    session: AsyncSession
    numbers: Mapping[str, tuple[str | None, str | None]]

    def niks(self, key: Any) -> str | None:
        return self.numbers.get(str(key), (None, None))[0]

    @property
    def ids(self) -> list[UUID]:
        return [UUID(key) for key in self.numbers]


@dataclass(frozen=True)
class Numbers:
    """Of which people the rows of a kind have numbers, where they are put, and the columns they stand in."""

    people: Callable[[Row], Sequence[str]]
    put: Callable[[People, Sequence[Row]], Awaitable[list[Row]]]
    columns: tuple[Column, ...]


async def shown(session: AsyncSession, people: Sequence[str]) -> People:
    """The numbers of those who may be shown."""
    ids = [UUID(key) for key in people]
    wanted = select(Beneficiary).where(Beneficiary.id.in_(ids), Beneficiary.restricted_at.is_(None))  # type: ignore[attr-defined, union-attr]
    found = (await session.execute(wanted)).scalars().all()
    vaults = await vaults_of(session, [one.id for one in found])
    return People(
        session, {str(one.id): (open_nik(vaults[one.id], one), open_card(vaults[one.id], one)) for one in found}
    )


async def _beside_people(people: People, rows: Sequence[Row]) -> list[Row]:
    nobody = (None, None)
    return [{**dict(zip(NUMBERS, people.numbers.get(row["id"], nobody), strict=True)), **row} for row in rows]


async def _beside_families(people: People, rows: Sequence[Row]) -> list[Row]:
    """A family's card stays closed as one member's data do, and where none is seen, of whom it could be recorded."""
    open_to_all = [
        UUID(row["id"])
        for row in rows
        if row["beneficiary_ids"] and all(key in people.numbers for key in row["beneficiary_ids"])
    ]
    cards = await present_numbers(people.session, open_to_all)
    return [
        {
            "family_card_number": cards.get(UUID(row["id"])),
            **row,
            "members": [{"nik": people.niks(member["beneficiary_id"]), **member} for member in row["members"]],
        }
        for row in rows
    ]


of_people = Numbers(lambda row: [row["id"]], _beside_people, tuple(Column(name, (name,)) for name in NUMBERS))
of_families = Numbers(
    lambda row: row["beneficiary_ids"],
    _beside_families,
    (Column("family_card_number", ("family_card_number",)), Column("nik", ("members", "nik"))),
)
