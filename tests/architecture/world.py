"""One row of every resource in one village, made over HTTP, and callers of every role on the path to it.

`build_world` makes it in Srengsem, with callers of every role in Ampenan beside it. tests/authorization makes the same
rows in several villages: what `_fill` writes must follow `world.place`, never a village of its own choice.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI

from architecture.specification import Operation
from certificates import PASSWORD, p12
from files import picture
from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_user, nik, person
from import_flow import exporting, work
from tksk_api.security.permissions import ROLE_REGION_LEVEL, Role

Place = dict[str, str]
HOME: Place = {"province": "18", "regency": BANDAR_LAMPUNG, "district": PANJANG, "village": SRENGSEM}
AWAY: Place = {"province": "52", "regency": "52.71", "district": AMPENAN, "village": AMPENAN_VILLAGE}
ELSEWHERE = "11.71.01"  # where nobody of any test works
# But for how often a file was fetched, which is no refusal.
_ROWS = """
SELECT string_agg(format('SELECT %L AS name, count(*) AS rows,
  coalesce(sum(hashtextextended((to_jsonb(t) - ''downloads'')::text, 0)), 0) AS content FROM %I t', relname, relname),
  ' UNION ALL ')
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
   AND relname <> ALL('{access_log,rate_limits,regions,programs,alembic_version}')
"""
PHONE = "+6281234567890"
_CARD = {"reason": "first_card", "valid_from": "2020-01-02"}

# Bodies that pass the checks made before the row is looked for, where a sample of the schema does not.
BODIES: dict[str, dict[str, Any]] = {
    "search_beneficiaries": {"name": "Siti"},
    "put_program": {"effective_from": "2090-01-01", "rules": []},
    "move_beneficiary": {"village_code": SRENGSEM},
    "attach_beneficiary_nik": {"document": "ktp"},
    "verify_beneficiary_nik": {"document": "ktp"},
    "record_beneficiary_death": {"died_on": "2026-11-01", "source": "village_letter"},
    "create_document_name": {"document": "jkn_card", "name": "Siti Rahmawati"},
    "create_ppks_assessment": {
        "category": "korban_bencana_alam",
        "group_name": "Warga RT 003 sesudah banjir",
        "village_code": SRENGSEM,
    },
    "close_ppks_assessment": {"reason_code": "no_longer_applies"},
    "reveal_beneficiary": {"purpose": "letter_processing", "reason": "Surat untuk sekolah anak", "fields": ["nik"]},
    "return_sktm_application": {"reason_code": "incomplete_documents"},
    "reject_sktm_application": {"reason_code": "not_registered_dtsen"},
    "revoke_sktm_application": {"reason_code": "false_statement"},
    "void_sktm_numbers": {"reason_code": "issued_on_paper", "note": "Buku agenda lama, halaman pertama"},
    "create_presentation": {"outcome": "seen"},
    "read_all_notifications": {"until": "2026-11-01T00:00:00Z"},
    "put_notification_settings": {
        "phone": "+6281234500000",
        "quiet_hours": None,
        "channels": {"task": ["in_app", "sms"]},
    },
    "create_quick_activity": {"kind": "aftercare"},
    "create_dashboard_link": {"region_code": None},  # their own area
    "create_report": {"region_code": PANJANG, "period_type": "month", "period_start": "2024-02-01"},
    "compile_reports": {"region_code": BANDAR_LAMPUNG, "period_type": "month", "period_start": "2024-02-01"},
    "render_reports": {"region_code": BANDAR_LAMPUNG, "period_type": "month", "period_start": "2024-02-01"},
    "return_report": {"remarks": [{"section": "work", "note": "Lengkapi hasil kegiatan"}]},
    "create_activity_kind": {"code": "posyandu_lansia"},
    "create_activity_template": {"kind": "coordination_meeting", "pillar": "protection", "recurrence": None},
    "update_activity_template": {"kind": "coordination_meeting", "pillar": "protection", "recurrence": None},
    "use_activity_template": {"headcount": None, "beneficiary_ids": []},
    "validate_import": dict.fromkeys(
        ("atomic", "on_match", "columns", "mapping", "delimiter", "encoding", "sheet", "heading_row", "dates")
    ),
    "create_export": {"kind": "partners", "filter": {}, "full_numbers": False, "reason": None, "recipient": None},
    "begin_import_upload": {"sha256": sha256(b"x").hexdigest()},
    "put_import_mapping": {"kind": "partners", "columns": {"Sebutan": "name"}, "heading_row": None},
    "create_access_grant": {"reason_code": "medical_emergency", "reason": "Pasien tidak sadar di IGD rumah sakit"},
}


# A part that begins where no file goes on: it is refused as a stale version is, and changes nothing.
PART_ELSEWHERE = {"Content-Type": "application/partial-upload", "Upload-Offset": "999999"}

# Files and fields of uploads that are no picture, for an office of a place.
FILES: dict[str, Callable[[Place], tuple[dict[str, str], bytes]]] = {
    "create_office_certificate": lambda place: ({"region_code": place["village"], "password": PASSWORD}, p12()),
    "create_import": lambda place: ({"kind": "partners"}, _partners(place["village"])),
}


@dataclass
class World:
    """Who is there and what exists; `ids` maps a collection's name to the id of its row at `place`.

    `nik` and `family_card` are the numbers of its one person.
    """

    app: FastAPI
    owner: Any
    place: Place = field(default_factory=lambda: HOME)
    home: dict[str, Caller] = field(default_factory=dict)
    away: dict[str, Caller] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    family_card: str = field(default_factory=nik)
    nik: str = field(default_factory=nik)

    def holder(self, operation: Operation, side: str = "home") -> Caller:
        """Somebody who may perform the operation; the officer where possible."""
        callers: dict[str, Caller] = getattr(self, side)
        role = "tksk" if "tksk" in operation.roles else operation.roles[0]
        return callers[role]

    def path(self, operation: Operation, **over: str) -> str:
        """The operation's address with ids of existing rows. Raises KeyError, saying what to add to this file."""
        known = {
            "code": {"regions": self.place["district"], "programs": "local_scholarship"}.get(operation.collection),
            "list": "pillars",
            "dataset": "activities-by-pillar",
            "version": "1",
            "region_code": self.place[
                "district" if operation.collection in ("dashboard", "report-calendars") else "village"
            ],
            "effective_from": "2100-01-01",
            "kind": {"imports": "partners"}.get(operation.collection, "bars"),
            "name": "baru" if operation.name == "put_import_mapping" else "contoh",
            "token": self.ids["sktm-letters"] if operation.collection == "sktm-letters" else "tidak-dikenal-token-ini",
            "id": self.ids.get(operation.collection),
            "number": "1",
            "session_id": self.ids.get("user-sessions"),
            "member_id": self.ids.get("family-members"),
            "attachment_id": self.ids.get("referral-files"),
        }
        filled = {name: over.get(name) or known.get(name) for name in operation.path_parameters}
        unknown = [name for name, value in filled.items() if value is None]
        if unknown:
            raise KeyError(
                f"{operation.name}: no row for {{{', '.join(unknown)}}} of {operation.path}. "
                "Make one in _fill() of tests/architecture/world.py."
            )
        return operation.url(**filled)  # type: ignore[arg-type]

    async def fingerprint(self) -> Any:
        """Every row of every table in a few numbers: a refused request must leave them as they are."""
        return await self.owner.fetch(await self.owner.fetchval(_ROWS))

    async def send(self, operation: Operation, caller: Any, path: str | None = None, **over: Any) -> Any:
        """A request of the right shape, with If-Match where it is needed; a header of None is left out."""
        headers = {"If-Match": '"v1"'} if operation.needs_version else {}
        headers |= over.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        if operation.body_schema is not None and "content" not in over:
            over.setdefault("json", operation.body(**BODIES.get(operation.name, {})))
        if operation.takes_part and "content" not in over:
            over["content"] = b"x"
            headers = PART_ELSEWHERE | headers
        if operation.takes_file and not over.keys() & {"content", "json", "data"}:
            fields, content = {"kind": "other", "beneficiary_id": self.ids["beneficiaries"]}, picture(size=(200, 160))
            if operation.name in FILES:
                fields, content = FILES[operation.name](self.place)
            over["data"] = {name: fields[name] for name in fields.keys() & operation.fields_beside_file}
            over["files"] = {"file": (f"KTP {self.nik}.jpg", content)}  # what people call such files
        return await caller.request(operation.method, path or self.path(operation), headers=headers, **over)


@asynccontextmanager
async def build_world(app: FastAPI, owner: Any) -> AsyncIterator[World]:
    """Build it, and leave an empty database behind."""
    world = World(app, owner)
    try:
        await settle(world)
        world.away = (await callers_at(world, AWAY))[0]
        yield world
    finally:
        await leave(world)


async def settle(world: World) -> None:
    """The people and the rows of the world's place."""
    world.home, world.ids["agencies"] = await callers_at(world, world.place)
    await _fill(world)
    await world.owner.execute("SELECT app.fold_figures(10000)")
    # Something not folded yet, that adds up to nothing.
    await world.owner.execute(
        "INSERT INTO figure_changes SELECT 'visits', $1, '2026-01-01', '{planned,none}', false, change "
        "FROM unnest(ARRAY[1, -1]) AS change",
        world.place["village"],
    )


async def leave(world: World) -> None:
    """Close what the callers hold open."""
    for caller in (*world.home.values(), *world.away.values()):
        await caller.aclose()


async def callers_at(world: World, place: Place) -> tuple[dict[str, Caller], str]:
    """A caller of every role on the path to a village, and the id of the agency that one of them speaks for."""
    agency = await world.owner.fetchval(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, $2, 'bpjs_office', $3, true, $1) RETURNING id",
        uuid4(),
        f"BPJS {place['village']}",
        place["regency"],
    )
    callers = {}
    for role in Role:
        level = ROLE_REGION_LEVEL[role]
        agency_id = agency if role is Role.AGENCY else None
        callers[role] = await sign_in(world, role, place[level] if level else None, agency_id)
        # Every POST carries an Idempotency-Key: a handler that forgets to keep its answer fails here.
        callers[role].event_hooks = {"request": [_add_key]}
    return callers, str(agency)


