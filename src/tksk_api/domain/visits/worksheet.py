"""What a worksheet shows: the visit, the person as far as a paper needs, their family, and what was seen last time.

A paper gets lost: it bears no full identity number, no phone and no PPKS category.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.rules import age_on
from tksk_api.domain.beneficiaries.service import are_restricted
from tksk_api.domain.families.people import MEMBER, PERSON, in_area, known
from tksk_api.domain.history.access import record_access
from tksk_api.domain.records import load
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import chain, local_now, office_name
from tksk_api.domain.visit_forms.forms import FORMS, Form
from tksk_api.domain.visits.models import Visit
from tksk_api.errors import DomainError, not_found

PURPOSE = "service"
MOST_A_DAY = 40
# With the officer's name, which stands on the paper also for a village that does not see the district's users.
_Chosen = Select[Any]
_VISITS: _Chosen = select(Visit, func.app.user_name(Visit.officer_id))


@dataclass(frozen=True)
class Member:
    """Somebody of the family; without a name who lives outside the reader's area."""

    full_name: str | None
    relationship: str
    birth_date: date | None


@dataclass(frozen=True)
class LastVisit:
    """The visit whose finding holds now."""

    visited_on: date
    finding: str
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Worksheet:
    """One visit on paper; offices from the district upwards, the address from the street to the village."""

    visit_id: UUID
    visited_on: date
    officer: str
    notes: str | None
    offices: tuple[str, ...]
    full_name: str
    nik_last4: str | None
    nik_status: str
    birth_place: str | None
    birth_date: date
    age: int
    sex: str
    address: str
    lanes: str
    village: str
    is_deceased: bool
    members: tuple[Member, ...]
    last: LastVisit | None
    form: Form
    printed_at: datetime


async def of_visit(session: AsyncSession, key: UUID) -> Worksheet:
    """The sheet of one visit; making it is recorded as reading everybody it names.

    Raises not_found, also when the person has left the caller's area, and processing_restricted.
    """
    made = await _made(session, _VISITS.where(Visit.id == key), object_id=key)  # type: ignore[arg-type]
    if not made:
        row = await load(session, Visit, key)
        raise (
            DomainError("processing_restricted") if await are_restricted(session, [row.beneficiary_id]) else not_found()
        )
    return made[0]


async def of_day(session: AsyncSession, day: date) -> list[Worksheet]:
    """The sheets of the visits the caller planned for a day, in the order of the way: by village, lane and street.

    Left out is who may not be visited: whoever moved away or had the processing restricted. Raises not_found when
    nothing is left.
    """
    query = (
        _VISITS.where(
            Visit.officer_id == principal_of(session).user_id,  # type: ignore[arg-type]
            Visit.visited_on == day,  # type: ignore[arg-type]
            Visit.status == "planned",  # type: ignore[arg-type]
        )
        .order_by(Visit.id)  # type: ignore[arg-type]
        .limit(MOST_A_DAY)
    )
    made = await _made(session, query)
    if not made:
        raise not_found()
    return sorted(made, key=lambda sheet: (sheet.village, sheet.lanes, sheet.address))


async def _made(session: AsyncSession, chosen: Select[Visit, str], object_id: UUID | None = None) -> list[Worksheet]:
    """One query for each kind of thing, however many visits there are."""
    visits = [(row[0], str(row[1])) for row in (await session.execute(chosen)).all()]
    people = await _people(session, {visit.beneficiary_id for visit, _ in visits})
    members, named = await _members(session, people)
    last = await _last(session, people, {visit.id for visit, _ in visits})
    shown = [(visit, officer) for visit, officer in visits if visit.beneficiary_id in people]
    if shown:
        await record_access(session, [*people, *(named - people.keys())], purpose=PURPOSE, object_id=object_id)
    sheets = []
    for visit, officer in shown:
        person = people[visit.beneficiary_id]
        regions = await chain(session, person.region_code or "")
        facts = {"officer": officer, "members": members.get(person.id, ()), "last": last.get(person.id)}
        sheets.append(_sheet(visit, person, regions, facts))
    return sheets


def _sheet(visit: Visit, person: Beneficiary, regions: Mapping[str, Region], facts: Mapping[str, Any]) -> Worksheet:
    lanes = [f"{name} {value}" for name, value in (("RT", person.rt), ("RW", person.rw)) if value]
    return Worksheet(
        visit_id=visit.id,
        visited_on=visit.visited_on,
        notes=visit.notes,
        offices=tuple(office_name(regions[level]) for level in ("district", "regency") if level in regions),
        full_name=person.full_name,
        nik_last4=person.nik_last4,
        nik_status=person.nik_status,
        birth_place=person.birth_place,
        birth_date=person.birth_date,
        age=age_on(person.birth_date, visit.visited_on),
        sex=person.sex,
        address=person.street,
        lanes=" / ".join(lanes),
        village=office_name(regions["village"]) if "village" in regions else person.region_code or "",
        is_deceased=person.deceased_on is not None,
        form=FORMS[visit.form_version],
        printed_at=local_now(next(iter(regions.values())).timezone),
        **facts,
    )


async def _people(session: AsyncSession, keys: Collection[UUID]) -> dict[UUID, Beneficiary]:
    query = select(Beneficiary).where(
        Beneficiary.id.in_(keys),  # type: ignore[attr-defined]
        Beneficiary.deleted_at.is_(None),  # type: ignore[union-attr]
        Beneficiary.restricted_at.is_(None),  # type: ignore[union-attr]
    )
    return {person.id: person for person in (await session.execute(query)).scalars()}


async def _members(
    session: AsyncSession, people: Mapping[UUID, Beneficiary]
) -> tuple[dict[UUID, tuple[Member, ...]], set[UUID]]:
    """The other members of each one's present family, and which of them are named."""
    own = MEMBER.alias("own")
    same = and_(MEMBER.c.family_id == own.c.family_id, MEMBER.c.beneficiary_id != own.c.beneficiary_id)
    query = (
        select(
            own.c.beneficiary_id.label("of"),
            MEMBER.c.relationship,
            PERSON.c.id,
            PERSON.c.full_name,
            PERSON.c.birth_date,
        )
        .select_from(own.join(MEMBER, same).outerjoin(PERSON, known()))
        .where(own.c.beneficiary_id.in_(people), own.c.left_on.is_(None), MEMBER.c.left_on.is_(None), in_area(own))
        .order_by(PERSON.c.birth_date.asc().nulls_last(), MEMBER.c.id)
    )
    found: dict[UUID, tuple[Member, ...]] = {}
    named = set()
    for row in (await (await session.connection()).execute(query)).all():
        found[row.of] = (*found.get(row.of, ()), Member(row.full_name, row.relationship, row.birth_date))
        if row.id is not None:
            named.add(row.id)
    return found, named


async def _last(session: AsyncSession, people: Collection[UUID], besides: Collection[UUID]) -> dict[UUID, LastVisit]:
    query = select(Visit).where(
        Visit.beneficiary_id.in_(people),  # type: ignore[attr-defined]
        Visit.finding.is_not(None),  # type: ignore[union-attr]
        Visit.superseded_by.is_(None),  # type: ignore[union-attr]
        Visit.id.not_in(besides),  # type: ignore[attr-defined]
    )
    return {
        row.beneficiary_id: LastVisit(row.visited_on, row.finding or "", tuple(row.reasons), row.evidence)
        for row in (await session.execute(query)).scalars()
    }
