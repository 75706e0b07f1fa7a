"""Counting who would qualify: the job, its result, what is left out of it, and what survives a crash."""

import asyncio
from uuid import uuid4

import pytest

from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, code_of, machine
from tksk_api.domain.eligibility import simulation
from tksk_api.domain.jobs import worker
from tksk_api.services import SERVICES

OTHER_VILLAGE = "18.71.04.1003"
ADULTS = [{"test": "age_between", "min": 17, "source": "coba"}, {"test": "found_needy", "source": "coba"}]
HANDLERS = SERVICES["referrals"].jobs


async def fill(owner, village, adults, children=0):
    """People written by the owner."""
    await owner.execute(
        "INSERT INTO beneficiaries (id, version, region_code, nik_status, full_name, birth_date, sex, street) "
        "SELECT gen_random_uuid(), 1, $1, 'none', 'Warga', CASE WHEN n <= $2::int THEN date '1990-01-01' "
        "ELSE date '2020-01-01' END, 'female', 'Jl. Laut' FROM generate_series(1, $2::int + $3::int) n",
        village,
        adults,
        children,
    )


async def simulate(caller, region=BANDAR_LAMPUNG, program="pip", **over):
    answer = await caller.post(f"/v1/programs/{program}/simulate", json={"region_code": region, **over})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


async def finish(app):
    steps = 0
    while await worker.take_step(app.state.house.sessions, HANDLERS):
        steps += 1
    return steps


