"""The outermost layers: request id, headers and the log line; inside them the size limit and the last resort."""

import time
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tksk_api import __version__
from tksk_api.domain.refusals import database_error
from tksk_api.errors import DomainError, not_found
from tksk_api.http.problems import render
from tksk_api.telemetry import Metrics, log

_MAX_URL = 4096
_MAX_DIGITS = 18  # of a Content-Length; int() itself refuses thousands
_HEADERS = [
    (b"api-version", __version__.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-site"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
# For answers that bring none of their own: not to be kept by anybody, and nothing to be loaded or framed.
_DEFAULTS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
_YEAR = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")  # ASVS 5 V3.4.1
_KNOWN = (("session", "session"), ("problem", "code"))  # what the scope may hold, and the log line's field for it
_WORTH_A_WARNING = (401, 403, 429)


class Edge:
    """Gives every answer its id and headers, and writes one line about it. Pure ASGI: nothing is buffered."""

    def __init__(self, app: ASGIApp, public_url: str, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics
        self.headers = [*_HEADERS, _YEAR] if urlsplit(public_url).scheme == "https" else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["request_id"] = _request_id(scope)
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._added(scope, message)]
            await send(message)

        try:
            await self.app(scope, receive, answer)
        finally:
            self._report(scope, status, time.perf_counter() - started)

    def _added(self, scope: Scope, message: Message) -> list[tuple[bytes, bytes]]:
        own = {name for name, _ in message.get("headers", ())}
        defaults = [(name, value) for name, value in _DEFAULTS.items() if name not in own]
        identity = (b"x-request-id", scope["request_id"].encode())
        return [*self.headers, *defaults, *scope.get("rate_limit", ()), identity]

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        """One line: what, how it ended, how long, and the ids by which it can be followed; never who or what about."""
        operation = _operation(scope)
        self.metrics.requests.labels(operation, str(status)).inc()
        self.metrics.seconds.labels(operation).observe(seconds)
        known = {field: scope[name] for name, field in _KNOWN if name in scope}
        say = log.warning if status in _WORTH_A_WARNING else log.info
        say(
            "request",
            operation=operation,
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=scope["request_id"],
            **known,
        )


class Origins(CORSMiddleware):
    """CORS (Fetch §3.2) for browsers of the listed origins; a preflight that is refused is answered as any OPTIONS."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            headers = Headers(scope=scope)
            asked = "origin" in headers and "access-control-request-method" in headers
            if asked and self.preflight_response(headers).status_code >= 400:
                await self.simple_response(scope, receive, send, headers)
                return
        await super().__call__(scope, receive, send)


def origins_policy(origins: tuple[str, ...]) -> dict[str, Any]:
    """What a listed origin may send and read. No credentials mode: tokens travel in a header, cookies do not exist."""
    return {
        "allow_origins": origins,
        "allow_methods": ("GET", "POST", "PUT", "PATCH", "DELETE"),
        "allow_headers": (
            "Authorization",
            "Content-Type",
            "If-Match",
            "If-None-Match",
            "Idempotency-Key",
            "Upload-Offset",
            "Accept-Language",
            "X-Request-ID",
        ),
        "expose_headers": (
            "ETag",
            "Location",
            "Link",
            "Retry-After",
            "RateLimit",
            "RateLimit-Policy",
            "X-Request-ID",
            "Idempotency-Replayed",
            "Upload-Offset",
            "Content-Language",
            "API-Version",
        ),
    }


class Guard:
    """Refuses what is too large before any work, and answers for whatever nobody below has turned into a problem."""

    def __init__(self, app: ASGIApp, body_limit: int, larger: Mapping[tuple[str, str], int] | None = None) -> None:
        self.app = app
        self.body_limit = body_limit
        self.larger = larger or {}  # of an operation that takes files, by method and path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def answer(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            refusal = self._refuse(scope)
            if refusal is not None:
                await render(refusal, scope)(scope, receive, answer)
            else:
                await self.app(scope, _limited(receive, self._limit(scope)), answer)
        except ClientDisconnect:
            log.info("client_disconnected", operation=_operation(scope))
        except Exception as error:
            if has_begun:
                raise
            await render(_meaning(error, scope), scope)(scope, receive, answer)

    def _refuse(self, scope: Scope) -> DomainError | None:
        if len(scope["raw_path"] or b"") + len(scope["query_string"]) > _MAX_URL:
            return DomainError("uri_too_long")
        if b"%2f" in (scope["raw_path"] or b"").lower():
            return not_found()  # decoded it is a slash: a gateway in front may have read another address
        limit = self._limit(scope)
        for name, value in scope["headers"]:
            if name == b"content-length" and _is_too_long(value, limit):
                return DomainError("body_too_large", limit_bytes=limit)
        return None

    def _limit(self, scope: Scope) -> int:
        method, path = scope["method"], scope["path"]
        own = self.larger.get((method, path)) or self.larger.get((method, path.rpartition("/")[0] + "/{id}"))
        return own or self.body_limit


def _is_too_long(length: bytes, limit: int) -> bool:
    return not length.isdigit() or len(length) > _MAX_DIGITS or int(length) > limit


def _limited(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise DomainError("body_too_large", limit_bytes=limit)
        return message

    return limited


def _meaning(error: Exception, scope: Scope) -> DomainError:
    """The last resort: what nobody below has turned into a problem."""
    if isinstance(error, DomainError):
        return error
    known = database_error(error)
    if known is None:
        log.error("unhandled", operation=_operation(scope), kind=type(error).__name__, at=_trace(error))
    return known or DomainError("internal_error")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            try:
                return str(UUID(value.decode("ascii")))
            except ValueError:
                break
    return str(uuid4())


def _operation(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "name", None) or "none")


def _trace(error: BaseException) -> list[str]:
    # Only where it happened: an exception's text may hold a person's data.
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return [
        f"{name.rsplit('tksk_api/')[-1].rsplit('/', 2)[-1]}:{line}"
        for name, line in frames
        if "tksk_api" in name or name == frames[-1][0]
    ]
