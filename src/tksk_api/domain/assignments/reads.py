"""How assignments are read, and which districts nobody holds."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, Text, and_, case, cast, exists, func, literal_column, select
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

_HERE = func.timezone(_REGIONS.c.timezone, func.now())
_REGENCIES = _REGIONS.alias("regencies")
_HELD = exists().where(
    TABLE.c.region_code == _REGIONS.c.code, TABLE.c.kind == literal_column("'holder'"), _during(_HERE)
)
_LAST_HELD = (
    select(func.max(func.upper(TABLE.c.during, type_=Date)))
    .where(
        TABLE.c.region_code == _REGIONS.c.code,
        TABLE.c.kind == literal_column("'holder'"),
        func.upper(TABLE.c.during, type_=Date) <= cast(_HERE, Date),
    )
    .scalar_subquery()
)
_ACTING = (
    select(
        func.coalesce(
            func.json_agg(
                func.json_build_object(
                    literal_column("'user_id'"),
                    TABLE.c.user_id,
                    literal_column("'user_name'"),
                    func.app.user_name(TABLE.c.user_id),
                    literal_column("'until'"),
                    TABLE.c.ends_on,
                )
            ),
            literal_column("'[]'::json"),
        )
    )
    .where(TABLE.c.region_code == _REGIONS.c.code, TABLE.c.kind == literal_column("'acting'"), _during(_HERE))
    .scalar_subquery()
)
# As the row policies say it (migrations/ops.py): `app.enter` has set it before the first region is looked at.
_OWN = func.coalesce(
    literal_column(
        "ARRAY['ID', left(regions.code, 2), left(regions.code, 5), regions.code]", type_=ARRAY(Text)
    ).bool_op("&&")(
        literal_column(
            "(SELECT string_to_array(nullif(current_setting('app.regions', true), ''), ','))", type_=ARRAY(Text)
        )
    ),
    literal_column("false"),
    type_=Boolean,
)

VACANCIES = Resource(
    schema=VacancyRead,
    table=_REGIONS,
    scoped=False,
    source=_REGIONS.join(_REGENCIES, _REGENCIES.c.code == _REGIONS.c.parent_code),
    columns={
        "region_code": _REGIONS.c.code,
        "region_name": _REGIONS.c.name,
        "regency_name": _REGENCIES.c.name,
        "vacant_since": _LAST_HELD,
        "acting": _ACTING,
    },
    where=(and_(_REGIONS.c.level == literal_column("'district'"), _REGIONS.c.valid_until.is_(None)), _OWN, ~_HELD),
    filters={"region_code": lambda value: inside(_REGIONS.c.code, value)},
    sorts={"region_code": Sort((), descending=False)},
    key="region_code",
)
