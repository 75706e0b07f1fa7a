"""The life of an identity: numbers that come later, papers that disagree, names of every kind, and deaths."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, machine, nik
from helpers import person as body_of
from sktm_flow import application
from tksk_api.domain.seeds import agency_id

URL = "/v1/beneficiaries"
TODAY = str((datetime.now(UTC) + timedelta(hours=7)).date())
TOMORROW = str((datetime.now(UTC) + timedelta(hours=31)).date())
DEATH = {"died_on": "2026-11-01", "source": "village_letter"}


def codes_of(person):
    return [warning["code"] for warning in person["warnings"]]


def errors_of(answer):
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def nameless(caller, **over):
    """A person without a NIK."""
    return await add_person(caller, nik=None, nik_status="belum_rekam", **over)


# ---- numbers ---------------------------------------------------------------------------------------------------------


async def test_a_nik_comes_later_and_everything_before_stays_with_the_person(as_):
    clerk, tksk = await as_("village_clerk", SRENGSEM), await as_("tksk", PANJANG)
    someone = await nameless(clerk)
    url = f"{URL}/{someone['id']}"
    visit = await tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": "2026-11-02"})
    draft = await clerk.post("/v1/sktm-applications", json=application(someone["id"]))
    assert (visit.status_code, draft.status_code) == (201, 201)
    number = nik(born="010180")
    attached = (await clerk.act(f"{url}/attach-nik", {"nik": number, "document": "ktp"})).json()
    assert (attached["nik_masked"][-4:], attached["nik_status"]) == (number[-4:], "unverified")
    assert "nik_birth_date_differs" in codes_of(attached)
    for collection, made in (("visits", visit), ("sktm-applications", draft)):
        shown = (await tksk.get(f"/v1/{collection}/{made.json()['id']}")).json()
        assert shown["beneficiary_id"] == someone["id"]
    again = await clerk.act(f"{url}/attach-nik", {"nik": nik()})
    assert (code_of(again), again.json()["allowed_actions"]) == ("transition_refused", ["verify-nik", "correct-nik"])
    hits = (await clerk.post(f"{URL}/search", json={"nik": number})).json()["items"]
    assert [hit["id"] for hit in hits] == [someone["id"]]


async def test_attaching_asks_for_the_version_and_says_what_is_wrong(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    url = f"{URL}/{(await nameless(clerk))['id']}/attach-nik"
    assert (await clerk.post(url, json={"nik": nik()})).status_code == 428
    assert (await clerk.act(url, {"nik": nik()}, version=7)).status_code == 412
    assert errors_of(await clerk.act(url, {"nik": nik(), "document": "diary"}, version=1)) == [
        ("/document", "unknown_code")
    ]
    outsider = await as_("village_clerk", AMPENAN_VILLAGE)
    assert (await outsider.act(url, {"nik": nik()}, version=1)).status_code == 404


async def test_a_nik_that_is_registered_elsewhere_is_refused_recorded_and_counted(as_, owner, limited):
    limited(exists_per_hour=2)
    number = nik(region="527101")
    elsewhere = await add_person(await as_("village_clerk", AMPENAN_VILLAGE), nik=number, village_code=AMPENAN_VILLAGE)
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await nameless(clerk)
    url = f"{URL}/{someone['id']}/attach-nik"
    answers = [await clerk.act(url, {"nik": number}, version=1) for _ in range(3)]
    assert [code_of(answer) for answer in answers] == ["nik_taken", "nik_taken", "too_many_requests"]
    told = "SELECT count(*) FROM access_log WHERE outcome = 'refused' AND operation = 'attach_beneficiary_nik' "
    assert await owner.fetchval(f"{told} AND $1 = ANY (subject_ids)", elsewhere["id"]) == 2
    assert (await clerk.get(f"{URL}/{someone['id']}")).json()["nik_status"] == "belum_rekam"


async def test_verified_against_a_paper_by_somebody_at_a_moment(as_, owner):
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk)
    url = f"{URL}/{someone['id']}"
    assert errors_of(await clerk.act(f"{url}/verify-nik", {"document": "diary"})) == [("/document", "unknown_code")]
    row = (await clerk.act(f"{url}/verify-nik", {"document": "ktp", "note": "Kartu asli dilihat"})).json()
    assert (row["nik_status"], row["nik_verified_document"]) == ("verified", "ktp")
    assert row["nik_verified_at"] is not None
    step = await owner.fetchrow("SELECT * FROM transitions WHERE entity = 'beneficiaries'")
    assert (step["action"], step["from_state"], step["to_state"]) == ("verify_nik", "unverified", "verified")
    assert (step["actor_id"], step["reason_code"], step["note"]) == (clerk.user_id, "ktp", "Kartu asli dilihat")
    assert code_of(await clerk.act(f"{url}/verify-nik", {"document": "ktp"})) == "transition_refused"
    without = f"{URL}/{(await nameless(clerk))['id']}"
    assert code_of(await clerk.act(f"{without}/verify-nik", {"document": "ktp"})) == "transition_refused"


async def test_a_mistyped_nik_is_corrected_and_a_verified_one_by_the_regency_alone(as_, owner):
    clerk, office = await as_("village_clerk", SRENGSEM), await as_("regency_office", BANDAR_LAMPUNG)
    someone = await add_person(clerk)
    url, right, last = f"{URL}/{someone['id']}", nik(), nik()
    fixed = (await clerk.act(f"{url}/correct-nik", {"nik": right, "reason": "Salah ketik dua angka"})).json()
    assert (fixed["nik_masked"][-4:], fixed["nik_status"]) == (right[-4:], "unverified")
    await clerk.act(f"{url}/verify-nik", {"document": "family_card"})
    for attempt in (
        await clerk.act(f"{url}/correct-nik", {"nik": last, "reason": "Salah ketik lagi"}),
        await clerk.patch(url, json={"nik_status": "unverified"}, headers={"If-Match": '"v3"'}),
    ):
        assert (attempt.status_code, code_of(attempt)) == (409, "nik_verified")
    body = {"nik": last, "reason": "Jawaban Dukcapil berbeda"}
    row = (await office.act(f"{url}/correct-nik", body)).json()
    assert (row["nik_status"], row["nik_verified_at"], row["nik_verified_document"]) == ("unverified", None, None)
    kept = await owner.fetch("SELECT fields::text, reason FROM changes WHERE entity_id = $1", someone["id"])
    assert all(number not in change["fields"] for change in kept for number in (right, last))
    assert "Jawaban Dukcapil berbeda" in {change["reason"] for change in kept}


async def test_a_number_that_is_somebody_elses_is_taken_off(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    number = nik()
    someone = await add_person(clerk, nik=number)
    url = f"{URL}/{someone['id']}"
    row = (await clerk.act(f"{url}/correct-nik", {"nik": None, "reason": "NIK milik tetangganya"})).json()
    assert (row["nik_masked"], row["nik_status"]) == (None, "none")
    assert (await add_person(clerk, nik=number, full_name="Sari Dewi"))["nik_status"] == "unverified"
    assert code_of(await clerk.act(f"{url}/attach-nik", {"nik": number})) == "nik_taken"
    assert code_of(await clerk.act(f"{url}/correct-nik", {"nik": nik(), "reason": "x"})) == "transition_refused"


async def test_a_patch_verifies_like_the_action_without_a_paper(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk)
    changed = await clerk.patch(f"{URL}/{someone['id']}", json={"nik_status": "verified"}, headers={"If-Match": '"v1"'})
    row = changed.json()
    assert (row["nik_status"], row["nik_verified_document"]) == ("verified", None)
    assert row["nik_verified_at"] is not None


@pytest.mark.parametrize(
    ("role", "region"), [("village_head", SRENGSEM), ("district_head", PANJANG), ("auditor", None), ("ministry", None)]
)
async def test_who_only_reads_changes_no_identity(as_, role, region):
    someone = await nameless(await as_("village_clerk", SRENGSEM))
    caller = await as_(role, region)
    for action, body in (("attach-nik", {"nik": nik()}), ("deceased", DEATH), ("document-names", {})):
        answer = await caller.post(f"{URL}/{someone['id']}/{action}", json=body, headers={"If-Match": '"v1"'})
        assert code_of(answer) == "permission_denied"


async def test_no_machine_declares_anybody_dead(app, owner, as_):
    someone = await add_person(await as_("village_clerk", SRENGSEM))
    client = await machine(app, owner, ["beneficiary:read", "beneficiary:write"], [PANJANG])
    answer = await client.act(f"{URL}/{someone['id']}/deceased", DEATH, version=1)
    assert code_of(answer) == "permission_denied"
    await client.aclose()


# ---- deaths ----------------------------------------------------------------------------------------------------------


async def test_the_dead_are_kept_and_marked_and_what_is_under_way_is_listed(as_):
    clerk, tksk = await as_("village_clerk", SRENGSEM), await as_("tksk", PANJANG)
    someone = await add_person(clerk)
    url = f"{URL}/{someone['id']}"
    visit = await tksk.post("/v1/visits", json={"beneficiary_id": someone["id"], "visited_on": "2026-11-02"})
    draft = await clerk.post("/v1/sktm-applications", json=application(someone["id"]))
    answer = await clerk.act(f"{url}/deceased", DEATH | {"note": "Dimakamkan di TPU Srengsem"})
    row = answer.json()
    assert (answer.status_code, row["deceased_on"], row["deceased_source"]) == (200, "2026-11-01", "village_letter")
    assert {(work["kind"], work["id"]) for work in row["open_work"] if work["kind"] != "ppks_assessment"} == {
        ("visit", visit.json()["id"]),
        ("sktm_application", draft.json()["id"]),
    }
    assert [work["kind"] for work in row["open_work"]].count("ppks_assessment") == 1
    shown = (await clerk.get(url)).json()
    assert shown == {name: value for name, value in row.items() if name != "open_work"}
    assert (await clerk.get(f"/v1/sktm-applications/{draft.json()['id']}")).json()["status"] == "draft"
    assert code_of(await clerk.act(f"{url}/deceased", DEATH)) == "beneficiary_deceased"


@pytest.mark.parametrize(
    ("over", "error"),
    [
        ({"died_on": "1991-03-24"}, ("/died_on", "before_birth")),
        ({"died_on": TOMORROW}, ("/died_on", "in_future")),
        ({"source": "rumour"}, ("/source", "unknown_code")),
        ({"note": "NIK 1871046503910003"}, ("/note", "identity_number_in_text")),
    ],
)
async def test_a_death_has_a_day_and_a_source(as_, over, error):
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk)
    assert errors_of(await clerk.act(f"{URL}/{someone['id']}/deceased", DEATH | over)) == [error]


async def test_a_stillborn_day_and_today_are_days(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    for day in ("1991-03-25", TODAY):
        someone = await add_person(clerk)
        assert (await clerk.act(f"{URL}/{someone['id']}/deceased", DEATH | {"died_on": day})).status_code == 200


async def test_nothing_new_begins_for_somebody_who_died(as_):
    clerk, tksk = await as_("village_clerk", SRENGSEM), await as_("tksk", PANJANG)
    someone, widow = await add_person(clerk), await add_person(clerk)
    referral = {
        "beneficiary_id": someone["id"],
        "program": "pbi_jk",
        "agency_id": str(agency_id("18.71:bpjs_office")),
        "reason": "Tidak mampu membayar iuran",
        "consent": "given",
    }
    begun = [
        (clerk, "/v1/sktm-applications", (await clerk.post("/v1/sktm-applications", json=application(someone["id"])))),
        (tksk, "/v1/referrals", (await tksk.post("/v1/referrals", json=referral))),
    ]
    await clerk.act(f"{URL}/{someone['id']}/deceased", DEATH)
    for caller, collection, made in begun:
        assert made.status_code == 201, made.text
        submitted = await caller.act(f"{collection}/{made.json()['id']}/submit")
        assert (submitted.status_code, code_of(submitted)) == (409, "beneficiary_deceased")
        ended = await caller.act(f"{collection}/{made.json()['id']}/cancel", {"note": "Orangnya meninggal"})
        assert ended.status_code == 200, ended.text
    new = (
        (clerk, "/v1/sktm-applications", application(someone["id"], purpose="health")),
        (tksk, "/v1/referrals", referral),
        (tksk, "/v1/visits", {"beneficiary_id": someone["id"], "visited_on": "2026-11-02"}),
        (tksk, "/v1/ppks-assessments", {"beneficiary_id": someone["id"], "category": "pemulung"}),
    )
    for caller, url, body in new:
        assert code_of(await caller.post(url, json=body)) == "beneficiary_deceased", url
    named = application(widow["id"], dependants=[someone["id"]])
    assert errors_of(await clerk.post("/v1/sktm-applications", json=named)) == [("/dependants/0", "deceased_person")]


async def test_a_man_declared_dead_walks_in(as_, owner):
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk)
    url = f"{URL}/{someone['id']}"
    assert (
        code_of(await clerk.act(f"{url}/deceased/undo", {"reason": "Salah orang"}, version=1)) == "transition_refused"
    )
    await clerk.act(f"{url}/deceased", DEATH)
    back = await clerk.act(f"{url}/deceased/undo", {"reason": "Datang sendiri ke kantor"}, version=2)
    assert (back.status_code, back.json()["deceased_on"], back.json()["deceased_source"]) == (200, None, None)
    assert (await clerk.post("/v1/sktm-applications", json=application(someone["id"]))).status_code == 201
    steps = await owner.fetch("SELECT action, note FROM transitions WHERE entity_id = $1 ORDER BY at", someone["id"])
    assert [tuple(step) for step in steps] == [("record_death", None), ("undo_death", "Datang sendiri ke kantor")]


async def test_registering_the_dead_is_refused_in_words_where_the_caller_sees_them(as_):
    clerk, away = await as_("village_clerk", SRENGSEM), await as_("tksk", AMPENAN)
    number = nik()
    someone = await add_person(clerk, nik=number)
    await clerk.act(f"{URL}/{someone['id']}/deceased", DEATH)
    other = await nameless(clerk)
    for refused in (
        await clerk.post(URL, json=body_of(nik=number)),
        await clerk.act(f"{URL}/{other['id']}/attach-nik", {"nik": number}),
    ):
        assert (refused.status_code, code_of(refused)) == (409, "nik_of_deceased")
    hidden = await away.post(URL, json=body_of(nik=number, village_code=AMPENAN_VILLAGE))
    assert code_of(hidden) == "nik_taken"


async def test_somebody_who_moved_stays_and_is_marked(as_):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    assert someone["moved_at"] is None
    await tksk.act(f"{URL}/{someone['id']}/move", {"village_code": "18.71.04.1001", "reason": "Ikut anaknya"})
    assert (await tksk.get(f"{URL}/{someone['id']}")).json()["moved_at"] is not None


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept", "warned"),
    [
        ("S", "S", ["name_short"]),
        ("Suharto", "Suharto", []),
        ("Ny" + "a" * 198, "Ny" + "a" * 198, []),
        ("Ma'ruf Nu`man", "Ma'ruf Nu`man", []),
        ("Siti Nur’aini, S.Sos.", "Siti Nur’aini, S.Sos.", []),
        ("Yt. Sri-Rahayu", "Yt. Sri-Rahayu", []),
        ("\u0645\u062d\u0645\u062f", "\u0645\u062d\u0645\u062f", []),
        ("I Gusti  Ngurah\u00a0Rai", "I Gusti Ngurah Rai", []),
        ("Si\u200bti\u200d Rahma\ufeffwati", "Siti Rahmawati", ["name_cleaned"]),
        ("\u200f\u0645\u062d\u0645\u062f\u200e", "\u0645\u062d\u0645\u062f", ["name_cleaned"]),
        ("\u200bS\u200b", "S", ["name_short", "name_cleaned"]),
    ],
)
async def test_names_of_every_kind_are_names(as_, name, kept, warned):
    clerk = await as_("village_clerk", SRENGSEM)
    row = await nameless(clerk, full_name=name)
    assert (row["full_name"], codes_of(row)) == (kept, warned)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a" * 201, "too_long"),
        ("", "too_short"),
        ("\u200b\u200d", "nothing_readable"),
        ("...", "nothing_readable"),
        ("Siti \U0001f600", "name_symbols"),
        ("Siti ❤\ufe0f", "name_symbols"),
        ("Rp 5 juta €", "name_symbols"),
        ("Siti\nRahmawati", "bad_format"),
        ("Siti 1871046503910003", "identity_number_in_text"),
    ],
)
async def test_what_is_no_name_is_refused(as_, name, code):
    clerk = await as_("village_clerk", SRENGSEM)
    assert errors_of(await clerk.post(URL, json=body_of(full_name=name))) == [("/full_name", code)]


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u0000"])
async def test_a_name_that_turns_the_line_round_is_refused(as_, mark):
    clerk = await as_("village_clerk", SRENGSEM)
    answer = await clerk.post(URL, json=body_of(full_name=f"Siti{mark}Rahmawati"))
    assert answer.status_code == 422


async def test_the_note_that_a_name_was_cleaned_lasts_until_the_name_is_corrected(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    row = await nameless(clerk, full_name="Siti\u200b Rahmawati")
    url = f"{URL}/{row['id']}"
    row = (
        await clerk.patch(url, json={"sex": "female", "birth_date": "1990-01-01"}, headers={"If-Match": '"v1"'})
    ).json()
    assert codes_of(row) == ["name_cleaned"]
    row = (await clerk.patch(url, json={"full_name": "Siti Rahmawati W"}, headers={"If-Match": '"v2"'})).json()
    assert codes_of(row) == []


async def test_names_on_papers_are_noted_warned_of_and_withdrawn(as_, owner):
    clerk = await as_("village_clerk", SRENGSEM)
    someone = await add_person(clerk)
    url = f"{URL}/{someone['id']}"
    card = {"document": "jkn_card", "name": "St. Rahmawati", "note": "Kartu lama"}
    noted = await clerk.post(f"{url}/document-names", json=card)
    assert noted.status_code == 201, noted.text
    assert (noted.json()["name"], noted.json()["noted_on"]) == ("St. Rahmawati", TODAY)
    await clerk.post(f"{url}/document-names", json={"document": "diploma", "name": "SITI RAHMAWATI"})
    await clerk.post(f"{url}/document-names", json={"document": "bank_book", "name": "Sitti Rahmawati"})
    row = (await clerk.get(url)).json()
    (differs,) = [warning for warning in row["warnings"] if warning["code"] == "name_differs"]
    assert differs["detail"] == "Nama berbeda pada dokumen lain: Buku tabungan, Kartu JKN-KIS."
    listed = (await clerk.get(f"{url}/document-names")).json()["items"]
    assert [item["document"] for item in listed] == ["bank_book", "diploma", "jkn_card"]
    renamed = await clerk.patch(
        url, json={"full_name": "Sitti Rahmawati"}, headers={"If-Match": f'"v{row["version"]}"'}
    )
    assert "Ijazah, Kartu JKN-KIS" in renamed.json()["warnings"][0]["detail"]
    for item in listed[1:]:
        gone = await clerk.act(f"/v1/document-names/{item['id']}/withdraw", version=1)
        assert gone.json()["withdrawn_at"] is not None
    assert codes_of((await clerk.get(url)).json()) == []
    again = await clerk.act(f"/v1/document-names/{listed[1]['id']}/withdraw", version=2)
    assert code_of(again) == "transition_refused"
    read = "SELECT count(*) FROM access_log WHERE operation = 'list_document_names' AND $1 = ANY (subject_ids)"
    assert await owner.fetchval(read, someone["id"]) == 1


async def test_nobody_is_born_after_they_died(as_):
    clerk = await as_("village_clerk", SRENGSEM)
    url = f"{URL}/{(await nameless(clerk))['id']}"
    assert (await clerk.act(f"{url}/deceased", DEATH)).status_code == 200
    after = await clerk.patch(url, json={"birth_date": "2026-11-02"}, headers={"If-Match": '"v2"'})
    assert errors_of(after) == [("/birth_date", "after_death")]
    same = await clerk.patch(url, json={"birth_date": DEATH["died_on"]}, headers={"If-Match": '"v2"'})
    assert same.status_code == 200, same.text


async def test_the_id_of_a_name_belongs_to_the_person_it_was_sent_for(as_):
    """The body does not say whose name it is; the address does."""
    clerk = await as_("village_clerk", SRENGSEM)
    one, other = [f"{URL}/{(await nameless(clerk))['id']}/document-names" for _ in range(2)]
    body = {"id": str(uuid4()), "document": "passport", "name": "Siti Rahma"}
    answers = [await clerk.post(url, json=body) for url in (one, one, other)]
    assert [answer.status_code for answer in answers] == [201, 200, 409]
    assert code_of(answers[2]) == "id_in_use"
    assert (await clerk.get(other)).json()["items"] == []


async def test_names_on_papers_stay_inside_the_area_and_go_with_the_person(as_):
    tksk, away = await as_("tksk", PANJANG), await as_("tksk", "18.71.05")
    someone = await add_person(tksk)
    url = f"{URL}/{someone['id']}/document-names"
    body = {"document": "passport", "name": "Siti Rahma"}
    assert errors_of(await tksk.post(url, json=body | {"document": "diary"})) == [("/document", "unknown_code")]
    assert (await away.post(url, json=body)).status_code == 404
    assert (await away.get(url)).status_code == 404
    await tksk.post(url, json=body)
    move = {"village_code": "18.71.05.1002", "reason": "Ikut anaknya"}
    await tksk.act(f"{URL}/{someone['id']}/move", move)
    assert (await tksk.get(url)).status_code == 404
    assert [item["name"] for item in (await away.get(url)).json()["items"]] == ["Siti Rahma"]
