"""One row of every resource in Panjang, made over HTTP, and callers of every role there and in Ampenan."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI

from architecture.specification import Operation
from files import picture
from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_user, person
from tksk_api.security.permissions import ROLE_REGION_LEVEL, Role

HOME = {"province": "18", "regency": BANDAR_LAMPUNG, "district": PANJANG, "village": SRENGSEM}
AWAY = {"province": "52", "regency": "52.71", "district": AMPENAN, "village": AMPENAN_VILLAGE}
REGIONAL = [role for role in Role if ROLE_REGION_LEVEL[role] is not None]

# Bodies that pass the checks made before the row is looked for, where a sample of the schema does not.
BODIES: dict[str, dict[str, Any]] = {
    "search_beneficiaries": {"name": "Siti"},
    "move_beneficiary": {"village_code": SRENGSEM},
    "reveal_beneficiary": {"purpose": "letter_processing", "reason": "Surat untuk sekolah anak", "fields": ["nik"]},
    "return_sktm_application": {"reason_code": "incomplete_documents"},
    "reject_sktm_application": {"reason_code": "not_registered_dtsen"},
    "revoke_sktm_application": {"reason_code": "false_statement"},
}


@dataclass
class World:
    """Who is there and what exists; `ids` maps a collection's name to the id of its row in Panjang."""

    app: FastAPI
    owner: Any
    home: dict[str, Caller] = field(default_factory=dict)
    away: dict[str, Caller] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def holder(self, operation: Operation, side: str = "home") -> Caller:
        """Somebody who may perform the operation; the officer where possible."""
        callers: dict[str, Caller] = getattr(self, side)
        role = "tksk" if "tksk" in operation.roles else operation.roles[0]
        return callers[role]

    def path(self, operation: Operation, **over: str) -> str:
        """The operation's address with ids of existing rows. Raises KeyError, saying what to add to this file."""
        known = {
            "code": {"regions": PANJANG, "programs": "pip"}.get(operation.collection),
            "list": "pillars",
            "region_code": PANJANG,
            "token": "tidak-dikenal-token-ini-0000",
            "id": self.ids.get(operation.collection),
        }
        filled = {name: over.get(name) or known.get(name) for name in operation.path_parameters}
        unknown = [name for name, value in filled.items() if value is None]
        if unknown:
            raise KeyError(
                f"{operation.name}: no row for {{{', '.join(unknown)}}} of {operation.path}. "
                "Make one in _fill() of tests/architecture/world.py."
            )
        return operation.url(**filled)  # type: ignore[arg-type]

    async def send(self, operation: Operation, caller: Any, path: str | None = None, **over: Any) -> Any:
        """A request of the right shape, with If-Match where it is needed."""
        headers = {"If-Match": '"v1"'} if operation.needs_version else {}
        headers |= over.pop("headers", {})
        if operation.body_schema is not None and "content" not in over:
            over.setdefault("json", operation.body(**BODIES.get(operation.name, {})))
        if operation.takes_file and not over.keys() & {"content", "json", "data"}:
            over["data"] = {"kind": "other", "beneficiary_id": self.ids["beneficiaries"]}
            over["files"] = {"file": ("rumah.jpg", picture())}
        return await caller.request(operation.method, path or self.path(operation), headers=headers, **over)


@asynccontextmanager
async def build_world(app: FastAPI, owner: Any) -> AsyncIterator[World]:
    """Build it, and leave an empty database behind."""
    world = World(app, owner)
    try:
        await _sign_in(world)
        await _fill(world)
        yield world
    finally:
        for caller in (*world.home.values(), *world.away.values()):
            await caller.aclose()


async def _sign_in(world: World) -> None:
    for callers, regions, name in ((world.home, HOME, "Lampung"), (world.away, AWAY, "Mataram")):
        agency = await world.owner.fetchval(
            "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
            "VALUES ($1, 1, $2, 'bpjs_office', $3, true, $1) RETURNING id",
            uuid4(),
            f"BPJS {name}",
            regions["regency"],
        )
        world.ids.setdefault("agencies", str(agency))
        for role in Role:
            level = ROLE_REGION_LEVEL[role]
            agency_id = agency if role is Role.AGENCY else None
            callers[role] = await sign_in(world, role, regions[level] if level else None, agency_id)


async def sign_in(world: World, role: str, region: str | None, agency_id: UUID | None = None) -> Caller:
    """One more caller; the world closes only the ones in `home` and `away`."""
    user_id, session_id = await add_user(world.owner, role, region, agency_id=agency_id)
    token = world.app.state.house.tokens.issue(user_id, session_id)
    return Caller(world.app, token, user_id=user_id, session_id=session_id, role=role, region=region)


