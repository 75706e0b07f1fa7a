"""One letter for one need, one number, one name of a case; and a way back for what changed between two signatures."""

import asyncio
import random
import string
from uuid import uuid4

from helpers import SRENGSEM, add_person, code_of
from sktm_flow import BASE_DOCUMENTS, URL, application, draft, issued, offices, ok, verified

POLICIES = "/v1/sktm-policies"
NUMBERS = "/v1/sktm-numbers"
REASON = {"reason_code": "incomplete_documents", "note": "Nama berubah sejak diperiksa"}


async def put(caller, region, version=None, **settings):
    headers = {} if version is None else {"If-Match": f'"v{version}"'}
    return ok(await caller.put(f"{POLICIES}/{region}", json=settings, headers=headers))


async def patch(caller, row, **changes):
    return await caller.patch(f"{URL}/{row['id']}", json=changes, headers={"If-Match": f'"v{row["version"]}"'})


# ---- one letter for one need -----------------------------------------------------------------------------------------


async def test_a_detail_of_any_length_is_kept_and_known_again(as_):
    team = await offices(as_)
    dice, person = random.Random(4000), await add_person(team.clerk)
    detail = "".join(dice.choices(string.ascii_letters + "éßжश", k=4000))  # too varied to be packed into an index entry
    row = await draft(team, person, purpose_detail=detail)
    assert row["purpose_detail"] == detail
    same = await team.clerk.post(URL, json=application(person["id"], purpose_detail=detail))
    assert code_of(same) == "duplicate_application"


