"""Files that come in parts: a link that breaks costs a part, a retry costs nothing, and no other file is imported."""

import asyncio
import shutil
import socket
import time
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from helpers import BANDAR_LAMPUNG, PANJANG, SRENGSEM, code_of
from import_flow import URL, counts, seen, serving, work
from tksk_api.database.session import session_factory
from tksk_api.domain.attachments import sweep
from tksk_api.domain.imports.upkeep import settle
from tksk_api.domain.subject_keys import rotation
from tksk_api.main import create_app
from tksk_api.security.crypto import load_key_file
from tksk_api.security.frames import KEY_BYTES
from tksk_api.security.master_rotation import add_master, remove_master

UPLOADS = f"{URL}/uploads"
PART = {"Content-Type": "application/partial-upload"}
LEAST = 64 * 1024
HEADINGS = b"Jenis PSKS;Nama Mitra;Kode Wilayah;Uraian Lain\n"


def partners(rows: int = 3, note: int = LEAST) -> bytes:
    """A table of social partners, each with a long note."""
    lines = (f"lks;Yayasan Bahari {n};{SRENGSEM};{'catatan ' * (note // 8)}\n" for n in range(rows))
    return HEADINGS + "".join(lines).encode()


async def announced(caller, content: bytes, name: str = "mitra.csv", **over):
    body = {"file_name": name, "bytes": len(content), "sha256": sha256(content).hexdigest(), **over}
    return await caller.post(UPLOADS, json=body)


async def append(caller, one, offset: int, content: bytes, **headers: str):
    known = {**PART, "Upload-Offset": str(offset), **headers}
    return await caller.patch(f"{UPLOADS}/{one['id']}", content=content, headers=known)


async def arrived(caller, one) -> int:
    return (await caller.get(f"{UPLOADS}/{one['id']}")).json()["offset"]


async def sent(caller, content: bytes, part: int = LEAST):
    """The upload, with every part of it."""
    one = (await announced(caller, content)).json()
    for offset in range(0, len(content), part):
        answer = await append(caller, one, offset, content[offset : offset + part])
        assert answer.status_code == 204, answer.text
    return one


async def begun(caller, one, **said: str):
    """The import of an upload: a form of nothing but fields."""
    fields = {"kind": "partners", "upload": one["id"], **said}
    return await caller.post(URL, files={name: (None, value) for name, value in fields.items()})


async def used(owner) -> int:
    space = await owner.fetchval("SELECT bytes FROM attachment_usage WHERE regency_code = $1", BANDAR_LAMPUNG)
    return space or 0


async def test_a_file_in_parts_is_imported_as_one_that_came_whole(as_, app, owner):
    tksk, content, before = await as_("tksk", PANJANG), partners(), await used(owner)
    first = await announced(tksk, content, name="/data/siti/mitra 3201010203040506.csv")
    assert first.status_code == 201, first.text
    one = first.json()
    assert first.headers["Location"] == f"{UPLOADS}/{one['id']}"
    assert (one["offset"], one["bytes"], one["file_name"]) == (0, len(content), "mitra -.csv")
    assert await used(owner) - before == len(content)
    answer = await append(tksk, one, 0, content[:LEAST])
    assert (answer.status_code, answer.headers["Upload-Offset"], answer.content) == (204, str(LEAST), b"")
    early = await begun(tksk, one)
    assert (early.status_code, code_of(early)) == (409, "upload_incomplete")
    # Announced again, as by a command that was killed, it is the same upload.
    again = await announced(tksk, content)
    assert (again.status_code, again.json()["id"], again.json()["offset"]) == (200, one["id"], LEAST)
    rest = await append(tksk, one, LEAST, content[LEAST:], **{"Content-Type": "application/octet-stream"})
    assert rest.headers["Upload-Offset"] == str(len(content))
    listed = (await tksk.get(UPLOADS)).json()["items"]
    assert [(item["id"], item["offset"]) for item in listed] == [(one["id"], len(content))]

    answer = await begun(tksk, one, mode="commit")
    assert answer.status_code == 202, answer.text
    await work(app)
    done = await seen(tksk, answer.json())
    assert (done["status"], counts(done), done["file_bytes"]) == ("done", {"created": 3}, len(content))
    assert await used(owner) - before == len(content)
    assert (await tksk.get(UPLOADS)).json()["items"] == []
    twice = await begun(tksk, one)
    assert [(e["pointer"], e["code"]) for e in twice.json()["errors"]] == [("/upload", "unknown_reference")]
    whole = await tksk.post(URL, data={"kind": "partners"}, files={"file": ("mitra.csv", content)})
    assert whole.json()["same_as"] == done["id"]


