"""What a person's papers say and who checked them; PPKS assessments, the sensitive ones behind their own policy."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# `sensitive` of the list ppks_categories (DOMAIN §2.1, §7.1); tests/api/test_ppks_assessments.py compares the two.
SENSITIVE = (
    "anak_berhadapan_hukum",
    "anak_disabilitas",
    "anak_korban_kekerasan",
    "anak_perlindungan_khusus",
    "penyandang_disabilitas",
    "tuna_susila",
    "kelompok_minoritas",
    "bwblp",
    "odha",
    "korban_napza",
    "korban_trafficking",
    "korban_kekerasan",
)
_CODES = "'{" + ",".join(SENSITIVE) + "}'::text[]"

_SEES_SENSITIVE = """
CREATE FUNCTION app.sees_sensitive() RETURNS boolean LANGUAGE sql STABLE AS $$
-- Whether the caller's role (app.role, set by app.enter) needs the sensitive PPKS categories: the officer who assesses
-- and the regency's social office, which answers for the service. Nobody else, and no machine.
    SELECT coalesce(current_setting('app.role', true) = ANY ('{tksk,regency_office}'), false)
$$
"""

_DIED = """
CREATE FUNCTION app.died(p_person uuid) RETURNS boolean LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- Whether a person is recorded as dead; asked only about somebody whom the caller sees.
    SELECT b.deceased_on IS NOT NULL FROM public.beneficiaries b WHERE b.id = p_person
$$
"""

_SET_CATEGORIES = """
CREATE FUNCTION app.set_categories(p_person uuid, p_region text, p_codes text[], p_sensitive boolean)
RETURNS void LANGUAGE plpgsql AS $$
-- The person has these categories, of the sensitive or of the ordinary ones: what is new is assessed today, what is
-- missing was recorded in error. With the rights of whoever calls it.
DECLARE
    caller uuid := nullif(current_setting('app.user', true), '')::uuid;
    today date := coalesce(app.local_today(p_region), current_date);
BEGIN
    UPDATE public.ppks_assessments a
       SET status = 'closed', until = greatest(today, a.since), reason_code = 'recorded_in_error'
     WHERE a.beneficiary_id = p_person AND a.status = 'active' AND a.sensitive = p_sensitive
       AND a.category <> ALL (p_codes);
    INSERT INTO public.ppks_assessments (id, version, created_by, region_code, category, unit, beneficiary_id, since,
                                         assessed_on, assessor_id, status)
    SELECT gen_random_uuid(), 1, caller, p_region, c.code, 'person', p_person, today, today, caller, 'active'
      FROM unnest(p_codes) AS c (code)
     WHERE NOT EXISTS (SELECT 1 FROM public.ppks_assessments a
                        WHERE a.beneficiary_id = p_person AND a.status = 'active' AND a.category = c.code);
END $$
"""

_REFLECT_CATEGORIES = """
CREATE FUNCTION app.reflect_categories() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- The column ppks_categories and the active ordinary assessments say the same, whatever path the write takes.
BEGIN
    IF coalesce(current_setting('app.erasing', true), '') <> 'on' THEN
        PERFORM app.set_categories(NEW.id, NEW.region_code, NEW.ppks_categories, false);
    END IF;
    RETURN NULL;
END $$
"""

_FOLLOW = """
CREATE FUNCTION app.follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Who looks after a person or a family now sees what was assessed before; whoever let go of them no longer does.
BEGIN
    IF TG_TABLE_NAME = 'families' THEN
        UPDATE public.ppks_assessments a SET region_code = NEW.region_code WHERE a.family_id = NEW.id;
    ELSE
        UPDATE public.ppks_assessments a SET region_code = NEW.region_code WHERE a.beneficiary_id = NEW.id;
        UPDATE public.document_names d SET region_code = NEW.region_code WHERE d.beneficiary_id = NEW.id;
    END IF;
    RETURN NULL;
END $$
"""

_RECORD_ASSESSMENT = """
CREATE FUNCTION app.record_assessment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- As app.record_access, saying when the category is a sensitive one. What merely follows the person is recorded with
-- the person.
BEGIN
    IF NEW.beneficiary_id IS NULL OR (TG_OP = 'UPDATE' AND NEW.region_code IS DISTINCT FROM OLD.region_code)
       OR (NOT NEW.sensitive AND NEW.beneficiary_id = ANY (app.recorded_people())) THEN
        RETURN NULL;
    END IF;
    PERFORM app.record_people(CASE TG_OP WHEN 'INSERT' THEN 'create' ELSE 'update' END, NEW.id,
                              ARRAY[NEW.beneficiary_id], 'service', NULL,
                              CASE WHEN NEW.sensitive THEN ARRAY['ppks_sensitive'] END);
    RETURN NULL;
