"""Each service alone, and all together."""

import httpx
import pytest

from tksk_api.main import create_app
from tksk_api.services import SERVICES


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_can_be_served_alone(settings, name):
    app = create_app(settings, [name])
    paths = app.openapi()["paths"]
    own = {route.path for router in SERVICES[name].routers for route in router.routes}
    assert own <= set(paths)
    assert set(paths) - own == {"/livez", "/readyz"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http,
    ):
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.get(f"/openapi/{name}.json")).status_code == 200
        others = [path for other in SERVICES if other != name for path in _plain(other)]
        for path in others:
            assert (await http.get(path)).status_code == 404, path


def _plain(name: str) -> list[str]:
    paths = {route.path for router in SERVICES[name].routers for route in router.routes}
    return [path for path in paths if "{" not in path]


async def test_the_documentation_page_loads_nothing_from_elsewhere(client):
    page = (await client.get("/docs")).text
    assert "swagger" in page.lower()
    assert "https://" not in page.replace("https://fastapi", "")
    scripts = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert scripts
    for script in scripts:
        assert (await client.get(script)).status_code == 200


async def test_the_type_of_a_problem_leads_to_its_page(client):
    problem = (await client.get("/v1/me")).json()
    page = await client.get(problem["type"].removeprefix("http://test"))
    assert page.status_code == 200
    assert problem["code"] in page.text
