"""Signing keys that change under load without a lost request, and that are revoked at once when they leak."""

import asyncio
import json
import os
import secrets
import stat
import time
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from jose import jwt
from typer.testing import CliRunner

from helpers import BANDAR_LAMPUNG, PANJANG, add_client, add_user, code_of
from tksk_api.cli import app as command
from tksk_api.domain.clients.service import digest_of
from tksk_api.errors import DomainError
from tksk_api.main import create_app
from tksk_api.security import signing
from tksk_api.security.crypto import KeyFileError, SigningKey, create_key_file, edit_key_file, load_key_file
from tksk_api.security.passwords import Passwords
from tksk_api.security.signing import (
    RotationRefusedError,
    SigningKeys,
    revoke_signing_key,
    revoked,
    rotate_signing_key,
    rotated,
    signing_at,
)
from tksk_api.security.tokens import Tokens

LIFETIME = 900
PASSWORD = "padi menguning di sawah"
SECRET = "tksk_secret_rahasia-mesin"
NOW = 1_800_000_000


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys" / "keys.json"
    create_key_file(path)
    return path


@pytest.fixture
def soon(monkeypatch):
    """Running processes look at the file ten times as often, so that a test need not wait."""
    monkeypatch.setattr(signing, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(signing, "_LOOK_AGAIN_SECONDS", 0.02)


def kids(path: Any) -> list[str]:
    return [key.kid for key in load_key_file(path).signing]


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


# ---- the rules -------------------------------------------------------------------------------------------------------


def test_a_new_key_is_published_first_signs_later_and_the_old_one_outlives_its_tokens():
    old = SigningKey.generate()
    keys = rotated([old], NOW, 360, LIFETIME)
    assert [key.kid for key in keys] == [old.kid, keys[1].kid]
    assert keys[1].signs_from == NOW + 360
    assert keys[0].verifies_until == NOW + 360 + LIFETIME + 30
    assert keys[1].verifies_until is None
    assert [signing_at(keys, NOW + second).kid == old.kid for second in (0, 359, 360, 10**6)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_rotation_waits_for_the_one_before_and_drops_what_is_over():
    keys = rotated([SigningKey.generate()], NOW, 360, LIFETIME)
    with pytest.raises(RotationRefusedError, match="signs in 60 seconds"):
        rotated(keys, NOW + 300, 360, LIFETIME)
    again = rotated(keys, NOW + 361, 360, LIFETIME)
    assert [key.kid for key in again[:2]] == [key.kid for key in keys]
    assert again[0].verifies_until == keys[0].verifies_until  # a later rotation does not prolong it
    late = rotated(keys, keys[0].verifies_until, 360, LIFETIME)
    assert [key.kid for key in late[:1]] == [keys[1].kid]
    assert len(late) == 2


def test_revoking_leaves_exactly_one_key_that_signs_and_lasts():
    alone = SigningKey.generate()
    replaced = revoked([alone], alone.kid, NOW)
    assert alone.kid not in [key.kid for key in replaced]
    assert (replaced[0].signs_from, replaced[0].verifies_until) == (NOW, None)

    waiting = rotated([alone], NOW, 360, LIFETIME)
    promoted = revoked(waiting, alone.kid, NOW + 1)
    assert [(key.kid, key.signs_from) for key in promoted] == [(waiting[1].kid, NOW + 1)]
    kept = revoked(waiting, waiting[1].kid, NOW + 1)
    assert kept == [alone]  # which has no successor again

    settled = revoked(waiting, alone.kid, NOW + 400)
    assert settled == [waiting[1]]
    leaked = revoked(waiting, waiting[1].kid, NOW + 400)
    assert leaked[0] == waiting[0]  # it retires as planned: a key that was replaced does not sign again
    assert signing_at(leaked, NOW + 400) == leaked[1]
    with pytest.raises(RotationRefusedError, match="no key none"):
        revoked(waiting, "none", NOW)


# ---- the file --------------------------------------------------------------------------------------------------------


def test_the_file_stays_private_and_whole(key_file):
    before = json.loads(key_file.read_text())
    key = rotate_signing_key(key_file, 0, LIFETIME)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    after = json.loads(key_file.read_text())
    assert {**before, "signing": None} == {**after, "signing": None}
    assert [entry["kid"] for entry in after["signing"]] == [before["signing"][0]["kid"], key.kid]
    assert after["signing"][0].keys() == {"kid", "private_pem", "verifies_until"}
    assert after["signing"][1].keys() == {"kid", "private_pem", "signs_from"}
    assert os.listdir(key_file.parent) == [key_file.name]
    assert revoke_signing_key(key_file, before["signing"][0]["kid"]).kid == key.kid
    assert kids(key_file) == [key.kid]


def test_a_change_that_fails_leaves_the_file_as_it_was(key_file, monkeypatch):
    before = key_file.read_text()

    def fails(_content: Any) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        edit_key_file(key_file, fails)
    monkeypatch.setattr(os, "replace", lambda *_: fails(None))
    with pytest.raises(RuntimeError):
        rotate_signing_key(key_file, 0, LIFETIME)
    assert key_file.read_text() == before
    assert os.listdir(key_file.parent) == [key_file.name]


def test_editors_take_turns_and_readers_never_see_a_part(key_file):
    def add(number: int) -> None:
        def change(content: dict[str, Any]) -> None:
            seen = content.get("numbers", [])
            time.sleep(0.002)
            content["numbers"] = [*seen, number]

        edit_key_file(key_file, change)

    with ThreadPoolExecutor(8) as pool:
        edits = [pool.submit(add, number) for number in range(24)]
        while not all(edit.done() for edit in edits):
            assert len(kids(key_file)) == 1
        for edit in edits:
            edit.result()
    assert sorted(json.loads(key_file.read_text())["numbers"]) == list(range(24))


def test_a_link_to_a_mounted_secret_stays_a_link(key_file, tmp_path):
    link = tmp_path / "linked.json"
    link.symlink_to(key_file)
    rotate_signing_key(link, 0, LIFETIME)
    assert link.is_symlink()
    assert len(kids(key_file)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"kid": None, "private_pem": "x"},
        {"kid": "a", "private_pem": "-----BEGIN PRIVATE KEY-----"},
        {"kid": "a", "private_pem": SigningKey.generate().private_pem, "signs_from": "soon"},
        {"kid": "a", "private_pem": SigningKey.generate().private_pem, "verifies_until": 1.5},
        {"private_pem": SigningKey.generate().private_pem},
        "x",
    ],
    ids=range(6),
)
def test_a_broken_entry_is_noticed_when_the_file_is_read(key_file, change):
    content = json.loads(key_file.read_text())
    key_file.write_text(json.dumps({**content, "signing": [change]}))
    with pytest.raises(KeyFileError, match="not a key file"):
        load_key_file(key_file)


