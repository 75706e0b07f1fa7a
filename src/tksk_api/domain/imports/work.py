"""The job of an import: read the file, judge its rows, write them, take them back; a page of rows is a step.

A step is one transaction of the system. Inside it rows are judged in the name of the importer, in the session that
asked, so that both walls and every rule are theirs at that moment; a dry run does the same and is undone to a
savepoint. Fates, counts and the place of the next page are written by the same transaction as the rows, so each row is
written once or not at all, whatever dies in between.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any, TypeVar, cast
from uuid import UUID

import asyncpg
from sqlalchemy import func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tksk_api.database.admission import Admission
from tksk_api.database.session import acting_for, principal_of
from tksk_api.domain.attachments.vault import Vault
from tksk_api.domain.history.access import leave_refusal, record_access
from tksk_api.domain.imports.columns import Order, parse
from tksk_api.domain.imports.contract import Fate, Fault, Kind, Named, OnMatch, Parsed
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.imports.kinds.recognising import not_inside
from tksk_api.domain.imports.mapping import Layout, layout
from tksk_api.domain.imports.models import Import
from tksk_api.domain.imports.reading.reader import Head, Options, Refused, read, rows
from tksk_api.domain.imports.reads import TABLE
from tksk_api.domain.imports.service import ROW_KEY, file_key_of, row_digest, sealed_file, sealed_part
from tksk_api.domain.imports.telling import DELIMITERS, counted, shown_file, told, under_its_heading, untouched
from tksk_api.domain.jobs.in_name import admission_of
from tksk_api.domain.jobs.models import Job
from tksk_api.domain.jobs.worker import RESTS, Progress
from tksk_api.domain.limits.service import take_many, uses_left
from tksk_api.domain.records import keyring_of
from tksk_api.domain.refusals import database_error
from tksk_api.errors import PROBLEMS, DomainError
from tksk_api.telemetry import log

TOO_SLOW = "page_too_slow"
ELSEWHERE = "nik_taken"  # tells that somebody is registered outside the importer's area
_QUOTA, _DAY_SECONDS = "import_elsewhere", 24 * 3600
_BEFORE = "imports.before"
_RESTS_OF_SLOW = 3  # a page that the database cut off for its time is as long the next time
_MOST_TOGETHER = 50  # rows more than a page has: a family has 40 people at most
_LOOK_SECONDS = 5  # while a file is read, between two looks whether it was called off

_UPSERT = text("""
INSERT INTO import_rows (import_id, row_no, fate, record_id, version, faults, notes, key, together, before_cipher)
SELECT :import, r.row_no, r.fate, r.record_id, r.version, r.faults::jsonb, r.notes::jsonb, r.key, r.together,
       r.before_cipher
  FROM unnest(CAST(:numbers AS int[]), CAST(:fates AS text[]), CAST(:records AS uuid[]), CAST(:versions AS int[]),
              CAST(:faults AS text[]), CAST(:notes AS text[]), CAST(:keys AS bytea[]), CAST(:together AS bytea[]),
              CAST(:before AS bytea[]))
       AS r (row_no, fate, record_id, version, faults, notes, key, together, before_cipher)
ON CONFLICT (import_id, row_no) DO UPDATE
   SET fate = excluded.fate, record_id = excluded.record_id, version = excluded.version, faults = excluded.faults,
       notes = excluded.notes, key = excluded.key, together = excluded.together, before_cipher = excluded.before_cipher,
       undone_at = NULL, obstacle = NULL
""")
# Of rows before the page: what is kept of later ones is of an earlier reading, by another mapping perhaps.
_FIRST = text("""
SELECT key, min(row_no) AS row_no FROM import_rows
 WHERE import_id = :import AND key = ANY (CAST(:keys AS bytea[])) AND row_no < :page GROUP BY key
""")
_FIRST_OF = text("""
SELECT record_id, min(row_no) AS row_no FROM import_rows
 WHERE import_id = :import AND record_id = ANY (CAST(:records AS uuid[])) AND row_no < :page GROUP BY record_id
""")
_FOUNDED = text("""
SELECT together, min(row_no) AS row_no FROM import_rows
 WHERE import_id = :import AND together = ANY (CAST(:things AS bytea[])) AND row_no < :page GROUP BY together
