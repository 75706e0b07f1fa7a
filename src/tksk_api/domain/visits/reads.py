"""How visits are read; every reading leaves an access row about the person visited."""

import json
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column

from tksk_api.database.reads import Resource
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.regions.service import inside
from tksk_api.domain.visits.models import Visit
from tksk_api.domain.visits.schemas import PovertyEvidenceRead, VisitRead

TABLE = table_of(Visit)
_NOTHING_SEEN = json.dumps(dict.fromkeys(PovertyEvidenceRead.model_fields))
_CURRENT = and_(TABLE.c.finding.is_not(None), TABLE.c.superseded_by.is_(None))


def _location() -> ColumnElement[Any]:
    point = func.json_build_object(
        literal_column("'lat'"),
        TABLE.c.latitude,
        literal_column("'lon'"),
        TABLE.c.longitude,
        literal_column("'accuracy'"),
        TABLE.c.accuracy,
    )
    return case((TABLE.c.latitude.is_not(None), point))


VISITS = Resource(
    schema=VisitRead,
    table=TABLE,
    columns={
        "officer_name": func.app.user_name(TABLE.c.officer_id),
        "location": _location(),
        # Only what was seen is stored; a reader gets every field, also one that an older visit did not know.
        "evidence": literal_column(f"'{_NOTHING_SEEN}'::jsonb").op("||")(TABLE.c.evidence),
    },
    subject="beneficiary_id",
    filters={
        "beneficiary_id": lambda value: TABLE.c.beneficiary_id == value,
        "status": lambda value: TABLE.c.status == value,
        "officer_id": lambda value: TABLE.c.officer_id == value,
        "finding": lambda value: TABLE.c.finding == value,
        "report": reported.rows_of(TABLE),
        "counted_as": reported.rows_under(TABLE),
        "outcome": lambda value: func.coalesce(TABLE.c.outcome, literal_column("'none'")) == value,
        "current": lambda value: value == _CURRENT,
        "within": lambda value: inside(TABLE.c.region_code, value),
        "visited_from": lambda value: TABLE.c.visited_on >= value,
        "visited_until": lambda value: TABLE.c.visited_on <= value,
    },
)
