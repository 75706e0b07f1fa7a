"""The directory of social partners: who may list whom, how one is found, and where partners are named."""

from uuid import uuid4

import pytest

from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from tksk_api.domain.seeds import agency_id

URL = "/v1/partners"


def partner(**over):
    return {"type": "karang_taruna", "name": "Karang Taruna Tunas Bahari", "region_code": SRENGSEM, **over}


async def add_partner(caller, **over):
    answer = await caller.post(URL, json=partner(**over))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def changed(caller, row, **patch):
    return await caller.patch(f"{URL}/{row['id']}", json=patch, headers={"If-Match": f'"v{row["version"]}"'})


def errors_of(answer):
    assert answer.status_code == 422, answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def names(caller, query):
    answer = await caller.get(f"{URL}?limit=200&{query}")
    assert answer.status_code == 200, answer.text
    return {item["name"] for item in answer.json()["items"]}


async def test_an_officer_lists_a_partner_and_offices_of_every_region_see_it(as_):
    tksk = await as_("tksk", PANJANG)
    answer = await tksk.post(
        URL,
        json=partner(
            phone="0812-3456-7890",
            contact_person="Sari",
            offers=["food", "volunteers"],
            offer_details="Dapur umum saat banjir.",
            programs=["pip"],
            pillars=["protection"],
        ),
    )
    assert answer.status_code == 201, answer.text
    row = answer.json()
    assert (row["unit"], row["is_active"], row["legal_entity"], row["phone"]) == (
        "institution",
        True,
        None,
        "+6281234567890",
    )
    for role, region in (("village_head", AMPENAN_VILLAGE), ("ministry", None), ("auditor", None), ("tksk", AMPENAN)):
        reader = await as_(role, region)
        assert (await reader.get(answer.headers["Location"])).json() == row
        assert row in (await reader.get(URL)).json()["items"]


async def test_who_is_no_office_sees_no_partner(as_):
    row = await add_partner(await as_("tksk", PANJANG), type="psm", name="Sari Dewi")
    for caller in (await as_("agency", agency_id=agency_id("18.71:bpjs_office")), await as_("admin")):
        for url in (URL, f"{URL}/{row['id']}"):
            assert code_of(await caller.get(url)) == "permission_denied"


@pytest.mark.parametrize("role", ["ministry", "auditor", "district_head", "village_head"])
async def test_who_only_reads_the_directory_lists_nobody(as_, role):
    regions = {"district_head": PANJANG, "village_head": SRENGSEM}
    caller = await as_(role, regions.get(role))
    assert code_of(await caller.post(URL, json=partner())) == "permission_denied"


@pytest.mark.parametrize(
    ("role", "region", "place"),
    [
        ("village_clerk", SRENGSEM, SRENGSEM),
        ("tksk", PANJANG, PANJANG),
        ("regency_office", BANDAR_LAMPUNG, BANDAR_LAMPUNG),
        ("province_office", "18", "18"),
    ],
)
async def test_each_office_lists_partners_of_its_own_level_and_below_not_above(as_, role, region, place):
    caller = await as_(role, region)
    await add_partner(caller, region_code=place)
    for outside in (AMPENAN, {SRENGSEM: PANJANG, PANJANG: BANDAR_LAMPUNG, BANDAR_LAMPUNG: "18", "18": "52"}[place]):
        assert errors_of(await caller.post(URL, json=partner(region_code=outside))) == [
            ("/region_code", "outside_scope")
        ]


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"type": "pmks"}, "/type", "unknown_code"),
        ({"type": "psm", "unit": "institution"}, "/unit", "unit_mismatch"),
        ({"type": "other"}, "/unit", "missing"),
        ({"unit": "club"}, "/unit", "not_allowed"),
        ({"offers": ["food", "gold"]}, "/offers/1", "unknown_code"),
        ({"offers": ["food", "food"]}, "/offers/1", "duplicate_entry"),
        ({"pillars": ["welfare"]}, "/pillars/0", "unknown_code"),
        ({"programs": ["no_such_programme"]}, "/programs/0", "unknown_code"),
        ({"legal_entity": "yes"}, "/legal_entity", "only_for_lks"),
        ({"region_code": "18.71.04.1999"}, "/region_code", "unknown_region"),
        ({"phone": "call me"}, "/phone", "phone_format"),
        ({"notes": "NIK 1871046503910003"}, "/notes", "identity_number_in_text"),
        ({"is_active": False}, "/is_active", "unknown_field"),
    ],
)
async def test_what_is_wrong_with_a_partner_is_said_at_its_member(as_, over, pointer, code):
    assert errors_of(await (await as_("tksk", PANJANG)).post(URL, json=partner(**over))) == [(pointer, code)]


async def test_unit_and_legal_form_follow_the_type(as_):
    tksk = await as_("tksk", PANJANG)
    assert (await add_partner(tksk, type="pioneer_family"))["unit"] == "family"
    assert (await add_partner(tksk, type="other", unit="person"))["unit"] == "person"
    lks = await add_partner(tksk, type="lks")
    assert lks["legal_entity"] == "unknown"
    lks = (await changed(tksk, lks, legal_entity="yes")).json()
    assert lks["legal_entity"] == "yes"
    person = (await changed(tksk, lks, type="psm")).json()
    assert (person["type"], person["unit"], person["legal_entity"]) == ("psm", "person", None)
    assert errors_of(await changed(tksk, person, type="other")) == [("/unit", "missing")]
    assert errors_of(await changed(tksk, person, unit="family")) == [("/unit", "unit_mismatch")]


