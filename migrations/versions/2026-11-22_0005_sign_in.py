"""One-time codes, kinds of sessions, and the memory of failed sign-ins."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("otp_cipher", sa.LargeBinary()))
    op.add_column("users", sa.Column("otp_confirmed_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("otp_last_step", sa.BigInteger()))
    op.add_column("user_sessions", sa.Column("device_id", sa.UUID()))
    op.add_column("user_sessions", sa.Column("kind", sa.Text(), nullable=False, server_default="field"))
    op.add_column("user_sessions", sa.Column("idle_seconds", sa.Integer(), nullable=False, server_default="1209600"))
    op.add_column("user_sessions", sa.Column("strong_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE user_sessions SET device_name = '-' WHERE device_name IS NULL")
    op.alter_column("user_sessions", "device_name", nullable=False, server_default="-")
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_recovery_codes_user_id"),
        sa.PrimaryKeyConstraint("user_id", "digest", name="pk_recovery_codes"),
    )
    op.create_table(
        "sign_in_throttles",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sign_in_throttles"),
    )
    for table in ("recovery_codes", "sign_in_throttles"):
        ops.grant(table, "SELECT", "INSERT", "UPDATE", "DELETE")
    # One's own sessions, those of users one sees, and all for the system itself (signing in).
    ops.force_policy(
        "user_sessions",
        f"user_id = {ops.USER} OR {ops.ROLE} = 'system' OR EXISTS (SELECT 1 FROM users u WHERE u.id = user_id)",
    )


def downgrade() -> None:
    ops.drop_policy("user_sessions")
    op.drop_table("sign_in_throttles")
    op.drop_table("recovery_codes")
    op.alter_column("user_sessions", "device_name", nullable=True, server_default=None)
    for column in ("strong_at", "idle_seconds", "kind", "device_id"):
        op.drop_column("user_sessions", column)
    for column in ("otp_last_step", "otp_confirmed_at", "otp_cipher"):
        op.drop_column("users", column)