async def looked(caller, job):
    answer = await caller.get(f"/v1/jobs/{job['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_simulation_counts_by_outcome_reason_and_child_region_and_names_nobody(as_, app, owner):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    await fill(owner, SRENGSEM, 6, 2)
    await fill(owner, "18.71.05.1002", 1)
    await fill(owner, "18.72.01.1001", 9)
    await owner.execute("UPDATE beneficiaries SET restricted_at = now() WHERE region_code = '18.71.05.1002'")
    await fill(owner, "18.71.05.1002", 3)
    job = await simulate(office, rules=ADULTS)
    assert (job["state"], job["progress"], job["result"]) == ("queued", {"done": 0, "total": None}, None)
    assert await finish(app) == 1
    done = await looked(office, job)
    assert (done["state"], done["progress"], done["version"]) == ("done", {"done": 11, "total": 11}, 2)
    result = done["result"]
    assert result["outcomes"] == {"eligible": 0, "not_eligible": 2, "needs_assessment": 9}
    assert result["reasons"][0] == {
        "outcome": "needs_assessment",
        "code": "not_visited",
        "question": None,
        "source": "coba",
        "people": 9,
    }
    assert result["regions"] == [
        {"region_code": PANJANG, "eligible": 0, "not_eligible": 2, "needs_assessment": 6},
        {"region_code": "18.71.05", "eligible": 0, "not_eligible": 0, "needs_assessment": 3},
    ]
    assert result["suppressed_below"] is None
    assert "Warga" not in str(done)


async def test_the_rules_are_those_of_the_place_and_the_day(as_, app, owner):
    office = await as_("province_office", "18")
    await fill(owner, SRENGSEM, 5)
    await fill(owner, "18.72.01.1001", 5)
    local, ended = (
        await simulate(office, "18", "maternity_local"),
        await simulate(office, "18", "jampersal", on="2023-01-01"),
    )
    await finish(app)
    counted = (await looked(office, local))["result"]["reasons"]
    assert {(r["code"], r["question"], r["source"]) for r in counted} == {
        ("answer_missing", "pregnant_or_postpartum", "P2KM Kota Bandar Lampung"),
        ("answer_missing", "registered_in_jkn", "P2KM Kota Bandar Lampung"),
        ("answer_missing", "resident_one_year", "P2KM Kota Bandar Lampung"),
        ("answer_missing", "pregnant_or_postpartum", "Peraturan daerah setempat / local rules"),
        ("not_visited", None, "Peraturan daerah setempat / local rules"),
    }
    over = (await looked(office, ended))["result"]
    assert (over["outcomes"]["not_eligible"], over["reasons"][0]["code"]) == (10, "program_ended")


async def test_who_may_not_see_people_is_told_steps_and_nothing_to_subtract(as_, app, owner):
    office, admin = await as_("regency_office", BANDAR_LAMPUNG), await as_("admin")
    client = await machine(app, owner, ["program:simulate", "job:follow"], [BANDAR_LAMPUNG])
    await fill(owner, SRENGSEM, 7, 3)
    await fill(owner, OTHER_VILLAGE, 8)
    await fill(owner, "18.71.04.1004", 2)

    async def asked(caller, region):
        job = await simulate(caller, region)
        await finish(app)
        return await looked(caller, job)

    exact = (await asked(office, PANJANG))["result"]
    assert sorted(exact["outcomes"].values()) == [0, 3, 17]
    for caller in (admin, client):
        told = await asked(caller, PANJANG)
        result = told["result"]
        assert (result["suppressed_below"], result["people"], told["progress"]) == (5, 20, {"done": 20, "total": 20})
        assert result["outcomes"] == {name: count - count % 5 for name, count in exact["outcomes"].items()}
        assert [max(row[name] for name in exact["outcomes"]) for row in result["regions"]] == [5, 5]
        assert {reason["people"] for reason in result["reasons"]} == {15}
    # One person more or less, here or next door, is no other answer.
    before = [(await asked(admin, region))["result"] for region in (PANJANG, SRENGSEM, OTHER_VILLAGE)]
    await fill(owner, SRENGSEM, 1)
    assert [(await asked(admin, region))["result"] for region in (PANJANG, SRENGSEM, OTHER_VILLAGE)] == before


@pytest.mark.parametrize(
    "over",
    [{"rules": [{"test": "age_between", "max": 60, "source": "coba"}]}, {"on": "2025-03-01"}],
    ids=["rules", "day"],
)
async def test_who_may_not_see_people_does_not_choose_what_is_counted(as_, app, owner, over):
    callers = await as_("admin"), await machine(app, owner, ["program:simulate", "job:follow"], [BANDAR_LAMPUNG])
    for caller in callers:
        refused = await caller.post("/v1/programs/pip/simulate", json={"region_code": SRENGSEM, **over})
        assert (refused.status_code, code_of(refused)) == (403, "permission_denied")
        assert "beneficiary:read" in refused.text


async def test_a_long_job_goes_page_by_page_and_survives_a_crash(as_, app, owner, monkeypatch):
    monkeypatch.setattr(simulation, "PAGE", 4)
    office, sessions = await as_("regency_office", BANDAR_LAMPUNG), app.state.house.sessions
    await fill(owner, SRENGSEM, 10)
    job = await simulate(office, rules=ADULTS)
    assert await worker.take_step(sessions, HANDLERS)
    half = await looked(office, job)
    assert (half["state"], half["progress"]) == ("running", {"done": 4, "total": 10})

    async def crash(_session, _job):
        raise RuntimeError

    assert await worker.take_step(sessions, {simulation.KIND: crash})
    assert (await looked(office, job))["progress"]["done"] == 4
    await asyncio.gather(*(worker.take_step(sessions, HANDLERS) for _ in range(4)))
    await finish(app)
    done = await looked(office, job)
    assert (done["state"], done["result"]["people"], done["error"]) == ("done", 10, None)


async def test_a_job_that_fails_three_times_has_failed(as_, app):
    office, sessions = await as_("regency_office", BANDAR_LAMPUNG), app.state.house.sessions
    job = await simulate(office)

    async def crash(_session, _job):
        raise RuntimeError

    for _ in range(3):
        assert await worker.take_step(sessions, {simulation.KIND: crash})
    assert not await worker.take_step(sessions, {simulation.KIND: crash})
    failed = await looked(office, job)
    assert (failed["state"], failed["error"], failed["result"]) == ("failed", "internal_error", None)


async def test_two_jobs_take_turns_and_a_cancelled_one_is_left_alone(as_, app, owner, monkeypatch):
    monkeypatch.setattr(simulation, "PAGE", 2)
    office, sessions = await as_("regency_office", BANDAR_LAMPUNG), app.state.house.sessions
    await fill(owner, SRENGSEM, 5)
    first, second = await simulate(office), await simulate(office)
    for _ in range(2):
        await worker.take_step(sessions, HANDLERS)
    assert [(await looked(office, job))["progress"]["done"] for job in (first, second)] == [2, 2]
    cancelled = await office.act(f"/v1/jobs/{first['id']}/cancel", version=1)
    assert (cancelled.status_code, cancelled.json()["state"], cancelled.json()["version"]) == (200, "cancelled", 2)
    await finish(app)
    assert (await looked(office, first))["progress"]["done"] == 2
    assert (await looked(office, second))["state"] == "done"
    for job in (first, second):
        refused = await office.act(f"/v1/jobs/{job['id']}/cancel", version=2)
        assert (refused.status_code, code_of(refused)) == (409, "transition_refused")
    assert code_of(await office.act(f"/v1/jobs/{second['id']}/cancel", version=1)) == "stale_version"


async def test_the_service_works_by_itself(as_, app, owner):
    office, sessions = await as_("regency_office", BANDAR_LAMPUNG), app.state.house.sessions
    await fill(owner, SRENGSEM, 1)
    job = await simulate(office)
    async with worker.working(sessions, HANDLERS, (), 0.01):
        for _ in range(200):
            if (await looked(office, job))["state"] == "done":
                break
            await asyncio.sleep(0.02)
    assert (await looked(office, job))["state"] == "done"


async def test_a_job_is_its_owners_alone(as_):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    job = await simulate(office)
    for other in (await as_("regency_office", BANDAR_LAMPUNG), await as_("ministry"), await as_("admin")):
        assert code_of(await other.get(f"/v1/jobs/{job['id']}")) == "not_found"
        assert code_of(await other.act(f"/v1/jobs/{job['id']}/cancel", version=1)) == "not_found"
    assert code_of(await office.get(f"/v1/jobs/{uuid4()}")) == "not_found"


@pytest.mark.parametrize(
    ("region", "over", "code"),
    [
        (AMPENAN, {}, "not_found"),
        ("18.71.99", {}, "invalid_request"),
        (BANDAR_LAMPUNG, {"rules": [{"test": "python", "source": "x"}]}, "invalid_request"),
        (
            BANDAR_LAMPUNG,
            {"rules": [{"test": "answered", "question": "x", "is": True, "source": "y"}]},
            "invalid_request",
        ),
    ],
)
async def test_what_cannot_be_simulated(as_, region, over, code):
    office = await as_("regency_office", BANDAR_LAMPUNG)
    answer = await office.post("/v1/programs/pip/simulate", json={"region_code": region, **over})
    assert code_of(answer) == code
    tksk = await as_("tksk", PANJANG)
    denied = await tksk.post("/v1/programs/pip/simulate", json={"region_code": PANJANG})
    assert code_of(denied) == "permission_denied"