def test_the_commands_rotate_revoke_and_list(key_file, settings):
    env = {"TKSK_DATABASE_URL": settings.database_url.get_secret_value(), "TKSK_KEY_FILE": str(key_file)}

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(command, ["keys", *arguments], env=env)

    first = kids(key_file)[0]
    assert run("rotate").exit_code == 0
    second = kids(key_file)[1]
    listed = run("list").stdout
    assert f"{first}  signs" in listed
    assert f"{second}  signs from" in listed
    refused = run("rotate")
    assert refused.exit_code == 1
    assert "signs in" in refused.stderr
    assert run("revoke", "unknown").exit_code == 1
    revoke = run("revoke", first)
    assert f"{second} signs now" in revoke.stdout
    assert kids(key_file) == [second]
    assert run("rotate", "--publish-seconds", "0").exit_code == 0
    assert f"{second}  verifies until" in run("list").stdout
    key_file.chmod(0o644)
    assert "0600" in run("list").stderr


# ---- one running process ---------------------------------------------------------------------------------------------


def tokens_of(path: Any) -> Tokens:
    return Tokens(SigningKeys(load_key_file(path).signing, path), "http://test", LIFETIME)


def is_taken(tokens: Tokens, token: str) -> bool:
    try:
        tokens.verify(token)
    except DomainError:
        return False
    return True


def later(monkeypatch: Any, seconds: float) -> None:
    """Every clock of the tokens goes forward."""
    wall, steady = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() + seconds)
    monkeypatch.setattr(time, "monotonic", lambda: steady() + seconds)


