"""What the worklist reads: working days, service times whose clock stops, open records, and the files of a referral."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_WORKING_DAYS_UNTIL = """
CREATE FUNCTION app.working_days_until(p_day date) RETURNS integer LANGUAGE sql STABLE STRICT AS $$
-- The number of the last working day that is not after a day.
    SELECT w.ordinal FROM public.working_days w WHERE w.day <= p_day ORDER BY w.day DESC LIMIT 1
$$
"""

_SERVICE_CLOCK = """
CREATE FUNCTION app.service_clock(p_record uuid, p_region text, p_started timestamptz, p_days integer)
RETURNS TABLE (due_on date, is_overdue boolean) LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
-- The last day of a service time of so many working days, by the calendar of the place: the day it began on does not
-- count. It stops while the applicant is asked for papers and while a place on a waiting list is kept, and begins anew
-- when the record goes to another office. Null while it stops, and where there is no service time. As the owner: the
-- policy of the steps knows every table there is, and each row of a list would pay for it.
DECLARE
    zone text;
    since date;
    has_stopped boolean;
    used integer := 0;
    step record;
BEGIN
    is_overdue := false;
    IF p_days IS NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT r.timezone, (p_started AT TIME ZONE r.timezone)::date,
           EXISTS (SELECT 1 FROM public.transitions t WHERE t.entity_id = p_record
                      AND t.to_state IN ('returned', 'documents_requested', 'waitlisted'))
      INTO zone, since, has_stopped
      FROM public.regions r WHERE r.code = pg_catalog.left(p_region, 2);
    IF has_stopped THEN
        since := NULL;
        FOR step IN SELECT (t.at AT TIME ZONE zone)::date AS day, t.action, t.to_state FROM public.transitions t
                     WHERE t.entity_id = p_record ORDER BY t.at, t.id LOOP
            IF step.action = 'transfer' THEN
                used := 0;
                since := step.day;
            ELSIF step.to_state IN ('returned', 'documents_requested', 'waitlisted') THEN
                used := used + coalesce(app.working_days_until(step.day) - app.working_days_until(since), 0);
                since := NULL;
            ELSE
                since := coalesce(since, step.day);
            END IF;
        END LOOP;
    END IF;
    SELECT w.day, w.day < (pg_catalog.now() AT TIME ZONE zone)::date INTO due_on, is_overdue
      FROM public.working_days w
     WHERE w.ordinal = (SELECT b.ordinal FROM public.working_days b WHERE b.day <= since ORDER BY b.day DESC LIMIT 1)
                     + p_days - used;
    is_overdue := coalesce(is_overdue, false);
    RETURN NEXT;
