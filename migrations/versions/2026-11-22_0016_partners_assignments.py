"""Social partners, and who holds which district from when to when."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
