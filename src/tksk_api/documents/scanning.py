"""Read the address in a letter's QR code from a photo, a scan or the letter's own PDF."""

import io
from collections.abc import Iterator
from typing import Any

import pypdf
from PIL import Image, ImageOps

_MOST_PIXELS = 60_000_000
_LONGEST_SIDE = 3000
_SCALES = (1.0, 2.0, 0.5, 3.0)


class ScannerMissingError(RuntimeError):
    """Pictures need OpenCV, which only those who read them install (`tksk-api[scan]`)."""


def addresses_in(content: bytes) -> list[str]:
    """Every different address found: in a PDF the links of its pages and the pictures in it, else in the picture.

    Raises ValueError for a file that is neither, ScannerMissingError for a picture without OpenCV.
    """
    found = _in_pdf(content) if content.startswith(b"%PDF-") else _in_picture(content)
    return list(dict.fromkeys(address for address in found if "/verify/" in address))


def codes_in_picture(content: bytes) -> list[str] | None:
    """The addresses of letters in a picture that this system wrote anew when it took it in. None without OpenCV."""
    try:
        return [address for address in _in_picture(content) if "/verify/" in address]
    except ScannerMissingError:
        return None
    except ValueError:
        return []


def _in_pdf(content: bytes) -> Iterator[str]:
    try:
        for page in pypdf.PdfReader(io.BytesIO(content)).pages:
            for annotation in page.get("/Annots") or ():
                action: Any = annotation.get_object().get("/A") or {}
                if "/URI" in action and "#" in action["/URI"]:
                    yield str(action["/URI"])
            for image in page.images:
                yield from _in_picture(image.data)
    except (pypdf.errors.PyPdfError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise ValueError("a PDF that cannot be read") from error


def _in_picture(content: bytes) -> Iterator[str]:
    try:
        import cv2  # noqa: PLC0415
        import numpy as np  # noqa: PLC0415
    except ImportError as error:
        raise ScannerMissingError("pictures need OpenCV: pip install 'tksk-api[scan]'") from error
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise ValueError("a picture that is too large")
            opened.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
            grey = np.asarray(ImageOps.exif_transpose(opened).convert("L"))
    except (OSError, Image.DecompressionBombError, SyntaxError) as error:
        raise ValueError("neither a picture nor a PDF") from error
    # This detector reads noisy pictures that OpenCV's older one gives up on (tests/cli/test_verify_qr.py).
    detector = cv2.QRCodeDetectorAruco()
    for scale in _SCALES:
        if max(grey.shape) * scale > 2 * _LONGEST_SIDE:
            continue
        seen = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        text, _, _ = detector.detectAndDecode(seen)
        if text:
            yield str(text)
            return
