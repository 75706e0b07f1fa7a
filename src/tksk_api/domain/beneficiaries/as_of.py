"""The register at a date: people as they were then, put together again from the history of their changes.

Who may read is decided by where a person is registered today, as for their present data and their history: an office
that let go of somebody no longer sees their past, the office that has them now sees all of it. What is not kept in the
history, identity numbers, is null and named in `not_kept` once it has changed since.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.sql.visitors import replacement_traverse

from tksk_api.database.reads import NEWEST_FIRST, Gathered, Resource
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES, SENSITIVE_SHOWN, TABLE
from tksk_api.domain.beneficiaries.schemas import BeneficiaryAsOf
from tksk_api.types import Moment, PastDate

_DAY_LENGTH = len("2026-11-22")
_DAY: TypeAdapter[Any] = TypeAdapter(PastDate)
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


def _past(value: str) -> str:
    """The day or the moment in one spelling. Raises bad_date, bad_datetime, in_future."""
    if len(value) <= _DAY_LENGTH:
        return str(_DAY.validate_python(value))
    moment = _MOMENT.validate_python(value)
    if moment > datetime.now(UTC):
        raise PydanticCustomError("in_future", "in the future")
    return moment.isoformat()


AsOf = Annotated[
    str,
    AfterValidator(_past),
    Field(
        max_length=40,
        description="As it was at the end of this day at the place, or at this moment (RFC 3339)",
        examples=["2026-10-31"],
    ),
]


def _then(expression: Any) -> Any:
    """An expression over the table, over the row as it was."""

    def replaced(element: Any, **_: Any) -> Any:
        is_ours = isinstance(element, Column) and element.table is TABLE
        return literal_column(f"past.{element.name}", element.type) if is_ours else None

    return replacement_traverse(expression, {}, replaced)


_NONE = literal_column("'{}'::text[]", ARRAY(Text))
_UNKNOWN = literal_column("was.unknown", ARRAY(Text()))
_STATUS_WITH_NIK: list[Any] = [literal_column("'verified'"), literal_column("'unverified'")]


def _source(moment: ColumnElement[Any]) -> FromClause:
    was = (
        func.app.as_of(TABLE.c.id, func.to_jsonb(literal_column("beneficiaries")), moment)
        .table_valued("facts")
        .lateral("was")
    )
    past = func.jsonb_populate_record(literal_column("NULL::public.beneficiaries"), literal_column("was.facts"))
    joined: FromClause = TABLE.join(was, true()).join(past.table_valued("id").lateral("past"), true())
    return joined


def _categories(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """The ordinary ones as the row had them, and the sensitive ones as their history has them, for those who may."""
    sensitive = func.app.sensitive_at(TABLE.c.id, moment, type_=ARRAY(Text()))
    codes: ColumnElement[Any] = _then(TABLE.c.ppks_categories).concat(sensitive)
    return codes


def _columns(moment: ColumnElement[Any]) -> dict[str, Any]:
    then = {label.name: _then(label.element) for label in BENEFICIARIES.projection()}
    # A status without a NIK says that there was none: nothing is missing then.
    unknown_nik = and_(
        literal_column("'nik_last4'") == func.any(_UNKNOWN), _then(TABLE.c.nik_status).in_(_STATUS_WITH_NIK)
    )
    unknown_card = literal_column("'family_card_last4'") == func.any(_UNKNOWN)
    hidden = (
        case((unknown_nik, literal_column("'nik_masked'"))),
        case((unknown_card, literal_column("'family_card_masked'"))),
    )
    not_kept = func.array_remove(
        func.array_append(func.array_append(_NONE, hidden[0]), hidden[1]), literal_column("NULL")
    )
    return {
        **then,
        "id": TABLE.c.id,
        "created_at": TABLE.c.created_at,
        "ppks_categories": _categories(moment),
        "version": func.coalesce(literal_column("was.version", Integer()), literal_column("1")),
        "updated_at": func.coalesce(literal_column("was.changed_at", DateTime(timezone=True)), TABLE.c.created_at),
        "as_of": moment,
        "not_kept": not_kept,
    }


# Registered now, or merged since: then they were a record of their own. Who was withdrawn was registered wrongly.
_WAS_THERE = or_(
    TABLE.c.deleted_at.is_(None), and_(TABLE.c.merged_into.is_not(None), _then(TABLE.c.deleted_at).is_(None))
)


def _stood_for(asked: ColumnElement[Any]) -> ColumnElement[Any]:
    """The record that stood for the asked one then: itself, when it was merged only later."""
    return select(func.app.stood_for(asked, _at_place_of(asked))).scalar_subquery()


def _at_place_of(asked: ColumnElement[Any]) -> ColumnElement[Any]:
    """The moment by the clock of where the asked record lies, which is where the one that stands lies."""
    other = TABLE.alias("asked")
    place = select(other.c.region_code).where(other.c.id == asked).scalar_subquery()
    return func.app.moment_of(bindparam("as_of", type_=Text()), place, type_=DateTime(timezone=True))


_AT = func.app.moment_of(bindparam("as_of", type_=Text()), TABLE.c.region_code, type_=DateTime(timezone=True))
PERSON_AS_OF = Resource(
    schema=BeneficiaryAsOf,
    table=TABLE,
    source=_source(_AT),
    columns=_columns(_AT),
    where=(_WAS_THERE, TABLE.c.created_at <= _AT),
    subject="id",
    discloses=SENSITIVE_SHOWN,
    follow=_stood_for,
)

# ---- who lived in a village then -------------------------------------------------------------------------------------

_VILLAGE = cast(bindparam("filter_village_code", type_=Text()), Text)
_ONCE = select(  # a query of its own, asked once and not for every person
    func.app.moment_of(bindparam("filter_as_of", type_=Text()), _VILLAGE, type_=DateTime(timezone=True))
).scalar_subquery()


def _lived_there(*where: ColumnElement[bool]) -> Resource:
    return Resource(
        schema=BeneficiaryAsOf,
        table=TABLE,
        source=_source(_ONCE),
        columns=_columns(_ONCE),
        where=(_WAS_THERE, _then(TABLE.c.region_code) == _VILLAGE, *where),
        filters={
            "village_code": lambda _: true(),
            "as_of": lambda _: TABLE.c.created_at <= _ONCE,
            "nik_status": lambda value: _then(TABLE.c.nik_status) == value,
            "ppks_category": lambda value: _categories(_ONCE).contains(func.array_append(_NONE, value)),
        },
    )


_KINDS = dict.fromkeys(BeneficiaryAsOf.model_fields, Text()) | {
    name: TABLE.c[name].type for name in ("id", "created_at", "ppks_categories")
}
# Those who live there still are found by their district's list index, those who left by the history of villages.
VILLAGE_AS_OF = Gathered(
    schema=BeneficiaryAsOf,
    table=TABLE,
    parts=(
        _lived_there(
            TABLE.c.district_code == func.left(_VILLAGE, literal_column("8")), TABLE.c.region_code == _VILLAGE
        ),
        _lived_there(TABLE.c.id.in_(select(func.app.moved_from(_VILLAGE, _ONCE))), TABLE.c.region_code != _VILLAGE),
    ),
    columns={name: Gathered.column(name, kind) for name, kind in _KINDS.items()},
    subject="id",
    discloses=SENSITIVE_SHOWN,
    filters={name: lambda value: value for name in ("village_code", "as_of", "ppks_category", "nik_status")},
    sorts={"-created_at": NEWEST_FIRST},
)
