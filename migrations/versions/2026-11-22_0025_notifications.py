"""The inbox, and the outbox for gateways."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_CASE_NUMBER = """
CREATE FUNCTION app.case_number(p_id uuid) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Short enough to be read out: the last 40 bits of an id in Crockford's base 32, which has no I, L, O and U.
    SELECT string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 1 + ((b.bits >> (5 * i)) & 31)::integer, 1)
                      || CASE i WHEN 4 THEN '-' ELSE '' END, '' ORDER BY i DESC)
      FROM generate_series(0, 7) i, (SELECT ('x' || right(p_id::text, 10))::bit(40)::bigint AS bits) b
$$
"""

# Stricter than the worklist's of 0024, in whose place it stands: what it gives may leave the house.
_FIRST_NAME = """
CREATE OR REPLACE FUNCTION app.first_name(p_name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The first word of a name that is one: no title, no initial, nothing with a digit in it. What a message may say of a
-- person; of somebody without such a word it says "pemohon". After a comma stand academic degrees.
    SELECT coalesce((
        SELECT left(w.word, 30)
          FROM regexp_split_to_table(split_part(p_name, ',', 1), '[[:space:].]+') WITH ORDINALITY AS w (word, place)
         WHERE length(w.word) > 1 AND w.word !~ '[[:digit:]/@:;()<>{}\\[\\]\\\\]'
           AND lower(w.word) <> ALL ('{h,hj,hjh,haji,hajah,kh,hc,dr,drs,dra,drg,drh,ir,prof,apt,ns,pdt,rm,rr,raden,tgk,'
                                     'ust,ustaz,ustadz,bpk,bapak,ibu,ny,nn,tn,sdr,sdri,alm,almh,almarhum,almarhumah,'
                                     'st,moh,muh,abd,ni}'::text[])
         ORDER BY w.place LIMIT 1), 'pemohon')
$$
"""

_FILLED = """
CREATE FUNCTION app.filled(p_text text, p_fields jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
-- A template's text with its fields. There are these and no others, whatever a template or a row holds besides.
    SELECT replace(replace(replace(replace(replace(p_text,
               '{first_name}', coalesce(p_fields ->> 'first_name', '-')),
               '{case_number}', coalesce(p_fields ->> 'case_number', '-')),
               '{office}', coalesce(p_fields ->> 'office', '-')),
               '{program}', coalesce(p_fields ->> 'program', '-')),
               '{due_on}', coalesce(to_char((p_fields ->> 'due_on')::date, 'DD-MM-YYYY'), '-'))
$$
"""

_AREA_OF = """
CREATE FUNCTION app.area_of(p_user public.users) RETURNS text[] LANGUAGE sql STABLE AS $$
-- Where a user works at this moment, as app.enter says it of who signs in.
    SELECT CASE WHEN p_user.role = 'agency' THEN '{}'::text[]
                WHEN p_user.region_code IS NULL THEN ARRAY['ID']
                WHEN p_user.role IN ('tksk', 'coordinator') AND p_user.has_assignments THEN ARRAY(
                    SELECT DISTINCT a.region_code FROM public.assignments a
                     WHERE a.user_id = p_user.id AND (a.kind = 'coordinator') = (p_user.role = 'coordinator')
                       AND a.during @> app.local_today(a.region_code))
                ELSE ARRAY[p_user.region_code] END
$$
"""

_AFTER_QUIET = """
CREATE FUNCTION app.after_quiet(p_at timestamptz, p_zone text, p_from time, p_until time) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
-- The moment itself, or the end of the quiet hours it falls in, by the clock of the zone; they may last over midnight.
    SELECT CASE WHEN p_from IS NULL OR p_until IS NULL THEN p_at
                WHEN p_from < p_until AND l.at::time >= p_from AND l.at::time < p_until
                    THEN (l.at::date + p_until) AT TIME ZONE p_zone
                WHEN p_from > p_until AND l.at::time >= p_from THEN (l.at::date + 1 + p_until) AT TIME ZONE p_zone
                WHEN p_from > p_until AND l.at::time < p_until THEN (l.at::date + p_until) AT TIME ZONE p_zone
                ELSE p_at END
      FROM (SELECT p_at AT TIME ZONE p_zone AS at) l
$$
"""

_ZONE_OF = """
CREATE FUNCTION app.zone_of(p_region text) RETURNS text LANGUAGE sql STABLE AS $$
-- A zone covers whole provinces; the nation keeps the clock of its capital.
    SELECT coalesce((SELECT r.timezone FROM public.regions r WHERE r.code = left(p_region, 2)), 'Asia/Jakarta')
$$
"""

# A query for each kind of recipient that a rule names, and none for the others: in one statement for all, the planner,
# which cannot know what a rule names, reads every user for every rule (decision 0017).
_CHOSEN = """
CREATE FUNCTION app.recipients(p_rule public.notification_rules, p_id uuid, p_facts jsonb, p_actor uuid)
RETURNS SETOF uuid LANGUAGE plpgsql STABLE AS $$
-- Whom a rule tells of a row: whoever it names, works today, sees the row at this moment, and did not do it themselves.
DECLARE
    wanted text[] := p_rule.recipients;
    region text := p_facts ->> 'region_code';
    agency uuid := (p_facts ->> 'agency_id')::uuid;
    around text[] := ARRAY(SELECT left(region, n) FROM unnest('{2,5,8,13}'::integer[]) n WHERE length(region) >= n);
    -- `role:tksk` is a role around the row; the next signatory is the one the row's own policy names.
    roles text[] := ARRAY(SELECT substr(r, 6) FROM unnest(wanted) r WHERE r LIKE 'role:%');
    below text[] := ARRAY(SELECT substr(r, 7) FROM unnest(wanted) r WHERE r LIKE 'below:%');
    named uuid[] := '{}';
    theirs uuid[] := '{}';  -- about the recipient, or open to everybody: they need not see a row in a region for it
BEGIN
    IF 'next_signatory' = ANY (wanted) THEN
        roles := roles || (p_facts -> 'policy' -> 'signatories' ->> (
            SELECT count(*)::integer FROM public.sktm_signatures s WHERE s.application_id = p_id));
    END IF;
    IF roles <> '{}' THEN
        named := ARRAY(SELECT u.id FROM public.users u WHERE u.role = ANY (roles) AND u.region_code = ANY (around)
                       UNION ALL SELECT u.id FROM public.users u WHERE u.role = ANY (roles) AND u.region_code IS NULL);
    END IF;
    IF 'tksk' = ANY (roles) THEN
        named := named || ARRAY(SELECT a.user_id FROM public.assignments a
                                 WHERE a.region_code = ANY (around) AND a.kind IN ('holder', 'acting')
                                   AND a.during @> app.local_today(a.region_code));
    END IF;
    IF 'creator' = ANY (wanted) THEN
        named := named || (p_facts ->> 'created_by')::uuid;
    END IF;
    IF 'agency' = ANY (wanted) THEN
        named := named || ARRAY(SELECT u.id FROM public.users u WHERE u.agency_id = agency);
    END IF;
    IF 'presenters' = ANY (wanted) THEN
        theirs := ARRAY(SELECT u.id FROM public.presentations p JOIN public.users u ON u.agency_id = p.agency_id
                         WHERE p.application_id = p_id);
    END IF;
    IF 'holder' = ANY (wanted) THEN
        theirs := theirs || coalesce((p_facts ->> 'user_id')::uuid, p_id);
    END IF;
    IF below <> '{}' AND region IS NULL THEN
        theirs := theirs || ARRAY(SELECT u.id FROM public.users u WHERE u.role = ANY (below));
    ELSIF below <> '{}' THEN  -- '/' is what follows '.'
        theirs := theirs || ARRAY(SELECT u.id FROM public.users u WHERE u.role = ANY (below) AND u.region_code = region
                                  UNION ALL
                                  SELECT u.id FROM public.users u
                                   WHERE u.role = ANY (below)
                                     AND u.region_code > region || '.' AND u.region_code < region || '/');
    END IF;
    RETURN QUERY
    SELECT u.id FROM public.users u
     WHERE u.id = ANY (theirs) AND u.disabled_at IS NULL AND u.id IS DISTINCT FROM p_actor
    UNION
    SELECT u.id FROM public.users u
     WHERE u.id = ANY (named) AND u.disabled_at IS NULL AND u.id IS DISTINCT FROM p_actor
       AND u.role = ANY (p_rule.readers)
       AND CASE u.role WHEN 'agency' THEN p_facts ->> 'submitted_at' IS NOT NULL AND u.agency_id = agency
                       ELSE app.area_of(u) && (ARRAY['ID'] || around) END;
END $$
"""

_SITUATION = """
CREATE FUNCTION app.situation(p_entity text, p_facts jsonb) RETURNS text LANGUAGE sql STABLE AS $$
-- What a rule may ask of a row besides its state: whose turn it is where the state leaves that open. A letter signed by
-- hand waits for its scan; a better scan later is no news, nor is one that comes when the letter is past its time.
    SELECT CASE p_entity
           WHEN 'sktm_applications' THEN CASE
               WHEN p_facts ->> 'status' = 'issued' AND p_facts -> 'policy' ->> 'signature' = 'wet' THEN
                   (SELECT CASE (SELECT count(*) FROM public.transitions t
                                  WHERE t.entity = p_entity AND t.entity_id = l.application_id
                                    AND t.action = 'signed-scan')
                           WHEN 0 THEN 'to_scan'
                           WHEN 1 THEN CASE app.letter_status(l.revoked_at, l.superseded_at, l.issued_on, l.valid_until,
                                                              l.timezone, l.scan_received_at IS NULL)
                                       WHEN 'valid' THEN 'to_collect' END END
                      FROM public.sktm_letters l WHERE l.application_id = (p_facts ->> 'id')::uuid)
               WHEN p_facts ->> 'status' = 'issued' THEN 'to_collect'
               WHEN p_facts ->> 'status' <> 'checked' THEN NULL
               WHEN coalesce((p_facts -> 'policy' -> 'visit_required_for' ->> (p_facts ->> 'purpose'))::boolean,
                             (p_facts -> 'policy' ->> 'visit_required')::boolean, true) THEN 'to_verify'
               ELSE 'to_sign' END
           WHEN 'presentations' THEN
               CASE WHEN (p_facts ->> 'also_presented_elsewhere')::boolean THEN 'elsewhere' ELSE 'first' END
           WHEN 'office_certificates' THEN
               CASE length(p_facts ->> 'region_code') WHEN 2 THEN 'of_province' ELSE 'below_province' END END
$$
"""

_NOTIFY = """
CREATE FUNCTION app.notify(p_event uuid, p_entity text, p_id uuid, p_action text, p_state text, p_actor uuid,
                           p_facts jsonb DEFAULT NULL, p_due date DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
-- What happened to a row, told by the rules: one INSERT for everybody a rule names. An event tells a person once,
-- however often it is raised and whatever rules apply; the first of them says how.
DECLARE
    rule public.notification_rules;
    facts jsonb := p_facts;
    said jsonb;
    person public.beneficiaries;
BEGIN
    FOR rule IN SELECT r.* FROM public.notification_rules r
                 WHERE r.entity = p_entity AND r.action = p_action ORDER BY r.position
    LOOP
        IF facts IS NULL THEN
            EXECUTE format('SELECT to_jsonb(t) FROM public.%I t WHERE t.id = $1', p_entity) INTO facts USING p_id;
        END IF;
        CONTINUE WHEN facts IS NULL OR rule.state NOT IN (coalesce(p_state, ''),
                                                          coalesce(app.situation(p_entity, facts), ''));
        IF said IS NULL THEN
            SELECT * INTO person FROM public.beneficiaries b WHERE b.id = (facts ->> 'beneficiary_id')::uuid;
            said := jsonb_strip_nulls(jsonb_build_object(
                'first_name', CASE WHEN person.id IS NOT NULL THEN app.first_name(person.full_name) END,
                'case_number', coalesce(facts ->> 'case_number', app.case_number((facts ->> 'application_id')::uuid)),
                'office', coalesce((SELECT g.name FROM public.agencies g WHERE g.id = (facts ->> 'agency_id')::uuid),
                                   (SELECT r.name FROM public.regions r WHERE r.code = facts ->> 'region_code')),
                'program', (SELECT p.name_id FROM public.programs p WHERE p.code = facts ->> 'program_code'),
                'due_on', p_due));
        END IF;
        WITH chosen AS MATERIALIZED (
            SELECT c.id FROM app.recipients(rule, p_id, facts, p_actor) AS c (id)
        ), applicant AS MATERIALIZED (
            SELECT p.channel FROM app.reachable(person.id) AS p WHERE 'applicant' = ANY (rule.recipients)
        ), told AS (
            INSERT INTO public.notifications (id, event_id, template, kind, entity, entity_id, beneficiary_id, fields)
            SELECT gen_random_uuid(), p_event, rule.template, rule.kind, p_entity, p_id, person.id,
                   -- Who once held the letter knows its number, and not whose case it was.
                   CASE WHEN 'presenters' = ANY (rule.recipients) THEN jsonb_build_object(
                            'case_number', (SELECT l.number FROM public.sktm_letters l WHERE l.application_id = p_id),
                            'office', said -> 'office')
                        ELSE said END
             WHERE EXISTS (SELECT 1 FROM chosen) OR EXISTS (SELECT 1 FROM applicant)
            ON CONFLICT (event_id, template) DO NOTHING
            RETURNING id
        ), boxed AS (
            INSERT INTO public.inbox (id, event_id, notification_id, user_id, read_at)
            SELECT gen_random_uuid(), p_event, told.id, chosen.id,
                   CASE WHEN NOT s.channels -> rule.kind ? 'in_app' AND rule.kind <> 'account' THEN now() END
              FROM told, chosen LEFT JOIN public.notification_settings s ON s.user_id = chosen.id
            ON CONFLICT (event_id, user_id) DO NOTHING
            RETURNING user_id, notification_id
        )
        INSERT INTO public.messages (id, event_id, notification_id, user_id, channel)
        SELECT gen_random_uuid(), p_event, boxed.notification_id, boxed.user_id, c.channel
          FROM boxed JOIN public.notification_settings s ON s.user_id = boxed.user_id,
               jsonb_array_elements_text(coalesce(s.channels -> rule.kind, to_jsonb(rule.channels))) AS c (channel)
         WHERE CASE c.channel WHEN 'email' THEN s.email WHEN 'in_app' THEN NULL ELSE s.phone END IS NOT NULL
        UNION ALL
        SELECT gen_random_uuid(), p_event, told.id, NULL, applicant.channel FROM told, applicant
        ON CONFLICT (event_id, user_id, channel) DO NOTHING;
    END LOOP;
END $$
"""

_REACHABLE = """
CREATE FUNCTION app.reachable(p_person uuid)
RETURNS TABLE (channel text, phone text, zone text) LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- How a person may be sent a message: alive, in the register, not restricted (UU 27/2022 Pasal 41), with a telephone,
-- and having agreed to it (Pasal 20). No row for everybody else.
    SELECT b.message_channel, b.phone, app.zone_of(b.region_code) FROM public.beneficiaries b
     WHERE b.id = p_person AND b.message_channel IS NOT NULL AND b.phone IS NOT NULL AND b.deleted_at IS NULL
       AND b.deceased_on IS NULL AND b.restricted_at IS NULL
$$
"""

_NOTIFY_STEP = """
CREATE FUNCTION app.notify_step() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Deferred to the end of the transaction: the row is as the step left it, and what was rolled back tells nobody.
BEGIN
    PERFORM app.notify(NEW.id, NEW.entity, NEW.entity_id, NEW.action, NEW.to_state, NEW.actor_id);
    RETURN NULL;
END $$
"""

_NOTIFY_CHANGE = """
CREATE FUNCTION app.notify_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- TG_ARGV: the action, for tables without steps. Of a user the row itself stays here: the rules need its id alone.
DECLARE
    facts jsonb := CASE TG_TABLE_NAME WHEN 'users' THEN '{}'::jsonb ELSE to_jsonb(NEW) END;
    id uuid := (to_jsonb(NEW) ->> 'id')::uuid;
BEGIN
    PERFORM app.notify(md5(concat_ws(':', TG_TABLE_NAME, TG_ARGV[0], id, to_jsonb(NEW) ->> 'version',
                                     to_jsonb(NEW) ->> 'program_code', to_jsonb(NEW) ->> 'number'))::uuid,
                       TG_TABLE_NAME, id, TG_ARGV[0], NULL, nullif(current_setting('app.user', true), '')::uuid,
                       facts, coalesce(facts ->> 'ends_on', facts ->> 'effective_from')::date);
    RETURN NULL;
END $$
"""

_NOTIFY_ADDRESSES = """
CREATE FUNCTION app.notify_addresses() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Who takes a user's address away is not to keep them from hearing of it: they are told in the inbox and,
-- where warnings went there, at the one before. The only message with an address of its own, until it was sent.
DECLARE
    event uuid := gen_random_uuid();
    usual jsonb := (SELECT to_jsonb(r.channels) FROM public.notification_rules r
                     WHERE r.entity = 'notification_settings' LIMIT 1);
    lost jsonb := (
        SELECT coalesce(jsonb_object_agg(w.channel, w.before), '{}') FROM (
            SELECT c.channel, CASE c.channel WHEN 'email' THEN OLD.email ELSE OLD.phone END AS before,
                   CASE WHEN coalesce(NEW.channels -> 'account', usual) ? c.channel
                        THEN CASE c.channel WHEN 'email' THEN NEW.email ELSE NEW.phone END END AS now
              FROM jsonb_array_elements_text(coalesce(OLD.channels -> 'account', usual)) AS c (channel)
             WHERE c.channel <> 'in_app') w
         WHERE w.before IS NOT NULL AND w.now IS DISTINCT FROM w.before);
BEGIN
    IF lost = '{}' AND (OLD.email IS NULL OR OLD.email = NEW.email)
       AND (OLD.phone IS NULL OR OLD.phone = NEW.phone) THEN
        RETURN NULL;
    END IF;
    PERFORM app.notify(event, 'notification_settings', NEW.user_id, 'change', NULL, NULL, '{}');
    INSERT INTO public.messages (id, event_id, notification_id, user_id, channel, address)
    SELECT gen_random_uuid(), event, n.id, NEW.user_id, l.channel, l.address
      FROM public.notifications n, jsonb_each_text(lost) AS l (channel, address) WHERE n.event_id = event
        ON CONFLICT (event_id, user_id, channel) DO UPDATE SET address = excluded.address;
    RETURN NULL;
END $$
"""

_NOTIFY_DEADLINES = """
CREATE FUNCTION app.notify_deadlines(p_days integer, p_after text, p_most integer)
RETURNS TABLE (place text, told boolean) LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Tells of what ends so many days from now and was not told of yet, by the calendar of its place: so many, the first to
-- end first, after a place in that order; and says of each whether there was anybody to tell. Who comes later is told
-- later. Three days of grace, in which no server may have run. Several servers may do it at once: an event tells once.
DECLARE
    due record;
    since date := coalesce(nullif(left(p_after, 10), '')::date, current_date - 3);
BEGIN
    FOR due IN
        SELECT x.*, e.event, to_char(x.ends_on, 'YYYY-MM-DD') || x.id AS place FROM (
            SELECT 'sktm_applications' AS entity, l.application_id AS id, 'expiring' AS action,
                   l.valid_until AS ends_on, app.local_today(l.region_code) AS today
              FROM public.sktm_letters l
             WHERE l.valid_until BETWEEN greatest(since, current_date + p_days - 3) AND current_date + p_days + 1
               AND l.revoked_at IS NULL AND l.superseded_at IS NULL
            UNION ALL
            SELECT 'referrals', r.id, CASE r.status WHEN 'approved' THEN 'activation_near' ELSE 'waiting_list_near' END,
                   d.ends_on, app.local_today(r.region_code)
              FROM public.referrals r
             CROSS JOIN LATERAL (
                   SELECT CASE r.status WHEN 'approved' THEN r.activate_by ELSE r.expires_on END AS ends_on) d
             WHERE r.status IN ('approved', 'waitlisted')
               AND d.ends_on BETWEEN greatest(since, current_date) AND current_date + p_days + 1
            UNION ALL
            SELECT 'office_certificates', c.id, 'expiring', c.not_after::date, current_date
              FROM public.office_certificates c WHERE c.retired_at IS NULL) x
         CROSS JOIN LATERAL (SELECT md5(concat_ws(':', x.action, x.id, x.ends_on))::uuid AS event) e
         WHERE x.ends_on BETWEEN x.today AND x.today + p_days
           AND to_char(x.ends_on, 'YYYY-MM-DD') || x.id > p_after COLLATE "C"
           AND NOT EXISTS (SELECT 1 FROM public.notifications n WHERE n.event_id = e.event)
         ORDER BY x.ends_on, x.id LIMIT p_most
    LOOP
        PERFORM app.notify(due.event, due.entity, due.id, due.action, NULL, NULL, NULL, due.ends_on);
        RETURN QUERY SELECT due.place,
                            EXISTS (SELECT 1 FROM public.notifications n WHERE n.event_id = due.event);
    END LOOP;
END $$
"""

_CLAIM = """
CREATE FUNCTION app.claim_messages(p_channels text[], p_most integer, p_lease interval, p_per_day integer,
                                   p_too_late interval)
RETURNS TABLE (id uuid, channel text, address text, title text, body text, attempts integer, person_id uuid)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Takes messages that are due and gives them an address at this moment. Whoever takes one has it for the lease; a
-- server that dies leaves it to the others, who send it again under the same id. What may not be sent now waits for the
-- end of the quiet hours, or an hour where the recipient has had enough for a day; what may not be sent is dropped.
DECLARE
    m record;
    who record;
    later timestamptz;
    had integer;
BEGIN
    FOR m IN
        SELECT o.id, o.channel, o.user_id, o.address, o.attempts, o.created_at,
               n.kind, n.template, n.fields, n.beneficiary_id
          FROM public.messages o JOIN public.notifications n ON n.id = o.notification_id
         WHERE o.state = 'waiting' AND o.due_at <= now()
           AND (o.channel = ANY (p_channels) OR o.created_at < now() - p_too_late)
         ORDER BY o.due_at LIMIT p_most FOR UPDATE OF o SKIP LOCKED
    LOOP
        IF m.created_at < now() - p_too_late THEN
            UPDATE public.messages o SET state = 'dead', error = coalesce(o.error, 'too_late') WHERE o.id = m.id;
            CONTINUE;
        END IF;
        IF m.user_id IS NOT NULL THEN
            SELECT coalesce(m.address, CASE m.channel WHEN 'email' THEN s.email ELSE s.phone END) AS address,
                   s.language, app.zone_of(u.region_code) AS zone, s.quiet_from, s.quiet_until
              INTO who
              FROM public.users u JOIN public.notification_settings s ON s.user_id = u.id
             WHERE u.id = m.user_id AND u.disabled_at IS NULL;
        ELSE
            SELECT r.phone AS address, 'id' AS language, r.zone, '21:00'::time AS quiet_from,
                   '06:00'::time AS quiet_until
              INTO who
              FROM app.reachable(m.beneficiary_id) r WHERE r.channel = m.channel;
        END IF;
        IF who.address IS NULL THEN
            UPDATE public.messages o SET state = 'dropped', error = 'no_recipient' WHERE o.id = m.id;
            CONTINUE;
        END IF;
        later := app.after_quiet(now(), who.zone, who.quiet_from, who.quiet_until);
        IF later > now() AND m.kind <> 'account' THEN
            UPDATE public.messages o SET due_at = later WHERE o.id = m.id;
            CONTINUE;
        END IF;
        SELECT count(*) INTO had
          FROM public.messages o JOIN public.notifications n ON n.id = o.notification_id
         WHERE (o.state = 'sent' AND o.sent_at > now() - interval '1 day'
                OR o.state = 'waiting' AND o.claimed_at > now() - p_lease)
           AND o.id <> m.id
           AND CASE WHEN m.user_id IS NOT NULL THEN o.user_id = m.user_id
                    ELSE o.user_id IS NULL AND n.beneficiary_id = m.beneficiary_id END;
        IF had >= p_per_day AND m.kind <> 'account' THEN
            UPDATE public.messages o SET due_at = now() + interval '1 hour' WHERE o.id = m.id;
            CONTINUE;
        END IF;
        UPDATE public.messages o SET attempts = o.attempts + 1, claimed_at = now(), due_at = now() + p_lease
         WHERE o.id = m.id;
        RETURN QUERY
        SELECT m.id, m.channel, who.address,
               app.filled(CASE who.language WHEN 'en' THEN t.title_en ELSE t.title_id END, m.fields),
               app.filled(CASE who.language WHEN 'en' THEN t.body_en ELSE t.body_id END, m.fields),
               m.attempts + 1, CASE WHEN m.user_id IS NULL THEN m.beneficiary_id END
          FROM public.notification_templates t WHERE t.code = m.template;
    END LOOP;
END $$
"""

# What earlier migrations say in `app.statement` and `app.erase_subject`, and what stands before it from now on.
_STATED = (
    """        'notifications', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.at, x.id, x.channel), '[]') FROM (
            SELECT n.id, n.created_at AS at, app.filled(t.title_id, n.fields) AS title, m.channel, m.state, m.sent_at,
                   (SELECT coalesce(jsonb_agg(DISTINCT u.role), '[]')
                      FROM public.inbox i JOIN public.users u ON u.id = i.user_id
                     WHERE i.notification_id = n.id) AS told_roles
              FROM public.notifications n JOIN public.notification_templates t ON t.code = n.template
              LEFT JOIN public.messages m ON m.notification_id = n.id AND m.user_id IS NULL
             WHERE n.beneficiary_id = p_subject) x),
