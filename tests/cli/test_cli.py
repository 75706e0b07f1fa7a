"""The `tksk` command as a person runs it; what serves runs in a process of its own."""

import io
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pypdf
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from tksk_api.cli import app
from tksk_api.cli.database import create_database
from tksk_api.database.roles import UnsafeRoleError
from tksk_api.main import create_app

VARIABLES = (
    "TKSK_DATABASE_URL",
    "TKSK_DATABASE_OWNER_URL",
    "TKSK_KEY_FILE",
    "TKSK_POOL_SIZE",
    "TKSK_PUBLIC_URL",
    "TKSK_SECURITY_CONTACT",
    "TKSK_TRUSTED_PROXIES",
)
# What the demo's three cases come to (DOMAIN §4): a scholarship, a birth then and now, a PBI-JK membership.
CASES = (
    "does not exceed Rp4.000.000",
    "seal_unavailable",
    "void form_spoiled",
    "superseded",
    "FORGED",
    "kip_kuliah active",
    "2022-07-12 to 2022-12-31",
    "wet, not_yet_valid",
    "no clock runs",
    "maternity_local ended",
    "Provide first: health_facility_letter",
    "pbi_jk_reactivation active",
    "shown elsewhere before: True",
    "and the child                                200  waitlisted until",
)
TKSK = str(Path(sys.executable).with_name("tksk"))


@pytest.fixture
def environment(settings, owner_url):
    """A configured installation over the test database."""
    return {
        **os.environ,
        "TKSK_DATABASE_URL": settings.database_url.get_secret_value(),
        "TKSK_DATABASE_OWNER_URL": owner_url,
        "TKSK_KEY_FILE": str(settings.key_file),
        "COLUMNS": "200",
    }


def run(*arguments, env):
    """In this process: starting Python anew costs seconds."""
    return CliRunner().invoke(app, list(arguments), env={**dict.fromkeys(VARIABLES), **env})


def start(*arguments, env):
    """In a process of its own, until it ends."""
    return subprocess.run([TKSK, *arguments], env=env, capture_output=True, text=True, timeout=300, check=False)


def test_missing_configuration_is_named_all_at_once(environment):
    bare = {k: v for k, v in environment.items() if not k.startswith("TKSK_")}
    answer = run("serve", env={**bare, "TKSK_POOL_SIZE": "many"})
    assert answer.exit_code == 2
    for name in ("TKSK_DATABASE_URL", "TKSK_KEY_FILE", "TKSK_POOL_SIZE"):
        assert name in answer.stderr
    assert "many" not in answer.stderr


