"""What becomes of an uploaded logo: a small JPEG of its pixels on white, made where hostile files can do no harm."""

from tempfile import TemporaryFile
from typing import BinaryIO

from tksk_api.domain.attachments.inspectors import Inspectors
from tksk_api.errors import invalid

MAX_BYTES = 2 * 1024 * 1024
_LEAST_SIDE = 160  # printed 2.2 cm wide: 180 dots per inch; of the shorter side, or a line would be a logo


async def letterhead_picture(inspectors: Inspectors, upload: BinaryIO) -> bytes:
    """The picture as letters bear it: the inspectors' thumbnail, 320 pixels at most, without the camera's notes.

    That is 370 dots per inch on paper and some 20 kB in every letter. Raises invalid_request at /file, unavailable when
    too many uploads wait.
    """
    async with inspectors.turn():
        with TemporaryFile() as copy, TemporaryFile() as small:
            seen = await inspectors.inspect(upload, copy, small)
            if min(seen.width or 0, seen.height or 0) < _LEAST_SIDE:  # a PDF has no sides
                raise invalid("/file", "logo_expected", min=_LEAST_SIDE)
            small.seek(0)
            return small.read()
