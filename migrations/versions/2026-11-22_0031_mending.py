"""Reports that wait and reminders of them, who goes on with the work of an officer who left, and letters once each."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None

_WORKS_IN = """
CREATE FUNCTION app.works_in(p_user uuid, p_district text) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- Whether an officer works in a district today: by an assignment, or as one of the time before there were any.
    SELECT EXISTS (SELECT 1 FROM public.users u
                    WHERE u.id = p_user AND u.disabled_at IS NULL
                      AND (u.role = 'tksk' AND u.region_code = p_district AND NOT u.has_assignments
                           OR EXISTS (SELECT 1 FROM public.assignments a
                                       WHERE a.user_id = u.id AND a.region_code = p_district
                                         AND a.kind IN ('holder', 'acting')
                                         AND a.during @> app.local_today(p_district))))
$$
"""

_COVERS = """
CREATE FUNCTION app.covers(p_district text) RETURNS boolean LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- Whether the caller answers today for what was written in a district: holds it or acts in it, or is the regency's
-- office while no officer works there.
    SELECT EXISTS (SELECT 1 FROM public.assignments a
                    WHERE a.user_id = nullif(current_setting('app.user', true), '')::uuid
                      AND a.region_code = p_district AND a.kind IN ('holder', 'acting')
                      AND a.during @> app.local_today(p_district))
        OR (EXISTS (SELECT 1 FROM public.users u
                     WHERE u.id = nullif(current_setting('app.user', true), '')::uuid
                       AND u.role = 'regency_office' AND u.region_code = left(p_district, 5))
            AND NOT EXISTS (SELECT 1 FROM public.assignments a
                             WHERE a.region_code = p_district AND a.kind IN ('holder', 'acting')
                               AND a.during @> app.local_today(p_district))
            AND NOT EXISTS (SELECT 1 FROM public.users u
                             WHERE u.role = 'tksk' AND u.region_code = p_district AND NOT u.has_assignments
                               AND u.disabled_at IS NULL))
$$
"""

# A district's calendar is that of the nearest region with one of its own: few regions have, so it is worked out once
# for each of those and not for 7,000 districts. Where the report was begun, its own day counts.
_REMIND = """
CREATE FUNCTION app.remind_of_reports(p_after text, p_most integer) RETURNS TABLE (place text, told boolean)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Tells the officers of a district of a report that is not handed in, on the days before it is due that the region's
-- calendar names and on the day after; and then the regency's office, once for all its districts. Months are asked of
-- every district that was one then, longer periods where the report was begun. Three days of grace, in which no server
-- may have run; several servers may do it at once: an event tells once.
DECLARE
    due record;
BEGIN
    FOR due IN
        WITH districts AS MATERIALIZED (
            SELECT g.code, g.valid_until, (now() AT TIME ZONE g.timezone)::date AS today,
                   coalesce((SELECT max(k.region_code) FROM public.report_calendars k
                              WHERE k.region_code IN (left(g.code, 2), left(g.code, 5), g.code)), '') AS calendar
              FROM public.regions g WHERE g.level = 'district'
        ), periods AS (
            SELECT s.kind, s.first::date, (s.first + make_interval(months => s.months))::date - 1 AS last
              FROM (SELECT t.kind, t.months, date_trunc('year', now()) + make_interval(months =>
                           ((extract(month FROM now())::integer - 1) / t.months - n) * t.months) AS first
                      FROM (VALUES ('month', 1), ('quarter', 3), ('semester', 6), ('year', 12)) AS t (kind, months)
                     CROSS JOIN generate_series(0, 2) AS n) s
        ), calendars AS MATERIALIZED (
            SELECT k.calendar, p.kind, p.first, app.report_due_on(k.district, p.kind, p.last) AS due_on,
                   ARRAY(SELECT d::integer FROM app.report_calendar(k.district, p.last) c
                          CROSS JOIN jsonb_array_elements_text(c.value) AS d WHERE c.name = 'reminder_days') AS days
              FROM (SELECT d.calendar, min(d.code) AS district FROM districts d GROUP BY d.calendar) k
             CROSS JOIN periods p
        ), missing AS MATERIALIZED (
            SELECT d.code, left(d.code, 5) AS regency, c.kind, c.first, r.id, o.due_on, remind.day
              FROM districts d JOIN calendars c USING (calendar)
              LEFT JOIN public.reports r
                ON r.region_code = d.code AND r.period_type = c.kind AND r.period_start = c.first
             CROSS JOIN LATERAL (SELECT coalesce(r.due_on, c.due_on) AS due_on) o
             CROSS JOIN LATERAL (
                   SELECT max(m.day) AS day
                     FROM (SELECT o.due_on - n AS day FROM unnest(c.days) AS n UNION ALL SELECT o.due_on + 1) m
                    WHERE m.day BETWEEN d.today - 2 AND d.today) remind
             WHERE remind.day IS NOT NULL AND (c.kind = 'month' OR r.id IS NOT NULL)
               AND (d.valid_until IS NULL OR d.valid_until > c.first)
               AND (r.id IS NULL OR r.status IN ('draft', 'returned') AND r.accepted_revision IS NULL)
        )
        SELECT x.* FROM (
            SELECT m.code AS region, m.id, CASE WHEN m.day > m.due_on THEN 'overdue' ELSE 'due' END AS action, m.due_on,
                   md5(concat_ws(':', 'report', m.code, m.kind, m.first, m.due_on, m.day))::uuid AS event
              FROM missing m
             WHERE EXISTS (SELECT 1 FROM public.assignments a
                            WHERE a.region_code = m.code AND a.kind IN ('holder', 'acting')
                              AND a.during @> app.local_today(m.code))
                OR EXISTS (SELECT 1 FROM public.users u WHERE u.role = 'tksk' AND u.region_code = m.code
                              AND NOT u.has_assignments AND u.disabled_at IS NULL)
            UNION ALL
            SELECT m.regency, NULL, 'districts_missing', min(m.due_on),
                   md5(concat_ws(':', 'reports', m.regency, m.kind, m.first))::uuid
              FROM missing m WHERE m.day > m.due_on GROUP BY m.regency, m.kind, m.first) x
         WHERE x.event::text > p_after COLLATE "C"
           AND NOT EXISTS (SELECT 1 FROM public.notifications n WHERE n.event_id = x.event)
         ORDER BY x.event LIMIT p_most
    LOOP
        PERFORM app.notify(due.event, 'reports', due.id, due.action, NULL, NULL,
                           jsonb_build_object('region_code', due.region), due.due_on);
        RETURN QUERY SELECT due.event::text,
                            EXISTS (SELECT 1 FROM public.notifications n WHERE n.event_id = due.event);
    END LOOP;
