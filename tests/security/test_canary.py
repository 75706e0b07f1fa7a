"""An identity number goes everywhere a request can take it, and is found nowhere but sealed."""

import base64
import hashlib
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from architecture.specification import operations
from architecture.world import PHONE, build_world
from canary import WATCH
from helpers import nik
from tksk_api.database.embedded import binaries
from tksk_api.telemetry import log

# They end the session that asks; everything else is asked.
ENDS_THE_SESSION = {"logout", "end_session", "sign_out_user", "end_user_session", "disable_user"}
_BETWEEN = r"[ .\-/]?"


def traces(number: str, text: str) -> Iterator[str]:
    """The forms in which a number can be read, or found by trying all numbers, in a text."""
    raw = number.encode()
    if re.search(_BETWEEN.join(number), text):
        yield "digits"
    plain = {"hex": raw.hex(), "hex of UTF-16": number.encode("utf-16-be").hex(), "number in hex": f"{int(number):x}"}
    plain |= {name: hashlib.new(name, raw).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}
    yield from (name for name, form in plain.items() if form in text.casefold())
    # The characters that no neighbouring byte has a bit in, for each place among three bytes.
    for shift, (first, last) in enumerate(((0, 21), (2, 22), (3, 24))):
        encoded = base64.b64encode(b"\0" * shift + raw + b"\0" * 2).decode()
        if encoded[first:last] in text:
            yield f"base64 at {shift}"


def dumped(url: str) -> str:
    """What a thief of a backup holds; of the regions, nothing but the table."""
    configured = Path(os.environ["TKSK_PG_BIN"]) if "TKSK_PG_BIN" in os.environ else None
    command = [binaries(configured) / "pg_dump", "--exclude-table-data=regions", "--dbname", url]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def tables_with(text: str, dump: str) -> set[str]:
    """The tables among whose rows the text stands."""
    sections = re.findall(r"^COPY public\.(\w+) .*?$\n(.*?)^\\\.$", dump, re.MULTILINE | re.DOTALL)
    return {name for name, rows in sections if text in rows}


async def test_no_number_is_in_a_dump_after_every_operation(app, owner, owner_url):
    statuses = []
    async with build_world(app, owner) as world:
        for operation in operations(app):
            caller = world.home["tksk"] if operation.is_public else world.holder(operation)
            if operation.name not in ENDS_THE_SESSION:
                statuses.append((await world.send(operation, caller)).status_code)
        for url, body in (
            ("search", {"nik": world.nik}),
            ("search", {"family_card_number": world.family_card}),
            ("exists", {"nik": world.nik}),
        ):
            statuses.append((await world.home["tksk"].post(f"/v1/beneficiaries/{url}", json=body)).status_code)
        dump = dumped(owner_url)
        found = {name: list(traces(number, dump)) for name, number in (("NIK", world.nik), ("card", world.family_card))}
    assert found == {"NIK": [], "card": []}
    assert world.ids["beneficiaries"] in dump, "the dump holds the person"
    # A telephone number stands in clear, where it is needed, and is not copied about.
    assert tables_with(PHONE, dump) == {"beneficiaries"}
    assert sum(status < 300 for status in statuses) > 40
    assert max(statuses) < 500


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "1871 0465 0391 0001",
        "18.71.04.650391.0001",
        "31383731303436353033393130303031",
        f"{1871046503910001:x}",
        "\\x" + hashlib.sha256(b"1871046503910001").hexdigest().upper(),
        base64.b64encode(b"1871046503910001").decode(),
        base64.b64encode(b"x1871046503910001yy").decode(),
        base64.b64encode(b"xy1871046503910001zzz").decode(),
    ],
)
def test_a_number_in_a_dump_would_be_found(form):
    assert list(traces("1871046503910001", f"COPY x\n{form.format('1871046503910001')}\n"))
    assert not list(traces("1871046503920001", f"COPY x\n{form.format('1871046503910001')}\n"))


# ---- the watch over the whole run ------------------------------------------------------------------------------------


async def ask(status: int, text: str) -> None:
    transport = httpx.ASGITransport(app=PlainTextResponse(text, status))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        assert (await http.get("/")).text == text


async def test_the_watch_sees_a_number_in_an_error_body_and_lets_other_answers_pass():
    await ask(404, f"no such person as {nik()}")
    assert [place.split(":")[0] for place in WATCH.take()] == ["error body"]
    await ask(200, nik())
    await ask(404, "1871046503919998 is no number of ours")
    assert WATCH.take() == []


def test_the_watch_sees_a_number_that_is_logged(app):
    log.info("request", operation=f"x{nik()}")
    logging.getLogger("some.library").warning("could not find %s", nik())  # noqa: TID251 - as a library would
    assert [place.split(":")[0] for place in WATCH.take()] == ["log", "standard log"]


def test_the_watch_sees_a_number_in_the_name_of_a_file(tmp_path):
    (tmp_path / f"SKTM-{nik()}.pdf").touch()
    WATCH.look_at_names(tmp_path)
    (tmp_path / "SKTM.pdf").touch()
    assert [place.split(":")[0] for place in WATCH.take()] == ["file name"]
    for path in tmp_path.iterdir():
        path.unlink()
