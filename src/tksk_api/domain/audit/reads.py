"""How auditors read the access log. Reading it is recorded too, with the person asked about."""

from sqlalchemy import func, select

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.audit.schemas import AccessRead
from tksk_api.domain.history.models import Access

TABLE = table_of(Access)

ACCESS_LOG = Resource(
    schema=AccessRead,
    table=TABLE,
    columns={
        "actor_id": TABLE.c.user_id,
        "actor_name": func.app.user_name(TABLE.c.user_id),
        "actor_role": TABLE.c.role,
    },
    scoped=False,  # only auditors hold the permission, and the row policy asks for their role again
    asked_subject="subject_id",
    filters={
        "subject_id": lambda value: TABLE.c.id.in_(select(func.app.accesses_of(value))),
        "actor_id": lambda value: TABLE.c.user_id == value,
        "action": lambda value: TABLE.c.action == value,
        "operation": lambda value: TABLE.c.operation == value,
        "outcome": lambda value: TABLE.c.outcome == value,
        "since": lambda value: TABLE.c.at >= value,
        "until": lambda value: TABLE.c.at < value,
    },
    sorts={"-at": Sort(("at",))},
)
