"""`tksk import` over real HTTP, as a machine client and as a user; and the client of ten lines in the guide."""

import asyncio
import csv
import io
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from cli import test_cli
from helpers import AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_client, nik
from import_flow import serving, table
from tksk_api.cli import import_, remote
from tksk_api.domain.clients.service import digest_of
from tksk_api.domain.references.lists import codes
from tksk_api.main import create_app

SECRET = "tksk_secret_padi-menguning-di-sawah-seberang-kali"
SCOPES = ["import:run", "beneficiary:write", "beneficiary:read"]
GUIDE = Path(__file__).parents[2] / "docs" / "guide-import.md"


@pytest.fixture(scope="module")
def served(settings) -> Iterator[str]:
    with serving(create_app(settings.model_copy(update={"job_seconds": 0.1}))) as address:
        yield address


@pytest.fixture
async def env(served, owner) -> dict[str, str]:
    """What a script has in its environment: the system and a machine client of Bandar Lampung."""
    client_id, _ = await add_client(owner, SCOPES, [BANDAR_LAMPUNG])
    await owner.execute(
        "INSERT INTO client_secrets (id, client_id, digest) VALUES ($1, $2, $3)", uuid4(), client_id, digest_of(SECRET)
    )
    return {
        "TKSK_URL": served,
        "TKSK_CLIENT_ID": str(client_id),
        "TKSK_CLIENT_SECRET": SECRET,
        "TKSK_TOKEN": "",
        "COLUMNS": "200",
    }


def row(**over: Any) -> dict[str, Any]:
    own = {"NIK": nik(), "Nama Lengkap": "Siti Rahmawati", "Tanggal Lahir": "25/03/1991", "Jenis Kelamin": "P"}
    return own | {"Alamat": "Jl. Yos Sudarso 12", "RT": "1", "RW": "2", "Kode Desa": SRENGSEM} | over


async def ran(env: dict[str, str], *arguments: object) -> Any:
    """The command blocks, so it gets a thread of its own."""
    kept = {name: value or None for name, value in env.items()}
    return await asyncio.to_thread(test_cli.run, "import", *map(str, arguments), env=kept)


async def people(owner: Any) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM beneficiaries WHERE deleted_at IS NULL"))


async def test_a_file_is_looked_through_corrected_written_and_taken_back(env, owner, tmp_path):
    file = tmp_path / "warga.csv"
    file.write_bytes(table(row(), row(NIK="1871046503"), row(), row(**{"Kode Desa": AMPENAN_VILLAGE}), delimiter=";"))
    looked = await ran(env, file)
    assert looked.exit_code == 3, looked.output
    for said in ("validated", "created", "dibuat", "rejected", "nik_format", "outside_scope", "Nothing is written yet"):
        assert said in looked.stdout, said
    assert await people(owner) == 0
    errors = tmp_path / "warga.errors.csv"
    assert errors.stat().st_mode & 0o777 == 0o600
    assert str(errors) in looked.stdout
    [wrong, elsewhere] = csv.DictReader(io.StringIO(errors.read_text("utf-8-sig")), delimiter=";")
    assert (wrong["NIK"], elsewhere["Kode Desa"]) == ("1871046503", AMPENAN_VILLAGE)

    assert "Read as / dibaca sebagai csv, utf-8, semicolon, headings / judul: 1" in looked.stdout
    assert "lalu: tksk import " in looked.stdout
    key = re.search(r"--commit (\S+)", looked.stdout)
    assert key
    assert (await ran(env, "--commit", key[1])).exit_code == 3
    assert await people(owner) == 2
    assert (tmp_path / "warga.errors.csv").exists()
    Path("warga.errors.csv").unlink()  # of a command that knew no file, in the folder it ran in

    errors.write_text(
        errors.read_text("utf-8-sig").replace("1871046503;", f"{nik()};").replace(AMPENAN_VILLAGE, SRENGSEM)
    )
    fixed = await ran(env, errors, "--mode", "commit", "--json")
    assert fixed.exit_code == 0, fixed.output
    told = json.loads(fixed.stdout)
    assert (told["import"]["counts"]["created"], told["codes"], told["error_file"]) == (2, [], None)
    assert await people(owner) == 4

    back = await ran(env, "--undo", told["import"]["id"])
    assert back.exit_code == 0, back.output
    assert "Taken back / dibatalkan: 2" in back.stdout
    assert await people(owner) == 2