async def _fill(world: World) -> None:
    tksk, clerk, head = (world.home[role] for role in ("tksk", "village_clerk", "village_head"))
    # Every POST carries an Idempotency-Key: a handler that forgets to keep its answer fails here.
    for caller in (*world.home.values(), *world.away.values()):
        caller.event_hooks = {"request": [_add_key]}
    ids = world.ids
    ids["users"] = str(clerk.user_id)
    ids["beneficiaries"] = await _made(clerk, "/v1/beneficiaries", person())
    ids["visits"] = await _made(
        tksk, "/v1/visits", {"beneficiary_id": ids["beneficiaries"], "visited_on": "2026-11-02"}
    )
    ids["attachments"] = await _attached(tksk, ids["visits"])
    completed = {"outcome": "met", "finding": "eligible", "evidence": {}, "attachment_ids": [ids["attachments"]]}
    await _taken(tksk, f"/v1/visits/{ids['visits']}/complete", completed)
    ids["sktm-applications"] = await _made(
        clerk,
        "/v1/sktm-applications",
        {
            "beneficiary_id": ids["beneficiaries"],
            "purpose": "education",
            "purpose_detail": "Beasiswa KIP Kuliah",
            "addressed_to": "Universitas Lampung",
        },
    )
    url = f"/v1/sktm-applications/{ids['sktm-applications']}"
    kinds = ("cover_letter", "ktp", "family_card", "school_letter")
    await _taken(clerk, f"{url}/submit")
    await _taken(clerk, f"{url}/check", {"documents": [{"kind": kind, "status": "ok"} for kind in kinds]})
    await _taken(tksk, f"{url}/verify", {"visit_id": ids["visits"], "recommendation": "Layak dibantu."})
    await _taken(head, f"{url}/sign")
    ids["referrals"] = await _made(
        tksk,
        "/v1/referrals",
        {
            "beneficiary_id": ids["beneficiaries"],
            "program": "pbi_jk",
            "agency_id": ids["agencies"],
            "reason": "Tidak mampu membayar iuran",
            "consent": "given",
        },
    )
    await _taken(tksk, f"/v1/referrals/{ids['referrals']}/submit")
    answer = await world.home["regency_office"].put(f"/v1/sktm-policies/{PANJANG}", json={"validity_months": 3})
    assert answer.status_code == 200, answer.text
    ids["partners"] = await _made(
        tksk, "/v1/partners", {"type": "karang_taruna", "name": "Karang Taruna Panjang", "region_code": PANJANG}
    )
    ids["assignments"] = await _made(world.home["regency_office"], "/v1/assignments", assignment(tksk.user_id))
    ids["activities"] = await _made(tksk, "/v1/activities", activity(ids["beneficiaries"]))


def assignment(user_id: Any) -> dict[str, Any]:
    """A valid body for POST /v1/assignments: the officer of Panjang."""
    return {
        "user_id": str(user_id),
        "region_code": PANJANG,
        "kind": "holder",
        "decree_number": "460/001/SK",
        "decree_date": "2026-01-02",
        "decree_issuer": "kemensos",
        "starts_on": "2026-01-05",
    }


def activity(beneficiary_id: str) -> dict[str, Any]:
    """A valid body for POST /v1/activities."""
    return {
        "occurred_on": "2026-11-02",
        "pillar": "social_security",
        "function": "facilitation",
        "roles": ["facilitator"],
        "kind": "home_visit",
        "title": "Kunjungan rumah",
        "region_code": SRENGSEM,
        "beneficiary_ids": [beneficiary_id],
        "headcount": {"male": 0, "female": 1, "children": 0, "disabled": 0},
    }


async def _add_key(request: Any) -> None:
    if request.method == "POST":
        request.headers.setdefault("Idempotency-Key", str(uuid4()))


async def _made(caller: Caller, url: str, body: dict[str, Any]) -> str:
    answer = await caller.post(url, json=body)
    assert answer.status_code == 201, f"{url}: {answer.text}"
    return str(answer.json()["id"])


async def _attached(caller: Caller, visit_id: str) -> str:
    fields = {"kind": "visit_photo", "visit_id": visit_id}
    answer = await caller.post("/v1/attachments", data=fields, files={"file": ("rumah.jpg", picture())})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _taken(caller: Caller, url: str, body: Any = None) -> None:
    answer = await caller.act(url, body)
    assert answer.status_code == 200, f"{url}: {answer.text}"
