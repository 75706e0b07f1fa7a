"""Bad input and bad moments around a signature: one wins, nothing is half done, and the letter says what was meant."""

import asyncio
import io
from collections import Counter
from datetime import date, timedelta
from uuid import UUID

import pypdf
import pytest
from test_referrals import BODIES as ANSWERS
from test_referrals import BPJS, add_referral, step

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of, nik
from sktm_flow import URL, offices, ok, verified

PEOPLE = "/v1/beneficiaries"
YESTERDAY = str(date.today() - timedelta(days=1))  # noqa: DTZ011 - passed everywhere in Indonesia
DEATH = {"died_on": YESTERDAY, "source": "neighbourhood"}


async def text_of(caller, row):
    """The letter's words, with every run of white space as one space."""
    answer = await caller.get(f"{URL}/{row['id']}/letter")
    assert answer.status_code == 200, answer.text
    return " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages)


async def letters_are_whole(owner):
    """As many letters as numbers given, and each application that is issued has its own."""
    given = [row["sequence"] for row in await owner.fetch("SELECT sequence FROM sktm_letters ORDER BY sequence")]
    assert given == list(range(1, len(given) + 1))
    assert await owner.fetchval("SELECT coalesce(sum(last), 0) FROM sktm_counters") == len(given)
    issued = "SELECT count(*) FROM sktm_applications WHERE status IN ('issued', 'collected', 'revoked')"
    assert await owner.fetchval(issued) == len(given)


