"""The demo's chapter on reports: the month that is over in Panjang, and the recap of a province of 117 districts."""

import asyncio
import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pypdf

from tksk_api.cli.offices import BPJS, PROVINCE, seed_province
from tksk_api.cli.walk import VILLAGE, StepFailedError, Walk, today
from tksk_api.domain.references.lists import LISTS
from tksk_api.domain.statistics import upkeep

OFFICER, CLERK, HEAD, CAMAT = "tksk.panjang", "clerk.srengsem", "lurah.srengsem", "camat.panjang"
CITY, MINISTRY, NTB = "dinsos.bandarlampung", "kemensos", "dinsos.ntb"
_BPJS, _OUTSIDER = "bpjs.bandarlampung", "tksk.ampenan"
PANJANG = "18.71.04"
REPORTS, ACTIVITIES = "/v1/reports", "/v1/activities"
KINDS = ("json", "pdf", "xlsx")
# Who works in NTB, and what becomes of their report; in the rest of the province nobody has sent one.
_ACCEPTED = {
    "52.71": {"tksk.ampenan": "52.71.01", "tksk.52.71.02": "52.71.02", "tksk.52.71.03": "52.71.03"},
    "52.02": {"tksk.52.02.01": "52.02.01", "tksk.52.02.04": "52.02.04"},
}
_WAITING = ("tksk.52.71.04", "52.71.04")
_ONLY_DRAFTS = "52.08"
# A weekday's work: kind, and how many men, women, children and disabled people were reached.
_WORK = (
    ("neglected_elderly_care", (2, 4, 0, 1)),
    ("pbi_jk_reactivation", (3, 5, 2, 0)),
    ("kube_mentoring", (2, 8, 0, 0)),
    ("food_aid_distribution", (21, 34, 0, 3)),
    ("psychosocial_support", (1, 1, 1, 0)),
    ("dtsen_update", (6, 9, 0, 0)),
    ("karang_taruna_coaching", (12, 7, 0, 0)),
    ("social_advocacy", (1, 2, 1, 0)),
    ("assistive_device", (1, 1, 0, 2)),
    ("pkh_data", (4, 11, 3, 0)),
    ("skills_training", (3, 9, 0, 1)),
    ("aid_monitoring", (5, 6, 0, 0)),
)
_PATIENCE_SECONDS = 30.0
_WORKING_DAYS = 5  # Monday to Friday


def report(walk: Walk) -> None:
    """A month of Panjang from its log to an accepted report and a correction; NTB's recap; what the figures say."""
    last = date.fromisoformat(today()).replace(day=1) - timedelta(days=1)
    first = last.replace(day=1)
    walk.chapter(f"M1. The month that is over, {first} to {last}: people sign in")
    for who in (OFFICER, CLERK, HEAD, CAMAT, CITY, _BPJS, _OUTSIDER):
        walk.sign_in(who)
    path = _opened(walk, OFFICER, PANJANG, first, CITY)
    _log(walk, first, last)
    _suggestions(walk, first, last, _cases(walk, first, last))
    _completeness(walk, path, first, last)
    corrected = _review(walk, path, first, last)
    _correction(walk, path, corrected)
    walk.chapter("M8. The report on paper, as a table and as data, read back")
    read_back(walk, OFFICER, path)
    _province(walk, first, last)
    _figures(walk, first, last)


# ---- what every report goes through ----------------------------------------------------------------------------------


def _opened(walk: Walk, who: str, region: str, first: date, reviewer: str) -> str:
    """The address of the month's report, to be worked on. A demo that ran before has left it where it got to: the
    office gives it back, or a correction is begun."""
    path, status = _obtained(walk, who, region, first)
    if status == "submitted":
        remarks = {"remarks": [{"section": "narrative", "note": "Dikerjakan ulang"}]}
        walk.step(reviewer, "gives back what was sent before", f"{path}/return", remarks, show=_standing)
    elif status == "accepted":
        reason = {"reason": "Bulan ini dikerjakan sekali lagi"}
        walk.step(who, "an earlier walk got it accepted: begins anew", f"{path}/revise", reason, show=_standing)
    return path


def _obtained(walk: Walk, who: str, region: str, first: date) -> tuple[str, str]:
    """Address and status of the month's report, which is compiled if there is none."""
    level = {2: "province", 5: "regency", 8: "district"}[len(region)]
    asked = f"region_code={region}&level={level}&period_type=month&period_start={first}"
    found = walk.look(who, f"{REPORTS}?{asked}")["items"]
    if not found:
        body = {"region_code": region, "period_type": "month", "period_start": first.isoformat()}
        found = [walk.act(who, f"compiles the month of {region}", "POST", REPORTS, body, expect=201, show=_summary)]
    return f"{REPORTS}/{found[0]['id']}", str(found[0]["status"])


