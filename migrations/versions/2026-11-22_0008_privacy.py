"""Rights of the people in the register (UU 27/2022): keys per person, requests, restriction, statement, erasure."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Table -> states that only end what was begun: they stay open while a person's processing is restricted.
_RESTRICTED = {
    "beneficiaries": (),
    "visits": (),
    "sktm_applications": ("rejected", "cancelled", "revoked"),
    "referrals": ("rejected", "cancelled", "ended"),
    "activities": (),
    "access_grants": (),
}
_MOMENTS = {"beneficiaries": "UPDATE", "access_grants": "INSERT"}

_REFUSE_RESTRICTED = """
CREATE FUNCTION app.refuse_restricted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- No new processing of a person whose processing is restricted (UU 27/2022 Pasal 41), whatever path the write takes.
-- TG_ARGV: states that may still be reached. Runs after the foreign keys, so it waits for an erasure under way.
DECLARE
    named uuid[];
BEGIN
    IF coalesce(current_setting('app.role', true), '') IN ('', 'system')
       OR current_setting('app.erasing', true) = 'on'
       OR (cardinality(TG_ARGV) > 0 AND TG_OP = 'UPDATE' AND to_jsonb(NEW) ->> 'status' = ANY (TG_ARGV)) THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'beneficiaries' THEN
        IF OLD.restricted_at IS NULL OR NEW.restricted_at IS NULL THEN
            RETURN NULL;
        END IF;
        named := ARRAY[NEW.id];
    ELSIF TG_TABLE_NAME = 'activities' THEN
        named := NEW.beneficiary_ids;
        IF TG_OP = 'UPDATE' THEN  -- the office may still review what was logged before
            named := ARRAY(SELECT unnest(NEW.beneficiary_ids) EXCEPT SELECT unnest(OLD.beneficiary_ids));
        END IF;
    ELSIF TG_TABLE_NAME = 'sktm_applications' THEN
        named := NEW.dependants || NEW.beneficiary_id;
    ELSE
        named := ARRAY[NEW.beneficiary_id];
    END IF;
    IF EXISTS (SELECT 1 FROM public.beneficiaries b WHERE b.id = ANY (named) AND b.restricted_at IS NOT NULL) THEN
        RAISE EXCEPTION 'processing is restricted' USING ERRCODE = '23514', CONSTRAINT = 'processing_restricted';
    ELSIF TG_OP = 'INSERT'
          AND EXISTS (SELECT 1 FROM public.beneficiaries b WHERE b.id = ANY (named) AND b.deleted_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the person is gone' USING ERRCODE = '23514', CONSTRAINT = 'person_gone';
    END IF;
    RETURN NULL;
END $$
"""

_SEES_PERSON = """
CREATE FUNCTION app.sees_person(p_subject uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Whether the person lies in the caller's regions (app.regions, set by app.enter).
    SELECT EXISTS (
        SELECT 1 FROM public.beneficiaries b WHERE b.id = p_subject
           AND ARRAY['ID', b.province_code, b.regency_code, b.district_code, b.region_code]
               && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}'))
$$
"""

_IS_RESTRICTED = """
CREATE FUNCTION app.is_restricted(p_people uuid[]) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Whether the processing of one of them is restricted, wherever they live now: a letter names people who moved away.
    SELECT EXISTS (SELECT 1 FROM public.beneficiaries b WHERE b.id = ANY (p_people) AND b.restricted_at IS NOT NULL)
$$
"""

_STATEMENT = """
CREATE FUNCTION app.statement(p_subject uuid) RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
-- Everything held about one person outside their own row, wherever it was written, and who processed it
-- (UU 27/2022 Pasal 32). NULL for a caller who does not see the person.
DECLARE
    zone text;
    records uuid[];
BEGIN
    IF NOT app.sees_person(p_subject) THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(r.timezone, 'Asia/Jakarta') INTO zone FROM public.beneficiaries b
      LEFT JOIN public.regions r ON r.code = left(b.region_code, 2) WHERE b.id = p_subject;
    records := ARRAY(
        SELECT p_subject
        UNION ALL SELECT v.id FROM public.visits v WHERE v.beneficiary_id = p_subject
        UNION ALL SELECT a.id FROM public.sktm_applications a WHERE a.beneficiary_id = p_subject
        UNION ALL SELECT r.id FROM public.referrals r WHERE r.beneficiary_id = p_subject);
    RETURN jsonb_build_object(
        'timezone', zone,
        'visits', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.visited_on, x.id), '[]') FROM (
            SELECT v.id, v.visited_on, v.region_code, v.status, v.outcome, v.finding, v.latitude, v.longitude,
                   v.notes, v.evidence, v.reasons
              FROM public.visits v WHERE v.beneficiary_id = p_subject) x),
        'applications', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.created_at, x.id), '[]') FROM (
            SELECT a.id, a.created_at, a.region_code, a.status, a.purpose,
                   a.beneficiary_id = p_subject AS is_applicant,
                   CASE WHEN a.beneficiary_id = p_subject THEN a.purpose_detail END AS purpose_detail,
                   a.addressed_to,
                   CASE WHEN a.beneficiary_id = p_subject THEN a.documents ELSE '[]' END AS documents,
                   CASE WHEN a.beneficiary_id = p_subject THEN a.recommendation END AS recommendation,
                   (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.at), '[]') FROM (
                        SELECT t.at, t.action, t.to_state, t.actor_role, t.reason_code,
                               CASE WHEN a.beneficiary_id = p_subject THEN t.note END AS note
                          FROM public.transitions t
                         WHERE t.entity = 'sktm_applications' AND t.entity_id = a.id) s) AS steps,
                   (SELECT to_jsonb(l) FROM (
                        SELECT m.number, m.issued_on, m.valid_until, m.issuer_name AS issuer, m.revoked_at,
                               m.revoked_reason
                          FROM public.sktm_letters m WHERE m.application_id = a.id) l) AS letter
              FROM public.sktm_applications a
             WHERE a.beneficiary_id = p_subject OR p_subject = ANY (a.dependants)) x),
        'referrals', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.created_at, x.id), '[]') FROM (
            SELECT f.id, f.created_at, f.program, g.name AS agency, f.reason, f.consent, f.documents, f.status,
                   f.reference_number, f.decided_on, f.reason_code, f.active_from, f.ended_on
              FROM public.referrals f JOIN public.agencies g ON g.id = f.agency_id
             WHERE f.beneficiary_id = p_subject) x),
        'activities', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.occurred_on, x.id), '[]') FROM (
            -- What was written about several people may name the others.
            SELECT c.id, c.occurred_on, c.kind, CASE WHEN cardinality(c.beneficiary_ids) = 1 THEN c.title END AS title,
                   c.region_code
              FROM public.activities c WHERE p_subject = ANY (c.beneficiary_ids) AND c.deleted_at IS NULL) x),
        'requests', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.created_at, x.id), '[]') FROM (
            SELECT q.id, q.created_at, q.received_on, q.kind, q.requested_by, q.reason, q.status, q.decided_at,
                   q.reason_code, q.note
              FROM public.privacy_requests q WHERE q.beneficiary_id = p_subject) x),
        'changes', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.id, x.field), '[]') FROM (
            SELECT h.id, h.at, h.entity, f.key AS field, f.value -> 'from' AS before, f.value -> 'to' AS after,
                   f.value ? 'hidden' AS hidden, h.actor_role AS role
              FROM public.changes h, jsonb_each(h.fields) f
             WHERE h.entity_id = ANY (records) AND h.action = 'update') x),
        'processing', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.at, x.first_id), '[]') FROM (
            -- Plain reads of one day, role and office are one line with their number; whatever else is a line each: the
            -- id of a request is the client's own choice and must not draw five reveals together.
            SELECT min(l.id) AS first_id, min(l.at) AS at, max(l.at) AS until, count(*) AS times, l.role,
                   l.actor_region AS regions, g.name AS agency, l.operation, l.action, l.purpose, l.fields
              FROM public.access_log l
              LEFT JOIN public.users u ON u.id = l.user_id LEFT JOIN public.agencies g ON g.id = u.agency_id
             WHERE l.subject_ids @> ARRAY[p_subject] AND l.outcome = 'ok'
             GROUP BY (l.at AT TIME ZONE zone)::date, l.role, l.actor_region, g.name, l.operation, l.action, l.purpose,
                      l.fields, CASE WHEN l.action <> 'read' OR l.fields IS NOT NULL THEN l.id END) x));
