"""Photos and papers over HTTP: what is taken, what is refused, who may read it, and what is left of it."""

import asyncio
import gc
import hashlib
import io
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
import structlog
from PIL import Image

from files import archive, bomb, camera_picture, noise, paper, picture
from helpers import AMPENAN, BANDAR_LAMPUNG, PANJANG, SRENGSEM, Caller, add_person, code_of, nik
from tksk_api.domain.attachments.rules import MAX_BYTES
from tksk_api.domain.attachments.vault import THUMBNAIL
from tksk_api.http.uploads import FIELDS_BYTES
from tksk_api.security.crypto import SUBJECT_SEALED
from tksk_api.telemetry import configure_logging

URL = "/v1/attachments"
SCRIPT = b"<script>alert(document.domain)</script>"


@pytest.fixture
async def tksk(as_) -> Caller:
    return await as_("tksk", PANJANG)


@pytest.fixture
async def somebody(tksk) -> str:
    return str((await add_person(tksk))["id"])


@pytest.fixture
def folder(settings) -> Path:
    return settings.key_file.parent / "attachments"


async def attach(
    caller: httpx.AsyncClient,
    content: bytes,
    *,
    name: str = "foto.jpg",
    headers: dict[str, str] | None = None,
    declared: str = "application/octet-stream",
    **fields: Any,
) -> httpx.Response:
    sent = {"kind": "other", **{key: str(value) for key, value in fields.items()}}
    return await caller.post(URL, data=sent, files={"file": (name, content, declared)}, headers=headers)


async def attached(caller: httpx.AsyncClient, content: bytes, **fields: Any) -> dict[str, Any]:
    answer = await attach(caller, content, **fields)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def objects(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def fresh_objects(folder) -> Any:
    """The files of this test alone."""
    before = set(objects(folder))
    return lambda: {name: path for name, path in objects(folder).items() if name not in before}


def file_error(answer: httpx.Response) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    return error["pointer"], error["code"]


# ---- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "media_type", "ending"),
    [
        (picture("JPEG"), "image/jpeg", ".jpg"),
        (picture("PNG"), "image/png", ".png"),
        (picture("WEBP"), "image/webp", ".webp"),
        (paper(3), "application/pdf", ".pdf"),
    ],
    ids=["jpeg", "png", "webp", "pdf"],
)
async def test_a_file_is_what_its_content_says(tksk, somebody, content, media_type, ending):
    answer = await attach(tksk, content, name="laporan.exe", declared="text/html", beneficiary_id=somebody)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["media_type"], body["name"]) == (media_type, "laporan" + ending)
    assert answer.headers["location"] == f"{URL}/{body['id']}"
    assert (body["kind"], body["beneficiary_id"], body["region_code"]) == ("other", somebody, SRENGSEM)
    assert (body["pages"], body["width"]) == ((3, None) if ending == ".pdf" else (None, 64))
    assert body["has_thumbnail"] is (ending != ".pdf")
    given = await tksk.get(f"{URL}/{body['id']}/content")
    assert given.status_code == 200
    assert given.headers["content-type"] == media_type
    assert len(given.content) == body["size_bytes"] == int(given.headers["content-length"])
    assert hashlib.sha256(given.content).hexdigest() == body["sha256"]
    if ending == ".pdf":
        assert given.content == content


async def test_a_picture_is_stored_upright_smaller_and_with_nothing_but_pixels(tksk, somebody):
    sent = camera_picture(orientation=6, size=(3000, 2000), comment=SCRIPT)
    assert SCRIPT in sent and b"Kamera Contoh" in sent
    body = await attached(tksk, sent, beneficiary_id=somebody)
    assert (body["width"], body["height"]) == (1707, 2560)
    assert (body["latitude"], body["longitude"], body["taken_at"]) == (None, None, None)
    kept = (await tksk.get(f"{URL}/{body['id']}/content")).content
    assert SCRIPT not in kept and b"Kamera Contoh" not in kept and b"Exif" not in kept
    small = await tksk.get(f"{URL}/{body['id']}/content", params={"variant": "thumbnail"})
    assert small.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(small.content)) as image:
        assert (image.size, image.format) == ((213, 320), "JPEG")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
async def test_hidden_text_and_profiles_are_dropped(tksk, somebody, kind):
    exif = Image.Exif()
    exif[0x010E] = SCRIPT.decode()
    sent = picture(kind, exif=exif, icc_profile=b"profile" + SCRIPT, xmp=b"<x:xmpmeta>" + SCRIPT)
    assert SCRIPT in sent or kind == "PNG"
    body = await attached(tksk, sent, beneficiary_id=somebody)
    kept = (await tksk.get(f"{URL}/{body['id']}/content")).content
    assert SCRIPT not in kept and b"xmp" not in kept.lower() and b"iCCP" not in kept and b"ICCP" not in kept


@pytest.mark.parametrize(("offset", "taken"), [(None, "02:30:00"), ("+09:00", "00:30:00")], ids=["local", "offset"])
async def test_place_and_time_of_a_visit_photo_are_kept_as_fields(tksk, somebody, offset, taken):
    """A camera that does not know its zone keeps local time: 9:30 in Lampung is 2:30 UTC."""
    sent = camera_picture(offset=offset)
    body = await attached(tksk, sent, kind="visit_photo", beneficiary_id=somebody)
    assert (body["latitude"], body["longitude"]) == (-5.473214, 105.326811)
    assert body["taken_at"].startswith(f"2026-11-02T{taken}")
    assert b"Exif" not in (await tksk.get(f"{URL}/{body['id']}/content")).content
    elsewhere = await attached(tksk, sent, kind="supporting_document", beneficiary_id=somebody)
    assert (elsewhere["latitude"], elsewhere["taken_at"]) == (None, None)


