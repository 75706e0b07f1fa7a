"""Who is told of what: the inbox, settings, and how little of a person a message says."""

import asyncio
from datetime import UTC, datetime
from string import Formatter
from uuid import UUID, uuid4

import pytest

from helpers import AMPENAN, PANJANG, SRENGSEM, add_person, code_of
from sktm_flow import URL, application, checked, draft, issued, offices, ok, submitted, verified
from tksk_api.domain.activities.workflow import WORKFLOW as ACTIVITIES
from tksk_api.domain.notifications.notices import FIELDS, NOTICES, READ_BY, readers_of, templates
from tksk_api.domain.notifications.outbox import tell_deadlines
from tksk_api.domain.referrals.workflow import WORKFLOW as REFERRALS
from tksk_api.domain.reports.workflow import WORKFLOW as REPORTS
from tksk_api.domain.retention.service import apply, schedule
from tksk_api.domain.sktm_applications.workflow import WORKFLOW as SKTM
from tksk_api.security.permissions import Role

INBOX = "/v1/notifications"
SETTINGS = "/v1/me/notification-settings"


@pytest.fixture
async def team(as_):
    return await offices(as_)


@pytest.fixture
async def bpjs(as_, owner):
    agency = await owner.fetchval(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, 'BPJS Bandar Lampung', 'bpjs_office', '18.71', true, $1) RETURNING id",
        uuid4(),
    )
    caller = await as_("agency", agency_id=agency)
    caller.agency_id = str(agency)
    return caller


