"""Shapes of advice about one person, and of a simulation."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from tksk_api.domain.eligibility.rules import Outcome, Verdict
from tksk_api.domain.programs.schemas import Rules
from tksk_api.domain.records import Body, Read
from tksk_api.types import Code, Day, RegionCode

Answers = Annotated[
    dict[Code, Annotated[bool, Field(strict=True)]],
    Field(
        max_length=50,
        description="What the person says, by codes of the list eligibility_questions; it is not stored",
        examples=[{"enrolled_in_school": True}],
    ),
]


class EligibilityQuestion(Body):
    """Who asks, and as of which day; left out, today at the person's place."""

    beneficiary_id: UUID
    on: Day | None = None
    answers: Answers = {}


class AdviceReason(Read):
    """What decides: a rule that fails, else one that cannot be told yet, else one that holds.

    `question` is the one of eligibility_questions that an answer would settle.
    """

    code: str
    detail: str
    source: str
    verdict: Verdict
    question: str | None


class EligibilityRead(Read):
    """Advice only: the agency decides. `documents` are those that a referral needs, as the kinds of which one is
    enough; `rule_version` is null when the programme does not run on that day."""

    program: str
    beneficiary_id: UUID
    on: date
    outcome: Outcome
    reasons: list[AdviceReason]
    rule_version: int | None
    documents: list[list[str]]


class SimulationCreate(Body):
    """Count who would qualify in a region, as of a day; with `rules` of one's own instead of those in force.

    Both are for those who may see the people counted; others count today, by the rules in force.
    """

    region_code: RegionCode
    on: Day | None = None
    rules: Rules | None = None


class OutcomeCounts(Read):
    """People by outcome, in steps where `suppressed_below` says so."""

    eligible: int | None
    not_eligible: int | None
    needs_assessment: int | None


class ReasonCount(Read):
    """How many people have this reason for their outcome; one person may have several."""

    outcome: Outcome
    code: str
    question: str | None
    source: str
    people: int | None


class RegionCounts(OutcomeCounts):
    region_code: str


class SimulationResult(Read):
    """The `result` of a job of the kind simulate_program. It names nobody.

    With `suppressed_below` every number is rounded down to a multiple of it, 0 is anything below it, and reasons and
    regions of fewer people are left out. Rounded numbers need not add up.
    """

    kind: Literal["simulate_program"]
    program: str
    on: date
    region_code: str
    people: int
    outcomes: OutcomeCounts
    reasons: list[ReasonCount]
    regions: list[RegionCounts]
    suppressed_below: int | None
