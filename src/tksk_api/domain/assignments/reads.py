"""How assignments are read, and which districts nobody holds."""

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    Text,
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
from sqlalchemy.dialects.postgresql import ARRAY

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.assignments.models import Assignment
from tksk_api.domain.assignments.schemas import AssignmentRead, VacancyRead
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import inside

TABLE = table_of(Assignment)
_REGIONS = table_of(Region)


def _during(day: Any) -> ColumnElement[bool]:
    return TABLE.c.during.bool_op("@>")(cast(day, Date))


_TODAY = func.app.local_today(TABLE.c.region_code)

ASSIGNMENTS = Resource(
    schema=AssignmentRead,
    table=TABLE,
    columns={
        "user_name": func.app.user_name(TABLE.c.user_id),
        "region_name": select(_REGIONS.c.name).where(_REGIONS.c.code == TABLE.c.region_code).scalar_subquery(),
        "status": case(
            (TABLE.c.ended_at.is_not(None), literal_column("'ended'")),
            (TABLE.c.starts_on > _TODAY, literal_column("'planned'")),
            (_during(_TODAY), literal_column("'active'")),
            else_=literal_column("'ended'"),
        ),
    },
    filters={
        "region_code": lambda value: inside(TABLE.c.region_code, value),
        "user_id": lambda value: TABLE.c.user_id == value,
        "kind": lambda value: TABLE.c.kind == value,
        "active_on": _during,
    },
    sorts={"-created_at": NEWEST_FIRST, "-starts_on": Sort(("starts_on",))},
)

# ---- vacancies: a list of regions, which are public and carry no scope, so the caller's own is asked for here --------

_REGENCIES = _REGIONS.alias("regencies")
_IS_HOLDER = and_(TABLE.c.region_code == _REGIONS.c.code, TABLE.c.kind == literal_column("'holder'"))
_UPPER = func.upper(TABLE.c.during, type_=Date)


def _one(*pairs: Any) -> Any:
    """A JSON object of an assignment's user and more."""
    return func.json_build_object(
        literal_column("'user_id'"),
        TABLE.c.user_id,
        literal_column("'user_name'"),
        func.app.user_name(TABLE.c.user_id),
        *pairs,
    )


# As the row policies say it (migrations/ops.py): `app.enter` has set it before the first region is looked at.
OWN = func.coalesce(
    literal_column(
        "ARRAY['ID', left(regions.code, 2), left(regions.code, 5), left(regions.code, 8), regions.code]",
        type_=ARRAY(Text),
    ).bool_op("&&")(
        literal_column(
            "(SELECT string_to_array(nullif(current_setting('app.regions', true), ''), ','))", type_=ARRAY(Text)
        )
    ),
    literal_column("false"),
    type_=Boolean,
)


def _vacancies(day: Any, *where: Any) -> Resource:
    """Districts that nobody holds on a day of their own calendar."""
    held_before = (_IS_HOLDER, cast(day, Date) >= _UPPER)
    last: tuple[Any, ...] = (
        literal_column("'until'"),
        TABLE.c.ends_on,
        literal_column("'end_reason'"),
        TABLE.c.end_reason,
    )
    acting = func.json_agg(_one(literal_column("'until'"), TABLE.c.ends_on))
    return Resource(
        schema=VacancyRead,
        table=_REGIONS,
        scoped=False,
        source=_REGIONS.join(_REGENCIES, _REGENCIES.c.code == _REGIONS.c.parent_code),
        columns={
            "region_code": _REGIONS.c.code,
            "region_name": _REGIONS.c.name,
            "regency_name": _REGENCIES.c.name,
            "vacant_since": select(func.max(_UPPER)).where(*held_before).scalar_subquery(),
            "last_holder": select(_one(*last)).where(*held_before).order_by(_UPPER.desc()).limit(1).scalar_subquery(),
            "acting": select(func.coalesce(acting, literal_column("'[]'::json")))
            .where(TABLE.c.region_code == _REGIONS.c.code, TABLE.c.kind == literal_column("'acting'"), _during(day))
            .scalar_subquery(),
        },
        where=(
            _REGIONS.c.level == literal_column("'district'"),
            OWN,
            ~exists().where(_IS_HOLDER, _during(day)),
            *where,
        ),
        filters={"region_code": lambda value: inside(_REGIONS.c.code, value), "on": lambda _: true()},
        sorts={"region_code": Sort((), descending=False)},
        key="region_code",
    )


VACANCIES = _vacancies(func.timezone(_REGIONS.c.timezone, func.now()), _REGIONS.c.valid_until.is_(None))
_DAY = cast(bindparam("filter_on", type_=Date()), Date)
VACANCIES_ON = _vacancies(_DAY, or_(_REGIONS.c.valid_until.is_(None), _REGIONS.c.valid_until > _DAY))
