"""How agencies are read: a directory that everybody signed in may see."""

from sqlalchemy import any_, or_

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.agencies.schemas import AgencyRead
from tksk_api.domain.programs.reads import kinds_served

TABLE = table_of(Agency)

AGENCIES = Resource(
    schema=AgencyRead,
    table=TABLE,
    scoped=False,
    filters={
        "kind": lambda value: TABLE.c.kind == value,
        "region_code": lambda value: TABLE.c.region_code == value,
        # The same rule that a referral is held to: by its kind, or because it says so itself.
        "program": lambda value: or_(TABLE.c.kind == any_(kinds_served(value)), value == any_(TABLE.c.programs)),
    },
    sorts={"-created_at": NEWEST_FIRST, "name": Sort(("name",), descending=False)},
)
