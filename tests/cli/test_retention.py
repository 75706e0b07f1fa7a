"""What has outlived its time ends; and erasures that a restore undid are done again."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from typer.testing import CliRunner

from accounts import PASSWORD, add_account, sign_in
from helpers import add_person, code_of, nik
from sktm_flow import URL, draft, offices, ok
from tksk_api.cli import app as cli
from tksk_api.cli.console import console
from tksk_api.domain.retention.service import BATCH, parse, schedule
from tksk_api.domain.users.rules import MOST_FAILURES
from tksk_api.domain.users.throttle import of_account

TKSK = str(Path(sys.executable).with_name("tksk"))


@pytest.fixture
def environment(settings, owner_url) -> dict[str, str]:
    return {
        "TKSK_DATABASE_URL": settings.database_url.get_secret_value(),
        "TKSK_DATABASE_OWNER_URL": owner_url,
        "TKSK_KEY_FILE": str(settings.key_file),
        "COLUMNS": "240",
    }


async def run(environment: dict[str, str], *arguments: str) -> str:
    """The command in a thread of this process; it must succeed."""
    console.width = 200  # decided when the module was imported, by whatever terminal there was
    answer = await asyncio.to_thread(CliRunner().invoke, cli, list(arguments), env=environment)
    assert answer.exit_code == 0, answer.output
    return str(answer.output)


async def due(environment: dict[str, str]) -> dict[str, int]:
    """Class -> rows due, as the dry run prints them."""
    lines = (await run(environment, "retention", "--dry-run")).splitlines()
    rows = [[cell.strip() for cell in line.split("│")] for line in lines if "│" in line]
    return {cells[1]: int(cells[3]) for cells in rows if cells[1]}  # a long source goes on in the next line


async def aged(owner: Any, user_id: UUID) -> None:
    """Of every class that is deleted one row that has outlived its time, and one that has not."""
    for days, mark in ((1000, b"old"), (-1, b"new")):
        session = uuid4()
        then = f"now() - interval '{days} days'"
        await owner.execute(
            f"INSERT INTO user_sessions (id, user_id, created_at, expires_at) VALUES ($1, $2, {then}, {then})",
            session,
            user_id,
        )
        await owner.execute(
            f"INSERT INTO refresh_tokens (digest, session_id, expires_at) VALUES ($1, $2, {then})", mark, session
        )
        await owner.execute(
            "INSERT INTO idempotency_keys (user_id, operation, key, fingerprint, created_at) "
            f"VALUES ($1, 'POST /x', $2, '', {then})",
            user_id,
            mark.decode(),
        )
        await owner.execute(
            "INSERT INTO sign_in_throttles (key, failures, last_failed_at, blocked_until, forget_at) "
            f"VALUES ($1, 1, {then}, {then}, {then})",
            mark,
        )
        await owner.execute(
            f"INSERT INTO rate_limits (window_end, key, used) VALUES (extract(epoch FROM {then})::bigint, $1, 1)", mark
        )
    client = await owner.fetchval(
        "INSERT INTO clients (id, version, name, session_id) VALUES (gen_random_uuid(), 1, 'x', gen_random_uuid()) "
        "RETURNING id"
    )
    for days, mark in ((1, b"old"), (-1, b"new")):
        await owner.execute(
            "INSERT INTO client_assertions (client_id, jti_digest, expires_at) "
            f"VALUES ($1, $2, now() - interval '{days} days')",
            client,
            mark,
        )


DELETED = {
    "idempotency_keys": "key",
    "refresh_tokens": "digest",
    "sign_in_throttles": "key",
    "rate_limits": "key",
    "client_assertions": "jti_digest",
}


async def test_the_dry_run_counts_and_the_run_ends_what_is_due(environment, owner, as_):
    team = await offices(as_)
    await aged(owner, team.tksk.user_id)
    gone, held, fresh = [await add_person(team.clerk, nik=nik(number)) for number in (801, 802, 803)]
    await owner.execute(
        "UPDATE beneficiaries SET deleted_at = now() - interval '3 years' WHERE id = ANY($1)",
        [UUID(gone["id"]), UUID(held["id"])],
    )
    await owner.execute("UPDATE beneficiaries SET legal_hold = 'Perkara' WHERE id = $1", UUID(held["id"]))
    await owner.execute("UPDATE beneficiaries SET deleted_at = now() WHERE id = $1", UUID(fresh["id"]))
    application = await draft(team, purpose_detail="Beasiswa a.n. Siti Rahmawati")
    ok(await team.tksk.act(f"{URL}/{application['id']}/cancel", {"note": "Siti Rahmawati mundur"}))
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE sktm_applications SET updated_at = now() - interval '3 years'")
    await owner.execute("SET session_replication_role = origin")
    logged = await owner.fetchval("SELECT count(*) FROM access_log")

    wanted = dict.fromkeys((*DELETED, "ended_sessions"), 1)
    wanted["rate_limit_windows"] = wanted.pop("rate_limits")
    # The session goes with its last token, which the same run ends first.
    wanted |= {"ended_sessions": 0, "withdrawn_registrations": 1, "papers_of_refused_applications": 1}
    found = await due(environment)
    assert {name: found[name] for name in wanted} == wanted
    assert found["access_log"] == 0

    await run(environment, "retention")
    for table, column in DELETED.items():
        left = {row[0] for row in await owner.fetch(f"SELECT {column} FROM {table}")}
        assert {b"old", "old"} & left == set(), table
        assert {b"new", "new"} & left, table
    assert await owner.fetchval("SELECT count(*) FROM user_sessions WHERE expires_at < now()") == 0
    names = {row["id"]: row["full_name"] for row in await owner.fetch("SELECT id, full_name FROM beneficiaries")}
    assert [names[UUID(row["id"])] for row in (gone, held, fresh)] == ["(dihapus)", "Siti Rahmawati", "Siti Rahmawati"]
    papers = await owner.fetchrow("SELECT purpose_detail, addressed_to, documents, status FROM sktm_applications")
    assert tuple(papers) == ("(dihapus)", "(dihapus)", "[]", "cancelled")
    assert await owner.fetchval("SELECT count(*) FROM transitions WHERE note IS NOT NULL") == 0
    assert await owner.fetchval("SELECT count(*) FROM access_log") >= logged
    assert {name: rows for name, rows in (await due(environment)).items() if rows} == {}


async def test_an_account_locked_for_good_stays_locked(environment, owner, client, app):
    await add_account(owner, "tksk.panjang")
    await owner.execute(
        "INSERT INTO sign_in_throttles (key, failures, last_failed_at, blocked_until) "
        "VALUES ($1, $2, now() - interval '31 days', now() - interval '31 days')",
        of_account(app.state.house.keyring, "tksk.panjang").key,
        MOST_FAILURES,
    )
    await run(environment, "retention")
    refused = await sign_in(client, "tksk.panjang", PASSWORD)
    assert (refused.status_code, code_of(refused)) == (429, "sign_in_delayed")


async def test_a_run_killed_half_way_is_finished_by_the_next(environment, owner, as_):
    caller = await as_("tksk", "18.71.04")
    await owner.executemany(
        "INSERT INTO idempotency_keys (user_id, operation, key, fingerprint, created_at) "
        "VALUES ($1, 'POST /x', $2, '', now() - interval '8 days')",
        [(caller.user_id, str(number)) for number in range(BATCH * 40)],
    )
    await owner.execute(
        "INSERT INTO idempotency_keys (user_id, operation, key, fingerprint) VALUES ($1, 'POST /x', 'fresh', '')",
        caller.user_id,
    )
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        TKSK, "retention", env={**os.environ, **environment}, stdout=silent, stderr=silent
    )
    count = "SELECT count(*) FROM idempotency_keys"
    while await owner.fetchval(count) > BATCH * 39 + 1:
        assert process.returncode is None
        await asyncio.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    left = await owner.fetchval(count)
    assert 1 < left < BATCH * 40
    assert left % BATCH == 1  # whole batches only
    await run(environment, "retention")
    assert [row["key"] for row in await owner.fetch("SELECT key FROM idempotency_keys")] == ["fresh"]


def test_the_schedule_names_a_source_and_ends_nothing_of_the_access_log():
    classes = {item.name: item for item in schedule()}
    assert all(item.source for item in classes.values())
    assert {item.table for item in classes.values() if not item.ends} >= {"access_log", "access_grants"}
    assert "access_log" not in {item.table for item in classes.values() if item.ends}
    entry = '[[classes]]\nclass = "x"\ntable = "t"\nkeep = "1 day"\nsince = "at"\nsource = "s"\n'
    with pytest.raises(ValueError, match="no such action in x"):
        parse(entry + 'action = "burn"')


# ---- erasures and restores -------------------------------------------------------------------------------------------


async def test_an_erasure_undone_by_a_restore_is_done_again(environment, owner, as_, tmp_path):
    team = await offices(as_)
    someone = await add_person(team.clerk, full_name="Zulaikha Maharani")
    key = UUID(someone["id"])
    backup = {
        table: await owner.fetchval(f"SELECT to_jsonb(t) FROM {table} t WHERE {column} = $1", key)
        for table, column in (("beneficiaries", "id"), ("subject_keys", "subject_id"))
    }
    await owner.execute("SELECT app.enter_system('erase', NULL)")
    assert await erased(owner, key)
    listed = tmp_path / "erasures.csv"
    listed.write_text(await run(environment, "privacy", "list"))
    assert str(key) in listed.read_text()
    assert "Zulaikha" not in listed.read_text()

    await restored(owner, backup)
    assert (await team.clerk.get(f"/v1/beneficiaries/{key}")).json()["full_name"] == "Zulaikha Maharani"
    assert "1 of these people had come back" in await run(environment, "privacy", "reapply", str(listed))
    assert (await team.clerk.get(f"/v1/beneficiaries/{key}")).status_code == 404
    assert await owner.fetchval("SELECT count(*) FROM subject_keys") == 0
    assert "0 of these people had come back" in await run(environment, "privacy", "reapply", str(listed))
    assert await run(environment, "privacy", "list") == listed.read_text()


async def erased(owner: Any, key: UUID) -> bool:
    async with owner.transaction():
        await owner.execute("SELECT app.enter_system('erase', NULL)")
        return bool(await owner.fetchval("SELECT app.erase_subject($1, NULL, now())", key))


async def restored(owner: asyncpg.Connection, backup: dict[str, str]) -> None:
    """The rows as an older backup has them, and no word of the erasure."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica; DELETE FROM erasures")
        for table, row in backup.items():
            columns = await owner.fetchval(
                "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns "
                "WHERE table_name = $1 AND table_schema = 'public' AND is_generated = 'NEVER'",
                table,
            )
            await owner.execute(f"DELETE FROM {table}")
            await owner.execute(
                f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)", row
            )


async def test_a_legal_hold_is_placed_and_released_by_command(environment, owner, as_):
    team = await offices(as_)
    key = (await add_person(team.clerk))["id"]
    await run(environment, "privacy", "hold", key, "--reason", "Perkara 12/Pdt/2026")
    assert await owner.fetchval("SELECT legal_hold FROM beneficiaries") == "Perkara 12/Pdt/2026"
    await run(environment, "privacy", "release", key)
    assert await owner.fetchval("SELECT legal_hold FROM beneficiaries") is None
    unknown = await asyncio.to_thread(
        CliRunner().invoke, cli, ["privacy", "hold", str(uuid4()), "--reason", "x"], env=environment
    )
    assert unknown.exit_code == 1


async def test_a_file_that_is_no_list_of_erasures_changes_nothing(environment, tmp_path, owner):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("name,when\nSiti,2026\n")
    answer = await asyncio.to_thread(CliRunner().invoke, cli, ["privacy", "reapply", str(wrong)], env=environment)
    assert answer.exit_code == 2
    assert await owner.fetchval("SELECT count(*) FROM erasures") == 0
