"""The development PostgreSQL launcher, against real servers: reuse, recovery after kills, refusals."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from tksk_api.database import embedded

FAST = {"fsync": "off", "max_connections": "20", "shared_buffers": "8MB"}
LAUNCH = """
import sys
from pathlib import Path
from tksk_api.database import embedded
embedded.start(Path(sys.argv[1]), settings={"fsync": "off"}, report=print)
print("started", flush=True)
sys.stdin.read()
"""

Start = Callable[[], embedded.Cluster]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A folder for one cluster, with a space in its name, whose server is stopped afterwards."""
    place = tmp_path / "one folder" / "postgres"
    yield place
    embedded.stop(embedded.Cluster(place, port=0, password=""))
    assert not (place / "data" / "postmaster.pid").exists()


@pytest.fixture
def start(directory: Path) -> Start:
    """Start the folder's server with settings made for speed."""
    return lambda: embedded.start(directory, settings=FAST, report=lambda _: None)


def ask(url: str, query: str) -> object:
    """One value from the server."""

    async def answer() -> object:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(answer())


def server_process(cluster: embedded.Cluster) -> int:
    """Id of the server's first process."""
    return int((cluster.directory / "data" / "postmaster.pid").read_text().split()[0])


def kill(process: int) -> None:
    """End a process with no chance to tidy up, and wait until its work has stopped."""
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 10
    with suppress(OSError):
        while time.monotonic() < deadline and ") Z " not in Path(f"/proc/{process}/stat").read_text():
            time.sleep(0.02)


def test_first_start_makes_a_private_utf8_cluster(start: Start, directory: Path) -> None:
    cluster = start()
    assert ask(cluster.url(), "SHOW server_encoding") == "UTF8"
    assert ask(cluster.url(), "SHOW data_checksums") == "on"
    assert ask(cluster.url(), "SHOW listen_addresses") == "127.0.0.1"
    assert ask(cluster.url(), "SHOW unix_socket_directories") == ""
    assert ask(cluster.url(), "SHOW fsync") == "off"
    assert ask(cluster.url(), "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'") == 0
    assert stat.S_IMODE((directory / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert cluster.password not in repr(cluster)


def test_second_start_reuses_the_running_server(start: Start) -> None:
    first = start()
    process = server_process(first)
    assert start() == first
    assert server_process(first) == process


def test_restart_keeps_data_password_and_port(start: Start) -> None:
    first = start()
    ask(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    embedded.stop(first)
    embedded.stop(first)
    second = start()
    assert second == first
    assert ask(second.url(), "SELECT answer FROM kept") == 42


def test_wrong_password_is_refused(start: Start) -> None:
    cluster = start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(cluster.url(user="postgres", password="wrong"), "SELECT 1")


def test_taken_port_gives_way_to_another(start: Start) -> None:
    first = start()
    embedded.stop(first)
    with socket.create_server((first.host, first.port)):
        second = start()
    assert second.port != first.port
    assert ask(second.url(), "SELECT 1") == 1


def test_killed_server_starts_again(start: Start) -> None:
    first = start()
    ask(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    kill(server_process(first))
    second = start()
    assert ask(second.url(), "SELECT answer FROM kept") == 42


def test_pid_file_naming_another_program_is_not_believed(start: Start, directory: Path) -> None:
    first = start()
    kill(server_process(first))
    recorded = directory / "data" / "postmaster.pid"
    lines = recorded.read_text().splitlines()
    # Its own ancestors PostgreSQL would recognise by itself.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        recorded.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        assert ask(start().url(), "SELECT 1") == 1
        assert other.poll() is None


def test_busy_backend_of_a_killed_server_is_ended(start: Start) -> None:
    first = start()

    def work() -> None:
        with pytest.raises((asyncpg.PostgresError, OSError)):
            ask(first.url(), "SELECT count(*) FROM generate_series(1, 1000000000000) AS a(i) WHERE i < 0")

    busy = threading.Thread(target=work)
    busy.start()
    working = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1000000000000)%'"
    while ask(first.url(), working) != 2:
        time.sleep(0.05)
    kill(server_process(first))
    assert ask(start().url(), "SELECT 1") == 1
    busy.join(timeout=10)
    assert not busy.is_alive()


def test_server_outlives_its_killed_launcher_and_is_reused(start: Start, directory: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCH, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as launcher:
        assert launcher.stdout is not None
        assert "started\n" in iter(launcher.stdout.readline, "")
        recorded = (directory / "data" / "postmaster.pid").read_text().split()[0]
        launcher.kill()
    assert server_process(start()) == int(recorded)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.4])
def test_launcher_killed_while_making_the_cluster(start: Start, directory: Path, seconds: float) -> None:
    with subprocess.Popen([sys.executable, "-c", LAUNCH, directory], stdout=subprocess.DEVNULL) as launcher:
        deadline = time.monotonic() + 20
        while not (directory / "data.new").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(seconds)
        launcher.kill()
    assert ask(start().url(), "SELECT 1") == 1


def test_half_made_directory_is_made_again(start: Start, directory: Path) -> None:
    for half in ("data", "data.new"):
        (directory / half / "base").mkdir(parents=True)
        (directory / half / "postgresql.conf").write_text("half of a line")
    assert ask(start().url(), "SELECT 1") == 1
    assert not (directory / "data.new").exists()


def test_two_starts_at_once_share_one_server(directory: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        starts = [pool.submit(embedded.start, directory, settings=FAST, report=said.append) for _ in range(2)]
        assert starts[0].result() == starts[1].result()
    assert sum(line.startswith("Creating") for line in said) == 1


def test_root_without_user_namespaces_falls_back_to_nobody(
    start: Start, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "id", "rm", "setpriv"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))
    first = start()
    assert ask(first.url(), "SELECT 1") == 1
    expected = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    assert (directory / "data").stat().st_uid == expected
    embedded.stop(first)
    monkeypatch.undo()
    assert start() == first
    assert (directory / "data").stat().st_uid == expected


def test_refused_setting_shows_the_end_of_the_log(directory: Path) -> None:
    with pytest.raises(embedded.EmbeddedPostgresError, match="unrecognized configuration parameter"):
        embedded.start(directory, settings={"fsync": "off", "no_such_setting": "1"}, report=lambda _: None)


def test_setting_with_spaces_and_quotes_arrives_whole(directory: Path) -> None:
    prefix = 'it\'s a "name" $HOME'
    cluster = embedded.start(directory, settings=FAST | {"log_line_prefix": prefix}, report=lambda _: None)
    assert ask(cluster.url(), "SHOW log_line_prefix") == prefix


def test_configured_binaries_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(embedded.EmbeddedPostgresError, match="TKSK_PG_BIN"):
        embedded.binaries(tmp_path)
    assert embedded.binaries(embedded.binaries(None)) == embedded.binaries(None)


def test_url_encodes_every_part() -> None:
    cluster = embedded.Cluster(Path("/nowhere"), port=5432, password="p@ss/word")
    assert cluster.url() == "postgresql://postgres:p%40ss%2Fword@127.0.0.1:5432/postgres"
    assert cluster.url("a b", "o:o", "x y") == "postgresql://o%3Ao:x%20y@127.0.0.1:5432/a%20b"
    assert cluster.url(user="tksk_app") == "postgresql://tksk_app@127.0.0.1:5432/postgres"
