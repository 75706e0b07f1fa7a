"""How the worklist is read: one statement over what is open, made of the kinds that the caller's role can have.

Planning what a role never sees would cost more than reading the rest. A new kind is one more entry of `TASKS`; its code
goes into the list worklist_kinds. See docs/decisions/0016-worklist.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    all_,
    and_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
)

from tksk_api.database.reads import Gathered, PageRequest, Resource, Sort
from tksk_api.database.scope import RegionScope
from tksk_api.database.tables import table_of
from tksk_api.domain import reported
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.assignments.models import Assignment
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.duplicates.models import DuplicateCandidate
from tksk_api.domain.privacy_requests.models import PrivacyRequest
from tksk_api.domain.privacy_requests.reads import PRIVACY_REQUESTS
from tksk_api.domain.programs.models import ProgramVersion
from tksk_api.domain.proposals.models import Proposal
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.reports.models import Report, ReportRevision
from tksk_api.domain.reports.workflow import AUTHORS, REVIEWERS
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.domain.sktm_letters.models import SktmLetter
from tksk_api.domain.timelines.events import text
from tksk_api.domain.users.models import User
from tksk_api.domain.visits.models import Visit
from tksk_api.domain.worklist.schemas import WorklistCount, WorklistItem
from tksk_api.domain.worklist.tasks import CALLER, MOST_URGENT_FIRST, Task, caller_is, days, today_at
from tksk_api.security.permissions import Role

AHEAD_DAYS = 14  # letters and places on waiting lists that end, follow-ups that come
BEHIND_DAYS = 60  # a follow-up nobody took up, or a report nobody acknowledged, has been overtaken by events
ASSIGNMENT_AHEAD_DAYS = 30
MOST_COUNTED = 1_000
_LONGEST_VALIDITY = "interval '25 months'"  # a policy may say 24

_A = table_of(SktmApplication)
_L = table_of(SktmLetter)
_R = table_of(Referral)
_V = table_of(Visit)
_P = table_of(Proposal)
_D = table_of(DuplicateCandidate)
_C = table_of(Activity)
_Q = table_of(PrivacyRequest)
_S = table_of(Assignment)
_T = table_of(Report)
_SNAPSHOTS = table_of(ReportRevision)
_OFFICERS = table_of(User)
_PEOPLE = table_of(Beneficiary)
_VERSIONS = table_of(ProgramVersion)

_TKSK, _CLERK, _HEAD, _CAMAT = Role.TKSK, Role.VILLAGE_CLERK, Role.VILLAGE_HEAD, Role.DISTRICT_HEAD
_REGENCY, _COORDINATOR, _AGENCY = Role.REGENCY_OFFICE, Role.COORDINATOR, Role.AGENCY
_OFFICES = (_REGENCY, Role.PROVINCE_OFFICE, Role.MINISTRY)


def _status(table: Any, *states: str) -> ColumnElement[bool]:
    """In words that a partial index knows."""
    return table.c.status.in_([text(state) for state in states])  # type: ignore[no-any-return]


def _application(kind: str, roles: tuple[Role, ...], *where: ColumnElement[bool], **over: Any) -> Task:
    return Task(
        **{
            "kind": kind,
            "table": _A,
            "roles": roles,
            "where": where,
            "since": _A.c.updated_at,
            "person": _A.c.beneficiary_id,
            "about": _A.c.purpose,
            **over,
        }
    )


def _letter(kind: str, table: Any, *where: ColumnElement[bool]) -> Task:
    """Letters that are still good, of applicants who live: what became of the others is nobody's task, or was told with
    the death. `table` is the one with the index."""
    return Task(
        kind=kind,
        table=table,
        source=_A.join(_L, _L.c.application_id == _A.c.id),
        roles=(_TKSK, _CLERK),
        where=(
            _L.c.revoked_at.is_(None),
            _L.c.superseded_at.is_(None),
            _L.c.valid_until >= _ISSUER_TODAY,
            _LIVES,
            *where,
        ),
        since=_L.c.created_at,
        due_on=_L.c.valid_until,
        person=_A.c.beneficiary_id,
        about=_A.c.purpose,
        entity=_A.name.replace("_", "-"),
        entity_id=_A.c.id,
    )


def _referral(kind: str, roles: tuple[Role, ...], *where: ColumnElement[bool], **over: Any) -> Task:
    """By the name that the referral carries, for an agency sees nobody's file."""
    return Task(
        **{
            "kind": kind,
            "table": _R,
            "roles": roles,
            "where": where,
            "since": _R.c.updated_at,
            "person": _R.c.beneficiary_id,
            "name": _R.c.beneficiary_name,
            "about": _R.c.program,
            **over,
        }
    )


