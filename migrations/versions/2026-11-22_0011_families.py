"""Families: cards with their history, members, decile snapshots."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