async def test_a_file_belongs_to_a_person_a_visit_or_an_activity(tksk, somebody, owner):
    visit = (await tksk.post("/v1/visits", json={"beneficiary_id": somebody, "visited_on": "2026-11-02"})).json()
    body = await attached(tksk, picture(), kind="visit_photo", visit_id=visit["id"])
    assert (body["visit_id"], body["beneficiary_id"], body["region_code"]) == (visit["id"], somebody, SRENGSEM)
    activity = (await tksk.post("/v1/activities", json=an_activity())).json()
    body = await attached(tksk, picture(), kind="activity_photo", activity_id=activity["id"])
    assert (body["activity_id"], body["beneficiary_id"], body["region_code"]) == (activity["id"], None, PANJANG)
    listed = await tksk.get(URL, params={"activity_id": activity["id"]})
    assert [item["id"] for item in listed.json()["items"]] == [body["id"]]
    written = await owner.fetch("SELECT subject_ids FROM access_log WHERE operation = 'create_attachment'")
    assert [[str(key) for key in row["subject_ids"]] for row in written] == [[somebody]]


async def test_the_same_file_of_the_same_owner_is_stored_once(tksk, somebody, fresh_objects):
    first = await attached(tksk, picture(), beneficiary_id=somebody)
    count = len(fresh_objects())
    again = await attach(tksk, picture(), name="lain.jpg", beneficiary_id=somebody)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert len(fresh_objects()) == count == 2
    other_kind = await attach(tksk, picture(), kind="letter_scan", beneficiary_id=somebody)
    other_person = await attach(tksk, picture(), beneficiary_id=(await add_person(tksk))["id"])
    assert (other_kind.status_code, other_person.status_code) == (201, 201)


async def test_a_clients_own_id_repeats_its_content_and_no_other(tksk, somebody):
    key = uuid4()
    first = await attached(tksk, picture(), id=key, beneficiary_id=somebody)
    assert first["id"] == str(key)
    again = await attach(tksk, picture(), id=key, beneficiary_id=somebody)
    assert (again.status_code, again.json()) == (200, first)
    other = await attach(tksk, picture(colour="red"), id=key, beneficiary_id=somebody)
    assert (other.status_code, code_of(other)) == (409, "id_in_use")


async def test_a_retry_with_its_key_is_answered_from_memory_and_another_file_is_refused(tksk, somebody, owner):
    key = {"Idempotency-Key": "unggah-1"}
    first = await attach(tksk, picture(), beneficiary_id=somebody, headers=key)
    again = await attach(tksk, picture(), beneficiary_id=somebody, headers=key)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    other = await attach(tksk, picture(colour="red"), beneficiary_id=somebody, headers=key)
    assert (other.status_code, code_of(other)) == (422, "idempotency_mismatch")
    renamed = await attach(tksk, picture(), kind="letter_scan", beneficiary_id=somebody, headers=key)
    assert code_of(renamed) == "idempotency_mismatch"
    assert await owner.fetchval("SELECT count(*) FROM attachments") == 1