def _activity(kind: str, roles: tuple[Role, ...], *where: ColumnElement[bool], **over: Any) -> Task:
    return Task(
        **{
            "kind": kind,
            "table": _C,
            "roles": roles,
            "where": (_C.c.deleted_at.is_(None), *where),
            "since": _C.c.updated_at,
            "about": _C.c.kind,
            "people": _C.c.beneficiary_ids,
            "officer": _C.c.officer_id,
            **over,
        }
    )


def _report(kind: str, roles: tuple[Role, ...], *where: ColumnElement[bool], **over: Any) -> Task:
    return Task(
        **{
            "kind": kind,
            "table": _T,
            "roles": roles,
            "where": where,
            "since": _T.c.updated_at,
            "about": _T.c.period_type,
            **over,
        }
    )


def _level_of(whose: Mapping[Any, frozenset[Role]]) -> ColumnElement[bool]:
    """The report is of a level that is the caller's by `whose`."""
    return or_(*(and_(_T.c.level == text(level), caller_is(*sorted(roles))) for level, roles in whose.items()))


_APPLICANT = _PEOPLE.alias("applicant")
_LIVES = ~exists().where(_APPLICANT.c.id == _A.c.beneficiary_id, _APPLICANT.c.deceased_on.is_not(None))
_ISSUER_TODAY = cast(func.timezone(_L.c.timezone, func.now()), Date)
_SERVICE_DAYS = func.coalesce(
    cast(_A.c.policy["service_days"].astext, Integer), literal_column("1"), type_=Integer()
)  # applications submitted before there were service times
_SKTM_CLOCK = (_A.c.submitted_at, _SERVICE_DAYS)
_NEEDS_VISIT = func.coalesce(
    cast(_A.c.policy["visit_required_for"].op("->>")(_A.c.purpose), Boolean),
    cast(_A.c.policy["visit_required"].astext, Boolean),
    type_=Boolean(),
)
_SIGNED = literal_column(
    "(SELECT count(*)::integer FROM sktm_signatures s WHERE s.application_id = sktm_applications.id)", Integer()
)
_NEXT_SIGNATORY = _A.c.policy["signatories"].op("->>")(case((_status(_A, "signing"), _SIGNED), else_=days(0)))
_TO_SIGN = (
    _status(_A, "checked", "verified", "signing"),
    or_(~_status(_A, "checked"), ~_NEEDS_VISIT),
    literal_column("caller.role") == _NEXT_SIGNATORY,
    ~func.app.had_hand(_A.c.id, CALLER, type_=Boolean()),
)
_LATELY_ISSUED = (_status(_A, "issued"), _A.c.updated_at > func.now() - literal_column(_LONGEST_VALIDITY))
# Signed by hand, and nobody has seen the signed paper: it is not handed over before.
_AWAITS_SCAN = and_(_L.c.signature == text("wet"), _L.c.scan_received_at.is_(None))
_REFERRAL_CLOCK = (
    _R.c.submitted_at,
    select(_VERSIONS.c.service_days)
    .where(_VERSIONS.c.program_code == _R.c.program, _VERSIONS.c.number == _R.c.program_version)
    .scalar_subquery(),
)
_MINE = _R.c.created_by == CALLER
_OWN_ACTIVITY = _C.c.officer_id == CALLER
_DUE_TEXT = _C.c.follow_up["due_on"].astext
_FOLLOW_UP: tuple[ColumnElement[bool], ...] = (
    _C.c.follow_up.is_not(None),
    _C.c.status != text("withdrawn"),
    _C.c.superseded_by.is_(None),
    ~reported.is_followed_up(_C),
    cast(func.current_date() - days(BEHIND_DAYS), Text) <= _DUE_TEXT,
)
_FOLLOWED: dict[str, Any] = {"since": _C.c.created_at, "due_on": cast(_DUE_TEXT, Date)}
# Whoever holds the district now can hand them in; where nobody does, the regency sees that they wait.
_LEFT_BEHIND = (
    _status(_C, "draft", "returned"),
    ~_C.c.is_suggested,
    or_(caller_is(_REGENCY), func.app.covers(_C.c.district_code, type_=Boolean())),
    ~func.coalesce(func.app.works_in(_C.c.officer_id, _C.c.district_code, type_=Boolean()), false()),
)
# By an assignment, or by an officer of the time before there were any.
_HELD = or_(
    func.app.holder_of(_T.c.district_code, type_=Uuid()).is_not(None),
    exists().where(
        _OFFICERS.c.role == text(_TKSK),
        _OFFICERS.c.region_code == _T.c.district_code,
        ~_OFFICERS.c.has_assignments,
        _OFFICERS.c.disabled_at.is_(None),
    ),
)
_AUTHORS = (_level_of(AUTHORS), or_(_T.c.level != text("district"), ~caller_is(_REGENCY), ~_HELD))
_REPORT_TO_SUBMIT = (
    _status(_T, "draft", "returned"),
    *_AUTHORS,
    or_(_status(_T, "returned"), _T.c.period_end < cast(func.timezone(_T.c.timezone, func.now()), Date)),
)
_SNAPSHOT = (_SNAPSHOTS.c.report_id == _T.c.id, _SNAPSHOTS.c.number == _T.c.revision)
_REPORT_TO_REVIEW = (
    _status(_T, "submitted"),
    _level_of(REVIEWERS),
    all_(_T.c.officer_ids) != CALLER,
    all_(_T.c.author_ids) != CALLER,
)
# Accepted, and work of its days was handed in, corrected or withdrawn since: no report says so until this is corrected.
_REPORT_TO_CORRECT = (
    _status(_T, "accepted"),
    _T.c.level == text("district"),
    _T.c.updated_at > func.now() - literal_column(f"interval '{BEHIND_DAYS} days'"),
    *_AUTHORS,
    literal_column(reported.moved_on("reports"), Boolean()),
)
_COMES_LAST = literal_column(
    "(SELECT c.value #>> '{}' = 'after_acceptance' FROM app.report_calendar(reports.region_code, "
    "(now() AT TIME ZONE reports.timezone)::date) c WHERE c.name = 'acknowledgement')",
    Boolean(),
)
_REPORT_TO_ACKNOWLEDGE = (
    _status(_T, "submitted", "accepted"),
    _T.c.level == text("district"),
    _T.c.updated_at > func.now() - literal_column(f"interval '{BEHIND_DAYS} days'"),
    exists().where(*_SNAPSHOT, _SNAPSHOTS.c.acknowledged_at.is_(None)),
    _T.c.status == case((_COMES_LAST, text("accepted")), else_=text("submitted")),
)
_PLANNED: dict[str, Any] = {
    "table": _V,
    "since": _V.c.created_at,
    "due_on": _V.c.visited_on,
    "person": _V.c.beneficiary_id,
    "officer": _V.c.officer_id,
}
_WITHOUT_OFFICER = func.app.holder_of(_P.c.district_code, type_=Uuid()).is_(None)

