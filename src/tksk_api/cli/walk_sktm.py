"""The demo's chapter on the letter: a scholarship by the income rule of KIP Kuliah, from the desk to the campus."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tksk_api.cli.offices import CAMPUS
from tksk_api.cli.verify_qr import EXPIRED, FORGED, VALID, verify_qr
from tksk_api.cli.walk import Walk, local_now, today
from tksk_api.documents.scanning import addresses_in
from tksk_api.domain.seeds import agency_id

PLACE = "18.71.04.1001"  # Panjang Selatan, which demands more of a letter than Srengsem of the other chapters
OFFICER, CLERK, HEAD, CITY = "tksk.panjang", "clerk.panjangselatan", "lurah.panjangselatan", "dinsos.bandarlampung"
APPLICATIONS, REFERRALS = "/v1/sktm-applications", "/v1/referrals"
_CAMPUS = "kampus.lampung"
_EDUCATION_OFFICE = agency_id("18.71:education_office")
_SURNAMES = ("Wulandari", "Handayani", "Lestari", "Pratiwi", "Susanti", "Rahayu", "Kurniasih", "Setyowati")
_INCOME = 1_850_000
_LIGHTEST_PAGE = 30_000  # bytes: what a page may weigh on a village's network
_PATIENCE_SECONDS = 20.0
_BY_DAY = range(6, 21)  # hours in which applicants are sent messages

# What Panjang Selatan sets itself; the rest is inherited.
SETTINGS: Mapping[str, Any] = {
    "service_days": 2,
    "english_page": True,
    "documents": {
        "any": ["cover_letter", "ktp", "family_card"],
        "education": ["school_letter", {"kind": "income_statement", "when": ["no_decile"]}],
        "health": ["health_facility_letter"],
        "maternity": [{"kind": "health_facility_letter", "unless": ["already_born"]}],
    },
}


def sktm(walk: Walk) -> None:
    """A school leaver without a decile: advice, letter under the office's seal, campus, scholarship."""
    walk.chapter("S1. People sign in")
    for who in (CLERK, OFFICER, HEAD, CITY, _CAMPUS):
        walk.sign_in(who)
    _rules_of_the_place(walk)
    scholar = _scholar(walk)
    visit_id = _what_the_rules_say(walk, scholar)
    path = _application(walk, scholar, visit_id)
    issued = _signature(walk, path)
    _numbers(walk)
    _paper(walk, path, issued)
    corrected = _mistake(walk, path, issued, visit_id)
    _referral(walk, scholar, corrected)


# ---- steps that both chapters take -----------------------------------------------------------------------------------


def set_policy(walk: Walk, **settings: Any) -> None:
    """What the kelurahan demands from today on, by the city; shown with where each value comes from."""
    path = f"/v1/sktm-policies/{PLACE}"
    version = walk.look(CITY, f"{path}?effective=false")["version"]
    body = {**SETTINGS, **settings}
    walk.act(
        CITY,
        "sets what Panjang Selatan demands",
        "PUT",
        path,
        body,
        version=version,
        show=lambda p: f"from {p['effective_from']}, signature {p['signature']}",
    )
    seen = walk.act(CLERK, "reads what holds there", "GET", path, show=_with_origins)
    walk.expects(seen["origins"]["signature"] == PLACE, "the kind of signature is the kelurahan's own")


def _with_origins(policy: Mapping[str, Any]) -> str:
    shown = ("signature", "validity_months", "service_days", "visit_required", "signatories")
    return ", ".join(f"{name} {policy['values'][name]} ({policy['origins'][name]})" for name in shown)


def resident(walk: Walk, name: str, born_in: int, sex: str, **over: Any) -> Any:
    """Somebody of Panjang Selatan whom no other walk has met."""
    born = f"{born_in}-{walk.random.randint(1, 12):02d}-{walk.random.randint(1, 28):02d}"
    full_name = f"{name} {walk.random.choice(_SURNAMES)}"
    return walk.register(CLERK, full_name, born, sex, village_code=PLACE, **over)


