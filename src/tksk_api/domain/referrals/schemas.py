"""Shapes of referrals."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.batches import Refusal
from tksk_api.domain.records import Body, Read
from tksk_api.domain.referrals.workflow import Status
from tksk_api.types import Code, Day, Line, Note, PastDate

Consent = Annotated[
    Literal["given", "not_needed", "overridden"],
    Field(description="Of the person (UU 27/2022 Pasal 20). When overridden, `consent_reason` says why"),
]
DocumentKind = Annotated[Code, Field(description="Code of the list document_kinds", examples=["family_card"])]
ReasonCode = Annotated[
    Code, Field(description="Code of the list referral_reason_codes that names this action", examples=["quota_full"])
]
ReferenceNumber = Annotated[Line, Field(description="The agency's own number", examples=["0214/SK/BPJS/XI/2026"])]
Program = Annotated[Code, Field(description="Code of a programme that runs today", examples=["pbi_jk"])]
Reason = Annotated[Note, Field(examples=["Kepala keluarga kehilangan pekerjaan, anak perlu rawat inap."])]


ConsentReason = Annotated[
    Note, Field(description="The vital interest that overrides it", examples=["Pasien tidak sadar, perlu rawat inap."])
]


class DocumentGiven(Body):
    """A document that goes along: shown on paper, or attached."""

    kind: DocumentKind
    attachment_id: UUID | None = None
    shown_physically: bool


class DocumentWanted(Body):
    """A document that the agency asks for."""

    kind: DocumentKind
    note: Note | None = None


Partners = Annotated[list[UUID], Field(max_length=50, description="Active social partners that help with it")]
Documents = Annotated[list[DocumentGiven], Field(max_length=30)]
Supplied = Annotated[list[DocumentGiven], Field(min_length=1, max_length=30)]
Wanted = Annotated[list[DocumentWanted], Field(min_length=1, max_length=30)]


class ReferralCreate(Body):
    """A person is referred to an agency for a programme. It stays a draft until it is submitted."""

    id: UUID | None = None
    beneficiary_id: UUID
    program: Program
    agency_id: UUID
    sktm_application_id: UUID | None = None
    reason: Reason
    consent: Consent
    consent_reason: ConsentReason | None = None
    documents: Documents = []
    partner_ids: Partners = []


class ReferralUpdate(Body):
    """A merge patch, while it is a draft. The person does not change: cancel, and refer the other one."""

    program: Program | None = None
    agency_id: UUID | None = None
    sktm_application_id: UUID | None = None
    reason: Reason | None = None
    consent: Consent | None = None
    consent_reason: ConsentReason | None = None
    documents: Documents | None = None
    partner_ids: Partners | None = None


class DocumentsRequest(Body):
    """What the agency needs before it decides."""

    documents: Wanted
    note: Note


class DocumentsSupply(Body):
    """Documents that answer the agency's request; they are added to those of the referral."""

    documents: Supplied


class Decision(Body):
    """The agency's decision; its day is not in the future, by the calendar of the person's region."""

    reference_number: ReferenceNumber | None = None
    decided_on: PastDate
    reason_code: ReasonCode | None = None
    note: Note | None = None


class Approval(Decision):
    """Approved, under the agency's number."""

    reference_number: ReferenceNumber
    activate_by: Day | None = Field(
        default=None, description="Last day to activate it, or it lapses; left out, as the programme says"
    )


class Waitlisting(Decision):
    """Kept for later."""

    expires_on: Day | None = Field(
        default=None, description="Last day on the list, after which it lapses; left out, as the programme says"
    )


class Rejection(Decision):
    """Rejected, with its reason."""

    reason_code: ReasonCode


class Activation(Body):
    """The benefit runs from this day, which may be ahead."""

    active_from: Day


class End(Body):
    """The last day of the benefit and why it ended; the reason `other` needs a note."""

    ended_on: Day
    reason_code: ReasonCode
    note: Note | None = None


class Transfer(Body):
    """To whom it goes instead, and why. What it was submitted with goes along; what was supplied since answers the
    former agency's request, and does not, unless it is named here."""

    agency_id: UUID
    reason: Note
    attachment_ids: Annotated[
        list[UUID], Field(max_length=100, description="Files supplied since that the next agency is to have as well")
    ] = []


class SubmitMany(Body):
    """Drafts to be submitted, each once."""

    ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class SubmitResult(Read):
    """What became of one draft; `version` is its new version."""

    id: UUID
    status: Literal["submitted", "refused"]
    version: int | None
    problem: Refusal | None


class SubmitResults(Read):
    """In the order of the request."""

    items: list[SubmitResult]


class Cancellation(Body):
    """Why the referral is taken back."""

    note: Note


class Person(Read):
    """The person as the agency may know them: name and the last digits of the NIK when the referral was submitted."""

    id: UUID
    full_name: str
    nik_masked: str | None


class DocumentGivenRead(Read):
    kind: str
    attachment_id: UUID | None
    shown_physically: bool


class DocumentWantedRead(Read):
    kind: str
    note: str | None


class ReferralFile(Read):
    """A file of a referral, with links that are good for a minute."""

    kind: Annotated[str, Field(description="Code of the list document_kinds", examples=["health_facility_letter"])]
    attachment_id: UUID
    name: str
    media_type: str
    size_bytes: int
    content_url: str
    thumbnail_url: Annotated[str | None, Field(description="A small JPEG; null for a PDF")]


class ReferralFiles(Read):
    """In the order of the referral's documents; what was only shown on paper is not among them."""

    items: list[ReferralFile]


class ReferralRead(Read):
    """A referral. `requested_documents` are those the agency still waits for; `decided_on` belongs to its last word.

    `program_version` is the one it was submitted under. On the waiting list it lapses after `expires_on`, approved
    after `activate_by`. Rejected, ended or cancelled, its agency sees initials, and `(selesai)` for the reason.
    """

    id: UUID
    case_number: str
    beneficiary_id: UUID
    beneficiary: Person
    region_code: str
    program: str
    program_version: int | None
    agency_id: UUID
    agency_name: str
    sktm_application_id: UUID | None
    reason: str
    consent: Consent
    consent_reason: str | None
    documents: list[DocumentGivenRead]
    partner_ids: list[UUID]
    status: Status
    submitted_at: datetime | None
    requested_documents: list[DocumentWantedRead]
    reference_number: str | None
    decided_on: date | None
    reason_code: str | None
    expires_on: date | None
    activate_by: date | None
    active_from: date | None
    ended_on: date | None
    created_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