END $$
"""

_STILL_NEEDED = """
CREATE FUNCTION app.still_needed(p_subject uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- What forbids an erasure, wherever it lies: a running application or referral, a letter that is valid, a legal hold.
    SELECT EXISTS (SELECT 1 FROM public.beneficiaries b WHERE b.id = p_subject AND b.legal_hold IS NOT NULL)
        OR EXISTS (SELECT 1 FROM public.sktm_applications a
                    WHERE (a.beneficiary_id = p_subject OR p_subject = ANY (a.dependants))
                      AND (a.status IN ('draft', 'returned', 'submitted', 'checked', 'verified', 'signing')
                           OR EXISTS (SELECT 1 FROM public.sktm_letters l
                                       WHERE l.application_id = a.id AND l.revoked_at IS NULL
                                         AND l.valid_until >= (now() AT TIME ZONE l.timezone)::date)))
        OR EXISTS (SELECT 1 FROM public.referrals r
                    WHERE r.beneficiary_id = p_subject AND r.status NOT IN ('rejected', 'cancelled', 'ended'))
$$
"""

_SPELLED = """
CREATE FUNCTION app.spelled(p_words text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
-- A pattern that finds the words in any spacing and punctuation, though not inside a longer word. NULL without any.
    SELECT '(?<![[:alnum:]])' || nullif(string_agg(run, '[^[:alnum:]]*' ORDER BY place), '') || '(?![[:alnum:]])'
      FROM regexp_split_to_table(p_words, '[^[:alnum:]]+') WITH ORDINALITY AS runs (run, place) WHERE run <> ''
$$
"""

_DIALLED = """
CREATE FUNCTION app.dialled(p_phone text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
-- A pattern that finds the number with 0, 62 or +62 before it and any separators between its digits. NULL when it is
-- too short to be told from other numbers.
    SELECT '(?<![0-9])[+(]{0,2}((0|62)[^[:alnum:]]{0,3}){0,4}'
           || array_to_string(string_to_array(digits, NULL), '[^[:alnum:]]{0,3}') || '(?![0-9])'
      FROM regexp_replace(regexp_replace(p_phone, '[^0-9]', '', 'g'), '^(0|62)+', '') AS digits
     WHERE length(digits) > 5
$$
"""

_WITHOUT = """
CREATE FUNCTION app.without(p_text text, p_patterns text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
-- The text with whatever one of the patterns finds, in any case, replaced.
DECLARE
    pattern text;
BEGIN
    FOREACH pattern IN ARRAY p_patterns LOOP
        p_text := regexp_replace(p_text, pattern, '(dihapus)', 'gi');
    END LOOP;
    RETURN p_text;
END $$
"""

_WITHOUT_IN_JSON = """
CREATE FUNCTION app.without(p_value jsonb, p_patterns text[]) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
-- The same in every text of a document: in the texts themselves, for in the notation a word may follow an escaped n.
BEGIN
    RETURN CASE jsonb_typeof(p_value)
        WHEN 'string' THEN to_jsonb(app.without(p_value #>> '{}', p_patterns))
        WHEN 'array' THEN (SELECT coalesce(jsonb_agg(app.without(e.value, p_patterns) ORDER BY e.ordinality), '[]')
                             FROM jsonb_array_elements(p_value) WITH ORDINALITY e)
        WHEN 'object' THEN (SELECT coalesce(jsonb_object_agg(e.key, app.without(e.value, p_patterns)), '{}')
                              FROM jsonb_each(p_value) e)
        ELSE p_value END;
END $$
"""

_PATTERNS_OF = """
CREATE FUNCTION app.patterns_of(p_subject uuid, p_others uuid[]) RETURNS text[] LANGUAGE sql STABLE AS $$
-- What finds a person in text: their names and street in full, present and former, the phone, and of the names each
-- word of four letters or more that none of the others bears. Longest first, so that a whole name goes as one.
    WITH known (field, value) AS (
        SELECT v.field, v.value FROM public.beneficiaries b
         CROSS JOIN LATERAL
               (VALUES ('full_name', b.full_name), ('street', b.street), ('phone', b.phone)) v (field, value)
         WHERE b.id = p_subject
        UNION
        SELECT f.key, side.value #>> '{}'
          FROM public.changes h, jsonb_each(h.fields) f, jsonb_each(f.value) side
         WHERE h.entity = 'beneficiaries' AND h.entity_id = p_subject AND f.key IN ('full_name', 'street', 'phone')
    ), words (pattern) AS (
        SELECT app.spelled(w.word) FROM known k, regexp_split_to_table(k.value, '[[:space:],;/]+') AS w (word)
         WHERE k.field = 'full_name' AND length(regexp_replace(w.word, '[^[:alpha:]]', '', 'g')) > 3
    ), found (pattern) AS (
        SELECT CASE k.field WHEN 'phone' THEN app.dialled(k.value) ELSE app.spelled(k.value) END
          FROM known k WHERE length(k.value) > 2 AND k.value <> '(dihapus)'
        UNION
        SELECT w.pattern FROM words w
         WHERE w.pattern <> app.spelled('dihapus')
           AND NOT EXISTS (SELECT 1 FROM public.beneficiaries o
                            WHERE o.id = ANY (p_others) AND o.full_name ~* w.pattern)
    )
    SELECT coalesce(array_agg(pattern ORDER BY length(pattern) DESC, pattern), '{}')
      FROM found WHERE pattern IS NOT NULL
$$
"""

_ERASE_SUBJECT = """
CREATE FUNCTION app.erase_subject(p_subject uuid, p_request uuid, p_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- UU 27/2022 Pasal 43-44: destroys the person's key and blanks their personal data everywhere. Rows, dates, states and
-- the numbers of letters stay; the access log is sealed and stays. Repeating it does no harm. False: the caller does
-- not see the person.
DECLARE
    records uuid[];
    others uuid[];
    linked uuid[];
    patterns text[];
    place record;
BEGIN
    PERFORM 1 FROM public.beneficiaries b WHERE b.id = p_subject FOR UPDATE;
    IF FOUND AND NOT app.sees_person(p_subject) THEN
        RETURN false;
    END IF;
    records := ARRAY(
        SELECT p_subject
        UNION ALL SELECT v.id FROM public.visits v WHERE v.beneficiary_id = p_subject
        UNION ALL SELECT a.id FROM public.sktm_applications a WHERE a.beneficiary_id = p_subject
        UNION ALL SELECT l.id FROM public.sktm_letters l JOIN public.sktm_applications a ON a.id = l.application_id
                   WHERE a.beneficiary_id = p_subject
        UNION ALL SELECT r.id FROM public.referrals r WHERE r.beneficiary_id = p_subject
        UNION ALL SELECT q.id FROM public.privacy_requests q WHERE q.beneficiary_id = p_subject
        UNION ALL SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = p_subject);
    -- In whose records somebody may have written about this person: they share an application, work or a family card.
    others := ARRAY(
        SELECT unnest(a.dependants || a.beneficiary_id) FROM public.sktm_applications a
         WHERE a.beneficiary_id = p_subject OR p_subject = ANY (a.dependants)
        UNION SELECT unnest(c.beneficiary_ids) FROM public.activities c WHERE p_subject = ANY (c.beneficiary_ids)
        UNION SELECT k.id FROM public.beneficiaries b
                JOIN public.beneficiaries k ON k.family_card_index = b.family_card_index WHERE b.id = p_subject
        EXCEPT SELECT p_subject);
    linked := ARRAY(
        SELECT unnest(others || records)
        UNION SELECT v.id FROM public.visits v WHERE v.beneficiary_id = ANY (others)
        UNION SELECT a.id FROM public.sktm_applications a
               WHERE a.beneficiary_id = ANY (others) OR p_subject = ANY (a.dependants)
        UNION SELECT r.id FROM public.referrals r WHERE r.beneficiary_id = ANY (others)
        UNION SELECT q.id FROM public.privacy_requests q WHERE q.beneficiary_id = ANY (others)
        UNION SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = ANY (others)
        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));
    patterns := app.patterns_of(p_subject, others);
    PERFORM pg_catalog.set_config('app.erasing', 'on', true);  -- blanking is no processing that a restriction stops

    -- First of all the restriction, which would refuse the rest.
    UPDATE public.beneficiaries b
       SET restricted_at = NULL, deleted_at = coalesce(b.deleted_at, p_at, now()), legal_hold = NULL,
           nik_cipher = NULL, nik_index = NULL, nik_last4 = NULL, nik_status = 'none', full_name = '(dihapus)',
           birth_place = NULL, birth_date = make_date(extract(year FROM b.birth_date)::integer / 10 * 10, 1, 1),
           street = '(dihapus)', rt = NULL, rw = NULL, phone = NULL, family_card_cipher = NULL,
           family_card_index = NULL, family_card_last4 = NULL, relationship = NULL, ppks_categories = '{}',
           notes = NULL, warnings = '[]', deceased_on = NULL, create_digest = NULL
     WHERE b.id = p_subject;
    UPDATE public.visits v
       SET notes = NULL, evidence = '{}', reasons = '{}', latitude = NULL, longitude = NULL, accuracy = NULL,
           create_digest = NULL
     WHERE v.beneficiary_id = p_subject;
    -- Nothing is running when an erasure is decided; in a backup restored since then it may be.
    UPDATE public.sktm_applications a
       SET status = CASE WHEN a.status IN ('rejected', 'revoked', 'issued', 'collected') THEN a.status
                         ELSE 'cancelled' END,
           purpose_detail = '(dihapus)', addressed_to = '(dihapus)', documents = '[]', recommendation = NULL,
           facts_digest = NULL, create_digest = NULL
     WHERE a.beneficiary_id = p_subject;
    UPDATE public.sktm_letters l
       SET masked_name = '(dihapus)', content_cipher = '', pdf_cipher = '', create_digest = NULL
     WHERE l.id = ANY (records);
    UPDATE public.referrals r
       SET status = CASE WHEN r.status IN ('rejected', 'ended') THEN r.status ELSE 'cancelled' END,
           beneficiary_name = '(dihapus)', beneficiary_nik_last4 = NULL, reason = '(dihapus)', documents = '[]',
           requested_documents = '[]', reference_number = NULL, create_digest = NULL
     WHERE r.beneficiary_id = p_subject;
    UPDATE public.privacy_requests q
       SET reason = '(dihapus)', note = NULL, create_digest = NULL WHERE q.beneficiary_id = p_subject;
    UPDATE public.activities c
       SET latitude = NULL, longitude = NULL, create_digest = NULL WHERE c.beneficiary_ids = ARRAY[p_subject];

    -- What is also about others keeps its words, without this person's.
    FOR place IN SELECT * FROM (VALUES
        ('beneficiaries', 'notes'), ('visits', 'notes'), ('visits', 'evidence'), ('access_grants', 'reason'),
        ('sktm_applications', 'purpose_detail'), ('sktm_applications', 'addressed_to'),
        ('sktm_applications', 'documents'), ('sktm_applications', 'recommendation'),
        ('referrals', 'reason'), ('referrals', 'documents'), ('referrals', 'requested_documents'),
        ('privacy_requests', 'reason'), ('privacy_requests', 'note'),
        ('activities', 'title'), ('activities', 'description'), ('activities', 'result'), ('activities', 'obstacle'),
        ('activities', 'follow_up')) AS written (in_table, in_column)
    LOOP
        EXECUTE format(
            'UPDATE public.%1$I t SET %2$I = app.without(t.%2$I, $1), create_digest = NULL '
            'WHERE t.id = ANY ($2) AND t.%2$I IS DISTINCT FROM app.without(t.%2$I, $1)',
            place.in_table, place.in_column)
        USING patterns, linked;
    END LOOP;

    -- The triggers have just written the former values into the history: it goes last. Others' own names stay theirs.
    UPDATE public.changes h SET fields = '{}' WHERE h.entity_id = ANY (records);
    UPDATE public.changes h
       SET fields = h.fields || app.without(
               h.fields - ARRAY['full_name', 'beneficiary_name', 'birth_place', 'street', 'phone'], patterns)
     WHERE h.entity_id = ANY (linked);
    UPDATE public.transitions t SET note = NULL, details = '{}' WHERE t.entity_id = ANY (records);
    UPDATE public.transitions t
       SET note = app.without(t.note, patterns), details = app.without(t.details, patterns)
     WHERE t.entity_id = ANY (linked);
    PERFORM pg_catalog.set_config('app.erasing', 'off', true);
    -- Stored answers about the person, by whom they show or by the record in their address; the one under way stays.
    DELETE FROM public.idempotency_keys k
     WHERE k.body IS NOT NULL
       AND (p_subject = ANY (k.subject_ids)
            OR EXISTS (SELECT 1 FROM unnest(linked) r
                        WHERE strpos(k.operation, r::text) > 0 OR strpos(k.headers ->> 'location', r::text) > 0));
    DELETE FROM public.subject_keys s WHERE s.subject_id = p_subject;
    INSERT INTO public.erasures (subject_id, erased_at, request_id) VALUES (p_subject, coalesce(p_at, now()), p_request)
    ON CONFLICT (subject_id) DO NOTHING;
    RETURN true;
END $$
"""

_ERASE_PAPERS = """
CREATE FUNCTION app.erase_papers(p_application uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
-- What an application that came to nothing holds beyond its purpose, its dates and its outcome.
BEGIN
    UPDATE public.sktm_applications a
       SET purpose_detail = '(dihapus)', addressed_to = '(dihapus)', documents = '[]', recommendation = NULL,
           facts_digest = NULL, create_digest = NULL
     WHERE a.id = p_application AND a.status IN ('rejected', 'cancelled');
    IF FOUND THEN
        UPDATE public.changes h SET fields = '{}' WHERE h.entity_id = p_application;
        UPDATE public.transitions t SET note = NULL, details = '{}' WHERE t.entity_id = p_application;
    END IF;
END $$
"""

_FOR_THE_APP = (
    "sees_person(uuid)",
    "is_restricted(uuid[])",
    "statement(uuid)",
    "still_needed(uuid)",
    "erase_subject(uuid, uuid, timestamptz)",
)
_FUNCTIONS = (
    *_FOR_THE_APP,
    "refuse_restricted()",
    "spelled(text)",
    "dialled(text)",
    "without(text, text[])",
    "without(jsonb, text[])",
    "patterns_of(uuid, uuid[])",
    "erase_papers(uuid)",
)


def _visible_with_its_entity(*more: str) -> str:
    tables = op.get_context().script.get_revision("0002").module
    cases = " ".join(
        f"WHEN '{name}' THEN EXISTS (SELECT 1 FROM {name} e WHERE e.id = entity_id)"
        for name in (*tables._ENTITIES, *more)
    )
    return f"CASE entity {cases} ELSE entity IN ('agencies', 'sktm_policies') END"


def upgrade() -> None:
    op.add_column("beneficiaries", sa.Column("restricted_at", sa.DateTime(timezone=True)))
    op.add_column("beneficiaries", sa.Column("legal_hold", sa.Text()))
    op.create_table(
        "subject_keys",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name="pk_subject_keys"),
    )
    op.create_table(
        "erasures",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_id", sa.UUID()),
        sa.PrimaryKeyConstraint("subject_id", name="pk_erasures"),
    )
    op.create_table(
        "privacy_requests",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("beneficiary_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.UUID()),
        sa.Column("reason_code", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_privacy_requests_beneficiary_id"),
        sa.PrimaryKeyConstraint("id", name="pk_privacy_requests"),
    )
    op.create_index("ix_privacy_requests_beneficiary_id", "privacy_requests", ["beneficiary_id"])
    ops.enable_region_scope("privacy_requests")
    ops.audit("privacy_requests")
    ops.log_access("privacy_requests", "beneficiary_id")
    for table in ("changes", "transitions"):
        ops.replace_policy(table, _visible_with_its_entity("privacy_requests", "access_grants"))
    ops.grant("subject_keys", "SELECT", "INSERT", "UPDATE")
    ops.grant("erasures", "SELECT")
    ops.grant("privacy_requests", "SELECT", "INSERT", "UPDATE")
    for function in (
        _REFUSE_RESTRICTED,
        _SEES_PERSON,
        _IS_RESTRICTED,
        _STATEMENT,
        _STILL_NEEDED,
        _SPELLED,
        _DIALLED,
        _WITHOUT,
        _WITHOUT_IN_JSON,
        _PATTERNS_OF,
        _ERASE_SUBJECT,
        _ERASE_PAPERS,
    ):
        op.execute(function)
    for signature in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
    for signature in _FOR_THE_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    for table, states in _RESTRICTED.items():
        moments = _MOMENTS.get(table, "INSERT OR UPDATE")
        arguments = ", ".join(f"'{state}'" for state in states)
        op.execute(
            f"CREATE TRIGGER refuse_restricted AFTER {moments} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted({arguments})"
        )


def downgrade() -> None:
    for table in _RESTRICTED:
        op.execute(f"DROP TRIGGER refuse_restricted ON {table}")
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION app.{signature}")
    for table in ("changes", "transitions"):
        ops.replace_policy(table, _visible_with_its_entity())
    op.drop_table("privacy_requests")
    op.drop_table("erasures")
    op.drop_table("subject_keys")
    op.drop_column("beneficiaries", "legal_hold")
    op.drop_column("beneficiaries", "restricted_at")
