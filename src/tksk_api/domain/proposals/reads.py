"""How proposals are read; every reading leaves an access row about the person."""

from sqlalchemy import func

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.proposals.models import Proposal
from tksk_api.domain.proposals.schemas import ProposalRead

TABLE = table_of(Proposal)

PROPOSALS = Resource(
    schema=ProposalRead,
    table=TABLE,
    columns={"raised_by": TABLE.c.created_by, "decided_by_name": func.app.user_name(TABLE.c.decided_by)},
    subject="beneficiary_id",
    filters={
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "visit_id": lambda value: TABLE.c.visit_id == value,
        "status": lambda value: TABLE.c.status == value,
        "field": lambda value: TABLE.c.field == value,
        "village_code": lambda value: TABLE.c.region_code == value,
    },
)