""")
_COUNT = text(
    "SELECT fate, count(*) AS rows, max(row_no) AS last FROM import_rows WHERE import_id = :import GROUP BY fate"
)
_TO_UNDO = text("""
SELECT row_no, fate, record_id, version, before_cipher FROM import_rows
 WHERE import_id = :import AND fate IN ('created', 'updated') AND undone_at IS NULL AND row_no < :before
   AND row_no <= :reached
 ORDER BY row_no DESC LIMIT :page
""")
_UNDONE = text("""
UPDATE import_rows AS i
   SET undone_at = CASE WHEN r.obstacle IS NULL THEN clock_timestamp() END, obstacle = r.obstacle::jsonb,
       before_cipher = CASE WHEN r.obstacle IS NOT NULL THEN i.before_cipher END
  FROM unnest(CAST(:numbers AS int[]), CAST(:obstacles AS text[])) AS r (row_no, obstacle)
 WHERE i.import_id = :import AND i.row_no = r.row_no
""")


@dataclass(frozen=True)
class House:
    """What the work needs of the application it runs in."""

    vault: Vault
    otp_required: bool
    all_rows: int
    elsewhere_per_day: int


class _CalledOff(Exception):
    """Its owner cancelled it while it was read."""


class _Unwritten(Exception):
    """All or nothing, and these rows cannot be: what was written of the others is undone."""

    def __init__(self, refused: Sequence[Fate]) -> None:
        super().__init__()
        self.refused = refused


@dataclass(frozen=True)
class _Work:
    """One step: the import as it stood when it began, its kind, and in whose name."""

    session: AsyncSession
    house: House
    row: Import
    kind: Kind
    admission: Admission

    async def note(self, **values: Any) -> None:
        """Write on the import; the version stays, unless it is among the values."""
        changed = update(TABLE).where(TABLE.c.id == literal(self.row.id, TABLE.c.id.type)).values(**values)
        await (await self.session.connection()).execute(changed)

    async def end(self, status: str, **values: Any) -> None:
        """What its owner has been waiting for: another version."""
        await self.note(status=status, finished_at=func.clock_timestamp(), version=TABLE.c.version + 1, **values)

    @property
    def head(self) -> Head:
        return Head.from_json((self.row.head or {})["file"])

    @property
    def layout(self) -> Layout:
        return Layout.from_json((self.row.head or {})["layout"])


async def step(session: AsyncSession, job: Job, house: House) -> Progress:
    """The next page of whatever the import is at. It fails, saying why, when its owner may not go on with it."""
    found = await session.execute(select(Import).where(TABLE.c.id == UUID(job.parameters["import"])))
    row = found.scalars().one()
    session.expunge_all()
    kind = KINDS[row.kind]
    # What the kind asks of somebody who writes one by one.
    admission = admission_of(job, kind.permission, "import", otp_required=house.otp_required)
    work = _Work(session, house, row, kind, admission)
    waits = int(job.checkpoint.get("waits", 0))
    try:
        async with session.begin_nested():
            done, total = await _next(work)
    except Refused as refusal:
        return await _failed(work, job, refusal.code, refusal.facts)
    except Exception as error:
        known = error if isinstance(error, DomainError) else database_error(error)
        if (await session.connection()).invalidated:
            raise
        if known is not None and known.code == "unavailable":
            return await _waiting(work, job, waits, error)
        if isinstance(error, DomainError):
            return await _failed(work, job, error.code, error.facts)
        raise
    return Progress({}, done, total, {"import": str(row.id)} if total is not None and done >= total else None)


async def _next(work: _Work) -> tuple[int, int | None]:
    """Rows done and rows in all; equal when nothing is left to do."""
    row = work.row
    if row.cancel_requested_at is not None and row.status in ("uploaded", "validating", "committing"):
        await work.end("cancelled")
        return 0, 0
    if row.key_cipher is None and row.status != "undoing":
        raise Refused("file_gone")
    do = {
        "uploaded": _open,
        "validating": _read if row.reading is None else _judge,
        "committing": _write_all if row.atomic == "all" else _write,
        "undoing": _take_back,
    }.get(row.status)
    return await do(work) if do is not None else (0, 0)


async def _open(work: _Work) -> tuple[int, int | None]:
    """So that its owner sees that it was begun: a large file takes a while to read."""
    await work.note(status="validating", started_at=func.clock_timestamp())
    return 0, None


async def _failed(work: _Work, job: Job, code: str, facts: Mapping[str, Any]) -> Progress:
    log.warning("import_failed", job=str(job.id), kind=code)
    await work.end("failed", error=code, error_facts=told(Fault(None, code, facts))["facts"])
    error = code if code in PROBLEMS else "unavailable" if code == TOO_SLOW else "invalid_request"
    return Progress({}, job.done, job.total, {"import": str(work.row.id)}, error)


async def _waiting(work: _Work, job: Job, waits: int, error: Exception) -> Progress:
    """Nothing was done; what is in the way may be gone after a rest, each longer than the last, but not for ever."""
    cause = getattr(getattr(error, "orig", None), "__cause__", None) or error
    is_slow = isinstance(cause, asyncpg.QueryCanceledError)
    if waits >= (_RESTS_OF_SLOW if is_slow else len(RESTS)):
        return await _failed(work, job, TOO_SLOW if is_slow else "unavailable", {})
    log.warning("import_waits", job=str(job.id), kind=type(cause).__name__, waits=waits + 1)
    return Progress({"waits": waits + 1}, job.done, job.total, rest_seconds=RESTS[waits])


# ---- reading ---------------------------------------------------------------------------------------------------------


async def _read(work: _Work) -> tuple[int, int | None]:
    """The file's parts into the vault, and where its columns are. Raises Refused, content_damaged, unavailable."""
    row, session, vault = work.row, work.session, work.house.vault
    key, reading = file_key_of(session, row), secrets.token_hex(4)
    first: list[bytes] = []

    async def keep(number: int, part: bytes) -> None:
        if number == 0:
            first.append(part)
        await vault.put(sealed_part(row, key, reading, number), BytesIO(part))

    options = row.options
    said = Options(DELIMITERS.get(options.get("delimiter") or ""), options.get("encoding"), options.get("sheet"))
    try:
        with TemporaryFile() as plain:
            async for chunk in vault.read(sealed_file(row, key)):
                plain.write(chunk)
            plain.flush()
            head = await _unless_called_off(work, read(plain, said, keep))
    except _CalledOff:
        await work.end("cancelled")
        return 0, 0
    where = layout(work.kind.columns, rows(first[0]), row.mapping, options.get("heading_row"))
    total = head.rows - where.above
    if total < 1:
        raise Refused("file_empty")
    if row.atomic == "all" and total > work.house.all_rows:
        raise Refused("too_many_for_all", rows=total, limit=work.house.all_rows)
    if work.kind.is_whole and total > work.kind.page:
        raise Refused("too_many_rows", rows=total, limit=work.kind.page)
    goes_through = row.mode == "commit" and row.atomic == "row"
    await work.note(
        status="committing" if goes_through else "validating",
        is_written=goes_through,
        head={"file": head.to_json(), "layout": where.to_json(), "shown": shown_file(head, where)},
        reading=reading,
        rows=total,
        counts=untouched(total),
        place={},
    )
    return 0, total


