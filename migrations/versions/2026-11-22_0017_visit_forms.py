"""Visit forms, the order of visits, and what a visit proposes for the register."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ORDER_VISITS = """
CREATE FUNCTION app.order_visits(p_person uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Each completed visit with a finding is superseded by the next newer one, wherever in the country they were written:
-- by the day of the visit, and on one day by when it was completed. Called after whatever adds, moves or takes one.
-- The lock makes two completions at once see each other.
BEGIN
    PERFORM 1 FROM public.beneficiaries b WHERE b.id = p_person FOR NO KEY UPDATE;
    UPDATE public.visits v SET superseded_by = o.next
      FROM (SELECT w.id, lead(w.id) OVER (ORDER BY w.visited_on, w.completed_at, w.id) AS next
              FROM public.visits w
             WHERE w.beneficiary_id = p_person AND w.status = 'completed' AND w.finding IS NOT NULL) o
     WHERE v.id = o.id AND v.superseded_by IS DISTINCT FROM o.next;
END $$
"""

_ORDER_MOVED = """
CREATE FUNCTION app.order_moved_visits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- A merge gives one's visits to another, and its undoing gives them back: both stand in order again.
BEGIN
    PERFORM app.order_visits(OLD.beneficiary_id);
    PERFORM app.order_visits(NEW.beneficiary_id);
    RETURN NULL;
END $$
"""

_REVIEW_PROPOSALS = """
CREATE FUNCTION app.review_proposals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- A proposal is about what the register said when it was raised: once that changed, it is outdated, whoever changed it
-- and by whatever way. What stays open follows the person to where they are registered now.
BEGIN
    UPDATE public.proposals p SET status = 'outdated'
     WHERE p.beneficiary_id = NEW.id AND p.status = 'open'
       AND (NEW.deleted_at IS NOT NULL
            OR CASE p.field
               WHEN 'full_name' THEN NEW.full_name IS DISTINCT FROM OLD.full_name
               WHEN 'birth_place' THEN NEW.birth_place IS DISTINCT FROM OLD.birth_place
               WHEN 'birth_date' THEN NEW.birth_date IS DISTINCT FROM OLD.birth_date
               WHEN 'sex' THEN NEW.sex IS DISTINCT FROM OLD.sex
               WHEN 'address' THEN (NEW.street, NEW.rt, NEW.rw) IS DISTINCT FROM (OLD.street, OLD.rt, OLD.rw)
               WHEN 'phone' THEN NEW.phone IS DISTINCT FROM OLD.phone
               WHEN 'relationship' THEN NEW.relationship IS DISTINCT FROM OLD.relationship
               WHEN 'ppks_categories' THEN NEW.ppks_categories IS DISTINCT FROM OLD.ppks_categories
               WHEN 'village_code' THEN NEW.region_code IS DISTINCT FROM OLD.region_code
               WHEN 'deceased_on' THEN NEW.deceased_on IS DISTINCT FROM OLD.deceased_on
               ELSE false END);
    IF NEW.region_code IS DISTINCT FROM OLD.region_code THEN
        UPDATE public.proposals p SET region_code = NEW.region_code
         WHERE p.beneficiary_id = NEW.id AND p.status = 'open';
    END IF;
    RETURN NULL;
END $$
"""

_LEAVE_BEHIND = """
CREATE FUNCTION app.leave_behind() RETURNS trigger LANGUAGE plpgsql AS $$
-- A proposal that a merge gives to another record compares with a register entry that no longer counts.
BEGIN
    NEW.status := 'outdated';
    RETURN NEW;
END $$
"""

# What a merge moves (0016); the way back leaves a proposal outdated, as the merge made it.
_MOVED = (
    "        ('proposals', 'beneficiary_id', 'one here', NULL),\n",
    "        ('privacy_requests', 'beneficiary_id', 'one', NULL)\n",
)

# In a person's statement, and in their erasure: each before what stands there already (0008).
_STATED = (
    ("v.cancel_reason, ", "v.notes, v.evidence, v.reasons"),
    (
        """        'proposals', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.created_at, x.id), '[]') FROM (
            SELECT p.id, p.created_at, p.field, p.current_value, p.proposed_value, p.status, p.decided_at, p.note
              FROM public.proposals p WHERE p.beneficiary_id = p_subject) x),
""",
        "        'requests', (",
    ),
)
_ERASED = (
    (
        "        UNION ALL SELECT p.id FROM public.proposals p WHERE p.beneficiary_id = p_subject\n",
        "        UNION ALL SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = p_subject);\n",
    ),
    (
        "        UNION SELECT p.id FROM public.proposals p WHERE p.beneficiary_id = ANY (others)\n",
        "        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));\n",
    ),
    (
        """    UPDATE public.visits v SET cancel_reason = NULL, warnings = '[]' WHERE v.beneficiary_id = p_subject;
    UPDATE public.proposals p
       SET current_value = NULL, proposed_value = NULL, note = NULL, create_digest = NULL,
           status = CASE WHEN p.status = 'open' THEN 'outdated' ELSE p.status END
     WHERE p.beneficiary_id = p_subject;

