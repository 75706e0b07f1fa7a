"""The demo's walk: each line printed is a real request and its real answer."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from rich.console import Console

from tksk_api.cli.offices import BPJS

VILLAGE = "18.71.04.1002"
_WIB = timedelta(hours=7)


class StepFailedError(RuntimeError):
    """A step did not answer what the walk expects."""


class Walk:
    """People who act over HTTP, one line of output for each request. `folder` gets what they print and receive."""

    def __init__(self, url: str, owner_url: str, password: str, folder: Path, console: Console) -> None:
        self.url = url
        self.owner_url = owner_url
        self.folder = folder
        self.console = console
        self._password = password
        self._tokens: dict[str, str] = {}
        self._http = httpx.Client(base_url=url, timeout=30)
        self.random = random.Random()  # noqa: S311 - synthetic people, not secrets

    def close(self) -> None:
        self._http.close()

    def act(
        self,
        who: str,
        what: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: int | None = None,
        file: tuple[str, bytes] | None = None,
        expect: int = 200,
        show: Callable[[Any], object] = lambda _: "",
    ) -> Any:
        """One request by `who`, with a `file` a form; prints who did what, the status and what came of it.

        Raises StepFailedError.
        """
        headers = {"Accept-Language": "en"}
        if who in self._tokens:
            headers["Authorization"] = f"Bearer {self._tokens[who]}"
        if version is not None:
            headers["If-Match"] = f'"v{version}"'
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        content_of: dict[str, Any] = {"json": body} if file is None else {"data": body, "files": {"file": file}}
        answer = self._http.request(method, path, headers=headers, **content_of)
        is_json = "json" in answer.headers.get("content-type", "")
        content: Any = answer.json() if is_json and answer.content else answer.content
        refused = answer.status_code >= 400
        outcome = f"{content['code']}: {content['detail']}" if refused and is_json else show(content)
        colour = "yellow" if refused else "green"
        self.console.print(f"  {who:<25} {what:<44} [{colour}]{answer.status_code}[/]  {outcome}")
        if answer.status_code != expect:
            raise StepFailedError(f"{method} {path} answered {answer.status_code}, not {expect}: {answer.text[:500]}")
        return content

    def chapter(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/]")

    def sign_in(self, who: str) -> None:
        body = {"username": who, "password": self._password, "device_name": "demo"}
        pair = self.act(who, "signs in", "POST", "/v1/auth/login", body, show=lambda p: f"{p['expires_in']} s token")
        self._tokens[who] = pair["access_token"]

    def look(self, who: str, path: str) -> Any:
        """What somebody's client reads by itself; not printed. Raises StepFailedError."""
        answer = self._http.get(path, headers={"Authorization": f"Bearer {self._tokens[who]}"})
        if answer.status_code != httpx.codes.OK:
            raise StepFailedError(f"GET {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def version(self, who: str, path: str) -> int:
        """The version somebody sees now."""
        return int(self.look(who, path)["version"])

    def step(self, who: str, what: str, path: str, body: Any = None, **kwargs: Any) -> Any:
        """A named action on a resource, with the version just seen."""
        seen = kwargs.pop("version", None) or self.version(who, path.rsplit("/", 1)[0])
        return self.act(who, what, "POST", path, body, version=seen, **kwargs)

    def say(self, who: str, what: str, outcome: object = "") -> None:
        """A line for what is no request of somebody signed in."""
        self.console.print(f"  {who:<25} {what:<44}      {outcome}")

    def expects(self, came_out: bool, told: str) -> None:
        """What was told must be so. Raises StepFailedError."""
        if not came_out:
            raise StepFailedError(f"it was told that {told}, and that is not so")

    def save(self, content: bytes, name: str, kind: str = "letters") -> Path:
        """Keep a file for whoever watches."""
        target = self.folder / kind / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self.say("", "saved as", target)
        return target

    def scan(self, url: str, status: str) -> Any:
        """A phone opens the address in a letter's QR code. Raises StepFailedError unless the page says `status`."""
        page = httpx.get(url, headers={"Accept": "application/json"}, timeout=30)
        facts = page.json()
        about = ", ".join(str(facts[name]) for name in ("number", "masked_name") if facts[name])
        said = f"[green]{page.status_code}[/]  [bold]{facts['status']}[/]" + (f", {about}" if about else "")
        self.console.print(f"  {'a phone':<25} {'scans the letter':<44} {said}")
        self.expects(facts["status"] == status, f"the page says {status}")
        return facts

    def person(self, name: str, born: str, sex: str, **over: Any) -> dict[str, Any]:
        """A synthetic person of Srengsem with a NIK that fits; no such person exists."""
        year, month, day = born.split("-")
        shown = int(day) + (40 if sex == "female" else 0)
        nik = f"187104{shown:02d}{month}{year[2:]}{self.random.randint(1, 9999):04d}"
        return {
            "nik": nik,
            "nik_status": "verified",
            "full_name": name,
            "birth_place": "Bandar Lampung",
            "birth_date": born,
            "sex": sex,
            "address": {"street": "Gang Contoh 12", "rt": "3", "rw": "2"},
            "village_code": VILLAGE,
            "ppks_categories": ["fakir_miskin"],
            **over,
        }

    def register(self, who: str, name: str, born: str, sex: str, **over: Any) -> Any:
        """Register somebody; a NIK that chance gave twice is drawn again."""
        for _ in range(5):
            try:
                return self.act(
                    who,
                    f"registers {name}",
                    "POST",
                    "/v1/beneficiaries",
                    self.person(name, born, sex, **over),
                    expect=201,
                    show=lambda p: f"NIK {p['nik_masked']}",
                )
            except StepFailedError as error:
                if "nik_taken" not in str(error):
                    raise
        raise StepFailedError("no free synthetic NIK")


def local_now() -> datetime:
    """By the clock of Bandar Lampung."""
    return datetime.now(UTC) + _WIB


def today() -> str:
    return local_now().date().isoformat()


def letter(walk: Walk) -> None:
    """An officer finds a family, visits it, and a numbered letter comes out that a phone can verify."""
    walk.chapter("1. People sign in")
    for who in ("tksk.panjang", "clerk.srengsem", "lurah.srengsem", "dinsos.bandarlampung", "tksk.ampenan"):
        walk.sign_in(who)

    walk.chapter("2. A family of Srengsem, synthetic")
    card = f"187104120315{walk.random.randint(1, 9999):04d}"
    family = {"family_card_number": card}
    mother = walk.register(
        "clerk.srengsem", "Siti Rahmawati", "1983-03-25", "female", relationship="head_of_family", **family
    )
    child = walk.register("clerk.srengsem", "Dewi Lestari", "2008-06-12", "female", relationship="child", **family)
    walk.act(
        "tksk.panjang",
        'finds her as "siti rahmwati"',
        "POST",
        "/v1/beneficiaries/search",
        {"name": "siti rahmwati", "birth_date": "1983-03-25"},
        show=lambda r: f"{len(r['items'])} found, first {r['items'][0]['full_name']} ({r['items'][0]['score']})",
    )
    mother_url = f"/v1/beneficiaries/{mother['id']}"
    walk.act("tksk.ampenan", "an officer from Ampenan looks", "GET", mother_url, expect=404)

    walk.chapter("3. The home visit")
    visit_id = _visit(walk, mother["id"])

    walk.chapter("4. An SKTM for a scholarship")
    application = _application(
        walk,
        mother["id"],
        purpose="education",
        purpose_detail="Beasiswa KIP Kuliah a.n. Dewi Lestari",
        addressed_to="Universitas Lampung",
        dependants=[child["id"]],
    )
    _check(walk, application, ("cover_letter", "ktp", "family_card", "school_letter"), show_missing=True)
    _verify(walk, application, visit_id)
    path = f"/v1/sktm-applications/{application}"
    walk.step("tksk.panjang", "the verifier tries to sign", f"{path}/sign", expect=403)
    issued = walk.step(
        "lurah.srengsem", "the lurah signs", f"{path}/sign", show=lambda a: f"number {a['letter']['number']}"
    )
    walk.step("lurah.srengsem", "signs a second time", f"{path}/sign", expect=409)
    _save(walk, path, issued["letter"])

    walk.chapter("5. A phone scans the QR code")
    url = issued["letter"]["verification_url"]
    walk.scan(url, "valid")
    walk.step("clerk.srengsem", "hands the letter over", f"{path}/collect", show=lambda a: a["status"])

    walk.chapter("6. A second letter turns out to be wrong")
    other = walk.register("clerk.srengsem", "Bambang Susilo", "1979-11-02", "male")
    visit_id = _visit(walk, other["id"])
    wrong = _application(
        walk,
        other["id"],
        purpose="social_aid",
        purpose_detail="Bantuan sembako",
        addressed_to="Dinas Sosial",
        dependants=[],
    )
    _check(walk, wrong, ("cover_letter", "ktp", "family_card"))
    _verify(walk, wrong, visit_id)
    path = f"/v1/sktm-applications/{wrong}"
    second = walk.step(
        "lurah.srengsem", "the lurah signs", f"{path}/sign", show=lambda a: f"number {a['letter']['number']}"
    )
    walk.scan(second["letter"]["verification_url"], "valid")
    reason = {"reason_code": "false_statement", "note": "Keterangan penghasilan tidak benar"}
    walk.step("dinsos.bandarlampung", "revokes it", f"{path}/revoke", reason, show=lambda a: a["status"])
    walk.scan(second["letter"]["verification_url"], "revoked")

    referral(walk, mother["id"])
    activity(walk, mother["id"])
    walk.console.print(f"\nThe letter's verification address: {url}")


def _visit(walk: Walk, person_id: str) -> str:
    body = {
        "beneficiary_id": person_id,
        "visited_on": today(),
        "location": {"lat": -5.5006, "lon": 105.337, "accuracy": 12},
    }
    planned = walk.act(
        "tksk.panjang", "plans a visit", "POST", "/v1/visits", body, expect=201, show=lambda v: v["status"]
    )
    evidence = {"floor_area_m2": 24, "income_per_month": 1_200_000, "dependants": 3}
    done = {"outcome": "met", "finding": "eligible", "evidence": evidence}
    walk.step(
        "tksk.panjang",
        "visits and writes what was seen",
        f"/v1/visits/{planned['id']}/complete",
        done,
        show=lambda v: f"{v['finding']}, Rp{v['evidence']['income_per_month']:,} a month",
    )
    return str(planned["id"])


def _application(walk: Walk, person_id: str, **body: Any) -> str:
    drafted = walk.act(
        "clerk.srengsem",
        "drafts an application",
        "POST",
        "/v1/sktm-applications",
        {"beneficiary_id": person_id, **body},
        expect=201,
        show=lambda a: a["status"],
    )
    walk.step(
        "clerk.srengsem", "submits it", f"/v1/sktm-applications/{drafted['id']}/submit", show=lambda a: a["status"]
    )
    return str(drafted["id"])


def _check(walk: Walk, application: str, kinds: tuple[str, ...], *, show_missing: bool = False) -> None:
    path = f"/v1/sktm-applications/{application}/check"
    if show_missing:
        some = [{"kind": kind, "status": "ok"} for kind in kinds[:2]]
        walk.step("clerk.srengsem", "checks the papers, two are missing", path, {"documents": some}, expect=422)
    papers = [{"kind": kind, "status": "ok"} for kind in kinds]
    walk.step("clerk.srengsem", "checks the papers", path, {"documents": papers}, show=lambda a: a["status"])


def _verify(walk: Walk, application: str, visit_id: str) -> None:
    body = {"visit_id": visit_id, "recommendation": "Layak: rumah papan, penghasilan tidak tetap."}
    walk.step(
        "tksk.panjang",
        "verifies on the visit",
        f"/v1/sktm-applications/{application}/verify",
        body,
        show=lambda a: a["status"],
    )


def _save(walk: Walk, path: str, issued: Mapping[str, Any]) -> None:
    pdf = walk.act("clerk.srengsem", "prints the letter", "GET", f"{path}/letter", show=lambda b: f"{len(b):,} bytes")
    walk.save(pdf, f"SKTM-{str(issued['number']).replace('/', '-')}.pdf")


def referral(walk: Walk, person_id: str) -> None:
    """The family is referred to the BPJS office, which answers."""
    walk.chapter("7. A referral, and what becomes of it")
    walk.sign_in("bpjs.bandarlampung")
    body = {
        "beneficiary_id": person_id,
        "program": "pbi_jk",
        "agency_id": str(UUID(str(BPJS))),
        "reason": "Belum memiliki jaminan kesehatan",
        "consent": "given",
        "documents": [{"kind": "ktp", "shown_physically": True}, {"kind": "family_card", "shown_physically": True}],
    }
    drafted = walk.act(
        "tksk.panjang", "drafts a referral", "POST", "/v1/referrals", body, expect=201, show=lambda r: r["status"]
    )
    path = f"/v1/referrals/{drafted['id']}"
    shown: Callable[[Any], object] = lambda r: r["status"]  # noqa: E731
    walk.act("bpjs.bandarlampung", "looks before it was sent", "GET", path, expect=404)
    walk.step("tksk.panjang", "sends it", f"{path}/submit", show=shown)
    walk.act("bpjs.bandarlampung", "looks the person up", "GET", f"/v1/beneficiaries/{person_id}", expect=403)
    walk.step("bpjs.bandarlampung", "receives it", f"{path}/receive", show=shown)
    walk.step("bpjs.bandarlampung", "reviews it", f"{path}/review", show=shown)
    approval = {"reference_number": f"PBI-{walk.random.randint(1000, 9999)}/2026", "decided_on": today()}
    walk.step(
        "bpjs.bandarlampung",
        "approves it",
        f"{path}/approve",
        approval,
        show=lambda r: f"{r['status']}, {r['reference_number']}",
    )
    walk.step("bpjs.bandarlampung", "the benefit runs", f"{path}/activate", {"active_from": today()}, show=shown)


def activity(walk: Walk, person_id: str) -> None:
    """The day's work goes into its pillar."""
    walk.chapter("8. The work is logged")
    body = {
        "occurred_on": today(),
        "pillar": "social_security",
        "function": "facilitation",
        "roles": ["facilitator"],
        "kind": "sktm_verification",
        "title": "Pendampingan SKTM dan rujukan PBI-JK",
        "region_code": VILLAGE,
        "beneficiary_ids": [person_id],
        "headcount": {"male": 0, "female": 1, "children": 0, "disabled": 0},
        "assigned_by": "own",
        "result": "Surat terbit, rujukan disetujui",
    }
    logged = walk.act(
        "tksk.panjang",
        "logs the day's work",
        "POST",
        "/v1/activities",
        body,
        expect=201,
        show=lambda a: f"{a['pillar']}, {a['status']}",
    )
    path = f"/v1/activities/{logged['id']}"
    walk.step("tksk.panjang", "submits it", f"{path}/submit", show=lambda a: a["status"])
    walk.step("dinsos.bandarlampung", "accepts it", f"{path}/accept", show=lambda a: a["status"])
