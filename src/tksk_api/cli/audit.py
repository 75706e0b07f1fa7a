"""`tksk audit`: sealing the access log, checking it, and the page that is printed and signed each day."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import Progress

from tksk_api.cli.console import console, errors, load_settings, stop
from tksk_api.database.engine import create_engine
from tksk_api.database.session import session_factory
from tksk_api.documents.anchor import anchor_text, render_anchor
from tksk_api.domain.audit import service
from tksk_api.domain.audit.service import Sessions
from tksk_api.domain.audit.verify import Finding, Report
from tksk_api.domain.audit.verify import verify as verified

T = TypeVar("T")
_SHOWN = 50


@asynccontextmanager
async def _sessions() -> AsyncIterator[Sessions]:
    engine = create_engine(load_settings())
    try:
        yield session_factory(engine)
    finally:
        await engine.dispose()


def _run(work: Callable[[Sessions], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with _sessions() as sessions:
            return await work(sessions)

    return asyncio.run(inside())


def seal() -> None:
    """Seal what was logged until now. The server does this every minute; use it before switching off or backing up."""
    console.print(f"{_run(service.seal)} rows sealed.")


def verify(
    anchor: Annotated[
        str | None, typer.Option(help="A hash from a printed page: finds out whether the log was cut or made anew")
    ] = None,
) -> None:
    """Compute everything anew from the rows; name what was changed, deleted or inserted, and exit 1 then."""
    expected = _hash(anchor) if anchor is not None else None
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("Reading the access log", total=None)
        findings, more, rows = _run(
            lambda sessions: _collect(
                sessions, expected, lambda done, total: progress.update(task, completed=done, total=total)
            )
        )
    for finding in findings:
        console.print(f"  [red]no [/] {finding.code:<18} {finding.text}")
    if more:
        console.print(f"  ... and {more} more")
    if findings:
        stop("The access log is not what was sealed. Keep the database as it is and follow docs/guide-admin.md.")
    console.print(f"The access log is whole: {rows} sealed rows" + (", the anchor among them." if anchor else "."))


async def _collect(sessions: Sessions, anchor: bytes | None, report: Report) -> tuple[list[Finding], int, int]:
    """The first findings, how many more there are, and how many sealed rows were looked at."""
    findings: list[Finding] = []
    more = rows = 0

    def count(done: int, total: int) -> None:
        nonlocal rows
        rows = done
        report(done, total)

    async for finding in verified(sessions, anchor, count):
        if len(findings) < _SHOWN:
            findings.append(finding)
        else:
            more += 1
    return findings, more, rows


def _hash(text: str) -> bytes:
    """The hash as it was typed from paper: in groups, in capitals or not."""
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", digits):
        stop("An anchor is 64 characters of 0-9 and a-f; blanks between them do not matter.", 2)
    return bytes.fromhex(digits)


def anchor(
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Day in Jakarta; today when left out")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="Write the page as a PDF", dir_okay=False)] = None,
) -> None:
    """Print the last seal of a day, in Indonesian and English, on a page to sign and to keep apart from the server."""
    wanted: date = day.date() if day is not None else service.today()
    found = _run(lambda sessions: service.anchor_of(sessions, wanted))
    if found is None:
        stop(f"No seal was made on {wanted}.")
    if pdf is None:
        console.print(anchor_text(found))
        return
    pdf.write_bytes(render_anchor(found))
    console.print(f"{pdf} written.")
