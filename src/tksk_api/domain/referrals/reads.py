"""How referrals are read: the person by the copies that the referral carries, for an agency sees nobody's file."""

from sqlalchemy import func, literal_column, select

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.beneficiaries.reads import masked
from tksk_api.domain.history.reads import transitions_of
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.referrals.schemas import ReferralRead
from tksk_api.domain.regions.service import drafted_from, drafted_until, inside

TABLE = table_of(Referral)
_AGENCIES = table_of(Agency)

REFERRALS = Resource(
    schema=ReferralRead,
    table=TABLE,
    columns={
        "beneficiary": func.json_build_object(
            literal_column("'id'"),
            TABLE.c.beneficiary_id,
            literal_column("'full_name'"),
            TABLE.c.beneficiary_name,
            literal_column("'nik_masked'"),
            masked(TABLE.c.beneficiary_nik_last4),
        ),
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
        "report": reported.inside(TABLE),
        "reached": reported.reached(TABLE),
    },
)

TRANSITIONS = transitions_of(TABLE)