async def test_twice_at_the_same_moment_is_once(tksk, somebody, owner):
    answers = await asyncio.gather(*(attach(tksk, picture(), beneficiary_id=somebody) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert await owner.fetchval("SELECT count(*) FROM attachments") == 1


# ---- what is refused -------------------------------------------------------------------------------------------------


REFUSED = {
    "html": (b"<!doctype html><html><body>" + SCRIPT, "file_type_refused"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>", "file_type_refused"),
    "zip": (archive(), "file_type_refused"),
    "exe": (b"MZ" + bytes(200), "file_type_refused"),
    "gif": (b"GIF89a" + bytes(200), "file_type_refused"),
    "heic": (b"\x00\x00\x00\x18ftypheic" + bytes(200), "file_type_refused"),
    "text": (b"KTP saya", "file_type_refused"),
    "empty": (b"", "file_empty"),
    "gifar": (picture() + archive(), "file_two_faced"),
    "pdf in a jpeg": (picture(comment=b"%PDF-1.7 ..."), "file_two_faced"),
    "zip in a pdf": (paper() + archive(), "file_two_faced"),
    "bomb": (bomb(), "image_too_large"),
    "many pixels": (bomb(6400), "image_too_large"),
    "truncated jpeg": (noise("JPEG", (400, 300))[:9000], "file_damaged"),
    "truncated png": (noise("PNG", (200, 200))[:9000], "file_damaged"),
    "only a head": (b"\xff\xd8\xff\xe0" + bytes(50), "file_damaged"),
    "broken pdf": (b"%PDF-1.7\n" + bytes(500) + b"%%EOF", "file_damaged"),
    "truncated pdf": (paper(5)[:-200], "file_damaged"),
    "pdf with a script": (paper(action="<< /S /JavaScript /JS (app.alert(1)) >>"), "pdf_active"),
    "pdf that launches": (paper(action="<< /S /Launch /F (cmd.exe) >>"), "pdf_active"),
    "pdf with a hidden script": (paper(action="<< /S /J#61vaScript /J#53 (app.alert(1)) >>"), "pdf_active"),
    "pdf that sends": (paper(action="<< /S /SubmitForm /F (https://example.com) >>"), "pdf_active"),
    "pdf with a file inside": (paper(attached=True), "pdf_active"),
    "locked pdf": (paper(password="rahasia"), "pdf_encrypted"),
    "many pages": (paper(201), "pdf_pages"),
}


@pytest.mark.parametrize(("content", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_file_that_is_not_what_it_should_be_is_refused(tksk, somebody, owner, fresh_objects, content, code):
    answer = await attach(tksk, content, name="foto.jpg", declared="image/jpeg", beneficiary_id=somebody)
    assert file_error(answer) == ("/file", code)
    assert await owner.fetchval("SELECT count(*) FROM attachments") == 0
    assert fresh_objects() == {}


async def test_an_iphones_picture_is_told_what_to_do(tksk, somebody):
    answer = await attach(tksk, REFUSED["heic"][0], beneficiary_id=somebody, headers={"Accept-Language": "en"})
    (error,) = answer.json()["errors"]
    assert "HEIC" in error["detail"] and "Most Compatible" in error["detail"]


async def test_a_photo_is_not_a_paper(tksk, somebody):
    answer = await attach(tksk, paper(), kind="visit_photo", beneficiary_id=somebody)
    assert file_error(answer) == ("/file", "photo_expected")
    assert (await attach(tksk, paper(), kind="ktp", beneficiary_id=somebody)).status_code == 201


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"kind": "selfie"}, "/kind", "unknown_code"),
        ({"kind": "KTP!"}, "/kind", "bad_format"),
        ({"beneficiary_id": ""}, "", "one_owner"),
        ({"visit_id": str(uuid4())}, "", "one_owner"),
        ({"beneficiary_id": "x"}, "/beneficiary_id", "bad_uuid"),
        ({"beneficiary_id": str(uuid4())}, "/beneficiary_id", "unknown_reference"),
        ({"beneficiary_id": "", "visit_id": str(uuid4())}, "/visit_id", "unknown_reference"),
        ({"beneficiary_id": "", "activity_id": str(uuid4())}, "/activity_id", "unknown_reference"),
        ({"region_code": "18.71.04.1002"}, "/region_code", "unknown_field"),
        ({"id": "1"}, "/id", "bad_uuid"),
    ],
)
async def test_wrong_fields_are_named(tksk, somebody, fields, pointer, code):
    answer = await attach(tksk, picture(), **{"beneficiary_id": somebody, **fields})
    assert file_error(answer) == (pointer, code)


async def test_somebody_elsewhere_is_unknown(tksk, as_):
    elsewhere = await as_("tksk", AMPENAN)
    other = (await add_person(elsewhere, village_code="52.71.01.1004"))["id"]
    visit = (await elsewhere.post("/v1/visits", json={"beneficiary_id": other, "visited_on": "2026-11-02"})).json()
    activity = (await elsewhere.post("/v1/activities", json=an_activity(region_code=AMPENAN))).json()
    owners = {"beneficiary_id": other, "visit_id": visit["id"], "activity_id": activity["id"]}
    for name, key in owners.items():
        answer = await attach(tksk, picture(), **{name: key})
        assert file_error(answer) == (f"/{name}", "unknown_reference")
        assert (await attach(elsewhere, picture(), **{name: key})).status_code == 201


def multipart(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> bytes:
    return (
        b"".join(b"--x\r\nContent-Disposition: form-data; " + a.encode() + b"\r\n\r\n" + b + b"\r\n" for a, b in parts)
        + end
    )


FILE = ('name="file"; filename="a.jpg"', picture())
KIND = ('name="kind"', b"other")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (multipart(FILE, KIND, end=b""), 400, "malformed_upload"),
        (multipart(FILE, KIND)[:-60], 400, "malformed_upload"),
        (b"", 400, "malformed_upload"),
        (b"hello", 400, "malformed_upload"),
        (multipart(FILE, FILE, KIND), 400, "malformed_upload"),
        (multipart(FILE, ('name="kind"', b"x" * 5000)), 400, "malformed_upload"),
        (multipart(FILE, *[(f'name="f{i}"', b"x") for i in range(20)]), 400, "malformed_upload"),
        (multipart(KIND), 422, "invalid_request"),
        (multipart(('name="file"', b"text"), KIND), 422, "invalid_request"),
        (multipart(('name="kind"; filename="x"', b"other"), FILE), 400, "malformed_upload"),
        (multipart(FILE, KIND, KIND), 422, "invalid_request"),
        (multipart(FILE, ('name="kind"', b"ot\x00her")), 422, "invalid_request"),
    ],
)
async def test_a_body_that_is_no_upload_is_refused(tksk, body, status, code):
    answer = await tksk.post(URL, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, code_of(answer)) == (status, code)


