"""The published document as data for tests: every operation, and a small valid-looking value for any schema."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import FastAPI

from tksk_api.security.permissions import Permission, roles_with

# The whole list of what needs no token. A new public operation is a decision: write it down here.
PUBLIC = {
    "login",
    "refresh",
    "issue_token",
    "jwks",
    "oauth_authorization_server",
    "list_regions",
    "get_region",
    "list_references",
    "get_reference",
    "list_visit_forms",
    "get_visit_form",
    "list_open_data",
    "get_open_data",
    "get_open_data_metadata",
    "verify_letter",
    "verify_report",
    "sktm_keys",
    "livez",
    "readyz",
}
# Collections everybody signed in may read, whatever their region.
OPEN_COLLECTIONS = {"regions", "reference", "programs", "agencies", "partners", "sktm-policies", "verify"}
OPEN_COLLECTIONS |= {"activity-kinds", "report-calendars"}
# Pictures and documents that a caller may keep for themselves, and ask each time whether they are still the same.
REVALIDATED = {"get_sktm_logo", "get_chart", "get_report_document"}
# POST operations that only read: a body instead of a query, because a NIK never stands in an address.
READS_BY_POST = {"search_beneficiaries", "search_families"}

_PATTERN_SAMPLES = (
    "siti",
    "fakir_miskin",
    "18.71.04.1002",
    "18.71",
    "001",
    "123456",
    "198001012005011003",
    "{sequence}/{year}",
    "tksk.panjang",
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",  # a coordinate of RFC 7515 A.3
)


@dataclass(frozen=True)
class Operation:
    """One row of the document."""

    method: str
    path: str
    name: str
    permission: str
    raw: dict[str, Any]
    document: dict[str, Any]

    @property
    def is_public(self) -> bool:
        return self.permission == "public"

    @property
    def roles(self) -> tuple[str, ...]:
        return () if self.is_public else roles_with(Permission.named(self.permission))

    @property
    def collection(self) -> str:
        """The noun of the address: `beneficiaries` of /v1/beneficiaries/{id}/move."""
        noun = self.path.removeprefix("/v1").strip("/").split("/")[0]
        return "import-uploads" if self.path.startswith("/v1/imports/uploads") else noun

    @property
    def takes_part(self) -> bool:
        """A part of a file, as it is."""
        return "application/partial-upload" in self.raw.get("requestBody", {}).get("content", {})

    @property
    def path_parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def query_parameters(self) -> list[dict[str, Any]]:
        return [p for p in self.raw.get("parameters", ()) if p["in"] == "query"]

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and any(p["name"] == "cursor" for p in self.query_parameters)

    @property
    def needs_version(self) -> bool:
        return any(p["name"] == "If-Match" for p in self.raw.get("parameters", ()))

    @property
    def body_schema(self) -> dict[str, Any] | None:
        content = self.raw.get("requestBody", {}).get("content", {})
        return resolved(content["application/json"]["schema"], self.document) if "application/json" in content else None

    @property
    def needs_body(self) -> bool:
        return bool(self.raw.get("requestBody", {}).get("required"))

    @property
    def takes_file(self) -> bool:
        return "multipart/form-data" in self.raw.get("requestBody", {}).get("content", {})

    @property
    def fields_beside_file(self) -> set[str]:
        """Names of what may be sent with the file."""
        schema = self.raw["requestBody"]["content"]["multipart/form-data"]["schema"]
        return schema["properties"].keys() - {"file"}

    @property
    def body_properties(self) -> dict[str, dict[str, Any]]:
        return (self.body_schema or {}).get("properties", {})

    def body(self, **over: Any) -> Any:
        """A body that has the right shape; what it names need not exist."""
        if self.body_schema is None:
            return None
        return {**sample(self.body_schema, self.document), **over}

    def url(self, **parameters: str) -> str:
        """The address, with what its query must have."""
        needed = {p["name"]: sample(p["schema"], self.document) for p in self.query_parameters if p.get("required")}
        return self.path.format(**parameters) + (f"?{urlencode(needed)}" if needed else "")

    def __str__(self) -> str:
        return self.name


def operations(app: FastAPI) -> list[Operation]:
    """Every operation the application publishes."""
    document = app.openapi()
    return [
        Operation(method.upper(), path, raw["operationId"], raw["x-permission"], raw, document)
        for path, methods in document["paths"].items()
        for method, raw in methods.items()
    ]


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, behind references and the null of an optional member."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in schema or "oneOf" in schema:
            choices = [s for s in schema.get("anyOf", schema.get("oneOf", ())) if s.get("type") != "null"]
            schema = {**{k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}, **choices[0]}
        elif len(schema.get("allOf", ())) == 1:
            schema = {**{k: v for k, v in schema.items() if k != "allOf"}, **schema["allOf"][0]}
        else:
            return schema


def sample(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """The smallest valid value, from the schema's own examples where it has them."""
    schema = resolved(schema, document)
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    match schema.get("type"):
        case "object":
            return {name: sample(schema["properties"][name], document) for name in schema.get("required", ())}
        case "array":
            return [sample(schema["items"], document) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            return _text(schema)
    raise NotImplementedError(f"teach sample() this schema: {schema}")


def _text(schema: dict[str, Any]) -> str:
    match schema.get("format"):
        case "uuid":
            return str(uuid4())
        case "date":
            return "2026-11-02"
        case "date-time":
            return "2026-11-02T09:00:00+07:00"
    candidates = [text for text in _PATTERN_SAMPLES if re.search(schema.get("pattern", ""), text)]
    if not candidates:
        raise NotImplementedError(f"teach _PATTERN_SAMPLES a text for {schema['pattern']}")
    return next((text for text in candidates if len(text) >= schema.get("minLength", 0)), "contoh " * 3)
