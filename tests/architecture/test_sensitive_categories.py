"""What was kept before migration 0014: sensitive categories leave the person's row, its history and stored answers."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import asyncpg
from alembic import command

from tksk_api.cli.database import alembic_config

_PERSON = """
INSERT INTO beneficiaries (id, version, region_code, nik_status, full_name, birth_date, sex, street, ppks_categories)
VALUES ($1, 3, '18.71.04.1002', 'none', 'Siti Rahmawati', '1991-03-25', 'female', 'Jl. Yos Sudarso 12', $2)
"""


def in_a_thread(call, *arguments):
    """Alembic's environment runs its own event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call, *arguments).result()


async def test_what_stood_in_the_column_before_is_moved_and_left_nowhere(scratch):
    config, known, other = alembic_config(scratch), uuid4(), uuid4()
    in_a_thread(command.upgrade, config, "0013")
    owner = await asyncpg.connect(scratch)
    try:
        await owner.execute(_PERSON, known, ["fakir_miskin", "odha"])
        await owner.execute(_PERSON, other, ["pemulung"])
        await owner.execute("UPDATE beneficiaries SET ppks_categories = '{odha,fakir_miskin}' WHERE id = $1", known)
        for person in (known, other):
            await owner.execute(
                "INSERT INTO idempotency_keys (user_id, operation, key, fingerprint, body, subject_ids) "
                "VALUES ($1, 'POST /v1/beneficiaries', 'k', '', 'sealed', ARRAY[$1::uuid])",
                person,
            )
        in_a_thread(command.upgrade, config, "0014")
        rows = await owner.fetch("SELECT ppks_categories, version FROM beneficiaries ORDER BY ppks_categories")
        assert [tuple(row) for row in rows] == [(["fakir_miskin"], 4), (["pemulung"], 3)]
        moved = await owner.fetch(
            "SELECT category, sensitive FROM ppks_assessments WHERE beneficiary_id = $1 AND status = 'active' "
            "ORDER BY category",
            known,
        )
        assert [tuple(row) for row in moved] == [("fakir_miskin", False), ("odha", True)]
        (change,) = await owner.fetch("SELECT fields FROM changes WHERE fields ? 'ppks_categories'")
        kept = json.loads(change["fields"])["ppks_categories"]
        assert kept == {"from": ["fakir_miskin"], "to": ["fakir_miskin"]}
        assert [row["user_id"] for row in await owner.fetch("SELECT user_id FROM idempotency_keys")] == [other]
        in_a_thread(command.downgrade, config, "0013")
        back = "SELECT ppks_categories FROM beneficiaries WHERE id = $1"
        assert set(await owner.fetchval(back, known)) == {"fakir_miskin", "odha"}
    finally:
        await owner.close()
