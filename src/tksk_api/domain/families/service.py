"""Making families, and everything that happens to one: who joins, leaves and leads it, its card, its place."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Page, PageRequest, Reader, Stored
from tksk_api.database.session import scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.schemas import Address
from tksk_api.domain.families.cards import add_card, card_index, give_card, present_number
from tksk_api.domain.families.membership import (
    active,
    chosen,
    current_of,
    hints,
    join,
    known_of,
    leave,
    people_of,
    refuse_members,
    refuse_overlap,
    relate,
    say_why,
    seen_of,
    settle,
    succeed,
)
from tksk_api.domain.families.models import Family
from tksk_api.domain.families.reads import FAMILIES
from tksk_api.domain.families.rules import HEAD, Kin, check_one_head, check_people, check_relationship
from tksk_api.domain.families.schemas import (
    MAX_MEMBERS,
    FamilyCardCreate,
    FamilyCreate,
    FamilyHeadChange,
    FamilyLeaving,
    FamilyMemberCreate,
    FamilyMove,
    FamilyMoved,
    FamilySearch,
    FamilySplit,
    FamilySplitMember,
    FamilyUpdate,
)
from tksk_api.domain.history.access import record_access
from tksk_api.domain.records import create_once, created_before, load, merged, patched, refuse_null, save
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.errors import invalid, not_found
from tksk_api.security.crypto import Keyring

_MovingIn = Sequence[tuple[Beneficiary, FamilyMemberCreate | FamilySplitMember, date]]
_MOVE = text("SELECT app.move_family(:id, :version, :village, :street, :rt, :rw, :members)")


async def create(session: AsyncSession, body: FamilyCreate) -> Stored:
    """Found a family in a village of the caller's area, with exactly one head.

    Raises invalid_request (outside_scope, unknown_region, unknown_reference, deceased_person, duplicate_entry,
    unknown_code, second_head, head_missing, still_in_family), already_in_family, id_in_use.
    """
    before = await created_before(session, FAMILIES, body, Family)
    if before is not None:
        return before
    await _check_place(session, body.village_code)
    check_one_head([member.relationship for member in body.members])
    people = await people_of(session, [member.beneficiary_id for member in body.members])
    await refuse_members(session, [member.beneficiary_id for member in body.members])
    today = await today_in(session, body.village_code)
    await refuse_overlap(session, [(member.beneficiary_id, member.joined_on or today) for member in body.members])
    family = Family(id=body.id or new_id(), region_code=body.village_code, **body.address.model_dump())
    await _found(session, body, family, [(people[m.beneficiary_id], m, m.joined_on or today) for m in body.members])
    if body.family_card_number is not None:
        await _new_card(session, family, body.family_card_number, today, "first_card")
    return await FAMILIES.stored(session, family.id, created=True)


async def update(session: AsyncSession, key: UUID, version: int, patch: FamilyUpdate) -> Stored:
    """Correct the address. Raises invalid_request, stale_version, not_found."""
    family = await load(session, Family, key, version)
    refuse_null(patch, "address")
    changes = patched(patch)
    if "address" in changes:
        now = {name: getattr(family, name) for name in Address.model_fields}
        address = merged(Address, now, changes["address"], "/address")
        assert address is not None  # refused above
        for name, value in address.model_dump().items():
            setattr(family, name, value)
    return await save(session, FAMILIES, family)


async def search(reader: Reader, keyring: Keyring, body: FamilySearch) -> Page:
    """Families of the caller's area that have or had this card, by its blind index."""
    index = {"card_index": card_index(keyring, body.family_card_number)}
    return await reader.page(FAMILIES, PageRequest(body.limit, FAMILIES.default_sort, index))


async def add_member(session: AsyncSession, key: UUID, version: int, body: FamilyMemberCreate) -> Stored:
    """Somebody joins: as the head only where there is none.

    Raises invalid_request (unknown_reference, deceased_person, unknown_code, second_head, too_many, still_in_family),
    already_in_family, transition_refused for a family that has ended, stale_version, not_found.
    """
    family = await active(session, key, version)
    check_relationship(body.relationship, "/relationship")
    members = await current_of(session, family)
    if len(members) >= MAX_MEMBERS:
        raise invalid("/beneficiary_id", "too_many", max=MAX_MEMBERS)
    if body.relationship == HEAD and any(member.relationship == HEAD for member in members):
        raise invalid("/relationship", "second_head")
    person = (await people_of(session, [body.beneficiary_id], "/beneficiary_id"))[body.beneficiary_id]
    await refuse_members(session, [person.id], "/beneficiary_id")
    day = body.joined_on or await today_in(session, family.region_code or "")
    await refuse_overlap(session, [(person.id, day)], "/joined_on")
    await join(session, family, [(person, body.relationship, day)])
    number = await present_number(session, family)
    if number is not None:
        await give_card(session, [person], number)
    await settle(session, family)
    return await FAMILIES.stored(session, family.id)


async def remove_member(
    session: AsyncSession, key: UUID, member_id: UUID, version: int, leaving: FamilyLeaving
) -> Stored:
    """Somebody leaves, and stays in the history. Where the head leaves others behind, one of them succeeds at once.

    Raises invalid_request (unknown_code, before_start, head_needed, unknown_reference, not_the_head),
    stale_version, not_found.
    """
    family = await active(session, key, version)
    await say_why(session, leaving.reason)
    members = await current_of(session, family)
    leaver = next((member for member in members if member.id == member_id), None)
    if leaver is None:
        raise not_found()
    day = leaving.left_on or await today_in(session, family.region_code or "")
    await leave(session, [leaver], day, leaving.reason, "/left_on")
    await succeed(session, [leaver], [member for member in members if member is not leaver], leaving.successor_id)
    await settle(session, family)
    return await FAMILIES.stored(session, family.id)


