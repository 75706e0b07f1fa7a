"""The work log: what officers did, in the four pillars of social welfare."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from tksk_api.database.reads import Stored
from tksk_api.domain.activities import service
from tksk_api.domain.activities.reads import ACTIVITIES, TRANSITIONS
from tksk_api.domain.activities.schemas import (
    ActivityCreate,
    ActivityInPlaceOf,
    ActivityLink,
    ActivityMany,
    ActivityRead,
    ActivityResults,
    ActivityReturn,
    ActivityRevision,
    ActivityStatus,
    ActivityUpdate,
    ActivityWithdrawal,
    QuickActivity,
)
from tksk_api.domain.activity_kinds.schemas import Pillar, TkskFunction
from tksk_api.domain.history.reads import TransitionRead
from tksk_api.http.concurrency import IfMatch
from tksk_api.http.dependencies import ReaderDep, SessionDep
from tksk_api.http.pagination import CountedAs, Page, PageQuery, needs
from tksk_api.http.problems import language_of
from tksk_api.http.replies import PRIVATE, keep, no_content, reply, respond, respond_page
from tksk_api.http.routing import Router
from tksk_api.security.permissions import Permission
from tksk_api.types import Code, Day, RegionCode

router = Router("activities")


class ActivityQuery(PageQuery):
    pillar: Pillar | None = None
    function: TkskFunction | None = None
    status: ActivityStatus | None = None
    kind: Code | None = None
    officer_id: UUID | None = None
    occurred_from: Day | None = None
    occurred_until: Day | None = None
    region_code: RegionCode | None = None
    within: Annotated[RegionCode | None, Field(description="Work in this region and in those inside it")] = None
    is_suggested: Annotated[bool | None, Field(description="What other records suggest, not taken up yet")] = None
    counted: Annotated[
        bool | None, Field(description="What reports and statistics count: handed in, and not replaced by a correction")
    ] = None
    report: Annotated[UUID | None, Field(description="What this report, recap or revision counts")] = None
    counted_as: CountedAs = None
    left_out_of: Annotated[
        UUID | None, Field(description="Counts in the place and period of this report or revision, but is not in it")
    ] = None
    partner_type: Annotated[Code | None, Field(description="With a partner of this type; list psks_types")] = None
    has_result: bool | None = None
    follow_up: Annotated[
        Literal["pending", "done"] | None, Field(description="Leaves something to do; done: by later work")
    ] = None
    follow_up_due_from: Day | None = None
    follow_up_due_until: Day | None = None
    frozen_by: Annotated[UUID | None, Field(description="What this report holds")] = None


@router.post(
    "/activities",
    permission=Permission.ACTIVITY_WRITE,
    status_code=201,
    response_model=ActivityRead,
    summary="Log a piece of work",
)
async def create_activity(session: SessionDep, request: Request, body: ActivityCreate) -> Response:
    """A draft of your own. Dates follow the calendar of `region_code`, a district or village of your area.

    A client that was offline may send its own `id`; the same id with the same content again answers 200.
    """
    return reply(session, request, await service.create(session, body))


@router.post(
    "/activities/quick",
    permission=Permission.ACTIVITY_WRITE,
    status_code=201,
    response_model=ActivityRead,
    summary="Log a piece of work quickly",
)
async def create_quick_activity(session: SessionDep, body: QuickActivity) -> Response:
    """A draft of your own from what a phone asks for: the kind, for a general one its pillar, a title, how many people.
    Day, place, function and title follow from the clock, your district and the kind, and can be corrected.

    A client that was offline sends its own `id`, and the day on which it was written.
    """
    return _logged(session, await service.quick(session, body))


@router.post(
    "/activities/in-place-of",
    permission=Permission.ACTIVITY_CONTINUE,
    status_code=201,
    response_model=ActivityRead,
    summary="Log work of an officer who left",
)
async def create_activity_in_place(session: SessionDep, body: ActivityInPlaceOf) -> Response:
    """A draft of `officer_id`, who held the district of `region_code` or acted in it on that day and does so no more:
    what they had not written down when they moved, for they do not reach their former district.

    It is for whoever holds the district or acts in it by an assignment and, where nobody works there, for the regency's
    office; they submit it, too. It stays the work of who did it; the history says who entered it."""
    return _logged(session, await service.log_in_place_of(session, body))


@router.post(
    "/activities/submit-many",
    permission=Permission.ACTIVITY_WRITE,
    response_model=ActivityResults,
    summary="Submit many",
)
async def submit_activities(session: SessionDep, request: Request, body: ActivityMany) -> Response:
    """Up to 200 of your own, as at the end of the month, each by itself: what is wrong with one is told beside it and
    holds up no other. A suggestion that is submitted is confirmed by it, unless `origin.logged_as` names an entry that
    may be the same work: link, confirm or delete that one first."""
    results = await service.submit_many(session, body.ids, language_of(request.scope["headers"]))
    return keep(session, Response(results.model_dump_json(), headers=dict(PRIVATE), media_type="application/json"))


@router.post(
    "/activities/accept-many",
    permission=Permission.ACTIVITY_REVIEW,
    response_model=ActivityResults,
    summary="Accept many",
)
async def accept_activities(session: SessionDep, request: Request, body: ActivityMany) -> Response:
    """Up to 200 submitted entries, each by itself."""
    results = await service.accept_many(session, body.ids, language_of(request.scope["headers"]))
    return keep(session, Response(results.model_dump_json(), headers=dict(PRIVATE), media_type="application/json"))


@router.get(
    "/activities",
    permission=Permission.ACTIVITY_READ,
    response_model=Page[ActivityRead],
    summary="List the work log",
)
async def list_activities(reader: ReaderDep, request: Request, query: Annotated[ActivityQuery, Query()]) -> Response:
    """Work of the caller's area, the latest entries first, or with `sort=-occurred_on` the latest work first.

    `occurred_from` and `occurred_until` are included in the range; `region_code` matches exactly, `within` also what
    lies inside. `is_suggested=true`: what visits, letters and referrals say you did. Confirm, link or delete it.
    """
    needs(query, "counted_as", "report")
    return await respond_page(reader, request, ACTIVITIES, query)


@router.get(
    "/activities/{id}", permission=Permission.ACTIVITY_READ, response_model=ActivityRead, summary="One piece of work"
)
async def get_activity(reader: ReaderDep, id: UUID) -> Response:
    """An entry of the work log of the caller's area."""
    return respond(await reader.one(ACTIVITIES, id))