TASKS: tuple[Task, ...] = (
    _application("sktm_to_submit", (_TKSK, _CLERK), _status(_A, "draft"), _A.c.created_by == CALLER),
    _application("sktm_to_check", (_TKSK, _CLERK), _status(_A, "submitted"), clock=_SKTM_CLOCK),
    _application("sktm_to_verify", (_TKSK,), _status(_A, "checked"), _NEEDS_VISIT, clock=_SKTM_CLOCK),
    _application("sktm_to_sign", (_HEAD, _CAMAT), *_TO_SIGN, clock=_SKTM_CLOCK),
    _application("sktm_returned", (_TKSK, _CLERK), _status(_A, "returned")),
    _letter("sktm_to_scan", _A, *_LATELY_ISSUED, _AWAITS_SCAN),
    _letter("sktm_to_collect", _A, *_LATELY_ISSUED, ~_AWAITS_SCAN),
    _application(
        "sktm_overdue",
        (_REGENCY, _CAMAT, _HEAD, _COORDINATOR),
        _status(_A, "submitted", "checked", "verified", "signing"),
        clock=_SKTM_CLOCK,
        only_overdue=True,
        nameless_for=(_COORDINATOR,),
    ),
    # The first two bounds are for the index: no place of the country is behind the day of UTC.
    _letter(
        "letter_expiring",
        _L,
        _L.c.valid_until >= func.current_date(),
        _L.c.valid_until <= func.current_date() + days(AHEAD_DAYS + 1),
        _L.c.valid_until <= _ISSUER_TODAY + days(AHEAD_DAYS),
        _status(_A, "issued", "collected"),
    ),
    Task(kind="visit_planned", roles=(_TKSK,), where=(_status(_V, "planned"), _V.c.officer_id == CALLER), **_PLANNED),
    Task(
        kind="visit_overdue",
        roles=(_REGENCY, _COORDINATOR),
        where=(_status(_V, "planned"), _V.c.visited_on <= func.current_date()),
        only_overdue=True,
        nameless_for=(_COORDINATOR,),
        **_PLANNED,
    ),
    # Where a village has no clerk and a district no officer, the regency decides.
    Task(
        kind="proposal_to_decide",
        table=_P,
        roles=(_TKSK, _CLERK, _REGENCY),
        where=(_status(_P, "open"), or_(~caller_is(_REGENCY), _WITHOUT_OFFICER)),
        since=_P.c.created_at,
        person=_P.c.beneficiary_id,
        about=_P.c.field,
    ),
    # Only who sees both people can say whether they are one.
    Task(
        kind="duplicate_to_decide",
        table=_D,
        roles=(_TKSK, _CLERK),
        where=(
            _status(_D, "open"),
            func.app.sees_person(_D.c.low_id, type_=Boolean()),
            func.app.sees_person(_D.c.high_id, type_=Boolean()),
        ),
        since=_D.c.created_at,
        person=_D.c.low_id,
        people=_D.c.beneficiary_ids,
        entity=_PEOPLE.name,
        entity_id=_D.c.low_id,
    ),
    _referral("referral_to_submit", (_TKSK, _REGENCY), _status(_R, "draft"), _MINE),
    _referral("referral_to_receive", (_AGENCY,), _status(_R, "submitted"), clock=_REFERRAL_CLOCK),
    _referral("referral_to_review", (_AGENCY,), _status(_R, "received", "under_review"), clock=_REFERRAL_CLOCK),
    _referral(
        "referral_documents_asked",
        (_TKSK, _REGENCY),
        _status(_R, "documents_requested"),
        or_(caller_is(_TKSK), _MINE),
    ),
    _referral(
        "referral_waitlist_ending",
        (_TKSK, _AGENCY),
        _status(_R, "waitlisted"),
        _R.c.expires_on <= today_at(_R.c.region_code) + days(AHEAD_DAYS),
        due_on=_R.c.expires_on,
    ),
    _referral("referral_to_activate", (_TKSK, _AGENCY), _status(_R, "approved"), due_on=_R.c.activate_by),
    _referral(
        "referral_overdue",
        (_TKSK, _REGENCY, _COORDINATOR),
        _status(_R, "submitted", "received", "under_review"),
        clock=_REFERRAL_CLOCK,
        only_overdue=True,
        nameless_for=(_COORDINATOR,),
    ),
    _activity("activity_to_confirm", (_TKSK,), _status(_C, "draft"), _C.c.is_suggested, _OWN_ACTIVITY),
    _activity("activity_to_submit", (_TKSK,), _status(_C, "draft"), ~_C.c.is_suggested, _OWN_ACTIVITY),
    _activity("activity_returned", (_TKSK,), _status(_C, "returned"), _OWN_ACTIVITY),
    _activity("activity_to_review", (_REGENCY,), _status(_C, "submitted")),
    _activity("activity_left_behind", (_TKSK, _REGENCY), *_LEFT_BEHIND),
    _report("report_to_submit", (_TKSK, *_OFFICES), *_REPORT_TO_SUBMIT, due_on=_T.c.due_on),
    _report("report_to_correct", (_TKSK, _REGENCY), *_REPORT_TO_CORRECT),
    _report("report_to_review", _OFFICES, *_REPORT_TO_REVIEW),
    _report("report_to_acknowledge", (_CAMAT,), *_REPORT_TO_ACKNOWLEDGE),
    _activity(
        "follow_up_due",
        (_TKSK,),
        *_FOLLOW_UP,
        cast(func.current_date() + days(AHEAD_DAYS), Text) >= _DUE_TEXT,
        _OWN_ACTIVITY,
        **_FOLLOWED,
    ),
    _activity(
        "follow_up_overdue",
        (_REGENCY, _COORDINATOR),
        *_FOLLOW_UP,
        cast(func.current_date(), Text) >= _DUE_TEXT,
        only_overdue=True,
        **_FOLLOWED,
    ),
    # Who took an erasure in does not decide it.
    Task(
        kind="privacy_request_to_decide",
        table=_Q,
        roles=(_REGENCY,),
        where=(_status(_Q, "received"), or_(_Q.c.kind != text("erasure"), _Q.c.created_by != CALLER)),
        since=_Q.c.created_at,
        due_at=PRIVACY_REQUESTS.columns["due_at"],
        person=_Q.c.beneficiary_id,
        about=_Q.c.kind,
    ),
    Task(
        kind="assignment_ending",
        table=_S,
        roles=(_REGENCY, _COORDINATOR, Role.PROVINCE_OFFICE, Role.ADMIN),
        where=(
            _S.c.ended_at.is_(None),
            _S.c.ends_on >= today_at(_S.c.region_code),
            _S.c.ends_on <= today_at(_S.c.region_code) + days(ASSIGNMENT_AHEAD_DAYS),
        ),
        since=_S.c.created_at,
        due_on=_S.c.ends_on,
        about=_S.c.kind,
        officer=_S.c.user_id,
    ),
)

