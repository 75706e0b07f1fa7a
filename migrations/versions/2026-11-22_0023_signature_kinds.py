"""Kinds of signature: certificates of offices, and scans of letters signed by hand."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import ops

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_STATUS = """
CREATE FUNCTION app.letter_status(p_revoked timestamptz, p_superseded timestamptz, p_from date, p_until date,
                                  p_timezone text, p_awaits_scan boolean)
RETURNS text LANGUAGE sql STABLE AS $$
-- What a letter is worth today, by the issuer's own calendar. What was withdrawn stays so after its time, too; one that
-- is signed by hand is worth nothing before the signed paper was seen.
    SELECT CASE WHEN p_revoked IS NOT NULL THEN 'revoked'
                WHEN p_superseded IS NOT NULL THEN 'superseded'
                WHEN (now() AT TIME ZONE p_timezone)::date > p_until THEN 'expired'
                WHEN (now() AT TIME ZONE p_timezone)::date < p_from OR p_awaits_scan THEN 'not_yet_valid'
                ELSE 'valid' END
$$
"""
_STATUS_BEFORE = "app.letter_status(timestamptz, timestamptz, date, date, text)"
_STATUS_NOW = "app.letter_status(timestamptz, timestamptz, date, date, text, boolean)"
_ASKED = "l.valid_until, l.timezone)"
_ASKED_NOW = "l.valid_until, l.timezone,\n               l.signature = 'wet' AND l.scan_received_at IS NULL)"

_NEAREST = """
CREATE FUNCTION app.sealing_certificates(p_region text)
RETURNS TABLE (id uuid, region_code text, certificate bytea, chain bytea[], key_cipher bytea, not_before timestamptz,
               not_after timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- What seals letters of a place in the caller's area: the certificates in use of the nearest office upwards that has
-- any, the one that lasts longest first. The office may lie above the caller's area; the key is ciphertext.
    SELECT c.id, c.region_code, c.certificate, c.chain, c.key_cipher, c.not_before, c.not_after
      FROM public.office_certificates c
     WHERE c.retired_at IS NULL
       AND c.region_code = (SELECT max(n.region_code) FROM public.office_certificates n
                             WHERE n.retired_at IS NULL
                               AND n.region_code IN (left(p_region, 2), left(p_region, 5), left(p_region, 8), p_region))
       AND ARRAY['ID', left(p_region, 2), left(p_region, 5), left(p_region, 8), p_region]
           && string_to_array(nullif(current_setting('app.regions', true), ''), ',')
     ORDER BY c.not_after DESC, c.id
$$
"""

# A scan that was received is evidence, also after a better one took its place.
_SCANNED = (
    """        OR EXISTS (SELECT 1 FROM public.transitions t JOIN public.sktm_applications s ON s.id = t.entity_id
                    WHERE s.beneficiary_id = p_beneficiary AND t.entity = 'sktm_applications'
                      AND t.action = 'signed-scan' AND t.details ->> 'attachment_id' = p_id::text)
""",
    "        OR EXISTS (SELECT 1 FROM public.referrals r\n",
)

# What earlier migrations say in `app.statement`, and what stands before it from now on.
_STATED = ("m.signature, m.scan_received_at,\n                               ", "m.revoked_reason\n")


def upgrade() -> None:
    op.add_column("sktm_policies", sa.Column("signature", sa.Text()))
    op.add_column("sktm_letters", sa.Column("seal", postgresql.JSONB()))
    op.add_column("sktm_letters", sa.Column("scan_attachment_id", sa.UUID()))
    op.add_column("sktm_letters", sa.Column("scan_received_at", sa.DateTime(timezone=True)))
    op.add_column(
        "sktm_letters",
        sa.Column("scan_warnings", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
    )
    op.create_foreign_key(
        "fk_sktm_letters_scan_attachment_id", "sktm_letters", "attachments", ["scan_attachment_id"], ["id"]
    )
    _create_certificates()
    op.execute(_STATUS)
    _ask_for_the_status(_ASKED_NOW)
    op.execute(f"DROP FUNCTION {_STATUS_BEFORE}")
    op.execute(_NEAREST)
    functions = f"{_STATUS_NOW}, app.sealing_certificates(text)"
    op.execute(f"REVOKE ALL ON FUNCTION {functions} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {functions} TO {ops.APP}")
    ops.amend("attachment_in_use", _SCANNED)
    ops.amend("statement", _STATED)


def downgrade() -> None:
    ops.unamend("statement", _STATED)
    ops.unamend("attachment_in_use", _SCANNED)
    op.execute("DROP FUNCTION app.sealing_certificates(text)")
    op.execute(op.get_context().script.get_revision("0020").module._STATUS)
    op.execute(f"REVOKE ALL ON FUNCTION {_STATUS_BEFORE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_STATUS_BEFORE} TO {ops.APP}")
    _ask_for_the_status(_ASKED)
    op.execute(f"DROP FUNCTION {_STATUS_NOW}")
    ops.forget_history("office_certificates")
    op.drop_table("office_certificates")
    for column in ("scan_warnings", "scan_received_at", "scan_attachment_id", "seal"):
        op.drop_column("sktm_letters", column)
    op.drop_column("sktm_policies", "signature")


def _ask_for_the_status(asked: str) -> None:
    """In both functions that tell what a letter is worth; 0020 has their words."""
    earlier = op.get_context().script.get_revision("0020").module
    for function in (earlier._VERIFY, earlier._PRESENT):
        assert function.count(_ASKED) == 1
        op.execute(function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(_ASKED, asked))


def _create_certificates() -> None:
    op.create_table(
        "office_certificates",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("key_type", sa.Text(), nullable=False),
        sa.Column("is_self_signed", sa.Boolean(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("key_cipher", sa.LargeBinary()),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("(key_cipher IS NULL) = (retired_at IS NOT NULL)", name="key"),
        sa.PrimaryKeyConstraint("id", name="pk_office_certificates"),
    )
    op.create_index(
        "uq_office_certificates_region_code",
        "office_certificates",
        ["region_code", "sha256"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )
    ops.enable_region_scope("office_certificates")
    ops.audit("office_certificates", "key_cipher", "certificate", "chain")
    ops.grant("office_certificates", "SELECT", "INSERT", "UPDATE")
    ops.remember_history("office_certificates")
