"""How a timeline is read: one statement over everything that is kept about a person.

A new table about people becomes one more entry of `PARTS`; its codes go into the list timeline_events.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSON

from tksk_api.database.reads import Gathered
from tksk_api.database.tables import table_of
from tksk_api.domain.activities.models import Activity
from tksk_api.domain.attachments.models import Attachment
from tksk_api.domain.beneficiaries.categories import DISCLOSED
from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.domain.decile_snapshots.models import DecileSnapshot
from tksk_api.domain.duplicates.models import Merge
from tksk_api.domain.duplicates.reads import SEEN_OF_MERGE, if_both_seen
from tksk_api.domain.families.models import FamilyMember
from tksk_api.domain.ppks_assessments.models import PpksAssessment
from tksk_api.domain.privacy_requests.models import PrivacyRequest
from tksk_api.domain.proposals.models import Proposal
from tksk_api.domain.referrals.models import Referral
from tksk_api.domain.sktm_applications.models import SktmApplication
from tksk_api.domain.sktm_letters.models import SktmLetter
from tksk_api.domain.timelines.events import (
    NEWEST_EVENT_FIRST,
    PERSON,
    Happening,
    created,
    steps,
    text,
)
from tksk_api.domain.timelines.schemas import TimelineEntry
from tksk_api.domain.visits.models import Visit
from tksk_api.security.permissions import Permission

_PEOPLE = table_of(Beneficiary)
_VISITS = table_of(Visit)
_APPLICATIONS = table_of(SktmApplication)
_LETTERS = table_of(SktmLetter)
_REFERRALS = table_of(Referral)
_ACTIVITIES = table_of(Activity)
_ATTACHMENTS = table_of(Attachment)
_REQUESTS = table_of(PrivacyRequest)
_MEMBERS = table_of(FamilyMember)
_DECILES = table_of(DecileSnapshot)
_ASSESSMENTS = table_of(PpksAssessment)
_PROPOSALS = table_of(Proposal)
_MERGES = table_of(Merge)


_AT = DateTime(timezone=True)
_LIMIT = bindparam("limit", type_=Integer())
# The one more that tells whether others follow, and the one that the cursor stands on.
_CHANGED = (
    func.app.changes_about(
        PERSON,
        bindparam("filter_kind", None, type_=Text()),
        bindparam("filter_since", None, type_=_AT),
        bindparam("filter_until", None, type_=_AT),
        bindparam("after_0", None, type_=_AT),
        _LIMIT + literal_column("2"),
    )
    .table_valued(
        column("id", BigInteger()),
        column("at", _AT),
        column("kind", Text()),
        column("occurred_on", Date()),
        column("actor_id", Uuid()),
        column("actor_role", Text()),
        column("facts", JSON()),
    )
    .alias("changed")
)
_LEFT = (
    func.app.leavings_of(PERSON)
    .table_valued(
        column("id", BigInteger()),
        column("at", _AT),
        column("member_id", Uuid()),
        column("actor_id", Uuid()),
        column("actor_role", Text()),
    )
    .alias("leavings")
)
_EARLIER = _DECILES.alias("earlier")
# The decile that a source gave the family last when the member joined.
_IN_FORCE = (
    select(func.max(_EARLIER.c.dated_on))
    .where(
        _EARLIER.c.family_id == _DECILES.c.family_id,
        _EARLIER.c.source == _DECILES.c.source,
        _EARLIER.c.dated_on <= _MEMBERS.c.joined_on,
    )
    .correlate(_DECILES, _MEMBERS)
    .scalar_subquery()
)
_CATEGORY = {"category": _ASSESSMENTS.c.category, "sensitive": _ASSESSMENTS.c.sensitive}
_NAMED_IN_MERGE = _MERGES.c.beneficiary_ids.contains(func.array_append(literal_column("'{}'::uuid[]"), PERSON))
_CHANGE_CODES = {"death": "death_changed", "move": "moved", "identity": "identity_changed"}

PARTS: tuple[Happening, ...] = (
    created(
        _PEOPLE,
        "registration",
        "registered",
        Permission.BENEFICIARY_READ,
        about=_PEOPLE.c.id == PERSON,
        facts={"nik_status": _PEOPLE.c.nik_status},
    ),
    Happening(
        name="changed",
        kind=_CHANGED.c.kind,
        code=case(
            *((_CHANGED.c.kind == text(kind), text(code)) for kind, code in _CHANGE_CODES.items()),
            else_=text("corrected"),
        ),
        table=_PEOPLE,
        permission=Permission.BENEFICIARY_READ,
        source=_PEOPLE.join(_CHANGED, true()),
        about=_PEOPLE.c.id == PERSON,
        at=_CHANGED.c.at,
        key=_CHANGED.c.id,
        actor_id=_CHANGED.c.actor_id,
        actor_role=_CHANGED.c.actor_role,
        occurred_on=_CHANGED.c.occurred_on,
        facts=_CHANGED.c.facts,
    ),
    steps(
        _PEOPLE,
        lambda step: case((step.action.like(literal_column("'%death'")), text("death")), else_=text("identity")),
        "person",
        Permission.BENEFICIARY_READ,
    ),
    created(
        _VISITS,
        "visit",
        "visit_planned",
        Permission.VISIT_READ,
        occurred_on=_VISITS.c.visited_on,
        facts={"status": _VISITS.c.status},
    ),
    steps(
        _VISITS,
        text("visit"),
        "visit",
        Permission.VISIT_READ,
        occurred_on=_VISITS.c.visited_on,
        facts={"outcome": _VISITS.c.outcome, "finding": _VISITS.c.finding},
    ),
    created(_APPLICATIONS, "sktm", "sktm_drafted", Permission.SKTM_READ, facts={"purpose": _APPLICATIONS.c.purpose}),
    steps(
        _APPLICATIONS,
        lambda step: case((step.action == text("revoke"), text("letter")), else_=text("sktm")),
        "sktm",
        Permission.SKTM_READ,
        facts={"purpose": _APPLICATIONS.c.purpose},
    ),
    created(
        _LETTERS,
        "letter",
        "letter_issued",
        Permission.SKTM_READ,
        source=_LETTERS.join(_APPLICATIONS, _APPLICATIONS.c.id == _LETTERS.c.application_id),
        about=_APPLICATIONS.c.beneficiary_id == PERSON,
        entity="sktm-applications",
        entity_id=_LETTERS.c.application_id,
        actor_role=func.app.role_of_maker(_LETTERS.c.id),
        occurred_on=_LETTERS.c.issued_on,
        facts={"number": _LETTERS.c.number, "valid_until": _LETTERS.c.valid_until},
    ),
    created(
        _REFERRALS, "referral", "referral_drafted", Permission.REFERRAL_READ, facts={"program": _REFERRALS.c.program}
    ),
    steps(_REFERRALS, text("referral"), "referral", Permission.REFERRAL_READ, facts={"program": _REFERRALS.c.program}),
    created(
        _ACTIVITIES,
        "activity",
        "activity_logged",
        Permission.ACTIVITY_READ,
        about=_ACTIVITIES.c.beneficiary_ids.contains(func.array_append(literal_column("'{}'::uuid[]"), PERSON)),
        where=(_ACTIVITIES.c.deleted_at.is_(None),),
        occurred_on=_ACTIVITIES.c.occurred_on,
        facts={"kind": _ACTIVITIES.c.kind, "pillar": _ACTIVITIES.c.pillar, "status": _ACTIVITIES.c.status},
    ),
    created(
        _ATTACHMENTS,
        "attachment",
        "attached",
        Permission.ATTACHMENT_READ,
        where=(_ATTACHMENTS.c.deleted_at.is_(None),),
        facts={"kind": _ATTACHMENTS.c.kind, "media_type": _ATTACHMENTS.c.media_type},
    ),
    created(
        _MEMBERS,
        "family",
        "family_joined",
        Permission.FAMILY_READ,
        entity="families",
        entity_id=_MEMBERS.c.family_id,
        actor_role=func.app.role_of_maker(_MEMBERS.c.id),
        occurred_on=_MEMBERS.c.joined_on,
        facts={"relationship": _MEMBERS.c.relationship},
    ),
    created(
        _MEMBERS,
        "family",
        "family_left",
        Permission.FAMILY_READ,
        source=_MEMBERS.join(_LEFT, _LEFT.c.member_id == _MEMBERS.c.id),
        at=_LEFT.c.at,
        key=_LEFT.c.id,
        entity="families",
        entity_id=_MEMBERS.c.family_id,
        actor_id=_LEFT.c.actor_id,
        actor_role=_LEFT.c.actor_role,
        occurred_on=_MEMBERS.c.left_on,
        facts={"relationship": _MEMBERS.c.relationship, "reason": _MEMBERS.c.left_reason},
    ),
    created(
        _DECILES,
        "decile",
        "decile_recorded",
        Permission.FAMILY_READ,
        # Of the person's family, as long as it was theirs; what it was before they joined is told of others.
        about=select(_MEMBERS.c.id)
        .where(
            _MEMBERS.c.family_id == _DECILES.c.family_id,
            _MEMBERS.c.beneficiary_id == PERSON,
            or_(_MEMBERS.c.left_on.is_(None), _DECILES.c.dated_on <= _MEMBERS.c.left_on),
            or_(_DECILES.c.dated_on >= _MEMBERS.c.joined_on, _DECILES.c.dated_on == _IN_FORCE),
        )
        .exists(),
        entity="families",
        entity_id=_DECILES.c.family_id,
        actor_role=func.app.role_of_maker(_DECILES.c.id),
        occurred_on=_DECILES.c.dated_on,
        facts={"decile": _DECILES.c.decile, "source": _DECILES.c.source},
    ),
    created(
        _ASSESSMENTS,
        "ppks",
        "ppks_assessed",
        Permission.PPKS_READ,
        occurred_on=_ASSESSMENTS.c.assessed_on,
        facts=_CATEGORY,
    ),
    steps(_ASSESSMENTS, text("ppks"), "ppks", Permission.PPKS_READ, facts=_CATEGORY),
    created(_PROPOSALS, "proposal", "proposal_raised", Permission.PROPOSAL_READ, facts={"field": _PROPOSALS.c.field}),
    steps(_PROPOSALS, text("proposal"), "proposal", Permission.PROPOSAL_READ, facts={"field": _PROPOSALS.c.field}),
    created(
        _MERGES,
        "merge",
        "merged",
        Permission.BENEFICIARY_READ,
        about=_NAMED_IN_MERGE,
        entity="beneficiaries",
        entity_id=func.coalesce(SEEN_OF_MERGE["into_id"], PERSON),
        actor_role=func.app.role_of_maker(_MERGES.c.id),
        facts={**SEEN_OF_MERGE, "reason": if_both_seen(_MERGES.c.reason)},
    ),
    created(
        _MERGES,
        "merge",
        "unmerged",
        Permission.BENEFICIARY_READ,
        about=_NAMED_IN_MERGE,
        where=(_MERGES.c.undone_at.is_not(None),),
        at=_MERGES.c.undone_at,
        entity="beneficiaries",
        entity_id=func.coalesce(SEEN_OF_MERGE["into_id"], PERSON),
        actor_id=_MERGES.c.undone_by,
        actor_role=cast(literal_column("''"), Text),
        facts={**SEEN_OF_MERGE, "reason": if_both_seen(_MERGES.c.undo_reason)},
    ),
    created(
        _REQUESTS,
        "privacy_request",
        "privacy_requested",
        Permission.PRIVACY_READ,
        occurred_on=_REQUESTS.c.received_on,
        facts={"kind": _REQUESTS.c.kind, "requested_by": _REQUESTS.c.requested_by},
    ),
    steps(
        _REQUESTS,
        text("privacy_request"),
        "privacy_request",
        Permission.PRIVACY_READ,
        facts={"kind": _REQUESTS.c.kind},
    ),
)

_ENTITY, _ENTITY_ID = Gathered.column("entity", Text()), Gathered.column("entity_id", Uuid())
_ACTOR_ROLE = Gathered.column("actor_role", Text())
_ACTOR_ID, _ACTOR_NAME = Gathered.column("actor_id", Uuid()), Gathered.column("actor_name", Text())


def _shows_sensitive(row: Any) -> Any:
    return func.json_extract_path_text(row.c.facts, literal_column("'sensitive'")) == text("true")


TIMELINE = Gathered(
    schema=TimelineEntry,
    table=_PEOPLE,
    parts=tuple(happening.part() for happening in PARTS),
    columns={
        "id": Gathered.column("id", Text()),
        "beneficiary_id": PERSON,
        "at": Gathered.column("at", DateTime(timezone=True)),
        "kind": Gathered.column("kind", Text()),
        "code": Gathered.column("code", Text()),
        "occurred_on": Gathered.column("occurred_on", Date()),
        "entity": _ENTITY,
        "entity_id": _ENTITY_ID,
        "href": text("/v1/").concat(_ENTITY).concat(text("/")).concat(cast(_ENTITY_ID, Text)),
        "actor": case(
            (
                or_(_ACTOR_ID.is_not(None), _ACTOR_NAME.is_not(None)),
                func.json_build_object(
                    literal_column("'id'"),
                    _ACTOR_ID,
                    literal_column("'name'"),
                    func.coalesce(_ACTOR_NAME, func.app.user_name(_ACTOR_ID)),
                    literal_column("'role'"),
                    func.nullif(func.coalesce(_ACTOR_ROLE, func.app.role_of_maker(_ENTITY_ID)), text("")),
                ),
            )
        ),
        "facts": Gathered.column("facts", JSON()),
    },
    subject="beneficiary_id",
    asked_subject="beneficiary_id",
    discloses=(DISCLOSED, _shows_sensitive),
    below=BENEFICIARIES,
    filters={name: lambda value: value for name in ("beneficiary_id", "kind", "since", "until")},
    sorts={"-at": NEWEST_EVENT_FIRST},
)
