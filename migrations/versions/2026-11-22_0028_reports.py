"""Reports with their immutable revisions, the calendar they are due by, and what a number of theirs counts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# What holds where no region says otherwise (DOMAIN §1.5 [K]: the cadence article was not readable; all of it is a
# region's own setting). `recap_days`: how many days later each level above the district is due.
_DEFAULTS = (
    '{"month_due_day": 5, "quarter_due_day": 10, "semester_due_day": 10, "year_due_day": 15, "recap_days": 5, '
    '"reminder_days": [3, 0], "acknowledgement": "optional"}'
)

_CALENDAR = f"""
CREATE FUNCTION app.report_calendar(p_region text, p_on date) RETURNS TABLE (name text, value jsonb, origin text)
LANGUAGE sql STABLE AS $$
-- Each setting of the reports' calendar that holds in a region on a day, from the nearest region that sets it.
    SELECT DISTINCT ON (s.name) s.name, s.value, s.origin FROM (
        SELECT d.key AS name, d.value, 'default' AS origin, 0 AS nearness FROM jsonb_each('{_DEFAULTS}') d
        UNION ALL
        SELECT o.key, o.value, c.region_code, length(c.region_code)
          FROM (SELECT DISTINCT ON (k.region_code) k.* FROM public.report_calendars k
                 WHERE k.region_code IN (left(p_region, 2), left(p_region, 5), left(p_region, 8))
                   AND k.effective_from <= p_on
                 ORDER BY k.region_code, k.effective_from DESC) c
          CROSS JOIN LATERAL jsonb_each(to_jsonb(c)) o
         WHERE jsonb_exists('{_DEFAULTS}', o.key) AND o.value <> 'null') s
     ORDER BY s.name, s.nearness DESC
$$
"""

_DUE = """
CREATE FUNCTION app.report_due_on(p_region text, p_type text, p_last date) RETURNS date LANGUAGE sql STABLE AS $$
-- The last day on which a report for the period that ended on p_last, a month's last day, is in time.
    SELECT p_last + sum(c.value::text::integer
                        * CASE WHEN c.name = 'recap_days' THEN CASE length(p_region) WHEN 8 THEN 0 WHEN 5 THEN 1
                                                               WHEN 2 THEN 2 ELSE 3 END
                               ELSE 1 END)::integer
      FROM app.report_calendar(p_region, p_last) c WHERE c.name IN (p_type || '_due_day', 'recap_days')
$$
"""

_PPKS = """
CREATE FUNCTION app.report_ppks(p_district text, p_first date, p_last date, p_served uuid[], p_referred uuid[])
RETURNS TABLE (category text, sex text, event text, ids uuid[])
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Assessments of a district of the caller's: the sensitive categories as one, so that a report says the same whoever
-- compiles it; the ids are kept for the lists, which show each reader what they may see. What was recorded in error was
-- neither new nor closed.
    SELECT x.category, x.sex, e.event, array_agg(x.id)
      FROM (SELECT p.id, CASE WHEN p.sensitive THEN 'sensitive' ELSE p.category END AS category,
                   coalesce(b.sex, 'none') AS sex,
                   p.reason_code IS DISTINCT FROM 'recorded_in_error'
                       AND p.assessed_on BETWEEN p_first AND p_last AS is_new,
                   p.since <= p_last AND (p.until IS NULL OR p.until >= p_first) AS in_force,
                   p.beneficiary_id = ANY (p_served) IS TRUE AS is_served,
                   p.beneficiary_id = ANY (p_referred) IS TRUE AS is_referred,
                   p.reason_code IS DISTINCT FROM 'recorded_in_error' AND p.status = 'closed'
                       AND p.until BETWEEN p_first AND p_last AS is_closed
              FROM public.ppks_assessments p LEFT JOIN public.beneficiaries b ON b.id = p.beneficiary_id
             WHERE p.district_code = p_district
               AND ARRAY['ID', p.province_code, p.regency_code, p.district_code]
                   && string_to_array(nullif(current_setting('app.regions', true), ''), ',')) x
     CROSS JOIN LATERAL (VALUES ('new', x.is_new), ('served', x.in_force AND x.is_served),
                                ('referred', x.in_force AND x.is_referred), ('closed', x.is_closed))
                        AS e (event, happened)
     WHERE e.happened
     GROUP BY x.category, x.sex, e.event
