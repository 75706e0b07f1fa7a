"""Seals over the access log: whatever is changed afterwards is found and named, and nothing else ever is."""

import asyncio
import hashlib
import json
import random
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from helpers import PANJANG, add_person, code_of, person
from tksk_api.cli import app as tksk
from tksk_api.domain.audit import merkle, service
from tksk_api.domain.audit.verify import verify
from tksk_api.main import create_app

# ---- arithmetic ------------------------------------------------------------------------------------------------------

# Inputs and roots of the reference trees that implementations of RFC 6962 share (certificate-transparency-go).
_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
DIGESTS = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


@pytest.mark.parametrize("size", range(1, 9))
def test_trees_are_those_of_the_reference(size):
    leaves = [merkle.leaf(bytes.fromhex(data)) for data in _INPUTS[:size]]
    assert merkle.root(leaves).hex() == _ROOTS[size - 1]


def test_the_tree_of_nothing_is_the_digest_of_nothing():
    assert merkle.root([]) == hashlib.sha256(b"").digest()


def by_the_book(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word: split at the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + by_the_book(leaves[:half]) + by_the_book(leaves[half:])).digest()


@given(DIGESTS)
def test_pairing_by_levels_is_the_tree_of_the_standard(leaves):
    assert merkle.root(leaves) == by_the_book(leaves)


@given(DIGESTS, st.data())
def test_any_other_leaf_order_or_number_gives_another_root(leaves, data):
    place = data.draw(st.integers(0, len(leaves) - 1))
    others = [
        [*leaves[:place], bytes(32 * [7]), *leaves[place + 1 :]],
        [*leaves[:place], *leaves[place + 1 :]],
        [*leaves, leaves[place]],
        leaves[::-1],
    ]
    assert all((merkle.root(other) == merkle.root(leaves)) == (other == leaves) for other in others)


def test_a_seal_is_hashed_over_all_of_it():
    previous, tree = bytes([1] * 32), bytes([2] * 32)
    facts = [5, 10, 12, 3, 1_700_000_000_000_000]
    numbers = [fact.to_bytes(8, "big") for fact in facts]
    expected = hashlib.sha256(b"\x02" + numbers[0] + previous + tree + b"".join(numbers[1:])).digest()
    assert merkle.seal(previous, tree, *facts) == expected
    for place in range(5):
        other = [fact + (index == place) for index, fact in enumerate(facts)]
        assert merkle.seal(previous, tree, *other) != expected


# ---- the log, sealed -------------------------------------------------------------------------------------------------


@pytest.fixture
def sessions(app):
    return app.state.house.sessions


@pytest.fixture
async def second(owner_url):
    """Another connection of the owner, whose open transaction ends with the test."""
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


async def found(sessions, anchor: bytes | None = None) -> list[tuple[str, str]]:
    return [(finding.code, finding.text) async for finding in verify(sessions, anchor, lambda _done, _all: None)]


@pytest.fixture
async def three(as_, sessions, owner):
    """Three seals over some reading and writing; the ids of their rows, and one id that was never used."""
    tksk = await as_("tksk", PANJANG)
    someone = await add_person(tksk)
    unused = await owner.fetchval("SELECT nextval(pg_get_serial_sequence('access_log', 'id'))")
    for _ in range(3):
        for _ in range(3):
            assert (await tksk.get(f"/v1/beneficiaries/{someone['id']}")).status_code == 200
        assert await service.seal(sessions) >= 3
    assert await found(sessions) == []
    return [row["id"] for row in await owner.fetch("SELECT id FROM access_log ORDER BY id")], unused


async def test_every_row_lies_under_one_seal(three, owner):
    ids, _ = three
    seals = await owner.fetch("SELECT * FROM access_seals ORDER BY number")
    assert [seal["number"] for seal in seals] == [1, 2, 3]
    covered = [
        int.from_bytes(seal["leaves"][start : start + 8], "big")
        for seal in seals
        for start in range(0, len(seal["leaves"]), service.ENTRY_BYTES)
    ]
    assert covered == ids


