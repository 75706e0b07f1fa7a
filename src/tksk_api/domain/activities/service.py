"""Logging work, and its way through the office."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import Record, new_id, table_of
from tksk_api.domain.activities.freezing import (
    lock_many,
    refuse_corrected,
    refuse_elsewhere,
    refuse_frozen,
    refuse_second_correction,
)
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.activities.reads import ACTIVITIES, LOGGED_AS, TABLE
from tksk_api.domain.activities.rules import check_day, check_headcount, check_hours, check_source
from tksk_api.domain.activities.schemas import (
    ActivityCreate,
    ActivityInPlaceOf,
    ActivityLink,
    ActivityResult,
    ActivityResults,
    ActivityReturn,
    ActivityRevision,
    ActivityUpdate,
    ActivityWithdrawal,
    FollowUp,
    Headcount,
    QuickActivity,
)
from tksk_api.domain.activities.workflow import WORKFLOW, require_editable
from tksk_api.domain.activity_kinds import service as activity_kinds
from tksk_api.domain.activity_kinds.rules import check_kind
from tksk_api.domain.agencies.models import Agency
from tksk_api.domain.attachments import service as attachments
from tksk_api.domain.batches import Refusal, refuse_twice, told
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import unknown_person
from tksk_api.domain.history.models import Transition
from tksk_api.domain.partners.service import link_errors
from tksk_api.domain.records import (
    create_once,
    created_before,
    load,
    load_reference,
    merged,
    patched,
    refuse_null,
    save,
)
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.regions.service import local_today, require_region
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.domain.suggestions import service as suggestions
from tksk_api.domain.users.service import own_account
from tksk_api.domain.visits.models import Visit
from tksk_api.domain.visits.schemas import Point
from tksk_api.errors import DomainError, FieldError, Language, invalid, not_found
from tksk_api.security.permissions import Permission

_MOST_ERRORS = 50
_SUCCESSOR = text(
    "SELECT app.covers(d) AS covers, app.works_in(CAST(:officer AS uuid), d) AS works_here "
    "FROM CAST(:district AS text) AS d"
)
# By assignments in the caller's area. The last day of one that was ended in the middle of that day is the successor's.
_WORKED = text("""
SELECT count(*) > 0 AS here, coalesce(bool_or(s.during @> CAST(:day AS date)), false) AS that_day
  FROM assignments s
 WHERE s.user_id = :officer AND s.region_code = :district AND s.kind IN ('holder', 'acting') AND NOT isempty(s.during)
""")
_LINKED: Mapping[str, type[Record]] = {
    "beneficiary_ids": Beneficiary,
    "agency_ids": Agency,
    "visit_ids": Visit,
    "sktm_application_ids": SktmApplication,
    "referral_ids": Referral,
}
_LINKS = (*_LINKED, "partner_ids", "attachment_ids")
_REQUIRED = ("occurred_on", "pillar", "function", "roles", "kind", "title", "region_code", *_LINKS)
_CONTENT = ("template_id", "latitude", "longitude", *(ActivityCreate.model_fields.keys() - {"id", "location"}))


async def create(session: AsyncSession, body: ActivityCreate) -> Stored:
    """Log a piece of the caller's own work as a draft.

    Raises invalid_request (see `_check` and `check_links`), id_in_use.
    """
    return await log(session, body, {name: getattr(body, name) for name in ActivityCreate.model_fields if name != "id"})


async def quick(session: AsyncSession, body: QuickActivity) -> Stored:
    """Log work by its kind; place, day, pillar, function and title follow from it, from the caller and from the clock.

    A repeated request answers with what the first one made, even after midnight. Raises invalid_request (missing for
    the pillar of a general kind, or the place of an officer of several districts), and as `create`.
    """
    before = await created_before(session, ACTIVITIES, body, Activity)
    if before is not None:
        return before
    kind = await activity_kinds.find(session, body.kind)
    if kind is None:
        raise invalid("/kind", "unknown_code", list="activity_kinds")
    pillar = body.pillar or kind.pillar
    if pillar is None:
        raise invalid("/pillar", "missing")
    place = body.region_code or own_district(session)
    day = body.occurred_on or local_today((await require_region(session, place, "/region_code")).timezone)
    known = {
        "pillar": pillar,
        "function": body.function or kind.function,
        "title": body.title or kind.label_id,
        "occurred_on": day,
        "region_code": place,
    }
    made = ActivityCreate.model_validate({**body.model_dump(exclude_none=True), **known})
    return await log(session, body, {name: getattr(made, name) for name in ActivityCreate.model_fields if name != "id"})


async def log(
    session: AsyncSession,
    body: BaseModel,
    members: Mapping[str, Any],
    *,
    template_id: UUID | None = None,
) -> Stored:
    """A draft of the caller's own with these members; `body` is what a repeated request is known by. As `create`."""
    facts = _columns(members)
    await _check(session, facts, facts.keys())
    await check_links(session, facts)
    return await _keep(session, body, facts, principal_of(session).user_id, template_id)


