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
from tksk_api.domain.sktm_applications.people import hold_people, unchanged_people
from tksk_api.domain.sktm_applications.reads import SKTM_APPLICATIONS
from tksk_api.domain.sktm_applications.schemas import SignedScan
from tksk_api.domain.sktm_applications.service import check_replaced
from tksk_api.domain.sktm_applications.workflow import WORKFLOW
from tksk_api.domain.sktm_letters import service as letters
from tksk_api.domain.users.service import own_account
from tksk_api.errors import DomainError, invalid

KIND = "signed_letter"
Open = Callable[[Attachment], Awaitable[bytes]]
# The pictures in a PDF that a scanner made. Raises invalid_request for one that none made.
Pictures = Callable[[bytes], Awaitable[list[bytes]]]
# The addresses in the QR codes of a picture; None where nobody can look. Slow: called in a thread.
ReadCodes = Callable[[bytes], list[str] | None]


async def receive(
    session: AsyncSession,
    key: UUID,
    version: int,
    body: SignedScan,
    *,
    content_of: Open,
    pictures_in: Pictures,
    read_codes: ReadCodes,
) -> Stored:
    """Put the scan in: the letter is valid from now on, and one that it replaces no longer.

    A later scan takes the place of the one before, which stays on record as a step of the application and cannot be
    deleted. Whoever signed does not also vouch for the paper, and a file that we made ourselves, which nobody signed,
    is no scan of it. With the first scan the letter comes to be worth something, so it is asked what a signature asks:
    whether people are what was checked, and whether what it replaces is still there.

    Raises invalid_request (unknown_reference, signed_letter_expected, scan_is_the_letter, file_damaged,
    qr_of_another_letter, nothing_to_replace), scan_not_expected, separation_of_duties, facts_changed,
    beneficiary_deceased, transition_refused, stale_version.
    """
    await hold_people(session, key)
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
    is_first = letter.scan_received_at is None
    if is_first:
        await unchanged_people(session, row)
        await check_replaced(session, row, row.region_code)
    content = await content_of(scan)
    pictures = [content] if scan.media_type.startswith("image/") else await pictures_in(content)
    warnings = _warnings(await asyncio.to_thread(_codes, pictures, read_codes), letter.verification_url)
    details = {"attachment_id": str(scan.id), "warnings": warnings}
    WORKFLOW.take(session, row, "signed-scan", (await own_account(session)).full_name, details=details)
    if is_first and row.replaces_id is not None:
        await letters.supersede(session, row.replaces_id)
    letter.scan_attachment_id, letter.scan_warnings = scan.id, warnings
    letter.scan_received_at = datetime.now(UTC)
    return await save(session, SKTM_APPLICATIONS, row)


def _codes(pictures: list[bytes], read_codes: ReadCodes) -> list[str] | None:
    """What the codes in the pictures say; None where nobody could look at one."""
    seen = [codes for picture in pictures if (codes := read_codes(picture)) is not None]
    return [code for codes in seen for code in codes] if seen else None


def _warnings(found: list[str] | None, address: str) -> list[str]:
    """A stamp over the code, or a photo at night, is no reason to send anybody home. The paper of another letter is.

    Raises invalid_request (qr_of_another_letter).
    """
    if found is None:
        return ["qr_not_checked"]
    pages = {code.partition("#")[0] for code in found}
    letters_of_ours = {page for page in pages if page.rpartition("/")[0] == address.rpartition("/")[0]}
    if not letters_of_ours:  # a family card lies beside it, say, whose code is somebody else's
        return ["qr_unreadable"]
    if address not in letters_of_ours:
        raise invalid("/attachment_id", "qr_of_another_letter")
    return []


async def _has_signed(session: AsyncSession, application_id: UUID) -> bool:
    signatures = table_of(SktmSignature).c
    mine = select(signatures.position).where(
        signatures.application_id == application_id, signatures.user_id == principal_of(session).user_id
    )
    return (await (await session.connection()).execute(mine.limit(1))).first() is not None
