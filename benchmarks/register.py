"""A register of a million: is the right person found, are two entries told to be one, at what cost. See README.md."""

import argparse
import asyncio
import json
import random
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

import harness
import misspelt
from harness import Bench, BenchmarkError, say
from tksk_api.cli.seed import districts_in, fill
from tksk_api.database.admission import Admission
from tksk_api.database.engine import create_read_pool
from tksk_api.database.reads import PageRequest, Reader, ReadPool
from tksk_api.domain.beneficiaries import search
from tksk_api.domain.beneficiaries.matching import DUPLICATE_THRESHOLD, Facts, compare
from tksk_api.domain.beneficiaries.reads import BENEFICIARIES
from tksk_api.domain.beneficiaries.schemas import BeneficiarySearch
from tksk_api.domain.beneficiaries.service import nik_index
from tksk_api.domain.synthetic import Person, people_of
from tksk_api.domain.timelines.reads import TIMELINE
from tksk_api.security.permissions import Permission
from tksk_api.settings import Settings

SEEDS = (1, 2)  # of the questions; the second was not looked at while the rules were made
SAMPLED_DISTRICTS = 300
THRESHOLDS = (0.70, 0.75, 0.80, 0.85, 0.90)
NATION = ", whole nation"
BY_NAME, BY_NUMBER = "all by name alone, but one word", "all with a damaged number"
TARGETS = {BY_NAME: 0.75, BY_NUMBER: 0.99}  # the right one first
LIMIT = 20
SCANS = 12  # calls of the sequential scan a round
_COLUMNS = (
    "id, nik_last4, nik_status, full_name, birth_place, birth_date, sex, street, rt, rw, region_code, phone, "
    "family_card_last4, relationship, ppks_categories, notes, warnings, deceased_on, version, created_at, updated_at"
)
_LIST = f"SELECT {_COLUMNS} FROM beneficiaries WHERE district_code = $1 ORDER BY created_at DESC, id DESC LIMIT 21"
_BY_NIK = f"SELECT {_COLUMNS} FROM beneficiaries WHERE nik_index = $1 AND deleted_at IS NULL"
_TIMELINE = (
    "SELECT id, at, action, fields, actor_id FROM changes WHERE entity_id = $1 ORDER BY at DESC, id DESC LIMIT 21"
)
# What peers do: any place of the name, over the whole table.
_SCAN = f"SELECT {_COLUMNS} FROM beneficiaries WHERE full_name ILIKE '%' || $1 || '%' ORDER BY full_name LIMIT 20"
_SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'beneficiaries'"

Task = Callable[[], Awaitable[Any]]
console = Console(width=140)


# ----------------------------------------------------------------------------------------------- who asks, and for whom


class Callers:
    """Readers over the application's own pool, with the role whose policies bind them."""

    def __init__(self, bench: Bench, pool: Any) -> None:
        self.bench, self.pool, self.made = bench, ReadPool(pool, 10), 0

    async def reader(self, owner: Any, role: str, region: str | None) -> Reader:
        self.made += 1
        _, session = await harness.add_user(owner, role, region, self.made)
        admission = Admission(session, (role,), str(Permission.BENEFICIARY_READ), uuid4(), "search_beneficiaries")
        return Reader(self.pool, admission)

    async def find(self, reader: Reader, body: Mapping[str, Any]) -> list[str]:
        page = await search.find(reader, self.bench.keyring, BeneficiarySearch.model_validate(dict(body)))
        return [hit["id"] for hit in json.loads(b"[" + page.items + b"]")]


async def sample(bench: Bench, count: int, chance: random.Random) -> list[Person]:
    """People of some districts of the nation, and of the one the officer works in."""
    districts = await districts_in(bench.owner_url, count)
    chosen = chance.sample(districts, min(SAMPLED_DISTRICTS, len(districts)))
    return [person for one in chosen for person in people_of(1, one.villages, one.count)]


# -------------------------------------------------------------------------------------------------------------- quality


