"""A running system, asked over HTTP by a command: signed in by itself, patient with a bad link."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from tksk_api.cli.console import stop

UNREACHABLE = 1
ADDRESS, TOKEN, CLIENT_ID, CLIENT_SECRET = "TKSK_URL", "TKSK_TOKEN", "TKSK_CLIENT_ID", "TKSK_CLIENT_SECRET"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSING = frozenset({429, 502, 503, 504})
_LONGEST_WAIT = 30.0
_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0


class RefusedError(Exception):
    """The system said no; `problem` is its answer (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        fields = [f"{one.get('pointer')}: {one.get('detail')}" for one in problem.get("errors") or ()]
        said = "; ".join(fields) or problem.get("detail")
        super().__init__(f"{status} {problem.get('code')}: {said}")
        self.status, self.problem = status, problem


class Remote:
    """One system. Each request is sent until it is answered, or `patience` seconds of silence are over.

    What is sent anew carries the key it had, so that it is done once (API §1).
    """

    def __init__(
        self,
        address: str,
        patience: float,
        say: Callable[[str], None],
        *,
        language: str = "en",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Who asks stands in the environment, never in the command line, which everybody of this machine can read:
        TKSK_TOKEN of a user, or TKSK_CLIENT_ID and TKSK_CLIENT_SECRET of a machine client. Without them, or where
        they would travel unprotected, the command ends."""
        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _HERE):
            stop(f"{address} is not an https address; passwords and people's data are not sent unprotected.", 2)
        self._token = os.environ.get(TOKEN)
        self._client = os.environ.get(CLIENT_ID), os.environ.get(CLIENT_SECRET)
        if self._token is None and not all(self._client):
            stop(f"Nobody is signed in: set {CLIENT_ID} and {CLIENT_SECRET} of a machine client, or {TOKEN}.", 2)
        self._patience, self._say = patience, say
        timeout, headers = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS), {"Accept-Language": language}
        self._http = httpx.Client(base_url=address.rstrip("/"), timeout=timeout, headers=headers, transport=transport)

    def __enter__(self) -> "Remote":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """Raises RefusedError."""
        return self._answer("GET", path, {}, lambda: {"params": params}).json()

    def post(self, path: str, *, version: int | None = None, sent: Callable[[], dict[str, Any]] = dict) -> Any:
        """`sent` gives the body, afresh for each time that it has to be sent. Raises RefusedError."""
        headers = {"Idempotency-Key": str(uuid4())}
        if version is not None:
            headers["If-Match"] = f'"v{version}"'
        return self._answer("POST", path, headers, sent).json()

    def append(self, path: str, offset: int, part: Callable[[int], dict[str, Any]]) -> int:
        """Send the part of a file that `part` gives for `offset`; where the next one begins. After each break it is
        asked how much has arrived, and the part that begins there is sent. Raises RefusedError."""
        is_first = True

        def sent() -> dict[str, Any]:
            nonlocal is_first
            begins = offset if is_first else int(self.get(path)["offset"])
            is_first = False
            given = part(begins)
            headers = {"Content-Type": "application/partial-upload", "Upload-Offset": str(begins)}
            return {**given, "headers": {**headers, **given.get("headers", {})}}

        return int(self._answer("PATCH", path, {}, sent).headers["Upload-Offset"])

    def delete(self, path: str, version: int) -> None:
        """Raises RefusedError."""
        self._answer("DELETE", path, {"If-Match": f'"v{version}"'}, dict)

    def load(self, path: str, keep: Callable[[httpx.Response], None], **params: Any) -> None:
        """A file, given to `keep` from its beginning each time that the line broke. Raises RefusedError."""
        self._answer("GET", path, {}, lambda: {"params": params}, keep)

    def _answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        sent: Callable[[], dict[str, Any]],
        keep: Callable[[httpx.Response], object] = httpx.Response.read,
    ) -> httpx.Response:
        silent_since, wait, renewed = time.monotonic(), 1.0, False
        while True:
            try:
                known = {**headers, "Authorization": f"Bearer {self._signed_in()}"}
                given = sent()
                given["headers"] = {**known, **given.get("headers", {})}
                with self._http.stream(method, path, **given) as answer:
                    if answer.is_success:
                        keep(answer)
                        return answer
                    answer.read()
                if answer.status_code == httpx.codes.UNAUTHORIZED and all(self._client) and not renewed:
                    self._token, renewed = None, True
                    continue
                if answer.status_code not in _PASSING and _code(answer) != "idempotency_in_progress":
                    _refuse(answer)
                reason, asked = f"it answers {answer.status_code}", answer.headers.get("Retry-After", "")
                wait = max(wait, float(asked)) if asked.isdigit() else wait
            except httpx.TransportError as error:
                reason = type(error).__name__
            if time.monotonic() + wait - silent_since > self._patience:
                stop(f"{self._http.base_url} cannot be reached ({reason}).", UNREACHABLE)
            self._say(f"{reason}; again in {wait:.0f} s")
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _signed_in(self) -> str:
        """A token; a machine client fetches its own. Raises RefusedError."""
        if self._token is None:
            name, secret = self._client
            answer = self._http.post(
                "/oauth2/token", data={"grant_type": "client_credentials"}, auth=(name or "", secret or "")
            )
            if not answer.is_success:
                _refuse(answer)
            self._token = str(answer.json()["access_token"])
        return self._token


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"code": "unknown", "detail": answer.text[:200]}


def _code(answer: httpx.Response) -> object:
    return _problem(answer).get("code")


def _refuse(answer: httpx.Response) -> NoReturn:
    raise RefusedError(answer.status_code, _problem(answer))
