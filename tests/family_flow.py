"""Families, their deciles and findings, made over HTTP."""

from datetime import timedelta
from typing import Any

from helpers import SRENGSEM, Caller, add_person
from tksk_api.domain.regions.service import local_today

FAMILIES, DECILES = "/v1/families", "/v1/decile_snapshots"
TODAY = local_today("Asia/Jakarta")
HOUSE = {"street": "Gang Mawar 3", "rt": "001", "rw": "002"}


def errors_of(answer: Any) -> list[tuple[str, str]]:
    """Pointer and code of everything that a 422 finds wrong."""
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def joining(someone: Any, relationship: str, **over: Any) -> dict[str, Any]:
    """A person, or the id of one, as a member."""
    key = someone["id"] if isinstance(someone, dict) else someone
    return {"beneficiary_id": key, "relationship": relationship, **over}


def family(*members: dict[str, Any], **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/families."""
    return {"village_code": SRENGSEM, "address": HOUSE, "members": list(members), **over}


async def add_family(caller: Caller, *members: dict[str, Any], **over: Any) -> dict[str, Any]:
    return await _made(caller, FAMILIES, family(*members, **over))


async def family_of_one(caller: Caller, **over: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A family and its only member, the head."""
    head = await add_person(caller, nik=None, nik_status="none", **over)
    return await add_family(caller, joining(head, "head_of_family")), head


def snapshot(of: dict[str, Any], **over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/decile_snapshots."""
    return {
        "family_id": of["id"],
        "decile": 7,
        "source": "dtsen",
        "batch": "DTSEN 2026 triwulan III",
        "dated_on": "2026-09-30",
        **over,
    }


async def add_snapshot(caller: Caller, of: dict[str, Any], **over: Any) -> dict[str, Any]:
    return await _made(caller, DECILES, snapshot(of, **over))


async def visited(tksk: Caller, someone: dict[str, Any], finding: str, days_ago: int = 0) -> str:
    """A completed visit; returns its id."""
    day = str(TODAY - timedelta(days=days_ago))
    visit = await _made(tksk, "/v1/visits", {"beneficiary_id": someone["id"], "visited_on": day})
    found = {"outcome": "met", "finding": finding, "evidence": {}, "reasons": ["no_fixed_income"]}
    done = await tksk.act(f"/v1/visits/{visit['id']}/complete", found)
    assert done.status_code == 200, done.text
    return str(visit["id"])


async def _made(caller: Caller, url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await caller.post(url, json=body)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result