async def inbox(caller, query=""):
    answer = await caller.get(f"{INBOX}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def told(caller):
    """The templates in the caller's inbox, oldest first."""
    return [item["template"] for item in reversed(await inbox(caller))]


async def refer(team, bpjs, **over):
    body = {
        "beneficiary_id": (await add_person(team.clerk, **over))["id"],
        "program": "pbi_jk",
        "agency_id": bpjs.agency_id,
        "reason": "Tidak mampu membayar iuran",
        "consent": "given",
        "documents": [{"kind": kind, "shown_physically": True} for kind in ("ktp", "family_card")],
    }
    answer = await team.tksk.post("/v1/referrals", json=body)
    assert answer.status_code == 201, answer.text
    row = answer.json()
    return ok(await team.tksk.act(f"/v1/referrals/{row['id']}/submit"))


# ---- who is told -----------------------------------------------------------------------------------------------------


async def test_a_letter_is_told_of_from_desk_to_desk(owner, team):
    row = await issued(owner, team)
    # The clerk hands it in and checks it, so only others hear of that.
    assert await told(team.clerk) == ["sktm_issued"]
    assert await told(team.tksk) == ["sktm_submitted", "sktm_checked"]
    assert await told(team.head) == ["sktm_to_sign"]
    assert await told(team.camat) == await told(team.dinsos) == []
    (item,) = await inbox(team.head)
    assert item == {
        "id": item["id"],
        "kind": "task",
        "template": "sktm_to_sign",
        "title": "SKTM menunggu tanda tangan Anda",
        "body": f"Permohonan {row['case_number']} a.n. Siti sudah diverifikasi dan menunggu tanda tangan Anda.",
        "entity": "sktm_applications",
        "entity_id": row["id"],
        "beneficiary_id": row["beneficiary_id"],
        "case_number": row["case_number"],
        "due_on": None,
        "read_at": None,
        "created_at": item["created_at"],
    }
    ok(await team.dinsos.act(f"{URL}/{row['id']}/revoke", {"reason_code": "false_statement", "note": "Palsu"}))
    assert (await told(team.clerk))[-1] == (await told(team.tksk))[-1] == "sktm_revoked"


@pytest.mark.parametrize(
    "policy",
    [{"visit_required": False}, {"visit_required_for": {"education": False}}],
    ids=["nowhere", "not_for_this_purpose"],
)
async def test_where_no_visit_is_asked_for_the_signatory_hears_of_the_check(team, policy):
    answer = await team.dinsos.put(f"/v1/sktm-policies/{SRENGSEM}", json=policy)
    assert answer.status_code == 200, answer.text
    row = await checked(team)
    assert await told(team.tksk) == ["sktm_submitted"]
    assert await told(team.head) == ["sktm_checked_to_sign"]
    (task,) = (await team.head.get("/v1/worklist")).json()["items"]
    assert (task["kind"], task["id"]) == ("sktm_to_sign", row["id"])


async def test_the_second_signatory_hears_when_the_first_has_signed(owner, team):
    policy = {"signatories": ["village_head", "district_head"]}
    answer = await team.dinsos.put(f"/v1/sktm-policies/{SRENGSEM}", json=policy)
    assert answer.status_code == 200, answer.text
    row = await verified(owner, team)
    assert await told(team.camat) == []
    assert ok(await team.head.act(f"{URL}/{row['id']}/sign"))["status"] == "signing"
    assert await told(team.camat) == ["sktm_to_sign"]
    assert await told(team.head) == ["sktm_to_sign"]


async def test_returned_and_rejected_go_to_whoever_made_it(owner, team):
    person = await add_person(team.clerk)
    answer = await team.tksk.post(URL, json=application(person["id"]))
    row = ok(await team.tksk.act(f"{URL}/{answer.json()['id']}/submit"))
    ok(await team.clerk.act(f"{URL}/{row['id']}/return", {"reason_code": "incomplete_documents", "note": "KTP belum"}))
    ok(await team.tksk.act(f"{URL}/{row['id']}/submit"))
    ok(await team.head.act(f"{URL}/{row['id']}/reject", {"reason_code": "capable_household", "note": "Mampu"}))
    assert await told(team.tksk) == ["sktm_returned", "sktm_rejected"]
    assert await told(team.clerk) == ["sktm_submitted", "sktm_submitted", "sktm_rejected"]


async def test_only_those_who_work_there_today_are_told(as_, owner, team):
    gone = await as_("village_clerk", SRENGSEM)
    elsewhere = [await as_("village_clerk", "18.71.04.1003"), await as_("tksk", AMPENAN), await as_("auditor")]
    assigned = await as_("tksk", AMPENAN)
    former = await as_("tksk", PANJANG)
    for caller, start, end in ((assigned, -1, 9), (former, -9, -1)):
        await owner.execute(
            "INSERT INTO assignments (id, version, user_id, region_code, kind, starts_on, ends_on) "
            "VALUES ($1, 1, $2, $3, 'acting', current_date + $4::integer, current_date + $5::integer)",
            uuid4(),
            caller.user_id,
            PANJANG,
            start,
            end,
        )
    await owner.execute("UPDATE users SET disabled_at = now() WHERE id = $1", gone.user_id)
    await submitted(team)
    assert await told(assigned) == ["assignment_begins", "sktm_submitted"]
    # The district was taken from the former officer, whatever their row still says.
    assert await told(former) == ["assignment_begins"]
    for caller in elsewhere:
        assert await told(caller) == []
    assert await owner.fetchval("SELECT count(*) FROM inbox WHERE user_id = $1", gone.user_id) == 0


async def test_where_a_user_works_is_said_as_when_they_enter(as_, owner):
    """`app.area_of` repeats what `app.enter` says of every role."""
    agency = await owner.fetchval("SELECT id FROM agencies LIMIT 1")
    places = {"province_office": "18", "regency_office": "18.71", "district_head": PANJANG, "village_head": SRENGSEM}
    places |= {"village_clerk": SRENGSEM, "tksk": PANJANG, "coordinator": "18.71"}
    callers = [await as_(role, places.get(role), agency_id=agency if role == "agency" else None) for role in Role]
    for kind, role in (("acting", "tksk"), ("coordinator", "coordinator")):
        assigned = await as_(role, places[role])
        await owner.execute(
            "INSERT INTO assignments (id, version, user_id, region_code, kind, starts_on, ends_on) "
            "VALUES ($1, 1, $2, $3, $4, current_date - 1, current_date + 9)",
            uuid4(),
            assigned.user_id,
            AMPENAN if kind == "acting" else "52.71",
            kind,
        )
        callers.append(assigned)
    for caller in callers:
        area = await owner.fetchval("SELECT app.area_of(u) FROM users u WHERE u.id = $1", caller.user_id)
        assert area == (await caller.get("/v1/me")).json()["regions"], caller.role


async def test_a_referral_goes_to_the_agency_and_its_answers_come_back(team, bpjs):
    row = await refer(team, bpjs)
    url = f"/v1/referrals/{row['id']}"
    assert await told(bpjs) == ["referral_submitted"]
    assert (await inbox(bpjs))[0]["body"].startswith(f"Rujukan {row['case_number']} a.n. Siti dikirim kepada BPJS")
    today = str(datetime.now(UTC).date())
    for action, body in (
        ("receive", None),
        ("request-documents", {"documents": [{"kind": "sktm"}], "note": "Mohon dilengkapi"}),
    ):
        ok(await bpjs.act(f"{url}/{action}", body))
    ok(await team.tksk.act(f"{url}/supply-documents", {"documents": [{"kind": "sktm", "shown_physically": True}]}))
    for action, body in (
        ("waitlist", {"decided_on": today, "reason_code": "quota_full"}),
        ("approve", {"reference_number": "0214/2026", "decided_on": today}),
        ("activate", {"active_from": today}),
        ("end", {"ended_on": today, "reason_code": "other", "note": "Pindah"}),
    ):
        ok(await bpjs.act(f"{url}/{action}", body))
    officer = ["documents_requested", "waitlisted", "approved", "activated", "ended"]
    assert await told(team.tksk) == [f"referral_{action}" for action in officer]
    assert await told(bpjs) == ["referral_submitted", "referral_documents_supplied"]


async def test_a_letter_on_an_agencys_desk_and_its_revocation(as_, owner, team, bpjs):
    row = await issued(owner, team)
    token = row["letter"]["verification_url"].rsplit("/", 1)[1].partition("#")[0]
    second = await as_(
        "agency", agency_id=await owner.fetchval("SELECT id FROM agencies WHERE created_by IS NULL LIMIT 1")
    )
    for agency in (bpjs, second):
        answer = await agency.post(f"/v1/sktm-letters/{token}/presentations", json={"outcome": "used"})
        assert answer.status_code == 201, answer.text
    assert (await told(team.tksk))[-2:] == ["letter_presented", "letter_presented_again"]
    ok(await team.dinsos.act(f"{URL}/{row['id']}/revoke", {"reason_code": "false_statement", "note": "Palsu"}))
    (item,) = await inbox(second)
    assert item["template"] == "presented_letter_revoked"
    # An agency knows the number on the paper; whose case it was is not its business.
    assert row["letter"]["number"] in item["body"]
    assert "Siti" not in str(item)
    assert item["case_number"] == row["letter"]["number"]


async def test_users_hear_of_what_others_did_to_their_account(as_, owner, team):
    admin = await as_("admin")
    url = f"/v1/users/{team.tksk.user_id}"
    assert (await admin.act(f"{url}/reset-password")).status_code == 200
    (item,) = await owner.fetch("SELECT template, beneficiary_id FROM notifications")
    assert tuple(item) == ("password_reset", None)
    assert await owner.fetchval("SELECT user_id FROM inbox") == team.tksk.user_id


async def test_a_local_rule_is_told_to_its_officers(as_, owner, team):
    far = await as_("tksk", AMPENAN)
    body = {
        "effective_from": "2090-01-01",
        "rules": [{"test": "age_between", "min": 17, "max": 23, "source": "Perwali 1/2090"}],
        "documents": [{"kinds": ["family_card"]}],
        "agency_kinds": ["education_office"],
        "region_code": "18.71",
        "source": "Perwali 1/2090",
    }
    before = (await team.dinsos.get("/v1/programs/local_scholarship")).headers["etag"]
    answer = await team.dinsos.put("/v1/programs/local_scholarship", json=body, headers={"If-Match": before})
    assert answer.status_code == 200, answer.text
    (item,) = await inbox(team.tksk, "?kind=program")
    assert item["body"].endswith("berubah mulai 01-01-2090.")
    assert await told(far) == []


async def test_deadlines_are_told_once(owner, team, bpjs):
    row = await issued(owner, team)
    near = "UPDATE sktm_letters SET valid_until = app.local_today(region_code) + 13 WHERE application_id = $1"
    await owner.execute(near, UUID(row["id"]))
    referral = await refer(team, bpjs)
    soon = "UPDATE referrals SET status = 'approved', activate_by = app.local_today(region_code) + 3 WHERE id = $1"
    await owner.execute(soon, UUID(referral["id"]))
    sessions = bpjs._transport.app.state.house.sessions
    assert [await tell_deadlines(sessions) for _ in range(2)] == [2, 0]
    deadlines = {item["template"]: item["due_on"] for item in await inbox(team.tksk, "?kind=deadline")}
    assert set(deadlines) == {"letter_expiring", "referral_activation_near"}
    assert all(deadlines.values())


async def test_a_deadline_waits_for_somebody_to_be_told_and_holds_up_no_other(owner, team, app, monkeypatch):
    monkeypatch.setattr("tksk_api.domain.notifications.outbox._EVENTS_AT_ONCE", 1)
    for _ in range(2):
        row = await issued(owner, team, await add_person(team.clerk))
        await owner.execute(
            "UPDATE sktm_letters SET valid_until = app.local_today(region_code) + 13 WHERE application_id = $1",
            UUID(row["id"]),
        )
    others = "UPDATE users SET disabled_at = {} WHERE id = ANY ($1::uuid[])"
    officers = [team.tksk.user_id, team.clerk.user_id]
    await owner.execute(others.format("now()"), officers)
    sessions = app.state.house.sessions
    assert [await tell_deadlines(sessions) for _ in range(2)] == [0, 0]
    assert await owner.fetchval("SELECT count(*) FROM notifications WHERE template = 'letter_expiring'") == 0
    await owner.execute(others.format("NULL"), officers)
    assert [await tell_deadlines(sessions) for _ in range(2)] == [2, 0]


@pytest.mark.parametrize(
    ("region", "told_of"),
    [("18", ["admin", "dinsos"]), ("18.71", ["dinsos"]), (SRENGSEM, ["dinsos"])],
    ids=["province", "regency", "village"],
)
async def test_a_certificate_is_told_to_those_who_renew_it_or_lean_on_it(as_, owner, team, app, region, told_of):
    callers = {"admin": await as_("admin"), "dinsos": team.dinsos, "elsewhere": await as_("regency_office", "52.71")}
    await owner.execute(
        "INSERT INTO office_certificates (id, version, region_code, subject, issuer, serial_number, "
        "not_before, not_after, sha256, key_type, is_self_signed, certificate, chain, key_cipher) "
        "VALUES ($1, 1, $2, 'x', 'x', '1', now(), now() + interval '5 days', '', 'ec', true, '', '{}', '')",
        uuid4(),
        region,
    )
    assert await tell_deadlines(app.state.house.sessions) == 1
    assert [name for name, caller in callers.items() if await told(caller)] == told_of


async def test_recipients_are_found_by_indexes_however_many_users_there_are(owner, team):
    """No rule reads the whole table: an index finds the few it names among 20,000 users."""
    row = await submitted(team)
    await owner.execute(
        "INSERT INTO users (id, version, username, full_name, role, region_code, must_change_password) "
        "SELECT gen_random_uuid(), 1, 'u' || n, 'Petugas', 'village_clerk', '52.71.01.1001', false "
        "FROM generate_series(1, 20000) n"
    )
    await owner.execute("ANALYZE users")
    for position in range(len(NOTICES)):
        async with owner.transaction():
            await owner.execute(
                "SELECT app.recipients(r, a.id, to_jsonb(a), NULL) "
                "FROM notification_rules r, sktm_applications a WHERE r.position = $1 AND a.id = $2",
                position,
                UUID(row["id"]),
            )
            assert await owner.fetchval("SELECT pg_stat_get_xact_numscans('users'::regclass)") == 0, NOTICES[position]


# ---- once, and only what happened ------------------------------------------------------------------------------------


async def test_twenty_signers_at_once_are_one_notification(owner, team):
    row = await verified(owner, team)
    url, version = f"{URL}/{row['id']}/sign", row["version"]
    answers = await asyncio.gather(*(team.head.act(url, version=version) for _ in range(20)))
    assert sorted({answer.status_code for answer in answers})[0] == 200
    assert sum(answer.status_code == 200 for answer in answers) == 1
    assert await told(team.clerk) == ["sktm_issued"]


async def test_a_replay_tells_nobody_again_and_a_refusal_nobody_at_all(owner, team):
    row = await draft(team)
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": f'"v{row["version"]}"'}
    for _ in range(3):
        assert (await team.clerk.post(f"{URL}/{row['id']}/submit", headers=headers)).status_code == 200
    assert await told(team.tksk) == ["sktm_submitted"]
    assert (await team.clerk.act(f"{URL}/{row['id']}/submit")).status_code == 409
    # Of a list of drafts, the one that is refused is undone by itself.
    assert await owner.fetchval("SELECT count(*) FROM notifications") == 1


# ---- the inbox -------------------------------------------------------------------------------------------------------


async def test_reading_one_and_all_of_them(team):
    for detail in ("Beasiswa", "Seragam", "Buku"):
        await submitted(team, await add_person(team.clerk), purpose_detail=detail)
    tksk = team.tksk
    assert (await tksk.get(f"{INBOX}/unread")).json() == {"unread": 3, "more": False}
    newest, middle, oldest = await inbox(tksk)
    read = (await tksk.post(f"{INBOX}/{middle['id']}/read")).json()
    assert read["read_at"] is not None
    assert (await tksk.post(f"{INBOX}/{middle['id']}/read")).json() == read
    assert [item["id"] for item in await inbox(tksk, "?unread=true")] == [newest["id"], oldest["id"]]
    left = await tksk.post(f"{INBOX}/read-all", json={"until": middle["created_at"]})
    assert left.json() == {"unread": 1, "more": False}
    page = (await tksk.get(f"{INBOX}?limit=2")).json()
    rest = (await tksk.get(f"{INBOX}?limit=2&cursor={page['next_cursor']}")).json()
    assert [item["id"] for item in (*page["items"], *rest["items"])] == [newest["id"], middle["id"], oldest["id"]]


async def test_nobody_reads_anothers(as_, team):
    await submitted(team)
    (item,) = await inbox(team.tksk)
    colleague = await as_("tksk", PANJANG)
    assert await inbox(colleague) == []
    assert code_of(await colleague.post(f"{INBOX}/{item['id']}/read")) == "not_found"
    assert (await inbox(team.tksk))[0]["read_at"] is None


async def test_reading_the_inbox_is_recorded_for_the_people_in_it(owner, team):
    row = await submitted(team)
    await inbox(team.tksk)
    subjects = await owner.fetchval("SELECT subject_ids FROM access_log WHERE operation = 'list_notifications'")
    assert subjects == [UUID(row["beneficiary_id"])]


async def test_a_case_is_found_by_the_number_that_is_read_out(team, bpjs):
    row, referral = await draft(team), await refer(team, bpjs)
    for url, found in ((URL, row), ("/v1/referrals", referral)):
        number = found["case_number"]
        for said in (number, number.lower().replace("-", ""), number.replace("0", "o").replace("1", "l")):
            items = (await team.tksk.get(f"{url}?case_number={said}")).json()["items"]
            assert [item["id"] for item in items] == [found["id"]], said
        assert (await team.tksk.get(f"{url}?case_number=0000-0000")).json()["items"] == []
        assert code_of(await team.tksk.get(f"{url}?case_number=UUUU-UUUU")) == "invalid_request"


# ---- settings --------------------------------------------------------------------------------------------------------


async def test_settings_are_ones_own(as_, team):
    before = (await team.tksk.get(SETTINGS)).json()
    assert before["channels"]["account"] == ["in_app", "email"]
    assert (before["email"], before["language"], before["quiet_hours"]) == (None, "id", None)
    body = {
        "email": "rina@tksk.example",
        "phone": "0812-3456-7890",
        "language": "en",
        "quiet_hours": {"starts": "21:00", "ends": "05:30"},
        "channels": {"task": ["in_app", "whatsapp"], "outcome": []},
    }
    after = (await team.tksk.put(SETTINGS, json=body)).json()
    assert after["phone"] == "+6281234567890"
    assert after["quiet_hours"] == body["quiet_hours"]
    assert after["channels"]["task"] == ["in_app", "whatsapp"]
    assert after["channels"]["deadline"] == ["in_app"]
    assert (await team.clerk.get(SETTINGS)).json() == before
    # Told in their language; what they did not want in the inbox lies there as read.
    await submitted(team)
    (item,) = await inbox(team.tksk)
    assert item["title"] == "New SKTM application"
    colleague = await as_("tksk", PANJANG)
    await colleague.put(SETTINGS, json={"channels": {"task": []}})
    await submitted(team, await add_person(team.clerk))
    assert (await inbox(colleague))[0]["read_at"] is not None
    assert (await colleague.get(f"{INBOX}/unread")).json()["unread"] == 0


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"channels": {"task": ["sms"]}}, "/phone", "missing"),
        ({"channels": {"task": ["email"]}}, "/email", "missing"),
        ({"email": "rina"}, "/email", None),
        ({"email": "1871046503910003@tksk.example"}, "/email", "identity_number_in_text"),
        ({"phone": "12"}, "/phone", "phone_format"),
        ({"quiet_hours": {"starts": "9pm", "ends": "05:00"}}, "/quiet_hours/starts", "bad_time"),
        ({"quiet_hours": {"starts": "05:00", "ends": "05:00"}}, "/quiet_hours/ends", "quiet_hours_empty"),
        ({"channels": {"task": ["in_app", "in_app"]}}, "/channels/task", "duplicate_entry"),
        ({"channels": {"gossip": []}}, None, None),
        ({"language": "jv"}, "/language", None),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