async def test_the_answer_of_an_import_that_was_lost_is_given_again(as_, owner):
    tksk = await as_("tksk", PANJANG)
    one = await sent(tksk, partners(1))
    tksk.headers["Idempotency-Key"] = str(uuid4())
    first, second = [await begun(tksk, one) for _ in range(2)]
    assert (first.status_code, second.headers["Idempotency-Replayed"]) == (202, "true")
    assert first.json()["id"] == second.json()["id"]
    assert await owner.fetchval("SELECT count(*) FROM imports") == 1


async def test_a_part_that_does_not_go_on_where_the_file_ends_is_refused(as_):
    tksk, content = await as_("tksk", PANJANG), partners()
    one = (await announced(tksk, content)).json()
    url = f"{UPLOADS}/{one['id']}"
    for offset in (1, len(content) * 2):
        wrong = await append(tksk, one, offset, content[:LEAST])
        assert (wrong.status_code, code_of(wrong), wrong.json()["offset"]) == (409, "upload_offset_differs", 0)
    nowhere = await tksk.patch(url, content=content[:LEAST], headers=PART)
    assert [(e["pointer"], e["code"]) for e in nowhere.json()["errors"]] == [("/upload_offset", "missing")]
    for odd in ("-1", "1e3", "٣", "9" * 20):
        answer = await tksk.patch(url, content=b"x", headers={**PART, "Upload-Offset": odd.encode()})
        assert answer.status_code == 422, odd
    small = await append(tksk, one, 0, content[: LEAST - 1])
    assert (small.status_code, small.json()["errors"][0]["code"]) == (422, "too_short")
    assert (await append(tksk, one, 0, b"")).status_code == 422
    beyond = await append(tksk, one, 0, content + b"x")
    assert (beyond.status_code, beyond.json()["limit_bytes"]) == (413, len(content))
    large = await append(tksk, one, 0, bytes(8 * 1024**2 + 1))
    assert (large.status_code, code_of(large)) == (413, "body_too_large")
    html = await append(tksk, one, 0, content[:LEAST], **{"Content-Type": "text/html"})
    assert html.status_code == 415
    assert await arrived(tksk, one) == 0
    assert (await append(tksk, one, 0, content)).status_code == 204
    assert (await append(tksk, one, len(content), b"x")).status_code == 413
    nothing_left = await append(tksk, one, len(content), b"")
    assert (nothing_left.status_code, nothing_left.headers["Upload-Offset"]) == (204, str(len(content)))


