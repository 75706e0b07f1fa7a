"""How programmes are read: the name beside what the last version of the nation says that has begun."""

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Date, Integer, Text, cast, column, func, literal_column, null, select, true
from sqlalchemy.dialects.postgresql import JSONB

from tksk_api.database.reads import Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.programs.models import Program, ProgramVersion
from tksk_api.domain.programs.schemas import ProgramRead

TABLE = table_of(Program)
VERSIONS = table_of(ProgramVersion)
TODAY = cast(literal_column("(now() AT TIME ZONE 'Asia/Jakarta')"), Date)


def version_of(code: Any, region: Any = None, on: Any = TODAY, *, also_ended: bool = False) -> Any:
    """The columns of the version that holds there and then, as a set of at most one row (app.program_version)."""
    place = cast(null() if region is None else region, Text)
    return func.app.program_version(code, place, on, literal_column(str(also_ended).lower())).table_valued(
        *(column(known.name, known.type) for known in VERSIONS.c)
    )


_LAST = select(version_of(TABLE.c.code, also_ended=True)).lateral("last_version")
_OF_THE_NATION = (VERSIONS.c.program_code == TABLE.c.code, VERSIONS.c.region_code.is_(None))
_KINDS = func.jsonb_array_elements(_LAST.c.documents, type_=JSONB).table_valued(column("value", JSONB)).alias("d")


def kinds_served(code: Any) -> ColumnElement[Any]:
    """The kinds of agency that the programme leads to now, or led to when it ended."""
    last = select(version_of(code, also_ended=True)).subquery()
    # ANY of a bare sub-select would compare with its rows.
    return func.coalesce(select(last.c.agency_kinds).scalar_subquery(), literal_column("'{}'::text[]"))


PROGRAMS = Resource(
    schema=ProgramRead,
    table=TABLE,
    source=TABLE.outerjoin(_LAST, true()),
    columns={
        "agency_kinds": func.coalesce(_LAST.c.agency_kinds, literal_column("'{}'::text[]")),
        "required_documents": func.array(
            select(_KINDS.c.value["kinds"][0].astext).select_from(_KINDS).scalar_subquery(), type_=ARRAY(Text)
        ),
        "legal_base": _LAST.c.legal_base,
        "valid_from": select(VERSIONS.c.effective_from)
        .where(*_OF_THE_NATION)
        .order_by(VERSIONS.c.effective_from.asc().nulls_first(), VERSIONS.c.number)
        .limit(1)
        .scalar_subquery(),
        "valid_until": select(VERSIONS.c.effective_until)
        .where(*_OF_THE_NATION)
        .order_by(VERSIONS.c.effective_from.desc().nulls_last(), VERSIONS.c.number.desc())
        .limit(1)
        .scalar_subquery(),
        "version": cast(TABLE.c.version, Integer),
    },
    scoped=False,
    key="code",
    sorts={"code": Sort((), descending=False)},
    filters={"on": lambda value: select(version_of(TABLE.c.code, on=cast(value, Date))).exists()},
)
