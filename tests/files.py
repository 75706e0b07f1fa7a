"""Files for tests: pictures and papers that are fine, and ones that are not what they seem."""

import io
import struct
import zipfile
import zlib
from typing import Any

from PIL import ExifTags, Image
from pypdf import PdfWriter


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48), colour: Any = "green", **how: Any) -> bytes:
    """A plain picture; another colour makes another file."""
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, kind, **how)
    return target.getvalue()


def camera_picture(*, orientation: int = 1, offset: str | None = None, comment: bytes = b"", **how: Any) -> bytes:
    """As a phone takes it: place (Srengsem, -5.473214, 105.326812), time and maker in its EXIF block."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kamera Contoh"
    exif[ExifTags.Base.Orientation] = orientation
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = "2026:11:02 09:30:00"
    if offset is not None:
        details[ExifTags.Base.OffsetTimeOriginal] = offset
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "S", (5.0, 28.0, 23.57)
    gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "E", (105.0, 19.0, 36.52)
    return picture(exif=exif, comment=comment, **how)


def noise(kind: str, size: tuple[int, int]) -> bytes:
    """A picture that does not compress."""
    target = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(target, kind)
    return target.getvalue()


def archive(name: str = "Payload.class", content: bytes = b"\xca\xfe\xba\xbe") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr(name, content)
    return target.getvalue()


def bomb(side: int = 60_000) -> bytes:
    """A PNG of a few kilobytes that says it is `side` pixels wide and high."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def paper(
    pages: int = 1, *, action: str = "", attached: bool = False, password: str = "", filling: bytes = b""
) -> bytes:
    """A PDF. `action` is what it does when it is opened, as written in the file; `filling` makes it long."""
    if action or filling:
        return _written(action, filling)
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if attached:
        writer.add_attachment("catatan.txt", b"isi")
    if password:
        writer.encrypt(password)
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def _written(action: str, filling: bytes) -> bytes:
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {'/OpenAction ' + action if action else ''} >>".encode(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(filling), filling),
    ]
    written, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 5\n0000000000 65535 f \n" + table
    return written + head + b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(written)