_KEY = Gathered.column("key", Text())
_ENTITY, _ID = Gathered.column("entity", Text()), Gathered.column("id", Uuid())
_PERSON = Gathered.column("person_id", Uuid())
_KIND, _ABOUT = Gathered.column("kind", Text()), Gathered.column("about", Text())
_PLACE, _LAST_DAY = Gathered.column("region_code", Text()), Gathered.column("due_on", Date())
_OFFICER = Gathered.column("officer_id", Uuid())
_NAME = func.coalesce(
    Gathered.column("name", Text()), select(_PEOPLE.c.full_name).where(_PEOPLE.c.id == _PERSON).scalar_subquery()
)

_COLUMNS: dict[str, Any] = {
    "key": _KEY,
    "kind": _KIND,
    "entity": _ENTITY,
    "id": _ID,
    "label": func.coalesce(func.app.first_name(_NAME), _ABOUT, _KIND),
    "about": _ABOUT,
    "region_code": _PLACE,
    "officer_id": _OFFICER,
    "beneficiary_ids": Gathered.column("beneficiary_ids", ARRAY(Uuid)),
    "since": Gathered.column("since", DateTime(timezone=True)),
    "due_on": _LAST_DAY,
    "due_at": Gathered.column("due_at", DateTime(timezone=True)),
    "is_overdue": Gathered.column("is_overdue", Boolean()),
    "days_left": _LAST_DAY - today_at(_PLACE),
    "attend_by": Gathered.column("attend_by", Date()),
    "href": text("/v1/").concat(_ENTITY).concat(text("/")).concat(cast(_ID, Text)),
}
_FILTERS = {name: lambda value: value for name in ("kind", "region_code", "overdue", "officer_id")}


