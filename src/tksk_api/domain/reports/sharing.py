"""What of a report its reader is told: no counts of rows whose list they may not open, and no words about work that
they may not see, so that a report never says what the lists and the figures behind it refuse."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Text, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Resource, Stored
from tksk_api.database.tables import table_of
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.history.access import record_access
from tksk_api.domain.records import held_by, holds
from tksk_api.domain.reports.content import SENSITIVE, FollowUps, Headcount, Narrative, Number, Work
from tksk_api.domain.reports.reads import REPORT, REPORTS, REVISION, REVISIONS, TRANSITIONS
from tksk_api.domain.reports.service import Document
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission

Holds = Callable[[Permission], bool]

# Who is told of the sections of counts, small ones among them, and of those of words, which may name anybody.
_SECTIONS: Mapping[str, frozenset[Permission]] = {
    "ppks": frozenset({Permission.PPKS_READ}),
    "sktm": frozenset({Permission.SKTM_READ}),
    "referrals": frozenset({Permission.REFERRAL_READ}),
    "visits": frozenset({Permission.VISIT_READ}),
    "partners": frozenset({Permission.PARTNER_READ, Permission.ACTIVITY_READ}),
    **dict.fromkeys(
        ("work", "obstacles", "follow_ups", "narrative", "attachments"), frozenset({Permission.ACTIVITY_READ})
    ),
}
_NEEDED = frozenset[Permission]().union(*_SECTIONS.values())
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
_WHOLE = {"report": REPORT, "revision": REVISION}
# Who is shown no words has read about nobody.
_NAMELESS = {name: replace(resource, named=None) for name, resource in _WHOLE.items()}


async def listing(reader: Reader, name: str) -> Resource:
    """The list of reports, of revisions or of the steps, with words only for whoever may read about work."""
    may = await held_by(reader)
    return (_LISTED if may(Permission.ACTIVITY_READ) else _WORDLESS)[name]


async def read(reader: Reader, name: str, key: Any, **more: Any) -> Stored:
    """A report or a revision as the caller may have it; recorded where its words are about people. Raises not_found."""
    may = await held_by(reader)
    resource = (_WHOLE if may(Permission.ACTIVITY_READ) else _NAMELESS)[name]
    return shared(await reader.one(resource, key, **more), may)


def written(session: AsyncSession, stored: Stored) -> Stored:
    """A report that the caller has just changed, as they may have it."""
    return shared(stored, partial(holds, session))


def withheld(may: Holds) -> list[str]:
    """The sections that somebody is not told."""
    return [name for name, needed in _SECTIONS.items() if not all(map(may, needed))]


def shared(stored: Stored, may: Holds) -> Stored:
    """Without what the caller is not told; of a number whose rows they do not see, there is no list."""
    if all(map(may, {*_NEEDED, *_LISTS.values(), Permission.PPKS_SENSITIVE})):
        return stored
    said = json.loads(stored.body)
    content, hidden = said["content"], withheld(may)
    for name in hidden:
        content[name] = _NOTHING[name]
    if "work" in hidden:
        _forget_work(content)
        said |= {name: None for name in _WORDS if name in said} | ({"remarks": []} if "remarks" in said else {})
    said["withheld"] = hidden
    body = json.dumps({**said, "content": _listed(content, may)}, separators=(",", ":"), ensure_ascii=False)
    return replace(stored, body=body.encode())


def require_whole(session: AsyncSession, *, photos: bool) -> None:
    """A document is given whole or not at all: what its digest and its signatures are of. Raises permission_denied."""
    for permission in (*sorted(_NEEDED), *([Permission.ATTACHMENT_READ] if photos else [])):
        if not holds(session, permission):
            raise DomainError("permission_denied", permission=permission)


async def record_document(session: AsyncSession, found: Document) -> None:
    """Giving out a document whose words are about people leaves an access row, as reading the report does."""
    said = found.content
    work = {row.activity_id for row in said.obstacles} | {row.activity_id for row in said.follow_ups.items}
    linked = table_of(Activity).c
    query = select(func.unnest(linked.beneficiary_ids)).where(linked.id.in_(work)).distinct()
    people = list((await (await session.connection()).execute(query)).scalars()) if work else []
    if people:
        await record_access(session, people, purpose="service", object_id=found.standing.report_id)


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


def _forget_work(content: dict[str, Any]) -> None:
    """Take out how many activities there were of each officer, and of each region below."""
    for officer in content["identity"]["officers"]:
        officer["activities"] = 0
    for child in (content["children"] or {"rows": []})["rows"]:
        child["activities"] = None


_NONE = Number(count=0, filter=None)
_NOTHING: Mapping[str, Any] = {
    **{name: [] for name in _SECTIONS},
    "narrative": Narrative(summary=None, obstacles=None, plan=None).model_dump(),
    "work": Work(activities=_NONE, headcount=Headcount(), days=0, by_function=(), by_kind=()).model_dump(),
    "follow_ups": FollowUps(open=_NONE, done=_NONE, overdue=_NONE, items=()).model_dump(),
}
