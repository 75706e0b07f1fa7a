"""Finding a person: keys of names that sound alike, and the function that draws candidates from several sides."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_WHOLE_WORDS = (
    *((" abd ", " abdul "), (" abdur ", " abdul "), (" st ", " siti "), (" sitti ", " siti ")),
    (" chandra ", " candra "),
)
_SOUNDS = (
    *(("oe", "u"), ("oo", "u"), ("ph", "f"), ("x", "ks"), ("ch", "h"), ("kh", "h"), ("dz", "s"), ("ny", "n")),
    *(("sy", "s"), (" y", " j"), (" h", " H")),
)
_ENDS = (("d ", "t "), ("b ", "p "), ("uw", "u"))
_DOUBLES = tuple((letter * 2, letter) for letter in "abcdghijklmnprstuw")


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for one, other in pairs:
        text = f"replace({text}, '{one}', '{other}')"
    return text


_NAME_KEYS = rf"""
CREATE FUNCTION app.name_keys(p_name text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- A key for each word of an Indonesian name, alike for spellings that sound alike; titles have none. The twin of
-- domain/beneficiaries/names.py, which explains the rules; tests hold the two against each other. It runs for every
-- row that is written: plain replacements are cheap, regular expressions and queries are not, so most are asked first
-- whether there is anything for them to do. Every word stands between blanks of its own.
DECLARE
    said text := translate(p_name, '''’‘ʼʻ`´', '');
    words text;
    bare text;
    word text;
    key text;
    keys text[] := '{{}}';
    initials text[] := '{{}}';
BEGIN
    IF octet_length(said) = length(said) THEN
        said := lower(said COLLATE "C");
        IF strpos(said, ',') > 0 THEN
            said := regexp_replace(said, ',[^.]*[.].*$', '');
        END IF;
        words := ' ' || regexp_replace(said, '[^a-z]+', '  ', 'g') || ' ';
    ELSE
        said := lower(normalize(said, NFKD) COLLATE "C");
        said := regexp_replace(said, '[\u0300-\u036f\u0640\u064b-\u065f\u200b-\u200f]', '', 'g');
        said := regexp_replace(said, ',[^.]*[.].*$', '');
        said := regexp_replace(said, '[^a-z\u00c0-\u1fff\u2c00-\ud7ff\uf900-\ufdff\ufe70-\ufefc]+', '  ', 'g');
        words := ' ' || said || ' ';
    END IF;
    IF strpos(words, ' m') > 0 THEN
        words := regexp_replace(words,
            '^ +m (?= )| (moh|muh|mhd|mohd|muhd|moch|much|mokh|mukh|md|muhammad|mohammed|muhammed) ', ' muhamad ',
            'g');
    END IF;
    bare := regexp_replace(words,
        ' (h|hj|haji|hajah|hajjah|drs|dra|ir|dr|drg|prof|kh|kyai|kiai|ust|ustad|ustadz|ustadzah|alm|almh|almarhum|'
        'almarhumah|bin|binti|bt|tn|ny|tuan|nyonya|bpk|bapak|ibu|sdr|sdri|rd|rr|rm|raden|tgk|teungku|ni|'
        'spd|sag|se|sh|ssos|skom|skm|amd|mpd|msi|mm) ', ' ', 'g');
    IF btrim(bare, ' ') <> '' THEN
        words := bare;
    END IF;
    words := {_replaced("words", _WHOLE_WORDS)};
    IF strpos(words, ' abdu') > 0 THEN
        words := regexp_replace(words, ' abdur?r([a-z]{{3,}})', ' abdul  r\1', 'g');
    END IF;
    IF strpos(words, ' n') + strpos(words, ' abdul') + strpos(words, ' siti') > 0 THEN
        words := regexp_replace(words, ' (nur|noor|noer|abdul|siti)([a-z]{{4,}})', ' \1  \2', 'g');
    END IF;
    words := replace(replace(replace(words, 'dj', 'J'), 'tj', 'C'), 'sj', 'S');
    IF strpos(words, 'oe') + strpos(words, 'J') + strpos(words, 'C') + strpos(words, 'S') > 0 THEN
        words := regexp_replace(words, '(oe|[CJS])([a-zCJS]*)j', '\1\2y', 'g');
    END IF;
    words := {_replaced("words", _SOUNDS)};
    words := translate(words, 'qvfzeoyCJSHh', 'kppsiuicjsh');
    words := {_replaced(_replaced("words", _ENDS), _DOUBLES)};
    FOREACH word IN ARRAY string_to_array(words, ' ') LOOP
        IF length(word) = 1 THEN
            initials := CASE WHEN word = ANY (initials) THEN initials ELSE initials || word END;
        ELSIF word <> '' THEN
            key := left(word, 1) || translate(substr(word, 2), 'aiu', '');
            IF length(word) < 4 OR length(key) < 3 THEN
                key := word;
            END IF;
            keys := CASE WHEN key = ANY (keys) THEN keys ELSE keys || key END;
        END IF;
    END LOOP;
    RETURN CASE WHEN keys = '{{}}' THEN initials ELSE keys END;
END $$
"""

_PEOPLE_NEAR = """
CREATE FUNCTION app.people_near(p_name text, p_dates date[], p_niks bytea[], p_card bytea, p_area text, p_most integer)
RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 200 SECURITY DEFINER AS $$
-- Ids of people who may be the one meant, inside the caller's regions (app.regions, set by app.enter) and p_area; none
-- without a caller. Drawn from several sides, each by an index: numbers, birth dates, keys and letters of the name;
-- of each side the p_most whose names are nearest. NULL leaves a side out. It runs as the owner, because operators on
-- names are not leakproof: a row policy would keep them off the indexes.
-- Above a regency a name finds those who bear all of its keys: it is letters that would cost the whole nation.
DECLARE
    query text := coalesce(app.search_name(p_name), '');
    keys text[] := coalesce(app.name_keys(p_name), '{}');
    places text[];
    place text;
    everywhere boolean;
BEGIN
    SELECT array_agg(DISTINCT CASE WHEN a.area = 'ID' OR starts_with(p_area, a.area) THEN coalesce(p_area, a.area)
                                   ELSE a.area END)
      INTO places
      FROM unnest(string_to_array(nullif(current_setting('app.regions', true), ''), ',')) AS a (area)
     WHERE p_area IS NULL OR a.area = 'ID' OR starts_with(p_area, a.area) OR starts_with(a.area, p_area);
    IF places IS NULL THEN
        RETURN;
    END IF;
    everywhere := 'ID' = ANY (places);
    RETURN QUERY SELECT b.id FROM public.beneficiaries b
        WHERE b.nik_index = ANY (p_niks) AND b.deleted_at IS NULL
          AND (everywhere OR ARRAY[b.province_code, b.regency_code, b.district_code, b.region_code] && places);
    RETURN QUERY SELECT b.id FROM public.beneficiaries b
        WHERE b.family_card_index = p_card AND b.deleted_at IS NULL
          AND (everywhere OR ARRAY[b.province_code, b.regency_code, b.district_code, b.region_code] && places)
        LIMIT p_most;
    RETURN QUERY SELECT b.id FROM public.beneficiaries b
        WHERE b.birth_date = ANY (p_dates) AND b.deleted_at IS NULL
          AND (everywhere OR ARRAY[b.province_code, b.regency_code, b.district_code, b.region_code] && places)
        ORDER BY public.similarity(b.search_name, query) DESC LIMIT p_most;
    IF query = '' THEN
        RETURN;
    END IF;
    FOREACH place IN ARRAY places LOOP
        IF length(place) >= 5 THEN
            RETURN QUERY SELECT b.id FROM public.beneficiaries b
                WHERE b.regency_code = left(place, 5)
                  AND (length(place) = 5 OR b.district_code = left(place, 8))
                  AND (length(place) < 13 OR b.region_code = place)
                  AND (b.name_keys && keys OR b.search_name OPERATOR(public.%) query
                       OR query OPERATOR(public.<%) b.search_name)
                  AND b.deleted_at IS NULL
                ORDER BY (SELECT count(*) FROM unnest(b.name_keys) k WHERE k = ANY (keys))
                         + 2 * public.similarity(b.search_name, query) DESC
                LIMIT p_most;
        ELSIF cardinality(keys) > 0 THEN
            RETURN QUERY SELECT b.id FROM public.beneficiaries b
                WHERE b.name_keys @> keys AND (place = 'ID' OR b.province_code = place) AND b.deleted_at IS NULL
                LIMIT p_most;
        END IF;
    END LOOP;
END $$
"""
_SIGNATURE = "people_near(text, date[], bytea[], bytea, text, integer)"
_NOT_KEPT = ("'name_keys', ", "'search_name')")  # a generated column says nothing of its own in the history


def upgrade() -> None:
    op.execute(_NAME_KEYS)
    op.execute(_PEOPLE_NEAR)
    op.execute(f"REVOKE ALL ON FUNCTION app.{_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.{_SIGNATURE}, app.name_keys(text) TO {ops.APP}")
    for function in ("people_like", "name_score"):
        op.execute(f"DROP FUNCTION app.{function}")
    op.add_column(
        "beneficiaries",
        sa.Column("name_keys", postgresql.ARRAY(sa.Text()), sa.Computed("app.name_keys(full_name)", persisted=True)),
    )
    op.create_index(
        "ix_beneficiaries_name_keys", "beneficiaries", ["regency_code", "name_keys"], postgresql_using="gin"
    )
    ops.amend("record_change", _NOT_KEPT)


def downgrade() -> None:
    ops.unamend("record_change", _NOT_KEPT)
    op.drop_index("ix_beneficiaries_name_keys", "beneficiaries")
    op.drop_column("beneficiaries", "name_keys")
    before = op.get_context().script.get_revision("0003").module
    for function in (before._NAME_SCORE, before._PEOPLE_LIKE):
        op.execute(function)
    op.execute("REVOKE ALL ON FUNCTION app.people_like FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.name_score, app.people_like TO {ops.APP}")
    op.execute(f"DROP FUNCTION app.{_SIGNATURE}")
    op.execute("DROP FUNCTION app.name_keys(text)")
