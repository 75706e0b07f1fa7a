"""PPKS categories: who is in which, since when, and who may know of the sensitive ones."""

import re
from uuid import uuid4

import pytest

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, machine, nik
from helpers import person as body_of
from tksk_api.domain.beneficiaries.categories import SENSITIVE
from tksk_api.security.permissions import MACHINE_SCOPES, Permission, Role, roles_with

URL = "/v1/ppks-assessments"
PEOPLE = "/v1/beneficiaries"
SHOWN = ["ppks_sensitive"]
OTHERS = [
    ("village_clerk", SRENGSEM),
    ("village_head", SRENGSEM),
    ("district_head", PANJANG),
    ("province_office", "18"),
    ("ministry", None),
    ("auditor", None),
]


def errors_of(answer):
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def assess(caller, someone, category, **over):
    answer = await caller.post(URL, json={"beneficiary_id": someone["id"], "category": category, **over})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def items(caller, query=""):
    answer = await caller.get(f"{URL}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def categories(caller, someone):
    """As the person's own record shows them, alone and in the list."""
    one = (await caller.get(f"{PEOPLE}/{someone['id']}")).json()["ppks_categories"]
    (listed,) = [row for row in (await caller.get(PEOPLE)).json()["items"] if row["id"] == someone["id"]]
    assert listed["ppks_categories"] == one
    return one


async def fields_of(owner, operation, who):
    """What the caller's access rows of an operation name beyond the ordinary."""
    rows = await owner.fetch(
        "SELECT fields, subject_ids FROM access_log WHERE operation = $1 AND user_id = $2 AND fields IS NOT NULL",
        operation,
        who.user_id,
    )
    return [(row["fields"], {str(key) for key in row["subject_ids"]}) for row in rows]


# ---- assessing and ending --------------------------------------------------------------------------------------------


async def test_several_at_once_each_once_and_in_step_with_the_person(as_):
    tksk = await as_("tksk", PANJANG, full_name="Rina Wulandari")
    someone = await add_person(tksk, ppks_categories=["fakir_miskin"])
    first = await assess(tksk, someone, "pemulung", since="2025-01-01", assessed_on="2026-11-02", note="Sejak pindah")
    assert (first["status"], first["unit"], first["assessor_name"]) == ("active", "person", "Rina Wulandari")
    assert (first["since"], first["until"], first["sensitive"]) == ("2025-01-01", None, False)
    await assess(tksk, someone, "pengemis")
    assert await categories(tksk, someone) == ["fakir_miskin", "pemulung", "pengemis"]
    again = await tksk.post(URL, json={"beneficiary_id": someone["id"], "category": "pemulung"})
    assert (again.status_code, code_of(again)) == (409, "assessment_active")
    closed = await tksk.act(f"{URL}/{first['id']}/close", {"until": "2026-11-10", "reason_code": "independent"})
    assert (closed.json()["status"], closed.json()["until"]) == ("closed", "2026-11-10")
    assert code_of(await tksk.act(f"{URL}/{first['id']}/close", {"reason_code": "independent"})) == "transition_refused"
    assert await categories(tksk, someone) == ["fakir_miskin", "pengemis"]
    await assess(tksk, someone, "pemulung")
    found = await items(tksk, f"beneficiary_id={someone['id']}&status=active")
    assert {row["category"] for row in found} == {"fakir_miskin", "pemulung", "pengemis"}
    assert len(await items(tksk, "category=pemulung")) == 2


async def test_the_codes_of_a_person_make_and_close_assessments(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk, ppks_categories=["fakir_miskin", "pemulung"])
    by_code = {row["category"]: row for row in await items(clerk)}
    assert by_code.keys() == {"fakir_miskin", "pemulung"}
    assert {row["assessor_id"] for row in by_code.values()} == {str(clerk.user_id)}
    changed = await clerk.patch(
        f"{PEOPLE}/{someone['id']}",
        json={"ppks_categories": ["fakir_miskin", "pengemis"]},
        headers={"If-Match": '"v1"'},
    )
    assert changed.json()["ppks_categories"] == ["fakir_miskin", "pengemis"]
    states = {row["category"]: (row["status"], row["reason_code"]) for row in await items(clerk)}
    assert states == {
        "fakir_miskin": ("active", None),
        "pemulung": ("closed", "recorded_in_error"),
        "pengemis": ("active", None),
    }


async def test_a_repeated_creation_is_one(as_):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    body = {"id": str(uuid4()), "beneficiary_id": someone["id"], "category": "odha"}
    made = [await tksk.post(URL, json=body) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 200]
    assert made[0].json() == made[1].json()


@pytest.mark.parametrize(
    ("over", "error"),
    [
        ({"category": "orang_kaya"}, ("/category", "unknown_code")),
        ({"category": "kat"}, ("/beneficiary_id", "category_unit")),
        ({"category": "keluarga_bermasalah_psikologis"}, ("/beneficiary_id", "category_unit")),
        ({"beneficiary_id": str(uuid4())}, ("/beneficiary_id", "unknown_reference")),
        ({"beneficiary_id": None}, ("/beneficiary_id", "missing")),
        ({"group_name": "Kelompok Nelayan", "village_code": SRENGSEM}, ("/beneficiary_id", "one_of_these")),
        ({"village_code": SRENGSEM}, ("/village_code", "only_for_groups")),
        ({"beneficiary_id": None, "family_id": str(uuid4())}, ("/family_id", "category_unit")),
        ({"since": "1991-03-24"}, ("/since", "before_birth")),
        ({"since": "2026-11-02", "assessed_on": "2026-11-01"}, ("/since", "in_future")),
        ({"note": "NIK 1871046503910003"}, ("/note", "identity_number_in_text")),
    ],
)
async def test_what_is_wrong_with_an_assessment_is_said_at_its_member(as_, over, error):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    body = {"beneficiary_id": someone["id"], "category": "pemulung", **over}
    assert errors_of(await tksk.post(URL, json=body)) == [error]


async def test_an_end_has_a_day_and_a_reason(as_):
    tksk = await as_("tksk", PANJANG)
    row = await assess(tksk, await add_person(tksk), "pemulung", since="2026-01-01")
    url = f"{URL}/{row['id']}/close"
    for body, error in (
        ({"reason_code": "bored"}, ("/reason_code", "unknown_code")),
        ({"reason_code": "other"}, ("/note", "other_note_required")),
        ({"reason_code": "independent", "until": "2025-12-31"}, ("/until", "before_start")),
        ({"reason_code": "independent", "until": "2030-01-01"}, ("/until", "in_future")),
    ):
        assert errors_of(await tksk.act(url, body)) == [error]
    assert (await tksk.post(url, json={"reason_code": "independent"})).status_code == 428


async def test_age_and_sex_only_warn(as_):
    tksk = await as_("tksk", PANJANG)
    grown = await add_person(tksk, nik=None, nik_status="none", ppks_categories=[])
    row = await assess(tksk, grown, "anak_jalanan")
    assert [warning["code"] for warning in row["warnings"]] == ["ppks_category_unusual"]
    shown = (await tksk.get(f"{PEOPLE}/{grown['id']}")).json()
    assert [warning["code"] for warning in shown["warnings"]] == ["ppks_category_unusual"]
    await tksk.act(f"{URL}/{row['id']}/close", {"reason_code": "recorded_in_error"})
    assert (await tksk.get(f"{PEOPLE}/{grown['id']}")).json()["warnings"] == []


async def test_a_sensitive_category_does_not_tell_of_itself_by_a_warning(as_):
    tksk, head = await as_("tksk", PANJANG), await as_("village_head", SRENGSEM)
    grown = await add_person(tksk, nik=None, nik_status="none", ppks_categories=["anak_berhadapan_hukum"])
    assert grown["ppks_categories"] == ["anak_berhadapan_hukum"]
    assert (await head.get(f"{PEOPLE}/{grown['id']}")).json()["warnings"] == []
    row = await assess(tksk, await add_person(tksk), "anak_berhadapan_hukum")
    assert [warning["code"] for warning in row["warnings"]] == ["ppks_category_unusual"]


async def test_groups_and_communities_have_names_and_a_village(as_):
    tksk = await as_("tksk", PANJANG)
    group = {"category": "korban_bencana_alam", "group_name": "Warga RT 003 sesudah banjir", "village_code": SRENGSEM}
    for body, unit in ((group, "group"), (group | {"category": "kat", "group_name": "Suku Laut"}, "community")):
        made = await tksk.post(URL, json=body)
        assert (made.status_code, made.json()["unit"]) == (201, unit), made.text
    assert errors_of(await tksk.post(URL, json=group | {"village_code": None})) == [("/village_code", "missing")]
    outside = await tksk.post(URL, json=group | {"village_code": "18.71.05.1002"})
    assert errors_of(outside) == [("/village_code", "outside_scope")]
    assert len(await items(tksk, f"village_code={SRENGSEM}")) == 2


async def test_a_family_is_assessed_as_one(as_):
    tksk = await as_("tksk", PANJANG)
    mother = await add_person(tksk)
    family = await tksk.post(
        "/v1/families",
        json={
            "village_code": SRENGSEM,
            "address": {"street": "Jl. Yos Sudarso 12"},
            "members": [{"beneficiary_id": mother["id"], "relationship": "head_of_family"}],
        },
    )
    assert family.status_code == 201, family.text
    body = {"category": "keluarga_bermasalah_psikologis", "family_id": family.json()["id"]}
    made = await tksk.post(URL, json=body)
    assert (made.status_code, made.json()["unit"]) == (201, "family"), made.text
    assert code_of(await tksk.post(URL, json=body)) == "assessment_active"
    missing = await tksk.post(URL, json=body | {"family_id": str(uuid4())})
    assert errors_of(missing) == [("/family_id", "unknown_reference")]


# ---- who may know ----------------------------------------------------------------------------------------------------


async def test_the_database_and_the_permissions_say_the_same(owner):
    for role in [*Role, "machine", "system", ""]:
        await owner.execute("SELECT set_config('app.role', $1, false)", role)
        assert await owner.fetchval("SELECT app.sees_sensitive()") == (role in roles_with(Permission.PPKS_SENSITIVE))
    await owner.execute("RESET app.role")
    rule = await owner.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_beneficiaries_no_sensitive_category'"
    )
    column = await owner.fetchval(
        "SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid "
        "AND a.attnum = d.adnum WHERE d.adrelid = 'ppks_assessments'::regclass AND a.attname = 'sensitive'"
    )
    for expression in (rule, column):
        (codes,) = re.findall(r"\{([a-z_,]+)\}", expression)
        assert set(codes.split(",")) == SENSITIVE
    assert Permission.PPKS_SENSITIVE not in MACHINE_SCOPES


