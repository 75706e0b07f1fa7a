"""Work that other records show was done, suggested to the officer who did it, in the transaction of that step.

A suggestion is a draft that counts for nothing until its officer takes it up. There is one for each step of a record
and officer for all time: what was dismissed never comes back, and what the officer linked by hand is never suggested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.session import principal_of
from tksk_api.database.tables import Table, new_id, table_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.history.models import Transition
from tksk_api.domain.references.lists import LISTS, Item
from tksk_api.domain.regions.service import find_region, today_in
from tksk_api.security.permissions import Role

LINKS = ("visit_ids", "sktm_application_ids", "referral_ids")
_VISIT, _LETTER = "home_visit", "sktm_verification"
# What an officer does to a referral: they send it, and they write down what an agency answered on paper.
_REFERRAL_STEPS: Mapping[str, str] = {
    "submit": "facilitation",
    "supply-documents": "facilitation",
    "approve": "administration",
    "reject": "administration",
    "waitlist": "administration",
}

_DRAFT = "draft"


def _activities() -> sa.Table:
    """By name: the work log links to the records that suggest work, so these cannot import it."""
    return Table.metadata.tables["activities"]


@dataclass(frozen=True)
class _Work:
    """Who did what on which day, the step of a record that shows it, and the column that links to the record."""

    origin: tuple[str, UUID, str]
    link: str
    linked: UUID
    officer_id: UUID
    day: date
    kind: str
    pillar: str | None = None
    function: str | None = None


async def from_visit(session: AsyncSession, visit: Any) -> None:
    """A visit that was completed."""
    origin = ("visit", visit.id, "complete")
    await _suggest(session, visit, _Work(origin, "visit_ids", visit.id, visit.officer_id, visit.visited_on, _VISIT))


async def from_letter(session: AsyncSession, application: Any) -> None:
    """A letter that is being issued, to the officer who verified what it says, on the day they did."""
    if application.verified_by is None:
        return
    steps = table_of(Transition).c
    verified = select(steps.at).where(steps.entity_id == application.id, steps.action == "verify")
    at = (await (await session.connection()).execute(verified.order_by(steps.at.desc()).limit(1))).scalar_one()
    day = await _day_at(session, application.region_code, at)
    origin = ("sktm_letter", application.id, "issue")
    await _suggest(
        session,
        application,
        _Work(origin, "sktm_application_ids", application.id, application.verified_by, day, _LETTER),
    )


async def from_referral(session: AsyncSession, referral: Any, step: str) -> None:
    """A step of a referral that an officer took."""
    principal = principal_of(session)
    if step not in _REFERRAL_STEPS or principal.role != Role.TKSK:
        return
    program = _item("programs", referral.program).attributes
    day = await today_in(session, referral.region_code or "")
    work = _Work(
        ("referral", referral.id, step),
        "referral_ids",
        referral.id,
        principal.user_id,
        day,
        str(program["activity_kind"]),
        str(program["pillar"]),
        _REFERRAL_STEPS[step],
    )
    await _suggest(session, referral, work)


async def withdraw(session: AsyncSession, kind: str, key: UUID) -> None:
    """What a record suggested goes when the record is taken back, unless its officer has taken it up."""
    table = _activities()
    await _dismiss(session, table.c.origin_kind == kind, table.c.origin_id == key)


async def take_up(session: AsyncSession, members: Mapping[str, Any], officer: UUID, key: UUID) -> None:
    """What is linked to an activity of an officer need not be suggested to them any more."""
    table = _activities()
    for name in LINKS:
        if linked := members.get(name):
            mine = (table.c.officer_id == officer, table.c.id != key)
            await _dismiss(session, *mine, table.c[name].overlap(list(linked)))


async def _dismiss(session: AsyncSession, *which: Any) -> None:
    table = _activities()
    waiting = (table.c.is_suggested, table.c.status == _DRAFT, table.c.deleted_at.is_(None))
    gone = update(table).where(*which, *waiting).values(deleted_at=datetime.now(UTC))
    await (await session.connection()).execute(gone)


async def _suggest(session: AsyncSession, record: Any, work: _Work) -> None:
    """A draft with what is known of the work: where, when, for whom, and what it usually is."""
    table = _activities()
    people = await _may_be_named(session, [record.beneficiary_id, *getattr(record, "dependants", ())])
    if not people or await _is_logged(session, work):
        return
    kind = _item("activity_kinds", work.kind)
    values = {
        "id": new_id(),
        "version": 1,
        "region_code": record.region_code,
        "officer_id": work.officer_id,
        "occurred_on": work.day,
        "pillar": kind.attributes.get("pillar") or work.pillar or kind.attributes["usual_pillar"],
        "function": work.function or kind.attributes["function"],
        "kind": kind.code,
        "title": kind.label_id,
        "beneficiary_ids": people,
        work.link: [work.linked],
        "status": _DRAFT,
        "is_suggested": True,
        **dict(zip(("origin_kind", "origin_id", "origin_step"), work.origin, strict=True)),
    }
    await (await session.connection()).execute(insert(table).values(values).on_conflict_do_nothing())


async def _is_logged(session: AsyncSession, work: _Work) -> bool:
    """Whether the officer has linked the record to work of that day already."""
    table = _activities()
    logged = select(table.c.id).where(
        table.c.officer_id == work.officer_id,
        table.c.occurred_on == work.day,
        table.c[work.link].contains([work.linked]),
        table.c.origin_id.is_(None),
        table.c.deleted_at.is_(None),
    )
    return (await (await session.connection()).execute(logged.limit(1))).first() is not None


async def _may_be_named(session: AsyncSession, people: Sequence[UUID]) -> list[UUID]:
    """Those in the caller's area about whom something new may be written: a step that only ends something is possible
    after the processing of a person was restricted (UU 27/2022 Pasal 41), a new record about them is not."""
    named = select(Beneficiary.id).where(  # type: ignore[call-overload]
        Beneficiary.id.in_(people),  # type: ignore[attr-defined]
        Beneficiary.deleted_at.is_(None),  # type: ignore[union-attr]
        Beneficiary.restricted_at.is_(None),  # type: ignore[union-attr]
    )
    found = set((await session.execute(named)).scalars())
    return [person for person in people if person in found]


async def _day_at(session: AsyncSession, region_code: str | None, at: datetime) -> date:
    province = await find_region(session, (region_code or "")[:2])
    assert province is not None
    return at.astimezone(ZoneInfo(province.timezone)).date()


def _item(list_code: str, code: str) -> Item:
    return next(item for item in LISTS[list_code].items if item.code == code)
