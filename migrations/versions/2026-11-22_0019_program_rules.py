"""Programmes as dated rules, what came of asking, and work done in the background."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_PROGRAM_VERSION = """
CREATE FUNCTION app.program_version(p_code text, p_region text, p_on date, p_also_ended boolean)
RETURNS SETOF public.program_versions LANGUAGE sql STABLE AS $$
-- The rules of a programme at a place (NULL: the nation) on a day: of each region around it the last that had begun by
-- then, and of these the nearest. Rules that had ended by then leave it to the region above, unless `p_also_ended`.
    SELECT v.* FROM (
        SELECT DISTINCT ON (w.region_code) w.* FROM public.program_versions w
         WHERE w.program_code = p_code
           AND (w.region_code IS NULL OR p_region = w.region_code OR starts_with(p_region, w.region_code || '.'))
           AND coalesce(w.effective_from, '-infinity') <= p_on
         ORDER BY w.region_code, coalesce(w.effective_from, '-infinity') DESC, w.number DESC) v
     WHERE p_also_ended OR coalesce(v.effective_until, 'infinity') >= p_on
     ORDER BY length(v.region_code) DESC NULLS LAST LIMIT 1
$$
"""

_RECORD_ENROLMENT = """
CREATE FUNCTION app.record_enrolment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- A benefit that runs or ends, from the referral's own step: the agency that takes it sees no enrolments.
BEGIN
    IF NEW.status = 'active' THEN
        INSERT INTO public.enrolments (id, version, region_code, beneficiary_id, program, program_version, referral_id,
                                       agency_id, reference_number, started_on, created_by)
        VALUES (gen_random_uuid(), 1, NEW.region_code, NEW.beneficiary_id, NEW.program, NEW.program_version, NEW.id,
                NEW.agency_id, NEW.reference_number, coalesce(NEW.active_from, app.local_today(NEW.region_code)),
                nullif(current_setting('app.user', true), '')::uuid)
        ON CONFLICT (referral_id) DO NOTHING;
    ELSE
        UPDATE public.enrolments e
           SET ended_on = NEW.ended_on, end_reason = NEW.reason_code, version = e.version + 1
         WHERE e.referral_id = NEW.id;
    END IF;
    RETURN NULL;
END $$
"""

# What earlier migrations say in `app.statement` and `app.erase_subject`, and what stands before it from now on.
_STATEMENT = (
    ("f.consent_reason, f.expires_on, f.activate_by, ", "f.documents, f.status,"),
    (
        """        'enrolments', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.started_on, x.id), '[]') FROM (
            SELECT n.id, n.program, g.name AS agency, n.reference_number, n.started_on, n.ended_on, n.end_reason
              FROM public.enrolments n JOIN public.agencies g ON g.id = n.agency_id
             WHERE n.beneficiary_id = p_subject) x),
""",
        "        'requests', (",
    ),
)
_ERASURE = (
    (
        "        UNION ALL SELECT n.id FROM public.enrolments n WHERE n.beneficiary_id = p_subject\n",
        "        UNION ALL SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = p_subject);\n",
    ),
    (
        """    UPDATE public.enrolments n SET reference_number = NULL WHERE n.beneficiary_id = p_subject;
    UPDATE public.referrals r SET consent_reason = NULL WHERE r.beneficiary_id = p_subject;

