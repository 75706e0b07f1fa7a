"""Compiling a report, and its way from the author to the office above."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Reader, Stored
from tksk_api.database.session import principal_of, scope_of
from tksk_api.database.tables import new_id
from tksk_api.domain.activities.freezing import freeze, unfreeze
from tksk_api.domain.jobs.service import enqueue
from tksk_api.domain.records import holds, load, patched, save
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.models import Region
from tksk_api.domain.regions.service import chain, find_region, local_today, office_name, require_region
from tksk_api.domain.report_calendars.service import due_on, setting
from tksk_api.domain.reports import checks
from tksk_api.domain.reports.compiling import Compiled, compile_district
from tksk_api.domain.reports.content import Level, Narrative, Period, PeriodType, Place, ReportContent, Signed, Standing
from tksk_api.domain.reports.models import Report, ReportRevision
from tksk_api.domain.reports.numbers import Numbers
from tksk_api.domain.reports.reads import REPORT, REPORTS, SNAPSHOTS, TABLE
from tksk_api.domain.reports.recaps import compile_recap
from tksk_api.domain.reports.rules import check_period, first_day, level_of
from tksk_api.domain.reports.schemas import (
    ReportCheck,
    ReportCreate,
    ReportMany,
    ReportRender,
    ReportReturn,
    ReportRevise,
    ReportUpdate,
    ReportVerification,
)
from tksk_api.domain.reports.workflow import AUTHORS, REVIEWERS, WORKFLOW, require_editable
from tksk_api.domain.users.service import own_account
from tksk_api.errors import DomainError, invalid, not_found
from tksk_api.security.permissions import Permission, Role

COMPILE_MANY, RENDER_MANY = "compile_reports", "render_reports"
_TOKEN_BYTES = 16
_VERIFY = "SELECT * FROM app.verify_report($1)"
_HELD = text("""
SELECT app.holder_of(CAST(:district AS text)) IS NOT NULL
       OR EXISTS (SELECT 1 FROM users u WHERE u.role = 'tksk' AND u.region_code = :district AND NOT u.has_assignments
                     AND u.disabled_at IS NULL)
""")
_NATION_TIMEZONE = "Asia/Jakarta"  # where the ministry is
_NATION = {"name": "Indonesia", "office": "Kementerian Sosial Republik Indonesia"}


async def create(session: AsyncSession, body: ReportCreate) -> Stored:
    """The report of a region and period, compiled; the one there is when somebody asked before.

    Raises permission_denied for a level that is not the caller's, invalid_request (report_level, outside_scope,
    unknown_region, not_period_start, in_future).
    """
    level = level_of(body.region_code)
    if not scope_of(session).contains(body.region_code):
        raise invalid("/region_code", "outside_scope")
    _require(session, AUTHORS, level, Permission.REPORT_WRITE)
    key, created = await obtain(
        session, body.region_code, body.period_type, body.period_start, principal_of(session).user_id
    )
    return await REPORT.stored(session, key, created=created)


async def obtain(
    session: AsyncSession, region_code: str | None, period_type: PeriodType, start: date, author: UUID | None
) -> tuple[UUID, bool]:
    """The id of the report of a region and period, and whether it was made now. Of two at once, one makes it.

    Raises invalid_request (unknown_region, not_period_start, in_future).
    """
    region = await find_region(session, region_code) if region_code else None
    if region_code and (region is None or (region.valid_until is not None and region.valid_until <= start)):
        raise invalid("/region_code", "unknown_region")
    timezone = region.timezone if region else _NATION_TIMEZONE
    last = check_period(period_type, start, local_today(timezone))
    connection = await session.connection()
    name = f"report {region_code} {period_type} {start}"
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    there = select(TABLE.c.id).where(
        TABLE.c.region_code.is_not_distinct_from(region_code),
        TABLE.c.period_type == period_type,
        TABLE.c.period_start == start,
    )
    found: UUID | None = (await connection.execute(there)).scalar()
    if found is not None:
        return found, False
    row = Report(
        id=new_id(),
        version=1,
        created_by=author,
        region_code=region_code,
        level=level_of(region_code),
        period_type=period_type,
        period_start=start,
        period_end=last,
        timezone=timezone,
        due_on=await due_on(session, region_code, period_type, last),
        status=WORKFLOW.initial,
        revision=1,
        content={},
        compiled_at=datetime.now(UTC),
    )
    await _compile(session, row)
    await REPORT.insert(session, row)
    return row.id, True


async def recompile(session: AsyncSession, key: UUID, version: int) -> Stored:
    """Count anew, while it is the author's. Raises not_found, permission_denied, transition_refused, stale_version."""
    row = await _load_own(session, key, version)
    require_editable(row.status)
    await _compile(session, row)
    return await save(session, REPORT, row)


