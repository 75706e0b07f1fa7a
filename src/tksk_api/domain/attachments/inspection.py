"""Looking into an uploaded file, in a process of its own: what it is and a harmless copy, the pictures that a scanner
put into a PDF, or what a keystore holds.

Nothing here is imported by the server. `inspectors.py` starts this module with limits on memory, time and files, and
hands it the open files over a socket, so that neither a name nor a copy of them ever lies in a folder.
"""

import base64
import io
import json
import mmap
import os
import re
import resource
import signal
import socket
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO

from PIL import ExifTags, Image, ImageOps

MAX_PIXELS = 40_000_000
LONGEST_SIDE = 2560
THUMBNAIL_SIDE = 320
MAX_PAGES = 200
_MAX_OBJECTS = 50_000
_MAX_MEMORY = 1 << 30
_MAX_FILE = 1 << 27
_SECONDS = 20
_LOOK, _SCANNED, _UNLOCK = b"?", b"s", b"k"  # as inspectors.py asks
_PICTURES = 3  # of a scan: whose paper it is stands on its first pages
_PART_OF_A_PAGE = 0.25  # what a picture covers at least where the page is a picture
_TYPESETTER = "typst"  # makes our letters; no scanner says so of itself
_CHECKED_AT = "/verify/"  # in the address of every letter
_QUALITY = 85
_FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_ARCHIVE_END = b"PK\x05\x06"
_ARCHIVE_TAIL = 65_557  # the longest end record of a ZIP archive: 22 bytes and a comment of 65,535
# Names that make a PDF do something, or carry something, when it is opened (ISO 32000-2 §7.11.4, §12.6, §13).
_ACTIVE_KEYS = frozenset({"/JS", "/JavaScript", "/EmbeddedFiles", "/EF", "/RichMediaContent", "/XFA", "/AA"})
_ACTIVE_VALUES = frozenset(
    {
        "/JavaScript",
        "/Launch",
        "/EmbeddedFile",
        "/RichMedia",
        "/SubmitForm",
        "/ImportData",
        "/GoToE",
        "/Rendition",
        "/Movie",
        "/Sound",
        "/3D",
    }
)
# Also looked for in the bytes as they are, where an object may hide from the table of contents.
_ACTIVE_BYTES = re.compile(rb"/(?:JavaScript|Launch|EmbeddedFile|RichMedia)\b")


