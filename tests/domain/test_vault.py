"""The vault over S3: the same promises as over a folder, against a small server that speaks the protocol."""

import asyncio
import hashlib
import io
import os
import re
import secrets
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tksk_api.domain.attachments.vault import Sealed, Vault, new_name
from tksk_api.errors import DomainError


class Bucket:
    """Objects in memory behind the part of the S3 protocol that the vault's library uses."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.is_broken = False
        self.largest_body = 0
        self.signed = True

    async def answer(self, request: Request) -> Response:
        key, query, body = request.path_params["key"], request.query_params, await request.body()
        self.largest_body = max(self.largest_body, len(body))
        self.signed = self.signed and "AWS4-HMAC-SHA256" in request.headers.get("authorization", "")
        if self.is_broken:
            return Response(status_code=403)
        if request.method == "GET" and not key:
            return self._list(query["prefix"])
        if request.method == "POST" and "delete" in query:
            names = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for name in names:
                self.objects.pop(name, None)
            done = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return _xml(f"<DeleteResult>{done}</DeleteResult>")
        if request.method == "POST" and "uploads" in query:
            upload = secrets.token_hex(8)
            self.parts[upload] = {}
            inside = f"<Bucket>b</Bucket><Key>{key}</Key><UploadId>{upload}</UploadId>"
            return _xml(f"<InitiateMultipartUploadResult>{inside}</InitiateMultipartUploadResult>")
        if request.method == "POST":
            parts = self.parts.pop(query["uploadId"])
            self.objects[key] = b"".join(parts[number] for number in sorted(parts))
            inside = f"<Bucket>b</Bucket><Key>{key}</Key><ETag>x</ETag><Location>x</Location>"
            return _xml(f"<CompleteMultipartUploadResult>{inside}</CompleteMultipartUploadResult>")
        if request.method == "PUT":
            if "uploadId" in query:
                self.parts[query["uploadId"]][int(query["partNumber"])] = body
            else:
                self.objects[key] = body
            return Response(headers={"ETag": hashlib.md5(body).hexdigest()})
        if key not in self.objects:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404)
        headers = {"ETag": "x", "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}
        return Response(self.objects[key], headers=headers)

    def _list(self, prefix: str) -> Response:
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{moment}</LastModified><ETag>x</ETag>"
            f"<Size>{len(content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key, content in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        inside = f"<Name>b</Name><Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>{entries}"
        return _xml(f"<ListBucketResult>{inside}</ListBucketResult>")


def _xml(text: str) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>{text}', media_type="application/xml")


@pytest.fixture
async def bucket(monkeypatch) -> AsyncIterator[Bucket]:
    made = Bucket()
    methods = ["GET", "PUT", "POST", "DELETE", "HEAD"]
    app = Starlette(
        routes=[Route("/b", made.answer, methods=methods), Route("/b/{key:path}", made.answer, methods=methods)]
    )

    async def with_key(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] in ("/b", "/b/"):
            scope["path"] = "/b/"
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(with_key, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "contoh",
        "AWS_SECRET_ACCESS_KEY": "contoh",
        "AWS_REGION": "ap-southeast-3",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield made
    server.should_exit = True
    thread.join()


@pytest.fixture
def vault(settings, bucket) -> Vault:
    return Vault(settings.model_copy(update={"attachment_url": "s3://b/lampiran"}))


def sealed(content: bytes, **over: Any) -> Sealed:
    return Sealed(
        **{"name": new_name(), "key": b"k" * 32, "bound": "a", "sha256": hashlib.sha256(content).digest(), **over}
    )


async def read(vault: Vault, what: Sealed) -> bytes:
    return b"".join([chunk async for chunk in vault.read(what)])


@pytest.mark.parametrize("size", [10, 70_000, 12_000_000], ids=["small", "frames", "parts"])
async def test_a_file_goes_in_and_comes_out_in_parts(vault, bucket, size):
    content = os.urandom(size)
    what = sealed(content)
    await vault.put(what, io.BytesIO(content))
    assert list(bucket.objects) == [f"lampiran/{what.name}"]
    assert content[:64] not in bucket.objects[f"lampiran/{what.name}"]
    assert bucket.largest_body <= 5 * 1024 * 1024 + 65_552
    assert bucket.signed
    assert await read(vault, what) == content
    assert list(await vault.names(what.name[:2])) == [what.name]
    await vault.delete([what.name, what.name])
    assert bucket.objects == {}


async def test_a_changed_or_missing_object_is_a_damaged_file(vault, bucket):
    content = os.urandom(100_000)
    what = sealed(content)
    await vault.put(what, io.BytesIO(content))
    place = f"lampiran/{what.name}"
    bucket.objects[place] = bucket.objects[place][:-1] + b"x"
    for _ in ("changed", "missing"):
        with pytest.raises(DomainError) as refused:
            await vault.check(what)
        assert refused.value.code == "content_damaged"
        bucket.objects.clear()


async def test_a_vault_that_does_not_answer_is_busy_and_not_damaged(vault, bucket):
    content = b"isi"
    what = sealed(content)
    await vault.put(what, io.BytesIO(content))
    bucket.is_broken = True
    for call in (vault.put(what, io.BytesIO(content)), vault.check(what), vault.delete([what.name]), vault.names("ab")):
        with pytest.raises(DomainError) as refused:
            await call
        assert refused.value.code == "unavailable"


async def test_a_folder_that_cannot_be_written_is_busy(settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    vault = Vault(settings.model_copy(update={"attachment_folder": tmp_path / "file" / "attachments"}))
    with pytest.raises(DomainError) as refused:
        await vault.put(sealed(b"isi"), io.BytesIO(b"isi"))
    assert refused.value.code == "unavailable"