async def _unless_called_off(work: _Work, reading: Coroutine[Any, Any, Head]) -> Head:
    """A workbook is looked through for a while before its first part: a look now and then also keeps the connection
    from being taken for a forgotten one. Raises _CalledOff."""
    called_off = select(TABLE.c.cancel_requested_at).where(TABLE.c.id == work.row.id)
    task = asyncio.create_task(reading)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
            if (await (await work.session.connection()).execute(called_off)).scalar() is not None:
                raise _CalledOff
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


@dataclass(frozen=True)
class _Page:
    rows: list[Parsed]
    following: dict[str, int] | None


async def _page(work: _Work, place: Mapping[str, int]) -> _Page:
    """The rows at a place of the file, and the next place; None at the end.

    Raises Refused when another version of the application knows other columns than the one that looked for them.
    """
    used, known = work.layout.used, {column.name: column.required for column in work.kind.columns}
    if not used.keys() <= known.keys() or any(known[name] for name in known.keys() - used.keys()):
        raise Refused("columns_changed")
    if work.kind.is_whole:
        return _Page([row for number in range(work.head.parts) for row in await _part(work, number)], None)
    part, first = place.get("part", 0), place.get("offset", 0)
    parsed = await _part(work, part)
    after = _end(work.kind, parsed, first + work.kind.page)
    page = parsed[first:after]
    if after >= len(parsed):
        part, after = part + 1, 0
        if work.kind.together is not None and part < work.head.parts:
            more = await _part(work, part)
            after = _end(work.kind, [page[-1], *more], 1) - 1
            page += more[:after]
            if after >= len(more):
                part, after = part + 1, 0
    return _Page(page, {"part": part, "offset": after} if part < work.head.parts else None)