$$
"""

_STEPS = """
CREATE FUNCTION app.report_steps(p_district text, p_first date, p_last date)
RETURNS TABLE (entity text, key text, state text, ids uuid[], people uuid[])
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- SKTM applications by purpose and referrals by programme that reached a state in those days of a district of the
-- caller's. As the owner, for the policy of the steps would look every record up again for each of its steps.
    WITH span AS MATERIALIZED (
        SELECT p_first::timestamp AT TIME ZONE r.timezone AS since,
               (p_last + 1)::timestamp AT TIME ZONE r.timezone AS until
          FROM public.regions r
         WHERE r.code = left(p_district, 2)
           AND ARRAY['ID', left(p_district, 2), left(p_district, 5), p_district]
               && string_to_array(nullif(current_setting('app.regions', true), ''), ',')
    )
    SELECT 'sktm_applications', a.purpose, t.to_state, array_agg(DISTINCT a.id), '{}'::uuid[]
      FROM span s CROSS JOIN public.sktm_applications a
      JOIN public.transitions t ON t.entity_id = a.id AND t.at >= s.since AND t.at < s.until
     WHERE a.district_code = p_district AND t.entity = 'sktm_applications' AND t.from_state IS DISTINCT FROM t.to_state
     GROUP BY 2, 3
    UNION ALL
    SELECT 'referrals', a.program, t.to_state, array_agg(DISTINCT a.id), array_agg(DISTINCT a.beneficiary_id)
      FROM span s CROSS JOIN public.referrals a
      JOIN public.transitions t ON t.entity_id = a.id AND t.at >= s.since AND t.at < s.until
     WHERE a.district_code = p_district AND t.entity = 'referrals' AND t.from_state IS DISTINCT FROM t.to_state
     GROUP BY 2, 3
$$
"""

_KEEP = """
CREATE FUNCTION app.keep_revision() RETURNS trigger LANGUAGE plpgsql AS $$
-- What was submitted stays as it was: only where it stands moves on. The owner takes out a person who is erased.
DECLARE
    free text[] := '{status,token,verification_url,decided_at,decided_by,decided,acknowledged_at,'
                   'acknowledged_by,acknowledged,version,updated_at,province_code,regency_code,district_code}';
BEGIN
    IF current_user <> 'tksk_app' THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        IF NEW.content <> OLD.content THEN
            NEW.redacted_at := now();
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - free = to_jsonb(OLD) - free
       AND (OLD.token IS NULL OR NEW.token IS NOT DISTINCT FROM OLD.token) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a submitted report does not change' USING ERRCODE = 'insufficient_privilege';
END $$
"""

_VERIFY = """
CREATE FUNCTION app.verify_report(p_token text)
RETURNS TABLE (status text, region text, period_type text, period_start date, period_end date, revision integer,
               sha256 text, accepted_on date, superseded_on date)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- What anybody who holds the token may know of a report.
    SELECT CASE WHEN v.superseded_at IS NOT NULL THEN 'superseded' ELSE 'accepted' END, v.place, r.period_type,
           r.period_start, r.period_end, v.number, encode(v.sha256, 'hex'),
           (v.decided_at AT TIME ZONE r.timezone)::date, (v.superseded_at AT TIME ZONE r.timezone)::date
      FROM (SELECT w.*, (SELECT min(n.decided_at) FROM public.report_revisions n
                          WHERE n.report_id = w.report_id AND n.number > w.number AND n.status = 'accepted')
                        AS superseded_at
              FROM public.report_revisions w WHERE w.token = p_token) v
      JOIN public.reports r ON r.id = v.report_id
     WHERE v.status = 'accepted'
$$
"""

# The row policies of both tables decide: a view is read with the rights of whoever asks.
_SCOPES = """
CREATE VIEW report_scopes WITH (security_invoker = true) AS
SELECT r.id, r.region_code, r.period_start, r.period_end, r.activity_ids, r.source_ids, r.counted FROM reports r
UNION ALL
SELECT v.id, v.region_code, r.period_start, r.period_end, v.activity_ids, v.source_ids, v.counted
  FROM report_revisions v JOIN reports r ON r.id = v.report_id