async def test_another_regions_partner_is_seen_but_not_changed(as_):
    row = await add_partner(await as_("tksk", PANJANG))
    stranger = await as_("tksk", AMPENAN)
    refused = await changed(stranger, row, name="Lain")
    assert (refused.status_code, code_of(refused)) == (403, "permission_denied")
    missing = await changed(stranger, {"id": uuid4(), "version": 1}, name="Lain")
    assert (missing.status_code, code_of(missing)) == (404, "not_found")
    office = await as_("regency_office", BANDAR_LAMPUNG)
    assert errors_of(await changed(office, row, region_code=AMPENAN)) == [("/region_code", "outside_scope")]
    assert errors_of(await changed(office, row, offers=None)) == [("/offers", "null_not_allowed")]
    better = (await changed(office, row, name="Karang Taruna Bahari", phone=None)).json()
    assert (better["name"], better["version"]) == ("Karang Taruna Bahari", 2)
    assert code_of(await changed(office, row, name="Lain")) == "stale_version"


async def test_a_partner_ends_with_a_day_and_a_reason_and_may_come_back(as_):
    tksk = await as_("tksk", PANJANG)
    row = await add_partner(tksk)
    assert errors_of(await changed(tksk, row, is_active=False)) == [("/ended_on", "missing")]
    assert errors_of(await changed(tksk, row, ended_on="2026-11-01")) == [("/ended_on", "only_when_ended")]
    end = {"is_active": False, "ended_on": "2026-11-01"}
    assert errors_of(await changed(tksk, row, **end)) == [("/end_reason", "missing")]
    assert errors_of(await changed(tksk, row, **end, end_reason="bored")) == [("/end_reason", "unknown_code")]
    assert errors_of(await changed(tksk, row, **end, end_reason="other")) == [("/notes", "other_note_required")]
    ahead = {**end, "ended_on": "2099-01-01", "end_reason": "dissolved"}
    assert errors_of(await changed(tksk, row, **ahead)) == [("/ended_on", "in_future")]
    row = (await changed(tksk, row, **end, end_reason="dissolved")).json()
    assert (row["is_active"], row["ended_on"], row["end_reason"]) == (False, "2026-11-01", "dissolved")
    assert row["name"] in await names(tksk, "is_active=false")
    assert row["name"] not in await names(tksk, "is_active=true")
    row = (await changed(tksk, row, is_active=True)).json()
    assert (row["is_active"], row["ended_on"], row["end_reason"]) == (True, None, None)


async def test_partners_are_found_by_type_offer_and_place(as_):
    province, elsewhere = await as_("province_office", "18"), await as_("tksk", AMPENAN)
    for name, region, offers in (
        ("Provinsi", "18", ["funding"]),
        ("Kota", BANDAR_LAMPUNG, ["food", "shelter"]),
        ("Kota lain", "18.72", ["food"]),
        ("Kecamatan", PANJANG, ["food"]),
        ("Kelurahan", SRENGSEM, ["transport"]),
        ("Kelurahan sebelah", "18.71.04.1003", ["food"]),
    ):
        await add_partner(province, name=name, region_code=region, offers=offers)
    await add_partner(elsewhere, name="Ampenan", region_code=AMPENAN, type="lks", offers=["food"])
    assert await names(elsewhere, "type=lks") == {"Ampenan"}
    assert await names(elsewhere, "offer=food") == {"Kota", "Kota lain", "Kecamatan", "Kelurahan sebelah", "Ampenan"}
    inside = {"Kota", "Kecamatan", "Kelurahan", "Kelurahan sebelah"}
    assert await names(elsewhere, f"region_code={BANDAR_LAMPUNG}") == inside
    assert await names(elsewhere, f"region_code={SRENGSEM}") == {"Kelurahan"}
    assert await names(elsewhere, f"serving={SRENGSEM}") == {"Provinsi", "Kota", "Kecamatan", "Kelurahan"}
    assert await names(elsewhere, "serving=18") == {"Provinsi"}
    assert await names(elsewhere, f"serving={SRENGSEM}&offer=food") == {"Kota", "Kecamatan"}
    assert await names(elsewhere, f"serving={SRENGSEM}&region_code={PANJANG}") == {"Kecamatan", "Kelurahan"}
    assert errors_of(await elsewhere.get(f"{URL}?region_code=18.7")) == [("/region_code", "bad_format")]


