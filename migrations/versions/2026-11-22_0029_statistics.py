"""Figures kept as work is done: what each transaction changes in them, and their sums by place and month."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_COUNTS = "x.deleted_at IS NULL AND x.superseded_by IS NULL AND x.status IN ('submitted', 'accepted')"
_DRAFTED_ON = "coalesce(app.local_day(x.region_code, x.created_at), (x.created_at AT TIME ZONE 'Asia/Jakarta')::date)"
# Subject -> its table, what counts of it, on which day, by which keys, and what an update must touch to matter.
_SUBJECTS = {
    "activities": (
        "activities",
        _COUNTS,
        "x.occurred_on",
        ("x.pillar", "x.function", "x.kind"),
        "region_code, occurred_on, pillar, function, kind, status, deleted_at, superseded_by",
    ),
    "sktm": ("sktm_applications", "true", _DRAFTED_ON, ("x.purpose", "x.status"), "region_code, purpose, status"),
    "referrals": ("referrals", "true", _DRAFTED_ON, ("x.program", "x.status"), "region_code, program, status"),
    "ppks": (
        "ppks_assessments",
        "true",
        "x.assessed_on",
        ("x.category", "coalesce(p.sex, 'none')", "app.age_band(p.birth_date, x.assessed_on)", "x.status"),
        "region_code, assessed_on, category, beneficiary_id, status",
    ),
    "visits": (
        "visits",
        "true",
        "x.visited_on",
        ("x.status", "coalesce(x.outcome, 'none')"),
        "region_code, visited_on, status, outcome",
    ),
}
_MONTH = "date_trunc('month', {day}::timestamp)::date"  # of a date that has no zone: half the time of one that has
_PERSON = " LEFT JOIN public.beneficiaries p ON p.id = x.beneficiary_id"

_LOCAL_DAY = """
CREATE FUNCTION app.local_day(p_region text, p_at timestamptz) RETURNS date LANGUAGE sql STABLE AS $$
-- The day at a place at a moment, as app.local_today; not STRICT, so that the planner sees through it.
    SELECT (p_at AT TIME ZONE r.timezone)::date FROM public.regions r WHERE r.code = pg_catalog.left(p_region, 2)
$$
"""

_AGE_BAND = """
CREATE FUNCTION app.age_band(p_born date, p_on date) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
-- By age on the day: small children, children (UU 35/2014: under 18), adults, the elderly (UU 13/1998: 60 and older).
    SELECT CASE WHEN p_born IS NULL THEN 'none'
                WHEN p_born + interval '5 years' > p_on THEN '0-4'
                WHEN p_born + interval '18 years' > p_on THEN '5-17'
                WHEN p_born + interval '60 years' > p_on THEN '18-59'
                ELSE '60+' END
