"""The statement of one person's data: all that is held, and who processed it (UU 27/2022 Pasal 32)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.beneficiaries.service import open_card, open_nik, take_full_numbers
from tksk_api.domain.history.access import record_access
from tksk_api.domain.privacy_requests.schemas import Kind, Requester, Status
from tksk_api.domain.records import Read, load
from tksk_api.domain.references.lists import codes, label
from tksk_api.domain.regions.service import chain, find_region, office_name
from tksk_api.domain.sktm_letters.content import SignatureKind
from tksk_api.domain.subject_keys.service import vault_of
from tksk_api.domain.users.service import own_account
from tksk_api.errors import not_found

PURPOSE = "data_subject_request"
LEGAL_BASIS = "UU 27/2022 Pasal 32"
# Columns that hold one and the same datum, and those that are no datum of the person.
_SAME_DATUM = {
    "nik_cipher": "nik",
    "nik_index": "nik",
    "nik_last4": "nik",
    "beneficiary_nik_last4": "nik",
    "family_card_cipher": "family_card_number",
    "family_card_index": "family_card_number",
    "family_card_last4": "family_card_number",
    "beneficiary_name": "full_name",
}
# What an operation did that has no words of its own.
_ACTIONS = {
    "read": "Membaca data",
    "create": "Membuat catatan",
    "update": "Mengubah catatan",
    "delete": "Menghapus catatan",
}
_HELD = (
    "families",
    "assessments",
    "document_names",
    "identity_steps",
    "visits",
    "proposals",
    "applications",
    "referrals",
    "enrolments",
    "activities",
    "attachments",
    "presentations",
    "notifications",
    "merges",
    "duplicates",
    "requests",
)


class StatedIdentity(Read):
    """Who the person is, with full identity numbers."""

    full_name: str
    nik: str | None
    nik_status: str
    nik_verified_at: datetime | None
    nik_verified_document: str | None
    family_card_number: str | None
    birth_place: str | None
    birth_date: date
    sex: str
    street: str
    rt: str | None
    rw: str | None
    village_code: str
    place: str
    phone: str | None
    message_channel: str | None
    relationship: str | None
    ppks_categories: list[str]
    notes: str | None
    warnings: list[str]
    deceased_on: date | None
    deceased_source: str | None
    moved_at: datetime | None
    registered_at: datetime
    restricted_at: datetime | None
    legal_hold: str | None


class StatedDecile(Read):
    dated_on: date
    decile: int | None
    source: str


class StatedFamily(Read):
    """A family the person belongs or belonged to: where it lives only while they do, and nobody else's data."""

    id: UUID
    relationship: str
    joined_on: date
    left_on: date | None
    left_reason: str | None
    village_code: str | None
    street: str | None
    cards: list[str]
    deciles: list[StatedDecile]


class StatedAssessment(Read):
    """A PPKS category of the person, or of a family while they belonged to it; the sensitive ones too."""

    id: UUID
    assessed_on: date
    category: str
    sensitive: bool
    unit: str
    since: date
    until: date | None
    region_code: str
    status: str
    reason_code: str | None
    note: str | None


class StatedName(Read):
    """The person's name as a paper bears it."""

    id: UUID
    noted_on: date
    document: str
    name: str
    note: str | None
    withdrawn_at: datetime | None


class StatedIdentityStep(Read):
    """A number attached, verified or corrected, a death recorded or taken back: on what ground, by which role."""

    at: datetime
    action: str
    to_state: str
    actor_role: str | None
    reason_code: str | None
    note: str | None


class StatedVisit(Read):
    id: UUID
    visited_on: date
    region_code: str
    status: str
    outcome: str | None
    finding: str | None
    latitude: float | None
    longitude: float | None
    notes: str | None
    cancel_reason: str | None
    evidence: dict[str, Any]
    reasons: list[str]


class StatedProposal(Read):
    """What a visit found otherwise than the register said, and whether it was taken over."""

    id: UUID
    created_at: datetime
    field: str
    current_value: Any
    proposed_value: Any
    status: str
    decided_at: datetime | None
    note: str | None


class StatedStep(Read):
    at: datetime
    action: str
    to_state: str
    actor_role: str | None
    reason_code: str | None
    note: str | None


class StatedLetter(Read):
    number: str
    issued_on: date
    valid_until: date
    issuer: str
    revoked_at: datetime | None
    revoked_reason: str | None
    signature: SignatureKind
    scan_received_at: datetime | None


