"""The packaged versions of the programmes, read and checked once from versions.toml."""

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files

from tksk_api.domain.programs.schemas import ProgramVersionFacts
from tksk_api.types import Code, RegionCode


class PackagedVersion(ProgramVersionFacts):
    """One entry of versions.toml."""

    program: Code
    number: int
    region_code: RegionCode | None = None
    effective_from: date | None = None


@cache
def packaged_versions() -> tuple[PackagedVersion, ...]:
    """All entries, in their order. Raises ValidationError for one that the rule language does not know."""
    document = tomllib.loads(files(__package__).joinpath("versions.toml").read_text(encoding="utf-8"))
    return tuple(PackagedVersion.model_validate(entry) for entry in document["versions"])
