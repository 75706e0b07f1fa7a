"""What every scoped or audited table needs in the database, written once."""

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

APP = "tksk_app"
SCOPE_INDEXES = ("province_code", "regency_code", "district_code", "created_at")

# One expression for every level and any number of regions. The sub-select is evaluated once per query; an unset or
# empty setting yields NULL, so nothing is visible. The index is reached by the caller's own predicate (wall one),
# whose equalities are leakproof and therefore planned below this barrier.
_REGIONS = "(SELECT string_to_array(nullif(current_setting('app.regions', true), ''), ','))"
USER = "(SELECT nullif(current_setting('app.user', true), '')::uuid)"
ROLE = "(SELECT current_setting('app.role', true))"
_AGENCY = "(SELECT nullif(current_setting('app.agency', true), '')::uuid)"
# coalesce() is for the planner: it takes `&&` with an unknown array for 1 % of the rows and then sorts a whole district
# to show 20 people; of a coalesce() it assumes half, and walks the list index (12 ms -> 1 ms, benchmarks/README.md).
INSIDE = f"coalesce(ARRAY['ID', province_code, regency_code, district_code, region_code] && {_REGIONS}, false)"


def record_columns() -> tuple[sa.Column[Any], ...]:
    """The columns of `Record` (database/tables.py), as they stood when these migrations were written."""
    return (
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.UUID()),
        sa.Column("create_digest", sa.LargeBinary()),
    )


def enable_region_scope(table: str, *, addressed_to_agency: bool = False, or_visible: str = "") -> None:
    """Generated region columns, the list indexes, and the forced row policy.

    A table addressed to agencies has `agency_id` and `submitted_at`: the agency sees a row once it was submitted.
    """
    for column, length in (("province_code", 2), ("regency_code", 5), ("district_code", 8)):
        op.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS {column}")
        op.execute(
            f'ALTER TABLE {table} ADD COLUMN {column} text COLLATE "C" GENERATED ALWAYS AS '
            f"(CASE WHEN length(region_code) >= {length} THEN left(region_code, {length}) END) STORED"
        )
        op.execute(f"CREATE INDEX ix_{table}_{column} ON {table} ({column}, created_at, id)")
    op.execute(f"CREATE INDEX ix_{table}_created_at ON {table} (created_at, id)")
    inside = f"({INSIDE}) OR (agency_id = {_AGENCY} AND submitted_at IS NOT NULL)" if addressed_to_agency else INSIDE
    force_policy(table, f"({inside}) OR {or_visible}" if or_visible else inside)


def force_policy(table: str, visible: str, *, writable: str | None = None) -> None:
    """Everyone but the owner sees only rows for which `visible` holds, and writes only `writable` ones (the same)."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY region_scope ON {table} TO {APP} USING ({visible}) WITH CHECK ({writable or visible})")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def replace_policy(table: str, visible: str, *, writable: str | None = None) -> None:
    """Another rule for a table that has one."""
    op.execute(f"ALTER POLICY region_scope ON {table} USING ({visible}) WITH CHECK ({writable or visible})")


def drop_policy(table: str) -> None:
    for policy in ("region_scope", "owner"):
        op.execute(f"DROP POLICY {policy} ON {table}")
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def audit(table: str, *hidden: str) -> None:
    """Field-level history by trigger, so that no write path can forget it. Values of `hidden` columns are not kept."""
    arguments = ", ".join(f"'{column}'" for column in ("create_digest", *hidden))
    op.execute(
        f"CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION app.record_change({arguments})"
    )
    op.execute(f"CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION app.touch()")


def log_access(table: str, *subjects: str) -> None:
    """An access row for every write; `subjects` are the columns that name the people the row is about."""
    arguments = ", ".join(f"'{subject}'" for subject in subjects)
    op.execute(
        f"CREATE TRIGGER record_access AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION app.record_access({arguments})"
    )


def grant(table: str, *privileges: str) -> None:
    op.execute(f"GRANT {', '.join(privileges)} ON {table} TO {APP}")


def amend(function: str, *changes: tuple[str, str]) -> None:
    """Insert each `(more, before)` into a function of the schema app: `more` goes before `before`, which stands once.

    For the few functions that know every table (a person's statement, their erasure): each migration adds what it made.
    """
    definition = _definition(function)
    for more, before in changes:
        assert definition.count(before) == 1, f"app.{function}: {definition.count(before)} times {before!r}"
        definition = definition.replace(before, more + before)
    op.execute(sa.text(definition.replace(":", r"\:")))


def reword(function: str, before: str, after: str) -> None:
    """Say something in a function of the schema app, which stands there once, in other words."""
    definition = _definition(function)
    assert definition.count(before) == 1, f"app.{function}: {definition.count(before)} times {before!r}"
    op.execute(sa.text(definition.replace(before, after).replace(":", r"\:")))


def unamend(function: str, *changes: tuple[str, str]) -> None:
    """What `amend` did, taken back."""
    definition = _definition(function)
    for more, before in reversed(changes):
        assert definition.count(more + before) == 1, f"app.{function}: {more + before!r}"
        definition = definition.replace(more + before, before)
    op.execute(sa.text(definition.replace(":", r"\:")))


def remember_history(table: str, only: str = "") -> None:
    """Whoever sees a row `e` of the table sees its history, if `only` holds, whatever other tables' rows the policies
    know already."""
    _rewrite_history(lambda rule: _before_last(rule, "ELSE", _its_history(table, only) + " "))


def forget_history(table: str) -> None:
    """What `remember_history` did, taken back; the server has put the rule into its own words since."""
    mine = rf"WHEN '{table}'::text THEN \(EXISTS \( SELECT 1\s+FROM {table} e\s+WHERE [^;]*?\)\)\)(?=\s+(WHEN|ELSE))"
    _rewrite_history(lambda rule: re.sub(rf"{mine}\s+", "", rule))


def _its_history(table: str, only: str) -> str:
    more = f" AND {only}" if only else ""
    return f"WHEN '{table}' THEN EXISTS (SELECT 1 FROM {table} e WHERE e.id = entity_id{more})"


def _before_last(text: str, anchor: str, more: str) -> str:
    head, found, tail = text.rpartition(anchor)
    return head + more + found + tail


def _rewrite_history(rewritten: Callable[[str], str]) -> None:
    for table in ("changes", "transitions"):
        rule = op.get_bind().scalar(
            sa.text("SELECT qual FROM pg_policies WHERE tablename = :table AND policyname = 'region_scope'"),
            {"table": table},
        )
        after = rewritten(str(rule))
        assert after != rule, table
        replace_policy(table, after)


def _definition(function: str) -> str:
    found = op.get_bind().execute(
        sa.text("SELECT pg_get_functiondef(CAST(:name AS regproc))"), {"name": f"app.{function}"}
    )
    return str(found.scalar_one())