async def log_in_place_of(session: AsyncSession, body: ActivityInPlaceOf) -> Stored:
    """What an officer who works in the district no more had not written down, as a draft of theirs, entered by whoever
    answers for the district now (see `_load_own`), who then hands it in.

    The history says who entered it. Raises as `create`, invalid_request at /officer_id (unknown_reference: never held
    the district nor acted in it; still_works_here) and /occurred_on (not_assigned_then), permission_denied.
    """
    before = await created_before(session, ACTIVITIES, body, Activity)
    if before is not None:
        return before
    facts = _columns({name: getattr(body, name) for name in ActivityCreate.model_fields if name != "id"})
    await _check(session, facts, facts.keys())
    await check_links(session, facts)
    await _require_former(session, body.officer_id, body.region_code[: len("00.00.00")], body.occurred_on)
    stored = await _keep(session, body, facts, body.officer_id)
    row = await load(session, Activity, stored.id)  # type: ignore[arg-type]
    await _remember(session, row, "enter", details=_in_place_of(session, row))
    return stored


async def _keep(
    session: AsyncSession, body: BaseModel, facts: Mapping[str, Any], officer: UUID, template_id: UUID | None = None
) -> Stored:
    """The new draft of an officer; what is linked in it is not suggested to them any more."""

    def build() -> Activity:
        return Activity(id=new_id(), officer_id=officer, status=WORKFLOW.initial, template_id=template_id, **facts)

    stored = await create_once(session, ACTIVITIES, body, Activity, build, below=template_id)
    await suggestions.take_up(session, facts, officer, stored.id)  # type: ignore[arg-type]
    return stored


async def _require_former(session: AsyncSession, officer: UUID, district: str, day: date) -> None:
    """Somebody worked in a district on a day and does so no more, and the caller answers for it now.

    Raises as `log_in_place_of`.
    """
    connection = await session.connection()
    worked = (await connection.execute(_WORKED, {"officer": officer, "district": district, "day": day})).one()
    if not worked.here:
        raise invalid("/officer_id", "unknown_reference")
    answer = (await connection.execute(_SUCCESSOR, {"officer": officer, "district": district})).one()
    if not answer.covers:
        raise DomainError("permission_denied", permission=f"{Permission.ACTIVITY_CONTINUE} (own)")
    if answer.works_here:
        raise invalid("/officer_id", "still_works_here")
    if not worked.that_day:
        raise invalid("/occurred_on", "not_assigned_then")


def own_district(session: AsyncSession) -> str:
    """The district or village that the caller works in. Raises invalid_request (missing) where it is not just one."""
    regions = scope_of(session).regions
    if len(regions) != 1 or len(regions[0]) < len("18.71.04"):
        raise invalid("/region_code", "missing")
    return regions[0]


async def update(session: AsyncSession, key: UUID, version: int, patch: ActivityUpdate) -> Stored:
    """Correct one's own draft or returned activity; what is not named is not judged again. See `_load_own` for whose
    work is the caller's to go on with.

    Raises permission_denied for another officer's, frozen, transition_refused while it lies with the office or is
    accepted, invalid_request, stale_version.
    """
    row = await _load_open(session, key, version)
    require_editable(row.status)
    refuse_null(patch, *_REQUIRED)
    changes = _columns(_nested(row, patched(patch)))
    facts = {**row.model_dump(), **changes}
    await _check(session, facts, changes.keys())
    corrected = await _corrected(session, row)
    if corrected is not None and changes.keys() & {"region_code", "occurred_on"}:
        await refuse_elsewhere(session, corrected, facts["region_code"], facts["occurred_on"])
    await check_links(session, changes, row)
    for name, value in changes.items():
        setattr(row, name, value)
    row.is_suggested = False
    await suggestions.take_up(session, changes, row.officer_id, row.id)
    return await save(session, ACTIVITIES, row)