$$
"""

# Sums: of a subject by the first of its keys, so many. A question is answered by the smallest that has its keys, for
# it pays for every sum it reads: by pillar there are 4 of a region and month, by kind a hundred.
_CUBES = {
    "activities_by_pillar": ("activities", 1),
    "activities_by_function": ("activities", 2),
    "activities_by_kind": ("activities", 3),
    "sktm": ("sktm", 2),
    "referrals": ("referrals", 2),
    "ppks_by_category": ("ppks", 1),
    "ppks": ("ppks", 4),
    "visits": ("visits", 2),
}
_CUBES_OF_SUBJECTS = f"(VALUES {', '.join(map(str, ((cube, *of) for cube, of in _CUBES.items())))})"

_LEVELS = """(VALUES ('', 'ID'), ('ID', {province}), ({province}, {regency})) AS l (parent_code, region_code)"""
_OF_CHANGES = f"""CROSS JOIN LATERAL
               {_LEVELS.format(province="left(t.region_code, 2)", regency="left(t.region_code, 5)")}
               JOIN {_CUBES_OF_SUBJECTS} AS k (cube, subject, length) USING (subject)
         WHERE l.region_code IS NOT NULL"""

_FOLD = f"""
CREATE FUNCTION app.fold_figures(p_most integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
-- Adds what transactions changed to the sums, and takes it off the list, in one statement: whoever reads both sees each
-- change once, and one that commits late is folded later. One server at a time; NULL: another one is at it.
DECLARE
    folded integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('figures')) THEN
        RETURN NULL;
    END IF;
    WITH taken AS (
        DELETE FROM public.figure_changes f
         WHERE f.ctid = ANY (ARRAY(SELECT g.ctid FROM public.figure_changes g LIMIT p_most)) RETURNING f.*
    ), folding AS (
        INSERT INTO public.figures AS f (cube, parent_code, region_code, month, keys, sensitive, count)
        SELECT k.cube, l.parent_code, l.region_code, t.month, t.keys[1:k.length], t.sensitive, sum(t.change)
          FROM taken t
               {_OF_CHANGES}
         GROUP BY 1, 2, 3, 4, 5, 6
        HAVING sum(t.change) <> 0
         ORDER BY 1, 2, 3, 4, 5
            ON CONFLICT (cube, parent_code, region_code, month, keys) DO UPDATE SET count = f.count + excluded.count
    )
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END $$
"""

# The sums of a subject are named here, not joined by its name: the planner would take them for a few and sort millions.
_BY_REGENCY = f"""SELECT k.cube, c.province_code, c.regency_code, c.month, c.keys[1:k.length] AS keys, c.sensitive,
               c.count
          FROM (SELECT province_code, regency_code, {_MONTH.format(day="day")} AS month, keys, sensitive,
                       count(*) AS count
                  FROM app.counted_{{subject}} GROUP BY 1, 2, 3, 4, 5) c
               CROSS JOIN (VALUES {{cubes}}) AS k (cube, length)"""
_COUNTED = " UNION ALL ".join(
    _BY_REGENCY.format(
        subject=subject,
        cubes=", ".join(f"('{cube}', {length})" for cube, (of, length) in _CUBES.items() if of == subject),
    )
    for subject in _SUBJECTS
)
_RECOUNT = f"""
CREATE VIEW app.recounted AS
SELECT c.cube, l.parent_code, l.region_code, c.month, c.keys, c.sensitive, sum(c.count)::bigint AS count
  FROM ({_COUNTED}) c
       CROSS JOIN LATERAL {_LEVELS.format(province="c.province_code", regency="c.regency_code")}
 WHERE l.region_code IS NOT NULL
 GROUP BY 1, 2, 3, 4, 5, 6
"""

# Of one call by an operator: a million sums are counted in memory, not sorted on disk.
_ROOM = "SET work_mem = '128MB'"
_REBUILD = f"""
CREATE FUNCTION app.rebuild_figures() RETURNS bigint LANGUAGE plpgsql {_ROOM} AS $$
-- The sums anew, from the rows. In a transaction of REPEATABLE READ nobody has to wait for it: a row and what it
-- changes commit together, so whatever this snapshot does not see is still on the list afterwards.
DECLARE
    written bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('figures'));
    DELETE FROM public.figure_changes;
    DELETE FROM public.figures;
    INSERT INTO public.figures (cube, parent_code, region_code, month, keys, sensitive, count)
    SELECT cube, parent_code, region_code, month, keys, sensitive, count FROM app.recounted
     ORDER BY 1, 2, 3, 4, 5;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$
"""

_DIFFERENCES = f"""
CREATE FUNCTION app.figure_differences(p_region text)
RETURNS TABLE (cube text, region_code text, month date, keys text[], kept bigint, counted bigint)
LANGUAGE sql STABLE {_ROOM} AS $$
-- Where the figures, folded or not, are not what the rows say; of one region and those inside it, or of all (NULL).
    WITH kept AS (
        SELECT s.cube, s.region_code, s.month, s.keys, sum(s.count)::bigint AS count
          FROM (SELECT f.cube, f.region_code, f.month, f.keys, f.count FROM public.figures f
                 UNION ALL
                SELECT k.cube, l.region_code, t.month, t.keys[1:k.length], t.change
                  FROM public.figure_changes t
               {_OF_CHANGES}) s
         GROUP BY 1, 2, 3, 4)
    SELECT cube, region_code, month, keys, coalesce(k.count, 0), coalesce(r.count, 0)
      FROM kept k FULL JOIN app.recounted r USING (cube, region_code, month, keys)
     WHERE coalesce(k.count, 0) <> coalesce(r.count, 0)
       AND (p_region IS NULL OR region_code = p_region OR starts_with(region_code, p_region || '.'))
     ORDER BY cube, region_code, month, keys
