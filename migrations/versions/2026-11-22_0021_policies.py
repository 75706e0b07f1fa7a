"""Policies as dated values of a region, numbers by type of letter, and the register of numbers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# The row policies of both tables decide: a view is read with the rights of whoever asks.
_NUMBERS = """
CREATE VIEW sktm_numbers WITH (security_invoker = true) AS
SELECT l.id, l.region_code, l.province_code, l.regency_code, l.district_code, l.year, l.series, l.sequence, l.number,
       CASE WHEN l.revoked_at IS NOT NULL THEN 'revoked'
            WHEN l.superseded_at IS NOT NULL THEN 'superseded' ELSE 'issued' END AS status,
       l.revoked_reason AS reason_code, NULL::text AS note, l.issued_on, l.application_id, l.created_at
  FROM sktm_letters l
UNION ALL
SELECT v.id, v.region_code, v.province_code, v.regency_code, v.district_code, v.year, v.series, v.sequence, NULL,
       'void', v.reason_code, v.note, NULL, NULL, v.created_at
  FROM sktm_voided_numbers v
"""


def upgrade() -> None:
    op.add_column("sktm_policies", sa.Column("effective_from", sa.Date()))
    op.execute("UPDATE sktm_policies SET effective_from = (created_at AT TIME ZONE 'Asia/Jakarta')::date")
    op.alter_column("sktm_policies", "effective_from", nullable=False)
    op.add_column("sktm_policies", sa.Column("visit_required_for", postgresql.JSONB()))
    op.add_column("sktm_policies", sa.Column("stamped_statement", sa.Boolean()))
    op.add_column("sktm_policies", sa.Column("letterhead", postgresql.JSONB()))
    op.drop_index("uq_sktm_policies_region_code", "sktm_policies")
    op.create_index("uq_sktm_policies_region_code", "sktm_policies", ["region_code", "effective_from"], unique=True)
    op.add_column(
        "sktm_applications", sa.Column("circumstances", sa.ARRAY(sa.Text()), server_default="{}", nullable=False)
    )
    for table in ("sktm_counters", "sktm_letters"):
        op.add_column(table, sa.Column("series", sa.Text(), server_default="", nullable=False))
    op.drop_constraint("pk_sktm_counters", "sktm_counters")
    op.create_primary_key("pk_sktm_counters", "sktm_counters", ["issuer_code", "year", "series"])
    _number_letters_by("issuer_code", "year", "series", "sequence")
    op.create_table(
        "sktm_voided_numbers",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sktm_voided_numbers"),
    )
    op.create_index(
        "uq_sktm_voided_numbers_sequence",
        "sktm_voided_numbers",
        ["region_code", "year", "series", "sequence"],
        unique=True,
    )
    ops.enable_region_scope("sktm_voided_numbers")
    ops.grant("sktm_voided_numbers", "SELECT", "INSERT")
    op.execute(_NUMBERS)
    ops.grant("sktm_numbers", "SELECT")


def downgrade() -> None:
    op.execute("DROP VIEW sktm_numbers")
    op.drop_table("sktm_voided_numbers")
    _number_letters_by("issuer_code", "year", "sequence")
    op.drop_constraint("pk_sktm_counters", "sktm_counters")
    op.create_primary_key("pk_sktm_counters", "sktm_counters", ["issuer_code", "year"])
    for table in ("sktm_counters", "sktm_letters"):
        op.drop_column(table, "series")
    op.drop_column("sktm_applications", "circumstances")
    op.drop_index("uq_sktm_policies_region_code", "sktm_policies")
    op.create_index("uq_sktm_policies_region_code", "sktm_policies", ["region_code"], unique=True)
    for column in ("letterhead", "stamped_statement", "visit_required_for", "effective_from"):
        op.drop_column("sktm_policies", column)


def _number_letters_by(*columns: str) -> None:
    op.drop_index("uq_sktm_letters_sequence", "sktm_letters")
    op.create_index("uq_sktm_letters_sequence", "sktm_letters", list(columns), unique=True)
