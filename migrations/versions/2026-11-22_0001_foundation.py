"""Extensions, the app schema and the functions every table relies on."""

from alembic import op

import ops

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ENTER = """
CREATE FUNCTION app.enter(p_session uuid, p_roles text[], p_request uuid, p_operation text, p_read boolean)
RETURNS TABLE (user_id uuid, role text, regions text[], agency_id uuid, region_code text,
               must_change_password boolean, allowed boolean)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Who is this session, at this moment? Sets the row scope for the rest of the transaction. No row: the session has
-- ended or its user is disabled. A caller whose role is not among p_roles (NULL: any) gets an empty scope.
BEGIN
    SELECT u.id, u.role, u.agency_id, u.region_code, u.must_change_password,
           CASE WHEN u.role = 'agency' THEN '{}'::text[]
                WHEN u.region_code IS NULL THEN ARRAY['ID']
                ELSE ARRAY[u.region_code] END
      INTO user_id, role, agency_id, region_code, must_change_password, regions
      FROM public.user_sessions s JOIN public.users u ON u.id = s.user_id
     WHERE s.id = p_session AND s.revoked_at IS NULL AND s.expires_at > pg_catalog.now() AND u.disabled_at IS NULL;
    IF NOT FOUND THEN
        PERFORM pg_catalog.set_config('app.regions', '', true), pg_catalog.set_config('app.agency', '', true),
                pg_catalog.set_config('app.user', '', true);
        RETURN;
    END IF;
    allowed := p_roles IS NULL OR role = ANY (p_roles);
    PERFORM pg_catalog.set_config('app.regions',
                CASE WHEN allowed THEN pg_catalog.array_to_string(regions, ',') ELSE '' END, true),
            pg_catalog.set_config('app.agency', CASE WHEN allowed THEN coalesce(agency_id::text, '') ELSE '' END, true);
    IF p_read THEN
        -- Only the access row is written: it may trail the answer by a moment (docs/decisions/0004).
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
    ELSE
        PERFORM pg_catalog.set_config('app.user', user_id::text, true), pg_catalog.set_config('app.role', role, true),
                pg_catalog.set_config('app.session', p_session::text, true),
                pg_catalog.set_config('app.request', coalesce(p_request::text, ''), true),
                pg_catalog.set_config('app.operation', p_operation, true);
    END IF;
    RETURN NEXT;
END $$
"""

_ENTER_SYSTEM = """
CREATE FUNCTION app.enter_system(p_operation text, p_request uuid) RETURNS void LANGUAGE sql AS $$
    SELECT pg_catalog.set_config('app.regions', 'ID', true), pg_catalog.set_config('app.agency', '', true),
           pg_catalog.set_config('app.user', '', true), pg_catalog.set_config('app.role', 'system', true),
           pg_catalog.set_config('app.session', '', true),
           pg_catalog.set_config('app.request', coalesce(p_request::text, ''), true),
           pg_catalog.set_config('app.operation', p_operation, true)
$$
"""

_RECORD_CHANGE = """
CREATE FUNCTION app.record_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- TG_ARGV: columns whose values are never kept; their change is recorded as {"hidden": true}.
DECLARE
    kept jsonb := '{}';
    newer jsonb;
    older jsonb;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        newer := to_jsonb(NEW);
        older := to_jsonb(OLD);
        SELECT coalesce(jsonb_object_agg(n.key,
                   CASE WHEN n.key = ANY (TG_ARGV) THEN '{"hidden": true}'::jsonb
                        ELSE jsonb_build_object('from', older -> n.key, 'to', n.value) END), '{}')
          INTO kept
          FROM jsonb_each(newer) n
         WHERE n.value IS DISTINCT FROM older -> n.key
           AND n.key NOT IN ('version', 'updated_at', 'province_code', 'regency_code', 'district_code', 'search_name');
        IF kept = '{}' THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO public.changes (entity, entity_id, entity_version, action, fields, actor_id, actor_role, session_id,
                                request_id, operation)
    VALUES (TG_TABLE_NAME,
            CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
            CASE WHEN TG_OP = 'DELETE' THEN OLD.version ELSE NEW.version END,
            CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
            kept,
            nullif(current_setting('app.user', true), '')::uuid, nullif(current_setting('app.role', true), ''),
            nullif(current_setting('app.session', true), '')::uuid,
            nullif(current_setting('app.request', true), '')::uuid,
            nullif(current_setting('app.operation', true), ''));
    RETURN NULL;
END $$
"""

_TOUCH = """
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$
-- Whatever writes the row, its version moves and its time is the database's.
BEGIN
    NEW.updated_at := clock_timestamp();
    IF NEW.version = OLD.version THEN
        NEW.version := OLD.version + 1;
    END IF;
    RETURN NEW;
END $$
"""

_SEARCH_NAME = """
CREATE FUNCTION app.search_name(p_name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT lower(public.unaccent('public.unaccent'::regdictionary, p_name))
$$
"""

_SAME_WORDS = """
CREATE FUNCTION app.same_words(p_text text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Letters and digits only, so that "Bantuan" and "bantuan." are one purpose.
    SELECT regexp_replace(lower(p_text), '[^[:alnum:]]+', '', 'g')
$$
"""


def upgrade() -> None:
    for extension in ("pg_trgm", "unaccent", "btree_gin"):
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} WITH SCHEMA public")
    op.execute("CREATE SCHEMA app")
    for function in (_ENTER, _ENTER_SYSTEM, _RECORD_CHANGE, _TOUCH, _SEARCH_NAME, _SAME_WORDS):
        op.execute(function)
    op.execute("REVOKE ALL ON FUNCTION app.enter, app.enter_system, app.record_change FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA app TO {ops.APP}")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.enter, app.enter_system, app.search_name, app.same_words TO {ops.APP}")
    op.execute(f"GRANT SELECT ON alembic_version TO {ops.APP}")
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")


def downgrade() -> None:
    op.execute("DROP SCHEMA app CASCADE")