async def test_what_is_sealed_can_be_computed_by_somebody_else(three, sessions, owner):
    """From a copy of the rows, with nothing of ours: the recipe of docs/decisions/0007."""
    await owner.execute(
        "INSERT INTO access_log (role, operation, action, reason, fields, at) VALUES "
        "('owner', 'x', 'read', $1, '{nik,family_card_number}', timestamptz '2026-11-02 12:00:00.1+07')",
        'Ünïcode “\U0001f9ea” \\ "kutip" \n\t\r\b\f\x01\x1f\x7f \u2028 </script>',
    )
    await service.seal(sessions)
    order = ["id", "at", "user_id", "session_id", "role", "actor_region", "request_id", "operation", "action"]
    order += ["object_id", "subject_ids", "fields", "purpose", "reason", "outcome"]
    for seal in await owner.fetch("SELECT * FROM access_seals ORDER BY number"):
        rows = await owner.fetch(
            "SELECT * FROM access_log WHERE id BETWEEN $1 AND $2 ORDER BY id", seal["first_id"], seal["last_id"]
        )
        assert set(rows[0].keys()) == set(order)
        leaves = []
        for row in rows:
            values = [round(row[name].timestamp() * 1_000_000) if name == "at" else row[name] for name in order]
            text = json.dumps([1, *values], default=str, ensure_ascii=False)
            leaves.append(hashlib.sha256(b"\x00" + text.encode()).digest())
        assert by_the_book(leaves) == seal["root"]


async def swap(owner, ids):
    first, second_ = ids[2], ids[3]
    for column in ("subject_ids", "user_id", "request_id", "at"):
        await owner.execute(
            f"UPDATE access_log a SET {column} = b.{column} FROM access_log b "
            "WHERE (a.id, b.id) IN (($1, $2), ($2, $1))",
            first,
            second_,
        )


@pytest.mark.parametrize(
    "change",
    [
        "user_id = gen_random_uuid()",
        "at = at - interval '1 microsecond'",
        "role = 'auditor'",
        "actor_region = NULL",
        "operation = 'x'",
        "action = 'x'",
        "object_id = NULL",
        "subject_ids = '{}'",
        "fields = '{nik}'",
        "purpose = 'x'",
        "reason = ''",
        "outcome = 'denied'",
        "session_id = NULL",
        "request_id = NULL",
    ],
)
async def test_an_edited_row_is_named(three, sessions, owner, change):
    ids, _ = three
    await owner.execute(f"UPDATE access_log SET {change} WHERE id = $1", ids[4])
    assert await found(sessions) == [("row_edited", f"row {ids[4]} of seal 2 was changed")]


async def test_a_deleted_row_is_named(three, sessions, owner):
    ids, _ = three
    await owner.execute("DELETE FROM access_log WHERE id IN ($1, $2)", ids[0], ids[-1])
    assert await found(sessions) == [
        ("row_deleted", f"row {ids[0]} of seal 1 was deleted"),
        ("row_deleted", f"row {ids[-1]} of seal 3 was deleted"),
    ]


@pytest.mark.parametrize("place", ["between", "before"])
async def test_an_inserted_row_is_named(three, sessions, owner, place):
    _, unused = three
    key = unused if place == "between" else -5
    await owner.execute(
        "INSERT INTO access_log (id, role, operation) OVERRIDING SYSTEM VALUE VALUES ($1, 'tksk', 'x')", key
    )
    assert await found(sessions) == [("row_inserted", f"row {key} was inserted among the rows of seal 1")]


async def test_two_rows_that_changed_places_are_named(three, sessions, owner):
    ids, _ = three
    await swap(owner, ids)
    assert [code for code, _ in await found(sessions)] == ["row_edited", "row_edited"]


@pytest.mark.parametrize(
    "change",
    [
        "sealed_at = sealed_at + interval '1 microsecond'",
        "row_count = row_count + 1",
        "first_id = first_id - 1",
        "last_id = last_id + 1",
        "root = sha256('x')",
        "hash = sha256('x')",
        "leaves = leaves || sha256('x')",
        "leaves = overlay(leaves placing sha256('x') from 9)",
    ],
)
async def test_an_edited_seal_is_named(three, sessions, owner, change):
    await owner.execute(f"UPDATE access_seals SET {change} WHERE number = 2")
    assert ("seal_edited", "seal 2 was changed") in await found(sessions)