@pytest.mark.parametrize("kind", ["application/json", "image/jpeg", "multipart/mixed; boundary=x", ""])
async def test_another_content_type_is_refused(tksk, kind):
    answer = await tksk.post(URL, content=picture(), headers={"Content-Type": kind})
    assert (answer.status_code, code_of(answer)) == (415, "unsupported_media_type")
    missing = await tksk.post(URL, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert (missing.status_code, code_of(missing)) == (400, "malformed_upload")


async def test_twenty_mebibytes_and_no_byte_more(tksk, somebody):
    # The number of the table's place stays eight digits long, so one more byte of filling is one more byte of file.
    fitting = paper(filling=bytes(MAX_BYTES - len(paper(filling=bytes(10_000_000))) + 10_000_000))
    assert len(fitting) == MAX_BYTES
    for content, status in ((fitting, 201), (fitting + b"\n", 413)):
        answer = await attach(tksk, content, beneficiary_id=somebody)
        assert answer.status_code == status, answer.text
    assert (code_of(answer), answer.json()["limit_bytes"]) == ("body_too_large", MAX_BYTES)


async def test_far_too_much_is_refused_before_it_is_read_and_elsewhere_the_limit_stays(tksk, somebody):
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    announced = await tksk.post(URL, content=b"x", headers={**kind, "Content-Length": str(MAX_BYTES * 2)})
    assert (announced.status_code, code_of(announced)) == (413, "body_too_large")
    chunked = await tksk.post(URL, content=endless(), headers=kind)
    assert chunked.status_code in (400, 413)
    assert sent <= MAX_BYTES + FIELDS_BYTES + 131_072
    for address in ("/v1/visits", URL + "/", "/v1/attachments/x"):
        other = await tksk.post(address, content=bytes(2_000_000), headers=kind)
        assert (other.status_code, other.json()["limit_bytes"]) == (413, 1_048_576), address


async def test_who_may_not_attach_hears_it_before_the_file_is_read(as_, client):
    read = 0

    async def counted() -> Any:
        nonlocal read
        for _ in range(64):
            read += 65_536
            yield bytes(65_536)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    auditor = await as_("auditor")
    for caller, status in ((auditor, 403), (client, 401)):
        answer = await caller.post(URL, content=counted(), headers=kind)
        assert answer.status_code == status
    assert read == 0


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(app, tksk, somebody, owner, fresh_objects):
    body = multipart(('name="file"; filename="a.jpg"', noise("JPEG", (900, 700))), KIND)
    messages = [
        {"type": "http.request", "body": body[:200_000], "more_body": True},
        {"type": "http.disconnect"},
    ]
    answered: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    headers = {
        "host": "test",
        "authorization": f"Bearer {tksk.token}",
        "content-type": "multipart/form-data; boundary=x",
        "content-length": str(len(body)),
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": URL,
        "raw_path": URL.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    await app(scope, receive, send)
    gc.collect()
    assert answered == []
    assert await owner.fetchval("SELECT count(*) FROM attachments") == 0
    assert fresh_objects() == {}
    assert len(os.listdir("/proc/self/fd")) <= before


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd.jpg"),
        ("..\\..\\Windows\\win.ini", "win.jpg"),
        ("KTP 1871046503910003.jpg", "KTP -.jpg"),
        ("KTP 1871.0465.0391.0003 depan.jpeg", "KTP - depan.jpg"),
        ("foto rumah Bu Siti (depan).JPG", "foto rumah Bu Siti (depan).jpg"),
        ('a"; filename*=x.html', "a 22 filename x.jpg"),
        ("<img src=x onerror=alert(1)>.png", "img src x onerror alert(1).jpg"),
        ("", None),
        ("....", "other.jpg"),
        ("é" * 300 + ".jpg", "é" * 100 + ".jpg"),
    ],
)
async def test_the_name_is_only_shown_and_cleaned_for_it(tksk, somebody, fresh_objects, sent, shown):
    answer = await attach(tksk, picture(), name=sent, beneficiary_id=somebody)
    if shown is None:
        assert answer.status_code == 422  # without a name it is no file
        return
    body = answer.json()
    assert body["name"] == shown
    assert all(name[:2] == name[3:5] and len(name.removesuffix(THUMBNAIL)) == 35 for name in fresh_objects())
    given = await tksk.get(f"{URL}/{body['id']}/content")
    assert given.headers["content-disposition"].startswith('inline; filename="')
    assert given.headers["content-disposition"].count("filename") == 2 + shown.count("filename") * 2


async def test_a_name_with_line_breaks_makes_no_header(tksk, somebody):
    raw = multipart(
        ('name="file"; filename="a%0D%0ASet-Cookie: x=1\x85b.jpg"', picture()),
        KIND,
        ('name="beneficiary_id"', somebody.encode()),
    )
    answer = await tksk.post(URL, content=raw, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 201, answer.text
    given = await tksk.get(f"{URL}/{answer.json()['id']}/content")
    assert "set-cookie" not in given.headers
    assert "\r" not in given.headers["content-disposition"] and "\n" not in answer.json()["name"]


# ---- at rest ---------------------------------------------------------------------------------------------------------


async def test_nothing_readable_lies_on_disk(tksk, somebody, owner, folder, fresh_objects):
    content = paper(2)
    body = await attached(tksk, content, beneficiary_id=somebody)
    row = await owner.fetchrow("SELECT * FROM attachments WHERE id = $1", body["id"])
    (path,) = fresh_objects().values()
    sealed = path.read_bytes()
    assert str(path.relative_to(folder)) == row["object_name"]
    assert b"%PDF" not in sealed and content[100:140] not in sealed
    assert len(row["key_cipher"]) > 32 and row["key_cipher"] not in sealed
    assert folder.stat().st_mode & 0o077 == 0


@pytest.fixture
def logged(monkeypatch) -> Iterator[Any]:
    """What is logged from here on."""
    before = structlog.get_config()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("INFO")
    yield stream.getvalue
    structlog.configure(**before)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", ["first byte", "middle", "last byte", "cut", "longer", "gone", "swapped", "thumbnail"]
)
async def test_a_damaged_file_is_never_given_and_clearly_refused(tksk, somebody, owner, folder, logged, damage):
    body = await attached(tksk, noise("PNG", (300, 300)), beneficiary_id=somebody)
    other = await attached(tksk, noise("PNG", (300, 301)), beneficiary_id=somebody)
    names = {str(row["id"]): row["object_name"] for row in await owner.fetch("SELECT id, object_name FROM attachments")}
    path, another = folder / names[body["id"]], folder / names[other["id"]]
    data = path.read_bytes()
    assert len(data) > 3 * 65_536
    match damage:
        case "first byte":
            flip(path, 0)
        case "middle":
            flip(path, len(data) // 2)
        case "last byte":
            flip(path, -1)
        case "cut":
            path.write_bytes(data[: 5 + 2 * 65_552])  # whole frames, but not the last one
        case "longer":
            path.write_bytes(data + b"x")
        case "gone":
            path.unlink()
        case "swapped":
            path.write_bytes(another.read_bytes())
        case "thumbnail":
            path.write_bytes((folder / (names[body["id"]] + THUMBNAIL)).read_bytes())
    answer = await tksk.get(f"{URL}/{body['id']}/content")
    assert (answer.status_code, code_of(answer)) == (410, "content_damaged")
    assert '"attachment_damaged"' in logged()
    assert (await tksk.get(f"{URL}/{other['id']}/content")).status_code == 200
    assert (await tksk.get(f"{URL}/{body['id']}")).status_code == 200


@pytest.mark.parametrize(
    ("trigger", "left"),
    [
        ("TRIGGER refuse BEFORE INSERT ON attachments", 0),
        ("CONSTRAINT TRIGGER refuse AFTER INSERT ON attachments DEFERRABLE INITIALLY DEFERRED", 2),
    ],
    ids=["row", "commit"],
)
async def test_a_file_without_a_row_is_removed_or_left_to_the_sweep(
    tksk, somebody, owner, fresh_objects, trigger, left
):
    """A failed row is known to be none. Whether a failed commit took place is not: its file is left to the sweep."""
    await owner.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$; "
        f"CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION public.refuse()"
    )
    try:
        answer = await attach(tksk, picture(), beneficiary_id=somebody)
    finally:
        await owner.execute("DROP TRIGGER refuse ON attachments; DROP FUNCTION public.refuse()")
    assert (answer.status_code, code_of(answer)) == (503, "unavailable")
    assert len(fresh_objects()) == left
    assert await owner.fetchval("SELECT count(*) FROM attachments") == 0
    assert await owner.fetchval("SELECT coalesce(sum(bytes), 0) FROM attachment_usage") == 0