$$
"""

_COUNT_PERSON = f"""
CREATE FUNCTION app.count_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- A person's sex or birth date was corrected: their assessments change place.
BEGIN
    INSERT INTO public.figure_changes (subject, region_code, month, keys, sensitive, change)
    SELECT 'ppks', x.region_code, {_MONTH.format(day="x.assessed_on")}, ARRAY[{", ".join(_SUBJECTS["ppks"][3])}],
           x.sensitive, p.change
      FROM public.ppks_assessments x
           CROSS JOIN (VALUES (OLD.sex, OLD.birth_date, -1),
                              (NEW.sex, NEW.birth_date, 1)) AS p (sex, birth_date, change)
     WHERE x.beneficiary_id = NEW.id;
    RETURN NULL;
END $$
"""

_COUNT = """
CREATE FUNCTION app.{name}(p_subject text, p_area text, p_below boolean, p_first date, p_last date,
                           p_keys integer[], p_months boolean)
RETURNS TABLE (region_code text, month date, keys text[], count bigint) LANGUAGE plpgsql STABLE {security} AS $$
-- How many in an area from one day to another: by the regions just below it if p_below, by month if p_months, and by
-- those of the subject's keys whose numbers are in p_keys. {meaning}
-- Whole months of a nation, a province or (not p_below) a regency come from the sums, all else from the rows.
DECLARE
    whole boolean := extract(day FROM p_first) = 1 AND extract(day FROM p_last + 1) = 1;
    chosen text := 's.keys';
    listed text := 's.key_' || nullif(array_to_string(p_keys, ', s.key_'), '');
    place text := CASE length(p_area) WHEN 5 THEN 'regency_code' WHEN 8 THEN 'district_code' ELSE 'region_code' END;
    child text := CASE length(p_area) WHEN 5 THEN 'district_code' ELSE 'region_code' END;
    sums text;
    known integer;
BEGIN
    IF p_area = 'ID' OR length(p_area) = 2 OR length(p_area) = 5 AND whole AND NOT p_below THEN
        ASSERT whole;
        SELECT c.cube, c.length INTO sums, known FROM {cubes} AS c (cube, subject, length)
         WHERE c.subject = p_subject AND c.length >= ALL (p_keys) ORDER BY c.length LIMIT 1;
        IF p_keys <> (ARRAY[1, 2, 3, 4])[1:known] THEN
            chosen := format('ARRAY[%s]::text[]',
                             's.keys[' || nullif(array_to_string(p_keys, '], s.keys['), '') || ']');
        END IF;
        RETURN QUERY EXECUTE format(
            'SELECT s.region_code, %s, %s, sum(s.count)
               FROM (SELECT f.region_code, f.month, f.keys, f.sensitive, f.count FROM public.figures f
                      WHERE f.cube = $1 AND f.parent_code = $2 AND ($3 IS NULL OR f.region_code = $3)
                        AND f.month BETWEEN $4 AND $5
                      UNION ALL
                     SELECT CASE WHEN $6 = 0 THEN ''ID'' ELSE left(t.region_code, $6) END, t.month, t.keys[1:$9],
                            t.sensitive, t.change
                       FROM public.figure_changes t
                      WHERE t.subject = $7 AND t.month BETWEEN $4 AND $5
                        AND ($8 = ''ID'' OR starts_with(t.region_code, $8))) s
              WHERE {only}
              GROUP BY 1, 2, 3 HAVING sum(s.count) <> 0',
            CASE WHEN p_months THEN 's.month' ELSE 'NULL::date' END, chosen)
        USING sums,
              CASE WHEN p_below THEN p_area WHEN p_area = 'ID' THEN '' WHEN length(p_area) = 2 THEN 'ID'
                   ELSE left(p_area, 2) END,
              CASE WHEN NOT p_below THEN p_area END,
              p_first, p_last,
              CASE WHEN p_below THEN CASE WHEN p_area = 'ID' THEN 2 ELSE 5 END
                   WHEN p_area = 'ID' THEN 0 ELSE length(p_area) END,
              p_subject, p_area, known;
    ELSE
        -- An array of keys is made for each count, not for each row.
        RETURN QUERY EXECUTE format(
            'SELECT s.%1$s, %2$s, ARRAY[%3$s]::text[], count(*) FROM app.%4$I s
              WHERE s.%5$s = $1 %6$s AND s.day BETWEEN $2 AND $3 AND {only}
              GROUP BY %7$s',
            CASE WHEN p_below THEN child ELSE place END,
            CASE WHEN p_months THEN '{month}' ELSE 'NULL::date' END,
            listed, 'counted_' || p_subject, place,
            CASE WHEN length(p_area) = 13 THEN 'AND s.district_code = left($1, 8)' ELSE '' END,
            concat_ws(', ', '1, 2', listed))
        USING p_area, p_first, p_last;
    END IF;
