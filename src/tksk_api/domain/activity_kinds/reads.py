"""How kinds are read: a short list that every phone keeps, those of one place together."""

from sqlalchemy import and_, or_

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.activity_kinds.models import ActivityKind
from tksk_api.domain.activity_kinds.schemas import ActivityKindRead
from tksk_api.domain.regions.service import covers

TABLE = table_of(ActivityKind)

ACTIVITY_KINDS = Resource(
    schema=ActivityKindRead,
    table=TABLE,
    scoped=False,
    filters={
        "pillar": lambda value: or_(TABLE.c.pillar.is_(None), TABLE.c.pillar == value),
        "serving": lambda value: or_(TABLE.c.region_code.is_(None), covers(TABLE.c.region_code, value)),
        "on": lambda value: and_(
            or_(TABLE.c.valid_from.is_(None), TABLE.c.valid_from <= value),
            or_(TABLE.c.valid_until.is_(None), TABLE.c.valid_until >= value),
        ),
        "region_code": lambda value: TABLE.c.region_code == value,
    },
    sorts={"code": Sort(("code",), descending=False)},
)
