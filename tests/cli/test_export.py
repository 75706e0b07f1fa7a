"""`tksk export` over real HTTP, as a machine client."""

import asyncio
import csv
import io
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from cli import test_cli
from cli.test_import import SECRET, served  # noqa: F401 - a fixture
from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, add_client, add_person
from tksk_api.domain.clients.service import digest_of

SCOPES = ["export:run", "beneficiary:read"]


@pytest.fixture
async def env(served, owner) -> dict[str, str]:  # noqa: F811
    """What a script has in its environment: the system and a machine client of Bandar Lampung."""
    client_id, _ = await add_client(owner, SCOPES, [BANDAR_LAMPUNG])
    await owner.execute(
        "INSERT INTO client_secrets (id, client_id, digest) VALUES ($1, $2, $3)", uuid4(), client_id, digest_of(SECRET)
    )
    return {"TKSK_URL": served, "TKSK_CLIENT_ID": str(client_id), "TKSK_CLIENT_SECRET": SECRET, "TKSK_TOKEN": ""}


async def ran(env: dict[str, str], *arguments: object) -> Any:
    """The command blocks, so it gets a thread of its own."""
    kept = {name: value or None for name, value in env.items()}
    return await asyncio.to_thread(test_cli.run, "export", *map(str, arguments), env=kept)


async def test_a_list_is_asked_for_followed_and_kept(env, as_, tmp_path):
    tksk = await as_("tksk", PANJANG)
    for name in ("Siti Rahmawati", "Dewi Lestari"):
        await add_person(tksk, full_name=name)
    target = tmp_path / "warga.csv"
    done = await ran(env, "beneficiaries", "--filter", f"village_code={SRENGSEM}", "--out", target)
    assert (done.exit_code, "2 rows" in done.stdout) == (0, True), done.output
    rows = list(csv.DictReader(io.StringIO(target.read_text("utf-8-sig"), newline="")))
    assert [row["full_name"] for row in rows] == ["Dewi Lestari", "Siti Rahmawati"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["warga.csv"]
    told = await ran(env, "beneficiaries", "--format", "jsonl", "--out", tmp_path / "warga.jsonl", "--json")
    said = json.loads(told.stdout)
    assert (said["export"]["rows"], said["file"]) == (2, str(tmp_path / "warga.jsonl"))
    assert UUID(said["export"]["id"])


async def test_scripts_hear_why_not(env, tmp_path):
    for arguments, code, said in (
        (("visits",), 4, "permission_denied"),
        (("beneficiaries", "--filter", "nik=1"), 4, "invalid_request"),
        (("beneficiaries", "--filter", "x"), 2, "name=value"),
        (("beneficiaries", "--full-numbers", "--purpose", "audit", "--reason", "Pencocokan data"), 4, "permission"),
    ):
        refused = await ran(env, *arguments, "--out", tmp_path / "x.csv")
        assert (refused.exit_code, said in refused.output) == (code, True), refused.output
    as_json = await ran(env, "visits", "--json", "--out", tmp_path / "x.csv")
    assert json.loads(as_json.stdout)["problem"]["code"] == "permission_denied"
    assert list(tmp_path.iterdir()) == []