async def _part(work: _Work, number: int) -> list[Parsed]:
    """All rows of one part of the file."""
    row, head, where = work.row, work.head, work.layout
    sealed = sealed_part(row, file_key_of(work.session, row), row.reading or "", number)
    content = b"".join([chunk async for chunk in work.house.vault.read(sealed)])
    order: Order = row.options.get("dates") or "dmy"
    # In a thread: half a thousand rows are some hundredths of a second in which requests should go on.
    return await asyncio.to_thread(lambda: parse(work.kind.columns, where, head, rows(content), order))


def _end(kind: Kind, parsed: Sequence[Parsed], end: int) -> int:
    """Where a page ends: here, or after the rows that belong together with the last one; of a file of nothing else, a
    while after it."""
    if kind.together is None:
        return end
    furthest = min(len(parsed), end + _MOST_TOGETHER)
    while 0 < end < furthest:
        one = kind.together(parsed[end].values)
        if one is None or one != kind.together(parsed[end - 1].values):
            break
        end += 1
    return end


# ---- judging and writing ---------------------------------------------------------------------------------------------


async def _judge(work: _Work) -> tuple[int, int | None]:
    """A page of the dry run; at its end the import waits for its owner, or goes on where it was told to."""
    page, values = await _judged(work, keep=False)
    counts = values["counts"]
    if page.following is not None:
        await work.note(**values)
        return _done(counts)
    if work.row.mode == "validate":
        await work.end("validated", **values)
        return _finished(counts)
    if counts["rejected"]:
        await work.end("failed", error="rows_rejected", error_facts={"rejected": counts["rejected"]}, **values)
        return _finished(counts)
    await work.note(**values | {"status": "committing", "counts": untouched(work.row.rows), "reached": 0, "place": {}})
    return 0, work.row.rows


async def _write(work: _Work) -> tuple[int, int | None]:
    """A page of rows, each for itself."""
    page, values = await _judged(work, keep=True)
    if page.following is not None:
        await work.note(**values)
        return _done(values["counts"])
    await work.end("done", **values)
    return _finished(values["counts"])


async def _judged(work: _Work, *, keep: bool) -> tuple[_Page, dict[str, Any]]:
    """The page at the import's place with the fates of its rows kept, and what then holds of the import."""
    page = await _page(work, work.row.place)
    fates, digests = await _fates(work, page.rows, keep=keep)
    await _keep_fates(work, fates, digests)
    counts = counted(work.row.counts, [fate.fate for fate in fates])
    return page, {"counts": counts, "reached": fates[-1].number, "place": page.following or {}}


async def _write_all(work: _Work) -> tuple[int, int | None]:
    """All rows in one transaction. One that cannot be written any more undoes the others, and stands in the report."""
    place: dict[str, int] | None = {}
    counts, reached = untouched(work.row.rows), 0
    try:
        async with work.session.begin_nested():
            while place is not None:
                page = await _page(work, place)
                fates, digests = await _fates(work, page.rows, keep=True)
                if refused := [fate for fate in fates if fate.fate == "rejected"]:
                    raise _Unwritten(refused)
                await _keep_fates(work, fates, digests)
                counts = counted(counts, [fate.fate for fate in fates])
                reached, place = fates[-1].number, page.following
    except _Unwritten as unwritten:
        await _keep_fates(work, unwritten.refused, _Digests({}, {}))
        found = (await (await work.session.connection()).execute(_COUNT, {"import": work.row.id})).all()
        counts = untouched(0) | {fate.fate: fate.rows for fate in found}
        values = {"counts": counts, "reached": max(fate.last for fate in found)}
        await work.end("failed", error="rows_rejected", error_facts={"rejected": counts["rejected"]}, **values)
        return _finished(counts)
    await work.end("done", counts=counts, reached=reached, is_written=True)
    return _finished(counts)


