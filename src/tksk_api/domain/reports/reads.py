"""How reports and their revisions are read, and which are missing."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    String,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.assignments.models import Assignment
from tksk_api.domain.assignments.reads import OWN
from tksk_api.domain.history.reads import transitions_of
from tksk_api.domain.regions.dataset import VALID_FROM
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import inside
from tksk_api.domain.reported import moved_on
from tksk_api.domain.reports.models import Report, ReportRevision
from tksk_api.domain.reports.schemas import MissingRead, ReportDetail, ReportRead, RevisionDetail, RevisionRead
from tksk_api.domain.users.models import User

TABLE = table_of(Report)
SNAPSHOTS = table_of(ReportRevision)
_REGIONS = table_of(Region)
_USERS = table_of(User)
_ASSIGNMENTS = table_of(Assignment)


def _names(ids: ColumnElement[Any]) -> ColumnElement[Any]:
    one = func.unnest(ids).table_valued("id").render_derived(name="one")
    return func.array(select(func.app.user_name(one.c.id)).scalar_subquery())


def _signed(name: str, at: str) -> ColumnElement[Any]:
    """Who took a step, with the moment; null while nobody has."""
    when = func.jsonb_build_object(literal_column("'at'"), SNAPSHOTS.c[at])
    return SNAPSHOTS.c[name].op("||", return_type=JSONB)(when)


_PLACE = {"region_name": select(_REGIONS.c.name).where(_REGIONS.c.code == TABLE.c.region_code).scalar_subquery()}
_OFFICERS = {"officer_names": _names(TABLE.c.officer_ids)}
_INCLUDED = TABLE.alias("above")

REPORTS = Resource(
    schema=ReportRead,
    table=TABLE,
    columns=_PLACE | _OFFICERS,
    filters={
        "region_code": lambda value: inside(TABLE.c.region_code, value),
        "level": lambda value: TABLE.c.level == value,
        "period_type": lambda value: TABLE.c.period_type == value,
        "period_start": lambda value: TABLE.c.period_start == value,
        "status": lambda value: TABLE.c.status == value,
        "is_late": lambda value: TABLE.c.is_late == value,
        "officer_id": lambda value: TABLE.c.officer_ids.contains(
            func.array_append(literal_column("'{}'::uuid[]"), value)
        ),
    },
    sorts={"-created_at": NEWEST_FIRST, "-period_start": Sort(("period_start",))},
)
# What came in, was corrected or withdrawn since a report was handed in; of a recap, what was accepted below it since.
# The table by its whole name, for the report just made goes by that name too.
_OUTDATED = literal_column(
    f"""(reports.status IN ('submitted', 'accepted') AND CASE
        WHEN reports.level = 'district' THEN {moved_on("reports")}
        ELSE EXISTS (
            SELECT 1
              FROM jsonb_to_recordset(reports.content #> '{{children,rows}}') c (region_code text, revision integer)
              JOIN public.reports b ON b.region_code = c.region_code AND b.period_type = reports.period_type
                                   AND b.period_start = reports.period_start
             WHERE b.accepted_revision IS DISTINCT FROM c.revision)
        END)""",
    Boolean(),
)
# Whom the words of a report are about: those linked to the work whose obstacle or follow-up it tells.
_SAID = "CAST(r.content AS jsonb)"
_NAMED = literal_column(
    f"""ARRAY(SELECT DISTINCT p.id
          FROM jsonb_array_elements(({_SAID} -> 'obstacles') || ({_SAID} #> '{{follow_ups,items}}')) AS t (entry)
          JOIN activities a ON a.id = CAST(t.entry ->> 'activity_id' AS uuid)
         CROSS JOIN unnest(a.beneficiary_ids) AS p (id))""",
    ARRAY(Uuid),
)
_NOTHING_WITHHELD = {"withheld": literal_column("'[]'::json", JSON())}
REPORT = Resource(
    schema=ReportDetail,
    table=TABLE,
    columns=_PLACE | _OFFICERS | _NOTHING_WITHHELD | {"outdated": _OUTDATED},
    named=_NAMED,
)
TRANSITIONS = transitions_of(TABLE)

_REVISION = {
    "sha256": func.encode(SNAPSHOTS.c.sha256, literal_column("'hex'")),
    "submitted": _signed("submitted", "submitted_at"),
    "acknowledged": _signed("acknowledged", "acknowledged_at"),
    "decided": _signed("decided", "decided_at"),
}
REVISIONS = Resource(
    schema=RevisionRead,
    table=SNAPSHOTS,
    columns=_REVISION,
    filters={"report_id": lambda value: SNAPSHOTS.c.report_id == value},
    sorts={"number": Sort(("number",), descending=False)},
)
# By its number, below the report that is bound as `report`.
REVISION = Resource(
    schema=RevisionDetail,
    table=SNAPSHOTS,
    columns={**_REVISION, **_NOTHING_WITHHELD, "content": cast(SNAPSHOTS.c.content, JSON)},
    where=(SNAPSHOTS.c.report_id == bindparam("report", type_=Uuid()),),
    named=_NAMED,
    key="number",
)

# ---- what is missing: regions, which are public and carry no scope, so the caller's own is asked for here ------------

_PARENTS = _REGIONS.alias("parents")
_TYPE = cast(bindparam("filter_period_type", type_=String()), Text)
_START = cast(bindparam("filter_period_start", type_=Date()), Date)
_LAST = cast(bindparam("filter_period_end", type_=Date()), Date)
# A report that was begun keeps the day it was due then.
_DUE = func.coalesce(TABLE.c.due_on, func.app.report_due_on(_REGIONS.c.code, _TYPE, _LAST, type_=Date()))
_WORKS_HERE = and_(
    _ASSIGNMENTS.c.region_code == _REGIONS.c.code,
    _ASSIGNMENTS.c.kind.in_([literal_column("'holder'"), literal_column("'acting'")]),
    _ASSIGNMENTS.c.during.bool_op("&&")(func.daterange(_START, _LAST, literal_column("'[]'"))),
)
_LIVES_HERE = and_(
    _USERS.c.role == literal_column("'tksk'"),
    _USERS.c.region_code == _REGIONS.c.code,
    ~_USERS.c.has_assignments,
    _USERS.c.disabled_at.is_(None),
)
_IS_VACANT = and_(
    _REGIONS.c.level == literal_column("'district'"),
    ~exists().where(_WORKS_HERE),
    ~exists().where(_LIVES_HERE),
)
_WHO = (
    select(func.app.user_name(_ASSIGNMENTS.c.user_id).label("name"))
    .where(_WORKS_HERE)
    .union(select(_USERS.c.full_name).where(_LIVES_HERE))
    .order_by(literal_column("1"))
    .scalar_subquery()
)

MISSING = Resource(
    schema=MissingRead,
    table=_REGIONS,
    scoped=False,
    source=_REGIONS.outerjoin(_PARENTS, _PARENTS.c.code == _REGIONS.c.parent_code).outerjoin(
        TABLE,
        and_(TABLE.c.region_code == _REGIONS.c.code, TABLE.c.period_type == _TYPE, TABLE.c.period_start == _START),
    ),
    columns={
        "region_code": _REGIONS.c.code,
        "region_name": _REGIONS.c.name,
        "parent_name": _PARENTS.c.name,
        "state": case(
            (TABLE.c.status.is_not(None), TABLE.c.status),
            (_IS_VACANT, literal_column("'vacant'")),
            else_=literal_column("'missing'"),
        ),
        "report_id": TABLE.c.id,
        "due_on": _DUE,
        "is_late": cast(func.timezone(_REGIONS.c.timezone, func.now()), Date) > _DUE,
        "officers": func.array(_WHO),
    },
    where=(
        or_(_REGIONS.c.valid_until.is_(None), _REGIONS.c.valid_until > _START),
        _REGIONS.c.valid_from <= func.greatest(_LAST, literal_column(f"date '{VALID_FROM}'")),
        OWN,
        or_(TABLE.c.id.is_(None), TABLE.c.status.in_([literal_column("'draft'"), literal_column("'returned'")])),
        # A correction under way does not make the accepted one missing.
        TABLE.c.accepted_revision.is_(None),
    ),
    filters={
        "region_code": lambda value: inside(_REGIONS.c.code, value),
        "level": lambda value: _REGIONS.c.level == value,
        "period_type": lambda _: true(),
        "period_start": lambda _: true(),
        "period_end": lambda _: true(),
    },
    sorts={"region_code": Sort((), descending=False)},
    key="region_code",
)
