"""Turn finished strings into a PDF/A-2b file by a typst template: offline, reproducible, whatever people typed."""

import ctypes
import json
import re
import threading
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import typst

from tksk_api.domain.sktm_letters.content import indonesian_date

LONGEST_WORD = 26
NO_BREAK_SPACE = "\u00a0"
_ZERO_WIDTH_SPACE = "\u200b"
_ONE_AT_A_TIME = threading.Lock()
_MADE, _OFTEN = count(1), 4  # papers until memory is given back
_ZONES = {timedelta(hours=7): "WIB", timedelta(hours=8): "WITA", timedelta(hours=9): "WIT"}

# What the fonts inside typst (Libertinus Serif, New Computer Modern, DejaVu Sans Mono) were measured to draw.
# PDF/A forbids a missing glyph, so one stray emoji would otherwise stop a letter at its last signature.
_DRAWABLE = re.compile(
    "[\u0020-\u007e\u00a0-\u00ac\u00ae-\u0377\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u04ff"
    "\u0606-\u060c\u061b\u061f\u0621-\u063a\u0640-\u0655\u0660-\u066d\u0679-\u067b\u067e-\u0680\u0686\u0687"
    "\u0691\u0698\u06a4\u06a9\u06af\u06be\u06cc\u06f0-\u06f9"
    "\u1e00-\u1eff\u2010-\u2027\u2030-\u2040\u20a0-\u20c0\u2100-\u211e\u2122\u2190-\u22ff\u25a0-\u25ff]"
)
_PLAIN_LATIN = re.compile("[\u0020-\u007e\u00a0-\u00ac\u00ae-\u017f\u25a1]")
_REPLACEMENT = "\u25a1"
_LONGEST_LIGATURE = 3  # a few stand for a whole sentence: 4,000 of them would be forty pages
_INVISIBLE_KINDS = frozenset({"Cf", "Cs", "Co", "Cn"})
_BETWEEN_LETTERS = re.compile("(?<=.)(?=[^\u0300-\u036f\u064b-\u0655])")
_PILED_UP_MARKS = re.compile("([\u0300-\u036f]{2})[\u0300-\u036f]+")


def typeset(template: Path, name: str, view: Any, moment: datetime) -> bytes:
    """The PDF of a view, which the template reads from `sys.inputs` under `name`; `moment` is the date inside the file.

    A character that no embedded font can draw is printed as an empty box. May be called from several threads; they
    take turns. Raises typst.TypstError when the template itself fails, which no content should cause.
    """
    try:
        return _compile(template, name, view, moment)
    except typst.TypstError as error:
        if "could not be displayed" not in str(error):
            raise
        # Characters that can be drawn alone may still fail in combination (a mark and a base from two fonts).
        return _compile(template, name, _only(_PLAIN_LATIN, view), moment)


def _compile(template: Path, name: str, view: Any, moment: datetime) -> bytes:
    with _ONE_AT_A_TIME:
        # sys_inputs takes strings only, so the whole view travels as one JSON text.
        result = _compiler(template).compile(
            format="pdf",
            sys_inputs={name: json.dumps(view)},
            pdf_standards=["a-2b"],
            timestamp=int(moment.timestamp()),
        )
        if next(_MADE) % _OFTEN == 0:
            _give_back()
    if not isinstance(result, bytes):
        raise TypeError("typst gave no single PDF")
    return result


@cache
def _trimmer() -> Callable[[int], object] | None:
    """The C library's own, where it has one (glibc)."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def _give_back() -> None:
    """What typesetting took and let go of, back to the system: the allocator keeps it in pieces, 20 MB after a hundred
    reports. Not after each, for taking it again costs a quarter of a report's time."""
    trim = _trimmer()
    if trim is not None:
        trim(0)


@cache
def _compiler(template: Path) -> typst.Compiler:
    """Make the one compiler of a template, which keeps the fonts and fails when two threads use it at once."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    return typst.Compiler(template, root=template.parent, font_paths=fonts, ignore_system_fonts=True)


def local_moment(value: datetime) -> str:
    """Write a time as `3 Juni 2026 pukul 14.05 WIB`, in the zone it was recorded in."""
    zone = _ZONES.get(value.utcoffset() or timedelta(0)) or value.strftime("UTC%z")
    return f"{indonesian_date(value)} pukul {value:%H.%M} {zone}"


def line(text: str, longest_word: int = LONGEST_WORD) -> str:
    """Give user text as one line that can be drawn.

    A word of more letters than `longest_word` may break anywhere, rather than run into the next column or off
    the paper; an ordinary word gets nothing added, so that text copied from the letter is the text typed.
    """
    return " ".join(
        _BETWEEN_LETTERS.sub(_ZERO_WIDTH_SPACE, word) if len(word) > longest_word else word
        for word in _drawable(text).split()
    )


def lines(text: str, longest_word: int = LONGEST_WORD) -> str:
    """Give user text with its line breaks, without empty lines."""
    return "\n".join(cleaned for raw in text.splitlines() if (cleaned := line(raw, longest_word)))


def _drawable(text: str) -> str:
    """Leave out what is invisible, such as marks that turn the reading direction; box what has no glyph."""
    kept: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        if kind == "Cc":
            kept.append(" ")
        elif _DRAWABLE.match(character):
            kept.append(character)
        elif kind not in _INVISIBLE_KINDS and not 0xFE00 <= ord(character) <= 0xFE0F:
            simpler = unicodedata.normalize("NFKC", character)
            is_drawable = len(simpler) <= _LONGEST_LIGATURE and all(map(_DRAWABLE.match, simpler))
            kept.append(simpler if is_drawable else _REPLACEMENT)
    return _PILED_UP_MARKS.sub(r"\1", "".join(kept))


def _only(allowed: re.Pattern[str], value: Any) -> Any:
    """Box every character outside `allowed` in all strings of a view."""
    if isinstance(value, str):
        return "".join(mark if mark in "\n\u200b" or allowed.match(mark) else _REPLACEMENT for mark in value)
    if isinstance(value, dict):
        return {name: _only(allowed, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_only(allowed, item) for item in value]
    return value