def _written(walk: Walk, who: str, path: str, **words: str) -> None:
    walk.act(
        who,
        "writes what numbers do not say",
        "PATCH",
        path,
        words,
        version=walk.version(who, path),
        show=lambda _: ", ".join(words),
    )


def _handed_in(walk: Walk, who: str, path: str, reviewer: str | None, **words: str) -> None:
    """From a draft to accepted, or submitted where nobody reviews it; from wherever an earlier walk left it."""
    status = walk.look(who, path)["status"]
    if status == "draft":
        if words:
            _written(walk, who, path, **words)
        walk.step(who, "submits it", f"{path}/submit", show=_standing)
    if reviewer is not None and status != "accepted":
        walk.step(reviewer, "accepts it", f"{path}/accept", show=_standing)


def _standing(row: Mapping[str, Any]) -> str:
    late = {True: ", late", False: ", in time", None: ""}[row["is_late"]]
    return f"revision {row['revision']} {row['status']}{late}"


def _summary(row: Mapping[str, Any]) -> str:
    said, below = row["content"], row["content"]["children"]
    recap = f", {below['reported']} of {below['districts']} districts reported" if below else ""
    return f"{said['work']['activities']['count']} activities{recap}"


def _status(row: Mapping[str, Any]) -> str:
    return str(row["status"])


def _codes(check: Mapping[str, Any]) -> str:
    return "; ".join(f"{item['code']}{'!' * (item['severity'] == 'blocking')}" for item in check["items"]) or "nothing"


# ---- Panjang ---------------------------------------------------------------------------------------------------------


def _quick(walk: Walk, who: str, day: date, kind: str, reached: Sequence[int], **over: Any) -> Any:
    names = ("male", "female", "children", "disabled")
    body = {"kind": kind, "occurred_on": day.isoformat(), "headcount": dict(zip(names, reached, strict=True)), **over}
    return walk.act(
        who,
        f"{day}: {kind}",
        "POST",
        f"{ACTIVITIES}/quick",
        body,
        expect=201,
        show=lambda a: f"{a['pillar']}, {a['function']}",
    )


def _weekdays(first: date, last: date) -> list[date]:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if day.isoweekday() <= _WORKING_DAYS]


def _log(walk: Walk, first: date, last: date) -> None:
    walk.chapter("M2. Day by day, four fields on a phone")
    days = _weekdays(first, last)
    for number, day in enumerate(days[:-2]):
        kind, reached = _WORK[number % len(_WORK)]
        _quick(walk, OFFICER, day, kind, reached, result="Selesai")
    _meeting(walk, days[-2])
    _flood(walk, days[-1])
    for what, day in (("a day to come", date.fromisoformat(today()) + timedelta(days=2)), ("two years ago", _past())):
        body = {"kind": "kube_mentoring", "occurred_on": day.isoformat()}
        walk.act(OFFICER, f"tries {what}", "POST", f"{ACTIVITIES}/quick", body, expect=422)


def _past() -> date:
    return date.fromisoformat(today()) - timedelta(days=2 * 365)


def _meeting(walk: Walk, day: date) -> None:
    """Work that comes again begins with a template; the officer keeps one."""
    title = "Rapat koordinasi bulanan di kecamatan"
    kept = walk.look(OFFICER, "/v1/activity-templates?is_shared=false&limit=200")["items"]
    template = next((one for one in kept if one["title"] == title), None)
    if template is None:
        body = {
            "title": title,
            "kind": "coordination_meeting",
            "pillar": "protection",
            "region_code": PANJANG,
            "recurrence": {"every": "month", "day": 28},
        }
        template = walk.act(
            OFFICER,
            "keeps a template",
            "POST",
            "/v1/activity-templates",
            body,
            expect=201,
            show=lambda t: f"{t['title']}, every {t['recurrence']['every']}",
        )
    walk.act(
        OFFICER,
        f"{day}: uses the template",
        "POST",
        f"/v1/activity-templates/{template['id']}/use",
        {"occurred_on": day.isoformat(), "result": "Jadwal penyaluran disepakati"},
        expect=201,
        show=lambda a: a["title"],
    )


def _flood(walk: Walk, day: date) -> None:
    """One piece of work with everything: a partner, what stood in the way, what is left to do, and it is done."""
    partner = walk.act(
        OFFICER,
        "lists who helped",
        "POST",
        "/v1/partners",
        {"type": "tagana", "name": "Tagana Kecamatan Panjang", "region_code": PANJANG, "offers": ["food"]},
        expect=201,
        show=lambda p: p["name"],
    )
    body = {
        "occurred_on": day.isoformat(),
        "pillar": "protection",
        "function": "coordination",
        "roles": ["mobilizer"],
        "kind": "disaster_logistics",
        "title": "Logistik banjir rob",
        "region_code": VILLAGE,
        "headcount": {"male": 40, "female": 52, "children": 31, "disabled": 2},
        "partner_ids": [partner["id"]],
        "assigned_by": "regency",
        "obstacle": "Jalan pesisir terendam dua hari",
    }
    follow_up = {"note": "Pendataan rumah rusak", "due_on": today()}
    promised = walk.act(
        OFFICER,
        f"{day}: disaster_logistics",
        "POST",
        ACTIVITIES,
        {**body, "follow_up": follow_up},
        expect=201,
        show=lambda a: f"follow-up by {a['follow_up']['due_on']}",
    )
    _quick(
        walk,
        OFFICER,
        day,
        "disaster_victim_data",
        (9, 11, 6, 1),
        title="Pendataan awal rumah rusak",
        result="12 rumah terdata",
    )
    walk.expects(promised["result"] is None, "the flood has no result yet")


