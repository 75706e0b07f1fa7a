"""`tksk import`: a table sent to a running system, followed to its end, with what was wrong saved beside it."""

import hashlib
import itertools
import json
import os
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from tksk_api.cli.console import console, errors, stop
from tksk_api.cli.remote import ADDRESS, RefusedError, Remote
from tksk_api.domain.imports.telling import NOT_REACHED, words
from tksk_api.domain.imports.workflow import WORKING

ALL, SOME, REFUSED, USAGE = 0, 3, 4, 2
KINDS = ("beneficiaries", "families", "activities", "visits", "decile_snapshots", "partners", "users", "regions")
Mode = Literal["validate", "commit"]
Atomic = Literal["row", "all"]
OnMatch = Literal["skip", "update", "park"]
Delimiter = Literal["comma", "semicolon", "tab", "pipe"]
Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "cp1252"]
Order = Literal["dmy", "mdy", "ymd"]
_PATH = "/v1/imports"
_UPLOADS = f"{_PATH}/uploads"
_IN_PARTS = 2 * 1024**2  # larger files are sent in parts, so that a link that breaks costs one of them
_PART, _CHUNK = 1024**2, 64 * 1024
_FIRST_LOOK, _LAST_LOOK = 0.2, 2.0  # seconds between two looks: short files are done soon
_COUNTED_PAGES = 50  # of rejected rows, for the table of codes: the error file has them all
_FREQUENT = 10
_JUDGED = frozenset({"validated", "done", "failed", "cancelled"})
_FATES = {
    "created": "dibuat",
    "updated": "diperbarui",
    "unchanged": "tidak berubah",
    "parked": "menunggu tinjauan",
    "rejected": "ditolak",
    NOT_REACHED: "tidak dicapai",
}
_STEPS = {
    "uploaded": "Reading / membaca",
    "validating": "Checking / memeriksa",
    "committing": "Writing / menyimpan",
    "undoing": "Taking back / membatalkan",
}


class _SecondsLeft(ProgressColumn):
    """By the server's own estimate."""

    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        return Text("" if left is None else f"{timedelta(seconds=left)} left / tersisa", style="cyan")


