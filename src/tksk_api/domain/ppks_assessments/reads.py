"""How assessments are read. The row policy leaves out sensitive ones for whoever does not need them."""

from sqlalchemy import func

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.categories import DISCLOSED
from tksk_api.domain.ppks_assessments.models import PpksAssessment
from tksk_api.domain.ppks_assessments.schemas import PpksAssessmentRead

TABLE = table_of(PpksAssessment)

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
    },
)