def advise(walk: Walk, program: str, person: Mapping[str, Any], outcome: str, **question: Any) -> Any:
    """What the programme's rules say of somebody, each reason with its source."""
    advice = walk.act(
        OFFICER,
        f"asks about {program}",
        "POST",
        f"/v1/programs/{program}/eligibility",
        {"beneficiary_id": person["id"], **question},
        show=lambda a: f"[bold]{a['outcome']}[/] on {a['on']}, rules {a['rule_version']}",
    )
    for reason in advice["reasons"]:
        walk.say("", f"{reason['verdict']}: {reason['code']}", f"{reason['detail']} ({reason['source']})")
    walk.expects(advice["outcome"] == outcome, f"the advice is {outcome}")
    return advice


def visit(walk: Walk, person: Mapping[str, Any], **evidence: Any) -> str:
    """A home visit of today that found somebody needy."""
    body = {"beneficiary_id": person["id"], "visited_on": today()}
    planned = walk.act(OFFICER, "plans a visit", "POST", "/v1/visits", body, expect=201, show=_status)
    done = {"outcome": "met", "finding": "eligible", "evidence": evidence}
    walk.step(
        OFFICER,
        "visits and writes what was seen",
        f"/v1/visits/{planned['id']}/complete",
        done,
        show=lambda v: f"{v['finding']}, Rp{v['evidence']['income_per_month']:,} a month",
    )
    return str(planned["id"])


def draft(walk: Walk, person: Mapping[str, Any], **body: Any) -> str:
    """The address of a new application."""
    drafted = walk.act(
        CLERK,
        "drafts an application",
        "POST",
        APPLICATIONS,
        {"beneficiary_id": person["id"], **body},
        expect=201,
        show=lambda a: f"{a['case_number']}, {a['status']}",
    )
    return f"{APPLICATIONS}/{drafted['id']}"


def requirements(walk: Walk, path: str) -> list[str]:
    """What the application needs in its case."""
    needed = walk.act(
        CLERK,
        "asks what it needs",
        "GET",
        f"{path}/requirements",
        show=lambda r: ", ".join(f"{item['kind']} {item['status']}" for item in r["documents"]),
    )
    walk.say("", "because it is so", ", ".join(needed["conditions"]) or "nothing out of the ordinary")
    return [item["kind"] for item in needed["documents"]]


def check_and_verify(walk: Walk, path: str, visit_id: str, kinds: Sequence[str]) -> Any:
    """From submitted to verified."""
    papers = {"documents": [{"kind": kind, "status": "ok"} for kind in kinds]}
    walk.step(CLERK, "checks the papers", f"{path}/check", papers, show=_status)
    body = {"visit_id": visit_id, "recommendation": "Layak: rumah papan, penghasilan tidak tetap."}
    return walk.step(OFFICER, "verifies on the visit", f"{path}/verify", body, show=_status)


def print_letter(walk: Walk, path: str, letter: Mapping[str, Any], who: str = CLERK) -> bytes:
    """The letter's bytes, also kept as a file."""
    pdf: bytes = walk.act(who, "prints the letter", "GET", f"{path}/letter", show=lambda b: f"{len(b):,} bytes")
    walk.save(pdf, f"SKTM-{str(letter['number']).replace('/', '-')}.pdf")
    return pdf


def waiting(walk: Walk, who: str) -> dict[str, int]:
    """How much waits for somebody in Panjang Selatan, by kind."""
    counts = walk.act(
        who,
        "counts what waits for them",
        "GET",
        f"/v1/worklist/counts?limit=200&region_code={PLACE}",
        show=lambda r: ", ".join(f"{line['kind']} {line['count']}" for line in r["items"]) or "nothing",
    )
    return {line["kind"]: line["count"] for line in counts["items"]}


def task(walk: Walk, who: str, kind: str, record: str) -> Any:
    """The entry of somebody's worklist about a record, with its last day. Raises StepFailedError unless it is there."""
    path = f"/v1/worklist?kind={kind}&region_code={PLACE}&limit=200"
    page = walk.act(who, f"looks for {kind}", "GET", path, show=_of({"id": record}, _deadline))
    found = _first(page, {"id": record})
    walk.expects(found is not None, f"{who} has {kind} on the list")
    return found


def _deadline(item: Mapping[str, Any]) -> str:
    until = "no clock runs" if item["due_on"] is None else f"until {item['due_on']} ({item['days_left']} days)"
    return f"{item['label']}, {item['about']}: {until}"


