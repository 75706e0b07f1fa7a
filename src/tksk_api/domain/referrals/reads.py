"""How referrals are read: the person by the copies that the referral carries, for an agency sees nobody's file.

Once a referral is over, its agency sees what it decided and not about whom: initials, and no words of anybody's.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column, select

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.beneficiaries.reads import masked
from tksk_api.domain.history.models import Transition
from tksk_api.domain.history.reads import transitions_of
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.schemas import ReferralRead
from tksk_api.domain.referrals.workflow import OVER
from tksk_api.domain.regions.service import drafted_from, drafted_until, inside

TABLE = table_of(Referral)
_AGENCIES = table_of(Agency)
_STEPS = table_of(Transition)

_IS_PAST = and_(
    TABLE.c.status.in_([literal_column(f"'{state}'") for state in sorted(OVER)]),
    func.app.is_addressee(TABLE.c.region_code),
)


def _until_over(shown: ColumnElement[Any], afterwards: str) -> ColumnElement[Any]:
    """What the agency sees while it has the referral, and what it sees instead when that is over."""
    return case((_IS_PAST, literal_column(afterwards)), else_=shown)


REFERRALS = Resource(
    schema=ReferralRead,
    table=TABLE,
    columns={
        "beneficiary": func.json_build_object(
            literal_column("'id'"),
            TABLE.c.beneficiary_id,
            literal_column("'full_name'"),
            _until_over(TABLE.c.beneficiary_name, r"regexp_replace(referrals.beneficiary_name, '(\S)\S*', '\1.', 'g')"),
            literal_column("'nik_masked'"),
            _until_over(masked(TABLE.c.beneficiary_nik_last4), "NULL"),
        ),
        "reason": _until_over(TABLE.c.reason, "'(selesai)'"),
        "consent_reason": _until_over(TABLE.c.consent_reason, "NULL"),
        "requested_documents": _until_over(TABLE.c.requested_documents, "'[]'::jsonb"),
        "agency_name": select(_AGENCIES.c.name).where(_AGENCIES.c.id == TABLE.c.agency_id).scalar_subquery(),
    },
    subject="beneficiary_id",
    filters={
        "case_number": lambda value: TABLE.c.case_number == value,
        "status": lambda value: TABLE.c.status == value,
        "program": lambda value: TABLE.c.program == value,
        "agency_id": lambda value: TABLE.c.agency_id == value,
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "within": lambda value: inside(TABLE.c.region_code, value),
        "drafted_from": lambda value: drafted_from(TABLE.c.region_code, TABLE.c.created_at, value),
        "drafted_until": lambda value: drafted_until(TABLE.c.region_code, TABLE.c.created_at, value),
        "report": reported.rows_of(TABLE),
        "counted_as": reported.rows_under(TABLE),
    },
)

# Of the steps the agency sees those since the referral is its own (the policy of `transitions` says so).
TRANSITIONS = replace(
    transitions_of(TABLE),
    columns={
        "note": _until_over(_STEPS.c.note, "NULL"),
        "details": _until_over(_STEPS.c.details, "transitions.details - 'documents'"),
    },
)
