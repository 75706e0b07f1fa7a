"""How jobs are read: by their owner, which the row policy sees to."""

from sqlalchemy import func, literal_column

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.schemas import JobRead

TABLE = table_of(Job)

JOBS = Resource(
    schema=JobRead,
    table=TABLE,
    columns={
        "progress": func.json_build_object(
            literal_column("'done'"), TABLE.c.done, literal_column("'total'"), TABLE.c.total
        )
    },
)
