"""Shapes of SKTM applications."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from tksk_api.domain.records import Body, Read
from tksk_api.domain.sktm_letters.content import SignatureKind, Status
from tksk_api.domain.sktm_policies.schemas import Purpose
from tksk_api.types import Code, Line, Nik, Note

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


English = Annotated[
    bool | None,
    Field(description="Whether the letter gets a second page in English; null: as the region's policy says"),
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
    english: English = None


class SktmApplicationUpdate(Body):
    purpose: Purpose | None = None
    purpose_detail: Note | None = None
    addressed_to: Line | None = None
    dependants: Dependants | None = None
    documents: Documents | None = None
    circumstances: Circumstances | None = None
    english: English = None


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
    signature: SignatureKind
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


class Seen(Body):
    """An application as the signer saw it."""

    id: UUID
    version: Annotated[int, Field(ge=1, description="The number in its ETag, as it was read")]


class SignMany(Body):
    """What the signer looked at and signs. Signing is a personal act: `confirmed` says that they saw each of these, and
    the versions say what they saw."""

    items: Annotated[list[Seen], Field(min_length=1, max_length=1_000)]
    confirmed: Annotated[Literal[True], Field(description="I have seen each of these applications, and I sign them")]


class SignedRead(Read):
    """What became of one application: `number` once the letter is issued, `code` is the problem when it was refused."""

    id: UUID
    status: Literal["issued", "signing", "refused"]
    number: str | None
    code: str | None


class SignedMany(Read):
    """The `result` of a job of the kind sign_sktm_applications: those tried, in the order of the request."""

    kind: Literal["sign_sktm_applications"]
    signed: int
    refused: int
    items: list[SignedRead]


class SignedScan(Body):
    """The scan or photo of the paper that was signed by hand."""

    attachment_id: Annotated[
        UUID, Field(description="An attachment of the applicant of the kind `signed_letter`: PDF, JPEG or PNG")
    ]


class SignWith(Body):
    """What the last signer gives where letters are sealed by BSrE (setting `sealer`); elsewhere nothing is needed.

    Used for this one letter. Neither is kept, shown or logged.
    """

    nik: Annotated[Nik | None, Field(description="The signer's own, as BSrE knows it")] = None
    passphrase: Annotated[SecretStr | None, Field(max_length=200)] = None


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


class SealRead(Read):
    """Whose certificate sealed the PDF. `is_certified`: by the government's certificate authority (PP 71/2019 Pasal 60
    ayat (2)); otherwise a technical seal, which proves origin and that nothing changed."""

    by: Literal["office_certificate", "bsre"]
    is_certified: bool
    subject: str
    issuer: str
    certificate_sha256: str


class ScanRead(Read):
    """The scan of the letter as signed by hand. `warnings` are hints about its QR code, where somebody has to look at
    the paper: `qr_unreadable`, and `qr_not_checked` where no picture of it could be read."""

    attachment_id: UUID
    received_at: datetime
    warnings: list[Literal["qr_unreadable", "qr_not_checked"]]


class LetterRead(Read):
    """The issued letter; `verification_url` is where its QR code leads. One signed by hand (`wet`) is `not_yet_valid`
    until its `scan` is there; `seal` is null unless it is `sealed`."""

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
    seal: SealRead | None
    scan: ScanRead | None
    verifications: VerificationsRead
    presentations: PresentedRead


class SktmApplicationRead(Read):
    """An application; `applicant` is null when the person has moved out of your area, `letter` until it is issued."""

    id: UUID
    case_number: str
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
    english: bool | None
    submitted_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
