"""How programmes are read."""

from sqlalchemy import and_, or_

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.programs.models import Program
from tksk_api.domain.programs.schemas import ProgramRead

TABLE = table_of(Program)

PROGRAMS = Resource(
    schema=ProgramRead,
    table=TABLE,
    scoped=False,
    key="code",
    sorts={"code": Sort((), descending=False)},
    filters={
        "on": lambda value: and_(
            or_(TABLE.c.valid_from.is_(None), TABLE.c.valid_from <= value),
            or_(TABLE.c.valid_until.is_(None), TABLE.c.valid_until >= value),
        )
    },
)
