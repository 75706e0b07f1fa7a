"""What both benchmarks need: a database of their own, callers, server processes, and load."""

import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr

from tksk_api.cli.database import create_database, upgrade
from tksk_api.database import embedded
from tksk_api.database.roles import ensure_app_role
from tksk_api.database.tables import new_id
from tksk_api.domain.regions.service import load_regions
from tksk_api.domain.seeds import load_seeds
from tksk_api.security.crypto import Keyring, create_key_file, load_key_file
from tksk_api.security.signing import SigningKeys
from tksk_api.security.tokens import Tokens
from tksk_api.settings import Settings

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / ".tksk" / "bench"
PUBLIC_URL = "http://127.0.0.1"
CONCURRENCY = 16
# Durable as in production; only what a machine of this size would set anyway.
POSTGRES = {"shared_buffers": "512MB", "max_connections": "120", "max_wal_size": "4GB"}

# The district all requests are about, and the village of the new people.
DISTRICT = "18.71.04"
VILLAGES = ("18.71.04.1001", "18.71.04.1002", "18.71.04.1003")
IN_DISTRICT = 1_000
FIRST_NAMES = (
    "Siti",
    "Budi",
    "Sri",
    "Agus",
    "Dewi",
    "Eko",
    "Nur",
    "Joko",
    "Rina",
    "Andi",
    "Fitri",
    "Hendra",
    "Yanti",
    "Rudi",
)
_LAST = ("Rahmawati", "Santoso", "Wahyuni", "Saputra", "Lestari", "Hidayat", "Permata", "Wijaya", "Kurniawan", "Utami")
_CATEGORIES = ("fakir_miskin", "lansia_terlantar", "pemulung", "korban_bencana_alam")


class BenchmarkError(RuntimeError):
    """The measurement would not be a fair or a clean one; the text says why."""


def end_on_signals() -> None:
    """Ctrl-C and SIGTERM end the run through its `finally`s, so that no server stays behind (also in a shell's `&`)."""

    def end(number: int, _frame: Any) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------------------- the database


@dataclass(frozen=True)
class Bench:
    """A migrated database of one run, and the secrets of the application that works on it."""

    owner_url: str
    app_url: str
    key_file: Path
    keyring: Keyring

    @property
    def environment(self) -> dict[str, str]:
        """For every server: the application's own settings, and the owner's address for those it is compared with."""
        return {
            "TKSK_DATABASE_URL": self.app_url,
            "TKSK_KEY_FILE": str(self.key_file),
            "TKSK_PUBLIC_URL": PUBLIC_URL,
            "TKSK_ACCESS_TOKEN_MINUTES": "60",
            "TKSK_REQUESTS_PER_MINUTE": "100000000",
            "TKSK_PUBLIC_REQUESTS_PER_MINUTE": "100000000",
            "TKSK_SIGN_IN_PER_MINUTE": "100000000",
            "BENCH_OWNER_URL": self.owner_url,
        }

    @property
    def settings(self) -> Settings:
        """For an application in this very process."""
        return Settings(
            database_url=SecretStr(self.app_url),
            key_file=self.key_file,
            public_url=PUBLIC_URL,
            access_token_minutes=60,
            requests_per_minute=1_000_000,
            log_level="ERROR",
        )

    def token(self, user_id: UUID, session_id: UUID) -> str:
        return Tokens(SigningKeys(self.keyring.signing), PUBLIC_URL, 3600).issue(user_id, session_id)


@contextmanager
def database() -> Iterator[Bench]:
    """An embedded PostgreSQL with a fresh, migrated and seeded database; both end with the block."""
    configured = Path(os.environ["TKSK_PG_BIN"]) if "TKSK_PG_BIN" in os.environ else None
    cluster = embedded.start(WORK.parent / "bench-postgresql", configured=configured, settings=POSTGRES, report=say)
    name = f"bench_{secrets.token_hex(4)}"
    WORK.mkdir(parents=True, exist_ok=True)
    key_file = WORK / f"{name}.keys"
    try:
        create_key_file(key_file)
        asyncio.run(create_database(cluster.url(), name))
        bench = Bench(cluster.url(name), cluster.url(name, "tksk_app", "bench"), key_file, load_key_file(key_file))
        say("Migrating and loading the regions")
        asyncio.run(ensure_app_role(bench.owner_url, bench.app_url))
        upgrade(bench.owner_url)
        asyncio.run(load_regions(bench.owner_url, lambda _done, _all: None))
        asyncio.run(load_seeds(bench.owner_url))
        yield bench
    finally:
        key_file.unlink(missing_ok=True)
        with suppress(OSError, asyncpg.PostgresError):
            asyncio.run(_drop(cluster.url(), name))
        embedded.stop(cluster, configured=configured)