async def test_a_misspelt_name_is_found_within_the_regency_asked_for(as_):
    here, there = await as_("tksk", PANJANG), await as_("tksk", AMPENAN)
    await add_partner(here, name="Yayasan Bina Sejahtera", type="lks")
    await add_partner(there, name="Yayasan Bina Sejahtera Ampenan", type="lks", region_code=AMPENAN)
    await add_partner(here, name="PT Semen Contoh", type="business")
    for spelt in ("Yayasan Bina Sejahtra", "yayasan bina sejahterah", "SEJAHTERA", "sejatera"):
        assert await names(here, f"region_code={BANDAR_LAMPUNG}&q={spelt}") == {"Yayasan Bina Sejahtera"}, spelt
    assert await names(here, f"serving={AMPENAN}&q=Bina Sejahtera") == {"Yayasan Bina Sejahtera Ampenan"}
    assert await names(here, f"region_code={BANDAR_LAMPUNG}&q=Puskesmas") == set()
    for nowhere in ("", "&region_code=18", "&offer=food"):
        assert errors_of(await here.get(f"{URL}?q=Sejahtera{nowhere}")) == [("/region_code", "search_needs_area")]
    assert errors_of(await here.get(f"{URL}?q=%25%25")) == [("/q", "nothing_readable")]
    assert errors_of(await here.get(f"{URL}?q=a")) == [("/q", "too_short")]


async def test_pages_follow_each_other_under_a_search(as_):
    tksk = await as_("tksk", PANJANG)
    for number in range(5):
        await add_partner(tksk, name=f"Karang Taruna {number}")
    query, seen = {"q": "karang taruna", "region_code": PANJANG, "sort": "name", "limit": 2}, []
    while True:
        page = (await tksk.get(URL, params=query)).json()
        seen += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [f"Karang Taruna {number}" for number in range(5)]


async def test_the_same_client_id_twice_is_one_partner(as_):
    tksk, body = await as_("tksk", PANJANG), partner(id=str(uuid4()))
    first, again = await tksk.post(URL, json=body), await tksk.post(URL, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert code_of(await tksk.post(URL, json={**body, "name": "Lain"})) == "id_in_use"


async def test_a_change_is_kept_in_the_history(as_, owner):
    tksk = await as_("tksk", PANJANG)
    row = await add_partner(tksk)
    await changed(tksk, row, name="Nama baru")
    kept = await owner.fetch("SELECT action, actor_id FROM changes WHERE entity = 'partners' ORDER BY id")
    assert [(change["action"], change["actor_id"]) for change in kept] == [
        ("create", tksk.user_id),
        ("update", tksk.user_id),
    ]


# ---- named in the work log and in referrals --------------------------------------------------------------------------


def activity(**over):
    return {
        "occurred_on": "2026-11-02",
        "pillar": "protection",
        "function": "coordination",
        "kind": "home_visit",
        "title": "Penyaluran bantuan",
        "region_code": SRENGSEM,
        **over,
    }


async def test_an_activity_names_active_partners_of_any_region(as_):
    tksk = await as_("tksk", PANJANG)
    here = await add_partner(tksk)
    there = await add_partner(await as_("tksk", AMPENAN), region_code=AMPENAN)
    answer = await tksk.post("/v1/activities", json=activity(partner_ids=[here["id"], there["id"]]))
    assert answer.status_code == 201, answer.text
    assert answer.json()["partner_ids"] == [here["id"], there["id"]]
    gone = (await changed(tksk, here, is_active=False, ended_on="2026-11-01", end_reason="dissolved")).json()
    refused = await tksk.post(
        "/v1/activities", json=activity(partner_ids=[gone["id"], str(uuid4()), there["id"], there["id"]])
    )
    assert errors_of(refused) == [
        ("/partner_ids/0", "partner_inactive"),
        ("/partner_ids/1", "unknown_reference"),
        ("/partner_ids/3", "duplicate_entry"),
    ]
    # What was named while it was active stays.
    kept = await tksk.patch(
        f"/v1/activities/{answer.json()['id']}", json={"partner_ids": [gone["id"]]}, headers={"If-Match": '"v1"'}
    )
    assert (kept.status_code, kept.json()["partner_ids"]) == (200, [gone["id"]])


async def test_a_referral_names_partners_that_help_with_it(as_):
    tksk = await as_("tksk", PANJANG)
    helper, person = await add_partner(tksk), await add_person(tksk)
    body = {
        "beneficiary_id": person["id"],
        "program": "pbi_jk",
        "agency_id": str(agency_id("18.71:bpjs_office")),
        "reason": "Tidak mampu membayar iuran",
        "consent": "given",
    }
    assert (await tksk.post("/v1/referrals", json=body)).json()["partner_ids"] == []
    assert errors_of(await tksk.post("/v1/referrals", json={**body, "partner_ids": [str(uuid4())]})) == [
        ("/partner_ids/0", "unknown_reference")
    ]
    made = (await tksk.post("/v1/referrals", json={**body, "partner_ids": [helper["id"]]})).json()
    assert made["partner_ids"] == [helper["id"]]
    url, version = f"/v1/referrals/{made['id']}", {"If-Match": '"v1"'}
    assert errors_of(await tksk.patch(url, json={"partner_ids": None}, headers=version)) == [
        ("/partner_ids", "null_not_allowed")
    ]
    emptied = await tksk.patch(url, json={"partner_ids": []}, headers=version)
    assert (emptied.status_code, emptied.json()["partner_ids"]) == (200, [])
