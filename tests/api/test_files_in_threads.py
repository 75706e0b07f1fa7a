"""Files of imports and exports are written and finished beside the loop, which serves others meanwhile."""

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest

from helpers import PANJANG, SRENGSEM, add_person
from import_flow import exporting, imported, table
from tksk_api.documents import export_tables, import_sheets
from tksk_api.domain import threads
from tksk_api.domain.exports import work
from tksk_api.routers import exports, imports


class Watched:
    """Wraps a maker of files: in which threads it began, wrote and finished, and finishing takes a while."""

    def __init__(self, make):
        self.make, self.seen = make, set()

    @contextmanager
    def __call__(self, *args):
        with self.make(*args) as write:
            self.seen.add(threading.get_ident())

            def written(*what):
                self.seen.add(threading.get_ident())
                write(*what)

            yield written
            self.seen.add(threading.get_ident())
            time.sleep(0.3)


@pytest.fixture
def looks(monkeypatch):
    """How often the connection was asked something while a file was finished."""
    seen = []

    def counted(made, look):
        async def looked():
            seen.append(await look())

        return threads.in_threads(made, looked)

    monkeypatch.setattr(threads, "_LOOK_SECONDS", 0.05)
    return seen, counted


async def test_an_error_file_keeps_nobody_waiting(as_, app, monkeypatch, looks):
    tksk = await as_("tksk", PANJANG)
    done = await imported(app, tksk, table({"NIK": "1", "Nama": "Siti", "Kode Desa": SRENGSEM}), kind="beneficiaries")
    watched, (seen, counted) = Watched(import_sheets.error_file), looks
    monkeypatch.setattr(imports, "error_file", watched)
    monkeypatch.setattr(imports, "in_threads", counted)
    answer = await tksk.get(f"/v1/imports/{done['id']}/errors?format=xlsx")
    assert (answer.status_code, answer.content[:2]) == (200, b"PK")
    assert threading.get_ident() not in watched.seen
    assert len(seen) > 1
    assert all(seen)


async def test_an_export_keeps_nobody_waiting(as_, app, monkeypatch, looks):
    tksk = await as_("tksk", PANJANG)
    await add_person(tksk)
    watched, (seen, counted) = Watched(export_tables.export_file), looks
    monkeypatch.setattr(exports, "export_file", watched)
    monkeypatch.setattr(work, "in_threads", counted)
    answer = await tksk.post("/v1/exports", json={"kind": "beneficiaries", "purpose": "service", "format": "xlsx"})
    assert answer.status_code == 202, answer.text
    await exporting(app)
    assert (await tksk.get(answer.headers["location"])).json()["status"] == "done"
    assert threading.get_ident() not in watched.seen
    assert len(seen) > 1


async def test_what_goes_wrong_in_a_thread_is_told_as_it_was():
    left = []

    @contextmanager
    def made():
        try:
            yield 1
        finally:
            left.append(threading.get_ident())

    async def look():
        raise AssertionError

    with pytest.raises(ZeroDivisionError):
        async with threads.in_threads(made(), look) as one:
            await asyncio.to_thread(lambda: one / 0)
    assert left
    assert threading.get_ident() not in left
