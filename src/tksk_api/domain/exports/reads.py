"""How exports are read: by their owner, which the row policy sees to."""

from sqlalchemy import case, func, literal_column

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.exports.models import Export, ExportPart
from tksk_api.domain.exports.schemas import ExportRead

TABLE = table_of(Export)
PARTS = table_of(ExportPart)

_GATHERED = case((TABLE.c.is_gathered, TABLE.c.rows))
EXPORTS = Resource(
    schema=ExportRead,
    table=TABLE,
    columns={
        "progress": func.json_build_object(
            literal_column("'done'"), TABLE.c.rows, literal_column("'total'"), _GATHERED
        ),
        "rows": case((TABLE.c.file_bytes.is_not(None), TABLE.c.rows)),
        "sha256": func.encode(TABLE.c.file_sha256, literal_column("'hex'")),
    },
    filters={
        "kind": lambda value: TABLE.c.kind == value,
        "status": lambda value: TABLE.c.status == value,
    },
)
