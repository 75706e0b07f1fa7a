"""Code lists: public, versioned, in both languages, and cached by their ETag."""

import pytest

from helpers import code_of
from tksk_api.domain.references.lists import LISTS

URL = "/v1/reference"


async def test_every_list_is_named_with_its_version(client):
    answer = await client.get(URL)
    assert answer.status_code == 200
    assert [entry["code"] for entry in answer.json()["items"]] == list(LISTS)
    assert all(entry["version"] and entry["title_id"] and entry["title_en"] for entry in answer.json()["items"])
    assert answer.json()["next_cursor"] is None
    assert answer.headers["cache-control"] == "public, max-age=3600"


@pytest.mark.parametrize("name", LISTS)
async def test_each_list_gives_its_codes_in_both_languages(client, name):
    answer = await client.get(f"{URL}/{name}")
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert [item["code"] for item in items] == [item.code for item in LISTS[name].items]
    assert all(item["label_id"] and item["label_en"] for item in items)


async def test_the_contract_names_these_lists(client):
    """API §2: ppks_categories (26), psks_types (12 and other)."""
    ppks = (await client.get(f"{URL}/ppks_categories")).json()["items"]
    psks = (await client.get(f"{URL}/psks_types")).json()["items"]
    assert len(ppks) == 26
    assert len(psks) == 13
    assert "other" in [item["code"] for item in psks]


async def test_a_client_that_has_it_already_gets_304(client):
    first = await client.get(f"{URL}/pillars")
    again = await client.get(f"{URL}/pillars", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    other = await client.get(f"{URL}/pillars", headers={"If-None-Match": '"2020-01"'})
    assert other.status_code == 200


@pytest.mark.parametrize("header", ["W/{}", '"2020-01", {}', "*"])
async def test_every_form_of_if_none_match_is_understood(client, header):
    """RFC 9110 §13.1.2: a list, a star, and weak comparison, for proxies weaken what they compress."""
    first = await client.get(f"{URL}/pillars")
    again = await client.get(f"{URL}/pillars", headers={"If-None-Match": header.format(first.headers["etag"])})
    assert again.status_code == 304


async def test_an_unknown_list_is_404(client):
    assert code_of(await client.get(f"{URL}/shoe_sizes")) == "not_found"
    assert code_of(await client.get(f"{URL}/SHOE-SIZES")) == "invalid_request"


async def test_the_lists_the_code_relies_on_are_reachable_without_a_token(client):
    for name in ("roles", "reason_codes", "document_kinds", "reveal_purposes", "relationships"):
        assert (await client.get(f"{URL}/{name}")).status_code == 200
