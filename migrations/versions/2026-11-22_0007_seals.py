"""Seals over the access log; the log names everybody a row is about, and finds its rows by person, actor and time."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_RECORD_PEOPLE = """
CREATE FUNCTION app.record_people(p_action text, p_object uuid, p_people uuid[], p_purpose text DEFAULT 'service',
                                  p_reason text DEFAULT NULL, p_fields text[] DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
-- An access row in the name of whoever entered this transaction. app.people remembers whom it has recorded, as far as
-- one request can reach: a bulk load by the owner would copy an ever longer text.
DECLARE
    known text := coalesce(current_setting('app.people', true), '');
BEGIN
    INSERT INTO public.access_log (user_id, session_id, role, actor_region, request_id, operation, action, object_id,
                                   subject_ids, purpose, reason, fields)
    VALUES (nullif(current_setting('app.user', true), '')::uuid,
            nullif(current_setting('app.session', true), '')::uuid,
            coalesce(nullif(current_setting('app.role', true), ''), 'owner'),
            nullif(current_setting('app.regions', true), ''),
            nullif(current_setting('app.request', true), '')::uuid,
            coalesce(nullif(current_setting('app.operation', true), ''), 'owner'),
            p_action, p_object, p_people, p_purpose, p_reason, p_fields);
    IF cardinality(p_people) > 0 AND length(known) < 20000 THEN
        PERFORM pg_catalog.set_config('app.people', pg_catalog.concat_ws(',', nullif(known, ''),
                                      pg_catalog.array_to_string(p_people, ',')), true);
    END IF;
END $$
"""

_RECORDED_PEOPLE = """
CREATE FUNCTION app.recorded_people() RETURNS uuid[] LANGUAGE sql STABLE AS $$
-- Everybody this transaction has left an access row about.
    SELECT coalesce(string_to_array(nullif(current_setting('app.people', true), ''), ',')::uuid[], '{}')
$$
"""

_RECORD_ACCESS = """
CREATE OR REPLACE FUNCTION app.record_access() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- TG_ARGV: the columns that name the people the row is about. Nobody can write about a person without leaving this.
-- Whom a change takes out of the row is named too.
DECLARE
    people uuid[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        NEW := OLD;
    END IF;
    IF TG_ARGV[0] = 'id' THEN
        people := ARRAY[NEW.id];
    ELSIF TG_ARGV[0] = 'beneficiary_id' AND TG_NARGS = 1 THEN
        people := ARRAY[NEW.beneficiary_id];
    ELSIF TG_ARGV[0] = 'beneficiary_id' AND TG_ARGV[1] = 'dependants' THEN
        people := ARRAY(SELECT DISTINCT unnest(NEW.beneficiary_id || NEW.dependants || OLD.dependants));
    ELSE
        people := ARRAY(SELECT DISTINCT unnest(NEW.beneficiary_ids || OLD.beneficiary_ids));
    END IF;
    IF cardinality(people) > 0 THEN
        PERFORM app.record_people(
            CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END, NEW.id, people);
    END IF;
    RETURN NULL;
END $$
"""

_ACCESSES_OF = """
CREATE FUNCTION app.accesses_of(p_person uuid) RETURNS SETOF bigint LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Ids of the access rows that name a person, for an auditor. `@>` is not leakproof: under the row policy it would be
-- kept off the index and read the whole log.
    SELECT a.id FROM public.access_log a
     WHERE a.subject_ids OPERATOR(pg_catalog.@>) ARRAY[p_person]
       AND pg_catalog.current_setting('app.role', true) = 'auditor'
$$
"""


def upgrade() -> None:
    op.create_table(
        "access_seals",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_access_seals"),
    )
    ops.grant("access_seals", "SELECT", "INSERT")
    # Lists are by time, of everybody or of one actor: both walk an index and stop.
    op.drop_index("ix_access_log_user_id")
    op.create_index("ix_access_log_user_id", "access_log", ["user_id", "at", "id"])
    op.create_index("ix_access_log_at", "access_log", ["at", "id"])
    # Whom a stored answer shows, so that giving it again can be recorded.
    op.add_column(
        "idempotency_keys",
        sa.Column("subject_ids", sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
    )
    for function in (_RECORD_PEOPLE, _RECORDED_PEOPLE, _RECORD_ACCESS, _ACCESSES_OF):
        op.execute(function)
    op.execute("REVOKE ALL ON FUNCTION app.record_people, app.recorded_people, app.accesses_of FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.record_people, app.recorded_people, app.accesses_of TO {ops.APP}")
    _log_access_of_applications("beneficiary_id", "dependants")


def downgrade() -> None:
    access = op.get_context().script.get_revision("0004").module
    _log_access_of_applications("beneficiary_id")
    op.execute(access._RECORD_ACCESS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute("DROP FUNCTION app.accesses_of, app.recorded_people, app.record_people")
    op.drop_column("idempotency_keys", "subject_ids")
    op.drop_index("ix_access_log_at")
    op.drop_index("ix_access_log_user_id")
    op.create_index("ix_access_log_user_id", "access_log", ["user_id", "id"])
    op.drop_table("access_seals")


def _log_access_of_applications(*subjects: str) -> None:
    op.execute("DROP TRIGGER record_access ON sktm_applications")
    ops.log_access("sktm_applications", *subjects)