async def update(session: AsyncSession, key: UUID, version: int, patch: ReportUpdate) -> Stored:
    """What the author writes. Raises as `recompile`."""
    row = await _load_own(session, key, version)
    require_editable(row.status)
    for name, value in patched(patch).items():
        setattr(row, name, value)
    _author(session, row)
    row.content = {**row.content, "narrative": _narrative(row).model_dump(mode="json")}
    return await save(session, REPORT, row)


async def check(session: AsyncSession, key: UUID) -> ReportCheck:
    """What a submission would meet now, counted anew and not kept. Raises not_found."""
    row = await load(session, Report, key)
    compiled, content = await _counted(session, row, row.id)
    found = await checks.check(session, row, compiled, content, local_today(row.timezone))
    return found if holds(session, Permission.ACTIVITY_READ) else checks.without_work(found)


async def submit(session: AsyncSession, report_id: UUID, version: int) -> Stored:
    """Freeze the work, count it once more, and keep that for good as the next revision.

    Raises not_found, permission_denied, transition_refused, stale_version, report_incomplete with the codes of what
    blocks it.
    """
    row = await _load_own(session, report_id, version)
    WORKFLOW.check("submit", row.status)
    today = local_today(row.timezone)
    first, content = await _counted(session, row, row.id)
    found = await checks.check(session, row, first, content, today)
    if not found.ready:
        missing = [item.code for item in found.items if item.severity == "blocking"]
        raise DomainError("report_incomplete", missing=missing)
    if row.level == "district":
        await freeze(session, row.id, row.region_code or "", first.officer_ids, row.period_start, row.period_end)
    key = new_id()
    compiled, content = await _counted(session, row, key, only_frozen=True)
    said = content.to_json()
    snapshot = ReportRevision(
        id=key,
        version=1,
        created_by=principal_of(session).user_id,
        region_code=row.region_code,
        report_id=row.id,
        number=row.revision,
        place=content.region.office,
        revises=row.revises,
        content=said,
        sha256=hashlib.sha256(said.encode()).digest(),
        submitted_at=datetime.now(UTC),
        submitted_by=principal_of(session).user_id,
        submitted=await _signature(session),
        status="submitted",
        is_late=row.is_late if row.is_late is not None else today > row.due_on,
    )
    _cover(snapshot, compiled)
    session.add(snapshot)
    _author(session, row)
    row.is_late = snapshot.is_late
    row.remarks = []
    _keep(row, compiled, content)
    await _step(session, row, "submit")
    return await save(session, REPORT, row)


async def send_back(session: AsyncSession, key: UUID, version: int, body: ReportReturn) -> Stored:
    """The office asks the author for more, by section; the work can be changed again, but for what was accepted before.

    Raises not_found, permission_denied, transition_refused, stale_version, invalid_request (unknown_code).
    """
    row = await _load_others(session, key, version)
    for index, remark in enumerate(body.remarks):
        if remark.section not in codes("report_sections"):
            raise invalid(f"/remarks/{index}/section", "unknown_code", list="report_sections")
    WORKFLOW.check("return", row.status)
    snapshot = await _decide(session, row, "returned")
    await unfreeze(session, row.id)
    row.remarks = [remark.model_dump() for remark in body.remarks]
    await _step(session, row, "return", details={"revision": snapshot.number, "remarks": row.remarks})
    row.revision += 1
    return await save(session, REPORT, row)


async def accept(session: AsyncSession, key: UUID, version: int, public_url: str) -> Stored:
    """The office takes it; recaps count it from now on. Nobody accepts what they ever wrote in, whatever their role is.

    Raises not_found, permission_denied, transition_refused, stale_version, acknowledgement_order where the district
    head comes first.
    """
    row = await _load_others(session, key, version)
    WORKFLOW.check("accept", row.status)
    snapshot = await _decide(session, row, "accepted")
    order = await _acknowledgement(session, row)
    if order == "before_acceptance" and snapshot.acknowledged_at is None:
        raise DomainError("acknowledgement_order", order=order)
    snapshot.token = secrets.token_urlsafe(_TOKEN_BYTES)
    snapshot.verification_url = f"{public_url}/verify-report/{snapshot.token}"
    row.accepted_revision = snapshot.number
    await _step(session, row, "accept")
    return await save(session, REPORT, row)


