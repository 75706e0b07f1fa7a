"""Raising proposals from a visit; accepting and rejecting them.

Whoever may correct the register may decide, the visiting officer too: they could write the correction anyway, so a
second pair of eyes here would only move the edit to where no visit is named. What counts is that nothing changes
silently: who saw it, who decided and what the register said before stay on record.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.database.session import principal_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries import service as register
from tksk_api.domain.beneficiaries.identity import record_death
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.schemas import BeneficiaryUpdate, Death, Move
from tksk_api.domain.families.people import MEMBER, in_area
from tksk_api.domain.history.reasons import give_reason
from tksk_api.domain.proposals.models import Proposal
from tksk_api.domain.proposals.reads import PROPOSALS
from tksk_api.domain.proposals.rules import Difference, Seen, check_categories, differences
from tksk_api.domain.proposals.schemas import ProposalAccept, ProposalReject
from tksk_api.domain.proposals.workflow import WORKFLOW
from tksk_api.domain.records import load, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import require_region
from tksk_api.domain.users.service import own_account
from tksk_api.errors import FIELD_CODES, DomainError, FieldError, invalid

REASON = "Temuan kunjungan rumah"  # in the history and the access log, which an erasure cannot reach: it names nobody
_AT = "/register_differs"


async def check(session: AsyncSession, person: UUID, differs: Mapping[str, Any]) -> None:
    """Whether what the officer wrote can become proposals: known codes and places, a person of the caller's area.

    Raises invalid_request, each under /register_differs.
    """
    if not differs:
        return
    if differs.get("relationship") is not None and differs["relationship"] not in codes("relationships"):
        raise invalid(f"{_AT}/relationship", "unknown_code", list="relationships")
    categories = differs.get("ppks_categories") or {"add": [], "remove": []}
    check_categories(categories["add"], categories["remove"])
    if "moved_to_village" in differs:
        await require_region(session, differs["moved_to_village"], f"{_AT}/moved_to_village", "village")
    row = await _person(session, person)
    if row is None:
        raise invalid(_AT, "unknown_reference")  # moved away meanwhile: another office keeps their record
    if differs.get("deceased_on", row.birth_date) < row.birth_date:
        raise invalid(f"{_AT}/deceased_on", "before_birth")


async def raise_from_visit(
    session: AsyncSession, person_id: UUID, visit_id: UUID, seen: Seen, *, is_newest: bool
) -> None:
    """A proposal for each fact that the visit found otherwise than the register says, in the visit's transaction.

    One fact has one open proposal: that of the newest visit. What an older visit says, written down late, is kept
    where nothing newer is open; its answers contradict a register that has been looked at since, so they raise none.
    """
    if not is_newest:
        seen = Seen(seen.differs, None, None)
    person = await _person(session, person_id)
    if person is None:
        return
    dependants = await _dependants(session, person_id) if seen.dependants is not None else None
    found = list(differences(person.__dict__, seen, dependants))
    await _keep(session, person, visit_id, found, is_newest=is_newest)


async def raise_from_import(session: AsyncSession, person: Beneficiary, differs: Mapping[str, Any]) -> bool:
    """A proposal for each fact that a file says otherwise than the register, as of a visit; whether there is any.

    A file is no newer than what somebody saw: a fact about which a proposal is open keeps that one.
    """
    found = list(differences(person.__dict__, Seen(differs, None, None), None, "import"))
    await _keep(session, person, None, found, is_newest=False)
    return bool(found)


async def _keep(
    session: AsyncSession, person: Beneficiary, visit_id: UUID | None, found: list[Difference], *, is_newest: bool
) -> None:
    if not found:
        return
    fields = [difference.field for difference in found]
    query = select(Proposal).where(
        Proposal.beneficiary_id == person.id,  # type: ignore[arg-type]
        Proposal.status == "open",  # type: ignore[arg-type]
        Proposal.field.in_(fields),  # type: ignore[attr-defined]
    )
    standing = {row.field: row for row in (await session.execute(query)).scalars()}
    for row in standing.values():
        if is_newest and not _says(row, found):
            row.status = "outdated"
    await session.flush()  # before the new ones: there is one open proposal of a fact
    for difference in found:
        before = standing.get(difference.field)
        if before is None or before.status == "outdated":
            session.add(_row(session, person, visit_id, difference))
    await session.flush()


async def accept(session: AsyncSession, key: UUID, version: int, body: ProposalAccept) -> Stored:
    """Write what was seen into the register, through the register's own use cases, in one transaction.

    Raises proposal_outdated when the register says something else since, transition_refused, stale_version, not_found
    when the person is not the caller's any more, family_differs while the family itself was not corrected,
    invalid_request at /proposed_value for what the register does not take, and what the change itself raises.
    """
    row = await _begin(session, key, version, "accept")
    if row.field == "deceased_on":
        await register.lock_family(session, row.beneficiary_id)
    person = await load(session, Beneficiary, row.beneficiary_id, lock=True)
    if row.field == "dependants":
        await _refuse_uncorrected(session, row)
    # First: the database outdates what is still open once the register changes.
    await _decide(session, row, "accept", body.note)
    if row.field != "dependants":
        await give_reason(session, REASON)
        try:
            await _APPLIED[row.field](session, person, row.proposed_value)
        except ValidationError as error:
            raise _not_taken(error) from error
    return await PROPOSALS.stored(session, key)


async def reject(session: AsyncSession, key: UUID, version: int, body: ProposalReject) -> Stored:
    """The register is right. Raises transition_refused, stale_version."""
    row = await _begin(session, key, version, "reject")
    await _decide(session, row, "reject", body.reason)
    return await save(session, PROPOSALS, row)


async def _begin(session: AsyncSession, key: UUID, version: int, action: str) -> Proposal:
    row = await load(session, Proposal, key)
    if row.status == "outdated":  # before the version, which outdating it has raised
        raise DomainError("proposal_outdated")
    row = await load(session, Proposal, key, version)
    WORKFLOW.check(action, row.status)
    return row


async def _decide(session: AsyncSession, row: Proposal, action: str, note: str | None) -> None:
    row.decided_at, row.decided_by, row.note = datetime.now(UTC), principal_of(session).user_id, note
    WORKFLOW.take(session, row, action, (await own_account(session)).full_name, note=note)
    await session.flush()


async def _person(session: AsyncSession, key: UUID) -> Beneficiary | None:
    """The person of the caller's area, waiting for whoever is changing them; None when they are not theirs any more."""
    try:
        return await load(session, Beneficiary, key, lock=True)
    except DomainError:
        return None