async def test_a_full_regency_is_told_so(app, tksk, somebody, owner, fresh_objects):
    body = await attached(tksk, picture(), beneficiary_id=somebody)
    used = await owner.fetchval("SELECT bytes FROM attachment_usage WHERE regency_code = $1", BANDAR_LAMPUNG)
    small = await owner.fetchval("SELECT thumbnail_bytes FROM attachments")
    assert used == body["size_bytes"] + small
    count = len(fresh_objects())
    object.__setattr__(
        app.state.house, "settings", app.state.house.settings.model_copy(update={"attachment_quota_bytes": used + 10})
    )
    try:
        answer = await attach(tksk, picture(colour="red"), beneficiary_id=somebody)
    finally:
        restored = app.state.house.settings.model_copy(update={"attachment_quota_bytes": 50 * 1024**3})
        object.__setattr__(app.state.house, "settings", restored)
    assert (answer.status_code, code_of(answer)) == (409, "attachment_quota_exceeded")
    assert len(fresh_objects()) == count
    assert await owner.fetchval("SELECT bytes FROM attachment_usage") == used


# ---- giving out ------------------------------------------------------------------------------------------------------


async def links(caller: Caller, key: str, **query: str) -> tuple[str, str]:
    body = (await caller.get(f"{URL}/{key}", params=query)).json()
    return body["content_url"], body["thumbnail_url"]


async def test_a_link_needs_no_token_and_a_browser_runs_nothing_in_it(client, tksk, somebody, owner):
    picture_row = await attached(tksk, picture(), beneficiary_id=somebody)
    content_url, thumbnail_url = await links(tksk, picture_row["id"], purpose="letter_processing")
    assert content_url.startswith(f"{URL}/{picture_row['id']}/content?")
    given = await client.get(content_url)
    assert given.status_code == 200
    assert given.headers["etag"] == f'"{picture_row["sha256"]}"'
    assert given.headers["x-content-type-options"] == "nosniff"
    assert given.headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert given.headers["cache-control"] == "no-store"
    assert given.headers["content-disposition"].startswith("inline;")
    assert (await client.get(thumbnail_url)).headers["content-type"] == "image/jpeg"
    assert (await client.get(content_url, headers={"Range": "bytes=0-9"})).content == given.content
    pdf = await attached(tksk, paper(), beneficiary_id=somebody)
    content_url, no_thumbnail = await links(tksk, pdf["id"])
    assert no_thumbnail is None
    assert (await client.get(content_url)).headers["content-disposition"].startswith("attachment;")
    assert (await tksk.get(f"{URL}/{pdf['id']}/content", params={"variant": "thumbnail"})).status_code == 404
    rows = await owner.fetch(
        "SELECT user_id, subject_ids, object_id, fields, purpose FROM access_log "
        "WHERE operation = 'get_attachment_content' AND outcome = 'ok' ORDER BY id"
    )
    assert [(row["purpose"], row["fields"], str(row["object_id"])) for row in rows] == [
        *[("letter_processing", ["other"], picture_row["id"])] * 3,
        ("service", ["other"], pdf["id"]),
    ]
    assert {row["user_id"] for row in rows} == {tksk.user_id}
    assert {str(key) for row in rows for key in row["subject_ids"]} == {somebody}


