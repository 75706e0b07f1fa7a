"""Taking in certificates of offices, retiring them, and finding the one that seals a letter."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.office_certificates.models import OfficeCertificate
from tksk_api.domain.office_certificates.reads import OFFICE_CERTIFICATES, TABLE
from tksk_api.domain.office_certificates.schemas import OfficeCertificateUpload
from tksk_api.domain.records import create_once, keyring_of, load, save
from tksk_api.domain.regions.service import require_region
from tksk_api.domain.sktm_letters.seals import seal_unavailable
from tksk_api.errors import DomainError, not_found
from tksk_api.security.certificates import Keystore, SigningKey, fingerprint, load_key, name_of
from tksk_api.security.crypto import KeyFileError

KEY = "office_certificates.key"
WARN_DAYS = 30
_NEAREST = text("SELECT * FROM app.sealing_certificates(:region)")


@dataclass(frozen=True)
class SealingKey:
    """A certificate with its key, ready to seal; `chain` are those above it."""

    certificate: bytes
    chain: tuple[bytes, ...]
    key: SigningKey


async def check_place(session: AsyncSession, region_code: str) -> None:
    """Whether the caller may give this office a certificate; asked before a file is opened for it.

    Raises invalid_request (unknown_region), not_found outside the caller's area.
    """
    await require_region(session, region_code, "/region_code")
    if not scope_of(session).contains(region_code):
        raise not_found()


async def create(session: AsyncSession, body: OfficeCertificateUpload, opened: Keystore) -> Stored:
    """Keep a certificate that was opened. The one an office already has in use is answered with as it is stored.

    Raises invalid_request (unknown_region), not_found outside the caller's area, id_in_use.
    """
    await check_place(session, body.region_code)
    row = OfficeCertificate(
        id=body.id or new_id(),
        region_code=body.region_code,
        subject=name_of(opened.certificate.subject),
        issuer=name_of(opened.certificate.issuer),
        serial_number=f"{opened.certificate.serial_number:x}",
        not_before=opened.certificate.not_valid_before_utc,
        not_after=opened.certificate.not_valid_after_utc,
        sha256=fingerprint(opened.certificate),
        key_type=opened.key_type,
        is_self_signed=opened.is_self_signed,
        certificate=opened.certificate.public_bytes(serialization.Encoding.DER),
        chain=[other.public_bytes(serialization.Encoding.DER) for other in opened.chain],
    )
    row.key_cipher = keyring_of(session).encrypt(KEY, str(row.id), opened.key_bytes())
    before = await _in_use(session, row)
    if before is not None:
        return before
    return await create_once(session, OFFICE_CERTIFICATES, body, OfficeCertificate, lambda: row)


async def retire(session: AsyncSession, key: Any, version: int) -> Stored:
    """Seal with it no more: its key is destroyed, its words stay for the letters it sealed.

    Raises not_found, stale_version, transition_refused when it is retired already.
    """
    row = await load(session, OfficeCertificate, key, version, lock=True)
    if row.retired_at is not None:
        raise DomainError("transition_refused", state="retired", allowed_actions=[])
    row.retired_at, row.key_cipher = datetime.now(UTC), None
    return await save(session, OFFICE_CERTIFICATES, row)


async def sealing_key(session: AsyncSession, region_code: str, at: datetime) -> SealingKey:
    """The key that seals letters of a village: of its own office, else of the nearest one above that has a certificate.

    An office whose certificate has expired does not silently seal with another's. Raises seal_unavailable.
    """
    found = (await (await session.connection()).execute(_NEAREST, {"region": region_code})).mappings().all()
    if not found:
        raise seal_unavailable("certificate_missing")
    in_force = [row for row in found if row["not_before"] <= at <= row["not_after"]]
    if not in_force:
        is_over = all(row["not_after"] < at for row in found)
        raise seal_unavailable("certificate_expired" if is_over else "certificate_not_yet_valid")
    row = in_force[0]
    try:
        key = load_key(keyring_of(session).decrypt(KEY, str(row["id"]), bytes(row["key_cipher"])))
    except (KeyFileError, ValueError) as error:
        raise seal_unavailable("key_unreadable") from error
    return SealingKey(bytes(row["certificate"]), tuple(bytes(other) for other in row["chain"]), key)


async def ending(session: AsyncSession, days: int = WARN_DAYS) -> list[tuple[str, str, datetime]]:
    """Certificates in use that have expired or will within so many days: region, subject, last moment."""
    limit = datetime.now(UTC) + timedelta(days=days)
    query = (
        select(TABLE.c.region_code, TABLE.c.subject, TABLE.c.not_after)
        .where(TABLE.c.retired_at.is_(None), TABLE.c.not_after < limit)
        .order_by(TABLE.c.not_after)
    )
    return [(row.region_code, row.subject, row.not_after) for row in await (await session.connection()).execute(query)]


async def _in_use(session: AsyncSession, row: OfficeCertificate) -> Stored | None:
    """The office's own row of the same certificate; an equal upload at this moment waits."""
    connection = await session.connection()
    place = f"{row.region_code}|{row.sha256.hex()}"
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:place, 0))"), {"place": place})
    same = select(TABLE.c.id).where(
        TABLE.c.region_code == row.region_code, TABLE.c.sha256 == row.sha256, TABLE.c.retired_at.is_(None)
    )
    found = (await connection.execute(same)).scalar()
    return await OFFICE_CERTIFICATES.stored(session, found) if found is not None else None
