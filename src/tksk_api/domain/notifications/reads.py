"""How notifications are read: each user's own, which both the statement's own predicate and the row policy see to."""

from sqlalchemy import case, func, literal_column, select
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.notifications.models import InboxEntry, Notification, NotificationSettings, NotificationTemplate
from tksk_api.domain.notifications.schemas import NotificationRead

INBOX = table_of(InboxEntry)
_TOLD = table_of(Notification)
_TEMPLATES = table_of(NotificationTemplate)
_SETTINGS = table_of(NotificationSettings)
MOST_COUNTED = 99

# As the row policies ask it: once a statement, after app.enter has said who it is.
_CALLER = literal_column("(SELECT nullif(current_setting('app.user', true), '')::uuid)", PgUuid())
_IS_ENGLISH = (
    select(_SETTINGS.c.language == literal_column("'en'")).where(_SETTINGS.c.user_id == _CALLER).scalar_subquery()
)


def _text(part: str) -> object:
    chosen = case((_IS_ENGLISH, _TEMPLATES.c[f"{part}_en"]), else_=_TEMPLATES.c[f"{part}_id"])
    return func.app.filled(chosen, _TOLD.c.fields)


NOTIFICATIONS = Resource(
    schema=NotificationRead,
    table=INBOX,
    source=INBOX.join(_TOLD, _TOLD.c.id == INBOX.c.notification_id).join(
        _TEMPLATES, _TEMPLATES.c.code == _TOLD.c.template
    ),
    columns={
        **{name: _TOLD.c[name] for name in ("kind", "template", "entity", "entity_id", "beneficiary_id")},
        "title": _text("title"),
        "body": _text("body"),
        "case_number": _TOLD.c.fields.op("->>")(literal_column("'case_number'")),
        "due_on": _TOLD.c.fields.op("->>")(literal_column("'due_on'")),
    },
    where=(INBOX.c.user_id == _CALLER,),
    subject="beneficiary_id",
    filters={
        "unread": lambda value: INBOX.c.read_at.is_(None) == value,
        "kind": lambda value: _TOLD.c.kind == value,
    },
    scoped=False,
)