async def test_a_link_is_good_for_its_address_its_minute_and_its_session_alone(
    client, tksk, as_, somebody, monkeypatch
):
    one = (await attached(tksk, picture(), beneficiary_id=somebody))["id"]
    two = (await attached(tksk, picture(colour="red"), beneficiary_id=somebody))["id"]
    url, small = await links(tksk, one)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    forged = [
        {**query, "expires": str(int(query["expires"]) + 60)},
        {**query, "variant": "thumbnail"},
        {**query, "purpose": "audit"},
        {**query, "signature": query["signature"][:-1] + ("A" if query["signature"][-1] != "A" else "B")},
        {**query, "signature": "B" + query["signature"][1:]},
        {**query, "signature": "x"},
        {**query, "signature": ""},
        {name: value for name, value in query.items() if name != "expires"},
        {**query, "expires": "9" * 12},
        {**query, "expires": "²"},
    ]
    for wrong in forged:
        answer = await client.get(f"{URL}/{one}/content", params=wrong)
        assert (answer.status_code, code_of(answer)) == (401, "link_refused"), wrong
    assert code_of(await client.get(f"{URL}/{two}/content", params=query)) == "link_refused"
    unsigned = {name: value for name, value in query.items() if name != "signature"}
    assert code_of(await client.get(f"{URL}/{one}/content", params=unsigned)) == "unauthenticated"
    colleague = await as_("village_clerk", SRENGSEM)
    assert code_of(await colleague.get(url)) == "link_refused"
    assert (await tksk.get(url)).status_code == 200
    assert (await client.get(small)).status_code == 200
    now = time.time()
    monkeypatch.setattr("tksk_api.http.links.time.time", lambda: now + 61)
    assert code_of(await client.get(url)) == "link_refused"


async def test_the_rights_are_looked_at_again_when_a_link_is_followed(client, tksk, somebody, owner):
    key = (await attached(tksk, picture(), beneficiary_id=somebody))["id"]
    url, _ = await links(tksk, key)
    assert (await client.get(url)).status_code == 200
    await owner.execute("UPDATE users SET region_code = $2 WHERE id = $1", tksk.user_id, AMPENAN)
    assert code_of(await client.get(url)) == "not_found"
    await owner.execute("UPDATE users SET region_code = $2, role = 'auditor' WHERE id = $1", tksk.user_id, PANJANG)
    assert code_of(await client.get(url)) == "permission_denied"
    await owner.execute("UPDATE users SET role = 'tksk' WHERE id = $1", tksk.user_id)
    assert (await client.get(url)).status_code == 200
    await owner.execute("UPDATE user_sessions SET revoked_at = now() WHERE id = $1", tksk.session_id)
    assert code_of(await client.get(url)) == "unauthenticated"


async def test_identity_documents_are_for_those_who_may_reveal(tksk, as_, somebody, client):
    ktp = (await attached(tksk, picture(), kind="ktp", beneficiary_id=somebody))["id"]
    home = (await attached(tksk, picture(), kind="visit_photo", beneficiary_id=somebody))["id"]
    head = await as_("village_head", SRENGSEM)
    assert (await head.get(f"{URL}/{home}/content")).status_code == 200
    assert (await head.get(f"{URL}/{ktp}")).status_code == 200
    for variant in ("original", "thumbnail"):
        answer = await head.get(f"{URL}/{ktp}/content", params={"variant": variant})
        assert (code_of(answer), answer.json()["permission"]) == ("permission_denied", "beneficiary:reveal")
    content_url, _ = await links(head, ktp)
    assert code_of(await client.get(content_url)) == "permission_denied"
    for role, region in (("village_clerk", SRENGSEM), ("regency_office", BANDAR_LAMPUNG)):
        assert (await (await as_(role, region)).get(f"{URL}/{ktp}/content")).status_code == 200, role


async def test_an_identity_document_needs_a_fresh_proof_and_a_photo_does_not(tksk, somebody, owner, client):
    ktp = (await attached(tksk, picture(), kind="ktp", beneficiary_id=somebody))["id"]
    home = (await attached(tksk, picture(), kind="visit_photo", beneficiary_id=somebody))["id"]
    url, small = await links(tksk, ktp)
    await owner.execute(
        "UPDATE user_sessions SET strong_at = now() - interval '16 minutes' WHERE id = $1", tksk.session_id
    )
    assert (await tksk.get(f"{URL}/{home}/content")).status_code == 200
    for caller, path in ((tksk, f"{URL}/{ktp}/content"), (client, url), (client, small)):
        answer = await caller.get(path)
        assert (answer.status_code, code_of(answer)) == (401, "step_up_required")
        assert "max_age=900" in answer.headers["www-authenticate"]
        (row,) = await owner.fetch(
            "SELECT * FROM access_log WHERE request_id = $1::text::uuid", answer.headers["x-request-id"]
        )
        assert (row["outcome"], str(row["object_id"]), row["subject_ids"]) == ("denied", ktp, [])
    await owner.execute("UPDATE user_sessions SET strong_at = now() WHERE id = $1", tksk.session_id)
    assert (await tksk.get(f"{URL}/{ktp}/content")).status_code == 200


async def test_a_file_is_under_its_persons_key_and_lost_with_it(tksk, somebody, owner):
    key = (await attached(tksk, picture(), beneficiary_id=somebody))["id"]
    (sealed,) = await owner.fetchrow("SELECT key_cipher FROM attachments WHERE id = $1::text::uuid", key)
    assert sealed[:1] == SUBJECT_SEALED
    assert (await tksk.get(f"{URL}/{key}/content")).status_code == 200
    other = str((await add_person(tksk))["id"])
    await owner.execute(
        "UPDATE subject_keys SET wrapped = (SELECT wrapped FROM subject_keys WHERE subject_id = $2::text::uuid) "
        "WHERE subject_id = $1::text::uuid",
        somebody,
        other,
    )
    assert (await tksk.get(f"{URL}/{key}/content")).status_code == 500


