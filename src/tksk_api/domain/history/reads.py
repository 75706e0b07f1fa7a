"""Histories as lists: field-level changes, and the steps of a workflow."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func
from sqlalchemy.sql.schema import Table

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.history.models import Change, Transition
from tksk_api.domain.records import Read
from tksk_api.domain.users.models import User

_CHANGES = table_of(Change)
_TRANSITIONS = table_of(Transition)
_USERS = table_of(User)


class TransitionRead(Read):
    """One step: from which state to which, by whom, and why."""

    id: UUID
    at: datetime
    action: str
    from_state: str | None
    to_state: str
    actor_id: UUID | None
    actor_name: str | None
    actor_role: str | None
    reason_code: str | None
    note: str | None
    details: dict[str, Any]


def changes_of(entity: Table, schema: type[Read]) -> Resource:
    """The changes of one record of `entity`; visible to whoever sees the record itself."""
    actor = func.app.user_name(_CHANGES.c.actor_id)  # also of a superior whose row the reader may not see
    return Resource(
        schema=schema,
        table=_CHANGES,
        scope_table=entity,
        source=_CHANGES.join(entity, and_(_CHANGES.c.entity == entity.name, _CHANGES.c.entity_id == entity.c.id)),
        columns={"actor_name": actor},
        filters={"entity_id": lambda value: _CHANGES.c.entity_id == value},
        sorts={"-id": Sort(())},
    )


def transitions_of(entity: Table) -> Resource:
    """The steps of one record of `entity`, oldest first; visible to whoever sees the record itself."""
    return Resource(
        schema=TransitionRead,
        table=_TRANSITIONS,
        scope_table=entity,
        source=_TRANSITIONS.join(
            entity, and_(_TRANSITIONS.c.entity == entity.name, _TRANSITIONS.c.entity_id == entity.c.id)
        ),
        filters={"entity_id": lambda value: _TRANSITIONS.c.entity_id == value},
        sorts={"at": Sort(("at",), descending=False)},
    )