async def sign_in(world: World, role: str, region: str | None, agency_id: UUID | None = None) -> Caller:
    """One more caller; the world closes only the ones in `home` and `away`."""
    user_id, session_id = await add_user(world.owner, role, region, agency_id=agency_id)
    token = world.app.state.house.tokens.issue(user_id, session_id)
    return Caller(world.app, token, user_id=user_id, session_id=session_id, role=role, region=region)


async def _fill(world: World) -> None:
    tksk, clerk, head = (world.home[role] for role in ("tksk", "village_clerk", "village_head"))
    ids, village = world.ids, world.place["village"]
    ids["users"] = str(clerk.user_id)
    answer = await tksk.put("/v1/me/notification-settings", json=BODIES["put_notification_settings"])
    assert answer.status_code == 200, answer.text
    # One more session each, so that ending it leaves the caller signed in: the officer's own, and the clerk's.
    ids["auth"] = await _another_session(world, tksk)
    ids["user-sessions"] = await _another_session(world, clerk)
    someone = person(
        nik=world.nik, family_card_number=world.family_card, phone=PHONE, village_code=village, notes="Rumah papan"
    )
    ids["beneficiaries"] = await _made(clerk, "/v1/beneficiaries", someone)
    await _found_family(world)
    await _find_twin(world)
    # The name of the register, and groups: the person stays as they were made.
    ids["document-names"] = await _made(
        clerk, f"/v1/beneficiaries/{ids['beneficiaries']}/document-names", BODIES["create_document_name"]
    )
    group = {**BODIES["create_ppks_assessment"], "village_code": village}
    ids["ppks-assessments"] = await _made(tksk, "/v1/ppks-assessments", group)
    await _made(
        tksk, "/v1/ppks-assessments", {**group, "category": "kelompok_minoritas", "group_name": "Warga pesisir"}
    )
    ids["visits"] = await _made(
        tksk, "/v1/visits", {"beneficiary_id": ids["beneficiaries"], "visited_on": "2026-11-02"}
    )
    ids["attachments"] = await attached(tksk, visit_id=ids["visits"])
    completed = {"outcome": "met", "finding": "eligible", "evidence": {}, "attachment_ids": [ids["attachments"]]}
    completed["register_differs"] = {"birth_place": "Metro"}
    await _taken(tksk, f"/v1/visits/{ids['visits']}/complete", completed)
    # On the day that the document gives as its example.
    await _made(tksk, "/v1/visits", {"beneficiary_id": ids["beneficiaries"], "visited_on": "2026-11-22"})
    raised = await tksk.get(f"/v1/proposals?visit_id={ids['visits']}")
    ids["proposals"] = raised.json()["items"][0]["id"]
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
    ids["notifications"] = (await tksk.get("/v1/notifications")).json()["items"][0]["id"]
    ids["sktm-letters"] = (await head.get(url)).json()["letter"]["verification_url"].rsplit("/", 1)[1]
    looked = "SELECT app.count_look_ups(ARRAY[id], '{1}', now()) FROM sktm_letters WHERE token = $1"
    await world.owner.execute(looked, ids["sktm-letters"])
    shown = f"/v1/sktm-letters/{ids['sktm-letters']}/presentations"
    ids["presentations"] = await _made(world.home["agency"], shown, {"outcome": "used"})
    ids["referral-files"] = await attached(tksk, "letter_scan", beneficiary_id=ids["beneficiaries"])
    refer = {
        "beneficiary_id": ids["beneficiaries"],
        "program": "pbi_jk",
        "agency_id": ids["agencies"],
        "reason": "Tidak mampu membayar iuran",
        "consent": "given",
        "documents": [
            *({"kind": kind, "shown_physically": True} for kind in ("ktp", "family_card")),
            {"kind": "sktm", "attachment_id": ids["referral-files"], "shown_physically": False},
        ],
    }
    ids["referrals"] = await _made(tksk, "/v1/referrals", refer)
    await _taken(tksk, f"/v1/referrals/{ids['referrals']}/submit")
    running = await _made(tksk, "/v1/referrals", refer)
    today = str(datetime.now(UTC).date())
    for action, body in (
        ("submit", None),
        ("receive", None),
        ("review", None),
        ("approve", {"reference_number": "0214/2026", "decided_on": today}),
        ("activate", {"active_from": today}),
    ):
        await _taken(tksk, f"/v1/referrals/{running}/{action}", body)
    policy = f"/v1/sktm-policies/{village}"
    answer = await world.home["regency_office"].put(policy, json={"validity_months": 3})
    assert answer.status_code == 200, answer.text
    # Not by the API: the policy stays as it was made, in its first version.
    logo = "INSERT INTO sktm_logos (sha256, image) VALUES ($1, $2) ON CONFLICT DO NOTHING"
    await world.owner.execute(logo, sha256(image := picture()).hexdigest(), image)
    shown = "UPDATE sktm_policies SET logo = $1 WHERE region_code = $2"
    await world.owner.execute(shown, sha256(image).hexdigest(), village)
    fields, content = FILES["create_office_certificate"](world.place)
    answer = await world.home["regency_office"].post(
        "/v1/office-certificates", data=fields, files={"file": ("kantor.p12", content)}
    )
    assert answer.status_code == 201, answer.text
    ids["office-certificates"] = str(answer.json()["id"])
    book = {**BODIES["void_sktm_numbers"], "region_code": village, "year": 2025, "series": "LL", "through": 1}
    answer = await world.home["regency_office"].post("/v1/sktm-numbers/void", json=book)
    assert answer.status_code == 200, answer.text
    ids["partners"] = await _made(
        tksk, "/v1/partners", {"type": "karang_taruna", "name": "Karang Taruna Tunas Bahari", "region_code": village}
    )
    fields, content = FILES["create_import"](world.place)
    answer = await tksk.post("/v1/imports", data=fields, files={"file": ("mitra.csv", content)})
    assert answer.status_code == 202, answer.text
    ids["imports"] = str(answer.json()["id"])
    await work(world.app)
    for name in ("warga", "keluarga"):
        announced = {"file_name": f"{name}.csv", "bytes": 1, "sha256": sha256(f"{name} {village}".encode()).hexdigest()}
        ids["import-uploads"] = await _made(tksk, "/v1/imports/uploads", announced)
    answer = await tksk.post("/v1/exports", json={"kind": "partners", "purpose": "service"})
    assert answer.status_code == 202, answer.text
    ids["exports"] = str(answer.json()["id"])
    await exporting(world.app)
    # As while it is made; afterwards its pages are gone.
    await world.owner.execute("INSERT INTO export_parts (export_id, number, name) VALUES ($1, 0, 'x')", ids["exports"])
    for name in ("contoh", "lain"):
        answer = await tksk.put(f"/v1/imports/mappings/{name}", json=BODIES["put_import_mapping"])
        assert answer.status_code == 200, answer.text
    # Acting, for several villages of one district have an officer here, and a district has one holder.
    ids["assignments"] = await _made(
        world.home["regency_office"], "/v1/assignments", assignment(tksk.user_id, world.place["district"])
    )
    ids["activities"] = await _made(tksk, "/v1/activities", activity(ids["beneficiaries"], village))
    handed_in = await _made(tksk, "/v1/activities", activity(ids["beneficiaries"], village))
    await _taken(tksk, f"/v1/activities/{handed_in}/submit")
    place, office = world.place, world.home["regency_office"]
    kind = {"code": f"posyandu_{village.replace('.', '_')}", "label_id": "Posyandu", "label_en": "Health post"}
    ids["activity-kinds"] = await _made(office, "/v1/activity-kinds", {**kind, "region_code": place["regency"]})
    meeting = {"title": "Rapat koordinasi", "kind": "coordination_meeting", "pillar": "protection"}
    shared = {**meeting, "region_code": place["regency"]}
    ids["activity-templates"] = await _made(office, "/v1/activity-templates", shared)
    await _report(world)
    client = {"name": "Sistem mitra", "scopes": ["visit:read"], "region_codes": [village], "region_code": village}
    ids["clients"] = await _made(world.home["province_office"], "/v1/clients", client)
    counted = await world.home["admin"].post("/v1/programs/pip/simulate", json={"region_code": village})
    assert counted.status_code == 202, counted.text
    ids["jobs"] = str(counted.json()["id"])
    await _taken(world.home["province_office"], f"/v1/clients/{ids['clients']}/rotate-secret", {})
    await world.owner.execute(
        "INSERT INTO client_assertions (client_id, jti_digest, expires_at) VALUES ($1::uuid, $2, now())",
        ids["clients"],
        uuid4().bytes,
    )
    await _break_glass(world)
    request = {
        "beneficiary_id": ids["beneficiaries"],
        "kind": "access",
        "reason": "Ingin tahu data apa yang disimpan",
        "requested_by": "self",
        "received_on": "2026-11-02",
    }
    ids["privacy-requests"] = await _made(clerk, "/v1/privacy-requests", request)


