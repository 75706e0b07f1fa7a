"""How beneficiaries are read: the projection, the list, the search."""

from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, func, literal_column, select

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.schemas import BeneficiaryHit, BeneficiaryRead, ChangeRead
from tksk_api.domain.history.reads import changes_of

TABLE = table_of(Beneficiary)
_MASK = "************"


def masked(last4: ColumnElement[Any]) -> ColumnElement[Any]:
    """Twelve stars and the last four digits; null stays null."""
    return literal_column(f"'{_MASK}'") + last4


COLUMNS = {
    "nik_masked": masked(TABLE.c.nik_last4),
    "family_card_masked": masked(TABLE.c.family_card_last4),
    "village_code": TABLE.c.region_code,
    "address": func.json_build_object(
        literal_column("'street'"),
        TABLE.c.street,
        literal_column("'rt'"),
        TABLE.c.rt,
        literal_column("'rw'"),
        TABLE.c.rw,
    ),
}

BENEFICIARIES = Resource(
    schema=BeneficiaryRead,
    table=TABLE,
    columns=COLUMNS,
    where=(TABLE.c.deleted_at.is_(None),),
    subject="id",
    filters={
        "village_code": lambda value: TABLE.c.region_code == value,
        "ppks_category": lambda value: TABLE.c.ppks_categories.contains(
            func.array_append(literal_column("'{}'::text[]"), value)
        ),
        "nik_status": lambda value: TABLE.c.nik_status == value,
    },
)

_QUERY = func.app.search_name(bindparam("filter_name", type_=Text))
_SEARCH_FILTERS = {
    "nik_index": lambda value: TABLE.c.nik_index == value,
    "family_card_index": lambda value: TABLE.c.family_card_index == value,
    "birth_date": lambda value: TABLE.c.birth_date == value,
    "village_code": lambda value: TABLE.c.region_code == value,
}

FOUND_EXACTLY = Resource(
    schema=BeneficiaryHit,
    table=TABLE,
    columns={**COLUMNS, "score": literal_column("1.0")},
    where=(TABLE.c.deleted_at.is_(None),),
    subject="id",
    filters=_SEARCH_FILTERS,
    sorts={"-created_at": NEWEST_FIRST},
)

# app.people_like runs as the owner, because trigram operators are not leakproof and a row policy would keep them off
# the index; it returns ids inside the caller's own regions, and policy and predicate check every row again.
FOUND_BY_NAME = Resource(
    schema=BeneficiaryHit,
    table=TABLE,
    columns={**COLUMNS, "score": func.app.name_score(_QUERY, TABLE.c.search_name)},
    where=(TABLE.c.deleted_at.is_(None),),
    subject="id",
    filters={
        **_SEARCH_FILTERS,
        "name": lambda value: TABLE.c.id.in_(select(func.app.people_like(cast(value, Text)))),
    },
    sorts={"-score": Sort(("score",))},
)

CHANGES = changes_of(TABLE, ChangeRead)
