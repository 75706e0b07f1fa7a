"""The rows behind a report's numbers, as criteria of the lists that show them.

`report` is the id of a report or of one of its revisions (the view report_scopes), which know the very rows that were
counted: whatever becomes of a row afterwards, it stays behind the number that counted it. By tables' names alone, for
reports are built on top of all of these.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    FromClause,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH

_SCOPES = table(
    "report_scopes",
    column("id", Uuid),
    column("region_code", Text),
    column("period_start", Date),
    column("period_end", Date),
    column("activity_ids", ARRAY(Uuid)),
    column("source_ids", ARRAY(Uuid)),
    column("counted", JSONB),
)
_SOURCES = table("report_revisions", column("id", Uuid), column("activity_ids", ARRAY(Uuid)), column("counted", JSONB))
_PARTNERS = table("partners", column("id", Uuid), column("type", Text))


def counts(work: str) -> str:
    """SQL: an activity of the table or alias `work` counts, for it was handed in, not withdrawn, and not replaced by a
    correction. The database says the same for its figures (the view app.counted_activities; tests compare the two)."""
    return f"{work}.deleted_at IS NULL AND {work}.superseded_by IS NULL AND {work}.status IN ('submitted', 'accepted')"


def moved_on(report: str) -> str:
    """SQL: a district's report, a row of the table or alias `report`, does not say the work of its days as it is: some
    counts and is not in it, or is in it and was withdrawn since. As whole sets: to look each row up in the array of ids
    takes time by the square."""
    here = (
        f"SELECT w.id FROM activities w WHERE w.district_code = {report}.region_code "
        f"AND w.occurred_on BETWEEN {report}.period_start AND {report}.period_end AND "
    )
    said = f"SELECT unnest({report}.activity_ids)"
    return f"EXISTS (({here} {counts('w')} EXCEPT {said}) UNION ALL ({here} w.status = 'withdrawn' INTERSECT {said}))"


def followed_up(work: str) -> str:
    """SQL: work that counts says that it does what an activity of the table or alias `work` left to do, or what one of
    those that it corrects did: however often it is corrected, the follow-up names what was there at the time."""
    return (
        f"EXISTS (WITH RECURSIVE said (id, before) AS (SELECT {work}.id, {work}.revises_id UNION ALL "
        "SELECT c.id, c.revises_id FROM activities c JOIN said ON c.id = said.before) "
        f"SELECT 1 FROM said JOIN activities later ON later.follows_up_id = said.id WHERE {counts('later')})"
    )


def counted(rows: Table) -> ColumnElement[bool]:
    """Activities that count, see `counts`."""
    return literal_column(f"({counts(rows.name)})", Boolean())


def is_followed_up(rows: Table) -> ColumnElement[bool]:
    """Activities whose follow-up is done, see `followed_up`."""
    return literal_column(followed_up(rows.name), Boolean())


def _scope(report: Any) -> FromClause:
    return select(_SCOPES).where(_SCOPES.c.id == cast(report, Uuid)).subquery("scope")


def _work_ids(report: Any) -> Any:
    """The activities that a report counts: of a recap those of the districts' revisions it was built from."""
    scope, above = _scope(report), _scope(report)
    own = select(func.unnest(scope.c.activity_ids))
    below = select(func.unnest(_SOURCES.c.activity_ids)).where(
        _SOURCES.c.id.in_(select(func.unnest(above.c.source_ids)))
    )
    return own.union_all(below)


def work(rows: Table) -> Any:
    """Activities that a report counts."""
    return lambda report: rows.c.id.in_(_work_ids(report))


def partner_type(rows: Table) -> Any:
    """Activities in which a partner of a type took part."""
    return lambda value: exists().where(
        _PARTNERS.c.id == any_(rows.c.partner_ids), _PARTNERS.c.type == cast(value, Text)
    )


def follow_up(rows: Table) -> Any:
    """Activities that leave something to do: `done` once work that counts says it follows it up, else `pending`. What
    was withdrawn leaves nothing."""
    leaves = and_(rows.c.follow_up.is_not(None), rows.c.status != literal_column("'withdrawn'"))
    done = is_followed_up(rows)
    return lambda value: and_(leaves, done == (cast(value, Text) == literal_column("'done'")))


def left_out(rows: Table) -> Any:
    """Work that counts and lies in a report's district and period, but is not in it: handed in, or corrected, since."""

    def criterion(report: Any) -> ColumnElement[bool]:
        scope = _scope(report)
        beside = exists().where(
            scope.c.region_code == rows.c.district_code,
            rows.c.occurred_on.between(scope.c.period_start, scope.c.period_end),
        )
        said = select(func.unnest(_scope(report).c.activity_ids))
        return and_(counted(rows), beside, rows.c.id.not_in(said))

    return criterion


def rows_of(rows: Table) -> Any:
    """Rows of a list that a report counts, under whichever key."""
    return lambda report: rows.c.id.in_(_counted_ids(report, rows.name, literal_column("'$.*[*]'::jsonpath")))


def rows_under(rows: Table) -> Any:
    """Rows that the report asked for with it counts under one key, which its numbers name."""

    def criterion(key: Any) -> ColumnElement[bool]:
        path = cast(
            func.concat(literal_column("'$.'"), func.to_json(cast(key, Text)), literal_column("'[*]'")), JSONPATH
        )
        return rows.c.id.in_(_counted_ids(bindparam("filter_report"), rows.name, path))

    return criterion


def _counted_ids(report: Any, name: str, path: Any) -> Any:
    """The ids below a path of what was counted of a list: of a recap by the revisions it was built from."""

    def ids(of: ColumnElement[Any]) -> ColumnElement[Any]:
        found = func.jsonb_path_query(of.op("->", return_type=JSONB)(literal_column(f"'{name}'")), path, type_=JSONB)
        return cast(found.op("#>>", return_type=Text)(literal_column("'{}'")), Uuid)

    scope, above = _scope(report), _scope(report)
    own = select(ids(scope.c.counted))
    below = select(ids(_SOURCES.c.counted)).where(_SOURCES.c.id.in_(select(func.unnest(above.c.source_ids))))
    return own.union_all(below)
