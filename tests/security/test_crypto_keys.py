"""Master keys that can be changed, and a key for every person that can be destroyed."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import event
from typer.testing import CliRunner

from helpers import PANJANG, SRENGSEM, Caller, add_person, add_user, nik, person
from sktm_flow import issued, offices
from tksk_api.cli import app as cli
from tksk_api.main import create_app
from tksk_api.security.crypto import KeyFileError, Keyring, create_key_file, load_key_file
from tksk_api.security.master_rotation import add_master, remove_master
from tksk_api.security.vault import Vault

TKSK = str(Path(sys.executable).with_name("tksk"))
ROW, SUBJECT = str(uuid4()), str(uuid4())


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    create_key_file(path)
    return path


def of_the_first_release(keyring: Keyring, purpose: str, row: str, plain: bytes) -> bytes:
    """A ciphertext as version 0x01 wrote it, said again here so that nobody changes how it is read."""
    derived = HKDF(hashes.SHA256(), 32, salt=b"tksk-api", info=f"encrypt:{purpose}".encode())
    nonce = os.urandom(12)
    cipher = AESGCM(derived.derive(keyring.masters.key(1)))
    return b"\x01" + nonce + cipher.encrypt(nonce, plain, f"{purpose}|{row}|1".encode())


# ---- the key file ----------------------------------------------------------------------------------------------------


def test_a_key_file_of_the_first_release_is_master_key_one(key_file):
    content = json.loads(key_file.read_text())
    root = content.pop("masters")["1"]
    key_file.write_text(json.dumps({**content, "master": root}))
    keyring = load_key_file(key_file)
    assert keyring.masters.numbers() == [1]
    old = of_the_first_release(keyring, "users.otp", ROW, b"JBSWY3DP")
    index = keyring.blind_index("beneficiaries.nik", "1871046503910003")
    assert add_master(key_file) == 2
    rotated = load_key_file(key_file)
    assert rotated.decrypt("users.otp", ROW, old) == b"JBSWY3DP"
    assert rotated.blind_index("beneficiaries.nik", "1871046503910003") == index
    assert "master" not in json.loads(key_file.read_text())


def test_a_rotation_changes_what_encrypts_and_nothing_that_is_looked_up(key_file):
    keyring = load_key_file(key_file)
    first = keyring.encrypt("users.otp", ROW, b"x")
    index, mac = keyring.blind_index("beneficiaries.nik", "1"), keyring.mac("create", b"1")
    assert add_master(key_file) == 2
    assert oct(key_file.stat().st_mode)[-3:] == "600"
    # The same object, as in a process that is running: the file is read again by itself.
    second = keyring.encrypt("users.otp", ROW, b"x")
    assert (first[:3], second[:3]) == (b"\x03\x00\x01", b"\x03\x00\x02")
    assert (keyring.blind_index("beneficiaries.nik", "1"), keyring.mac("create", b"1")) == (index, mac)
    remove_master(key_file, 1)
    later = load_key_file(key_file)
    assert (later.blind_index("beneficiaries.nik", "1"), later.mac("create", b"1")) == (index, mac)
    assert later.decrypt("users.otp", ROW, second) == b"x"
    with pytest.raises(KeyFileError, match="no master key 1"):
        later.decrypt("users.otp", ROW, first)


def test_an_unknown_number_is_looked_for_in_the_file(key_file):
    writer, reader = load_key_file(key_file), load_key_file(key_file)
    add_master(key_file)
    assert reader.decrypt("users.otp", ROW, writer.encrypt("users.otp", ROW, b"x")) == b"x"


def test_a_broken_file_leaves_a_running_process_its_keys(key_file):
    keyring = load_key_file(key_file)
    sealed = keyring.encrypt("users.otp", ROW, b"x")
    key_file.write_text("{")
    assert keyring.decrypt("users.otp", ROW, sealed) == b"x"
    assert keyring.decrypt("users.otp", ROW, keyring.encrypt("users.otp", ROW, b"y")) == b"y"


@pytest.mark.parametrize(
    "masters",
    [{}, {"0": "A" * 44}, {"70000": "A" * 44}, {"one": "A" * 44}, {"1": "AAAA"}, {"1": "not base64"}, [], "x", None],
)
def test_damaged_master_keys_are_refused_at_the_start(key_file, masters):
    content = json.loads(key_file.read_text())
    key_file.write_text(json.dumps({**content, "masters": masters}))
    with pytest.raises(KeyFileError):
        load_key_file(key_file)


# ---- vaults ----------------------------------------------------------------------------------------------------------


def test_a_vault_opens_what_it_sealed_and_nothing_else(key_file):
    keyring = load_key_file(key_file)
    vault = Vault.new(keyring, SUBJECT)
    sealed = vault.seal("beneficiaries.nik", ROW, b"1871046503910003")
    assert sealed[:1] == b"\x02"
    again = Vault.opened(keyring, SUBJECT, vault.wrapped)
    assert again.open("beneficiaries.nik", ROW, sealed) == b"1871046503910003"
    for purpose, row, value, opener in (
        ("beneficiaries.family_card", ROW, sealed, vault),
        ("beneficiaries.nik", str(uuid4()), sealed, vault),
        ("beneficiaries.nik", ROW, sealed[:-1] + bytes([sealed[-1] ^ 1]), vault),
        ("beneficiaries.nik", ROW, sealed[:5], vault),
        ("beneficiaries.nik", ROW, sealed, Vault(keyring, str(uuid4()), vault.key)),
        ("beneficiaries.nik", ROW, sealed, Vault.new(keyring, SUBJECT)),
        ("beneficiaries.nik", ROW, sealed, Vault.opened(keyring, SUBJECT, None)),
    ):
        with pytest.raises(KeyFileError):
            opener.open(purpose, row, value)
    with pytest.raises(KeyFileError):
        Vault.opened(keyring, str(uuid4()), vault.wrapped)  # another person's key


def test_a_vault_opens_what_was_written_before_there_were_vaults(key_file):
    keyring = load_key_file(key_file)
    old = of_the_first_release(keyring, "beneficiaries.nik", ROW, b"1871046503910003")
    assert Vault.opened(keyring, SUBJECT, None).open("beneficiaries.nik", ROW, old) == b"1871046503910003"


def test_a_vault_does_not_show_its_key(key_file):
    vault = Vault.new(load_key_file(key_file), SUBJECT)
    assert vault.key is not None
    assert repr(vault.key) not in repr(vault)


async def test_everything_secret_about_a_person_is_under_their_own_key(as_, owner):
    team = await offices(as_)
    someone = await add_person(team.clerk, family_card_number="1871041203150002")
    await issued(owner, team, someone)
    row = await owner.fetchrow("SELECT nik_cipher, family_card_cipher FROM beneficiaries")
    letter = await owner.fetchrow("SELECT content_cipher, pdf_cipher FROM sktm_letters")
    assert {value[:1] for value in (*row.values(), *letter.values())} == {b"\x02"}
    assert await owner.fetchval("SELECT array_agg(subject_id) FROM subject_keys") == [UUID(someone["id"])]


async def test_a_key_for_everybody_costs_one_statement(app, as_):
    clerk = await as_("village_clerk", SRENGSEM)
    seen: list[str] = []
    engine = app.state.house.engine.sync_engine

    def sent(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", sent)
    try:
        await add_person(clerk)
    finally:
        event.remove(engine, "before_cursor_execute", sent)
    assert len([statement for statement in seen if "subject_keys" in statement]) == 1


# ---- rotation of a living system -------------------------------------------------------------------------------------


@pytest.fixture
async def living(settings, owner, key_file) -> AsyncIterator[tuple[Caller, Keyring]]:
    """A running application with a key file of its own, and an officer signed in to it."""
    app = create_app(settings.model_copy(update={"key_file": key_file}))
    async with app.router.lifespan_context(app):
        user_id, session_id = await add_user(owner, "tksk", PANJANG)
        who = {"user_id": user_id, "session_id": session_id, "role": "tksk", "region": PANJANG}
        async with Caller(app, app.state.house.tokens.issue(user_id, session_id), **who) as caller:
            yield caller, app.state.house.keyring


def environment(settings: Any, key_file: Path) -> dict[str, str]:
    return {
        "TKSK_DATABASE_URL": settings.database_url.get_secret_value(),
        "TKSK_KEY_FILE": str(key_file),
        "COLUMNS": "200",
    }


async def started(settings: Any, key_file: Path, *arguments: str) -> asyncio.subprocess.Process:
    """The real command, in a process of its own, to be killed."""
    env = {**os.environ, **environment(settings, key_file)}
    silent = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(TKSK, *arguments, env=env, stdout=silent, stderr=silent)


async def run(settings: Any, key_file: Path, *arguments: str) -> tuple[int, str]:
    """The command in a thread of this process: starting Python anew costs seconds."""
    call = CliRunner().invoke
    answer = await asyncio.to_thread(call, cli, list(arguments), env=environment(settings, key_file))
    return answer.exit_code, answer.output


async def revealed(caller: Caller, key: str) -> httpx.Response:
    body = {"fields": ["nik"], "purpose": "identity_check", "reason": "Pemeriksaan di loket"}
    return await caller.post(f"/v1/beneficiaries/{key}/reveal", json=body)


async def test_a_rotation_killed_half_way_loses_nothing_and_goes_on(settings, owner, key_file, living):
    caller, keyring = living
    people = {}
    for number in range(1, 13):
        someone = await add_person(caller, nik=nik(number))
        people[someone["id"]] = nik(number)
    # Half of them as the first release kept them: without a key of their own, under the column's.
    for key in list(people)[::2]:
        old = of_the_first_release(keyring, "beneficiaries.nik", key, people[key].encode())
        await owner.execute("UPDATE beneficiaries SET nik_cipher = $2 WHERE id = $1", UUID(key), old)
        await owner.execute("DELETE FROM subject_keys WHERE subject_id = $1", UUID(key))
    crowd = [(subject := uuid4(), Vault.new(keyring, str(subject)).wrapped) for _ in range(4000)]
    await owner.executemany("INSERT INTO subject_keys (subject_id, wrapped) VALUES ($1, $2)", crowd)
    secret = keyring.encrypt("users.otp", str(caller.user_id), b"JBSWY3DPEHPK3PXP")
    await owner.execute("UPDATE users SET otp_cipher = $2 WHERE id = $1", caller.user_id, secret)

    async def all_readable() -> None:
        for key, number in people.items():
            answer = await revealed(caller, key)
            assert (answer.status_code, answer.json().get("nik")) == (200, number), answer.text

    renewed = "SELECT count(*) FROM subject_keys WHERE substring(wrapped FROM 1 FOR 3) = '\\x030002'"
    await all_readable()
    first = await started(settings, key_file, "keys", "rotate-master")
    while not await owner.fetchval(renewed) > 0:
        assert first.returncode is None
        await asyncio.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    assert await first.wait() == -signal.SIGKILL
    assert 0 < await owner.fetchval(renewed) < len(crowd)
    await all_readable()
    code, output = await run(settings, key_file, "keys", "retire-master", "1")
    assert code == 1
    assert "values need master key 1" in output

    second = asyncio.create_task(run(settings, key_file, "keys", "rotate-master"))
    while not second.done():
        await all_readable()
        assert (await caller.post("/v1/beneficiaries", json=person())).status_code == 201
    code, output = await second
    assert code == 0, output
    assert "Going on under master key 2" in output
    assert "Everything is under master key 2" in output
    assert await owner.fetchval("SELECT count(*) FROM subject_keys") == await owner.fetchval(renewed)
    kept = await owner.fetchval("SELECT array_agg(DISTINCT get_byte(nik_cipher, 0)) FROM beneficiaries")
    assert kept == [2]
    moved = await owner.fetchval("SELECT otp_cipher FROM users WHERE id = $1", caller.user_id)
    assert moved[:3] == b"\x03\x00\x02"
    assert keyring.decrypt("users.otp", str(caller.user_id), moved) == b"JBSWY3DPEHPK3PXP"
    await all_readable()

    code, output = await run(settings, key_file, "keys", "retire-master", "1")
    assert code == 0, output
    assert list(json.loads(key_file.read_text())["masters"]) == ["2"]
    await all_readable()
    found = await caller.post("/v1/beneficiaries/search", json={"nik": nik(1)})
    assert [hit["id"] for hit in found.json()["items"]] == [next(iter(people))]


async def test_the_newest_master_key_is_never_retired(settings, key_file, owner):
    for number, code in (("1", 1), ("7", 2)):
        assert (await run(settings, key_file, "keys", "retire-master", number))[0] == code
    assert base64.b64decode(json.loads(key_file.read_text())["masters"]["1"])