async def test_a_seal_that_follows_another_is_named(three, sessions, owner):
    """Made consistent in itself, it no longer fits the chain."""
    seal = dict(await owner.fetchrow("SELECT * FROM access_seals WHERE number = 2")) | {"previous": bytes(32)}
    await owner.execute(
        "UPDATE access_seals SET previous = $1, hash = $2 WHERE number = 2", seal["previous"], service.seal_hash(seal)
    )
    assert await found(sessions) == [
        ("seal_out_of_order", "seal 2 does not follow the seal before it"),
        ("seal_out_of_order", "seal 3 does not follow the seal before it"),
    ]


@pytest.mark.parametrize(("gone", "named"), [("1", "seal 1 is"), ("2", "seal 2 is"), ("1, 2", "seal 1 to 2 is")])
async def test_a_missing_seal_is_named_once(three, sessions, owner, gone, named):
    await owner.execute(f"DELETE FROM access_seals WHERE number IN ({gone})")
    assert await found(sessions) == [("seal_missing", f"{named} missing")]


async def test_a_log_cut_at_its_end_is_found_by_the_anchor(three, sessions, owner):
    anchor = await service.anchor_of(sessions, service.today())
    assert (anchor.number, anchor.rows) == (3, await owner.fetchval("SELECT count(*) FROM access_log"))
    assert await found(sessions, anchor.hash) == []
    cut = await owner.fetchval("SELECT first_id FROM access_seals WHERE number = 3")
    await owner.execute("DELETE FROM access_log WHERE id >= $1", cut)
    await owner.execute("DELETE FROM access_seals WHERE number = 3")
    assert await found(sessions) == []  # whole in itself: what the printed page is for
    assert [code for code, _ in await found(sessions, anchor.hash)] == ["anchor_not_found"]


async def test_a_log_rewritten_and_sealed_anew_is_found_by_the_anchor(three, sessions, owner):
    anchor = await service.anchor_of(sessions, service.today())
    await owner.execute("UPDATE access_log SET user_id = gen_random_uuid()")
    await owner.execute("DELETE FROM access_seals")
    await service.seal(sessions)
    assert await found(sessions) == []
    assert [code for code, _ in await found(sessions, anchor.hash)] == ["anchor_not_found"]


async def test_sealing_that_has_stopped_is_noticed(three, sessions, owner):
    await owner.execute("INSERT INTO access_log (role, operation) VALUES ('tksk', 'x')")
    assert await found(sessions) == []
    await owner.execute(
        "INSERT INTO access_log (at, role, operation) VALUES (now() - interval '11 minutes', 'tksk', 'x')"
    )
    await owner.execute("DELETE FROM access_log WHERE id = (SELECT max(id) - 1 FROM access_log)")
    assert [code for code, _ in await found(sessions)] == ["sealing_stopped"]


async def test_a_large_backlog_takes_several_seals(sessions, owner, monkeypatch):
    monkeypatch.setattr(service, "ROWS_PER_SEAL", 1000)
    await owner.execute(
        "INSERT INTO access_log (role, operation, subject_ids) "
        "SELECT 'tksk', 'x', ARRAY[gen_random_uuid()] FROM generate_series(1, 4500)"
    )
    assert await service.seal(sessions) == 4500
    counts = [row["row_count"] for row in await owner.fetch("SELECT row_count FROM access_seals ORDER BY number")]
    assert counts == [1000, 1000, 1000, 1000, 500]
    assert await service.seal(sessions) == 0
    assert await found(sessions) == []


# ---- nothing appears later, and nobody waits -------------------------------------------------------------------------