def _cases(walk: Walk, first: date, last: date) -> set[str]:
    """What happens to two people, whose ids it gives. Who is shown a month cannot wait for one, so that the steps
    of letter and referrals are dated back; the letter itself bears the day on which it was signed."""
    walk.chapter("M3. Visits, a letter, referrals")
    days = _weekdays(first, last)
    woman, man = (
        walk.register(CLERK, name, _born(walk), sex, ppks_categories=[])
        for name, sex in (("Yanti Kurniasih", "female"), ("Suroso", "male"))
    )
    for person, category in ((woman, "prse"), (man, "pemulung")):
        body = {"category": category, "beneficiary_id": person["id"], "assessed_on": days[3].isoformat()}
        walk.act(
            OFFICER,
            f"assesses {person['full_name']}",
            "POST",
            "/v1/ppks-assessments",
            body,
            expect=201,
            show=lambda a: f"{a['category']} since {a['since']}",
        )
    by_hand = {"beneficiary_ids": [woman["id"]], "result": "Layak"}
    nobody: dict[str, Any] = {
        "kind": "home_visit",
        "pillar": "social_security",
        "occurred_on": days[4].isoformat(),
        **by_hand,
    }
    nobody["headcount"] = {"male": 0, "female": 0, "children": 0, "disabled": 0}
    walk.act(OFFICER, "reaches nobody, but names her", "POST", f"{ACTIVITIES}/quick", nobody, expect=422)
    _quick(walk, OFFICER, days[4], "home_visit", (0, 1, 0, 0), pillar="social_security", **by_hand)
    visit = _visited(walk, woman, days[4], {"outcome": "met", "finding": "eligible"})
    _visited(walk, man, days[5], {"outcome": "nobody_home"})
    letters = [_letter(walk, woman, visit), _refused(walk, man)]
    referrals = [_referral(walk, woman, "pbi_jk"), _referral(walk, man, "pbi_jk_reactivation", approved=False)]
    _date_back(walk, [*letters, *referrals], days[6])
    return {woman["id"], man["id"]}


def _born(walk: Walk) -> str:
    return f"{walk.random.randint(1960, 1990)}-{walk.random.randint(1, 12):02d}-{walk.random.randint(1, 28):02d}"


def _visited(walk: Walk, person: Mapping[str, Any], day: date, found: Mapping[str, Any]) -> str:
    body = {"beneficiary_id": person["id"], "visited_on": day.isoformat()}
    planned = walk.act(OFFICER, f"{day}: at {person['full_name']}'s", "POST", "/v1/visits", body, expect=201)
    walk.step(
        OFFICER, "writes what was seen", f"/v1/visits/{planned['id']}/complete", found, show=lambda v: v["outcome"]
    )
    return str(planned["id"])


def _application(walk: Walk, person: Mapping[str, Any], purpose: str) -> str:
    body = {
        "beneficiary_id": person["id"],
        "purpose": purpose,
        "purpose_detail": {"health": "Rawat inap RSUD", "social_aid": "Bantuan sembako"}[purpose],
        "addressed_to": {"health": "RSUD Dr. A. Dadi Tjokrodipo", "social_aid": "Dinas Sosial"}[purpose],
    }
    drafted = walk.act(
        CLERK, f"drafts an SKTM: {purpose}", "POST", "/v1/sktm-applications", body, expect=201, show=_status
    )
    path = f"/v1/sktm-applications/{drafted['id']}"
    walk.step(CLERK, "submits it", f"{path}/submit", show=_status)
    return path


def _letter(walk: Walk, person: Mapping[str, Any], visit: str) -> UUID:
    path = _application(walk, person, "health")
    needed = walk.look(CLERK, f"{path}/requirements")["documents"]
    papers = {"documents": [{"kind": item["kind"], "status": "ok"} for item in needed]}
    walk.step(CLERK, "checks the papers", f"{path}/check", papers, show=_status)
    verified = {"visit_id": visit, "recommendation": "Layak: rumah papan, penghasilan tidak tetap."}
    walk.step(OFFICER, "verifies on the visit", f"{path}/verify", verified, show=_status)
    walk.step(HEAD, "the lurah signs", f"{path}/sign", show=lambda a: f"number {a['letter']['number']}")
    return UUID(path.rsplit("/", 1)[1])


