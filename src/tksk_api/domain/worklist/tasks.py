"""One kind of task as a part of the worklist: whose it is, which rows of which table wait, and until when."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Integer,
    Text,
    Uuid,
    case,
    cast,
    column,
    false,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql.schema import Table

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import inside
from tksk_api.domain.timelines.events import nothing, text
from tksk_api.domain.worklist.schemas import Item
from tksk_api.security.permissions import Role

MOST_URGENT_FIRST = Sort(("attend_by",), descending=False)
NOBODY = "none"  # as a filter: the districts that nobody holds
PATIENCE_DAYS = 14  # what has no last day comes up with what is due two weeks after it began to wait
CALLER: ColumnElement[Any] = literal_column("caller.user_id", Uuid())
_ROLE: ColumnElement[str] = literal_column("caller.role", Text())
_CLOCK = "clock"
_NOBODY: ColumnElement[Any] = literal_column("'{}'::uuid[]", ARRAY(Uuid))
_DUE_ON = literal_column(f"{_CLOCK}.due_on", Date())
_REGIONS = table_of(Region)


def caller_is(*roles: Role) -> ColumnElement[bool]:
    return _ROLE.in_([text(role) for role in roles]).self_group()


def days(count: int) -> ColumnElement[int]:
    return literal_column(str(count), Integer())


def today_at(region_code: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.app.local_today(region_code, type_=Date())


def _local_day(moment: ColumnElement[Any], region_code: ColumnElement[Any]) -> ColumnElement[Any]:
    zone = select(_REGIONS.c.timezone).where(_REGIONS.c.code == func.left(region_code, days(2))).scalar_subquery()
    return cast(func.timezone(zone, moment), Date)


@dataclass(frozen=True)
class Task:
    """What distinguishes one kind from the others.

    `roles` are the ones whose task it is; `where` finds what waits by an index. `since` is the moment it began to wait.
    The last day is `due_on`, or that of the moment `due_at`, or the end of a service time: `clock` gives the moment it
    began and its working days. `only_overdue` is for those who watch over others' work. `entity` and `entity_id` lead
    to the record, where that is not of the table. It is about `person`, whose name is shown, or about `people`.
    `nameless_for` are roles that see that it waits, not whose it is.
    """

    kind: str
    table: Table
    roles: tuple[Role, ...]
    where: tuple[ColumnElement[bool], ...]
    since: ColumnElement[Any]
    person: ColumnElement[Any] | None = None
    people: ColumnElement[Any] | None = None
    name: ColumnElement[Any] | None = None
    about: ColumnElement[Any] | None = None
    officer: ColumnElement[Any] | None = None
    due_on: ColumnElement[Any] | None = None
    due_at: ColumnElement[Any] | None = None
    clock: tuple[ColumnElement[Any], ColumnElement[Any]] | None = None
    only_overdue: bool = False
    entity: str | None = None
    entity_id: ColumnElement[Any] | None = None
    source: FromClause | None = None
    nameless_for: tuple[Role, ...] = field(default=())

    def part(self) -> Resource:
        """The resource of these tasks, scoped by their table."""
        place = self.table.c.region_code
        due_on, overdue = self._last_day(place)
        attend_by = func.coalesce(due_on, cast(self.since, Date) + days(PATIENCE_DAYS), type_=Date())
        officer = func.app.holder_of(self.table.c.district_code) if self.officer is None else self.officer
        named = ~caller_is(*self.nameless_for) if self.nameless_for else true()
        record = self.table.c.id if self.entity_id is None else self.entity_id
        name, own = cast(self.table.c.id, Text), self._people()
        return Resource(
            schema=Item,
            table=self.table,
            source=self._source(place),
            columns={
                "key": text(f"{self.kind}:").concat(case((named, name), else_=func.md5(name))),
                "kind": text(self.kind),
                "entity": text(self.entity or self.table.name.replace("_", "-")),
                "id": case((named, record)),
                "person_id": case((named, self._or(self.person, Uuid()))),
                "name": case((named, self._or(self.name, Text()))),
                "about": self._or(self.about, Text()),
                "region_code": place,
                "officer_id": officer,
                "beneficiary_ids": case((named, own), else_=_NOBODY),
                "since": self.since,
                "due_on": due_on,
                "due_at": self._or(self.due_at, DateTime(timezone=True)),
                "is_overdue": overdue,
                "attend_by": attend_by,
            },
            where=(caller_is(*self.roles), *self.where, *((overdue,) if self.only_overdue else ())),
            filters={
                "kind": lambda value: text(self.kind) == cast(value, Text),
                "region_code": lambda value: inside(place, value),
                "overdue": lambda value: cast(value, Boolean) == overdue,
                "officer_id": lambda value: officer.is_not_distinct_from(
                    cast(func.nullif(cast(value, Text), text(NOBODY)), Uuid)
                ),
            },
            sorts={"attend_by": MOST_URGENT_FIRST},
            key="key",
        )

    def _people(self) -> ColumnElement[Any]:
        if self.people is not None:
            return self.people
        return _NOBODY if self.person is None else func.array_append(_NOBODY, self.person, type_=ARRAY(Uuid))

    def _last_day(self, place: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[bool]]:
        if self.clock is not None:
            return _DUE_ON, literal_column(f"{_CLOCK}.is_overdue", Boolean())
        if self.due_at is not None:
            return _local_day(self.due_at, place), self.due_at < func.now()
        if self.due_on is not None:
            return self.due_on, func.coalesce(self.due_on < today_at(place), false(), type_=Boolean())
        return nothing(Date()), literal_column("false", Boolean())

    def _source(self, place: ColumnElement[Any]) -> FromClause | None:
        if self.clock is None:
            return self.source
        started, length = self.clock
        clock = func.app.service_clock(self.table.c.id, place, started, length).table_valued(
            column("due_on", Date()), column("is_overdue", Boolean()), name=_CLOCK
        )
        return (self.table if self.source is None else self.source).join(clock, true())

    @staticmethod
    def _or(value: ColumnElement[Any] | None, kind: Any) -> ColumnElement[Any]:
        return nothing(kind) if value is None else value
