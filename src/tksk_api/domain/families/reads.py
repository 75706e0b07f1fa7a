"""How families are read, with their members in the same statement; a member elsewhere is a place left open."""

from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, cast, func, literal_column, or_, select, union_all
from sqlalchemy.dialects.postgresql import UUID as Uuid
from sqlalchemy.dialects.postgresql import aggregate_order_by

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.reads import masked
from tksk_api.domain.families.models import Family, FamilyCard, FamilyMember
from tksk_api.domain.families.people import MEMBER, PERSON, current, known
from tksk_api.domain.families.schemas import FamilyChangeRead, FamilyRead
from tksk_api.domain.history.models import Change
from tksk_api.domain.references.lists import codes

TABLE = table_of(Family)
_CARDS = table_of(FamilyCard)
_MEMBERS = table_of(FamilyMember)


def _object(**members: Any) -> ColumnElement[Any]:
    pairs: list[Any] = [[literal_column(f"'{name}'"), value] for name, value in members.items()]
    return func.json_build_object(*chain.from_iterable(pairs))


def _members() -> ColumnElement[Any]:
    """The head first, then in the order they joined: by nothing that would tell of a person who is not shown."""
    entry = _object(
        member_id=MEMBER.c.id,
        beneficiary_id=PERSON.c.id,
        full_name=PERSON.c.full_name,
        birth_date=PERSON.c.birth_date,
        sex=PERSON.c.sex,
        nik_masked=masked(PERSON.c.nik_last4),
        relationship=MEMBER.c.relationship,
        joined_on=MEMBER.c.joined_on,
        outside_scope=PERSON.c.id.is_(None),
    )
    head_last = MEMBER.c.relationship == literal_column("'head_of_family'")
    ordered = aggregate_order_by(entry, head_last.desc(), MEMBER.c.joined_on, MEMBER.c.id)
    return (
        select(func.coalesce(func.json_agg(ordered), literal_column("'[]'::json")))
        .select_from(MEMBER.outerjoin(PERSON, known()))
        .where(current(TABLE.c.id))
        .scalar_subquery()
    )


def known_members(family: ColumnElement[Any]) -> ColumnElement[Any]:
    """Ids of a family's present members whom the caller may see: reading about the family is reading about them."""
    ids = func.coalesce(func.array_agg(PERSON.c.id), literal_column("'{}'::uuid[]"))
    return select(ids).select_from(MEMBER.join(PERSON, known())).where(current(family)).scalar_subquery()


def _with_member(person: ColumnElement[Any]) -> ColumnElement[bool]:
    """Families the person belongs to now; of a person the caller may not see they tell nothing."""
    theirs = select(MEMBER.c.family_id).select_from(MEMBER.join(PERSON, known()))
    return TABLE.c.id.in_(theirs.where(MEMBER.c.beneficiary_id == person, MEMBER.c.left_on.is_(None)))


FAMILIES = Resource(
    schema=FamilyRead,
    table=TABLE,
    columns={
        "family_card_masked": select(masked(_CARDS.c.number_last4))
        .where(_CARDS.c.family_id == TABLE.c.id, _CARDS.c.valid_until.is_(None))
        .scalar_subquery(),
        "village_code": TABLE.c.region_code,
        "address": _object(street=TABLE.c.street, rt=TABLE.c.rt, rw=TABLE.c.rw),
        "members": _members(),
        "beneficiary_ids": known_members(TABLE.c.id),
    },
    subjects="beneficiary_ids",
    filters={
        "village_code": lambda value: TABLE.c.region_code == value,
        "status": lambda value: TABLE.c.status == value,
        "beneficiary_id": _with_member,
        # A former card finds the family, too: that is what a person brings along.
        "card_index": lambda value: TABLE.c.id.in_(select(_CARDS.c.family_id).where(_CARDS.c.number_index == value)),
    },
)

# ---- history: of the family, its members and its cards, each change with its reason ------------------------------

_CHANGES = table_of(Change)
_CARD = _CARDS.alias("card")
_CODES: list[Any] = [literal_column(f"'{code}'") for code in sorted(codes("family_change_reasons"))]


def _about(entity: FromClause, name: str) -> ColumnElement[bool]:
    return and_(_CHANGES.c.entity == literal_column(f"'{name}'"), _CHANGES.c.entity_id == entity.c.id)


def _history() -> FromClause:
    whole = and_(_CHANGES.c.entity == literal_column("'families'"), _CHANGES.c.entity_id == TABLE.c.id)
    return (
        _CHANGES.outerjoin(MEMBER, _about(MEMBER, "family_members"))
        .outerjoin(_CARD, _about(_CARD, "family_cards"))
        .join(TABLE, or_(whole, TABLE.c.id == MEMBER.c.family_id, TABLE.c.id == _CARD.c.family_id))
        .outerjoin(PERSON, known())
    )


def _of_family(family: ColumnElement[Any]) -> ColumnElement[bool]:
    records = union_all(
        select(cast(family, Uuid)),
        select(_MEMBERS.c.id).where(_MEMBERS.c.family_id == family),
        select(_CARDS.c.id).where(_CARDS.c.family_id == family),
    )
    return and_(TABLE.c.id == family, _CHANGES.c.entity_id.in_(records))


HISTORY = Resource(
    schema=FamilyChangeRead,
    table=_CHANGES,
    scope_table=TABLE,
    source=_history(),
    columns={
        # Whom a member row named before is not for everybody who sees the family.
        "fields": _CHANGES.c.fields.op("-")(literal_column("'beneficiary_id'::text")),
        # Words are about a person: only for those who see them. A code tells of nobody.
        "reason": case((or_(PERSON.c.id.is_not(None), _CHANGES.c.reason.in_(_CODES)), _CHANGES.c.reason)),
        "member_id": MEMBER.c.id,
        "beneficiary_id": PERSON.c.id,
        "relationship": MEMBER.c.relationship,
        "card_masked": masked(_CARD.c.number_last4),
        "actor_name": func.app.user_name(_CHANGES.c.actor_id),
    },
    subject="beneficiary_id",
    filters={"family_id": _of_family},
    sorts={"-id": Sort(())},
)