def _list_of(tasks: Iterable[Task]) -> Gathered:
    return Gathered(
        schema=WorklistItem,
        table=_A,
        parts=tuple(task.part() for task in tasks),
        columns=_COLUMNS,
        subjects="beneficiary_ids",
        filters=_FILTERS,
        sorts={"attend_by": MOST_URGENT_FIRST},
        key="key",
    )


@dataclass(frozen=True)
class Counted(Gathered):
    """How many rows each part has: per kind up to `MOST_COUNTED`, the most urgent first, or per officer."""

    by_officer: bool = field(default=False)

    def select(self, scope: RegionScope, *, grants: bool = False) -> Select[Any]:
        return self._gather([self._counted(part, scope, PageRequest(1, "", {}), admitted=False) for part in self.parts])

    def select_rows(
        self, scope: RegionScope, request: PageRequest, *, admitted: bool, grants: bool = False
    ) -> Select[Any]:
        rows = self._gather([self._counted(part, scope, request, admitted=admitted) for part in self.parts])
        if request.after is not None:
            rows = rows.where(bindparam("after_0", type_=Text()) < _KEY)
        return rows.order_by(_KEY).limit(bindparam("limit") + 1)

    def _counted(self, part: Resource, scope: RegionScope, request: PageRequest, *, admitted: bool) -> Select[Any]:
        shown = {label.name: label.element for label in part.projection()}
        chosen: dict[str, Any] = {name: bindparam(f"filter_{name}") for name in sorted(request.filters)}
        rows = part.select(scope).with_only_columns(shown["is_overdue"].label("is_overdue"))
        rows = rows.where(*(part.filters[name](value) for name, value in chosen.items()))
        if admitted:
            rows = rows.where(literal_column("caller.allowed"))
        officer: ColumnElement[Any] = literal_column("NULL", Uuid())
        if self.by_officer:
            rows = rows.add_columns(shown["officer_id"].label("officer_id"))
        else:
            # What is overdue comes first, so a count that is full has counted it too.
            rows = rows.order_by(shown["attend_by"]).limit(days(MOST_COUNTED + 1))
        waiting = rows.subquery("waiting")
        if self.by_officer:
            officer = waiting.c.officer_id
        found, overdue = func.count(), func.count().filter(waiting.c.is_overdue)
        kind, most = shown["kind"], days(MOST_COUNTED)
        named = kind.concat(text(":")).concat(func.coalesce(cast(officer, Text), text("none")))
        listed = text("kind=").concat(kind)
        for name, value in chosen.items():
            if name != "kind":
                listed = listed.concat(text(f"&{name}=")).concat(cast(value, Text))
        if self.by_officer:
            listed = listed.concat(text("&officer_id=")).concat(func.coalesce(cast(officer, Text), text("none")))
        counted = select(
            (named if self.by_officer else kind).label("key"),
            kind.label("kind"),
            cast(officer, Uuid).label("officer_id"),
            func.least(found, most).label("count"),
            func.least(overdue, most).label("overdue"),
            (found > most).label("capped"),
            listed.label("filter"),
        ).having(found > days(0))
        return counted.group_by(officer) if self.by_officer else counted


