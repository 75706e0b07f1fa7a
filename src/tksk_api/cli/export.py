"""`tksk export`: a list of a running system as a file, followed until it is there and kept whole."""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tksk_api.cli.console import console, errors, stop
from tksk_api.cli.remote import ADDRESS, RefusedError, Remote

DONE, REFUSED, USAGE = 0, 4, 2
_PATH = "/v1/exports"
_WORKING = frozenset({"queued", "running"})
_FIRST_LOOK, _LAST_LOOK = 0.2, 2.0  # seconds between two looks: short lists are done soon
_OTHER_THAN_TEXT = {"true": True, "false": False}


def export_list(  # noqa: PLR0917
    kind: Annotated[str, typer.Argument(help="beneficiaries, families, visits, activities, referrals, ...")],
    url: Annotated[str, typer.Option(envvar=ADDRESS, help="The system, https://...")] = "http://127.0.0.1:8000",
    file_format: Annotated[str, typer.Option("--format", help="csv, xlsx, jsonl, parquet")] = "csv",
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Where to; KIND.FORMAT here unless given")] = None,
    chosen: Annotated[list[str] | None, typer.Option("--filter", help="name=value, as the list's; repeatable")] = None,
    purpose: Annotated[str, typer.Option(help="What for: service, or a code of reveal_purposes")] = "service",
    full_numbers: Annotated[bool, typer.Option("--full-numbers", help="NIK and family card number in full")] = False,
    reason: Annotated[str | None, typer.Option(help="Why full numbers are needed")] = None,
    recipient: Annotated[str | None, typer.Option(help="Pseudonymised, for whom")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts")] = False,
    patience: Annotated[float, typer.Option(min=0, help="Seconds to keep trying on a dead link")] = 600,
) -> None:
    """Export a list over HTTP, as whoever TKSK_CLIENT_ID and TKSK_CLIENT_SECRET, or TKSK_TOKEN, say.

    The file is there once it is whole and has the digest the system says. Exit code: 0 it is there, 4 refused or
    failed, 1 not reachable, 2 misused.
    """
    body = {
        "kind": kind,
        "format": file_format,
        "filter": _filters(chosen or ()),
        "purpose": purpose,
        "full_numbers": full_numbers,
        "reason": reason,
        "recipient": recipient,
    }
    target = out or Path(f"{kind}.{file_format}")
    with _bar() as bar, Remote(url, patience, lambda why: bar.console.print(f"  {why}", style="yellow")) as remote:
        try:
            one = _watched(remote, bar, remote.post(_PATH, sent=lambda: {"json": body}))
            if one["status"] == "done":
                _kept(remote, one, target)
        except RefusedError as refusal:
            bar.stop()
            if as_json:
                print(json.dumps({"problem": refusal.problem}))
            stop(escape(str(refusal)), REFUSED)
        except KeyboardInterrupt:
            bar.stop()
            stop("Interrupted. Nothing was saved; the export ends by itself a day after it is made.")
    is_there = one["status"] == "done"
    if as_json:
        print(json.dumps({"export": {**one, "content_url": None}, "file": str(target) if is_there else None}))
    elif is_there:
        console.print(f"{one['rows']:,} rows / baris, {one['file_bytes']:,} bytes: {escape(str(target))}")
    if not is_there:
        stop(f"The export is {one['status']} ({one['error']}).", REFUSED)


def _filters(chosen: Sequence[str]) -> dict[str, str | bool]:
    """Of name=value. Leaves with 2 where there is no `=`."""
    found: dict[str, str | bool] = {}
    for entry in chosen:
        name, divider, value = entry.partition("=")
        if not divider:
            stop(f"--filter {entry}: name=value is expected.", USAGE)
        found[name] = _OTHER_THAN_TEXT.get(value, value)
    return found


def _bar() -> Progress:
    """On stderr: stdout is the result. How many rows there are is known when all are there."""
    shown = TextColumn("{task.description} {task.completed:,.0f} rows / baris")
    return Progress(SpinnerColumn(), shown, TimeElapsedColumn(), console=errors, transient=True)


def _watched(remote: Remote, bar: Progress, one: Any) -> Any:
    """The export once it has come to rest."""
    task, wait = bar.add_task("Gathering / mengumpulkan", total=None), _FIRST_LOOK
    while one["status"] in _WORKING:
        said = "Writing / menulis" if one["progress"]["total"] is not None else "Gathering / mengumpulkan"
        bar.update(task, description=said, completed=one["progress"]["done"])
        time.sleep(wait)
        wait = min(1.5 * wait, _LAST_LOOK)
        one = remote.get(f"{_PATH}/{one['id']}")
    bar.remove_task(task)
    return one


def _kept(remote: Remote, one: Mapping[str, Any], target: Path) -> None:
    """Under its name only when it is whole; readable by whoever asked alone."""
    partial = target.with_name(target.name + ".part")
    try:
        with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:

            def keep(answer: httpx.Response) -> None:
                file.seek(0)
                file.truncate()
                for chunk in answer.iter_bytes():
                    file.write(chunk)

            remote.load(f"{_PATH}/{one['id']}/content", keep)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != one["sha256"]:
            stop("The file is not what the system made; nothing was saved.")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
