"""What agencies no longer see, presentations by programme, the order of the register of numbers, plans called off."""

import sqlalchemy as sa
from alembic import op

import ops

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_IS_ADDRESSEE = """
CREATE FUNCTION app.is_addressee(p_region text) RETURNS boolean LANGUAGE sql STABLE AS $$
-- Whether the caller sees a row of this region as the agency that it is addressed to, and not as one of its area.
    SELECT nullif(current_setting('app.agency', true), '') IS NOT NULL
           AND NOT coalesce(ARRAY['ID', left(p_region, 2), left(p_region, 5), left(p_region, 8), p_region]
                            && string_to_array(nullif(current_setting('app.regions', true), ''), ','), false)
$$
"""

_ADDRESSED_SINCE = """
CREATE FUNCTION app.addressed_since(p_referral uuid) RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER AS $$
-- From when on a referral is with the agency that has it now: its last transfer. By the clock that dated the steps.
    SELECT coalesce(max(t.at), '-infinity') FROM public.transitions t
     WHERE t.entity = 'referrals' AND t.entity_id = p_referral AND t.action = 'transfer'
$$
"""

# What was said while another agency had it is not for the next one.
_ITS_OWN_TIME = "(NOT app.is_addressee(e.region_code) OR at >= app.addressed_since(e.id))"

# What 0011 says in `app.enter`, and what stands before it from now on.
_CLOSED = (
    ("    is_closed boolean := false;\n", "    strong_seconds integer;\n"),
    (
        """    -- An agency that was closed has nothing addressed to it; whoever is nothing but that agency is told so.
    IF agency_id IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM public.agencies a WHERE a.id = enter.agency_id AND a.is_active) THEN
        agency_id := NULL;
        is_closed := cardinality(regions) = 0;
    END IF;
""",
        "    refusal := CASE WHEN NOT allowed THEN 'permission_denied'\n",
    ),
    (
        "WHEN is_closed AND NOT p_opening THEN 'agency_inactive'\n                    ",
        "WHEN must_change_password AND NOT p_opening",
    ),
)

_FUNCTIONS = {"is_addressee(text)": _IS_ADDRESSEE, "addressed_since(uuid)": _ADDRESSED_SINCE}


_DAILY = ("letter_id", "agency_id", "presented_on", "outcome")

# The order of the register of numbers, for every area too large to sort: a page is read off, however many letters
# there are.
_BOOKS = ("sktm_letters", "sktm_voided_numbers")
_LEVELS = (("nation",), ("province", "province_code"), ("regency", "regency_code"))
_BOOK_ORDER = ("year", "series", "sequence", "id")


def upgrade() -> None:
    for signature, definition in _FUNCTIONS.items():
        op.execute(definition)
        op.execute(f"REVOKE ALL ON FUNCTION app.{signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{signature} TO {ops.APP}")
    ops.forget_history("referrals")
    ops.remember_history("referrals", _ITS_OWN_TIME)
    ops.amend("enter", *_CLOSED)
    op.drop_index("uq_presentations_daily", "presentations")
    op.create_index(
        "uq_presentations_daily",
        "presentations",
        [*_DAILY, "program"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    # A person is registered with their categories in one transaction, and was registered before they were assessed.
    op.alter_column("ppks_assessments", "created_at", server_default=sa.text("clock_timestamp()"))
    ops.grant("sktm_policies", "DELETE")  # a day to come that was planned; what has been in force stays
    for table in _BOOKS:
        for name, *column in _LEVELS:
            op.create_index(f"ix_{table}_book_{name}", table, [*column, *_BOOK_ORDER])


def downgrade() -> None:
    op.execute(f"REVOKE DELETE ON sktm_policies FROM {ops.APP}")
    op.alter_column("ppks_assessments", "created_at", server_default=sa.text("now()"))
    for table in _BOOKS:
        for name, *_ in _LEVELS:
            op.drop_index(f"ix_{table}_book_{name}", table)
    op.drop_index("uq_presentations_daily", "presentations")
    # What was told of a second programme cannot be kept under the old rule: the first of a day stands.
    op.execute(
        "DELETE FROM presentations p USING presentations q WHERE (p.letter_id, p.agency_id, p.presented_on, p.outcome) "
        "= (q.letter_id, q.agency_id, q.presented_on, q.outcome) AND (p.created_at, p.id) > (q.created_at, q.id)"
    )
    op.create_index("uq_presentations_daily", "presentations", list(_DAILY), unique=True)
    ops.unamend("enter", *_CLOSED)
    ops.forget_history("referrals")
    ops.remember_history("referrals")
    for signature in reversed(_FUNCTIONS):
        op.execute(f"DROP FUNCTION app.{signature}")
