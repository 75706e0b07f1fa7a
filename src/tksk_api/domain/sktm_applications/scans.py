"""The scan of a letter that officials signed by hand: with it, the letter becomes valid."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import table_of
from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.attachments.service import check_attachment
from tksk_api.domain.records import load, save
from tksk_api.domain.sktm_applications.models import SktmApplication, SktmSignature
from tksk_api.domain.sktm_applications.reads import SKTM_APPLICATIONS
from tksk_api.domain.sktm_applications.schemas import SignedScan
from tksk_api.domain.sktm_applications.workflow import WORKFLOW
from tksk_api.domain.sktm_letters import service as letters
from tksk_api.domain.users.service import own_account
from tksk_api.errors import DomainError, invalid

KIND = "signed_letter"
Open = Callable[[Attachment], Awaitable[bytes]]
# The addresses in the QR codes of a picture; None where nobody can look. Slow: called in a thread.
ReadCodes = Callable[[bytes], list[str] | None]


async def receive(
    session: AsyncSession, key: UUID, version: int, body: SignedScan, *, content_of: Open, read_codes: ReadCodes
) -> Stored:
    """Put the scan in: the letter is valid from now on, and one that it replaces no longer.

    A later scan takes the place of the one before, which stays on record as a step of the application and cannot be
    deleted. Whoever signed does not also vouch for the paper, and the file that we made ourselves, which nobody signed,
    is no scan of it. Raises invalid_request (unknown_reference, signed_letter_expected, scan_is_the_letter),
    scan_not_expected, separation_of_duties, transition_refused, stale_version.
    """
    row = await load(session, SktmApplication, key, version, lock=True)
    WORKFLOW.check("signed-scan", row.status)
    letter = await letters.letter_of(session, row.id)
    if letter.signature != "wet":
        raise DomainError("scan_not_expected")
    if await _has_signed(session, row.id):
        raise DomainError("separation_of_duties")
    scan = await check_attachment(session, body.attachment_id, row.beneficiary_id, "/attachment_id")
    if scan.kind != KIND or scan.beneficiary_id != row.beneficiary_id:
        raise invalid("/attachment_id", "signed_letter_expected")
    content = await content_of(scan)
    found = None
    if scan.media_type.startswith("image/"):
        found = await asyncio.to_thread(read_codes, content)
    elif letter.token.encode() in content:  # a link in letter and copy; on paper it is in the picture of the code only
        raise invalid("/attachment_id", "scan_is_the_letter")
    warnings = _warnings(found, letter.verification_url)
    details = {"attachment_id": str(scan.id), "warnings": warnings}
    WORKFLOW.take(session, row, "signed-scan", (await own_account(session)).full_name, details=details)
    if letter.scan_received_at is None and row.replaces_id is not None:
        await letters.supersede(session, row.replaces_id)
    letter.scan_attachment_id, letter.scan_warnings = scan.id, warnings
    letter.scan_received_at = datetime.now(UTC)
    return await save(session, SKTM_APPLICATIONS, row)


def _warnings(found: list[str] | None, address: str) -> list[str]:
    """Advice only: a stamp over the code, or a photo at night, is no reason to send anybody home."""
    if found is None:
        return ["qr_not_checked"]
    if not found:
        return ["qr_unreadable"]
    return [] if any(code.partition("#")[0] == address for code in found) else ["qr_of_another_letter"]


async def _has_signed(session: AsyncSession, application_id: UUID) -> bool:
    signatures = table_of(SktmSignature).c
    mine = select(signatures.position).where(
        signatures.application_id == application_id, signatures.user_id == principal_of(session).user_id
    )
    return (await (await session.connection()).execute(mine.limit(1))).first() is not None
