"""Every operation declares its permission and publishes what it does; what is served is what is published."""

import ast
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.responses import Response
from starlette.routing import Mount, Route

import tksk_api
from architecture.specification import PUBLIC, Operation, operations
from tksk_api.cli.specification import files
from tksk_api.domain import records
from tksk_api.domain.imports.kinds import KINDS
from tksk_api.domain.workflow import Workflow
from tksk_api.errors import FIELD_CODES, PROBLEMS
from tksk_api.http.routing import Router
from tksk_api.security.permissions import ROLE_PERMISSIONS, Permission, Role
from tksk_api.services import SERVICES

ROOT = Path(__file__).parents[2]
SOURCES = Path(tksk_api.__file__).parent
# Served, but not part of the contract.
UNPUBLISHED = {
    "/openapi.json",
    "/docs",
    "/docs/problems/{code}",
    "/metrics",
    "/.well-known/security.txt",
    *(f"/openapi/{service}.json" for service in SERVICES),
}
# Permissions that wait for their operation; each line says for which.
WAITING: dict[str, str] = {}
# They open no operation, but more of what several show: held by the database (tests/api/test_ppks_assessments.py).
SHOW_MORE = {Permission.PPKS_SENSITIVE}
# What they end has no version: a session only ends, and one's own codes go with a password and a code. A part of a file
# says by its offset what its sender saw.
UNVERSIONED = {"end_session", "end_user_session", "remove_otp", "append_import_upload"}
# Statuses of the catalogue that another layer than the operation gives.
NOT_BY_AN_OPERATION = {405, 500}


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    """What `tksk openapi` would write now."""
    return files()


def complaints(operation: Operation) -> Iterator[str]:
    """What is wrong with one operation's entry in the document."""
    raw = operation.raw
    if operation.is_public != (operation.name in PUBLIC):
        yield f"is {operation.permission} but {'not ' * (operation.name not in PUBLIC)}on the list PUBLIC"
    if not operation.is_public and operation.permission not in Permission.__members__.values():
        yield f"has the unknown permission {operation.permission}"
    if not operation.is_public and f"Permission `{operation.permission}`" not in raw.get("description", ""):
        yield "does not say its permission in its description"
    for member in ("summary", "description", "operationId", "tags"):
        if not raw.get(member):
            yield f"has no {member}"
    if (raw.get("security") == []) != operation.is_public:
        yield "has the wrong security"
    wanted = {"422", "503"} | (set() if operation.is_public else {"401", "403"})
    wanted |= {"404"} if operation.path_parameters else set()
    wanted |= {"412", "428"} if operation.needs_version else set()
    wanted |= {"400", "413", "415"} if operation.body_schema else set()
    for status in sorted(wanted - raw["responses"].keys()):
        yield f"does not publish {status}"
    for status, response in raw["responses"].items():
        content = response.get("content", {})
        if status >= "400" and list(content) != ["application/problem+json"]:
            yield f"answers {status} with {list(content)}"
        if status == "200" and not content:
            yield "answers 200 without saying what"
    if operation.method in ("PATCH", "DELETE") and not operation.needs_version and operation.name not in UNVERSIONED:
        yield "changes something without If-Match"
    if operation.method == "GET" and operation.needs_version:
        yield "asks for If-Match to read"


def test_every_operation_is_complete(app):
    wrong = {operation.name: list(complaints(operation)) for operation in operations(app)}
    assert {name: texts for name, texts in wrong.items() if texts} == {}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"x-permission": "public", "security": []}, "on the list PUBLIC"),
        ({"x-permission": "cake:eat"}, "unknown permission"),
        ({"summary": ""}, "no summary"),
        ({"description": ""}, "no description"),
        ({"security": []}, "wrong security"),
        ({"responses": {}}, "does not publish 401"),
        ({"responses": {"422": {"content": {"application/json": {}}}}}, "application/json"),
        ({"parameters": []}, "without If-Match"),
    ],
)
def test_the_check_above_sees_an_incomplete_operation(app, change, complaint):
    real = next(operation for operation in operations(app) if operation.name == "update_user")
    raw = {**real.raw, **change}
    broken = Operation(real.method, real.path, real.name, raw["x-permission"], raw, real.document)
    assert any(complaint in text for text in complaints(broken))