async def test_pictures_of_identity_cards_count_as_revealed_numbers(app, tksk, somebody):
    ktp = (await attached(tksk, picture(), kind="ktp", beneficiary_id=somebody))["id"]
    house = app.state.house
    few = replace(house, settings=house.settings.model_copy(update={"reveals_per_hour": 4}))
    app.state.house = few
    try:
        for _ in range(4):
            assert (await tksk.get(f"{URL}/{ktp}/content")).status_code == 200
        answer = await tksk.get(f"{URL}/{ktp}/content")
    finally:
        app.state.house = house
    assert (answer.status_code, code_of(answer)) == (429, "too_many_requests")


async def test_out_of_scope_is_missing(tksk, as_, somebody):
    key = (await attached(tksk, picture(), beneficiary_id=somebody))["id"]
    stranger = await as_("tksk", AMPENAN)
    for answer in (
        await stranger.get(f"{URL}/{key}"),
        await stranger.get(f"{URL}/{key}/content"),
        await stranger.delete(f"{URL}/{key}", headers={"If-Match": '"v1"'}),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "not_found")
    assert (await stranger.get(URL)).json()["items"] == []


@pytest.mark.parametrize(("query", "pointer"), [({"purpose": "curiosity"}, "/purpose"), ({"variant": "x"}, "/variant")])
async def test_wrong_queries_are_named(tksk, somebody, query, pointer):
    key = (await attached(tksk, picture(), beneficiary_id=somebody))["id"]
    answer = await tksk.get(f"{URL}/{key}/content", params=query)
    assert answer.json()["errors"][0]["pointer"] == pointer


# ---- what refers to them ---------------------------------------------------------------------------------------------


def an_activity(**over: Any) -> dict[str, Any]:
    return {
        "occurred_on": "2026-11-02",
        "pillar": "social_security",
        "function": "facilitation",
        "kind": "home_visit",
        "title": "Kunjungan rumah",
        "region_code": PANJANG,
        **over,
    }


def refused_at(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["code"] for error in answer.json()["errors"]}


async def delete(caller: Caller, key: str, version: int = 1) -> httpx.Response:
    return await caller.delete(f"{URL}/{key}", headers={"If-Match": f'"v{version}"'})


async def test_a_visit_is_completed_with_its_photos_which_then_stay(tksk, somebody):
    visit = (await tksk.post("/v1/visits", json={"beneficiary_id": somebody, "visited_on": "2026-11-02"})).json()
    own = (await attached(tksk, picture(), kind="visit_photo", visit_id=visit["id"]))["id"]
    of_person = (await attached(tksk, picture(), kind="visit_photo", beneficiary_id=somebody))["id"]
    other = (await attached(tksk, picture(), beneficiary_id=(await add_person(tksk))["id"]))["id"]
    done = {"outcome": "met", "finding": "eligible"}
    url = f"/v1/visits/{visit['id']}/complete"
    wrong = await tksk.act(url, {**done, "attachment_ids": [own, other, str(uuid4()), own]}, version=1)
    assert refused_at(wrong) == {
        "/attachment_ids/1": "unknown_reference",
        "/attachment_ids/2": "unknown_reference",
        "/attachment_ids/3": "duplicate_entry",
    }
    answer = await tksk.act(url, {**done, "attachment_ids": [own, of_person]}, version=1)
    assert answer.json()["attachment_ids"] == [own, of_person]
    assert (await tksk.get(f"/v1/visits/{visit['id']}")).json()["attachment_ids"] == [own, of_person]
    for key in (own, of_person):
        assert code_of(await delete(tksk, key)) == "attachment_in_use"
    assert (await delete(tksk, other)).status_code == 204


async def test_an_activity_takes_its_own_photos_and_its_peoples(tksk, somebody):
    created = await tksk.post("/v1/activities", json=an_activity(beneficiary_ids=[somebody], headcount=None))
    activity = created.json()
    own = (await attached(tksk, picture(), kind="activity_photo", activity_id=activity["id"]))["id"]
    of_person = (await attached(tksk, picture(), beneficiary_id=somebody))["id"]
    other = (await attached(tksk, picture(), beneficiary_id=(await add_person(tksk))["id"]))["id"]
    url, first = f"/v1/activities/{activity['id']}", {"If-Match": '"v1"'}
    wrong = await tksk.patch(url, json={"attachment_ids": [own, other]}, headers=first)
    assert refused_at(wrong) == {"/attachment_ids/1": "unknown_reference"}
    changed = await tksk.patch(url, json={"attachment_ids": [own, of_person]}, headers=first)
    assert changed.json()["attachment_ids"] == [own, of_person]
    assert (await delete(tksk, own)).status_code == 204  # still a draft
    assert refused_at(await tksk.act(f"{url}/submit", version=2)) == {"/attachment_ids/0": "unknown_reference"}
    await tksk.patch(url, json={"attachment_ids": [of_person]}, headers={"If-Match": '"v2"'})
    assert (await tksk.act(f"{url}/submit", version=3)).status_code == 200
    assert code_of(await delete(tksk, of_person)) == "attachment_in_use"