async def test_of_twenty_signers_one_wins(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    heads = [
        await as_("village_head", SRENGSEM, full_name=f"Lurah Pengganti {word}") for word in "ABCDEFGHIJKLMNOPQRST"
    ]
    answers = await asyncio.gather(*(head.act(f"{URL}/{row['id']}/sign", version=row["version"]) for head in heads))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
    winner = heads[[answer.status_code for answer in answers].index(200)]
    assert await owner.fetchval("SELECT count(*) FROM sktm_letters") == 1
    assert await owner.fetchval("SELECT user_id FROM sktm_signatures") == winner.user_id
    await letters_are_whole(owner)


@pytest.mark.parametrize("turn", range(3))
async def test_signing_revoking_returning_and_cancelling_at_once_leave_one_of_them(as_, owner, turn):
    team = await offices(as_)
    row = await verified(owner, team)
    url, version = f"{URL}/{row['id']}", row["version"]
    takes = [
        team.head.act(f"{url}/sign", version=version),
        team.tksk.act(f"{url}/cancel", {"note": "batal"}, version=version),
        team.head.act(f"{url}/return", {"reason_code": "incomplete_documents", "note": "kurang"}, version=version),
        team.dinsos.act(f"{url}/revoke", {"reason_code": "false_statement", "note": "palsu"}, version=version + 1),
    ]
    answers = await asyncio.gather(*takes[turn:], *takes[:turn])
    ordered = [*answers[len(takes) - turn :], *answers[: len(takes) - turn]]
    first, revoked = ordered[:3], ordered[3]
    assert Counter(answer.status_code for answer in first) == {200: 1, 412: 2}
    status = ok(await team.clerk.get(url))["status"]
    if revoked.status_code == 200:
        assert (first[0].status_code, status) == (200, "revoked")
    else:
        assert code_of(revoked) in ("stale_version", "transition_refused")
        assert status == next(answer.json()["status"] for answer in first if answer.status_code == 200)
    assert (await owner.fetchval("SELECT count(*) FROM sktm_letters")) == (first[0].status_code == 200)
    await letters_are_whole(owner)


async def test_signing_keeps_the_policy_it_was_submitted_under(as_, owner):
    """Two signatories were asked for; between the first and the second the regency asks for one, and counts anew."""
    team = await offices(as_)
    policy = f"/v1/sktm-policies/{BANDAR_LAMPUNG}"
    assert (await team.dinsos.put(policy, json={"signatories": ["village_head", "district_head"]})).status_code == 200
    row = await verified(owner, team)
    assert ok(await team.head.act(f"{URL}/{row['id']}/sign"))["status"] == "signing"
    changed = {"signatories": ["village_head"], "classification": "460", "validity_months": 1}
    put, late = await asyncio.gather(
        team.dinsos.put(policy, json=changed, headers={"If-Match": '"v1"'}),
        team.head.act(f"{URL}/{row['id']}/sign"),
    )
    assert (put.status_code, code_of(late)) == (200, "separation_of_duties")
    done = ok(await team.camat.act(f"{URL}/{row['id']}/sign"))
    assert (done["status"], len(done["signatures"])) == ("issued", 2)
    assert done["letter"]["number"].startswith("400.9/001/")
    following = ok(await team.head.act(f"{URL}/{(await verified(owner, team))['id']}/sign"))
    assert following["letter"]["number"].startswith("460/002/")


async def test_a_head_on_leave_is_stood_in_for_under_their_own_name(as_, owner):
    """Whoever acts for the lurah signs as themselves; the account of the one on leave is disabled meanwhile."""
    team = await offices(as_)
    row = await verified(owner, team)
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", team.head.user_id)
    assert code_of(await team.head.act(f"{URL}/{row['id']}/sign", version=row["version"])) == "unauthenticated"
    acting = await as_("village_head", SRENGSEM, full_name="Sri Wahyuni", position_title="Plt. Lurah Srengsem")
    done = ok(await acting.act(f"{URL}/{row['id']}/sign"))
    assert [(one["full_name"], one["title"]) for one in done["signatures"]] == [("Sri Wahyuni", "Plt. Lurah Srengsem")]
    assert "Plt. Lurah Srengsem" in await text_of(team.clerk, row)


async def test_a_signer_disabled_midway_has_signed_and_the_next_one_does(as_, owner):
    team = await offices(as_)
    body = {"signatories": ["village_head", "district_head"]}
    assert (await team.dinsos.put(f"/v1/sktm-policies/{PANJANG}", json=body)).status_code == 200
    row = await verified(owner, team)
    ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    for gone in (team.head, team.camat):
        await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", gone.user_id)
    successor = await as_("district_head", PANJANG, full_name="Bambang Irawan")
    done = ok(await successor.act(f"{URL}/{row['id']}/sign"))
    assert [one["full_name"] for one in done["signatures"]] == ["Hendra Saputra, S.Sos.", "Bambang Irawan"]
    assert done["status"] == "issued"


# ---- the person meanwhile --------------------------------------------------------------------------------------------


async def test_no_letter_for_the_dead_and_no_number_spent(as_, owner):
    team = await offices(as_)
    row = await verified(owner, team)
    ok(await team.clerk.act(f"{PEOPLE}/{row['beneficiary_id']}/deceased", DEATH))
    refused = await team.head.act(f"{URL}/{row['id']}/sign")
    assert (refused.status_code, code_of(refused)) == (409, "beneficiary_deceased")
    stays = ok(await team.head.get(f"{URL}/{row['id']}"))
    assert (stays["status"], stays["signatures"], stays["version"]) == ("verified", [], row["version"])
    await letters_are_whole(owner)
    assert ok(await team.tksk.act(f"{URL}/{row['id']}/cancel", {"note": "meninggal"}))["status"] == "cancelled"


async def test_a_letter_issued_before_the_death_stays_in_the_register(as_, owner, client):
    team = await offices(as_)
    row = await verified(owner, team)
    died, signed = await asyncio.gather(
        team.clerk.act(f"{PEOPLE}/{row['beneficiary_id']}/deceased", DEATH, version=1),
        team.head.act(f"{URL}/{row['id']}/sign", version=row["version"]),
    )
    assert died.status_code == 200, died.text
    assert signed.status_code == 200 or code_of(signed) == "beneficiary_deceased", signed.text
    await letters_are_whole(owner)
    if signed.status_code == 200:
        found = await client.get(signed.json()["letter"]["verification_url"], headers={"Accept": "application/json"})
        assert found.json()["status"] == "valid"
        assert (await team.clerk.get(f"{URL}/{row['id']}/letter")).status_code == 200


async def test_a_letter_names_whom_the_checked_application_named(as_, owner):
    """Merged after the check, the facts are another's: looked at again, the letter names the record that stands."""
    team = await offices(as_)
    goes = await add_person(team.clerk, nik=None, nik_status="none", full_name="Siti Rahmawty")
    stays = await add_person(team.clerk, nik=nik())
    row = await verified(owner, team, goes)
    merged = {"into_id": stays["id"], "reason": "Orang yang sama"}
    ok(await team.tksk.act(f"{PEOPLE}/{goes['id']}/merge", merged))
    refused = await team.head.act(f"{URL}/{row['id']}/sign")
    assert (refused.status_code, code_of(refused)) == (409, "facts_changed")
    await letters_are_whole(owner)
    ok(await team.head.act(f"{URL}/{row['id']}/return", {"reason_code": "nik_not_matched", "note": "Periksa lagi"}))
    ok(await team.clerk.act(f"{URL}/{row['id']}/submit"))
    documents = [{"kind": kind, "status": "ok"} for kind in ("cover_letter", "ktp", "family_card", "school_letter")]
    ok(await team.clerk.act(f"{URL}/{row['id']}/check", {"documents": documents}))
    ok(await team.tksk.act(f"{URL}/{row['id']}/verify", {"visit_id": row["visit_id"], "recommendation": "Layak"}))
    done = ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert (done["beneficiary_id"], done["applicant"]["full_name"]) == (stays["id"], "Siti Rahmawati")
    text = await text_of(team.clerk, row)
    assert "Siti Rahmawati" in text and "Rahmawty" not in text


@pytest.mark.parametrize("turn", range(2))
async def test_merging_and_signing_at_once_lose_nothing(as_, owner, turn):
    team = await offices(as_)
    goes = await add_person(team.clerk, nik=None, nik_status="none", full_name="Siti Rahmawty")
    stays = await add_person(team.clerk)
    row = await verified(owner, team, goes)
    sign = team.head.act(f"{URL}/{row['id']}/sign", version=row["version"])
    merge = team.tksk.act(
        f"{PEOPLE}/{goes['id']}/merge", {"into_id": stays["id"], "reason": "Orang yang sama"}, version=1
    )
    answers = await asyncio.gather(*((sign, merge) if turn else (merge, sign)))
    signed, merged = answers if turn else answers[::-1]
    assert merged.status_code == 200, merged.text
    now = ok(await team.head.get(f"{URL}/{row['id']}"))
    assert now["beneficiary_id"] == stays["id"]
    if signed.status_code == 200:
        assert now["status"] == "issued"
        assert "Siti Rahmawty" in await text_of(team.clerk, row)  # whom it named when it was signed
    else:
        assert code_of(signed) in ("facts_changed", "stale_version"), signed.text
        assert now["status"] == "verified"
    await letters_are_whole(owner)


# ---- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        '#panic("tidak") $x^2$ *tebal* _miring_ @acuan <label> \\ ` // /* ~ = Judul',
        "Beasiswa " + "untuk anak yang rajin belajar di kampung kami " * 85 + "TAMAT.",
        "مساعدة دراسية untuk siswa madrasah",
    ],
    ids=["markup", "long", "arabic"],
)
async def test_words_are_printed_and_never_obeyed(as_, owner, words):
    team = await offices(as_)
    row = await verified(owner, team, purpose_detail=words[:4000], addressed_to=words[:200].strip())
    done = ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert done["purpose_detail"] == words[:4000]
    printed = "".join((await text_of(team.clerk, row)).split())
    for part in words.partition(" untuk "):  # one before the page turns, and the last word before it ends
        told = "".join(part.split())
        assert not told.isascii() or (told[:60] in printed and told[-60:] in printed)
    await letters_are_whole(owner)


