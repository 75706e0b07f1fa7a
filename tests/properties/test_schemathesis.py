"""What the document promises, tried with generated requests: no fault, no unpublished answer, no other shape."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from architecture.specification import Operation, operations
from architecture.world import World, build_world

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 4  # valid requests only: wrong ones are sent, faster and all of them, by tests/api/test_conventions.py
# They end the session that asks, or ask the public's rate limit.
LEFT_OUT = {"logout", "verify_letter"}


@pytest.fixture
async def world(app, owner) -> AsyncIterator[World]:
    async with build_world(app, owner) as built:
        for caller in built.home.values():
            caller.event_hooks = {}
        yield built


async def test_generated_requests_get_published_answers(world):
    """Generation is synchronous and runs in a thread; each request runs here, in the loop that owns the pools."""
    loop = asyncio.get_running_loop()
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    by_name = {operation.name: operation for operation in operations(world.app)}
    tried: dict[str, int] = {}
    statuses: Counter[int] = Counter()

    def send(operation: Operation, case: Any) -> httpx.Response:
        caller = world.home["tksk"] if operation.is_public else world.holder(operation)
        case.path_parameters.update({k: v for k, v in _known(world, operation).items() if tried[operation.name] % 2})
        request = case.as_transport_kwargs(base_url="http://test")
        headers = {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": str(uuid4())}
        if operation.needs_version:
            headers["If-Match"] = f'"v{1 + tried[operation.name] % 3}"'
        request["headers"] = {**(request.get("headers") or {}), **headers}
        kept = {k: v for k, v in request.items() if k in ("method", "url", "params", "json", "content", "headers")}
        if "data" in request:
            kept["data" if isinstance(request["data"], dict) else "content"] = request["data"]
        future = asyncio.run_coroutine_threadsafe(_ask(caller, kept), loop)
        return future.result(30)

    def run() -> None:
        for result in schema.get_all_operations():
            published = result.ok()
            operation = by_name[published.definition.raw["operationId"]]
            if operation.name in LEFT_OUT:
                continue
            attempts(published, operation)()

    def attempts(published: Any, operation: Operation) -> Callable[[], None]:
        @seed(20261122)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=published.as_strategy(generation_mode=GenerationMode.POSITIVE))
        def attempt(case: Any) -> None:
            tried[operation.name] = tried.get(operation.name, 0) + 1
            answer = Response.from_httpx(send(operation, case), verify=False)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        return attempt

    with ThreadPoolExecutor(1) as pool:
        await loop.run_in_executor(pool, run)
    assert tried.keys() == by_name.keys() - LEFT_OUT
    assert {200, 201, 404, 409, 412, 422} <= statuses.keys(), statuses  # it went beyond the front door


async def _ask(caller: httpx.AsyncClient, request: dict[str, Any]) -> httpx.Response:
    return await caller.request(**request)


def _known(world: World, operation: Operation) -> dict[str, str]:
    """Every other request goes to a row that exists."""
    known = {
        "id": world.ids.get(operation.collection),
        "code": "18.71.04",
        "list": "pillars",
        "region_code": "18.71.04",
    }
    return {name: value for name in operation.path_parameters if (value := known.get(name)) is not None}
