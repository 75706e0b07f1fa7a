"""How presentations are read: by the agency that made one, and by the officers of the letter's region."""

from sqlalchemy import case, func, literal_column, select

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.presentations.models import Presentation
from tksk_api.domain.presentations.schemas import PresentationRead, PresentationReceipt

TABLE = table_of(Presentation)
_AGENCIES = table_of(Agency)

PRESENTATIONS = Resource(
    schema=PresentationRead,
    table=TABLE,
    columns={
        "agency_name": select(_AGENCIES.c.name).where(_AGENCIES.c.id == TABLE.c.agency_id).scalar_subquery(),
        "presented_at": TABLE.c.submitted_at,
    },
    subject="beneficiary_id",
    filters={"application_id": lambda value: TABLE.c.application_id == value},
)

RECEIPTS = Resource(
    schema=PresentationReceipt,
    table=TABLE,
    columns={
        "warnings": case(
            (TABLE.c.letter_status == literal_column("'valid'"), literal_column("'[]'::json")),
            else_=func.json_build_array(literal_column("'letter_'").op("||")(TABLE.c.letter_status)),
        ),
    },
)
