"""`tksk demo`: the whole system on this machine, and the main job done once over real HTTP."""

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import uvicorn
from pydantic import SecretStr

from tksk_api.cli.console import console, repository, stop
from tksk_api.cli.database import create_database, in_use, prepare
from tksk_api.cli.offices import USERS, seed_offices
from tksk_api.cli.serve import free_port
from tksk_api.cli.walk import StepFailedError, Walk, letter
from tksk_api.cli.walk_bulk import bulk
from tksk_api.cli.walk_referrals import referrals
from tksk_api.cli.walk_register import register
from tksk_api.cli.walk_report import report
from tksk_api.cli.walk_sktm import sktm
from tksk_api.database import embedded
from tksk_api.main import create_app
from tksk_api.security.crypto import create_key_file, load_key_file
from tksk_api.security.letter_signing import rotate_letter_key
from tksk_api.settings import Settings

CHAPTERS: Mapping[str, Callable[[Walk], None]] = {
    "letter": letter,
    "register": register,
    "sktm": sktm,
    "referrals": referrals,
    "report": report,
    "bulk": bulk,
}
_NAME = "tksk_demo"
_DEFAULT_PORT = 8000


def demo(
    once: Annotated[bool, typer.Option("--once", help="Leave after the walk instead of staying up")] = False,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to serve on (8000 or the next free)")] = None,
    chapter: Annotated[list[str] | None, typer.Option(help="Walk only this chapter; may be repeated")] = None,
) -> None:
    """Start everything, do the main job, stay up with the documentation at /docs.

    TKSK_DEMO_PASSWORD sets the demo users' password; otherwise a random one is printed. A database of your own is
    used when TKSK_DATABASE_URL and TKSK_DATABASE_OWNER_URL are set.
    """
    unknown = sorted(set(chapter or ()) - set(CHAPTERS))
    if unknown:
        stop(f"Unknown chapter {', '.join(unknown)}; there are {', '.join(CHAPTERS)}.", 2)
    chosen = _port(port)
    folder = repository() / ".tksk"
    password = os.environ.get("TKSK_DEMO_PASSWORD") or secrets.token_urlsafe(12)
    try:
        with _database(folder) as (owner_url, app_url):
            prepare(owner_url, app_url)
            console.print("Seeding the demo offices")
            asyncio.run(seed_offices(owner_url, password))
            _run(folder, owner_url, app_url, chosen, password, chapter or list(CHAPTERS), once=once)
    except embedded.EmbeddedPostgresError as error:
        stop(str(error))
    except KeyboardInterrupt:
        console.print("\nStopped.")


def _port(wanted: int | None) -> int:
    free = free_port("127.0.0.1", wanted or _DEFAULT_PORT)
    if wanted is not None and free != wanted:
        stop(f"Port {wanted} is taken. Try: python3 run.py demo --port {free}", 2)
    if wanted is None and free != _DEFAULT_PORT:
        console.print(f"Port {_DEFAULT_PORT} is taken; using {free} instead.")
    return free


@contextmanager
def _database(folder: Path) -> Iterator[tuple[str, str]]:
    """Addresses of owner and app role: of your own server, else of the embedded one in `.tksk/`."""
    owner_url, app_url = os.environ.get("TKSK_DATABASE_OWNER_URL"), os.environ.get("TKSK_DATABASE_URL")
    if owner_url and app_url:
        yield owner_url, app_url
        return
    if app_url:
        stop("TKSK_DATABASE_URL is set; set TKSK_DATABASE_OWNER_URL too, for the migrations.", 2)
    configured = Path(os.environ["TKSK_PG_BIN"]) if "TKSK_PG_BIN" in os.environ else None
    cluster = embedded.start(folder / "postgresql", configured=configured, report=console.print)
    try:
        asyncio.run(create_database(cluster.url(), _NAME))
        yield cluster.url(_NAME), cluster.url(_NAME, "tksk_app", _secret(folder / "app-password"))
    finally:
        if not asyncio.run(in_use(cluster.url())):
            embedded.stop(cluster, configured=configured)


def _secret(path: Path) -> str:
    """A password kept beside the cluster with mode 0600, made on first use."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text(encoding="ascii")


def _run(  # noqa: PLR0917
    folder: Path, owner_url: str, app_url: str, port: int, password: str, chapters: list[str], *, once: bool
) -> None:
    key_file = folder / "keys.json"
    with suppress(FileExistsError):
        create_key_file(key_file)
    if not load_key_file(key_file).letters:  # of a release that signed no codes yet
        rotate_letter_key(key_file, publish_seconds=0)
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        database_url=SecretStr(app_url),
        key_file=key_file,
        public_url=url,
        log_level="ERROR",
        otp_required=False,
        message_folder=folder / "messages",
        message_seconds=0.3,  # somebody watches
        messages_per_day=1_000,
    )
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "proxy_headers": False}
    server = uvicorn.Server(uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, **quiet))
    thread = threading.Thread(target=server.run, name="uvicorn", daemon=True)
    thread.start()
    try:
        _wait_until_ready(url, thread)
        with closing(Walk(url, owner_url, password, folder, console)) as walk:
            for name in chapters:
                CHAPTERS[name](walk)
        console.print(f"\nDocumentation   {url}/docs")
        console.print(f"Sign in as      {', '.join(USERS)}")
        console.print(f"Password        {password}")
        if not once:
            console.print("Staying up. Press Ctrl-C to stop.")
            while thread.is_alive():
                thread.join(1)
    except StepFailedError as error:
        stop(f"the walk went wrong: {error}")
    finally:
        server.should_exit = True
        thread.join(15)


def _wait_until_ready(url: str, thread: threading.Thread) -> None:
    for _ in range(300):
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        if not thread.is_alive():
            break
        time.sleep(0.1)
    stop("The server did not become ready; see the messages above.")
