"""Advice on one person: what a programme's rules say of what is known (API §5, DOMAIN §4)."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.domain.beneficiaries.models import Beneficiary
from tksk_api.domain.eligibility.facts import facts_of
from tksk_api.domain.eligibility.rules import Advice, Reason, evaluate, needed_documents
from tksk_api.domain.eligibility.schemas import AdviceReason, EligibilityQuestion, EligibilityRead
from tksk_api.domain.history.access import record_access
from tksk_api.domain.programs.models import Program, ProgramVersion
from tksk_api.domain.programs.service import version_on, why_not_running
from tksk_api.domain.records import load_reference
from tksk_api.domain.references.lists import codes
from tksk_api.domain.regions.service import today_in
from tksk_api.errors import DomainError, FieldError, Language, invalid, not_found

PURPOSE = "eligibility_check"


async def advise(
    session: AsyncSession, code: str, question: EligibilityQuestion, language: Language
) -> EligibilityRead:
    """What the rules say of a person of the caller's area. A question about data: it leaves an access row.

    Raises not_found (no such programme), invalid_request (unknown_reference, unknown_code), processing_restricted.
    """
    if await session.get(Program, code) is None:
        raise not_found()
    errors = [
        FieldError(f"/answers/{name}", "unknown_code", {"list": "eligibility_questions"})
        for name in sorted(question.answers.keys() - codes("eligibility_questions"))
    ]
    if errors:
        raise DomainError("invalid_request", errors=errors)
    person = await load_reference(session, Beneficiary, question.beneficiary_id, "/beneficiary_id")
    if person.restricted_at is not None:
        raise DomainError("processing_restricted")
    place = person.region_code or ""
    day = question.on or await today_in(session, place)
    await record_access(session, [person.id], purpose=PURPOSE)
    facts = await facts_of(session, person.id, day, question.answers)
    if facts is None:
        raise invalid("/beneficiary_id", "unknown_reference")
    version = await version_on(session, code, place, day)
    if version is None:
        advice = not_running_advice(await why_not_running(session, code, day))
    else:
        advice = evaluate(version.rules, facts, day)
    return EligibilityRead(
        program=code,
        beneficiary_id=person.id,
        on=day,
        outcome=advice.outcome,
        reasons=[_said(reason, language) for reason in advice.reasons],
        rule_version=None if version is None else version.number,
        documents=[] if version is None else [list(kinds) for kinds in needed_documents(version.documents, facts, day)],
    )


async def documents_for(
    session: AsyncSession, version: ProgramVersion, person: Beneficiary, day: date
) -> Sequence[tuple[str, ...]]:
    """What a referral of this person has to bring along, each as the kinds of which one is enough."""
    facts = await facts_of(session, person.id, day)
    return [] if facts is None else needed_documents(version.documents, facts, day)


def not_running_advice(why: tuple[str, str] | None) -> Advice:
    """Nobody is eligible for what does not run; whoever was then, has to be looked at under its successor."""
    code, source = why or ("program_ended", "Tidak ada aturan yang berlaku / no rules in force")
    return Advice("not_eligible", (Reason(code, "not_met", source),))


def _said(reason: Reason, language: Language) -> AdviceReason:
    return AdviceReason(
        code=reason.code,
        detail=reason.detail(language),
        source=reason.source,
        verdict=reason.verdict,
        question=reason.question,
    )