class StatedApplication(Read):
    """An application of the person's own, or one that names them as a dependant: then without the applicant's data."""

    id: UUID
    created_at: datetime
    region_code: str
    status: str
    purpose: str
    is_applicant: bool
    purpose_detail: str | None
    addressed_to: str
    documents: list[dict[str, Any]]
    recommendation: str | None
    steps: list[StatedStep]
    letter: StatedLetter | None


class StatedReferral(Read):
    id: UUID
    created_at: datetime
    program: str
    agency: str
    reason: str
    consent: str
    consent_reason: str | None
    expires_on: date | None
    activate_by: date | None
    documents: list[dict[str, Any]]
    status: str
    reference_number: str | None
    decided_on: date | None
    reason_code: str | None
    active_from: date | None
    ended_on: date | None


class StatedEnrolment(Read):
    """A benefit that the person receives or received."""

    id: UUID
    program: str
    agency: str
    reference_number: str | None
    started_on: date
    ended_on: date | None
    end_reason: str | None


class StatedActivity(Read):
    """Work that names the person; without its title when it names others too."""

    id: UUID
    occurred_on: date
    kind: str
    title: str | None
    region_code: str


class StatedAttachment(Read):
    """A photo or paper about the person; its content is shown by the attachment itself."""

    id: UUID
    created_at: datetime
    kind: str
    name: str
    media_type: str
    size_bytes: int
    region_code: str
    latitude: float | None
    longitude: float | None
    taken_at: datetime | None
    deleted_at: datetime | None


class StatedPresentation(Read):
    """An agency that had the person's letter on its desk, and what it did with it."""

    id: UUID
    presented_at: datetime
    number: str
    agency: str
    outcome: str
    program: str | None
    note: str | None
    letter_status: str


class StatedNotification(Read):
    """Who was told of the person's case, by role; with a `channel` the person themselves was sent it."""

    id: UUID
    at: datetime
    title: str
    told_roles: list[str]
    channel: str | None
    state: str | None
    sent_at: datetime | None


class StatedMerge(Read):
    """Two records of the person were made one; of one that was divided again only that and when."""

    id: UUID
    created_at: datetime
    merged_id: UUID | None
    village_code: str | None
    reason: str | None
    undone_at: datetime | None


class StatedDuplicate(Read):
    """The person was compared with somebody else, who is not named here; `reasons` say what agreed."""

    id: UUID
    created_at: datetime
    score: float
    reasons: list[dict[str, Any]]
    status: str
    decided_at: datetime | None


class StatedRequest(Read):
    id: UUID
    created_at: datetime
    received_on: date
    kind: Kind
    requested_by: Requester
    reason: str
    status: Status
    decided_at: datetime | None
    reason_code: str | None
    note: str | None


class StatedCorrection(Read):
    """A change of one datum. Of identity numbers it is kept only that they changed: then `hidden`."""

    at: datetime
    record: str
    field: str
    before: Any
    after: Any
    hidden: bool
    reason: str | None
    role: str | None


class StatedProcessing(Read):
    """What somebody did with the data: in which role and office, what, and for what purpose; never their name.

    `times` plain reads of one day, from `at` until `until`, are one line. `activity` says `operation` in Indonesian
    (list processing_activities); `fields` are the identity numbers that were shown in full, and `ppks_sensitive` where
    a sensitive category was shown.
    """

    at: datetime
    until: datetime
    times: int
    role: str
    office: str
    operation: str
    activity: str
    action: str
    purpose: str
    fields: list[str]


class Statement(Read):
    """Everything held about one person, and the track record of its processing."""

    beneficiary_id: UUID
    made_at: datetime
    made_by_office: str
    timezone: str
    legal_basis: str
    identity: StatedIdentity
    merged_records: list[StatedIdentity]
    families: list[StatedFamily]
    assessments: list[StatedAssessment]
    document_names: list[StatedName]
    identity_steps: list[StatedIdentityStep]
    visits: list[StatedVisit]
    proposals: list[StatedProposal]
    applications: list[StatedApplication]
    referrals: list[StatedReferral]
    enrolments: list[StatedEnrolment]
    activities: list[StatedActivity]
    attachments: list[StatedAttachment]
    presentations: list[StatedPresentation]
    notifications: list[StatedNotification]
    merges: list[StatedMerge]
    duplicates: list[StatedDuplicate]
    requests: list[StatedRequest]
    corrections: list[StatedCorrection]
    processing: list[StatedProcessing]


