"""Possible duplicates, and merging two records of one person: redirects, and the way back."""

import re
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_LEVELS = ("province_code", "regency_code", "district_code")
_OTHER_INSIDE = re.sub(r"\b(province|regency|district|region)_code", r"other_\1_code", ops.INSIDE)

_PERSON_COLUMNS = """
CREATE FUNCTION app.person_columns()
RETURNS TABLE (in_table text, in_column text, holds text, beside text) LANGUAGE sql IMMUTABLE AS $$
-- Where records name people: `one` in a column, `one here` where the row lies where its person does, or `many` in an
-- array, which does not repeat the one named `beside` it. What a merge moves; a migration that adds such a column adds
-- its line, arrays before the column beside them: nobody is their own dependant, not even meanwhile.
    VALUES
        ('visits', 'beneficiary_id', 'one', NULL),
        ('sktm_applications', 'dependants', 'many', 'beneficiary_id'),
        ('sktm_applications', 'beneficiary_id', 'one', NULL),
        ('referrals', 'beneficiary_id', 'one', NULL),
        ('activities', 'beneficiary_ids', 'many', NULL),
        ('attachments', 'beneficiary_id', 'one', NULL),
        ('access_grants', 'beneficiary_id', 'one', NULL),
        ('family_members', 'beneficiary_id', 'one', NULL),
        ('ppks_assessments', 'beneficiary_id', 'one here', NULL),
        ('document_names', 'beneficiary_id', 'one here', NULL),
        ('privacy_requests', 'beneficiary_id', 'one', NULL)
$$
"""

_SAME_PERSON = """
CREATE FUNCTION app.same_person(p_id uuid) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- The ids of everything that is one person's: the record that stands, and those merged into it.
    SELECT array_agg(b.id ORDER BY b.id)
      FROM (SELECT coalesce(a.merged_into, a.id) AS stands FROM public.beneficiaries a WHERE a.id = p_id) s
      JOIN public.beneficiaries b ON b.id = s.stands OR b.merged_into = s.stands
$$
"""

_REPLACED = """
CREATE FUNCTION app.replaced(p_people uuid[], p_from uuid, p_into uuid, p_beside uuid) RETURNS uuid[]
LANGUAGE sql IMMUTABLE AS $$
-- The people with one in another's place: each once, in their order, and nobody who stands beside them.
    SELECT coalesce(array_agg(x.person ORDER BY x.place), '{}')
      FROM (SELECT CASE u.person WHEN p_from THEN p_into ELSE u.person END AS person, min(u.place) AS place
              FROM unnest(p_people) WITH ORDINALITY u (person, place) GROUP BY 1) x
     WHERE x.person IS DISTINCT FROM p_beside
$$
"""

_EDITED = """
CREATE FUNCTION app.edited(p_people uuid[], p_shown uuid[], p_now uuid[], p_one uuid, p_as uuid) RETURNS uuid[]
LANGUAGE sql IMMUTABLE AS $$
-- The people after somebody made p_now of what they were shown, where one was shown as another: who was shown and is
-- gone goes, who is new comes last, and who was not shown stays.
    SELECT coalesce(array_agg(x.person ORDER BY x.place), '{}')
      FROM (SELECT u.person, min(u.place) AS place FROM (
                SELECT p.person, p.place FROM unnest(p_people) WITH ORDINALITY p (person, place)
                 WHERE CASE p.person WHEN p_one THEN p_as ELSE p.person END = ANY (p_now)
                    OR CASE p.person WHEN p_one THEN p_as ELSE p.person END <> ALL (p_shown)
                UNION ALL
                SELECT n.person, cardinality(p_people) + n.place FROM unnest(p_now) WITH ORDINALITY n (person, place)
                 WHERE n.person <> ALL (p_shown)) u
             GROUP BY u.person) x
$$
"""

_DIVIDED = """
CREATE FUNCTION app.divided(p_merge uuid, p_table text, p_column text, p_id uuid, p_now uuid[], p_beside uuid)
RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER AS $$
-- The people an array would name, had this merge not been: as it found them, then whatever was written since, and what
-- later merges that still stand made of it. Those learn it too, so that they can be taken back after this one.
DECLARE
    merge public.merges;
    later record;
    item jsonb;
    before uuid[];
    after uuid[];
    names uuid[];
    shown uuid[];
    place uuid;
BEGIN
    SELECT * INTO merge FROM public.merges m WHERE m.id = p_merge;
    SELECT m.value INTO item FROM jsonb_array_elements(merge.moved) AS m
     WHERE m.value ->> 'table' = p_table AND m.value ->> 'column' = p_column AND m.value ->> 'id' = p_id::text;
    names := ARRAY(SELECT b.value::uuid FROM jsonb_array_elements_text(item -> 'before') AS b);
    shown := ARRAY(SELECT a.value::uuid FROM jsonb_array_elements_text(item -> 'after') AS a);
    place := merge.into_id;
    FOR later IN
        SELECT m.id, m.merged_id, m.into_id, i.item, i.at
          FROM public.merges m
          LEFT JOIN LATERAL (
                SELECT v.value AS item, v.ordinality - 1 AS at
                  FROM jsonb_array_elements(m.moved) WITH ORDINALITY AS v
                 WHERE v.value ->> 'table' = p_table AND v.value ->> 'column' = p_column
                   AND v.value ->> 'id' = p_id::text) i ON true
         WHERE m.undone_at IS NULL AND m.created_at > merge.created_at
           AND (i.item IS NOT NULL OR m.merged_id = merge.into_id
                OR m.beneficiary_ids && names OR m.beneficiary_ids && p_now)
         ORDER BY m.created_at, m.id
    LOOP
        IF later.item IS NOT NULL THEN
            before := ARRAY(SELECT b.value::uuid FROM jsonb_array_elements_text(later.item -> 'before') AS b);
            after := ARRAY(SELECT a.value::uuid FROM jsonb_array_elements_text(later.item -> 'after') AS a);
            names := app.edited(names, shown, before, merge.merged_id, place);
            shown := after;
        END IF;
        before := names;
        names := app.replaced(names, later.merged_id, later.into_id, p_beside);
        IF later.item IS NOT NULL OR names <> before THEN
            item := jsonb_build_object('table', p_table, 'column', p_column, 'id', p_id,
                                       'before', before, 'after', names);
            UPDATE public.merges m
               SET moved = CASE WHEN later.at IS NULL THEN m.moved || item
                                ELSE jsonb_set(m.moved, ARRAY[later.at::text], item) END
             WHERE m.id = later.id;
        END IF;
        IF later.merged_id = place THEN
            place := later.into_id;
        END IF;
    END LOOP;
    RETURN app.replaced(app.edited(names, shown, p_now, merge.merged_id, place), NULL, NULL, p_beside);
END $$
"""

