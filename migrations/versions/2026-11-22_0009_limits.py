"""Counters of requests, shared by all processes."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_limits",
        sa.Column("window_end", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("window_end", "key", name="pk_rate_limits"),
        prefixes=["UNLOGGED"],
    )
    ops.grant("rate_limits", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    op.drop_table("rate_limits")