async def _found_family(world: World) -> None:
    """Of the one person, with their card, and a decile that the officer's finding will disagree with."""
    clerk, ids = world.home["village_clerk"], world.ids
    ids["families"] = await _made(clerk, "/v1/families", family(ids["beneficiaries"], world.place["village"]))
    answer = await clerk.act(f"/v1/families/{ids['families']}/card", {**_CARD, "family_card_number": world.family_card})
    assert answer.status_code == 200, answer.text
    ids["family-members"] = str(answer.json()["members"][0]["member_id"])
    office = world.home["regency_office"]
    ids["decile_snapshots"] = await _made(office, "/v1/decile_snapshots", decile(ids["families"]))


async def _find_twin(world: World) -> None:
    """Somebody who may be the one person, and whose own second record was merged already."""
    clerk, ids = world.home["village_clerk"], world.ids
    unknown = {"nik": None, "nik_status": "none", "village_code": world.place["village"]}
    twin, second = [await _made(clerk, "/v1/beneficiaries", person(**unknown)) for _ in range(2)]
    merge = {"into_id": twin, "reason": "Orang yang sama, dua kali dicatat"}
    await _taken(world.home["tksk"], f"/v1/beneficiaries/{second}/merge", merge)
    pairs = (await clerk.get(f"/v1/beneficiaries/{twin}/duplicates")).json()["items"]
    ids["duplicates"] = next(pair["id"] for pair in pairs if ids["beneficiaries"] in pair["beneficiary_ids"])