_SEALED_FOR = """
CREATE FUNCTION app.sealed_for(p_subject uuid)
RETURNS TABLE (in_table text, in_column text, purpose text, id uuid, sealed bytea)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- What is sealed under a person's key beyond their own row, wherever it was written; nothing for a caller who does not
-- see the person.
    SELECT s.* FROM (
        SELECT 'sktm_letters', 'content_cipher', 'sktm_letters.content', l.id, l.content_cipher
          FROM public.sktm_letters l JOIN public.sktm_applications a ON a.id = l.application_id
         WHERE a.beneficiary_id = p_subject AND l.content_cipher <> ''
        UNION ALL
        SELECT 'sktm_letters', 'pdf_cipher', 'sktm_letters.pdf', l.id, l.pdf_cipher
          FROM public.sktm_letters l JOIN public.sktm_applications a ON a.id = l.application_id
         WHERE a.beneficiary_id = p_subject AND l.pdf_cipher <> ''
        UNION ALL
        SELECT 'attachments', 'key_cipher', 'attachments.key', t.id, t.key_cipher
          FROM public.attachments t WHERE t.beneficiary_id = p_subject AND t.key_cipher IS NOT NULL) s
     WHERE app.sees_person(p_subject)
$$
"""

_SEAL_AGAIN = """
CREATE FUNCTION app.seal_again(p_subject uuid, p_table text, p_column text, p_id uuid, p_sealed bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Puts another ciphertext in the place of one that `app.sealed_for` names.
BEGIN
    IF EXISTS (SELECT 1 FROM app.sealed_for(p_subject) s
                WHERE s.in_table = p_table AND s.in_column = p_column AND s.id = p_id) THEN
        EXECUTE format('UPDATE public.%1$I SET %2$I = $1 WHERE id = $2', p_table, p_column) USING p_sealed, p_id;
    END IF;
END $$
"""

_TOUCH_FAMILIES = """
CREATE FUNCTION app.touch_families(p_members uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
-- Who is in a family is read with it: another name there is another version of it.
    UPDATE public.families f SET version = f.version + 1
     WHERE f.id IN (SELECT m.family_id FROM public.family_members m WHERE m.id = ANY (p_members))
$$
"""

_MERGE_PERSON = """
CREATE FUNCTION app.merge_person(p_merge uuid, p_from uuid, p_into uuid, p_reason text, p_taken jsonb)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Makes two records of one person one: whatever names the first names the second from now on, wherever it was written.
-- The row of `merges` keeps what was moved. The caller holds both rows locked. False: they do not see both people.
DECLARE
    place record;
    held record;
    ids uuid[];
    moved jsonb := '[]';
    here text;
BEGIN
    IF NOT (app.sees_person(p_from) AND app.sees_person(p_into)) THEN
        RETURN false;
    END IF;
    SELECT b.region_code INTO here FROM public.beneficiaries b WHERE b.id = p_into;
    -- A category that both have is running once.
    WITH done AS (
        UPDATE public.ppks_assessments f
           SET status = 'closed', until = greatest(app.local_today(here), f.since), reason_code = 'merged'
          FROM public.ppks_assessments i
         WHERE f.beneficiary_id = p_from AND f.status = 'active' AND i.beneficiary_id = p_into
           AND i.status = 'active' AND i.category = f.category
        RETURNING f.id)
    SELECT array_agg(id) INTO ids FROM done;
    moved := moved || jsonb_build_object('closed', coalesce(ids, '{}'));
    FOR place IN SELECT * FROM app.person_columns() LOOP
        IF place.holds <> 'many' THEN
            EXECUTE format('WITH done AS (UPDATE public.%1$I t SET %2$I = $2%3$s WHERE t.%2$I = $1 RETURNING t.id) '
                           'SELECT array_agg(id ORDER BY id) FROM done', place.in_table, place.in_column,
                           CASE place.holds WHEN 'one here' THEN ', region_code = $3' ELSE '' END)
               INTO ids USING p_from, p_into, here;
            IF ids IS NOT NULL THEN
                moved := moved || jsonb_build_object('table', place.in_table, 'column', place.in_column, 'ids', ids);
            END IF;
            IF place.in_table = 'family_members' THEN
                PERFORM app.touch_families(ids);
            END IF;
        ELSE
            FOR held IN EXECUTE format(
                'SELECT t.id, t.%2$I AS before, '
                       'app.replaced(t.%2$I, $1, $2, CASE %3$s WHEN $1 THEN $2 ELSE %3$s END) AS after '
                  'FROM public.%1$I t '
                 'WHERE t.%2$I @> ARRAY[$1] OR (%3$s = ANY (ARRAY[$1, $2]) AND t.%2$I @> ARRAY[$2]) '
                 'ORDER BY t.id FOR UPDATE',
                place.in_table, place.in_column, coalesce('t.' || quote_ident(place.beside), 'NULL::uuid'))
                USING p_from, p_into
            LOOP
                EXECUTE format('UPDATE public.%1$I SET %2$I = $1 WHERE id = $2', place.in_table, place.in_column)
                  USING held.after, held.id;
                moved := moved || jsonb_build_object('table', place.in_table, 'column', place.in_column,
                                                     'id', held.id, 'before', held.before, 'after', held.after);
            END LOOP;
        END IF;
    END LOOP;
    UPDATE public.beneficiaries b SET ppks_categories = b.ppks_categories || x.more
      FROM (SELECT array_agg(a.category ORDER BY a.since, a.category) AS more
              FROM public.ppks_assessments a, public.beneficiaries i
             WHERE a.beneficiary_id = p_into AND i.id = p_into AND a.status = 'active' AND NOT a.sensitive
               AND a.category <> ALL (i.ppks_categories)) x
     WHERE b.id = p_into AND x.more IS NOT NULL;
    -- What somebody decided about a pair is theirs: it comes back with the pair.
    moved := moved || coalesce((
        SELECT jsonb_agg(jsonb_build_object('pair', c.id, 'status', c.status, 'decided_at', c.decided_at,
                                            'decided_by', c.decided_by, 'reason', c.reason, 'merge_id', c.merge_id))
          FROM public.duplicate_candidates c
         WHERE c.beneficiary_ids @> ARRAY[p_from]
           AND (c.status = 'open' OR c.beneficiary_ids @> ARRAY[p_into] AND c.status = 'dismissed')), '[]');
    INSERT INTO public.merges (id, version, created_by, region_code, merged_id, into_id, from_region, reason, moved,
                               taken)
    SELECT p_merge, 1, nullif(current_setting('app.user', true), '')::uuid, i.region_code, p_from, p_into,
           f.region_code, p_reason, moved, p_taken
      FROM public.beneficiaries f, public.beneficiaries i WHERE f.id = p_from AND i.id = p_into;

    -- The pair is decided. What else the first was like, the second is from now on.
    UPDATE public.duplicate_candidates c
       SET status = 'merged', merge_id = p_merge, decided_at = now(), reason = NULL,
           decided_by = nullif(current_setting('app.user', true), '')::uuid
     WHERE c.beneficiary_ids @> ARRAY[p_from]
       AND (c.status = 'open' OR c.beneficiary_ids @> ARRAY[p_into] AND c.status = 'dismissed');
    INSERT INTO public.duplicate_candidates (id, version, low_id, high_id, region_code, other_region_code, score,
                                             reasons, told, status, merge_id)
    SELECT gen_random_uuid(), 1, l.id, h.id, l.region_code, h.region_code, c.score, c.reasons, c.told, 'open', p_merge
      FROM public.duplicate_candidates c
      JOIN public.beneficiaries o
        ON o.id = CASE c.low_id WHEN p_from THEN c.high_id ELSE c.low_id END AND o.deleted_at IS NULL
      JOIN public.beneficiaries l ON l.id = least(p_into, o.id)
      JOIN public.beneficiaries h ON h.id = greatest(p_into, o.id)
     WHERE c.merge_id = p_merge AND c.status = 'merged' AND o.id <> p_into AND o.restricted_at IS NULL
    ON CONFLICT (low_id, high_id) DO NOTHING;

    -- Gone by every filter there is, and where the record that stands is. What led here leads there.
    UPDATE public.beneficiaries f
       SET merged_into = p_into, deleted_at = now(), region_code = i.region_code
      FROM public.beneficiaries i WHERE i.id = p_into AND f.id = p_from;
    UPDATE public.beneficiaries f
       SET merged_into = p_into, region_code = i.region_code
      FROM public.beneficiaries i WHERE i.id = p_into AND f.merged_into = p_from;
    RETURN true;
END $$
"""

