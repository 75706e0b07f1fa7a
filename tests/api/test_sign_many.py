"""Signing many by a job: each as one by one, in the signer's name, and never more than they may."""

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

import pytest

from helpers import BANDAR_LAMPUNG, SRENGSEM, code_of
from sktm_flow import URL, checked, draft, offices, ok, verified
from tksk_api.domain.jobs import worker
from tksk_api.domain.sktm_applications import sign_many
from tksk_api.routers import sktm_applications as router


def handlers(app):
    return {sign_many.KIND: router.signing(app.state.house)}


def seen(*rows):
    return {"items": [{"id": row["id"], "version": row["version"]} for row in rows], "confirmed": True}


async def ask(caller, *rows):
    answer = await caller.post(f"{URL}/sign-many", json=seen(*rows))
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.headers["Location"]


async def step(app):
    return await worker.take_step(app.state.house.sessions, handlers(app))


async def finish(app):
    while await step(app):
        pass


async def several(owner, team, count):
    return [await verified(owner, team, purpose_detail=f"Beasiswa {n}") for n in range(count)]


def told(job):
    return [(item["status"], item["code"]) for item in job["result"]["items"]]


async def test_each_is_signed_or_refused_as_one_by_one(as_, app, owner):
    team = await offices(as_)
    first, edited, taken_back, own, last = await several(owner, team, 5)
    unchecked, unseen = await checked(team, purpose_detail="Belum dikunjungi"), {"id": str(uuid4()), "version": 1}
    await owner.execute("UPDATE sktm_applications SET version = version + 1 WHERE id = $1", UUID(edited["id"]))
    taken_back = ok(await team.tksk.act(f"{URL}/{taken_back['id']}/cancel", {"note": "batal"}))
    await owner.execute(
        "UPDATE sktm_applications SET created_by = $2 WHERE id = $1", UUID(own["id"]), team.head.user_id
    )
    own = ok(await team.head.get(f"{URL}/{own['id']}"))
    url = await ask(team.head, first, edited, taken_back, own, unchecked, unseen, last)
    queued = ok(await team.head.get(url))
    assert (queued["state"], queued["region_code"], queued["progress"]) == (
        "queued",
        SRENGSEM,
        {"done": 0, "total": None},
    )
    assert await step(app)
    assert ok(await team.head.get(url))["progress"] == {"done": 1, "total": 7}
    await finish(app)
    job = ok(await team.head.get(url))
    assert (job["state"], job["error"], job["result"]["signed"], job["result"]["refused"]) == ("done", None, 2, 5)
    assert told(job) == [
        ("issued", None),
        ("refused", "stale_version"),
        ("refused", "transition_refused"),
        ("refused", "separation_of_duties"),
        ("refused", "transition_refused"),
        ("refused", "not_found"),
        ("issued", None),
    ]
    letters = [ok(await team.head.get(f"{URL}/{row['id']}"))["letter"]["number"] for row in (first, last)]
    assert [item["number"] for item in job["result"]["items"] if item["number"]] == letters
    assert await owner.fetchval("SELECT last FROM sktm_counters") == 2
    # The act is the signer's, under the request that asked for it; so are the refusals.
    asked = await owner.fetchval("SELECT parameters ->> 'request' FROM jobs")
    step_taken = (await team.head.get(f"{URL}/{first['id']}/history")).json()["items"][-1]
    assert (step_taken["action"], step_taken["actor_name"]) == ("sign", "Hendra Saputra, S.Sos.")
    rows = await owner.fetch(
        "SELECT outcome, object_id FROM access_log WHERE request_id = $1 AND user_id = $2 AND outcome <> 'ok'",
        UUID(asked),
        team.head.user_id,
    )
    assert {(row["outcome"], str(row["object_id"])) for row in rows} == {
        ("denied", own["id"]),
        ("not_found", unseen["id"]),
    }
    read = await owner.fetchval(
        "SELECT count(*) FROM access_log WHERE user_id = $1 AND operation = $2 AND fields = '{nik}'",
        team.head.user_id,
        sign_many.KIND,
    )
    assert read == 2
    changed = await owner.fetch("SELECT DISTINCT actor_id FROM changes WHERE operation = $1", sign_many.KIND)
    assert [row["actor_id"] for row in changed] == [team.head.user_id]


@pytest.mark.parametrize(
    ("lost", "code"),
    [
        ("UPDATE users SET disabled_at = now() WHERE id = $1", "unauthenticated"),
        ("UPDATE user_sessions SET revoked_at = now() WHERE user_id = $1", "unauthenticated"),
        ("UPDATE users SET role = 'village_clerk' WHERE id = $1", "permission_denied"),
        ("UPDATE users SET must_change_password = true WHERE id = $1", "password_change_required"),
        ("UPDATE user_sessions SET strong_at = now() - interval '5 hours' WHERE user_id = $1", "step_up_required"),
    ],
    ids=["disabled", "signed_out", "other_role", "password", "old_proof"],
)
async def test_who_may_not_sign_any_more_stops_the_job(as_, app, owner, lost, code):
    team = await offices(as_)
    rows = await several(owner, team, 2)
    url = await ask(team.head, *rows)
    assert await step(app)
    await owner.execute(lost, team.head.user_id)
    await finish(app)
    job = await owner.fetchrow("SELECT state, error, result, done FROM jobs WHERE id = $1", UUID(url[-36:]))
    assert (job["state"], job["error"], job["done"]) == ("failed", code, 1)
    assert '"signed": 1' in job["result"]
    states = [ok(await team.tksk.get(f"{URL}/{row['id']}"))["status"] for row in rows]
    assert states == ["issued", "verified"]