class Refused(Exception):
    """The file is not taken; `code` is a field error."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


def inspect(upload: BinaryIO, content: BinaryIO, thumbnail: BinaryIO) -> dict[str, Any]:
    """What the upload is. Of an image a clean copy and a thumbnail are written; of a PDF nothing, it stays as it is.

    Raises Refused.
    """
    size = os.fstat(upload.fileno()).st_size
    if size == 0:
        raise Refused("file_empty")
    with mmap.mmap(upload.fileno(), 0, access=mmap.ACCESS_READ) as data:
        kind = sniff(data[:32])
        if kind not in ("image", "pdf"):
            raise Refused("file_type_refused", found=kind)
        _refuse_second_face(data, kind)
        if kind == "pdf":
            return {"media_type": "application/pdf", "pages": _look_through_pdf(upload, data)}
    return _copy_image(upload, content, thumbnail)


def sniff(head: bytes) -> str:
    """`image`, `pdf`, or the name of what else the first bytes show."""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head[4:8] == b"ftyp":
        return "HEIC/AVIF" if head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif") else "video"
    known = {b"PK\x03\x04": "ZIP", b"MZ": "EXE", b"\x7fELF": "ELF", b"GIF8": "GIF", b"BM": "BMP", b"Rar!": "RAR"}
    named = [name for magic, name in known.items() if head.startswith(magic)]
    if named:
        return named[0]
    return "HTML/XML" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else "-"


def _refuse_second_face(data: mmap.mmap, kind: str) -> None:
    """Another reader must not take the file for something else (GIFAR and its kin). Raises Refused."""
    if _ends_as_archive(data) or (kind == "image" and data.find(b"%PDF-", 0, 1024) >= 0):
        raise Refused("file_two_faced")


def _ends_as_archive(data: mmap.mmap) -> bool:
    """Whether a reader of ZIP, who begins at the end, finds an archive: the end record leads to its directory."""
    position = len(data)
    while (position := data.rfind(_ARCHIVE_END, max(0, len(data) - _ARCHIVE_TAIL), position)) >= 0:
        record = data[position : position + 22]
        if len(record) == 22:
            (length,) = struct.unpack_from("<L", record, 12)
            if length and data[max(0, position - length) :][:4] == b"PK\x01\x02":
                return True
    return False


def _copy_image(upload: BinaryIO, content: BinaryIO, thumbnail: BinaryIO) -> dict[str, Any]:
    """Pixels only are carried over: no comment, profile, second image or trailing bytes. Raises Refused."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    upload.seek(0)
    try:
        with Image.open(upload, formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Refused("image_too_large", max=MAX_PIXELS // 1_000_000)
            media_type = _FORMATS[str(image.format)]
            taken = _taken(image)
            picture = _upright(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused("image_too_large", max=MAX_PIXELS // 1_000_000) from error
    _write(picture, content, media_type)
    small = picture.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    _write(small, thumbnail, "image/jpeg")
    return {"media_type": media_type, "width": picture.width, "height": picture.height, **taken}


def _upright(image: Image.Image) -> Image.Image:
    """The decoded picture, no larger than kept, turned as the camera was held: grey, colour, or with transparency."""
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG is decoded at a half or a quarter at once
    has_transparency = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    mode = "RGBA" if has_transparency else "L" if image.mode in ("1", "L") else "RGB"
    picture = image if image.mode == mode else image.convert(mode)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    turned = ImageOps.exif_transpose(picture)
    turned.info.clear()
    return turned


def _write(picture: Image.Image, target: BinaryIO, media_type: str) -> None:
    if media_type == "image/png":
        picture.save(target, "PNG")
    elif media_type == "image/webp":
        picture.save(target, "WEBP", quality=_QUALITY)
    else:
        if picture.mode == "RGBA":
            paper = Image.new("RGB", picture.size, "white")
            paper.paste(picture, mask=picture.getchannel("A"))
            picture = paper
        picture.save(target, "JPEG", quality=_QUALITY)
    target.flush()


def _taken(image: Image.Image) -> dict[str, Any]:
    """Where and when the camera says the picture was taken; what it does not say clearly is left out."""
    try:
        exif = image.getexif()
        gps, details = exif.get_ifd(ExifTags.IFD.GPSInfo), exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # a broken block of notes is no reason to refuse the picture
        return {}
    base = ExifTags.Base
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S", 90)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W", 180)
    facts: dict[str, Any] = {
        "taken_at": _moment(details.get(base.DateTimeOriginal), details.get(base.OffsetTimeOriginal))
    }
    if latitude is not None and longitude is not None and (latitude, longitude) != (0, 0):
        facts |= {"latitude": latitude, "longitude": longitude}
    return facts


def _degrees(parts: Any, side: Any, negative: str, most: int) -> float | None:
    """Degrees, minutes and seconds as decimal degrees to six places."""
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
        value = round(degrees + minutes / 60 + seconds / 3600, 6)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not 0 <= value <= most:
        return None
    return -value if side == negative else value


def _moment(stamp: Any, offset: Any) -> str | None:
    """`2026:11:22 09:30:00` as ISO 8601, with the offset where the camera knows it."""
    try:
        moment = datetime.strptime(str(stamp), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - the zone may be unknown
    except ValueError:
        return None
    zone = str(offset) if re.fullmatch(r"[+-](?:0\d|1[0-4]):[0-5]\d", str(offset)) else ""
    return moment.isoformat() + zone


def _look_through_pdf(upload: BinaryIO, data: mmap.mmap) -> int:
    """The number of pages, after a look at every object. Raises Refused."""
    from pypdf import PdfReader  # noqa: PLC0415 - most uploads are photos
    from pypdf.generic import IndirectObject  # noqa: PLC0415

    if data.rfind(b"%%EOF", max(0, len(data) - 1024)) < 0:
        raise Refused("file_damaged")
    if _ACTIVE_BYTES.search(data):
        raise Refused("pdf_active")
    upload.seek(0)
    reader = PdfReader(upload)
    if reader.is_encrypted:
        raise Refused("pdf_encrypted")
    pages = len(reader.pages)
    if not 1 <= pages <= MAX_PAGES:
        raise Refused("pdf_pages", max=MAX_PAGES)
    places = {(number, generation) for generation, table in reader.xref.items() for number in table}
    places |= {(number, 0) for number in reader.xref_objStm}
    if len(places) > _MAX_OBJECTS:
        raise Refused("file_damaged")
    for number, generation in sorted(places):
        for word in _words(reader.get_object(IndirectObject(number, generation, reader))):
            if word in _ACTIVE_KEYS or word in _ACTIVE_VALUES:
                raise Refused("pdf_active")
    if any(word in _ACTIVE_KEYS for word in _words(reader.trailer)):
        raise Refused("pdf_active")
    return pages


def pictures_in_scan(upload: BinaryIO) -> list[bytes]:
    """The pictures of the first pages of a PDF that a scanner made, written anew as JPEG; one that cannot be read is
    left out.

    Raises Refused (scan_is_the_letter) where a computer made it, whatever program wrote it anew since: it says so of
    itself, leads to a letter's page, or has words and lines where a scan has pictures. Text that a scanner read in its
    picture, and put behind it, is fine.
    """
    from pypdf import PdfReader  # noqa: PLC0415

    reader = PdfReader(upload)
    if _TYPESETTER in _made_by(reader) or any(_links_to_letter(page) for page in reader.pages):
        raise Refused("scan_is_the_letter")
    scanned = []
    for page in reader.pages:
        text, is_picture = _shown(page)
        if is_picture:
            scanned.append(page)
        elif _CHECKED_AT in text:
            raise Refused("scan_is_the_letter")
    if not scanned:
        raise Refused("scan_is_the_letter")
    return [picture for page in scanned[:_PICTURES] if (picture := _largest_picture(page))]


def _made_by(reader: Any) -> str:
    said, tool = reader.metadata or {}, None
    with suppress(
        Exception
    ):  # a scanner's metadata that are no XML say nothing, which is no reason to refuse the paper
        tool = reader.xmp_metadata.xmp_creator_tool if reader.xmp_metadata is not None else None
    return f"{said.get('/Creator', '')} {said.get('/Producer', '')} {tool}".lower()


def _links_to_letter(page: Any) -> bool:
    listed = page.get("/Annots")
    listed = listed.get_object() if listed is not None else None
    links = [link.get_object() for link in listed] if isinstance(listed, list) else []
    actions = [link.get("/A") for link in links if isinstance(link, dict)]
    return any(isinstance(action, dict) and _CHECKED_AT in str(action.get("/URI", "")) for action in actions)


def _shown(page: Any) -> tuple[str, bool]:
    """The words of a page without blanks, and whether pictures cover a good part of it."""
    covered = 0.0

    def draws(operator: bytes, _: Any, matrix: Any, __: Any) -> None:
        nonlocal covered
        if operator in (b"Do", b"INLINE IMAGE"):  # each fills the unit square of its matrix
            covered += abs(matrix[0] * matrix[3] - matrix[1] * matrix[2])

    text = page.extract_text(visitor_operand_before=draws)
    area = float(page.mediabox.width) * float(page.mediabox.height)
    return "".join(text.split()), covered >= _PART_OF_A_PAGE * area


def _largest_picture(page: Any) -> bytes:
    target = io.BytesIO()
    with suppress(Exception):  # of a kind that is not read here, which is no reason to refuse the paper
        images = [picture for image in page.images if (picture := image.image) is not None]
        _write(_upright(max(images, key=lambda image: image.width * image.height)), target, "image/jpeg")
    return target.getvalue()


def _words(value: Any) -> Iterator[str]:
    """Every name that stands in an object: keys, and values that are names; other objects are visited by themselves."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from (str(key) for key in item)
            waiting += [dict.__getitem__(item, key) for key in item]
        elif isinstance(item, list):
            waiting += list.__iter__(item)
        elif isinstance(item, str) and item.startswith("/"):
            yield str(item)


def _answer(files: list[int]) -> dict[str, Any]:
    with (
        os.fdopen(files[0], "rb") as upload,
        os.fdopen(files[1], "wb") as content,
        os.fdopen(files[2], "wb") as thumbnail,
    ):
        try:
            return inspect(upload, content, thumbnail)
        except Refused as refusal:
            return {"refused": refusal.code, "facts": refusal.facts}
        except Exception:  # whatever the libraries say of a hostile file, it means one thing
            return {"refused": "file_damaged", "facts": {}}
        finally:
            for number in files:  # where a file stands is shared with the server, which reads from the beginning
                os.lseek(number, 0, os.SEEK_SET)


def _look_at_scan(files: list[int]) -> dict[str, Any]:
    """Of the PDF in the first file: its pictures, as JSON in the second."""
    with os.fdopen(files[0], "rb") as upload, os.fdopen(files[1], "wb") as told:
        try:
            pictures = pictures_in_scan(upload)
        except Refused as refusal:
            return {"refused": refusal.code}
        except Exception:  # as above
            return {"refused": "file_damaged"}
        told.write(json.dumps([base64.b64encode(picture).decode() for picture in pictures]).encode())
        return {}


def _unlock(files: list[int]) -> dict[str, Any]:
    """Of a PKCS#12 file, its password and the moment, as JSON in the first file: key and certificates in the second."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - this process does nothing else

    from tksk_api.errors import DomainError  # noqa: PLC0415
    from tksk_api.security.certificates import open_keystore  # noqa: PLC0415

    with os.fdopen(files[0], "rb") as asked, os.fdopen(files[1], "wb") as told:
        given = json.load(asked)
        try:
            now = datetime.fromisoformat(given["now"])
            opened = open_keystore(base64.b64decode(given["content"]), given["password"], now)
        except DomainError as refusal:
            (error,) = refusal.errors
            return {"refused": error.code, "pointer": error.pointer, "facts": dict(error.facts)}
        parts = [opened.key_bytes(), *(one.public_bytes(Encoding.DER) for one in (opened.certificate, *opened.chain))]
        told.write(json.dumps([base64.b64encode(part).decode() for part in parts]).encode())
        return {}


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE, _MAX_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def main(number: int) -> None:
    """Answer one file after the other until the server closes the socket; an alarm ends what takes too long."""
    answers = {_LOOK: _answer, _SCANNED: _look_at_scan, _UNLOCK: _unlock}
    _limit()
    with socket.socket(fileno=number) as channel:
        while True:
            message, files, _flags, _address = socket.recv_fds(channel, 16, 3)
            if not message:
                return
            signal.alarm(_SECONDS)
            answer = answers[message](files)
            signal.alarm(0)
            channel.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