END $$
"""

_HAD_HAND = """
CREATE FUNCTION app.had_hand(p_application uuid, p_user uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Whether somebody had a hand in an application: created, edited, submitted, checked, verified, visited or signed it.
-- Returning it does not count: a lurah who sent it back may sign the completed one. Nor does a signature that a return
-- took back.
    SELECT EXISTS (SELECT 1 FROM public.sktm_applications a LEFT JOIN public.visits v ON v.id = a.visit_id
                    WHERE a.id = p_application AND p_user IN (a.created_by, v.officer_id, v.completed_by))
        OR EXISTS (SELECT 1 FROM public.transitions t
                    WHERE t.entity_id = p_application AND t.actor_id = p_user AND t.action NOT IN ('return', 'sign'))
        OR EXISTS (SELECT 1 FROM public.sktm_signatures s
                    WHERE s.application_id = p_application AND s.user_id = p_user)
        OR EXISTS (SELECT 1 FROM public.changes c WHERE c.entity_id = p_application AND c.actor_id = p_user
                      AND c.operation = 'update_sktm_application')
$$
"""

_HOLDER_OF = """
CREATE FUNCTION app.holder_of(p_district text) RETURNS uuid LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- The officer who holds a district today, else who acts in it; null where nobody does.
    SELECT a.user_id FROM public.assignments a
     WHERE a.region_code = p_district AND a.kind IN ('holder', 'acting') AND a.during @> app.local_today(p_district)
     ORDER BY a.kind DESC, a.starts_on LIMIT 1
$$
"""

_FIRST_NAME = """
CREATE FUNCTION app.first_name(p_name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- "H. Ahmad Fauzi" -> "Ahmad": the first word that is no title.
    SELECT (regexp_match(p_name, '^(?:(?:[[:alpha:]]{1,4}\\.|[Hh][Jj]?)\\s+)*(\\S+)'))[1]
$$
"""

_REFERRAL_FILES = """
CREATE FUNCTION app.referral_files(p_referral uuid) RETURNS SETOF public.attachments
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- The files of a referral for the agency that has it: the documents it names, of the person it is about, from when it
-- was submitted until it is turned down, taken back, given to another agency or over. Nothing for anybody else.
    SELECT a.* FROM public.referrals r
     CROSS JOIN LATERAL (SELECT DISTINCT (d ->> 'attachment_id')::uuid AS id
                           FROM jsonb_array_elements(r.documents) AS d) named
      JOIN public.attachments a ON a.id = named.id AND a.beneficiary_id = r.beneficiary_id
     WHERE r.id = p_referral AND r.agency_id = nullif(current_setting('app.agency', true), '')::uuid
       AND r.submitted_at IS NOT NULL AND r.status NOT IN ('draft', 'rejected', 'ended', 'cancelled')
       AND a.deleted_at IS NULL AND a.key_cipher IS NOT NULL
$$
"""

_FUNCTIONS = (
    "app.working_days_until, app.service_clock, app.had_hand, app.holder_of, app.first_name, app.referral_files"
)

# A worklist is as long as what is open, however much is finished. Said here alone, for migrations/env.py skips them.
_OPEN_APPLICATIONS = "status IN ('draft', 'returned', 'submitted', 'checked', 'verified', 'signing')"
_OPEN_REFERRALS = (
    "status IN ('draft', 'submitted', 'received', 'under_review', 'documents_requested', 'waitlisted', 'approved')"
)
_DUE = "(follow_up ->> 'due_on')"
_INDEXES = (
    ("transitions", "stops", ("entity_id",), "to_state IN ('returned', 'documents_requested', 'waitlisted')"),
    ("sktm_applications", "district", ("district_code", "region_code"), _OPEN_APPLICATIONS),
    ("sktm_applications", "regency", ("regency_code",), _OPEN_APPLICATIONS),
    ("sktm_applications", "issued", ("district_code", "updated_at"), "status = 'issued'"),
    ("sktm_letters", "district", ("district_code", "valid_until"), "revoked_at IS NULL AND superseded_at IS NULL"),
    ("referrals", "district", ("district_code",), _OPEN_REFERRALS),
    ("referrals", "regency", ("regency_code",), _OPEN_REFERRALS),
    ("referrals", "agency", ("agency_id",), _OPEN_REFERRALS),
    ("visits", "officer", ("officer_id", "visited_on"), "status = 'planned'"),
    ("visits", "regency", ("regency_code", "visited_on"), "status = 'planned'"),
    ("proposals", "district", ("district_code", "region_code"), "status = 'open'"),
    ("proposals", "regency", ("regency_code",), "status = 'open'"),
    ("duplicate_candidates", "district", ("district_code",), "status = 'open'"),
    ("duplicate_candidates", "other_district", ("other_district_code",), "status = 'open'"),
    ("activities", "officer", ("officer_id",), "status IN ('draft', 'returned') AND deleted_at IS NULL"),
    ("activities", "regency", ("regency_code",), "status = 'submitted' AND deleted_at IS NULL"),
    ("activities", "followed_officer", ("officer_id", _DUE), "follow_up IS NOT NULL AND deleted_at IS NULL"),
    ("activities", "followed_regency", ("regency_code", _DUE), "follow_up IS NOT NULL AND deleted_at IS NULL"),
    ("privacy_requests", "regency", ("regency_code",), "status = 'received'"),
)


def upgrade() -> None:
    op.add_column("sktm_policies", sa.Column("service_days", sa.Integer()))
    op.create_table(
        "working_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_working_days"),
    )
    op.create_index("uq_working_days_ordinal", "working_days", ["ordinal"], unique=True)
    ops.grant("working_days", "SELECT")
    for table, name, columns, where in _INDEXES:
        keys = [sa.text(column) if column.startswith("(") else column for column in columns]
        op.create_index(f"ix_open_{table}_{name}", table, keys, postgresql_where=sa.text(where))
    for function in (_WORKING_DAYS_UNTIL, _SERVICE_CLOCK, _HAD_HAND, _HOLDER_OF, _FIRST_NAME, _REFERRAL_FILES):
        op.execute(sa.text(function.replace(":", r"\:")))
    op.execute(f"REVOKE ALL ON FUNCTION {_FUNCTIONS} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_FUNCTIONS} TO {ops.APP}")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {_FUNCTIONS}")
    for table, name, _columns, _where in reversed(_INDEXES):
        op.drop_index(f"ix_open_{table}_{name}", table)
    op.drop_table("working_days")
    op.drop_column("sktm_policies", "service_days")
