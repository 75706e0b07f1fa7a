"""What letters say per purpose, logos, and pages in English."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # By the digest of its bytes and never changed: a letter names the one it bears, and is printed again with it.
    op.create_table(
        "sktm_logos",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("image", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_sktm_logos"),
    )
    ops.grant("sktm_logos", "SELECT", "INSERT")
    op.add_column("sktm_policies", sa.Column("wording", postgresql.JSONB()))
    op.add_column("sktm_policies", sa.Column("english_page", sa.Boolean()))
    op.add_column("sktm_policies", sa.Column("logo", sa.Text()))
    op.create_foreign_key("fk_sktm_policies_logo", "sktm_policies", "sktm_logos", ["logo"], ["sha256"])
    op.add_column("sktm_applications", sa.Column("english", sa.Boolean()))


def downgrade() -> None:
    op.drop_column("sktm_applications", "english")
    for column in ("logo", "english_page", "wording"):
        op.drop_column("sktm_policies", column)
    op.drop_table("sktm_logos")
