"""How office certificates are read."""

from sqlalchemy import func, literal_column

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.office_certificates.models import OfficeCertificate
from tksk_api.domain.office_certificates.schemas import OfficeCertificateRead

TABLE = table_of(OfficeCertificate)

OFFICE_CERTIFICATES = Resource(
    schema=OfficeCertificateRead,
    table=TABLE,
    columns={
        "sha256": func.encode(TABLE.c.sha256, literal_column("'hex'")),
        "is_expired": func.now() > TABLE.c.not_after,
    },
    filters={"region_code": lambda value: TABLE.c.region_code == value},
)
