"""Shapes of jobs."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from tksk_api.domain.records import Read

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class JobProgress(Read):
    """How much is done; `total` is null until it was counted."""

    done: int
    total: int | None


class JobRead(Read):
    """A job. `result` is there when it is done, `error` is a problem code when it failed.

    What signs letters and failed has both: what it signed until then stays signed.
    """

    id: UUID
    kind: str
    state: JobState
    region_code: str
    progress: JobProgress
    result: dict[str, Any] | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    version: int
    created_at: datetime
