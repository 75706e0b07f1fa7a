"""The demo's chapter on referrals: a birth without BPJS then and now, and a PBI-JK membership that comes back."""

import io
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from tksk_api.cli.offices import BPJS, HOSPITAL
from tksk_api.cli.walk import Walk, today
from tksk_api.cli.walk_sktm import (
    CITY,
    CLERK,
    HEAD,
    OFFICER,
    REFERRALS,
    advise,
    check_and_verify,
    draft,
    outcome,
    print_letter,
    requirements,
    resident,
    set_policy,
    task,
    told,
    visit,
    waiting,
)
from tksk_api.domain.seeds import agency_id

_HOSPITAL, _BPJS = "rsud.bandarlampung", "bpjs.bandarlampung"
_SOCIAL_OFFICE = agency_id("18.71:social_service_office")
_IN_2022 = "2022-08-17"
_SERVICE_DAYS = 3
_PREGNANT = {"pregnant_or_postpartum": True, "registered_in_jkn": False}


def referrals(walk: Walk) -> None:
    """A mother gives birth under the city's scheme; a patient's PBI-JK is active again, and his child waits."""
    walk.chapter("B1. People sign in")
    for who in (CLERK, OFFICER, HEAD, CITY, _HOSPITAL, _BPJS):
        walk.sign_in(who)
    mother = _birth_in_2022(walk)
    application = _letter_signed_by_hand(walk, mother)
    _birth_today(walk, mother, application)
    patient, child = _reactivation(walk)
    _letter_shown_twice(walk, patient)
    outcome(walk, patient, "pbi_jk_reactivation", "active")
    walk.act(
        OFFICER,
        "and the child",
        "GET",
        f"{REFERRALS}?beneficiary_id={child['id']}",
        show=lambda r: f"{r['items'][0]['status']} until {r['items'][0]['expires_on']}",
    )


def _status(row: Mapping[str, Any]) -> str:
    return str(row["status"])


def _shown(*kinds: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "shown_physically": True} for kind in kinds]


def _this_year() -> int:
    return int(today()[:4])


# ---- a birth without BPJS --------------------------------------------------------------------------------------------


def _birth_in_2022(walk: Walk) -> Any:
    walk.chapter("B2. A birth without BPJS, had it been in 2022: Jampersal")
    mother = resident(walk, "Yuliana", _this_year() - 27, "female")
    walk.act(
        OFFICER,
        f"reads Jampersal as of {_IN_2022}",
        "GET",
        f"/v1/programs/jampersal?on={_IN_2022}",
        show=lambda p: (
            f"{p['current']['legal_base']}, {p['current']['effective_from']} to {p['current']['effective_until']}"
        ),
    )
    then = advise(walk, "jampersal", mother, "needs_assessment", on=_IN_2022, answers=_PREGNANT)
    walk.say("", "a referral needed", "; ".join(" or ".join(kinds) for kinds in then["documents"]))
    walk.expects(then["rule_version"] == 1, "the rules of that day are asked")
    walk.act(
        OFFICER,
        "reads it as of today",
        "GET",
        "/v1/programs/jampersal",
        show=lambda p: f"no rules hold; it ran until {p['valid_until']}" if p["current"] is None else "runs",
    )
    advise(walk, "jampersal", mother, "not_eligible", answers=_PREGNANT)
    body = _referral(mother, "jampersal", HOSPITAL, "Persalinan tanpa jaminan", "ktp", "family_card")
    walk.act(OFFICER, "refers her to it all the same", "POST", REFERRALS, body, expect=422)
    return mother


def _referral(person: Mapping[str, Any], program: str, agency: UUID, reason: str, *kinds: str, **over: Any) -> Any:
    return {
        "beneficiary_id": person["id"],
        "program": program,
        "agency_id": str(agency),
        "reason": reason,
        "consent": "given",
        "documents": _shown(*kinds),
        **over,
    }


