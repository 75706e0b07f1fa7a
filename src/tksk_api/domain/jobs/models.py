"""Table of jobs."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tksk_api.database.tables import Record, RegionScoped, json_object, moment


class Job(Record, RegionScoped, table=True):
    """Work for one caller (`created_by`) about one region, done in steps. `checkpoint` is where the next step begins.

    `version` counts what its owner sees of it, not its progress: 1 until it ends.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        sa.Index(
            "ix_jobs_waiting",
            text("coalesce(heartbeat_at, created_at)"),
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )

    kind: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    parameters: dict[str, Any] = json_object()
    checkpoint: dict[str, Any] = json_object()
    done: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    total: int | None = None
    result: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    error: str | None = Field(default=None, sa_type=Text)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    started_at: datetime | None = moment()
    heartbeat_at: datetime | None = moment()
    finished_at: datetime | None = moment()
