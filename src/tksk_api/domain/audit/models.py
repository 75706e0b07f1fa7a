"""Table of seals over the access log."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from tksk_api.database.tables import Table, moment


class AccessSeal(Table, table=True):
    """A batch of access rows, closed: a Merkle root over them, chained to the seal before."""

    __tablename__ = "access_seals"

    number: int = Field(primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False})
    sealed_at: datetime = moment(sa_column_kwargs={"nullable": False})
    first_id: int = Field(sa_type=sa.BigInteger)
    last_id: int = Field(sa_type=sa.BigInteger)
    row_count: int
    leaves: bytes
    root: bytes
    previous: bytes
    hash: bytes