def _refused(walk: Walk, person: Mapping[str, Any]) -> UUID:
    path = _application(walk, person, "social_aid")
    reason = {"reason_code": "capable_household", "note": "Usaha berjalan"}
    walk.step(HEAD, "the lurah refuses", f"{path}/reject", reason, show=_status)
    return UUID(path.rsplit("/", 1)[1])


def _referral(walk: Walk, person: Mapping[str, Any], program: str, *, approved: bool = True) -> UUID:
    kinds = ("ktp", "family_card", "health_facility_letter")[: 2 + (program == "pbi_jk_reactivation")]
    body = {
        "beneficiary_id": person["id"],
        "program": program,
        "agency_id": str(BPJS),
        "reason": "Belum memiliki jaminan kesehatan",
        "consent": "given",
        "documents": [{"kind": kind, "shown_physically": True} for kind in kinds],
    }
    drafted = walk.act(OFFICER, f"refers to {program}", "POST", "/v1/referrals", body, expect=201, show=_status)
    path = f"/v1/referrals/{drafted['id']}"
    walk.step(OFFICER, "sends it", f"{path}/submit", show=_status)
    for action in ("receive", "review"):
        walk.step(_BPJS, f"{action}s it", f"{path}/{action}", show=_status)
    answer = {"reference_number": "PBI-CONTOH", "decided_on": today()}
    if not approved:
        answer = {"decided_on": today(), "reason_code": "not_in_dtsen"}
    walk.step(_BPJS, "answers", f"{path}/{'approve' if approved else 'reject'}", answer, show=_status)
    return UUID(drafted["id"])


def _date_back(walk: Walk, records: Sequence[UUID], day: date) -> None:
    days = (date.fromisoformat(today()) - day).days

    async def shifted() -> None:
        connection = await asyncpg.connect(walk.owner_url)
        try:
            for table, column, key in (
                ("transitions", "at", "entity_id"),
                ("sktm_applications", "created_at", "id"),
                ("referrals", "created_at", "id"),
            ):
                await connection.execute(
                    f"UPDATE {table} SET {column} = {column} - make_interval(days => $1) WHERE {key} = ANY ($2)",
                    days,
                    records,
                )
            await upkeep.rebuild(connection)  # that a record began on another day is nothing the triggers look for
        finally:
            await connection.close()

    asyncio.run(shifted())
    walk.say("", "this demo cannot wait a month: dated back to", day)


def _suggestions(walk: Walk, first: date, last: date, people: set[str]) -> None:
    """What visits, letter and referrals say the officer did, each taken up once."""
    walk.chapter("M4. Work that other records show")
    listed = f"{ACTIVITIES}?is_suggested=true&within={PANJANG}&limit=200"

    def theirs(page: Mapping[str, Any]) -> list[Any]:
        return [one for one in page["items"] if people & set(one["beneficiary_ids"])]

    found = theirs(
        walk.act(
            OFFICER,
            "what may be missing in the log?",
            "GET",
            listed,
            show=lambda page: ", ".join(f"{one['kind']} of a {one['origin']['kind']}" for one in theirs(page)),
        )
    )
    names = {suggestion["origin"]["kind"] for suggestion in found}
    walk.expects(names == {"visit", "sktm_letter", "referral"}, "visits, letters and referrals suggest work")
    for suggestion in found:
        path, logged = f"{ACTIVITIES}/{suggestion['id']}", suggestion["origin"]["logged_as"]
        if logged is not None:
            body = {"activity_id": logged}
            walk.step(OFFICER, f"{suggestion['kind']}: logged by hand, linked", f"{path}/link", body, show=_status)
        elif first.isoformat() <= suggestion["occurred_on"] <= last.isoformat():
            walk.step(OFFICER, f"{suggestion['kind']}: confirms it", f"{path}/confirm", show=_status)
        else:
            day = {"occurred_on": last.isoformat(), "result": "Selesai"}
            walk.act(
                OFFICER,
                f"{suggestion['kind']}: it was another day",
                "PATCH",
                path,
                day,
                version=suggestion["version"],
                show=lambda a: a["occurred_on"],
            )
    walk.expects(theirs(walk.look(OFFICER, listed)) == [], "nothing is suggested twice")


