"""Finding a person's vault, and making it before the first thing is put in."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.records import keyring_of
from tksk_api.domain.subject_keys.models import SubjectKey
from tksk_api.security.vault import Vault

_TABLE = table_of(SubjectKey)


async def vault_to_fill(session: AsyncSession, subject: UUID) -> Vault:
    """The person's vault, made when there is none yet."""
    return (await vaults_to_fill(session, [subject]))[subject]


async def vaults_to_fill(session: AsyncSession, subjects: Collection[UUID]) -> dict[UUID, Vault]:
    """The vaults of several people, made where there are none yet; one statement, whoever else asks at the same moment.

    In the order of their ids, so that two who ask for the same people wait for each other instead of deadlocking.
    """
    if not subjects:
        return {}
    keyring = keyring_of(session)
    fresh = [Vault.new(keyring, str(subject)) for subject in sorted(set(subjects))]
    row: Any = insert(_TABLE).values([{"subject_id": UUID(new.subject), "wrapped": new.wrapped} for new in fresh])
    # An update that changes nothing, because RETURNING is silent about a row that DO NOTHING left alone.
    kept = row.on_conflict_do_update(index_elements=["subject_id"], set_={"subject_id": row.excluded.subject_id})
    rows = await (await session.connection()).execute(kept.returning(_TABLE.c.subject_id, _TABLE.c.wrapped))
    return {row.subject_id: Vault.opened(keyring, str(row.subject_id), bytes(row.wrapped)) for row in rows}


async def vaults_of(session: AsyncSession, subjects: Collection[UUID]) -> dict[UUID, Vault]:
    """The vaults of several people, to read from; an empty one for a person who has no key."""
    keyring = keyring_of(session)
    query = select(_TABLE.c.subject_id, _TABLE.c.wrapped).where(_TABLE.c.subject_id.in_(subjects))
    rows = (await (await session.connection()).execute(query)).all()
    wrapped = {row.subject_id: bytes(row.wrapped) for row in rows}
    return {subject: Vault.opened(keyring, str(subject), wrapped.get(subject)) for subject in subjects}


async def vault_of(session: AsyncSession, subject: UUID) -> Vault:
    """The vault of one person, to read from."""
    return (await vaults_of(session, [subject]))[subject]
