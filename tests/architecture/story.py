"""Everything that can be done with people's data, done once by whoever may: a story of one mother and her child."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from architecture.specification import Operation, operations
from architecture.world import attached
from helpers import AMPENAN, PANJANG, Caller, add_user, nik, person
from sktm_flow import BASE_DOCUMENTS, Offices, application, offices
from tksk_api.domain.seeds import agency_id

TODAY = str((datetime.now(UTC) + timedelta(hours=7)).date())
KEY = "Idempotency-Key"
# Collections that hold nobody of the register.
NOT_ABOUT_PEOPLE = {
    "auth": "the caller's own sessions",
    "oauth2": "a machine client's token",
    ".well-known": "public keys and addresses",
    "me": "the caller",
    "count_unread_notifications": "how many one has not read",
    "read_all_notifications": "how many one has not read",
    "users": "officers, whose changes have a history of their own",
    "clients": "machine clients",
    "assignments": "officers and their districts",
    "partners": "those who help, no beneficiaries",
    "audit": "rows of the log itself, without anybody's data; reading it is recorded too (tests/api/test_audit.py)",
    "regions": "public reference data",
    "reference": "public reference data",
    "visit-forms": "public reference data",
    "programs": "public reference data; the advice on a person is driven with the referrals",
    "imports": "one's own tables; what their rows write leaves its rows one by one (tests/api/test_imports.py)",
    "import-uploads": "one's own files, before anybody has read them",
    "exports": "one's own files; whoever stands in one is named by its pages (tests/api/test_exports.py)",
    "jobs": "counts of people, and numbers of letters, whom they do not name",
    "sign_sktm_applications": "a job, whose letters leave their rows one by one (tests/api/test_sign_many.py)",
    "agencies": "public offices",
    "sktm-policies": "rules",
    "office-certificates": "certificates of offices, and their keys",
    "activity-kinds": "public reference data",
    "list_reports": "reports without what they tell of work",
    "list_missing_reports": "regions",
    "compile_reports": "a job, which names districts",
    "render_reports": "a job, which says where the documents are to be had",
    "check_report": "counts, and codes of what is missing",
    "list_report_revisions": "submissions without what they tell of work",
    "list_report_history": "steps, and remarks about sections",
    "report-calendars": "days on which reports are due",
    "activity-templates": "work that comes again, which names nobody",
    "list_vacancies_on": "districts without an officer",
    "get_statistics": "counts; the lists they name are driven by themselves",
    "get_coverage": "counts of places",
    "create_dashboard_link": "a link to counts",
    "get_chart": "a picture of counts",
    "get_dashboard": "a page of counts",
    "list_unvisited_villages": "places",
    "list_open_data": "tables of counts",
    "get_open_data": "counts, the small ones withheld",
    "get_open_data_metadata": "what a table of counts means",
    "sktm-numbers": "numbers; the letters that bear them are read elsewhere",
    "verify": "the public's question about a paper: it names nobody in full, and nobody is there to be named as asking",
    "verify-report": "the public's question about a report, which names nobody of the register",
    "count_worklist": "how much waits, naming nobody",
    "livez": "the process",
    "readyz": "the process",
}


def about_people(app: Any) -> list[Operation]:
    return [found for found in operations(app) if not {found.collection, found.name} & NOT_ABOUT_PEOPLE.keys()]


class Story:
    """Who takes part in it, and how they speak to the API: every answer must be a success."""

    def __init__(self, team: Offices, bpjs: Caller, stranger: Caller, agency_id: str, owner: Any) -> None:
        self.team, self.bpjs, self.stranger, self.agency_id, self.owner = team, bpjs, stranger, agency_id, owner

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
        await self._identify(clerk)
        await self._merge(tksk)
        await self._assess(tksk)
        await self._lend(number)
        visit = await self._visit(tksk)
        await self._certify(visit)
        await self._refer(tksk)
        await self._live_together(tksk)
        await self._log(tksk)
        await self._report(tksk)
        await self._ask()

    async def _know(self, url: str, number: str) -> None:
        tksk = self.team.tksk
        await got(tksk, "/v1/beneficiaries")
        await got(tksk, url)
        await got(tksk, f"{url}/history")
        await got(tksk, f"{url}/timeline")
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

    async def _identify(self, clerk: Caller) -> None:
        """Somebody whose number comes later and was mistyped, whose card bears another name, and who is not dead."""
        url = f"/v1/beneficiaries/{await made(clerk, '/v1/beneficiaries', person(nik=None, nik_status='none'))}"
        await taken(clerk, f"{url}/attach-nik", {"nik": nik()})
        await taken(clerk, f"{url}/correct-nik", {"nik": nik(), "reason": "Salah ketik"})
        await taken(clerk, f"{url}/verify-nik", {"document": "ktp"})
        await taken(clerk, f"{url}/deceased", {"died_on": "2026-11-01", "source": "neighbourhood"})
        await sent(clerk, "POST", f"{url}/deceased/undo", {"reason": "Datang sendiri ke kantor"}, version=5)
        names = f"{url}/document-names"
        paper = await made(clerk, names, {"document": "jkn_card", "name": "St. Rahmawati"})
        await got(clerk, names)
        await sent(clerk, "POST", f"/v1/document-names/{paper}/withdraw", version=1)

    async def _merge(self, tksk: Caller) -> None:
        """Two records of one person, who turn out to be two and are divided, after another pair was let go."""
        url, nobody = "/v1/beneficiaries", {"nik": None, "nik_status": "none", "full_name": "Wayan Sudarma"}
        first, second = [await made(tksk, url, person(**nobody)) for _ in range(2)]
        await got(tksk, "/v1/duplicates")
        (pair,) = (await sent(tksk, "GET", f"{url}/{first}/duplicates")).json()["items"]
        await got(tksk, f"/v1/duplicates/{pair['id']}")
        await taken(tksk, f"/v1/duplicates/{pair['id']}/dismiss", {"reason": "Saudara kembar"})
        await taken(tksk, f"/v1/duplicates/{pair['id']}/reopen", {"reason": "Petunjuk baru dari RT"})
        await taken(tksk, f"{url}/{first}/merge", {"into_id": second, "reason": "Orang yang sama"})
        await got(tksk, f"{url}/{first}/merges")
        stands = (await sent(tksk, "GET", f"{url}/{second}")).json()["version"]
        await sent(tksk, "POST", f"{url}/{first}/unmerge", {"reason": "Ternyata dua orang"}, version=stands)

    async def _assess(self, tksk: Caller) -> None:
        url = "/v1/ppks-assessments"
        found = await made(tksk, url, {"beneficiary_id": self.child, "category": "odha"})
        await got(tksk, url)
        await got(tksk, f"{url}/{found}")
        await taken(tksk, f"{url}/{found}/close", {"reason_code": "recorded_in_error"})

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
        await got(tksk, f"/v1/visits/{visit}/worksheet")
        await got(tksk, "/v1/visits/worksheets?visited_on=2026-11-02")
        differs = {"birth_place": "Metro", "phone": "081298765432"}
        found = {"outcome": "met", "finding": "eligible", "evidence": {}, "attachment_ids": [photo]}
        await taken(tksk, f"/v1/visits/{visit}/complete", {**found, "register_differs": differs})
        another = await made(tksk, "/v1/visits", {"beneficiary_id": self.mother, "visited_on": "2026-11-02"})
        await taken(tksk, f"/v1/visits/{another}/cancel", {"reason": "Sudah dikunjungi"})
        await self._decide(tksk, visit)
        return visit

    async def _decide(self, tksk: Caller, visit: str) -> None:
        url = "/v1/proposals"
        (first, second) = (await sent(tksk, "GET", f"{url}?visit_id={visit}")).json()["items"]
        await got(tksk, f"{url}/{first['id']}")
        await taken(tksk, f"{url}/{first['id']}/accept", {"note": "Sesuai akta"})
        await taken(tksk, f"{url}/{second['id']}/reject", {"reason": "Nomor lama"})

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
        await got(team.clerk, f"{issued}/requirements")
        await sent(team.clerk, "PATCH", issued, {"addressed_to": "Universitas Negeri Lampung"}, version=1)
        await taken(team.clerk, f"{issued}/submit")
        await taken(team.clerk, f"{issued}/return", {"reason_code": "incomplete_documents", "note": "KTP belum ada"})
        await taken(team.clerk, f"{issued}/submit")
        documents = [{"kind": kind, "status": "ok"} for kind in BASE_DOCUMENTS]
        await taken(team.clerk, f"{issued}/check", {"documents": documents})
        await taken(team.tksk, f"{issued}/verify", {"visit_id": visit, "recommendation": "Layak dibantu."})
        await taken(team.head, f"{issued}/sign")
        scan = await attached(team.clerk, kind="signed_letter", beneficiary_id=self.mother)
        await taken(team.clerk, f"{issued}/signed-scan", {"attachment_id": scan})
        await got(team.camat, f"{issued}/letter")
        (first, *_) = (await sent(team.tksk, "GET", "/v1/notifications")).json()["items"]
        await sent(team.tksk, "POST", f"/v1/notifications/{first['id']}/read")
        shown = (await team.clerk.get(issued)).json()["letter"]["verification_url"].rsplit("/", 1)[1]
        await sent(self.bpjs, "POST", f"/v1/sktm-letters/{shown}/presentations", {"outcome": "used"})
        await got(team.clerk, f"{issued}/presentations")
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
            "documents": [{"kind": kind, "shown_physically": True} for kind in ("ktp", "family_card")],
        }
        file = await attached(tksk, kind="supporting_document", beneficiary_id=self.mother)
        body["documents"].append({"kind": "other", "attachment_id": file, "shown_physically": False})
        active, rejected, cancelled = [f"{url}/{await made(tksk, url, body)}" for _ in range(3)]
        moved = await made(tksk, url, body)
        await sent(tksk, "POST", f"{url}/submit-many", {"ids": [moved]})
        dinsos = {"agency_id": str(agency_id("18.71:social_service_office")), "reason": "Ditangani dinas sosial"}
        await taken(tksk, f"{url}/{moved}/transfer", dinsos)
        await sent(tksk, "POST", "/v1/programs/pbi_jk/eligibility", {"beneficiary_id": self.mother})
        await sent(tksk, "PATCH", active, {"reason": "Tidak mampu membayar iuran dan berobat rutin"}, version=1)
        for referral in (active, rejected):
            await taken(tksk, f"{referral}/submit")
            await taken(bpjs, f"{referral}/receive")
            await taken(bpjs, f"{referral}/review")
        await got(bpjs, url)
        await got(bpjs, active)
        await got(bpjs, f"{active}/documents")
        await got(bpjs, f"{active}/documents/{file}/content")
        for caller in (bpjs, tksk):
            await got(caller, "/v1/worklist")
        wanted = {"documents": [{"kind": "sktm"}], "note": "Mohon dilengkapi"}
        await taken(bpjs, f"{active}/request-documents", wanted)
        supplied = {"documents": [{"kind": "sktm", "shown_physically": True}]}
        await taken(tksk, f"{active}/supply-documents", supplied)
        await taken(bpjs, f"{active}/waitlist", {"decided_on": TODAY, "reason_code": "quota_full"})
        await taken(bpjs, f"{active}/approve", {"reference_number": "0214/BPJS/2026", "decided_on": TODAY})
        await taken(bpjs, f"{active}/activate", {"active_from": TODAY})
        ended = {"ended_on": TODAY, "reason_code": "other", "note": "Pindah kepesertaan"}
        await taken(bpjs, f"{active}/end", ended)
        await got(tksk, f"/v1/beneficiaries/{self.mother}/enrolments")
        refused = {"decided_on": TODAY, "reason_code": "other", "note": "Sudah terdaftar"}
        await taken(bpjs, f"{rejected}/reject", refused)
        await taken(tksk, f"{cancelled}/cancel", {"note": "Tidak jadi"})
        await got(tksk, f"{active}/history")

    async def _live_together(self, tksk: Caller) -> None:
        """Mother, child and an aunt, who leaves last: whoever belonged to a family is meant by its id from then on."""
        url, aunt = "/v1/families", await made(tksk, "/v1/beneficiaries", person())
        key = await made(tksk, url, household((self.mother, "head_of_family"), (self.child, "child")))
        family = f"{url}/{key}"
        rank = {"family_id": key, "decile": 7, "source": "dtsen", "batch": "DTSEN 2026", "dated_on": "2026-09-30"}
        await made(self.team.dinsos, "/v1/decile_snapshots", rank)
        await got(tksk, "/v1/decile_snapshots")
        await got(tksk, f"{family}/decile")
        await got(tksk, "/v1/statistics/disagreements")
        card = {"family_card_number": nik(), "reason": "first_card"}
        await taken(tksk, f"{family}/card", card)
        await sent(tksk, "POST", f"{url}/search", {"family_card_number": card["family_card_number"]})
        await taken(tksk, f"{family}/members", {"beneficiary_id": aunt, "relationship": "other_relative"})
        await sent(tksk, "PATCH", family, {"address": {"rt": "001"}}, version=3)
        head = {"beneficiary_id": self.child, "former_head_relationship": "parent", "reason": "agreed"}
        await taken(tksk, f"{family}/change-head", head)
        await got(tksk, url)
        await got(tksk, f"{family}/history")
        away = {"village_code": "18.71.04.1003", "address": {"street": "Jl. Baru 1"}, "reason": "moved"}
        await taken(tksk, f"{family}/move", away)
        shown = (await sent(tksk, "GET", family)).json()
        leaving = next(member["member_id"] for member in shown["members"] if member["beneficiary_id"] == aunt)
        gone = f"{family}/members/{leaving}?reason=own_household"
        await sent(tksk, "DELETE", gone, version=shown["version"])
        couple = [await made(tksk, "/v1/beneficiaries", person()) for _ in range(2)]
        parted = await made(tksk, url, household((couple[0], "head_of_family"), (couple[1], "wife")))
        alone = {"members": [{"beneficiary_id": couple[1], "relationship": "head_of_family"}], "reason": "divorce"}
        await sent(tksk, "POST", f"{url}/{parted}/split", alone, version=1)

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
        # As a report does, which names nobody.
        await self.owner.execute("UPDATE activities SET frozen_by = id WHERE id = $1", UUID(kept.rsplit("/", 1)[1]))
        await sent(tksk, "POST", f"{kept}/revise", {"reason": "Salah jumlah"}, version=await version_of(tksk, kept))
        await sent(tksk, "DELETE", dropped, version=1)
        await self._take_up(tksk)
        await self._close_the_month(tksk)

    async def _close_the_month(self, tksk: Caller) -> None:
        """Of an officer who left: what they had not written down, which should not have been handed in after all."""
        assign = (
            "INSERT INTO assignments (id, version, user_id, region_code, kind, starts_on, ends_on) "
            "VALUES (gen_random_uuid(), 1, $1, $2, 'acting', $3, $4)"
        )
        former, _ = await add_user(self.owner, "tksk", "18.71.05")
        today = date.fromisoformat(TODAY)
        await self.owner.execute(assign, former, PANJANG, date(2026, 1, 1), date(2026, 11, 3))
        await self.owner.execute(assign, tksk.user_id, PANJANG, date(2026, 1, 1), today + timedelta(days=30))
        body = {**activity(self.mother, self.child), "officer_id": str(former)}
        entered = f"/v1/activities/{await made(tksk, '/v1/activities/in-place-of', body)}"
        await taken(tksk, f"{entered}/submit")
        await taken(tksk, f"{entered}/withdraw", {"reason": "Dicatat dua kali"})

    async def _take_up(self, tksk: Caller) -> None:
        """What the visits, the letter and the referrals of this story suggest; and a quick entry of the same work."""
        url, office = "/v1/activities", self.team.dinsos
        hinted = (await sent(tksk, "GET", f"{url}?is_suggested=true")).json()["items"]
        confirmed, linked = hinted[0]["id"], hinted[1]["id"]
        await sent(tksk, "POST", f"{url}/{confirmed}/confirm", version=1)
        quick = await made(tksk, f"{url}/quick", {"kind": "aftercare", "beneficiary_ids": [self.mother]})
        await sent(tksk, "POST", f"{url}/{linked}/link", {"activity_id": quick}, version=1)
        await sent(tksk, "POST", f"{url}/submit-many", {"ids": [confirmed, quick]})
        await sent(office, "POST", f"{url}/accept-many", {"ids": [confirmed, quick]})

    async def _report(self, tksk: Caller) -> None:
        """The last month, in which the mother's work met an obstacle that the report tells of."""
        office, camat = self.team.dinsos, self.team.camat
        last = date.fromisoformat(TODAY).replace(day=1) - timedelta(days=1)
        obstacle = {"occurred_on": str(last), "obstacle": "Ibu tidak di rumah"}
        entry = await made(tksk, "/v1/activities", activity(self.mother) | obstacle)
        await taken(tksk, f"/v1/activities/{entry}/submit")
        asked = {"region_code": PANJANG, "period_type": "month", "period_start": str(last.replace(day=1))}
        url = f"/v1/reports/{await made(tksk, '/v1/reports', asked)}"
        await got(office, url)
        await sent(tksk, "PATCH", url, {"summary": "Satu keluarga didampingi"}, version=await version_of(tksk, url))
        await taken(tksk, f"{url}/compile")
        await taken(tksk, f"{url}/submit")
        await taken(office, f"{url}/return", {"remarks": [{"section": "work", "note": "Mohon dilengkapi"}]})
        await taken(tksk, f"{url}/submit")
        await taken(camat, f"{url}/acknowledge")
        await taken(office, f"{url}/accept")
        await got(camat, f"{url}/revisions/1")
        await got(office, f"{url}/document")
        await taken(tksk, f"{url}/revise", {"reason": "Salah jumlah"})
        await taken(tksk, f"{url}/discard")

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
    wet = "INSERT INTO sktm_policies (id, version, region_code, effective_from, signature) VALUES ($1, 1, $2, $3, $4)"
    await owner.execute(wet, uuid4(), "18.71.04.1002", date(2026, 1, 1), "wet")
    bpjs = await as_("agency", agency_id=agency_id)
    return Story(await offices(as_), bpjs, await as_("tksk", AMPENAN), str(agency_id), owner)


def household(*people: tuple[str, str]) -> dict[str, Any]:
    """A valid body for POST /v1/families, of people and what they are to the head."""
    members = [{"beneficiary_id": key, "relationship": relationship} for key, relationship in people]
    return {"village_code": "18.71.04.1002", "address": {"street": "Gang Mawar 3"}, "members": members}


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


async def version_of(caller: Caller, url: str) -> int:
    return int((await sent(caller, "GET", url)).json()["version"])


async def taken(caller: Caller, url: str, body: Any = None) -> None:
    answer = await caller.act(url, body)
    assert answer.status_code == 200, f"{url}: {answer.text}"
