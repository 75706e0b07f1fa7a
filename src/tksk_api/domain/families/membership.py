"""Who is in a family: the parts of which its use cases are made."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import col, select

from tksk_api.database.session import principal_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import unknown_person
from tksk_api.domain.families.models import Family, FamilyMember
from tksk_api.domain.families.rules import HEAD, Kin, check_leaving, check_people, check_reason, warnings_of
from tksk_api.domain.history.reasons import give_code
from tksk_api.domain.records import load
from tksk_api.domain.references.lists import label
from tksk_api.domain.regions.service import today_in
from tksk_api.errors import DomainError, FieldError, invalid

_FOLLOW = text(
    "UPDATE beneficiaries SET relationship = kin.relationship FROM unnest(:ids, :relationships) "
    "AS kin (id, relationship) WHERE beneficiaries.id = kin.id "
    "AND beneficiaries.relationship IS DISTINCT FROM kin.relationship"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("relationships", type_=ARRAY(Text)))


async def say_why(session: AsyncSession, reason: str) -> None:
    """The history keeps it with every change that follows. Raises invalid_request (unknown_code) at /reason."""
    check_reason(reason)
    await give_code(session, reason)


async def active(session: AsyncSession, key: UUID, version: int) -> Family:
    """The family, locked: whoever else changes it waits, and then holds a stale version."""
    family = await load(session, Family, key, version, lock=True)
    if family.status != "active":
        raise DomainError("transition_refused", state=family.status, allowed_actions=[])
    return family


async def people_of(session: AsyncSession, ids: Sequence[UUID], pointer: str | None = None) -> dict[UUID, Beneficiary]:
    """Everybody named, each once. Raises invalid_request: duplicate_entry, unknown_reference or
    merged_person (see `unknown_person`), deceased_person.

    They are locked, as their records follow the family's: who joins two families at once waits for the first.
    """
    check_people(ids)
    people = {person.id: person for person in await _people(session, ids, lock=True)}
    errors = []
    for index, key in enumerate(ids):
        place = pointer or f"/members/{index}/beneficiary_id"
        if key not in people:
            errors.append(await unknown_person(session, key, place))
        elif people[key].deceased_on is not None:
            errors.append(FieldError(place, "deceased_person"))
    if errors:
        raise DomainError("invalid_request", errors=errors)
    return people


async def refuse_members(session: AsyncSession, ids: Sequence[UUID], pointer: str | None = None) -> None:
    """Raises already_in_family, naming who. A family that the caller does not see is found by the unique index."""
    taken = select(FamilyMember.beneficiary_id).where(
        col(FamilyMember.beneficiary_id).in_(ids), col(FamilyMember.left_on).is_(None)
    )
    members = set((await session.execute(taken)).scalars())
    errors = [
        FieldError(pointer or f"/members/{index}/beneficiary_id", "already_in_family")
        for index, key in enumerate(ids)
        if key in members
    ]
    if errors:
        raise DomainError("already_in_family", errors=errors)


async def refuse_overlap(
    session: AsyncSession, joining: Sequence[tuple[UUID, date]], pointer: str | None = None
) -> None:
    """Nobody joins before they left where they were. Raises invalid_request (still_in_family), naming every day.

    A family that the caller does not see is not told of.
    """
    left = select(FamilyMember.beneficiary_id, func.max(FamilyMember.left_on)).where(
        col(FamilyMember.beneficiary_id).in_([person for person, _ in joining])
    )
    rows = (await session.execute(left.group_by(col(FamilyMember.beneficiary_id)))).all()
    last = {person: day for person, day in rows if day is not None}
    errors = [
        FieldError(pointer or f"/members/{index}/joined_on", "still_in_family")
        for index, (person, day) in enumerate(joining)
        if day < last.get(person, day)
    ]
    if errors:
        raise DomainError("invalid_request", errors=errors)


async def current_of(session: AsyncSession, family: Family) -> list[FamilyMember]:
    found = select(FamilyMember).where(FamilyMember.family_id == family.id, col(FamilyMember.left_on).is_(None))
    return list((await session.execute(found.order_by(col(FamilyMember.id)))).scalars())


async def seen_of(session: AsyncSession, members: Sequence[FamilyMember], *, lock: bool = False) -> list[Beneficiary]:
    """Those of the members whom the caller sees; locked when their own records are to follow."""
    return await _people(session, [member.beneficiary_id for member in members], lock=lock)


async def _people(session: AsyncSession, ids: Sequence[UUID], *, lock: bool) -> list[Beneficiary]:
    found = select(Beneficiary).where(col(Beneficiary.id).in_(ids), col(Beneficiary.deleted_at).is_(None))
    if lock:  # in one order, so that two families never wait for each other; and as they are once it is our turn
        found = found.order_by(col(Beneficiary.id)).with_for_update().execution_options(populate_existing=True)
    return list((await session.execute(found)).scalars())


async def known_of(session: AsyncSession, members: Sequence[FamilyMember]) -> dict[UUID, FamilyMember]:
    """Those of the members whom the caller sees, by person."""
    seen = {person.id for person in await seen_of(session, members)}
    return {member.beneficiary_id: member for member in members if member.beneficiary_id in seen}


def chosen(known: Mapping[UUID, FamilyMember], person: UUID, pointer: str) -> FamilyMember:
    """The member this person is; who is none, or is not seen, is unknown. Raises invalid_request."""
    if person not in known:
        raise invalid(pointer, "unknown_reference")
    return known[person]


async def join(session: AsyncSession, family: Family, people: Sequence[tuple[Beneficiary, str, date]]) -> None:
    """New memberships: who, what they are to the head, since when. Their own records, which are locked, follow.

    As many statements for all as for one.
    """
    session.add_all(
        FamilyMember(
            family_id=family.id,
            region_code=family.region_code,
            beneficiary_id=person.id,
            relationship=relationship,
            joined_on=day,
            created_by=principal_of(session).user_id,
        )
        for person, relationship, day in people
    )
    await session.flush()
    kin = {"ids": [person.id for person, *_ in people], "relationships": [kin for _, kin, _ in people]}
    await (await session.connection()).execute(_FOLLOW, kin)


async def leave(session: AsyncSession, leaving: Sequence[FamilyMember], day: date, reason: str, pointer: str) -> None:
    """End these memberships. Raises invalid_request (before_start) at `pointer`."""
    for member in leaving:
        check_leaving(member.joined_on, day, pointer)
        member.left_on, member.left_reason = day, reason
    await session.flush()  # before somebody takes a place that is unique


async def succeed(
    session: AsyncSession,
    leaving: Sequence[FamilyMember],
    staying: Sequence[FamilyMember],
    successor_id: UUID | None,
) -> None:
    """Where the head leaves others, the named one of them becomes head. Raises invalid_request at /successor_id:
    head_needed, not_the_head when nobody has to be succeeded, unknown_reference."""
    head_leaves = any(member.relationship == HEAD for member in leaving)
    if successor_id is None:
        if head_leaves and staying:
            raise invalid("/successor_id", "head_needed")
        return
    if not head_leaves:
        raise invalid("/successor_id", "not_the_head")
    await relate(session, chosen(await known_of(session, staying), successor_id, "/successor_id"), HEAD)


async def relate(session: AsyncSession, member: FamilyMember, relationship: str) -> None:
    """What a member is to the head now; their own record follows where the caller sees them."""
    member.relationship = relationship
    for person in await seen_of(session, [member], lock=True):
        person.relationship = relationship
    await session.flush()  # one at a time: the place of the head is unique


def hints(kin: Iterable[Kin], today: date) -> list[dict[str, str]]:
    """The warnings with their Indonesian words, so that reading costs nothing; other languages look the code up."""
    return [{"code": code, "detail": label("family_warnings", code, "id")} for code in warnings_of(kin, today)]


async def settle(session: AsyncSession, family: Family) -> None:
    """What follows from who is in the family now: its state, whether it needs a head, the warnings.

    A change of its members is a change of the family: a new version.
    """
    members = await current_of(session, family)
    births = {person.id: person.birth_date for person in await seen_of(session, members)}
    kin = [
        Kin(member.relationship, births[member.beneficiary_id], member.joined_on)
        for member in members
        if member.beneficiary_id in births
    ]
    today = await today_in(session, family.region_code or "")
    family.status = "active" if members else "ended"
    family.needs_head = bool(members) and not any(member.relationship == HEAD for member in members)
    family.warnings = hints(kin, today)
    flag_modified(family, "status")
    await session.flush()
