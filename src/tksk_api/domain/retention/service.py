"""Carrying out the retention schedule: what is due, and ending it in small steps.

Runs as the owner of the tables: the service itself may not delete what it keeps for audits.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import asyncpg

BATCH = 200
Action = Literal["delete", "erase_subject", "erase_papers", "keep"]
_ENTER = "SELECT app.enter_system('apply_retention', NULL)"
_END: dict[str, str] = {
    "delete": "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {due} LIMIT $1 FOR UPDATE))",
    "erase_subject": "SELECT app.erase_subject(id, NULL, now()) FROM {table} WHERE {due} LIMIT $1",
    "erase_papers": "SELECT app.erase_papers(id) FROM {table} WHERE {due} LIMIT $1",
}


@dataclass(frozen=True)
class RetentionClass:
    """One class of the schedule; `keep` is a PostgreSQL interval, `since` and `only` are SQL about one row."""

    name: str
    table: str
    keep: str
    since: str
    action: Action
    source: str
    only: str = "true"

    @property
    def due(self) -> str:
        return f"({self.since}) < now() - interval '{self.keep}' AND ({self.only})"

    @property
    def ends(self) -> bool:
        """Whether anything happens to rows that are due."""
        return self.action != "keep"


@dataclass(frozen=True)
class Due:
    """How many rows of a class have outlived their time, and since when the oldest."""

    retention: RetentionClass
    rows: int
    oldest: datetime | None


@cache
def schedule() -> tuple[RetentionClass, ...]:
    """The packaged schedule. Raises ValueError for an action nobody knows, TypeError for a wrong member."""
    return parse(files(__package__).joinpath("schedule.toml").read_text(encoding="utf-8"))


def parse(text: str) -> tuple[RetentionClass, ...]:
    """The classes of a schedule's TOML text, in their order; what refers to another class's rows comes first."""
    classes = tuple(RetentionClass(name=entry.pop("class"), **entry) for entry in tomllib.loads(text)["classes"])
    unknown = [item.name for item in classes if item.action not in get_args(Action)]
    if unknown:
        raise ValueError(f"no such action in {', '.join(unknown)}")
    return classes


async def due(connection: "asyncpg.Connection[Any]") -> list[Due]:
    """What the schedule would end now, class by class."""
    found = []
    for item in schedule():
        row = await connection.fetchrow(
            f"SELECT count(*) AS rows, min({item.since}) AS oldest FROM {item.table} WHERE {item.due}"
        )
        assert row is not None  # an aggregate always answers
        found.append(Due(item, row["rows"], row["oldest"]))
    return found


async def apply(connection: "asyncpg.Connection[Any]", item: RetentionClass, report: Callable[[int], None]) -> int:
    """End what is due of a class, `BATCH` rows to a transaction; killed half-way, the next run does the rest.

    `report` is told after each batch how many rows it ended. Returns their number.
    """
    statement, ended, count = _END[item.action].format(table=item.table, due=item.due), 0, BATCH
    while count == BATCH:
        async with connection.transaction():
            await connection.execute(_ENTER)
            status = await connection.execute(statement, BATCH)
        count = int(status.rpartition(" ")[2])  # "DELETE 500", "SELECT 12"
        ended += count
        report(count)
    return ended