def test_a_retired_key_verifies_until_its_last_token_expired_and_no_longer(key_file, monkeypatch):
    running = tokens_of(key_file)
    old = kids(key_file)[0]
    rotate_signing_key(key_file, 360, LIFETIME)
    with monkeypatch.context() as clock:
        later(clock, 359)
        last = running.issue(uuid4(), uuid4())
        assert kid_of(last) == old
        assert [key["kid"] for key in running.keys.jwks["keys"]] == kids(key_file)
    with monkeypatch.context() as clock:
        later(clock, 362)
        assert kid_of(running.issue(uuid4(), uuid4())) == kids(key_file)[1]
    with monkeypatch.context() as clock:
        later(clock, 359 + LIFETIME)
        assert is_taken(running, last)
        assert len(running.keys.jwks["keys"]) == 2
    with monkeypatch.context() as clock:
        later(clock, 361 + LIFETIME + 30)
        assert [key["kid"] for key in running.keys.jwks["keys"]] == kids(key_file)[1:]
        assert running.keys.verifier(old) is None
        assert not is_taken(running, last)


def test_a_key_made_by_another_process_is_known_at_once(key_file):
    running, other = tokens_of(key_file), tokens_of(key_file)
    assert is_taken(running, running.issue(uuid4(), uuid4()))  # has just looked, and would not for two seconds
    time.sleep(0.25)
    rotate_signing_key(key_file, 0, LIFETIME)
    fresh = other.issue(uuid4(), uuid4())
    assert kid_of(fresh) == kids(key_file)[1]
    assert is_taken(running, fresh)


def test_a_flood_of_unknown_keys_does_not_read_the_file(key_file, monkeypatch):
    running, reads, looks = tokens_of(key_file), [], []
    running.issue(uuid4(), uuid4())
    load, look = signing.load_key_file, type(key_file).stat
    monkeypatch.setattr(signing, "load_key_file", lambda path: reads.append(path) or load(path))
    monkeypatch.setattr(type(key_file), "stat", lambda path, **kw: looks.append(path) or look(path, **kw))
    began = time.monotonic()
    stranger = Tokens(SigningKeys([SigningKey.generate()]), "http://test", LIFETIME)
    for _ in range(300):
        assert not is_taken(running, stranger.issue(uuid4(), uuid4()))
    assert reads == []
    assert len(looks) <= 2 + (time.monotonic() - began) / 0.2


def test_a_broken_file_keeps_the_known_keys_and_is_said_once(key_file, soon, monkeypatch):
    running, said = tokens_of(key_file), []
    monkeypatch.setattr(signing.log, "error", lambda event, **facts: said.append((event, facts)))
    token = running.issue(uuid4(), uuid4())
    good = key_file.read_text()
    for breaks in (
        lambda: key_file.write_text("{"),
        lambda: (key_file.write_text(good), key_file.chmod(0o644)),
        lambda: key_file.unlink(),
    ):
        said.clear()
        breaks()
        for _ in range(4):
            time.sleep(0.07)
            assert is_taken(running, token)
            assert is_taken(running, running.issue(uuid4(), uuid4()))
        assert [event for event, _ in said] == ["key_file_refused"]
        assert good[20:40] not in str(said)
    key_file.write_text(good)
    key_file.chmod(0o600)
    rotate_signing_key(key_file, 0, LIFETIME)
    time.sleep(0.25)
    assert kid_of(running.issue(uuid4(), uuid4())) == kids(key_file)[1]


def test_keys_without_a_file_stay_as_they_are():
    key = SigningKey.generate()
    keys = SigningKeys([replace(key, signs_from=2**32)])
    assert keys.current().kid == key.kid  # better a key that is early than none
    assert keys.jwks["keys"][0]["kid"] == key.kid


# ---- two running applications ----------------------------------------------------------------------------------------


@pytest.fixture
async def pair(settings, key_file, owner, soon) -> AsyncIterator[tuple[FastAPI, FastAPI]]:
    """Two instances on one database and one key file."""
    small = settings.model_copy(update={"key_file": key_file, "pool_size": 8, "read_pool_size": 4})
    async with AsyncExitStack() as stack:
        apps = create_app(small), create_app(small)
        for app in apps:
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield apps


