"""How attachments are read; every reading leaves an access row about the person, where there is one."""

from sqlalchemy import func, literal_column

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.attachments.schemas import AttachmentRead

TABLE = table_of(Attachment)

ATTACHMENTS = Resource(
    schema=AttachmentRead,
    table=TABLE,
    columns={
        "sha256": func.encode(TABLE.c.sha256, literal_column("'hex'")),
        "has_thumbnail": TABLE.c.thumbnail_bytes.is_not(None),
    },
    where=(TABLE.c.deleted_at.is_(None),),
    subject="beneficiary_id",
    filters={
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "visit_id": lambda value: TABLE.c.visit_id == value,
        "activity_id": lambda value: TABLE.c.activity_id == value,
        "kind": lambda value: TABLE.c.kind == value,
    },
)
