"""Activities: kinds, templates, suggestions with their origin, corrections, and what a report freezes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None

_LINKS = ("visit_ids", "sktm_application_ids", "referral_ids")

# What a report says stays as it was said. A merge and an erasure run as the owner and still reach the people in it.
_KEEP_FROZEN = """
CREATE FUNCTION app.keep_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
-- Generated columns are not filled in yet when this runs; what they are generated from is compared. An office accepts
-- it all the same: what was submitted counts already. What is withdrawn still says what the report said.
DECLARE
    free text[] := '{frozen_by,superseded_by,status,version,updated_at,province_code,regency_code,district_code}';
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - free = to_jsonb(OLD) - free
       AND (NEW.status = OLD.status OR OLD.status = 'submitted' AND NEW.status = 'accepted'
            OR OLD.status IN ('submitted', 'accepted') AND NEW.status = 'withdrawn') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the activity is part of a report' USING ERRCODE = '23514', CONSTRAINT = 'activity_frozen';
END $$
"""

# One's own, and what an office shares with this region: from above it or from inside it.
_TEMPLATE_VISIBLE = f"""officer_id = {ops.USER} OR (officer_id IS NULL AND (region_code IS NULL OR EXISTS (
    SELECT 1 FROM unnest({ops._REGIONS}) AS mine (code)
     WHERE mine.code = 'ID' OR starts_with(mine.code || '.', activity_templates.region_code || '.')
        OR starts_with(activity_templates.region_code || '.', mine.code || '.'))))"""
# Who sees what an office above shares does not write it: one's own, and what one shares inside one's own regions.
_TEMPLATE_WRITABLE = f"""officer_id = {ops.USER} OR (officer_id IS NULL AND EXISTS (
    SELECT 1 FROM unnest({ops._REGIONS}) AS mine (code)
     WHERE mine.code = 'ID' OR starts_with(activity_templates.region_code || '.', mine.code || '.')))"""


def upgrade() -> None:
    _create_kinds()
    _create_templates()
    op.add_column("activities", sa.Column("frozen_by", sa.UUID()))
    op.add_column("activities", sa.Column("revises_id", sa.UUID()))
    op.add_column("activities", sa.Column("superseded_by", sa.UUID()))
    op.add_column("activities", sa.Column("origin_kind", sa.Text()))
    op.add_column("activities", sa.Column("origin_id", sa.UUID()))
    op.add_column("activities", sa.Column("origin_step", sa.Text()))
    op.add_column("activities", sa.Column("is_suggested", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("activities", sa.Column("template_id", sa.UUID()))
    for name in _LINKS:
        op.add_column("activities", _ids(name))
    for name, target in (("revises_id", "activities"), ("superseded_by", "activities")):
        op.create_foreign_key(f"fk_activities_{name}", "activities", target, [name], ["id"])
    op.create_foreign_key("fk_activities_template_id", "activities", "activity_templates", ["template_id"], ["id"])
    op.create_check_constraint(
        op.f("ck_activities_origin"), "activities", "num_nonnulls(origin_kind, origin_id, origin_step) IN (0, 3)"
    )
    op.create_index(
        "uq_activities_revises_id",
        "activities",
        ["revises_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    # A suggestion that was dismissed is deleted and stays in the index: it never comes back.
    op.create_index(
        "uq_activities_origin",
        "activities",
        ["origin_id", "origin_kind", "origin_step", "officer_id"],
        unique=True,
        postgresql_where=sa.text("origin_id IS NOT NULL"),
    )
    op.create_index(
        "ix_activities_frozen_by", "activities", ["frozen_by"], postgresql_where=sa.text("frozen_by IS NOT NULL")
    )
    op.execute(_KEEP_FROZEN)
    op.execute("REVOKE ALL ON FUNCTION app.keep_frozen FROM PUBLIC")
    op.execute(
        f"CREATE TRIGGER keep_frozen BEFORE UPDATE OR DELETE ON activities FOR EACH ROW "
        f"WHEN (OLD.frozen_by IS NOT NULL AND current_user = '{ops.APP}') EXECUTE FUNCTION app.keep_frozen()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_frozen ON activities")
    # Nothing tells a correction from other work any more: one of the two stays, the one that counts.
    op.execute(
        "UPDATE activities SET deleted_at = now() WHERE deleted_at IS NULL AND (superseded_by IS NOT NULL "
        "OR status = 'withdrawn' OR (revises_id IS NOT NULL AND status NOT IN ('submitted', 'accepted')))"
    )
    op.execute("DROP FUNCTION app.keep_frozen")
    for index in ("ix_activities_frozen_by", "uq_activities_origin", "uq_activities_revises_id"):
        op.drop_index(index, "activities")
    op.drop_constraint(op.f("ck_activities_origin"), "activities")
    for name in (
        *_LINKS,
        "template_id",
        "is_suggested",
        "origin_step",
        "origin_id",
        "origin_kind",
        "superseded_by",
        "revises_id",
        "frozen_by",
    ):
        op.drop_column("activities", name)
    op.drop_table("activity_templates")
    op.drop_table("activity_kinds")


def _ids(name: str) -> sa.Column:
    return sa.Column(name, postgresql.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False)


def _create_kinds() -> None:
    op.create_table(
        "activity_kinds",
        *ops.record_columns(),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label_id", sa.Text(), nullable=False),
        sa.Column("label_en", sa.Text(), nullable=False),
        sa.Column("pillar", sa.Text()),
        sa.Column("function", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(collation="C")),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_until", sa.Date()),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_activity_kinds_span")),
        sa.PrimaryKeyConstraint("id", name="pk_activity_kinds"),
    )
    op.create_index("uq_activity_kinds_code", "activity_kinds", ["code"], unique=True)
    ops.audit("activity_kinds")
    ops.grant("activity_kinds", "SELECT", "INSERT", "UPDATE")


def _create_templates() -> None:
    op.create_table(
        "activity_templates",
        *ops.record_columns(),
        sa.Column("officer_id", sa.UUID()),
        sa.Column("region_code", sa.Text(collation="C")),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("pillar", sa.Text(), nullable=False),
        sa.Column("function", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("description", sa.Text()),
        _ids("partner_ids"),
        _ids("agency_ids"),
        sa.Column("assigned_by", sa.Text()),
        sa.Column("recurrence", postgresql.JSONB()),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["officer_id"], ["users.id"], name="fk_activity_templates_officer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_activity_templates"),
    )
    op.create_index("ix_activity_templates_officer_id", "activity_templates", ["officer_id", "created_at", "id"])
    ops.force_policy("activity_templates", _TEMPLATE_VISIBLE, writable=_TEMPLATE_WRITABLE)
    ops.audit("activity_templates")
    ops.grant("activity_templates", "SELECT", "INSERT", "UPDATE")
