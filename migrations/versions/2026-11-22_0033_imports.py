"""Tables read from files: the file, the fate of each of its rows, and mappings that an office keeps."""

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
    "    -- What an import replaced of this person, and that it was they whom a row brought.\n"
    "    UPDATE public.import_rows r SET before_cipher = NULL, record_id = NULL, key = NULL\n"
    "     WHERE r.record_id = p_subject;\n\n",
    "    -- What is also about others keeps its words, without this person's.\n",
)


_BORN_ALIKE = """
CREATE FUNCTION app.born_alike(p_people uuid[], p_dates text[])
RETURNS TABLE (person uuid, id uuid, full_name text, birth_date date, sex text, region_code text,
               family_card_index bytea, nik_index bytea)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Of many people of the caller's area at once: who of their regency, or of their family card, was born on one of these
-- days. To be compared and not to be shown, as app.neighbours_of, which is asked for the few who resemble somebody.
-- Texts become dates once for a person, and dates are joined one by one: beside a few thousand people the planner walks
-- the whole table, and would otherwise read the text of an array again for each pair of people.
-- OFFSET keeps the condition on deleted rows out of the branches: on a young table the planner would otherwise walk the
-- whole of a partial index for each person, with all that dry runs left in it.
    WITH asked AS MATERIALIZED (
         SELECT s.id, s.regency_code, s.family_card_index, a.dates::date[] AS dates
           FROM unnest(p_people, p_dates) AS a (id, dates)
           JOIN public.beneficiaries s
             ON s.id = a.id
            AND ARRAY['ID', s.province_code, s.regency_code, s.district_code, s.region_code]
                && coalesce(string_to_array(nullif(current_setting('app.regions', true), ''), ','), '{}')),
    days AS MATERIALIZED (SELECT q.id, q.regency_code, day FROM asked q CROSS JOIN LATERAL unnest(q.dates) AS day)
    SELECT b.person, b.id, b.full_name, b.birth_date, b.sex, b.region_code, b.family_card_index, b.nik_index
      FROM (SELECT d.id AS person, r.* FROM days d
              JOIN public.beneficiaries r ON r.birth_date = d.day AND r.regency_code = d.regency_code
            UNION ALL
            SELECT q.id, f.* FROM asked q JOIN public.beneficiaries f ON f.family_card_index = q.family_card_index
             WHERE f.birth_date = ANY (q.dates) AND f.regency_code IS DISTINCT FROM q.regency_code
            OFFSET 0) AS b
     WHERE b.id <> b.person AND b.deleted_at IS NULL AND b.restricted_at IS NULL
$$
"""

# Whether the transaction has recorded the person already: their id is looked for in the text, which a page of a file
# makes long, instead of making an array of it for each row.
_PARSED = "NEW.beneficiary_id = ANY (app.recorded_people())"
_SOUGHT = "strpos(current_setting('app.people', true), NEW.beneficiary_id::text) > 0"


def upgrade() -> None:
    _create_imports()
    _create_rows()
    _create_mappings()
    op.execute(_SAME)
    op.execute("REVOKE ALL ON FUNCTION app.same_import FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.same_import TO {ops.APP}")
    ops.amend("erase_subject", _ERASED)
    ops.remember_history("imports")
    ops.remember_history("import_mappings")
    _make_room_for_many_people()


def downgrade() -> None:
    op.execute("DELETE FROM proposals WHERE visit_id IS NULL")
    op.alter_column("proposals", "visit_id", nullable=False)
    ops.reword("record_assessment", _SOUGHT, _PARSED)
    op.execute("DROP FUNCTION app.born_alike")
    op.drop_index("ix_beneficiaries_birth_date", "beneficiaries")
    op.create_index("ix_beneficiaries_birth_date", "beneficiaries", ["birth_date"])
    _index_assessments("")
    ops.forget_history("import_mappings")
    ops.forget_history("imports")
    ops.unamend("erase_subject", _ERASED)
    op.execute("DROP FUNCTION app.same_import")
    op.drop_table("import_mappings")
    op.drop_table("import_rows")
    op.drop_table("imports")


def _make_room_for_many_people() -> None:
    """What a file says of somebody who is registered waits for an officer as what a visit found does."""
    op.alter_column("proposals", "visit_id", nullable=True)
    ops.reword("record_assessment", _PARSED, _SOUGHT)
    op.drop_index("ix_beneficiaries_birth_date", "beneficiaries")
    op.create_index("ix_beneficiaries_birth_date", "beneficiaries", ["birth_date", "regency_code"])
    op.execute(sa.text(_BORN_ALIKE.replace(":", r"\:")))
    op.execute("REVOKE ALL ON FUNCTION app.born_alike FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.born_alike TO {ops.APP}")
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