async def test_whoever_needs_them_sees_them_and_says_so_and_nobody_else_does(as_, app, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    someone, neighbour = await add_person(tksk), await add_person(tksk)
    row = await assess(tksk, someone, "odha")
    assert row["sensitive"] is True
    for caller in (tksk, office):
        assert (await caller.get(f"{URL}/{row['id']}")).json() == row
        assert await categories(caller, someone) == ["fakir_miskin", "odha"]
        assert await fields_of(owner, "get_beneficiary", caller) == [(SHOWN, {someone["id"]})]
        # The page shows a neighbour too, of whom it tells nothing of the kind.
        assert await fields_of(owner, "list_beneficiaries", caller) == [(SHOWN, {someone["id"]})]
        assert await fields_of(owner, "get_ppks_assessment", caller) == [(SHOWN, {someone["id"]})]
        found = (await caller.get(f"{PEOPLE}?ppks_category=odha")).json()["items"]
        assert [hit["id"] for hit in found] == [someone["id"]]
        assert len(await items(caller, "category=odha")) == 1
        hits = (await caller.post(f"{PEOPLE}/search", json={"birth_date": someone["birth_date"]})).json()["items"]
        assert {tuple(hit["ppks_categories"]) for hit in hits} == {("fakir_miskin", "odha"), ("fakir_miskin",)}
        assert await fields_of(owner, "search_beneficiaries", caller) == [(SHOWN, {someone["id"]})]
    assert await fields_of(owner, "create_ppks_assessment", tksk) == [(SHOWN, {someone["id"]})]
    assert neighbour["ppks_categories"] == ["fakir_miskin"]
    others = [await as_(*other) for other in OTHERS]
    others.append(await machine(app, owner, sorted(MACHINE_SCOPES), [PANJANG]))
    for caller in others:
        assert (await caller.get(f"{URL}/{row['id']}")).status_code == 404
        assert await categories(caller, someone) == ["fakir_miskin"]
        assert {shown["category"] for shown in await items(caller)} == {"fakir_miskin"}
        for query in (f"{PEOPLE}?ppks_category=odha", f"{URL}?category=odha"):
            assert (await caller.get(query)).json()["items"] == []
        for url in (f"{PEOPLE}/{someone['id']}/history", f"{PEOPLE}/{someone['id']}", PEOPLE, URL):
            assert "odha" not in (await caller.get(url)).text
        told = await owner.fetchval(
            "SELECT count(*) FROM access_log WHERE user_id = $1 AND fields IS NOT NULL", caller.user_id
        )
        assert told == 0
    await others[-1].aclose()


async def test_the_persons_record_tells_nobody_that_something_hidden_was_assessed(as_, owner):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk)
    url = f"{PEOPLE}/{someone['id']}"
    row = await assess(tksk, someone, "odha")
    assert (await tksk.act(f"{URL}/{row['id']}/close", {"reason_code": "no_longer_applies"})).status_code == 200
    for wanted in (["korban_napza"], []):
        patch = {"ppks_categories": [*someone["ppks_categories"], *wanted]}
        changed = await tksk.patch(url, json=patch, headers={"If-Match": '"v1"'})
        assert (changed.status_code, changed.json()["ppks_categories"]) == (200, patch["ppks_categories"])
    assert (await clerk.get(url)).json() == someone