def test_an_operation_without_a_permission_cannot_be_declared():
    with pytest.raises(TypeError, match="permission"):
        Router("x").get("/x")(lambda: None)  # type: ignore[call-arg]


def test_the_public_list_names_existing_operations(app):
    assert {operation.name for operation in operations(app)} >= PUBLIC


def test_operation_ids_are_the_handlers_names_and_unique(app):
    names = [operation.name for operation in operations(app)]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    handlers = {route.endpoint.__name__ for route in routes_of_services()} | {"livez", "readyz"}
    assert set(names) <= handlers
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def routes(app: FastAPI) -> list[Any]:
    """Every route that is served, included routers opened."""
    return [context for context in iter_route_contexts(app.routes) if getattr(context, "path", None)]


def served(app: FastAPI) -> set[tuple[str, str]]:
    return {(method, route.path) for route in routes(app) for method in getattr(route, "methods", None) or ()}


def test_what_is_served_is_what_is_published(app):
    published = {(operation.method, operation.path) for operation in operations(app)}
    beside = {(method, path) for method, path in served(app) if path in UNPUBLISHED}
    assert served(app) - beside == published
    assert {path for _, path in beside} == UNPUBLISHED
    assert [route.path for route in app.routes if isinstance(route, Mount)] == ["/static-offline-docs"]


def test_the_check_above_sees_a_hidden_route(app):
    app.router.routes.append(Route("/v1/backdoor", lambda _request: Response()))
    try:
        assert ("GET", "/v1/backdoor") in served(app)
    finally:
        app.router.routes.pop()


def test_every_permission_opens_something_and_somebody_has_it(app):
    used = {operation.permission for operation in operations(app)}
    used |= {step.permission for workflow in workflows() for step in workflow.steps.values()}
    used |= {kind.permission for kind in KINDS.values()}  # of what comes by file
    assert set(Permission) - used - SHOW_MORE == WAITING.keys()
    granted = frozenset().union(*ROLE_PERMISSIONS.values())
    assert set(Permission) == granted
    assert set(ROLE_PERMISSIONS) == set(Role)


def modules() -> list[Any]:
    return [import_module(found.name) for found in walk_packages(tksk_api.__path__, "tksk_api.")]


def workflows() -> list[Workflow]:
    found = {id(value): value for module in modules() for value in vars(module).values() if isinstance(value, Workflow)}
    return list(found.values())


def test_every_workflow_step_is_an_operation_with_the_same_permission(app):
    published = {operation.name: operation for operation in operations(app)}
    by_path = {(operation.path, operation.method): operation for operation in published.values()}
    assert workflows()
    for workflow in workflows():
        collection = workflow.entity.replace("_", "-")
        for action, step in workflow.steps.items():
            operation = by_path.get((f"/v1/{collection}/{{id}}/{action}", "POST"))
            if operation is None:
                operation = by_path.get((f"/v1/{collection}/{{id}}/{action.replace('_', '-')}", "POST"))
            assert operation is not None, f"{workflow.entity}: no operation takes the step {action}"
            assert operation.permission == step.permission, operation.name
            assert step.sources <= set(workflow.states)
            assert set(step.targets) <= set(workflow.states)


def test_every_operation_belongs_to_one_service(app, made):
    ids = []
    for name in SERVICES:
        document = json.loads(made[Path("openapi") / f"{name}.json"])
        own = [raw["operationId"] for methods in document["paths"].values() for raw in methods.values()]
        assert own
        assert _dangling(document) == set()
        ids += own
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert {operation.name for operation in operations(app)} - set(ids) == {"livez", "readyz"}


def _dangling(document: dict[str, Any]) -> set[str]:
    """References to schemas that the document lacks."""
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    return wanted - document["components"]["schemas"].keys()


def stale(made: dict[Path, str]) -> list[str]:
    return [str(path) for path, text in made.items() if not (ROOT / path).exists() or (ROOT / path).read_text() != text]


def test_what_is_generated_is_committed_fresh(made):
    """The OpenAPI documents, the pages of the problems, the workflows."""
    assert stale(made) == [], "run `tksk openapi`"
    specs = {path.name for path in (ROOT / "openapi").iterdir()}
    assert specs == {"tksk.json", *(f"{name}.json" for name in SERVICES)}


