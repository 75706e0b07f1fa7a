"""Plain functions for tests: valid requests by default, synthetic people only."""

import itertools
from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from canary import WATCH

SRENGSEM = "18.71.04.1002"
PANJANG = "18.71.04"
BANDAR_LAMPUNG = "18.71"
AMPENAN = "52.71.01"
AMPENAN_VILLAGE = "52.71.01.1004"
_serial = itertools.count(1)


class Caller(httpx.AsyncClient):
    """A signed-in client that remembers who it is."""

    def __init__(self, app: FastAPI, token: str, **who: Any) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        super().__init__(transport=transport, base_url="http://test", headers={"Authorization": f"Bearer {token}"})
        self.token = token
        self.user_id: UUID = who["user_id"]
        self.session_id: UUID = who["session_id"]
        self.role: str = who["role"]
        self.region: str | None = who["region"]

    async def act(self, url: str, json: Any = None, *, version: int | None = None) -> httpx.Response:
        """POST an action with If-Match: of the given version, or of the resource's present one."""
        if version is None:
            version = (await self.get(url.rsplit("/", 1)[0])).json()["version"]
        return await self.post(url, json=json, headers={"If-Match": f'"v{version}"'})


async def add_user(
    owner: Any,
    role: str,
    region: str | None,
    *,
    agency_id: UUID | None = None,
    username: str | None = None,
    full_name: str | None = None,
    position_title: str | None = None,
    employee_number: str | None = None,
    password_hash: str | None = None,
    otp_enrolled: bool = True,
) -> tuple[UUID, UUID]:
    """A user and an open session, written by the owner. Who is to sign in by password has no one-time codes."""
    user_id, session_id, number = uuid4(), uuid4(), next(_serial)
    await owner.execute(
        "INSERT INTO users (id, version, username, full_name, role, region_code, agency_id, position_title, "
        "employee_number, password_hash, must_change_password, otp_confirmed_at) "
        "VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, false, CASE WHEN $10 THEN now() END)",
        user_id,
        username or f"{role}.{number}",
        full_name or f"Petugas {number}",
        role,
        region,
        agency_id,
        position_title,
        employee_number,
        password_hash,
        otp_enrolled,
    )
    await owner.execute(
        "INSERT INTO user_sessions (id, user_id, expires_at, strong_at) "
        "VALUES ($1, $2, now() + interval '1 day', now())",
        session_id,
        user_id,
    )
    return user_id, session_id


async def add_client(
    owner: Any,
    scopes: Collection[str],
    regions: Collection[str],
    *,
    region_code: str | None = None,
    agency_id: UUID | None = None,
) -> tuple[UUID, UUID]:
    """A machine client, written by the owner; its tokens carry the second id."""
    client_id, session_id = uuid4(), uuid4()
    await owner.execute(
        "INSERT INTO clients (id, version, name, scopes, region_codes, region_code, agency_id, session_id) "
        "VALUES ($1, 1, $2, $3, $4, $5, $6, $7)",
        client_id,
        f"Sistem {next(_serial)}",
        list(scopes),
        list(regions),
        region_code,
        agency_id,
        session_id,
    )
    return client_id, session_id


async def machine(app: FastAPI, owner: Any, scopes: Collection[str], regions: Collection[str], **over: Any) -> Caller:
    """A machine client that holds a token for all its scopes."""
    client_id, session_id = await add_client(owner, scopes, regions, **over)
    token = app.state.house.tokens.issue_to_machine(client_id, session_id, scopes)
    return Caller(app, token, user_id=client_id, session_id=session_id, role="machine", region=None)


def nik(serial: int | None = None, *, region: str = "187104", born: str = "250391", female: bool = True) -> str:
    """A synthetic NIK: DDMMYY of `born`, women's day + 40, the next serial."""
    number = (serial if serial is not None else next(_serial)) % 9999 or 1
    day = int(born[:2]) + (40 if female else 0)
    return WATCH.issue(f"{region}{day:02d}{born[2:]}{number:04d}")


def person(**over: Any) -> dict[str, Any]:
    """A valid body for POST /v1/beneficiaries."""
    return {
        "nik": nik(),
        "full_name": "Siti Rahmawati",
        "birth_place": "Panjang",
        "birth_date": "1991-03-25",
        "sex": "female",
        "address": {"street": "Jl. Yos Sudarso 12", "rt": "001", "rw": "002"},
        "village_code": SRENGSEM,
        "ppks_categories": ["fakir_miskin"],
        **over,
    }


async def add_person(caller: Caller, **over: Any) -> dict[str, Any]:
    """Register a person over HTTP and return the answer."""
    answer = await caller.post("/v1/beneficiaries", json=person(**over))
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def code_of(answer: httpx.Response) -> str:
    """The problem code of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    code: str = answer.json()["code"]
    return code
