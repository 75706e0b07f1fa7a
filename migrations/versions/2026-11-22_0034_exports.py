"""Lists as files: what was asked, and the pages on the way."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_OWNED = f"({ops.INSIDE}) AND (created_by = {ops.USER} OR {ops.ROLE} = 'system')"
# What stands in `app.erase_subject`, and what stands before it from now on.
_ERASED = (
    "    -- Files that were asked for about this person, and those on whose pages they stand: nobody can read one\n"
    "    -- without its key, and whom a filter named is not said any more.\n"
    "    UPDATE public.exports e\n"
    "       SET status = CASE WHEN e.status = 'failed' THEN e.status ELSE 'removed' END, key_cipher = NULL,\n"
    "           reason = NULL, filter = '{}', asked = '{}', place = NULL, version = e.version + 1,\n"
    "           finished_at = coalesce(e.finished_at, p_at)\n"
    "     WHERE EXISTS (SELECT 1 FROM jsonb_each(e.asked) AS f WHERE f.value->>1 = p_subject::text)\n"
    "        OR e.key_cipher IS NOT NULL AND EXISTS (\n"
    "            SELECT 1 FROM public.jobs j\n"
    "              JOIN public.access_log l ON l.request_id = (j.parameters->>'request')::uuid\n"
    "             WHERE j.id = e.job_id AND l.operation = 'export' AND l.subject_ids @> ARRAY[p_subject]);\n\n",
    "    -- What is also about others keeps its words, without this person's.\n",
)


def upgrade() -> None:
    none = sa.text("'{}'::jsonb")
    op.create_table(
        "exports",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), server_default=none, nullable=False),
        sa.Column("asked", postgresql.JSONB(), server_default=none, nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("full_numbers", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("recipient", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("regions", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("rows", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("place", postgresql.JSONB()),
        sa.Column("is_gathered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("object_name", sa.Text(), nullable=False),
        sa.Column("key_cipher", sa.LargeBinary()),
        sa.Column("file_name", sa.Text()),
        sa.Column("file_bytes", sa.BigInteger()),
        sa.Column("file_sha256", sa.LargeBinary()),
        sa.Column("downloads", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("job_id", sa.UUID()),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_exports"),
    )
    op.create_index("ix_exports_created_by", "exports", ["created_by", "created_at", "id"])
    op.create_index("ix_exports_kept", "exports", ["expires_at"], postgresql_where=sa.text("key_cipher IS NOT NULL"))
    ops.enable_region_scope("exports")
    ops.replace_policy("exports", _OWNED)
    ops.grant("exports", "SELECT", "INSERT", "UPDATE")
    op.create_table(
        "export_parts",
        sa.Column("export_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["export_id"], ["exports.id"], name="fk_export_parts_export_id"),
        sa.PrimaryKeyConstraint("export_id", "number", name="pk_export_parts"),
    )
    ops.force_policy("export_parts", f"{ops.ROLE} = 'system'")
    ops.grant("export_parts", "SELECT", "INSERT", "DELETE")
    ops.amend("erase_subject", _ERASED)


def downgrade() -> None:
    ops.unamend("erase_subject", _ERASED)
    op.drop_table("export_parts")
    op.drop_table("exports")
