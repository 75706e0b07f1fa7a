"""How privacy requests are read."""

from sqlalchemy import and_, func, literal_column

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.privacy_requests.models import PrivacyRequest
from tksk_api.domain.privacy_requests.schemas import PrivacyRequestRead

TABLE = table_of(PrivacyRequest)
# 3x24 hours to correct (UU 27/2022 Pasal 30), to give access (Pasal 32) and to restrict (Pasal 41).
_DUE = TABLE.c.created_at + literal_column("interval '72 hours'")
_OVERDUE = and_(TABLE.c.status == literal_column("'received'"), func.now() > _DUE)

PRIVACY_REQUESTS = Resource(
    schema=PrivacyRequestRead,
    table=TABLE,
    columns={"due_at": _DUE, "overdue": _OVERDUE},
    subject="beneficiary_id",
    filters={
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "kind": lambda value: TABLE.c.kind == value,
        "status": lambda value: TABLE.c.status == value,
        "overdue": lambda value: value == _OVERDUE,
    },
)
