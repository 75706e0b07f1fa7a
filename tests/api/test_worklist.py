"""The worklist over HTTP: whose task is what and until when, its counts, clocks that stop, and a referral's files."""

import itertools
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from files import picture
from helpers import AMPENAN, AMPENAN_VILLAGE, BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_person, code_of
from sktm_flow import URL, checked, draft, issued, offices, ok, submitted, verified
from tksk_api.domain.references.lists import codes
from tksk_api.domain.seeds import agency_id
from tksk_api.domain.worklist.calendar import working_days
from tksk_api.domain.worklist.reads import TASKS

BPJS, DINSOS = agency_id("18.71:bpjs_office"), agency_id("18.71:social_service_office")
TODAY = (datetime.now(UTC) + timedelta(hours=7)).date()
YEAR = TODAY.year
CALENDAR = working_days(2020, YEAR + 5)
WORKED = frozenset(CALENDAR)
FIRST_NAMES, LETTERS = ("Dewi", "Agus", "Rina", "Budi", "Yuni", "Hendra", "Wati"), "abcdefghijklmnopqrstuvwxyz"
_serial = itertools.count()


async def listed(caller, **query):
    """Every item, page by page, but for suggested activities, which follow from others' work on the log."""
    items, query = [], {"limit": 3, **query}
    while True:
        answer = await caller.get("/v1/worklist", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        if page["next_cursor"] is None:
            return [item for item in items if item["kind"] != "activity_to_confirm"]
        query["cursor"] = page["next_cursor"]


async def kinds(caller, **query):
    return [item["kind"] for item in await listed(caller, **query)]


async def counts(caller, **query):
    answer = await caller.get("/v1/worklist/counts", params={"limit": 200, **query})
    assert answer.status_code == 200, answer.text
    return [line for line in answer.json()["items"] if line["kind"] != "activity_to_confirm"]


async def follow(caller, line):
    """What the filter of a count lists, and what of it is overdue."""
    found = [item async for item in _pages(caller, line["filter"])]
    late = [item async for item in _pages(caller, line["filter"] + "&overdue=true")]
    assert {item["kind"] for item in found} == {line["kind"]}
    return len(found), len(late)


async def _pages(caller, query):
    url = f"/v1/worklist?limit=200&{query}"
    while url:
        answer = await caller.get(url)
        assert answer.status_code == 200, answer.text
        for item in answer.json()["items"]:
            yield item
        url = answer.links.get("next", {}).get("url")


async def somebody(caller):
    """Somebody who is nobody's double."""
    number = next(_serial)
    name = f"{FIRST_NAMES[number % 7]} {LETTERS[number % 26] * 7}"
    born = f"{1950 + number % 50}-0{1 + number % 9}-11"
    return await add_person(caller, full_name=name, birth_date=born, nik=None, nik_status="none")


async def referred(tksk, **over):
    person = over.pop("person", None) or await somebody(tksk)
    body = {
        "beneficiary_id": person["id"],
        "program": "pbi_jk",
        "agency_id": str(BPJS),
        "reason": "Kehilangan pekerjaan",
        "consent": "given",
        "documents": [{"kind": kind, "shown_physically": True} for kind in ("ktp", "family_card")],
        **over,
    }
    answer = await tksk.post("/v1/referrals", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def sent(tksk, **over):
    row = await referred(tksk, **over)
    return ok(await tksk.act(f"/v1/referrals/{row['id']}/submit"))


async def backdate(owner, table, key, days):
    """As if all of it had happened so many days earlier."""
    await owner.execute("SET session_replication_role = replica")
    shift = f"interval '{days} days'"
    await owner.execute(
        f"UPDATE {table} SET submitted_at = submitted_at - {shift}, created_at = created_at - {shift} WHERE id = $1",
        UUID(key),
    )
    await owner.execute(f"UPDATE transitions SET at = at - {shift} WHERE entity_id = $1", UUID(key))
    await owner.execute("SET session_replication_role = origin")


def after(day: date, count: int) -> date:
    """The last day of a service time: day by day, as somebody with a calendar on the wall would count."""
    while count:
        day += timedelta(days=1)
        count -= day in WORKED
    return day


# ---- whose task it is ------------------------------------------------------------------------------------------------


def test_every_kind_is_on_the_list_of_codes_and_somebody_s():
    assert {task.kind for task in TASKS} == codes("worklist_kinds")
    assert len(TASKS) == len(codes("worklist_kinds"))
    assert all(task.roles for task in TASKS)


async def test_an_application_is_handed_from_one_list_to_the_next(as_, owner):
    team = await offices(as_)
    row = await draft(team)
    url = f"{URL}/{row['id']}"
    assert (await kinds(team.clerk), await kinds(team.tksk)) == (["sktm_to_submit"], [])
    ok(await team.clerk.act(f"{url}/submit"))
    (item,) = await listed(team.tksk)
    assert (item["kind"], item["label"], item["about"]) == ("sktm_to_check", "Siti", "education")
    assert (item["entity"], item["id"], item["href"]) == ("sktm-applications", row["id"], url)
    assert (item["due_on"], item["is_overdue"]) == (str(after(TODAY, 1)), False)
    assert item["days_left"] == (after(TODAY, 1) - TODAY).days
    assert item["beneficiary_ids"] == [row["beneficiary_id"]]
    assert "nik" not in str(item).lower()
    ok(await team.tksk.act(f"{url}/return", {"reason_code": "incomplete_documents", "note": "KK belum ada"}))
    (item,) = await listed(team.clerk)
    assert (item["kind"], item["due_on"], item["days_left"]) == ("sktm_returned", None, None)
    ok(await team.clerk.act(f"{url}/submit"))
    documents = [{"kind": k, "status": "ok"} for k in ("cover_letter", "ktp", "family_card", "school_letter")]
    ok(await team.clerk.act(f"{url}/check", {"documents": documents}))
    assert (await kinds(team.clerk), await kinds(team.tksk)) == ([], ["sktm_to_verify"])
    assert await kinds(team.head) == []


async def test_only_the_next_signatory_without_a_hand_in_it_is_asked_to_sign(as_, owner):
    team = await offices(as_)
    policy = {"signatories": ["village_head", "district_head"], "visit_required_for": {"other": False}}
    assert (await team.dinsos.put("/v1/sktm-policies/18.71", json=policy)).status_code in (200, 201)
    row = await verified(owner, team)
    without_visit = await checked(team, await somebody(team.clerk), purpose="other", purpose_detail="Keringanan biaya")
    assert {item["id"] for item in await listed(team.head)} == {row["id"], without_visit["id"]}
    assert await kinds(team.camat) == []
    assert await kinds(team.tksk) == []
    ok(await team.head.act(f"{URL}/{row['id']}/sign"))
    assert [item["id"] for item in await listed(team.head)] == [without_visit["id"]]
    assert [item["id"] for item in await listed(team.camat)] == [row["id"]]
    await owner.execute(
        "UPDATE sktm_applications SET created_by = $1 WHERE id = $2", team.camat.user_id, UUID(row["id"])
    )
    assert await kinds(team.camat) == []


async def test_letters_wait_to_be_collected_and_run_out(as_, owner):
    team = await offices(as_)
    row = await issued(owner, team)
    assert await kinds(team.clerk) == ["sktm_to_collect"]
    last = TODAY + timedelta(days=9)
    await owner.execute("UPDATE sktm_letters SET valid_until = $1", last)
    items = await listed(team.tksk)
    assert sorted(item["kind"] for item in items) == ["letter_expiring", "sktm_to_collect"]
    assert {(item["due_on"], item["days_left"], item["is_overdue"]) for item in items} == {(str(last), 9, False)}
    ok(await team.clerk.act(f"{URL}/{row['id']}/collect"))
    assert await kinds(team.clerk) == ["letter_expiring"]
    await owner.execute("UPDATE sktm_letters SET valid_until = $1", TODAY - timedelta(days=1))
    assert await kinds(team.clerk) == []


async def test_nobody_waits_for_somebody_who_died_to_collect_a_letter(as_, owner):
    team = await offices(as_)
    row = await issued(owner, team)
    await owner.execute("UPDATE sktm_letters SET valid_until = $1", TODAY + timedelta(days=9))
    assert await kinds(team.clerk) == ["letter_expiring", "sktm_to_collect"]
    death = {"died_on": str(TODAY - timedelta(days=1)), "source": "village_letter"}
    told = ok(await team.clerk.act(f"/v1/beneficiaries/{row['beneficiary_id']}/deceased", death))
    letters = [work for work in told["open_work"] if work["kind"] == "sktm_letter"]
    assert letters == [{"kind": "sktm_letter", "id": row["id"], "status": "valid"}]
    assert await kinds(team.clerk) == []


async def test_a_letter_signed_by_hand_waits_for_its_scan_before_it_can_be_collected(as_, owner):
    team = await offices(as_)
    ok(await team.dinsos.put("/v1/sktm-policies/18.71", json={"signature": "wet"}))
    row = await issued(owner, team)
    assert (await kinds(team.clerk), await kinds(team.tksk)) == (["sktm_to_scan"], ["sktm_to_scan"])
    data = {"kind": "signed_letter", "beneficiary_id": row["beneficiary_id"]}
    scan = await team.clerk.post("/v1/attachments", data=data, files={"file": ("surat.jpg", picture())})
    ok(await team.clerk.act(f"{URL}/{row['id']}/signed-scan", {"attachment_id": scan.json()["id"]}))
    assert await kinds(team.clerk) == ["sktm_to_collect"]
    ok(await team.clerk.act(f"{URL}/{row['id']}/collect"))
    assert await kinds(team.clerk) == []


async def test_a_referral_waits_for_the_agency_then_for_papers_then_for_the_family(as_, owner):
    tksk, bpjs, other = (
        await as_("tksk", PANJANG),
        await as_("agency", agency_id=BPJS),
        await as_("agency", agency_id=DINSOS),
    )
    row = await referred(tksk, person=await add_person(tksk))
    url = f"/v1/referrals/{row['id']}"
    assert (await kinds(tksk), await kinds(bpjs)) == (["referral_to_submit"], [])
    ok(await tksk.act(f"{url}/submit"))
    (item,) = await listed(bpjs)
    assert (item["kind"], item["label"], item["about"]) == ("referral_to_receive", "Siti", "pbi_jk")
    assert item["due_on"] is None  # no source gives pbi_jk a service time
    ok(await bpjs.act(f"{url}/receive"))
    assert await kinds(bpjs) == ["referral_to_review"]
    wanted = {"documents": [{"kind": "sktm"}], "note": "Mohon dilengkapi"}
    ok(await bpjs.act(f"{url}/request-documents", wanted))
    assert (await kinds(tksk), await kinds(bpjs)) == (["referral_documents_asked"], [])
    ok(await tksk.act(f"{url}/supply-documents", {"documents": [{"kind": "sktm", "shown_physically": True}]}))
    soon = str(TODAY + timedelta(days=5))
    ok(await bpjs.act(f"{url}/waitlist", {"decided_on": str(TODAY), "expires_on": soon}))
    assert [(i["kind"], i["due_on"]) for i in await listed(tksk)] == [("referral_waitlist_ending", soon)]
    ok(await bpjs.act(f"{url}/approve", {"reference_number": "1", "decided_on": str(TODAY), "activate_by": soon}))
    for caller in (tksk, bpjs):
        assert [(i["kind"], i["days_left"]) for i in await listed(caller)] == [("referral_to_activate", 5)]
    ok(await bpjs.act(f"{url}/activate", {"active_from": str(TODAY)}))
    assert (await kinds(tksk), await kinds(bpjs), await kinds(other)) == ([], [], [])


async def test_visits_activities_and_follow_ups_of_one_s_own(as_):
    tksk, other, regency = (
        await as_("tksk", PANJANG),
        await as_("tksk", PANJANG),
        await as_("regency_office", BANDAR_LAMPUNG),
    )
    someone = await add_person(tksk)
    due = TODAY + timedelta(days=3)
    visit = {"beneficiary_id": someone["id"], "visited_on": str(due)}
    assert (await tksk.post("/v1/visits", json=visit)).status_code == 201
    work = {
        "occurred_on": str(TODAY),
        "pillar": "social_security",
        "function": "facilitation",
        "kind": "sktm_verification",
        "title": "Verifikasi lapangan",
        "region_code": SRENGSEM,
        "follow_up": {"note": "Antar ke puskesmas", "due_on": str(due)},
    }
    made = await tksk.post("/v1/activities", json=work)
    assert made.status_code == 201, made.text
    items = await listed(tksk)
    assert sorted(item["kind"] for item in items) == ["activity_to_submit", "follow_up_due", "visit_planned"]
    assert [item["due_on"] for item in items if item["due_on"]] == [str(due), str(due)]
    assert [item["attend_by"] for item in items] == sorted(item["attend_by"] for item in items)
    assert await kinds(other) == []
    assert await kinds(regency) == []
    url = f"/v1/activities/{made.json()['id']}"
    ok(await tksk.act(f"{url}/submit"))
    assert await kinds(regency) == ["activity_to_review"]
    ok(await regency.act(f"{url}/return", {"note": "Lengkapi hasil"}))
    assert "activity_returned" in await kinds(tksk)


async def test_requests_about_data_have_their_seventy_two_hours(as_, owner):
    tksk, regency = await as_("tksk", PANJANG), await as_("regency_office", BANDAR_LAMPUNG)
    someone = await add_person(tksk)
    body = {
        "beneficiary_id": someone["id"],
        "kind": "access",
        "reason": "Ingin tahu",
        "requested_by": "self",
        "received_on": str(TODAY),
    }
    made = await tksk.post("/v1/privacy-requests", json=body)
    assert made.status_code == 201, made.text
    (item,) = await listed(regency)
    assert (item["kind"], item["is_overdue"], item["label"]) == ("privacy_request_to_decide", False, "Siti")
    at = datetime.fromisoformat(item["due_at"])
    assert at - datetime.fromisoformat(made.json()["created_at"]) == timedelta(hours=72)
    await owner.execute("UPDATE privacy_requests SET created_at = now() - interval '73 hours'")
    assert [item["is_overdue"] for item in await listed(regency)] == [True]


async def test_another_area_and_roles_without_tasks_have_an_empty_list(as_, owner):
    team = await offices(as_)
    await submitted(team)
    await sent(team.tksk)
    for role, region in (
        ("tksk", AMPENAN),
        ("village_clerk", AMPENAN_VILLAGE),
        ("village_clerk", "18.71.04.1003"),
        ("district_head", PANJANG),
        ("coordinator", BANDAR_LAMPUNG),
        ("province_office", "18"),
        ("ministry", None),
        ("auditor", None),
        ("admin", None),
    ):
        caller = await as_(role, region)
        assert (await listed(caller), await counts(caller), await counts(caller, by="officer")) == ([], [], []), role


async def test_reading_the_list_is_recorded_and_counting_names_nobody(as_, owner):
    team = await offices(as_)
    row = await submitted(team)
    await listed(team.tksk)
    await counts(team.tksk)
    rows = await owner.fetch(
        "SELECT operation, subject_ids FROM access_log WHERE user_id = $1 ORDER BY id", team.tksk.user_id
    )
    assert [(r["operation"], r["subject_ids"]) for r in rows] == [("list_worklist", [UUID(row["beneficiary_id"])])]


async def test_a_role_that_changed_meanwhile_has_its_own_list_at_the_next_request(as_, owner):
    team = await offices(as_)
    await verified(owner, team)
    assert await kinds(team.head) == ["sktm_to_sign"]
    await owner.execute("UPDATE users SET role = 'village_clerk' WHERE id = $1", team.head.user_id)
    assert await kinds(team.head) == []
    assert await kinds(team.head) == []
    row = await submitted(team, await somebody(team.clerk), purpose="health", purpose_detail="Rawat inap", documents=[])
    assert [item["id"] for item in await listed(team.head)] == [row["id"]]


@pytest.mark.parametrize("query", ["kind=nonsense", "overdue=perhaps", "officer_id=x", "region_code=99x", "by=month"])
async def test_an_odd_question_is_refused(as_, query):
    tksk = await as_("tksk", PANJANG)
    for url in ("/v1/worklist", "/v1/worklist/counts"):
        assert (await tksk.get(f"{url}?{query}")).status_code == 422


# ---- counts ----------------------------------------------------------------------------------------------------------


async def test_every_count_is_what_its_filter_lists(as_, owner):
    team = await offices(as_)
    rows = [await submitted(team, await somebody(team.clerk)) for _ in range(2)]
    await checked(team, await somebody(team.clerk))
    await draft(team, await somebody(team.clerk))
    await sent(team.tksk)
    await referred(team.tksk)
    await backdate(owner, "sktm_applications", rows[0]["id"], 30)
    await owner.execute(
        "INSERT INTO visits (id, version, region_code, beneficiary_id, officer_id, visited_on, status) "
        "VALUES ($1, 1, $2, $3, $4, $5, 'planned')",
        uuid4(),
        SRENGSEM,
        UUID(rows[0]["beneficiary_id"]),
        team.tksk.user_id,
        TODAY - timedelta(days=2),
    )
    for caller in (team.tksk, team.clerk, team.dinsos, await as_("coordinator", BANDAR_LAMPUNG)):
        everything = Counter(await kinds(caller))
        for query in ({}, {"region_code": PANJANG}, {"by": "officer"}, {"by": "officer", "region_code": "18.71"}):
            lines = await counts(caller, **query)
            found: Counter[str] = Counter()
            for line in lines:
                assert (line["count"], line["overdue"]) == await follow(caller, line), line
                assert not line["capped"]
                found[line["kind"]] += line["count"]
            assert found == everything
        assert await counts(caller, region_code="18.71.05") == []
    assert {line["kind"]: line["overdue"] for line in await counts(team.tksk)}["sktm_to_check"] == 1


async def test_a_count_stops_at_a_thousand_and_says_so(as_, owner):
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    await owner.execute(
        "INSERT INTO visits (id, version, region_code, beneficiary_id, officer_id, visited_on, status) "
        "SELECT gen_random_uuid(), 1, $1, $2, $3, $4::date - i % 2, 'planned' FROM generate_series(1, 1100) i",
        SRENGSEM,
        UUID(someone["id"]),
        tksk.user_id,
        TODAY,
    )
    (line,) = await counts(tksk)
    assert (line["count"], line["capped"], line["overdue"]) == (1000, True, 550)


# ---- who lets cases rot ----------------------------------------------------------------------------------------------


async def test_offices_see_what_is_late_with_whom_and_a_coordinator_sees_no_names(as_, owner):
    team, admin = await offices(as_), await as_("admin")
    late, fresh = await submitted(team), await checked(team, await somebody(team.clerk))
    await backdate(owner, "sktm_applications", late["id"], 30)
    coordinator = await as_("coordinator", BANDAR_LAMPUNG)
    (line,) = await counts(coordinator, by="officer")
    assert (line["kind"], line["officer_id"], line["overdue"]) == ("sktm_overdue", None, 1)
    assert line["filter"] == "kind=sktm_overdue&officer_id=none"
    decree = {"decree_number": "1/HUK/2026", "decree_date": str(TODAY), "decree_issuer": "kemensos"}
    body = {
        "user_id": str(team.tksk.user_id),
        "kind": "holder",
        "region_code": PANJANG,
        "starts_on": str(TODAY),
        **decree,
    }
    made = await admin.post("/v1/assignments", json=body)
    assert made.status_code == 201, made.text
    for caller in (team.dinsos, coordinator):
        (line,) = await counts(caller, by="officer")
        assert (line["officer_id"], line["officer_name"]) == (str(team.tksk.user_id), "Rina Wulandari")
        assert await follow(caller, line) == (1, 1)
        assert await listed(caller, officer_id="none") == []
    (item,) = await listed(team.dinsos)
    assert (item["kind"], item["id"], item["label"]) == ("sktm_overdue", late["id"], "Siti")
    assert item["days_left"] < 0
    (item,) = await listed(coordinator)
    assert (item["label"], item["beneficiary_ids"], item["id"], item["href"]) == ("education", [], None, None)
    assert late["id"] not in str(item)
    assert fresh["id"] not in str(await listed(team.head))
    assert await kinds(team.camat) == ["sktm_overdue"]


# ---- clocks ----------------------------------------------------------------------------------------------------------


async def clock(owner, record, started, days):
    return await owner.fetchrow("SELECT * FROM app.service_clock($1, $2, $3, $4)", record, SRENGSEM, started, days)


def local(day: date, hour: int = 10) -> datetime:
    """An hour of that day in Bandar Lampung."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 7)


def worked(first: date, last: date) -> int:
    """Working days after the first and up to the last."""
    return sum(1 for index in range((last - first).days) if first + timedelta(days=index + 1) in WORKED)


async def test_weekends_and_holidays_do_not_count(owner):
    assert date(YEAR, 8, 17) not in WORKED
    assert date(YEAR, 12, 25) not in WORKED
    assert all(day.weekday() < 5 for day in CALENDAR)
    for start in (date(YEAR - 1, 8, 14), date(YEAR - 1, 12, 23), date(YEAR - 1, 3, 1)):
        for days in (1, 3, 10):
            found = await clock(owner, uuid4(), local(start), days)
            assert found["due_on"] == after(start, days)
            assert found["is_overdue"]
    assert tuple(await clock(owner, uuid4(), local(TODAY), None)) == (None, False)
    # Ten at night in Jakarta is the next day in Jayapura.
    late = await owner.fetchval(
        "SELECT due_on FROM app.service_clock($1, '91.03.01.1001', $2, 1)", uuid4(), local(date(YEAR - 1, 6, 9), 23)
    )
    assert late == after(date(YEAR - 1, 6, 10), 1)


RUNS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4)


def stories() -> list[tuple[date, list[tuple[int, int]], int, int]]:
    """Begin, (days until it stops, days until it goes on) again and again, whether it stands now, service days."""
    found: list[tuple[date, list[tuple[int, int]], int, int]] = []

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 300), RUNS, st.integers(0, 1), st.integers(1, 20))
    def draw(offset: int, runs: list[tuple[int, int]], stands: int, days: int) -> None:
        found.append((date(YEAR - 1, 1, 2) + timedelta(days=offset), runs, stands, days))

    draw()
    return found


async def test_the_clock_stops_while_papers_are_asked_for(owner):
    """Against a count of the days on which it ran, over a hundred stories."""
    for begin, runs, stands, days in stories():
        record, day, left = uuid4(), begin, days
        steps = [(begin, "submit", "submitted")]
        for index, (until_stop, until_go) in enumerate(runs):
            stop = day + timedelta(days=until_stop)
            left -= worked(day, stop)
            steps.append((stop, "return", "returned"))
            day = stop + timedelta(days=until_go)
            if not (stands and index == len(runs) - 1):
                steps.append((day, "submit", "submitted"))
        await owner.executemany(
            "INSERT INTO transitions (id, at, entity, entity_id, action, to_state) "
            "VALUES ($1, $2, 'sktm_applications', $3, $4, $5)",
            [
                (UUID(int=index + (record.int >> 64 << 64)), local(when), record, action, state)
                for index, (when, action, state) in enumerate(steps)
            ],
        )
        found = await clock(owner, record, local(day), days)
        if steps[-1][2] == "returned":
            assert tuple(found) == (None, False)
            continue
        if left > 0:
            assert found["due_on"] == after(day, left)
        else:  # the time was used up before it stopped
            assert found["due_on"] <= day
            assert worked(found["due_on"], day) == -left
        assert found["is_overdue"] == (found["due_on"] < TODAY)


async def test_a_transfer_begins_anew_and_a_waiting_list_stands_still(as_, owner):
    start = CALENDAR[CALENDAR.index(after(date(YEAR - 1, 2, 1), 1))]
    record = uuid4()

    async def took(day, action, state):
        await owner.execute(
            "INSERT INTO transitions (id, at, entity, entity_id, action, to_state) "
            "VALUES ($1, $2, 'referrals', $3, $4, $5)",
            uuid4(),
            local(day),
            record,
            action,
            state,
        )
        return (await clock(owner, record, local(start), 10))["due_on"]

    assert await took(start, "submit", "submitted") == after(start, 10)
    assert await took(after(start, 4), "request-documents", "documents_requested") is None
    assert await took(after(start, 30), "supply-documents", "under_review") == after(start, 36)
    assert await took(after(start, 31), "waitlist", "waitlisted") is None
    assert await took(after(start, 60), "transfer", "submitted") == after(start, 70)
    assert await took(after(start, 61), "receive", "received") == after(start, 70)


async def test_a_programme_and_a_policy_set_their_times(as_, owner):
    team, bpjs = await offices(as_), await as_("agency", agency_id=BPJS)
    assert (await team.dinsos.put("/v1/sktm-policies/18.71", json={"service_days": 3})).status_code in (200, 201)
    effective = (await team.tksk.get(f"/v1/sktm-policies/{SRENGSEM}?effective=true")).json()
    assert (effective["values"]["service_days"], effective["origins"]["service_days"]) == (3, "18.71")
    await submitted(team)
    assert [item["due_on"] for item in await listed(team.clerk)] == [str(after(TODAY, 3))]
    row = await sent(team.tksk)
    await owner.execute(
        "INSERT INTO program_versions (program_code, number, source, service_days, created_by) "
        "VALUES ('pbi_jk', 90, 'uji', 5, $1)",
        team.dinsos.user_id,
    )
    await owner.execute("UPDATE referrals SET program_version = 90 WHERE id = $1", UUID(row["id"]))
    assert [item["due_on"] for item in await listed(bpjs)] == [str(after(TODAY, 5))]
    await backdate(owner, "referrals", row["id"], 30)
    assert [item["is_overdue"] for item in await listed(bpjs)] == [True]
    assert "referral_overdue" in await kinds(team.tksk)
    assert await kinds(team.dinsos) == ["referral_overdue"]


# ---- the files of a referral -----------------------------------------------------------------------------------------


async def attached(caller, person_id, kind="health_facility_letter", content=None):
    answer = await caller.post(
        "/v1/attachments",
        data={"kind": kind, "beneficiary_id": person_id},
        files={"file": ("surat.png", content or picture("PNG"), "image/png")},
    )
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["id"]


async def test_an_agency_opens_the_files_of_its_referral_and_nothing_else_of_the_person(as_, owner):
    tksk, bpjs, other = (
        await as_("tksk", PANJANG),
        await as_("agency", agency_id=BPJS),
        await as_("agency", agency_id=DINSOS),
    )
    someone = await add_person(tksk)
    letter = await attached(tksk, someone["id"], "other")
    private = await attached(tksk, someone["id"], "other", picture("PNG", colour="red"))
    documents = [
        {"kind": "ktp", "shown_physically": True},
        {"kind": "family_card", "shown_physically": True},
        {"kind": "health_facility_letter", "attachment_id": letter, "shown_physically": False},
    ]
    row = await referred(tksk, person=someone, documents=documents)
    url = f"/v1/referrals/{row['id']}/documents"
    assert (await bpjs.get(url)).status_code == 404  # a draft
    ok(await tksk.act(f"/v1/referrals/{row['id']}/submit"))
    (file,) = (await bpjs.get(url)).json()["items"]
    assert (file["kind"], file["attachment_id"]) == ("health_facility_letter", letter)
    del bpjs.headers["Authorization"]
    opened = await bpjs.get(file["content_url"])
    assert (opened.status_code, opened.headers["content-type"]) == (200, "image/png")
    assert (await bpjs.get(file["thumbnail_url"])).headers["content-type"] == "image/jpeg"
    assert code_of(await bpjs.get(file["content_url"].replace(letter, private))) == "link_refused"
    bpjs.headers["Authorization"] = f"Bearer {bpjs.token}"
    rows = await owner.fetch(
        "SELECT operation, subject_ids, fields FROM access_log WHERE user_id = $1 AND outcome = 'ok' "
        "AND operation LIKE '%referral_file%' ORDER BY id",
        bpjs.user_id,
    )
    about = [UUID(someone["id"])]
    assert [tuple(r) for r in rows] == [
        ("list_referral_files", about, ["documents"]),
        ("get_referral_file", about, ["other"]),
        ("get_referral_file", about, ["other"]),
    ]
    content = f"{url}/{letter}/content"
    for caller, address, status in (
        (bpjs, content, 200),
        (bpjs, f"{url}/{private}/content", 404),
        (bpjs, f"{url}/{uuid4()}/content", 404),
        (bpjs, f"/v1/attachments/{letter}", 403),
        (other, url, 404),
        (other, content, 404),
        (tksk, url, 403),
    ):
        assert (await caller.get(address)).status_code == status, address
    moved = {"agency_id": str(DINSOS), "reason": "Ditangani dinas sosial"}
    ok(await tksk.act(f"/v1/referrals/{row['id']}/transfer", moved))
    assert [(await caller.get(content)).status_code for caller in (bpjs, other)] == [404, 200]
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE id = $1", UUID(someone["id"]))
    assert code_of(await other.get(content)) == "processing_restricted"
    await owner.execute("UPDATE beneficiaries SET restricted_at = NULL WHERE id = $1", UUID(someone["id"]))
    ok(await tksk.act(f"/v1/referrals/{row['id']}/cancel", {"note": "Salah program"}))
    assert [(await other.get(address)).status_code for address in (url, content)] == [404, 404]


async def test_the_picture_of_an_identity_card_asks_an_agency_for_a_fresh_proof(as_, owner):
    tksk, bpjs = await as_("tksk", PANJANG), await as_("agency", agency_id=BPJS)
    someone = await add_person(tksk)
    card = await attached(tksk, someone["id"], "ktp")
    documents = [
        {"kind": "ktp", "attachment_id": card, "shown_physically": False},
        {"kind": "family_card", "shown_physically": True},
    ]
    row = await sent(tksk, person=someone, documents=documents)
    content = f"/v1/referrals/{row['id']}/documents/{card}/content"
    assert (await bpjs.get(content)).status_code == 200
    await owner.execute("UPDATE user_sessions SET strong_at = now() - interval '1 hour'")
    assert code_of(await bpjs.get(content)) == "step_up_required"


async def test_a_document_is_a_file_of_that_person(as_):
    tksk = await as_("tksk", PANJANG)
    someone, another = await add_person(tksk), await somebody(tksk)
    theirs = await attached(tksk, another["id"], "other")
    documents = [{"kind": "sktm", "attachment_id": theirs, "shown_physically": False}]
    body = {
        "beneficiary_id": someone["id"],
        "program": "pbi_jk",
        "agency_id": str(BPJS),
        "reason": "x",
        "consent": "given",
        "documents": documents,
    }
    answer = await tksk.post("/v1/referrals", json=body)
    assert answer.json()["errors"][0]["pointer"] == "/documents/0/attachment_id"