END $$
"""

_RECORDED_FIELDS = """
CREATE FUNCTION app.recorded_fields() RETURNS text[] LANGUAGE sql STABLE AS $$
-- What this transaction has shown beyond the ordinary: the same is recorded when its answer is given again.
    SELECT string_to_array(nullif(current_setting('app.fields', true), ''), ',')
$$
"""
_ALSO_FIELDS = (
    """    IF p_fields IS NOT NULL THEN
        PERFORM pg_catalog.set_config('app.fields', pg_catalog.array_to_string(p_fields, ','), true);
    END IF;
""",
    "    IF cardinality(p_people) > 0 AND length(known) < 20000 THEN\n",
)

_STATED = (
    (
        """        UNION ALL SELECT s.id FROM public.ppks_assessments s WHERE s.beneficiary_id = p_subject
        UNION ALL SELECT d.id FROM public.document_names d WHERE d.beneficiary_id = p_subject
""",
        "        UNION ALL SELECT r.id FROM public.referrals r WHERE r.beneficiary_id = p_subject);\n",
    ),
    (
        """        'assessments', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.assessed_on, x.id), '[]') FROM (
            SELECT s.id, s.assessed_on, s.category, s.sensitive, s.since, s.until, s.region_code, s.status,
                   s.reason_code, s.note, s.unit
              FROM public.ppks_assessments s
             WHERE s.beneficiary_id = p_subject
                OR EXISTS (SELECT 1 FROM public.family_members m
                            WHERE m.family_id = s.family_id AND m.beneficiary_id = p_subject
                              AND (m.left_on IS NULL OR s.since <= m.left_on)
                              AND (s.until IS NULL OR s.until >= m.joined_on))) x),
        'document_names', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.noted_on, x.id), '[]') FROM (
            SELECT d.id, d.noted_on, d.document, d.name, d.note, d.withdrawn_at
              FROM public.document_names d WHERE d.beneficiary_id = p_subject) x),
        'identity_steps', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.at), '[]') FROM (
            SELECT t.at, t.action, t.to_state, t.actor_role, t.reason_code, t.note
              FROM public.transitions t WHERE t.entity = 'beneficiaries' AND t.entity_id = p_subject) x),
""",
        "        'requests', (",
    ),
)

_ERASED = (
    (
        """        UNION ALL SELECT s.id FROM public.ppks_assessments s WHERE s.beneficiary_id = p_subject
        UNION ALL SELECT d.id FROM public.document_names d WHERE d.beneficiary_id = p_subject
""",
        "        UNION ALL SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = p_subject);\n",
    ),
    (
        """        UNION SELECT s.id FROM public.ppks_assessments s WHERE s.beneficiary_id = ANY (others)
        UNION SELECT s.id FROM public.ppks_assessments s JOIN public.family_members m ON m.family_id = s.family_id
               WHERE m.beneficiary_id = ANY (others || p_subject)
        UNION SELECT d.id FROM public.document_names d WHERE d.beneficiary_id = ANY (others)
""",
        "        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));\n",
    ),
    (
        """    -- Of an assessment and of a name on a paper nothing remains that is not about the person.
    DELETE FROM public.ppks_assessments s WHERE s.beneficiary_id = p_subject;
    DELETE FROM public.document_names d WHERE d.beneficiary_id = p_subject;
    UPDATE public.beneficiaries b
       SET nik_verified_at = NULL, nik_verified_by = NULL, nik_verified_document = NULL, deceased_source = NULL
     WHERE b.id = p_subject;

""",
        "    -- What is also about others keeps its words, without this person's.\n",
    ),
    (
        "        ('ppks_assessments', 'note'), ('document_names', 'note'),\n",
        "        ('activities', 'follow_up')) AS written",
    ),
)
_ALSO_NAMES = (
    """        UNION
        SELECT 'full_name', d.name FROM public.document_names d WHERE d.beneficiary_id = p_subject
