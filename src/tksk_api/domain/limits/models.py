"""Table of request counters."""

import sqlalchemy as sa
from sqlmodel import Field

from tksk_api.database.tables import Table


class RateLimitCount(Table, table=True):
    """How many requests a key (a keyed digest) made in a window; unlogged, because a crash may forget it."""

    __tablename__ = "rate_limits"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    key: bytes = Field(primary_key=True)
    window_start: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    used: int