async def test_a_row_still_to_be_committed_is_waited_for(as_, sessions, owner, second):
    tksk = await as_("tksk", PANJANG)
    transaction = second.transaction()
    await transaction.start()
    await second.execute("INSERT INTO access_log (role, operation) VALUES ('owner', 'slow')")
    someone = await add_person(tksk)  # a higher id, committed first
    assert await service.seal(sessions, patience=0.2) == 0
    started = time.perf_counter()
    sealing = asyncio.create_task(service.seal(sessions, patience=10))
    for _ in range(5):
        assert (await tksk.get(f"/v1/beneficiaries/{someone['id']}")).status_code == 200
        assert (await tksk.post("/v1/beneficiaries", json=person())).status_code == 201
    assert time.perf_counter() - started < 2  # nobody waits for the sealing
    assert not sealing.done()
    await transaction.commit()
    assert await sealing >= 2
    assert await service.seal(sessions) > 0
    assert await found(sessions) == []


async def test_the_highest_id_alone_would_be_no_bound(as_, sessions, owner, second):
    """The twin: sealing up to the highest row seen, without the wait, takes the late row for a forgery."""
    transaction = second.transaction()
    await transaction.start()
    await second.execute("INSERT INTO access_log (role, operation) VALUES ('owner', 'slow')")
    await add_person(await as_("tksk", PANJANG))
    assert await service._seal_next(sessions, await owner.fetchval("SELECT max(id) FROM access_log")) == 1
    await transaction.commit()
    await service.seal(sessions)
    assert [code for code, _ in await found(sessions)] == ["row_inserted"]


async def test_a_row_that_was_rolled_back_leaves_only_a_gap(as_, sessions, owner, second):
    transaction = second.transaction()
    await transaction.start()
    await second.execute("INSERT INTO access_log (role, operation) VALUES ('owner', 'undone')")
    await add_person(await as_("tksk", PANJANG))
    await transaction.rollback()
    assert await service.seal(sessions) == 1
    assert await found(sessions) == []


async def test_a_long_transaction_that_writes_no_access_row_holds_nothing_up(as_, sessions, owner, second):
    transaction = second.transaction(isolation="repeatable_read")
    await transaction.start()
    await second.fetchval("SELECT count(*) FROM access_log")
    await second.execute("SELECT pg_current_xact_id()")
    await add_person(await as_("tksk", PANJANG))
    assert await service.seal(sessions, patience=0) == 1
    await transaction.rollback()


async def test_ids_are_given_one_by_one(owner):
    """What the reasoning of docs/decisions/0007 rests on: no session holds ids in reserve, and none comes again."""
    sequence = await owner.fetchrow(
        "SELECT seqcache, seqcycle, seqincrement FROM pg_sequence "
        "WHERE seqrelid = pg_get_serial_sequence('access_log', 'id')::regclass"
    )
    assert tuple(sequence) == (1, False, 1)


