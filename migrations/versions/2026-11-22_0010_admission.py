"""`app.enter` learns one-time codes, step-up, machine clients and grants; a refused caller leaves a row."""

from alembic import op

import ops

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ARGUMENTS = (
    "p_session uuid, p_roles text[], p_permission text, p_request uuid, p_operation text, p_read boolean, "
    "p_opening boolean, p_otp_roles text[], p_step_up integer"
)
_ENTER = f"""
CREATE FUNCTION app.enter({_ARGUMENTS})
RETURNS TABLE (user_id uuid, role text, regions text[], agency_id uuid, region_code text, must_change_password boolean,
               granted uuid[], allowed boolean, refusal text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Who is this session, at this moment? Sets the row scope for the rest of the transaction. No row: the session has
-- ended, its user is disabled, or it is a machine client's that was revoked. A caller who is refused has an empty scope
-- and leaves a row in the access log: the role is not among p_roles (a machine lacks the scope p_permission); unless
-- p_opening, the password must be changed, or a role of p_otp_roles has no one-time code; the last proof of identity is
-- older than p_step_up seconds.
DECLARE
    until timestamptz;
    otp_enrolled boolean;
    strong_seconds integer;
BEGIN
    SELECT u.id, u.role, u.agency_id, u.region_code, u.must_change_password, u.otp_confirmed_at IS NOT NULL,
           extract(epoch FROM pg_catalog.now() - s.strong_at)::integer,
           CASE WHEN u.role = 'agency' THEN '{{}}'::text[]
                WHEN u.region_code IS NULL THEN ARRAY['ID']
                ELSE ARRAY[u.region_code] END,
           u.granted_until, u.role = ANY (p_roles)
      INTO user_id, role, agency_id, region_code, must_change_password, otp_enrolled, strong_seconds, regions, until,
           allowed
      FROM public.user_sessions s JOIN public.users u ON u.id = s.user_id
     WHERE s.id = p_session AND s.revoked_at IS NULL AND s.expires_at > pg_catalog.now() AND u.disabled_at IS NULL;
    IF NOT FOUND THEN
        SELECT c.id, 'machine', c.agency_id, c.region_code, false, true, 0, c.region_codes,
               p_permission = ANY (c.scopes)
          INTO user_id, role, agency_id, region_code, must_change_password, otp_enrolled, strong_seconds, regions,
               allowed
          FROM public.clients c WHERE c.session_id = p_session AND c.disabled_at IS NULL;
    END IF;
    IF user_id IS NULL THEN
        PERFORM pg_catalog.set_config('app.regions', '', true), pg_catalog.set_config('app.agency', '', true),
                pg_catalog.set_config('app.granted', '', true), pg_catalog.set_config('app.user', '', true),
                pg_catalog.set_config('app.role', '', true);
        RETURN;
    END IF;
    refusal := CASE WHEN NOT allowed THEN 'permission_denied'
                    WHEN must_change_password AND NOT p_opening THEN 'password_change_required'
                    WHEN NOT otp_enrolled AND NOT p_opening AND role = ANY (p_otp_roles) THEN 'otp_enrolment_required'
                    WHEN p_step_up < coalesce(strong_seconds, p_step_up + 1) THEN 'step_up_required' END;
    allowed := refusal IS NULL;
    granted := '{{}}';
    IF p_read AND until > pg_catalog.now() THEN
        SELECT coalesce(array_agg(DISTINCT g.beneficiary_id ORDER BY g.beneficiary_id), '{{}}') INTO granted
          FROM public.access_grants g
         WHERE g.user_id = enter.user_id AND g.expires_at > pg_catalog.now() AND g.revoked_at IS NULL;
    END IF;
    IF NOT allowed THEN
        INSERT INTO public.access_log (user_id, session_id, role, actor_region, request_id, operation, action, outcome,
                                       reason)
        VALUES (user_id, p_session, role, array_to_string(regions, ','), p_request, p_operation,
                CASE WHEN p_read THEN 'read' ELSE 'write' END, 'denied', refusal);
    END IF;
    PERFORM pg_catalog.set_config('app.regions',
                CASE WHEN allowed THEN pg_catalog.array_to_string(regions, ',') ELSE '' END, true),
            pg_catalog.set_config('app.agency', CASE WHEN allowed THEN coalesce(agency_id::text, '') ELSE '' END, true),
            pg_catalog.set_config('app.granted',
                CASE WHEN allowed THEN pg_catalog.array_to_string(granted, ',') ELSE '' END, true),
            pg_catalog.set_config('app.user', user_id::text, true), pg_catalog.set_config('app.role', role, true);
    IF p_read THEN
        -- Only the access row is written: it may trail the answer by a moment (docs/decisions/0004).
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
    ELSE
        PERFORM pg_catalog.set_config('app.session', p_session::text, true),
                pg_catalog.set_config('app.request', coalesce(p_request::text, ''), true),
                pg_catalog.set_config('app.operation', p_operation, true);
    END IF;
    RETURN NEXT;
END $$
"""

_USER_NAME = """
CREATE OR REPLACE FUNCTION app.user_name(p_user uuid) RETURNS text LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- Who did it is part of the record: a village sees the name of the district's officer, whose own row it may not see.
    SELECT coalesce((SELECT u.full_name FROM public.users u WHERE u.id = p_user),
                    (SELECT c.name FROM public.clients c WHERE c.id = p_user))
$$
"""


def upgrade() -> None:
    op.execute("DROP FUNCTION app.enter")
    op.execute(_ENTER)
    op.execute("REVOKE ALL ON FUNCTION app.enter FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.enter TO {ops.APP}")
    op.execute(_USER_NAME)


def downgrade() -> None:
    foundation = op.get_context().script.get_revision("0001").module
    owner_functions = op.get_context().script.get_revision("0003").module
    op.execute("DROP FUNCTION app.enter")
    op.execute(foundation._ENTER)
    op.execute("REVOKE ALL ON FUNCTION app.enter FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.enter TO {ops.APP}")
    op.execute(owner_functions._USER_NAME.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
