"""The outermost layer: request id, size limit, security headers, the log line, and the last resort for a fault."""

import time
import traceback
from collections.abc import Mapping
from uuid import UUID, uuid4

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tksk_api import __version__
from tksk_api.errors import DomainError
from tksk_api.http.problems import database_error, render
from tksk_api.telemetry import Metrics, log

_MAX_URL = 4096
_MAX_DIGITS = 18  # of a Content-Length; int() itself refuses thousands
_HEADERS = [
    (b"api-version", __version__.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-site"),
]


class Edge:
    """Pure ASGI, so that nothing is buffered and a disconnect is seen."""

    def __init__(
        self, app: ASGIApp, body_limit: int, metrics: Metrics, larger: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        self.app = app
        self.body_limit = body_limit
        self.larger = larger or {}  # of an operation that takes files, by method and path
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = _request_id(scope)
        scope["request_id"] = identity
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_HEADERS, (b"x-request-id", identity.encode())]
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
            if status:
                raise
            await render(_meaning(error, scope), scope)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - started
            operation = _operation(scope)
            self.metrics.requests.labels(operation, str(status)).inc()
            self.metrics.seconds.labels(operation).observe(seconds)
            log.info("request", operation=operation, status=status, ms=round(seconds * 1000, 1), request_id=identity)

    def _refuse(self, scope: Scope) -> DomainError | None:
        if len(scope["raw_path"] or b"") + len(scope["query_string"]) > _MAX_URL:
            return DomainError("uri_too_long")
        limit = self._limit(scope)
        for name, value in scope["headers"]:
            if name == b"content-length" and _is_too_long(value, limit):
                return DomainError("body_too_large", limit_bytes=limit)
        return None

    def _limit(self, scope: Scope) -> int:
        return self.larger.get((scope["method"], scope["path"]), self.body_limit)


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