def _letter_signed_by_hand(walk: Walk, mother: Mapping[str, Any]) -> Any:
    walk.chapter("B3. Today: the city's own scheme, and a letter signed by hand")
    answers = {**_PREGNANT, "resident_one_year": True}
    advise(walk, "maternity_local", mother, "eligible", answers=answers)
    set_policy(walk, signature="wet")
    path = draft(
        walk,
        mother,
        purpose="maternity",
        purpose_detail="Persalinan di RSUD, kelas 3",
        addressed_to="RSUD dr. A. Dadi Tjokrodipo",
        english=False,
    )
    kinds = requirements(walk, path)
    walk.expects("health_facility_letter" in kinds, "a faskes letter is needed before the birth")
    version = walk.version(CLERK, path)
    born = {"circumstances": ["already_born"]}
    walk.act(CLERK, "the child is born meanwhile", "PATCH", path, born, version=version, show=_circumstances)
    kinds = requirements(walk, path)
    walk.expects("health_facility_letter" not in kinds, "no faskes letter is needed after the birth")
    walk.step(CLERK, "submits it", f"{path}/submit", show=_status)
    visit_id = visit(walk, mother, income_per_month=900_000, dependants=2)
    check_and_verify(walk, path, visit_id, kinds)
    signed = walk.step(HEAD, "approves; the paper is still to be signed", f"{path}/sign", show=_letter)
    url = signed["letter"]["verification_url"]
    walk.scan(url, "not_yet_valid")
    walk.step(CLERK, "tries to hand it over", f"{path}/collect", expect=409)
    pdf = print_letter(walk, path, signed["letter"])
    fields = {"kind": "signed_letter", "beneficiary_id": mother["id"]}
    file = ("surat-bertanda-tangan.pdf", _signed_by_hand(pdf))
    scan = walk.act(
        CLERK,
        "scans it with signature and stamp",
        "POST",
        "/v1/attachments",
        fields,
        file=file,
        expect=201,
        show=lambda a: f"{a['media_type']}, {a['pages']} page",
    )
    walk.step(CLERK, "puts the scan in", f"{path}/signed-scan", {"attachment_id": scan["id"]}, show=_letter)
    walk.scan(url, "valid")
    return walk.step(CLERK, "hands the letter over", f"{path}/collect", show=_status)


def _circumstances(application: Mapping[str, Any]) -> str:
    return ", ".join(application["circumstances"])


def _letter(application: Mapping[str, Any]) -> str:
    letter = application["letter"]
    return f"{letter['number']}, {letter['signature']}, {letter['status']}"


def _signed_by_hand(pdf: bytes) -> bytes:
    """A picture of the letter's words with a scrawl and a stamp: as from a scanner, without anything of the file."""
    import pypdf  # noqa: PLC0415 - a demo's scan is no reason to load them with every command
    from PIL import Image, ImageDraw  # noqa: PLC0415

    words = pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text()
    paper = Image.new("RGB", (827, 1169), "white")  # A4 at 100 dots per inch
    pen = ImageDraw.Draw(paper)
    pen.multiline_text((70, 70), words.encode("latin-1", "replace").decode("latin-1"), fill="black")
    pen.ellipse((460, 905, 540, 985), outline="purple", width=3)
    pen.line([(510 + 4 * step, 945 + (-1) ** step * (30 - step)) for step in range(30)], fill="navy", width=2)
    scanned = io.BytesIO()
    paper.save(scanned, "PDF")
    return scanned.getvalue()


def _birth_today(walk: Walk, mother: Mapping[str, Any], application: Mapping[str, Any]) -> None:
    walk.chapter("B4. To the hospital: a service time, and a clock that stops")
    _service_time(walk)
    body = _referral(
        mother,
        "maternity_local",
        HOSPITAL,
        "Persalinan tanpa jaminan kesehatan",
        "ktp",
        "family_card",
        sktm_application_id=application["id"],
    )
    letter = _attach(walk, mother, "surat-faskes.jpg")
    body["documents"].append({"kind": "health_facility_letter", "attachment_id": letter, "shown_physically": False})
    drafted = walk.act(OFFICER, "drafts a referral", "POST", REFERRALS, body, expect=201, show=_status)
    path, case = f"{REFERRALS}/{drafted['id']}", drafted["case_number"]
    walk.step(OFFICER, "sends it", f"{path}/submit", show=lambda r: r["agency_name"])
    told(walk, _HOSPITAL, "referral_submitted", case)
    runs = task(walk, _HOSPITAL, "referral_to_receive", drafted["id"])
    walk.expects(runs["due_on"] is not None, "the service time runs")
    walk.act(
        _HOSPITAL,
        "opens its papers",
        "GET",
        f"{path}/documents",
        show=lambda d: ", ".join(f"{item['kind']}: {item['media_type']}" for item in d["items"]),
    )
    walk.act(_HOSPITAL, "looks the person up", "GET", f"/v1/beneficiaries/{mother['id']}", expect=403)
    walk.step(_HOSPITAL, "receives it", f"{path}/receive", show=_status)
    wanted = {"documents": [{"kind": "birth_certificate"}], "note": "Surat keterangan lahir dari bidan"}
    walk.step(_HOSPITAL, "asks for one more paper", f"{path}/request-documents", wanted, show=_status)
    told(walk, OFFICER, "referral_documents_requested", case)
    stands = task(walk, OFFICER, "referral_documents_asked", drafted["id"])
    walk.expects(stands["due_on"] is None, "the clock stands while a paper is fetched")
    paper = {"documents": _shown("birth_certificate")}
    walk.step(OFFICER, "brings it", f"{path}/supply-documents", paper, show=_status)
    again = task(walk, _HOSPITAL, "referral_to_review", drafted["id"])
    walk.expects(again["due_on"] is not None, "the service time runs again")
    approval = {"reference_number": f"{walk.random.randint(1000, 9999)}/RSUD/{_this_year()}", "decided_on": today()}
    walk.step(_HOSPITAL, "approves it", f"{path}/approve", approval, show=lambda r: r["reference_number"])
    born, home = (str(date.fromisoformat(today()) - timedelta(days=days)) for days in (3, 1))
    walk.step(_HOSPITAL, "cares since the birth", f"{path}/activate", {"active_from": born}, show=_status)
    done = {"ended_on": home, "reason_code": "completed"}
    walk.step(
        _HOSPITAL, "until they went home", f"{path}/end", done, show=lambda r: f"{r['status']}, {r['reason_code']}"
    )
    told(walk, OFFICER, "referral_ended", case)
    outcome(walk, mother, "maternity_local", "ended")


