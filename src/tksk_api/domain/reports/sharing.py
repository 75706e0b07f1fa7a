"""What of a report its reader is told: no counts of rows whose list they may not open, and no words about work that
they may not see, so that a report never says what the lists and the figures behind it refuse."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Text, literal_column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Resource, Stored
from tksk_api.domain.records import held_by, holds
from tksk_api.domain.reports.content import SENSITIVE
from tksk_api.domain.reports.reads import REPORTS, REVISIONS, TRANSITIONS
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission

Holds = Callable[[Permission], bool]

# Sections of counts, small ones among them, and those of words, which may name anybody.
_SECTIONS: Mapping[str, Permission] = {
    "ppks": Permission.PPKS_READ,
    "sktm": Permission.SKTM_READ,
    "referrals": Permission.REFERRAL_READ,
    "visits": Permission.VISIT_READ,
    **dict.fromkeys(("obstacles", "follow_ups", "narrative", "attachments"), Permission.ACTIVITY_READ),
}
_LISTS: Mapping[str, Permission] = {
    "activities": Permission.ACTIVITY_READ,
    "partners": Permission.PARTNER_READ,
    "ppks-assessments": Permission.PPKS_READ,
    "sktm-applications": Permission.SKTM_READ,
    "referrals": Permission.REFERRAL_READ,
    "visits": Permission.VISIT_READ,
}
_WORDS = ("summary", "obstacles", "plan", "revises")


def _without_words(resource: Resource) -> Resource:
    nothing = dict.fromkeys((*_WORDS, "note"), literal_column("NULL::text", Text()))
    empty = {"remarks": literal_column("'[]'::jsonb", JSONB()), "details": literal_column("'{}'::jsonb", JSONB())}
    hidden = {name: value for name, value in {**nothing, **empty}.items() if name in resource.schema.model_fields}
    return replace(resource, columns={**resource.columns, **hidden})


_LISTED = {"reports": REPORTS, "revisions": REVISIONS, "history": TRANSITIONS}
_WORDLESS = {name: _without_words(resource) for name, resource in _LISTED.items()}


async def listing(reader: Reader, name: str) -> Resource:
    """The list of reports, of revisions or of the steps, with words only for whoever may read about work."""
    may = await held_by(reader)
    return (_LISTED if may(Permission.ACTIVITY_READ) else _WORDLESS)[name]


async def read(reader: Reader, resource: Resource, key: Any, **more: Any) -> Stored:
    """A report or a revision as the caller may have it. Raises not_found."""
    stored = await reader.one(resource, key, **more)
    return shared(stored, await held_by(reader))


def written(session: AsyncSession, stored: Stored) -> Stored:
    """A report that the caller has just changed, as they may have it."""
    return shared(stored, partial(holds, session))


def withheld(may: Holds) -> list[str]:
    """The sections that somebody is not told."""
    return [name for name, permission in _SECTIONS.items() if not may(permission)]


def shared(stored: Stored, may: Holds) -> Stored:
    """Without what the caller is not told; of a number whose rows they do not see, there is no list."""
    needed = {*_SECTIONS.values(), *_LISTS.values(), Permission.PPKS_SENSITIVE}
    if all(may(permission) for permission in needed):
        return stored
    said = json.loads(stored.body)
    content, hidden = said["content"], withheld(may)
    for name in hidden:
        content[name] = _NOTHING[name](content[name])
    if not may(Permission.ACTIVITY_READ):
        said |= {name: None for name in _WORDS if name in said} | ({"remarks": []} if "remarks" in said else {})
    said["withheld"] = hidden
    body = json.dumps({**said, "content": _listed(content, may)}, separators=(",", ":"), ensure_ascii=False)
    return replace(stored, body=body.encode())


def require_whole(session: AsyncSession, *, photos: bool) -> None:
    """A document is given whole or not at all: what its digest and its signatures are of. Raises permission_denied."""
    for permission in (*_SECTIONS.values(), *([Permission.ATTACHMENT_READ] if photos else [])):
        if not holds(session, permission):
            raise DomainError("permission_denied", permission=permission)


def _listed(said: Any, may: Holds) -> Any:
    if isinstance(said, list):
        return [_listed(item, may) for item in said]
    if not isinstance(said, dict):
        return said
    if said.keys() == {"count", "filter"}:
        return said if said["filter"] and _opens(said["filter"], may) else {**said, "filter": None}
    return {name: _listed(value, may) for name, value in said.items()}


def _opens(address: str, may: Holds) -> bool:
    collection, _, asked = address.removeprefix("/v1/").partition("?")
    is_sensitive = f"counted_as={SENSITIVE}." in asked
    return may(_LISTS[collection]) and (not is_sensitive or may(Permission.PPKS_SENSITIVE))


_NOTHING: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_SECTIONS, lambda _: []),
    "narrative": dict.fromkeys,
    "follow_ups": lambda said: {**said, "items": []},
}
