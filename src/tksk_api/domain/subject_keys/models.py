"""Table of the keys of people."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import UUID as PgUuid
from sqlmodel import Field

from tksk_api.database.tables import Table, moment


class SubjectKey(Table, table=True):
    """The key of one person's encrypted data, wrapped by the master key. Without it nothing of theirs can be read."""

    __tablename__ = "subject_keys"

    subject_id: UUID = Field(primary_key=True, sa_type=PgUuid)
    wrapped: bytes
    created_at: datetime = moment(sa_column_kwargs={"server_default": func.now(), "nullable": False})
