"""How beneficiaries are read: the projection, the list, the search."""

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    Float,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.categories import DISCLOSED, has_category, shown_categories, shows_sensitive
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.schemas import (
    BeneficiaryHit,
    BeneficiaryRead,
    Candidate,
    ChangeRead,
    DeceasedRead,
)
from tksk_api.domain.history.reads import changes_of
from tksk_api.domain.regions.service import inside

TABLE = table_of(Beneficiary)
_MASK = "************"


def masked(last4: ColumnElement[Any]) -> ColumnElement[Any]:
    """Twelve stars and the last four digits; null stays null."""
    return literal_column(f"'{_MASK}'") + last4


def survivor_of(asked: ColumnElement[Any]) -> ColumnElement[Any]:
    """The id of the record that stands: the asked one's own, or of that which it was merged into."""
    other = TABLE.alias("other")
    merged = select(other.c.merged_into).where(other.c.id == asked).scalar_subquery()
    return select(func.coalesce(merged, asked)).scalar_subquery()


COLUMNS = {
    "ppks_categories": shown_categories(TABLE),
    # Who asks for an id that was merged is told where they are; in a list nobody asked.
    "merged_into": case((TABLE.c.id != bindparam("key", None, type_=Uuid), TABLE.c.id)),
    "nik_masked": masked(TABLE.c.nik_last4),
    "family_card_masked": masked(TABLE.c.family_card_last4),
    "village_code": TABLE.c.region_code,
    "address": func.json_build_object(
        literal_column("'street'"),
        TABLE.c.street,
        literal_column("'rt'"),
        TABLE.c.rt,
        literal_column("'rw'"),
        TABLE.c.rw,
    ),
}

SENSITIVE_SHOWN = (DISCLOSED, shows_sensitive)

BENEFICIARIES = Resource(
    schema=BeneficiaryRead,
    table=TABLE,
    columns=COLUMNS,
    where=(TABLE.c.deleted_at.is_(None),),
    subject="id",
    discloses=SENSITIVE_SHOWN,
    filters={
        "village_code": lambda value: TABLE.c.region_code == value,
        "ppks_category": lambda value: has_category(TABLE, value),
        "nik_status": lambda value: TABLE.c.nik_status == value,
    },
    follow=survivor_of,
)


def _has_nik(value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whose number it is, also by a record that was merged."""
    any_row = TABLE.alias("other")
    own = select(any_row.c.id).where(any_row.c.nik_index == value, any_row.c.deleted_at.is_(None))
    merged = select(any_row.c.merged_into).where(any_row.c.nik_index == value, any_row.c.merged_into.is_not(None))
    return TABLE.c.id.in_(own.union_all(merged))


_SEARCH_FILTERS = {
    "nik_index": _has_nik,
    "family_card_index": lambda value: TABLE.c.family_card_index == value,
    "birth_date": lambda value: TABLE.c.birth_date == value,
    "village_code": lambda value: TABLE.c.region_code == value,
    "region_code": lambda value: inside(TABLE.c.region_code, value),
}


def _told(_value: ColumnElement[Any]) -> ColumnElement[bool]:
    """A value that the projection or another filter uses, and no criterion of its own."""
    return true()


FOUND_EXACTLY = Resource(
    schema=BeneficiaryHit,
    table=TABLE,
    columns={
        **COLUMNS,
        "score": literal_column("1.0"),
        "reasons": cast(bindparam("filter_reasons", type_=Text), JSONB),
    },
    where=BENEFICIARIES.where,
    subject="id",
    discloses=SENSITIVE_SHOWN,
    filters={**_SEARCH_FILTERS, "reasons": _told},
    sorts={"-created_at": NEWEST_FIRST},
)

# The only read that leaves no access row: nobody sees it. Who is shown of these is read, and recorded, as FOUND.
CANDIDATES = Resource(
    schema=Candidate,
    table=TABLE,
    columns=COLUMNS,
    where=BENEFICIARIES.where,
    filters={
        # An array, not IN: its ids are looked up, where a join may be planned as a walk through the whole table.
        "name": lambda value: (
            TABLE.c.id
            == any_(
                func.array(
                    select(
                        func.app.people_near(
                            cast(value, Text),
                            bindparam("filter_dates", type_=ARRAY(Date)),
                            bindparam("filter_niks", type_=ARRAY(LargeBinary)),
                            bindparam("filter_card", type_=LargeBinary),
                            bindparam("filter_area", type_=Text),
                            bindparam("filter_most", type_=Integer),
                        )
                    ).scalar_subquery()
                )
            )
        ),
        **dict.fromkeys(("dates", "niks", "card", "area", "most"), _told),
    },
    sorts={"-id": Sort(())},
)

_HIT = cast(bindparam("filter_hits", type_=Text), JSONB)[cast(TABLE.c.id, Text)]
FOUND = Resource(
    schema=BeneficiaryHit,
    table=TABLE,
    columns={**COLUMNS, "score": cast(_HIT["score"], Float), "reasons": _HIT["reasons"]},
    where=BENEFICIARIES.where,
    subject="id",
    discloses=SENSITIVE_SHOWN,
    filters={"ids": lambda value: TABLE.c.id == any_(cast(value, ARRAY(Uuid))), "hits": _told},
    sorts={"-score": Sort(("score",))},
)

# Above this package: what is under way knows people, people do not know it. The policies leave out what is not seen.
_OPEN_WORK = """(
    SELECT coalesce(json_agg(json_build_object('kind', w.kind, 'id', w.id, 'status', w.status) ORDER BY w.kind, w.id),
                    '[]')
      FROM (SELECT 'sktm_application' AS kind, a.id, a.status FROM sktm_applications a
             WHERE (a.beneficiary_id = beneficiaries.id OR beneficiaries.id = ANY (a.dependants))
               AND a.status IN ('draft', 'returned', 'submitted', 'checked', 'verified', 'signing')
            UNION ALL SELECT 'sktm_letter', a.id, app.letter_status(l.revoked_at, l.superseded_at, l.issued_on,
                                 l.valid_until, l.timezone, l.signature = 'wet' AND l.scan_received_at IS NULL)
              FROM sktm_applications a JOIN sktm_letters l ON l.application_id = a.id
             WHERE (a.beneficiary_id = beneficiaries.id OR beneficiaries.id = ANY (a.dependants))
               AND l.revoked_at IS NULL AND l.superseded_at IS NULL
               AND l.valid_until >= (now() AT TIME ZONE l.timezone)::date
            UNION ALL SELECT 'referral', r.id, r.status FROM referrals r
             WHERE r.beneficiary_id = beneficiaries.id AND r.status NOT IN ('rejected', 'cancelled', 'ended')
            UNION ALL SELECT 'visit', v.id, v.status FROM visits v
             WHERE v.beneficiary_id = beneficiaries.id AND v.status = 'planned'
            UNION ALL SELECT 'ppks_assessment', p.id, p.status FROM ppks_assessments p
             WHERE p.beneficiary_id = beneficiaries.id AND p.status = 'active') w)"""
DECEASED = replace(
    BENEFICIARIES, schema=DeceasedRead, columns={**COLUMNS, "open_work": literal_column(_OPEN_WORK)}, filters={}
)

_OF_RECORD = changes_of(TABLE, ChangeRead)
# A person's history is that of every record that is theirs.
CHANGES = replace(
    _OF_RECORD, filters={"entity_id": lambda value: _OF_RECORD.table.c.entity_id == any_(func.app.same_person(value))}
)
