"""`tksk serve`: all services, or some, over HTTP."""

import os
import socket
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from tksk_api.cli.console import load_settings, stop
from tksk_api.main import create_app
from tksk_api.security.crypto import KeyFileError, load_key_file
from tksk_api.services import SERVICES

_CHOSEN = "TKSK_SERVE_SERVICES"


def free_port(host: str, port: int) -> int:
    """The port itself, or the next one that is free, within 50. Raises OSError."""
    for candidate in range(port, port + 50):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    raise OSError(f"no free port from {port} on")


def application() -> FastAPI:
    """What each worker process serves."""
    names = os.environ.get(_CHOSEN, "")
    return create_app(load_settings(), names.split(",") if names else ())


def serve(
    service: Annotated[list[str] | None, typer.Option(help="Serve only this service; may be repeated")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    trusted_proxies: Annotated[
        str | None, typer.Option(help="Addresses and networks, by comma, whose X-Forwarded-For and -Proto are believed")
    ] = None,
) -> None:
    """Serve the API. Migrations are a separate command: `tksk migrate`."""
    unknown = sorted(set(service or ()) - set(SERVICES))
    if unknown:
        stop(f"Unknown service {', '.join(unknown)}; there are {', '.join(SERVICES)}.", 2)
    if trusted_proxies is not None:
        os.environ["TKSK_TRUSTED_PROXIES"] = trusted_proxies  # where the worker processes read it, too
    settings = load_settings()
    try:
        load_key_file(settings.key_file)
    except KeyFileError as error:
        stop(str(error), 2)
    free = free_port(host, port)
    if free != port:
        stop(f"Port {port} is taken. Try: tksk serve --port {free}", 2)
    os.environ[_CHOSEN] = ",".join(service or ())
    uvicorn.run(
        "tksk_api.cli.serve:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # create_app does it, whatever serves the application
        timeout_keep_alive=30,
        timeout_graceful_shutdown=30,  # a sender who went silent, or who follows an import, holds up no restart
        log_level="warning",
    )