async def test_settings_that_cannot_be_kept_are_refused(team, body, pointer, code):
    answer = await team.tksk.put(SETTINGS, json=body)
    assert code_of(answer) == "invalid_request"
    (error,) = answer.json()["errors"]
    assert pointer in (None, error["pointer"])
    assert code in (None, error["code"])


async def test_addresses_are_changed_after_a_fresh_proof_and_told_at_the_one_before(owner, team):
    tksk = team.tksk
    await tksk.put(SETTINGS, json={"email": "rina@tksk.example", "phone": "081234567890"})
    await tksk.put(SETTINGS, json={"email": "rina@tksk.example", "phone": "081234567890", "language": "en"})
    assert await inbox(tksk) == []  # nothing was taken away
    outgoing = "SELECT channel, address FROM messages ORDER BY created_at"
    await tksk.put(SETTINGS, json={"email": "other@tksk.example", "phone": "081234567890"})
    assert [tuple(row) for row in await owner.fetch(outgoing)] == [("email", "rina@tksk.example")]
    await tksk.put(SETTINGS, json={"email": "other@tksk.example", "channels": {"account": []}})
    assert [row["address"] for row in await owner.fetch(outgoing)] == ["rina@tksk.example", "other@tksk.example"]
    await tksk.put(SETTINGS, json={"email": "third@tksk.example", "channels": {"account": []}})
    assert await told(tksk) == ["addresses_changed"] * 3
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '7 hours'")
    assert code_of(await tksk.put(SETTINGS, json={})) == "step_up_required"
    assert (await tksk.get(SETTINGS)).json()["email"] == "third@tksk.example"


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_every_notice_has_a_step_a_text_and_readers():
    codes = {template.code for template in templates()}
    assert {notice.template for notice in NOTICES} == codes
    for workflow in (SKTM, REFERRALS, ACTIVITIES, REPORTS):
        known = {*workflow.steps, *workflow.by_itself, "expiring", "activation_near", "waiting_list_near"}
        known |= {"due", "overdue", "districts_missing"}  # of reports
        assert {notice.action for notice in NOTICES if notice.entity == workflow.entity} <= known
    for notice in NOTICES:
        named = {who.split(":")[1] for who in notice.recipients if ":" in who}
        assert named <= set(Role), notice
        # Whoever is told of a row may read it.
        assert named <= set(readers_of(notice.entity)), notice
        assert notice.entity in READ_BY or notice.recipients == ("holder",), notice


