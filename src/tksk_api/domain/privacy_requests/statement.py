"""The statement of one person's data: all that is held, and who processed it (UU 27/2022 Pasal 32)."""

from collections.abc import Iterator, Mapping
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
_HELD = ("visits", "applications", "referrals", "activities", "attachments", "requests")


class StatedIdentity(Read):
    """Who the person is, with full identity numbers."""

    full_name: str
    nik: str | None
    nik_status: str
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
    relationship: str | None
    ppks_categories: list[str]
    notes: str | None
    warnings: list[str]
    deceased_on: date | None
    registered_at: datetime
    restricted_at: datetime | None
    legal_hold: str | None


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
    evidence: dict[str, Any]
    reasons: list[str]


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
    documents: list[dict[str, Any]]
    status: str
    reference_number: str | None
    decided_on: date | None
    reason_code: str | None
    active_from: date | None
    ended_on: date | None


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
    role: str | None


class StatedProcessing(Read):
    """What somebody did with the data: in which role and office, what, and for what purpose; never their name.

    `times` plain reads of one day, from `at` until `until`, are one line. `activity` says `operation` in Indonesian
    (list processing_activities); `fields` are the identity numbers that were shown in full.
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
    visits: list[StatedVisit]
    applications: list[StatedApplication]
    referrals: list[StatedReferral]
    activities: list[StatedActivity]
    attachments: list[StatedAttachment]
    requests: list[StatedRequest]
    corrections: list[StatedCorrection]
    processing: list[StatedProcessing]


async def make(session: AsyncSession, key: UUID, per_hour: int) -> Statement:
    """The statement of a person of the caller's area, wherever its records were written; making it is recorded first,
    so it stands in its own track record. Raises not_found, and too_many_requests: it shows full numbers as a reveal."""
    await take_full_numbers(session, per_hour)
    person = await load(session, Beneficiary, key)
    await record_access(session, [person.id], purpose=PURPOSE, fields=["nik", "family_card_number"])
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
        corrections=list(_corrections(held["changes"])),
        processing=[_processing(line, offices[line["regions"]]) for line in held["processing"]],
        **{name: held[name] for name in _HELD},
    )


async def _identity(session: AsyncSession, person: Beneficiary) -> StatedIdentity:
    vault, regions = await vault_of(session, person.id), await chain(session, person.region_code or "")
    plain = set(StatedIdentity.model_fields) & set(Beneficiary.model_fields) - {"warnings"}
    return StatedIdentity(
        **{name: getattr(person, name) for name in plain},
        nik=open_nik(vault, person),
        family_card_number=open_card(vault, person),
        village_code=person.region_code or "",
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
                **{name: change[name] for name in ("at", "before", "after", "hidden", "role")},
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