def told(walk: Walk, who: str, template: str, case_number: str) -> None:
    """What somebody's inbox says of a case. Raises StepFailedError unless it is there."""
    wanted = {"template": template, "case_number": case_number}
    shown = walk.act(who, "opens the inbox", "GET", "/v1/notifications?limit=20", show=_of(wanted, _body))
    walk.expects(_first(shown, wanted) is not None, f"{who} is told {template}")


def _body(notification: Mapping[str, Any]) -> str:
    return str(notification["body"])


def _first(page: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first entry of a page that has these members."""
    return next((item for item in page["items"] if wanted.items() <= item.items()), None)


def _of(wanted: Mapping[str, Any], show: Callable[[Any], str]) -> Callable[[Any], str]:
    """What to print of a page: that entry."""

    def shown(page: Mapping[str, Any]) -> str:
        entry = _first(page, wanted)
        return "not there" if entry is None else show(entry)

    return shown


def _status(row: Mapping[str, Any]) -> str:
    return str(row["status"])


# ---- the case --------------------------------------------------------------------------------------------------------


def _rules_of_the_place(walk: Walk) -> None:
    walk.chapter("S2. What the kelurahan demands, and where each rule comes from")
    set_policy(walk, signature="sealed")
    for old in walk.look(CITY, f"/v1/office-certificates?region_code={PLACE}")["items"]:
        if old["retired_at"] is None:  # of an earlier walk
            url = f"/v1/office-certificates/{old['id']}/retire"
            walk.step(
                CITY, "retires an old certificate", url, show=lambda c: f"its key is gone, {c['retired_at'][:19]}"
            )


def _scholar(walk: Walk) -> Any:
    walk.chapter("S3. A school leaver and her family, synthetic")
    this_year = int(today()[:4])
    mother = resident(walk, "Sumarni", this_year - 44, "female")
    told_by = {"phone": "+6281200000001", "message_channel": "whatsapp"}
    scholar = resident(walk, "Dewi", this_year - 19, "female", **told_by)
    brother = resident(walk, "Rizky", this_year - 11, "male")
    members = [(mother, "head_of_family"), (scholar, "child"), (brother, "child")]
    body = {
        "village_code": PLACE,
        "address": {"street": "Gang Contoh 7", "rt": "4", "rw": "1"},
        "family_card_number": f"187104120315{walk.random.randint(1, 9999):04d}",
        "members": [{"beneficiary_id": who["id"], "relationship": relationship} for who, relationship in members],
    }
    walk.act(
        CLERK,
        "makes the family",
        "POST",
        "/v1/families",
        body,
        expect=201,
        show=lambda f: f"{len(f['members'])} members, card {f['family_card_masked']}, no decile",
    )
    return scholar


def _what_the_rules_say(walk: Walk, scholar: Mapping[str, Any]) -> str:
    walk.chapter("S4. KIP Kuliah: no card, no decile, so the income decides")
    answers = {"accepted_by_campus": True, "holds_kip": False, "holds_kks": False, "lives_in_orphanage": False}
    advise(walk, "kip_kuliah", scholar, "needs_assessment", answers=answers)
    visit_id = visit(walk, scholar, income_per_month=_INCOME, dependants=2, floor_area_m2=28)
    advice = advise(walk, "kip_kuliah", scholar, "eligible", answers=answers)
    walk.expects(any(reason["code"] == "income_fits" for reason in advice["reasons"]), "the income is why")
    walk.say("", "a referral needs", "; ".join(" or ".join(kinds) for kinds in advice["documents"]))
    return visit_id


def _application(walk: Walk, scholar: Mapping[str, Any], visit_id: str) -> str:
    walk.chapter("S5. The application, and what waits for whom")
    before = waiting(walk, OFFICER)
    path = draft(
        walk,
        scholar,
        purpose="education",
        purpose_detail="Beasiswa KIP Kuliah",
        addressed_to="Universitas Lampung",
        documents=[{"kind": "ktp", "shown_physically": True}],
    )
    kinds = requirements(walk, path)
    walk.expects("income_statement" in kinds, "an income statement stands in for the decile")
    submitted = walk.step(CLERK, "submits it", f"{path}/submit", show=_status)
    case, key = submitted["case_number"], submitted["id"]
    after = waiting(walk, OFFICER)
    one_more = before.get("sktm_to_check", 0) + 1
    walk.expects(after.get("sktm_to_check") == one_more, "one more application waits for the officer")
    told(walk, OFFICER, "sktm_submitted", case)
    task(walk, OFFICER, "sktm_to_check", key)
    some = {"documents": [{"kind": kind, "status": "ok"} for kind in kinds if kind != "income_statement"]}
    walk.step(CLERK, "checks, the income statement is missing", f"{path}/check", some, expect=422)
    reason = {"reason_code": "incomplete_documents", "note": "Surat keterangan penghasilan orang tua belum ada"}
    walk.step(CLERK, "returns it for that", f"{path}/return", reason, show=_status)
    stopped = task(walk, OFFICER, "sktm_returned", key)
    walk.expects(stopped["due_on"] is None, "the clock stands while the applicant fetches a paper")
    walk.step(CLERK, "submits it again, now with it", f"{path}/submit", show=_status)
    _tell_by_telephone(walk)
    check_and_verify(walk, path, visit_id, kinds)
    task(walk, HEAD, "sktm_to_sign", key)
    _message(walk, case, "menunggu tanda tangan")
    return path


def _tell_by_telephone(walk: Walk) -> None:
    wanted = {"phone": "+6281200000000", "channels": {"task": ["in_app", "whatsapp"]}}
    walk.act(
        HEAD,
        "wants to be told by WhatsApp too",
        "PUT",
        "/v1/me/notification-settings",
        wanted,
        show=lambda s: f"task: {', '.join(s['channels']['task'])}",
    )


def _message(walk: Walk, case_number: str, words: str) -> None:
    """The outbox leaves files where there is no gateway; it works beside the requests, so this waits for it."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        for file in (walk.folder / "messages" / "new").glob("*.json"):
            content = file.read_text(encoding="utf-8")
            if case_number in content and words in content:
                walk.say("the outbox", "leaves a message as a file", file)
                walk.say("", "which says", content.strip())
                return
        time.sleep(0.1)
    walk.expects(came_out=False, told=f"a message leaves the outbox: {words}")


def _signature(walk: Walk, path: str) -> Any:
    walk.chapter("S6. The lurah signs, the office's certificate seals")
    walk.step(OFFICER, "the verifier tries to sign", f"{path}/sign", expect=403)
    walk.step(HEAD, "signs, but the office has no certificate", f"{path}/sign", expect=409)
    walk.act(CLERK, "looks where it is", "GET", path, show=_status)
    password = secrets.token_urlsafe(12)
    file = ("kelurahan.p12", _keystore("Kelurahan Panjang Selatan (contoh)", password))
    fields = {"region_code": PLACE, "password": "salah"}
    walk.act(CITY, "mistypes the file's password", "POST", "/v1/office-certificates", fields, file=file, expect=422)
    walk.act(
        CITY,
        "gives the office its certificate",
        "POST",
        "/v1/office-certificates",
        {**fields, "password": password},
        file=file,
        expect=201,
        show=lambda c: f"{c['subject']}, {c['key_type']}, until {c['not_after'][:10]}",
    )
    issued = walk.step(HEAD, "signs", f"{path}/sign", show=lambda a: f"number {a['letter']['number']}")
    seal = issued["letter"]["seal"]
    walk.say("", "sealed by", f"{seal['subject']}, certified by the state: {seal['is_certified']}")
    walk.step(HEAD, "signs a second time", f"{path}/sign", expect=409)
    told(walk, CLERK, "sktm_issued", issued["case_number"])
    if local_now().hour in _BY_DAY:
        _message(walk, issued["case_number"], "sudah terbit")
    else:
        walk.say("the outbox", "keeps the applicant's message", "until 06:00: nobody is woken for it")
    return issued


def _keystore(office: str, password: str) -> bytes:
    """A certificate of an office that does not exist, made for this walk as PKCS#12 and written nowhere."""
    from cryptography import x509  # noqa: PLC0415 - a demo's certificate is no reason to load it with every command
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import pkcs12  # noqa: PLC0415

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, office)])
    signs = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(signs, critical=True)
        .sign(key, hashes.SHA256())
    )
    protection = serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"kantor", key, certificate, None, protection)