async def test_an_error_file_that_is_being_corrected_is_never_overwritten(env, tmp_path):
    file = tmp_path / "warga.csv"
    file.write_bytes(table(row(NIK="12")))
    (tmp_path / "warga.errors.csv").write_text("disunting")
    first = json.loads((await ran(env, file, "--json")).stdout)
    assert Path(first["error_file"]).name == "warga.errors-2.csv"
    assert (tmp_path / "warga.errors.csv").read_text() == "disunting"
    again = json.loads((await ran(env, first["error_file"], "--json")).stdout)
    assert Path(again["error_file"]).name == "warga.errors-3.csv"
    assert [(item["code"], item["rows"]) for item in again["codes"]] == [("nik_format", 1)]
    assert not list(tmp_path.glob("*.part"))


async def test_a_lost_answer_and_a_token_that_ended_do_no_harm(env, owner, tmp_path, monkeypatch):
    """The upload arrives, its answer does not; the second time is the first."""
    whole, lost = httpx.HTTPTransport.handle_request, []

    def lossy(self: Any, request: httpx.Request) -> httpx.Response:
        answer = whole(self, request)
        path = request.url.path
        if request.method in {"POST", "GET"} and path.startswith("/v1/imports") and (request.method, path) not in lost:
            lost.append((request.method, path))
            answer.close()
            raise httpx.ReadError("reset by peer")
        return answer

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lossy)
    file = tmp_path / "warga.csv"
    file.write_bytes(table(row(), row()))
    sent = await ran({**env, "TKSK_TOKEN": "eyJ.berakhir.x"}, file, "--mode", "commit", "--json")
    assert sent.exit_code == 0, sent.output
    assert "ReadError; again in 1 s" in sent.stderr
    assert len(lost) == 2
    assert await owner.fetchval("SELECT count(*) FROM imports") == 1
    assert await people(owner) == 2


