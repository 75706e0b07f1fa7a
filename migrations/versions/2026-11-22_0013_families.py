"""Families, their cards and their deciles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLES = ("families", "family_members", "family_cards", "decile_snapshots")

_LOCK_FAMILY = """
CREATE FUNCTION app.lock_family_of(p_person uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Whoever changes a person in a way that changes their family locks the family first, then the person, as the actions
-- of families do; also a family that the caller does not see. While we waited they may have joined another: look again.
DECLARE
    locked uuid;
    present uuid;
BEGIN
    LOOP
        SELECT m.family_id INTO present FROM public.family_members m
         WHERE m.beneficiary_id = p_person AND m.left_on IS NULL AND app.sees_person(p_person);
        EXIT WHEN present IS NULL OR present = locked;
        PERFORM 1 FROM public.families f WHERE f.id = present FOR UPDATE;
        locked := present;
    END LOOP;
END $$
"""

_LEAVE_FAMILY = """
CREATE FUNCTION app.leave_family() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Whoever is recorded as deceased, or withdrawn from the register, leaves their family, also one that the recorder does
-- not see. By trigger, so that no way of recording it can forget it. A family whose head went this way needs another;
-- one that nobody is left in has ended. TG_ARGV: the reason, and the step that the family's history names.
DECLARE
    gone_on date := coalesce(NEW.deceased_on, app.local_today(NEW.region_code), current_date);
    left_family uuid;
    left_as text;
    others boolean;
BEGIN
    IF current_setting('app.erasing', true) = 'on' THEN  -- an erasure does this itself
        RETURN NULL;
    END IF;
    UPDATE public.family_members m SET left_on = greatest(m.joined_on, gone_on), left_reason = TG_ARGV[0]
     WHERE m.beneficiary_id = NEW.id AND m.left_on IS NULL
    RETURNING m.family_id, m.relationship INTO left_family, left_as;
    IF left_family IS NULL THEN
        RETURN NULL;
    END IF;
    others := EXISTS (SELECT 1 FROM public.family_members m WHERE m.family_id = left_family AND m.left_on IS NULL);
    INSERT INTO public.transitions (id, entity, entity_id, action, from_state, to_state, actor_id, actor_name,
                                    actor_role, reason_code, request_id)
    SELECT gen_random_uuid(), 'families', f.id, TG_ARGV[1], f.status,
           CASE WHEN others THEN f.status ELSE 'ended' END,
           nullif(current_setting('app.user', true), '')::uuid,
           app.user_name(nullif(current_setting('app.user', true), '')::uuid),
           nullif(current_setting('app.role', true), ''), TG_ARGV[0],
           nullif(current_setting('app.request', true), '')::uuid
      FROM public.families f WHERE f.id = left_family;
    UPDATE public.families f
       SET status = CASE WHEN others THEN f.status ELSE 'ended' END,
           needs_head = others AND (f.needs_head OR left_as = 'head_of_family')
     WHERE f.id = left_family;
    RETURN NULL;
END $$
"""

# Trigger -> the column that says that somebody is gone, the reason and the step.
_LEAVES = (
    ("leave_by_death", "deceased_on", "'death', 'member_died'"),
    ("leave_by_withdrawal", "deleted_at", "'recorded_wrongly', 'member_withdrawn'"),
)

_MOVE = """
CREATE FUNCTION app.move_family(p_id uuid, p_version integer, p_village text, p_street text, p_rt text, p_rw text,
                                p_members boolean)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Moves a family with what is written about it, also out of the caller's regions; with p_members also those of its
-- members whom the caller sees. Returns the new version; NULL when the caller does not see the family or it moved on.
DECLARE
    areas text[] := string_to_array(nullif(current_setting('app.regions', true), ''), ',');
    moved integer;
BEGIN
    UPDATE public.families f
       SET region_code = p_village, street = p_street, rt = p_rt, rw = p_rw, version = f.version + 1
     WHERE f.id = p_id AND f.version = p_version
       AND ARRAY['ID', f.province_code, f.regency_code, f.district_code, f.region_code] && areas
    RETURNING f.version INTO moved;
    IF moved IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE public.family_members m SET region_code = p_village WHERE m.family_id = p_id;
    UPDATE public.family_cards c SET region_code = p_village WHERE c.family_id = p_id;
    UPDATE public.decile_snapshots d SET region_code = p_village WHERE d.family_id = p_id;
    IF p_members THEN
        UPDATE public.beneficiaries b
           SET region_code = p_village, street = p_street, rt = p_rt, rw = p_rw, moved_at = now(),
               moved_by = nullif(current_setting('app.user', true), '')::uuid
          FROM public.family_members m
         WHERE m.family_id = p_id AND m.left_on IS NULL AND b.id = m.beneficiary_id AND b.deleted_at IS NULL
           AND ARRAY['ID', b.province_code, b.regency_code, b.district_code, b.region_code] && areas;
    END IF;
    RETURN moved;
END $$
"""

# What is said before 'requests' of what a family tells about one person: its place, its card and its deciles only as
# far as they were theirs.
_STATED = """        'families', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.joined_on, x.id), '[]') FROM (
            SELECT m.id, m.relationship, m.joined_on, m.left_on, m.left_reason,
                   CASE WHEN m.left_on IS NULL THEN f.region_code END AS village_code,
                   CASE WHEN m.left_on IS NULL THEN f.street END AS street,
                   (SELECT coalesce(jsonb_agg('************' || c.number_last4 ORDER BY c.valid_from, c.id), '[]')
                      FROM public.family_cards c
                     WHERE c.family_id = f.id AND c.number_last4 IS NOT NULL
                       AND (c.valid_until IS NULL OR c.valid_until >= m.joined_on)
                       AND (m.left_on IS NULL OR c.valid_from <= m.left_on)) AS cards,
                   (SELECT coalesce(jsonb_agg(to_jsonb(y) ORDER BY y.dated_on), '[]') FROM (
                        SELECT d.dated_on, d.decile, d.source FROM public.decile_snapshots d
                         WHERE d.family_id = f.id AND (m.left_on IS NULL OR d.dated_on <= m.left_on)
                           AND (d.dated_on >= m.joined_on
                                OR d.dated_on = (SELECT max(e.dated_on) FROM public.decile_snapshots e
                                                  WHERE e.family_id = f.id AND e.source = d.source
                                                    AND e.dated_on <= m.joined_on))) y) AS deciles
              FROM public.family_members m JOIN public.families f ON f.id = m.family_id
             WHERE m.beneficiary_id = p_subject) x),