def test_the_check_above_sees_a_stale_file(made):
    path = Path("openapi/tksk.json")
    assert stale({path: made[path].replace("get_beneficiary", "fetch_beneficiary")}) == [str(path)]


def subclasses(base: type[BaseModel]) -> list[type[BaseModel]]:
    modules()
    found: list[type[BaseModel]] = []
    for child in base.__subclasses__():
        found += [child, *subclasses(child)]
    return found


def with_defaults(schemas: list[type[BaseModel]]) -> list[str]:
    return [f"{s.__name__}.{n}" for s in schemas for n, f in s.model_fields.items() if not f.is_required()]


def test_responses_have_no_defaults():
    """A default would hide that a projection forgot a member. Reasons of a match are kept as they were found."""
    assert with_defaults(subclasses(records.Read)) == ["MatchReason.similarity"]


def test_the_check_above_sees_a_default():
    class Fake(records.Read):
        name: str = "x"

    assert "Fake.name" in with_defaults([Fake])


def test_request_bodies_refuse_unknown_members(app):
    open_bodies = [s.__name__ for s in subclasses(records.Body) if s.model_config.get("extra") != "forbid"]
    assert open_bodies == []
    for operation in operations(app):
        if operation.body_schema is not None:
            assert operation.body_schema.get("additionalProperties") is False, operation.name


def codes_used(function: str, tree: ast.AST, position: int) -> set[str]:
    """String constants given to calls of `function` at a position."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) > position:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == function:
                found |= _constants(node.args[position])
    return found


def _constants(node: ast.AST) -> set[str]:
    # Both arms of `a if x else b`; a code that is computed is found as a plain string by the tests below.
    if isinstance(node, ast.IfExp):
        return _constants(node.body) | _constants(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def trees() -> dict[Path, ast.AST]:
    return {path: ast.parse(path.read_text()) for path in SOURCES.rglob("*.py")}


def strings(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_code_that_the_source_uses_is_in_the_catalogue():
    problems, fields = set(), set()
    for tree in trees().values():
        problems |= codes_used("DomainError", tree, 0)
        fields |= codes_used("invalid", tree, 1) | codes_used("FieldError", tree, 1)
        fields |= codes_used("PydanticCustomError", tree, 0)
    assert problems - PROBLEMS.keys() == set()
    assert fields - FIELD_CODES == set()


def test_the_check_above_sees_an_unknown_code():
    tree = ast.parse("raise invalid('/x', 'good' if y else 'no_such_code')")
    assert codes_used("invalid", tree, 1) == {"good", "no_such_code"}


def test_every_code_of_the_catalogue_can_happen():
    used = set()
    for path, tree in trees().items():
        if path.name != "errors.py":
            used |= strings(tree)
    used |= codes_used("DomainError", ast.parse((SOURCES / "errors.py").read_text()), 0)
    assert PROBLEMS.keys() - used == set(), "problem codes nobody raises"
    assert FIELD_CODES - used == set(), "field codes nobody raises"


def test_every_problem_has_its_page():
    """`type` of a problem is the address of its page."""
    pages = {path.stem for path in (ROOT / "docs" / "problems").glob("*.md")} - {"README", "index"}
    assert pages == PROBLEMS.keys()


@pytest.mark.parametrize("code", PROBLEMS)
def test_problem_texts_stand_in_both_languages(code):
    text = PROBLEMS[code]
    assert text.title_id != text.title_en
    placeholders = [set(re.findall(r"{(\w+)}", detail)) for detail in (text.detail_id, text.detail_en)]
    assert placeholders[0] == placeholders[1]
    assert 400 <= text.status <= 599


def test_handlers_hold_no_logic():
    """A router's operation is a few lines: parsing, one use case, the reply."""
    long = {}
    for context in routes_of_services():
        body = ast.parse(inspect.getsource(context.endpoint).lstrip()).body[0].body  # type: ignore[attr-defined]
        statements = sum(isinstance(node, ast.stmt) for child in body for node in ast.walk(child))
        if statements > 16:
            long[context.endpoint.__name__] = statements
    assert long == {}


def routes_of_services() -> list[Any]:
    return [route for service in SERVICES.values() for router in service.routers for route in router.routes]
