"""`tksk attachments sweep` and the doctor: vault and table are brought together, nothing needed is removed."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from cli import test_cli
from cli.test_cli import environment  # noqa: F401 - a fixture
from files import paper, picture
from helpers import BANDAR_LAMPUNG, PANJANG, add_person

URL = "/v1/attachments"
DAY = 86_400


@pytest.fixture
def folder(settings) -> Path:
    place: Path = settings.key_file.parent / "attachments"
    for path in place.rglob("*"):
        if path.is_file():
            path.unlink()
    return place


@pytest.fixture
async def tksk(as_) -> Any:
    return await as_("tksk", PANJANG)


async def attached(tksk, content=None, kind="other") -> str:
    fields = {"kind": kind, "beneficiary_id": (await add_person(tksk))["id"]}
    answer = await tksk.post(URL, data=fields, files={"file": ("a", content or picture())})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def run(*arguments: str, env: Any) -> Any:
    """The command has an event loop of its own, so it gets a thread of its own."""
    return await asyncio.to_thread(test_cli.run, *arguments, env=env)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))


async def test_what_nothing_refers_to_is_removed_after_a_day(tksk, folder, environment):  # noqa: F811
    await attached(tksk)
    kept = files(folder)
    for path in kept:
        age(path, 400)
    shard = folder / "ab"
    shard.mkdir(exist_ok=True)
    old, young = shard / ("ab" + "0" * 30), shard / ("ab" + "1" * 30 + "-thumbnail")
    for path, days in ((old, 1.1), (young, 0.9)):
        path.write_bytes(b"x")
        age(path, days)
    counted = await run("attachments", "sweep", "--dry-run", env=environment)
    assert counted.exit_code == 0, counted.output
    assert "0 deleted attachments and 1 files without an attachment would be removed" in counted.output
    assert old.exists()
    swept = await run("attachments", "sweep", env=environment)
    assert "1 files without an attachment removed" in swept.output
    assert files(folder) == sorted([*kept, young])
    assert "0 files without" in (await run("attachments", "sweep", env=environment)).output


async def test_a_deleted_file_goes_when_the_time_of_its_kind_is_over(tksk, owner, folder, environment):  # noqa: F811
    photo, letter = await attached(tksk), await attached(tksk, paper(), "letter_scan")
    for key in (photo, letter):
        assert (await tksk.delete(f"{URL}/{key}", headers={"If-Match": '"v1"'})).status_code == 204
    await run("attachments", "sweep", env=environment)
    assert len(files(folder)) == 3
    await owner.execute("UPDATE attachments SET deleted_at = now() - interval '31 days'")
    used = await owner.fetchval("SELECT bytes FROM attachment_usage WHERE regency_code = $1", BANDAR_LAMPUNG)
    assert "1 deleted attachments" in (await run("attachments", "sweep", "--dry-run", env=environment)).output
    assert len(files(folder)) == 3
    assert "1 deleted attachments" in (await run("attachments", "sweep", env=environment)).output
    row = await owner.fetchrow("SELECT * FROM attachments WHERE id = $1", photo)
    assert row["purged_at"] is not None and row["key_cipher"] is None
    left = await owner.fetchval("SELECT bytes FROM attachment_usage WHERE regency_code = $1", BANDAR_LAMPUNG)
    assert used - left == row["size_bytes"] + row["thumbnail_bytes"]
    assert [str(path.relative_to(folder)) for path in files(folder)] == [
        await owner.fetchval("SELECT object_name FROM attachments WHERE id = $1", letter)
    ]
    await owner.execute("UPDATE attachments SET deleted_at = now() - interval '91 days'")
    await run("attachments", "sweep", env=environment)
    assert files(folder) == []


async def test_the_file_of_somebody_who_was_erased_goes_at_once(tksk, owner, folder, environment):  # noqa: F811
    gone, kept = await attached(tksk), await attached(tksk, picture(colour="red"))
    async with owner.transaction():
        await owner.execute("SELECT app.enter_system('test', NULL)")
        await owner.execute(
            "SELECT app.erase_subject(beneficiary_id, NULL, now()) FROM attachments WHERE id = $1::text::uuid", gone
        )
    assert len(files(folder)) == 4
    swept = await run("attachments", "sweep", env=environment)
    assert swept.exit_code == 0, swept.output
    assert len(files(folder)) == 2
    rows = await owner.fetch("SELECT id::text, purged_at IS NOT NULL AS purged FROM attachments")
    assert {row["id"]: row["purged"] for row in rows} == {gone: True, kept: False}


async def test_a_missing_file_is_named_by_the_sweep_and_counted_by_the_doctor(tksk, owner, folder, environment):  # noqa: F811
    whole, broken, small = [await attached(tksk) for _ in range(3)]
    assert "attachments" in (await run("doctor", env=environment)).output
    paths = files(folder)
    by_key = {
        str(row["id"]): row["object_name"] for row in await owner.fetch("SELECT id, object_name FROM attachments")
    }
    (folder / by_key[broken]).unlink()
    (folder / (by_key[small] + "-thumbnail")).unlink()
    assert len(files(folder)) == len(paths) - 2
    swept = await run("attachments", "sweep", env=environment)
    assert swept.exit_code == 1
    assert broken in swept.output and small in swept.output and whole not in swept.output
    doctor = await run("doctor", env=environment)
    assert doctor.exit_code == 1
    assert "2 files are missing" in doctor.output