END $$
"""

_TAKE_BACK = """
CREATE FUNCTION app.take_back_signatures(p_application uuid) RETURNS void LANGUAGE sql STRICT SECURITY DEFINER AS $$
-- The signatures of an application of the caller's area that waits for more of them; those of a letter stay for ever.
    DELETE FROM public.sktm_signatures s USING public.sktm_applications a
     WHERE s.application_id = p_application AND a.id = p_application AND a.status = 'signing'
       AND ARRAY['ID', a.province_code, a.regency_code, a.district_code, a.region_code]
           && string_to_array(nullif(current_setting('app.regions', true), ''), ',')
$$
"""

_FUNCTIONS = {
    "take_back_signatures(uuid)": _TAKE_BACK,
    "works_in(uuid, text)": _WORKS_IN,
    "covers(text)": _COVERS,
    "remind_of_reports(text, integer)": _REMIND,
}
# As those of 0024: what a worklist reads of reports, and the drafts that somebody left behind.
_WAITING = "status IN ('draft', 'returned', 'submitted')"
_INDEXES = (
    ("reports", "regency", ("regency_code", "level"), _WAITING),
    ("reports", "level", ("level", "status"), _WAITING),
    (
        "activities",
        "left_regency",
        ("regency_code", "officer_id"),
        "status IN ('draft', 'returned') AND NOT is_suggested AND deleted_at IS NULL",
    ),
)

_RUNNING = "status IN ('draft', 'returned', 'submitted', 'checked', 'verified', 'signing')"
_SAME_WORDS = "app.same_words(purpose_detail)"


def upgrade() -> None:
    for signature, definition in _FUNCTIONS.items():
        op.execute(sa.text(definition.replace(":", r"\:")))
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    for table, name, columns, where in _INDEXES:
        op.create_index(f"ix_open_{table}_{name}", table, list(columns), postgresql_where=sa.text(where))
    _once_for_the_same(f"md5({_SAME_WORDS})")
    op.create_index(
        "uq_sktm_applications_replaces_id",
        "sktm_applications",
        ["replaces_id"],
        unique=True,
        postgresql_where=sa.text("status NOT IN ('rejected', 'cancelled', 'revoked')"),
    )
    op.create_index("uq_sktm_letters_number", "sktm_letters", ["issuer_code", "year", "number"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_sktm_letters_number", "sktm_letters")
    op.drop_index("uq_sktm_applications_replaces_id", "sktm_applications")
    _once_for_the_same(_SAME_WORDS)
    for table, name, _, _ in reversed(_INDEXES):
        op.drop_index(f"ix_open_{table}_{name}", table)
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION app.{signature}")


def _once_for_the_same(words: str) -> None:
    """One running application of a person for a purpose and these words."""
    op.drop_index("uq_sktm_applications_running", "sktm_applications")
    op.execute(
        "CREATE UNIQUE INDEX uq_sktm_applications_running ON sktm_applications "
        f"(beneficiary_id, purpose, {words}) WHERE {_RUNNING}"
    )