_UNMERGE_PERSON = """
CREATE FUNCTION app.unmerge_person(p_merge uuid, p_reason text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Takes a merge back: what it moved, and still names the record that stands, names the other again. What was written
-- since stays, but a photo follows its visit, and an application that became a letter since stays with whom the letter
-- names. The caller holds the rows locked. False: they do not see the people, or not the place that one goes back to.
DECLARE
    merge public.merges;
    stands uuid;
    item jsonb;
    ids uuid[];
    names uuid[];
    beside uuid;
BEGIN
    SELECT * INTO merge FROM public.merges m WHERE m.id = p_merge AND m.undone_at IS NULL FOR UPDATE;
    SELECT b.merged_into INTO stands FROM public.beneficiaries b WHERE b.id = merge.merged_id;
    IF stands IS NULL OR NOT (app.sees_person(merge.merged_id) AND app.sees_person(stands))
       OR NOT ARRAY['ID', left(merge.from_region, 2), left(merge.from_region, 5), left(merge.from_region, 8),
                    merge.from_region]
              && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}') THEN
        RETURN false;
    END IF;
    -- First what the record that stands had only from the other, which may be a unique number.
    UPDATE public.beneficiaries s
       SET nik_cipher = NULL, nik_index = NULL, nik_last4 = NULL, nik_status = 'none', nik_verified_at = NULL,
           nik_verified_by = NULL, nik_verified_document = NULL
      FROM public.beneficiaries f
     WHERE merge.taken ? 'nik' AND f.id = merge.merged_id AND s.id = ANY (ARRAY[merge.into_id, stands])
       AND s.nik_index = f.nik_index;
    UPDATE public.beneficiaries s
       SET family_card_cipher = NULL, family_card_index = NULL, family_card_last4 = NULL
      FROM public.beneficiaries f
     WHERE merge.taken ? 'family_card_number' AND f.id = merge.merged_id AND s.id = ANY (ARRAY[merge.into_id, stands])
       AND s.family_card_index = f.family_card_index;
    FOR item IN SELECT to_jsonb(t.field) FROM jsonb_object_keys(merge.taken) AS t (field)
                 WHERE t.field NOT IN ('nik', 'family_card_number') LOOP
        EXECUTE format('UPDATE public.beneficiaries s SET %1$I = NULL FROM public.beneficiaries f '
                       'WHERE f.id = $1 AND s.id = ANY ($2) AND s.%1$I = f.%1$I', item #>> '{}')
          USING merge.merged_id, ARRAY[merge.into_id, stands];
    END LOOP;
    UPDATE public.beneficiaries f
       SET merged_into = NULL, deleted_at = NULL, region_code = merge.from_region WHERE f.id = merge.merged_id;
    WITH RECURSIVE led (id) AS (
        SELECT m.merged_id FROM public.merges m WHERE m.into_id = merge.merged_id AND m.undone_at IS NULL
        UNION SELECT m.merged_id FROM public.merges m JOIN led ON m.into_id = led.id WHERE m.undone_at IS NULL)
    UPDATE public.beneficiaries f
       SET merged_into = merge.merged_id, region_code = merge.from_region
      FROM led WHERE f.id = led.id AND f.merged_into = stands;

    -- Arrays last: they do not repeat whoever stands beside them by then.
    FOR item IN SELECT m.value FROM jsonb_array_elements(merge.moved) WITH ORDINALITY AS m
                 ORDER BY m.value ? 'id', m.ordinality LOOP
        IF item ? 'ids' THEN
            ids := ARRAY(SELECT i.value::uuid FROM jsonb_array_elements_text(item -> 'ids') AS i);
            IF item ->> 'table' = 'sktm_applications' THEN
                ids := ARRAY(SELECT unnest(ids) EXCEPT SELECT l.application_id FROM public.sktm_letters l
                              WHERE l.application_id = ANY (ids) AND l.created_at > merge.created_at);
            END IF;
            EXECUTE format('UPDATE public.%1$I t SET %2$I = $1%3$s WHERE t.id = ANY ($2) AND t.%2$I = $3',
                           item ->> 'table', item ->> 'column',
                           CASE WHEN EXISTS (SELECT 1 FROM app.person_columns() p
                                              WHERE p.in_table = item ->> 'table' AND p.holds = 'one here')
                                THEN ', region_code = $4' ELSE '' END)
              USING merge.merged_id, ids, stands, merge.from_region;
            IF item ->> 'table' = 'family_members' THEN
                PERFORM app.touch_families(ids);
            END IF;
        ELSIF item ? 'id' THEN
            CONTINUE WHEN item ->> 'table' = 'sktm_applications' AND EXISTS (
                SELECT 1 FROM public.sktm_letters l
                 WHERE l.application_id = (item ->> 'id')::uuid AND l.created_at > merge.created_at);
            EXECUTE format('SELECT t.%2$I, %3$s FROM public.%1$I t WHERE t.id = $1 FOR UPDATE',
                           item ->> 'table', item ->> 'column',
                           coalesce((SELECT 't.' || quote_ident(p.beside) FROM app.person_columns() p
                                      WHERE p.in_table = item ->> 'table' AND p.in_column = item ->> 'column'),
                                    'NULL::uuid'))
               INTO names, beside USING (item ->> 'id')::uuid;
            names := app.divided(p_merge, item ->> 'table', item ->> 'column', (item ->> 'id')::uuid, names, beside);
            EXECUTE format('UPDATE public.%1$I SET %2$I = $1 WHERE id = $2 AND %2$I <> $1',
                           item ->> 'table', item ->> 'column')
              USING names, (item ->> 'id')::uuid;
        END IF;
    END LOOP;
    UPDATE public.ppks_assessments a SET status = 'active', until = NULL, reason_code = NULL
     WHERE a.beneficiary_id = merge.merged_id AND a.status = 'closed' AND a.reason_code = 'merged'
       AND merge.moved @> jsonb_build_array(jsonb_build_object('closed', jsonb_build_array(a.id)));
    UPDATE public.beneficiaries s
       SET ppks_categories = ARRAY(
               SELECT c.code FROM unnest(s.ppks_categories) WITH ORDINALITY c (code, place)
                WHERE EXISTS (SELECT 1 FROM public.ppks_assessments a
                               WHERE a.beneficiary_id = s.id AND a.status = 'active' AND a.category = c.code)
                ORDER BY c.place)
     WHERE s.id = ANY (ARRAY[merge.merged_id, stands]);
    UPDATE public.attachments t SET beneficiary_id = merge.merged_id
      FROM public.visits v
     WHERE v.id = t.visit_id AND v.beneficiary_id = merge.merged_id AND t.beneficiary_id = stands;

    DELETE FROM public.duplicate_candidates c WHERE c.merge_id = p_merge AND c.status = 'open';
    UPDATE public.duplicate_candidates c
       SET status = w.status, merge_id = w.merge_id, decided_at = w.decided_at, decided_by = w.decided_by,
           reason = w.reason
      FROM jsonb_array_elements(merge.moved) AS m,
           jsonb_to_record(m.value) AS w (pair uuid, status text, decided_at timestamptz, decided_by uuid, reason text,
                                          merge_id uuid)
     WHERE c.id = w.pair AND c.merge_id = p_merge AND c.status = 'merged';
    UPDATE public.merges m
       SET undone_at = now(), undone_by = nullif(current_setting('app.user', true), '')::uuid, undo_reason = p_reason
     WHERE m.id = p_merge;
    RETURN true;
END $$
"""

