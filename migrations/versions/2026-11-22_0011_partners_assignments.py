"""Social partners, and who holds which district from when to when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LOCAL_TODAY = """
CREATE FUNCTION app.local_today(p_region text) RETURNS date LANGUAGE sql STABLE STRICT AS $$
-- The day at a place. A zone covers whole provinces, which outlive the villages of old rows.
    SELECT (pg_catalog.now() AT TIME ZONE p.timezone)::date FROM public.regions p
     WHERE p.code = pg_catalog.left(p_region, 2)
$$
"""

_MARK_ASSIGNED = """
CREATE FUNCTION app.mark_assigned() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- From the first district on, assignments alone say where an officer works. By trigger, so that no way of writing
-- an assignment can forget it and leave an officer in a district that was taken from them.
BEGIN
    UPDATE public.users SET has_assignments = true WHERE id = NEW.user_id AND NOT has_assignments;
    RETURN NULL;
END $$
"""

# What 0010 says of an officer's area, and what stands before it from now on.
_OWN_REGION = "ELSE ARRAY[u.region_code] END,"
_ASSIGNED_DISTRICTS = """WHEN u.role = 'tksk' AND u.has_assignments THEN ARRAY(
                    SELECT DISTINCT a.region_code FROM public.assignments a
                     WHERE a.user_id = u.id AND a.kind IN ('holder', 'acting')
                       AND a.during @> app.local_today(a.region_code) ORDER BY 1)
                """


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public")
    op.add_column("users", sa.Column("has_assignments", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(
        "referrals",
        sa.Column("partner_ids", postgresql.ARRAY(sa.UUID()), nullable=False, server_default=sa.text("'{}'::uuid[]")),
    )
    _create_partners()
    _create_assignments()
    op.execute(_LOCAL_TODAY)
    op.execute(_MARK_ASSIGNED)
    op.execute("REVOKE ALL ON FUNCTION app.local_today, app.mark_assigned FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.local_today TO {ops.APP}")
    op.execute(
        "CREATE TRIGGER mark_assigned AFTER INSERT ON assignments FOR EACH ROW "
        "WHEN (NEW.kind IN ('holder', 'acting')) EXECUTE FUNCTION app.mark_assigned()"
    )
    before = _enter_of_0010()
    assert before.count(_OWN_REGION) == 1
    _replace_enter(before.replace(_OWN_REGION, _ASSIGNED_DISTRICTS + _OWN_REGION))
    ops.remember_history("assignments")


def downgrade() -> None:
    ops.forget_history("assignments")
    _replace_enter(_enter_of_0010())
    op.drop_table("assignments")
    op.execute("DROP FUNCTION app.mark_assigned, app.local_today")
    op.drop_table("partners")
    op.drop_column("referrals", "partner_ids")
    op.drop_column("users", "has_assignments")


def _enter_of_0010() -> str:
    return str(op.get_context().script.get_revision("0010").module._ENTER)


def _replace_enter(definition: str) -> None:
    op.execute("DROP FUNCTION app.enter")
    op.execute(definition)
    op.execute("REVOKE ALL ON FUNCTION app.enter FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.enter TO {ops.APP}")


def _record() -> list[sa.Column]:
    return [
        *ops.record_columns(),
    ]


def _create_partners() -> None:
    empty = sa.text("'{}'::text[]")
    op.create_table(
        "partners",
        *_record(),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_name", sa.Text(), sa.Computed("app.search_name(name)", persisted=True), nullable=True),
        sa.Column("region_code", sa.Text(collation="C"), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("contact_person", sa.Text()),
        sa.Column("offers", postgresql.ARRAY(sa.Text()), server_default=empty, nullable=False),
        sa.Column("offer_details", sa.Text()),
        sa.Column("programs", postgresql.ARRAY(sa.Text()), server_default=empty, nullable=False),
        sa.Column("pillars", postgresql.ARRAY(sa.Text()), server_default=empty, nullable=False),
        sa.Column("legal_entity", sa.Text()),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("ended_on", sa.Date()),
        sa.Column("end_reason", sa.Text()),
        sa.Column("notes", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_partners"),
    )
    op.create_index("ix_partners_region_code", "partners", ["region_code"])
    op.create_index("ix_partners_created_at", "partners", ["created_at", "id"])
    op.create_index("ix_partners_offers", "partners", ["offers"], postgresql_using="gin")
    ops.audit("partners")
    ops.grant("partners", "SELECT", "INSERT", "UPDATE")


def _create_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("region_code", sa.Text(collation="C"), nullable=True),
        *_record(),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("decree_number", sa.Text()),
        sa.Column("decree_date", sa.Date()),
        sa.Column("decree_issuer", sa.Text()),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("end_reason", sa.Text()),
        sa.Column("end_note", sa.Text()),
        sa.Column("acting_for", sa.UUID()),
        sa.Column("note", sa.Text()),
        # The last day counts, unless it was ended in the middle of it: then that day is the successor's.
        sa.Column(
            "during",
            postgresql.DATERANGE(),
            sa.Computed(
                "daterange(starts_on, ends_on, CASE WHEN ended_at IS NULL THEN '[]' ELSE '[)' END)", persisted=True
            ),
            nullable=False,
        ),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_assignments_span")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_assignments_user_id"),
        sa.ForeignKeyConstraint(["acting_for"], ["users.id"], name="fk_assignments_acting_for"),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
    )
    op.create_index("ix_assignments_user_id", "assignments", ["user_id"])
    op.create_index("ix_assignments_region_code", "assignments", ["region_code", "kind"])
    for name, what, which in (
        ("district_held", "region_code WITH =", "kind = 'holder'"),
        ("officer_holds", "user_id WITH =", "kind = 'holder'"),
        ("repeated", "user_id WITH =, region_code WITH =, kind WITH =", "kind <> 'holder'"),
    ):
        op.execute(
            f"ALTER TABLE assignments ADD CONSTRAINT ex_assignments_{name} "
            f"EXCLUDE USING gist ({what}, during WITH &&) WHERE ({which})"
        )
    # Their own too: a coordinator's regency is above the districts of their area.
    ops.enable_region_scope("assignments")
    ops.replace_policy("assignments", f"({ops.INSIDE}) OR user_id = {ops.USER}", writable=ops.INSIDE)
    ops.audit("assignments")
    ops.grant("assignments", "SELECT", "INSERT", "UPDATE")