async def discard(session: AsyncSession, key: UUID, version: int) -> None:
    """Take one's own draft or returned activity out of the log; row and history are kept. Raises as `update`, and
    already_corrected while a correction of it is under way, which is deleted first.

    A suggestion that is discarded never comes back.
    """
    row = await _load_open(session, key, version)
    require_editable(row.status)
    await refuse_second_correction(session, row)
    row.deleted_at = datetime.now(UTC)
    await session.flush()


async def confirm(session: AsyncSession, key: UUID, version: int) -> Stored:
    """What was suggested is the caller's own work; it stays a draft. Raises as `update`."""
    row = await _load_open(session, key, version)
    require_editable(row.status)
    row.is_suggested = False
    return await save(session, ACTIVITIES, row)


async def link(session: AsyncSession, key: UUID, version: int, body: ActivityLink) -> Stored:
    """What was suggested was logged by hand before: that entry takes the links, and the suggestion is gone.

    It may lie with the office already: what it says of the work stays. Answers with that entry. Raises
    permission_denied, transition_refused (no suggestion any more), frozen, already_corrected, invalid_request
    (unknown_reference).
    """
    row = await _load_own(session, key, version)
    if not row.is_suggested or body.activity_id == key:
        raise _refused(row)
    logged = await load_reference(session, Activity, body.activity_id, "/activity_id")
    if not _is_own(session, logged):
        raise invalid("/activity_id", "unknown_reference")
    refuse_frozen(logged)
    if logged.status == "withdrawn":
        raise _refused(logged)
    for name in suggestions.LINKS:
        setattr(logged, name, list(dict.fromkeys([*getattr(logged, name), *getattr(row, name)])))
    row.deleted_at = datetime.now(UTC)
    return await save(session, ACTIVITIES, logged)


async def submit(session: AsyncSession, key: UUID, version: int | None) -> Stored:
    """The author hands it to the office; a correction takes the place of what it corrects from now on.

    Raises permission_denied, transition_refused, stale_version, already_logged for a suggestion that may be an entry of
    the officer's own, and invalid_request: unknown_reference for an attachment that was taken back meanwhile,
    outside_report for a correction that left what is reported.
    """
    await lock_many(session, [key])
    row = await load(session, Activity, key, version)
    await _hand_in(session, row, (await own_account(session)).full_name)
    return await save(session, ACTIVITIES, row)


async def _hand_in(session: AsyncSession, row: Activity, name: str) -> None:
    """The step of `submit`, still to be written: what is wrong is found before anything changes."""
    await _require_own(session, row)
    refuse_frozen(row)
    WORKFLOW.check("submit", row.status)
    await _refuse_logged(session, row)
    corrected = await _corrected(session, row)
    if corrected is not None:
        await refuse_elsewhere(session, corrected, row.region_code or "", row.occurred_on)
    kept = corrected.attachment_ids if corrected else ()
    if errors := await attachments.link_errors(session, row.attachment_ids, row.beneficiary_ids, of=row.id, kept=kept):
        raise DomainError("invalid_request", errors=errors)
    row.is_suggested = False
    if corrected is not None:
        corrected.superseded_by = row.id
    WORKFLOW.take(session, row, "submit", name, details=_in_place_of(session, row))


async def send_back(session: AsyncSession, key: UUID, version: int, body: ActivityReturn) -> Stored:
    """The office asks the author for more; what a correction corrects counts again meanwhile.

    Raises transition_refused, frozen, stale_version.
    """
    await lock_many(session, [key])
    row = await load(session, Activity, key, version)
    refuse_frozen(row)
    corrected = await _corrected(session, row)
    WORKFLOW.take(session, row, "return", (await own_account(session)).full_name, note=body.note)
    stored = await save(session, ACTIVITIES, row)
    if corrected is not None:
        corrected.superseded_by = None
        await session.flush()
    return stored


async def accept(session: AsyncSession, key: UUID, version: int | None) -> Stored:
    """The office takes it as done, also what a report holds: that counts as before. Nobody accepts what they did,
    entered or handed in, whatever their role is by now.

    Raises permission_denied, transition_refused, already_corrected, stale_version.
    """
    row = await load(session, Activity, key, version)
    _approve(session, row, await _handed_in(session, [key]), (await own_account(session)).full_name)
    return await save(session, ACTIVITIES, row)