""",
    "        'requests', (",
)
_ERASED = (
    ("message_channel = NULL, ", "notes = NULL, warnings = '[]', deceased_on = NULL"),
    (
        "    DELETE FROM public.notifications n WHERE n.beneficiary_id = p_subject;  -- and what was sent of them\n\n",
        "    -- What is also about others keeps its words, without this person's.\n",
    ),
)

# What a merge of two records of one person moves (0016).
_MOVED = (
    "        ('notifications', 'beneficiary_id', 'one', NULL),\n",
    "        ('privacy_requests', 'beneficiary_id', 'one', NULL)\n",
)

_FUNCTIONS = {
    "filled(text, jsonb)": _FILLED,
    "area_of(public.users)": _AREA_OF,
    "after_quiet(timestamptz, text, time, time)": _AFTER_QUIET,
    "zone_of(text)": _ZONE_OF,
    "reachable(uuid)": _REACHABLE,
    "recipients(public.notification_rules, uuid, jsonb, uuid)": _CHOSEN,
    "situation(text, jsonb)": _SITUATION,
    "notify(uuid, text, uuid, text, text, uuid, jsonb, date)": _NOTIFY,
    "notify_step()": _NOTIFY_STEP,
    "notify_change()": _NOTIFY_CHANGE,
    "notify_addresses()": _NOTIFY_ADDRESSES,
    "notify_deadlines(integer, text, integer)": _NOTIFY_DEADLINES,
    "claim_messages(text[], integer, interval, integer, interval)": _CLAIM,
}
_FOR_THE_APP = (
    "filled(text, jsonb)",
    "notify_deadlines(integer, text, integer)",
    "claim_messages(text[], integer, interval, integer, interval)",
)

# Table -> moment, condition and the action it is.
_CHANGES = {
    "presentations": (("INSERT", "", "present"),),
    "assignments": (
        ("INSERT", "", "begin"),
        (
            "UPDATE",
            "WHEN (NEW.ends_on IS DISTINCT FROM OLD.ends_on OR NEW.ended_at IS DISTINCT FROM OLD.ended_at)",
            "end",
        ),
    ),
    "users": (
        (
            "UPDATE",
            "WHEN (NEW.must_change_password AND NEW.password_hash IS DISTINCT FROM OLD.password_hash)",
            "reset_password",
        ),
        ("UPDATE", "WHEN (NEW.otp_confirmed_at IS NULL AND OLD.otp_confirmed_at IS NOT NULL)", "reset_otp"),
    ),
    # The packaged ones come with an update of the software, which tells by itself.
    "program_versions": (("INSERT", "WHEN (NEW.created_by IS NOT NULL)", "change"),),
}
# How recipients are found, and what is about to end.
_INDEXES = (
    ("ix_users_role", "users", ["role", "region_code"], None),
    ("ix_users_agency_id", "users", ["agency_id"], "agency_id IS NOT NULL"),
    ("ix_sktm_letters_valid_until", "sktm_letters", ["valid_until"], "revoked_at IS NULL AND superseded_at IS NULL"),
)
_SYSTEM = f"{ops.ROLE} = 'system'"
_OWN = f"user_id = {ops.USER} OR {_SYSTEM}"


# A notice of a user's own account is about nobody of the register.
_NOBODY = ("    people := array_remove(people, NULL);\n", "    IF cardinality(people) > 0 THEN")


def upgrade() -> None:
    op.execute(_CASE_NUMBER)
    op.execute("REVOKE ALL ON FUNCTION app.case_number FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.case_number TO {ops.APP}")  # it is computed as whoever writes the row
    for table in ("sktm_applications", "referrals"):
        op.execute(
            f'ALTER TABLE {table} ADD COLUMN case_number text COLLATE "C" '
            "GENERATED ALWAYS AS (app.case_number(id)) STORED NOT NULL"
        )
        op.create_index(f"uq_{table}_case_number", table, ["case_number"], unique=True)
    op.add_column("beneficiaries", sa.Column("message_channel", sa.Text()))
    op.execute(sa.text(_FIRST_NAME.replace(":", r"\:")))
    _create_tables()
    for name, table, columns, where in _INDEXES:
        op.create_index(name, table, columns, postgresql_where=None if where is None else sa.text(where))
    for signature, definition in _FUNCTIONS.items():
        op.execute(sa.text(definition.replace(":", r"\:")))
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
    for signature in _FOR_THE_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    op.execute(
        "CREATE CONSTRAINT TRIGGER notify_step AFTER INSERT ON transitions DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION app.notify_step()"
    )
    for table, changes in _CHANGES.items():
        for moment, condition, action in changes:
            op.execute(
                f"CREATE CONSTRAINT TRIGGER notify_{action} AFTER {moment} ON {table} DEFERRABLE INITIALLY DEFERRED "
                f"FOR EACH ROW {condition} EXECUTE FUNCTION app.notify_change('{action}')"
            )
    op.execute(
        "CREATE CONSTRAINT TRIGGER notify_addresses AFTER UPDATE ON notification_settings "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.notify_addresses()"
    )
    ops.amend("statement", _STATED)
    ops.amend("erase_subject", *_ERASED)
    ops.amend("person_columns", _MOVED)


def downgrade() -> None:
    ops.unamend("record_access", _NOBODY)
    ops.unamend("person_columns", _MOVED)
    ops.unamend("erase_subject", *_ERASED)
    ops.unamend("statement", _STATED)
    for table, changes in _CHANGES.items():
        for _, _, action in changes:
            op.execute(f"DROP TRIGGER notify_{action} ON {table}")
    op.execute("DROP TRIGGER notify_addresses ON notification_settings")
    op.execute("DROP TRIGGER notify_step ON transitions")
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION app.{signature}")
    for name, table, _, _ in reversed(_INDEXES):
        op.drop_index(name, table)
    ops.drop_policy("notifications")  # it asks the inbox
    for table in (
        "messages",
        "inbox",
        "notifications",
        "notification_settings",
        "notification_rules",
        "notification_templates",
    ):
        op.drop_table(table)
    before = op.get_context().script.get_revision("0024").module._FIRST_NAME
    op.execute(sa.text(before.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(":", r"\:")))
    op.drop_column("beneficiaries", "message_channel")
    for table in ("referrals", "sktm_applications"):
        op.drop_column(table, "case_number")
    op.execute("DROP FUNCTION app.case_number")


def _create_tables() -> None:
    now = {"server_default": sa.text("now()"), "nullable": False}
    op.create_table(
        "notification_templates",
        sa.Column("code", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("title_id", "title_en", "body_id", "body_en")),
        sa.PrimaryKeyConstraint("code", name="pk_notification_templates"),
    )
    op.create_table(
        "notification_rules",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text()),
        sa.Column("recipients", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("readers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_notification_rules"),
    )
    op.create_index("ix_notification_rules_entity", "notification_rules", ["entity", "action"])
    op.create_table(
        "notification_settings",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("quiet_from", sa.Time()),
        sa.Column("quiet_until", sa.Time()),
        sa.Column("channels", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_notification_settings_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_notification_settings"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), **now),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.UUID()),
        sa.Column("beneficiary_id", sa.UUID()),
        sa.Column("fields", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.ForeignKeyConstraint(["template"], ["notification_templates.code"], name="fk_notifications_template"),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_notifications_beneficiary_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
    )
    op.create_index("uq_notifications_event", "notifications", ["event_id", "template"], unique=True)
    op.create_index("ix_notifications_beneficiary_id", "notifications", ["beneficiary_id"])
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"])
    op.create_table(
        "inbox",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), **now),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("notification_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name="fk_inbox_notification_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_inbox_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
    )
    op.create_index("uq_inbox_event", "inbox", ["event_id", "user_id"], unique=True)
    op.create_index("ix_inbox_notification_id", "inbox", ["notification_id"])
    op.create_index("ix_inbox_user_id", "inbox", ["user_id", "created_at", "id"])
    op.create_index(
        "ix_inbox_unread", "inbox", ["user_id", "created_at", "id"], postgresql_where=sa.text("read_at IS NULL")
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), **now),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("notification_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID()),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), **now),
        sa.Column("claimed_at", sa.DateTime(timezone=True)),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'dead', 'dropped')", name=op.f("ck_messages_state")),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name="fk_messages_notification_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_messages_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
    )
    op.create_index(
        "uq_messages_event",
        "messages",
        ["event_id", "user_id", "channel"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_messages_notification_id", "messages", ["notification_id"])
    op.create_index("ix_messages_user_id", "messages", ["user_id", "sent_at"])
    op.create_index("ix_messages_due_at", "messages", ["due_at"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("ix_messages_dead", "messages", ["created_at"], postgresql_where=sa.text("state = 'dead'"))
    # Rows are written by app.notify alone; a user sees their own, and what is sent for others only the system.
    ops.force_policy("notification_settings", _OWN)
    ops.force_policy("inbox", _OWN)
    ops.force_policy("messages", _SYSTEM)
    told = "EXISTS (SELECT 1 FROM inbox i WHERE i.notification_id = notifications.id)"
    ops.force_policy("notifications", f"{told} OR {_SYSTEM}")
    ops.amend("record_access", _NOBODY)
    ops.log_access("notifications", "beneficiary_id")
    ops.grant("notification_templates", "SELECT")
    ops.grant("notification_rules", "SELECT")
    ops.grant("notification_settings", "SELECT", "INSERT", "UPDATE")
    ops.grant("inbox", "SELECT", "UPDATE (read_at)")
    ops.grant("messages", "SELECT", "UPDATE (state, attempts, created_at, due_at, claimed_at, sent_at, error, address)")
    ops.grant("notifications", "SELECT")
