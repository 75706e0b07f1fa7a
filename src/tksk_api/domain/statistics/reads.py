"""Where evidence disagrees: families, in the order of their list index, so that a page stops when it is full."""

from sqlalchemy import ColumnElement, Text, and_, case, cast, literal_column, or_, select, true

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.decile_snapshots.reads import newest_finding, newest_snapshot
from tksk_api.domain.families.models import Family
from tksk_api.domain.families.people import MEMBER, PERSON, current, known
from tksk_api.domain.families.reads import known_members
from tksk_api.domain.regions.service import inside
from tksk_api.domain.statistics.rules import EXCLUSION, HIGHEST_ELIGIBLE_DECILE, INCLUSION
from tksk_api.domain.statistics.schemas import DisagreementRead

TABLE = table_of(Family)
_OFFICIAL = newest_snapshot(TABLE).limit(1).lateral("official")
_FOUND = newest_finding(TABLE).limit(1).lateral("found")
_HIGHEST: ColumnElement[int] = literal_column(str(HIGHEST_ELIGIBLE_DECILE))

_LEFT_OUT = and_(
    _FOUND.c.finding == literal_column("'eligible'"),
    or_(_OFFICIAL.c.decile.is_(None), _OFFICIAL.c.decile > _HIGHEST),
)
_LET_IN = and_(_FOUND.c.finding == literal_column("'not_eligible'"), _OFFICIAL.c.decile <= _HIGHEST)
_KIND: ColumnElement[str] = case(
    (_LEFT_OUT, literal_column(f"'{EXCLUSION}'", Text)), else_=literal_column(f"'{INCLUSION}'", Text)
)

DISAGREEMENTS = Resource(
    schema=DisagreementRead,
    table=TABLE,
    source=TABLE.join(_OFFICIAL, true()).join(_FOUND, true()),
    columns={
        "village_code": TABLE.c.region_code,
        "kind": _KIND,
        "decile": _OFFICIAL.c.decile,
        "decile_source": _OFFICIAL.c.source,
        "dated_on": _OFFICIAL.c.dated_on,
        "finding": _FOUND.c.finding,
        "visited_on": _FOUND.c.visited_on,
        "visit_id": _FOUND.c.visit_id,
        "head_name": select(PERSON.c.full_name)
        .select_from(MEMBER.join(PERSON, known()))
        .where(current(TABLE.c.id), MEMBER.c.relationship == literal_column("'head_of_family'"))
        .scalar_subquery(),
        "beneficiary_ids": known_members(TABLE.c.id),
        "registered_at": TABLE.c.created_at,
    },
    where=(or_(_LEFT_OUT, _LET_IN),),
    subjects="beneficiary_ids",
    filters={
        "region": lambda value: inside(TABLE.c.region_code, value),
        "from_": lambda value: _FOUND.c.visited_on >= value,
        "to": lambda value: _FOUND.c.visited_on <= value,
        "kind": lambda value: cast(value, Text) == _KIND,
    },
    sorts={"-registered_at": Sort(("registered_at",))},
)
