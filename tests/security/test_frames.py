"""Sealed files: whatever is done to the bytes, a reader gets the whole of what was sealed or nothing false."""

import io
from collections.abc import AsyncIterator

import pytest

from tksk_api.security.frames import FRAME_BYTES, FrameError, seal, subkey, unseal

KEY = bytes(range(32))
SEALED = FRAME_BYTES + 16


def sealed(plain: bytes, key: bytes = KEY, bound: str = "a|original") -> bytes:
    return b"".join(seal(io.BytesIO(plain), key, bound))


async def opened(data: bytes, key: bytes = KEY, bound: str = "a|original", step: int = 10_000) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), step):
            yield data[start : start + step]

    return b"".join([part async for part in unseal(chunks(), key, bound)])


@pytest.mark.parametrize(
    "length", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES, 3 * FRAME_BYTES + 7]
)
@pytest.mark.parametrize("step", [1000, SEALED, 10**7])
async def test_what_is_sealed_is_opened_again_however_it_arrives(length, step):
    plain = bytes(i % 251 for i in range(length))
    data = sealed(plain)
    assert await opened(data, step=step) == plain
    assert length < 32 or plain[:32] not in data


async def test_every_changed_cut_or_moved_byte_is_seen():
    plain = b"a" * FRAME_BYTES + b"b" * FRAME_BYTES + b"c" * 100
    data = sealed(plain)
    first, second, last = data[5 : 5 + SEALED], data[5 + SEALED : 5 + 2 * SEALED], data[5 + 2 * SEALED :]
    assert data[:5] + first + second + last == data
    broken = {
        "cut after a whole frame": data[:5] + first + second,
        "cut in a frame": data[:-1],
        "frames exchanged": data[:5] + second + first + last,
        "frame dropped": data[:5] + first + last,
        "frame repeated": data[:5] + first + first + second + last,
        "longer": data + b"x",
        "empty": b"",
        "header only": data[:5],
        "header changed": b"TKSK\x02" + data[5:],
        **{f"byte {at}": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in (0, 4, 5, 70_000, len(data) - 1)},
    }
    opening = {}
    for what, wrong in broken.items():
        try:
            opening[what] = await opened(wrong)
        except FrameError:
            continue
    assert opening == {}


async def test_nothing_false_is_given_before_the_damage():
    data = sealed(b"a" * FRAME_BYTES + b"b" * FRAME_BYTES)

    async def chunks() -> AsyncIterator[bytes]:
        yield data[:-1] + bytes([data[-1] ^ 1])

    frames = unseal(chunks(), KEY, "a|original")
    assert await anext(frames) == b"a" * FRAME_BYTES
    with pytest.raises(FrameError):
        await anext(frames)


async def test_another_key_or_owner_does_not_open_it():
    data = sealed(b"isi")
    for key, bound in ((bytes(32), "a|original"), (KEY, "b|original"), (KEY, "a|thumbnail")):
        with pytest.raises(FrameError):
            await opened(data, key, bound)
    assert len({subkey(KEY, "original"), subkey(KEY, "thumbnail"), KEY}) == 3