def _numbers(walk: Walk) -> None:
    walk.chapter("S7. A form is spoiled: its number is given up, and the register says why")
    year = int(today()[:4])
    register = f"/v1/sktm-numbers?region_code={PLACE}&year={year}&limit=3"
    last = walk.look(CITY, register)["items"][0]["sequence"]
    body = {
        "region_code": PLACE,
        "year": year,
        "through": last + 1,
        "reason_code": "form_spoiled",
        "note": "Blangko basah terkena hujan di loket",
    }
    walk.act(
        CITY,
        "voids the next number",
        "POST",
        "/v1/sktm-numbers/void",
        body,
        show=lambda v: f"{v['first']} to {v['last']} of {v['year']}",
    )
    listed = walk.act(
        CLERK,
        "reads the register",
        "GET",
        register,
        show=lambda r: ", ".join(
            f"{n['sequence']:03d} {n['status']} {n['reason_code'] or ''}".strip() for n in r["items"]
        ),
    )
    walk.expects(listed["items"][0]["status"] == "void", "the last number is void")


def _paper(walk: Walk, path: str, issued: Mapping[str, Any]) -> None:
    walk.chapter("S8. The paper: two pages, the same bytes every time, copies marked, checked by anybody")
    letter = issued["letter"]
    pdf = print_letter(walk, path, letter)
    again = walk.act(CLERK, "downloads it again", "GET", f"{path}/letter", show=lambda b: f"the same: {b == pdf}")
    walk.expects(again == pdf, "the letter is the same every time")
    walk.say("", "its pages", " | ".join(_titles(pdf)))
    copy = walk.act(CLERK, "prints a copy", "GET", f"{path}/letter?copy=true", show=lambda b: f"{len(b):,} bytes")
    walk.expects(all("SALINAN" in text for text in _texts(copy)), "every page of a copy is marked")
    walk.save(copy, f"SALINAN-{letter['number'].replace('/', '-')}.pdf")
    url = letter["verification_url"]
    walk.scan(url, "valid")
    page = httpx.get(url, headers={"Accept": "text/html", "Accept-Language": "en"}, timeout=30)
    walk.say("a clerk of the campus", "sees its page", f"{len(page.content):,} bytes, no script")
    walk.expects(len(page.content) < _LIGHTEST_PAGE, "the page is light")
    walk.scan(f"{url.rsplit('/', 1)[0]}/{secrets.token_urlsafe(24)}", "unknown")


