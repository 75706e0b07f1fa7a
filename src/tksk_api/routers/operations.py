"""What operators and their monitors ask: alive, ready, metrics."""

import hmac
import shutil
from datetime import UTC, datetime, timedelta

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tksk_api.database import health
from tksk_api.domain.records import Read
from tksk_api.errors import PROBLEMS, DomainError, not_found
from tksk_api.http.dependencies import HouseDep
from tksk_api.http.routing import PUBLIC, Router

router = Router("operations", prefix="")
_CONTACT_HOLDS = timedelta(days=180)  # RFC 9116 §2.5.5: less than a year
_LEAST_FREE_BYTES = 256 * 1024 * 1024


class Liveness(Read):
    status: str


# limit=None: a monitor, or a load balancer in front of many, must not be told to come back later.
@router.get("/livez", permission=PUBLIC, limit=None, response_model=Liveness, summary="Is the process alive?")
async def livez() -> Response:
    """Answers as long as the process can answer; asks nobody else."""
    return JSONResponse({"status": "ok"})


class Readiness(Read):
    status: str
    checks: dict[str, bool]


@router.get("/readyz", permission=PUBLIC, limit=None, response_model=Readiness, summary="Can it serve?")
async def readyz(house: HouseDep) -> Response:
    """Database reachable, migrated to the expected head, key usable, disk not full. 503 names what is not."""
    checks = {
        **await health.database_checks(house.engine),
        "key": house.keyring.decrypt("readyz", "1", house.keyring.encrypt("readyz", "1", b"x")) == b"x",
        "disk": shutil.disk_usage(house.settings.key_file.parent).free > _LEAST_FREE_BYTES,
    }
    if not all(checks.values()):
        raise DomainError("unavailable", retry_after=5, checks=checks)
    return JSONResponse({"status": "ok", "checks": checks})


@router.get("/metrics", permission=PUBLIC, include_in_schema=False)
async def metrics(request: Request, house: HouseDep) -> Response:
    """Prometheus text, for who presents TKSK_METRICS_TOKEN; without that setting there is nothing here."""
    expected = house.settings.metrics_token
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if expected is None or not hmac.compare_digest(given.encode(), expected.get_secret_value().encode()):
        raise not_found()
    return PlainTextResponse(generate_latest(house.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/.well-known/security.txt", permission=PUBLIC, include_in_schema=False)
async def security_txt(house: HouseDep) -> Response:
    """Where to report a weakness (RFC 9116); nothing is here until TKSK_SECURITY_CONTACT is set."""
    settings = house.settings
    if settings.security_contact is None:
        raise not_found()
    expires = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + _CONTACT_HOLDS
    lines = [
        f"Contact: {settings.security_contact}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: id, en",
        f"Canonical: {settings.public_url}/.well-known/security.txt",
        *([f"Policy: {settings.security_policy}"] if settings.security_policy else []),
    ]
    headers = {"Cache-Control": "public, max-age=86400"}
    return PlainTextResponse("\n".join(lines) + "\n", headers=headers)


@router.get("/docs/problems/{code}", permission=PUBLIC, include_in_schema=False)
async def problem_page(code: str) -> Response:
    """The page a problem's `type` leads to."""
    if code not in PROBLEMS:
        raise not_found()
    headers = {"Cache-Control": "public, max-age=3600"}
    return PlainTextResponse(PROBLEMS[code].page(code), headers=headers, media_type="text/markdown")
