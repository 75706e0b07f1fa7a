"""The reference line: Starlette, asyncpg and orjson, plain SQL; no token, no permission, no policy, no access row."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from peers.common import CONNECTION_SETTINGS, DISTRICT_LIMIT, OWNER_URL, seal_nik
from tksk_api.database.tables import new_id

_FIELDS = (
    "id, nik_last4, nik_status, full_name, birth_place, birth_date, sex, street, rt, rw, region_code, phone, "
    "family_card_last4, relationship, ppks_categories, notes, warnings, deceased_on, version, created_at, updated_at"
)
_ONE = f"SELECT {_FIELDS} FROM beneficiaries WHERE id = $1 AND deleted_at IS NULL"
_PAGE = (
    f"SELECT {_FIELDS} FROM beneficiaries WHERE district_code = $1 AND deleted_at IS NULL "
    "ORDER BY created_at DESC, id DESC LIMIT $2"
)
_INSERT = (
    "INSERT INTO beneficiaries (id, version, region_code, created_by, nik_cipher, nik_index, nik_last4, nik_status, "
    "full_name, birth_place, birth_date, sex, street, rt, rw, phone, relationship, ppks_categories, warnings) "
    "VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) "
    f"RETURNING {_FIELDS}"
)
_HISTORY = (
    "INSERT INTO changes (entity, entity_id, entity_version, action, actor_id, actor_role, request_id, operation) "
    "VALUES ('beneficiaries', $1, 1, 'create', $2, 'tksk', $3, 'create_beneficiary')"
)
_LETTER = (
    "SELECT number, purpose, masked_name, issuer_name, issued_on, valid_until, revoked_at, superseded_at "
    "FROM sktm_letters WHERE token = $1"
)
_NOBODY = UUID(int=1)


def _shown(row: Any) -> dict[str, Any]:
    nik, card = row["nik_last4"], row["family_card_last4"]
    return {
        "id": str(row["id"]),
        "nik_masked": "************" + nik if nik else None,
        "nik_status": row["nik_status"],
        "full_name": row["full_name"],
        "birth_place": row["birth_place"],
        "birth_date": row["birth_date"],
        "sex": row["sex"],
        "address": {"street": row["street"], "rt": row["rt"], "rw": row["rw"]},
        "village_code": row["region_code"],
        "region_code": row["region_code"],
        "phone": row["phone"],
        "family_card_masked": "************" + card if card else None,
        "relationship": row["relationship"],
        "ppks_categories": row["ppks_categories"],
        "notes": row["notes"],
        "warnings": row["warnings"],
        "deceased_on": row["deceased_on"],
        "version": row["version"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


async def get_one(request: Request) -> Response:
    row = await request.app.state.pool.fetchrow(_ONE, UUID(request.path_params["id"]))
    return Response(status_code=404) if row is None else _json(_shown(row))


async def get_page(request: Request) -> Response:
    district, limit = request.query_params["district"], int(request.query_params.get("limit", DISTRICT_LIMIT))
    rows = await request.app.state.pool.fetch(_PAGE, district, limit + 1)
    items = [_shown(row) for row in rows[:limit]]
    return _json({"items": items, "next_cursor": items[-1]["id"] if len(rows) > limit else None})


async def create(request: Request) -> Response:
    body = orjson.loads(await request.body())
    row_id = new_id()
    address = body["address"]
    cipher, index, last4 = seal_nik(row_id, body["nik"])
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            _INSERT,
            row_id,
            body["village_code"],
            _NOBODY,
            cipher,
            index,
            last4,
            "unverified",
            body["full_name"],
            body["birth_place"],
            date.fromisoformat(body["birth_date"]),
            body["sex"],
            address["street"],
            address["rt"],
            address["rw"],
            body["phone"],
            body["relationship"],
            body["ppks_categories"],
            [],
        )
        await connection.execute(_HISTORY, row_id, _NOBODY, uuid4())
    return _json(_shown(row), 201)


async def verify(request: Request) -> Response:
    row = await request.app.state.pool.fetchrow(_LETTER, request.path_params["token"])
    return _json({"status": "unknown"} if row is None else dict(row))


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
    )


async def _keep(_connection: Any) -> None:
    """With BENCH_NO_RESET: no `RESET ALL` round trip when a connection goes back to the pool."""


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    reset = {"reset": _keep} if "BENCH_NO_RESET" in os.environ else {}
    async with asyncpg.create_pool(
        OWNER_URL, min_size=10, max_size=10, init=_prepare, server_settings=CONNECTION_SETTINGS, **reset
    ) as pool:
        app.state.pool = pool
        yield


app = Starlette(
    routes=[
        Route("/v1/beneficiaries", get_page, methods=["GET"]),
        Route("/v1/beneficiaries", create, methods=["POST"]),
        Route("/v1/beneficiaries/{id}", get_one, methods=["GET"]),
        Route("/verify/{token}", verify, methods=["GET"]),
        Route("/livez", lambda _request: _json({"status": "ok"})),
    ],
    lifespan=_lifespan,
)