async def test_an_application_takes_its_persons_papers(as_, tksk, somebody, owner):
    clerk = await as_("village_clerk", SRENGSEM)
    ktp = (await attached(clerk, picture(), kind="ktp", beneficiary_id=somebody))["id"]
    other = (await attached(clerk, picture(), kind="ktp", beneficiary_id=(await add_person(clerk))["id"]))["id"]
    body = {
        "beneficiary_id": somebody,
        "purpose": "education",
        "purpose_detail": "Beasiswa KIP Kuliah",
        "addressed_to": "Universitas Lampung",
        "documents": [{"kind": "cover_letter", "shown_physically": True}, {"kind": "ktp", "attachment_id": other}],
    }
    wrong = await clerk.post("/v1/sktm-applications", json=body)
    assert refused_at(wrong) == {"/documents/1/attachment_id": "unknown_reference"}
    body["documents"] = [{"kind": "ktp", "attachment_id": ktp}]
    created = (await clerk.post("/v1/sktm-applications", json=body)).json()
    assert created["documents"][0]["attachment_id"] == ktp
    url = f"/v1/sktm-applications/{created['id']}"
    again = {"documents": [{"kind": "ktp", "attachment_id": ktp}, {"kind": "family_card", "attachment_id": ktp}]}
    assert (await clerk.patch(url, json=again, headers={"If-Match": '"v1"'})).status_code == 200
    assert (await clerk.act(f"{url}/submit")).status_code == 200
    assert code_of(await delete(clerk, ktp)) == "attachment_in_use"
    await clerk.act(f"{url}/cancel", {"note": "Ditarik pemohon"})
    assert (await delete(clerk, ktp)).status_code == 204


async def test_an_application_is_not_handed_in_with_a_paper_that_was_taken_back(as_, somebody):
    clerk = await as_("village_clerk", SRENGSEM)
    ktp = (await attached(clerk, picture(), kind="ktp", beneficiary_id=somebody))["id"]
    body = {
        "beneficiary_id": somebody,
        "purpose": "education",
        "purpose_detail": "Beasiswa",
        "addressed_to": "Universitas Lampung",
        "documents": [{"kind": "ktp", "attachment_id": ktp}],
    }
    created = (await clerk.post("/v1/sktm-applications", json=body)).json()
    assert (await delete(clerk, ktp)).status_code == 204
    answer = await clerk.act(f"/v1/sktm-applications/{created['id']}/submit")
    assert refused_at(answer) == {"/documents/0/attachment_id": "unknown_reference"}


async def test_a_referral_takes_its_persons_papers(tksk, somebody, owner):
    agency = await owner.fetchval(
        "INSERT INTO agencies (id, version, name, kind, region_code, is_active, created_by) "
        "VALUES ($1, 1, 'BPJS', 'bpjs_office', '18.71', true, $1) RETURNING id",
        uuid4(),
    )
    card = (await attached(tksk, picture(), kind="family_card", beneficiary_id=somebody))["id"]
    body = {
        "beneficiary_id": somebody,
        "program": "pbi_jk",
        "agency_id": str(agency),
        "reason": "Tidak mampu membayar iuran",
        "consent": "given",
        "documents": [
            {"kind": "family_card", "attachment_id": card, "shown_physically": False},
            {"kind": "ktp", "shown_physically": True},
        ],
    }
    created = await tksk.post("/v1/referrals", json=body)
    assert created.status_code == 201, created.text
    assert (await tksk.act(f"/v1/referrals/{created.json()['id']}/submit")).status_code == 200
    assert code_of(await delete(tksk, card)) == "attachment_in_use"


async def test_a_file_taken_back_is_gone_for_everybody_and_can_be_attached_again(tksk, somebody, fresh_objects):
    key = (await attached(tksk, picture(), beneficiary_id=somebody))["id"]
    assert code_of(await tksk.delete(f"{URL}/{key}")) == "precondition_required"
    assert code_of(await delete(tksk, key, 2)) == "stale_version"
    assert (await delete(tksk, key)).status_code == 204
    for answer in (
        await tksk.get(f"{URL}/{key}"),
        await tksk.get(f"{URL}/{key}/content"),
        await delete(tksk, key, 2),
    ):
        assert code_of(answer) == "not_found"
    assert (await tksk.get(URL)).json()["items"] == []
    assert len(fresh_objects()) == 2  # until the sweep
    assert (await attached(tksk, picture(), beneficiary_id=somebody))["id"] != key


# ---- many ------------------------------------------------------------------------------------------------------------


async def test_three_hundred_at_once_are_all_kept_in_bounded_memory(tksk, somebody, owner, fresh_objects):
    await attached(tksk, picture(), beneficiary_id=somebody)
    contents = [picture("PNG", (32, 32), (n % 256, n // 256, 7)) for n in range(300)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers = await asyncio.gather(*(attach(tksk, content, beneficiary_id=somebody) for content in contents))
    assert [answer.status_code for answer in answers] == [201] * 300
    assert await owner.fetchval("SELECT count(*) FROM attachments") == 301
    assert len({answer.json()["id"] for answer in answers}) == 300
    assert len(fresh_objects()) == 602
    stored = await owner.fetchval("SELECT sum(size_bytes + thumbnail_bytes) FROM attachments")
    assert await owner.fetchval("SELECT bytes FROM attachment_usage") == stored
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB


async def test_a_large_download_keeps_memory_flat(app, tksk, somebody):
    """Frames are opened one after the other: what is held at a time does not grow with the file."""
    content = paper(filling=os.urandom(15_000_000))
    body = await attached(tksk, content, beneficiary_id=somebody)
    largest = 0
    digest = hashlib.sha256()
    async with tksk.stream("GET", f"{URL}/{body['id']}/content") as answer:
        async for chunk in answer.aiter_raw():
            largest = max(largest, len(chunk))
            digest.update(chunk)
    assert digest.hexdigest() == body["sha256"] == hashlib.sha256(content).hexdigest()


async def test_no_name_and_no_number_of_a_person_is_logged(tksk, somebody, logged):
    number = nik()
    await attach(tksk, picture(), name=f"KTP Siti {number}.jpg", kind="ktp", beneficiary_id=somebody)
    await attach(tksk, b"<html>" + number.encode(), name=f"{number}.html", beneficiary_id=somebody)
    assert "create_attachment" in logged()
    assert number not in logged() and "Siti" not in logged()