async def withdraw(session: AsyncSession, key: UUID, version: int, body: ActivityWithdrawal) -> Stored:
    """What was handed in should not have been, say for another month's or district's work: it counts no longer, nor
    does what it corrects. A report that says it says so until its next revision; the office sees why in the history.

    Raises permission_denied, already_corrected (the correction is the one to withdraw, or to delete while it is a
    draft), transition_refused, stale_version.
    """
    await lock_many(session, [key])
    row = await _load_own(session, key, version)
    WORKFLOW.check("withdraw", row.status)
    refuse_corrected(row)
    await refuse_second_correction(session, row)
    name = (await own_account(session)).full_name
    gone: Activity | None = row
    while gone is not None:
        WORKFLOW.take(session, gone, "withdraw", name, note=body.reason, details=_in_place_of(session, gone))
        gone = await _corrected(session, gone)
    return await save(session, ACTIVITIES, row)


async def submit_many(session: AsyncSession, keys: Sequence[UUID], language: Language) -> ActivityResults:
    """Submit many of one's own, each by itself. Raises invalid_request (duplicate_entry)."""
    await lock_many(session, keys)
    name = (await own_account(session)).full_name
    return await _many(session, keys, "submitted", lambda row: _hand_in(session, row, name), language)


async def accept_many(session: AsyncSession, keys: Sequence[UUID], language: Language) -> ActivityResults:
    """Accept many, each by itself. Raises invalid_request (duplicate_entry)."""
    await lock_many(session, keys)
    name, handed_in = (await own_account(session)).full_name, await _handed_in(session, keys)

    async def step(row: Activity) -> None:
        _approve(session, row, handed_in, name)

    return await _many(session, keys, "accepted", step, language)


async def _many(
    session: AsyncSession,
    keys: Sequence[UUID],
    done: Literal["submitted", "accepted"],
    step: Callable[[Activity], Awaitable[None]],
    language: Language,
) -> ActivityResults:
    """Each by itself, but read and written together: whoever waits for these rows, as a report does that is handed in,
    must not wait for a hundred steps. `step` refuses before it changes anything. Raises invalid_request
    (duplicate_entry).
    """
    refuse_twice(keys)
    found = (await session.execute(select(Activity).where(TABLE.c.id.in_(keys)))).scalars()
    rows = {row.id: row for row in found if row.deleted_at is None}
    refused: dict[UUID, Refusal] = {}
    with session.no_autoflush:
        for key in keys:
            try:
                if key not in rows:
                    raise not_found()
                await step(rows[key])
            except DomainError as error:
                refused[key] = told(error, language)
    await session.flush()
    return ActivityResults(
        items=[
            ActivityResult(id=key, status="refused", version=None, problem=refused[key])
            if key in refused
            else ActivityResult(id=key, status=done, version=rows[key].version, problem=None)
            for key in keys
        ]
    )


async def revise(session: AsyncSession, key: UUID, version: int, body: ActivityRevision) -> Stored:
    """A draft with the content of what a report holds, to correct it; the report keeps what it said. It is still the
    work of the officer who did it.

    The reason stands in the history of what is corrected. Raises permission_denied, already_corrected,
    transition_refused for what no report holds, stale_version.
    """
    row = await _load_own(session, key, version, lock=True)
    await refuse_second_correction(session, row)
    if row.frozen_by is None or row.status == "withdrawn":
        raise _refused(row)
    correction = Activity(
        id=new_id(),
        version=1,
        officer_id=row.officer_id,
        status=WORKFLOW.initial,
        revises_id=row.id,
        created_by=principal_of(session).user_id,
        **{name: getattr(row, name) for name in _CONTENT},
    )
    correction.beneficiary_ids = await _still_there(session, row.beneficiary_ids)
    stored = await ACTIVITIES.insert(session, correction)
    details = {"correction_id": str(correction.id), **_in_place_of(session, row)}
    await _remember(session, row, "revise", body.reason, details)
    return stored


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the activity is not the caller's to see."""
    await reader.one(ACTIVITIES, key)


