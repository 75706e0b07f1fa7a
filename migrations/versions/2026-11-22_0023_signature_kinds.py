"""Kinds of signature: certificates of offices, and scans of letters signed by hand."""

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
