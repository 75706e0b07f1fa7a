"""A person's timeline, the register at a date, reasons in the history, and the coordinator's area."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_DAY_BEGINS = """
CREATE FUNCTION app.day_begins(p_day date, p_region text) RETURNS timestamptz LANGUAGE sql STABLE STRICT AS $$
-- The first moment of a day at a place; a zone covers whole provinces.
    SELECT p_day::timestamp AT TIME ZONE p.timezone FROM public.regions p WHERE p.code = pg_catalog.left(p_region, 2)
$$
"""

_MOMENT_OF = """
CREATE FUNCTION app.moment_of(p_written text, p_region text) RETURNS timestamptz LANGUAGE sql STABLE STRICT AS $$
-- `2026-11-22` is the end of that day at the place, anything longer a moment as written (RFC 3339).
    SELECT CASE WHEN length(p_written) > 10 THEN p_written::timestamptz
                ELSE app.day_begins(p_written::date + 1, p_region) END
$$
"""

# What follows runs as the owner: the policies of `changes` and `transitions` know every table there is, and planning
# them once for each part of a timeline would take longer than reading it. Each asks for itself whether the caller sees
# the person, or the record, as the policies would.
_LOOKS_AT = """
CREATE FUNCTION app.looks_at(p_subject uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Whether the person lies in the caller's regions, or was granted to the caller to be read.
    SELECT app.sees_person(p_subject)
        OR p_subject::text = ANY (string_to_array(nullif(current_setting('app.granted', true), ''), ','))
$$
"""

_AS_OF = """
CREATE FUNCTION app.as_of(p_person uuid, p_now jsonb, p_at timestamptz)
RETURNS TABLE (facts jsonb, unknown text[], version integer, changed_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- A person as they were: what they are now, with the first former value after that moment put back for every field that
-- changed since. Of a field whose values are not kept nothing is known but that it changed: null, named in `unknown`.
    SELECT p_now || coalesce(back.facts, '{}'), coalesce(back.unknown, '{}'), last.entity_version, last.at
      FROM (SELECT jsonb_object_agg(f.key, coalesce(f.value -> 'from', 'null')) AS facts,
                   array_agg(f.key ORDER BY f.key) FILTER (WHERE f.value ? 'hidden') AS unknown
              FROM (SELECT DISTINCT ON (e.key) e.key, e.value
                      FROM public.changes c, jsonb_each(c.fields) e
                     WHERE c.entity_id = p_person AND c.at > p_at AND c.action = 'update'
                     ORDER BY e.key, c.id) f) back
      LEFT JOIN (SELECT c.entity_version, c.at FROM public.changes c
                  WHERE c.entity_id = p_person AND c.at <= p_at
                  ORDER BY c.at DESC, c.id DESC LIMIT 1) last ON true
     WHERE app.looks_at(p_person)
$$
"""

_STEPS_ABOUT = """
CREATE FUNCTION app.steps_about(p_table text, p_subject uuid) RETURNS SETOF public.transitions
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
-- The steps of a person's records of one table, where these lie in the caller's regions; of the table of people, the
-- steps of their own record and of those merged into it.
BEGIN
    IF p_table = 'beneficiaries' THEN
        RETURN QUERY SELECT t.* FROM public.transitions t
            WHERE t.entity = p_table AND t.entity_id = ANY (app.same_person(p_subject)) AND app.looks_at(p_subject);
    ELSE
        RETURN QUERY EXECUTE format(
            'SELECT t.* FROM public.%I r JOIN public.transitions t ON t.entity = $1 AND t.entity_id = r.id '
            'WHERE r.beneficiary_id = $2 '
            'AND ARRAY[''ID'', r.province_code, r.regency_code, r.district_code, r.region_code] && $3', p_table)
            USING p_table, p_subject,
                  coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}');
    END IF;
END $$
"""

_CHANGE_KIND = """
CREATE FUNCTION app.change_kind(p_fields jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_fields ? 'deceased_on' THEN 'death' WHEN p_fields ? 'region_code' THEN 'move'
                WHEN p_fields ?| '{nik_index,nik_status}' THEN 'identity' ELSE 'correction' END
$$
"""

_FIELDS_CHANGED = """
CREATE FUNCTION app.fields_changed(p_id uuid, p_at timestamptz) RETURNS text[]
LANGUAGE sql STABLE STRICT AS $$
-- The fields that one transaction changed in a record, by the names their reader knows.
    SELECT coalesce(array_agg(DISTINCT CASE e.key WHEN 'nik_index' THEN 'nik' WHEN 'region_code' THEN 'village_code'
                                                  WHEN 'family_card_index' THEN 'family_card_number'
                                                  ELSE e.key END), '{}')
      FROM public.changes c, jsonb_object_keys(c.fields) e (key)
     WHERE c.entity_id = p_id AND c.at = p_at
       AND e.key <> ALL ('{nik_cipher,nik_last4,family_card_cipher,family_card_last4,warnings,moved_at,moved_by,
                           name_keys,nik_verified_by}')
$$
"""

_CHANGES_ABOUT = """
CREATE FUNCTION app.changes_about(p_subject uuid, p_kind text, p_since timestamptz, p_until timestamptz,
                                  p_before timestamptz, p_most integer)
RETURNS TABLE (id bigint, at timestamptz, kind text, occurred_on date, actor_id uuid, actor_role text, facts json)
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
-- The newest changes of a person's record and of those merged into it. What one request wrote is one entry: the last of
-- its changes stands for all. What a step or a merge tells better is left to them: a step of the same transaction, for
-- the id of a request is the client's own choice.
BEGIN
    IF NOT app.looks_at(p_subject) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT c.id, c.at, c.kind, CASE c.kind WHEN 'death' THEN (c.fields -> 'deceased_on' ->> 'to')::date END,
           c.actor_id, c.actor_role,
           json_build_object('fields', c.changed, 'from_village', c.fields -> 'region_code' ->> 'from',
                             'to_village', c.fields -> 'region_code' ->> 'to', 'reason', c.reason)
      FROM unnest(app.same_person(p_subject)) AS of (person)
     CROSS JOIN LATERAL (
        SELECT h.id, h.at, h.fields, h.actor_id, h.actor_role, h.reason, app.change_kind(h.fields) AS kind, f.changed
          FROM public.changes h
         CROSS JOIN LATERAL (SELECT app.fields_changed(h.entity_id, h.at) AS changed) f
         WHERE h.entity_id = of.person AND h.action = 'update' AND NOT h.fields ? 'merged_into'
           AND h.at <= coalesce(p_before, 'infinity') AND h.at < coalesce(p_until, 'infinity')
           AND h.at >= coalesce(p_since, '-infinity')
           AND (p_kind IS NULL OR app.change_kind(h.fields) = p_kind) AND f.changed <> '{}'
           AND NOT EXISTS (SELECT 1 FROM public.changes l
                            WHERE l.entity_id = h.entity_id AND l.at = h.at AND l.id > h.id)
           AND NOT EXISTS (SELECT 1 FROM public.transitions t
                            WHERE t.entity = 'beneficiaries' AND t.entity_id = h.entity_id
                              AND t.transaction = h.transaction)
         ORDER BY h.at DESC, h.id DESC LIMIT p_most) c;
END $$
"""

_LEAVINGS_OF = """
CREATE FUNCTION app.leavings_of(p_subject uuid)
RETURNS TABLE (id bigint, at timestamptz, member_id uuid, actor_id uuid, actor_role text)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- When it was written that a person left a family of the caller's regions, and by whom.
    SELECT c.id, c.at, m.id, c.actor_id, c.actor_role
      FROM public.family_members m
      JOIN public.changes c ON c.entity_id = m.id AND c.fields -> 'left_on' ->> 'to' IS NOT NULL
     WHERE m.beneficiary_id = p_subject
       AND ARRAY['ID', m.province_code, m.regency_code, m.district_code, m.region_code]
           && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}')
$$
"""

_ROLE_OF_MAKER = """
CREATE FUNCTION app.role_of_maker(p_record uuid) RETURNS text LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- A record does not say in which role it was made; its first change does. As the name, it is part of the record.
    SELECT c.actor_role FROM public.changes c WHERE c.entity_id = p_record AND c.action = 'create' ORDER BY c.id LIMIT 1
$$
"""

# Operators of jsonb are not leakproof: under a row policy they would be kept off the index.
_MOVED_FROM = """
CREATE FUNCTION app.moved_from(p_village text, p_at timestamptz) RETURNS SETOF uuid
LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- Ids of the people who moved away from a village since; whether the caller sees them is for both walls to say.
    SELECT DISTINCT c.entity_id FROM public.changes c
     WHERE c.entity = 'beneficiaries' AND c.fields -> 'region_code' ->> 'from' = p_village AND c.at > p_at
$$
"""

# The policies are said here, too: the history of each assessment is asked for, and its own would be planned each time.
_SENSITIVE_AT = """
CREATE FUNCTION app.sensitive_at(p_person uuid, p_at timestamptz) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
-- The sensitive categories that a person was in at a moment, for those who may know: assessed by then, and not closed
-- yet as far as the history says. A merge may have moved them to another record of the person since.
BEGIN
    IF NOT app.sees_sensitive() THEN
        RETURN '{}';
    END IF;
    RETURN (
        SELECT coalesce(array_agg(s.category ORDER BY s.category), '{}')
          FROM public.ppks_assessments s
         WHERE s.sensitive AND s.beneficiary_id = ANY (app.same_person(p_person)) AND s.created_at <= p_at
           AND ARRAY['ID', s.province_code, s.regency_code, s.district_code, s.region_code]
               && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}')
           AND coalesce(app.former(s.id, 'status', p_at), s.status) = 'active'
           AND coalesce(app.former(s.id, 'beneficiary_id', p_at), s.beneficiary_id::text) = p_person::text);
