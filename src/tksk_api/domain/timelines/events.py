"""One kind of event as a part of the timeline: which table, which moment, who, and who may know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    true,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.sql.schema import Table

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.reads import survivor_of
from tksk_api.domain.history.models import Transition
from tksk_api.domain.timelines.schemas import Event
from tksk_api.security.permissions import Permission, roles_with

PERSON = survivor_of(bindparam("filter_beneficiary_id", type_=Uuid()))  # also where another id of theirs was asked for
NEWEST_EVENT_FIRST = Sort(("at",))
_STEPS = table_of(Transition)


def text(value: str) -> ColumnElement[Any]:
    """A word of ours in the statement: constant, so that a part that is not asked for is not even begun."""
    return literal_column(f"'{value}'", Text())


def nothing(kind: Any) -> ColumnElement[Any]:
    return cast(literal_column("NULL"), kind)


def facts_of(facts: Mapping[str, Any] | ColumnElement[Any]) -> ColumnElement[Any]:
    """A JSON object."""
    if not isinstance(facts, Mapping):
        return facts
    pairs: list[Any] = []
    for name, value in facts.items():
        pairs += (literal_column(f"'{name}'"), value)
    return func.json_build_object(*pairs, type_=JSON())


def permitted(permission: Permission) -> ColumnElement[bool]:
    """Whether the caller's role of this moment holds the permission that the event's own resource asks for.

    Roles only: a timeline is read by people, machine clients read lists.
    """
    roles = ", ".join(f"'{role}'" for role in roles_with(permission))
    return literal_column(f"caller.role IN ({roles})").self_group()


@dataclass(frozen=True)
class Happening:
    """What distinguishes one part from the others.

    `name` makes ids unique among the parts. `about` finds the rows of the person by an index. `at` is the moment it
    was recorded. `key` is the row the event is told from, `entity_id` the record it leads to.
    """

    name: str
    kind: Any
    code: Any
    table: Table
    permission: Permission
    about: ColumnElement[bool]
    at: ColumnElement[Any]
    actor_id: ColumnElement[Any]
    facts: Mapping[str, Any] | ColumnElement[Any]
    key: ColumnElement[Any] | None = None
    entity: str | None = None
    entity_id: ColumnElement[Any] | None = None
    occurred_on: ColumnElement[Any] | None = None
    actor_name: ColumnElement[Any] | None = None
    actor_role: ColumnElement[Any] | None = None
    source: FromClause | None = None
    where: tuple[ColumnElement[bool], ...] = field(default=())

    def part(self) -> Resource:
        """The resource of these events, scoped by the table they are about."""
        kind, code = (text(value) if isinstance(value, str) else value for value in (self.kind, self.code))
        key = self.table.c.id if self.key is None else self.key
        return Resource(
            schema=Event,
            table=self.table,
            source=self.source,
            columns={
                "id": text(f"{self.name}:").concat(cast(key, Text)),
                "at": self.at,
                "kind": kind,
                "code": code,
                "occurred_on": nothing(Date()) if self.occurred_on is None else self.occurred_on,
                "entity": text(self.entity or self.table.name.replace("_", "-")),
                "entity_id": self.table.c.id if self.entity_id is None else self.entity_id,
                "actor_id": self.actor_id,
                "actor_name": nothing(Text()) if self.actor_name is None else self.actor_name,
                "actor_role": nothing(Text()) if self.actor_role is None else self.actor_role,
                "facts": facts_of(self.facts),
            },
            where=(permitted(self.permission), *self.where),
            filters={
                "beneficiary_id": lambda _: self.about,
                "kind": lambda value: kind == cast(value, Text),
                "since": lambda value: self.at >= value,
                "until": lambda value: self.at < value,
            },
            sorts={"-at": NEWEST_EVENT_FIRST},
        )


def created(table: Table, kind: str, code: str, permission: Permission, **more: Any) -> Happening:
    """A record about the person was made."""
    return Happening(
        **{
            "name": code,
            "kind": kind,
            "code": code,
            "table": table,
            "permission": permission,
            "about": table.c.beneficiary_id == PERSON if "beneficiary_id" in table.c else None,
            "at": table.c.created_at,
            "actor_id": table.c.created_by,
            "facts": {},
            **more,
        }
    )


def steps_about(table: Table) -> Any:
    """The steps of the person's records of a table, as rows (`app.steps_about`)."""
    found = func.app.steps_about(text(table.name), PERSON)
    return found.table_valued(*(column(each.name, each.type) for each in _STEPS.c)).alias("steps")


def steps(table: Table, kind: Any, code: str, permission: Permission, **more: Any) -> Happening:
    """The steps that a record about the person took; `code` is the beginning of their codes.

    `kind` and `facts` may be made from the step by a function of its columns.
    """
    step = steps_about(table)
    taken = step.c
    facts = {
        "action": taken.action,
        "from_state": taken.from_state,
        "to_state": taken.to_state,
        "reason_code": taken.reason_code,
        "note": taken.note,
        **more.pop("facts", {}),
    }
    is_own = "beneficiary_id" not in table.c
    return Happening(
        **{
            "name": f"{code}_step",
            "kind": kind(taken) if callable(kind) else kind,
            "code": text(f"{code}_").concat(func.replace(taken.action, literal_column("'-'"), literal_column("'_'"))),
            "table": table,
            "permission": permission,
            "about": table.c.id == PERSON if is_own else table.c.beneficiary_id == PERSON,
            "at": taken.at,
            "key": taken.id,
            "actor_id": taken.actor_id,
            "actor_name": taken.actor_name,
            "actor_role": taken.actor_role,
            "facts": facts,
            "source": table.join(step, true() if is_own else taken.entity_id == table.c.id),
            **more,
        }
    )