def test_texts_use_only_the_known_fields_and_fit_a_short_message():
    usual = {"first_name": "Rahmawati", "case_number": "7K2M-9QXD", "due_on": "31-12-2026", "program": "PBI JK"}
    usual["office"] = "BPJS Kesehatan Mataram"
    for template in templates():
        for text in vars(template).values():
            assert {name for _, name, _, _ in Formatter().parse(text) if name is not None} <= FIELDS, template.code
            assert len(text.format(**usual)) <= 160, template.code
        assert template.code.startswith("applicant_") == ("Yth." in template.body_id), template.code


CANARY = {
    "full_name": "Dr. Hj. Zubaidah Kartikasari, S.Sos.",
    "birth_place": "Sukabumikecil",
    "address": {"street": "Gang Kenanga Rahasia 77", "rt": "019", "rw": "023"},
    "phone": "+6285799988877",
    "notes": "Catatan rahasia sekali",
}


async def test_every_text_says_no_more_of_a_person_than_the_first_name(owner, team, bpjs):
    """A canary in every field of the person, and every notice there is, in both languages."""
    someone = await add_person(team.clerk, **CANARY, message_channel="sms")
    row = await issued(owner, team, someone)
    referral = (await refer(team, bpjs, **{**CANARY, "message_channel": "whatsapp"}))["id"]
    rows = {"sktm_applications": row["id"], "referrals": referral}
    await owner.execute("DELETE FROM notifications")
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("DELETE FROM sktm_signatures")  # so that there is a next signatory to tell
    await owner.execute("SET session_replication_role = origin")
    for notice in NOTICES:
        if notice.entity in rows:
            await owner.execute(
                "SELECT app.notify(gen_random_uuid(), $1, $2, $3, $4, NULL, NULL, current_date)",
                notice.entity,
                UUID(rows[notice.entity]),
                notice.action,
                notice.state,
            )
    said = await owner.fetch(
        "SELECT t.code, app.filled(concat_ws(' ', t.title_id, t.title_en, t.body_id, t.body_en), n.fields) AS text, "
        "n.fields::text AS fields FROM notifications n JOIN notification_templates t ON t.code = n.template"
    )
    expected = {notice.template for notice in NOTICES if notice.entity in rows} - {"presented_letter_revoked"}
    assert {line["code"] for line in said} - {"presented_letter_revoked"} == expected, "one tells nothing"
    secrets = [
        "Kartikasari",
        "Hj",
        "S.Sos",
        "Kenanga",
        "Sukabumikecil",
        "99988877",
        "rahasia",
        "Beasiswa",
        str(row["letter"]["verification_url"]),
    ]
    for line in said:
        assert ("Zubaidah" in line["text"]) == (line["code"] != "presented_letter_revoked"), line["code"]
        assert "{" not in line["text"], line["code"]
        for secret in secrets:
            assert secret not in line["text"] + line["fields"], line["code"]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Suharto", "Suharto"),
        ("H. Ahmad Fauzi", "Ahmad"),
        ("Hj Siti Aminah, S.Pd.", "Siti"),
        ("Prof. Dr. H. M. Nuh", "Nuh"),
        ("Dr.H.Ahmad Fauzi", "Ahmad"),
        ("I Wayan Sudarma", "Wayan"),
        ("Ni Made Ayu", "Made"),
        ("R.A. Kartini", "Kartini"),
        ("St. Rahmawati", "Rahmawati"),
        ("D'Arcy Sinaga", "D'Arcy"),
        ("A. B.", "pemohon"),
        ("0812345678 Budi", "Budi"),
        ("أحمد فوزي", "أحمد"),
    ],
    ids=str,
)
async def test_the_first_name_of_a_name(owner, name, first):
    assert await owner.fetchval("SELECT app.first_name($1)", name) == first


