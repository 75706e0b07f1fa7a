"""How enrolments are read: below the person who receives the benefit."""

from sqlalchemy import case, func, literal_column, select

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.enrolments.models import Enrolment
from tksk_api.domain.enrolments.schemas import EnrolmentRead

TABLE = table_of(Enrolment)
_AGENCIES = table_of(Agency)

ENROLMENTS = Resource(
    schema=EnrolmentRead,
    table=TABLE,
    columns={
        "agency_name": select(_AGENCIES.c.name).where(_AGENCIES.c.id == TABLE.c.agency_id).scalar_subquery(),
        "status": case(
            (TABLE.c.ended_on < func.app.local_today(TABLE.c.region_code), literal_column("'ended'")),
            else_=literal_column("'active'"),
        ),
    },
    subject="beneficiary_id",
    filters={
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "program": lambda value: TABLE.c.program == value,
    },
)