def import_file(  # noqa: PLR0917
    file: Annotated[
        Path | None, typer.Argument(help="CSV or XLSX", exists=True, dir_okay=False, readable=True, show_default=False)
    ] = None,
    url: Annotated[str, typer.Option(envvar=ADDRESS, help="The system, https://...")] = "http://127.0.0.1:8000",
    kind: Annotated[str, typer.Option(help=f"What the rows are: {', '.join(KINDS)}")] = KINDS[0],
    mode: Annotated[Mode, typer.Option(help="validate writes nothing; commit writes")] = "validate",
    atomic: Annotated[Atomic, typer.Option(help="row: each for itself; all: one rejected row, and nothing")] = "row",
    on_match: Annotated[
        OnMatch, typer.Option(help="What is there already: leave it, bring it up to date, ask")
    ] = "skip",
    mapping: Annotated[str | None, typer.Option(help="A mapping your office keeps")] = None,
    delimiter: Annotated[Delimiter | None, typer.Option(help="Of a CSV, where the file does not show it")] = None,
    encoding: Annotated[Encoding | None, typer.Option(help="Of a CSV, where the file does not show it")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook")] = None,
    heading_row: Annotated[int | None, typer.Option(min=1, max=20, help="Row of the headings")] = None,
    dates: Annotated[Order | None, typer.Option(help="What 01/02/2026 means")] = None,
    follow: Annotated[UUID | None, typer.Option(help="Instead of a file: an import that was sent before")] = None,
    commit: Annotated[UUID | None, typer.Option(help="Instead of a file: write this one, which was validated")] = None,
    undo: Annotated[UUID | None, typer.Option(help="Instead of a file: take this one back")] = None,
    watch: Annotated[bool, typer.Option(help="Stay until it is done")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts")] = False,
    patience: Annotated[float, typer.Option(min=0, help="Seconds to keep trying on a dead link")] = 600,
    language: Annotated[
        Literal["id", "en"], typer.Option(envvar="TKSK_LANGUAGE", help="Of the error file and of refusals")
    ] = "id",
) -> None:
    """Import a table over HTTP, as whoever TKSK_CLIENT_ID and TKSK_CLIENT_SECRET, or TKSK_TOKEN, say.

    Rejected rows are saved beside the file as NAME.errors.csv (or .xlsx): correct them there and import that file.

    Exit code: 0 all rows (with --no-watch: taken), 3 some rejected, 4 refused, 1 not reachable, 2 misused.

    Everybody sees a command line, so the secrets stand in the environment.
    """
    chosen = {"follow": follow, "commit": commit, "undo": undo}
    if sum(one is not None for one in (file, *chosen.values())) != 1:
        stop("Name a file, or one of --follow, --commit, --undo.", USAGE)
    said = {
        "kind": kind,
        "mode": mode,
        "atomic": atomic,
        "on_match": on_match,
        "mapping": mapping,
        "delimiter": delimiter,
        "encoding": encoding,
        "sheet": sheet,
        "heading_row": heading_row,
        "dates": dates,
    }
    one: Any = None

    def say(why: str) -> None:
        bar.console.print(f"  {why}", style="yellow")

    with _bar() as bar, Remote(url, patience, say, language=language) as remote:
        try:
            if file is not None:
                one = _sent(remote, bar, file, {name: value for name, value in said.items() if value is not None})
            else:
                one = _acted(remote, *next((action, key) for action, key in chosen.items() if key is not None))
            if watch:
                one = _watched(remote, bar, one)
            has_errors = one["status"] in _JUDGED and one["counts"]["rejected"]
            codes = list(_frequent(remote, one)) if has_errors else []
            saved = _saved(remote, one, file) if has_errors else None
        except RefusedError as refusal:
            bar.stop()
            if as_json:
                print(json.dumps({"problem": refusal.problem}))
            _point_to(one)
            stop(escape(str(refusal)), REFUSED)
        except KeyboardInterrupt:
            bar.stop()
            _point_to(one)
            stop("Interrupted." if one else "Interrupted. The same command goes on with the file that was being sent.")
        except SystemExit:  # the system cannot be reached any more
            _point_to(one)
            raise
    if as_json:
        print(json.dumps({"import": one, "codes": codes, "error_file": str(saved) if saved else None}))
    else:
        _show(one, codes, saved)
    raise SystemExit(_exit_code(one))


# ---- sending and following -------------------------------------------------------------------------------------------


def _bar() -> Progress:
    """On stderr: stdout is the result."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[shown]}"),
        _SecondsLeft(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )


def _sent(remote: Remote, bar: Progress, file: Path, said: Mapping[str, Any]) -> Any:
    """The import of the file; what is sent again when the line breaks counts once."""
    task = bar.add_task("Sending / mengirim", total=file.stat().st_size, shown="")
    with file.open("rb") as opened:
        send = _sent_in_parts if file.stat().st_size > _IN_PARTS else _sent_whole
        one = send(remote, bar, task, opened, said)
    bar.remove_task(task)
    return one


def _sent_whole(remote: Remote, bar: Progress, task: TaskID, file: BufferedReader, said: Mapping[str, Any]) -> Any:
    reader = bar.wrap_file(file, task_id=task)

    def body() -> dict[str, Any]:
        reader.seek(0)
        return {"data": said, "files": {"file": (Path(file.name).name, reader)}}

    return remote.post(_PATH, sent=body)


def _sent_in_parts(remote: Remote, bar: Progress, task: TaskID, file: BufferedReader, said: Mapping[str, Any]) -> Any:
    """The system knows the file by its digest: it goes on where an earlier command, or a broken line, left off."""
    digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    announced = {"file_name": Path(file.name).name, "bytes": size, "sha256": digest}
    upload = remote.post(_UPLOADS, sent=lambda: {"json": announced})
    path, offset = f"{_UPLOADS}/{upload['id']}", int(upload["offset"])
    if offset:
        bar.console.print(f"  {offset:,} of {size:,} bytes are there already / sudah terkirim", style="yellow")
    parts = _Parts(bar, task, file, size, upload["parts"]["least_bytes"])
    while offset < size:
        parts.is_new = True
        offset = remote.append(path, offset, parts)
    fields = {name: (None, str(value)) for name, value in {**said, "upload": upload["id"]}.items()}
    try:
        return remote.post(_PATH, sent=lambda: {"files": fields})
    except RefusedError as refusal:
        if refusal.problem.get("code") == "upload_differs":  # it will never be right, and stands in the way of another
            remote.delete(path, remote.get(path)["version"])
        raise


@dataclass
class _Parts:
    """The parts of a file as they are sent, smaller after each break and larger again after each that arrived."""

    bar: Progress
    task: TaskID
    file: BufferedReader
    size: int
    least: int
    is_new: bool = False
    length: int = _PART

    def __call__(self, offset: int) -> dict[str, Any]:
        self.length = min(2 * self.length, _PART) if self.is_new else max(self.length // 2, self.least)
        self.is_new = False
        length = min(self.length, self.size - offset)
        return {"content": self._chunks(offset, length), "headers": {"Content-Length": str(length)}}

    def _chunks(self, offset: int, length: int) -> Iterator[bytes]:
        self.file.seek(offset)
        for place in range(offset, offset + length, _CHUNK):
            self.bar.update(self.task, completed=place)
            yield self.file.read(min(_CHUNK, offset + length - place))


def _acted(remote: Remote, action: str, key: UUID) -> Any:
    one = remote.get(f"{_PATH}/{key}")
    return one if action == "follow" else remote.post(f"{_PATH}/{key}/{action}", version=one["version"])


def _watched(remote: Remote, bar: Progress, one: Any) -> Any:
    """The import once it has come to rest."""
    task, wait = bar.add_task("", total=None, shown="", left=None), _FIRST_LOOK
    while one["status"] in WORKING:
        progress = one["progress"]
        rows = f"{progress['done']:,} / {progress['total']:,} rows / baris" if progress["total"] else ""
        bar.update(
            task,
            description=_STEPS[one["status"]],
            completed=progress["done"],
            total=progress["total"],
            shown=rows,
            left=progress["seconds_left"],
        )
        time.sleep(wait)
        wait = min(1.5 * wait, _LAST_LOOK)
        one = remote.get(f"{_PATH}/{one['id']}")
    bar.remove_task(task)
    return one


def _point_to(one: Any) -> None:
    """Where an import that was sent is found again."""
    if one is not None:
        errors.print(f"  The system has it / sudah diterima: tksk import --follow {one['id']}")


# ---- what came of it -------------------------------------------------------------------------------------------------


def _exit_code(one: Mapping[str, Any]) -> int:
    """A failed or cancelled import is refused, and so is one whose commit would be; one taken back only in part has
    some rows rejected. Of one still at work nothing is known but that the system has it."""
    if one["status"] in WORKING:
        return ALL
    would_be_refused = one["status"] == "validated" and one["atomic"] == "all" and one["counts"]["rejected"]
    if one["status"] in {"failed", "cancelled"} or would_be_refused:
        return REFUSED
    if one["status"] == "undone":
        return SOME if one["undo"]["kept"] else ALL
    return SOME if one["counts"]["rejected"] else ALL


def _frequent(remote: Remote, one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The codes that most rejected rows have, with their words in both languages; of the first rows of a long list."""
    rows: Counter[tuple[str, str | None]] = Counter()
    facts: dict[tuple[str, str | None], Mapping[str, Any]] = {}
    for fault in itertools.chain.from_iterable(_rejected(remote, one)):
        key = fault["code"], fault["column"]
        rows[key] += 1
        facts.setdefault(key, fault["facts"])
    for (code, column), count in rows.most_common(_FREQUENT):
        said = {language: _said(code, facts[code, column], language) for language in ("id", "en")}
        yield {"code": code, "column": column, "rows": count, **said}


def _rejected(remote: Remote, one: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The faults of each row."""
    cursor: dict[str, str] = {}
    for _ in range(_COUNTED_PAGES):
        page = remote.get(f"{_PATH}/{one['id']}/rows", fate="rejected", limit=200, **cursor)
        yield from (row["faults"] for row in page["items"])
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def _said(code: str, facts: Mapping[str, Any], language: Any) -> str:
    """A newer system may know codes that this release does not."""
    try:
        return words(code, facts, language)
    except KeyError:
        return ""


def _saved(remote: Remote, one: Mapping[str, Any], file: Path | None) -> Path:
    """The rejected rows beside the file, under a name that is free: somebody may be correcting an earlier one."""
    beside = file or Path(Path(str(one["file_name"])).name)
    suffix = f".{one['file']['format']}"
    stem = beside.stem.partition(".errors")[0]
    names = itertools.chain([f"{stem}.errors{suffix}"], (f"{stem}.errors-{n}{suffix}" for n in itertools.count(2)))
    target = next(path for name in names if not (path := beside.with_name(name)).exists())
    part = target.with_name(target.name + ".part")
    try:
        with _private(part) as keep:
            remote.load(f"{_PATH}/{one['id']}/errors", keep)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


@contextmanager
def _private(path: Path) -> Iterator[Callable[[httpx.Response], None]]:
    """People's data: for the eyes of whoever ran the command. What it gives writes an answer from the beginning."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:

        def keep(answer: httpx.Response) -> None:
            file.seek(0)
            file.truncate()
            for chunk in answer.iter_bytes():
                file.write(chunk)

        yield keep


def _show(one: Mapping[str, Any], codes: list[dict[str, Any]], saved: Path | None) -> None:
    console.print(f"Import {one['id']}: [bold]{one['status']}[/], {one['rows']:,} rows / baris")
    if one["file"]:
        _show_file(one["file"])
    if one["same_as"]:
        console.print(f"The same file came before / berkas yang sama sudah pernah dikirim: {one['same_as']}")
    for language in ("en", "id") if one["error"] else ():
        console.print(f"  [red]{one['error']}[/]  {escape(_said(one['error'], one['error_facts'], language))}")
    if one["status"] == "undone":
        console.print(f"Taken back / dibatalkan: {one['undo']['undone']:,}; left / tetap: {one['undo']['kept']:,}")
    if one["rows"]:
        console.print(_fates(one["counts"]))
    if codes:
        console.print(_codes(codes))
    _show_what_next(one, saved)


def _show_what_next(one: Mapping[str, Any], saved: Path | None) -> None:
    if saved:
        console.print(f"Rejected rows saved as / baris yang ditolak disimpan di {escape(str(saved))}")
        console.print(f"Correct them there, then / perbaiki di situ, lalu: {escape(_next(one, saved))}")
    changed = one["counts"]["created"] + one["counts"]["updated"]
    would_write = changed + one["counts"]["parked"]
    if one["status"] == "validated" and would_write and (one["atomic"] == "row" or not one["counts"]["rejected"]):
        console.print(f"Nothing is written yet / belum disimpan: tksk import --commit {one['id']}")
    elif one["status"] == "done" and changed:
        console.print(f"To take it back / untuk membatalkannya: tksk import --undo {one['id']}")
    elif one["status"] in WORKING:
        console.print(f"It goes on at the server / masih berjalan: tksk import --follow {one['id']}")


def _show_file(file: Mapping[str, Any]) -> None:
    """What the file was taken for; each note once, with the columns or the facts it is about."""
    found = (
        file["format"],
        file["encoding"],
        file["delimiter"],
        file["sheet"],
        f"headings / judul: {file['heading_row']}",
    )
    console.print(f"Read as / dibaca sebagai {escape(', '.join(part for part in found if part))}")
    noted: dict[tuple[str, str], list[str]] = {}
    for note in file["notes"]:
        said = _said(note["code"], note["facts"], "id"), _said(note["code"], note["facts"], "en")
        noted.setdefault(said, []).extend([note["column"]] if note["column"] else [])
    for (indonesian, english), columns in noted.items():
        about = f"{', '.join(columns)}: " if columns else ""
        console.print(f"  {escape(f'{about}{english} / {indonesian}')}", style="yellow")


def _next(one: Mapping[str, Any], saved: Path) -> str:
    """The command for the corrected rows, taken as the first ones were."""
    said = ("kind", KINDS[0]), ("atomic", "row"), ("on_match", "skip")
    chosen = [f" --{name.replace('_', '-')} {one[name]}" for name, usual in said if one[name] != usual]
    return f"tksk import {shlex.quote(str(saved))}{''.join(chosen)} --mode commit"


def _fates(counts: Mapping[str, int]) -> Table:
    table = Table("Fate", "Nasib", "Rows / baris")
    table.columns[2].justify = "right"
    for fate, count in counts.items():
        if count:
            table.add_row(fate, _FATES[fate], f"{count:,}")
    return table


def _codes(codes: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("Rows / baris", "What is wrong, what to do / yang salah, perbaikannya")
    table.columns[0].justify = "right"
    for item in codes:
        where = f"{item['code']}, {item['column']}" if item["column"] else item["code"]
        table.add_row(
            f"{item['rows']:,}", "\n".join((f"[bold]{escape(where)}[/]", *map(escape, (item["en"], item["id"]))))
        )
    return table