END $$
"""
_COUNTERS = (
    _COUNT.format(
        name="count_figures",
        cubes=_CUBES_OF_SUBJECTS,
        month=_MONTH.format(day="s.day").replace("'", "''"),
        security="",
        meaning="What the caller may see: the row policies hold here too.",
        only="true",
    ),
    _COUNT.format(
        name="count_anywhere",
        cubes=_CUBES_OF_SUBJECTS,
        month=_MONTH.format(day="s.day").replace("'", "''"),
        security="SECURITY DEFINER",
        meaning="Of the whole nation, sensitive categories\n-- left out, to find out which counts are too small to be "
        "told: it takes the neighbours' to know.",
        only="NOT s.sensitive",
    ),
)

# Counts of the nation and of what is above the caller are not the caller's; sensitive categories are for few.
_VISIBLE = f"""((SELECT ARRAY['ID'] && {ops._REGIONS}) OR coalesce(
    ARRAY[left(region_code, 2), left(region_code, 5), left(region_code, 8), region_code] && {ops._REGIONS}, false))
    AND (NOT sensitive OR app.sees_sensitive())"""
_FUNCTIONS = (
    "local_day(text, timestamptz)",
    "age_band(date, date)",
    "fold_figures(integer)",
    *(f"{name}(text, text, boolean, date, date, integer[], boolean)" for name in ("count_figures", "count_anywhere")),
)


def upgrade() -> None:
    op.execute(_LOCAL_DAY)
    op.execute(_AGE_BAND)
    _create_tables()
    _create_counted()
    for function in (_FOLD, _RECOUNT, _REBUILD, _DIFFERENCES, *_COUNTERS):
        op.execute(sa.text(function.replace(":", r"\:")))
    _create_triggers()
    owned = (*_FUNCTIONS, "rebuild_figures()", "figure_differences(text)", "count_person()")
    for signature in (*owned, *(f"count_{subject}()" for subject in _SUBJECTS)):
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
    for signature in _FUNCTIONS:
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    op.execute("SELECT app.rebuild_figures()")


def downgrade() -> None:
    op.execute("DROP TRIGGER count_person ON beneficiaries")
    for subject, (table, *_) in _SUBJECTS.items():
        for trigger in ("count_new", "count_change", "count_gone"):
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute(f"DROP FUNCTION app.count_{subject}")
    op.execute("DROP FUNCTION app.count_person")
    for function in ("count_anywhere", "count_figures", "figure_differences", "rebuild_figures"):
        op.execute(f"DROP FUNCTION app.{function}")
    op.execute("DROP VIEW app.recounted")
    for subject in _SUBJECTS:
        op.execute(f"DROP VIEW app.counted_{subject}")
    op.execute("DROP FUNCTION app.fold_figures")
    op.drop_table("figure_changes")
    op.drop_table("figures")
    op.drop_index("ix_activities_counted", "activities")
    op.drop_index("ix_visits_visited", "visits")
    op.execute("DROP FUNCTION app.age_band, app.local_day")


def _create_tables() -> None:
    op.create_table(
        "figures",
        sa.Column("cube", sa.Text(), nullable=False),
        sa.Column("parent_code", sa.Text(collation="C"), nullable=False),
        sa.Column("region_code", sa.Text(collation="C"), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("keys", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cube", "parent_code", "region_code", "month", "keys", name="pk_figures"),
        postgresql_with={"fillfactor": 80},  # a sum is written again and again: room to do so beside itself
    )
    # No key and no index: it is added to by everybody, and short.
    op.create_table(
        "figure_changes",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(collation="C")),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("keys", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("change", sa.SmallInteger(), nullable=False),
    )
    for table in ("figures", "figure_changes"):
        ops.force_policy(table, _VISIBLE)
        ops.grant(table, "SELECT")
    # All that counting and the row policy look at: a question about one regency reads nothing else.
    op.create_index(
        "ix_activities_counted",
        "activities",
        ["regency_code", "occurred_on"],
        postgresql_where=sa.text(_COUNTS.replace("x.", "")),
        postgresql_include=["province_code", "district_code", "region_code", "pillar", "function", "kind"],
    )
    op.create_index("ix_visits_visited", "visits", ["region_code", "visited_on"])


def _create_counted() -> None:
    # With the rights, and behind the row policies, of whoever asks.
    for subject, (table, counts, day, keys, _) in _SUBJECTS.items():
        sensitive, person = ("x.sensitive", _PERSON) if subject == "ppks" else ("false", "")
        alone = ", ".join(f"{key} AS key_{number}" for number, key in enumerate(keys, start=1))
        op.execute(
            f"CREATE VIEW app.counted_{subject} WITH (security_invoker = true) AS "
            f"SELECT x.region_code, x.province_code, x.regency_code, x.district_code, {day} AS day, "
            f"ARRAY[{', '.join(keys)}] AS keys, {alone}, {sensitive} AS sensitive "
            f"FROM public.{table} x{person} WHERE {counts}"
        )
        op.execute(f"GRANT SELECT ON app.counted_{subject} TO {ops.APP}")


def _create_triggers() -> None:
    for subject, (table, counts, day, keys, watched) in _SUBJECTS.items():
        op.execute(_counter(subject, counts, day, ", ".join(keys)))
        both = [f"({', '.join(f'{row}.{column}' for column in watched.split(', '))})" for row in ("OLD", "NEW")]
        execute = f"EXECUTE FUNCTION app.count_{subject}()"
        when = f"WHEN ({counts.replace('x.', 'NEW.')})"
        op.execute(f"CREATE TRIGGER count_new AFTER INSERT ON {table} FOR EACH ROW {when} {execute}")
        op.execute(f"CREATE TRIGGER count_gone AFTER DELETE ON {table} FOR EACH ROW {execute}")
        op.execute(
            f"CREATE TRIGGER count_change AFTER UPDATE ON {table} FOR EACH ROW "
            f"WHEN ({both[0]} IS DISTINCT FROM {both[1]}) {execute}"
        )
    op.execute(_COUNT_PERSON)
    op.execute(
        "CREATE TRIGGER count_person AFTER UPDATE OF sex, birth_date ON beneficiaries FOR EACH ROW "
        "WHEN ((OLD.sex, OLD.birth_date) IS DISTINCT FROM (NEW.sex, NEW.birth_date)) "
        "EXECUTE FUNCTION app.count_person()"
    )


def _counter(subject: str, counts: str, day: str, keys: str) -> str:
    """The trigger function: what the row counted for is taken off, and what it counts for now added."""
    sensitive, source, lock = "false", "", ""
    if subject == "ppks":
        sensitive, source = (
            "x.sensitive",
            "public.beneficiaries p RIGHT JOIN (SELECT {row}.*) x ON p.id = x.beneficiary_id",
        )
        lock = """
    -- A correction of the person waits for this one, or this one for it; otherwise each would count by what it knows.
    PERFORM 1 FROM public.beneficiaries b
      WHERE b.id IN (OLD.beneficiary_id, NEW.beneficiary_id) ORDER BY b.id FOR NO KEY UPDATE;"""
    steps = ""
    for row, never, change in (("OLD", "INSERT", -1), ("NEW", "DELETE", 1)):
        values = f"'{subject}', x.region_code, {_MONTH.format(day=f'({day})')}, ARRAY[{keys}], {sensitive}, {change}"
        # The row's own fields, where nothing is joined to it: half the time of a query over it.
        chosen = (
            f"SELECT {values} FROM {source.format(row=row)}" if source else f"SELECT {values}".replace("x.", f"{row}.")
        )
        steps += f"""
    IF TG_OP <> '{never}' AND ({counts.replace("x.", f"{row}.")}) THEN
        INSERT INTO public.figure_changes (subject, region_code, month, keys, sensitive, change)
        {chosen};
    END IF;"""
    return f"""
CREATE FUNCTION app.count_{subject}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
-- What the row counted for is taken off, and what it counts for now is added: rows of their own, so that nobody waits
-- for anybody to write the same sum (docs/decisions/0021).
BEGIN{lock}{steps}
    RETURN NULL;
END $$
"""