def _completeness(walk: Walk, path: str, first: date, last: date) -> None:
    walk.chapter("M5. The report: compiled, checked, completed")
    walk.step(OFFICER, "compiles it", f"{path}/compile", show=_summary)
    walk.act(OFFICER, "asks what is missing", "GET", f"{path}/check", show=_codes)
    _submit_work(walk, OFFICER, PANJANG, first, last)
    walk.act(_OUTSIDER, "an officer from Ampenan looks", "GET", path, expect=404)
    seen = walk.act(
        OFFICER,
        "compiles it anew",
        "POST",
        f"{path}/compile",
        version=walk.version(OFFICER, path),
        show=_summary,
    )
    if seen["summary"] is None:
        walk.step(OFFICER, "submits it", f"{path}/submit", expect=409)
    words = {
        "summary": "Bulan ini pendampingan berjalan di empat pilar; banjir rob ditangani bersama Tagana.",
        "obstacles": "Jalan pesisir terendam dua hari; logistik dibawa dengan perahu.",
        "plan": "Pendataan rumah rusak dan pengusulan bantuan.",
    }
    _written(walk, OFFICER, path, **words)
    check = walk.act(OFFICER, "asks what is missing", "GET", f"{path}/check", show=_codes)
    walk.expects(check["ready"], "nothing blocks it any more")
    walk.step(OFFICER, "submits it", f"{path}/submit", show=_standing)


def _submit_work(walk: Walk, who: str, district: str, first: date, last: date) -> None:
    """All drafts of the month at once."""
    span = f"within={district}&occurred_from={first}&occurred_until={last}&status=draft&limit=200"
    drafts = [item["id"] for item in walk.look(who, f"{ACTIVITIES}?{span}")["items"]]
    done = walk.act(
        who,
        f"submits the {len(drafts)} drafts of the month",
        "POST",
        f"{ACTIVITIES}/submit-many",
        {"ids": drafts},
        show=lambda r: dict(Counter(item["status"] for item in r["items"])),
    )
    walk.expects(all(item["status"] == "submitted" for item in done["items"]), "all of them are submitted")


def _review(walk: Walk, path: str, first: date, last: date) -> str:
    """The city returns it, and takes what comes back. Answers with an activity that the report holds."""
    walk.chapter("M6. Returned with remarks, completed, acknowledged, accepted")
    walk.act(
        OFFICER, "the author accepts it", "POST", f"{path}/accept", version=walk.version(OFFICER, path), expect=403
    )
    flood = _without_result(walk, first, last)
    url = f"{ACTIVITIES}/{flood}"
    result = {"result": "318 paket tersalur"}
    walk.act(OFFICER, "edits what it holds", "PATCH", url, result, version=walk.version(OFFICER, url), expect=409)
    remarks = {"remarks": [{"section": "work", "note": "Hasil penanganan banjir rob belum ada"}]}
    walk.step(CITY, "returns it", f"{path}/return", remarks, show=lambda r: r["remarks"][0]["note"])
    walk.step(CITY, "and the entry it means", f"{url}/return", {"note": "Tulis hasilnya"}, show=_status)
    walk.act(OFFICER, "writes the result", "PATCH", url, result, version=walk.version(OFFICER, url))
    walk.step(OFFICER, "submits the entry", f"{url}/submit", show=_status)
    walk.step(OFFICER, "submits the report again", f"{path}/submit", show=_standing)
    walk.step(CAMAT, "the camat acknowledges it", f"{path}/acknowledge", show=_standing)
    walk.step(CITY, "accepts it", f"{path}/accept", show=_standing)
    _scanned(walk, OFFICER, path, "accepted")
    return url


def _without_result(walk: Walk, first: date, last: date) -> str:
    span = f"occurred_from={first}&occurred_until={last}&has_result=false&counted=true&kind=disaster_logistics"
    return str(walk.look(OFFICER, f"{ACTIVITIES}?{span}")["items"][0]["id"])


def _revisions(walk: Walk, who: str, path: str) -> list[Any]:
    listed: list[Any] = walk.look(who, f"{path}/revisions?limit=200")["items"]
    return listed


def _scanned(walk: Walk, who: str, path: str, status: str, back: int = 0) -> None:
    """A phone opens the code of a revision, the newest or one that many accepted ones before."""
    accepted = [one for one in _revisions(walk, who, path) if one["verification_url"]]
    url = accepted[-1 - back]["verification_url"]
    facts = httpx.get(url, headers={"Accept": "application/json"}, timeout=30).json()
    walk.say("a phone", "scans the report", f"[bold]{facts['status']}[/], revision {facts['revision']}")
    walk.expects(facts["status"] == status, f"the page says {status}")