_COUNTS: dict[str, Any] = {
    "key": _KEY,
    "kind": _KIND,
    "officer_id": _OFFICER,
    "officer_name": func.app.user_name(_OFFICER),
    "count": Gathered.column("count", Integer()),
    "overdue": Gathered.column("overdue", Integer()),
    "capped": Gathered.column("capped", Boolean()),
    "filter": Gathered.column("filter", Text()),
}


def _counts_of(tasks: Iterable[Task], *, by_officer: bool = False) -> Counted:
    return Counted(
        schema=WorklistCount,
        table=_A,
        parts=tuple(task.part() for task in tasks),
        columns=_COUNTS,
        filters=_FILTERS,
        sorts={"key": Sort((), descending=False)},
        key="key",
        by_officer=by_officer,
    )


# Everything there is; a caller gets what their role can have of it.
WORKLIST = _list_of(TASKS)
COUNTS = _counts_of(TASKS)
COUNTS_BY_OFFICER = _counts_of(TASKS, by_officer=True)


@lru_cache(maxsize=1_000)
def worklist_of(role: str, kind: str | None) -> Gathered:
    """What somebody of this role can have, or the one kind of it."""
    return _list_of(_tasks_of(role, kind))


@lru_cache(maxsize=1_000)
def counts_of(role: str, *, by_officer: bool) -> Gathered:
    return _counts_of(_tasks_of(role, None), by_officer=by_officer)


def _tasks_of(role: str, kind: str | None) -> list[Task]:
    # Whose list is always empty is admitted by a statement too.
    return [task for task in TASKS if role in task.roles and kind in (None, task.kind)] or [_NOTHING]


_NOTHING = _application("sktm_to_submit", (_TKSK,), false())