async def _drop(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.close()


async def add_user(connection: Any, role: str, region: str, number: int = 1) -> tuple[UUID, UUID]:
    """A user and an open session: what a sign-in leaves behind."""
    user_id, session_id = uuid4(), uuid4()
    await connection.execute(
        "INSERT INTO users (id, version, username, full_name, role, region_code, position_title, employee_number, "
        "must_change_password, otp_confirmed_at) "
        "VALUES ($1, 1, $2, $3, $4, $5, 'Lurah', '197001012000031001', false, now())",
        user_id,
        f"{role}.{number}",
        f"Petugas {number}",
        role,
        region,
    )
    await connection.execute(
        "INSERT INTO user_sessions (id, user_id, expires_at, strong_at) "
        "VALUES ($1, $2, now() + interval '1 day', now())",
        session_id,
        user_id,
    )
    return user_id, session_id


_COLUMNS = [
    "id",
    "version",
    "region_code",
    "created_at",
    "updated_at",
    "nik_cipher",
    "nik_index",
    "nik_last4",
    "nik_status",
    "full_name",
    "birth_place",
    "birth_date",
    "sex",
    "street",
    "rt",
    "rw",
    "phone",
    "relationship",
    "ppks_categories",
    "warnings",
]


def beneficiary(chance: random.Random, region: str, at: datetime) -> tuple[Any, ...]:
    """One synthetic row in the order of `_COLUMNS`; the ciphertext is noise of the right length."""
    born = date(1940, 1, 1) + timedelta(days=chance.randrange(25_000))
    return (
        new_id(),
        1,
        region,
        at,
        at,
        chance.randbytes(45),
        chance.randbytes(32),
        f"{chance.randrange(1, 10_000):04d}",
        "verified" if chance.random() < 0.8 else "unverified",
        f"{chance.choice(FIRST_NAMES)} {chance.choice(FIRST_NAMES)} {chance.choice(_LAST)}",
        "Bandar Lampung",
        born,
        chance.choice(("female", "male")),
        f"Jl. Yos Sudarso {chance.randrange(1, 300)}",
        f"{chance.randrange(1, 20):03d}",
        f"{chance.randrange(1, 10):03d}",
        f"+62812{chance.randrange(10**7, 10**8)}",
        "head_of_family",
        [chance.choice(_CATEGORIES)],
        '[{"code": "nik_region_differs", "detail": "Kode wilayah pada NIK berbeda dari tempat tinggal"}]'
        if chance.random() < 0.2
        else "[]",
    )


async def seed_beneficiaries(owner_url: str, rows: int) -> list[UUID]:
    """`rows` people by COPY: 1,000 in the district that is asked about, the others over all villages.

    Returns the ids of the district's people. Triggers rest: history and access start with the measurement.
    """
    chance = random.Random(18_71_04)
    connection = await asyncpg.connect(owner_url)
    try:
        villages = [row[0] for row in await connection.fetch("SELECT code FROM regions WHERE level = 'village'")]
        start = datetime.now(UTC) - timedelta(days=365)
        step = timedelta(days=364) / rows
        every = max(1, rows // IN_DISTRICT)
        await connection.execute("SET session_replication_role = replica")
        batch: list[tuple[Any, ...]] = []
        for index in range(rows):
            village = VILLAGES[index % len(VILLAGES)] if index % every == 0 else chance.choice(villages)
            batch.append(beneficiary(chance, village, start + step * index))
            if len(batch) == 20_000 or index == rows - 1:
                await connection.copy_records_to_table("beneficiaries", records=batch, columns=_COLUMNS)
                batch.clear()
        await connection.execute("VACUUM (ANALYZE) beneficiaries")
        found = await connection.fetch("SELECT id FROM beneficiaries WHERE district_code = $1", DISTRICT)
        return [row[0] for row in found]
    finally:
        await connection.close()


def new_people(count: int, first: int) -> Iterator[dict[str, Any]]:
    """Valid bodies of POST /v1/beneficiaries whose NIKs are numbered from `first`, so that none comes twice."""
    for number in range(first, first + count):
        day, serial = divmod(number, 9_999)
        born = date(1940, 1, 1) + timedelta(days=day)
        yield {
            "nik": f"187104{born.day + 40:02d}{born:%m%y}{serial + 1:04d}",
            "full_name": f"{FIRST_NAMES[number % len(FIRST_NAMES)]} {_LAST[number % len(_LAST)]}",
            "birth_place": "Panjang",
            "birth_date": born.isoformat(),
            "sex": "female",
            "address": {"street": f"Jl. Yos Sudarso {number % 300}", "rt": "001", "rw": "002"},
            "village_code": VILLAGES[number % len(VILLAGES)],
            "phone": "+6281234567890",
            "relationship": "head_of_family",
            "ppks_categories": ["fakir_miskin"],
        }


# ----------------------------------------------------------------------------------------------------- the servers


@contextmanager
def server(name: str, command: Sequence[str], environment: Mapping[str, str], port: int, ready: str) -> Iterator[int]:
    """A server process, from its first good answer at `ready` to the end of the block; its output goes to a file."""
    WORK.mkdir(parents=True, exist_ok=True)
    log = WORK / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            # PYTHONPATH=<another checkout>/src measures that checkout instead.
            env={
                **os.environ,
                **environment,
                "PYTHONPATH": os.pathsep.join((str(HERE), os.environ.get("PYTHONPATH", ""))),
            },
            cwd=HERE.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is ours to handle: a server that heard it too would end amid its own shutdown.
            start_new_session=True,
        )
        try:
            _await(process, f"http://127.0.0.1:{port}{ready}", log)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, URLError), urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise BenchmarkError(f"no answer from {url}; the end of {log}:\n" + "\n".join(log.read_text().splitlines()[-20:]))


