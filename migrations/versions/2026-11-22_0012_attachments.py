"""Photos and papers."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_IN_USE = """
CREATE FUNCTION app.attachment_in_use(p_id uuid, p_beneficiary uuid, p_region text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- Whether something submitted or completed refers to an attachment of this person and place; yes or no, also where the
-- caller does not see what does: a village takes nothing away from under the district's work.
    SELECT EXISTS (SELECT 1 FROM public.visits v
                    WHERE v.beneficiary_id = p_beneficiary AND v.status = 'completed' AND p_id = ANY (v.attachment_ids))
        OR EXISTS (SELECT 1 FROM public.activities a
                    WHERE a.district_code = left(p_region, 8) AND a.deleted_at IS NULL
                      AND a.status IN ('submitted', 'accepted') AND p_id = ANY (a.attachment_ids))
        OR EXISTS (SELECT 1 FROM public.sktm_applications s
                    WHERE s.beneficiary_id = p_beneficiary
                      AND s.status NOT IN ('draft', 'returned', 'rejected', 'cancelled')
                      AND s.documents @> jsonb_build_array(jsonb_build_object('attachment_id', p_id)))
        OR EXISTS (SELECT 1 FROM public.referrals r
                    WHERE r.beneficiary_id = p_beneficiary AND r.submitted_at IS NOT NULL
                      AND r.documents @> jsonb_build_array(jsonb_build_object('attachment_id', p_id)))
$$
"""

# Of one person: theirs, those of their visits, and those of work that was about nobody else.
_OWN = """t.beneficiary_id = p_subject
            OR EXISTS (SELECT 1 FROM public.activities c
                        WHERE c.id = t.activity_id AND c.beneficiary_ids = ARRAY[p_subject])"""

_REQUESTS = "        'requests', ("
_STATED = f"""        'attachments', (SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.created_at, x.id), '[]') FROM (
            SELECT t.id, t.created_at, t.kind, t.name, t.media_type, t.size_bytes, t.region_code, t.latitude,
                   t.longitude, t.taken_at, t.deleted_at
              FROM public.attachments t WHERE t.key_cipher IS NOT NULL AND ({_OWN})) x),
"""

# What stands in `app.erase_subject`, and what stands before it from now on.
_RECORDS = "        UNION ALL SELECT g.id FROM public.access_grants g WHERE g.beneficiary_id = p_subject);\n"
_ALSO_RECORDS = f"""        UNION ALL SELECT t.id FROM public.attachments t WHERE {_OWN}
"""
_LINKED = "        UNION SELECT c.id FROM public.activities c WHERE c.beneficiary_ids && (others || p_subject));\n"
_ALSO_LINKED = """        UNION SELECT t.id FROM public.attachments t WHERE t.beneficiary_id = ANY (others)
        UNION SELECT t.id FROM public.attachments t JOIN public.activities c ON c.id = t.activity_id
               WHERE c.beneficiary_ids && (others || p_subject)
"""
_PLACES = "        ('activities', 'follow_up')) AS written"
_ALSO_PLACES = "        ('attachments', 'name'),\n"
_SHARED = "    -- What is also about others keeps its words, without this person's.\n"
_ERASED = """    -- Without its key no copy of a file can be read, nor one in a backup; the sweep removes the file.
    UPDATE public.attachments t
       SET key_cipher = NULL, deleted_at = coalesce(t.deleted_at, p_at, now()), name = '(dihapus)', sha256 = '',
           latitude = NULL, longitude = NULL, taken_at = NULL, create_digest = NULL
     WHERE t.id = ANY (records);
    UPDATE public.visits v SET attachment_ids = '{}' WHERE v.beneficiary_id = p_subject;

"""
_STATEMENT = ((_STATED, _REQUESTS),)
_ERASURE = (
    (_ALSO_RECORDS, _RECORDS),
    (_ALSO_LINKED, _LINKED),
    (_ERASED, _SHARED),
    (_ALSO_PLACES, _PLACES),
)


def upgrade() -> None:
    op.create_table(
        "attachments",
        sa.Column("region_code", sa.Text(collation="C")),
        *ops.record_columns(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("beneficiary_id", sa.UUID()),
        sa.Column("visit_id", sa.UUID()),
        sa.Column("activity_id", sa.UUID()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("pages", sa.Integer()),
        sa.Column("latitude", sa.Numeric(9, 6)),
        sa.Column("longitude", sa.Numeric(9, 6)),
        sa.Column("taken_at", sa.DateTime(timezone=True)),
        sa.Column("thumbnail_bytes", sa.Integer()),
        sa.Column("object_name", sa.Text(), nullable=False),
        sa.Column("key_cipher", sa.LargeBinary()),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("purged_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("num_nonnulls(beneficiary_id, visit_id, activity_id) >= 1", name="owner"),
        sa.ForeignKeyConstraint(["beneficiary_id"], ["beneficiaries.id"], name="fk_attachments_beneficiary_id"),
        sa.ForeignKeyConstraint(["visit_id"], ["visits.id"], name="fk_attachments_visit_id"),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name="fk_attachments_activity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
    )
    for column in ("beneficiary_id", "visit_id", "activity_id"):
        op.create_index(f"ix_attachments_{column}", "attachments", [column])
    op.create_index("uq_attachments_object_name", "attachments", ["object_name"], unique=True)
    op.create_index(
        "ix_attachments_deleted_at",
        "attachments",
        ["deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL AND purged_at IS NULL"),
    )
    ops.enable_region_scope("attachments")
    ops.audit("attachments", "key_cipher", "object_name")
    # Not `ops.log_access`: the photo of an activity is about nobody in particular, and nothing is ever deleted.
    op.execute(
        "CREATE TRIGGER record_access AFTER INSERT OR UPDATE ON attachments FOR EACH ROW "
        "WHEN (NEW.beneficiary_id IS NOT NULL) EXECUTE FUNCTION app.record_access('beneficiary_id')"
    )
    ops.grant("attachments", "SELECT", "INSERT", "UPDATE")
    op.create_table(
        "attachment_usage",
        sa.Column("regency_code", sa.Text(collation="C"), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("regency_code", name="pk_attachment_usage"),
    )
    ops.grant("attachment_usage", "SELECT", "INSERT", "UPDATE")
    op.add_column(
        "visits", sa.Column("attachment_ids", sa.ARRAY(sa.UUID()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.execute(_IN_USE)
    op.execute("REVOKE ALL ON FUNCTION app.attachment_in_use FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION app.attachment_in_use TO {ops.APP}")
    _extend_rights()


def downgrade() -> None:
    ops.forget_history("attachments")
    ops.unamend("erase_subject", *_ERASURE)
    ops.unamend("statement", *_STATEMENT)
    op.execute("DROP FUNCTION app.attachment_in_use")
    op.drop_column("visits", "attachment_ids")
    op.drop_table("attachment_usage")
    op.drop_table("attachments")


def _extend_rights() -> None:
    """A file is stated, erased and restricted with its person."""
    ops.amend("statement", *_STATEMENT)
    ops.amend("erase_subject", *_ERASURE)
    op.execute(
        "CREATE TRIGGER refuse_restricted AFTER INSERT OR UPDATE ON attachments "
        "FOR EACH ROW EXECUTE FUNCTION app.refuse_restricted()"
    )
    ops.remember_history("attachments")
