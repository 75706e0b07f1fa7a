"""One OpenAPI 3.1 document per service, and the whole: generated from the routes, then made a product.

Adds what FastAPI cannot know: the problem media type, the permission's meaning, ETag and retry headers, languages.
"""

import base64
import copy
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tksk_api import __version__
from tksk_api.errors import PROBLEMS
from tksk_api.http.links import SIGNATURE
from tksk_api.http.routing import PUBLIC, Route
from tksk_api.security.permissions import MACHINE_SCOPES, Permission, roles_with
from tksk_api.services import SERVICES, Service

_METHODS = ("get", "post", "put", "patch", "delete")
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem. `code` is stable; `title` and `detail` follow Accept-Language (id, en).",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "page that explains the code"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "urn:uuid:<request id>"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON Pointer (RFC 6901), or a query parameter's name",
                    },
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_WORDS = {
    "400": "Malformed: not JSON, or a cursor or key that is not ours",
    "401": "Not signed in",
    "403": "The role may not do this",
    "404": "Missing, or outside the caller's scope",
    "409": "In conflict with the current state, or already there",
    "410": "Gone: the cursor has expired, or the stored file is damaged",
    "412": "Somebody else changed it",
    "413": "Too large",
    "414": "The address is too long",
    "415": "Unsupported content type",
    "422": "Invalid values",
    "428": "If-Match is missing",
    "429": "Too many requests",
    "503": "Busy; try again after Retry-After",
}
_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "schema": {"type": "string", "default": "id", "examples": ["id", "en"]},
    "description": "Language of problem texts",
}
_RATE_HEADERS = {
    "RateLimit": {
        "schema": {"type": "string", "examples": ['"default";r=599;t=42']},
        "description": "`r` requests are left for the next `t` seconds",
    },
    "RateLimit-Policy": {
        "schema": {"type": "string", "examples": ['"default";q=600;w=60']},
        "description": "`q` requests may be made in `w` seconds: by a user or machine client, or from an address",
    },
    "Retry-After": {"schema": {"type": "integer", "examples": [17]}, "description": "Seconds to wait"},
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 130},
    "description": "Makes a retry safe for 7 days: the first answer is given again, with `Idempotency-Replayed: true`",
}


def install(app: FastAPI, services: Mapping[str, Service], public_url: str, *, publish: bool) -> None:
    """Serve the documents at /openapi.json and /openapi/{service}.json, and at /docs for people."""
    app.openapi = lambda: app.openapi_schema or _remember(app, services, public_url)  # type: ignore[method-assign]
    if not publish:
        return
    made = cache(lambda name: service_document(app, name, public_url))
    for name in services:

        async def document(_request: Request, name: str = name) -> Response:
            return JSONResponse(made(name))

        app.add_route(f"/openapi/{name}.json", document, include_in_schema=False)
    page = _docs_page(app, public_url)

    async def docs(_request: Request) -> Response:
        return page

    app.add_route("/docs", docs, include_in_schema=False)