async def test_a_correction_comes_to_no_letter_that_is_in_force(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    await issued(owner, team, person, purpose_detail="Seragam sekolah")
    other = await draft(team, person, purpose_detail="Buku sekolah")
    assert code_of(await patch(team.clerk, other, purpose_detail="seragam  SEKOLAH")) == "duplicate_application"
    assert (await patch(team.clerk, other, addressed_to="SMP Negeri 30")).status_code == 200


async def test_what_became_the_same_meanwhile_is_neither_submitted_nor_signed(as_, owner):
    """As when two records of one person are merged."""
    team = await offices(as_)
    person = await add_person(team.clerk)
    early, late = [await draft(team, person, purpose_detail=f"Beasiswa {n}") for n in range(2)]
    held = await verified(owner, team, person, purpose_detail="Beasiswa 2")
    await issued(owner, team, person, purpose_detail="Seragam sekolah")
    await owner.execute("UPDATE sktm_applications SET purpose_detail = 'Seragam sekolah' WHERE id = $1", held["id"])
    assert code_of(await team.head.act(f"{URL}/{held['id']}/sign")) == "duplicate_application"
    ok(await team.clerk.act(f"{URL}/{held['id']}/cancel", {"note": "Sudah ada"}))
    await owner.execute("UPDATE sktm_applications SET purpose_detail = 'Seragam sekolah' WHERE id = $1", early["id"])
    assert code_of(await team.clerk.act(f"{URL}/{early['id']}/submit")) == "duplicate_application"
    assert ok(await team.clerk.act(f"{URL}/{late['id']}/submit"))["status"] == "submitted"


async def test_a_letter_is_replaced_by_one_letter(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    old = await issued(owner, team, person)
    first = await verified(owner, team, person, purpose_detail="Beasiswa, nama diperbaiki", replaces_id=old["id"])
    body = application(person["id"], purpose_detail="Beasiswa, alamat diperbaiki", replaces_id=old["id"])
    assert code_of(await team.clerk.post(URL, json=body)) == "duplicate_application"
    ok(await team.head.act(f"{URL}/{first['id']}/reject", REASON | {"reason_code": "capable_household"}))
    second = await draft(team, person, **{name: body[name] for name in ("purpose_detail", "replaces_id")})
    refused = await patch(team.clerk, second, purpose="health")
    assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
        ("/purpose", "nothing_to_replace")
    ]


async def test_nothing_is_replaced_that_was_revoked_meanwhile(as_, owner):
    team = await offices(as_)
    person, early = await add_person(team.clerk), await add_person(team.clerk, full_name="Dewi Lestari")
    olds = [await issued(owner, team, one) for one in (early, person)]
    drafted = await draft(team, early, purpose_detail="Beasiswa, nama diperbaiki", replaces_id=olds[0]["id"])
    ready = await verified(owner, team, person, purpose_detail="Beasiswa, nama diperbaiki", replaces_id=olds[1]["id"])
    for old in olds:
        ok(await team.dinsos.act(f"{URL}/{old['id']}/revoke", REASON | {"reason_code": "false_statement"}))
    for caller, row, action in ((team.clerk, drafted, "submit"), (team.head, ready, "sign")):
        refused = await caller.act(f"{URL}/{row['id']}/{action}")
        assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [
            ("/replaces_id", "nothing_to_replace")
        ]
    assert await owner.fetchval("SELECT count(*) FROM sktm_letters") == 2


async def test_a_signature_and_the_revocation_of_what_it_replaces_come_one_after_the_other(as_, owner):
    """Signed first, the earlier letter was replaced and then revoked; revoked first, nothing replaces it."""
    team = await offices(as_)
    person = await add_person(team.clerk)
    old = await issued(owner, team, person)
    new = await verified(owner, team, person, purpose_detail="Beasiswa, nama diperbaiki", replaces_id=old["id"])
    async with owner.transaction():  # as a revocation that is about to commit
        await owner.execute(
            "UPDATE sktm_letters SET revoked_at = now(), revoked_reason = 'false_statement', version = version + 1"
        )
        signing = asyncio.create_task(team.head.act(f"{URL}/{new['id']}/sign", version=new["version"]))
        await asyncio.sleep(0.5)
        assert not signing.done()
    assert [error["code"] for error in (await signing).json()["errors"]] == ["nothing_to_replace"]
    assert await owner.fetchval("SELECT count(*) FROM sktm_letters") == 1


async def test_a_letter_that_is_not_good_any_more_is_not_handed_over(as_, owner):
    team = await offices(as_)
    person = await add_person(team.clerk)
    old = await issued(owner, team, person)
    new = await issued(owner, team, person, purpose_detail="Beasiswa, nama diperbaiki", replaces_id=old["id"])
    refused = await team.clerk.act(f"{URL}/{old['id']}/collect")
    assert (refused.status_code, code_of(refused), refused.json()["letter_status"]) == (
        409,
        "letter_not_valid",
        "superseded",
    )
    await owner.execute("UPDATE sktm_letters SET valid_until = current_date - 9")
    refused = await team.clerk.act(f"{URL}/{new['id']}/collect")
    assert (code_of(refused), refused.json()["letter_status"]) == ("letter_not_valid", "expired")


# ---- between two signatures ------------------------------------------------------------------------------------------


async def test_facts_that_change_between_two_signatures_lead_back_and_not_nowhere(as_, owner):
    team = await offices(as_)
    await put(team.dinsos, "18.71", signatories=["village_head", "district_head"])
    person = await add_person(team.clerk)
    row = await verified(owner, team, person)
    url = f"{URL}/{row['id']}"
    assert ok(await team.head.act(f"{url}/sign"))["status"] == "signing"
    version = ok(await team.clerk.get(f"/v1/beneficiaries/{person['id']}"))["version"]
    headers = {"If-Match": f'"v{version}"'}
    changed = await team.clerk.patch(
        f"/v1/beneficiaries/{person['id']}", json={"full_name": "Siti Rahmawaty"}, headers=headers
    )
    assert changed.status_code == 200, changed.text
    assert code_of(await team.camat.act(f"{url}/sign")) == "facts_changed"

    back = ok(await team.tksk.act(f"{url}/return", REASON))
    assert (back["status"], back["signatures"]) == ("returned", [])
    steps = ok(await team.clerk.get(f"{url}/history"))["items"]
    assert [step["action"] for step in steps][-2:] == ["sign", "return"]
    told = ok(await team.clerk.get("/v1/notifications"))["items"]
    assert (told[0]["template"], told[0]["entity_id"]) == ("sktm_returned", row["id"])

    ok(await team.clerk.act(f"{url}/submit"))
    documents = [{"kind": kind, "status": "ok"} for kind in BASE_DOCUMENTS]
    ok(await team.clerk.act(f"{url}/check", {"documents": documents}))
    ok(await team.tksk.act(f"{url}/verify", {"visit_id": row["visit_id"], "recommendation": "Layak"}))
    assert ok(await team.head.act(f"{url}/sign"))["status"] == "signing"  # the one taken back does not count
    done = ok(await team.camat.act(f"{url}/sign"))
    assert [signature["role"] for signature in done["signatures"]] == ["village_head", "district_head"]
    assert code_of(await team.tksk.act(f"{url}/return", REASON)) == "transition_refused"


async def test_the_second_signatory_may_refuse_for_good(as_, owner):
    team = await offices(as_)
    await put(team.dinsos, "18.71", signatories=["village_head", "district_head"])
    row = await verified(owner, team)
    ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    done = ok(await team.camat.act(f"{URL}/{row['id']}/reject", REASON | {"reason_code": "capable_household"}))
    assert (done["status"], len(done["signatures"])) == ("rejected", 1)


# ---- one number, one name --------------------------------------------------------------------------------------------


async def test_a_number_that_another_series_gave_is_left_out_with_its_reason(as_, owner):
    team = await offices(as_)
    await put(team.dinsos, "18.71", unit_code="PD", number_pattern="{sequence}/{unit}/{year}")
    before = [(await issued(owner, team, purpose_detail=f"Beasiswa {n}"))["letter"]["number"] for n in range(2)]
    await put(team.dinsos, "18.71", 1, unit_code="PD", number_pattern="{sequence}/{type}/{year}")
    after = (await issued(owner, team, purpose_detail="Beasiswa 2"))["letter"]["number"]
    assert [number.partition("/")[0] for number in (*before, after)] == ["001", "002", "003"]
    void = ok(await team.head.get(f"{NUMBERS}?status=void&region_code={SRENGSEM}"))["items"]
    assert sorted((row["series"], row["sequence"], row["reason_code"]) for row in void) == [
        ("PD", 1, "number_given"),
        ("PD", 2, "number_given"),
    ]


async def test_a_region_is_warned_of_numbers_that_its_villages_share(as_, owner):
    team = await offices(as_)
    shared = await put(team.dinsos, "18.71", unit_code="KEL")
    assert shared["warnings"] == ["villages_share_numbers"]
    pattern = await put(team.dinsos, "18.71", 1, number_pattern="{sequence}/{month}/{year}")
    assert pattern["warnings"] == ["villages_share_numbers"]
    told_apart = await put(team.dinsos, "18.71", 2, unit_code="KEL-{region_code}")
    assert told_apart["warnings"] == []
    number = (await issued(owner, team))["letter"]["number"]
    assert f"/KEL-{SRENGSEM}/" in number
    assert (await put(team.dinsos, SRENGSEM, unit_code="SRG"))["warnings"] == []
    listed = ok(await team.dinsos.get(f"{POLICIES}?region_code=18.71"))["items"]
    assert [row["warnings"] for row in listed] == [[]]
    for unit in ("{region_code}{region_code}", "{year}", "{region_code", "{}"):
        refused = await team.dinsos.put(f"{POLICIES}/18.71", json={"unit_code": unit}, headers={"If-Match": '"v3"'})
        assert refused.status_code == 422, unit


async def test_two_cases_never_have_one_number(as_):
    team = await offices(as_)
    first, end = str(uuid4()), str(uuid4())[-10:]
    ids = [first[:-10] + end, str(uuid4())[:-10] + end]
    row = await draft(team, id=ids[0])
    other = await add_person(team.clerk)
    refused = await team.clerk.post(URL, json=application(other["id"], id=ids[1]))
    assert (refused.status_code, code_of(refused)) == (409, "id_in_use")
    found = ok(await team.clerk.get(f"{URL}?case_number={row['case_number']}"))["items"]
    assert [one["id"] for one in found] == [row["id"]]