_REFUSE_MERGED = """
CREATE FUNCTION app.refuse_merged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- What is asked about a record that was merged would never be done: nobody may act on it. Runs after the foreign key,
-- so it sees a merge for which that has just waited.
BEGIN
    IF EXISTS (SELECT 1 FROM public.beneficiaries b WHERE b.id = NEW.beneficiary_id AND b.merged_into IS NOT NULL) THEN
        RAISE EXCEPTION 'the person was merged' USING ERRCODE = '23514', CONSTRAINT = 'person_merged';
    END IF;
    RETURN NULL;
END $$
"""

_REFUSE_MERGED_NIK = """
CREATE FUNCTION app.refuse_merged_nik() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- The number of a record that was merged is still that person's: only the record that stands may take it. Afterwards,
-- so that it sees a merge for which the unique index has just waited.
BEGIN
    IF EXISTS (SELECT 1 FROM public.beneficiaries m JOIN public.beneficiaries s ON s.id = m.merged_into
                WHERE m.nik_index = NEW.nik_index AND m.merged_into IS NOT NULL AND s.deleted_at IS NULL
                  AND NEW.id <> ALL (ARRAY[m.id, s.id])) THEN
        RAISE EXCEPTION 'the number is taken' USING ERRCODE = '23505', CONSTRAINT = 'uq_beneficiaries_nik_index';
    END IF;
    RETURN NULL;
END $$
"""

