"""Candidates for being the same person, and merges that can be undone."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
