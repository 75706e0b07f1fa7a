"""Where a letter was shown, how often it was looked up, and which newer letter replaces it."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_STATUS = """
CREATE FUNCTION app.letter_status(p_revoked timestamptz, p_superseded timestamptz, p_from date, p_until date,
                                  p_timezone text)
RETURNS text LANGUAGE sql STABLE AS $$
-- What a letter is worth today, by the issuer's own calendar. What was withdrawn stays so after its time, too.
    SELECT CASE WHEN p_revoked IS NOT NULL THEN 'revoked'
                WHEN p_superseded IS NOT NULL THEN 'superseded'
                WHEN (now() AT TIME ZONE p_timezone)::date > p_until THEN 'expired'
                WHEN (now() AT TIME ZONE p_timezone)::date < p_from THEN 'not_yet_valid'
                ELSE 'valid' END
$$
"""

_VERIFY = """
CREATE FUNCTION app.verify_letter(p_token text)
RETURNS TABLE (letter_id uuid, status text, number text, purpose text, masked_name text, issuer text, issued_on date,
               valid_until date, revoked_on date, superseded_on date, signature text)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- What anybody who holds the token may know of a letter; the id is for counting and goes no further.
    SELECT l.id, app.letter_status(l.revoked_at, l.superseded_at, l.issued_on, l.valid_until, l.timezone),
           l.number, l.purpose, l.masked_name, l.issuer_name, l.issued_on, l.valid_until,
           (l.revoked_at AT TIME ZONE l.timezone)::date, (l.superseded_at AT TIME ZONE l.timezone)::date, l.signature
      FROM public.sktm_letters l WHERE l.token = p_token
$$
"""

_COUNT = """
CREATE FUNCTION app.count_look_ups(p_letters uuid[], p_counts integer[], p_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
-- Adds what a process counted since the last time, to the issuer's own day. Always in the order of the key, so that two
-- processes that add the same letters wait for each other instead of deadlocking.
    INSERT INTO public.letter_look_ups AS k (letter_id, day, count, last_at)
    SELECT l.id, (p_at AT TIME ZONE l.timezone)::date, c.count, p_at
      FROM unnest(p_letters, p_counts) AS c (letter_id, count) JOIN public.sktm_letters l ON l.id = c.letter_id
     ORDER BY 1, 2
    ON CONFLICT (letter_id, day)
    DO UPDATE SET count = k.count + excluded.count, last_at = greatest(k.last_at, excluded.last_at)
$$
"""

_PRESENT = """
CREATE FUNCTION app.letter_to_present(p_token text)
RETURNS TABLE (letter_id uuid, application_id uuid, beneficiary_id uuid, region_code text, number text, status text,
               today date, is_elsewhere boolean)
LANGUAGE plpgsql SECURITY DEFINER AS $$
-- The letter that lies on an agency's desk; nothing for a caller without an agency. Others who present the same letter
-- wait here, so that the second of two agencies always knows of the first.
DECLARE
    mine uuid := nullif(current_setting('app.agency', true), '')::uuid;
BEGIN
    IF mine IS NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('presentation:' || p_token, 0));
    RETURN QUERY
    SELECT l.id, l.application_id, a.beneficiary_id, l.region_code, l.number,
           app.letter_status(l.revoked_at, l.superseded_at, l.issued_on, l.valid_until, l.timezone),
           (now() AT TIME ZONE l.timezone)::date,
           EXISTS (SELECT 1 FROM public.presentations p WHERE p.letter_id = l.id AND p.agency_id <> mine)
      FROM public.sktm_letters l JOIN public.sktm_applications a ON a.id = l.application_id
     WHERE l.token = p_token;
END $$
"""

# What earlier migrations say in `app.statement` and `app.erase_subject`, and what stands before it from now on.
_STATED = (
    """        'presentations', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.presented_at, x.id), '[]') FROM (
            SELECT p.id, p.submitted_at AS presented_at, p.letter_number AS number, g.name AS agency, p.outcome,
                   p.program, p.note, p.letter_status
              FROM public.presentations p JOIN public.agencies g ON g.id = p.agency_id
             WHERE p.beneficiary_id = p_subject) x),