_FOLLOW_PERSON = """
CREATE FUNCTION app.follow_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Merged records lie where the one that stands does, and pairs where their people do: whoever sees these sees those. A
-- merge that was taken back stays where that happened.
-- Of somebody who was withdrawn nothing is left to decide.
BEGIN
    IF NEW.deleted_at IS NOT NULL AND NEW.merged_into IS NULL THEN
        UPDATE public.duplicate_candidates c
           SET status = 'dismissed', decided_at = now(),
               decided_by = nullif(current_setting('app.user', true), '')::uuid
         WHERE c.status = 'open' AND NEW.id IN (c.low_id, c.high_id);
    END IF;
    IF NEW.region_code IS NOT DISTINCT FROM OLD.region_code THEN
        RETURN NULL;
    END IF;
    UPDATE public.beneficiaries b SET region_code = NEW.region_code WHERE b.merged_into = NEW.id;
    UPDATE public.merges m SET region_code = NEW.region_code WHERE m.into_id = NEW.id AND m.undone_at IS NULL;
    UPDATE public.duplicate_candidates c SET region_code = NEW.region_code WHERE c.low_id = NEW.id;
    UPDATE public.duplicate_candidates c SET other_region_code = NEW.region_code WHERE c.high_id = NEW.id;
    RETURN NULL;
END $$
"""

_FORGET_TAKEN = """
CREATE FUNCTION app.forget_taken(p_subject uuid, p_others uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
-- What others had from this person for the time of a merge, taken out of their history. What the person ever had is
-- known from their own, which the caller has not blanked yet; what others had otherwise stays theirs.
DECLARE
    taken text[];
BEGIN
    taken := ARRAY(
        SELECT DISTINCT t.field  -- of numbers the history keeps no value
          FROM public.merges m, jsonb_object_keys(m.taken) AS t (field)
         WHERE m.beneficiary_ids && (p_others || p_subject));
    IF taken = '{}' THEN
        RETURN;
    END IF;
    WITH known AS (
        SELECT DISTINCT f.key, v.value
          FROM public.changes h, jsonb_each(h.fields) AS f, jsonb_each(f.value) AS v
         WHERE h.entity = 'beneficiaries' AND h.entity_id = p_subject AND f.key = ANY (taken)
           AND v.key IN ('from', 'to') AND v.value <> 'null'),
    held AS (
        SELECT h.id, jsonb_object_agg(f.key, CASE WHEN f.key = ANY (taken) AND f.value ? 'to' THEN
                   f.value || jsonb_build_object(
                       'from', CASE WHEN (f.key, f.value -> 'from') NOT IN (SELECT k.key, k.value FROM known k)
                                    THEN f.value -> 'from' END,
                       'to', CASE WHEN (f.key, f.value -> 'to') NOT IN (SELECT k.key, k.value FROM known k)
                                  THEN f.value -> 'to' END)
                   ELSE f.value END) AS fields
          FROM public.changes h, jsonb_each(h.fields) AS f
         WHERE h.entity = 'beneficiaries' AND h.entity_id = ANY (p_others) AND h.fields ?| taken
         GROUP BY h.id)
    UPDATE public.changes h SET fields = held.fields FROM held WHERE h.id = held.id AND h.fields <> held.fields;
END $$
"""

_NEIGHBOURS = """
CREATE FUNCTION app.neighbours_of(p_subject uuid, p_dates date[], p_niks bytea[], p_most integer)
RETURNS TABLE (id uuid, office text, is_open boolean, is_told boolean, full_name text, birth_date date, sex text,
               region_code text, family_card_index bytea, nik_index bytea)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- The person, and whom they may be registered as already: people of the regency with such a name, birth date or number,
-- of any place with the same family card, and those an open pair names. More than the caller may see, to be compared
-- and not to be shown: of those beyond their area `office` says whom to ask.
DECLARE
    regions text := current_setting('app.regions', true);
    subject public.beneficiaries;
    near uuid[];
BEGIN
    IF NOT app.sees_person(p_subject) THEN
        RETURN;
    END IF;
    SELECT * INTO subject FROM public.beneficiaries b WHERE b.id = p_subject;
    -- For this one look the caller's area is the regency.
    PERFORM pg_catalog.set_config('app.regions', left(subject.region_code, 5), true);
    near := ARRAY(
        SELECT app.people_near(subject.full_name, p_dates, p_niks, NULL, left(subject.region_code, 5), p_most)
        UNION SELECT f.id FROM public.beneficiaries f WHERE f.family_card_index = subject.family_card_index
        UNION SELECT CASE c.low_id WHEN p_subject THEN c.high_id ELSE c.low_id END
                FROM public.duplicate_candidates c WHERE p_subject IN (c.low_id, c.high_id) AND c.status = 'open'
        UNION SELECT p_subject);
    PERFORM pg_catalog.set_config('app.regions', regions, true);
    RETURN QUERY
        SELECT b.id, CASE WHEN NOT app.sees_person(b.id) THEN app.office_of(b.region_code) END,
               coalesce(c.status = 'open', false), coalesce(c.told, false), b.full_name, b.birth_date, b.sex,
               b.region_code, b.family_card_index, b.nik_index
          FROM public.beneficiaries b
          LEFT JOIN public.duplicate_candidates c
            ON c.low_id = least(p_subject, b.id) AND c.high_id = greatest(p_subject, b.id)
         WHERE b.id = ANY (near) AND b.deleted_at IS NULL AND b.restricted_at IS NULL
           AND c.status IS DISTINCT FROM 'dismissed';
END $$
"""

_KEEP_CANDIDATES = """
CREATE FUNCTION app.keep_candidates(p_subject uuid, p_found jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Pairs for somebody to look at: p_found is [{"id", "score", "reasons", "told"}]. A pair once found is scored anew as
-- it is open; what people decided stays decided, and what was told is not taken back.
BEGIN
    IF NOT app.sees_person(p_subject) THEN
        RETURN;
    END IF;
    INSERT INTO public.duplicate_candidates AS c (id, version, low_id, high_id, region_code, other_region_code, score,
                                                  reasons, told, status)
    SELECT gen_random_uuid(), 1, l.id, h.id, l.region_code, h.region_code, f.score, f.reasons, f.told, 'open'
      FROM jsonb_to_recordset(p_found) AS f (id uuid, score numeric, reasons jsonb, told boolean)
      JOIN public.beneficiaries l ON l.id = least(p_subject, f.id) AND l.deleted_at IS NULL
      JOIN public.beneficiaries h ON h.id = greatest(p_subject, f.id) AND h.deleted_at IS NULL
     WHERE l.restricted_at IS NULL AND h.restricted_at IS NULL
     ORDER BY l.id, h.id
    ON CONFLICT (low_id, high_id) DO UPDATE
      SET score = excluded.score, reasons = excluded.reasons, told = c.told OR excluded.told
       WHERE c.status = 'open' AND (c.score, c.reasons, c.told)
             IS DISTINCT FROM (excluded.score, excluded.reasons, c.told OR excluded.told);
END $$
"""