""",
        "    -- What is also about others keeps its words, without this person's.\n",
    ),
    ("        ('referrals', 'consent_reason'),\n", "        ('activities', 'follow_up')) AS written"),
)
# What 0016 says in `app.person_columns`: a merge moves enrolments too.
_MERGED = (
    (
        "        ('enrolments', 'beneficiary_id', 'one', NULL),\n",
        "        ('privacy_requests', 'beneficiary_id', 'one', NULL)",
    ),
)


def upgrade() -> None:
    _create_versions()
    _create_enrolments()
    _create_jobs()


def downgrade() -> None:
    op.drop_table("jobs")
    ops.unamend("person_columns", *_MERGED)
    ops.unamend("erase_subject", *_ERASURE)
    ops.unamend("statement", *_STATEMENT)
    ops.forget_history("enrolments")
    op.execute("DROP TRIGGER record_enrolment ON referrals")
    op.execute("DROP FUNCTION app.record_enrolment")
    op.drop_table("enrolments")
    for column in ("activate_by", "expires_on", "program_version", "consent_reason"):
        op.drop_column("referrals", column)
    _drop_versions()


def _create_versions() -> None:
    empty = {"server_default": sa.text("'[]'::jsonb"), "nullable": False}
    op.create_table(
        "program_versions",
        sa.Column("program_code", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("region_code", sa.Text(collation="C")),
        sa.Column("effective_from", sa.Date()),
        sa.Column("effective_until", sa.Date()),
        sa.Column("rules", postgresql.JSONB(), **empty),
        sa.Column("documents", postgresql.JSONB(), **empty),
        sa.Column("agency_kinds", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("legal_base", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("service_days", sa.Integer()),
        sa.Column("waitlist_days", sa.Integer()),
        sa.Column("activation_days", sa.Integer()),
        sa.Column("needs_activation", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by", sa.UUID()),
        sa.CheckConstraint("effective_until >= effective_from", name=op.f("ck_program_versions_span")),
        sa.ForeignKeyConstraint(["program_code"], ["programs.code"], name="fk_program_versions_program_code"),
        sa.PrimaryKeyConstraint("program_code", "number", name="pk_program_versions"),
    )
    # Never changed: a new rule is a new version.
    ops.grant("program_versions", "SELECT", "INSERT")
    op.execute(_PROGRAM_VERSION)
    op.execute("REVOKE ALL ON FUNCTION app.program_version FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.program_version TO {ops.APP}")
    # What a version says now; `tksk migrate` adds the versions of the packaged programmes.
    for column in ("agency_kinds", "required_documents", "legal_base", "valid_from", "valid_until"):
        op.drop_column("programs", column)
    op.add_column("programs", sa.Column("is_local", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(f"GRANT UPDATE (version) ON programs TO {ops.APP}")


def _drop_versions() -> None:
    op.execute(f"REVOKE UPDATE (version) ON programs FROM {ops.APP}")
    op.drop_column("programs", "is_local")
    for column in ("agency_kinds", "required_documents"):
        empty = sa.text("'{}'::text[]")
        op.add_column("programs", sa.Column(column, sa.ARRAY(sa.Text()), server_default=empty, nullable=False))
    op.add_column("programs", sa.Column("legal_base", sa.Text()))
    op.add_column("programs", sa.Column("valid_from", sa.Date()))
    op.add_column("programs", sa.Column("valid_until", sa.Date()))
    op.execute(
        """
        UPDATE programs p
           SET agency_kinds = v.agency_kinds, legal_base = v.legal_base, valid_from = v.effective_from,
               valid_until = v.effective_until,
               required_documents = ARRAY(SELECT d -> 'kinds' ->> 0 FROM jsonb_array_elements(v.documents) d)
          FROM programs q, app.program_version(q.code, NULL, current_date, true) v
         WHERE q.code = p.code
        """
    )
    op.execute("UPDATE programs SET version = 1")
    op.execute("DROP FUNCTION app.program_version")
    op.drop_table("program_versions")


def _create_enrolments() -> None:
    op.add_column("referrals", sa.Column("consent_reason", sa.Text()))
    op.add_column("referrals", sa.Column("program_version", sa.Integer()))
    op.add_column("referrals", sa.Column("expires_on", sa.Date()))
    op.add_column("referrals", sa.Column("activate_by", sa.Date()))
    op.create_table(
        "enrolments",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("beneficiary_id", sa.UUID(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("program_version", sa.Integer()),
        sa.Column("referral_id", sa.UUID(), nullable=False),
        sa.Column("agency_id", sa.UUID(), nullable=False),
        sa.Column("reference_number", sa.Text()),
        sa.Column("started_on", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date()),
        sa.Column("end_reason", sa.Text()),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_enrolments_beneficiary_id"),
        sa.ForeignKeyConstraint(["program"], ["programs.code"], name="fk_enrolments_program"),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.id"], name="fk_enrolments_referral_id"),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name="fk_enrolments_agency_id"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolments"),
        sa.UniqueConstraint("referral_id", name="uq_enrolments_referral_id"),
    )
    op.create_index("ix_enrolments_beneficiary_id", "enrolments", ["beneficiary_id", "created_at"])
    ops.enable_region_scope("enrolments")
    ops.audit("enrolments")
    ops.log_access("enrolments", "beneficiary_id")
    ops.grant("enrolments", "SELECT")
    ops.remember_history("enrolments")
    # An end stays open while a person's processing is restricted.
    op.execute(
        "CREATE TRIGGER refuse_restricted AFTER INSERT ON enrolments "
        "FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted()"
    )
    op.execute(_RECORD_ENROLMENT)
    op.execute("REVOKE ALL ON FUNCTION app.record_enrolment FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER record_enrolment AFTER UPDATE OF status ON referrals FOR EACH ROW "
        "WHEN (NEW.status IN ('active', 'ended') AND OLD.status <> NEW.status) "
        "EXECUTE FUNCTION app.record_enrolment()"
    )
    op.execute(
        """
        INSERT INTO enrolments (id, version, region_code, beneficiary_id, program, referral_id, agency_id,
                                reference_number, started_on, ended_on, end_reason, created_at)
        SELECT gen_random_uuid(), 1, region_code, beneficiary_id, program, id, agency_id, reference_number,
               active_from, ended_on, CASE WHEN status = 'ended' THEN reason_code END, updated_at
          FROM referrals WHERE status IN ('active', 'ended') AND active_from IS NOT NULL
        """
    )
    ops.amend("statement", *_STATEMENT)
    ops.amend("erase_subject", *_ERASURE)
    ops.amend("person_columns", *_MERGED)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("checkpoint", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer()),
        sa.Column("result", postgresql.JSONB()),
        sa.Column("error", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_jobs_state")),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        [sa.text("coalesce(heartbeat_at, created_at)")],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    ops.enable_region_scope("jobs")
    # Whose it is, and the workers; a colleague has other rights, and the result may depend on them.
    ops.replace_policy("jobs", f"({ops.INSIDE}) AND (created_by = {ops.USER} OR {ops.ROLE} = 'system')")
    ops.grant("jobs", "SELECT", "INSERT", "UPDATE")