# ---- referrals -------------------------------------------------------------------------------------------------------


async def test_a_referral_is_approved_once(as_):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    url = f"/v1/referrals/{(await add_referral(tksk))['id']}"
    for caller, action in ((tksk, "submit"), (bpjs, "receive"), (bpjs, "review")):
        await step(caller, url, action)
    numbers = [{**ANSWERS["approve"], "reference_number": f"{n}/BPJS"} for n in range(6)]
    answers = await asyncio.gather(*(bpjs.act(f"{url}/approve", body, version=4) for body in numbers))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 5}
    approved = next(answer.json() for answer in answers if answer.status_code == 200)
    again = await bpjs.act(f"{url}/approve", ANSWERS["approve"])
    assert (again.status_code, code_of(again), again.json()["state"]) == (409, "transition_refused", "approved")
    assert ok(await tksk.get(url))["reference_number"] == approved["reference_number"]
    assert len((await tksk.get(f"{url}/history")).json()["items"]) == 4


async def test_an_agency_learns_that_it_answers_what_was_cancelled(as_, owner):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    url = f"/v1/referrals/{(await add_referral(tksk))['id']}"
    for caller, action in ((tksk, "submit"), (bpjs, "receive"), (bpjs, "review"), (tksk, "cancel")):
        await step(caller, url, action)
    for action in ("review", "request-documents", "approve", "reject", "waitlist", "activate", "end"):
        answer = await bpjs.act(f"{url}/{action}", ANSWERS.get(action))
        assert (answer.status_code, code_of(answer)) == (409, "transition_refused"), action
        assert (answer.json()["state"], answer.json()["allowed_actions"]) == ("cancelled", [])
    key = UUID(url.rsplit("/", 1)[1])
    assert await owner.fetchval("SELECT count(*) FROM transitions WHERE entity_id = $1", key) == 4