async def _remember(
    session: AsyncSession, row: Activity, action: str, note: str | None = None, details: Mapping[str, Any] | None = None
) -> None:
    """In the history of a row that stays where it is."""
    session.add(
        Transition(
            id=new_id(),
            entity=WORKFLOW.entity,
            entity_id=row.id,
            action=action,
            from_state=row.status,
            to_state=row.status,
            actor_id=principal_of(session).user_id,
            actor_name=(await own_account(session)).full_name,
            actor_role=principal_of(session).role,
            note=note,
            details=dict(details or {}),
            request_id=session.info["admission"].request_id,
        )
    )
    await session.flush()


def _is_own(session: AsyncSession, row: Activity) -> bool:
    return row.officer_id == principal_of(session).user_id


def _in_place_of(session: AsyncSession, row: Activity) -> dict[str, str]:
    """Whose work it is, for the history of a step that another officer takes."""
    return {} if _is_own(session, row) else {"in_place_of": str(row.officer_id)}


def _approve(session: AsyncSession, row: Activity, handed_in: Collection[UUID], name: str) -> None:
    """The step of `accept`, still to be written; `handed_in` are those that the caller submitted for their officer."""
    if principal_of(session).user_id in (row.officer_id, row.created_by) or row.id in handed_in:
        raise DomainError("permission_denied", permission=f"{Permission.ACTIVITY_REVIEW} (others)")
    refuse_corrected(row)
    WORKFLOW.take(session, row, "accept", name)


async def _handed_in(session: AsyncSession, keys: Collection[UUID]) -> set[UUID]:
    """Of these the ones that the caller submitted, in their officer's place."""
    steps = table_of(Transition)
    submitted = select(steps.c.entity_id).where(
        steps.c.entity == WORKFLOW.entity,
        steps.c.entity_id.in_(keys),
        steps.c.action == "submit",
        steps.c.actor_id == principal_of(session).user_id,
    )
    return set((await (await session.connection()).execute(submitted)).scalars())


async def _load_own(session: AsyncSession, key: UUID, version: int | None, *, lock: bool = False) -> Activity:
    """The caller's own, or of a district that they hold or act in or, as the regency's office, that nobody works in:
    what a report says and its correction, so that a month can be put right whoever wrote it, and anything of an officer
    who works there no more.

    Raises not_found, stale_version, permission_denied.
    """
    row = await load(session, Activity, key, version, lock=lock)
    await _require_own(session, row)
    return row


async def _require_own(session: AsyncSession, row: Activity) -> None:
    """As `_load_own`. Raises permission_denied."""
    if not _is_own(session, row):
        asked = {"officer": row.officer_id, "district": row.district_code}
        answer = (await (await session.connection()).execute(_SUCCESSOR, asked)).one()
        said = row.frozen_by is not None or row.revises_id is not None
        if not answer.covers or (answer.works_here and not said):
            raise DomainError("permission_denied", permission=f"{Permission.ACTIVITY_CONTINUE} (own)")


async def _load_open(session: AsyncSession, key: UUID, version: int | None) -> Activity:
    row = await _load_own(session, key, version)
    refuse_frozen(row)
    return row


async def _refuse_logged(session: AsyncSession, row: Activity) -> None:
    """What may be counted already is linked, confirmed or dismissed first. Raises already_logged."""
    if row.is_suggested:
        found = select(LOGGED_AS).select_from(TABLE).where(TABLE.c.id == row.id)
        logged = (await (await session.connection()).execute(found)).scalar()
        if logged is not None:
            raise DomainError("already_logged", activity_id=logged)


def _refused(row: Activity) -> DomainError:
    return DomainError("transition_refused", state=row.status, allowed_actions=WORKFLOW.actions_from(row.status))


async def _corrected(session: AsyncSession, row: Activity) -> Activity | None:
    """What the row corrects, when it is a correction."""
    return None if row.revises_id is None else await load(session, Activity, row.revises_id)


async def _still_there(session: AsyncSession, people: Sequence[UUID]) -> list[UUID]:
    """Without those whose record was withdrawn or is restricted: nothing new is written about them."""
    model: Any = Beneficiary
    closed = or_(model.deleted_at.is_not(None), model.restricted_at.is_not(None))
    gone = set((await session.execute(select(model.id).where(model.id.in_(people), closed))).scalars())
    return [person for person in people if person not in gone]