async def test_a_signer_who_was_moved_finds_nothing_there(as_, app, owner):
    """Both walls are those of the moment: the job was asked for in another village."""
    team = await offices(as_)
    rows = await several(owner, team, 2)
    await ask(team.head, *rows)
    assert await step(app)
    await owner.execute("UPDATE users SET region_code = '18.71.04.1003' WHERE id = $1", team.head.user_id)
    await finish(app)
    result = await owner.fetchval("SELECT result -> 'items' -> 1 ->> 'code' FROM jobs")
    assert result == "not_found"
    assert ok(await team.tksk.get(f"{URL}/{rows[1]['id']}"))["status"] == "verified"


async def test_a_killed_step_is_undone_and_no_number_comes_twice(as_, app, owner, monkeypatch):
    team = await offices(as_)
    rows = await several(owner, team, 4)
    url = await ask(team.head, *rows)
    note = worker._note

    async def killed(session, key, values):
        if "checkpoint" in values:
            raise asyncio.CancelledError  # after the letter was made and before anything was noted
        await note(session, key, values)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "_note", killed)
        with suppress(asyncio.CancelledError):
            await step(app)
    assert await owner.fetchval("SELECT count(*) FROM sktm_letters") == 0
    # Three servers at once, and the head signs one by hand meanwhile.
    by_hand = team.head.act(f"{URL}/{rows[3]['id']}/sign", version=rows[3]["version"])
    await asyncio.gather(by_hand, *(step(app) for _ in range(3)))
    await finish(app)
    job = ok(await team.head.get(url))
    assert (job["state"], job["progress"]) == ("done", {"done": 4, "total": 4})
    assert {status for status, _ in told(job)} <= {"issued", "refused"}
    sequences = [row["sequence"] for row in await owner.fetch("SELECT sequence FROM sktm_letters ORDER BY 1")]
    assert sequences == [1, 2, 3, 4]
    assert await owner.fetchval("SELECT count(*) FROM sktm_signatures") == 4


async def test_what_cannot_be_drawn_does_not_keep_the_others_waiting(as_, app, owner, monkeypatch):
    team = await offices(as_)
    rows = await several(owner, team, 3)
    url, draw = await ask(team.head, *rows), router.render_letter

    def broken(content, *more):
        if content.purpose_detail == "Beasiswa 1":
            raise RuntimeError("printer on fire")
        return draw(content, *more)

    monkeypatch.setattr(router, "render_letter", broken)
    await finish(app)
    job = ok(await team.head.get(url))
    assert told(job) == [("issued", None), ("refused", "internal_error"), ("issued", None)]
    assert [row["sequence"] for row in await owner.fetch("SELECT sequence FROM sktm_letters ORDER BY 1")] == [1, 2]


async def test_cancelled_between_two_and_nobody_elses(as_, app, owner):
    team = await offices(as_)
    rows = await several(owner, team, 2)
    url = await ask(team.head, *rows)
    assert await step(app)
    assert code_of(await team.camat.get(url)) == "not_found"
    assert ok(await team.head.act(f"{url}/cancel", version=1))["progress"] == {"done": 1, "total": 2}
    assert not await step(app)
    assert ok(await team.head.get(f"{URL}/{rows[1]['id']}"))["status"] == "verified"


async def test_the_next_signatory_signs_many_too(as_, app, owner):
    team = await offices(as_)
    policy = {"signatories": ["village_head", "district_head"]}
    assert (await team.dinsos.put(f"/v1/sktm-policies/{BANDAR_LAMPUNG}", json=policy)).status_code == 200
    rows = await several(owner, team, 2)
    early = await ask(team.camat, *rows)
    by_head = await ask(team.head, *rows)
    await finish(app)
    assert told(ok(await team.camat.get(early))) == [("refused", "not_signatory")] * 2
    assert told(ok(await team.head.get(by_head))) == [("signing", None)] * 2
    rows = [ok(await team.camat.get(f"{URL}/{row['id']}")) for row in rows]
    by_camat = await ask(team.camat, *rows)
    await finish(app)
    assert told(ok(await team.camat.get(by_camat))) == [("issued", None)] * 2


async def test_what_cannot_be_asked(as_, owner):
    team = await offices(as_)
    row = await draft(team)
    body = seen(row)
    for wrong, pointer, code in (
        ({**body, "confirmed": False}, "/confirmed", "not_allowed"),
        ({"items": body["items"]}, "/confirmed", "missing"),
        ({**body, "items": []}, "/items", "too_short"),
        ({**body, "items": body["items"] * 2}, "/items", "duplicate_entry"),
        ({**body, "items": [{"id": str(uuid4()), "version": 1} for _ in range(1001)]}, "/items", "too_many"),
        ({**body, "items": [{"id": row["id"]}]}, "/items/0/version", "missing"),
    ):
        answer = await team.head.post(f"{URL}/sign-many", json=wrong)
        assert answer.status_code == 422, answer.text
        found = answer.json()["errors"][0]
        assert (found["pointer"], found["code"]) == (pointer, code)
    assert code_of(await team.clerk.post(f"{URL}/sign-many", json=body)) == "permission_denied"
    await owner.execute(
        "UPDATE user_sessions SET strong_at = now() - interval '1 hour' WHERE user_id = $1", team.head.user_id
    )
    assert code_of(await team.head.post(f"{URL}/sign-many", json=body)) == "step_up_required"
