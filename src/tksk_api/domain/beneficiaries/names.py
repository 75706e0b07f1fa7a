"""What remains of an Indonesian name when spellings that sound alike are made alike.

`keys_of` is the twin of `app.name_keys` in the database, step by step; tests hold the two against each other. Every
word stands between blanks of its own, so that plain replacements reach the beginnings and ends of words.
"""

import re
import unicodedata
from functools import lru_cache

_APOSTROPHES = str.maketrans("", "", "'’‘ʼʻ`´")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_MARKS = re.compile("[\u0300-\u036f\u0640\u064b-\u065f\u200b-\u200f]")
_DEGREES = re.compile(r",[^.]*[.].*$", re.DOTALL)  # what stands behind a comma and has a point: "Rahmat, S.Pd."
_NOT_A_LETTER = re.compile("[^a-z\u00c0-\u1fff\u2c00-\ud7ff\uf900-\ufdff\ufe70-\ufefc]+")
_MUHAMMAD = re.compile(r"^ +m (?= )| (moh|muh|mhd|mohd|muhd|moch|much|mokh|mukh|md|muhammad|mohammed|muhammed) ")
_TITLES = re.compile(
    " (h|hj|haji|hajah|hajjah|drs|dra|ir|dr|drg|prof|kh|kyai|kiai|ust|ustad|ustadz|ustadzah|alm|almh|almarhum|"
    "almarhumah|bin|binti|bt|tn|ny|tuan|nyonya|bpk|bapak|ibu|sdr|sdri|rd|rr|rm|raden|tgk|teungku|ni|"
    "spd|sag|se|sh|ssos|skom|skm|amd|mpd|msi|mm) "
)
_WHOLE_WORDS = ((" abd ", " abdul "), (" abdur ", " abdul "), (" st ", " siti "), (" sitti ", " siti "))
_ABDUR = re.compile(" abdur?r([a-z]{3,})")  # Abdurrahman, Abdurahman: Abdul Rahman
_JOINED = re.compile(" (nur|noor|noer|abdul|siti)([a-z]{4,})")  # Nurhayati: Nur Hayati
# Before 1972 j was dj, y was j, c was tj, sy was sj, u was oe: only in a word that shows it is a j a y.
_OLD_LETTERS = (("dj", "J"), ("tj", "C"), ("sj", "S"))
_OLD = re.compile("(oe|[CJS])([a-zCJS]*)j")
_SOUNDS = (
    ("oe", "u"),
    ("oo", "u"),
    ("ph", "f"),
    ("x", "ks"),
    ("ch", "h"),
    ("kh", "h"),
    ("dz", "s"),
    ("ny", "n"),
    ("sy", "s"),
    (" y", " j"),
    (" h", " H"),  # an h is heard at the beginning of a word only
)
_LETTERS = str.maketrans("qvfzeoyCJSH", "kppsiuicjsh", "h")
_ENDS = (("d ", "t "), ("b ", "p "), ("uw", "u"))
_DOUBLES = tuple((letter * 2, letter) for letter in "abcdghijklmnprstuw")
_VOWELS = str.maketrans("", "", "aiu")


@lru_cache(maxsize=16_384)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in plain small letters: titles dropped, abbreviations written out, joined names parted.

    A name of nothing but titles keeps them.
    """
    return tuple(_spaced(name).split())


def keys_of(name: str) -> list[str]:
    """A key for each word. Short words keep their vowels, of longer ones consonants say enough; initials count only
    where there is nothing else.
    """
    sounds = list(dict.fromkeys(map(sound_of, words_of(name))))
    keys = dict.fromkeys(key_of(sound) for sound in sounds if len(sound) > 1)
    return list(keys) or sounds


@lru_cache(maxsize=16_384)
def sound_of(word: str) -> str:
    """One plain word as it sounds."""
    said = f" {word} "
    for written, heard in _OLD_LETTERS:
        said = said.replace(written, heard)
    said = _OLD.sub(r"\1\2y", said)
    for written, heard in _SOUNDS:
        said = said.replace(written, heard)
    said = said.translate(_LETTERS)
    for written, heard in (*_ENDS, *_DOUBLES):
        said = said.replace(written, heard)
    return said.strip(" ")


def key_of(sound: str) -> str:
    """What is compared first of a word that sounds like this."""
    key = sound[:1] + sound[1:].translate(_VOWELS)
    return key if len(sound) > 3 and len(key) > 2 else sound


def _spaced(name: str) -> str:
    said = unicodedata.normalize("NFKD", name.translate(_APOSTROPHES)).translate(_LOWER)
    said = _DEGREES.sub("", _MARKS.sub("", said))
    words = _MUHAMMAD.sub(" muhamad ", f" {_NOT_A_LETTER.sub('  ', said)} ")
    bare = _TITLES.sub(" ", words)
    words = bare if bare.strip(" ") else words
    for short, long in (*_WHOLE_WORDS, (" chandra ", " candra ")):
        words = words.replace(short, long)
    return _JOINED.sub(r" \1  \2", _ABDUR.sub(r" abdul  r\1", words))
