"""How social partners are read: a directory that every office may look through, whatever its region."""

from sqlalchemy import ColumnElement, Text, cast, func, literal_column, or_

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.partners.models import Partner
from tksk_api.domain.partners.schemas import PartnerRead
from tksk_api.domain.regions.service import covers, inside

TABLE = table_of(Partner)


def _similar(value: ColumnElement[str]) -> ColumnElement[bool]:
    """The name as a whole, or a part of it, is spelt about like this: "sejatera" finds "Yayasan Bina Sejahtera".

    No index: half of all names begin with the same two words. The area that comes along leaves few to compare.
    """
    query = func.app.search_name(cast(value, Text))
    name = TABLE.c.search_name
    return or_(
        func.similarity(query, name) >= literal_column("0.3"),
        func.word_similarity(query, name) >= literal_column("0.5"),
    )


PARTNERS = Resource(
    schema=PartnerRead,
    table=TABLE,
    scoped=False,
    filters={
        "type": lambda value: TABLE.c.type == value,
        "offer": lambda value: TABLE.c.offers.contains(func.array_append(literal_column("'{}'::text[]"), value)),
        "region_code": lambda value: inside(TABLE.c.region_code, value),
        "serving": lambda value: covers(TABLE.c.region_code, value),
        "is_active": lambda value: TABLE.c.is_active == value,
        "report": reported.rows_of(TABLE),
        "counted_as": reported.rows_under(TABLE),
        "q": _similar,
    },
    sorts={"-created_at": NEWEST_FIRST, "name": Sort(("name",), descending=False)},
)