# ---- the person's rights ---------------------------------------------------------------------------------------------


async def test_what_was_told_of_a_person_stands_in_their_statement_and_goes_with_them(owner, team):
    someone = await add_person(team.clerk, phone="081234567890", message_channel="sms")
    row = await submitted(team, someone)
    url = f"/v1/beneficiaries/{someone['id']}"
    statement = (await team.tksk.get(f"{url}/statement")).json()
    (line,) = statement["notifications"]
    assert (line["title"], line["told_roles"], line["channel"]) == ("Permohonan SKTM baru", ["tksk"], None)
    assert statement["identity"]["message_channel"] == "sms"
    printed = await team.tksk.get(f"{url}/statement", headers={"Accept": "application/pdf"})
    assert printed.status_code == 200
    ok(await team.clerk.act(f"{URL}/{row['id']}/cancel", {"note": "Tidak jadi"}))
    await owner.execute("SELECT app.enter_system('test', NULL)")
    async with owner.transaction():
        await owner.execute("SELECT app.enter_system('test', NULL)")
        assert await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", UUID(someone["id"]))
    counts = (
        "SELECT (SELECT count(*) FROM notifications) + (SELECT count(*) FROM inbox) + (SELECT count(*) FROM messages)"
    )
    assert await owner.fetchval(counts) == 0
    assert await owner.fetchval("SELECT message_channel FROM beneficiaries") is None
    assert await inbox(team.tksk) == []


async def test_old_notifications_end(owner, team):
    await submitted(team)
    await owner.execute("UPDATE notifications SET created_at = now() - interval '91 days'")
    (item,) = (found for found in schedule() if found.name == "notifications")
    assert await apply(owner, item, lambda _: None) == 1
    assert await owner.fetchval("SELECT count(*) FROM inbox") == 0
