"""The access log grows up: every read and write of a person's data, and grants beyond one's own area."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Table -> the column that names the people a row is about.
_SUBJECTS = {
    "beneficiaries": "id",
    "visits": "beneficiary_id",
    "sktm_applications": "beneficiary_id",
    "referrals": "beneficiary_id",
    "activities": "beneficiary_ids",
    "access_grants": "beneficiary_id",
}
_GRANTED = (
    "id = ANY (coalesce((SELECT string_to_array(nullif(current_setting('app.granted', true), ''), ',')::uuid[]), '{}'))"
)

_RECORD_ACCESS = """
CREATE FUNCTION app.record_access() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- TG_ARGV[0]: the column that names the people the row is about. Nobody can write about a person without leaving this.
DECLARE
    subjects uuid[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        NEW := OLD;
    END IF;
    IF TG_ARGV[0] = 'id' THEN
        subjects := ARRAY[NEW.id];
    ELSIF TG_ARGV[0] = 'beneficiary_id' THEN
        subjects := ARRAY[NEW.beneficiary_id];
    ELSE
        subjects := NEW.beneficiary_ids;
    END IF;
    IF cardinality(subjects) > 0 THEN
        INSERT INTO public.access_log (user_id, session_id, role, actor_region, request_id, operation, action,
                                       object_id, subject_ids)
        VALUES (nullif(current_setting('app.user', true), '')::uuid,
                nullif(current_setting('app.session', true), '')::uuid,
                coalesce(nullif(current_setting('app.role', true), ''), 'owner'),
                nullif(current_setting('app.regions', true), ''),
                nullif(current_setting('app.request', true), '')::uuid,
                coalesce(nullif(current_setting('app.operation', true), ''), 'owner'),
                CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
                NEW.id, subjects);
    END IF;
    RETURN NULL;
END $$
"""

_FIND_PERSON = """
CREATE FUNCTION app.find_person(p_nik_index bytea)
RETURNS TABLE (id uuid, region_code text, inside boolean) LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Whether somebody with this NIK is registered anywhere, and under which region; whether the caller sees them.
    SELECT b.id, b.region_code,
           ARRAY['ID', b.province_code, b.regency_code, b.district_code, b.region_code]
               && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}')
      FROM public.beneficiaries b WHERE b.nik_index = p_nik_index AND b.deleted_at IS NULL
$$
"""

_BREAK_GLASS = """
CREATE FUNCTION app.break_glass(p_id uuid, p_beneficiary uuid, p_reason_code text, p_reason text, p_seconds integer)
RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER AS $$
-- A grant for the caller (app.user) to read one person outside their area until it ends. Returns when.
DECLARE
    caller uuid := nullif(current_setting('app.user', true), '')::uuid;
    ends timestamptz := now() + make_interval(secs => p_seconds);
BEGIN
    INSERT INTO public.access_grants (id, version, created_by, region_code, user_id, beneficiary_id, reason_code,
                                      reason, expires_at)
    SELECT p_id, 1, caller, b.region_code, caller, b.id, p_reason_code, p_reason, ends
      FROM public.beneficiaries b WHERE b.id = p_beneficiary;
    UPDATE public.users u SET granted_until = greatest(u.granted_until, ends) WHERE u.id = caller;
    RETURN ends;
END $$
"""


def upgrade() -> None:
    op.alter_column("access_log", "user_id", nullable=True)
    op.alter_column("access_log", "at", server_default=sa.text("clock_timestamp()"))
    op.add_column("access_log", sa.Column("actor_region", sa.Text()))
    op.add_column("access_log", sa.Column("action", sa.Text(), nullable=False, server_default="read"))
    op.add_column("access_log", sa.Column("object_id", sa.UUID()))
    op.add_column("access_log", sa.Column("outcome", sa.Text(), nullable=False, server_default="ok"))
    op.execute("UPDATE access_log SET purpose = 'service' WHERE purpose IS NULL")
    op.alter_column("access_log", "purpose", nullable=False, server_default="service")
    op.create_index("ix_access_log_subject_ids", "access_log", ["subject_ids"], postgresql_using="gin")
    op.create_index("ix_access_log_user_id", "access_log", ["user_id", "id"])
    op.add_column("users", sa.Column("granted_until", sa.DateTime(timezone=True)))
    op.create_table(
        "access_grants",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("beneficiary_id", sa.UUID(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_by", sa.UUID()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_access_grants_user_id"),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_access_grants_beneficiary_id"),
        sa.PrimaryKeyConstraint("id", name="pk_access_grants"),
    )
    op.create_index("ix_access_grants_user_id", "access_grants", ["user_id", "expires_at"])
    op.create_index("ix_access_grants_beneficiary_id", "access_grants", ["beneficiary_id"])
    ops.enable_region_scope("access_grants", or_visible=f"user_id = {ops.USER}")
    ops.audit("access_grants")
    ops.grant("access_grants", "SELECT", "UPDATE")
    # A grant shows, it never lets write.
    ops.replace_policy("beneficiaries", f"{ops.INSIDE} OR {_GRANTED}", writable=ops.INSIDE)
    # Auditors read it; everybody else may only add to it.
    ops.force_policy("access_log", f"{ops.ROLE} = 'auditor'", writable="true")
    ops.grant("access_log", "SELECT")
    for function in (_RECORD_ACCESS, _FIND_PERSON, _BREAK_GLASS):
        op.execute(function)
    op.execute("REVOKE ALL ON FUNCTION app.record_access, app.find_person, app.break_glass FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.find_person, app.break_glass TO {ops.APP}")
    for table, column in _SUBJECTS.items():
        ops.log_access(table, column)


def downgrade() -> None:
    for table in _SUBJECTS:
        op.execute(f"DROP TRIGGER record_access ON {table}")
    op.execute("DROP FUNCTION app.break_glass, app.find_person, app.record_access")
    op.execute(f"REVOKE SELECT ON access_log FROM {ops.APP}")
    ops.drop_policy("access_log")
    ops.replace_policy("beneficiaries", ops.INSIDE)
    op.drop_table("access_grants")
    op.drop_column("users", "granted_until")
    op.drop_index("ix_access_log_user_id")
    op.drop_index("ix_access_log_subject_ids")
    for column in ("outcome", "object_id", "action", "actor_region"):
        op.drop_column("access_log", column)
    op.alter_column("access_log", "purpose", nullable=True, server_default=None)
    op.alter_column("access_log", "at", server_default=sa.text("now()"))
    op.execute("DELETE FROM access_log WHERE user_id IS NULL")
    op.alter_column("access_log", "user_id", nullable=False)