def over_http(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://test")


async def machine_of(owner: Any) -> dict[str, str]:
    """The form by which a new client gets its tokens."""
    client_id, _ = await add_client(owner, ["visit:read"], [BANDAR_LAMPUNG])
    await owner.execute(
        "INSERT INTO client_secrets (id, client_id, digest) VALUES ($1, $2, $3)", uuid4(), client_id, digest_of(SECRET)
    )
    return {"grant_type": "client_credentials", "client_id": str(client_id), "client_secret": SECRET}


async def person_of(owner: Any) -> tuple[str, UUID, UUID]:
    """The name and a session of a new officer who can sign in."""
    passwords, name = Passwords(1, 4), f"tksk.{secrets.token_hex(4)}"
    user_id, session_id = await add_user(
        owner, "tksk", PANJANG, username=name, password_hash=await passwords.hash(PASSWORD)
    )
    passwords.close()
    await owner.execute("UPDATE users SET otp_confirmed_at = NULL WHERE id = $1", user_id)
    return name, user_id, session_id


def get(token: str) -> dict[str, Any]:
    return {"method": "GET", "url": "/v1/visits", "headers": {"Authorization": f"Bearer {token}"}}


async def test_rotations_under_load_lose_no_request(pair, key_file, owner):
    """Three rotations while people sign in, machines fetch tokens, and both use them at either instance."""
    form, (name, user_id, session_id) = await machine_of(owner), await person_of(owner)
    statuses: Counter[int] = Counter()
    signed: Counter[str] = Counter()
    stop = asyncio.Event()

    async def take(answer: httpx.Response) -> httpx.Response:
        statuses[answer.status_code] += 1
        assert answer.status_code == 200, answer.text
        return answer

    async def fetches(one: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
        while not stop.is_set():
            token = (await take(await one.post("/oauth2/token", data=form))).json()["access_token"]
            signed[kid_of(token)] += 1
            for http in (other, one):
                await take(await http.request(**get(token)))

    async def keeps(one: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
        token = pair[0].state.house.tokens.issue(user_id, session_id)  # one token through every rotation
        while not stop.is_set():
            for http in (one, other):
                await take(await http.request(**get(token)))
            await asyncio.sleep(0.01)

    async def signs_in(one: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
        while not stop.is_set():
            answer = await take(await one.post("/v1/auth/login", json={"username": name, "password": PASSWORD}))
            tokens = (
                await take(await other.post("/v1/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]}))
            ).json()
            await take(await one.request(**get(tokens["access_token"])))
            await asyncio.sleep(0.1)

    async def rotates() -> None:
        async with asyncio.timeout(60):
            for number in range(1, 5):
                while len(signed) < number:
                    await asyncio.sleep(0.02)
                if number < 4:
                    await asyncio.to_thread(rotate_signing_key, key_file, 1, LIFETIME)
        stop.set()

    async with over_http(pair[0]) as one, over_http(pair[1]) as other, asyncio.TaskGroup() as group:
        for work in (fetches, fetches, keeps, signs_in):
            group.create_task(work(one, other))
            group.create_task(work(other, one))
        group.create_task(rotates())
    assert set(statuses) == {200}
    assert statuses[200] > 100
    assert list(signed) == kids(key_file)  # each of the four signed, in turn
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


async def test_a_revoked_key_is_dead_everywhere_and_people_refresh(pair, key_file, owner):
    form, (name, *_) = await machine_of(owner), await person_of(owner)
    async with over_http(pair[0]) as one, over_http(pair[1]) as other:
        login = await one.post("/v1/auth/login", json={"username": name, "password": PASSWORD})
        assert login.status_code == 200, login.text
        machine = await other.post("/oauth2/token", data=form)
        old = [login.json()["access_token"], machine.json()["access_token"]]
        for http in (one, other):
            assert [(await http.request(**get(token))).status_code for token in old] == [200, 200]
        leaked = kids(key_file)[0]
        await asyncio.to_thread(revoke_signing_key, key_file, leaked)
        await asyncio.sleep(0.25)
        for http in (one, other):
            assert {code_of(await http.request(**get(token))) for token in old} == {"unauthenticated"}
            published = (await http.get("/.well-known/jwks.json")).json()["keys"]
            assert [key["kid"] for key in published] == kids(key_file) != [leaked]
        fresh = await other.post("/v1/auth/refresh", json={"refresh_token": login.json()["refresh_token"]})
        again = await one.post("/oauth2/token", data=form)
        for token in (fresh.json()["access_token"], again.json()["access_token"]):
            assert kid_of(token) == kids(key_file)[0]
            assert (await one.request(**get(token))).status_code == 200
            assert (await other.request(**get(token))).status_code == 200
