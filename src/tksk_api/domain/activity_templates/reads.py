"""How templates are read: one's own, and those shared with one's region; which those are, the row policy knows."""

from sqlalchemy import literal_column, or_
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.activity_templates.models import ActivityTemplate
from tksk_api.domain.activity_templates.schemas import ActivityTemplateRead

TABLE = table_of(ActivityTemplate)
_CALLER = literal_column("(SELECT nullif(current_setting('app.user', true), '')::uuid)", PgUuid())

ACTIVITY_TEMPLATES = Resource(
    schema=ActivityTemplateRead,
    table=TABLE,
    scoped=False,
    where=(TABLE.c.deleted_at.is_(None), or_(TABLE.c.officer_id.is_(None), TABLE.c.officer_id == _CALLER)),
    filters={
        "pillar": lambda value: TABLE.c.pillar == value,
        "kind": lambda value: TABLE.c.kind == value,
        "is_shared": lambda value: value == TABLE.c.officer_id.is_(None),
    },
    sorts={"-created_at": NEWEST_FIRST, "title": Sort(("title",), descending=False)},
)