async def _report(world: World) -> None:
    """Of the village's district, for a month of its own, since two villages of one district would share it; and when
    its regency's are due."""
    tksk, place = world.home["tksk"], world.place
    month = f"2025-{1 + int(place['village'][-4:]) % 12:02}-01"
    body = {"region_code": place["district"], "period_type": "month", "period_start": month}
    answer = await tksk.post("/v1/reports", json=body)
    assert answer.status_code == 201, answer.text
    world.ids["reports"] = str(answer.json()["id"])
    url = f"/v1/reports/{world.ids['reports']}"
    written = await tksk.patch(url, json={"summary": "Didampingi satu keluarga."}, headers={"If-Match": '"v1"'})
    assert written.status_code == 200, written.text
    await _taken(tksk, f"{url}/submit")
    office, calendar = world.home["regency_office"], f"/v1/report-calendars/{place['district']}"
    known = (await office.get(calendar)).headers.get("etag")
    headers = {"If-Match": known} if known else {}
    answer = await office.put(calendar, json={"effective_from": None, "month_due_day": 7}, headers=headers)
    assert answer.status_code == 200, answer.text


async def _another_session(world: World, caller: Caller) -> str:
    key = uuid4()
    session = "INSERT INTO user_sessions (id, user_id, expires_at) VALUES ($1, $2, now() + interval '1 day')"
    await world.owner.execute(session, key, caller.user_id)
    return str(key)