async def test_of_two_that_send_the_same_part_at_once_one_wins(as_):
    tksk, content = await as_("tksk", PANJANG), partners(8)
    one = (await announced(tksk, content)).json()
    answers = await asyncio.gather(*(append(tksk, one, 0, content[:LEAST]) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
    assert await arrived(tksk, one) == LEAST
    assert (await append(tksk, one, LEAST, content[LEAST:])).status_code == 204
    assert (await begun(tksk, one)).status_code == 202


async def test_an_upload_is_its_senders_alone(as_):
    tksk, colleague = await as_("tksk", PANJANG), await as_("tksk", PANJANG)
    office, content = await as_("regency_office", BANDAR_LAMPUNG), partners(1)
    one = (await announced(tksk, content)).json()
    for other in (colleague, office):
        url = f"{UPLOADS}/{one['id']}"
        answers = [
            await other.get(url),
            await append(other, one, 0, content),
            await other.delete(url, headers={"If-Match": '"v1"'}),
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert (await begun(other, one)).json()["errors"][0]["code"] == "unknown_reference"
        assert (await other.get(UPLOADS)).json()["items"] == []
        own = await announced(other, content)
        assert (own.status_code, own.json()["id"] != one["id"]) == (201, True)


async def test_another_file_than_the_announced_one_is_not_imported(as_, owner):
    tksk, content = await as_("tksk", PANJANG), partners(1)
    one = (await announced(tksk, content)).json()
    changed = content.replace(b"Yayasan", b"Lembaga")
    assert (await append(tksk, one, 0, changed)).status_code == 204
    refused = await begun(tksk, one)
    assert (refused.status_code, code_of(refused)) == (409, "upload_differs")
    assert await owner.fetchval("SELECT count(*) FROM imports") == 0
    both = await tksk.post(URL, data={"kind": "partners", "upload": one["id"]}, files={"file": ("x.csv", content)})
    assert [(e["pointer"], e["code"]) for e in both.json()["errors"]] == [("/file", "unknown_field")]
    neither = await tksk.post(URL, files={"kind": (None, "partners"), "upload": (None, "")})
    assert [(e["pointer"], e["code"]) for e in neither.json()["errors"]] == [("/file", "missing")]
    # What came of the kind is refused, and the upload is still there to be imported as another.
    right = await sent(tksk, content + b"\n")
    assert (await begun(tksk, right, kind="kucing")).status_code == 422
    assert (await begun(tksk, right)).status_code == 202


async def test_what_does_not_fit_is_told_before_anything_is_sent(as_, limited, owner):
    tksk, before = await as_("tksk", PANJANG), await used(owner)
    limited(import_bytes=1024)
    large = await announced(tksk, b"x" * 1025)
    assert (large.status_code, large.json()["limit_bytes"]) == (413, 1024)
    limited(import_bytes=1024, attachment_quota_bytes=before + 100)
    full = await announced(tksk, b"x" * 101)
    assert (full.status_code, code_of(full)) == (409, "attachment_quota_exceeded")
    open_ = [(await announced(tksk, bytes([65 + n]))).json() for n in range(5)]
    sixth = await announced(tksk, b"F")
    assert (sixth.status_code, code_of(sixth)) == (409, "uploads_open")
    gone = await tksk.delete(f"{UPLOADS}/{open_[0]['id']}", headers={"If-Match": '"v1"'})
    assert gone.status_code == 204
    assert (await announced(tksk, b"F")).status_code == 201
    assert await used(owner) - before == 5


async def test_an_abandoned_upload_goes_after_a_day_and_so_does_what_lay_in_the_vault(as_, app, owner, monkeypatch):
    tksk, content, before = await as_("tksk", PANJANG), partners(), await used(owner)
    house = app.state.house
    one = (await announced(tksk, content)).json()
    kept = (await announced(tksk, partners(2))).json()
    for upload in (one, kept):
        assert (await append(tksk, upload, 0, content[:LEAST])).status_code == 204
    folders = house.settings.key_file.parent / "attachments"

    def objects(name: str) -> list[str]:
        return [str(path) for path in folders.glob(f"{name}*")]

    names = {row["id"]: row["object_name"] for row in await owner.fetch("SELECT id, object_name FROM import_uploads")}
    lying = {str(key): name for key, name in names.items()}
    assert all(len(objects(name)) == 1 for name in lying.values())
    assert content[:100] not in b"".join(path.read_bytes() for path in folders.glob(f"{lying[one['id']]}*"))
    long_ago = "UPDATE import_uploads SET updated_at = now() - interval '25 hours' WHERE id = $1"
    await owner.execute(long_ago, one["id"])
    assert await settle(house.sessions) == 1
    assert (await append(tksk, one, LEAST, content[LEAST:])).status_code == 404
    assert (await tksk.get(f"{UPLOADS}/{kept['id']}")).status_code == 200
    assert await used(owner) - before == len(partners(2))
    monkeypatch.setattr(sweep, "ORPHAN_AGE", sweep.timedelta(0))
    await sweep.sweep(house.sessions, house.vault, dry_run=False)
    assert (objects(lying[one["id"]]), len(objects(lying[kept["id"]]))) == ([], 1)


async def test_a_part_without_a_row_of_it_is_sent_again_and_leaves_no_trace_in_the_file(as_, app, monkeypatch):
    """As after a server that died between the vault and the commit: another key each time, and only one counts."""
    tksk, content = await as_("tksk", PANJANG), partners()
    one = (await announced(tksk, content)).json()
    vault, put, names = app.state.house.vault, type(app.state.house.vault).put, []

    async def broken(self, sealed, plain):
        await put(self, sealed, plain)
        names.append(sealed.name)
        if len(names) == 1:
            raise OSError("killed")

    monkeypatch.setattr(type(vault), "put", broken)
    assert (await append(tksk, one, 0, content)).status_code == 503
    assert await arrived(tksk, one) == 0
    assert (await append(tksk, one, 0, content)).status_code == 204
    assert names[0] != names[1]
    assert (await begun(tksk, one)).status_code == 202


async def test_what_is_changed_in_the_vault_is_not_imported(as_, app, owner):
    tksk, content = await as_("tksk", PANJANG), partners(1)
    one = await sent(tksk, content)
    name = await owner.fetchval("SELECT object_name FROM import_uploads")
    [path] = [
        path
        for path in (app.state.house.settings.key_file.parent / "attachments").glob(f"{name}*")
        if path.stat().st_size > LEAST
    ]
    sealed = bytearray(path.read_bytes())
    sealed[1000] ^= 1
    path.write_bytes(sealed)
    assert (await begun(tksk, one)).status_code == 410


async def test_a_new_master_key_takes_over_what_waits_in_the_vault(as_, app, owner, settings, tmp_path):
    tksk = await as_("tksk", PANJANG)
    assert (await announced(tksk, partners(1))).status_code == 201
    assert (await begun(tksk, await sent(tksk, partners(2)))).status_code == 202
    assert (await tksk.post("/v1/exports", json={"kind": "partners", "purpose": "service"})).status_code == 202
    file = tmp_path / "keys.json"
    shutil.copy(settings.key_file, file)
    add_master(file)
    sessions = session_factory(app.state.house.engine)
    sessions.configure(info={"keyring": load_key_file(file)})
    await rotation.renew(sessions, lambda _: None)
    remove_master(file, 1)
    newest = load_key_file(file)
    for table, purpose in (
        ("import_uploads", "import_uploads.key"),
        ("imports", "imports.key"),
        ("exports", "exports.key"),
    ):
        row = await owner.fetchrow(f"SELECT id, key_cipher FROM {table}")
        assert len(newest.decrypt(purpose, str(row["id"]), row["key_cipher"])) == KEY_BYTES, table


# ---- a real line that breaks -----------------------------------------------------------------------------------------


@pytest.fixture
def served(settings) -> Iterator[str]:
    with serving(create_app(settings)) as address:
        yield address


@pytest.mark.parametrize("chunked", [False, True])
async def test_half_a_part_is_none_and_the_sender_goes_on(as_, served, chunked):
    tksk, content = await as_("tksk", PANJANG), partners()
    one = (await announced(tksk, content)).json()
    assert (await append(tksk, one, 0, content[:LEAST])).status_code == 204
    address, half = urlsplit(served), content[LEAST : LEAST + 50_000]
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(content) - LEAST}"
    head = (
        f"PATCH {UPLOADS}/{one['id']} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {tksk.token}\r\n"
        f"Content-Type: application/partial-upload\r\nUpload-Offset: {LEAST}\r\n{length}\r\n\r\n"
    )

    def breaks_off() -> None:
        with socket.create_connection((address.hostname, address.port), timeout=10) as line:
            line.sendall(head.encode())
            line.sendall(f"{len(content):x}\r\n".encode() + half if chunked else half)
            time.sleep(0.3)

    await asyncio.to_thread(breaks_off)
    await asyncio.sleep(0.3)
    assert await arrived(tksk, one) == LEAST
    assert (await append(tksk, one, LEAST, content[LEAST:])).status_code == 204
    assert (await begun(tksk, one)).status_code == 202