async def acknowledge(session: AsyncSession, key: UUID, version: int) -> Stored:
    """The district head has seen it. Once for each revision.

    Raises not_found, transition_refused, stale_version, acknowledgement_order where the office comes first.
    """
    row = await load(session, Report, key, version, lock=True)
    WORKFLOW.check("acknowledge", row.status)
    if row.level != "district":
        raise DomainError("permission_denied", permission=f"{Permission.REPORT_ACKNOWLEDGE} (district)")
    snapshot = await _snapshot(session, row)
    if snapshot.acknowledged_at is not None:
        actions = [action for action in WORKFLOW.actions_from(row.status) if action != "acknowledge"]
        raise DomainError("transition_refused", state=row.status, allowed_actions=actions)
    order = await _acknowledgement(session, row)
    if order == "after_acceptance" and row.status != "accepted":
        raise DomainError("acknowledgement_order", order=order)
    snapshot.acknowledged_at = datetime.now(UTC)
    snapshot.acknowledged_by = principal_of(session).user_id
    snapshot.acknowledged = await _signature(session)
    await _step(session, row, "acknowledge", target=row.status)
    return await save(session, REPORT, row)


async def revise(session: AsyncSession, key: UUID, version: int, body: ReportRevise) -> Stored:
    """Begin a correction beside the accepted revision, which counts until the correction is accepted.

    Raises not_found, permission_denied, transition_refused, stale_version.
    """
    row = await _load_own(session, key, version)
    WORKFLOW.check("revise", row.status)
    newest = select(func.max(SNAPSHOTS.c.number)).where(SNAPSHOTS.c.report_id == row.id)
    number = 1 + (await (await session.connection()).execute(newest)).scalar_one()
    await _step(session, row, "revise", note=body.reason, details={"revision": number})
    _author(session, row)
    row.revision = number
    row.revises = body.reason
    row.remarks = []
    await _compile(session, row)
    return await save(session, REPORT, row)


async def discard(session: AsyncSession, key: UUID, version: int) -> Stored:
    """Give a correction up that is not submitted, or was returned: the report is again what was accepted.

    Raises not_found, permission_denied, transition_refused (there is nothing accepted to go back to), stale_version.
    """
    row = await _load_own(session, key, version)
    WORKFLOW.check("discard", row.status)
    if row.accepted_revision is None:
        actions = [action for action in WORKFLOW.actions_from(row.status) if action != "discard"]
        raise DomainError("transition_refused", state=row.status, allowed_actions=actions)
    await _step(session, row, "discard")
    row.revision = row.accepted_revision
    snapshot = await _snapshot(session, row)
    said = ReportContent.from_json(snapshot.content)
    for name, words in said.narrative.model_dump().items():
        setattr(row, name, words)
    row.revises, row.remarks = snapshot.revises, []
    row.content, row.compiled_at = said.model_dump(mode="json"), said.compiled_at
    row.officer_ids, row.activity_ids = snapshot.officer_ids, snapshot.activity_ids
    row.source_ids, row.district_codes, row.counted = snapshot.source_ids, snapshot.district_codes, snapshot.counted
    return await save(session, REPORT, row)


async def start_many(session: AsyncSession, body: ReportMany) -> Stored:
    """Ask for drafts of every district of a regency or province.

    Raises not_found for a region outside, invalid_request (region_level, unknown_region, not_period_start, in_future).
    """
    return await _enqueue(session, COMPILE_MANY, body)


async def start_rendering(session: AsyncSession, body: ReportRender) -> Stored:
    """Ask for the documents of every report of a regency or province and of what lies in it. Raises as `start_many`."""
    return await _enqueue(session, RENDER_MANY, body, formats=sorted(body.formats))


async def _enqueue(session: AsyncSession, kind: str, body: ReportMany | ReportRender, **more: Any) -> Stored:
    if level_of(body.region_code) not in ("regency", "province"):
        raise invalid("/region_code", "region_level", level="regency / province")
    region = await require_region(session, body.region_code, "/region_code")
    check_period(body.period_type, body.period_start, local_today(region.timezone))
    parameters = {"period_type": body.period_type, "period_start": body.period_start.isoformat(), **more}
    return await enqueue(session, kind, body.region_code, parameters)


