"""Shapes of a timeline."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Read

EventKind = Literal[
    "registration",
    "correction",
    "identity",
    "move",
    "death",
    "family",
    "decile",
    "ppks",
    "visit",
    "proposal",
    "sktm",
    "letter",
    "referral",
    "activity",
    "attachment",
    "merge",
    "privacy_request",
]


class Actor(Read):
    """Who did it, and in which role; the name stays after the person has left."""

    id: UUID | None
    name: str | None
    role: str | None


class TimelineEntry(Read):
    """One thing that happened to a person, or was recorded about them.

    `at` is when it was recorded, `occurred_on` the day it happened where that was written down. `facts` are a few
    words to show in the list; whoever wants more follows `href`.
    """

    id: Annotated[str, Field(description="Stable name of the entry, opaque")]
    beneficiary_id: Annotated[UUID, Field(description="The person; after a merge, the record that stands")]
    at: datetime
    kind: EventKind
    code: Annotated[str, Field(description="Code of the list timeline_events", examples=["visit_complete"])]
    occurred_on: date | None
    entity: Annotated[str, Field(description="Collection of the record behind it", examples=["visits"])]
    entity_id: UUID
    href: Annotated[str, Field(description="Where the record is, for those who may read it")]
    actor: Actor | None
    facts: dict[str, Any]


class Event(Read):
    """What each part of a timeline provides; the actor's name is looked up for the entries of the page alone."""

    id: str
    at: datetime
    kind: str
    code: str
    occurred_on: date | None
    entity: str
    entity_id: UUID
    actor_id: UUID | None
    actor_name: str | None
    actor_role: str | None
    facts: dict[str, Any]
