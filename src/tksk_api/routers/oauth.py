"""OAuth 2.0 for machine clients, and the keys that verify our tokens."""

from typing import Any

from starlette.responses import Response

from tksk_api.domain.clients import grants
from tksk_api.domain.clients.rules import ASSERTION_TYPE, GRANT_TYPE
from tksk_api.domain.clients.schemas import AuthorizationServer, JsonWebKeySet, MachineToken
from tksk_api.http.dependencies import HouseDep, SystemSessionDep
from tksk_api.http.forms import FORM, TokenRequestDep
from tksk_api.http.rate import Policy
from tksk_api.http.replies import PRIVATE
from tksk_api.http.routing import PUBLIC, Router
from tksk_api.security.signing import JWKS_MAX_AGE_SECONDS

router = Router("oauth", prefix="")

_TEXT = {"type": "string"}
_FORM: dict[str, Any] = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"const": GRANT_TYPE},
                    "scope": {**_TEXT, "description": "Scopes separated by a space; left out: all the client has"},
                    "client_id": _TEXT,
                    "client_secret": {**_TEXT, "format": "password"},
                    "client_assertion_type": {"const": ASSERTION_TYPE},
                    "client_assertion": _TEXT,
                },
            }
        }
    },
}


@router.post(
    "/oauth2/token",
    permission=PUBLIC,
    limit=Policy.SIGN_IN,
    response_model=MachineToken,
    summary="Get a token as a machine client",
    openapi_extra={"x-statuses": ["401"], "requestBody": _FORM},
)
async def issue_token(asked: TokenRequestDep, session: SystemSessionDep, house: HouseDep) -> Response:
    """Client credentials grant (RFC 6749 §4.4). Prove who asks in one of three ways: HTTP Basic, `client_secret` in the
    form, or a `client_assertion` signed with the registered key (RFC 7523), good for one use and at most five minutes.
    A refusal carries `error` and `error_description` beside the members of every problem. `Idempotency-Key` is not used
    here: after a lost reply ask again, with a new assertion; another token takes nothing from the first."""
    token = await grants.grant(session, asked, house.tokens, house.settings.public_url)
    return Response(token.model_dump_json(), headers=PRIVATE, media_type="application/json")


@router.get(
    "/.well-known/jwks.json", permission=PUBLIC, response_model=JsonWebKeySet, summary="Public keys of our tokens"
)
async def jwks(house: HouseDep) -> Response:
    """JSON Web Key Set (RFC 7517) with the ES256 keys that verify access tokens, the next one among them."""
    return _published(JsonWebKeySet(**house.tokens.keys.jwks))


@router.get(
    "/.well-known/oauth-authorization-server",
    permission=PUBLIC,
    response_model=AuthorizationServer,
    summary="How machine clients get tokens",
)
async def oauth_authorization_server(house: HouseDep) -> Response:
    """Authorization server metadata (RFC 8414)."""
    return _published(grants.metadata(house.settings.public_url))


def _published(document: AuthorizationServer | JsonWebKeySet) -> Response:
    headers = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_SECONDS}"}
    return Response(document.model_dump_json(), headers=headers, media_type="application/json")
