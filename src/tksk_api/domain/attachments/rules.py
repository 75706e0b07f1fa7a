"""What holds for an attachment, as pure functions: its kind, its name, how long it is kept."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta

from tksk_api.domain.references.lists import LISTS
from tksk_api.errors import invalid

MAX_BYTES = 20 * 1024 * 1024
MAX_NAME = 100
ENDINGS: Mapping[str, str] = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
}
# Sixteen digits or more, also in groups: a NIK or a family card number, whoever's it is.
_IDENTITY_NUMBER = re.compile(r"\d(?:[\s.\-]?\d){15,}")
KINDS = {item.code: item.attributes for item in LISTS["attachment_kinds"].items}
_NAME_CHARACTERS = re.compile(r"[^\w .,()+&@'-]")


def attribute(kind: str, name: str) -> object:
    """What the list attachment_kinds says of a kind; KeyError for an unknown one."""
    return KINDS[kind][name]


def check_kind(kind: str) -> None:
    """Raises invalid_request (unknown_code) at /kind."""
    if kind not in KINDS:
        raise invalid("/kind", "unknown_code", list="attachment_kinds")


def check_type(kind: str, media_type: str) -> None:
    """A photo is a picture; a paper may be a picture or a PDF. Raises invalid_request (photo_expected) at /file."""
    if attribute(kind, "images_only") and not media_type.startswith("image/"):
        raise invalid("/file", "photo_expected")


def is_identity(kind: str) -> bool:
    """Whether the file shows a full identity number."""
    return bool(attribute(kind, "identity"))


def keeps_place(kind: str) -> bool:
    """Whether place and time of the picture are kept: they are evidence of a visit, and nobody's business elsewhere."""
    return bool(attribute(kind, "keeps_place"))


def kept_after_deletion(kind: str) -> timedelta:
    """How long the file outlives its deletion."""
    return timedelta(days=int(str(attribute(kind, "kept_days"))))


def display_name(sent: str, kind: str, media_type: str) -> str:
    """A name to show and to save under: no folder, no control character, no identity number, the ending of the type."""
    base = unicodedata.normalize("NFC", re.split(r"[/\\]", sent)[-1])
    stem = base.rpartition(".")[0] or base
    stem = _IDENTITY_NUMBER.sub("-", stem)
    stem = " ".join(_NAME_CHARACTERS.sub(" ", stem).split()).strip(" .")
    return (stem[:MAX_NAME].rstrip(" .") or kind) + ENDINGS[media_type]
