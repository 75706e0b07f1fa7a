"""Finding a person's vault, and making it before the first thing is put in."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.tables import table_of
from tksk_api.domain.records import keyring_of
from tksk_api.domain.subject_keys.models import SubjectKey
from tksk_api.security.crypto import Keyring
from tksk_api.security.vault import Vault

_TABLE = table_of(SubjectKey)
# An update that changes nothing, because RETURNING is silent about a row that DO NOTHING left alone.
_KEEP = text(
    "INSERT INTO subject_keys (subject_id, wrapped) "
    "SELECT * FROM unnest(CAST(:subjects AS uuid[]), CAST(:wrapped AS bytea[])) "
    "ON CONFLICT (subject_id) DO UPDATE SET subject_id = excluded.subject_id RETURNING subject_id, wrapped"
)


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
    fresh = new_vaults(keyring, subjects)
    kept = await keep_vaults(session, fresh)
    return {
        subject: Vault.opened(keyring, str(subject), kept[subject]) if subject in kept else vault
        for subject, (vault, _) in fresh.items()
    }


def new_vaults(keyring: Keyring, subjects: Iterable[UUID]) -> dict[UUID, tuple[Vault, bytes]]:
    """A vault for each person with its key as it is stored, in the order of their ids; nothing is kept yet."""
    fresh = {subject: Vault.new(keyring, str(subject)) for subject in sorted(set(subjects))}
    return {subject: (vault, vault.wrapped) for subject, vault in fresh.items()}


async def keep_vaults(session: AsyncSession, fresh: Mapping[UUID, tuple[Vault, bytes]]) -> dict[UUID, bytes]:
    """Store the keys; of people who had one already, that one, as it is stored."""
    values = {"subjects": list(fresh), "wrapped": [wrapped for _, wrapped in fresh.values()]}
    rows = await (await session.connection()).execute(_KEEP, values)
    return {row.subject_id: bytes(row.wrapped) for row in rows if bytes(row.wrapped) != fresh[row.subject_id][1]}


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
