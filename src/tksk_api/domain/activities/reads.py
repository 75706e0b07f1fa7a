"""How the work log is read."""

from sqlalchemy import case, func, literal_column

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.schemas import ActivityRead
from tksk_api.domain.history.reads import transitions_of

TABLE = table_of(Activity)

ACTIVITIES = Resource(
    schema=ActivityRead,
    table=TABLE,
    columns={
        "officer_name": func.app.user_name(TABLE.c.officer_id),
        "location": case(
            (
                TABLE.c.latitude.is_not(None),
                func.json_build_object(
                    literal_column("'lat'"), TABLE.c.latitude, literal_column("'lon'"), TABLE.c.longitude
                ),
            )
        ),
        "headcount": case((TABLE.c.headcount != literal_column("'{}'::jsonb"), TABLE.c.headcount)),
    },
    where=(TABLE.c.deleted_at.is_(None),),
    subjects="beneficiary_ids",
    filters={
        "pillar": lambda value: TABLE.c.pillar == value,
        "function": lambda value: TABLE.c.function == value,
        "status": lambda value: TABLE.c.status == value,
        "kind": lambda value: TABLE.c.kind == value,
        "officer_id": lambda value: TABLE.c.officer_id == value,
        "occurred_from": lambda value: TABLE.c.occurred_on >= value,
        "occurred_until": lambda value: TABLE.c.occurred_on <= value,
        "region_code": lambda value: TABLE.c.region_code == value,
    },
    sorts={"-created_at": NEWEST_FIRST, "-occurred_on": Sort(("occurred_on",))},
)

TRANSITIONS = transitions_of(TABLE)
