"""The same rows in five villages, seen from one of them: where a row may lie relative to a caller."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI

import import_flow
from architecture.specification import Operation, operations
from architecture.world import (
    AWAY,
    BODIES,
    ELSEWHERE,
    FILES,
    HOME,
    PART_ELSEWHERE,
    Place,
    World,
    activity,
    assignment,
    attached,
    decile,
    family,
    leave,
    settle,
    sign_in,
)
from files import picture
from helpers import PANJANG, Caller, machine, nik, person
from tksk_api.security.permissions import MACHINE_SCOPES, ROLE_REGION_LEVEL, Role

PLACES: dict[str, Place] = {
    "own": HOME,
    "own_district": HOME | {"village": "18.71.04.1003"},
    "sibling_district": HOME | {"district": "18.71.05", "village": "18.71.05.1002"},
    "other_regency": HOME | {"regency": "18.72", "district": "18.72.01", "village": "18.72.01.1001"},
    "other_province": AWAY,
}
DELETED, MISSING = "deleted", "missing"
MACHINE = "machine"  # a client with every scope there is for machines, in the district
ROLES: list[str] = [*Role, MACHINE]
# Operations that leave the caller another than before, or are counted: each question is asked by somebody new.
USES_UP_ITS_CALLER = {
    "logout",
    "change_password",
    "step_up",
    "begin_otp",
    "confirm_otp",
    "remove_otp",
    "renew_recovery_codes",
    "end_session",
    "create_access_grant",
}
NO_SUCH_REGION = "18.71.04.1999"


@dataclass
class Positions:
    """A world per village, what was withdrawn in the first one, and a caller of every role there.

    `made` is what making each world left in every table that has a row policy, as JSON.
    """

    app: FastAPI
    owner: Any
    worlds: dict[str, World] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    callers: dict[str, Caller] = field(default_factory=dict)
    made: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)  # the owner's connection takes one question at a time

    @property
    def own(self) -> World:
        return self.worlds["own"]

    def row(self, collection: str, position: str) -> str:
        """The id of a collection's row at a position. Raises KeyError where there is none."""
        if position == MISSING:
            return str(uuid4())
        if position == DELETED:
            return self.deleted[collection]
        return self.worlds[position].ids[collection]

    def place(self, position: str) -> Place:
        return HOME | {"village": NO_SUCH_REGION} if position == MISSING else PLACES.get(position, HOME)

    def number(self, position: str) -> str:
        """The NIK of the person at a position."""
        return self.worlds[position].nik if position in self.worlds else nik()

    def path(self, operation: Operation, position: str, **known: str) -> str:
        level = "district" if operation.collection == "dashboard" else "village"
        over = {"region_code": self.place(position)[level], **known}
        if "id" in operation.path_parameters and "id" not in over:
            over["id"] = self.row(operation.collection, position)
        if operation.collection == "sktm-letters":
            over["token"] = self.row(operation.collection, position)
        return self.own.path(operation, **over)

    def body(self, operation: Operation, position: str) -> Any:
        """A body that is right but for the place it names."""
        if operation.body_schema is None:
            return None
        own = _OWN_BODIES.get(operation.name)
        given = own(self, position) if own else BODIES.get(operation.name, {})
        return operation.body(**given)

    async def ask(self, operation: Operation, role: str, position: str) -> Any:
        """The operation by a role on the row at a position; a version nobody has keeps everything as it is."""
        headers = {"If-Match": '"v987654"'} if operation.needs_version else {}
        if operation.name in ("update_agency", "update_partner", "update_activity_kind"):
            headers = {"If-Match": '"v1"'}  # everybody sees them: only a real change tells who may make it
        caller = await self.caller(operation, role)
        path = self.path(operation, position, **await self.session(operation, caller, position))
        if operation.takes_part:
            return await caller.request(operation.method, path, headers=PART_ELSEWHERE, content=b"x")
        if operation.takes_file:
            known = {"kind": "other", "beneficiary_id": self.row("beneficiaries", position)}
            fields = {name: known[name] for name in known.keys() & operation.fields_beside_file}
            # Another one each time, or it is there already.
            files = {"file": ("x.jpg", picture(size=(200, 160), colour=tuple(uuid4().bytes[:3])))}
            if operation.name in FILES:
                fields, content = FILES[operation.name](self.place(position))
                files = {"file": ("kantor.p12", content)}
            return await caller.request(operation.method, path, headers=headers, data=fields, files=files)
        return await caller.request(operation.method, path, headers=headers, json=self.body(operation, position))

    async def session(self, operation: Operation, caller: Caller, position: str) -> dict[str, str]:
        """Which session to end: of the caller (`own`), or of the user at the position, opened for this question."""
        if operation.name == "end_session":
            return {"id": str(caller.session_id if position == "own" else self.own.home["admin"].session_id)}
        if operation.name == "end_user_session" and position in self.worlds:
            user = UUID(self.row("users", position))
            async with self.alone:
                opened = "INSERT INTO user_sessions (id, user_id, expires_at) VALUES ($1, $2, now() + interval '1 day')"
                await self.owner.execute(f"{opened} RETURNING id", session_id := uuid4(), user)
            return {"session_id": str(session_id)}
        return {"session_id": str(uuid4())}

    async def caller(self, operation: Operation, role: str) -> Caller:
        if operation.name not in USES_UP_ITS_CALLER or role == MACHINE:
            return self.callers[role]
        level = ROLE_REGION_LEVEL[Role(role)]
        agency = UUID(self.own.ids["agencies"]) if role == Role.AGENCY else None
        async with self.alone:
            return await sign_in(self.own, role, HOME[level] if level else None, agency)