def _nested(row: Activity, changes: dict[str, Any]) -> dict[str, Any]:
    """Nested members of a merge patch, each merged into what the row has."""
    place = {"lat": row.latitude, "lon": row.longitude}
    present: Mapping[str, tuple[type[BaseModel], Mapping[str, Any] | None]] = {
        "location": (Point, place),
        "headcount": (Headcount, row.headcount),
        "follow_up": (FollowUp, row.follow_up),
    }
    for name, (model, now) in present.items():
        if name in changes:
            changes[name] = merged(model, now, changes[name], f"/{name}")
    return changes


def _columns(members: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a body as columns of the table."""
    columns = dict(members)
    if "location" in columns:
        location = columns.pop("location")
        columns["latitude"] = location.lat if location else None
        columns["longitude"] = location.lon if location else None
    if "headcount" in columns:
        columns["headcount"] = columns["headcount"].model_dump() if columns["headcount"] else {}
    if columns.get("follow_up") is not None:
        columns["follow_up"] = columns["follow_up"].model_dump(mode="json")
    return columns


async def _check(session: AsyncSession, facts: Mapping[str, Any], changed: AbstractSet[str]) -> None:
    """The rules that the changed columns touch, on the row as it would be.

    Raises invalid_request: outside_scope or unknown_region, and what the rules raise.
    """
    if changed & {"region_code", "occurred_on", "started_at", "ended_at"}:
        if not scope_of(session).contains(facts["region_code"]):
            raise invalid("/region_code", "outside_scope")
        region = await require_region(session, facts["region_code"], "/region_code")
        if changed & {"region_code", "occurred_on"}:
            check_day(facts["occurred_on"], local_today(region.timezone))
        check_hours(facts["occurred_on"], facts["started_at"], facts["ended_at"], region.timezone)
    if changed & {"kind", "pillar"}:
        kind = await activity_kinds.find(session, facts["kind"])
        check_kind(kind, facts["pillar"], facts["region_code"], facts["occurred_on"])
    if "assigned_by" in changed:
        check_source(facts["assigned_by"])
    if changed & {"headcount", "beneficiary_ids"}:
        check_headcount(facts["headcount"], len(facts["beneficiary_ids"]))


async def check_links(session: AsyncSession, changes: Mapping[str, Any], row: Activity | None = None) -> None:
    """Each linked id exists, people inside the caller's area, and stands once; links the row has already may stay.

    Attachments belong to the activity or to one of its people.
    Raises invalid_request (unknown_reference, duplicate_entry, partner_inactive), naming every wrong entry, e.g.
    /beneficiary_ids/3.
    """
    errors: list[FieldError] = []
    done = changes.get("follows_up_id")
    if done is not None and (await session.get(Activity, done) is None or await _is_of(session, row, done)):
        errors.append(FieldError("/follows_up_id", "unknown_reference"))
    for name in filter(changes.get, _LINKS):
        ids: Sequence[UUID] = changes[name]
        kept: Collection[UUID] = getattr(row, name) if row is not None else ()
        if name == "partner_ids":
            errors += await link_errors(session, ids, kept)
            continue
        if name == "attachment_ids":
            people = changes.get("beneficiary_ids", row.beneficiary_ids if row is not None else ())
            own = row.id if row is not None else None
            errors += await attachments.link_errors(session, ids, people, of=own, kept=kept)
            continue
        known = {*kept, *await _existing(session, name, set(ids).difference(kept))}
        for index, key in enumerate(ids):
            if key not in known and name == "beneficiary_ids" and len(errors) < _MOST_ERRORS:
                errors.append(await unknown_person(session, key, f"/{name}/{index}"))
            elif key not in known:
                errors.append(FieldError(f"/{name}/{index}", "unknown_reference"))
            elif key in ids[:index]:
                errors.append(FieldError(f"/{name}/{index}", "duplicate_entry"))
    if errors:
        raise DomainError("invalid_request", errors=errors[:_MOST_ERRORS])


async def _is_of(session: AsyncSession, row: Activity | None, key: UUID) -> bool:
    """Whether the key is the row's own, or that of what it corrects: nothing does what itself left to do."""
    while row is not None and row.id != key:
        row = await _corrected(session, row)
    return row is not None


async def _existing(session: AsyncSession, name: str, ids: AbstractSet[UUID]) -> Collection[UUID]:
    """Those of the ids that exist for the caller, by one query."""
    if not ids:
        return ()
    model: Any = _LINKED[name]
    found = select(model.id).where(model.id.in_(ids))
    if name == "beneficiary_ids":
        found = found.where(model.deleted_at.is_(None))
    return (await session.execute(found)).scalars().all()
