"""Who of a family a reader may know: members live where they live, and the family's region decides nothing for them."""

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, FromClause, Text, and_, func, literal_column
from sqlalchemy.dialects.postgresql import array

from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.families.models import FamilyMember

MEMBER = table_of(FamilyMember).alias("member")
PERSON = table_of(Beneficiary).alias("person")

# As the row policies say it (migrations/ops.py): `app.enter` has set it before the first person is looked at.
_REGIONS = literal_column(
    "(SELECT string_to_array(nullif(current_setting('app.regions', true), ''), ','))", type_=ARRAY(Text)
)


def in_area(table: FromClause) -> ColumnElement[bool]:
    """The caller's own predicate for a table that another one's row brings along: the first wall for embedded rows."""
    columns: Any = table.c
    path = array(
        [
            literal_column("'ID'"),
            columns.province_code,
            columns.regency_code,
            columns.district_code,
            columns.region_code,
        ],
        type_=Text,
    )
    return func.coalesce(path.bool_op("&&")(_REGIONS), literal_column("false"))


def known() -> ColumnElement[bool]:
    """Joins PERSON to MEMBER where the caller may see the person: in their area, and not withdrawn."""
    return and_(PERSON.c.id == MEMBER.c.beneficiary_id, PERSON.c.deleted_at.is_(None), in_area(PERSON))


def current(family: ColumnElement[Any]) -> ColumnElement[bool]:
    """The members a family has now."""
    return and_(MEMBER.c.family_id == family, MEMBER.c.left_on.is_(None))
