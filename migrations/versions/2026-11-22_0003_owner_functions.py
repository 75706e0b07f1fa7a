"""Functions of the owner beyond a caller's own rows: name search, moving a person, public verification."""

from alembic import op

import ops

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAME_SCORE = """
CREATE FUNCTION app.name_score(p_query text, p_name text) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN p_query = p_name THEN 1.0
                ELSE round(greatest(public.similarity(p_query, p_name),
                                    public.word_similarity(p_query, p_name) * 0.95)::numeric, 3) END
$$
"""

_PEOPLE_LIKE = """
CREATE FUNCTION app.people_like(p_name text) RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
-- Ids of people with a similar name inside the caller's regions (app.regions, set by app.enter); none without a caller.
DECLARE
    query text := app.search_name(p_name);
    area text;
BEGIN
    FOREACH area IN ARRAY coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}') LOOP
        IF length(area) >= 8 THEN
            RETURN QUERY SELECT b.id FROM public.beneficiaries b
                WHERE b.regency_code = left(area, 5) AND b.district_code = left(area, 8)
                  AND (length(area) = 8 OR b.region_code = area)
                  AND (b.search_name OPERATOR(public.%) query OR query OPERATOR(public.<%) b.search_name);
        ELSIF length(area) = 5 THEN
            RETURN QUERY SELECT b.id FROM public.beneficiaries b
                WHERE b.regency_code = area
                  AND (b.search_name OPERATOR(public.%) query OR query OPERATOR(public.<%) b.search_name);
        ELSE
            RETURN QUERY SELECT b.id FROM public.beneficiaries b
                WHERE (area = 'ID' OR b.province_code = area)
                  AND (b.search_name OPERATOR(public.%) query OR query OPERATOR(public.<%) b.search_name);
        END IF;
    END LOOP;
END $$
"""

_MOVE = """
CREATE FUNCTION app.move_beneficiary(p_id uuid, p_version integer, p_village text, p_street text, p_rt text, p_rw text)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Moves a person, also out of the caller's regions: only somebody who sees the person now may let go of them.
-- Returns the new version; NULL when the row is not visible to the caller or has another version.
DECLARE
    areas text[] := string_to_array(nullif(current_setting('app.regions', true), ''), ',');
    moved integer;
BEGIN
    UPDATE public.beneficiaries b
       SET region_code = p_village, street = coalesce(p_street, b.street),
           rt = CASE WHEN p_street IS NULL THEN b.rt ELSE p_rt END,
           rw = CASE WHEN p_street IS NULL THEN b.rw ELSE p_rw END,
           moved_at = now(), moved_by = nullif(current_setting('app.user', true), '')::uuid, version = b.version + 1
     WHERE b.id = p_id AND b.version = p_version AND b.deleted_at IS NULL
       AND ARRAY['ID', b.province_code, b.regency_code, b.district_code, b.region_code] && areas
    RETURNING b.version INTO moved;
    RETURN moved;
END $$
"""

_VERIFY = """
CREATE FUNCTION app.verify_letter(p_token text)
RETURNS TABLE (status text, number text, purpose text, masked_name text, issuer text, issued_on date, valid_until date,
               revoked_on date)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- What anybody who holds the token may know of a letter; expiry follows the issuer's own calendar.
    SELECT CASE WHEN l.revoked_at IS NOT NULL THEN 'revoked'
                WHEN (now() AT TIME ZONE l.timezone)::date > l.valid_until THEN 'expired'
                ELSE 'valid' END,
           l.number, l.purpose, l.masked_name, l.issuer_name, l.issued_on, l.valid_until,
           (l.revoked_at AT TIME ZONE l.timezone)::date
      FROM public.sktm_letters l WHERE l.token = p_token
$$
"""

_USER_NAME = """
CREATE FUNCTION app.user_name(p_user uuid) RETURNS text LANGUAGE sql STABLE STRICT SECURITY DEFINER AS $$
-- Who did it is part of the record: a village sees the name of the district's officer, whose own row it may not see.
    SELECT u.full_name FROM public.users u WHERE u.id = p_user
$$
"""


def upgrade() -> None:
    for function in (_NAME_SCORE, _PEOPLE_LIKE, _MOVE, _VERIFY, _USER_NAME):
        op.execute(function)
    op.execute(
        "REVOKE ALL ON FUNCTION app.people_like, app.move_beneficiary, app.verify_letter, app.user_name FROM PUBLIC"
    )
    for function in ("name_score", "people_like", "move_beneficiary", "verify_letter", "user_name"):
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{function} TO {ops.APP}")


def downgrade() -> None:
    for function in ("user_name", "verify_letter", "move_beneficiary", "people_like", "name_score"):
        op.execute(f"DROP FUNCTION app.{function}")
