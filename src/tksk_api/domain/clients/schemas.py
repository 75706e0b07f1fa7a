"""Shapes of machine clients, of their secrets, and of what they ask for a token with."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from tksk_api.domain.records import Body, Read
from tksk_api.security.permissions import MACHINE_SCOPES
from tksk_api.types import REGION_PATTERN, Line, RegionCode

SCOPES = sorted(MACHINE_SCOPES)


def _machine_scope(value: str) -> str:
    if value not in MACHINE_SCOPES:
        raise PydanticCustomError("not_allowed", "not a scope", {"expected": ", ".join(SCOPES)})
    return value


MachineScope = Annotated[
    str, AfterValidator(_machine_scope), Field(json_schema_extra={"enum": SCOPES}, examples=["beneficiary:read"])
]
Area = Annotated[
    str,
    StringConstraints(pattern=rf"^ID$|{REGION_PATTERN}", max_length=13),
    Field(examples=["18.71"], description="Kemendagri region code of any level, or ID for the whole nation"),
]
Scopes = Annotated[list[MachineScope], Field(max_length=len(SCOPES), description="What it may do; none: nothing")]
Areas = Annotated[list[Area], Field(max_length=20, description="Where it may do it; none: nowhere")]
_Coordinate = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class PublicJwk(Body):
    """A public P-256 key (RFC 7517, RFC 7518 §6.2); never send the private one."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: _Coordinate
    y: _Coordinate
    use: Literal["sig"] | None = None
    alg: Literal["ES256"] | None = None
    kid: Line | None = None


class ClientCreate(Body):
    """`region_code` is the office that looks after the client; only a national office leaves it out."""

    id: UUID | None = None
    name: Annotated[Line, Field(examples=["SIKS-NG Kota Bandar Lampung"])]
    scopes: Scopes = []
    region_codes: Areas = []
    region_code: RegionCode | None = None
    agency_id: Annotated[UUID | None, Field(description="It then also sees what is addressed to this agency")] = None
    public_jwk: PublicJwk | None = None


class ClientUpdate(Body):
    """A merge patch; lists and the key are replaced as a whole."""

    name: Line | None = None
    scopes: Scopes | None = None
    region_codes: Areas | None = None
    public_jwk: PublicJwk | None = None


class PublicJwkRead(Read):
    kty: str
    crv: str
    x: str
    y: str


class LiveSecret(Read):
    """A secret that works now; what it is, nobody can read."""

    created_at: datetime
    expires_at: datetime | None


class ClientRead(Read):
    """A system of another office. With `public_jwk` it signs in by signed assertions only, else by a secret."""

    id: UUID
    name: str
    scopes: list[str]
    region_codes: list[str]
    region_code: str | None
    agency_id: UUID | None
    public_jwk: PublicJwkRead | None
    secrets: list[LiveSecret]
    secret_rotated_at: datetime | None
    disabled_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class SecretRotation(Body):
    """`revoke_others` is for a secret that leaked: the others and every token given so far end at once."""

    revoke_others: bool = False


class NewSecret(Read):
    """It is shown this once. The secret before it works until `others_expire_at`."""

    client_id: UUID
    client_secret: str
    others_expire_at: datetime | None


class MachineToken(Read):
    """RFC 6749 §5.1. There is no refresh token: ask again."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


class JsonWebKeySet(Read):
    """RFC 7517 §5."""

    keys: list[dict[str, Any]]


class AuthorizationServer(Read):
    """RFC 8414 §2."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    service_documentation: str
