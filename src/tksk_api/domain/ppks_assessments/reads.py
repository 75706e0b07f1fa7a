"""How assessments are read. The row policy leaves out sensitive ones for whoever does not need them."""

from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.beneficiaries.categories import DISCLOSED
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.ppks_assessments.models import PpksAssessment
from tksk_api.domain.ppks_assessments.schemas import PpksAssessmentRead
from tksk_api.domain.regions.service import inside

TABLE = table_of(PpksAssessment)
_PEOPLE = table_of(Beneficiary)


def _of_person(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Something of the person assessed; null where it is a family, a group or a community."""
    return select(value).where(_PEOPLE.c.id == TABLE.c.beneficiary_id).scalar_subquery()


PPKS_ASSESSMENTS = Resource(
    schema=PpksAssessmentRead,
    table=TABLE,
    columns={"assessor_name": func.app.user_name(TABLE.c.assessor_id)},
    subject="beneficiary_id",
    discloses=(DISCLOSED, lambda row: row.c.sensitive),
    filters={
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "family_id": lambda value: TABLE.c.family_id == value,
        "category": lambda value: TABLE.c.category == value,
        "status": lambda value: TABLE.c.status == value,
        "village_code": lambda value: TABLE.c.region_code == value,
        "sensitive": lambda value: TABLE.c.sensitive == value,
        "report": reported.rows_of(TABLE),
        "counted_as": reported.rows_under(TABLE),
        "within": lambda value: inside(TABLE.c.region_code, value),
        "assessed_from": lambda value: TABLE.c.assessed_on >= value,
        "assessed_until": lambda value: TABLE.c.assessed_on <= value,
        "sex": lambda value: func.coalesce(_of_person(_PEOPLE.c.sex), literal_column("'none'")) == value,
        "age_band": lambda value: func.app.age_band(_of_person(_PEOPLE.c.birth_date), TABLE.c.assessed_on) == value,
    },
)
