"""How many people of a region would qualify: a job that goes through them page by page and names nobody."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.reads import Stored
from tksk_api.domain.eligibility.facts import count_people, people_of
from tksk_api.domain.eligibility.rules import Advice, Facts, evaluate
from tksk_api.domain.eligibility.schemas import SimulationCreate
from tksk_api.domain.eligibility.service import not_running_advice
from tksk_api.domain.eligibility.suppression import SMALLEST, in_steps
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.service import enqueue
from tksk_api.domain.jobs.worker import Progress
from tksk_api.domain.programs.models import Program
from tksk_api.domain.programs.rules import unknown_codes
from tksk_api.domain.programs.service import version_on, why_not_running
from tksk_api.domain.records import holds
from tksk_api.domain.regions.service import require_region, today_in
from tksk_api.errors import DomainError, not_found
from tksk_api.security.permissions import Permission

KIND = "simulate_program"
PAGE = 500
_BEFORE_ALL = (datetime.fromtimestamp(0, UTC), UUID(int=0))
_REGENCY = 5  # no rules are written below it
_OUTCOMES = ("eligible", "not_eligible", "needs_assessment")
_CHILD = {2: 5, 5: 8, 8: 13, 13: 13}


async def start(session: AsyncSession, code: str, body: SimulationCreate) -> Stored:
    """Ask for a simulation over a region of the caller's.

    Whoever may not see the people counted is told counts in steps, of today, by the rules in force: whom a count of
    one's own choice leaves out can be worked out from the next one.

    Raises not_found (no such programme, or the region lies outside), invalid_request (unknown_region, unknown_code) and
    permission_denied (rules or a day of one's own, without the right to see people).
    """
    if await session.get(Program, code) is None:
        raise not_found()
    await require_region(session, body.region_code, "/region_code")
    given = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    errors = unknown_codes(given.get("rules", []), "/rules")
    if errors:
        raise DomainError("invalid_request", errors=errors)
    today = await today_in(session, body.region_code)
    day = body.on or today
    sees = holds(session, Permission.BENEFICIARY_READ)
    chosen = "rules" if body.rules is not None else "on" if day != today else None
    if chosen is not None and not sees:
        raise DomainError("permission_denied", permission=f"{Permission.BENEFICIARY_READ} ({chosen})")
    parameters = {
        "program": code,
        "on": day.isoformat(),
        "rules": given.get("rules"),
        "suppressed_below": None if sees else SMALLEST,
    }
    return await enqueue(session, KIND, body.region_code, parameters)


async def step(session: AsyncSession, job: Job) -> Progress:
    """The next page of people; the counts so far are the checkpoint."""
    region, wanted, kept = job.region_code or "", job.parameters, job.checkpoint
    day = date.fromisoformat(wanted["on"])
    total = job.total if job.total is not None else await count_people(session, region)
    after = (datetime.fromisoformat(kept["after"][0]), UUID(kept["after"][1])) if kept else _BEFORE_ALL
    regions = {code: Counter(counts) for code, counts in kept.get("regions", {}).items()}
    reasons = Counter({tuple(key): count for *key, count in kept.get("reasons", [])})
    judges = _Judges(session, wanted, day)
    seen = 0
    async for person in people_of(session, region, day, after, PAGE):
        advice = await judges.advice(person.facts)
        child = person.facts.region_code[: _CHILD[len(region)]]
        regions.setdefault(child, Counter())[advice.outcome] += 1
        reasons.update({(advice.outcome, r.code, r.question, r.source) for r in advice.reasons})
        after, seen = (person.created_at, person.id), seen + 1
    done = job.done + seen
    checkpoint = {
        "after": [after[0].isoformat(), str(after[1])],
        "regions": regions,
        "reasons": [[*key, count] for key, count in reasons.items()],
    }
    if seen == PAGE:
        return Progress(checkpoint, done, max(_told(wanted, total), done))
    return Progress({}, _told(wanted, done), _told(wanted, done), _result(job, wanted, regions, reasons))


class _Judges:
    """The rules for each place, looked up once a step."""

    def __init__(self, session: AsyncSession, wanted: Mapping[str, Any], day: date) -> None:
        self._session, self._wanted, self._day = session, wanted, day
        self._rules: dict[str, list[dict[str, Any]] | None] = {}
        self._not_running: Advice | None = None

    async def advice(self, facts: Facts) -> Advice:
        """What the rules of the person's place say, or those of whoever asks."""
        rules = self._wanted["rules"]
        if rules is None:
            place = facts.region_code[:_REGENCY]
            if place not in self._rules:
                version = await version_on(self._session, self._wanted["program"], place, self._day)
                self._rules[place] = None if version is None else version.rules
            rules = self._rules[place]
        if rules is not None:
            return evaluate(rules, facts, self._day)
        if self._not_running is None:
            why = await why_not_running(self._session, self._wanted["program"], self._day)
            self._not_running = not_running_advice(why)
        return self._not_running


def _told(wanted: Mapping[str, Any], count: int) -> int:
    """A count as whoever asked is told it."""
    return count if wanted["suppressed_below"] is None else in_steps(count)


def _result(
    job: Job, wanted: Mapping[str, Any], regions: Mapping[str, Mapping[str, int]], reasons: Mapping[Any, int]
) -> dict[str, Any]:
    def told(counts: Mapping[str, int]) -> dict[str, int]:
        return {name: _told(wanted, counts.get(name, 0)) for name in _OUTCOMES}

    everywhere = {name: sum(counts.get(name, 0) for counts in regions.values()) for name in _OUTCOMES}
    return {
        "kind": KIND,
        "program": wanted["program"],
        "on": wanted["on"],
        "region_code": job.region_code,
        "people": _told(wanted, sum(everywhere.values())),
        "outcomes": told(everywhere),
        # A reason or a region that is named has somebody, and in steps so many that it may be named.
        "reasons": [
            {"outcome": outcome, "code": code, "question": question, "source": source, "people": _told(wanted, count)}
            for (outcome, code, question, source), count in sorted(
                reasons.items(), key=lambda item: (-_told(wanted, item[1]), str(item[0]))
            )
            if _told(wanted, count)
        ],
        "regions": [
            {"region_code": code, **told(regions[code])}
            for code in sorted(regions)
            if _told(wanted, sum(regions[code].values()))
        ],
        "suppressed_below": wanted["suppressed_below"],
    }