async def test_whoever_may_not_see_them_neither_writes_nor_removes_them(as_, owner):
    tksk, clerk = await as_("tksk", PANJANG), await as_("village_clerk", SRENGSEM)
    assert errors_of(await clerk.post(PEOPLE, json=body_of(ppks_categories=["fakir_miskin", "odha"]))) == [
        ("/ppks_categories/1", "sensitive_category")
    ]
    someone = await add_person(tksk, ppks_categories=["fakir_miskin", "odha", "korban_napza"])
    assert someone["ppks_categories"] == ["fakir_miskin", "korban_napza", "odha"]
    body = {"beneficiary_id": someone["id"], "category": "bwblp"}
    assert errors_of(await clerk.post(URL, json=body)) == [("/category", "sensitive_category")]
    url = f"{PEOPLE}/{someone['id']}"

    async def replace(caller, codes):
        version = (await caller.get(url)).headers["ETag"]
        return await caller.patch(url, json={"ppks_categories": codes}, headers={"If-Match": version})

    assert errors_of(await replace(clerk, ["odha"])) == [("/ppks_categories/0", "sensitive_category")]
    assert (await replace(clerk, ["pemulung"])).json()["ppks_categories"] == ["pemulung"]
    assert await categories(tksk, someone) == ["pemulung", "korban_napza", "odha"]
    changed = (await replace(tksk, ["pemulung", "odha"])).json()
    assert changed["ppks_categories"] == ["pemulung", "odha"]
    closed = await items(tksk, "category=korban_napza")
    assert [(row["status"], row["reason_code"]) for row in closed] == [("closed", "recorded_in_error")]
    # Nothing of it stands in the person's row or in its history.
    assert await owner.fetchval("SELECT ppks_categories FROM beneficiaries WHERE id = $1", someone["id"]) == [
        "pemulung"
    ]
    for change in await owner.fetch("SELECT fields::text FROM changes WHERE entity = 'beneficiaries'"):
        assert not [code for code in SENSITIVE if f'"{code}"' in change["fields"]]