@asynccontextmanager
async def _while(*work):
    """Run these until the block ends; what one of them raises fails the test."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one(stop)) for one in work]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_hammered_from_all_sides_nothing_is_ever_out_of_place(as_, sessions, owner, owner_url, monkeypatch):
    """Readers, writers, refusals, slow and undone transactions, two sealers, and somebody who verifies meanwhile."""
    monkeypatch.setattr(service, "ROWS_PER_SEAL", 7)
    tksk = await as_("tksk", PANJANG)
    someone = (await add_person(tksk))["id"]
    chance = random.Random(7)
    seen: list[tuple[str, str]] = []

    async def use(stop):
        while not stop.is_set():
            answers = await asyncio.gather(
                tksk.get(f"/v1/beneficiaries/{someone}"),
                tksk.get("/v1/beneficiaries"),
                tksk.post("/v1/beneficiaries", json=person()),
                tksk.get(f"/v1/beneficiaries/{uuid4()}"),
                tksk.get("/v1/audit"),
            )
            assert [answer.status_code for answer in answers] == [200, 200, 201, 404, 403]

    async def dawdle(stop):
        connection = await asyncpg.connect(owner_url)
        while not stop.is_set():
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("INSERT INTO access_log (role, operation) VALUES ('owner', 'slow')")
            await asyncio.sleep(chance.random() * 0.1)
            await (transaction.commit() if chance.random() < 0.7 else transaction.rollback())
        await connection.close()

    async def keep_sealing(stop):
        while not stop.is_set():
            await service.seal(sessions, patience=5)

    async def look(stop):
        while not stop.is_set():
            seen.extend(await found(sessions))
            await asyncio.sleep(0.05)

    async with _while(use, dawdle, dawdle, keep_sealing, keep_sealing, look):
        await asyncio.sleep(2)
    await service.seal(sessions)
    assert seen == []
    assert await found(sessions) == []
    rows = await owner.fetchval("SELECT count(*) FROM access_log")
    assert rows > 50
    assert await owner.fetchval("SELECT sum(row_count) FROM access_seals") == rows
    assert await owner.fetchval("SELECT count(*) FROM access_seals") > 10


async def test_the_server_seals_by_itself(as_, owner, settings):
    await add_person(await as_("tksk", PANJANG))
    serving = create_app(settings.model_copy(update={"seal_seconds": 1}))
    async with serving.router.lifespan_context(serving):
        for _ in range(60):
            if await owner.fetchval("SELECT count(*) FROM access_seals"):
                break
            await asyncio.sleep(0.1)
    assert await owner.fetchval("SELECT sum(row_count) FROM access_seals") == 1


# ---- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_seals SET hash = ''",
        "DELETE FROM access_seals",
        "TRUNCATE access_seals",
    ],
)
async def test_the_app_role_cannot_undo_a_seal(settings, owner, statement):
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


# ---- the commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(settings):
    """`tksk ...`, in a thread: each command runs an event loop of its own."""
    env = {"TKSK_DATABASE_URL": settings.database_url.get_secret_value(), "TKSK_KEY_FILE": str(settings.key_file)}

    async def run(*arguments):
        return await asyncio.to_thread(CliRunner().invoke, tksk, ["audit", *arguments], env={**env, "COLUMNS": "200"})

    return run


async def test_the_commands_seal_verify_and_print(as_, owner, command, tmp_path):
    caller = await as_("tksk", PANJANG)
    someone = await add_person(caller)
    assert (await command("anchor")).exit_code == 1
    sealed = await command("seal")
    assert (sealed.exit_code, sealed.stdout.strip()) == (0, "1 rows sealed.")
    page = await command("anchor")
    assert page.exit_code == 0
    value = (await owner.fetchval("SELECT hash FROM access_seals")).hex()
    groups = " ".join(value[start : start + 4] for start in range(0, 64, 4))
    assert f'tksk audit verify --anchor "{groups}"' in page.stdout
    for word in ("JANGKAR", "ANCHOR", "Segel nomor / Seal number", "Tanda tangan / Signature"):
        assert word in page.stdout
    whole = await command("verify", "--anchor", groups.upper())
    assert whole.exit_code == 0, whole.output
    assert "1 sealed rows, the anchor among them" in whole.stdout
    assert (await command("verify", "--anchor", "12 34")).exit_code == 2
    assert (await command("verify", "--anchor", "0" * 64)).exit_code == 1
    assert (await command("anchor", "--date", "2020-01-01")).exit_code == 1
    await owner.execute("UPDATE access_log SET role = 'auditor' WHERE $1 = ANY (subject_ids)", someone["id"])
    broken = await command("verify")
    assert broken.exit_code == 1
    assert "row_edited" in broken.stdout
    pdf = tmp_path / "anchor.pdf"
    assert (await command("anchor", "--date", str(service.today()), "--pdf", str(pdf))).exit_code == 0
    with pymupdf.open(pdf) as document:
        assert document.page_count == 1
        assert groups[:39] in document[0].get_text()


async def test_only_auditors_read_the_log(as_, owner):
    for role, region in (("admin", None), ("ministry", None), ("tksk", PANJANG), ("regency_office", "18.71")):
        assert code_of(await (await as_(role, region)).get("/v1/audit")) == "permission_denied"
    assert (await (await as_("auditor")).get("/v1/audit")).status_code == 200
