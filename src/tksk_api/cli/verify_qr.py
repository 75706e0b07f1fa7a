"""`tksk verify-qr`: check a letter's QR code without asking the office that issued it."""

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import httpx
import typer
from rich.markup import escape
from typer.core import TyperCommand

from tksk_api.cli.console import console, stop
from tksk_api.documents.scanning import ScannerMissingError, addresses_in
from tksk_api.domain.references.lists import label
from tksk_api.domain.regions.dataset import timezone_of
from tksk_api.domain.sktm_letters.offline import Code, Verdict, decode
from tksk_api.security.letter_keys import published_keys

VALID, FORGED, EXPIRED, UNREADABLE, BY_HAND, USAGE = 0, 1, 2, 3, 4, 64
_KEYS_PATH = "/.well-known/sktm-keys.json"
_LARGEST_FILE = 40_000_000
_SAID: dict[Verdict, tuple[int, str]] = {
    "valid": (VALID, "[bold green]VALID[/]: issued as it says, and within its dates."),
    "signed_by_hand": (
        BY_HAND,
        "[bold yellow]SIGNED BY HAND[/]: genuine and within its dates, but valid only once its issuer has the signed "
        "paper. Open the letter's page; accept it if that says VALID.",
    ),
    "forged": (FORGED, "[bold red]FORGED[/]: the signature does not fit. Do not accept the letter."),
    "expired": (EXPIRED, "[bold yellow]EXPIRED[/]: genuine, but its time is over."),
    "not_yet_valid": (EXPIRED, "[bold yellow]NOT YET VALID[/]: genuine, but its time has not begun."),
}


class Checked(TyperCommand):
    """A slip in the command line leaves with 64: 2 says something about a letter here."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().make_context(*args, **kwargs)
        except Exception as error:
            if getattr(error, "exit_code", None) == 2:
                error.exit_code = USAGE  # type: ignore[attr-defined]
            raise


def verify_qr(
    source: Annotated[
        str, typer.Argument(help="A photo, scan or PDF of the letter, or the text of its QR code; - reads")
    ],
    keys: Annotated[
        str,
        typer.Option(
            envvar="TKSK_LETTER_KEYS",
            help="Saved sktm-keys.json, or the https address of the system whose letters you trust",
        ),
    ],
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Another day than today")] = None,
) -> None:
    """Check a letter offline, by the key its issuer published. Exit code: 0 valid, 1 forged or altered, 2 outside its
    dates, 3 not readable or no key for it, 4 signed by hand: its page says whether it is valid. A letter revoked since
    is known on its page only."""
    code = _read(source)
    verdict = code.verdict(_keys(keys), on.date() if on else _today(code.letter.issuer_code))
    if verdict == "unknown_key":
        _unreadable(f"the key {code.kid} is not among yours: get the newest {_KEYS_PATH}, or open the letter's page.")
    status, words = _SAID[verdict]
    console.print(words)
    if status != FORGED:
        _show(code)
    raise SystemExit(status)


def _today(issuer_code: str) -> date:
    """By the issuer's calendar, as its page says: here it may be yesterday still."""
    return datetime.now(ZoneInfo(timezone_of(issuer_code))).date()


def _show(code: Code) -> None:
    letter = code.letter
    purpose = label("sktm_purposes", letter.purpose, "id") if letter.purpose else "(not known to this release)"
    facts = {
        "Number": letter.number,
        "Name": letter.masked_name,
        "Purpose": purpose,
        "Issuer": letter.issuer_code,
        "Valid": f"{letter.issued_on} to {letter.valid_until}",
    }
    for name, value in facts.items():
        console.print(f"  {name:<8} {value}", markup=False)
    console.print("Compare this with the paper. Whether it was revoked since is known on its page only.")


def _read(source: str) -> Code:
    codes: dict[str, Code] = {}
    for address in _addresses(source):
        try:
            codes[address] = decode(address)
        except ValueError:
            continue
    if len(codes) != 1:
        _unreadable("several different codes are in it." if codes else "no code of a letter can be read in it.")
    return next(iter(codes.values()))


def _addresses(source: str) -> list[str]:
    if source == "-":
        return [sys.stdin.read(_LARGEST_FILE)]
    if source.startswith(("http://", "https://")):
        return [source]
    try:
        path = Path(source)
        if path.stat().st_size > _LARGEST_FILE:
            _unreadable("the file is too large.")
        content = path.read_bytes()
        if content.startswith((b"http://", b"https://")):
            return [content.decode("ascii")]
        return addresses_in(content)
    except OSError as error:
        _unreadable(f"{source[:200]} is neither a file nor the text of a QR code ({type(error).__name__}).")
    except (ValueError, ScannerMissingError) as error:
        _unreadable(f"{error}.")


def _keys(where: str) -> dict[str, bytes]:
    try:
        if where.startswith(("http://", "https://")):
            address = where if where.endswith(".json") else where.rstrip("/") + _KEYS_PATH
            answer = httpx.get(address, timeout=10).raise_for_status()
            return published_keys(answer.json())
        return published_keys(json.loads(Path(where).read_text(encoding="utf-8")))
    except (httpx.HTTPError, OSError, ValueError) as error:
        _unreadable(f"no letter keys at {where}: {error}")


def _unreadable(reason: str) -> NoReturn:
    stop(f"Not checked: {escape(reason)}", UNREADABLE)