async def quality(callers: Callers, owner: Any, people: Sequence[Person], of_each: int) -> None:
    """Who looks for somebody names their regency; a damaged number is also looked for in the whole nation."""
    reader = await callers.reader(owner, "ministry", None)
    table = Table("what is wrong", *(f"{what}, seed {seed}" for seed in SEEDS for what in ("first", "in first 5")))
    rows: dict[str, list[str]] = {}
    missed = []
    for seed in SEEDS:
        drawn = misspelt.questions(people, seed, of_each)
        asked = [replace(one, body={**one.body, "region_code": one.person.village_code[:5]}) for one in drawn]
        asked += [replace(one, kind=one.kind + NATION) for one in drawn if one.kind in misspelt.NUMBERS]
        places = await misspelt.ranks(asked, lambda body: callers.find(reader, body))
        groups = {
            BY_NAME: [kind for kind in misspelt.NAMES if kind != "one word of it"],
            BY_NUMBER: list(misspelt.NUMBERS),
            BY_NUMBER + NATION: [kind + NATION for kind in misspelt.NUMBERS],
        }
        for name, kinds in {**{kind: [kind] for kind in places}, **groups}.items():
            found = [place for kind in kinds for place in places[kind]]
            first, five = misspelt.among_first(found, 1), misspelt.among_first(found, 5)
            rows.setdefault(name, []).extend((f"{first:.3f}", f"{five:.3f}"))
            if first < TARGETS.get(name, 0):
                missed.append(f"{name}, seed {seed}: {first:.3f}")
    for name, figures in rows.items():
        table.add_row(name, *figures)
    console.print(f"Search: {of_each} questions of each kind and seed, the right person", table)
    if missed:
        raise BenchmarkError("below the target: " + "; ".join(missed))


def duplicates(people: Sequence[Person], count: int) -> None:
    """Pairs of one person and of two, judged by what both entries know."""
    table = Table("threshold", *(f"{what}, seed {seed}" for seed in SEEDS for what in ("precision", "recall")))
    scored = {
        seed: [(compare(_facts(a), _facts(b)).score, same) for a, b, same in misspelt.pairs(people, seed, count)]
        for seed in SEEDS
    }
    for threshold in THRESHOLDS:
        row = []
        for seed in SEEDS:
            taken = [same for score, same in scored[seed] if score >= threshold]
            row += [f"{sum(taken) / max(1, len(taken)):.3f}", f"{sum(taken) / count:.3f}"]
        table.add_row(f"{threshold:.2f}{' (used)' if threshold == DUPLICATE_THRESHOLD else ''}", *row)
    console.print(f"Duplicates: {count} pairs of one person and {count} of two, each seed", table)


def _facts(person: Person) -> Facts:
    nik = person.nik.encode() if person.nik else None
    card = person.family_card.encode() or None
    return Facts(person.full_name, person.birth_date, person.village_code, card, nik, sex=person.sex)


# ---------------------------------------------------------------------------------------------------------------- speed


