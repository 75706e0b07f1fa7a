"""The demo's second chapter: people as they are, found when they are misspelt, and never twice unseen."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from tksk_api.cli.walk import VILLAGE, Walk, today

_NEIGHBOUR = "18.71.04.1001"  # Panjang Selatan
_FAR_AWAY = "52.71.01.1004"  # Ampenan
_SENSITIVE = "penyandang_disabilitas"
_FIRST = ("Sumiati", "Suparmi", "Kartini", "Rukmini", "Tukinah", "Warsinah", "Juminten", "Ngatiyem")
_LAST = ("Wulandari", "Handayani", "Lestari", "Pratiwi", "Susanti", "Rahayu", "Kurniasih", "Setyowati")
_PEOPLE = (
    "tksk.panjang",
    "clerk.srengsem",
    "clerk.panjangselatan",
    "lurah.srengsem",
    "dinsos.bandarlampung",
    "koordinator.bandarlampung",
    "tksk.ampenan",
)


def register(walk: Walk) -> None:
    """A grandmother without a NIK becomes a family, a visit, a finding; a man entered twice becomes one."""
    walk.chapter("R1. People sign in")
    for who in _PEOPLE:
        walk.sign_in(who)
    grandmother = _grandmother(walk)
    family = _family(walk, grandmother)
    _categories(walk, grandmother)
    _evidence(walk, grandmother, family)
    _visit(walk, grandmother)
    _duplicate(walk)
    _death(walk, grandmother)
    _helpers(walk)
    _history(walk, grandmother)


def _status(row: Mapping[str, Any]) -> str:
    return str(row["status"])


def _born(walk: Walk, earliest: int, latest: int) -> str:
    return f"{walk.random.randint(earliest, latest)}-{walk.random.randint(1, 12):02d}-{walk.random.randint(1, 28):02d}"


def _grandmother(walk: Walk) -> dict[str, Any]:
    walk.chapter("R2. A grandmother without a NIK")
    name, born = f"{walk.random.choice(_FIRST)} {walk.random.choice(_LAST)}", _born(walk, 1940, 1950)
    person: dict[str, Any] = walk.person(name, born, "female", ppks_categories=["lansia_terlantar"])
    number = person["nik"]
    person |= {"nik": None, "nik_status": "belum_rekam"}
    made = walk.act(
        "clerk.srengsem",
        f"registers {name}, never recorded",
        "POST",
        "/v1/beneficiaries",
        person,
        expect=201,
        show=lambda p: f"NIK {p['nik_masked']}, {p['nik_status']}",
    )
    made["then"] = datetime.now(UTC).isoformat()
    misspelt = name.replace("i", "y").replace("Su", "Soe")
    walk.act(
        "tksk.panjang",
        f'finds her as "{misspelt}"',
        "POST",
        "/v1/beneficiaries/search",
        {"name": misspelt, "birth_date": born},
        show=lambda r: f"first {r['items'][0]['full_name']} ({r['items'][0]['score']})",
    )
    url = f"/v1/beneficiaries/{made['id']}"
    walk.step(
        "clerk.srengsem",
        "her card is made: attaches the NIK",
        f"{url}/attach-nik",
        {"nik": number, "document": "ktp", "note": "KTP elektronik terbit"},
        show=lambda p: f"NIK {p['nik_masked']}, {p['nik_status']}",
    )
    return {**made, "url": url}


def _family(walk: Walk, grandmother: Mapping[str, Any]) -> str:
    walk.chapter("R3. Her family, as it is")
    surname = walk.random.choice(_LAST)
    daughter = walk.register("clerk.srengsem", f"Yuni {surname}", _born(walk, 1978, 1985), "female")
    child = walk.register("clerk.srengsem", f"Rizky {surname}", _born(walk, 2008, 2015), "male")
    son = walk.register("clerk.srengsem", f"Budi {surname}", _born(walk, 1970, 1977), "male")
    members = [
        {"beneficiary_id": grandmother["id"], "relationship": "head_of_family"},
        {"beneficiary_id": daughter["id"], "relationship": "child"},
        {"beneficiary_id": child["id"], "relationship": "grandchild"},
        {"beneficiary_id": son["id"], "relationship": "child"},
    ]
    address = {"street": "Gang Contoh 12", "rt": "3", "rw": "2"}
    card = f"187104120315{walk.random.randint(1, 9999):04d}"
    body = {"village_code": VILLAGE, "address": address, "family_card_number": card, "members": members}
    two_heads = [*members[:1], {**members[1], "relationship": "head_of_family"}]
    walk.act("clerk.srengsem", "tries two heads", "POST", "/v1/families", {**body, "members": two_heads}, expect=422)
    family = walk.act(
        "clerk.srengsem",
        "makes the family, she is its head",
        "POST",
        "/v1/families",
        body,
        expect=201,
        show=lambda f: f"{len(f['members'])} members, card {f['family_card_masked']}",
    )
    url = f"/v1/families/{family['id']}"
    walk.step(
        "clerk.srengsem",
        "the son moves to Ampenan",
        f"/v1/beneficiaries/{son['id']}/move",
        {"village_code": _FAR_AWAY, "reason": "Bekerja di Mataram"},
        show=lambda m: f"in our area: {m['in_scope']}",
    )
    walk.act(
        "clerk.srengsem",
        "sees a place without a name",
        "GET",
        url,
        show=lambda f: ", ".join(str(member["full_name"] or "(elsewhere)") for member in f["members"]),
    )
    walk.step(
        "clerk.srengsem",
        "a divorce: mother and child live apart",
        f"{url}/split",
        {
            "members": [
                {"beneficiary_id": daughter["id"], "relationship": "head_of_family"},
                {"beneficiary_id": child["id"], "relationship": "child"},
            ],
            "reason": "divorce",
        },
        expect=201,
        show=lambda f: f"a new family of {len(f['members'])}",
    )
    return str(family["id"])


def _categories(walk: Walk, grandmother: Mapping[str, Any]) -> None:
    walk.chapter("R4. What only some may know")
    body = {"beneficiary_id": grandmother["id"], "category": _SENSITIVE}
    walk.act(
        "tksk.panjang",
        "assesses a sensitive category",
        "POST",
        "/v1/ppks-assessments",
        body,
        expect=201,
        show=lambda a: f"{a['category']}, sensitive: {a['sensitive']}",
    )
    for who in ("tksk.panjang", "lurah.srengsem"):
        walk.act(who, "looks at her", "GET", grandmother["url"], show=lambda p: ", ".join(p["ppks_categories"]))


def _evidence(walk: Walk, grandmother: Mapping[str, Any], family: str) -> None:
    walk.chapter("R5. The national data say otherwise")
    body = {
        "family_id": family,
        "decile": 8,
        "source": "dtsen",
        "batch": "DTSEN 2026 triwulan IV (contoh)",
        "dated_on": today(),
    }
    walk.act(
        "dinsos.bandarlampung",
        "records a decile of DTSEN",
        "POST",
        "/v1/decile_snapshots",
        body,
        expect=201,
        show=lambda d: f"decile {d['decile']}",
    )


def _visit(walk: Walk, grandmother: Mapping[str, Any]) -> None:
    walk.chapter("R6. The visit, with its form and its paper")
    visit = walk.act(
        "tksk.panjang",
        "plans a visit",
        "POST",
        "/v1/visits",
        {"beneficiary_id": grandmother["id"], "visited_on": today()},
        expect=201,
        show=lambda v: f"form {v['form_version']}",
    )
    url = f"/v1/visits/{visit['id']}"
    walk.act(
        "tksk.panjang",
        "reads the form it is filled in by",
        "GET",
        f"/v1/visit-forms/{visit['form_version']}",
        show=lambda f: f"{len(f['sections'])} sections",
    )
    sheet = walk.act(
        "tksk.panjang", "prints the worksheet", "GET", f"{url}/worksheet", show=lambda b: f"{len(b):,} bytes"
    )
    walk.save(sheet, f"lembar-kerja-{visit['id'][:8]}.pdf")
    photo = walk.act(
        "tksk.panjang",
        "attaches a photo of the house",
        "POST",
        "/v1/attachments",
        {"kind": "visit_photo", "visit_id": visit["id"]},
        file=("rumah.jpg", _picture(walk)),
        expect=201,
        show=lambda a: f"{a['media_type']}, {a['size_bytes']:,} bytes, encrypted",
    )
    linked = walk.act(
        "tksk.panjang", "asks for a link", "GET", f"/v1/attachments/{photo['id']}", show=lambda _: "good for 60 seconds"
    )
    _download(walk, linked["content_url"])
    done = {
        "outcome": "met",
        "finding": "eligible",
        "evidence": {"floor_type": "earth", "income_per_month": 450_000, "dependants": 2},
        "location": {"lat": -5.5006, "lon": 105.337, "accuracy": 8},
        "attachment_ids": [photo["id"]],
        "register_differs": {"phone": "081200000000"},
    }
    walk.step(
        "tksk.panjang",
        "writes a floor that is in no list",
        f"{url}/complete",
        {**done, "evidence": {"floor_type": "gold"}},
        expect=422,
    )
    walk.step("tksk.panjang", "writes what was seen", f"{url}/complete", done, show=lambda v: str(v["finding"]))
    walk.act(
        "dinsos.bandarlampung",
        "sees where evidence disagrees",
        "GET",
        f"/v1/statistics/disagreements?region={VILLAGE}",
        show=lambda r: f"{len(r['items'])}, first {r['items'][0]['kind']}: decile {r['items'][0]['decile']}",
    )
    open_ones = walk.act(
        "clerk.srengsem",
        "finds what the visit proposes",
        "GET",
        f"/v1/proposals?beneficiary_id={grandmother['id']}&status=open",
        show=lambda r: ", ".join(item["field"] for item in r["items"]),
    )
    phone = next(item for item in open_ones["items"] if item["field"] == "phone")
    walk.step("clerk.srengsem", "accepts it", f"/v1/proposals/{phone['id']}/accept", {}, show=_status)


def _picture(walk: Walk) -> bytes:
    from PIL import Image  # noqa: PLC0415 - a demo's picture is no reason to load it with every command

    target = io.BytesIO()
    Image.new("RGB", (320, 240), tuple(walk.random.randbytes(3))).save(target, "JPEG")
    return target.getvalue()


def _download(walk: Walk, url: str) -> None:
    answer = httpx.get(url if url.startswith("http") else walk.url + url, timeout=30)
    colour = "green" if answer.status_code == httpx.codes.OK else "yellow"
    said = f"{len(answer.content):,} bytes, no token"
    walk.console.print(f"  {'a browser':<25} {'follows it':<44} [{colour}]{answer.status_code}[/]  {said}")


def _duplicate(walk: Walk) -> None:
    walk.chapter("R7. The same man, entered by two kelurahan")
    born, surname = _born(walk, 1950, 1990), walk.random.choice(_LAST)
    first = walk.register("clerk.srengsem", f"Muhammad Yusuf {surname}", born, "male")
    second = walk.person(f"Moh. Yusup {surname}", born, "male", village_code=_NEIGHBOUR)
    second |= {"nik": None, "nik_status": "none"}
    twice = walk.act(
        "clerk.panjangselatan",
        f"registers {second['full_name']}",
        "POST",
        "/v1/beneficiaries",
        second,
        expect=201,
        show=lambda _: "taken: nobody is turned away",
    )
    path = f"/v1/beneficiaries/{twice['id']}"
    walk.act(
        "clerk.panjangselatan",
        "asks who else he may be",
        "GET",
        f"{path}/duplicates",
        show=lambda r: f"{len(r['items'])}, {r['items'][0]['ask_office'] or ''}",
    )
    walk.act(
        "tksk.panjang",
        "sees both of the pair",
        "GET",
        f"{path}/duplicates",
        show=lambda r: f"{r['items'][0]['score']}: " + _because(r["items"][0]["reasons"]),
    )
    walk.step(
        "tksk.panjang",
        "merges him into himself",
        f"{path}/merge",
        {"into_id": twice["id"], "reason": "Sama"},
        expect=422,
    )
    walk.step(
        "tksk.panjang",
        "merges the two",
        f"{path}/merge",
        {"into_id": first["id"], "reason": "Orang yang sama, sudah ditemui"},
        show=lambda p: f"{p['full_name']} stands",
    )
    survivor = f"/v1/beneficiaries/{first['id']}"
    walk.act("tksk.panjang", "asks for the old id", "GET", path, show=lambda p: f"merged into {p['merged_into'][:8]}")
    walk.act(
        "tksk.panjang",
        "they were brothers: unmerges",
        "POST",
        f"{path}/unmerge",
        {"reason": "Ternyata dua orang bersaudara"},
        version=walk.version("tksk.panjang", survivor),
        show=lambda p: f"{p['full_name']} is back",
    )


def _because(reasons: list[dict[str, Any]]) -> str:
    return ", ".join(f"{reason['field']} {reason.get('similarity') or reason['match']}" for reason in reasons[:4])


def _death(walk: Walk, grandmother: Mapping[str, Any]) -> None:
    walk.chapter("R8. She dies, and is kept")
    body = {"died_on": today(), "source": "village_letter"}
    walk.step(
        "clerk.srengsem",
        "records her death",
        f"{grandmother['url']}/deceased",
        body,
        show=lambda p: f"deceased on {p['deceased_on']}",
    )
    application = {
        "beneficiary_id": grandmother["id"],
        "purpose": "social_aid",
        "purpose_detail": "Bantuan sembako",
        "addressed_to": "Dinas Sosial",
    }
    walk.act("clerk.srengsem", "tries an SKTM for her", "POST", "/v1/sktm-applications", application, expect=409)


def _helpers(walk: Walk) -> None:
    walk.chapter("R9. Who helps, and who is in office")
    partner = {
        "type": "karang_taruna",
        "name": "Karang Taruna Tunas Bahari",
        "region_code": VILLAGE,
        "offers": ["food"],
    }
    walk.act("clerk.srengsem", "lists a partner", "POST", "/v1/partners", partner, expect=201, show=lambda p: p["name"])
    walk.act(
        "tksk.panjang",
        "who can bring food to Srengsem?",
        "GET",
        f"/v1/partners?serving={VILLAGE}&offer=food",
        show=lambda r: f"{len(r['items'])}, first {r['items'][0]['name']}",
    )
    walk.act(
        "koordinator.bandarlampung",
        "who holds Panjang?",
        "GET",
        f"/v1/assignments?region_code=18.71.04&active_on={today()}",
        show=lambda r: ", ".join(f"{item['user_name']} ({item['kind']})" for item in r["items"]),
    )
    walk.act(
        "koordinator.bandarlampung",
        "where is nobody?",
        "GET",
        f"/v1/statistics/vacancies?on={today()}&limit=200",
        show=lambda r: f"{len(r['items'])} districts, first {r['items'][0]['region_name']}",
    )
    walk.act("koordinator.bandarlampung", "looks for people", "GET", "/v1/beneficiaries", expect=403)


def _history(walk: Walk, grandmother: Mapping[str, Any]) -> None:
    walk.chapter("R10. Everything about her, in order")
    url = grandmother["url"]
    for who in ("tksk.panjang", "lurah.srengsem"):
        walk.act(who, "reads her timeline", "GET", f"{url}/timeline", show=lambda r: f"{len(r['items'])} entries")
    for entry in walk.act("tksk.panjang", "newest first", "GET", f"{url}/timeline?limit=6")["items"]:
        actor = (entry["actor"] or {}).get("name") or ""
        walk.console.print(f"  {'':<25} {entry['at'][11:19]} {entry['code']:<35}      {actor}")
    walk.act(
        "tksk.panjang",
        "as she was when she was registered",
        "GET",
        f"{url}?as_of={grandmother['then'].replace('+', '%2B')}",
        show=lambda p: f"NIK {p['nik_masked']} ({p['nik_status']}), phone {p['phone']}, died {p['deceased_on']}",
    )
    walk.act("tksk.ampenan", "an officer from Ampenan looks", "GET", f"{url}/timeline", expect=404)
