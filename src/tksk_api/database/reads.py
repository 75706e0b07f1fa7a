"""Compiled reads: a Read schema plus its table become one SQL statement whose JSON passes through as bytes.

One statement in one round trip admits the caller, sets the scope for the row policies, applies the caller's own
predicate, builds the JSON and leaves the access row. See docs/decisions/0002-compiled-reads.md.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
from cachetools import LRUCache
from pydantic import BaseModel
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    not_,
    select,
    table,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.admission import ENTER, Admission, Principal, admit
from tksk_api.database.engine import LOST
from tksk_api.database.scope import NATIONAL, RegionScope
from tksk_api.errors import DomainError, not_found

_DIALECT: Any = PGDialect_asyncpg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_NOBODY: ColumnElement[Any] = literal_column("'{}'::uuid[]")
_ADMIT_ARGUMENTS = 12  # the nine of app.enter, then the scope the statement was compiled for


def _without_null(people: ColumnElement[Any]) -> ColumnElement[Any]:
    """A row may be about nobody, as the photo of an activity is."""
    return func.array_remove(people, literal_column("NULL"))


def _asked(name: str) -> ColumnElement[Any]:
    """The value of a filter; a person who was merged is asked for by the id that stands, under which all of it is."""
    if name != "beneficiary_id":
        return bindparam(f"filter_{name}")
    value = bindparam(f"filter_{name}", type_=Uuid)
    people = table("beneficiaries", column("id", Uuid), column("merged_into", Uuid)).alias("asked_for")
    merged_into = select(people.c.merged_into).where(people.c.id == value).scalar_subquery()
    return select(func.coalesce(merged_into, value)).scalar_subquery()


@dataclass(frozen=True)
class Stored:
    """One resource as it leaves the house: JSON bytes and the version behind its ETag."""

    id: UUID | str | int
    body: bytes
    version: int | None
    created: bool = False


@dataclass(frozen=True)
class Page:
    """One page: the items as JSON array members and, when more follow, the sort key of the last one shown."""

    items: bytes
    last_key: tuple[Any, ...] | None


@dataclass(frozen=True)
class PageRequest:
    """A checked list request: `filters` only the ones given, `after` the sort key to continue behind."""

    limit: int
    sort: str
    filters: Mapping[str, Any]
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Sort:
    """An allowed order by never-null columns of the schema; the id is appended, so the order is total."""

    columns: tuple[str, ...]
    descending: bool = True


NEWEST_FIRST = Sort(("created_at",))
Filter = Callable[[Any], ColumnElement[bool]]


@dataclass(frozen=True)
class _Compiled:
    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        return [values[name] if name in values else self.constants[name] for name in self.names]


@dataclass(frozen=True)
class Resource:
    """What a reader may see of a table, derived from its Read schema.

    `columns` gives the expression of each schema field that is not a plain column. `subject` names the field that
    holds the person a row is about, `subjects` the one that lists people: reading them leaves an access row.
    `asked_subject` is for lists that show nobody's data, but tell something about the person of that filter: reading
    one leaves a row too. `named` is for a row that lists nobody and is read by itself: from that row as `r` to whom its
    words are about; there is an access row where they are about somebody. `discloses` names what some rows show beyond
    the ordinary, with the criterion of a shown row: whom those are about has an access row more, which says so.
    `filters` are the list's query parameters as functions from a bound value to a criterion, `sorts` its allowed
    orders, the first one the default. `scope_table` is the table whose region decides, when it is not the table
    itself. `below` is for lists of what belongs to the one person of
    `asked_subject`: who does not see that row of `below` is answered not_found. `follow` leads from the id that was
    asked for to the one that stands for it now, where rows are merged.
    """

    schema: type[BaseModel]
    table: Table
    columns: Mapping[str, Any] = field(default_factory=dict)
    source: FromClause | None = None
    where: tuple[ColumnElement[bool], ...] = ()
    subject: str | None = None
    subjects: str | None = None
    asked_subject: str | None = None
    named: ColumnElement[Any] | None = None
    discloses: tuple[str, Callable[[FromClause], ColumnElement[bool]]] | None = None
    filters: Mapping[str, Filter] = field(default_factory=dict)
    sorts: Mapping[str, Sort] = field(default_factory=lambda: {"-created_at": NEWEST_FIRST})
    scoped: bool = True
    scope_table: Table | None = None
    key: str = "id"
    below: "Resource | None" = None
    follow: Callable[[ColumnElement[Any]], ColumnElement[Any]] = lambda asked: asked

    @cached_property
    def _statements(self) -> dict[Any, _Compiled]:
        return {}

    @property
    def default_sort(self) -> str:
        return next(iter(self.sorts))

    @property
    def is_recorded(self) -> bool:
        """Whether reading it leaves an access row."""
        return any((self.subject, self.subjects, self.asked_subject)) or self.named is not None

    @property
    def disclosed(self) -> str | None:
        """What the access row of a disclosure names."""
        return self.discloses[0] if self.discloses else None

    def projection(self) -> list[ColumnElement[Any]]:
        """One labelled expression per schema field, in its order. Raises KeyError for a field nothing provides."""
        return [self._column(name).label(name) for name in self.schema.model_fields]

    def _column(self, name: str) -> Any:
        return self.columns[name] if name in self.columns else self.table.c[name]

    def select(self, scope: RegionScope, *, grants: bool = False) -> Select[Any]:
        statement = select(*self.projection()).where(*self.where)
        if self.scoped:
            table = self.scope_table if self.scope_table is not None else self.table
            statement = statement.where(scope.predicate(table, grants=grants))
        return statement.select_from(self.source if self.source is not None else self.table)

    def select_one(self, scope: RegionScope, *, admitted: bool = False) -> Select[Any]:
        """`body, version, people` of the row whose key is bound as `key`."""
        key = self._column(self.key)
        rows = self.select(scope, grants=True).where(key == self.follow(bindparam("key", type_=key.type))).limit(1)
        if admitted:
            rows = rows.where(literal_column("caller.allowed"))
        row = rows.subquery("r")
        return select(
            cast(func.row_to_json(literal_column("r")), Text).label("body"),
            (row.c.version if "version" in row.c else literal_column("NULL::int")).label("version"),
            self._people(row).label("people"),
            *self._disclosed_people(row, self._people(row)),
        ).select_from(row)

    def _disclosed_people(self, row: FromClause, people: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """Those of `people` about whom a row shows what `discloses` names, where the resource does."""
        return [case((self.discloses[1](row), people)).label("shown")] if self.discloses else []

    def _people(self, row: FromClause) -> ColumnElement[Any]:
        """Everybody a row is about, as uuid[]."""
        if self.named is not None:
            return self.named
        people: ColumnElement[Any] = row.c[self.subjects] if self.subjects else _NOBODY
        return _without_null(func.array_append(people, row.c[self.subject])) if self.subject else people

    def _disclosed_of_page(self, numbered: FromClause, inside: ColumnElement[bool]) -> list[ColumnElement[Any]]:
        if self.discloses is None:
            return []
        return [_without_null(func.array_agg(numbered.c.shown).filter(inside)).label("shown")]

    def _people_of_page(self, numbered: FromClause, request: PageRequest) -> ColumnElement[Any]:
        """Everybody a page is about, or was asked about, as uuid[]."""
        inside = numbered.c.n <= bindparam("limit")
        if self.asked_subject in request.filters:
            return func.array_append(_NOBODY, bindparam(f"filter_{self.asked_subject}"))
        if self.subjects is None:
            return _without_null(func.array_agg(numbered.c.people).filter(inside)) if self.subject else _NOBODY
        # There is no aggregate that joins arrays of different lengths.
        joined = func.string_agg(func.nullif(numbered.c.people, ""), ",").filter(inside)
        return cast(func.string_to_array(joined, ","), ARRAY(Uuid))

    def _people_of_row(self, row: FromClause) -> ColumnElement[Any]:
        if self.subjects is not None:
            return func.array_to_string(self._people(row), ",")
        return row.c[self.subject] if self.subject else literal_column("NULL::uuid")

    def select_rows(
        self, scope: RegionScope, request: PageRequest, *, admitted: bool, grants: bool = False
    ) -> Select[Any]:
        """The rows of a page in its order, and one more, which tells whether others follow."""
        sort = self.sorts[request.sort]
        names = (*sort.columns, self.key)
        rows = self.select(scope, grants=grants)
        expressions = {label.name: label.element for label in self.projection()}
        keys = [expressions[name] for name in names]
        for name in sorted(request.filters):
            rows = rows.where(self.filters[name](_asked(name)))
        if request.after is not None:
            bound = tuple_(*(bindparam(f"after_{i}", type_=key.type) for i, key in enumerate(keys)))
            position = tuple_(*keys)
            # The planner judges a row comparison by its first column alone. After the year of a number, or a name that
            # many bear, `<` looks like nothing is left and the rest is sorted; `<=` looks like all of it, and is read
            # off the index until the page is full.
            rows = rows.where(position <= bound if sort.descending else position >= bound, position != bound)
        if admitted:
            rows = rows.where(literal_column("caller.allowed"))
        order = [key.desc() if sort.descending else key.asc() for key in keys]
        return rows.order_by(*order).limit(bindparam("limit") + 1)

    def select_page(self, scope: RegionScope, request: PageRequest, *, admitted: bool) -> Select[Any]:
        """`items, people, found, k0..kn` in one row; one item more than the page tells whether more follow."""
        sort = self.sorts[request.sort]
        names = (*sort.columns, self.key)
        row = self.select_rows(scope, request, admitted=admitted).subquery("r")
        shown = [row.c[name].desc() if sort.descending else row.c[name].asc() for name in names]
        numbered = select(
            cast(func.row_to_json(literal_column("r")), Text).label("body"),
            self._people_of_row(row).label("people"),
            *self._disclosed_people(row, self._people_of_row(row)),
            func.row_number().over(order_by=shown).label("n"),
            *(row.c[name].label(f"k{index}") for index, name in enumerate(names)),
        ).subquery("s")
        inside = numbered.c.n <= bindparam("limit")
        last = numbered.c.n == bindparam("limit")
        people, seen = self._people_of_page(numbered, request), self._seen(scope)
        return select(
            func.string_agg(numbered.c.body, literal_column("',' ORDER BY s.n")).filter(inside).label("items"),
            (people if seen is None else case((seen, people), else_=_NOBODY)).label("people"),
            *(self._disclosed_of_page(numbered, inside)),
            func.count().label("found"),
            *(
                func.array_agg(numbered.c[f"k{i}"]).filter(last).label(f"k{i}")  # a one-element array, for any type
                for i in range(len(names))
            ),
            *(() if seen is None else (seen.label("is_seen"),)),
        )

    def _seen(self, scope: RegionScope) -> ColumnElement[bool] | None:
        """Whether the caller sees the row that the list is below; None for a list of its own."""
        if self.below is None:
            return None
        key = self.below.table.c[self.below.key]
        asked = bindparam(f"filter_{self.asked_subject}", type_=key.type)
        seen = self.below.select(scope, grants=True).where(key == self.below.follow(asked)).with_only_columns(key)
        return seen.exists()

    def compiled(self, key: Any, build: Callable[[], Select[Any]], *, wrap: str | None) -> _Compiled:
        """Compile once per key; `wrap` is the admission statement around it, whose parameters come first."""
        statement = self._statements.get(key)
        if statement is None:
            compiled: Any = build().compile(dialect=_DIALECT)
            sql = str(compiled)
            if wrap is not None:
                inner = re.sub(r"\$(\d+)", lambda m: f"${int(m[1]) + _ADMIT_ARGUMENTS}", sql)
                names = compiled.positiontup
                asked = f"filter_{self.asked_subject}" if self.below is not None else "key"
                has_id = asked in names and (asked != "key" or isinstance(self._column(self.key).type, Uuid))
                key_place = f"${names.index(asked) + 1 + _ADMIT_ARGUMENTS}" if has_id else "NULL::uuid"
                sql = wrap.format(inner=inner, key=key_place)
            statement = _Compiled(sql, tuple(compiled.positiontup), compiled.params)
            self._statements[key] = statement
        return statement

    async def stored(self, session: AsyncSession, key: UUID | str | int, *, created: bool = False) -> Stored:
        """The row as a reader would get it, inside the writer's own transaction. Raises not_found.

        Showing somebody whom the transaction has not recorded yet (nothing was changed after all) leaves an access row.
        """
        connection = await session.connection()
        row = (await connection.execute(self._writer_statement, {"key": key})).first()
        if row is None:
            raise not_found()
        return Stored(key, row.body.encode(), row.version, created)

    async def insert(self, session: AsyncSession, row: Any) -> Stored:
        """Insert a new row and give it as a reader would get it, in one statement.

        The WITH name covers the table's, so the projection reads the row just returned. The caller has checked wall
        one; the row policy checks again.
        """
        values = {
            column.name: json.dumps(value) if value is not None and isinstance(column.type, JSONB) else value
            for column in self.table.c
            if (value := getattr(row, column.name)) is not None or column.server_default is None
        }
        names = tuple(values)
        statement = self._statements.get(names)
        if statement is None:
            compiled: Any = self.select_one(NATIONAL).compile(dialect=_DIALECT)
            shown = re.sub(r"\$(\d+)", lambda m: f"${int(m[1]) + len(names)}", str(compiled))
            places = ", ".join(f"${index + 1}" for index in range(len(names)))
            inserted = f"INSERT INTO public.{self.table.name} ({', '.join(names)}) VALUES ({places}) RETURNING *"
            statement = _Compiled(
                f"WITH {self.table.name} AS ({inserted}) {shown}", tuple(compiled.positiontup), compiled.params
            )
            self._statements[names] = statement
        # The driver itself: SQLAlchemy has nothing to add to a finished statement, and its unit of work costs a
        # create more than all else together. `app.enter` has begun the transaction on this connection.
        raw: Any = await (await session.connection()).get_raw_connection()
        answer = await raw.driver_connection.fetchrow(
            statement.sql, *values.values(), *statement.arguments({"key": row.id})
        )
        if answer is None:
            raise not_found()
        return Stored(row.id, answer["body"].encode(), answer["version"], created=True)

    @cached_property
    def _writer_statement(self) -> Select[Any]:
        one = self.select_one(NATIONAL).subquery("one")  # the row policy holds the writer's scope
        shown = select(one.c.body, one.c.version)
        if not self.is_recorded:
            return shown
        what: tuple[Any, ...] = (literal_column("'read'"), bindparam("key"), one.c.people)
        known = one.c.people.op("<@", is_comparison=True)(func.app.recorded_people())
        recorded = [(not_(known), func.app.record_people(*what))]
        if self.discloses is not None:
            why: list[Any] = [literal_column(said) for said in ("'service'", "NULL", f"'{{{self.disclosed}}}'::text[]")]
            recorded.insert(0, (func.cardinality(one.c.shown) > 0, func.app.record_people(*what, *why)))
        return shown.add_columns(case(*recorded))


@dataclass(frozen=True)
class Gathered(Resource):
    """One list out of several tables: each part is a resource, and decides about its own rows as it would by itself.

    Every part has the schema of the others, the filters, the order and the key of the whole, and orders and limits its
    rows before they meet, so that the length of what is not shown costs nothing. `columns` build what is shown from
    those of the parts, named `NAME.<column>`, once for the rows of the page alone.
    """

    NAME: ClassVar[str] = "gathered"
    parts: tuple[Resource, ...] = ()

    @classmethod
    def column(cls, name: str, kind: Any) -> ColumnElement[Any]:
        """A column of the parts."""
        return literal_column(f"{cls.NAME}.{name}", kind)

    def select(self, scope: RegionScope, *, grants: bool = False) -> Select[Any]:
        return self._gather([part.select(scope, grants=grants) for part in self.parts])

    def select_rows(
        self, scope: RegionScope, request: PageRequest, *, admitted: bool, grants: bool = False
    ) -> Select[Any]:
        # What is granted is a whole person: whom a list may not show, a list below them may.
        grants = grants or self.below is not None
        of_parts = [part.select_rows(scope, request, admitted=admitted, grants=grants) for part in self.parts]
        sort = self.sorts[request.sort]
        keys = [self._column(name) for name in (*sort.columns, self.key)]
        order = [key.desc() if sort.descending else key.asc() for key in keys]
        return self._gather(of_parts).order_by(*order).limit(bindparam("limit") + 1)

    def _gather(self, of_parts: list[Select[Any]]) -> Select[Any]:
        return select(*self.projection()).select_from(union_all(*of_parts).subquery(self.NAME))


_LOG = """, logged AS (
    INSERT INTO access_log (user_id, session_id, role, actor_region, request_id, operation, object_id, subject_ids,
                            outcome)
    SELECT caller.user_id, $1, caller.role, nullif(array_to_string(caller.regions, ','), ''), $4, $5, {asked},
           {subjects}, {outcome}
      FROM caller {found})"""


_SAME_SCOPE = "caller.regions = $10 AND caller.agency_id IS NOT DISTINCT FROM $11 AND caller.granted = $12"
_LOG_ONE = _LOG.format(
    asked="{key}",
    subjects="coalesce(found.people, '{{}}')",
    outcome="CASE WHEN found.body IS NULL THEN 'not_found' ELSE 'ok' END",
    found=f"LEFT JOIN found ON true WHERE caller.allowed AND {_SAME_SCOPE}",
)
_LOG_PAGE = _LOG.format(
    asked="{key}",
    subjects="coalesce(found.people, '{{}}')",
    outcome="CASE WHEN found.found = 0 THEN 'not_found' ELSE 'ok' END",
    found=", found",  # one row, unless the caller was refused or has another scope now
)
_LOG_NAMED = _LOG.format(
    asked="{key}", subjects="found.people", outcome="'ok'", found=", found WHERE cardinality(found.people) > 0"
)
# Beside the row about everybody, one about those of whom something was shown beyond the ordinary.
_LOG_DISCLOSED = """, logged_too AS (
    INSERT INTO access_log (user_id, session_id, role, actor_region, request_id, operation, object_id, subject_ids,
                            fields)
    SELECT caller.user_id, $1, caller.role, nullif(array_to_string(caller.regions, ','), ''), $4, $5, {asked},
           found.shown, '{{{fields}}}'
      FROM caller, found WHERE cardinality(found.shown) > 0)"""


def _wrap(log: str) -> str:
    # LATERAL with a reference to `caller` and a LIMIT inside keeps the order: first app.enter, then the rows.
    return (
        f"WITH caller AS MATERIALIZED ({ENTER}), "
        "found AS MATERIALIZED (SELECT x.* FROM caller CROSS JOIN LATERAL ({inner}) x "
        f"WHERE caller.allowed AND {_SAME_SCOPE})"
        f"{log} SELECT caller.*, found.* FROM caller LEFT JOIN found ON true"
    )


_WRAP_ONE = {True: _wrap(_LOG_ONE), False: _wrap("")}
_WRAP_PAGE = {True: _wrap(_LOG_PAGE), False: _wrap("")}


def wrap_of(resource: Resource, *, one: bool) -> str:
    """The admission statement around a reading of one row or of a page, with the access rows it leaves."""
    if resource.named is not None:
        return _wrap(_LOG_NAMED)
    if resource.disclosed is None:
        return (_WRAP_ONE if one else _WRAP_PAGE)[resource.is_recorded]
    too = _LOG_DISCLOSED.replace("{asked}", "{key}").replace("{fields}", resource.disclosed)
    return _wrap((_LOG_ONE if one else _LOG_PAGE) + too)


class ReadPool:
    """The pool of bare connections, and what was last seen of each session, to choose a statement by.

    The hint decides only which SQL text is sent; the database compares it with the caller's regions of this very
    moment and answers nothing when they differ, so a stale hint costs a second trip and never shows a row.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", acquire_timeout: float) -> None:
        self._pool = pool
        self._timeout = acquire_timeout
        self.hints: LRUCache[UUID, Principal] = LRUCache(maxsize=50_000)

    async def fetchrow(self, sql: str, arguments: list[Any]) -> Any:
        """One statement on one connection; on one that died in the pool, once more on a connection just made.

        Whatever ended one connection has mostly ended all, so none of those at rest is trusted with the second try.
        """
        for attempt in (1, 2):
            try:
                async with self._pool.acquire(timeout=self._timeout) as connection:
                    return await connection.fetchrow(sql, *arguments)
            except LOST:
                if attempt == 2:
                    raise
                await self._pool.expire_connections()
        raise AssertionError("unreachable")


