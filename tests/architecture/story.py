"""Everything that can be done with people's data, done once by whoever may: a story of one mother and her child."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from architecture.specification import Operation, operations
from architecture.world import attached
from helpers import AMPENAN, PANJANG, Caller, nik, person
from sktm_flow import BASE_DOCUMENTS, Offices, application, offices

TODAY = str((datetime.now(UTC) + timedelta(hours=7)).date())
KEY = "Idempotency-Key"
# Collections that hold nobody of the register.
NOT_ABOUT_PEOPLE = {
    "auth": "the caller's own sessions",
    "oauth2": "a machine client's token",
    ".well-known": "public keys and addresses",
    "me": "the caller",
    "users": "officers, whose changes have a history of their own",
    "clients": "machine clients",
    "assignments": "officers and their districts",
    "partners": "those who help, no beneficiaries",
    "audit": "rows of the log itself, without anybody's data; reading it is recorded too (tests/api/test_audit.py)",
    "regions": "public reference data",
    "reference": "public reference data",
    "programs": "public reference data",
    "agencies": "public offices",
    "sktm-policies": "rules",
    "verify": "the public's question about a paper: it names nobody in full, and nobody is there to be named as asking",
    "livez": "the process",
    "readyz": "the process",
}


def about_people(app: Any) -> list[Operation]:
    return [operation for operation in operations(app) if operation.collection not in NOT_ABOUT_PEOPLE]


class Story:
    """Who takes part in it, and how they speak to the API: every answer must be a success."""

    def __init__(self, team: Offices, bpjs: Caller, stranger: Caller, agency_id: str) -> None:
        self.team, self.bpjs, self.stranger, self.agency_id = team, bpjs, stranger, agency_id

    @property
    def callers(self) -> list[Caller]:
        return [*vars(self.team).values(), self.bpjs, self.stranger]

    async def tell(self) -> None:
        tksk, clerk = self.team.tksk, self.team.clerk
        number, card = nik(), nik()
        self.mother = await made(clerk, "/v1/beneficiaries", person(nik=number, family_card_number=card))
        self.child = await made(clerk, "/v1/beneficiaries", person(nik=None, nik_status="belum_rekam"))
        await self._know(f"/v1/beneficiaries/{self.mother}", number)
        await self._register(clerk)
        await self._lend(number)
        visit = await self._visit(tksk)
        await self._certify(visit)
        await self._refer(tksk)
        await self._log(tksk)
        await self._ask()

    async def _know(self, url: str, number: str) -> None:
        tksk = self.team.tksk
        await got(tksk, "/v1/beneficiaries")
        await got(tksk, url)
        await got(tksk, f"{url}/history")
        await got(tksk, f"{url}/statement")
        await sent(tksk, "POST", "/v1/beneficiaries/search", {"nik": number})
        await sent(tksk, "POST", "/v1/beneficiaries/search", {"name": "Siti Rahmawati"})
        await sent(tksk, "POST", "/v1/beneficiaries/exists", {"nik": number})
        reveal = {"fields": ["nik"], "purpose": "letter_processing", "reason": "Surat untuk sekolah anak"}
        await sent(tksk, "POST", f"{url}/reveal", reveal)
        await sent(tksk, "PATCH", url, {"phone": "081234567890"}, version=1)
        await sent(tksk, "PATCH", url, {}, version=2)  # changes nothing, shows everything

    async def _register(self, clerk: Caller) -> None:
        """Twice the same, by id and by key; one too many, who is taken out; one who moves away."""
        key, body = {KEY: str(uuid4())}, person(id=str(uuid4()))
        await sent(clerk, "POST", "/v1/beneficiaries", body, headers=key)
        await sent(clerk, "POST", "/v1/beneficiaries", body, headers=key)
        await sent(clerk, "POST", "/v1/beneficiaries", body)
        await sent(self.team.dinsos, "DELETE", f"/v1/beneficiaries/{body['id']}", version=1)
        neighbour = await made(clerk, "/v1/beneficiaries", person())
        away = {"village_code": "18.71.04.1003", "reason": "Pindah ikut suami"}
        await sent(clerk, "POST", f"/v1/beneficiaries/{neighbour}/move", away, version=1)

    async def _lend(self, number: str) -> None:
        reason = {"reason_code": "medical_emergency", "reason": "Pasien tidak sadar di IGD rumah sakit"}
        grant = await made(self.stranger, "/v1/access-grants", {"nik": number, **reason})
        await got(self.stranger, f"/v1/beneficiaries/{self.mother}")
        await got(self.team.tksk, "/v1/access-grants")
        await got(self.team.tksk, f"/v1/access-grants/{grant}")
        await taken(self.team.dinsos, f"/v1/access-grants/{grant}/revoke")

    async def _visit(self, tksk: Caller) -> str:
        visit = await made(tksk, "/v1/visits", {"beneficiary_id": self.mother, "visited_on": "2026-11-02"})
        await got(tksk, "/v1/visits")
        await got(tksk, f"/v1/visits/{visit}")
        await sent(tksk, "PATCH", f"/v1/visits/{visit}", {"notes": "Rumah papan"}, version=1)
        photo = await self._attach(tksk, visit)
        found = {"outcome": "met", "finding": "eligible", "evidence": {}, "attachment_ids": [photo]}
        await taken(tksk, f"/v1/visits/{visit}/complete", found)
        return visit

    async def _attach(self, tksk: Caller, visit: str) -> str:
        """A photo of the visit, and an identity card, which is looked at and taken back."""
        photo = await attached(tksk, visit_id=visit)
        card = await attached(tksk, kind="ktp", beneficiary_id=self.mother)
        await got(tksk, "/v1/attachments")
        await got(tksk, f"/v1/attachments/{card}")
        await got(tksk, f"/v1/attachments/{card}/content?purpose=letter_processing")
        await sent(tksk, "DELETE", f"/v1/attachments/{card}", version=1)
        return photo

    async def _certify(self, visit: str) -> None:
        team, url = self.team, "/v1/sktm-applications"
        issued = f"{url}/{await made(team.clerk, url, application(self.mother, dependants=[self.child]))}"
        await got(team.clerk, url)
        await got(team.clerk, issued)
        await sent(team.clerk, "PATCH", issued, {"addressed_to": "Universitas Negeri Lampung"}, version=1)
        await taken(team.clerk, f"{issued}/submit")
        await taken(team.clerk, f"{issued}/return", {"reason_code": "incomplete_documents", "note": "KTP belum ada"})
        await taken(team.clerk, f"{issued}/submit")
        documents = [{"kind": kind, "status": "ok"} for kind in BASE_DOCUMENTS]
        await taken(team.clerk, f"{issued}/check", {"documents": documents})
        await taken(team.tksk, f"{issued}/verify", {"visit_id": visit, "recommendation": "Layak dibantu."})
        await taken(team.head, f"{issued}/sign")
        await got(team.camat, f"{issued}/letter")
        await taken(team.clerk, f"{issued}/collect")
        await got(team.camat, f"{issued}/history")
        await taken(team.dinsos, f"{issued}/revoke", {"reason_code": "false_statement", "note": "Keterangan palsu"})
        rejected, cancelled = [
            f"{url}/{await made(team.clerk, url, application(self.mother, purpose_detail=detail))}"
            for detail in ("Beasiswa daerah", "Keringanan uang sekolah")
        ]
        await taken(team.clerk, f"{rejected}/submit")
        await taken(team.tksk, f"{rejected}/reject", {"reason_code": "not_registered_dtsen", "note": "Belum terdata"})
        await taken(team.clerk, f"{cancelled}/cancel", {"note": "Tidak jadi"})

    async def _refer(self, tksk: Caller) -> None:
        url, bpjs = "/v1/referrals", self.bpjs
        body = {
            "beneficiary_id": self.mother,
            "program": "pbi_jk",
            "agency_id": self.agency_id,
            "reason": "Tidak mampu membayar iuran",
            "consent": "given",
        }
        active, rejected, cancelled = [f"{url}/{await made(tksk, url, body)}" for _ in range(3)]
        await sent(tksk, "PATCH", active, {"reason": "Tidak mampu membayar iuran dan berobat rutin"}, version=1)
        for referral in (active, rejected):
            await taken(tksk, f"{referral}/submit")
            await taken(bpjs, f"{referral}/receive")
            await taken(bpjs, f"{referral}/review")
        await got(bpjs, url)
        await got(bpjs, active)
        wanted = {"documents": [{"kind": "sktm"}], "note": "Mohon dilengkapi"}
        await taken(bpjs, f"{active}/request-documents", wanted)
        supplied = {"documents": [{"kind": "sktm", "shown_physically": True}]}
        await taken(tksk, f"{active}/supply-documents", supplied)
        await taken(bpjs, f"{active}/waitlist", {"decided_on": TODAY, "reason_code": "quota_full"})
        await taken(bpjs, f"{active}/approve", {"reference_number": "0214/BPJS/2026", "decided_on": TODAY})
        await taken(bpjs, f"{active}/activate", {"active_from": TODAY})
        ended = {"ended_on": TODAY, "reason_code": "other", "note": "Pindah kepesertaan"}
        await taken(bpjs, f"{active}/end", ended)
        refused = {"decided_on": TODAY, "reason_code": "other", "note": "Sudah terdaftar"}
        await taken(bpjs, f"{rejected}/reject", refused)
        await taken(tksk, f"{cancelled}/cancel", {"note": "Tidak jadi"})
        await got(tksk, f"{active}/history")

    async def _log(self, tksk: Caller) -> None:
        url, office = "/v1/activities", self.team.dinsos
        kept, dropped = [f"{url}/{await made(tksk, url, activity(self.mother, self.child))}" for _ in range(2)]
        await got(tksk, url)
        await got(tksk, kept)
        await sent(tksk, "PATCH", kept, {"beneficiary_ids": [self.mother]}, version=1)
        await taken(tksk, f"{kept}/submit")
        await taken(office, f"{kept}/return", {"note": "Mohon dilengkapi"})
        await taken(tksk, f"{kept}/submit")
        await taken(office, f"{kept}/accept")
        await got(tksk, f"{kept}/history")
        await sent(tksk, "DELETE", dropped, version=1)

    async def _ask(self) -> None:
        url, office = "/v1/privacy-requests", self.team.dinsos
        wish = {
            "beneficiary_id": self.mother,
            "kind": "access",
            "reason": "Ingin tahu data apa yang disimpan",
            "requested_by": "self",
            "received_on": "2026-11-02",
        }
        fulfilled, refused = [f"{url}/{await made(self.team.clerk, url, wish)}" for _ in range(2)]
        await got(office, url)
        await got(office, fulfilled)
        await taken(office, f"{fulfilled}/fulfil", {"note": "Sudah diberikan"})
        await taken(office, f"{refused}/refuse", {"reason_code": "reveals_others", "note": "Memuat data tetangga"})


async def gather(as_: Any, owner: Any) -> Story:
    """Everybody the story needs, signed in."""
    agency_id = await owner.fetchval(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, 'BPJS Bandar Lampung', 'bpjs_office', '18.71', true, $1) RETURNING id",
        uuid4(),
    )
    bpjs = await as_("agency", agency_id=agency_id)
    return Story(await offices(as_), bpjs, await as_("tksk", AMPENAN), str(agency_id))


def activity(*people: str) -> dict[str, Any]:
    """A valid body for POST /v1/activities."""
    return {
        "occurred_on": "2026-11-02",
        "pillar": "social_security",
        "function": "facilitation",
        "roles": ["facilitator"],
        "kind": "home_visit",
        "title": "Kunjungan rumah",
        "region_code": PANJANG,
        "beneficiary_ids": list(people),
        "headcount": {"male": 0, "female": 2, "children": 1, "disabled": 0},
    }


async def sent(caller: Caller, method: str, url: str, body: Any = None, **over: Any) -> Any:
    headers = over.get("headers", {}) | ({"If-Match": f'"v{over["version"]}"'} if "version" in over else {})
    answer = await caller.request(method, url, json=body, headers=headers)
    assert answer.status_code < 300, f"{method} {url}: {answer.status_code} {answer.text}"
    return answer


async def got(caller: Caller, url: str) -> None:
    await sent(caller, "GET", url)


async def made(caller: Caller, url: str, body: Any) -> str:
    return str((await sent(caller, "POST", url, body)).json()["id"])


async def taken(caller: Caller, url: str, body: Any = None) -> None:
    answer = await caller.act(url, body)
    assert answer.status_code == 200, f"{url}: {answer.text}"
