"""How machine clients are read."""

from sqlalchemy import func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from tksk_api.database.reads import NEWEST_FIRST, Resource, Sort
from tksk_api.database.tables import table_of
from tksk_api.domain.clients.models import Client, ClientSecret
from tksk_api.domain.clients.schemas import ClientRead

TABLE = table_of(Client)
SECRETS = table_of(ClientSecret)
IS_LIVE = (SECRETS.c.revoked_at.is_(None), or_(SECRETS.c.expires_at.is_(None), SECRETS.c.expires_at > func.now()))

_LIVE = (
    select(
        func.json_agg(
            aggregate_order_by(
                func.json_build_object(
                    literal_column("'created_at'"),
                    SECRETS.c.created_at,
                    literal_column("'expires_at'"),
                    SECRETS.c.expires_at,
                ),
                SECRETS.c.created_at,
            )
        )
    )
    .where(SECRETS.c.client_id == TABLE.c.id, *IS_LIVE)
    .correlate(TABLE)
    .scalar_subquery()
)

CLIENTS = Resource(
    schema=ClientRead,
    table=TABLE,
    columns={"secrets": func.coalesce(_LIVE, literal_column("'[]'::json"))},
    filters={"region_code": lambda value: TABLE.c.region_code == value},
    sorts={"-created_at": NEWEST_FIRST, "name": Sort(("name",), descending=False)},
)