async def test_the_column_refuses_them_whatever_writes_it(owner, as_):
    await add_person(await as_("village_clerk", SRENGSEM))
    with pytest.raises(Exception, match="ck_beneficiaries_no_sensitive_category"):
        await owner.execute("UPDATE beneficiaries SET ppks_categories = '{odha}'")


async def test_an_answer_given_again_is_recorded_alike_and_only_to_the_same_role(as_, owner):
    tksk = await as_("tksk", PANJANG)
    body, key = body_of(nik=nik(), ppks_categories=["odha"]), {"Idempotency-Key": str(uuid4())}
    first = await tksk.post(PEOPLE, json=body, headers=key)
    again = await tksk.post(PEOPLE, json=body, headers=key)
    assert (first.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert first.json()["ppks_categories"] == again.json()["ppks_categories"] == ["odha"]
    rows = await owner.fetch(
        "SELECT fields FROM access_log WHERE operation = 'create_beneficiary' AND request_id = $1",
        again.headers["X-Request-ID"],
    )
    assert [row["fields"] for row in rows] == [SHOWN]
    await owner.execute(
        "UPDATE users SET role = 'village_clerk', region_code = $1 WHERE id = $2", SRENGSEM, tksk.user_id
    )
    refused = await tksk.post(PEOPLE, json=body, headers=key)
    assert code_of(refused) == "idempotency_mismatch"
    assert (await tksk.get(f"{PEOPLE}/{first.json()['id']}")).json()["ppks_categories"] == []


async def test_a_broken_glass_does_not_show_them(as_):
    tksk, stranger = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    number = nik()
    someone = await add_person(tksk, nik=number, ppks_categories=["fakir_miskin", "odha"])
    reason = {"reason_code": "medical_emergency", "reason": "Pasien tidak sadar di IGD rumah sakit"}
    assert (await stranger.post("/v1/access-grants", json={"nik": number, **reason})).status_code == 201
    seen = await stranger.get(f"{PEOPLE}/{someone['id']}")
    assert (seen.status_code, seen.json()["ppks_categories"]) == (200, ["fakir_miskin"])
    assert await items(stranger) == []


async def test_they_go_with_the_person_to_the_next_officer(as_):
    here, there = await as_("tksk", PANJANG), await as_("tksk", "18.71.05")
    someone = await add_person(here, ppks_categories=["fakir_miskin", "odha"])
    rows = await items(here)
    await here.act(f"{PEOPLE}/{someone['id']}/move", {"village_code": "18.71.05.1002", "reason": "Ikut anaknya"})
    assert await items(here) == []
    assert {row["id"] for row in await items(there)} == {row["id"] for row in rows}
    assert await categories(there, someone) == ["fakir_miskin", "odha"]


async def test_the_statement_holds_them_all_and_an_erasure_leaves_none(as_, owner):
    tksk, office = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    someone = await add_person(tksk, ppks_categories=["fakir_miskin"])
    hidden = await assess(tksk, someone, "odha", note="Dirujuk ke puskesmas")
    await tksk.act(f"{URL}/{hidden['id']}/close", {"reason_code": "in_care"})
    await tksk.post(f"{PEOPLE}/{someone['id']}/document-names", json={"document": "jkn_card", "name": "Sitti Rahma"})
    stated = (await tksk.get(f"{PEOPLE}/{someone['id']}/statement")).json()
    assert {(row["category"], row["status"]) for row in stated["assessments"]} == {
        ("fakir_miskin", "active"),
        ("odha", "closed"),
    }
    assert [row["name"] for row in stated["document_names"]] == ["Sitti Rahma"]
    assert SHOWN in [line["fields"] for line in stated["processing"]]
    printed = await tksk.get(f"{PEOPLE}/{someone['id']}/statement?format=pdf")
    assert printed.content.startswith(b"%PDF")
    request = {
        "beneficiary_id": someone["id"],
        "kind": "erasure",
        "reason": "Tidak lagi memerlukan layanan",
        "requested_by": "self",
        "received_on": "2026-11-02",
    }
    taken = await tksk.post("/v1/privacy-requests", json=request)
    decided = await office.act(f"/v1/privacy-requests/{taken.json()['id']}/fulfil", {"note": "Sesuai Pasal 43"})
    assert decided.status_code == 200, decided.text
    for table in ("ppks_assessments", "document_names"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0
    left = await owner.fetch("SELECT fields::text AS text FROM changes UNION ALL SELECT note FROM transitions")
    assert not [row for row in left if re.search("odha|Sitti|puskesmas", row["text"] or "")]


async def test_a_decision_about_the_ordinary_ones_leaves_the_others_alone(as_):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk, ppks_categories=["fakir_miskin", "odha"])
    visit = await tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": "2026-11-02"})
    found = {
        "outcome": "met",
        "finding": "eligible",
        "evidence": {},
        "register_differs": {"ppks_categories": {"add": ["pemulung"], "remove": []}},
    }
    completed = await tksk.act(f"/v1/visits/{visit.json()['id']}/complete", found)
    assert completed.status_code == 200, completed.text
    clerk = await as_("village_clerk", SRENGSEM)
    (proposal,) = (await clerk.get(f"/v1/proposals?beneficiary_id={someone['id']}")).json()["items"]
    assert "odha" not in str(proposal)
    office = await as_("regency_office", BANDAR_LAMPUNG)
    accepted = await office.act(f"/v1/proposals/{proposal['id']}/accept", {})
    assert accepted.status_code == 200, accepted.text
    assert await categories(tksk, someone) == ["fakir_miskin", "pemulung", "odha"]
