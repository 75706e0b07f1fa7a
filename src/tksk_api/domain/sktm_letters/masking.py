"""The masked name that lets a stranger compare a letter with its holder without learning the name."""

import unicodedata


def mask_name(name: str) -> str:
    """Keep the first letter of each word and put one `*` for each further letter or digit.

    "Siti Aminah" gives "S*** A*****", "Nur'aini" gives "N**'****". Words are separated by white space, which
    becomes one space. Punctuation stays, so the shape can be compared with paper. Marks belong to the letter
    before them: the first letter keeps its own, and a masked letter takes its marks with it, since they would
    give it away. Invisible format characters are dropped. A word of one letter stays as it is.
    """
    return " ".join(masked for word in unicodedata.normalize("NFC", name).split() if (masked := _mask_word(word)))


def _mask_word(word: str) -> str:
    masked: list[str] = []
    letters = 0
    for character in word:
        kind = unicodedata.category(character)[0]
        if kind == "M":
            if letters == 1 and masked:
                masked.append(character)
        elif kind in "LN":
            letters += 1
            masked.append(character if letters == 1 else "*")
        elif kind in "PS":
            masked.append(character)
    return "".join(masked)
