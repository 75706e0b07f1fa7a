"""How possible duplicates and merges are read: of each pair as much as the reader may see of its people."""

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Float, Uuid, and_, any_, case, cast, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import masked
from tksk_api.domain.duplicates.models import DuplicateCandidate, Merge
from tksk_api.domain.duplicates.rules import UNDO_DAYS
from tksk_api.domain.duplicates.schemas import DuplicateRead, MergeRead, PersonOfPair

TABLE = table_of(DuplicateCandidate)
_MERGES = table_of(Merge)
_PERSON = table_of(Beneficiary).alias("person")
# As `app.enter` has set them: a row is there for both offices, what it shows is not.
_REGIONS: ColumnElement[Any] = literal_column("string_to_array(nullif(current_setting('app.regions', true), ''), ',')")


def _is_seen(which: str) -> ColumnElement[bool]:
    places = [TABLE.c[f"{which}{level}_code"] for level in ("province", "regency", "district", "region")]
    lies = func.array_cat(literal_column("ARRAY['ID']"), _array(*places))
    seen: ColumnElement[bool] = func.coalesce(lies.op("&&", is_comparison=True)(_REGIONS), literal_column("false"))
    return seen


def _array(*members: ColumnElement[Any]) -> ColumnElement[Any]:
    array: ColumnElement[Any] = literal_column("'{}'::text[]")
    for member in members:
        array = func.array_append(array, member)
    return array


_LOW, _HIGH = _is_seen(""), _is_seen("other_")
_BOTH = and_(_LOW, _HIGH)
_SEEN = func.array_remove(
    func.array_cat(
        func.array_append(literal_column("'{}'::uuid[]"), case((_LOW, TABLE.c.low_id))),
        func.array_append(literal_column("'{}'::uuid[]"), case((_HIGH, TABLE.c.high_id))),
    ),
    literal_column("NULL"),
    type_=ARRAY(Uuid),
)
_SCORE = cast(case((_BOTH, TABLE.c.score), else_=literal_column("0")), Float)
_SHOWN = {
    "village_code": _PERSON.c.region_code,
    "nik_masked": masked(_PERSON.c.nik_last4),
    "family_card_masked": masked(_PERSON.c.family_card_last4),
}


def _people() -> ColumnElement[Any]:
    members: list[Any] = []
    for name in PersonOfPair.model_fields:
        members += [literal_column(f"'{name}'"), _SHOWN[name] if name in _SHOWN else _PERSON.c[name]]
    shown = func.coalesce(
        func.json_agg(aggregate_order_by(func.json_build_object(*members), _PERSON.c.id)), literal_column("'[]'::json")
    )
    return select(shown).where(_PERSON.c.id == any_(_SEEN)).scalar_subquery()


DUPLICATES = Resource(
    schema=DuplicateRead,
    table=TABLE,
    columns={
        "score": _SCORE,
        "reasons": case((_BOTH, TABLE.c.reasons), else_=literal_column("'[]'", JSONB())),
        "people": _people(),
        "beneficiary_ids": _SEEN,
        "ask_office": case(
            (_BOTH, literal_column("NULL")),
            (_LOW, func.app.office_of(TABLE.c.other_region_code)),
            else_=func.app.office_of(TABLE.c.region_code),
        ),
        "decided_by_name": func.app.user_name(TABLE.c.decided_by),
        "reason": case((_BOTH, TABLE.c.reason)),
    },
    where=(or_(TABLE.c.told, _BOTH),),
    subjects="beneficiary_ids",
    filters={
        "status": lambda value: TABLE.c.status == value,
        # Of the half beyond the reader's area not even the village is told, and a filter would tell it.
        "village_code": lambda value: or_(
            and_(_LOW, TABLE.c.region_code == value), and_(_HIGH, TABLE.c.other_region_code == value)
        ),
        "min_score": lambda value: value <= _SCORE,
        "person": lambda value: or_(
            TABLE.c.low_id == any_(func.app.same_person(value)), TABLE.c.high_id == any_(func.app.same_person(value))
        ),
    },
    sorts={"-created_at": NEWEST_FIRST, "-score": Sort(("score",))},
)

# After it was taken back, the two may live apart: then each office learns of its own person only.
SEEN_OF_MERGE = {
    name: case((func.app.sees_person(_MERGES.c[name]), _MERGES.c[name])) for name in ("merged_id", "into_id")
}


def if_both_seen(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """What was written about the two people of a merge, for a reader who sees both."""
    return case((and_(*(func.app.sees_person(_MERGES.c[name]) for name in SEEN_OF_MERGE)), column))


MERGES = Resource(
    schema=MergeRead,
    table=_MERGES,
    columns={
        **SEEN_OF_MERGE,
        "beneficiary_ids": func.array_remove(
            func.array_append(
                func.array_append(literal_column("'{}'::uuid[]"), SEEN_OF_MERGE["merged_id"]),
                SEEN_OF_MERGE["into_id"],
            ),
            literal_column("NULL"),
            type_=ARRAY(Uuid),
        ),
        "reason": if_both_seen(_MERGES.c.reason),
        "undo_reason": if_both_seen(_MERGES.c.undo_reason),
        "taken": func.jsonb_path_query_array(_MERGES.c.taken, literal_column("'$.keyvalue().key'")),
        "merged_by": _MERGES.c.created_by,
        "merged_by_name": func.app.user_name(_MERGES.c.created_by),
        "undo_until": _MERGES.c.created_at + literal_column(f"interval '{UNDO_DAYS} days'"),
    },
    subjects="beneficiary_ids",
    filters={
        "person": lambda value: or_(
            _MERGES.c.into_id == any_(func.app.same_person(value)),
            _MERGES.c.merged_id == any_(func.app.same_person(value)),
        )
    },
)