def _referral(at: Positions, position: str) -> dict[str, Any]:
    return {
        "beneficiary_id": at.row("beneficiaries", position),
        "program": "pbi_jk",
        "agency_id": at.own.ids["agencies"],
        "reason": "Tidak mampu membayar iuran",
        "consent": "given",
    }


def _application(at: Positions, position: str) -> dict[str, Any]:
    return {
        "beneficiary_id": at.row("beneficiaries", position),
        "purpose": "education",
        "purpose_detail": f"Beasiswa {uuid4().hex}",
        "addressed_to": "Universitas Lampung",
    }


def _client(at: Positions, position: str) -> dict[str, Any]:
    return {"name": "Sistem mitra", "scopes": ["program:read"], "region_code": at.place(position)["village"]}


def _privacy_request(at: Positions, position: str) -> dict[str, Any]:
    return {
        "beneficiary_id": at.row("beneficiaries", position),
        "kind": "access",
        "reason": "Ingin tahu data apa yang disimpan",
        "requested_by": "self",
        "received_on": "2026-11-02",
    }


def _partner(at: Positions, position: str) -> dict[str, Any]:
    return {"type": "karang_taruna", "name": "Karang Taruna", "region_code": at.place(position)["village"]}


def _assignment(at: Positions, position: str) -> dict[str, Any]:
    """A coordinator's, which changes nothing of what the officer sees; each on a day of its own."""
    regency = "18.99" if position == MISSING else at.place(position)["regency"]
    day = str(date(2027, 1, 1) + timedelta(days=uuid4().int % 20_000))
    decree = {"decree_number": "460/001/SK", "decree_date": "2026-01-02", "decree_issuer": "kemensos"}
    officer = str(at.own.home["tksk"].user_id)
    return {
        "user_id": officer,
        "region_code": regency,
        "kind": "coordinator",
        "starts_on": day,
        "ends_on": day,
        **decree,
    }


def _some_day() -> str:
    """Another one each time: what a source said of a day is said once."""
    return str(date(1950, 1, 1) + timedelta(days=uuid4().int % 20_000))


def _user(at: Positions, position: str) -> dict[str, Any]:
    return {
        "username": f"staf.{uuid4().hex[:12]}",
        "full_name": "Petugas Baru",
        "role": Role.VILLAGE_CLERK,
        "region_code": at.place(position)["village"],
    }


