"""Machine clients: their secrets, keys, scopes and regions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("region_codes", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("agency_id", sa.UUID()),
        sa.Column("public_jwk", postgresql.JSONB()),
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("secret_rotated_at", sa.DateTime(timezone=True)),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name="fk_clients_agency_id"),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
    )
    op.create_index("uq_clients_session_id", "clients", ["session_id"], unique=True)
    op.create_table(
        "client_secrets",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name="fk_client_secrets_client_id"),
        sa.PrimaryKeyConstraint("id", name="pk_client_secrets"),
    )
    op.create_index("ix_client_secrets_client_id", "client_secrets", ["client_id"])
    op.create_table(
        "client_assertions",
        sa.Column("client_id", sa.UUID(), nullable=False),
        sa.Column("jti_digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti_digest", name="pk_client_assertions"),
    )
    ops.enable_region_scope("clients")
    ops.audit("clients", "session_id")
    visible = "EXISTS (SELECT 1 FROM clients c WHERE c.id = client_id)"
    ops.force_policy("client_secrets", visible)
    ops.force_policy("client_assertions", visible)
    ops.grant("clients", "SELECT", "INSERT", "UPDATE")
    ops.grant("client_secrets", "SELECT", "INSERT", "UPDATE")
    ops.grant("client_assertions", "SELECT", "INSERT", "DELETE")


def downgrade() -> None:
    op.drop_table("client_assertions")
    op.drop_table("client_secrets")
    op.drop_table("clients")
