"""One-time codes, kinds of sessions, and the memory of failed sign-ins."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What makes a new version of a user and a line of their history. Not among them: the step of the last one-time code,
# which moves with every sign-in, and how long grants last, which follows from the grants.
_CONTENT = (
    "username, full_name, role, region_code, agency_id, position_title, employee_number, password_hash, "
    "setup_expires_at, must_change_password, disabled_at, otp_cipher, otp_pending_cipher, otp_confirmed_at, version"
)


def upgrade() -> None:
    op.add_column("users", sa.Column("otp_cipher", sa.LargeBinary()))
    op.add_column("users", sa.Column("otp_pending_cipher", sa.LargeBinary()))
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
        sa.Column("forget_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("key", name="pk_sign_in_throttles"),
    )
    op.create_index("ix_sign_in_throttles_forget_at", "sign_in_throttles", ["forget_at"])
    for table in ("recovery_codes", "sign_in_throttles"):
        ops.grant(table, "SELECT", "INSERT", "UPDATE", "DELETE")
    # One's own sessions, those of users one sees, and all for the system itself (signing in).
    ops.force_policy(
        "user_sessions",
        f"user_id = {ops.USER} OR {ops.ROLE} = 'system' OR EXISTS (SELECT 1 FROM users u WHERE u.id = user_id)",
    )
    _drop_triggers()
    op.execute(
        f"CREATE TRIGGER record_change AFTER INSERT OR UPDATE OF {_CONTENT} OR DELETE ON users FOR EACH ROW "
        "EXECUTE FUNCTION app.record_change('create_digest', 'password_hash', 'otp_cipher', 'otp_pending_cipher')"
    )
    op.execute(f"CREATE TRIGGER touch BEFORE UPDATE OF {_CONTENT} ON users FOR EACH ROW EXECUTE FUNCTION app.touch()")


def _drop_triggers() -> None:
    for trigger in ("record_change", "touch"):
        op.execute(f"DROP TRIGGER {trigger} ON users")


def downgrade() -> None:
    _drop_triggers()
    ops.audit("users", "password_hash")
    ops.drop_policy("user_sessions")
    op.drop_table("sign_in_throttles")
    op.drop_table("recovery_codes")
    op.alter_column("user_sessions", "device_name", nullable=True, server_default=None)
    for column in ("strong_at", "idle_seconds", "kind", "device_id"):
        op.drop_column("user_sessions", column)
    for column in ("otp_last_step", "otp_confirmed_at", "otp_pending_cipher", "otp_cipher"):
        op.drop_column("users", column)