def _correction(walk: Walk, path: str, url: str) -> None:
    walk.chapter("M7. A correction of what was accepted")
    reached = {"headcount": {"male": 38}}
    walk.act(OFFICER, "edits what it holds", "PATCH", url, reached, version=walk.version(OFFICER, url), expect=409)
    walk.act(OFFICER, "deletes it", "DELETE", url, version=walk.version(OFFICER, url), expect=409)
    reason = {"reason": "Dua orang tercatat dua kali"}
    draft = walk.step(OFFICER, "corrects the entry", f"{url}/revise", reason, expect=201, show=_status)
    new = f"{ACTIVITIES}/{draft['id']}"
    walk.act(OFFICER, "with the right number", "PATCH", new, reached, version=draft["version"])
    walk.step(OFFICER, "submits it", f"{new}/submit", show=_status)
    walk.step(OFFICER, "begins a revision of the report", f"{path}/revise", reason, show=_standing)
    _handed_in(walk, OFFICER, path, CITY)
    held = walk.look(OFFICER, url)
    walk.expects(held["superseded_by"] == draft["id"], "the correction stands in the old entry's place")
    _scanned(walk, OFFICER, path, "accepted")
    _scanned(walk, OFFICER, path, "superseded", back=1)
    for one in _revisions(walk, OFFICER, path)[-3:]:
        said = walk.look(OFFICER, f"{path}/revisions/{one['number']}")["content"]["work"]
        walk.say(
            "", f"revision {one['number']}: {one['status']}", f"{said['headcount']['male']} men, {one['sha256'][:12]}"
        )


# ---- NTB -------------------------------------------------------------------------------------------------------------


def _province(walk: Walk, first: date, last: date) -> None:
    walk.chapter("M9. Nusa Tenggara Barat: 117 districts, five of them without an officer")
    asyncio.run(seed_province(walk.owner_url))
    offices = [f"dinsos.{regency}" for regency in _ACCEPTED]
    officers = [who for districts in _ACCEPTED.values() for who in districts if who != _OUTSIDER]
    for who in (*officers, _WAITING[0], *offices, NTB, MINISTRY):
        walk.sign_in(who)
    for regency, districts in _ACCEPTED.items():
        for who, district in districts.items():
            _district(walk, who, district, first, last, reviewer=f"dinsos.{regency}")
    _district(walk, *_WAITING, first, last)
    _drafts(walk, first)
    for regency in _ACCEPTED:
        path, _ = _obtained(walk, f"dinsos.{regency}", regency, first)
        summary = "Rekapitulasi dari laporan yang diterima."
        _handed_in(walk, f"dinsos.{regency}", path, NTB, summary=summary)
    path, _ = _obtained(walk, NTB, PROVINCE, first)
    walk.act(NTB, "asks what is missing", "GET", f"{path}/check", show=_codes)
    words = {"summary": "Lima dari 117 kecamatan sudah diterima.", "plan": "Menagih yang belum."}
    _handed_in(walk, NTB, path, MINISTRY, **words)
    missing = _all(walk, NTB, f"{REPORTS}/missing?region={PROVINCE}&period_start={first}")
    states = Counter(row["state"] for row in missing)
    walk.say(NTB, "who has not submitted?", ", ".join(f"{count} {state}" for state, count in states.items()))
    walk.say("", "without an officer", ", ".join(row["region_name"] for row in missing if row["state"] == "vacant"))
    content = read_back(walk, NTB, path)
    below = content["children"]
    walk.expects(below["districts"] == len(missing) + below["reported"] + 1, "all of 117 districts are accounted for")
    walk.expects(states["vacant"] > 0, "vacant districts are named")


def _district(walk: Walk, who: str, district: str, first: date, last: date, *, reviewer: str | None = None) -> None:
    """A short month, up to its acceptance where somebody reviews it; what an earlier walk did stays."""
    path, status = _obtained(walk, who, district, first)
    if status == "draft":
        for number, day in enumerate(_weekdays(first, last)[:: 3 + len(who) % 3]):
            kind, reached = _WORK[(number + int(district[-2:])) % len(_WORK)]
            _quick(walk, who, day, kind, reached, result="Selesai")
        _submit_work(walk, who, district, first, last)
    words = {"summary": "Pendampingan berjalan sesuai rencana.", "plan": "Melanjutkan pendampingan."}
    _handed_in(walk, who, path, reviewer, **words)


def _drafts(walk: Walk, first: date) -> None:
    body = {"region_code": _ONLY_DRAFTS, "period_type": "month", "period_start": first.isoformat()}
    job = walk.act(
        NTB,
        "has drafts of a regency made",
        "POST",
        f"{REPORTS}/compile-many",
        body,
        expect=202,
        show=lambda j: j["state"],
    )
    until = time.monotonic() + _PATIENCE_SECONDS
    while job["state"] in ("queued", "running"):
        if time.monotonic() > until:
            raise StepFailedError("the job that makes drafts does not end")
        time.sleep(0.1)
        job = walk.look(NTB, f"/v1/jobs/{job['id']}")
    made = {name: len(job["result"][name]) for name in ("compiled", "existing", "vacant")}
    walk.say(NTB, "asks for the job", f"{job['state']}: {made}")


# ---- reading back ----------------------------------------------------------------------------------------------------


