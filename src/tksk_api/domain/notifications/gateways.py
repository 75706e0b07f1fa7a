"""How messages leave the house: into files, by SMTP, or to an HTTP gateway for WhatsApp and SMS.

A gateway takes one message or says why not. It may get the same one twice, under the same id, when a server died after
sending it: whoever passes it on should look at the id (docs/decisions/0017-notifications.md).
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

import httpx
from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException, SMTPRecipientsRefused, SMTPTimeoutError

from tksk_api.domain.notifications.schemas import Outside
from tksk_api.settings import Settings

TIMEOUT_SECONDS = 10.0
_PHONES: tuple[Outside, ...] = ("whatsapp", "sms")
_NEVER_TAKEN = 422
_GOODBYE_SECONDS = 1.0
_FILES_KEPT = timedelta(days=3)  # as long as a message may be late
_TLS_PORT, _SUBMISSION_PORT = 465, 587
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Outgoing:
    """One message on its way, under one id whatever the attempt. Never logged: it bears an address and a first name."""

    id: UUID
    channel: Outside
    address: str
    title: str
    body: str


class GatewayError(Exception):
    """The gateway did not take a message: `code` is what the log may say of it; when `is_final`, never will."""

    def __init__(self, code: str, *, is_final: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_final = is_final


class Gateway(Protocol):
    """Takes one message within `TIMEOUT_SECONDS`, or raises GatewayError."""

    async def send(self, message: Outgoing) -> None: ...


@dataclass(frozen=True)
class FileGateway:
    """A file for each message, named by its id, so that sending again replaces it: for a demo, or for a program that
    collects them. Written under another name first, as a maildir is, so that nobody reads half a message."""

    folder: Path

    async def send(self, message: Outgoing) -> None:
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            raise GatewayError("folder_unwritable") from error

    def _write(self, message: Outgoing) -> None:
        for name in ("tmp", "new"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.folder / "tmp" / f"{message.id}.json"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(_content(message), ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(self.folder / "new" / draft.name)

    async def tidy(self) -> None:
        """Remove what nobody collected in time: no erasure reaches a file."""
        await asyncio.to_thread(self._remove, time.time() - _FILES_KEPT.total_seconds())

    def _remove(self, before: float) -> None:
        for file in self.folder.glob("*/*.json"):
            with suppress(FileNotFoundError):  # collected meanwhile
                if file.stat().st_mtime < before:
                    file.unlink()


@dataclass(frozen=True)
class SmtpGateway:
    """A mail server: smtps:// is TLS from the start, smtp:// must offer STARTTLS unless it is this very machine."""

    url: str
    sender: str

    async def send(self, message: Outgoing) -> None:
        where = urlsplit(self.url)
        host, is_tls = where.hostname or "", where.scheme == "smtps"
        server = SMTP(
            hostname=host,
            port=where.port or (_TLS_PORT if is_tls else _SUBMISSION_PORT),
            use_tls=is_tls,
            start_tls=False,
            local_hostname=self._domain,  # asking for this machine's own name may take a resolver's patience
            timeout=TIMEOUT_SECONDS,
        )
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):  # the whole dialogue: a server may drip
                await server.connect()
                if not is_tls and host not in _LOOPBACK:
                    await _protect(server)
                if where.username:
                    await server.login(unquote(where.username), unquote(where.password or ""))
                await server.send_message(self._mail(message))
            # It is taken; how the server says goodbye changes nothing any more.
            with suppress(SMTPException):
                await server.quit(timeout=_GOODBYE_SECONDS)
        except SMTPRecipientsRefused as error:
            is_final = all(_never(refused.code, refused.message) for refused in error.recipients)
            raise GatewayError("recipient_refused", is_final=is_final) from None
        except SMTPAuthenticationError:
            raise GatewayError("not_admitted") from None
        except TimeoutError:
            raise GatewayError("timeout") from None
        except (OSError, SMTPException) as error:  # the text of either may hold the address
            raise GatewayError(type(error).__name__) from None
        finally:
            server.close()

    @property
    def _domain(self) -> str:
        return self.sender.rpartition("@")[2]

    def _mail(self, message: Outgoing) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self.sender, message.address, message.title
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = f"<{message.id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer from a holiday
        mail.set_content(message.body + "\n")
        return mail


async def _protect(server: SMTP) -> None:
    try:
        await server.starttls()
    except SMTPTimeoutError:
        raise
    except SMTPException:
        raise GatewayError("no_starttls") from None


def _never(code: int, said: str) -> bool:
    """Whether it is the address that is refused; 5.7 (RFC 3463) is what this server may send, and can be mended."""
    return code >= 500 and not said.startswith("5.7.")


@dataclass(frozen=True)
class HttpGateway:
    """A provider of WhatsApp or SMS, or an adapter to one: POST of a small JSON, signed as Standard Webhooks 1.0.0.

    422 says that this message will never be taken; any other refusal may be of the configuration, and is tried again.
    It goes to the one address of the configuration; a redirect is an error, so no answer leads elsewhere.
    """

    url: str
    secret: str

    async def send(self, message: Outgoing) -> None:
        body = json.dumps(_content(message), ensure_ascii=False).encode()
        headers = {"content-type": "application/json", **signed(self.secret, str(message.id), int(time.time()), body)}
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=TIMEOUT_SECONDS) as http,
                http.stream("POST", self.url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code  # whatever it says besides is not read
        except TimeoutError:
            raise GatewayError("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayError(type(error).__name__) from None
        if not 200 <= status < 300:
            raise GatewayError(f"status_{status}", is_final=status == _NEVER_TAKEN)


def signed(secret: str, key: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: id, time, and HMAC-SHA256 over both and the body."""
    content = f"{key}.{at}.".encode() + body
    mac = base64.b64encode(hmac.new(_key_of(secret), content, hashlib.sha256).digest()).decode()
    return {"webhook-id": key, "webhook-timestamp": str(at), "webhook-signature": f"v1,{mac}"}


def _key_of(secret: str) -> bytes:
    """`whsec_` and base64, as the standard writes it; anything else stands for itself."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True) if "whsec_" in secret else secret.encode()
    except binascii.Error:
        return secret.encode()


def _content(message: Outgoing) -> dict[str, str]:
    return {
        "id": str(message.id),
        "channel": message.channel,
        "to": message.address,
        "title": message.title,
        "text": message.body,
    }


def gateways_of(settings: Settings) -> Mapping[Outside, Gateway]:
    """Channel -> how its messages leave, as configured. What no gateway takes goes into the folder, if there is one."""
    found: dict[Outside, Gateway] = {}
    if settings.message_folder is not None:
        found = dict.fromkeys(("email", *_PHONES), FileGateway(settings.message_folder))
    if settings.smtp_url is not None and settings.message_sender is not None:
        found["email"] = SmtpGateway(settings.smtp_url.get_secret_value(), settings.message_sender)
    if settings.gateway_url is not None and settings.gateway_secret is not None:
        found |= dict.fromkeys(_PHONES, HttpGateway(settings.gateway_url, settings.gateway_secret.get_secret_value()))
    return found


def available(settings: Settings) -> Collection[Outside]:
    """The channels that this installation can send by."""
    return gateways_of(settings).keys()