async def change_head(session: AsyncSession, key: UUID, version: int, body: FamilyHeadChange) -> Stored:
    """Another member leads the family now.

    Raises invalid_request (unknown_code, unknown_reference, missing, second_head), transition_refused, stale_version,
    not_found.
    """
    family = await active(session, key, version)
    await say_why(session, body.reason)
    members = await current_of(session, family)
    new = chosen(await known_of(session, members), body.beneficiary_id, "/beneficiary_id")
    former = next((member for member in members if member.relationship == HEAD), None)
    if former is new:
        raise invalid("/beneficiary_id", "second_head")
    if former is not None:
        if body.former_head_relationship is None:
            raise invalid("/former_head_relationship", "missing")
        check_relationship(body.former_head_relationship, "/former_head_relationship")
        if body.former_head_relationship == HEAD:
            raise invalid("/former_head_relationship", "second_head")
        await relate(session, former, body.former_head_relationship)
    await relate(session, new, HEAD)
    await settle(session, family)
    return await FAMILIES.stored(session, family.id)


async def change_card(session: AsyncSession, key: UUID, version: int, body: FamilyCardCreate) -> Stored:
    """The family got another card; the present members whom the caller sees carry its number from now on.

    Raises invalid_request (unknown_code, before_start), transition_refused, stale_version, not_found.
    """
    family = await active(session, key, version)
    await say_why(session, body.reason)
    day = body.valid_from or await today_in(session, family.region_code or "")
    await _new_card(session, family, body.family_card_number, day, body.reason)
    await settle(session, family)
    return await FAMILIES.stored(session, family.id)


async def split(session: AsyncSession, key: UUID, version: int, body: FamilySplit) -> Stored:
    """Some members go and are a family of their own, with one head; those who stay keep or get theirs.

    Raises invalid_request as `create`, and unknown_reference, before_start, head_needed, not_the_head, nobody_left;
    transition_refused, stale_version, not_found, id_in_use.
    """
    before = await created_before(session, FAMILIES, body, Family, below=key)
    if before is not None:
        return before
    family = await active(session, key, version)
    await say_why(session, body.reason)
    check_one_head([member.relationship for member in body.members])
    check_people([member.beneficiary_id for member in body.members])
    members = await current_of(session, family)
    known = await known_of(session, members)
    leaving = [
        chosen(known, member.beneficiary_id, f"/members/{index}/beneficiary_id")
        for index, member in enumerate(body.members)
    ]
    staying = [member for member in members if member not in leaving]
    if not staying:
        raise invalid("/members", "nobody_left")
    village = body.village_code or family.region_code or ""
    await _check_place(session, village)
    day = body.on or await today_in(session, family.region_code or "")
    await leave(session, leaving, day, body.reason, "/on")
    await succeed(session, leaving, staying, body.successor_id)
    address = body.address.model_dump() if body.address else _address(family)
    new = Family(id=body.id or new_id(), region_code=village, split_from=family.id, **address)
    people = await people_of(session, [member.beneficiary_id for member in body.members])
    await _found(session, body, new, [(people[m.beneficiary_id], m, day) for m in body.members])
    if body.family_card_number is not None:
        await _new_card(session, new, body.family_card_number, day, body.reason)
    await settle(session, family)
    # The answer shows who went; what became of their family is about those who stay, too.
    others = [key for key, member in known.items() if member not in leaving]
    await record_access(session, others, purpose="service", action="update", object_id=family.id)
    return await FAMILIES.stored(session, new.id, created=True)


async def move(session: AsyncSession, key: UUID, version: int, body: FamilyMove) -> FamilyMoved:
    """The family lives in another village now, perhaps beyond the caller's area: then the caller lets go of it.

    Raises invalid_request (unknown_region, region_level, unknown_code), transition_refused, stale_version, not_found.
    """
    family = await active(session, key, version)
    await say_why(session, body.reason)
    await require_region(session, body.village_code, "/village_code", "village")
    place = {"village": body.village_code, **body.address.model_dump(), "members": body.with_members}
    moved = await (await session.connection()).execute(_MOVE, {"id": family.id, "version": version, **place})
    return FamilyMoved(
        id=family.id,
        village_code=body.village_code,
        in_scope=scope_of(session).contains(body.village_code),
        version=moved.scalar_one(),
    )


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the family is not the caller's to see."""
    await reader.one(FAMILIES, key)


async def _check_place(session: AsyncSession, village_code: str) -> None:
    if not scope_of(session).contains(village_code):
        raise invalid("/village_code", "outside_scope")
    await require_region(session, village_code, "/village_code", "village")


def _address(family: Family) -> dict[str, Any]:
    return {name: getattr(family, name) for name in Address.model_fields}


async def _found(session: AsyncSession, body: FamilyCreate | FamilySplit, family: Family, people: _MovingIn) -> None:
    """Insert a family with its members: the person, what they are to the head, and since when."""
    kin = [Kin(member.relationship, person.birth_date, day) for person, member, day in people]
    family.status, family.warnings = "active", hints(kin, await today_in(session, family.region_code or ""))
    await create_once(session, FAMILIES, body, Family, lambda: family, below=family.split_from)
    await join(session, family, [(person, member.relationship, day) for person, member, day in people])


async def _new_card(session: AsyncSession, family: Family, number: str, day: date, reason: str) -> None:
    """The family's card from this day on, on the records of the members whom the caller sees, too."""
    await add_card(session, family, number, day, reason)
    members = await current_of(session, family)
    await give_card(session, await seen_of(session, members, lock=True), number)
