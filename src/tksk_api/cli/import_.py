"""`tksk import`: a table sent to a running system, followed to its end, with what was wrong saved beside it."""

import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from tksk_api.cli.console import console, errors, stop
from tksk_api.cli.remote import ADDRESS, RefusedError, Remote
from tksk_api.domain.imports.telling import NOT_REACHED, words
from tksk_api.domain.imports.workflow import WORKING

ALL, SOME, REFUSED, USAGE = 0, 3, 4, 2
_PATH = "/v1/imports"
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
    kind: Annotated[str, typer.Option(help="What the rows are")] = "beneficiaries",
    mode: Annotated[str, typer.Option(help="validate writes nothing; commit writes")] = "validate",
    atomic: Annotated[str, typer.Option(help="row: each for itself; all: one rejected row, and nothing")] = "row",
    on_match: Annotated[str, typer.Option(help="What is there already: skip, update, park")] = "skip",
    mapping: Annotated[str | None, typer.Option(help="A mapping your office keeps")] = None,
    delimiter: Annotated[str | None, typer.Option(help="comma, semicolon, tab, pipe")] = None,
    encoding: Annotated[str | None, typer.Option(help="utf-8, utf-16-le, utf-16-be, cp1252")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook")] = None,
    heading_row: Annotated[int | None, typer.Option(help="Row of the headings")] = None,
    dates: Annotated[str | None, typer.Option(help="What 01/02/2026 means: dmy, mdy, ymd")] = None,
    follow: Annotated[UUID | None, typer.Option(help="Instead of a file: an import that was sent before")] = None,
    commit: Annotated[UUID | None, typer.Option(help="Instead of a file: write this one, which was validated")] = None,
    undo: Annotated[UUID | None, typer.Option(help="Instead of a file: take this one back")] = None,
    watch: Annotated[bool, typer.Option(help="Stay until it is done")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts")] = False,
    patience: Annotated[float, typer.Option(min=0, help="Seconds to keep trying on a dead link")] = 600,
) -> None:
    """Import a table over HTTP, as whoever TKSK_CLIENT_ID and TKSK_CLIENT_SECRET, or TKSK_TOKEN, say.

    Rejected rows are saved beside the file as NAME.errors.csv (or .xlsx): correct them there and import that file.
    Exit code: 0 all rows, 3 some rejected, 4 refused, 1 not reachable, 2 misused. Everybody sees a command line, so
    the secrets stand in the environment.
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
    with _bar() as bar, Remote(url, patience, lambda why: bar.console.print(f"  {why}", style="yellow")) as remote:
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
            stop(escape(str(refusal)), REFUSED)
        except KeyboardInterrupt:
            bar.stop()
            stop("Interrupted. What was sent goes on at the server: tksk import --follow ID shows it.")
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
    )


def _sent(remote: Remote, bar: Progress, file: Path, said: Mapping[str, Any]) -> Any:
    """The upload; when the line breaks it is sent again under the same key, and counts once."""
    task = bar.add_task("Sending / mengirim", total=file.stat().st_size, shown="")
    with file.open("rb") as opened:
        reader = bar.wrap_file(opened, task_id=task)

        def body() -> dict[str, Any]:
            reader.seek(0)
            return {"data": said, "files": {"file": (file.name, reader)}}

        one = remote.post(_PATH, sent=body)
    bar.remove_task(task)
    return one


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


# ---- what came of it -------------------------------------------------------------------------------------------------


def _exit_code(one: Mapping[str, Any]) -> int:
    """A failed or cancelled import is refused; so is one taken back only in part."""
    if one["status"] in {"failed", "cancelled"}:
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
    if saved:
        console.print(f"Rejected rows saved as / baris yang ditolak disimpan di {escape(str(saved))}")
    if one["status"] == "validated" and (one["atomic"] == "row" or not one["counts"]["rejected"]):
        console.print(f"Nothing is written yet / belum disimpan: tksk import --commit {one['id']}")
    elif one["status"] in WORKING:
        console.print(f"It goes on at the server / masih berjalan: tksk import --follow {one['id']}")


def _fates(counts: Mapping[str, int]) -> Table:
    table = Table("Fate", "Nasib", "Rows / baris")
    table.columns[2].justify = "right"
    for fate, count in counts.items():
        if count:
            table.add_row(fate, _FATES[fate], f"{count:,}")
    return table


def _codes(codes: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("Code", "Column / kolom", "Rows", "What is wrong, what to do", "Apa yang salah, perbaikannya")
    table.columns[2].justify = "right"
    for item in codes:
        row = (item["code"], item["column"] or "", f"{item['rows']:,}", item["en"], item["id"])
        table.add_row(*(escape(text) for text in row))
    return table