def asked_start(period_type: PeriodType, start: date | None) -> date:
    """The first day of the period asked for: the last one that is over, unless said otherwise.

    Raises invalid_request (not_period_start) at /period_start.
    """
    if start is not None:
        check_period(period_type, start, start)
        return start
    this = first_day(period_type, local_today(_NATION_TIMEZONE))
    return first_day(period_type, this - timedelta(days=1))


async def require_visible(reader: Reader, key: UUID) -> None:
    """Raises not_found when the report is not the caller's to see."""
    await reader.one(REPORTS, key)


async def find_public(reader: Reader, token: str) -> ReportVerification:
    """The accepted report behind a verification token; every unknown token looks the same."""
    row = await reader.pool.fetchrow(_VERIFY, [token])
    if row is None:
        return ReportVerification.model_validate(dict.fromkeys(ReportVerification.model_fields) | {"status": "unknown"})
    return ReportVerification.model_validate(dict(row))


@dataclass(frozen=True)
class Document:
    """A revision, or a draft, to be printed: `text` is what the digest is of."""

    content: ReportContent
    standing: Standing
    text: str


async def document(session: AsyncSession, key: UUID, number: int | None = None) -> Document:
    """The report as it stands, or one of its revisions. Raises not_found."""
    row = await load(session, Report, key)
    wanted = number if number is not None else row.revision
    query = select(ReportRevision).where(SNAPSHOTS.c.report_id == key, SNAPSHOTS.c.number == wanted)
    snapshot = (await session.execute(query)).scalars().first()
    if snapshot is None and number is not None:
        raise not_found()
    if snapshot is None:
        content = ReportContent.from_json(row.content)
        return Document(content, _standing(row, None), content.to_json())
    return Document(ReportContent.from_json(snapshot.content), _standing(row, snapshot), snapshot.content)


def _standing(row: Report, snapshot: ReportRevision | None) -> Standing:
    def signed(who: Mapping[str, Any] | None, at: datetime | None) -> Signed | None:
        return Signed.model_validate({**who, "at": at}) if who else None

    if snapshot is None:
        nothing = dict.fromkeys(("submitted", "acknowledged", "accepted", "sha256", "verification_url"))
        facts: dict[str, Any] = {"revision": row.revision, "status": "draft", "revises": row.revises, **nothing}
    else:
        decided = signed(snapshot.decided, snapshot.decided_at)
        facts = {
            "revision": snapshot.number,
            "status": snapshot.status,
            "revises": snapshot.revises,
            "submitted": signed(snapshot.submitted, snapshot.submitted_at),
            "acknowledged": signed(snapshot.acknowledged, snapshot.acknowledged_at),
            "accepted": decided if snapshot.status == "accepted" else None,
            "sha256": snapshot.sha256.hex(),
            "verification_url": snapshot.verification_url,
        }
    return Standing(report_id=row.id, is_late=row.is_late, due_on=row.due_on, **facts)


# ---- counting --------------------------------------------------------------------------------------------------------


async def _counted(
    session: AsyncSession, row: Report, reference: UUID, *, only_frozen: bool = False
) -> tuple[Compiled, ReportContent]:
    """The report counted now; `reference` is what its numbers' lists are asked for."""
    numbers, today = Numbers(reference), local_today(row.timezone)
    first, last = row.period_start, row.period_end
    level: Level = row.level  # type: ignore[assignment]
    period_type: PeriodType = row.period_type  # type: ignore[assignment]
    if row.level == "district":
        place = row.region_code or ""
        compiled = await compile_district(session, place, first, last, today, numbers, only_frozen=only_frozen)
    else:
        compiled = await compile_recap(session, row.region_code, level, period_type, first, last, numbers)
    content = ReportContent(
        period=Period(type=period_type, first=first, last=last, timezone=row.timezone),
        region=await _place(session, row.region_code, level),
        compiled_at=datetime.now(UTC),
        narrative=_narrative(row),
        **compiled.sections,
    )
    return compiled, content


async def _compile(session: AsyncSession, row: Report) -> None:
    _keep(row, *await _counted(session, row, row.id))


