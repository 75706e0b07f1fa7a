"""Tables read from files: the file, the fate of each of its rows, mappings that an office keeps, files in parts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_SAME = """
CREATE FUNCTION app.same_import(p_sha256 bytea, p_kind text, p_region text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- The last import by which the caller's own office brought the same file: which one, nothing of what it brought.
    SELECT i.id FROM public.imports i
     WHERE i.file_sha256 = p_sha256 AND i.kind = p_kind AND i.region_code = p_region AND i.status = 'done'
       AND ARRAY[coalesce(nullif(p_region, ''), 'ID')]
           && string_to_array(nullif(current_setting('app.regions', true), ''), ',')
     ORDER BY i.finished_at DESC LIMIT 1
$$
"""

_OWN_REGIONS = "(SELECT string_to_array(nullif(current_setting('app.regions', true), ''), ','))"
_OWNED = f"({ops.INSIDE}) AND (created_by = {ops.USER} OR {ops.ROLE} = 'system')"
_WITH_ITS_IMPORT = f"{ops.ROLE} = 'system' OR EXISTS (SELECT 1 FROM imports i WHERE i.id = import_id)"
_BY_THE_OFFICE = f"ARRAY[coalesce(nullif(region_code, ''), 'ID')] && {_OWN_REGIONS} OR {ops.ROLE} = 'system'"

# What stands in `app.erase_subject`, and what stands before it from now on.
_ERASED = (
    "    -- Files of imports with a row about this person, by what became of it or by whom it was recognised to name:\n"
    "    -- nobody can read one without its key. What was judged and not written cannot be written any more.\n"
    "    PERFORM app.forget_files(ARRAY(\n"
    "            SELECT r.import_id FROM public.import_rows r\n"
    "             WHERE r.record_id = ANY (ARRAY(\n"
    "                    SELECT p_subject\n"
    "                    UNION ALL SELECT v.id FROM public.visits v WHERE v.beneficiary_id = p_subject\n"
    "                    UNION ALL SELECT m.id FROM public.family_members m WHERE m.beneficiary_id = p_subject\n"
    "                    UNION ALL SELECT a.id FROM public.activities a WHERE a.beneficiary_ids @> ARRAY[p_subject]))\n"
    "            UNION ALL\n"
    "            SELECT (j.parameters->>'import')::uuid FROM public.jobs j\n"
    "              JOIN public.access_log l ON l.request_id = (j.parameters->>'request')::uuid\n"
    "             WHERE j.kind = 'import' AND l.operation = 'import' AND l.subject_ids @> ARRAY[p_subject]));\n"
    "    -- What an import replaced of this person, of visits to them and of work about them, and that it was they\n"
    "    -- whom a row brought or named.\n"
    "    UPDATE public.import_rows r SET before_cipher = NULL, record_id = NULL, key = NULL, together = NULL\n"
    "     WHERE r.record_id = ANY (ARRAY(\n"
    "            SELECT p_subject\n"
    "            UNION ALL SELECT v.id FROM public.visits v WHERE v.beneficiary_id = p_subject\n"
    "            UNION ALL SELECT m.id FROM public.family_members m WHERE m.beneficiary_id = p_subject\n"
    "            UNION ALL SELECT a.id FROM public.activities a WHERE a.beneficiary_ids @> ARRAY[p_subject]));\n\n",
    "    -- What is also about others keeps its words, without this person's.\n",
)


_FORGET_FILES = """
CREATE FUNCTION app.forget_files(p_imports uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
-- Without its key no copy of a file can be read. The sweep removes the objects, and what remains goes in its time.
    UPDATE public.imports i
       SET key_cipher = NULL, head = NULL, mapping = NULL, file_name = '', version = i.version + 1,
           status = CASE WHEN i.status = 'validated' THEN 'failed' ELSE i.status END,
           error = CASE WHEN i.status = 'validated' THEN 'file_gone' ELSE i.error END
     WHERE i.id = ANY (p_imports) AND i.key_cipher IS NOT NULL
$$
"""

_FORGET_ROWS_OF = """
CREATE FUNCTION app.forget_rows_of(p_imports uuid[], p_keys bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Rows by their digests, whoever's import they are of, and the files they came from: of somebody who is erased.
BEGIN
    PERFORM app.forget_files(ARRAY(
        SELECT r.import_id FROM unnest(p_imports, p_keys) AS n (import_id, key)
          JOIN public.import_rows r ON r.import_id = n.import_id AND r.key = n.key));
    UPDATE public.import_rows r SET key = NULL, together = NULL
      FROM unnest(p_imports, p_keys) AS n (import_id, key) WHERE r.import_id = n.import_id AND r.key = n.key;
END $$
"""

_KEPT_IMPORTS = """
CREATE FUNCTION app.kept_imports(p_kind text) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- All of a kind whose files can be read, whoever's they are; their ids and nothing else.
    SELECT i.id FROM public.imports i WHERE i.kind = p_kind AND i.key_cipher IS NOT NULL
$$
"""

_FIND_PEOPLE = """
CREATE FUNCTION app.find_people(p_nik_indexes bytea[])
RETURNS TABLE (place bigint, id uuid, inside boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET enable_seqscan = off AS $$
-- As app.find_person, of many numbers at once: whose each is, by its place in the list, and whether the caller sees
-- them. OFFSET and the setting have each looked for by its index, however few people there are when that is planned.
    SELECT a.place, b.id, b.inside FROM unnest(p_nik_indexes) WITH ORDINALITY AS a (nik_index, place)
     CROSS JOIN LATERAL (
           SELECT f.id FROM public.beneficiaries f WHERE f.nik_index = a.nik_index AND f.deleted_at IS NULL
           UNION SELECT m.merged_into FROM public.beneficiaries m
                  WHERE m.nik_index = a.nik_index AND m.merged_into IS NOT NULL
           OFFSET 0) AS f
     CROSS JOIN LATERAL (
           SELECT p.id,
                  ARRAY['ID', p.province_code, p.regency_code, p.district_code, p.region_code]
                  && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}') AS inside
             FROM public.beneficiaries p WHERE p.id = f.id AND p.deleted_at IS NULL
           OFFSET 0) AS b
$$
"""

_NEIGHBOURS = """
CREATE FUNCTION app.neighbours_of_many(p_people uuid[], p_dates text[], p_turns integer[], p_most integer)
RETURNS TABLE (person uuid, id uuid, is_elsewhere boolean, is_open boolean, is_told boolean, full_name text,
               birth_date date, sex text, region_code text, family_card_index bytea, nik_index bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET enable_seqscan = off AS $$
-- As app.neighbours_of, of many people of the caller's area at once: themselves, who of their regency or of their
-- family card was born on one of the days given for each, and, of those who are not new, whom an open pair names.
-- p_people is sorted; of new people p_turns says who came after whom, and nobody meets one who came later.
-- Of somebody new who has a number, only those whom theirs does not rule out: who has none, whose last four digits are
-- a slip away, who is of one card.
-- Of each side the p_most whose names are nearest. Where an office gives many people one birth date, or where a first
-- of January may be any day of its year, names lead to them, as they lead one person to another anywhere: looking at
-- everybody of such days once for each of them would take longer with the square of their number. Of namesakes who are
-- a crowd themselves, the first.
-- Texts become dates once for a person. OFFSET, LIMIT and the setting have each looked for alone and by the index of
-- birth dates (that of regencies knows no `left`), however few people there are when that is planned, and keep the
-- condition on deleted rows out of the branches: on a young table the planner would otherwise walk the whole of a
-- partial index for each person, with all that dry runs left in it.
    WITH area AS MATERIALIZED (
         SELECT coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}') AS codes),
    known AS MATERIALIZED (
         SELECT s.id, s.regency_code, s.family_card_index, CASE WHEN p_turns IS NOT NULL THEN s.nik_last4 END AS last4,
                s.search_name, s.name_keys, a.dates::date[] AS dates, a.turn,
                CASE WHEN to_char(s.birth_date, 'MMDD') = '0101' THEN s.birth_date END AS new_year
           FROM unnest(p_people, p_dates, p_turns) AS a (id, dates, turn)
           JOIN public.beneficiaries s
             ON s.id = a.id AND ARRAY['ID', s.province_code, s.regency_code, s.district_code, s.region_code]
                                && (SELECT area.codes FROM area)),
    asked AS MATERIALIZED (
         SELECT q.*, ARRAY(SELECT m.id
                             FROM (SELECT n.* FROM public.beneficiaries n
                                    WHERE n.birth_date = ANY (q.dates) AND left(n.region_code, 5) = q.regency_code
                                   OFFSET 0) AS m
                            WHERE IS_ONE
                              AND (q.last4 IS NULL OR m.nik_last4 IS NULL OR left(m.nik_last4, 2) = left(q.last4, 2)
                                   OR right(m.nik_last4, 2) = right(q.last4, 2)
                                   OR left(m.nik_last4, 1) = left(q.last4, 1)
                                      AND right(m.nik_last4, 1) = right(q.last4, 1))
                            LIMIT CROWD) AS of_days
           FROM known q)
    SELECT b.person, b.id, NOT ARRAY['ID', b.province_code, b.regency_code, b.district_code, b.region_code]
                               && (SELECT area.codes FROM area),
           coalesce(c.status = 'open', false), coalesce(c.told, false), b.full_name, b.birth_date, b.sex, b.region_code,
           b.family_card_index, b.nik_index
      FROM (SELECT q.id AS person, r.* FROM asked q
             CROSS JOIN LATERAL (
                SELECT m.* FROM (SELECT n.* FROM public.beneficiaries n WHERE n.id = ANY (q.of_days) OFFSET 0) AS m
                 ORDER BY public.similarity(m.search_name, q.search_name) DESC LIMIT p_most) AS r
             WHERE cardinality(q.of_days) < CROWD
            UNION ALL
            SELECT q.id, r.* FROM asked q
             CROSS JOIN LATERAL (
                SELECT k.* FROM (
                    SELECT m.* FROM (SELECT n.* FROM public.beneficiaries n
                                      WHERE n.regency_code = q.regency_code AND n.name_keys && q.name_keys
                                     OFFSET 0) AS m
                     WHERE IS_ONE
                       AND (array_position(q.dates, m.birth_date) > 0
                            OR m.birth_date >= q.new_year AND m.birth_date < q.new_year + interval '1 year')
                     LIMIT CROWD) AS k
                 ORDER BY public.similarity(k.search_name, q.search_name) DESC LIMIT p_most) AS r
             WHERE cardinality(q.of_days) = CROWD OR q.new_year IS NOT NULL
            UNION ALL
            SELECT q.id, r.* FROM asked q
             CROSS JOIN LATERAL (
                SELECT m.* FROM (SELECT f.* FROM public.beneficiaries f
                                  WHERE f.family_card_index = q.family_card_index
                                 OFFSET 0) AS m
                 WHERE IS_ONE
                   AND (array_position(q.dates, m.birth_date) > 0
                        OR m.birth_date >= q.new_year AND m.birth_date < q.new_year + interval '1 year')
                 ORDER BY public.similarity(m.search_name, q.search_name) DESC LIMIT p_most) AS r
            UNION ALL
            SELECT q.id, o.* FROM asked q
             CROSS JOIN LATERAL (
                SELECT p.high_id AS id FROM public.duplicate_candidates p WHERE p.low_id = q.id AND p.status = 'open'
                UNION ALL
                SELECT p.low_id FROM public.duplicate_candidates p WHERE p.high_id = q.id AND p.status = 'open'
                OFFSET 0) AS x
              JOIN public.beneficiaries o ON o.id = x.id
             WHERE p_turns IS NULL
            UNION ALL
            SELECT q.id, s.* FROM asked q JOIN public.beneficiaries s ON s.id = q.id
            OFFSET 0) AS b
      LEFT JOIN LATERAL (SELECT p.status, p.told FROM public.duplicate_candidates p
                          WHERE p.low_id = least(b.person, b.id) AND p.high_id = greatest(b.person, b.id)
                         OFFSET 0) AS c ON p_turns IS NULL
     WHERE b.deleted_at IS NULL AND b.restricted_at IS NULL AND c.status IS DISTINCT FROM 'dismissed'
$$
"""
# Whom the person may be: of the people asked for only those who came before.
_IS_ONE = (
    "m.deleted_at IS NULL AND m.restricted_at IS NULL AND m.id <> q.id AND (q.turn IS NULL OR coalesce("
    "p_people[width_bucket(m.id, p_people)] <> m.id OR p_turns[width_bucket(m.id, p_people)] < q.turn, true))"
)
_CROWD = 400  # so many in the days of one person are found by their names: how near a name is takes 7 microseconds
_NEIGHBOURS = _NEIGHBOURS.replace("IS_ONE", _IS_ONE).replace("CROWD", str(_CROWD))

# Whether the transaction has recorded the person already: their id is looked for in the text, which a page of a file
# makes long, instead of making an array of it for each row.
_PARSED = "NEW.beneficiary_id = ANY (app.recorded_people())"
_SOUGHT = "strpos(current_setting('app.people', true), NEW.beneficiary_id::text) > 0"


_WRITE_REGIONS = """
CREATE FUNCTION app.write_regions(p_rows jsonb) RETURNS TABLE (code text, id uuid, version integer)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- New regions and what is changed of others: the level and the region above follow from the code, which together with
-- the first day of a region never changes. The list is everybody's, so only an administrator of the nation writes it.
BEGIN
    IF current_setting('app.role', true) IS DISTINCT FROM 'admin'
       OR current_setting('app.regions', true) IS DISTINCT FROM 'ID' THEN
        RAISE EXCEPTION 'regions are written for the nation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
    INSERT INTO public.regions AS r (code, name, level, kind, parent_code, timezone, latitude, longitude, valid_from,
                                     valid_until, search_name, edition)
    SELECT w.code, w.name,
           CASE length(w.code) WHEN 2 THEN 'province' WHEN 5 THEN 'regency' WHEN 8 THEN 'district'
                               WHEN 13 THEN 'village' END,
           w.kind,
           left(w.code, CASE length(w.code) WHEN 5 THEN 2 WHEN 8 THEN 5 WHEN 13 THEN 8 END),
           w.timezone, w.latitude, w.longitude, w.valid_from, w.valid_until, app.search_name(w.name), w.edition
      FROM jsonb_to_recordset(p_rows) AS w (code text, name text, kind text, timezone text, latitude double precision,
                                            longitude double precision, valid_from date, valid_until date, edition date)
    ON CONFLICT ON CONSTRAINT pk_regions DO UPDATE
       SET name = excluded.name, latitude = excluded.latitude, longitude = excluded.longitude,
           valid_until = excluded.valid_until, search_name = excluded.search_name, edition = excluded.edition,
           version = r.version + 1
    RETURNING r.code, r.id, r.version;
END $$
"""

_REMOVE_REGIONS = """
CREATE FUNCTION app.remove_regions(p_codes text[]) RETURNS TABLE (code text, used_by text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Removes regions that were written by mistake. Those that stay come back, each with a table that names it: every
-- column of codes (they alone are of the collation C) and list of codes is looked through, also what moved away since.
DECLARE
    districts text[] := ARRAY(SELECT DISTINCT left(c, 8) FROM unnest(p_codes) AS c);
    used jsonb := '{}';
    found text[];
    place record;
BEGIN
    IF current_setting('app.role', true) IS DISTINCT FROM 'admin'
       OR current_setting('app.regions', true) IS DISTINCT FROM 'ID' THEN
        RAISE EXCEPTION 'regions are written for the nation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR place IN
        SELECT t.relname, a.attname, a.atttypid = 'text[]'::regtype AS is_list,
               a.attname = 'region_code' AND EXISTS (
                   SELECT 1 FROM pg_catalog.pg_attribute d WHERE d.attrelid = t.oid AND d.attname = 'district_code')
                   AS has_district
          FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
         WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND t.relname <> 'regions'
           AND NOT a.attisdropped AND a.attgenerated = ''
           AND (a.atttypid = 'text'::regtype AND a.attcollation = 'pg_catalog."C"'::regcollation
                OR a.atttypid = 'text[]'::regtype AND a.attname IN ('regions', 'region_codes', 'district_codes'))
    LOOP
        EXECUTE CASE
            WHEN place.is_list THEN format(
                'SELECT array_agg(DISTINCT x) FROM public.%1$I t CROSS JOIN LATERAL unnest(t.%2$I) AS x '
                'WHERE t.%2$I && $1 AND x = ANY ($1)', place.relname, place.attname)
            ELSE format(
                'SELECT array_agg(DISTINCT t.%2$I) FROM public.%1$I t WHERE t.%2$I = ANY ($1)'
                || CASE WHEN place.has_district THEN ' AND (t.district_code = ANY ($2) OR t.district_code IS NULL)'
                        ELSE '' END, place.relname, place.attname)
        END INTO found USING p_codes, districts;
        used := (SELECT coalesce(jsonb_object_agg(f, place.relname), '{}') FROM unnest(found) AS f) || used;
    END LOOP;
    used := (SELECT coalesce(jsonb_object_agg(c.fields -> 'region_code' ->> 'from', 'changes'), '{}')
               FROM public.changes c
              WHERE c.entity = 'beneficiaries' AND c.fields -> 'region_code' ->> 'from' = ANY (p_codes)) || used;
    -- What lies above something that stays, stays.
    used := (SELECT coalesce(jsonb_object_agg(above, 'regions'), '{}')
               FROM unnest(p_codes) AS above
              WHERE EXISTS (SELECT 1 FROM public.regions b
                             WHERE b.code > above || '.' AND b.code < above || '/'
                               AND (b.code <> ALL (p_codes) OR used ? b.code))) || used;
    DELETE FROM public.regions r WHERE r.code = ANY (p_codes) AND NOT used ? r.code;
    RETURN QUERY SELECT u.key, u.value FROM jsonb_each_text(used) AS u;
END $$
"""


def upgrade() -> None:
    _create_imports()
    _create_rows()
    _create_mappings()
    _create_uploads()
    op.execute(_SAME)
    op.execute("REVOKE ALL ON FUNCTION app.same_import FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.same_import TO {ops.APP}")
    for name, function in (
        ("forget_files", _FORGET_FILES),
        ("forget_rows_of", _FORGET_ROWS_OF),
        ("kept_imports", _KEPT_IMPORTS),
    ):
        op.execute(function)
        op.execute(f"REVOKE ALL ON FUNCTION app.{name} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.forget_rows_of, app.kept_imports TO {ops.APP}")
    ops.amend("erase_subject", _ERASED)
    ops.remember_history("imports")
    ops.remember_history("import_mappings")
    _make_room_for_many_people()
    _let_regions_be_written()


def downgrade() -> None:
    op.execute("DROP TRIGGER record_change ON regions")
    op.execute("DROP FUNCTION app.remove_regions, app.write_regions")
    for column in ("edition", "version", "id"):
        op.drop_column("regions", column)
    op.execute("DELETE FROM proposals WHERE visit_id IS NULL")
    op.alter_column("proposals", "visit_id", nullable=False)
    ops.reword("record_assessment", _SOUGHT, _PARSED)
    op.execute("DROP FUNCTION app.find_people")
    op.execute("DROP FUNCTION app.neighbours_of_many")
    op.drop_index("ix_beneficiaries_birth_date", "beneficiaries")
    op.create_index("ix_beneficiaries_birth_date", "beneficiaries", ["birth_date"])
    _index_assessments("")
    ops.forget_history("import_mappings")
    ops.forget_history("imports")
    ops.unamend("erase_subject", _ERASED)
    op.execute("DROP FUNCTION app.forget_rows_of, app.forget_files, app.kept_imports")
    op.execute("DROP FUNCTION app.same_import")
    op.drop_table("import_uploads")
    op.drop_table("import_mappings")
    op.drop_table("import_rows")
    op.drop_table("imports")


def _let_regions_be_written() -> None:
    """By files between two editions of the packaged list. Whoever did it stands in the history; the list of an edition
    itself is nobody's change."""
    new = sa.text("gen_random_uuid()")
    op.add_column("regions", sa.Column("id", sa.UUID(), server_default=new, nullable=False))
    op.add_column("regions", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("regions", sa.Column("edition", sa.Date()))
    op.create_unique_constraint("uq_regions_id", "regions", ["id"])
    op.execute("UPDATE regions SET edition = valid_from")
    op.execute(
        "CREATE TRIGGER record_change AFTER INSERT OR UPDATE OR DELETE ON regions FOR EACH ROW "
        "WHEN (nullif(current_setting('app.user', true), '') IS NOT NULL) EXECUTE FUNCTION app.record_change()"
    )
    for name, function in (("write_regions", _WRITE_REGIONS), ("remove_regions", _REMOVE_REGIONS)):
        op.execute(sa.text(function.replace(":", r"\:")))
        op.execute(f"REVOKE ALL ON FUNCTION app.{name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{name} TO {ops.APP}")


def _make_room_for_many_people() -> None:
    """What a file says of somebody who is registered waits for an officer as what a visit found does."""
    op.alter_column("proposals", "visit_id", nullable=True)
    ops.reword("record_assessment", _PARSED, _SOUGHT)
    op.drop_index("ix_beneficiaries_birth_date", "beneficiaries")
    op.create_index("ix_beneficiaries_birth_date", "beneficiaries", ["birth_date", sa.text("left(region_code, 5)")])
    op.execute(sa.text(_NEIGHBOURS.replace(":", r"\:")))
    op.execute(_FIND_PEOPLE)
    for function in ("neighbours_of_many", "find_people"):
        op.execute(f"REVOKE ALL ON FUNCTION app.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{function} TO {ops.APP}")
    _index_assessments(" AND {column} IS NOT NULL")


def _index_assessments(only: str) -> None:
    """Without the column in the condition the planner takes the index of families for a person, and walks it whole."""
    for of, column in (("person", "beneficiary_id"), ("family", "family_id")):
        op.drop_index(f"uq_ppks_assessments_{of}", "ppks_assessments")
        op.create_index(
            f"uq_ppks_assessments_{of}",
            "ppks_assessments",
            [column, "category"],
            unique=True,
            postgresql_where=sa.text("status = 'active'" + only.format(column=column)),
        )


def _create_imports() -> None:
    none = sa.text("'{}'::jsonb")
    op.create_table(
        "imports",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("atomic", sa.Text(), nullable=False),
        sa.Column("on_match", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("object_name", sa.Text(), nullable=False),
        sa.Column("key_cipher", sa.LargeBinary()),
        sa.Column("same_as", sa.UUID()),
        sa.Column("options", postgresql.JSONB(), server_default=none, nullable=False),
        sa.Column("mapping", postgresql.JSONB()),
        sa.Column("head", postgresql.JSONB()),
        sa.Column("reading", sa.Text()),
        sa.Column("rows", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("place", postgresql.JSONB(), server_default=none, nullable=False),
        sa.Column("is_written", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reached", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("undone", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("kept", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("error_facts", postgresql.JSONB(), server_default=none, nullable=False),
        sa.Column("job_id", sa.UUID()),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True)),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("purged_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "(counts->>'created')::int + (counts->>'updated')::int + (counts->>'unchanged')::int "
            "+ (counts->>'parked')::int + (counts->>'rejected')::int + (counts->>'not_reached')::int = rows",
            name=op.f("ck_imports_counts"),
        ),
        sa.CheckConstraint(
            "least((counts->>'created')::int, (counts->>'updated')::int, (counts->>'unchanged')::int, "
            "(counts->>'parked')::int, (counts->>'rejected')::int, (counts->>'not_reached')::int) >= 0",
            name=op.f("ck_imports_counts_positive"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_index("ix_imports_created_by", "imports", ["created_by", "created_at", "id"])
    op.create_index("ix_imports_file_sha256", "imports", ["file_sha256"])
    op.create_index(
        "ix_imports_kept",
        "imports",
        ["finished_at"],
        postgresql_where=sa.text("purged_at IS NULL AND finished_at IS NOT NULL"),
    )
    ops.enable_region_scope("imports")
    ops.replace_policy("imports", _OWNED)
    ops.grant("imports", "SELECT", "INSERT", "UPDATE")


def _create_rows() -> None:
    empty = sa.text("'[]'::jsonb")
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("record_id", sa.UUID()),
        sa.Column("version", sa.Integer()),
        sa.Column("faults", postgresql.JSONB(), server_default=empty, nullable=False),
        sa.Column("notes", postgresql.JSONB(), server_default=empty, nullable=False),
        sa.Column("key", sa.LargeBinary()),
        sa.Column("together", sa.LargeBinary()),
        sa.Column("before_cipher", sa.LargeBinary()),
        sa.Column("obstacle", postgresql.JSONB()),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name="fk_import_rows_import_id"),
        sa.PrimaryKeyConstraint("import_id", "row_no", name="pk_import_rows"),
    )
    op.create_index(
        "ix_import_rows_key", "import_rows", ["import_id", "key"], postgresql_where=sa.text("key IS NOT NULL")
    )
    op.create_index(
        "ix_import_rows_together",
        "import_rows",
        ["import_id", "together"],
        postgresql_where=sa.text("together IS NOT NULL"),
    )
    op.create_index(
        "ix_import_rows_record_id", "import_rows", ["record_id"], postgresql_where=sa.text("record_id IS NOT NULL")
    )
    op.create_index(
        "ix_import_rows_failed",
        "import_rows",
        ["import_id", "row_no"],
        postgresql_where=sa.text("fate IN ('rejected', 'parked') OR obstacle IS NOT NULL"),
    )
    ops.force_policy("import_rows", _WITH_ITS_IMPORT, writable=f"{ops.ROLE} = 'system'")
    ops.grant("import_rows", "SELECT", "INSERT", "UPDATE", "DELETE")


def _create_mappings() -> None:
    none = sa.text("'{}'::jsonb")
    op.create_table(
        "import_mappings",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(), server_default=none, nullable=False),
        sa.Column("options", postgresql.JSONB(), server_default=none, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_import_mappings"),
    )
    op.create_index("uq_import_mappings_name", "import_mappings", ["region_code", "name"], unique=True)
    ops.enable_region_scope("import_mappings")
    ops.replace_policy("import_mappings", _BY_THE_OFFICE)
    ops.audit("import_mappings")
    ops.grant("import_mappings", "SELECT", "INSERT", "UPDATE", "DELETE")


def _create_uploads() -> None:
    op.create_table(
        "import_uploads",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("parts", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("object_name", sa.Text(), nullable=False),
        sa.Column("key_cipher", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_import_uploads"),
    )
    ops.enable_region_scope("import_uploads")
    ops.replace_policy("import_uploads", _OWNED)
    ops.grant("import_uploads", "SELECT", "INSERT", "UPDATE", "DELETE")
