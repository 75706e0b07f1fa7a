"""The router of this house: every operation declares its permission, and gets the conventions without asking."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from tksk_api.database.admission import Admission
from tksk_api.errors import DomainError
from tksk_api.http.limits import JSON, MERGE_PATCH, check_path, check_query, read_json
from tksk_api.http.links import link_credentials
from tksk_api.http.rate import Policy
from tksk_api.security.permissions import OTP_ROLES, Permission, roles_with
from tksk_api.security.tokens import Credentials

PUBLIC: Literal["public"] = "public"
F = TypeVar("F", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def _parameters(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for inner in dependant.dependencies:
        yield from _parameters(inner)


class Route(APIRoute):
    """An operation behind the house's checks: token, query, body, in that order, before anything else runs."""

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        self._beginning = path.partition("{")[0]
        super().__init__(path, *args, **kwargs)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As the framework matches, after a look at the fixed beginning: most routes are ruled out for a tenth."""
        if not scope["path"].startswith(self._beginning) and not scope.get("root_path"):
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        permission = (self.openapi_extra or {})["x-permission"]
        admitted = None if permission == PUBLIC else Permission.named(permission)
        roles = roles_with(admitted) if admitted else ()
        step_up = bool((self.openapi_extra or {}).get("x-step-up"))
        by_link = bool((self.openapi_extra or {}).get("x-signed-link"))
        limit = (self.openapi_extra or {}).get("x-rate-limit")
        policy = Policy(limit) if limit else None
        parameters = list(_parameters(self.dependant))
        modelled = any(_is_model(parameter) for parameter in parameters)
        known = None if modelled else frozenset(parameter.alias for parameter in parameters)
        accepted = (MERGE_PATCH, JSON) if "PATCH" in (self.methods or ()) else (JSON,)

        async def checked(request: Request) -> Response:
            if admitted is None:
                _count(request, policy)
            else:
                credentials = _identified(request, by_link=by_link)
                _count(request, policy, credentials)
                request.state.credentials = credentials
                settings = request.app.state.house.settings
                request.state.admission = Admission(
                    session_id=credentials.session_id,
                    roles=roles,
                    permission=permission,
                    request_id=UUID(request.scope["request_id"]),
                    operation=self.name,
                    opening=admitted is Permission.SIGNED_IN,
                    otp_roles=OTP_ROLES if settings.otp_required else frozenset(),
                    step_up_seconds=settings.step_up_minutes * 60 if step_up else None,
                    token_scopes=credentials.scopes,
                )
            check_path(request)
            if request.scope["query_string"]:
                check_query(request, known)
            if self.body_field is not None:
                await read_json(request, accepted)
            return await handle(request)

        return checked


def _is_model(parameter: Any) -> bool:
    annotation = parameter.field_info.annotation
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _identified(request: Request, *, by_link: bool) -> Credentials:
    """Whose token it is; a request with a bad one is counted by its address, as any other without a token."""
    try:
        credentials = _by_link_or_token(request) if by_link else _credentials(request)
    except DomainError:
        _count(request, Policy.PUBLIC)
        raise
    request.scope["session"] = str(credentials.session_id)
    return credentials


def _count(request: Request, policy: Policy | None, credentials: Credentials | None = None) -> None:
    if policy is not None:
        caller = str(credentials.user_id) if credentials and policy is Policy.DEFAULT else None
        request.app.state.house.limits.take(request.scope, policy, caller)


def _credentials(request: Request) -> Credentials:
    headers = request.headers.getlist("authorization")
    if len(headers) != 1:
        raise DomainError("unauthenticated")
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer":
        raise DomainError("unauthenticated")
    credentials: Credentials = request.app.state.house.tokens.verify(token)
    return credentials


def _by_link_or_token(request: Request) -> Credentials:
    """Whom the link was made for; a token that comes along must be of the same session. Raises link_refused."""
    linked = link_credentials(request)
    if linked is None:
        return _credentials(request)
    if "authorization" in request.headers and _credentials(request).session_id != linked.session_id:
        raise DomainError("link_refused")
    return linked


def body_limits(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], int]:
    """Method and path of the operations that take a larger body, with their limits."""
    found = [route for route in routes if isinstance(route, Route)]
    return {
        (method, route.path): (route.openapi_extra or {})["x-body-limit"]
        for route in found
        if "x-body-limit" in (route.openapi_extra or {})
        for method in route.methods or ()
    }


class Router(APIRouter):
    """`@router.get(path, permission=...)`: leaving the permission out is a TypeError, not an open door."""

    def __init__(self, tag: str, *, prefix: str = "/v1") -> None:
        super().__init__(
            prefix=prefix,
            tags=[tag],
            route_class=Route,
            redirect_slashes=False,
            generate_unique_id_function=lambda route: route.name,
        )

    def get(self, path: str, *, permission: Permission | Literal["public"], **kwargs: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._operation("GET", path, permission, kwargs)

    def post(self, path: str, *, permission: Permission | Literal["public"], **kwargs: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._operation("POST", path, permission, kwargs)

    def patch(self, path: str, *, permission: Permission | Literal["public"], **kwargs: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._operation("PATCH", path, permission, kwargs)

    def put(self, path: str, *, permission: Permission | Literal["public"], **kwargs: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._operation("PUT", path, permission, kwargs)

    def delete(self, path: str, *, permission: Permission | Literal["public"], **kwargs: Any) -> Callable[[F], F]:  # type: ignore[override]
        return self._operation("DELETE", path, permission, kwargs)

    def _operation(self, method: str, path: str, permission: str, kwargs: dict[str, Any]) -> Callable[[F], F]:
        extra = {**kwargs.pop("openapi_extra", {}), "x-permission": str(permission)}
        if kwargs.pop("step_up", False):  # the caller must have proven themselves a moment ago
            extra["x-step-up"] = True
        if kwargs.pop("signed_link", False):  # a link made for the caller a moment ago does instead of a token
            extra["x-signed-link"] = True
        if "body_limit" in kwargs:  # in bytes, instead of the limit of all others; the edge keeps it
            extra["x-body-limit"] = kwargs.pop("body_limit")
        limit: Policy | None = kwargs.pop("limit", Policy.PUBLIC if permission == PUBLIC else Policy.DEFAULT)
        if limit is not None:  # None: not counted, or counted by the handler itself
            extra["x-rate-limit"] = str(limit)
        declare: Callable[[F], F] = super().api_route(path, methods=[method], openapi_extra=extra, **kwargs)
        return declare
