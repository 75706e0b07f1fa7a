"""Table of request counters."""

import sqlalchemy as sa
from sqlmodel import Field

from tksk_api.database.tables import Table


class RateLimitCount(Table, table=True):
    """How often a key (a keyed digest) was used until its window ends; unlogged, because a crash may forget it."""

    __tablename__ = "rate_limits"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    # The end comes first: what is over is found, and deleted, at the beginning of the index.
    window_end: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    key: bytes = Field(primary_key=True)
    used: int