"""
_STATEMENT = (
    (
        "        UNION ALL SELECT m.id FROM public.family_members m WHERE m.beneficiary_id = p_subject\n",
        "        UNION ALL SELECT r.id FROM public.referrals r WHERE r.beneficiary_id = p_subject);\n",
    ),
    (_STATED, "        'requests', ("),
)
_ERASURE = (
    ("    deserted uuid[];\n", "    place record;\n"),
    (
        "    PERFORM app.lock_family_of(p_subject);\n",
        "    PERFORM 1 FROM public.beneficiaries b WHERE b.id = p_subject FOR UPDATE;\n",
    ),
    (
        """        UNION SELECT m.family_id FROM public.family_members m WHERE m.beneficiary_id = p_subject
        UNION SELECT k.id FROM public.family_members m
                JOIN public.family_members k ON k.family_id = m.family_id WHERE m.beneficiary_id = p_subject
""",
        "        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));\n",
    ),
    (
        "        UNION ALL SELECT m.id FROM public.family_members m WHERE m.beneficiary_id = p_subject\n",
        "        UNION ALL SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = p_subject);\n",
    ),
    (
        """        UNION SELECT k.beneficiary_id FROM public.family_members m
                JOIN public.family_members k ON k.family_id = m.family_id WHERE m.beneficiary_id = p_subject
""",
        "        EXCEPT SELECT p_subject);\n",
    ),
    (
        """    -- Families go on without the person. Where nobody is left, place, cards and their key go too.
    UPDATE public.families f SET needs_head = true
     WHERE f.id IN (SELECT m.family_id FROM public.family_members m
                     WHERE m.beneficiary_id = p_subject AND m.left_on IS NULL AND m.relationship = 'head_of_family');
    UPDATE public.family_members m
       SET relationship = 'other', left_on = coalesce(m.left_on, greatest(m.joined_on, current_date)),
           left_reason = coalesce(m.left_reason, 'other'), create_digest = NULL
     WHERE m.beneficiary_id = p_subject;
    deserted := ARRAY(
        SELECT DISTINCT m.family_id FROM public.family_members m
         WHERE m.beneficiary_id = p_subject
           AND NOT EXISTS (SELECT 1 FROM public.family_members k
                            WHERE k.family_id = m.family_id AND k.left_on IS NULL));
    UPDATE public.families f
       SET status = 'ended', needs_head = false, street = '(dihapus)', rt = NULL, rw = NULL, warnings = '[]',
           create_digest = NULL
     WHERE f.id = ANY (deserted);
    UPDATE public.family_cards c
       SET number_cipher = NULL, number_index = NULL, number_last4 = NULL, create_digest = NULL
     WHERE c.family_id = ANY (deserted);
    DELETE FROM public.subject_keys s WHERE s.subject_id = ANY (deserted);
    records := records || deserted;

