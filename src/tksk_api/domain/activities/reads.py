"""How the work log is read."""

from typing import Any

from sqlalchemy import ColumnElement, Date, and_, case, cast, exists, func, literal_column, select

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.schemas import ActivityRead
from tksk_api.domain.history.reads import transitions_of
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.regions.service import inside

TABLE = table_of(Activity)
COUNTED = reported.counted(TABLE)
_OTHER = TABLE.alias("logged")
_DUE = cast(TABLE.c.follow_up["due_on"].astext, Date)
_REFERRALS = table_of(Referral)


# What may be the same work as a suggestion, logged by hand: of the same officer, on the same day, with one of the same
# people, and as it was corrected last.
LOGGED_AS = (
    select(_OTHER.c.id)
    .where(
        TABLE.c.is_suggested,
        _OTHER.c.officer_id == TABLE.c.officer_id,
        _OTHER.c.occurred_on == TABLE.c.occurred_on,
        _OTHER.c.beneficiary_ids.overlap(TABLE.c.beneficiary_ids),
        _OTHER.c.origin_id.is_(None),
        _OTHER.c.superseded_by.is_(None),
        _OTHER.c.status != literal_column("'withdrawn'"),
        _OTHER.c.deleted_at.is_(None),
    )
    .order_by(_OTHER.c.created_at, _OTHER.c.id)
    .limit(literal_column("1"))
    .correlate(TABLE)
    .scalar_subquery()
)


def _origin() -> ColumnElement[Any]:
    """Where a suggestion comes from, whether that was taken back since, and what may be the same work."""
    cancelled = exists().where(
        _REFERRALS.c.id == TABLE.c.origin_id, _REFERRALS.c.status == literal_column("'cancelled'")
    )
    told = func.json_build_object(
        literal_column("'kind'"),
        TABLE.c.origin_kind,
        literal_column("'id'"),
        TABLE.c.origin_id,
        literal_column("'step'"),
        TABLE.c.origin_step,
        literal_column("'is_cancelled'"),
        and_(TABLE.c.origin_kind == literal_column("'referral'"), cancelled),
        literal_column("'logged_as'"),
        LOGGED_AS,
    )
    return case((TABLE.c.origin_id.is_not(None), told))


ACTIVITIES = Resource(
    schema=ActivityRead,
    table=TABLE,
    columns={
        "officer_name": func.app.user_name(TABLE.c.officer_id),
        "location": case(
            (
                TABLE.c.latitude.is_not(None),
                func.json_build_object(
                    literal_column("'lat'"), TABLE.c.latitude, literal_column("'lon'"), TABLE.c.longitude
                ),
            )
        ),
        "origin": _origin(),
        "headcount": case((TABLE.c.headcount != literal_column("'{}'::jsonb"), TABLE.c.headcount)),
    },
    where=(TABLE.c.deleted_at.is_(None),),
    subjects="beneficiary_ids",
    filters={
        "pillar": lambda value: TABLE.c.pillar == value,
        "function": lambda value: TABLE.c.function == value,
        "status": lambda value: TABLE.c.status == value,
        "kind": lambda value: TABLE.c.kind == value,
        "officer_id": lambda value: TABLE.c.officer_id == value,
        "occurred_from": lambda value: TABLE.c.occurred_on >= value,
        "occurred_until": lambda value: TABLE.c.occurred_on <= value,
        "region_code": lambda value: TABLE.c.region_code == value,
        "within": lambda value: inside(TABLE.c.region_code, value),
        "is_suggested": lambda value: TABLE.c.is_suggested == value,
        "counted": lambda value: value == COUNTED,
        "frozen_by": lambda value: TABLE.c.frozen_by == value,
        "report": reported.work(TABLE),
        "counted_as": reported.rows_under(TABLE),
        "left_out_of": reported.left_out(TABLE),
        "partner_type": reported.partner_type(TABLE),
        "has_result": lambda value: value == TABLE.c.result.is_not(None),
        "follow_up": reported.follow_up(TABLE),
        "follow_up_due_from": lambda value: value <= _DUE,
        "follow_up_due_until": lambda value: value >= _DUE,
    },
    sorts={"-created_at": NEWEST_FIRST, "-occurred_on": Sort(("occurred_on",))},
)

TRANSITIONS = transitions_of(TABLE)