async def _break_glass(world: World) -> None:
    # By somebody who is none of the world's callers: a grant shows its holder more than their role does.
    stranger = await sign_in(world, Role.TKSK, ELSEWHERE)
    body = {"nik": world.nik, **BODIES["create_access_grant"]}
    world.ids["access-grants"] = await _made(stranger, "/v1/access-grants", body)
    await stranger.aclose()


def _partners(village: str) -> bytes:
    return f"Jenis PSKS;Nama Mitra;Kode Wilayah\nlks;Yayasan Bahari;{village}\nlks;Yayasan Bahari;{village}\n".encode()


def family(beneficiary_id: str, village: str = SRENGSEM) -> dict[str, Any]:
    """A valid body for POST /v1/families."""
    return {
        "village_code": village,
        "address": {"street": "Gang Mawar 3"},
        "members": [{"beneficiary_id": beneficiary_id, "relationship": "head_of_family"}],
    }


def decile(family_id: str, dated_on: str = "2026-09-30") -> dict[str, Any]:
    """A valid body for POST /v1/decile_snapshots."""
    return {"family_id": family_id, "decile": 7, "source": "dtsen", "batch": "DTSEN 2026", "dated_on": dated_on}


def assignment(user_id: Any, district: str = PANJANG) -> dict[str, Any]:
    """A valid body for POST /v1/assignments: an officer who stands in, from yesterday on."""
    today = datetime.now(UTC).date()
    return {
        "user_id": str(user_id),
        "region_code": district,
        "kind": "acting",
        "starts_on": str(today - timedelta(days=1)),
        "ends_on": str(today + timedelta(days=100)),
    }


def activity(beneficiary_id: str, village: str = SRENGSEM) -> dict[str, Any]:
    """A valid body for POST /v1/activities."""
    return {
        "occurred_on": "2026-11-02",
        "pillar": "social_security",
        "function": "facilitation",
        "roles": ["facilitator"],
        "kind": "home_visit",
        "title": "Kunjungan rumah",
        "region_code": village,
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


async def attached(caller: Caller, kind: str = "visit_photo", **owner: str) -> str:
    """A picture of one visit, person or activity; returns its id."""
    answer = await caller.post("/v1/attachments", data={"kind": kind, **owner}, files={"file": ("x.jpg", picture())})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _taken(caller: Caller, url: str, body: Any = None) -> None:
    answer = await caller.act(url, body)
    assert answer.status_code == 200, f"{url}: {answer.text}"
