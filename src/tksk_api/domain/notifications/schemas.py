"""Shapes of notifications and of how a user wants to be told."""

import re
from datetime import datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from tksk_api.domain.notifications.notices import Channel, Kind
from tksk_api.domain.records import Body, Read
from tksk_api.types import Moment, PhoneNumber, without_identity_number

_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def _clock(value: Any) -> Any:
    if isinstance(value, str) and not _CLOCK.fullmatch(value):
        raise PydanticCustomError("bad_time", "HH:MM expected")
    return value


Clock = Annotated[time, BeforeValidator(_clock), Field(examples=["21:00"])]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=254,
        pattern=r"^[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}$",
    ),
    AfterValidator(without_identity_number),
    Field(examples=["rina@tksk.example"]),
]
Language = Literal["id", "en"]
Outside = Literal["email", "whatsapp", "sms"]


class NotificationRead(Read):
    """Something that happened to a case of yours or waits for you. It names a person by the first name alone;
    `entity` and `entity_id` say where the rest is to be read, as far as you may."""

    id: UUID
    kind: Kind
    template: Annotated[str, Field(description="Which text it is; stable, for clients with words of their own")]
    title: str
    body: str
    entity: str
    entity_id: UUID | None
    beneficiary_id: UUID | None
    case_number: str | None
    due_on: str | None
    read_at: datetime | None
    created_at: datetime


class ReadAll(Body):
    """The moment of the newest one that was shown; what came later stays unread."""

    until: Moment


class Unread(Read):
    """How many are unread; `more` when there are more than are counted."""

    unread: int
    more: bool


class QuietHours(Body):
    """From when until when nothing is sent to you, by the clock of the place you work in; over midnight, too."""

    starts: Clock
    ends: Clock


class NotificationSettingsUpdate(Body):
    """All of it: what is left out is as for somebody who never set it.

    `channels` says for a kind how you are told; without `in_app` it is put into the inbox as read. Of `account` the
    inbox always tells.
    """

    email: Email | None = None
    phone: PhoneNumber | None = None
    language: Language = "id"
    quiet_hours: QuietHours | None = None
    channels: Annotated[
        dict[Kind, Annotated[list[Channel], Field(max_length=4)]],
        Field(examples=[{"task": ["in_app", "whatsapp"], "deadline": ["in_app", "email"]}]),
    ] = {}


class QuietHoursRead(Read):
    starts: str
    ends: str


class NotificationSettingsRead(Read):
    """How you are told, every kind with its channels; `available` are those that this installation can send by."""

    email: str | None
    phone: str | None
    language: Language
    quiet_hours: QuietHoursRead | None
    channels: dict[str, list[Channel]]
    available: list[Outside]