def _done(counts: Mapping[str, int]) -> tuple[int, int]:
    total = sum(counts.values())
    return total - counts["not_reached"], total


def _finished(counts: Mapping[str, int]) -> tuple[int, int]:
    total = sum(counts.values())
    return total, total


@dataclass(frozen=True)
class _Digests:
    """By row: of what no two rows may share, and of what it belongs to together with others."""

    keys: dict[int, bytes]
    together: dict[int, bytes]


async def _fates(work: _Work, parsed: Sequence[Parsed], *, keep: bool) -> tuple[list[Fate], _Digests]:
    """What becomes of each row, in their order, and their digests."""
    fates = {
        row.number: Fate(row.number, "rejected", faults=row.faults, notes=row.notes) for row in parsed if row.faults
    }
    legible = [row for row in parsed if row.number not in fates]
    named = await _named(work, legible)
    keys = _digests(work, ROW_KEY, {number: one.key for number, one in named.items()})
    bound = work.kind.together
    together = _digests(work, "imports.together", {row.number: bound(row.values) for row in legible} if bound else {})
    before = await _first_with(work, keys, parsed[0].number)
    met = await _first_of(work, named, parsed[0].number)
    founded = await _founded_before(work, together, parsed[0].number)
    recognised: list[UUID] = []
    for row in parsed:
        first = min(before.get(keys.get(row.number, b""), row.number), met.get(row.number, row.number))
        if first < row.number:
            recognised += named[row.number].people
            repeated = Fault(None, "duplicate_in_file", {"row": first})
            fates[row.number] = Fate(row.number, "rejected", faults=(repeated,), notes=row.notes)
        elif (thing := together.get(row.number)) in founded:
            apart = Fault(None, "rows_apart", {"row": founded[thing]})
            fates[row.number] = Fate(row.number, "rejected", faults=(apart,), notes=row.notes)
    if recognised:
        async with acting_for(work.session, work.admission):
            await record_access(work.session, list(dict.fromkeys(recognised)), purpose="service", object_id=work.row.id)
    sound = [row for row in parsed if row.number not in fates]
    if sound:
        fates |= {fate.number: fate for fate in await _in_their_name(work, sound, keep=keep)}
    return [fates[row.number] for row in parsed], _Digests(keys, together)


async def _named(work: _Work, rows: Sequence[Parsed]) -> Mapping[int, Named]:
    """What each row is about. Before any of the page is written, so that a dry run and the commit say the same.

    Raises what `admit` raises.
    """
    if work.kind.named is None or not rows:
        return {row.number: Named(work.kind.key(row.values)) for row in rows}
    async with acting_for(work.session, work.admission):
        return await work.kind.named(work.session, rows)


def _digests(work: _Work, purpose: str, values: Mapping[int, str | None]) -> dict[int, bytes]:
    keyring = keyring_of(work.session)
    return {
        number: row_digest(keyring, purpose, work.row.id, value)
        for number, value in values.items()
        if value is not None
    }


async def _founded_before(work: _Work, together: Mapping[int, bytes], page: int) -> dict[bytes | None, int]:
    """Which of these a row before the page founded, and which row. A dry run of the page could not join them."""
    if not together:
        return {}
    wanted = {"import": work.row.id, "things": list(set(together.values())), "page": page}
    found = await (await work.session.connection()).execute(_FOUNDED, wanted)
    return {bytes(row.together): int(row.row_no) for row in found}


async def _first_with(work: _Work, keys: Mapping[int, bytes], page: int) -> dict[bytes, int]:
    """The first row of the file with each of these keys, of earlier pages or of this one."""
    if not keys:
        return {}
    wanted = {"import": work.row.id, "keys": list(set(keys.values())), "page": page}
    found = await (await work.session.connection()).execute(_FIRST, wanted)
    first = {bytes(row.key): int(row.row_no) for row in found}
    for number, key in keys.items():
        first[key] = min(first.get(key, number), number)
    return first


_One = TypeVar("_One")
_Said = TypeVar("_Said")