""",
    "        'requests', (",
)
_ERASED = (
    (
        "        UNION ALL SELECT p.id FROM public.presentations p WHERE p.beneficiary_id = p_subject\n",
        "        UNION ALL SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = p_subject);\n",
    ),
    (
        "        UNION SELECT p.id FROM public.presentations p WHERE p.beneficiary_id = ANY (others)\n",
        "        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));\n",
    ),
    (
        "    UPDATE public.presentations p SET note = NULL, create_digest = NULL\n"
        "     WHERE p.beneficiary_id = p_subject;\n\n",
        "    -- What is also about others keeps its words, without this person's.\n",
    ),
    ("        ('presentations', 'note'),\n", "        ('activities', 'follow_up')) AS written"),
)

# What a merge of two records of one person moves (0016).
_MOVED = (
    "        ('presentations', 'beneficiary_id', 'one', NULL),\n",
    "        ('privacy_requests', 'beneficiary_id', 'one', NULL)\n",
)

_FUNCTIONS = "app.letter_status, app.verify_letter, app.count_look_ups, app.letter_to_present"


def upgrade() -> None:
    op.add_column("sktm_applications", sa.Column("replaces_id", sa.UUID()))
    op.create_foreign_key(
        "fk_sktm_applications_replaces_id", "sktm_applications", "sktm_applications", ["replaces_id"], ["id"]
    )
    op.add_column("sktm_letters", sa.Column("superseded_at", sa.DateTime(timezone=True)))
    op.add_column(
        "sktm_letters", sa.Column("signature", sa.Text(), nullable=False, server_default=sa.text("'recorded'"))
    )
    op.create_table(
        "letter_look_ups",
        sa.Column("letter_id", sa.UUID(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["sktm_letters.id"], name="fk_letter_look_ups_letter_id"),
        sa.PrimaryKeyConstraint("letter_id", "day", name="pk_letter_look_ups"),
    )
    ops.force_policy("letter_look_ups", "EXISTS (SELECT 1 FROM sktm_letters l WHERE l.id = letter_id)")
    ops.grant("letter_look_ups", "SELECT")
    _create_presentations()
    op.execute("DROP FUNCTION app.verify_letter")
    for function in (_STATUS, _VERIFY, _COUNT, _PRESENT):
        op.execute(function)
    op.execute(f"REVOKE ALL ON FUNCTION {_FUNCTIONS} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_FUNCTIONS} TO {ops.APP}")
    ops.amend("statement", _STATED)
    ops.amend("erase_subject", *_ERASED)
    ops.amend("person_columns", _MOVED)
    ops.remember_history("presentations")


def downgrade() -> None:
    ops.forget_history("presentations")
    ops.unamend("person_columns", _MOVED)
    ops.unamend("erase_subject", *_ERASED)
    ops.unamend("statement", _STATED)
    op.execute(f"DROP FUNCTION {_FUNCTIONS}")
    op.execute(op.get_context().script.get_revision("0003").module._VERIFY)
    op.execute("REVOKE ALL ON FUNCTION app.verify_letter FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.verify_letter TO {ops.APP}")
    op.drop_table("presentations")
    op.drop_table("letter_look_ups")
    op.drop_column("sktm_letters", "signature")
    op.drop_column("sktm_letters", "superseded_at")
    op.drop_column("sktm_applications", "replaces_id")


def _create_presentations() -> None:
    op.create_table(
        "presentations",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("agency_id", sa.UUID(), nullable=False),
        sa.Column("letter_id", sa.UUID(), nullable=False),
        sa.Column("application_id", sa.UUID(), nullable=False),
        sa.Column("beneficiary_id", sa.UUID(), nullable=False),
        sa.Column("letter_number", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("presented_on", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("program", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("letter_status", sa.Text(), nullable=False),
        sa.Column("also_presented_elsewhere", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agencies.id"], name="fk_presentations_agency_id"),
        sa.ForeignKeyConstraint(["letter_id"], ["sktm_letters.id"], name="fk_presentations_letter_id"),
        sa.ForeignKeyConstraint(["application_id"], ["sktm_applications.id"], name="fk_presentations_application_id"),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_presentations_beneficiary_id"),
        sa.ForeignKeyConstraint(["program"], ["programs.code"], name="fk_presentations_program"),
        sa.PrimaryKeyConstraint("id", name="pk_presentations"),
    )
    op.create_index(
        "uq_presentations_daily", "presentations", ["letter_id", "agency_id", "presented_on", "outcome"], unique=True
    )
    op.create_index("ix_presentations_application_id", "presentations", ["application_id", "created_at", "id"])
    op.create_index("ix_presentations_beneficiary_id", "presentations", ["beneficiary_id"])
    op.create_index("ix_presentations_agency_id", "presentations", ["agency_id", "created_at", "id"])
    ops.enable_region_scope("presentations", addressed_to_agency=True)
    ops.audit("presentations")
    ops.log_access("presentations", "beneficiary_id")
    ops.grant("presentations", "SELECT", "INSERT")
    op.execute(
        "CREATE TRIGGER refuse_restricted AFTER INSERT OR UPDATE ON presentations "
        "FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted()"
    )
