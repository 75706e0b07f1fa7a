"""How deciles are read: as they were delivered, and for one family beside what officers found."""

from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Date, Table, and_, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.decile_snapshots.models import DecileSnapshot
from tksk_api.domain.decile_snapshots.schemas import DecileSnapshotRead, FamilyDecileRead
from tksk_api.domain.families.models import Family
from tksk_api.domain.families.people import MEMBER, PERSON, current, in_area, known
from tksk_api.domain.families.reads import known_members
from tksk_api.domain.visits.models import Visit

TABLE = table_of(DecileSnapshot)
_FAMILIES = table_of(Family)
_SNAPSHOT = TABLE.alias("snapshot")
_VISIT = table_of(Visit).alias("visit")

DECILE_SNAPSHOTS = Resource(
    schema=DecileSnapshotRead,
    table=TABLE,
    columns={"beneficiary_ids": known_members(TABLE.c.family_id)},
    subjects="beneficiary_ids",
    filters={
        "family_id": lambda value: TABLE.c.family_id == value,
        "village_code": lambda value: TABLE.c.region_code == value,
        "batch": lambda value: TABLE.c.batch == value,
    },
)


def newest_snapshot(families: Table) -> Any:
    """Official evidence about the family of the row around it, the newest first."""
    return (
        select(_SNAPSHOT)
        .where(_SNAPSHOT.c.family_id == families.c.id, in_area(_SNAPSHOT))
        .correlate(families)
        .order_by(_SNAPSHOT.c.dated_on.desc(), _SNAPSHOT.c.created_at.desc(), _SNAPSHOT.c.id.desc())
    )


def newest_finding(families: Table) -> Any:
    """What officers found at the family's present members whom the caller sees, the newest visit first.

    The columns are visit_id, beneficiary_id, finding, visited_on.
    """
    return (
        select(
            _VISIT.c.id.label("visit_id"),
            PERSON.c.id.label("beneficiary_id"),
            _VISIT.c.finding,
            _VISIT.c.visited_on,
        )
        .select_from(
            MEMBER.join(PERSON, known()).join(
                _VISIT, and_(_VISIT.c.beneficiary_id == PERSON.c.id, _VISIT.c.finding.is_not(None), in_area(_VISIT))
            )
        )
        .where(current(families.c.id))
        .correlate(families)
        .order_by(_VISIT.c.visited_on.desc(), _VISIT.c.completed_at.desc(), _VISIT.c.id.desc())
    )


# ---- both sides of one family on one day -----------------------------------------------------------------------------

_ON = bindparam("on", type_=Date)


def _official() -> ColumnElement[Any]:
    newest = newest_snapshot(_FAMILIES).where(_SNAPSHOT.c.dated_on <= _ON).limit(1).subquery("newest")
    given = [[literal_column(f"'{name}'"), newest.c[name]] for name in ("decile", "source", "batch", "dated_on")]
    shown = func.json_build_object(literal_column("'snapshot_id'"), newest.c.id, *chain.from_iterable(given))
    return select(shown).select_from(newest).scalar_subquery()


def _findings() -> ColumnElement[Any]:
    visits = newest_finding(_FAMILIES).where(_VISIT.c.visited_on <= _ON)
    of_each = visits.order_by(None).order_by(
        PERSON.c.id, _VISIT.c.visited_on.desc(), _VISIT.c.completed_at.desc(), _VISIT.c.id.desc()
    )
    newest = of_each.ext(distinct_on(PERSON.c.id)).subquery("newest_visit")
    listed = func.json_agg(literal_column("newest_visit ORDER BY newest_visit.visited_on DESC, newest_visit.visit_id"))
    return select(func.coalesce(listed, literal_column("'[]'::json"))).select_from(newest).scalar_subquery()


FAMILY_DECILE = Resource(
    schema=FamilyDecileRead,
    table=_FAMILIES,
    columns={
        "on": _ON,
        "official": _official(),
        "findings": _findings(),
        "beneficiary_ids": known_members(_FAMILIES.c.id),
    },
    subjects="beneficiary_ids",
    sorts={"id": Sort((), descending=False)},
)
