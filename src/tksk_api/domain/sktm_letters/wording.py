"""The sentences of a letter that depend on its purpose: packaged, and set by a region where it wants its own words."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

_ANY_PURPOSE = "any"

WORDING: Mapping[str, Mapping[str, str]] = tomllib.loads(
    files("tksk_api.domain.sktm_letters").joinpath("wording.toml").read_text(encoding="utf-8")
)


def sentence(
    which: Literal["finding", "use"], purpose: str, own: Mapping[str, Mapping[str, str]]
) -> tuple[str, str | None]:
    """The sentence in Indonesian and English: the region's `own` for the purpose, for any purpose, or the packaged one.

    English is None where the region gave no translation of its own words: the packaged one might say something else.
    """
    for wording in (own.get(purpose, {}), own.get(_ANY_PURPOSE, {}), WORDING[purpose]):
        if f"{which}_id" in wording:
            return wording[f"{which}_id"], wording.get(f"{which}_en")
    raise KeyError(f"{purpose}: no {which}")
