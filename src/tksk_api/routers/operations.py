"""What operators and their monitors ask: alive, ready, metrics."""

import hmac
import shutil

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tksk_api.database import health
from tksk_api.domain.records import Read
from tksk_api.errors import PROBLEMS, DomainError, not_found
from tksk_api.http.dependencies import HouseDep
from tksk_api.http.routing import PUBLIC, Router

router = Router("operations", prefix="")
_LEAST_FREE_BYTES = 256 * 1024 * 1024


class Liveness(Read):
    status: str


@router.get("/livez", permission=PUBLIC, response_model=Liveness, summary="Is the process alive?")
async def livez() -> Response:
    """Answers as long as the process can answer; asks nobody else."""
    return JSONResponse({"status": "ok"})


class Readiness(Read):
    status: str
    checks: dict[str, bool]


@router.get("/readyz", permission=PUBLIC, response_model=Readiness, summary="Can it serve?")
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
    """RFC 9116: where to report a weakness."""
    url = house.settings.public_url
    return PlainTextResponse(f"Contact: {url}/docs\nExpires: 2027-11-01T00:00:00Z\nPreferred-Languages: id, en\n")


@router.get("/docs/problems/{code}", permission=PUBLIC, include_in_schema=False)
async def problem_page(code: str) -> Response:
    """The page a problem's `type` leads to."""
    if code not in PROBLEMS:
        raise not_found()
    headers = {"Cache-Control": "public, max-age=3600"}
    return PlainTextResponse(PROBLEMS[code].page(code), headers=headers, media_type="text/markdown")