""",
        "    -- What is also about others keeps its words, without this person's.\n",
    ),
)


def upgrade() -> None:
    _create_families()
    _create_decile_snapshots()
    for function in (_LOCK_FAMILY, _LEAVE_FAMILY, _MOVE):
        op.execute(function)
    op.execute("REVOKE ALL ON FUNCTION app.lock_family_of, app.leave_family, app.move_family FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.lock_family_of, app.move_family TO {ops.APP}")
    for trigger, column, why in _LEAVES:
        op.execute(
            f"CREATE TRIGGER {trigger} AFTER UPDATE OF {column} ON beneficiaries FOR EACH ROW "
            f"WHEN (OLD.{column} IS NULL AND NEW.{column} IS NOT NULL) EXECUTE FUNCTION app.leave_family({why})"
        )
    # Joining a family is new processing; leaving one only ends what was begun.
    op.execute(
        "CREATE TRIGGER refuse_restricted AFTER INSERT ON family_members "
        "FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted()"
    )
    for table in _TABLES:
        ops.remember_history(table)
    ops.amend("statement", *_STATEMENT)
    ops.amend("erase_subject", *_ERASURE)


def downgrade() -> None:
    ops.unamend("erase_subject", *_ERASURE)
    ops.unamend("statement", *_STATEMENT)
    for table in reversed(_TABLES):
        ops.forget_history(table)
    for trigger, _column, _why in _LEAVES:
        op.execute(f"DROP TRIGGER {trigger} ON beneficiaries")
    op.execute("DROP FUNCTION app.move_family, app.leave_family, app.lock_family_of")
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_families() -> None:
    op.create_table(
        "families",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("street", sa.Text(), nullable=False),
        sa.Column("rt", sa.Text()),
        sa.Column("rw", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("needs_head", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("split_from", sa.UUID()),
        sa.Column("warnings", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.ForeignKeyConstraint(["split_from"], ["families.id"], name="fk_families_split_from"),
        sa.PrimaryKeyConstraint("id", name="pk_families"),
    )
    op.create_table(
        "family_members",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("family_id", sa.UUID(), nullable=False),
        sa.Column("beneficiary_id", sa.UUID(), nullable=False),
        sa.Column("relationship", sa.Text(), nullable=False),
        sa.Column("joined_on", sa.Date(), nullable=False),
        sa.Column("left_on", sa.Date()),
        sa.Column("left_reason", sa.Text()),
        sa.CheckConstraint("left_on >= joined_on", name=op.f("ck_family_members_span")),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name="fk_family_members_family_id"),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_family_members_beneficiary_id"),
        sa.PrimaryKeyConstraint("id", name="pk_family_members"),
    )
    op.create_index("ix_family_members_family_id", "family_members", ["family_id"])
    op.create_index("ix_family_members_beneficiary_id", "family_members", ["beneficiary_id"])
    for name, column, which in (
        ("person", "beneficiary_id", "left_on IS NULL"),
        ("head", "family_id", "left_on IS NULL AND relationship = 'head_of_family'"),
    ):
        op.create_index(
            f"uq_family_members_{name}", "family_members", [column], unique=True, postgresql_where=sa.text(which)
        )
    op.create_table(
        "family_cards",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("family_id", sa.UUID(), nullable=False),
        sa.Column("number_cipher", sa.LargeBinary()),
        sa.Column("number_index", sa.LargeBinary()),
        sa.Column("number_last4", sa.Text()),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_family_cards_span")),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name="fk_family_cards_family_id"),
        sa.PrimaryKeyConstraint("id", name="pk_family_cards"),
    )
    op.create_index("ix_family_cards_family_id", "family_cards", ["family_id", "valid_from"])
    op.create_index("ix_family_cards_number_index", "family_cards", ["number_index"])
    op.create_index(
        "uq_family_cards_present",
        "family_cards",
        ["family_id"],
        unique=True,
        postgresql_where=sa.text("valid_until IS NULL"),
    )
    for table in ("families", "family_members", "family_cards"):
        ops.enable_region_scope(table)
        ops.grant(table, "SELECT", "INSERT", "UPDATE")
    ops.audit("families")
    ops.audit("family_members")
    ops.audit("family_cards", "number_cipher", "number_index", "number_last4")
    ops.log_access("family_members", "beneficiary_id")


def _create_decile_snapshots() -> None:
    op.create_table(
        "decile_snapshots",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("family_id", sa.UUID(), nullable=False),
        sa.Column("decile", sa.SmallInteger()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("dated_on", sa.Date(), nullable=False),
        sa.CheckConstraint("decile BETWEEN 1 AND 10", name=op.f("ck_decile_snapshots_decile")),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name="fk_decile_snapshots_family_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decile_snapshots"),
    )
    op.create_index(
        "uq_decile_snapshots_family_id", "decile_snapshots", ["family_id", "source", "dated_on"], unique=True
    )
    op.create_index("ix_decile_snapshots_family_id", "decile_snapshots", ["family_id", "dated_on", "created_at"])
    op.create_index("ix_decile_snapshots_batch", "decile_snapshots", ["batch", "created_at", "id"])
    ops.enable_region_scope("decile_snapshots")
    ops.audit("decile_snapshots")
    ops.grant("decile_snapshots", "SELECT", "INSERT")
