"""Recording that a letter was shown, by the agency it was shown to."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id, table_of
from tksk_api.domain.presentations.models import Presentation
from tksk_api.domain.presentations.reads import RECEIPTS
from tksk_api.domain.presentations.schemas import PresentationCreate
from tksk_api.domain.programs.service import require_known
from tksk_api.domain.records import create_once, created_before
from tksk_api.errors import DomainError, invalid, not_found
from tksk_api.security.permissions import Permission

_LETTER = text("SELECT * FROM app.letter_to_present(:token)")


async def create(session: AsyncSession, token: str, body: PresentationCreate) -> Stored:
    """Record what the caller's agency did with a letter: once for each outcome, programme and day, however often it is
    sent in the same words; one letter may serve for several programmes on one day.

    A letter out of force is recorded too, with its status; one that lay elsewhere before is flagged, not refused.
    Raises permission_denied (the caller speaks for no agency), not_found (no such letter), invalid_request (a refusal
    without its reason, unknown_code), id_in_use, already_presented (in other words or under another id),
    processing_restricted.
    """
    agency_id = principal_of(session).agency_id
    if agency_id is None:
        raise DomainError("permission_denied", permission=f"{Permission.PRESENTATION_CREATE} (agency)")
    if body.outcome == "refused" and body.note is None:
        raise invalid("/note", "missing")
    if body.program is not None:
        await require_known(session, [body.program], "/program")
    connection = await session.connection()
    letter: Any = (await connection.execute(_LETTER, {"token": token})).first()
    if letter is None:
        raise not_found()
    # Before the day's own: an id that was used for other words is refused, not answered with those.
    before = await created_before(session, RECEIPTS, body, Presentation, letter.letter_id)
    if before is not None:
        return before
    rows = table_of(Presentation).c
    same = select(rows.id, rows.note).where(
        rows.letter_id == letter.letter_id,
        rows.agency_id == agency_id,
        rows.presented_on == letter.today,
        rows.outcome == body.outcome,
        rows.program.is_not_distinct_from(body.program),
    )
    repeated = (await connection.execute(same)).first()
    if repeated is not None:
        if body.id is not None or body.note != repeated.note:
            raise DomainError("already_presented", presentation_id=repeated.id)
        return await RECEIPTS.stored(session, repeated.id)
    return await create_once(
        session,
        RECEIPTS,
        body,
        Presentation,
        lambda: Presentation(
            id=new_id(),
            region_code=letter.region_code,
            agency_id=agency_id,
            letter_id=letter.letter_id,
            application_id=letter.application_id,
            beneficiary_id=letter.beneficiary_id,
            letter_number=letter.number,
            presented_on=letter.today,
            letter_status=letter.status,
            also_presented_elsewhere=letter.is_elsewhere,
            **body.model_dump(exclude={"id"}),
        ),
        below=letter.letter_id,
    )
