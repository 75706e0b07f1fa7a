"""Shapes of SKTM applications."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.domain.sktm_letters.content import SignatureKind, Status
from tksk_api.domain.sktm_policies.schemas import Purpose
from tksk_api.types import Code, Line, Note

State = Literal[
    "draft",
    "submitted",
    "returned",
    "checked",
    "verified",
    "signing",
    "issued",
    "collected",
    "rejected",
    "cancelled",
    "revoked",
]


class Document(Body):
    """A document the applicant brought: attached to them, or shown as paper. Codes of the list document_kinds."""

    kind: Annotated[Code, Field(examples=["family_card"])]
    attachment_id: UUID | None = None
    shown_physically: bool = False


Documents = Annotated[list[Document], Field(max_length=30)]
Dependants = Annotated[list[UUID], Field(max_length=30, description="Beneficiaries named in the letter's table")]


Circumstances = Annotated[
    list[Code],
    Field(
        max_length=8,
        description="What the applicant states: codes of the list document_conditions marked `stated`. They decide "
        "which documents are needed",
        examples=[["already_born"]],
    ),
]


class SktmApplicationCreate(Body):
    """A letter for one purpose and one addressee; it is issued by the village where the applicant lives."""

    id: UUID | None = None
    beneficiary_id: UUID
    purpose: Purpose
    purpose_detail: Annotated[Note, Field(examples=["Beasiswa KIP Kuliah a.n. Dewi Lestari"])]
    addressed_to: Annotated[Line, Field(examples=["Universitas Lampung"])]
    dependants: Dependants = []
    documents: Documents = []
    circumstances: Circumstances = []
    replaces_id: Annotated[
        UUID | None,
        Field(description="The application whose letter this one replaces: lost, or with a mistake in it"),
    ] = None


class SktmApplicationUpdate(Body):
    purpose: Purpose | None = None
    purpose_detail: Note | None = None
    addressed_to: Line | None = None
    dependants: Dependants | None = None
    documents: Documents | None = None
    circumstances: Circumstances | None = None


class DocumentCheck(Body):
    kind: Code
    status: Literal["ok", "missing", "wrong"]
    note: Note | None = None


class Check(Body):
    """The clerk's look at each document; every required one must be ok."""

    documents: Annotated[list[DocumentCheck], Field(max_length=30)]


class RequiredDocument(Read):
    """A document the application needs; `stamped` asks for a duty stamp (meterai). `brought` waits for the check."""

    kind: str
    stamped: bool
    status: Literal["absent", "brought", "ok", "missing", "wrong"]


class Requirements(Read):
    """What the application needs, and the conditions of the list document_conditions that decided it."""

    documents: list[RequiredDocument]
    conditions: list[str]
    visit_required: bool
    signatories: list[str]
    validity_months: int


class Verify(Body):
    """The officer's finding after the visit."""

    visit_id: Annotated[UUID | None, Field(description="A completed visit to the applicant, where one is required")] = (
        None
    )
    recommendation: Note


class Refusal(Body):
    """Why; codes of the list reason_codes."""

    reason_code: Code
    note: Annotated[Note, Field(min_length=3)]


class Cancel(Body):
    note: Annotated[Note, Field(min_length=3)]


class ApplicantRead(Read):
    full_name: str
    nik_masked: str | None


class DocumentRead(Read):
    kind: str
    attachment_id: UUID | None
    shown_physically: bool
    status: Literal["ok", "missing", "wrong"] | None
    note: str | None


class SignatureRead(Read):
    position: int
    role: str
    full_name: str
    title: str
    signed_at: datetime


class VerificationsRead(Read):
    """How often the letter was looked up on the public page, link previews of messengers included."""

    count: int
    last_at: datetime | None


class PresentedRead(Read):
    """How often agencies recorded the letter. More than one agency is worth a look: `presentations` names them."""

    count: int
    agencies: int
    last_at: datetime | None


class LetterRead(Read):
    """The issued letter; `verification_url` is where its QR code leads."""

    number: str
    issued_on: date
    valid_until: date
    verification_url: str
    sha256: str
    is_expired: bool
    revoked_at: datetime | None
    superseded_at: datetime | None
    status: Status
    signature: SignatureKind
    verifications: VerificationsRead
    presentations: PresentedRead


class SktmApplicationRead(Read):
    """An application; `applicant` is null when the person has moved out of your area, `letter` until it is issued."""

    id: UUID
    beneficiary_id: UUID
    applicant: ApplicantRead | None
    region_code: str
    purpose: Purpose
    purpose_detail: str
    addressed_to: str
    dependants: list[UUID]
    documents: list[DocumentRead]
    circumstances: list[str]
    status: State
    visit_id: UUID | None
    recommendation: str | None
    signatures: list[SignatureRead]
    letter: LetterRead | None
    created_by: UUID | None
    checked_by: UUID | None
    verified_by: UUID | None
    replaces_id: UUID | None
    submitted_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
