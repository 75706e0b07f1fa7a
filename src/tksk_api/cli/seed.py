"""`tksk seed`: fill a register of a demo or a measurement with synthetic people, as many as asked for."""

import asyncio
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import groupby
from typing import Annotated, Any

import asyncpg
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.cli.database import owner_url
from tksk_api.cli.offices import PROVINCE_USERS, USERS
from tksk_api.domain.beneficiaries.service import CARD, NIK
from tksk_api.domain.synthetic import COLUMNS, District, Person, Sealed, people_of, sealed_people
from tksk_api.security.crypto import KeyFileError, Keyring, load_key_file

_CHUNK = 4_000  # people of one transaction: an interrupted run loses no more than this
_STRANGERS = (
    "SELECT username FROM users WHERE username <> ALL ($1::text[]) AND username !~ $2 ORDER BY created_at LIMIT 1"
)
# Triggers rest while a chunk is copied; the history begins with what they would have written. No access rows: nobody
# has read or written about a real person.
_HISTORY = (
    "INSERT INTO changes (entity, entity_id, entity_version, action, fields, actor_role, operation) "
    "SELECT 'beneficiaries', id, 1, 'create', '{}', 'system', 'seed' FROM unnest($1::uuid[]) AS made (id)"
)


def seed(
    beneficiaries: Annotated[int, typer.Option(min=1, max=20_000_000, help="How many people")],
    seed: Annotated[int, typer.Option(help="The same number makes the same people")] = 1,
    regions: Annotated[str, typer.Option(help="Region codes, by comma; people are spread over their villages")] = "all",
    yes: Annotated[bool, typer.Option("--yes", help="Also where real users work")] = False,
) -> None:
    """Register synthetic people with valid, sealed numbers. May be interrupted and run again with the same options.

    Refuses an installation with users of its own, or served over https, unless --yes.
    """
    settings, url = load_settings(), owner_url()
    if not yes and (reason := asyncio.run(_reason_against(url, settings.public_url))):
        stop(f"{reason} Synthetic people belong into a demo; --yes if you mean it.")
    try:
        keyring = load_key_file(settings.key_file)
    except KeyFileError as error:
        stop(str(error))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Registering synthetic people", total=beneficiaries)
        try:
            filling = fill(
                url,
                keyring,
                beneficiaries,
                seed=seed,
                regions=regions,
                report=lambda done: progress.advance(task, done),
            )
            made = asyncio.run(filling)
        except ValueError as error:
            stop(str(error), 2)
        except asyncpg.UniqueViolationError:
            stop("A number is registered already. Use another --seed; what was made so far stays.")
    console.print(f"{made} people registered; {beneficiaries - made} were there before.")


async def fill(
    url: str,
    keyring: Keyring,
    count: int,
    *,
    seed: int = 1,
    regions: str = "all",
    report: Callable[[int], None] = lambda _done: None,
    workers: int = 0,
) -> int:
    """Make `count` people by COPY, in chunks; returns how many were not there before. Raises ValueError for a region.

    Names, ciphers and blind indexes are made in `workers` processes (0: one for each core), in this one for few people.
    """
    connection = await asyncpg.connect(url)
    try:
        districts = _shared_out(await _villages(connection, regions), count)
        made = 0
        for people in _sealed(keyring, seed, _chunks(districts), workers if count > _CHUNK else 1):
            made += await _store(connection, people)
            report(len(people))
        await connection.execute("VACUUM (ANALYZE) beneficiaries")
        return made
    finally:
        await connection.close()


async def districts_in(url: str, count: int, regions: str = "all") -> list[District]:
    """How `fill` spreads `count` people: what `people_of` needs to tell whom it makes. Raises ValueError."""
    connection = await asyncpg.connect(url)
    try:
        return _shared_out(await _villages(connection, regions), count)
    finally:
        await connection.close()