async def _first_of(work: _Work, named: Mapping[int, Named], page: int) -> dict[int, int]:
    """By row that is about a record of ours: the first row of the file about it, of earlier pages or of this one."""
    records = {number: one.record_id for number, one in named.items() if one.record_id is not None}
    if not records:
        return {}
    wanted = {"import": work.row.id, "records": list(set(records.values())), "page": page}
    found = await (await work.session.connection()).execute(_FIRST_OF, wanted)
    first = {UUID(str(row.record_id)): int(row.row_no) for row in found}
    for number, record in records.items():
        first[record] = min(first.get(record, number), number)
    return {number: first[record] for number, record in records.items()}


class _Dry(Exception):
    """What was done so far was only to see what would come of it."""


async def _in_their_name(work: _Work, sound: Sequence[Parsed], *, keep: bool) -> Sequence[Fate]:
    """The kind's own judgement, by the importer's rights of this moment. Raises what `admit` raises.

    A row that is refused because its NIK is registered elsewhere tells something about somebody elsewhere. Once the
    importer has been told as often as they may be in a day, a NIK of nobody inside is not answered for, whether it is
    registered elsewhere or nowhere; how rows were divided into pages makes no difference.
    """
    session = work.session
    async with acting_for(session, work.admission):
        if work.kind.names_people:
            fates = await _within_quota(work, sound, keep=keep)
        else:
            fates = await _kind_says(work, sound, keep=keep)
        if elsewhere := _elsewhere(fates):
            await take_many(session, _QUOTA, len(elsewhere), _DAY_SECONDS)
            about = [fate.tells_of for fate in fates if fate.tells_of is not None]
            who = principal_of(session)
            told: dict[str, Any] = {"outcome": "refused", "action": "exists", "asked": None, "subjects": about}
            await leave_refusal(session, who, work.admission, **told)
        met = [person for fate in fates for person in fate.people]
        if work.kind.names_people:
            met += [fate.record_id for fate in fates if fate.record_id and fate.fate != "created"]
        if met:
            await record_access(session, met, purpose="service", object_id=work.row.id)
    if keep:
        return fates
    # The id that a row itself gives stays: a later row may name it, and is about the same.
    given = {row.number: row.values.get("id") for row in sound}
    return [
        replace(fate, record_id=None) if fate.fate == "created" and fate.record_id != given[fate.number] else fate
        for fate in fates
    ]


async def _within_quota(work: _Work, sound: Sequence[Parsed], *, keep: bool) -> Sequence[Fate]:
    """A page that uses up what may be told is done again without the rows that are not answered for any more."""
    left, last = await uses_left(work.session, _QUOTA, work.house.elsewhere_per_day, _DAY_SECONDS), 0
    if left:
        fates = await _kind_says(work, sound, keep=keep, left=left)
        elsewhere = _elsewhere(fates)
        if len(elsewhere) < left:
            return fates
        last = elsewhere[left - 1]
    later = {row.number: row.values["nik"] for row in sound if row.number > last and row.values.get("nik")}
    unasked = await not_inside(work.session, later)
    asked = [row for row in sound if row.number not in unasked]
    answered = await _kind_says(work, asked, keep=keep) if asked else ()
    return [*answered, *(_refused(row, "questions_used_up") for row in sound if row.number in unasked)]


async def _kind_says(work: _Work, rows: Sequence[Parsed], *, keep: bool, left: int | None = None) -> Sequence[Fate]:
    """What becomes of the rows. It is undone in a dry run, and when it tells as much of people elsewhere as is left."""
    session, on_match = work.session, cast(OnMatch, work.row.on_match)
    try:
        async with session.begin_nested():
            fates = await _applied(
                work,
                lambda rows: work.kind.apply(session, rows, on_match),
                rows,
                lambda row: _refused(row, "internal_error"),
            )
            if not keep or (left is not None and len(_elsewhere(fates)) >= left):
                raise _Dry
    except _Dry:
        session.expunge_all()
    return fates


def _elsewhere(fates: Sequence[Fate]) -> list[int]:
    """The rows that tell of somebody registered elsewhere."""
    return [fate.number for fate in fates if any(fault.code == ELSEWHERE for fault in fate.faults)]