def test_a_taken_port_is_said_and_another_offered(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = run("serve", "--port", str(port), env=environment)
    assert answer.exit_code == 2
    assert f"Port {port} is taken" in answer.stderr
    assert re.search(r"--port \d+", answer.stderr)


def test_an_unknown_service_is_refused(environment):
    answer = run("serve", "--service", "letters", env=environment)
    assert answer.exit_code == 2
    assert "sktm" in answer.stderr


def test_a_proxy_that_is_not_an_address_is_refused(environment):
    answer = run("serve", "--trusted-proxies", "*", env=environment)
    assert answer.exit_code == 2
    assert "TKSK_TRUSTED_PROXIES" in answer.stderr


def test_keys_are_never_overwritten(environment, tmp_path):
    env = {**environment, "TKSK_KEY_FILE": str(tmp_path / "new" / "keys.json")}
    assert run("keys", "init", env=env).exit_code == 0
    made = (tmp_path / "new" / "keys.json").read_text()
    assert oct((tmp_path / "new" / "keys.json").stat().st_mode)[-3:] == "600"
    again = run("keys", "init", env=env)
    assert again.exit_code == 1
    assert (tmp_path / "new" / "keys.json").read_text() == made


def test_doctor_says_what_is_wrong(environment, tmp_path):
    named = {"TKSK_PUBLIC_URL": "https://tksk.example.go.id", "TKSK_SECURITY_CONTACT": "mailto:aman@example.go.id"}
    healthy = run("doctor", env={**environment, **named})
    assert healthy.exit_code == 0, healthy.stdout
    ill = run("doctor", env={**environment, "TKSK_KEY_FILE": str(tmp_path / "none.json")})
    assert ill.exit_code == 1
    assert "tksk keys init" in ill.stdout
    assert "TKSK_SECURITY_CONTACT" in ill.stdout
    owner = run("doctor", env={**environment, "TKSK_DATABASE_URL": environment["TKSK_DATABASE_OWNER_URL"]})
    assert "superuser" in owner.stdout


async def test_the_owner_role_may_not_serve(settings, owner_url):
    app = create_app(settings.model_copy(update={"database_url": SecretStr(owner_url)}))
    with pytest.raises(UnsafeRoleError, match="row policies would not hold"):
        async with app.router.lifespan_context(app):
            pass


def test_first_administrator_and_shutting_out(environment, owner):
    made = run("users", "create", "root.admin", "--full-name", "Admin Pertama", env=environment)
    assert made.exit_code == 0, made.stderr
    assert run("users", "create", "root.admin", "--full-name", "Lagi", env=environment).exit_code == 1
    assert run("users", "create", "x", "--full-name", "X", "--role", "tksk", env=environment).exit_code == 2
    again = run("users", "reset", "root.admin", env=environment)
    assert again.exit_code == 0, again.stderr
    assert again.stdout != made.stdout
    assert run("users", "reset", "nobody.here", env=environment).exit_code == 1
    assert run("users", "disable", "root.admin", env=environment).exit_code == 0
    shut_out = run("users", "reset", "root.admin", env=environment)
    assert "root.admin is disabled" in shut_out.stdout
    assert run("users", "enable", "root.admin", env=environment).exit_code == 0
    assert "is disabled" not in run("users", "reset", "root.admin", env=environment).stdout
    for command in ("disable", "enable"):
        assert run("users", command, "nobody.here", env=environment).exit_code == 1


@pytest.mark.parametrize(
    ("username", "role", "region", "says"),
    [
        ("camat.panjang", "district_head", "18.71", "level district"),
        ("tksk.tiada", "tksk", "99.99.99", "Unknown region code"),
        ("tksk.panjang", "tksk", None, "level district"),
        ("tksk.panjang", "tksk", "panjang", "region_code"),
        ("root.kedua", "admin", "18.71", "level nation"),
        ("x", "admin", None, "username"),
        ("bpjs.panjang", "agency", None, "over the API"),
    ],
)
def test_the_command_checks_a_new_user_as_the_api_does(environment, owner, username, role, region, says):
    place = ("--region", region) if region else ()
    made = run("users", "create", username, "--full-name", "Dewi", "--role", role, *place, env=environment)
    assert made.exit_code == 2
    assert says in made.stderr
    assert run("users", "reset", username, env=environment).exit_code == 1  # there is no such user


async def test_users_of_a_database_that_is_not_migrated(environment, cluster):
    name = f"bare_{secrets.token_hex(4)}"
    await create_database(cluster.url(), name)
    try:
        env = {**environment, "TKSK_DATABASE_URL": cluster.url(name, "tksk_app", "test")}
        made = start("users", "create", "root.admin", "--full-name", "Admin Pertama", env=env)
        assert made.returncode == 1
        assert "tksk migrate" in made.stderr
        assert "Traceback" not in made.stderr
    finally:
        connection = await asyncpg.connect(cluster.url())
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.close()


async def test_the_demo_walks_the_main_job_and_leaves_a_letter(cluster, tmp_path):
    name = f"demo_{secrets.token_hex(4)}"
    await create_database(cluster.url(), name)
    env = {
        **os.environ,
        "TKSK_DATABASE_URL": cluster.url(name, "tksk_app", "test"),
        "TKSK_DATABASE_OWNER_URL": cluster.url(name),
        "TKSK_DEMO_PASSWORD": "sandi-untuk-demo",
        "COLUMNS": "200",
    }
    try:
        chapters = [word for name in ("letter", "register", "sktm", "referrals") for word in ("--chapter", name)]
        answer = start("demo", "--once", *chapters, env=env)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        for expected in ("404", "403", "409", "valid", "revoked", "active", "accepted", "sandi-untuk-demo"):
            assert expected in answer.stdout
        saved = re.search(r"saved as\s+(\S.*\.pdf)", answer.stdout)
        assert saved
        text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(Path(saved[1]).read_bytes())).pages)
        assert "Siti Rahmawati" in text
        assert "KIP Kuliah" in text
        assert re.search(r"400\.9/\d{3}/18\.71\.04\.1002/[IVX]+/\d{4}", text)
        # The second chapter: the register, with a worksheet, a merge that is undone, and the past.
        for expected in ("belum_rekam", "lembar-kerja", "exclusion", "merged into", "is back", "beneficiary_deceased"):
            assert expected in answer.stdout, expected
        # The chapters on letters and referrals; each step of theirs that comes out otherwise ends the walk.
        for expected in CASES:
            assert expected in answer.stdout, expected
        sealed = re.search(r"saved as\s+(\S+SKTM-\S+18\.71\.04\.1001\S+\.pdf)", answer.stdout)
        assert sealed
        assert len(pypdf.PdfReader(io.BytesIO(Path(sealed[1]).read_bytes())).pages) == 2
    finally:
        connection = await asyncpg.connect(cluster.url())
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.close()


def test_a_served_service_answers_over_http(environment):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [TKSK, "serve", "--service", "sktm", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
                for _ in range(600):  # a minute: it starts in seconds, but not on a machine that is busy with all tests
                    with suppress(httpx.TransportError):
                        ready = http.get("/readyz")
                        break
                    time.sleep(0.1)
                assert ready.status_code == 200
                assert http.get("/v1/sktm-applications").status_code == 401
                assert http.get("/v1/beneficiaries").status_code == 404
        finally:
            server.terminate()
            assert server.wait(20) in (0, -15)