END $$
"""

_FORMER = """
CREATE FUNCTION app.former(p_record uuid, p_field text, p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
-- What a field of a record held at a moment; NULL where it has not changed since.
    SELECT c.fields -> p_field ->> 'from' FROM public.changes c
     WHERE c.entity_id = p_record AND c.at > p_at AND c.action = 'update' AND c.fields ? p_field
     ORDER BY c.id LIMIT 1
$$
"""

_STOOD_FOR = """
CREATE FUNCTION app.stood_for(p_asked uuid, p_at timestamptz) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- The record that stood for the asked one at a moment: itself, until it was merged.
    SELECT coalesce(CASE WHEN c.fields IS NULL THEN b.merged_into
                         ELSE (c.fields -> 'merged_into' ->> 'from')::uuid END, b.id)
      FROM public.beneficiaries b
      LEFT JOIN LATERAL (SELECT h.fields FROM public.changes h
                          WHERE h.entity_id = b.id AND h.at > p_at AND h.action = 'update'
                            AND h.fields ? 'merged_into'
                          ORDER BY h.id LIMIT 1) c ON true
     WHERE b.id = p_asked
$$
"""

_FUNCTIONS = {
    "day_begins(date, text)": _DAY_BEGINS,
    "moment_of(text, text)": _MOMENT_OF,
    "looks_at(uuid)": _LOOKS_AT,
    "as_of(uuid, jsonb, timestamptz)": _AS_OF,
    "moved_from(text, timestamptz)": _MOVED_FROM,
    "former(uuid, text, timestamptz)": _FORMER,
    "sensitive_at(uuid, timestamptz)": _SENSITIVE_AT,
    "stood_for(uuid, timestamptz)": _STOOD_FOR,
    "steps_about(text, uuid)": _STEPS_ABOUT,
    "change_kind(jsonb)": _CHANGE_KIND,
    "fields_changed(uuid, timestamptz)": _FIELDS_CHANGED,
    "changes_about(uuid, text, timestamptz, timestamptz, timestamptz, integer)": _CHANGES_ABOUT,
    "leavings_of(uuid)": _LEAVINGS_OF,
    "role_of_maker(uuid)": _ROLE_OF_MAKER,
}

# Words about somebody stay in the row they were given for: what a trigger or a merge changes besides may be read by an
# office that does not see the person. Words given for no row go to people and to what is about two of them; a code of a
# list goes everywhere.
_REASON = """coalesce(CASE nullif(current_setting('app.reason_for', true), '')
                         WHEN coalesce(NEW.id, OLD.id)::text THEN nullif(current_setting('app.reason', true), '') END,
                     CASE WHEN coalesce(current_setting('app.reason_for', true), '') = ''
                               AND TG_TABLE_NAME IN ('beneficiaries', 'merges', 'duplicate_candidates')
                          THEN nullif(current_setting('app.reason', true), '') END,
                     nullif(current_setting('app.reason_code', true), '')),
            """

# Function -> what it learns, and before what: the reason given in this transaction, kept and erased with the change.
_REASON_KEPT = {
    "record_change": (
        ("reason, ", "entity, entity_id, entity_version, action, fields"),
        (_REASON, "TG_TABLE_NAME,"),
    ),
    "erase_subject": (
        ("reason = NULL, ", "fields = '{}' WHERE h.entity_id = ANY (records)"),
        ("reason = app.without(h.reason, patterns), ", "fields = h.fields || app.without("),
    ),
    "statement": (("h.reason, ", "h.actor_role AS role"),),
    "erase_papers": (("reason = NULL, ", "fields = '{}' WHERE h.entity_id = p_application"),),
}

# A coordinator works where a decree says, from its first day to its last, as the officers of districts do.
_COORDINATED = (
    """WHEN u.role = 'coordinator' AND u.has_assignments THEN ARRAY(
                    SELECT DISTINCT a.region_code FROM public.assignments a
                     WHERE a.user_id = u.id AND a.kind = 'coordinator'
                       AND a.during @> app.local_today(a.region_code) ORDER BY 1)
                """,
    "ELSE ARRAY[u.region_code] END,",
)
# A district's officer who coordinates besides keeps the district: for them the decree is only recorded.
_MARKED = ("(NEW.kind <> 'coordinator' OR role = 'coordinator') AND ", "NOT has_assignments;")

_WRITTEN_TOGETHER = ("changes", "transitions")
_TRANSACTION = "pg_current_xact_id()::text::bigint"

# Table -> the moment its rows enter the timeline by.
_ENTERS_AT = {
    "sktm_applications": "created_at",
    "referrals": "created_at",
    "attachments": "created_at",
    "privacy_requests": "created_at",
}


def upgrade() -> None:
    op.add_column("changes", sa.Column("reason", sa.Text()))
    for table in _WRITTEN_TOGETHER:  # in two steps: what was written before keeps none
        op.add_column(table, sa.Column("transaction", sa.BigInteger()))
        op.alter_column(table, "transaction", server_default=sa.text(_TRANSACTION))
    op.create_index("ix_changes_entity_at", "changes", ["entity_id", "at", "id"])
    op.create_index(
        "ix_changes_former_village",
        "changes",
        [sa.text("((fields -> 'region_code'::text) ->> 'from'::text)"), "at"],
        postgresql_where=sa.text("entity = 'beneficiaries' AND fields -> 'region_code' ->> 'from' IS NOT NULL"),
    )
    for table, moment in _ENTERS_AT.items():
        op.drop_index(f"ix_{table}_beneficiary_id", table)
        op.create_index(f"ix_{table}_beneficiary_id", table, ["beneficiary_id", moment])
    op.create_index("ix_visits_beneficiary_created", "visits", ["beneficiary_id", "created_at"])
    op.create_index("ix_activities_beneficiary_ids", "activities", ["beneficiary_ids"], postgresql_using="gin")
    for signature, definition in _FUNCTIONS.items():
        op.execute(sa.text(definition.replace(":", r"\:")))
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    for function, changes in _REASON_KEPT.items():
        ops.amend(function, *changes)
    ops.amend("enter", _COORDINATED)
    ops.amend("mark_assigned", _MARKED)
    _mark_assigned("'holder', 'acting', 'coordinator'")


def downgrade() -> None:
    _mark_assigned("'holder', 'acting'")
    ops.unamend("mark_assigned", _MARKED)
    ops.unamend("enter", _COORDINATED)
    for function, changes in reversed(_REASON_KEPT.items()):
        ops.unamend(function, *changes)
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION app.{signature}")
    op.drop_index("ix_activities_beneficiary_ids", "activities")
    op.drop_index("ix_visits_beneficiary_created", "visits")
    for table in _ENTERS_AT:
        op.drop_index(f"ix_{table}_beneficiary_id", table)
        op.create_index(f"ix_{table}_beneficiary_id", table, ["beneficiary_id"])
    op.drop_index("ix_changes_former_village", "changes")
    op.drop_index("ix_changes_entity_at", "changes")
    for table in _WRITTEN_TOGETHER:
        op.drop_column(table, "transaction")
    op.drop_column("changes", "reason")


def _mark_assigned(kinds: str) -> None:
    op.execute("DROP TRIGGER mark_assigned ON assignments")
    op.execute(
        "CREATE TRIGGER mark_assigned AFTER INSERT ON assignments FOR EACH ROW "
        f"WHEN (NEW.kind IN ({kinds})) EXECUTE FUNCTION app.mark_assigned()"
    )