""",
        "    -- What is also about others keeps its words, without this person's.\n",
    ),
    (
        "        ('visits', 'cancel_reason'), ('proposals', 'note'),\n",
        "        ('activities', 'follow_up')) AS written",
    ),
)
_MAY_STILL_END = {"visits": ("cancelled",), "proposals": ("rejected", "outdated")}


def upgrade() -> None:
    op.add_column("visits", sa.Column("form_version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("visits", sa.Column("cancel_reason", sa.Text()))
    op.add_column("visits", sa.Column("superseded_by", sa.UUID()))
    op.create_foreign_key("fk_visits_superseded_by", "visits", "visits", ["superseded_by"], ["id"])
    op.add_column(
        "visits",
        sa.Column("warnings", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
    )
    op.create_table(
        "proposals",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("beneficiary_id", sa.UUID(), nullable=False),
        sa.Column("visit_id", sa.UUID(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("current_value", postgresql.JSONB()),
        sa.Column("proposed_value", postgresql.JSONB()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.UUID()),
        sa.Column("note", sa.Text()),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_proposals_beneficiary_id"),
        sa.ForeignKeyConstraint(["visit_id"], ["visits.id"], name="fk_proposals_visit_id"),
        sa.PrimaryKeyConstraint("id", name="pk_proposals"),
    )
    op.create_index("ix_proposals_beneficiary_id", "proposals", ["beneficiary_id", "created_at"])
    op.create_index("ix_proposals_visit_id", "proposals", ["visit_id"])
    op.create_index(
        "uq_proposals_open",
        "proposals",
        ["beneficiary_id", "field"],
        unique=True,
        postgresql_where=sa.text("status = 'open'"),
    )
    ops.enable_region_scope("proposals")
    ops.audit("proposals")
    ops.log_access("proposals", "beneficiary_id")
    ops.grant("proposals", "SELECT", "INSERT", "UPDATE")
    for function in (_ORDER_VISITS, _ORDER_MOVED, _REVIEW_PROPOSALS, _LEAVE_BEHIND):
        op.execute(function)
    for name in ("order_visits", "order_moved_visits", "review_proposals", "leave_behind"):
        op.execute(f"REVOKE ALL ON FUNCTION app.{name} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.order_visits TO {ops.APP}")
    op.execute(
        "CREATE TRIGGER review_proposals AFTER UPDATE OF full_name, birth_place, birth_date, sex, street, rt, rw, "
        "phone, relationship, ppks_categories, region_code, deceased_on, deleted_at ON beneficiaries "
        "FOR EACH ROW EXECUTE FUNCTION app.review_proposals()"
    )
    op.execute(
        "CREATE TRIGGER order_moved AFTER UPDATE OF beneficiary_id ON visits FOR EACH ROW "
        "WHEN (NEW.beneficiary_id <> OLD.beneficiary_id) EXECUTE FUNCTION app.order_moved_visits()"
    )
    op.execute(
        "CREATE TRIGGER leave_behind BEFORE UPDATE ON proposals FOR EACH ROW "
        "WHEN (NEW.beneficiary_id <> OLD.beneficiary_id AND NEW.status = 'open') EXECUTE FUNCTION app.leave_behind()"
    )
    _refuse_restricted(_MAY_STILL_END)
    ops.amend("person_columns", _MOVED)
    ops.amend("statement", *_STATED)
    ops.amend("erase_subject", *_ERASED)
    ops.remember_history("proposals")
    op.execute(
        "SELECT app.order_visits(p.beneficiary_id) FROM "
        "(SELECT DISTINCT v.beneficiary_id FROM visits v WHERE v.finding IS NOT NULL) p"
    )


def downgrade() -> None:
    ops.forget_history("proposals")
    ops.unamend("erase_subject", *_ERASED)
    ops.unamend("statement", *_STATED)
    ops.unamend("person_columns", _MOVED)
    _refuse_restricted({"visits": ()})
    op.execute("DROP TRIGGER review_proposals ON beneficiaries")
    op.drop_table("proposals")
    op.execute("DROP TRIGGER order_moved ON visits")
    op.execute("DROP FUNCTION app.leave_behind, app.review_proposals, app.order_moved_visits, app.order_visits")
    op.drop_column("visits", "warnings")
    op.drop_column("visits", "superseded_by")
    op.drop_column("visits", "cancel_reason")
    op.drop_column("visits", "form_version")


def _refuse_restricted(tables: dict[str, tuple[str, ...]]) -> None:
    """The trigger of 0008, told which states may still be reached: to give up is no processing."""
    for table, states in tables.items():
        arguments = ", ".join(f"'{state}'" for state in states)
        op.execute(
            f"CREATE OR REPLACE TRIGGER refuse_restricted AFTER INSERT OR UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted({arguments})"
        )
