"""Bringing everything that a master key protects under the newest one, while the service runs.

Two kinds of values: those a master key encrypts itself are encrypted anew; those of people from before they had keys
move into the person's vault, where no later rotation touches them. Batch by batch, each its own transaction: it can be
killed at any point, and the next run goes on with what is left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tksk_api.database.session import enter_system
from tksk_api.domain.records import keyring_of
from tksk_api.domain.subject_keys.service import vault_to_fill
from tksk_api.security.crypto import FIRST_MASTER_SEALED, Keyring, master_prefix
from tksk_api.security.vault import WRAPPED

OPERATION = "rotate_master_key"
_BATCH = 200


@dataclass(frozen=True)
class _Kept:
    """Where ciphertexts lie: column -> purpose, the SQL of the row they are bound to, and of the person they are of.

    `only` is the SQL of the rows meant, where others of the table are sealed otherwise.
    """

    table: str
    columns: dict[str, str]
    row: str
    subject: str | None = None
    only: str = "true"

    def waiting(self) -> str:
        """SQL of the rows that the newest master key, or the person's own, does not protect yet."""
        old = " OR ".join(f"({name} <> '' AND {self._old(name)})" for name in self.columns)
        return f"({self.only}) AND ({old})"

    def _old(self, name: str) -> str:
        # A person's values are done once their first byte says so (0x02).
        return f"substring({name} FROM 1 FOR 3) <> :newest" if self.subject is None else f"get_byte({name}, 0) <> 2"


_KEPT = (
    _Kept("subject_keys", {"wrapped": WRAPPED}, "subject_id::text"),
    _Kept("users", {"otp_cipher": "users.otp", "otp_pending_cipher": "users.otp"}, "id::text"),
    # Of a file that is about a person, the key has been under theirs from the beginning.
    _Kept("attachments", {"key_cipher": "attachments.key"}, "id::text", only="beneficiary_id IS NULL"),
    _Kept("office_certificates", {"key_cipher": "office_certificates.key"}, "id::text"),
    _Kept("imports", {"key_cipher": "imports.key"}, "id::text"),
    _Kept("import_rows", {"before_cipher": "imports.before"}, "concat_ws('|', import_id, row_no)"),
    _Kept("import_uploads", {"key_cipher": "import_uploads.key"}, "id::text"),
    _Kept("exports", {"key_cipher": "exports.key"}, "id::text"),
    _Kept("idempotency_keys", {"body": "idempotency_keys.body"}, "concat_ws('|', user_id, operation, key)"),
    _Kept(
        "beneficiaries",
        {"nik_cipher": "beneficiaries.nik", "family_card_cipher": "beneficiaries.family_card"},
        "id::text",
        "id",
    ),
    _Kept(
        "sktm_letters",
        {"content_cipher": "sktm_letters.content", "pdf_cipher": "sktm_letters.pdf"},
        "id::text",
        "(SELECT a.beneficiary_id FROM sktm_applications a WHERE a.id = application_id)",
    ),
)


async def waiting(session: AsyncSession) -> int:
    """How many rows are still to be brought under the newest master key."""
    newest = master_prefix(keyring_of(session).masters.newest())
    connection, found = await session.connection(), 0
    for kept in _KEPT:
        query = text(f"SELECT count(*) FROM {kept.table} WHERE {kept.waiting()}")
        found += (await connection.execute(query, _named(kept, newest=newest))).scalar_one()
    return found


async def needing(session: AsyncSession, number: int) -> int:
    """How many values only this master key can open."""
    beginnings = [master_prefix(number), *([FIRST_MASTER_SEALED] if number == 1 else [])]
    connection, found = await session.connection(), 0
    for kept in _KEPT:
        for name in kept.columns:
            for beginning in beginnings:
                begins = f"substring({name} FROM 1 FOR {len(beginning)}) = :beginning"
                query = text(f"SELECT count(*) FROM {kept.table} WHERE {begins}")
                found += (await connection.execute(query, {"beginning": beginning})).scalar_one()
    return found


async def renew(sessions: async_sessionmaker[AsyncSession], report: Callable[[int], None]) -> None:
    """Bring everything under the newest master key; `report` is told after every batch how many rows it did.

    Goes round until nothing is left, for requests under way may still write with the key before.
    """
    done = -1
    while done != 0:
        done = 0
        for kept in _KEPT:
            place = "(0,0)"
            while place:
                async with enter_system(sessions, OPERATION) as session:
                    count, place = await _batch(session, kept, place)
                done += count
                report(count)


async def _batch(session: AsyncSession, kept: _Kept, place: str) -> tuple[int, str]:
    """The next rows behind `place` in the table's own order; returns their number and the last place, "" at the end."""
    keyring, connection = keyring_of(session), await session.connection()
    names = ", ".join(kept.columns)
    query = text(
        f"SELECT ctid::text AS place, {kept.row} AS row, {kept.subject or 'NULL'} AS subject, {names} "
        f"FROM {kept.table} WHERE ctid > CAST(CAST(:place AS text) AS tid) AND ({kept.waiting()}) "
        f"LIMIT {_BATCH} FOR UPDATE"
    )
    newest = master_prefix(keyring.masters.newest())
    rows = (await connection.execute(query, {"place": place, **_named(kept, newest=newest)})).mappings().all()
    if not rows:
        return 0, ""
    changes = ", ".join(f"{name} = :{name}" for name in kept.columns)
    await connection.execute(
        text(f"UPDATE {kept.table} SET {changes} WHERE ctid = CAST(CAST(:place AS text) AS tid)"),
        [{"place": row["place"], **await _renewed(session, kept, keyring, row)} for row in rows],
    )
    return len(rows), rows[-1]["place"]


async def _renewed(session: AsyncSession, kept: _Kept, keyring: Keyring, row: Any) -> dict[str, bytes | None]:
    vault = await vault_to_fill(session, UUID(str(row["subject"]))) if kept.subject is not None else None
    fresh: dict[str, bytes | None] = {}
    for name, purpose in kept.columns.items():
        sealed = bytes(row[name]) if row[name] is not None else None
        if not sealed:  # none, or the empty one of an erased person's letter
            fresh[name] = sealed
        elif vault is not None:
            fresh[name] = vault.seal(purpose, row["row"], vault.open(purpose, row["row"], sealed))
        else:
            fresh[name] = keyring.encrypt(purpose, row["row"], keyring.decrypt(purpose, row["row"], sealed))
    return fresh


def _named(kept: _Kept, **values: Any) -> dict[str, Any]:
    """Only the parameters that the rows' condition mentions."""
    return values if kept.subject is None else {}