def _texts(pdf: bytes) -> list[str]:
    import io  # noqa: PLC0415

    import pypdf  # noqa: PLC0415 - a demo's look into a letter is no reason to load it with every command

    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def _titles(pdf: bytes) -> list[str]:
    """Of each page the line that names the letter."""
    return [
        next(line for line in text.splitlines() if "TIDAK MAMPU" in line.upper() or "CERTIFICATE" in line.upper())
        for text in _texts(pdf)
    ]


def _mistake(walk: Walk, path: str, issued: Mapping[str, Any], visit_id: str) -> Any:
    walk.chapter("S9. The addressee was wrong: another letter takes its place")
    old = issued["letter"]
    corrected = draft(
        walk,
        {"id": issued["beneficiary_id"]},
        purpose="education",
        purpose_detail="Beasiswa KIP Kuliah, jalur SNBT",
        addressed_to="Rektor Universitas Lampung",
        replaces_id=issued["id"],
    )
    kinds = requirements(walk, corrected)
    walk.step(CLERK, "submits it", f"{corrected}/submit", show=_status)
    check_and_verify(walk, corrected, visit_id, kinds)
    signed = walk.step(HEAD, "signs", f"{corrected}/sign", show=lambda a: f"number {a['letter']['number']}")
    walk.scan(old["verification_url"], "superseded")
    walk.scan(signed["letter"]["verification_url"], "valid")
    pdf = print_letter(walk, corrected, signed["letter"])
    _without_network(walk, pdf, walk.look(CLERK, path)["letter"], signed["letter"])
    walk.step(CLERK, "hands the letter over", f"{corrected}/collect", show=_status)
    return signed