async def make(session: AsyncSession, key: UUID, per_hour: int) -> Statement:
    """The statement of a person of the caller's area, wherever its records were written; making it is recorded first,
    so it stands in its own track record. Raises not_found, and too_many_requests: it shows full numbers as a reveal."""
    await take_full_numbers(session, per_hour)
    person = await load(session, Beneficiary, key)
    others = await _merged_into(session, key)
    about = [person.id, *(other.id for other in others)]
    await record_access(session, about, purpose=PURPOSE, fields=["nik", "family_card_number"])
    held = (await (await session.connection()).execute(select(func.app.statement(key)))).scalar()
    if held is None:
        raise not_found()
    offices: dict[str | None, str] = {}
    for line in held["processing"]:
        offices[line["regions"]] = offices.get(line["regions"]) or await _office(session, line["regions"])
    account = await own_account(session)
    return Statement(
        beneficiary_id=person.id,
        made_at=datetime.now(UTC),
        made_by_office=await _office(session, account.region_code),
        timezone=held["timezone"],
        legal_basis=LEGAL_BASIS,
        identity=await _identity(session, person),
        merged_records=[await _identity(session, other, _place_of(other, held)) for other in others],
        corrections=list(_corrections(held["changes"])),
        processing=[_processing(line, offices[line["regions"]]) for line in held["processing"]],
        **{name: held[name] for name in _HELD},
    )


async def _merged_into(session: AsyncSession, key: UUID) -> Sequence[Beneficiary]:
    """The person's other records: gone from the register, kept with all that stood in them."""
    merged = select(Beneficiary).where(Beneficiary.merged_into == key).order_by(Beneficiary.created_at)  # type: ignore[arg-type]
    return (await session.execute(merged)).scalars().all()


def _place_of(record: Beneficiary, held: Mapping[str, Any]) -> str:
    """Where a merged record lay: in its row stands where the person lives."""
    places: dict[str, str] = {merge["merged_id"]: merge["village_code"] for merge in held["merges"]}
    return places[str(record.id)]


async def _identity(session: AsyncSession, person: Beneficiary, place: str | None = None) -> StatedIdentity:
    village_code = place or person.region_code or ""
    vault, regions = await vault_of(session, person.id), await chain(session, village_code)
    plain = set(StatedIdentity.model_fields) & set(Beneficiary.model_fields) - {"warnings"}
    return StatedIdentity(
        **{name: getattr(person, name) for name in plain},
        nik=open_nik(vault, person),
        family_card_number=open_card(vault, person),
        village_code=village_code,
        place=", ".join(office_name(regions[level]) for level in ("village", "district", "regency", "province")),
        warnings=[warning["detail"] for warning in person.warnings],
        registered_at=person.created_at,
    )


async def _office(session: AsyncSession, regions: str | None) -> str:
    """The offices of a caller's regions: "Kecamatan Panjang, Kota Bandar Lampung"."""
    names = []
    for code in (regions or "").split(","):
        parts = [await find_region(session, code[:length]) for length in (13, 8, 5, 2) if len(code) >= length]
        known = [office_name(part) for part in parts if part is not None]
        names.append(", ".join(known[:2]) or ("Nasional" if code == "ID" else ""))
    return "; ".join(name for name in names if name)


def _corrections(changes: list[Mapping[str, Any]]) -> Iterator[StatedCorrection]:
    """One line for each datum that changed; a number and its digests are one datum."""
    said = set()
    for change in changes:
        field = _SAME_DATUM.get(change["field"], change["field"])
        if field in codes("personal_fields") and (change["id"], field) not in said:
            said.add((change["id"], field))
            yield StatedCorrection(
                field=field,
                record=change["entity"],
                **{name: change[name] for name in ("at", "before", "after", "hidden", "reason", "role")},
            )


def _processing(line: Mapping[str, Any], office: str) -> StatedProcessing:
    operation = line["operation"]
    known = operation in codes("processing_activities")
    return StatedProcessing(
        activity=label("processing_activities", operation, "id") if known else _ACTIONS.get(line["action"], operation),
        office=line["agency"] or office,
        fields=line["fields"] or [],
        **{name: line[name] for name in ("at", "until", "times", "role", "operation", "action", "purpose")},
    )
