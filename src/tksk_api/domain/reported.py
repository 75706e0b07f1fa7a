"""The rows behind a report's numbers, as criteria of the lists that show them.

`report` is the id of a report or of one of its revisions (the view report_scopes): of activities the very rows that
were counted, of everything else what happened in its districts and its period. By tables' names alone, for reports are
built on top of all of these.
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
    or_,
    select,
    table,
)

_SCOPES = table(
    "report_scopes",
    column("id", Uuid),
    column("period_start", Date),
    column("period_end", Date),
    column("district_codes", ARRAY(Text)),
    column("activity_ids", ARRAY(Uuid)),
    column("source_ids", ARRAY(Uuid)),
)
_SOURCES = table("report_revisions", column("id", Uuid), column("activity_ids", ARRAY(Uuid)))
_WORK = table(
    "activities",
    column("id", Uuid),
    column("district_code", Text),
    column("beneficiary_ids", ARRAY(Uuid)),
    column("partner_ids", ARRAY(Uuid)),
)
_REFERRALS = table(
    "referrals",
    column("id", Uuid),
    column("province_code", Text),
    column("district_code", Text),
    column("beneficiary_id", Uuid),
)
_STEPS = table(
    "transitions",
    column("entity", Text),
    column("entity_id", Uuid),
    column("from_state", Text),
    column("to_state", Text),
    column("at"),
)
_REGIONS = table("regions", column("code", Text), column("timezone", Text))
_PARTNERS = table("partners", column("id", Uuid), column("type", Text))


def counts(work: str) -> str:
    """SQL: an activity of the table or alias `work` counts, for it was handed in, not withdrawn, and not replaced by a
    correction. The database says the same for its figures (the view app.counted_activities; tests compare the two)."""
    return (
        f"{work}.deleted_at IS NULL AND {work}.superseded_by IS NULL AND {work}.status IN ('submitted', 'accepted')"
    )


def followed_up(work: str) -> str:
    """SQL: work that counts says that it does what an activity of the table or alias `work` left to do."""
    return (
        f"EXISTS (SELECT 1 FROM activities later WHERE later.follows_up_id IN ({work}.id, {work}.revises_id) "
        f"AND {counts('later')})"
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


def took_part(partners: Table) -> Any:
    """Partners who took part in an activity that a report counts."""

    def criterion(report: Any) -> ColumnElement[bool]:
        named = select(func.unnest(_WORK.c.partner_ids)).where(_WORK.c.id.in_(_work_ids(report)))
        return partners.c.id.in_(named)

    return criterion


def follow_up(rows: Table) -> Any:
    """Activities that leave something to do: `done` once work that counts says it follows it up, else `pending`."""
    done = is_followed_up(rows)
    return lambda value: and_(rows.c.follow_up.is_not(None), done == (cast(value, Text) == literal_column("'done'")))


def inside(rows: Table) -> Any:
    """Rows of a report's districts."""

    def criterion(report: Any) -> ColumnElement[bool]:
        scope = _scope(report)
        return rows.c.district_code.in_(select(func.unnest(scope.c.district_codes)))

    return criterion


def dated(rows: Table, day: str) -> Any:
    """Rows of a report's districts and of its period."""

    def criterion(report: Any) -> ColumnElement[bool]:
        scope = _scope(report)
        within = exists().where(rows.c[day].between(scope.c.period_start, scope.c.period_end))
        return and_(inside(rows)(report), within)

    return criterion


def visited(rows: Table) -> Any:
    """Completed visits of a report's districts and period."""
    return lambda report: and_(rows.c.status == literal_column("'completed'"), dated(rows, "visited_on")(report))


def assessed(rows: Table) -> Any:
    """Assessments that were new, closed, served or referred in the period of the report asked for with it, as
    app.report_ppks counts them."""

    def criterion(event: Any) -> ColumnElement[bool]:
        report: Any = bindparam("filter_report")
        scope = _scope(report)
        first, last = select(scope.c.period_start).scalar_subquery(), select(scope.c.period_end).scalar_subquery()
        meant = rows.c.reason_code.is_distinct_from(literal_column("'recorded_in_error'"))
        in_force = and_(rows.c.since <= last, or_(rows.c.until.is_(None), rows.c.until >= first))
        served = exists().where(
            _WORK.c.id.in_(_work_ids(report)),
            _WORK.c.district_code == rows.c.district_code,
            rows.c.beneficiary_id == any_(_WORK.c.beneficiary_ids),
        )
        referred = exists().where(
            _REFERRALS.c.beneficiary_id == rows.c.beneficiary_id,
            _REFERRALS.c.district_code == rows.c.district_code,
            _reached(_REFERRALS, literal_column("'submitted'"), report),
        )
        closed = and_(rows.c.status == literal_column("'closed'"), rows.c.until.between(first, last), meant)
        happened = {
            "new": and_(rows.c.assessed_on.between(first, last), meant),
            "served": and_(in_force, served),
            "referred": and_(in_force, referred),
            "closed": closed,
        }
        asked = cast(event, Text)
        return or_(*(and_(asked == literal_column(f"'{name}'"), what) for name, what in happened.items()))

    return criterion


def reached(rows: Table) -> Any:
    """Rows that reached a state within the period of the report asked for with it, by their region's own days."""

    def criterion(state: Any) -> ColumnElement[bool]:
        return _reached(rows, state, bindparam("filter_report"))

    return criterion


def _reached(rows: Any, state: Any, report: Any) -> ColumnElement[bool]:
    scope = _scope(report)
    # Of this row's region: by itself a query refers only to the one that it stands in, which is that of the steps.
    zone = select(_REGIONS.c.timezone).where(_REGIONS.c.code == rows.c.province_code).correlate(rows).scalar_subquery()
    day = cast(func.timezone(zone, _STEPS.c.at), Date)
    return exists().where(
        _STEPS.c.entity == literal_column(f"'{rows.name}'"),
        _STEPS.c.entity_id == rows.c.id,
        _STEPS.c.to_state == cast(state, Text),
        _STEPS.c.from_state.is_distinct_from(_STEPS.c.to_state),
        day.between(scope.c.period_start, scope.c.period_end),
    )