def read_back(walk: Walk, who: str, path: str) -> Any:
    """Fetch a report as PDF, XLSX and JSON, keep them, and hold each against the others, against the lists behind every
    number, and against the statistics. Answers with the content."""
    row = walk.look(who, path)
    files, period = {}, row["content"]["period"]
    for kind in KINDS:
        answer = walk.act(who, f"fetches the {kind}", "GET", f"{path}/document?format={kind}", show=_size)
        files[kind] = _canonical(answer) if kind == "json" else answer
        walk.save(
            files[kind], f"laporan-{row['region_code']}-{period['first'][:7]}-r{row['revision']}.{kind}", "reports"
        )
    content = json.loads(files["json"])
    walk.expects(content == row["content"], "the document says what the report says")
    newest = _revisions(walk, who, path)[-1]
    walk.expects(hashlib.sha256(files["json"]).hexdigest() == newest["sha256"], "the digest is of these bytes")
    _read_pdf(walk, files["pdf"], content, newest)
    _read_workbook(walk, files["xlsx"], content)
    numbers = list(_numbers(content))
    for number in numbers:
        walk.expects(
            len(_all(walk, who, number["filter"])) == number["count"], f"{number['filter']} has {number['count']} rows"
        )
    walk.say(who, "counts the rows behind every number", f"{len(numbers)} lists, all as long as they should be")
    _against_statistics(walk, who, content)
    return content


def _size(answer: Any) -> str:
    return f"{len(answer):,} bytes" if isinstance(answer, bytes) else f"{len(_canonical(answer)):,} bytes"


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _numbers(content: Any) -> Iterable[Mapping[str, Any]]:
    """Every number with a list behind it, wherever it stands."""
    if isinstance(content, list):
        for item in content:
            yield from _numbers(item)
    elif isinstance(content, dict):
        if content.keys() == {"count", "filter"}:
            yield content
        else:
            yield from _numbers(list(content.values()))


def _all(walk: Walk, who: str, listed: str) -> list[Any]:
    """The rows of a list, over all its pages."""
    rows, cursor = [], ""
    while True:
        page = walk.look(who, f"{listed}&limit=200{cursor}")
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page['next_cursor']}"


def _read_pdf(walk: Walk, data: bytes, content: Any, revision: Mapping[str, Any]) -> None:
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    words = " ".join(" ".join(pages).split())
    count = content["work"]["activities"]["count"]
    wanted = [f"Jumlah {count} ", content["region"]["name"], *(_label("pillars", code) for code in _pillars(content))]
    wanted += [row["region_name"] for row in (content["children"] or {"rows": []})["rows"]]
    for text in wanted:
        walk.expects(text in words, f"the PDF says {text!r}")
    walk.expects(revision["verification_url"] in words.replace(" ", ""), "the PDF says where to verify it")
    walk.say("", "the PDF read back", f"{len(pages)} pages, {count} activities, {len(wanted)} words found")


def _pillars(content: Any) -> list[str]:
    return list(dict.fromkeys(row["pillar"] for row in content["work"]["by_function"]))


def _label(code_list: str, code: str) -> str:
    return next(item.label_id for item in LISTS[code_list].items if item.code == code)


def _read_workbook(walk: Walk, data: bytes, content: Any) -> None:
    """By python-calamine, which an installation without the tools of development lacks."""
    try:
        from python_calamine import CalamineWorkbook  # noqa: PLC0415
    except ImportError:
        walk.say("", "the XLSX is not read back", "python-calamine is not installed")
        return
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    sheets: dict[str, list[Any]] = {name: book.get_sheet_by_name(name).to_python()[1:] for name in book.sheet_names}
    work = content["work"]
    said = [
        [_label("pillars", row["pillar"]), _label("functions", row["function"]), row["activities"]["count"]]
        for row in work["by_function"]
    ]
    *rows, total = sheets["Kegiatan per pilar dan fungsi"]
    walk.expects([row[:3] for row in rows] == said, "the XLSX counts each pillar and function as the JSON does")
    walk.expects(total[2] == work["activities"]["count"], "and sums them up so")
    *rows, total = sheets["Kegiatan menurut jenis"]
    walk.expects([row[2] for row in rows] == [row["activities"]["count"] for row in work["by_kind"]], "so for kinds")
    for name, section, number in (
        ("SKTM menurut keperluan", "sktm", "applications"),
        ("Rujukan menurut program", "referrals", "referrals"),
        ("Kunjungan rumah yang selesai", "visits", "visits"),
    ):
        rows = sheets[name][:-1] if content[section] else []
        summed = sum(cell for row in rows for cell in row[1:])
        walk.expects(summed == sum(row[number]["count"] for row in content[section]), f"{name}: as the JSON")
    if content["children"] is not None:
        sheet = sheets["Kecamatan" if content["region"]["level"] != "regency" else "Laporan yang direkap"]
        walk.expects(len(sheet) == content["children"]["districts"], "the XLSX has a row for every district")
        inside = sum(row[3] == "Ya" for row in sheet)
        walk.expects(inside == content["children"]["reported"], "and says whose report is in it")
    walk.say("", "the XLSX read back", f"{len(sheets)} sheets, every cell compared is equal")