def ask(url: str, headers: Mapping[str, str], body: Any = None) -> tuple[int, Any]:
    """One request: status and parsed body."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, headers={**headers, "Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except URLError as error:
        text = error.read().decode(errors="replace")[:500] if hasattr(error, "read") else str(error)
        raise BenchmarkError(f"{url}: {error}: {text}") from error


# -------------------------------------------------------------------------------------------------------- the load


@dataclass(frozen=True)
class Load:
    """What one round of one kind of request came to."""

    per_second: float
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int


def generator() -> str:
    """`wrk` when it is installed, else our own process, which takes more of the machine from the server."""
    if shutil.which("wrk"):
        return "wrk"
    say("wrk is not installed (Debian: apt-get install wrk); using benchmarks/load.py, which is slower.")
    return "load.py"


def run_load(
    port: int, requests: Path, headers: Mapping[str, str], seconds: float, *, concurrency: int = CONCURRENCY
) -> Load:
    """Closed loop over kept-alive connections with the requests of a file, each used once (POST) or in turn (GET).

    A line of the file is `METHOD path [body]`. Raises BenchmarkError when anything but a 2xx came back.
    """
    environment = {
        **os.environ,
        "BENCH_REQUESTS": str(requests),
        "BENCH_HEADERS": json.dumps(dict(headers)),
        "BENCH_HEADER_LINES": "\n".join(f"{name}: {value}" for name, value in headers.items()),
    }
    address = f"http://127.0.0.1:{port}"
    if generator_in_use == "wrk":
        command = [
            "wrk",
            "-t1",
            f"-c{concurrency}",
            f"-d{max(1, round(seconds))}s",
            "-s",
            str(HERE / "load.lua"),
            address,
        ]
    else:
        command = [sys.executable, str(HERE / "load.py"), address, str(concurrency), str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds + 60, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if done.returncode or line is None:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}")
    figures = json.loads(line)
    load = Load(
        figures["requests"] / figures["seconds"],
        figures["p50_ms"],
        figures["p99_ms"],
        figures["requests"],
        figures["errors"],
    )
    if load.errors or not load.requests:
        raise BenchmarkError(f"{load.errors} of {load.requests} answers on port {port} were not 2xx, see {WORK}/*.log")
    return load


generator_in_use = ""


def choose_generator() -> None:
    global generator_in_use  # noqa: PLW0603 - chosen once per run
    generator_in_use = generator()