def _docs_page(app: FastAPI, public_url: str) -> Response:
    """The page that shows the documents; it may load its own files, and run the one script that starts it."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url="/static-offline-docs/swagger-ui-bundle.js",
        swagger_css_url="/static-offline-docs/swagger-ui.css",
        swagger_favicon_url="/static-offline-docs/favicon.png",
    )
    scripts = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)
    started = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    public = urlsplit(public_url)  # where the page sends what is tried out
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' {started}; "
        f"style-src 'self'; img-src 'self' data:; connect-src 'self' {public.scheme}://{public.netloc}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page


def _remember(app: FastAPI, services: Collection[str], public_url: str) -> dict[str, Any]:
    app.openapi_schema = whole_document(app, services, public_url)
    return app.openapi_schema


def whole_document(app: FastAPI, services: Collection[str], public_url: str) -> dict[str, Any]:
    intro = "All services of the system. Each is also published alone: " + ", ".join(
        f"/openapi/{s}.json" for s in services
    )
    return _document(app, "TKSK API", intro, None, public_url)


def service_document(app: FastAPI, name: str, public_url: str) -> dict[str, Any]:
    service = SERVICES[name]
    names = {route.name for router in service.routers for route in router.routes if isinstance(route, Route)}
    return _document(app, f"TKSK API: {service.title}", service.description, names, public_url)


def _document(app: FastAPI, title: str, intro: str, names: set[str] | None, public_url: str) -> dict[str, Any]:
    document = get_openapi(
        title=title,
        version=__version__,
        openapi_version="3.1.0",
        description=f"{intro}\n\nErrors are RFC 9457 problems; lists are keyset pages; edits need If-Match.",
        routes=app.routes,
        servers=[{"url": public_url}],
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    document = copy.deepcopy(document)
    paths: dict[str, Any] = {}
    for path, operations in document["paths"].items():
        kept = {
            method: operation
            for method, operation in operations.items()
            if method in _METHODS and (names is None or operation["operationId"] in names)
        }
        for method, operation in kept.items():
            _finish(method, path, operation)
        if kept:
            paths[path] = kept
    document["paths"] = paths
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["headers"] = _RATE_HEADERS
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt (ES256)"},
        "machine": {"type": "oauth2", "flows": {"clientCredentials": _machine_flow(public_url)}},
        "link": {"type": "apiKey", "in": "query", "name": SIGNATURE, "description": "Of a link made for the caller"},
    }
    _prune(document)
    return document


def _machine_flow(public_url: str) -> dict[str, Any]:
    scopes = {str(scope): scope.meaning for scope in sorted(MACHINE_SCOPES)}
    return {"tokenUrl": f"{public_url}/oauth2/token", "scopes": scopes}


def _finish(method: str, path: str, operation: dict[str, Any]) -> None:
    permission = operation["x-permission"]
    parameters = operation.setdefault("parameters", [])
    names = {parameter["name"] for parameter in parameters}
    has_body = "requestBody" in operation
    if permission == PUBLIC:
        operation["security"] = []
    else:
        operation["security"] = [{"bearer": []}]
        if permission in MACHINE_SCOPES:
            operation["security"].append({"machine": [permission]})
        if operation.get("x-signed-link"):
            operation["security"].append({"link": []})
        operation["description"] = _with_permission(
            operation.get("description", ""), Permission.named(permission), fresh=operation.get("x-step-up", False)
        )
    if "If-Match" in names and method != "put":
        next(p for p in parameters if p["name"] == "If-Match")["required"] = True
    is_keyed = method == "post" and permission != PUBLIC
    parameters += [_IDEMPOTENCY, _LANGUAGE] if is_keyed else [_LANGUAGE]
    if method == "patch" and has_body:
        content = operation["requestBody"]["content"]
        if "application/json" in content:
            merge = {"application/merge-patch+json": content["application/json"]}
            operation["requestBody"]["content"] = {**merge, **content}
    conditions = {
        ("414", "422", "503"): True,  # 422 also for an unknown query parameter
        ("401", "403"): permission != PUBLIC,
        ("404",): "{" in path,
        ("400", "410"): "cursor" in names,
        ("409", "412", "428"): "If-Match" in names,
        ("400", "413", "415"): has_body,
        ("400", "409"): is_keyed,
        ("409",): method in ("patch", "put"),
        ("429",): "x-rate-limit" in operation,
        tuple(operation.pop("x-statuses", ())): True,
    }
    _respond(operation, {status for statuses, holds in conditions.items() if holds for status in statuses})
    _announce_etag(path, operation, names)
    _announce_limits(operation)


def _with_permission(description: str, permission: Permission, *, fresh: bool) -> str:
    roles = ", ".join(roles_with(permission))
    machines = " Machine clients: as a scope." if permission in MACHINE_SCOPES else ""
    step_up = " Needs a proof of identity of a moment ago (`POST /v1/auth/step-up`)." if fresh else ""
    return (
        f"{description}\n\nPermission `{permission}`: {permission.meaning}. Roles: {roles}.{machines}{step_up}".strip()
    )


def _respond(operation: dict[str, Any], statuses: set[str]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own shape
    if "201" in responses:
        responses["200"] = {**responses["201"], "description": "The same id and content were stored before"}
    for status in sorted(statuses):
        responses[status] = {
            "description": _WORDS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }


def _announce_etag(path: str, operation: dict[str, Any], names: set[str]) -> None:
    if "If-Match" not in names and "{" not in path:
        return
    for status, response in operation["responses"].items():
        if status.startswith("2") and "content" in response:
            header = {"schema": {"type": "string"}, "description": "Version, for If-Match"}
            response.setdefault("headers", {})["ETag"] = header


def _announce_limits(operation: dict[str, Any]) -> None:
    if "429" not in operation["responses"]:
        return
    for response in operation["responses"].values():
        response.setdefault("headers", {}).update(
            {name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit", "RateLimit-Policy")}
        )
    for status in operation["responses"].keys() & {"429", "503"}:
        operation["responses"][status]["headers"]["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}


def _prune(document: dict[str, Any]) -> None:
    """Drop schemas nothing refers to."""
    schemas = document["components"]["schemas"]
    while True:
        text = json.dumps(
            {**document, "components": {k: v for k, v in document["components"].items() if k != "schemas"}}
        )
        texts = {name: json.dumps(schema) for name, schema in schemas.items()}
        used = {
            name
            for name in schemas
            if f'"#/components/schemas/{name}"' in text
            or any(f'"#/components/schemas/{name}"' in other for key, other in texts.items() if key != name)
        }
        if used == set(schemas):
            return
        for name in set(schemas) - used:
            del schemas[name]