async def _dependants(session: AsyncSession, person: UUID) -> int | None:
    """How many the person's present family has beside its head; None when the register knows of no family."""
    own = MEMBER.alias("own")
    family = select(own.c.family_id).where(own.c.beneficiary_id == person, own.c.left_on.is_(None), in_area(own))
    members = select(func.count()).where(MEMBER.c.family_id == family.scalar_subquery(), MEMBER.c.left_on.is_(None))
    count = (await (await session.connection()).execute(members)).scalar_one()
    return count - 1 if count else None


async def _refuse_uncorrected(session: AsyncSession, row: Proposal) -> None:
    """Who belongs to a family is not for a number to say: the family is corrected first, by its own actions."""
    now = await _dependants(session, row.beneficiary_id)
    if now != row.proposed_value:
        raise DomainError("family_differs", registered=now, seen=row.proposed_value)


def _says(row: Proposal, found: list[Difference]) -> bool:
    """Whether a proposal that is open says the same already, of the same register."""
    return any(
        (row.field, row.current_value, row.proposed_value) == (other.field, other.current, other.proposed)
        for other in found
    )


def _row(session: AsyncSession, person: Beneficiary, visit_id: UUID | None, difference: Difference) -> Proposal:
    return Proposal(
        id=new_id(),
        region_code=person.region_code,
        beneficiary_id=person.id,
        visit_id=visit_id,
        field=difference.field,
        origin=difference.origin,
        current_value=difference.current,
        proposed_value=difference.proposed,
        status=WORKFLOW.initial,
        created_by=principal_of(session).user_id,
    )


def _not_taken(error: ValidationError) -> DomainError:
    """A value as it was kept may be one that the register takes no more: its rules are of today, and it stays open to
    be rejected."""
    found = {kind if kind in FIELD_CODES else "invalid": context for kind, context in map(_said, error.errors())}
    errors = [FieldError("/proposed_value", code, context) for code, context in found.items()]
    return DomainError("invalid_request", errors=errors)


def _said(error: Any) -> tuple[str, dict[str, Any]]:
    return error["type"], dict(error.get("ctx") or {})


def _correct(field: str) -> Callable[[AsyncSession, Beneficiary, Any], Awaitable[Any]]:
    async def apply(session: AsyncSession, person: Beneficiary, value: Any) -> None:
        patch = BeneficiaryUpdate.model_validate({field: value})
        await register.update(session, person.id, person.version, patch, ordinary_only=True)

    return apply


async def _move(session: AsyncSession, person: Beneficiary, village_code: Any) -> None:
    await register.move(session, person.id, person.version, Move(village_code=village_code, reason=REASON))


async def _record_death(session: AsyncSession, person: Beneficiary, day: Any) -> None:
    await record_death(session, person.id, person.version, Death(died_on=date.fromisoformat(day), source="visit"))


_CORRECTED = ("full_name", "birth_place", "birth_date", "sex", "address", "phone", "relationship", "ppks_categories")
_APPLIED: Mapping[str, Callable[[AsyncSession, Beneficiary, Any], Awaitable[Any]]] = {
    **{field: _correct(field) for field in _CORRECTED},
    "village_code": _move,
    "deceased_on": _record_death,
}
