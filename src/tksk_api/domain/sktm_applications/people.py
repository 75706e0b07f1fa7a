"""The people a letter names, and whether they still are what was checked."""

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.identity import refuse_deceased
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import unknown_person
from tksk_api.domain.records import keyring_of
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.errors import DomainError, invalid

# What a letter prints of a person; a new phone number does not make another letter.
_PRINTED = (
    "full_name",
    "nik_index",
    "birth_place",
    "birth_date",
    "sex",
    "street",
    "rt",
    "rw",
    "region_code",
    "relationship",
)


async def people_of(session: AsyncSession, row: SktmApplication) -> dict[UUID, Beneficiary]:
    """Applicant and dependants, all living in the issuing village.

    Raises beneficiary_deceased when the applicant died, facts_changed when one of them moved, was withdrawn, or died
    as a dependant.
    """
    keys = [row.beneficiary_id, *row.dependants]
    query = select(Beneficiary).where(Beneficiary.id.in_(keys), Beneficiary.deleted_at.is_(None))  # type: ignore[attr-defined, union-attr]
    people = {person.id: person for person in (await session.execute(query)).scalars()}
    if len(people) < len(set(keys)):
        raise DomainError("facts_changed")
    refuse_deceased(people[row.beneficiary_id])
    if any(person.deceased_on or person.region_code != row.region_code for person in people.values()):
        raise DomainError("facts_changed")
    return people


async def hold_people(session: AsyncSession, key: UUID) -> None:
    """Keep those the application names from being merged until this transaction ends.

    Before the application itself is locked: a merge takes people first and their records next, and two who go opposite
    ways wait for each other until the database ends one of them.
    """
    applications, people = table_of(SktmApplication).c, table_of(Beneficiary).c
    named = select(func.unnest(func.array_append(applications.dependants, applications.beneficiary_id)))
    held = select(people.id).where(people.id.in_(named.where(applications.id == key))).order_by(people.id)
    await (await session.connection()).execute(held.with_for_update(read=True, key_share=True))


async def freeze_facts(session: AsyncSession, row: SktmApplication) -> None:
    """Remember what was checked. Raises facts_changed as `people_of`."""
    row.facts_digest = _digest(session, row, await people_of(session, row))


async def unchanged_people(session: AsyncSession, row: SktmApplication) -> dict[UUID, Beneficiary]:
    """The people as they were checked, so that nobody signs what nobody verified. Raises facts_changed."""
    people = await people_of(session, row)
    if row.facts_digest is None or bytes(row.facts_digest) != _digest(session, row, people):
        raise DomainError("facts_changed")
    return people


def _digest(session: AsyncSession, row: SktmApplication, people: dict[UUID, Beneficiary]) -> bytes:
    facts = [[str(getattr(people[key], name)) for name in _PRINTED] for key in (row.beneficiary_id, *row.dependants)]
    return keyring_of(session).mac("sktm_applications.facts", json.dumps(facts).encode())


async def check_dependants(
    session: AsyncSession, dependants: Sequence[UUID], applicant: UUID, village_code: str | None
) -> None:
    """Each exists, is alive, lives in the issuing village, and is neither named twice nor the applicant.

    Raises invalid_request.
    """
    if len(set(dependants)) != len(dependants):
        raise invalid("/dependants", "duplicate_entry")
    if applicant in dependants:
        raise invalid("/dependants", "same_person")
    if not dependants:
        return
    query = select(Beneficiary).where(Beneficiary.id.in_(dependants), Beneficiary.deleted_at.is_(None))  # type: ignore[attr-defined, union-attr]
    found = {person.id: person for person in (await session.execute(query)).scalars()}
    for index, dependant in enumerate(dependants):
        if dependant not in found:
            raise DomainError(
                "invalid_request", errors=[await unknown_person(session, dependant, f"/dependants/{index}")]
            )
        if found[dependant].deceased_on is not None:
            raise invalid(f"/dependants/{index}", "deceased_person")
        if found[dependant].region_code != village_code:
            raise invalid(f"/dependants/{index}", "dependant_elsewhere")
