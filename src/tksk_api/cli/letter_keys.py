"""`tksk keys letters`: the keys that sign the QR codes of letters."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from tksk_api.cli.console import console, load_settings, stop
from tksk_api.security.crypto import KeyFileError, load_key_file
from tksk_api.security.letter_keys import PUBLISH_SECONDS, LetterKeyError, signing_at
from tksk_api.security.letter_signing import revoke_letter_key, rotate_letter_key


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (KeyFileError, LetterKeyError) as error:
        stop(str(error))


def show() -> None:
    """List the letter keys and what each is for at this moment."""
    with _refusals():
        keys = load_key_file(load_settings().key_file).letters
    now = time.time()
    for key in keys:
        waits = key.seed is not None and (key.signs_from or 0) > now
        use = (
            "signs"
            if key is signing_at(keys, now)
            else f"signs from {_moment(key.signs_from)}"
            if waits
            else "verifies"
        )
        console.print(f"  {key.kid}  {use}")


def rotate(
    publish_seconds: Annotated[
        int, typer.Option(min=0, help="How long the new key is published before it signs; caches live a day")
    ] = PUBLISH_SECONDS,
) -> None:
    """Change the key that signs letters. The former one stays published: letters it signed are good for years."""
    with _refusals():
        key = rotate_letter_key(load_settings().key_file, publish_seconds)
    console.print(f"Letter key {key.kid} is published and signs from {_moment(key.signs_from)}. Back up the key file.")


def revoke(kid: Annotated[str, typer.Argument(help="The key's id, see `tksk keys letters list`")]) -> None:
    """For a letter key that leaked: what it signed can be checked on the page only."""
    with _refusals():
        key = revoke_letter_key(load_settings().key_file, kid)
    console.print(f"Letter key {kid} is not published any more. {key.kid} signs now. Back up the key file.")


def _moment(seconds: int | None) -> str:
    return datetime.fromtimestamp(seconds or 0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