def _against_statistics(walk: Walk, who: str, content: Any) -> None:
    """What was handed in, by the figures that are kept; more than the recap, where something waits to be accepted."""
    period, children = content["period"], content["children"]
    place = content["region"]["code"]
    span = f"region={place}&from={period['first']}&to={period['last']}&of=activities"
    found = walk.act(
        who,
        "asks the statistics",
        "GET",
        f"/v1/statistics?{span}&by=pillar,function",
        show=lambda s: f"{s['totals']['count']} activities in {place}",
    )
    figures = {(c["keys"]["pillar"], c["keys"]["function"]): c["count"] for c in found["cells"] if c["count"]}
    said = Counter({(r["pillar"], r["function"]): r["activities"]["count"] for r in content["work"]["by_function"]})
    if children is not None:
        for row in _waiting(walk, who, place, period["first"]):
            said.update({(r["pillar"], r["function"]): r["activities"]["count"] for r in row["work"]["by_function"]})
    walk.expects(figures == said, "the statistics say what the report says")


def _waiting(walk: Walk, who: str, place: str, first: str) -> list[Any]:
    """What was submitted and not accepted yet."""
    listed = f"{REPORTS}?region_code={place}&level=district&period_type=month&period_start={first}&status=submitted"
    found = [walk.look(who, f"{REPORTS}/{row['id']}")["content"] for row in _all(walk, who, listed)]
    for row in found:
        walk.say(
            "", "not accepted yet, and so not in the recap", f"{row['region']['name']}, {_summary({'content': row})}"
        )
    return found


# ---- figures ---------------------------------------------------------------------------------------------------------


def _figures(walk: Walk, first: date, last: date) -> None:
    walk.chapter("M10. What the figures say")
    span = f"region={PANJANG}&from={first}&to={last}"
    for who, region in ((CITY, "18.71"), (NTB, PROVINCE)):
        walk.act(
            who,
            f"where is nobody in {region}?",
            "GET",
            f"/v1/statistics/coverage?region={region}",
            show=lambda c: (
                f"{c['totals']['villages_without_visit']} of {c['totals']['villages']} villages unvisited, "
                f"{c['totals']['districts_without_officer']} of {c['totals']['districts']} districts vacant"
            ),
        )
    walk.act(
        CITY,
        "the pillars of Panjang, and the month before",
        "GET",
        f"/v1/statistics?{span}&by=pillar&compare=previous",
        show=lambda s: ", ".join(f"{c['keys']['pillar']} {c['count']} ({c['change']:+d})" for c in s["cells"]),
    )
    _pictures(walk, CITY, "18.71", first, last)
    _pictures(walk, NTB, PROVINCE, first, last)
    _recount(walk)


def _pictures(walk: Walk, who: str, region: str, first: date, last: date) -> None:
    """Charts and the page of a region, as a browser gets them."""
    span = f"region={region}&from={first}&to={last}"
    for kind, by in (("bars", "pillar"), ("lines", "month,pillar"), ("map", "region")):
        chart = walk.act(
            who,
            f"a chart of {region}: {kind}",
            "GET",
            f"/v1/statistics/charts/{kind}.svg?{span}&by={by}",
            show=lambda svg: f"{len(svg):,} bytes of SVG",
        )
        walk.expects(b"<desc" in chart and b"<script" not in chart, "the picture says in words what it shows")
        walk.save(chart, f"{kind}-{region}.svg", "reports")
    body = {"region_code": region}
    link = walk.act(who, "asks for a page to open", "POST", "/v1/statistics/dashboard-links", body, expect=201)["url"]
    page = httpx.get(link, timeout=30)
    walk.say("a browser", f"opens it, without a token: {page.status_code}", f"{len(page.content):,} bytes of HTML")
    walk.expects(page.status_code == httpx.codes.OK and "<script" not in page.text, "the page opens, without a script")
    month = walk.act(who, "and of the month", "GET", f"/dashboard/{region}?month={first:%Y-%m}&lang=id", show=_size)
    total = walk.look(who, f"/v1/statistics?{span}&of=activities")["totals"]["count"]
    walk.expects(f">{total}<" in month.decode(), f"the page says {total} activities")
    walk.save(month, f"dashboard-{region}.html", "reports")


def _recount(walk: Walk) -> None:
    """`tksk statistics verify`."""

    async def compared() -> list[upkeep.Difference]:
        connection = await asyncpg.connect(walk.owner_url)
        try:
            return await upkeep.differences(connection)
        finally:
            await connection.close()

    found = asyncio.run(compared())
    walk.say("", "tksk statistics verify", f"{len(found)} figures differ from their rows")
    walk.expects(found == [], "every figure is what its rows say")
