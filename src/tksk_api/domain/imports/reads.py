"""How imports are read: by their owner, which the row policy sees to."""

from sqlalchemy import DateTime, Text, cast, func, literal_column
from sqlalchemy.dialects.postgresql import JSON

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.imports.contract import FATES
from tksk_api.domain.imports.models import Import, ImportMapping, ImportRow, PartialUpload
from tksk_api.domain.imports.schemas import ImportRead, ImportRowRead, MappingRead, UploadRead

TABLE = table_of(Import)
ROWS = table_of(ImportRow)
MAPPINGS = table_of(ImportMapping)
UPLOADS = table_of(PartialUpload)
KEPT_DAYS = 30
UPLOAD_HOURS = 24  # after the last part
LEAST_BYTES, MOST_BYTES = 64 * 1024, 8 * 1024**2  # of a part

_OF_UNDO = "imports.status IN ('undoing', 'undone')"
_DONE = (
    f"CASE WHEN {_OF_UNDO} THEN imports.undone + imports.kept "
    "ELSE imports.rows - (imports.counts->>'not_reached')::int END"
)
_TOTAL = (
    f"CASE WHEN {_OF_UNDO} THEN (imports.counts->>'created')::int + (imports.counts->>'updated')::int "
    "ELSE nullif(imports.rows, 0) END"
)
_SECONDS = "extract(epoch FROM clock_timestamp() - imports.started_at)"
_PROGRESS = f"""(SELECT json_build_object('done', p.done, 'total', p.total, 'seconds_left',
    CASE WHEN imports.finished_at IS NULL AND imports.status <> 'validated' AND p.done > 0
         THEN ceil({_SECONDS} * (p.total - p.done) / p.done)::int END)
  FROM (SELECT {_DONE} AS done, {_TOTAL} AS total) p)"""

IMPORTS = Resource(
    schema=ImportRead,
    table=TABLE,
    columns={
        "file": literal_column("imports.head->'shown'", JSON),
        "counts": literal_column(
            "json_build_object("
            + ", ".join(f"'{fate}', (imports.counts->>'{fate}')::int" for fate in (*FATES, "not_reached"))
            + ")",
            JSON,
        ),
        "progress": literal_column(_PROGRESS, JSON),
        "undo": literal_column("json_build_object('undone', imports.undone, 'kept', imports.kept)", JSON),
        "is_cancelling": TABLE.c.cancel_requested_at.is_not(None) & TABLE.c.finished_at.is_(None),
        "deleted_after": literal_column(f"imports.finished_at + interval '{KEPT_DAYS} days'", DateTime(timezone=True)),
    },
    filters={
        "kind": lambda value: TABLE.c.kind == value,
        "status": lambda value: TABLE.c.status == value,
    },
)

IMPORT_ROWS = Resource(
    schema=ImportRowRead,
    table=TABLE,  # whose region decides
    source=ROWS.join(TABLE, TABLE.c.id == ROWS.c.import_id),
    key="row",
    columns={
        "row": ROWS.c.row_no,
        **{name: ROWS.c[name] for name in ("fate", "record_id", "faults", "notes", "obstacle")},
        "is_undone": ROWS.c.undone_at.is_not(None),
    },
    # What a dry run said of later rows is not what became of them.
    where=(ROWS.c.row_no <= TABLE.c.reached,),
    filters={
        "import_id": lambda value: ROWS.c.import_id == value,
        "fate": lambda value: ROWS.c.fate == value,
        "code": lambda value: ROWS.c.faults.contains(
            func.jsonb_build_array(func.jsonb_build_object(literal_column("'code'"), cast(value, Text)))
        ),
        "obstacle": lambda value: ROWS.c.obstacle.is_not(None) == value,
    },
    sorts={"row": Sort((), descending=False)},
)

IMPORT_MAPPINGS = Resource(
    schema=MappingRead,
    table=MAPPINGS,
    columns={"columns": MAPPINGS.c.mapping},
    filters={"kind": lambda value: MAPPINGS.c.kind == value},
    sorts={"name": Sort(("name",), descending=False)},
)

IMPORT_UPLOADS = Resource(
    schema=UploadRead,
    table=UPLOADS,
    columns={
        "bytes": UPLOADS.c.file_bytes,
        "sha256": func.encode(UPLOADS.c.file_sha256, literal_column("'hex'")),
        "offset": UPLOADS.c.received_bytes,
        "parts": literal_column(f"json_build_object('least_bytes', {LEAST_BYTES}, 'most_bytes', {MOST_BYTES})", JSON),
        "expires_at": literal_column(
            f"import_uploads.updated_at + interval '{UPLOAD_HOURS} hours'", DateTime(timezone=True)
        ),
    },
)
