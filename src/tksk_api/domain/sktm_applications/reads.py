"""How SKTM applications are read."""

from typing import Any

from sqlalchemy import ColumnElement, Date, case, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import masked
from tksk_api.domain.history.reads import transitions_of
from tksk_api.domain.presentations.models import Presentation
from tksk_api.domain.regions.service import drafted_from, drafted_until, inside
from tksk_api.domain.sktm_applications.models import SktmApplication, SktmSignature
from tksk_api.domain.sktm_applications.schemas import SktmApplicationRead
from tksk_api.domain.sktm_letters.models import LetterLookUps, SktmLetter
from tksk_api.domain.sktm_letters.service import letter_status

TABLE = table_of(SktmApplication)
_PEOPLE = table_of(Beneficiary)
_LETTERS = table_of(SktmLetter)
_LOOK_UPS = table_of(LetterLookUps)
_PRESENTATIONS = table_of(Presentation)
_SIGNATURES = table_of(SktmSignature)


def _object(**members: Any) -> ColumnElement[Any]:
    pairs: list[Any] = []
    for name, value in members.items():
        pairs += [literal_column(f"'{name}'"), value]
    return func.json_build_object(*pairs)


def _applicant() -> ColumnElement[Any]:
    seen = _object(full_name=_PEOPLE.c.full_name, nik_masked=masked(_PEOPLE.c.nik_last4))
    return select(seen).where(_PEOPLE.c.id == TABLE.c.beneficiary_id).scalar_subquery()


def _letter() -> ColumnElement[Any]:
    today = cast(func.timezone(_LETTERS.c.timezone, func.now()), Date)
    seen = _object(
        **{name: _LETTERS.c[name] for name in ("number", "issued_on", "valid_until", "verification_url")},
        sha256=func.encode(_LETTERS.c.sha256, literal_column("'hex'")),
        is_expired=today > _LETTERS.c.valid_until,
        **{name: _LETTERS.c[name] for name in ("revoked_at", "superseded_at", "signature", "seal")},
        status=letter_status(_LETTERS.c),
        scan=_scan(),
        verifications=_verifications(),
        presentations=_presented(),
    )
    return select(seen).where(_LETTERS.c.application_id == TABLE.c.id).scalar_subquery()


def _scan() -> ColumnElement[Any]:
    seen = _object(
        attachment_id=_LETTERS.c.scan_attachment_id,
        received_at=_LETTERS.c.scan_received_at,
        warnings=func.to_json(_LETTERS.c.scan_warnings),
    )
    return case((_LETTERS.c.scan_received_at.is_not(None), seen))


def _verifications() -> ColumnElement[Any]:
    seen = _object(count=func.coalesce(func.sum(_LOOK_UPS.c.count), 0), last_at=func.max(_LOOK_UPS.c.last_at))
    return select(seen).where(_LOOK_UPS.c.letter_id == _LETTERS.c.id).scalar_subquery()


def _presented() -> ColumnElement[Any]:
    seen = _object(
        count=func.count(),
        agencies=func.count(_PRESENTATIONS.c.agency_id.distinct()),
        last_at=func.max(_PRESENTATIONS.c.submitted_at),
    )
    return select(seen).where(_PRESENTATIONS.c.application_id == _LETTERS.c.application_id).scalar_subquery()


def _signatures() -> ColumnElement[Any]:
    seen = _object(**{name: _SIGNATURES.c[name] for name in ("position", "role", "full_name", "title", "signed_at")})
    array = func.json_agg(aggregate_order_by(seen, _SIGNATURES.c.position))
    signed = select(array).where(_SIGNATURES.c.application_id == TABLE.c.id).scalar_subquery()
    return func.coalesce(signed, literal_column("'[]'::json"), type_=JSON)


SKTM_APPLICATIONS = Resource(
    schema=SktmApplicationRead,
    table=TABLE,
    columns={"applicant": _applicant(), "letter": _letter(), "signatures": _signatures()},
    subject="beneficiary_id",
    subjects="dependants",
    filters={
        "case_number": lambda value: TABLE.c.case_number == value,
        "status": lambda value: TABLE.c.status == value,
        "purpose": lambda value: TABLE.c.purpose == value,
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "region_code": lambda value: TABLE.c.region_code == value,
        "within": lambda value: inside(TABLE.c.region_code, value),
        "drafted_from": lambda value: drafted_from(TABLE.c.region_code, TABLE.c.created_at, value),
        "drafted_until": lambda value: drafted_until(TABLE.c.region_code, TABLE.c.created_at, value),
        "report": reported.rows_of(TABLE),
        "counted_as": reported.rows_under(TABLE),
    },
)

HISTORY = transitions_of(TABLE)