@router.patch(
    "/activities/{id}",
    permission=Permission.ACTIVITY_CONTINUE,
    response_model=ActivityRead,
    summary="Correct a piece of work",
)
async def update_activity(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityUpdate
) -> Response:
    """Your own entry, while it is a draft or was returned. Merge patch: null clears, missing keeps."""
    return reply(session, request, await service.update(session, id, version, body))


@router.delete(
    "/activities/{id}", permission=Permission.ACTIVITY_CONTINUE, status_code=204, summary="Withdraw a piece of work"
)
async def delete_activity(session: SessionDep, id: UUID, version: IfMatch) -> Response:
    """Your own entry, while it is a draft or was returned. The history stays. A suggestion never comes back."""
    await service.discard(session, id, version)
    return no_content(session)


@router.post(
    "/activities/{id}/confirm", permission=Permission.ACTIVITY_WRITE, response_model=ActivityRead, summary="Confirm"
)
async def confirm_activity(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """What a visit, a letter or a referral suggests was your work. It stays a draft until you submit it."""
    return reply(session, request, await service.confirm(session, id, version))


@router.post(
    "/activities/{id}/link",
    permission=Permission.ACTIVITY_WRITE,
    response_model=ActivityRead,
    summary="Link a suggestion to your own entry",
)
async def link_activity(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityLink
) -> Response:
    """You logged the same work by hand (`origin.logged_as`): that entry takes the link, also if it lies with the office
    already, and the suggestion is gone. Answers with that entry; so is nothing counted twice. Where a report holds the
    entry, delete the suggestion instead."""
    return reply(session, request, await service.link(session, id, version, body))


@router.post(
    "/activities/{id}/revise",
    permission=Permission.ACTIVITY_CONTINUE,
    status_code=201,
    response_model=ActivityRead,
    summary="Correct what a report holds",
)
async def revise_activity(session: SessionDep, id: UUID, version: IfMatch, body: ActivityRevision) -> Response:
    """A draft with the same content, to be corrected and submitted; from then on it counts in its place, and the next
    revision of the report says it. What the report said stays readable. Day and place stay in its period and district.

    It is for whoever did the work, for whoever holds the district or acts in it by an assignment and, where nobody
    works there, for the regency's office."""
    return _logged(session, await service.revise(session, id, version, body))


@router.post(
    "/activities/{id}/withdraw",
    permission=Permission.ACTIVITY_CONTINUE,
    response_model=ActivityRead,
    summary="Withdraw what was handed in",
)
async def withdraw_activity(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityWithdrawal
) -> Response:
    """For good, with the reason: work that was logged twice, or in another month, district or pillar than it was done
    in, which is then logged anew. It counts no longer, nor does what it corrects. A report that says it stays as it is,
    and its next revision leaves it out. For the same people as a correction; a draft is deleted instead."""
    return reply(session, request, await service.withdraw(session, id, version, body))


@router.post(
    "/activities/{id}/submit", permission=Permission.ACTIVITY_CONTINUE, response_model=ActivityRead, summary="Submit"
)
async def submit_activity(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Hand your entry to the social service office; until it is returned nobody changes it."""
    return reply(session, request, await service.submit(session, id, version))


@router.post(
    "/activities/{id}/return", permission=Permission.ACTIVITY_REVIEW, response_model=ActivityRead, summary="Return"
)
async def return_activity(
    session: SessionDep, request: Request, id: UUID, version: IfMatch, body: ActivityReturn
) -> Response:
    """Give a submitted entry back to its author, saying what is missing."""
    return reply(session, request, await service.send_back(session, id, version, body))


@router.post(
    "/activities/{id}/accept", permission=Permission.ACTIVITY_REVIEW, response_model=ActivityRead, summary="Accept"
)
async def accept_activity(session: SessionDep, request: Request, id: UUID, version: IfMatch) -> Response:
    """Take a submitted entry as done, also when a report holds it already. Nobody accepts their own work."""
    return reply(session, request, await service.accept(session, id, version))


@router.get(
    "/activities/{id}/history",
    permission=Permission.ACTIVITY_READ,
    response_model=Page[TransitionRead],
    summary="The steps it took",
)
async def list_activity_history(
    reader: ReaderDep, request: Request, id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Submissions, returns with their notes, and the acceptance, oldest first."""
    await service.require_visible(reader, id)
    return await respond_page(reader, request, TRANSITIONS, query, entity_id=id)


def _logged(session: SessionDep, stored: Stored) -> Response:
    """A new entry that was not posted to the list itself."""
    headers = {"Location": f"/v1/activities/{stored.id}"} if stored.created else {}
    return keep(session, respond(stored, 201 if stored.created else 200, headers=headers))
