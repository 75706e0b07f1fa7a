"""`tksk keys`: the key file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.security.crypto import KeyFileError, SigningKey, create_key_file, load_key_file
from tksk_api.security.signing import (
    PUBLISH_SECONDS,
    RotationRefusedError,
    revoke_signing_key,
    rotate_signing_key,
    signing_at,
)


def init() -> None:
    """Make TKSK_KEY_FILE with a new master key and signing key, readable by this user only. Never overwrites."""
    path = load_settings().key_file
    try:
        create_key_file(path)
    except FileExistsError:
        stop(f"{path} exists already and was left as it is.")
    console.print(f"{path} made. Back it up apart from the database: without it no identity number can be read.")


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (KeyFileError, RotationRefusedError) as error:
        stop(str(error))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show() -> None:
    """List the token signing keys and what each is for at this moment."""
    with _refusals():
        keys = load_key_file(load_settings().key_file).signing
    signing = signing_at(keys, time.time())
    for key in keys:
        console.print(f"  {key.kid}  {_use(key, key is signing)}")


def _use(key: SigningKey, is_signing: bool) -> str:
    if is_signing:
        return "signs"
    if key.verifies_until is not None:
        return f"{'verifies until' if key.verifies_until > time.time() else 'over since'} {_moment(key.verifies_until)}"
    return f"signs from {_moment(key.signs_from or 0)}"


def rotate(
    publish_seconds: Annotated[
        int, typer.Option(min=0, help="How long the new key is published before it signs; caches live 300 seconds")
    ] = PUBLISH_SECONDS,
) -> None:
    """Change the token signing key without anybody noticing; running processes follow within seconds."""
    settings = load_settings()
    with _refusals():
        key = rotate_signing_key(settings.key_file, publish_seconds, settings.access_token_minutes * 60)
    console.print(f"Key {key.kid} is published and signs from {_moment(key.signs_from or 0)}; the one before retires.")


def revoke(kid: Annotated[str, typer.Argument(help="The key's id, see `tksk keys list`")]) -> None:
    """For a signing key that leaked: its tokens stop working within seconds; users refresh by themselves."""
    with _refusals():
        key = revoke_signing_key(load_settings().key_file, kid)
    console.print(f"Key {kid} is gone, and its tokens with it. {key.kid} signs now.")
