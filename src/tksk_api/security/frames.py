"""Sealing files of any length in flat memory: frames of 64 KiB, each AES-256-GCM, none to be dropped or moved.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): the nonce is the frame's number and whether it is
the last one. A key seals one file only, so counting nonces never repeat under it.
"""

import hmac
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
FRAME_BYTES = 65_536
_TAG_BYTES = 16
_SEALED_BYTES = FRAME_BYTES + _TAG_BYTES
_HEADER = b"TKSK\x01"


class FrameError(Exception):
    """The sealed file is not what was sealed: changed, cut short, somebody else's, or under another key."""


def subkey(key: bytes, name: str) -> bytes:
    """A key of its own for one of several files that are kept under one key."""
    return hmac.digest(key, name.encode(), "sha256")


def seal(plain: BinaryIO, key: bytes, bound: str) -> Iterator[bytes]:
    """The sealed bytes of the file from where it stands; `bound` says whose it is and is needed to open it."""
    cipher, aad = AESGCM(key), _HEADER + bound.encode()
    yield _HEADER
    frame, number = plain.read(FRAME_BYTES), 0
    while True:
        following = plain.read(FRAME_BYTES)
        yield cipher.encrypt(_nonce(number, last=not following), frame, aad)
        if not following:
            return
        frame, number = following, number + 1


async def unseal(sealed: AsyncIterator[bytes], key: bytes, bound: str) -> AsyncIterator[bytes]:
    """The plain bytes, a frame at a time; none is given before it is proven. Raises FrameError."""
    cipher, aad = AESGCM(key), _HEADER + bound.encode()
    buffer, number, begun = bytearray(), 0, False
    async for chunk in sealed:
        buffer += chunk
        if not begun and len(buffer) >= len(_HEADER):
            begun = True
            if buffer[: len(_HEADER)] != _HEADER:
                raise FrameError("not a sealed file")
            del buffer[: len(_HEADER)]
        # One frame is kept back: only at the end is it known to be the last.
        while begun and len(buffer) > _SEALED_BYTES:
            yield _open(cipher, number, bytes(buffer[:_SEALED_BYTES]), aad, last=False)
            del buffer[:_SEALED_BYTES]
            number += 1
    yield _open(cipher, number, bytes(buffer), aad, last=True)


def _open(cipher: AESGCM, number: int, frame: bytes, aad: bytes, *, last: bool) -> bytes:
    try:
        return cipher.decrypt(_nonce(number, last=last), frame, aad)
    except (InvalidTag, ValueError) as error:
        raise FrameError(f"frame {number}") from error


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
