"""How templates are read: one's own, and those shared with one's region, as the row policy says it too (0027)."""

from sqlalchemy import Boolean, literal_column, or_
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.activity_templates.models import ActivityTemplate
from tksk_api.domain.activity_templates.schemas import ActivityTemplateRead

TABLE = table_of(ActivityTemplate)
_CALLER = literal_column("(SELECT nullif(current_setting('app.user', true), '')::uuid)", PgUuid())
# Of an office above the caller's regions or inside them; without a region it is the ministry's, for everybody.
_SHARED_HERE = literal_column(
    "(activity_templates.officer_id IS NULL AND (activity_templates.region_code IS NULL OR EXISTS ("
    "SELECT 1 FROM unnest(string_to_array(nullif(current_setting('app.regions', true), ''), ',')) AS mine (code)"
    " WHERE mine.code = 'ID' OR starts_with(mine.code || '.', activity_templates.region_code || '.')"
    " OR starts_with(activity_templates.region_code || '.', mine.code || '.'))))",
    Boolean(),
)
VISIBLE = (TABLE.c.deleted_at.is_(None), or_(TABLE.c.officer_id == _CALLER, _SHARED_HERE))

ACTIVITY_TEMPLATES = Resource(
    schema=ActivityTemplateRead,
    table=TABLE,
    scoped=False,
    where=VISIBLE,
    filters={
        "pillar": lambda value: TABLE.c.pillar == value,
        "kind": lambda value: TABLE.c.kind == value,
        "is_shared": lambda value: value == TABLE.c.officer_id.is_(None),
    },
    sorts={"-created_at": NEWEST_FIRST, "title": Sort(("title",), descending=False)},
)
