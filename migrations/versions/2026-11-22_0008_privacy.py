"""Rights of the people in the register (UU 27/2022): keys per person, requests, restriction."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("beneficiaries", sa.Column("restricted_at", sa.DateTime(timezone=True)))
    op.create_table(
        "subject_keys",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name="pk_subject_keys"),
    )
    ops.grant("subject_keys", "SELECT", "INSERT", "UPDATE", "DELETE")


def downgrade() -> None:
    op.drop_table("subject_keys")
    op.drop_column("beneficiaries", "restricted_at")
