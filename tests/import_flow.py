"""Plain functions for tests of imports: send a table, let the job work, read what became of its rows."""

import csv
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from helpers import Caller
from tksk_api.domain.exports.service import KIND as EXPORT
from tksk_api.domain.imports.service import KIND
from tksk_api.domain.jobs import worker
from tksk_api.services import SERVICES

URL = "/v1/imports"


def table(*rows: dict[str, Any], delimiter: str = ",") -> bytes:
    """A CSV of these rows, their keys being its headings."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of a server with its worker, in a thread of its own, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet: dict[str, Any] = {"log_level": "critical", "proxy_headers": False, "timeout_graceful_shutdown": 3}
    server = uvicorn.Server(uvicorn.Config(app, port=port, **quiet))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive(), "it would go on taking the jobs of every test after this one"


async def send(caller: Caller, content: bytes, name: str = "tabel.csv", **said: str) -> httpx.Response:
    return await caller.post(URL, data=said, files={"file": (name, content, "text/csv")})


def handlers(app: FastAPI) -> dict[str, worker.Handler]:
    return {KIND: SERVICES["bulk"].long_jobs[KIND](app.state.house)}


async def work(app: FastAPI, most: int = 1000) -> int:
    """Let the job take its steps; how many it took."""
    for number in range(most):
        if not await worker.take_step(app.state.house.sessions, handlers(app)):
            return number
    return most


async def exporting(app: FastAPI, most: int = 1000) -> int:
    """As `work`, of exports."""
    handlers = {EXPORT: SERVICES["bulk"].long_jobs[EXPORT](app.state.house)}
    for number in range(most):
        if not await worker.take_step(app.state.house.sessions, handlers):
            return number
    return most


async def imported(app: FastAPI, caller: Caller, content: bytes, **said: str) -> dict[str, Any]:
    """The import once it has come to rest."""
    answer = await send(caller, content, **said)
    assert answer.status_code == 202, answer.text
    await work(app)
    return await seen(caller, answer.json())


async def seen(caller: Caller, one: dict[str, Any]) -> dict[str, Any]:
    answer = await caller.get(f"{URL}/{one['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert sum(found["counts"].values()) == found["rows"]
    return found


async def acted(app: FastAPI, caller: Caller, one: dict[str, Any], action: str, body: Any = None) -> dict[str, Any]:
    """What an action leads to, after the job has done its part."""
    answer = await caller.act(f"{URL}/{one['id']}/{action}", body)
    assert answer.status_code == 200, answer.text
    await work(app)
    return await seen(caller, one)


async def fates(caller: Caller, one: dict[str, Any], query: str = "") -> list[tuple[int, str, list[str]]]:
    """Row, fate and the codes of its faults."""
    answer = await caller.get(f"{URL}/{one['id']}/rows?limit=200&{query}")
    assert answer.status_code == 200, answer.text
    return [(item["row"], item["fate"], [fault["code"] for fault in item["faults"]]) for item in answer.json()["items"]]


def counts(one: dict[str, Any]) -> dict[str, int]:
    """The fates that occurred."""
    return {fate: rows for fate, rows in one["counts"].items() if rows}
