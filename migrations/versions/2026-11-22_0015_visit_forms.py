"""Versioned visit forms, photos, and proposals to the register."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