@dataclass(frozen=True)
class Reader:
    """Reads for one request. Without an admission it is the public's reader and sees unscoped resources only."""

    pool: ReadPool
    admission: Admission | None

    async def one(self, resource: Resource, key: UUID | str | int, **more: Any) -> Stored:
        """The resource with this key; `more` are other parameters of its statement.

        Raises not_found when it is missing or outside the scope.
        """
        row = await self._fetch(
            resource,
            "one",
            lambda scope: resource.select_one(scope, admitted=self.admission is not None),
            {"key": key, **more},
            wrap_of(resource, one=True),
        )
        if row is None or row["body"] is None:
            raise not_found()
        return Stored(key, row["body"].encode(), row["version"])

    async def page(self, resource: Resource, request: PageRequest) -> Page:
        """A page of the resource in a total order; the cost does not depend on how far back it lies.

        Raises not_found for a list below a row that the caller does not see.
        """
        values = {"limit": request.limit}
        values.update({f"filter_{name}": value for name, value in request.filters.items()})
        values.update({f"after_{index}": value for index, value in enumerate(request.after or ())})
        row = await self._fetch(
            resource,
            ("page", request.sort, frozenset(request.filters), request.after is not None),
            lambda scope: resource.select_page(scope, request, admitted=self.admission is not None),
            values,
            wrap_of(resource, one=False),
        )
        if resource.below is not None and not (row and row["is_seen"]):
            raise not_found()
        if row is None or not row["found"]:
            return Page(b"", None)
        more = row["found"] > request.limit
        last = tuple(row[f"k{i}"][0] for i in range(len(resource.sorts[request.sort].columns) + 1)) if more else None
        return Page((row["items"] or "").encode(), last)

    async def _fetch(
        self,
        resource: Resource,
        kind: Any,
        build: Callable[[RegionScope], Select[Any]],
        values: Mapping[str, Any],
        wrap: str,
    ) -> Any:
        if self.admission is None:
            if resource.scoped:
                raise DomainError("unauthenticated")
            statement = resource.compiled((kind, "public"), lambda: build(NATIONAL), wrap=None)
            return await self.pool.fetchrow(statement.sql, statement.arguments(values))
        admission = self.admission
        hint = self.pool.hints.get(admission.session_id)
        if hint is None:
            hint = await self.principal()
        for _ in range(2):
            scope = hint.scope
            statement = resource.compiled((kind, scope.shape), lambda scope=scope: build(scope), wrap=wrap)  # type: ignore[misc]
            arguments = statement.arguments({**values, **dict(scope.parameters())})
            row = await self.pool.fetchrow(
                statement.sql,
                [
                    *admission.arguments(read=True),
                    list(scope.regions),
                    scope.agency_id,
                    list(scope.granted),
                    *arguments,
                ],
            )
            hint = self._remember(admit(admission, row))
            if hint.scope == scope:
                return row
        raise DomainError("unavailable", retry_after=1)  # the caller's regions changed twice within one request

    async def role(self) -> str:
        """The caller's role as it was last seen, to choose a statement by. Raises what `admit` raises."""
        admission = self.admission
        hint = self.pool.hints.get(admission.session_id) if admission else None
        return (hint or await self.principal()).role

    async def principal(self) -> Principal:
        """The caller, and nothing else. Raises what `admit` raises."""
        if self.admission is None:
            raise DomainError("unauthenticated")
        row = await self.pool.fetchrow(ENTER, list(self.admission.arguments(read=True)))
        principal = admit(self.admission, row)
        self._remember(principal)
        return principal

    def _remember(self, principal: Principal) -> Principal:
        self.pool.hints[principal.session_id] = principal
        return principal