def _service_time(walk: Walk) -> None:
    """The city says once how fast it serves: the same rules, in a version of their own."""
    url = "/v1/programs/maternity_local"
    seen = walk.look(CITY, f"{url}?region_code=18.71")
    current = seen["current"]
    if current["service_days"] is None:
        kept = ("rules", "documents", "agency_kinds", "legal_base", "source", "region_code")
        body = {name: current[name] for name in kept} | {"effective_from": today(), "service_days": _SERVICE_DAYS}
        walk.act(
            CITY,
            "sets its scheme's service time",
            "PUT",
            url,
            body,
            version=seen["version"],
            show=lambda p: f"version {p['version']}",
        )
    walk.act(
        CITY,
        "reads its scheme",
        "GET",
        f"{url}?region_code=18.71",
        show=lambda p: f"{p['current']['source']}: {p['current']['service_days']} working days",
    )


def _attach(walk: Walk, person: Mapping[str, Any], name: str) -> str:
    """The id of a photographed paper of somebody."""
    from PIL import Image  # noqa: PLC0415 - a demo's picture is no reason to load it with every command

    picture = io.BytesIO()
    Image.new("RGB", (320, 240), tuple(walk.random.randbytes(3))).save(picture, "JPEG")
    fields = {"kind": "letter_scan", "beneficiary_id": person["id"]}
    file = (name, picture.getvalue())
    attached = walk.act(
        OFFICER,
        "photographs the faskes letter",
        "POST",
        "/v1/attachments",
        fields,
        file=file,
        expect=201,
        show=lambda a: f"{a['media_type']}, {a['size_bytes']:,} bytes, encrypted",
    )
    return str(attached["id"])


# ---- PBI-JK comes back -----------------------------------------------------------------------------------------------


def _reactivation(walk: Walk) -> tuple[Any, Any]:
    walk.chapter("P1. A deactivated PBI-JK: nothing without the faskes letter")
    patient = resident(walk, "Sutrisno", _this_year() - 51, "male")
    child = resident(walk, "Bagas", _this_year() - 9, "male")
    advise(
        walk,
        "pbi_jk_reactivation",
        patient,
        "eligible",
        answers={"removed_from_pbi": True, "needs_health_service": True},
    )
    before = waiting(walk, OFFICER)
    overridden = {"consent": "overridden", "consent_reason": "Pasien tidak sadar, perlu cuci darah segera"}
    body = _referral(
        patient,
        "pbi_jk_reactivation",
        _SOCIAL_OFFICE,
        "Kepesertaan dinonaktifkan, perlu cuci darah",
        "ktp",
        "family_card",
        **overridden,
    )
    drafted = walk.act(OFFICER, "drafts it without the letter", "POST", REFERRALS, body, expect=201, show=_status)
    path = f"{REFERRALS}/{drafted['id']}"
    walk.step(OFFICER, "sends it", f"{path}/submit", expect=422)
    letter = _attach(walk, patient, "surat-faskes.jpg")
    papers = [
        *_shown("ktp", "family_card"),
        {"kind": "health_facility_letter", "attachment_id": letter, "shown_physically": False},
    ]
    walk.act(
        OFFICER,
        "adds the letter",
        "PATCH",
        path,
        {"documents": papers},
        version=drafted["version"],
        show=lambda r: ", ".join(document["kind"] for document in r["documents"]),
    )
    body = _referral(child, "pbi_jk", BPJS, "Anak pasien, belum pernah menjadi peserta", "family_card")
    other = walk.act(OFFICER, "drafts one for his child", "POST", REFERRALS, body, expect=201, show=_status)
    between = waiting(walk, OFFICER)
    two_more = before.get("referral_to_submit", 0) + 2
    walk.expects(between.get("referral_to_submit") == two_more, "both drafts wait for the officer")
    sent = walk.act(
        OFFICER,
        "sends both at once",
        "POST",
        f"{REFERRALS}/submit-many",
        {"ids": [drafted["id"], other["id"]]},
        show=lambda r: ", ".join(item["status"] for item in r["items"]),
    )
    walk.expects(all(item["status"] == "submitted" for item in sent["items"]), "both are submitted")
    _answers(walk, path)
    _waiting_list(walk, f"{REFERRALS}/{other['id']}")
    return patient, child