_OFFICE_OF = """
CREATE FUNCTION app.office_of(p_region text) RETURNS text LANGUAGE sql STABLE AS $$
-- The social office to ask about somebody in this place.
    SELECT 'Dinas Sosial' || coalesce((SELECT CASE r.kind WHEN 'kota' THEN ' Kota ' ELSE ' Kabupaten ' END || r.name
                                         FROM public.regions r WHERE r.code = pg_catalog.left(p_region, 5)), '')
$$
"""

_FIND_PERSON = """
CREATE OR REPLACE FUNCTION app.find_person(p_nik_index bytea)
RETURNS TABLE (id uuid, region_code text, inside boolean) LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Whether somebody with this NIK is registered anywhere, and under which region; whether the caller sees them. The
-- number of a record that was merged leads to the one that stands.
    SELECT b.id, b.region_code,
           ARRAY['ID', b.province_code, b.regency_code, b.district_code, b.region_code]
               && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}')
      FROM (SELECT f.id FROM public.beneficiaries f WHERE f.nik_index = p_nik_index AND f.deleted_at IS NULL
            UNION SELECT m.merged_into FROM public.beneficiaries m
                   WHERE m.nik_index = p_nik_index AND m.merged_into IS NOT NULL) f
      JOIN public.beneficiaries b ON b.id = f.id AND b.deleted_at IS NULL
     LIMIT 1
$$
"""

_FOR_THE_APP = (
    "same_person(uuid)",
    "sealed_for(uuid)",
    "seal_again(uuid, text, text, uuid, bytea)",
    "merge_person(uuid, uuid, uuid, text, jsonb)",
    "unmerge_person(uuid, text)",
    "neighbours_of(uuid, date[], bytea[], integer)",
    "keep_candidates(uuid, jsonb)",
    "office_of(text)",
)
_FUNCTIONS = (
    *_FOR_THE_APP,
    "person_columns()",
    "replaced(uuid[], uuid, uuid, uuid)",
    "edited(uuid[], uuid[], uuid[], uuid, uuid)",
    "divided(uuid, text, text, uuid, uuid[], uuid)",
    "touch_families(uuid[])",
    "forget_taken(uuid, uuid[])",
    "refuse_merged()",
    "refuse_merged_nik()",
    "follow_person()",
)

