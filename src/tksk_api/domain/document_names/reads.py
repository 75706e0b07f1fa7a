"""How names on papers are read: below their person, and recorded like the person."""

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.domain.document_names.models import DocumentName
from tksk_api.domain.document_names.schemas import DocumentNameRead

TABLE = table_of(DocumentName)

DOCUMENT_NAMES = Resource(
    schema=DocumentNameRead,
    table=TABLE,
    subject="beneficiary_id",
    asked_subject="beneficiary_id",
    below=BENEFICIARIES,
    filters={"beneficiary_id": lambda value: TABLE.c.beneficiary_id == value},
)