""",
    "    ), words (pattern) AS (\n",
)
_AMENDED = (
    ("record_people", (_ALSO_FIELDS,)),
    ("statement", _STATED),
    ("erase_subject", _ERASED),
    ("patterns_of", (_ALSO_NAMES,)),
)
_FUNCTIONS = (
    "sees_sensitive()",
    "died(uuid)",
    "set_categories(uuid, text, text[], boolean)",
    "recorded_fields()",
    "reflect_categories()",
    "follow()",
    "record_assessment()",
)
_FOR_THE_APP = _FUNCTIONS[:4]


def upgrade() -> None:
    for column, kind in (
        ("nik_verified_at", sa.DateTime(timezone=True)),
        ("nik_verified_by", sa.UUID()),
        ("nik_verified_document", sa.Text()),
        ("deceased_source", sa.Text()),
    ):
        op.add_column("beneficiaries", sa.Column(column, kind))
    op.add_column("idempotency_keys", sa.Column("fields", sa.ARRAY(sa.Text())))
    _create_document_names()
    _create_assessments()
    _take_sensitive_categories_out()
    for function in (
        _SEES_SENSITIVE,
        _DIED,
        _SET_CATEGORIES,
        _RECORDED_FIELDS,
        _REFLECT_CATEGORIES,
        _FOLLOW,
        _RECORD_ASSESSMENT,
    ):
        op.execute(function)
    for signature in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
    for signature in _FOR_THE_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    _guard()
    for function, changes in _AMENDED:
        ops.amend(function, *changes)


def downgrade() -> None:
    for function, changes in reversed(_AMENDED):
        ops.unamend(function, *changes)
    for table in ("ppks_assessments", "document_names"):
        ops.forget_history(table)
    op.execute("ALTER TABLE beneficiaries DROP CONSTRAINT ck_beneficiaries_no_sensitive_category")
    for trigger in ("reflect_categories", "reflect_changed_categories", "follow"):
        op.execute(f"DROP TRIGGER {trigger} ON beneficiaries")
    op.execute("DROP TRIGGER follow ON families")
    op.execute("ALTER TABLE beneficiaries DISABLE TRIGGER USER")
    op.execute(
        "UPDATE beneficiaries b SET ppks_categories = b.ppks_categories || ARRAY("
        "SELECT s.category FROM ppks_assessments s WHERE s.beneficiary_id = b.id AND s.sensitive "
        "AND s.status = 'active' ORDER BY s.category) "
        "WHERE b.id IN (SELECT s.beneficiary_id FROM ppks_assessments s WHERE s.sensitive AND s.status = 'active')"
    )
    op.execute("ALTER TABLE beneficiaries ENABLE TRIGGER USER")
    op.drop_table("ppks_assessments")
    op.drop_table("document_names")
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION app.{signature}")
    op.drop_column("idempotency_keys", "fields")
    for column in ("deceased_source", "nik_verified_document", "nik_verified_by", "nik_verified_at"):
        op.drop_column("beneficiaries", column)


def _create_document_names() -> None:
    op.create_table(
        "document_names",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("beneficiary_id", sa.UUID(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("noted_on", sa.Date(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_document_names_beneficiary_id"),
        sa.PrimaryKeyConstraint("id", name="pk_document_names"),
    )
    op.create_index("ix_document_names_beneficiary_id", "document_names", ["beneficiary_id"])
    ops.enable_region_scope("document_names")
    ops.grant("document_names", "SELECT", "INSERT", "UPDATE")


def _create_assessments() -> None:
    op.create_table(
        "ppks_assessments",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("beneficiary_id", sa.UUID()),
        sa.Column("family_id", sa.UUID()),
        sa.Column("group_name", sa.Text()),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date()),
        sa.Column("assessed_on", sa.Date(), nullable=False),
        sa.Column("assessor_id", sa.UUID()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("warnings", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("sensitive", sa.Boolean(), sa.Computed(f"category = ANY ({_CODES})", persisted=True), nullable=False),
        sa.CheckConstraint("num_nonnulls(beneficiary_id, family_id, group_name) = 1", name="whose"),
        sa.CheckConstraint("until >= since", name="span"),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_ppks_assessments_beneficiary_id"),
        sa.ForeignKeyConstraint(["family_id"], ["families.id"], name="fk_ppks_assessments_family_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ppks_assessments"),
    )
    for column in ("beneficiary_id", "family_id"):
        op.create_index(f"ix_ppks_assessments_{column}", "ppks_assessments", [column])
    active = sa.text("status = 'active'")
    for name, column in (("person", "beneficiary_id"), ("family", "family_id")):
        op.create_index(
            f"uq_ppks_assessments_{name}",
            "ppks_assessments",
            [column, "category"],
            unique=True,
            postgresql_where=active,
        )
    op.create_index(
        "ix_ppks_assessments_sensitive",
        "ppks_assessments",
        ["category"],
        postgresql_where=sa.text("sensitive AND status = 'active'"),
    )
    ops.enable_region_scope("ppks_assessments")
    ops.grant("ppks_assessments", "SELECT", "INSERT", "UPDATE")


def _take_sensitive_categories_out() -> None:
    """Everything that was a code in the column becomes an assessment; of the sensitive ones nothing stays elsewhere."""
    op.execute(
        "INSERT INTO ppks_assessments (id, version, created_at, created_by, region_code, category, unit, "
        "beneficiary_id, since, assessed_on, assessor_id, status) "
        "SELECT gen_random_uuid(), 1, b.created_at, b.created_by, b.region_code, c.code, 'person', b.id, d.day, d.day, "
        "b.created_by, 'active' FROM beneficiaries b "
        "CROSS JOIN LATERAL (SELECT DISTINCT unnest(b.ppks_categories)) AS c (code) "
        "CROSS JOIN LATERAL (SELECT (b.created_at AT TIME ZONE 'Asia/Jakarta')::date) AS d (day)"
    )
    op.execute(
        f"DELETE FROM idempotency_keys WHERE subject_ids && ARRAY("
        f"SELECT id FROM beneficiaries WHERE ppks_categories && {_CODES})"
    )
    kept = (
        "coalesce((SELECT jsonb_agg(e.code ORDER BY e.place) FROM jsonb_array_elements_text("
        "fields #> '{{ppks_categories,{side}}}') WITH ORDINALITY AS e (code, place) WHERE e.code <> ALL ({codes})), "
        "'[]')"
    )
    sides = ", ".join(f"'{side}', {kept.format(side=side, codes=_CODES)}" for side in ("from", "to"))
    op.execute(
        f"UPDATE changes SET fields = fields || jsonb_build_object('ppks_categories', jsonb_build_object({sides})) "
        "WHERE entity = 'beneficiaries' AND fields ? 'ppks_categories'"
    )
    # No trigger: it would write the former codes into the history once more.
    op.execute("ALTER TABLE beneficiaries DISABLE TRIGGER USER")
    op.execute(
        f"UPDATE beneficiaries SET ppks_categories = ARRAY(SELECT c.code FROM unnest(ppks_categories) "
        f"WITH ORDINALITY AS c (code, place) WHERE c.code <> ALL ({_CODES}) ORDER BY c.place) "
        f"WHERE ppks_categories && {_CODES}"
    )
    op.execute("ALTER TABLE beneficiaries ENABLE TRIGGER USER")


def _guard() -> None:
    """Policies, history, access rows and the triggers that keep column and assessments in step."""
    op.execute(
        "ALTER TABLE beneficiaries ADD CONSTRAINT ck_beneficiaries_no_sensitive_category "
        f"CHECK (NOT ppks_categories && {_CODES})"
    )
    ops.replace_policy("ppks_assessments", f"({ops.INSIDE}) AND (NOT sensitive OR (SELECT app.sees_sensitive()))")
    for table in ("document_names", "ppks_assessments"):
        ops.audit(table)
        ops.remember_history(table)
    ops.log_access("document_names", "beneficiary_id")
    op.execute(
        "CREATE TRIGGER record_access AFTER INSERT OR UPDATE ON ppks_assessments "
        "FOR EACH ROW EXECUTE FUNCTION app.record_assessment('beneficiary_id')"
    )
    for table, states in (("document_names", ""), ("ppks_assessments", "'closed'")):
        op.execute(
            f"CREATE TRIGGER refuse_restricted AFTER INSERT OR UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted({states})"
        )
    # After record_access, so that the person is recorded once; triggers fire in the order of their names.
    op.execute(
        "CREATE TRIGGER reflect_categories AFTER INSERT ON beneficiaries FOR EACH ROW "
        "WHEN (NEW.ppks_categories <> '{}') EXECUTE FUNCTION app.reflect_categories()"
    )
    op.execute(
        "CREATE TRIGGER reflect_changed_categories AFTER UPDATE OF ppks_categories ON beneficiaries FOR EACH ROW "
        "WHEN (NEW.ppks_categories IS DISTINCT FROM OLD.ppks_categories) EXECUTE FUNCTION app.reflect_categories()"
    )
    for table in ("beneficiaries", "families"):
        op.execute(
            f"CREATE TRIGGER follow AFTER UPDATE OF region_code ON {table} FOR EACH ROW "
            "WHEN (NEW.region_code IS DISTINCT FROM OLD.region_code) EXECUTE FUNCTION app.follow()"
        )