def _keep(row: Report, compiled: Compiled, content: ReportContent) -> None:
    row.content = content.model_dump(mode="json")
    row.compiled_at = content.compiled_at
    _cover(row, compiled)


def _cover(row: Report | ReportRevision, compiled: Compiled) -> None:
    row.officer_ids, row.activity_ids = compiled.officer_ids, compiled.activity_ids
    row.source_ids, row.district_codes = compiled.source_ids, compiled.district_codes
    row.counted = {name: dict(found) for name, found in compiled.counted.items()}


def _narrative(row: Report) -> Narrative:
    return Narrative(summary=row.summary, obstacles=row.obstacles, plan=row.plan)


async def _place(session: AsyncSession, code: str | None, level: Level) -> Place:
    if code is None:
        return Place(code=None, level=level, above=(), **_NATION)
    regions = await chain(session, code)
    here: Region = regions[level]
    above = [office_name(regions[name]) for name in ("regency", "province") if name in regions and name != level]
    return Place(code=code, name=here.name, office=office_name(here), level=level, above=tuple(above))


# ---- who may ---------------------------------------------------------------------------------------------------------


def _require(
    session: AsyncSession, allowed: Mapping[Level, frozenset[Role]], level: str, permission: Permission
) -> None:
    if principal_of(session).role not in allowed[level]:  # type: ignore[index]
        raise DomainError("permission_denied", permission=f"{permission} ({level})")


async def _load_own(session: AsyncSession, key: UUID, version: int) -> Report:
    row = await load(session, Report, key, lock=True)
    _require(session, AUTHORS, row.level, Permission.REPORT_WRITE)
    is_office = row.level == "district" and principal_of(session).role == Role.REGENCY_OFFICE
    if is_office and await _is_held(session, row.region_code):
        raise DomainError("permission_denied", permission=f"{Permission.REPORT_WRITE} (vacant)")
    return _current(row, version)


async def _load_others(session: AsyncSession, key: UUID, version: int) -> Report:
    """For whoever decides about it: of the office above, and never an author of it, nor whose work it is."""
    row = await load(session, Report, key, lock=True)
    _require(session, REVIEWERS, row.level, Permission.REPORT_REVIEW)
    if principal_of(session).user_id in {*row.officer_ids, *row.author_ids}:
        raise DomainError("permission_denied", permission=f"{Permission.REPORT_REVIEW} (others)")
    return _current(row, version)


async def _is_held(session: AsyncSession, district: str | None) -> bool:
    """Whether an officer works in the district today: by an assignment, or as one of the time before there were any."""
    found: bool = (await (await session.connection()).execute(_HELD, {"district": district})).scalar_one()
    return found


def _author(session: AsyncSession, row: Report) -> None:
    """The caller wrote in it, and so never decides about it."""
    row.author_ids = list(dict.fromkeys([*row.author_ids, principal_of(session).user_id]))


def _current(row: Report, version: int) -> Report:
    if row.version != version:
        raise DomainError("stale_version", current_version=row.version)
    return row


async def _snapshot(session: AsyncSession, row: Report) -> ReportRevision:
    query = select(ReportRevision).where(SNAPSHOTS.c.report_id == row.id, SNAPSHOTS.c.number == row.revision)
    return (await session.execute(query)).scalars().one()


async def _decide(session: AsyncSession, row: Report, status: str) -> ReportRevision:
    snapshot = await _snapshot(session, row)
    snapshot.status, snapshot.decided_at = status, datetime.now(UTC)
    snapshot.decided_by, snapshot.decided = principal_of(session).user_id, await _signature(session)
    return snapshot


async def _acknowledgement(session: AsyncSession, row: Report) -> str:
    if row.level != "district":
        return "optional"
    # As of today: a setting of days gone by could no longer be changed, and would keep a report waiting for good.
    return str(await setting(session, row.region_code, local_today(row.timezone), "acknowledgement"))


async def _signature(session: AsyncSession) -> dict[str, Any]:
    account = await own_account(session)
    return {
        "full_name": account.full_name,
        "title": account.position_title,
        "employee_number": account.employee_number,
    }


async def _step(
    session: AsyncSession,
    row: Report,
    action: str,
    *,
    target: str | None = None,
    note: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    name = (await own_account(session)).full_name
    known = {"revision": row.revision, **(details or {})}
    WORKFLOW.take(session, row, action, name, target=target, note=note, details=known)