class BadLink:
    """A line to the server that breaks, with a reset, each time that so many bytes went up; it counts both."""

    def __init__(self, server: str, breaks_after: int) -> None:
        self._server = urlsplit(server)
        self._after, self.bytes, self.breaks = breaks_after, 0, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((self._server.hostname, self._server.port))
                threading.Thread(target=self._down, args=(far, near), daemon=True).start()
                threading.Thread(target=self._up, args=(near, far), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        went = 0
        with suppress(OSError), near, far:
            while chunk := near.recv(min(1 << 16, self._after - went)):
                far.sendall(chunk)
                self.bytes += len(chunk)
                went += len(chunk)
                if went >= self._after:
                    self.breaks += 1
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return

    def _down(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while chunk := far.recv(1 << 16):
                near.sendall(chunk)


@pytest.fixture
def bad_link(served) -> Iterator[Callable[[int], BadLink]]:
    links: list[BadLink] = []

    def make(breaks_after: int) -> BadLink:
        links.append(BadLink(served, breaks_after))
        return links[-1]

    yield make
    for link in links:
        link.close()


async def test_a_large_file_gets_through_a_line_that_keeps_breaking(env, owner, tmp_path, bad_link, monkeypatch):
    """No part is as large as what goes through at once, until it is; and what arrived is not sent again."""
    waited: list[float] = []
    monkeypatch.setattr(remote, "time", SimpleNamespace(monotonic=time.monotonic, sleep=waited.append))
    file, link = tmp_path / "warga.csv", bad_link(700_000)
    file.write_bytes(table(*(row(**{"Uraian Lain": "x" * 64_000}) for _ in range(60))))
    sent = await ran({**env, "TKSK_URL": link.url}, file, "--mode", "commit", "--json")
    assert sent.exit_code == 0, sent.output
    size = file.stat().st_size
    assert json.loads(sent.stdout)["import"]["file_bytes"] == size
    assert (link.breaks >= 5, link.bytes < 2 * size) == (True, True)
    assert 0 < len(waited) < 40
    assert await people(owner) == 60
    assert await owner.fetchval("SELECT count(*) FROM import_uploads") == 0


async def test_the_same_command_goes_on_after_it_was_killed(env, owner, tmp_path, bad_link):
    """Nothing is remembered here: the system knows the file by its digest."""
    file, link = tmp_path / "warga.csv", bad_link(2_500_000)
    file.write_bytes(table(*(row(**{"Uraian Lain": "x" * 64_000}) for _ in range(60))))
    broken = await ran({**env, "TKSK_URL": link.url}, file, "--patience", "0")
    assert (broken.exit_code, "cannot be reached" in broken.stderr) == (1, True)
    assert await owner.fetchval("SELECT received_bytes FROM import_uploads") == 2 * 1024**2
    second = bad_link(10**9)
    sent = await ran({**env, "TKSK_URL": second.url}, file, "--mode", "commit")
    assert sent.exit_code == 0, sent.output
    assert "2,097,152 of" in sent.stderr
    assert second.bytes < file.stat().st_size - 2 * 1024**2 + 50_000
    assert await people(owner) == 60


async def test_a_file_that_changes_while_it_is_sent_is_not_imported(env, owner, tmp_path, monkeypatch):
    file = tmp_path / "warga.csv"
    content = table(*(row(**{"Uraian Lain": "x" * 64_000}) for _ in range(40)))
    file.write_bytes(content)
    chunks = import_._Parts._chunks

    def edited(self: Any, offset: int, length: int) -> Iterator[bytes]:
        for chunk in chunks(self, offset, length):
            yield chunk.replace(b"x" * 1000, b"y" * 1000)

    monkeypatch.setattr(import_._Parts, "_chunks", edited)
    refused = await ran(env, file, "--mode", "commit", "--json")
    assert (refused.exit_code, json.loads(refused.stdout)["problem"]["code"]) == (4, "upload_differs")
    assert await owner.fetchval("SELECT count(*) FROM import_uploads") == 0
    monkeypatch.undo()
    assert (await ran(env, file, "--mode", "commit")).exit_code == 0


async def test_what_is_refused_says_why_and_leaves_with_its_own_code(env, as_, tmp_path):
    file = tmp_path / "warga.csv"
    file.write_bytes(table(row()))
    assert (await ran(env)).exit_code == 2
    unprotected = await ran({**env, "TKSK_URL": "http://tksk.example.go.id"}, file)
    assert (unprotected.exit_code, "unprotected" in unprotected.stderr) == (2, True)
    nobody = await ran({**env, "TKSK_CLIENT_ID": ""}, file)
    assert (nobody.exit_code, "TKSK_CLIENT_SECRET" in nobody.stderr) == (2, True)
    forged = await ran({**env, "TKSK_CLIENT_SECRET": "salah"}, file, "--json")
    assert (forged.exit_code, json.loads(forged.stdout)["problem"]["status"]) == (4, 401)
    assert "Periksa client_id" in forged.stderr
    in_english = await ran({**env, "TKSK_CLIENT_SECRET": "salah"}, file, "--language", "en")
    assert "Check client_id" in in_english.stderr
    assert (await ran(env, file, "--mode", "tulis")).exit_code == 2
    unknown = await ran(env, file, "--kind", "kucing")
    assert (unknown.exit_code, "/kind" in unknown.stderr) == (4, True)
    nowhere = await ran({**env, "TKSK_URL": "http://127.0.0.1:1"}, file, "--patience", "0")
    assert (nowhere.exit_code, "cannot be reached" in nowhere.stderr) == (1, True)
    old = tmp_path / "lama.csv"
    old.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000))
    failed = await ran(env, old)
    assert (failed.exit_code, "workbook_old" in failed.stdout) == (4, True)
    user = await as_("tksk", PANJANG)
    mine = {**env, "TKSK_CLIENT_ID": "", "TKSK_TOKEN": user.headers["Authorization"].removeprefix("Bearer ")}
    by_hand = await ran(mine, file, "--no-watch")
    key = re.search(r"--follow (\S+)", by_hand.stdout)
    assert by_hand.exit_code == 0 and key
    assert (await ran(mine, "--follow", key[1])).exit_code == 0


async def test_the_client_of_ten_lines_in_the_guide_works(env, owner, tmp_path):
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert sum(bool(line) for line in code.splitlines()) <= 10
    (tmp_path / "warga.csv").write_bytes(table(row(), row(NIK="12")))
    command = [sys.executable, "-c", code]
    await asyncio.to_thread(subprocess.run, command, env={**os.environ, **env}, cwd=tmp_path, check=True, timeout=60)
    assert await people(owner) == 1
    assert "nik_format" in (tmp_path / "warga.errors.csv").read_text("utf-8-sig")


@pytest.mark.parametrize(
    ("status", "atomic", "rejected", "code"),
    [
        ("validated", "row", 0, 0),
        ("validated", "row", 2, 3),
        ("validated", "all", 0, 0),
        ("validated", "all", 2, 4),
        ("done", "row", 2, 3),
        ("failed", "all", 2, 4),
        ("committing", "row", 2, 0),
    ],
)
def test_a_script_learns_from_the_exit_code_what_a_commit_would_say(status, atomic, rejected, code):
    assert import_._exit_code({"status": status, "atomic": atomic, "counts": {"rejected": rejected}}) == code


def test_the_guide_explains_every_code():
    _, _, codes_only = GUIDE.read_text(encoding="utf-8").partition("## What each code means")
    explained = re.findall(r"^\| `(\w+)` \|", codes_only, re.MULTILINE)
    assert sorted(explained) == sorted(codes("import_codes"))