# Bodies that name the position: a row lying there, or the village itself.
_OWN_BODIES: dict[str, Any] = {
    "create_beneficiary": lambda at, position: person(village_code=at.place(position)["village"]),
    "create_visit": lambda at, position: {
        "beneficiary_id": at.row("beneficiaries", position),
        "visited_on": "2026-11-02",
    },
    "create_sktm_application": _application,
    "void_sktm_numbers": lambda at, position: {
        **BODIES["void_sktm_numbers"],
        "region_code": at.place(position)["village"],
        "year": 2000 + uuid4().int % 26,
        "through": 1 + uuid4().int % 1000,
    },
    "create_referral": _referral,
    "advise_eligibility": lambda at, position: {"beneficiary_id": at.row("beneficiaries", position)},
    "put_program": lambda at, position: {
        **BODIES["put_program"],
        "region_code": "18.99" if position == MISSING else at.place(position)["regency"],
    },
    "simulate_program": lambda at, position: {"region_code": at.place(position)["village"]},
    "create_presentation": lambda at, position: {"outcome": "seen"},
    "begin_import_upload": lambda at, position: {"file_name": "warga.csv", "bytes": 1, "sha256": "0" * 64},
    # With a person whom the caller sees, else the person would be refused before the place.
    "create_activity": lambda at, position: activity(
        at.row("beneficiaries", DELETED if position == DELETED else "own"), at.place(position)["village"]
    ),
    "create_activity_in_place": lambda at, position: {
        **activity(at.row("beneficiaries", DELETED if position == DELETED else "own"), at.place(position)["village"]),
        "officer_id": str(uuid4()),
    },
    # As above: with a person whom the caller sees.
    "create_family": lambda at, position: family(at.row("beneficiaries", "own"), at.place(position)["village"]),
    "create_decile_snapshot": lambda at, position: decile(at.row("families", position), _some_day()),
    "create_user": _user,
    "create_client": _client,
    "create_ppks_assessment": lambda at, position: {
        **BODIES["create_ppks_assessment"],
        "village_code": at.place(position)["village"],
    },
    "create_privacy_request": _privacy_request,
    "change_password": lambda at, position: {
        "current_password": "bukan kata sandi yang benar",
        "new_password": "tujuh belas kapal nelayan",
    },
    "create_agency": lambda at, position: {
        "name": "Kantor Layanan",
        "kind": "bpjs_office",
        "region_code": at.place(position)["village"],
    },
    "update_agency": lambda at, position: {"is_active": True},
    "create_activity_kind": lambda at, position: {
        "code": f"jenis_{uuid4().hex}",
        "region_code": "18.99" if position == MISSING else at.place(position)["regency"],
        "valid_from": None,
        "valid_until": None,
    },
    "update_activity_kind": lambda at, position: {"label_id": "Posyandu"},
    "create_activity_template": lambda at, position: {
        **BODIES["create_activity_template"],
        "region_code": at.place(position)["village"],
    },
    "create_quick_activity": lambda at, position: {
        "kind": "aftercare",
        "region_code": at.place(position)["village"],
        "beneficiary_ids": [at.row("beneficiaries", DELETED if position == DELETED else "own")],
    },
    "create_partner": _partner,
    "create_report": lambda at, position: {
        "region_code": "18.99" if position == MISSING else at.place(position)["district"],
        "period_type": "month",
        "period_start": str(date.fromisoformat(_some_day()).replace(day=1)),
    },
    "compile_reports": lambda at, position: {
        "region_code": "18.99" if position == MISSING else at.place(position)["regency"],
        "period_type": "month",
        "period_start": str(date.fromisoformat(_some_day()).replace(day=1)),
    },
    "render_reports": lambda at, position: {
        "region_code": "18.99" if position == MISSING else at.place(position)["regency"],
        "period_type": "month",
        "period_start": str(date.fromisoformat(_some_day()).replace(day=1)),
    },
    "update_partner": lambda at, position: {"is_active": True},
    "create_assignment": _assignment,
    "end_assignment": lambda at, position: {"end_reason": "resigned"},
    "beneficiary_exists": lambda at, position: {"nik": at.number(position)},
    "create_access_grant": lambda at, position: {**BODIES["create_access_grant"], "nik": at.number(position)},
}


@asynccontextmanager
async def build_positions(app: FastAPI, owner: Any) -> AsyncIterator[Positions]:
    """Build all worlds, a withdrawn row of every kind that can be withdrawn, and the callers who look at them."""
    at = Positions(app, owner)
    try:
        for name, place in PLACES.items():
            at.worlds[name] = World(app, owner, place)
            before = await _walled_rows(owner)
            await settle(at.worlds[name])
            at.made[name] = {table: rows - before[table] for table, rows in (await _walled_rows(owner)).items()}
        await _withdraw(at)
        at.callers = {**at.own.home, MACHINE: await machine(app, owner, sorted(MACHINE_SCOPES), [PANJANG])}
        yield at
    finally:
        for world in at.worlds.values():
            await leave(world)


async def _walled_rows(owner: Any) -> dict[str, set[str]]:
    """Every row of every table with a row policy."""
    tables = await owner.fetch("SELECT relname FROM pg_class WHERE relforcerowsecurity")
    # A pair of people in two places lies in both: tests/api/test_duplicates.py.
    here = {"duplicate_candidates": "WHERE region_code = other_region_code"}
    rows = "SELECT row_to_json(t)::text AS json FROM {} t {}"
    return {
        name: {row["json"] for row in await owner.fetch(rows.format(name, here.get(name, "")))} for (name,) in tables
    }


