"""People without a NIK, names as documents write them, categories with their assessment."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