def _without_network(walk: Walk, pdf: bytes, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """The command itself, with keys that were saved before; the code it reads is the one in the printed letter."""
    keys = httpx.get(f"{walk.url}/.well-known/sktm-keys.json", timeout=30)
    saved = walk.save(keys.content, "sktm-keys.json")
    (code,) = addresses_in(pdf)
    moved = code.replace(new["verification_url"], old["verification_url"])
    late = datetime.fromisoformat(new["valid_until"]) + timedelta(days=1)
    for what, source, day, wanted in (
        ("without a network, today", code, None, VALID),
        (f"the same on {late.date()}", code, late, EXPIRED),
        ("its code under another letter's address", moved, None, FORGED),
    ):
        walk.say("tksk verify-qr", what)
        walk.expects(_left_with(source, saved, day) == wanted, f"the command leaves with {wanted}")


def _left_with(source: str, keys: Path, on: datetime | None) -> object:
    try:
        verify_qr(source, str(keys), on)
    except SystemExit as left:
        return left.code
    return None


def _referral(walk: Walk, scholar: Mapping[str, Any], application: Mapping[str, Any]) -> None:
    walk.chapter("S10. To the campus, and the outcome")
    body = {
        "beneficiary_id": scholar["id"],
        "program": "kip_kuliah",
        "agency_id": str(_EDUCATION_OFFICE),
        "sktm_application_id": application["id"],
        "reason": "Diterima di perguruan tinggi; penghasilan keluarga Rp1.850.000 sebulan",
        "consent": "given",
        "documents": [{"kind": kind, "shown_physically": True} for kind in ("family_card", "sktm", "school_letter")],
    }
    drafted = walk.act(OFFICER, "drafts a referral", "POST", REFERRALS, body, expect=201, show=_status)
    path = f"{REFERRALS}/{drafted['id']}"
    walk.step(OFFICER, "sends it to the city's school office", f"{path}/submit", show=lambda r: r["agency_name"])
    walk.act(_CAMPUS, "the campus does not see it", "GET", path, expect=404)
    wrong = {"agency_id": str(CAMPUS), "reason": "KIP Kuliah diusulkan oleh perguruan tinggi"}
    walk.step(
        OFFICER, "campuses propose: transfers it there", f"{path}/transfer", wrong, show=lambda r: r["agency_name"]
    )
    told(walk, _CAMPUS, "referral_submitted", drafted["case_number"])
    walk.step(_CAMPUS, "receives it", f"{path}/receive", show=_status)
    walk.step(_CAMPUS, "reviews it", f"{path}/review", show=_status)
    approval = {"reference_number": f"{walk.random.randint(100, 999)}/KIP-K/{today()[:4]}", "decided_on": today()}
    walk.step(
        _CAMPUS, "approves it", f"{path}/approve", approval, show=lambda r: f"{r['status']}, {r['reference_number']}"
    )
    told(walk, OFFICER, "referral_approved", drafted["case_number"])
    walk.step(_CAMPUS, "the scholarship runs", f"{path}/activate", {"active_from": today()}, show=_status)
    outcome(walk, scholar, "kip_kuliah", "active")


def outcome(walk: Walk, person: Mapping[str, Any], program: str, status: str) -> None:
    """What somebody receives now, and how it came to that."""
    url = f"/v1/beneficiaries/{person['id']}"
    enrolments = walk.act(
        OFFICER,
        "reads what they receive",
        "GET",
        f"{url}/enrolments",
        show=lambda r: "; ".join(_benefit(enrolment) for enrolment in r["items"]),
    )
    newest = enrolments["items"][0]
    walk.expects((newest["program"], newest["status"]) == (program, status), f"{program} is {status}")
    timeline = walk.act(OFFICER, "reads the timeline", "GET", f"{url}/timeline?limit=50", show=lambda r: "oldest first")
    for entry in reversed(timeline["items"]):
        actor = (entry["actor"] or {}).get("name") or ""
        walk.say("", f"{entry['at'][11:19]} {entry['code']}", actor)


def _benefit(enrolment: Mapping[str, Any]) -> str:
    words = f"{enrolment['program']} {enrolment['status']} from {enrolment['started_on']}"
    return words + (f" to {enrolment['ended_on']}, {enrolment['end_reason']}" if enrolment["ended_on"] else "")