async def _withdraw(at: Positions) -> None:
    """A row of each kind that was withdrawn, cancelled or ended, in the first village."""
    home, village = at.own.home, HOME["village"]
    tksk, office = home["tksk"], home["regency_office"]
    gone = await _made(tksk, "/v1/beneficiaries", person(village_code=village))
    someone = at.own.ids["beneficiaries"]
    work = await _made(tksk, "/v1/activities", activity(someone))
    sktm = await _made(tksk, "/v1/sktm-applications", {**_application(at, "own"), "purpose": "health"})
    referral = await _made(tksk, "/v1/referrals", _referral(at, "own"))
    user = await _made(home["admin"], "/v1/users", _user(at, "own"))
    stranger = await sign_in(at.own, Role.TKSK, ELSEWHERE)
    grant = await _made(stranger, "/v1/access-grants", {**BODIES["create_access_grant"], "nik": at.own.nik})
    client = await _made(home["province_office"], "/v1/clients", _client(at, "own"))
    photo = await attached(tksk, "other", beneficiary_id=someone)
    counted = (await home["admin"].post("/v1/programs/pip/simulate", json={"region_code": village})).json()["id"]
    loner = await _made(tksk, "/v1/beneficiaries", person(village_code=village))
    deserted = await _made(tksk, "/v1/families", family(loner, village))
    (last,) = (await tksk.get(f"/v1/families/{deserted}")).json()["members"]
    officer = await sign_in(at.own, Role.TKSK, PANJANG)
    ended_cover = await _made(office, "/v1/assignments", assignment(officer.user_id))
    await officer.aclose()
    fields, content = FILES["create_office_certificate"](HOME)
    sealed = await office.post("/v1/office-certificates", data=fields, files={"file": ("kantor.p12", content)})
    certificate = sealed.json()["id"]
    first = {"If-Match": '"v1"'}
    fields, content = FILES["create_import"](HOME)
    sent = await tksk.post("/v1/imports", data=fields, files={"file": ("mitra.csv", content)})
    imported = sent.json()["id"]
    announced = {"file_name": "warga.csv", "bytes": 1, "sha256": sha256(b"given up").hexdigest()}
    uploaded = await _made(tksk, "/v1/imports/uploads", announced)
    exported = (await tksk.post("/v1/exports", json={"kind": "partners", "purpose": "service"})).json()["id"]
    ended = [
        await tksk.delete(f"/v1/attachments/{photo}", headers=first),
        await home["admin"].post(f"/v1/jobs/{counted}/cancel", headers=first),
        await tksk.post(f"/v1/imports/{imported}/cancel", headers=first),
        await tksk.delete(f"/v1/imports/uploads/{uploaded}", headers=first),
        await tksk.delete(f"/v1/exports/{exported}", headers=first),
        await tksk.delete(f"/v1/families/{deserted}/members/{last['member_id']}?reason=moved", headers=first),
        await office.post(f"/v1/assignments/{ended_cover}/end", json={"end_reason": "resigned"}, headers=first),
        await office.delete(f"/v1/beneficiaries/{gone}", headers=first),
        await tksk.delete(f"/v1/activities/{work}", headers=first),
        await tksk.post(f"/v1/sktm-applications/{sktm}/cancel", json={"note": "Salah catat"}, headers=first),
        await tksk.post(f"/v1/referrals/{referral}/cancel", json={"note": "Salah catat"}, headers=first),
        await home["admin"].post(f"/v1/users/{user}/disable", headers=first),
        await office.post(f"/v1/access-grants/{grant}/revoke", headers=first),
        await home["province_office"].delete(f"/v1/clients/{client}", headers=first),
        await office.post(f"/v1/office-certificates/{certificate}/retire", headers=first),
    ]
    assert all(answer.is_success for answer in ended), [answer.text for answer in ended]
    await import_flow.work(at.app)
    await import_flow.exporting(at.app)
    await stranger.aclose()
    at.deleted = {
        "beneficiaries": gone,
        "activities": work,
        "sktm-applications": sktm,
        "referrals": referral,
        "jobs": counted,
        "imports": imported,
        "import-uploads": uploaded,
        "exports": exported,
        "users": user,
        "access-grants": grant,
        "clients": client,
        "office-certificates": certificate,
        "attachments": photo,
        "families": deserted,
        "assignments": ended_cover,
    }


async def _made(caller: Caller, url: str, body: dict[str, Any]) -> str:
    answer = await caller.post(url, json=body)
    assert answer.status_code == 201, f"{url}: {answer.text}"
    return str(answer.json()["id"])


def asked(app: FastAPI) -> dict[str, Operation]:
    """Every operation of the published document by name."""
    return {operation.name: operation for operation in operations(app)}