async def people_in(url: str, count: int, *, seed: int = 1, regions: str = "all") -> list[Person]:
    """The people that `fill` makes, for whoever wants to know whom to find."""
    districts = await districts_in(url, count, regions)
    return [person for district in districts for person in people_of(seed, district.villages, district.count)]


async def _reason_against(url: str, public_url: str) -> str | None:
    connection = await asyncpg.connect(url)
    try:
        stranger = await connection.fetchval(_STRANGERS, list(USERS), PROVINCE_USERS)
    finally:
        await connection.close()
    if stranger is not None:
        return f"{stranger} is no user of the demo: this register looks real."
    return f"{public_url} looks like a real installation." if public_url.startswith("https:") else None


async def _villages(connection: Any, regions: str) -> list[tuple[str, str]]:
    """Code and name of its regency of every village below the regions. Raises ValueError."""
    wanted = [code.strip() for code in regions.split(",")] if regions != "all" else []
    rows = await connection.fetch(
        "SELECT v.code, regexp_replace(r.name, '^(Kab[.]?|Kabupaten|Kota) +', '', 'i') AS place "
        "FROM regions v JOIN regions r ON r.code = left(v.code, 5) "
        "WHERE v.level = 'village' AND ($1::text[] = '{}' OR EXISTS ("
        "SELECT 1 FROM unnest($1::text[]) w WHERE v.code = w OR starts_with(v.code, w || '.'))) ORDER BY v.code",
        wanted,
    )
    unknown = [code for code in wanted if not any(row["code"].startswith(code) for row in rows)]
    if unknown or not rows:
        raise ValueError(
            f"No villages below {', '.join(unknown) or 'any region'}; codes look like 18, 18.71, 18.71.04."
        )
    return [tuple(row) for row in rows]


def _shared_out(villages: Sequence[tuple[str, str]], count: int) -> list[District]:
    """The districts with as many people each as their villages are of all villages."""
    districts, done, before = [], 0, 0
    for _, rows in groupby(villages, key=lambda row: row[0][:8]):
        own = list(rows)
        before += len(own)
        share = count * before // len(villages) - done
        done += share
        if share:
            districts.append(District(tuple(code for code, _ in own), own[0][1], share))
    return districts


def _chunks(districts: Sequence[District]) -> Iterator[list[District]]:
    chunk: list[District] = []
    for district in districts:
        chunk.append(district)
        if sum(one.count for one in chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _sealed(keyring: Keyring, seed: int, chunks: Iterator[list[District]], workers: int) -> Iterator[list[Sealed]]:
    """The rows of each chunk in turn; a few chunks ahead of the database, so that memory stays flat."""
    if workers == 1:
        yield from (sealed_people(keyring, (NIK, CARD), seed, chunk) for chunk in chunks)
        return
    workers = workers or os.cpu_count() or 1
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        ahead: deque[Future[list[Sealed]]] = deque()
        for chunk in chunks:
            ahead.append(pool.submit(sealed_people, keyring, (NIK, CARD), seed, chunk))
            if len(ahead) > workers + 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


async def _store(connection: Any, people: Sequence[Sealed]) -> int:
    """Copy those who are not there yet, with their keys and the beginning of their history."""
    ids = [row[0] for row, _ in people]
    there = {found[0] for found in await connection.fetch("SELECT id FROM beneficiaries WHERE id = ANY ($1)", ids)}
    fresh = [(row, key) for row, key in people if row[0] not in there]
    if fresh:
        async with connection.transaction():
            await connection.execute("ALTER TABLE beneficiaries DISABLE TRIGGER USER")
            await connection.copy_records_to_table("beneficiaries", records=[row for row, _ in fresh], columns=COLUMNS)
            await connection.copy_records_to_table(
                "subject_keys",
                records=[(row[0], key) for row, key in fresh],
                columns=["subject_id", "wrapped"],
            )
            await connection.execute(_HISTORY, [row[0] for row, _ in fresh])
            await connection.execute("ALTER TABLE beneficiaries ENABLE TRIGGER USER")
    return len(fresh)