def _answers(walk: Walk, path: str) -> None:
    walk.chapter("P2. The Dinas Sosial writes its letter, BPJS answers")
    walk.step(CITY, "the Dinas has it, on paper", f"{path}/receive", show=_status)
    reference = f"400.9/{walk.random.randint(1000, 9999)}/Dinsos/{_this_year()}"
    reason = f"Surat Keterangan Pengaktifan Kembali Nomor {reference} terbit; diteruskan ke BPJS Kesehatan"
    on = {"agency_id": str(BPJS), "reason": reason}
    walk.step(CITY, f"passes it on with {reference}", f"{path}/transfer", on, show=lambda r: r["agency_name"])
    walk.step(_BPJS, "receives it", f"{path}/receive", show=_status)
    walk.step(_BPJS, "reviews it", f"{path}/review", show=_status)
    approval = {"reference_number": f"{walk.random.randint(1000, 9999)}/PBI/{_this_year()}", "decided_on": today()}
    walk.step(_BPJS, "approves it", f"{path}/approve", approval, show=lambda r: r["reference_number"])
    walk.step(_BPJS, "the card works again", f"{path}/activate", {"active_from": today()}, show=_status)
    history = walk.act(
        OFFICER,
        "reads how it went",
        "GET",
        f"{path}/history",
        show=lambda r: " > ".join(step["to_state"] for step in r["items"]),
    )
    walk.expects(any(reference in (step["note"] or "") for step in history["items"]), "the Dinas' letter is on record")


def _waiting_list(walk: Walk, path: str) -> None:
    walk.chapter("P3. The child: the quota is full")
    walk.step(_BPJS, "receives it", f"{path}/receive", show=_status)
    walk.step(_BPJS, "reviews it", f"{path}/review", show=_status)
    full = {"decided_on": today(), "reason_code": "quota_full"}
    listed = walk.step(
        _BPJS,
        "no quota: puts him on the list",
        f"{path}/waitlist",
        full,
        show=lambda r: f"{r['status']} until {r['expires_on']}",
    )
    walk.expects(listed["expires_on"] > today(), "the place on the list is kept for a time")
    told(walk, OFFICER, "referral_waitlisted", listed["case_number"])
    waiting(walk, _BPJS)


def _letter_shown_twice(walk: Walk, patient: Mapping[str, Any]) -> None:
    walk.chapter("P4. An SKTM at the hospital, and again at BPJS")
    set_policy(walk, signature="recorded")
    path = draft(
        walk,
        patient,
        purpose="health",
        purpose_detail="Biaya rawat inap sebelum kartu aktif",
        addressed_to="RSUD dr. A. Dadi Tjokrodipo",
    )
    kinds = requirements(walk, path)
    walk.step(CLERK, "submits it", f"{path}/submit", show=_status)
    check_and_verify(walk, path, visit(walk, patient, income_per_month=700_000, dependants=3), kinds)
    issued = walk.step(HEAD, "signs", f"{path}/sign", show=_letter)
    letter = issued["letter"]
    walk.scan(letter["verification_url"], "valid")
    at = f"/v1/sktm-letters/{letter['verification_url'].rsplit('/', 1)[1]}/presentations"
    shown = {
        _HOSPITAL: {"outcome": "used", "note": "Rawat inap kelas 3"},
        _BPJS: {"outcome": "seen", "program": "pbi_jk_reactivation"},
    }
    for who, body in shown.items():
        receipt = walk.act(
            who,
            "records that it was shown",
            "POST",
            at,
            body,
            expect=201,
            show=lambda r: f"{r['outcome']}, shown elsewhere before: {r['also_presented_elsewhere']}",
        )
        elsewhere = who == _BPJS
        walk.expects(receipt["also_presented_elsewhere"] is elsewhere, "the second agency is flagged, not the first")
    told(walk, OFFICER, "letter_presented_again", issued["case_number"])
    walk.act(
        OFFICER,
        "sees where it was",
        "GET",
        f"{path}/presentations",
        show=lambda r: "; ".join(f"{item['agency_name']} ({item['outcome']})" for item in r["items"]),
    )