# Function -> what it learns, and before what.
_MERGED = "SELECT m.id FROM public.beneficiaries m WHERE m.merged_into = p_subject"
_VISITS = "        UNION ALL SELECT v.id FROM public.visits v WHERE v.beneficiary_id = p_subject\n"
_ALSO_MERGED = f"        UNION ALL {_MERGED}\n"
_LEARNT = {
    "refuse_restricted": (
        (
            "    ELSIF TG_TABLE_NAME IN ('merges', 'duplicate_candidates') THEN\n"
            "        named := NEW.beneficiary_ids;\n",
            "    ELSE\n        named := ARRAY[NEW.beneficiary_id];\n",
        ),
        (
            # No foreign key waits for a merge under way in the name of an array; this does.
            "    IF TG_TABLE_NAME IN ('activities', 'sktm_applications') THEN\n"
            "        PERFORM 1 FROM public.beneficiaries b\n"
            "          WHERE b.id = ANY (named) AND NOT (TG_OP = 'UPDATE' AND to_jsonb(OLD) @> to_jsonb(NEW))\n"
            "          ORDER BY b.id FOR KEY SHARE;\n"
            "    END IF;\n"
            "    IF EXISTS (SELECT 1 FROM public.beneficiaries b\n"
            "                WHERE b.id = ANY (named) AND b.merged_into IS NOT NULL) THEN\n"
            "        RAISE EXCEPTION 'the person was merged' USING ERRCODE = '23514', CONSTRAINT = 'person_merged';\n"
            "    END IF;\n",
            "    IF EXISTS (SELECT 1 FROM public.beneficiaries b "
            "WHERE b.id = ANY (named) AND b.restricted_at IS NOT NULL) THEN\n",
        ),
    ),
    "statement": (
        (_ALSO_MERGED, _VISITS),
        (
            """        'merges', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.created_at, x.id), '[]') FROM (
            -- What was written about two people may name the other one.
            SELECT m.id, m.created_at, CASE WHEN m.undone_at IS NULL THEN m.merged_id END AS merged_id,
                   CASE WHEN m.undone_at IS NULL THEN m.from_region END AS village_code,
                   CASE WHEN m.undone_at IS NULL THEN m.reason END AS reason, m.undone_at
              FROM public.merges m WHERE m.beneficiary_ids && app.same_person(p_subject)) x),
        'duplicates', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.created_at, x.id), '[]') FROM (
            SELECT c.id, c.created_at, c.score, c.reasons, c.status, c.decided_at
              FROM public.duplicate_candidates c
             WHERE c.beneficiary_ids && app.same_person(p_subject)
               AND (c.told OR app.sees_person(c.low_id) AND app.sees_person(c.high_id))) x),
""",
            "        'requests', (",
        ),
        (
            f"t.entity = 'beneficiaries' AND t.entity_id IN ({_MERGED})\n                OR ",
            "t.entity = 'beneficiaries' AND t.entity_id = p_subject) x)",
        ),
        (
            f"l.subject_ids && ARRAY({_MERGED})\n               AND l.outcome = 'ok' OR ",
            "l.subject_ids @> ARRAY[p_subject] AND l.outcome = 'ok'",
        ),
    ),
    "still_needed": (
        (
            f"        OR EXISTS ({_MERGED} AND m.legal_hold IS NOT NULL)\n",
            "        OR EXISTS (SELECT 1 FROM public.sktm_applications a\n",
        ),
    ),
    "patterns_of": (
        ("            OR b.merged_into = p_subject\n", "        UNION\n        SELECT f.key"),
        (
            f"h.entity_id IN ({_MERGED})\n"
            "           AND f.key IN ('full_name', 'street', 'phone')\n"
            "            OR h.entity = 'beneficiaries' AND ",
            "h.entity_id = p_subject AND f.key IN ('full_name', 'street', 'phone')",
        ),
    ),
    "erase_subject": (
        (
            _ALSO_MERGED
            + "        UNION ALL SELECT m.id FROM public.merges m WHERE m.beneficiary_ids @> ARRAY[p_subject]\n"
            + "        UNION ALL SELECT c.id FROM public.duplicate_candidates c\n"
            + "                   WHERE c.beneficiary_ids @> ARRAY[p_subject]\n",
            _VISITS,
        ),
        (
            # Whoever was merged with this person and is another again: a chain hands on what was taken.
            "        UNION SELECT w.id FROM (\n"
            "            WITH RECURSIVE with_them (id) AS (\n"
            "                SELECT p_subject\n"
            "                UNION SELECT unnest(m.beneficiary_ids) FROM public.merges m\n"
            "                        JOIN with_them t ON m.beneficiary_ids @> ARRAY[t.id])\n"
            "            SELECT t.id FROM with_them t) w WHERE w.id <> ALL (app.same_person(p_subject))\n",
            "        EXCEPT SELECT p_subject);\n",
        ),
        (
            "        UNION SELECT m.id FROM public.merges m WHERE m.beneficiary_ids && others\n"
            "        UNION SELECT d.id FROM public.duplicate_candidates d WHERE d.beneficiary_ids && others\n",
            "        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));\n",
        ),
        (
            "        ('merges', 'reason'), ('merges', 'undo_reason'), ('duplicate_candidates', 'reason'),\n",
            "        ('activities', 'follow_up')) AS written",
        ),
        (
            "    PERFORM app.forget_taken(p_subject, others);\n"
            "    UPDATE public.merges m\n"
            "       SET moved = (SELECT jsonb_agg(CASE WHEN i.value ->> 'reason' IS NULL THEN i.value ELSE jsonb_set(\n"
            "                        i.value, '{reason}', app.without(i.value -> 'reason', patterns)) END\n"
            "                        ORDER BY i.ordinality)\n"
            "                      FROM jsonb_array_elements(m.moved) WITH ORDINALITY AS i)\n"
            "     WHERE m.id = ANY (linked) AND jsonb_path_exists(m.moved, '$[*].reason ? (@ != null)');\n"
            "    UPDATE public.merges m\n"
            "       SET reason = '(dihapus)', undo_reason = left(m.undo_reason, 0) || '(dihapus)', taken = '{}',\n"
            "           moved = (SELECT coalesce(jsonb_agg(i.value - 'reason' ORDER BY i.ordinality), '[]')\n"
            "                      FROM jsonb_array_elements(m.moved) WITH ORDINALITY AS i),\n"
            "           create_digest = NULL\n"
            "     WHERE m.id = ANY (records);\n"
            "    UPDATE public.duplicate_candidates c\n"
            "       SET reasons = '[]', reason = NULL,\n"
            "           status = CASE c.status WHEN 'open' THEN 'dismissed' ELSE c.status END\n"
            "     WHERE c.id = ANY (records);\n\n",
            "    -- What is also about others keeps its words, without this person's.\n",
        ),
        ("merged_into = NULL, ", "restricted_at = NULL, deleted_at = coalesce(b.deleted_at, p_at, now())"),
        (
            # Whoever was merged into this person goes with them, last: until here their names were looked for.
            f"    FOR place IN {_MERGED} LOOP\n"
            "        PERFORM app.erase_subject(place.id, p_request, p_at);\n"
            "    END LOOP;\n",
            "    DELETE FROM public.subject_keys s WHERE s.subject_id = p_subject;\n",
        ),
    ),
}


def upgrade() -> None:
    op.add_column("beneficiaries", sa.Column("merged_into", sa.UUID()))
    op.create_foreign_key("fk_beneficiaries_merged_into", "beneficiaries", "beneficiaries", ["merged_into"], ["id"])
    op.create_check_constraint(
        op.f("ck_beneficiaries_merged"), "beneficiaries", "merged_into IS NULL OR deleted_at IS NOT NULL"
    )
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index("ix_beneficiaries_merged_into", "beneficiaries", ["merged_into"], postgresql_where=merged)
    op.create_index("ix_beneficiaries_merged_nik", "beneficiaries", ["nik_index"], postgresql_where=merged)
    op.create_index("ix_sktm_applications_dependants", "sktm_applications", ["dependants"], postgresql_using="gin")
    op.create_check_constraint(
        op.f("ck_sktm_applications_dependants"), "sktm_applications", "NOT (beneficiary_id = ANY (dependants))"
    )
    _create_merges()
    _create_candidates()
    for function in (
        _PERSON_COLUMNS,
        _SAME_PERSON,
        _REPLACED,
        _EDITED,
        _DIVIDED,
        _SEALED_FOR,
        _SEAL_AGAIN,
        _TOUCH_FAMILIES,
        _MERGE_PERSON,
        _UNMERGE_PERSON,
        _REFUSE_MERGED,
        _REFUSE_MERGED_NIK,
        _FOLLOW_PERSON,
        _FORGET_TAKEN,
        _NEIGHBOURS,
        _KEEP_CANDIDATES,
        _OFFICE_OF,
        _FIND_PERSON,
    ):
        op.execute(sa.text(function.replace(":", r"\:")))
    for signature in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
    for signature in _FOR_THE_APP:
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    op.execute(
        "CREATE TRIGGER refuse_merged_nik AFTER INSERT OR UPDATE OF nik_index ON beneficiaries FOR EACH ROW "
        "WHEN (NEW.nik_index IS NOT NULL) EXECUTE FUNCTION app.refuse_merged_nik()"
    )
    op.execute(
        "CREATE TRIGGER follow_person AFTER UPDATE OF region_code, deleted_at ON beneficiaries FOR EACH ROW "
        "WHEN ((OLD.region_code, OLD.deleted_at) IS DISTINCT FROM (NEW.region_code, NEW.deleted_at)) "
        "EXECUTE FUNCTION app.follow_person()"
    )
    op.execute(
        "CREATE TRIGGER refuse_merged AFTER INSERT ON privacy_requests "
        "FOR EACH ROW EXECUTE FUNCTION app.refuse_merged()"
    )
    for function, changes in _LEARNT.items():
        ops.amend(function, *changes)
    # What follows a person, or ends with them, is no processing: only new rows are refused here, decisions in code.
    for table in ("merges", "duplicate_candidates"):
        op.execute(
            f"CREATE TRIGGER refuse_restricted AFTER INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted()"
        )
    # Not that of pairs: what changed in one tells of both halves, and one office sees but its own.
    ops.remember_history("merges", "app.sees_person(e.merged_id) AND app.sees_person(e.into_id)")