"""

_SAID_BY = "ARRAY(SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject))"
_ERASED = (
    (
        f"        UNION SELECT r.id FROM public.reports r WHERE r.activity_ids && {_SAID_BY}\n"
        f"        UNION SELECT v.id FROM public.report_revisions v WHERE v.activity_ids && {_SAID_BY}\n",
        "        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));\n",
    ),
    (
        "        ('reports', 'summary'), ('reports', 'obstacles'), ('reports', 'plan'), ('reports', 'content'),\n"
        "        ('reports', 'remarks'), ('reports', 'revises'), ('report_revisions', 'content'),\n"
        "        ('report_revisions', 'revises'),\n",
        "        ('activities', 'follow_up')) AS written",
    ),
)

_FUNCTIONS = (
    "app.report_calendar(text, date), app.report_due_on(text, text, date), app.verify_report(text), "
    "app.report_ppks(text, date, date, uuid[], uuid[]), app.report_steps(text, date, date)"
)


def upgrade() -> None:
    _create_calendars()
    _create_reports()
    _create_revisions()
    for statement in (_CALENDAR, _DUE, _PPKS, _STEPS, _KEEP, _VERIFY, _SCOPES):
        op.execute(sa.text(statement.replace(":", r"\:")))
    op.execute(f"REVOKE ALL ON FUNCTION {_FUNCTIONS}, app.keep_revision() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_FUNCTIONS} TO {ops.APP}")
    ops.grant("report_scopes", "SELECT")
    op.execute(
        "CREATE TRIGGER keep_revision BEFORE UPDATE OR DELETE ON report_revisions "
        "FOR EACH ROW EXECUTE FUNCTION app.keep_revision()"
    )
    op.add_column("activities", sa.Column("follows_up_id", sa.UUID()))
    op.create_foreign_key("fk_activities_follows_up_id", "activities", "activities", ["follows_up_id"], ["id"])
    op.create_index(
        "ix_activities_follows_up_id",
        "activities",
        ["follows_up_id"],
        postgresql_where=sa.text("follows_up_id IS NOT NULL"),
    )
    ops.amend("erase_subject", *_ERASED)
    for table in ("reports", "report_calendars"):
        ops.remember_history(table)


def downgrade() -> None:
    for table in ("report_calendars", "reports"):
        ops.forget_history(table)
    ops.unamend("erase_subject", *_ERASED)
    op.drop_column("activities", "follows_up_id")
    op.execute("DROP VIEW report_scopes")
    op.drop_table("report_revisions")
    op.drop_table("reports")
    op.execute(f"DROP FUNCTION {_FUNCTIONS}, app.keep_revision()")
    op.drop_table("report_calendars")


def _create_calendars() -> None:
    op.create_table(
        "report_calendars",
        *ops.record_columns(),
        sa.Column("region_code", sa.Text(collation="C"), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        *(sa.Column(f"{period}_due_day", sa.Integer()) for period in ("month", "quarter", "semester", "year")),
        sa.Column("recap_days", sa.Integer()),
        sa.Column("reminder_days", postgresql.ARRAY(sa.Integer())),
        sa.Column("acknowledgement", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_report_calendars"),
    )
    op.create_index(
        "uq_report_calendars_region_code", "report_calendars", ["region_code", "effective_from"], unique=True
    )
    ops.audit("report_calendars")
    ops.grant("report_calendars", "SELECT", "INSERT", "UPDATE")


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("period_type", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("accepted_revision", sa.Integer()),
        sa.Column("is_late", sa.Boolean()),
        sa.Column("summary", sa.Text()),
        sa.Column("obstacles", sa.Text()),
        sa.Column("plan", sa.Text()),
        sa.Column("revises", sa.Text()),
        sa.Column("remarks", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("compiled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_ids", postgresql.ARRAY(sa.UUID()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
        *_covered(),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
    )
    op.create_index(
        "uq_reports_period",
        "reports",
        ["region_code", "period_type", "period_start"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_reports_officer_ids", "reports", ["officer_ids"], postgresql_using="gin")
    ops.enable_region_scope("reports")
    ops.audit("reports", "content", "activity_ids", "source_ids", "district_codes", "counted")
    ops.grant("reports", "SELECT", "INSERT", "UPDATE")


def _create_revisions() -> None:
    op.create_table(
        "report_revisions",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("report_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("revises", sa.Text()),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("redacted_at", sa.DateTime(timezone=True)),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_by", sa.UUID(), nullable=False),
        sa.Column("submitted", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_by", sa.UUID()),
        sa.Column("acknowledged", postgresql.JSONB()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.UUID()),
        sa.Column("decided", postgresql.JSONB()),
        sa.Column("token", sa.Text()),
        sa.Column("verification_url", sa.Text()),
        *_covered(),
        sa.CheckConstraint(
            "redacted_at IS NOT NULL OR sha256 = sha256(convert_to(content, 'UTF8'))",
            name=op.f("ck_report_revisions_digest"),
        ),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name="fk_report_revisions_report_id"),
        sa.PrimaryKeyConstraint("id", name="pk_report_revisions"),
    )
    op.create_index("uq_report_revisions_number", "report_revisions", ["report_id", "number"], unique=True)
    op.create_index("uq_report_revisions_token", "report_revisions", ["token"], unique=True)
    ops.enable_region_scope("report_revisions")
    ops.grant("report_revisions", "SELECT", "INSERT", "UPDATE")
    op.execute("CREATE TRIGGER touch BEFORE UPDATE ON report_revisions FOR EACH ROW EXECUTE FUNCTION app.touch()")


def _covered() -> tuple[sa.Column, ...]:
    """Whose work it is, and the rows that its numbers count: of a district its activities and, by list and key,
    everything else; of a recap the revisions of districts it was built from."""
    ids = sa.text("'{}'::uuid[]")
    return (
        sa.Column("officer_ids", postgresql.ARRAY(sa.UUID()), server_default=ids, nullable=False),
        sa.Column("activity_ids", postgresql.ARRAY(sa.UUID()), server_default=ids, nullable=False),
        sa.Column("source_ids", postgresql.ARRAY(sa.UUID()), server_default=ids, nullable=False),
        sa.Column(
            "district_codes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column("counted", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
