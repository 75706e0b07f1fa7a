"""Shapes of programmes, and of the language their rules are written in."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Day, Line, RegionCode, Sex

Source = Annotated[Line, Field(description="Where the rule is written down", examples=["Permensos 3/2026 Pasal 20"])]
_Rupiah = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000_000)]
_Age = Annotated[int, Field(strict=True, ge=0, le=130, description="Completed years")]
_Programs = Annotated[list[Code], Field(min_length=1, max_length=20, examples=[["pkh"]])]
_Days = Annotated[int, Field(strict=True, ge=1, le=3660)]


class NamedTest(Body):
    """One of the named tests; whoever reads a rule finds its source with it."""

    source: Source


class AgeBetween(NamedTest):
    """The age on the day lies within the bounds, both included."""

    test: Literal["age_between"]
    min: _Age | None = None
    max: _Age | None = None


class SexIs(NamedTest):
    """The programme is for one sex."""

    test: Literal["sex_is"]
    sex: Sex


class HasNik(NamedTest):
    """A NIK is recorded."""

    test: Literal["has_nik"]


class ListedInDtsen(NamedTest):
    """The family has a decile snapshot, even one without a decile."""

    test: Literal["listed_in_dtsen"]


class DecileAtMost(NamedTest):
    """The decile of the family's last snapshot; without one, or undetermined, somebody has to assess."""

    test: Literal["decile_at_most"]
    max: Annotated[int, Field(strict=True, ge=1, le=10)]


class PpksAnyOf(NamedTest):
    """The person has one of the categories."""

    test: Literal["ppks_any_of"]
    categories: Annotated[list[Code], Field(min_length=1, max_length=26, examples=[["fakir_miskin"]])]


class FoundNeedy(NamedTest):
    """The last completed home visit within a year found the person eligible."""

    test: Literal["found_needy"]


class ReceivesAnyOf(NamedTest):
    """The person, or somebody of the family, is enrolled in one of the programmes."""

    test: Literal["receives_any_of"]
    programs: _Programs


class ReceivesNoneOf(NamedTest):
    """The person is enrolled in none of the programmes."""

    test: Literal["receives_none_of"]
    programs: _Programs


class IncomeAtMost(NamedTest):
    """The family's monthly income is at most `family`, or its part for each member at most `member`, in rupiah."""

    test: Literal["income_at_most"]
    family: Annotated[_Rupiah, Field(examples=[4_000_000])]
    member: Annotated[_Rupiah, Field(examples=[750_000])]


class LivesIn(NamedTest):
    """The person lives in one of the regions."""

    test: Literal["lives_in"]
    regions: Annotated[list[RegionCode], Field(min_length=1, max_length=20)]


class Answered(NamedTest):
    """What the register cannot know: the answer to a question of the list eligibility_questions is `is`."""

    test: Literal["answered"]
    question: Annotated[Code, Field(examples=["enrolled_in_school"])]
    is_: Annotated[bool, Field(strict=True, alias="is")]


_Test = (
    AgeBetween
    | SexIs
    | HasNik
    | ListedInDtsen
    | DecileAtMost
    | PpksAnyOf
    | FoundNeedy
    | ReceivesAnyOf
    | ReceivesNoneOf
    | IncomeAtMost
    | LivesIn
    | Answered
)
SingleTest = Annotated[_Test, Field(discriminator="test")]


class AnyOf(Body):
    """One of the tests is enough."""

    test: Literal["any_of"]
    of: Annotated[list[SingleTest], Field(min_length=1, max_length=20)]


Rules = Annotated[
    list[Annotated[_Test | AnyOf, Field(discriminator="test")]],
    Field(max_length=30, description="All of them must hold; none at all means that somebody has to assess"),
]


class NeededDocument(Body):
    """A document that has to go along, as the kinds of which one is enough; `when` and `unless` a test holds."""

    kinds: Annotated[list[Code], Field(min_length=1, max_length=10, examples=[["sktm", "dtsen_proof"]])]
    when: SingleTest | None = None
    unless: SingleTest | None = None


class ProgramVersionFacts(Body):
    """What a version of a programme says, whoever wrote it."""

    effective_until: Day | None = Field(default=None, description="Last day; null until another version follows")
    rules: Rules
    documents: Annotated[list[NeededDocument], Field(max_length=20)] = []
    agency_kinds: Annotated[list[Code], Field(min_length=1, max_length=10, examples=[["education_office"]])]
    legal_base: Line | None = None
    source: Source
    service_days: _Days | None = Field(default=None, description="The programme's own service time")
    waitlist_days: _Days | None = Field(default=None, description="How long a place on the waiting list is kept")
    activation_days: _Days | None = Field(default=None, description="From approval to the last day of activation")
    needs_activation: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="The agency says by when the benefit must be activated, or it lapses"
    )

    def stored_rules(self) -> dict[str, list[dict[str, Any]]]:
        """Rules and documents as they are stored: without members that say nothing."""
        given = self.model_dump(mode="json", by_alias=True, exclude_none=True, include={"rules", "documents"})
        return {name: given[name] for name in ("rules", "documents")}


class ProgramVersionPut(ProgramVersionFacts):
    """A new version, from a day on that has not passed. It replaces nothing before that day."""

    region_code: RegionCode | None = Field(
        default=None, description="The province or regency whose rules these are; null for the nation"
    )
    effective_from: Day


class ProgramRead(Read):
    """A programme with its legal base, its documents and the days it runs in the nation; an open end is null.

    `required_documents` are the first kinds of what the present version may ask for.
    """

    code: str
    name_id: str
    name_en: str
    agency_kinds: list[str]
    required_documents: list[str]
    legal_base: str | None
    note_id: str | None
    note_en: str | None
    is_local: bool
    valid_from: date | None
    valid_until: date | None
    version: int


class ProgramVersionRead(Read):
    """A version: what the programme asks for from `effective_from` to `effective_until`, in the nation or a region."""

    number: int
    region_code: str | None
    effective_from: date | None
    effective_until: date | None
    rules: list[dict[str, Any]]
    documents: list[dict[str, Any]]
    agency_kinds: list[str]
    legal_base: str | None
    source: str
    service_days: int | None
    waitlist_days: int | None
    activation_days: int | None
    needs_activation: bool
    created_at: datetime
    created_by: UUID | None


class ProgramVersionSummary(Read):
    """A version among others; `GET /programs/{code}?on=` its days gives the rules."""

    number: int
    region_code: str | None
    effective_from: date | None
    effective_until: date | None
    legal_base: str | None


class ProgramDetail(ProgramRead):
    """A programme, the version that holds on the day and at the place asked for (null: none does), and all versions."""

    on: date
    current: ProgramVersionRead | None
    versions: list[ProgramVersionSummary]