async def timed(tasks: Mapping[str, Sequence[Task]], rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds of every call, by name and round. One call of each in turn, so that noise meets all alike."""
    times: dict[str, list[list[float]]] = {name: [] for name in tasks}
    for number in range(rounds + 1):  # the first one warms up
        of_round: dict[str, list[float]] = {name: [] for name in tasks}
        for turn in range(max(map(len, tasks.values()))):
            for name, calls in tasks.items():
                if turn < len(calls):
                    begun = time.perf_counter()
                    await calls[turn]()
                    of_round[name].append((time.perf_counter() - begun) * 1000)
        if number:
            for name, found in of_round.items():
                times[name].append(found)
    return times


def p(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def speed(callers: Callers, owner: Any, people: Sequence[Person], rounds: int, calls: int) -> None:
    """Each question as the application answers it, and its bare SQL as the owner, without policy and access row."""
    chance = random.Random(3)
    keyring = callers.bench.keyring
    district = people[0].village_code[:8]
    mine = [person for person in people if person.village_code.startswith(district)]
    with_nik = [person for person in people if person.nik]
    officer = await callers.reader(owner, "tksk", district)
    office = await callers.reader(owner, "regency_office", district[:5])
    ministry = await callers.reader(owner, "ministry", None)
    bare: Any = await asyncpg.connect(callers.bench.owner_url)

    def named(asked: Sequence[Person], **more: Any) -> list[Mapping[str, Any]]:
        drawn = misspelt.questions(asked, 3, max(2, calls // len(misspelt.NAMES)))
        return [{**question.body, **more} for question in drawn if question.kind in misspelt.NAMES][:calls]

    national = [question.body for question in misspelt.questions(people, 4, calls // 3 + 1)]
    national = [body for body in national if len(body) > 1][:calls]
    whole = [{"name": chance.choice(people).full_name} for _ in range(calls)]
    some = [chance.choice(with_nik) for _ in range(calls)]
    tasks: dict[str, list[Task]] = {
        "list page, bare SQL": [lambda: bare.fetch(_LIST, district)] * calls,
        "list page": [lambda: officer.page(BENEFICIARIES, PageRequest(LIMIT, "-created_at", {}))] * calls,
        "NIK, bare SQL": [lambda one=one: bare.fetch(_BY_NIK, nik_index(keyring, one.nik)) for one in some],
        "NIK": [lambda one=one: callers.find(ministry, {"nik": one.nik}) for one in some],
        "timeline, bare SQL": [lambda one=one: bare.fetch(_TIMELINE, one.id) for one in some],
        "timeline": [
            lambda one=one: ministry.page(
                TIMELINE, PageRequest(LIMIT, TIMELINE.default_sort, {TIMELINE.asked_subject: one.id})
            )
            for one in some
        ],
        "sequential scan": [lambda one=one: bare.fetch(_SCAN, one.full_name) for one in some[:SCANS]],
        "fuzzy, district": [lambda body=body: callers.find(officer, body) for body in named(mine)],
        "fuzzy, regency": [lambda body=body: callers.find(office, body) for body in named(mine)],
        "fuzzy, nation with a regency": [
            lambda body=body: callers.find(ministry, body) for body in named(mine, region_code=district[:5])
        ],
        "fuzzy, nation with a number": [lambda body=body: callers.find(ministry, body) for body in national],
        "fuzzy, nation by name alone": [lambda body=body: callers.find(ministry, body) for body in whole],
    }
    await bare.execute("SET max_parallel_workers_per_gather = 0")
    times = await timed(tasks, rounds)
    await bare.close()
    table = Table("question", "p50 ms", "p99 ms", "of its bare SQL, p50", "p99 of the scan's p50")
    scan = statistics.median(value for found in times["sequential scan"] for value in found)
    missed = []
    for name, found in times.items():
        every = [value for of_round in found for value in of_round]
        base = times.get(f"{name}, bare SQL")
        ratio = ""
        if base is not None:
            ratio = f"{statistics.median(p(a, 0.5) / p(b, 0.5) for a, b in zip(found, base, strict=True)):.1f}"
        of_scan = ""
        if name.startswith("fuzzy"):
            of_scan = f"{p(every, 0.99) / scan:.3f}"
            if p(every, 0.99) > scan / 10:
                missed.append(f"{name}: p99 {p(every, 0.99):.1f} ms of a scan's {scan:.0f} ms")
        table.add_row(name, f"{p(every, 0.5):.2f}", f"{p(every, 0.99):.2f}", ratio, of_scan)
    console.print(f"Speed: {calls} calls of each in {rounds} rounds, one after the other", table)
    if missed:
        raise BenchmarkError("above a tenth of a sequential scan: " + "; ".join(missed))


# ------------------------------------------------------------------------------------------------------------------ all


async def run(bench: Bench, options: argparse.Namespace) -> None:
    begun = time.perf_counter()
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        if done // 100_000 != (done - more) // 100_000:
            say(f"  {done:,} people, {time.perf_counter() - begun:.0f} s")

    say(f"Registering {options.people:,} people")
    await fill(bench.owner_url, bench.keyring, options.people, report=report)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    say(f"  {time.perf_counter() - begun:.0f} s, client peak {peak} MB")
    people = await sample(bench, options.people, random.Random(1))
    owner: Any = await asyncpg.connect(bench.owner_url)
    settings = Settings(database_url=SecretStr(bench.app_url), key_file=bench.key_file)
    pool = await create_read_pool(settings)
    try:
        callers = Callers(bench, pool)
        console.print(f"{options.people:,} people")
        before = await owner.fetchval(_SCANS)
        failures = []
        for part in (
            quality(callers, owner, people, options.of_each),
            speed(callers, owner, people, options.rounds, options.calls),
        ):
            try:
                await part
            except BenchmarkError as error:
                failures.append(str(error))
        duplicates(people, options.pairs)
        await asyncio.sleep(2)  # the counters of other sessions arrive late
        own = SCANS * (options.rounds + 1)
        console.print(
            f"sequential scans of the table besides the {own} above: {await owner.fetchval(_SCANS) - before - own}"
        )
        if failures:
            raise BenchmarkError("\n".join(failures))
    finally:
        await pool.close()
        await owner.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--of-each", type=int, default=60, help="questions of each kind")
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--calls", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    harness.end_on_signals()
    with harness.database() as bench:
        try:
            asyncio.run(run(bench, options))
        except BenchmarkError as error:
            raise SystemExit(f"register: {error}") from error


if __name__ == "__main__":
    main()
