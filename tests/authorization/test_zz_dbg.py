from authorization.test_walls import OUTSIDE, ids_outside, LISTS, without_wall_two, SecretStr, leaks_over_http, without_wall_one
import pytest
@pytest.mark.parametrize("role", OUTSIDE)
async def test_dbg(at, owner_url, role):
    ids = ids_outside(at, role)
    shown = {l.table for l in LISTS.values() if not l.is_open}
    hidden = {k: t for t in shown for k in ids[t]}
    async with without_wall_two(at, SecretStr(owner_url)):
        a = await at.callers[role].get("/v1/worklist", params={"limit": 200})
        for i in a.json()["items"]:
            if i["id"] in hidden:
                print("\nXX", role, hidden[i["id"]], i)
        for x in await leaks_over_http(at, role): print("\nXX2", role, x)
    with without_wall_one():
        for x in await leaks_over_http(at, role): print("\nXX1", role, x)
    for x in await leaks_over_http(at, role): print("\nXX0", role, x)
