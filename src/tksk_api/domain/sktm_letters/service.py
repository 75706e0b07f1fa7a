"""Letters once issued: their PDF, their revocation, and what the public may know of them."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader
from tksk_api.database.tables import table_of
from tksk_api.domain.sktm_letters.content import LetterContent, PublicLetter, Status
from tksk_api.domain.sktm_letters.look_ups import LookUps
from tksk_api.domain.sktm_letters.models import SktmLetter
from tksk_api.domain.subject_keys.service import vault_of
from tksk_api.errors import not_found

CONTENT = "sktm_letters.content"
PDF = "sktm_letters.pdf"
_VERIFY = "SELECT * FROM app.verify_letter($1)"


async def find_public(reader: Reader, token: str, look_ups: LookUps) -> PublicLetter:
    """The letter behind a verification token, looked up once more; every unknown token looks the same."""
    row = await reader.pool.fetchrow(_VERIFY, [token])
    if row is None:
        return PublicLetter("unknown")
    facts = dict(row)
    look_ups.add(facts.pop("letter_id"))
    return PublicLetter(**facts)


async def letter_of(session: AsyncSession, application_id: UUID) -> SktmLetter:
    """Raises not_found until the letter is issued."""
    query: Any = select(SktmLetter).where(SktmLetter.application_id == application_id)  # type: ignore[arg-type]
    letter: SktmLetter | None = (await session.execute(query)).scalars().first()
    if letter is None:
        raise not_found()
    return letter


async def is_given(session: AsyncSession, issuer_code: str, year: int, number: str) -> bool:
    """Whether a letter of this issuer bears the number already: another series, by another pattern, may come to it."""
    letters = table_of(SktmLetter).c
    same = select(letters.id).where(letters.issuer_code == issuer_code, letters.year == year, letters.number == number)
    return (await (await session.connection()).execute(same)).first() is not None


async def open_pdf(session: AsyncSession, letter: SktmLetter, applicant: UUID) -> bytes:
    """The PDF as it was issued, byte for byte; a changed byte in the store raises KeyFileError.

    Raises not_found when the applicant was erased: the letter's number and dates are all that is left of it.
    """
    if not letter.pdf_cipher:
        raise not_found()
    vault = await vault_of(session, applicant)
    pdf = vault.open(PDF, str(letter.id), bytes(letter.pdf_cipher))
    assert hashlib.sha256(pdf).digest() == bytes(letter.sha256)
    return pdf


async def open_content(session: AsyncSession, letter: SktmLetter, applicant: UUID) -> LetterContent:
    """What the letter says, as stored when it was issued. Raises as `open_pdf`."""
    if not letter.content_cipher:
        raise not_found()
    vault = await vault_of(session, applicant)
    return LetterContent.from_json(json.loads(vault.open(CONTENT, str(letter.id), bytes(letter.content_cipher))))


async def revoke(session: AsyncSession, application_id: UUID, reason_code: str) -> None:
    """From this transaction on, verification answers `revoked`."""
    letter = await letter_of(session, application_id)
    letter.revoked_at = datetime.now(UTC)
    letter.revoked_reason = reason_code


async def status_of(session: AsyncSession, application_id: UUID) -> Status:
    """What the letter is worth today, as its page says it. Raises not_found until it is issued."""
    letters = table_of(SktmLetter).c
    asked = select(letter_status(letters)).where(letters.application_id == application_id)
    status: Status | None = (await (await session.connection()).execute(asked)).scalar()
    if status is None:
        raise not_found()
    return status


def letter_status(letters: Any) -> ColumnElement[Any]:
    """`app.letter_status` of the columns of letters: one signed by hand waits for its scan."""
    facts = (letters[name] for name in ("revoked_at", "superseded_at", "issued_on", "valid_until", "timezone"))
    awaits_scan = and_(letters.signature == literal_column("'wet'"), letters.scan_received_at.is_(None))
    return func.app.letter_status(*facts, awaits_scan)


async def supersede(session: AsyncSession, application_id: UUID) -> None:
    """A newer letter takes the place of this application's: from this transaction on, verification says so."""
    letter = await letter_of(session, application_id)
    letter.superseded_at = letter.superseded_at or datetime.now(UTC)
