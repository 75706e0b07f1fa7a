"""The life of an identity: a number attached, verified and corrected; a death recorded, and taken back."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import ReadPool, Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.hints import renewed_warnings
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES, DECEASED
from tksk_api.domain.beneficiaries.schemas import AttachNik, CorrectNik, Death, DeathUndone, VerifyNik
from tksk_api.domain.beneficiaries.service import (
    EXISTS,
    HOUR_SECONDS,
    NIK_IS_UNIQUE,
    lock_family,
    note_verified,
    seal_nik,
    taken,
)
from tksk_api.domain.history.actors import actor_name
from tksk_api.domain.history.models import Transition
from tksk_api.domain.history.reasons import give_reason
from tksk_api.domain.limits.service import refuse_used_up
from tksk_api.domain.records import load, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.domain.subject_keys.service import vault_to_fill
from tksk_api.errors import DomainError, invalid

# NIK status -> what can be done about it. There is no way back from a verified number but the regency's correction.
ACTIONS: Mapping[str, Sequence[str]] = {
    "none": ("attach-nik",),
    "belum_rekam": ("attach-nik",),
    "unverified": ("verify-nik", "correct-nik"),
    "verified": ("correct-nik",),
}
_CORRECTS_VERIFIED = "regency_office"


class _Step(NamedTuple):
    """What was done, on what ground, and in whose words."""

    action: str
    reason_code: str | None
    note: str | None


def refuse_deceased(row: Beneficiary) -> None:
    """Nothing new begins for somebody who died: no application, referral, visit or PPKS assessment.

    A letter is for a living applicant (DOMAIN §3.4, `status_dasar`), and what a death gives a claim to, a burial grant
    say, the heir applies for as the beneficiary. What is under way may be ended. Raises beneficiary_deceased.
    """
    if row.deceased_on is not None:
        raise DomainError("beneficiary_deceased")


async def attach_nik(
    session: AsyncSession, pool: ReadPool, key: UUID, version: int, body: AttachNik, *, per_hour: int
) -> Stored:
    """Give a person without one their number; whatever was done for them stays theirs (DOMAIN §5.1).

    Raises transition_refused where there is one, invalid_request (unknown_code), and what a number that somebody else
    has raises at registration: nik_taken, nik_of_deceased, too_many_requests.
    """
    row = await load(session, Beneficiary, key, version)
    _require(row, "attach-nik")
    _check_document(body.document)
    step = _Step("attach_nik", body.document, body.note)
    return await _change_number(session, pool, row, body.nik, step, per_hour=per_hour)


async def verify_nik(session: AsyncSession, key: UUID, version: int, body: VerifyNik) -> Stored:
    """The number was compared with a paper. Raises transition_refused, invalid_request (unknown_code)."""
    row = await load(session, Beneficiary, key, version)
    _require(row, "verify-nik")
    _check_document(body.document)
    before = row.nik_status
    note_verified(session, row, body.document)
    await _note(session, row, _Step("verify_nik", body.document, body.note), before, row.nik_status)
    return await save(session, BENEFICIARIES, row)


async def correct_nik(
    session: AsyncSession, pool: ReadPool, key: UUID, version: int, body: CorrectNik, *, per_hour: int
) -> Stored:
    """Another number, or none, in place of a wrong one; what was verified is corrected by the regency's office alone.

    The history says that it changed, never from what. Raises transition_refused where there is none, nik_verified, and
    what `attach_nik` raises.
    """
    row = await load(session, Beneficiary, key, version)
    _require(row, "correct-nik")
    if row.nik_status == "verified" and principal_of(session).role != _CORRECTS_VERIFIED:
        raise DomainError("nik_verified")
    step = _Step("correct_nik", None, body.reason)
    return await _change_number(session, pool, row, body.nik, step, per_hour=per_hour)


async def record_death(session: AsyncSession, key: UUID, version: int, body: Death) -> Stored:
    """The person is kept and marked; what is under way for them is listed and left to whoever is responsible.

    The database takes them out of their family as of that day. Raises beneficiary_deceased, and invalid_request:
    before_birth, in_future by the day of their village, unknown_code.
    """
    await lock_family(session, key)
    row = await load(session, Beneficiary, key, version)
    refuse_deceased(row)
    if body.source not in codes("death_sources"):
        raise invalid("/source", "unknown_code", list="death_sources")
    if body.died_on < row.birth_date:
        raise invalid("/died_on", "before_birth")
    if body.died_on > await today_in(session, row.region_code or ""):
        raise invalid("/died_on", "in_future")
    row.deceased_on, row.deceased_source = body.died_on, body.source
    await _note(session, row, _Step("record_death", body.source, body.note), "living", "deceased")
    return await save(session, DECEASED, row)


async def undo_death(session: AsyncSession, key: UUID, version: int, body: DeathUndone) -> Stored:
    """Somebody declared dead walks in. Their family takes them in again by its own action.

    Raises transition_refused of somebody who is not recorded as deceased.
    """
    row = await load(session, Beneficiary, key, version)
    if row.deceased_on is None:
        raise DomainError("transition_refused", state="living", allowed_actions=["deceased"])
    row.deceased_on, row.deceased_source = None, None
    await _note(session, row, _Step("undo_death", None, body.reason), "deceased", "living")
    return await save(session, BENEFICIARIES, row)


def _require(row: Beneficiary, action: str) -> None:
    allowed = ACTIONS[row.nik_status]
    if action not in allowed:
        raise DomainError("transition_refused", state=row.nik_status, allowed_actions=list(allowed))


def _check_document(document: str | None) -> None:
    if document is not None and document not in codes("nik_documents"):
        raise invalid("/document", "unknown_code", list="nik_documents")


async def _change_number(
    session: AsyncSession, pool: ReadPool, row: Beneficiary, nik: str | None, step: _Step, *, per_hour: int
) -> Stored:
    if nik is not None:
        await refuse_used_up(session, EXISTS, per_hour, HOUR_SECONDS)
    before, region = row.nik_status, await require_region(session, row.region_code or "", "/village_code")
    seal_nik(await vault_to_fill(session, row.id), row, nik)
    row.nik_status = "unverified" if nik else "none"
    row.nik_verified_at = row.nik_verified_by = row.nik_verified_document = None
    row.warnings = await renewed_warnings(session, row, nik, region)
    await _note(session, row, step, before, row.nik_status)
    try:
        return await save(session, BENEFICIARIES, row)
    except IntegrityError as error:
        violated = getattr(getattr(error.orig, "__cause__", None), "constraint_name", None)
        if nik is None or violated != NIK_IS_UNIQUE:
            raise
        raise await taken(session, pool, nik, per_hour) from error


async def _note(session: AsyncSession, row: Beneficiary, step: _Step, before: str, after: str) -> None:
    """Who did it, on what ground: beside the field-level history, which says why as well."""
    await give_reason(session, step.note, about=row.id)
    principal = principal_of(session)
    session.add(
        Transition(
            id=new_id(),
            entity="beneficiaries",
            entity_id=row.id,
            action=step.action,
            from_state=before,
            to_state=after,
            actor_id=principal.user_id,
            actor_name=await actor_name(session),
            actor_role=principal.role,
            reason_code=step.reason_code,
            note=step.note,
            request_id=session.info["admission"].request_id,
        )
    )
