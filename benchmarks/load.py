"""Load without wrk: `load.py ADDRESS CONCURRENCY SECONDS`, requests and headers as for load.lua."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


def _requests(host: str) -> tuple[list[bytes], bool]:
    headers = {"Host": host, **json.loads(os.environ["BENCH_HEADERS"])}
    messages, once = [], False
    for line in Path(os.environ["BENCH_REQUESTS"]).read_text(encoding="utf-8").splitlines():
        method, path, *body = line.split(" ", 2)
        once = method == "POST"
        content = body[0].encode() if body else b""
        extra = {"Content-Type": "application/json", "Content-Length": str(len(content))} if once else {}
        head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **extra}.items())
        messages.append(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
    return messages, once


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


async def main(address: str, concurrency: int, seconds: float) -> None:
    target = urlsplit(address)
    messages, once = _requests(target.netloc)
    position, errors = 0, 0
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal position, errors
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        while (began := time.perf_counter()) < end:
            if once and position >= len(messages):
                raise SystemExit("the file of requests is used up")
            message = messages[position % len(messages)]
            position += 1
            writer.write(message)
            status = await _answer(reader)
            times.append(time.perf_counter() - began)
            errors += not 200 <= status < 300
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(concurrency)))
    spent = time.perf_counter() - began
    times.sort()
    p50, p99 = (1000 * times[int(len(times) * share)] for share in (0.5, 0.99))
    print(json.dumps({"requests": len(times), "seconds": spent, "p50_ms": p50, "p99_ms": p99, "errors": errors}))


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    else:
        uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