def downgrade() -> None:
    ops.forget_history("merges")
    for function, changes in reversed(_LEARNT.items()):
        ops.unamend(function, *changes)
    op.execute("DROP TRIGGER refuse_merged ON privacy_requests")
    for trigger in ("refuse_merged_nik", "follow_person"):
        op.execute(f"DROP TRIGGER {trigger} ON beneficiaries")
    access = op.get_context().script.get_revision("0004").module
    op.execute(access._FIND_PERSON.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION app.{signature}")
    op.drop_table("duplicate_candidates")
    op.drop_table("merges")
    op.drop_constraint(op.f("ck_sktm_applications_dependants"), "sktm_applications", type_="check")
    op.drop_index("ix_sktm_applications_dependants", "sktm_applications")
    op.drop_index("ix_beneficiaries_merged_nik", "beneficiaries")
    op.drop_index("ix_beneficiaries_merged_into", "beneficiaries")
    op.drop_column("beneficiaries", "merged_into")


def _people(first: str, second: str) -> sa.Column[Any]:
    """Both people of a row, as the access log and the timeline look for them."""
    both = sa.Computed(f"ARRAY[{first}, {second}]", persisted=True)
    return sa.Column("beneficiary_ids", postgresql.ARRAY(sa.UUID()), both, nullable=False)


def _create_merges() -> None:
    op.create_table(
        "merges",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("merged_id", sa.UUID(), nullable=False),
        sa.Column("into_id", sa.UUID(), nullable=False),
        _people("merged_id", "into_id"),
        sa.Column("from_region", sa.Text(collation="C"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("taken", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.Column("undone_by", sa.UUID()),
        sa.Column("undo_reason", sa.Text()),
        sa.ForeignKeyConstraint(["merged_id"], ["beneficiaries.id"], name="fk_merges_merged_id"),
        sa.ForeignKeyConstraint(["into_id"], ["beneficiaries.id"], name="fk_merges_into_id"),
        sa.PrimaryKeyConstraint("id", name="pk_merges"),
    )
    op.create_index("ix_merges_into_id", "merges", ["into_id"])
    op.create_index("ix_merges_beneficiary_ids", "merges", ["beneficiary_ids"], postgresql_using="gin")
    op.create_index(
        "uq_merges_merged_id", "merges", ["merged_id"], unique=True, postgresql_where=sa.text("undone_at IS NULL")
    )
    ops.enable_region_scope("merges")
    ops.audit("merges", "moved")
    ops.log_access("merges", "beneficiary_ids")
    ops.grant("merges", "SELECT")


def _create_candidates() -> None:
    table = "duplicate_candidates"
    op.create_table(
        table,
        sa.Column("region_code", sa.Text(collation="C")),
        sa.Column("other_region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("low_id", sa.UUID(), nullable=False),
        sa.Column("high_id", sa.UUID(), nullable=False),
        _people("low_id", "high_id"),
        sa.Column("score", sa.Numeric(4, 3), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.UUID()),
        sa.Column("reason", sa.Text()),
        sa.Column("merge_id", sa.UUID()),
        sa.CheckConstraint("low_id < high_id", name=op.f("ck_duplicate_candidates_order")),
        sa.ForeignKeyConstraint(["low_id"], ["beneficiaries.id"], name="fk_duplicate_candidates_low_id"),
        sa.ForeignKeyConstraint(["high_id"], ["beneficiaries.id"], name="fk_duplicate_candidates_high_id"),
        sa.ForeignKeyConstraint(["merge_id"], ["merges.id"], name="fk_duplicate_candidates_merge_id"),
        sa.PrimaryKeyConstraint("id", name="pk_duplicate_candidates"),
    )
    op.create_index("uq_duplicate_candidates_pair", table, ["low_id", "high_id"], unique=True)
    op.create_index("ix_duplicate_candidates_high_id", table, ["high_id"])
    op.create_index("ix_duplicate_candidates_merge_id", table, ["merge_id"])
    op.create_index("ix_duplicate_candidates_beneficiary_ids", table, ["beneficiary_ids"], postgresql_using="gin")
    ops.enable_region_scope(table)
    for column, length in zip(_LEVELS, (2, 5, 8), strict=True):
        op.execute(
            f'ALTER TABLE {table} ADD COLUMN other_{column} text COLLATE "C" GENERATED ALWAYS AS '
            f"(CASE WHEN length(other_region_code) >= {length} THEN left(other_region_code, {length}) END) STORED"
        )
        op.execute(f"CREATE INDEX ix_{table}_other_{column} ON {table} (other_{column}, created_at, id)")
    # That there is a pair is told to both offices; only who sees both people decides.
    ops.replace_policy(table, f"({ops.INSIDE}) OR ({_OTHER_INSIDE})", writable=f"({ops.INSIDE}) AND ({_OTHER_INSIDE})")
    ops.audit(table)
    ops.log_access(table, "beneficiary_ids")
    ops.grant(table, "SELECT", "UPDATE")