async def _applied(
    work: _Work,
    do: Callable[[Sequence[_One]], Awaitable[Sequence[_Said]]],
    sound: Sequence[_One],
    failed: Callable[[_One], _Said],
) -> Sequence[_Said]:
    """A page at once; if that fails without a reason, row by row, so that one row does not keep the others waiting."""
    try:
        async with work.session.begin_nested():
            return await do(sound)
    except Exception as error:
        await _raise_if_of_the_moment(work.session, error)
        log.error("import_page_failed", kind=type(error).__name__)
    said: list[_Said] = []
    for row in sound:
        work.session.expunge_all()
        try:
            async with work.session.begin_nested():
                said.extend(await do([row]))
        except Exception as error:
            await _raise_if_of_the_moment(work.session, error)
            said.append(failed(row))
    return said


async def _raise_if_of_the_moment(session: AsyncSession, error: Exception) -> None:
    """What may be gone in a second is no row's fault: the page is done again then."""
    known = error if isinstance(error, DomainError) else database_error(error)
    if (known is not None and known.code == "unavailable") or (await session.connection()).invalidated:
        raise error


def _refused(row: Parsed, code: str) -> Fate:
    return Fate(row.number, "rejected", faults=(Fault(None, code),), notes=row.notes)


async def _keep_fates(work: _Work, fates: Sequence[Fate], digests: _Digests) -> None:
    headings = {name: work.layout.headers[place] for name, place in work.layout.used.items()}
    keyring = keyring_of(work.session)

    def kept(faults: Sequence[Fault]) -> str:
        return json.dumps([told(under_its_heading(fault, headings, work.kind.columns)) for fault in faults])

    def sealed(fate: Fate) -> bytes | None:
        if not fate.before or work.row.status != "committing":
            return None
        plain = json.dumps(dict(fate.before), default=_plain).encode()
        return keyring.encrypt(_BEFORE, f"{work.row.id}|{fate.number}", plain)

    values = {
        "import": work.row.id,
        "numbers": [fate.number for fate in fates],
        "fates": [fate.fate for fate in fates],
        "records": [fate.record_id for fate in fates],
        "versions": [fate.version for fate in fates],
        "faults": [kept(fate.faults) for fate in fates],
        "notes": [kept(fate.notes) for fate in fates],
        "keys": [digests.keys.get(fate.number) for fate in fates],
        "together": [digests.together.get(fate.number) if fate.founds else None for fate in fates],
        "before": [sealed(fate) for fate in fates],
    }
    await (await work.session.connection()).execute(_UPSERT, values)


def _plain(value: Any) -> Any:
    """What JSON has no word for: a day, an id, a set."""
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


# ---- taking back -----------------------------------------------------------------------------------------------------


async def _take_back(work: _Work) -> tuple[int, int | None]:
    """A page of rows, the last written first; what stands in the way of one is kept with it."""
    row, session, keyring = work.row, work.session, keyring_of(work.session)
    wanted = {
        "import": row.id,
        "before": row.place["before"],
        "reached": row.reached,
        "page": work.kind.page,
    }
    connection = await session.connection()
    found = (await connection.execute(_TO_UNDO, wanted)).all()
    changed = row.counts["created"] + row.counts["updated"]
    if not found:
        await work.end("undone")
        return changed, changed
    fates = []
    for made in found:
        bound, cipher = f"{row.id}|{made.row_no}", made.before_cipher
        before = json.loads(keyring.decrypt(_BEFORE, bound, bytes(cipher))) if cipher is not None else None
        fates.append(Fate(made.row_no, made.fate, made.record_id, made.version, before))
    # What an erasure took away is nobody's row any more.
    there = [fate for fate in fates if fate.record_id is not None and (fate.fate == "created" or fate.before)]
    obstacles: dict[int, Fault | None] = {fate.number: Fault(None, "record_gone") for fate in fates}
    async with acting_for(session, work.admission):
        said = await _applied(
            work, lambda fates: work.kind.undo(session, fates), there, lambda _: Fault(None, "internal_error")
        )
        obstacles |= {fate.number: fault for fate, fault in zip(there, said, strict=True)}
    numbers = list(obstacles)
    told_of = [None if fault is None else json.dumps(told(fault)) for fault in obstacles.values()]
    await connection.execute(_UNDONE, {"import": row.id, "numbers": numbers, "obstacles": told_of})
    kept = sum(fault is not None for fault in obstacles.values())
    undone, kept = row.undone + len(numbers) - kept, row.kept + kept
    await work.note(undone=undone, kept=kept, place={"before": fates[-1].number})
    return min(undone + kept, changed - 1), changed
